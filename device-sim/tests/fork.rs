//! A forked child has the parent's memory and none of its threads: nothing in it may hang, lock or reach the
//! parent. One test, in its own process, because it forks.
#![cfg(not(loom))]
#![expect(unsafe_code, reason = "fork is a foreign call")]

mod device_helpers;

use std::sync::Arc;

use device_helpers::*;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use simaccel_device::{Delivery, Device, Interrupt, QueuePair, RefusedReason, SessionId, Status, Ticket};

/// Everything that a child inherits.
struct Inherited {
    device: Device,
    pairs: Vec<QueuePair>,
    session: SessionId,
    interrupt: Arc<Interrupt>,
    woken: Arc<Count>,
    big: Ticket,
    silent: Ticket,
    parked: [Ticket; 2],
}

impl Inherited {
    fn new(device: Device) -> Self {
        let mut pairs = device.take_queue_pairs();
        let session = device.create_session(ctr());
        let interrupt = Arc::new(Interrupt::new().expect("an eventfd"));
        let woken = Count::new();
        let pair = &mut pairs[0];
        pair.remote().attach(Arc::clone(&interrupt));
        let big = submit(pair, request(session, 8 << 20, 1), Delivery::Reap { owner: 0 });
        let silent = submit(pair, request(session, 64, 2), woken.delivery());
        let parked = [3, 4].map(|fill| park(pair, request(session, 64, fill), woken.delivery()));
        Self { device, pairs, session, interrupt, woken, big, silent, parked }
    }

    /// Uses everything once, and drops it. Returns the child's exit code: 0, or the number of the failed
    /// expectation.
    fn use_up(mut self) -> i32 {
        let pair = &mut self.pairs[0];
        let remote = pair.remote().clone();
        match pair.submit(request(self.session, 64, 5), self.woken.delivery()) {
            Err(refused) if refused.reason == RefusedReason::Closed => {}
            _ => return 1,
        }
        if self.device.step() || self.device.run_until_idle() != 0 {
            return 2;
        }
        match pair.park(request(self.session, 64, 6), self.woken.delivery()) {
            Err(refused) if refused.reason == RefusedReason::Closed => {}
            _ => return 3,
        }
        pair.reap(9, &mut |_| {});
        for ticket in [self.big, self.silent, self.parked[0], self.parked[1]] {
            let _ = (remote.cancel_wake(ticket), remote.revoke(ticket), remote.take(ticket));
        }
        if self.device.create_session(ctr()) != SessionId::NONE {
            return 4;
        }
        self.device.remove_session(self.session);
        self.device.reset();
        self.device.drain();
        let _ = (self.device.stats(), remote.completions_pending(), remote.detach(&self.interrupt));
        self.interrupt.arm();
        if self.interrupt.raise() || self.interrupt.clear() {
            return 5;
        }
        drop(self);
        drop(remote);
        // The child's own device works.
        let (device, mut pair) = stepped("");
        let session = device.create_session(ctr());
        let ticket = submit(&mut pair, request(session, 64, 1), Delivery::Silent);
        device.run_until_idle();
        match pair.take(ticket) {
            Some((request, Status::Ok)) if request.buffer == expected(64, 1) => 0,
            _ => 6,
        }
    }
}

#[test]
fn a_child_is_refused_and_never_hangs_and_the_parent_goes_on() {
    let before = simaccel_device::process::fork::generation();
    for round in 0..20 {
        let device = match round % 3 {
            0 => Device::open(&config("queue_pairs=2;depth=4")),
            1 => Device::open(&config("queue_pairs=2;depth=2;completion_nsec=2_000_000")),
            _ => Device::stepped(&config("queue_pairs=2;depth=2;completion_nsec=1_000")),
        };
        let inherited = Inherited::new(device.expect("the device opens"));
        // SAFETY: the child uses only this library and what the C library keeps usable after a fork,
        // including its allocator, and leaves by `_exit`.
        match unsafe { fork() }.expect("a child") {
            ForkResult::Child => {
                // SAFETY: the signal ends a child that hangs, and its parent sees that.
                unsafe { libc::alarm(60) };
                let code = inherited.use_up();
                // SAFETY: ends the child without running the test harness's exit handlers.
                unsafe { libc::_exit(code) }
            }
            ForkResult::Parent { child } => {
                let status = waitpid(child, None).expect("it was a child");
                assert_eq!(status, WaitStatus::Exited(child, 0), "in round {round}");
            }
        }
        let Inherited { device, mut pairs, session, big, silent, parked, .. } = inherited;
        device.drain();
        let pair = &mut pairs[0];
        assert_eq!(finish(pair, big).0.buffer, expected(8 << 20, 1));
        assert_eq!(finish(pair, silent).0.buffer, expected(64, 2));
        pair.reap(9, &mut |_| {});
        device.drain();
        for (ticket, fill) in parked.into_iter().zip(3..) {
            assert_eq!(finish(pair, ticket).0.buffer, expected(64, fill));
        }
        device.remove_session(session);
    }
    assert_eq!(simaccel_device::process::fork::generation(), before, "only children count");
}
