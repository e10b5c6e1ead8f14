//! Alarms on a stepped device with `timeout_msec`: the user's own, and the engine's.

mod captured;
mod engine_helpers;
mod future_helpers;

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use simaccel::{CipherSession, Error, Job, OpError, Step, WaitCtx};

use self::engine_helpers::{IV, assert_adds_up, ctr, expected_ctr, message, paused_job, stepped};
use self::future_helpers::Flag;

const SOON: Duration = Duration::from_millis(3);
const LONG: Duration = Duration::from_secs(3600);

#[track_caller]
fn assert_timed_out(job: &mut Job<Result<Vec<u8>, OpError>>) {
    match job.resume() {
        Ok(Step::Finished(Err(error))) => assert_eq!(*error.error(), Error::Timeout),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_users_alarm_and_the_timeout_disturb_neither_the_other() {
    for alarm_first in [true, false] {
        let engine = stepped("timeout_msec=10;fault=timeout:nth=1");
        let (ctx, alarm) = (WaitCtx::new(), Arc::new(Flag::default()));
        let set = || engine.device().set_alarm(Some(SOON), Waker::from(Arc::clone(&alarm)));
        if alarm_first {
            set();
        }
        let mut job = paused_job(&engine, &ctx, 1);
        if !alarm_first {
            set();
        }
        engine.device().advance(LONG);
        assert_timed_out(&mut job);
        assert_eq!((alarm.calls(), engine.stats().timeouts), (1, 1), "alarm first: {alarm_first}");
        drop(job);
        assert_adds_up(&engine);
    }
}

/// A waker whose drop is an operation of the engine.
struct Last(CipherSession);

impl Wake for Last {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Last {
    fn drop(&mut self) {
        assert_eq!(self.0.encrypt(&IV, message(2, 40)).unwrap(), expected_ctr(&message(2, 40)));
    }
}

#[test]
fn a_waker_that_goes_may_use_the_engine() {
    let engine = stepped("timeout_msec=10;completion_nsec=1000");
    let ctx = WaitCtx::new();
    let alarm = || Waker::from(Arc::new(Last(ctr(&engine))));
    engine.device().set_alarm(Some(LONG), alarm());
    let mut job = paused_job(&engine, &ctx, 1);
    engine.device().set_alarm(Some(LONG), alarm());
    assert!(matches!(job.resume(), Ok(Step::Finished(Ok(_)))), "the operation has moved the clock");
    engine.device().set_alarm(None, Waker::noop().clone());
    drop(job);
    assert_adds_up(&engine);
}

#[test]
fn timeouts_come_at_the_end_of_the_clock_too() {
    let engine = stepped("timeout_msec=10;fault=timeout");
    engine.device().advance(Duration::MAX);
    for round in 1..=3 {
        let ctx = WaitCtx::new();
        let mut job = paused_job(&engine, &ctx, 1);
        engine.device().run_until_idle();
        assert_timed_out(&mut job);
        assert_eq!(engine.stats().timeouts, round);
    }
    assert_adds_up(&engine);
}
