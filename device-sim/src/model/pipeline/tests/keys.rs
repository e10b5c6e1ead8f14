//! Operations with keys on another worker, stopped at every moment of their way there and back.
//!
//! ```text
//!   Waiting ─► HandedOut ─► Begun ─► Computed ─► Returned ─► due, done
//! ```

use super::*;
use crate::kernels::keys::every::{self, Action};
use crate::model::job::{Begun, Job};
use crate::queue::cell::TicketState;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Moment {
    /// No worker has it.
    Waiting,
    /// Another worker has it next.
    HandedOut,
    /// Another worker computes it.
    Begun,
    /// The first worker does not know yet that it is computed.
    Computed,
    /// It is computed, and not due.
    Returned,
}

const MOMENTS: [Moment; 5] =
    [Moment::Waiting, Moment::HandedOut, Moment::Begun, Moment::Computed, Moment::Returned];

/// After everything is due.
const LATER: u64 = 1_000_000;

/// What another worker has at its moment.
enum Elsewhere<'s> {
    Nothing,
    Job(Job),
    Begun(Begun<'s>),
    Result(Returned),
}

/// A device with one more worker, and the session of one action.
fn bench_of(action: &Action, text: &str) -> Bench {
    let mut bench = with_another_worker(text);
    bench.core.install(ID, Installed::Session(Arc::new(action.session())));
    bench
}

fn request_of(action: &Action) -> Request {
    let mut request = Request::new(ID, action.operation, action.input.clone());
    request.arguments = Some(Box::new(action.arguments.clone()));
    request
}

impl Bench {
    fn admit_action(&mut self, action: &Action) -> Ticket {
        let ticket = self.admit_request(request_of(action), 0, Announce::Silent);
        assert_eq!(self.core.computed, 0, "{}: the first worker has computed it", action.name());
        ticket
    }

    /// Brings the only request to `moment`.
    fn bring<'s>(&mut self, moment: Moment, slabs: &'s [Arc<Slab>]) -> Elsewhere<'s> {
        if moment == Moment::Waiting {
            return Elsewhere::Nothing;
        }
        let job = self.core.next_job().expect("it waits for another worker");
        assert!(job.is_long, "the first worker must not compute it");
        if moment == Moment::HandedOut {
            return Elsewhere::Job(job);
        }
        let begun = job.begin(slabs).expect("it is still there");
        if moment == Moment::Begun {
            return Elsewhere::Begun(begun);
        }
        let returned = begun.compute();
        assert_eq!(returned.outcome, Outcome::Computed);
        if moment == Moment::Computed {
            return Elsewhere::Result(returned);
        }
        assert!(!self.core.returned(returned));
        Elsewhere::Nothing
    }

    /// The other worker goes on. Returns what it has made of its job, and whether the device had ended the
    /// request before.
    fn go_on(&mut self, elsewhere: Elsewhere<'_>, slabs: &[Arc<Slab>]) -> Option<(Outcome, bool)> {
        let returned = match elsewhere {
            Elsewhere::Nothing => self.core.next_job()?.run(slabs),
            Elsewhere::Job(job) => job.run(slabs),
            Elsewhere::Begun(begun) => begun.compute(),
            Elsewhere::Result(returned) => returned,
        };
        let outcome = returned.outcome;
        Some((outcome, self.core.returned(returned)))
    }

    fn state(&self, ticket: Ticket) -> TicketState {
        self.slab.state(ticket)
    }
}

/// Runs `check` for every action at every moment.
fn at_every_moment(text: &str, mut check: impl FnMut(&Action, Moment, Bench, &[Arc<Slab>])) {
    for action in every::all() {
        for moment in MOMENTS {
            let bench = bench_of(&action, text);
            let slabs = [Arc::clone(&bench.slab)];
            check(&action, moment, bench, &slabs);
        }
    }
}

#[test]
fn a_key_operation_on_another_worker_gives_the_right_result_when_it_is_due() {
    at_every_moment("", |action, moment, mut bench, slabs| {
        let ticket = bench.admit_action(action);
        let elsewhere = bench.bring(moment, slabs);
        // Due, and perhaps not computed.
        let _ = bench.core.deliver(LATER, LATER);
        let is_computed = moment >= Moment::Computed;
        assert_eq!(bench.core.ready.len(), usize::from(is_computed), "{}, {moment:?}", action.name());
        let gone_on = bench.go_on(elsewhere, slabs);
        assert_eq!(gone_on, (moment != Moment::Returned).then_some((Outcome::Computed, false)));
        assert_eq!(bench.core.ready.len(), 1, "{}, {moment:?}", action.name());
        assert_eq!(bench.publish(&[ticket]), [(Status::Ok, action.buffer().to_vec())], "{}", action.name());
        assert!(bench.core.is_idle() && !bench.core.is_ending());
    });
}

#[test]
fn a_key_operation_that_is_taken_back_is_computed_by_no_worker_that_has_not_begun_it() {
    at_every_moment("", |action, moment, mut bench, slabs| {
        let name = format!("{}, {moment:?}", action.name());
        let ticket = bench.admit_action(action);
        let elsewhere = bench.bring(moment, slabs);
        if moment == Moment::Begun {
            // Its host waits until it is computed.
            assert!(matches!(bench.slab.hold(ticket), Hold::Executing), "{name}");
            assert_eq!(bench.go_on(elsewhere, slabs), Some((Outcome::Computed, false)), "{name}");
            bench.revoke(ticket);
        } else {
            let Hold::Held(mut held) = bench.slab.hold(ticket) else { panic!("{name}: it is there") };
            let mut back = Request::empty();
            bench.slab.unload(&mut held, &mut back);
            drop(bench.slab.release(held));
            if moment < Moment::Begun {
                assert!(back.buffer == action.input && back.arguments.is_some(), "{name}");
            }
            let outcome = match moment {
                Moment::HandedOut => Some((Outcome::Gone, false)),
                Moment::Computed => Some((Outcome::Computed, false)),
                // Not handed out at all, or back already.
                _ => None,
            };
            assert_eq!(bench.go_on(elsewhere, slabs), outcome, "{name}");
        }
        let _ = bench.core.deliver(LATER, LATER);
        assert!(bench.core.ready.is_empty() && bench.core.is_idle(), "{name}");
        let again = bench.admit_action(action);
        let _ = bench.core.deliver(2 * LATER, 2 * LATER);
        assert_eq!(bench.go_on(Elsewhere::Nothing, slabs), Some((Outcome::Computed, false)), "{name}");
        let _ = bench.core.deliver(3 * LATER, 3 * LATER);
        assert_eq!(bench.publish(&[again]), [(Status::Ok, action.buffer().to_vec())], "{name}");
    });
}

#[test]
fn a_reset_ends_a_key_operation_on_another_worker_once() {
    for status in [Status::Reset, Status::DeviceDead, Status::Closed] {
        at_every_moment("", |action, moment, mut bench, slabs| {
            let name = format!("{}, {moment:?}, {status:?}", action.name());
            let ticket = bench.admit_action(action);
            let elsewhere = bench.bring(moment, slabs);
            bench.core.fail_scheduled(status);
            if moment == Moment::Begun {
                // The key is in use: it ends with its computation.
                assert!(bench.core.is_ending(), "{name}");
                assert_eq!((bench.core.ready.len(), bench.state(ticket)), (0, TicketState::InFlight));
                assert_eq!(bench.go_on(elsewhere, slabs), Some((Outcome::Computed, true)), "{name}");
                assert!(!bench.core.is_ending(), "{name}");
                assert_eq!(bench.publish(&[ticket])[0].0, status, "{name}");
            } else {
                assert!(!bench.core.is_ending(), "{name}");
                let (ended, text) = bench.publish(&[ticket]).remove(0);
                assert_eq!(ended, status, "{name}");
                if moment < Moment::Begun {
                    assert_eq!(text, action.input, "{name}: it is not computed");
                }
                let gone_on = bench.go_on(elsewhere, slabs);
                let expected = match moment {
                    Moment::HandedOut => Some((Outcome::Gone, false)),
                    Moment::Computed => Some((Outcome::Computed, false)),
                    _ => None,
                };
                assert_eq!(gone_on, expected, "{name}");
            }
            let _ = bench.core.deliver(LATER, LATER);
            assert!(bench.core.ready.is_empty() && bench.core.is_idle(), "{name}");
        });
    }
}

#[test]
fn a_key_that_is_removed_while_another_worker_has_its_operation_is_used_to_the_end() {
    at_every_moment("", |action, moment, mut bench, slabs| {
        let ticket = bench.admit_action(action);
        let elsewhere = bench.bring(moment, slabs);
        bench.core.remove(ID);
        let _ = bench.go_on(elsewhere, slabs);
        let _ = bench.core.deliver(LATER, LATER);
        assert_eq!(bench.publish(&[ticket]), [(Status::Ok, action.buffer().to_vec())], "{}", action.name());
        let late = bench.admit_request(request_of(action), LATER, Announce::Silent);
        let _ = bench.go_on(Elsewhere::Nothing, slabs);
        let _ = bench.core.deliver(3 * LATER, 3 * LATER);
        assert_eq!(bench.publish(&[late])[0].0, Status::InvalidSession, "{}", action.name());
    });
}

#[test]
fn a_fault_spoils_a_key_operation_on_another_worker_and_no_other() {
    for (fault, status) in [("corrupt:bit=0,", Status::Ok), ("fail:", Status::DeviceError)] {
        at_every_moment(&format!("fault={fault}nth=1"), |action, moment, mut bench, slabs| {
            let name = format!("{}, {moment:?}, {fault}", action.name());
            if fault == "fail:" {
                let ticket = bench.admit_request(request_of(action), 0, Announce::Silent);
                let _ = bench.core.deliver(LATER, LATER);
                assert_eq!(bench.publish(&[ticket])[0].0, status, "{name}");
            } else {
                let ticket = bench.admit_action(action);
                let elsewhere = bench.bring(moment, slabs);
                let _ = bench.go_on(elsewhere, slabs);
                let _ = bench.core.deliver(LATER, LATER);
                let mut spoilt = action.buffer().to_vec();
                // There is nothing to spoil in an empty result.
                spoilt[0] ^= u8::from(!action.output.is_empty());
                let ended = bench.publish(&[ticket]).remove(0);
                assert_eq!(ended, (status, spoilt), "{name}");
            }
            let next = bench.admit_request(request_of(action), 2 * LATER, Announce::Silent);
            assert_eq!(bench.go_on(Elsewhere::Nothing, slabs), Some((Outcome::Computed, false)), "{name}");
            let _ = bench.core.deliver(4 * LATER, 4 * LATER);
            assert_eq!(bench.publish(&[next]), [(Status::Ok, action.buffer().to_vec())], "{name}");
        });
    }
}
