//! Jobs that take turns on a thread, and the spans that they are in: each has its own, in every turn.

use simaccel::job::Pause;
use simaccel::{Job, Step, WaitCtx, job};
use tracing::Span;

use crate::collected::{Collected, collect};
use crate::engine_helpers::{IV, ctr, message, stepped};

fn id(span: &Span) -> Option<u64> {
    span.id().map(|id| id.into_u64())
}

fn pause() {
    assert_eq!(job::pause(), Pause::Resumed);
}

fn job_of<T: 'static>(f: impl FnOnce() -> T + 'static) -> (Job<T>, WaitCtx) {
    let ctx = WaitCtx::new();
    (Job::new(&ctx, f).unwrap(), ctx)
}

/// Two jobs that hold guards across their pauses, resumed in turn. What each is in, and what the thread is in
/// between, is what it would be without the other.
#[test]
fn two_jobs_that_take_turns_are_each_in_their_own_spans() {
    let collected = collect(|collected| {
        let in_spans = |name: &'static str, collected: Collected| {
            move || {
                let outer = tracing::info_span!(target: "test", "outer", name).entered();
                let job = collected.state().spans[&id(&outer).unwrap()].parent;
                assert!(job.is_some(), "the job's own span");
                for _ in 0..3 {
                    let inner = tracing::info_span!(target: "test", "inner", name).entered();
                    pause();
                    assert_eq!(collected.current(), id(&inner));
                    drop(inner);
                    assert_eq!(collected.current(), id(&outer));
                    pause();
                    assert_eq!(collected.current(), id(&outer));
                }
                drop(outer);
                assert_eq!(collected.current(), job);
            }
        };
        let application = tracing::info_span!(target: "test", "application").entered();
        let mut jobs =
            vec![job_of(in_spans("a", collected.clone())), job_of(in_spans("b", collected.clone()))];
        while !jobs.is_empty() {
            jobs.retain_mut(|(job, _)| {
                let step = job.resume().unwrap();
                assert_eq!(collected.current(), id(&application), "nothing of the job's is left");
                step == Step::Paused
            });
        }
    });
    let jobs = collected.spans("simaccel::job");
    let told: Vec<_> =
        jobs.iter().map(|span| (span.field("outcome"), span.is_closed(), span.entered)).collect();
    assert_eq!(told, [("returned", true, 7); 2], "entered at the start and after each of six pauses");
    let messages = collected.messages("simaccel::job");
    let count = |what: &str| messages.iter().filter(|message| *message == what).count();
    let counts = ["started", "paused", "resumed", "finished"].map(count);
    assert_eq!(counts, [2, 12, 12, 2]);
}

/// The engine's own pauses, in spans of the user's.
#[test]
fn a_span_of_the_users_is_the_parent_on_either_side_of_an_operation() {
    let engine = stepped("completion_nsec=1000");
    let collected = collect(|_| {
        let mut jobs: Vec<_> = (0..3)
            .map(|index| {
                let session = ctr(&engine);
                job_of(move || {
                    let _request = tracing::info_span!(target: "test", "request", index).entered();
                    session.encrypt(&IV, message(index, 10)).unwrap();
                    tracing::info!(target: "test", index, "between");
                    session.encrypt(&IV, message(index, 10)).unwrap();
                })
            })
            .collect();
        while !jobs.is_empty() {
            jobs.retain_mut(|(job, _)| job.resume().unwrap() == Step::Paused);
            engine.device().step();
        }
    });
    let state = collected.state();
    let index_of = |parent: Option<u64>| state.spans[&parent.unwrap()].field("index").to_owned();
    let between: Vec<_> = state.events.iter().filter(|event| event.target == "test").collect();
    assert_eq!(between.len(), 3);
    assert!(between.iter().all(|event| index_of(event.parent) == event.fields["index"]), "{between:#?}");
    let operations = state.spans.values().filter(|span| span.target == "simaccel::operation");
    let mut parents: Vec<_> = operations.map(|span| index_of(span.parent)).collect();
    parents.sort();
    assert_eq!(parents, ["0", "0", "1", "1", "2", "2"]);
}

#[test]
fn jobs_in_jobs() {
    collect(|collected| {
        let of_outer = collected.clone();
        let (mut outer, _ctx) = job_of(move || {
            let outer = tracing::info_span!(target: "test", "outer").entered();
            let of_inner = of_outer.clone();
            let (mut inner, _ctx) = job_of(move || {
                let inner = tracing::info_span!(target: "test", "inner").entered();
                pause();
                assert_eq!(of_inner.current(), id(&inner));
            });
            assert_eq!(inner.resume().unwrap(), Step::Paused);
            assert_eq!(of_outer.current(), id(&outer));
            pause();
            assert_eq!(of_outer.current(), id(&outer));
            assert_eq!(inner.resume().unwrap(), Step::Finished(()));
            assert_eq!(of_outer.current(), id(&outer));
        });
        assert_eq!(outer.resume().unwrap(), Step::Paused);
        assert_eq!(collected.current(), None);
        assert_eq!(outer.resume().unwrap(), Step::Finished(()));
    });
}

/// A job that is dropped unwinds in its spans, and one that panics ends in them.
#[test]
fn how_a_job_ends() {
    let collected = collect(|collected| {
        let (mut dropped, _ctx) = job_of(|| {
            let _span = tracing::info_span!(target: "test", "dropped").entered();
            pause();
        });
        dropped.resume().unwrap();
        drop(dropped);
        let (mut panics, _ctx) = job_of(|| {
            let _span = tracing::info_span!(target: "test", "panics").entered();
            pause();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        panics.resume().unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panics.resume()));
        caught.unwrap_err();
        drop(job_of(|| ()));
        assert_eq!(collected.current(), None);
    });
    let outcomes: Vec<_> =
        collected.spans("simaccel::job").iter().map(|span| span.field("outcome").to_owned()).collect();
    assert_eq!(outcomes, ["dropped", "panicked"], "one that has never run has no span");
}

/// A subscriber that comes in the middle of a job's life, and one that goes.
#[test]
fn subscribers_come_and_go() {
    let (mut job, _ctx) = job_of(|| (0..6).for_each(|_| pause()));
    job.resume().unwrap();
    let first = collect(|collected| {
        job.resume().unwrap();
        job.resume().unwrap();
        assert_eq!(collected.current(), None);
    });
    assert_eq!(first.messages("simaccel::job"), ["started", "paused", "resumed", "paused"]);
    job.resume().unwrap();
    while job.resume().unwrap() == Step::Paused {}
}
