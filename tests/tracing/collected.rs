//! A subscriber that keeps everything, and checks that spans are exited in the order in which it must be.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, ThreadId};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;

/// A span that is over, or not.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) target: &'static str,
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    pub(crate) parent: Option<u64>,
    pub(crate) fields: Fields,
    /// How often it was entered.
    pub(crate) entered: usize,
    handles: usize,
    metadata: &'static Metadata<'static>,
}

pub(crate) type Fields = BTreeMap<&'static str, String>;

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) parent: Option<u64>,
    pub(crate) fields: Fields,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) spans: BTreeMap<u64, Span>,
    pub(crate) events: Vec<Told>,
    /// What each thread has entered, innermost last.
    stacks: BTreeMap<String, Vec<u64>>,
    /// Exits of spans that were not innermost.
    pub(crate) misplaced: usize,
}

/// What was collected.
#[derive(Clone)]
pub(crate) struct Collected {
    state: Arc<Mutex<State>>,
    most: LevelFilter,
}

struct Collector {
    collected: Collected,
    next: AtomicU64,
}

/// Runs `body` with a collector as this thread's subscriber, and returns what it has collected. For devices
/// without threads, or what this thread does.
pub(crate) fn collect(body: impl FnOnce(&Collected)) -> Collected {
    collect_at(LevelFilter::TRACE, body)
}

pub(crate) fn collect_at(most: LevelFilter, body: impl FnOnce(&Collected)) -> Collected {
    let collected = Collected { state: Arc::default(), most };
    let collector = Collector { collected: collected.clone(), next: AtomicU64::new(1) };
    tracing::dispatcher::with_default(&Dispatch::new(collector), || body(&collected));
    let state = collected.state();
    assert!(state.stacks.values().all(Vec::is_empty), "spans are left entered: {:?}", state.stacks);
    assert_eq!(state.misplaced, 0, "spans are exited in the reverse order");
    drop(state);
    collected
}

impl Collected {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The spans of this target, in the order of their beginning.
    pub(crate) fn spans(&self, target: &str) -> Vec<Span> {
        self.state().spans.values().filter(|span| span.target == target).cloned().collect()
    }

    pub(crate) fn operations(&self) -> Vec<Span> {
        let spans = self.spans("simaccel::operation");
        assert!(spans.iter().all(|span| span.is_closed() && span.level == Level::TRACE), "{spans:#?}");
        spans
    }

    /// The one operation.
    pub(crate) fn operation(&self) -> Span {
        let mut spans = self.operations();
        assert_eq!(spans.len(), 1, "{spans:#?}");
        spans.remove(0)
    }

    /// The messages of this target.
    pub(crate) fn messages(&self, target: &str) -> Vec<String> {
        let of_target = |event: &&Told| event.target == target;
        self.state().events.iter().filter(of_target).map(|event| event.fields["message"].clone()).collect()
    }

    pub(crate) fn events(&self, target: &str) -> Vec<Told> {
        self.state().events.iter().filter(|event| event.target == target).cloned().collect()
    }

    /// The span that this thread is in.
    pub(crate) fn current(&self) -> Option<u64> {
        self.state().stacks.get(&this_thread())?.last().copied()
    }
}

impl Span {
    pub(crate) const fn is_closed(&self) -> bool {
        self.handles == 0
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

fn this_thread() -> String {
    let id: ThreadId = thread::current().id();
    format!("{id:?}")
}

struct Reader<'f>(&'f mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Collector {
    fn state(&self) -> MutexGuard<'_, State> {
        self.collected.state()
    }

    fn parent(&self, explicit: Option<&Id>, is_contextual: bool) -> Option<u64> {
        match explicit {
            Some(id) => Some(id.into_u64()),
            None if is_contextual => self.collected.current(),
            None => None,
        }
    }
}

/// Bytes of stack that each call takes: more than a job has.
const DEEP: usize = 128 << 10;

/// Takes stack as a subscriber that formats and writes does, and more.
#[inline(never)]
fn take_stack() {
    let mut stack = [0_u8; DEEP];
    std::hint::black_box(&mut stack);
}

/// What is told of operations and devices is told outside of jobs. A job's own span is told where it is
/// resumed, which may be in another job.
fn is_deep(metadata: &Metadata<'_>) {
    let is_of_job = metadata.target() == "simaccel::job";
    if metadata.target().starts_with("simaccel") && !is_of_job {
        take_stack();
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_of_interest = metadata.target().starts_with("simaccel") || metadata.target() == "test";
        is_of_interest && *metadata.level() <= self.collected.most
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.collected.most)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let parent = self.parent(attributes.parent(), attributes.is_contextual());
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let metadata = attributes.metadata();
        is_deep(metadata);
        let mut fields = Fields::new();
        attributes.record(&mut Reader(&mut fields));
        let (target, name, level) = (metadata.target(), metadata.name(), *metadata.level());
        let span = Span { target, name, level, parent, fields, entered: 0, handles: 1, metadata };
        self.state().spans.insert(id, span);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut state = self.state();
        values.record(&mut Reader(&mut state.spans.get_mut(&span.into_u64()).unwrap().fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let parent = self.parent(event.parent(), event.is_contextual());
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let metadata = event.metadata();
        is_deep(metadata);
        let told = Told { target: metadata.target(), level: *metadata.level(), parent, fields };
        self.state().events.push(told);
    }

    fn enter(&self, span: &Id) {
        let mut state = self.state();
        state.spans.get_mut(&span.into_u64()).unwrap().entered += 1;
        state.stacks.entry(this_thread()).or_default().push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let mut state = self.state();
        let stack = state.stacks.entry(this_thread()).or_default();
        if stack.pop() != Some(span.into_u64()) {
            state.misplaced += 1;
        }
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.state().spans.get_mut(&id.into_u64()).unwrap().handles += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut state = self.state();
        let span = state.spans.get_mut(&id.into_u64()).unwrap();
        span.handles -= 1;
        span.handles == 0
    }

    fn current_span(&self) -> Current {
        match self.collected.current() {
            None => Current::none(),
            Some(id) => Current::new(Id::from_u64(id), self.state().spans[&id].metadata),
        }
    }
}
