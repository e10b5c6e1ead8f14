//! The recorder: the history, the operations under way, and their outcomes.
//!
//! Jobs write to it while they run; the world and its checks read it between two actions.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::{fmt, io};

use simaccel::Error;

use super::actions::Actions;
use super::history::History;

/// How often operations ended in each way that a fault must explain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) right: u64,
    pub(crate) wrong: u64,
    pub(crate) auth_failed: u64,
    pub(crate) dead: u64,
    pub(crate) failed: u64,
    pub(crate) invalid: u64,
    pub(crate) never_ends: u64,
    pub(crate) no_memory: u64,
    pub(crate) reset: u64,
    pub(crate) short: u64,
    pub(crate) timeout: u64,
    pub(crate) wake_fd: u64,
    /// MACs that were found to be others than expected.
    pub(crate) unequal: u64,
    /// Outputs that were not checked: they did not fit the slice, were compared by the engine, or nobody has
    /// asked for them.
    pub(crate) unseen: u64,
}

impl Tally {
    /// Returns `false` when no fault explains this error.
    fn add(&mut self, error: &Error) -> bool {
        let count = match error {
            Error::AuthFailed => &mut self.auth_failed,
            Error::DeviceDead => &mut self.dead,
            Error::DeviceFailed => &mut self.failed,
            Error::InvalidArgument(_) => &mut self.invalid,
            Error::NeverEnds => &mut self.never_ends,
            Error::NoMemory => &mut self.no_memory,
            Error::Reset => &mut self.reset,
            Error::ShortOutput { .. } => &mut self.short,
            Error::Timeout => &mut self.timeout,
            Error::WakeFd(_) => &mut self.wake_fd,
            _ => return false,
        };
        *count += 1;
        true
    }
}

/// An operation that is under way.
struct UnderWay {
    number: u64,
    ctx: Option<usize>,
    token: u64,
    /// The resume in which it began.
    turn: u64,
    /// How often polling returned its token.
    handed_out: u32,
}

pub(crate) struct Recorder {
    history: RefCell<History>,
    /// The first thing that broke.
    broken: RefCell<Option<String>>,
    under_way: RefCell<Vec<UnderWay>>,
    pub(crate) tally: RefCell<Tally>,
    /// Operations that began, whatever their outcome.
    pub(crate) begun: Cell<u64>,
    /// Operations whose job or future was dropped.
    pub(crate) dropped: Cell<u64>,
    /// Operations that ended in a later resume than the one they began in.
    pub(crate) ended_later: Cell<u64>,
    /// Pauses without an operation that have ended.
    pub(crate) pauses_ended: Cell<u64>,
    /// Futures that were ready.
    pub(crate) awaited: Cell<u64>,
    /// Counts the resumes.
    pub(crate) turn: Cell<u64>,
    /// How often polling may return a token for one operation.
    tokens_each: u32,
}

impl Recorder {
    pub(crate) fn new(print: bool, tokens_each: u32, actions: &Rc<Actions>) -> Rc<Self> {
        Rc::new(Self {
            history: RefCell::new(History::new(print, Rc::clone(actions))),
            broken: RefCell::new(None),
            under_way: RefCell::default(),
            tally: RefCell::default(),
            begun: Cell::new(0),
            dropped: Cell::new(0),
            ended_later: Cell::new(0),
            pauses_ended: Cell::new(0),
            awaited: Cell::new(0),
            turn: Cell::new(0),
            tokens_each,
        })
    }

    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        self.history.borrow_mut().note(what);
    }

    pub(crate) fn note_bytes(&self, bytes: &[u8]) {
        self.history.borrow_mut().note_bytes(bytes);
    }

    pub(crate) fn printed(&self) -> Result<(), io::ErrorKind> {
        self.history.borrow().printed()
    }

    pub(crate) fn hash(&self) -> super::history::Hash {
        self.history.borrow().hash()
    }

    /// Records a broken rule. The first one ends the history.
    pub(crate) fn fail(&self, what: impl FnOnce() -> String) {
        if self.broken.borrow().is_none() {
            self.broke(what());
        }
    }

    /// The first thing has broken. (A function with one name, for breakpoints of debuggers.)
    #[inline(never)]
    fn broke(&self, what: String) {
        self.note(format_args!("BROKEN: {what}"));
        *self.broken.borrow_mut() = Some(what);
    }

    pub(crate) fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what);
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.borrow().is_some()
    }

    pub(crate) fn verdict(&self) -> Option<String> {
        self.broken.borrow().clone()
    }

    /// Begins an operation: in a job with this context and token, or (`None`) blocking.
    pub(crate) fn enter(&self, ctx: Option<usize>, token: u64) -> Entered<'_> {
        Entered { recorder: self, number: self.begin(ctx, token) }
    }

    /// Begins an operation that [`Recorder::leave`] or [`Recorder::abandon`] ends. Returns its number.
    pub(crate) fn begin(&self, ctx: Option<usize>, token: u64) -> u64 {
        let number = self.begun.get();
        self.begun.set(number + 1);
        let turn = self.turn.get();
        self.under_way.borrow_mut().push(UnderWay { number, ctx, token, turn, handed_out: 0 });
        number
    }

    /// An operation was given up.
    pub(crate) fn abandon(&self, number: u64) {
        self.leave(number);
        self.dropped.set(self.dropped.get() + 1);
    }

    /// Ends it. Returns the resume in which it began.
    pub(crate) fn leave(&self, number: u64) -> u64 {
        let mut under_way = self.under_way.borrow_mut();
        let at = under_way.iter().position(|other| other.number == number);
        at.map_or(0, |at| under_way.swap_remove(at).turn)
    }

    /// Grows whenever a job or a future makes progress.
    pub(crate) fn progress(&self) -> u64 {
        self.begun.get() + self.ended_later.get() + self.pauses_ended.get() + self.awaited.get()
    }

    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.borrow().len() as u64
    }

    /// Operations under way in jobs of this context.
    pub(crate) fn under_way_on(&self, ctx: usize) -> usize {
        self.under_way.borrow().iter().filter(|other| other.ctx == Some(ctx)).count()
    }

    /// Operations under way in the job with this token.
    pub(crate) fn is_waiting(&self, token: u64) -> bool {
        self.under_way.borrow().iter().any(|other| other.token == token)
    }

    /// Records that polling returned a token.
    pub(crate) fn handed_out(&self, token: u64) {
        let mut under_way = self.under_way.borrow_mut();
        match under_way.iter_mut().find(|other| other.token == token) {
            Some(other) => {
                other.handed_out += 1;
                let times = other.handed_out;
                self.check(times <= self.tokens_each, || format!("token {token} was returned {times} times"));
            }
            None => self.fail(|| format!("token {token} was returned, and its job waits for nothing")),
        }
    }

    /// Counts an operation that ended with an unexpected error.
    pub(crate) fn count_error(&self, error: &Error) {
        let known = self.tally.borrow_mut().add(error);
        self.check(known, || format!("an operation ended with {error:?}"));
    }
}

/// Lives on the stack of the job or thread that waits for an operation.
pub(crate) struct Entered<'a> {
    recorder: &'a Recorder,
    number: u64,
}

impl Entered<'_> {
    /// The operation has returned.
    pub(crate) fn leave(self) {
        let turn = self.recorder.leave(self.number);
        if turn != self.recorder.turn.get() {
            self.recorder.ended_later.set(self.recorder.ended_later.get() + 1);
        }
        std::mem::forget(self);
    }
}

impl Drop for Entered<'_> {
    /// The operation is unwound, because its job was dropped.
    fn drop(&mut self) {
        self.recorder.abandon(self.number);
    }
}
