//! Faults, one kind at a time, on the stepped device: what the host sees, and what the counters count.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use device_helpers::*;
use simaccel_device::{
    Aead, Delivery, Device, Hash, Interrupt, Operation, QueuePair, RefusedReason, Request, Session,
    SessionId, Status, Tag, TicketState,
};

/// A stepped device with one queue pair, a service time of 1 µs, this fault, and a session.
fn faulty(fault: &str) -> (Device, QueuePair, SessionId) {
    let (device, pair) = stepped(&format!("queue_pairs=1;depth=8;completion_nsec=1000;fault={fault}"));
    let session = device.create_session(ctr());
    (device, pair, session)
}

/// Runs a request of 16 bytes to its end.
fn run(device: &Device, pair: &mut QueuePair, session: SessionId) -> (Request, Status) {
    let ticket = submit(pair, request(session, 16, 1), Delivery::Silent);
    device.run_until_idle();
    pair.take(ticket).expect("it has ended")
}

#[track_caller]
fn assert_injected(device: &Device, name: &str, count: u64) {
    let stats = device.stats();
    assert_eq!((stats.faults.get(name), stats.faults.total()), (Some(count), count), "{:?}", stats.faults);
    assert_eq!(stats.total.imbalances(), Vec::<String>::new());
}

fn is_idle(device: &Device) {
    let total = device.stats().total;
    assert_eq!((total.in_flight, total.imbalances()), (0, vec![]), "{total:?}");
}

#[test]
fn fail_ends_the_request_untouched_with_the_status_that_was_asked_for() {
    for (text, status) in [
        ("fail:every=2", Status::DeviceError),
        ("fail:every=2,status=auth_failed", Status::AuthFailed),
        ("fail:every=2,status=invalid_session", Status::InvalidSession),
        ("fail:every=2,status=invalid_args", Status::InvalidArgs),
        ("fail:every=2,status=unsupported", Status::Unsupported),
    ] {
        let (device, mut pair, session) = faulty(text);
        let ends: Vec<_> = (0..4).map(|_| run(&device, &mut pair, session)).collect();
        let statuses: Vec<_> = ends.iter().map(|(_, status)| *status).collect();
        assert_eq!(statuses, [Status::Ok, status, Status::Ok, status]);
        assert_eq!((&ends[1].0.buffer, &ends[0].0.buffer), (&vec![1; 16], &expected(16, 1)));
        assert_injected(&device, "fail", 2);
        assert_eq!((device.stats().total.completed, device.stats().total.failed), (2, 2));
    }
}

#[test]
fn corrupt_turns_one_bit_and_says_ok() {
    let ones = |left: &[u8], right: &[u8]| -> u32 {
        left.iter().zip(right).map(|(left, right)| (left ^ right).count_ones()).sum()
    };
    let (device, mut pair, session) = faulty("corrupt:nth=2");
    for expected_ones in [0, 1, 0] {
        let (request, status) = run(&device, &mut pair, session);
        assert_eq!((status, ones(&request.buffer, &expected(16, 1))), (Status::Ok, expected_ones));
    }
    assert_injected(&device, "corrupt", 1);

    let (device, mut pair, session) = faulty("corrupt:bit=129");
    let mut right = expected(16, 1);
    right[0] ^= 2;
    assert_eq!(run(&device, &mut pair, session).0.buffer, right, "bit 129 of 128 is bit 1");

    let (device, mut pair, _) = faulty("corrupt:bit=0");
    let session = Session::hash(Hash::Sha256).expect("there is such a hash");
    let mut digest = Request::new(SessionId::NONE, Operation::Digest, vec![5; 3]);
    assert_eq!(session.execute(&mut digest), Status::Ok);
    let id = device.create_session(session);
    let ticket = submit(&mut pair, Request::new(id, Operation::Digest, vec![5; 3]), Delivery::Silent);
    device.run_until_idle();
    let (corrupted, _) = pair.take(ticket).expect("it has ended");
    assert_eq!(ones(corrupted.tag.as_bytes(), digest.tag.as_bytes()), 1);
    assert_eq!(corrupted.buffer, [5; 3], "a digest's input is no result");
    assert_balanced(&device);
}

#[test]
fn what_a_fault_cannot_act_on_is_no_occasion() {
    let (device, mut pair, session) = faulty("corrupt:target=tag");
    run(&device, &mut pair, session);
    assert_injected(&device, "corrupt", 0);
    let (device, mut pair, session) = faulty("short");
    let ticket = submit(&mut pair, request(session, 0, 1), Delivery::Silent);
    device.run_until_idle();
    assert_eq!(pair.take(ticket).expect("it has ended").1, Status::Ok);
    assert_injected(&device, "short", 0);
    let (device, mut pair, session) = faulty("drop_wake");
    run(&device, &mut pair, session);
    assert_injected(&device, "drop_wake", 0);
    assert_balanced(&device);
}

#[test]
fn short_cuts_the_end_off_and_says_how_much_in_the_residue() {
    for (text, residue) in [("short", 1), ("short:bytes=5", 5), ("short:bytes=1000", 16)] {
        let (device, mut pair, session) = faulty(text);
        let (request, status) = run(&device, &mut pair, session);
        assert_eq!((status, request.residue), (Status::Ok, residue));
        assert_eq!(request.buffer, expected(16, 1)[..16 - residue]);
        assert_injected(&device, "short", 1);
    }
    let (device, mut pair, _) = faulty("short:bytes=30");
    let id = device.create_session(Session::hash(Hash::Sha256).expect("there is such a hash"));
    let ticket = submit(&mut pair, Request::new(id, Operation::Digest, vec![]), Delivery::Silent);
    device.run_until_idle();
    let (request, _) = pair.take(ticket).expect("it has ended");
    assert_eq!((request.tag.as_bytes().len(), request.residue), (2, 30));
    assert_balanced(&device);
}

#[test]
fn busy_refuses_though_there_is_room_and_the_queue_moves_on() {
    let (device, mut pair, session) = faulty("busy:every=2");
    let first = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    let refused = pair.submit(request(session, 16, 2), Delivery::Silent).expect_err("the second is told so");
    assert_eq!(refused.reason, RefusedReason::Full);
    let second = pair.park(refused.request, refused.delivery).expect("the line is open");
    device.run_until_idle();
    assert_eq!(pair.take(first).expect("ended").0.buffer, expected(16, 1));
    assert_eq!(pair.take(second).expect("ended").0.buffer, expected(16, 2));
    assert_eq!((device.stats().total.full, device.stats().total.parked), (1, 1));
    assert_injected(&device, "busy", 1);
    assert_balanced(&device);
}

#[test]
fn timeout_never_ends_until_it_is_revoked_or_reset() {
    let (device, mut pair, session) = faulty("timeout");
    let [lost, other] = [1, 2].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent));
    device.run_until_idle();
    device.advance(Duration::from_secs(3600));
    device.drain();
    assert_eq!(pair.remote().state(lost), TicketState::InFlight);
    assert_eq!(device.stats().total.in_flight, 2, "what never ends holds up no drain, and its slot is used");
    assert!(pair.remote().revoke(lost).is_some());
    device.reset();
    assert_eq!(pair.take(other).expect("ended by the reset").1, Status::Reset);
    is_idle(&device);
    assert_injected(&device, "timeout", 2);
    // Slots of requests that never ended are free again.
    for _ in 0..8 {
        let ticket = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
        device.run_until_idle();
        assert!(pair.remote().revoke(ticket).is_some());
    }
    is_idle(&device);
    assert_balanced(&device);
}

#[test]
fn delay_and_late_come_later_and_stall_holds_up_its_unit() {
    // Two requests on one unit, 1 µs each; the first has the fault. The times at which they end:
    for (fault, ends) in [
        ("delay:nsec=5000,nth=1", [6_000, 2_000]),
        ("late:nsec=5000,nth=1", [6_000, 2_000]),
        ("stall:nsec=5000,nth=1", [6_000, 7_000]),
    ] {
        let config = format!("queue_pairs=1;compute_units=1;completion_nsec=1000;fault={fault}");
        let (device, mut pair) = stepped(&config);
        let session = device.create_session(ctr());
        let device = Arc::new(device);
        let found = Arc::new(Mutex::new([0; 2]));
        for fill in 0..2_u8 {
            let (clock, found) = (Arc::clone(&device), Arc::clone(&found));
            let waker = once(move || {
                found.lock().expect("not poisoned")[usize::from(fill)] = clock.now().as_nanos();
            });
            let _ = submit(&mut pair, request(session, 16, fill), Delivery::Wake(waker));
        }
        device.run_until_idle();
        assert_eq!(*found.lock().expect("not poisoned"), ends, "{fault}");
        assert_eq!(
            device.stats().units.iter().map(|unit| unit.busy_nsec).sum::<u64>(),
            2_000,
            "no work more"
        );
    }
}

#[test]
fn a_late_completion_of_what_was_revoked_hits_nothing() {
    let (device, mut pair, session) = faulty("late:nsec=5000,nth=1");
    let count = Count::new();
    let late = submit(&mut pair, request(session, 16, 1), count.delivery());
    device.step();
    assert!(pair.remote().revoke(late).is_some());
    // The cell is reused before the completion comes.
    let next = submit(&mut pair, request(session, 16, 2), count.delivery());
    device.advance(Duration::from_nanos(2_000));
    assert_eq!(pair.take(next).expect("ended").0.buffer, expected(16, 2));
    device.run_until_idle();
    assert_eq!(device.now(), Duration::from_nanos(6_000), "it came");
    assert_eq!((device.stats().late_completions, count.calls()), (1, 1));
    is_idle(&device);
    assert_injected(&device, "late", 1);
    assert_balanced(&device);
}

#[test]
fn drop_wake_ends_the_request_without_a_wake() {
    let (device, mut pair, session) = faulty("drop_wake:every=2");
    let count = Count::new();
    let tickets = [1, 2].map(|fill| submit(&mut pair, request(session, 16, fill), count.delivery()));
    device.run_until_idle();
    assert_eq!(count.calls(), 1);
    for (fill, ticket) in (1..).zip(tickets) {
        assert_eq!(pair.take(ticket).expect("it is done").0.buffer, expected(16, fill));
    }
    assert_eq!((device.stats().total.wakes_sent, device.stats().total.wakes_cancelled), (1, 1));
    assert_injected(&device, "drop_wake", 1);
    assert_balanced(&device);
}

#[test]
fn under_polling_drop_wake_raises_no_interrupt_and_the_completion_is_there() {
    let (device, mut pair, session) = faulty("drop_wake:every=2");
    let interrupt = Arc::new(Interrupt::new().expect("an eventfd"));
    pair.remote().attach(Arc::clone(&interrupt));
    for raised in [true, false] {
        interrupt.arm();
        let ticket = submit(&mut pair, request(session, 16, 1), Delivery::Reap { owner: 3 });
        device.run_until_idle();
        assert_eq!(interrupt.clear(), raised);
        let mut reaped = Vec::new();
        assert_eq!(pair.reap(8, &mut |completion| reaped.push(completion.ticket)), 1);
        assert_eq!(reaped, [ticket]);
        assert!(pair.take(ticket).is_some());
        interrupt.disarm();
    }
    assert_eq!(device.stats().total.interrupts, 1);
    assert_balanced(&device);
}

/// Distinguishes calls by value from calls by reference.
#[derive(Default)]
struct Calls(Mutex<Vec<&'static str>>);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.lock().expect("not poisoned").push("wake");
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.lock().expect("not poisoned").push("spurious");
    }
}

#[test]
fn spurious_wake_comes_before_the_end_and_by_reference() {
    let (device, mut pair, session) = faulty("spurious_wake");
    let calls = Arc::new(Calls::default());
    let waker = Waker::from(Arc::clone(&calls));
    let ticket = submit(&mut pair, request(session, 16, 1), Delivery::Wake(waker));
    device.step();
    assert_eq!(*calls.0.lock().expect("not poisoned"), ["spurious"]);
    assert_eq!(pair.remote().state(ticket), TicketState::InFlight, "nothing has ended");
    device.run_until_idle();
    assert_eq!(*calls.0.lock().expect("not poisoned"), ["spurious", "wake"]);
    assert!(pair.take(ticket).is_some());
    let total = device.stats().total;
    assert_eq!((total.wakes_sent, total.wakes_spurious), (1, 1));
    assert_injected(&device, "spurious_wake", 1);
    assert_balanced(&device);
}

#[test]
fn duplicates_after_single_reaps_take_no_room_from_others() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2;fault=duplicate");
    let session = device.create_session(ctr());
    let submit = |pair: &mut QueuePair| {
        let _ = submit(pair, request(session, 16, 1), Delivery::Reap { owner: 7 });
        device.run_until_idle();
    };
    submit(&mut pair);
    for round in 0..10 {
        // Both slots are used, and one becomes free with a duplicate after it.
        submit(&mut pair);
        let mut reaped = Vec::new();
        assert_eq!(pair.reap(1, &mut |completion| reaped.push(completion.ticket)), 1, "round {round}");
        assert!(pair.take(reaped[0]).is_some());
    }
    is_idle(&device);
}

#[test]
fn a_duplicate_at_the_end_of_a_look_takes_no_room_from_others() {
    // One look at the ring takes at most 64 entries over: the last of them is doubled, and its double comes
    // next.
    let (device, mut pair) = stepped("queue_pairs=1;depth=64;fault=duplicate:after=1");
    let session = device.create_session(ctr());
    let fill_up = |pair: &mut QueuePair, count: u8| {
        for fill in 0..count {
            let _ = submit(pair, request(session, 16, fill), Delivery::Reap { owner: 7 });
        }
        device.run_until_idle();
    };
    let mut taken = 0;
    let mut reap = |pair: &mut QueuePair, max: usize| {
        let mut reaped = Vec::new();
        pair.reap(max, &mut |completion| reaped.push(completion.ticket));
        taken += reaped.len();
        for ticket in reaped {
            assert_eq!(pair.take(ticket).unwrap().1, Status::Ok, "the device has not died of it");
        }
    };
    fill_up(&mut pair, 64);
    reap(&mut pair, 33);
    fill_up(&mut pair, 33);
    reap(&mut pair, usize::MAX);
    fill_up(&mut pair, 1);
    reap(&mut pair, usize::MAX);
    assert_eq!(taken, 98);
    is_idle(&device);
}

#[test]
fn a_duplicate_completion_hits_nothing_and_stands_for_no_slot() {
    let (device, mut pair, session) = faulty("duplicate");
    let count = Count::new();
    let ticket = submit(&mut pair, request(session, 16, 1), count.delivery());
    device.run_until_idle();
    assert_eq!(count.calls(), 1, "a waker is called once");
    assert!(pair.take(ticket).is_some());

    // More rounds than the ring has entries, with single reaps between full batches.
    for round in 0..5 {
        let tickets: Vec<_> = (0..8)
            .map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Reap { owner: 0 }))
            .collect();
        assert!(pair.submit(request(session, 16, 9), Delivery::Silent).is_err(), "all 8 slots are used");
        device.run_until_idle();
        let mut reaped = Vec::new();
        while pair.reap(3, &mut |completion| reaped.push(completion.ticket)) > 0 {}
        assert_eq!(reaped, tickets, "round {round}: each once");
        tickets.into_iter().for_each(|ticket| assert!(pair.take(ticket).is_some()));
    }
    is_idle(&device);
    assert_injected(&device, "duplicate", 41);
    assert_balanced(&device);
}

#[test]
fn reset_ends_everything_in_flight_and_the_device_goes_on() {
    let (device, mut pair, session) = faulty("reset:nth=2");
    let tickets = [1, 2, 3].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent));
    device.run_until_idle();
    for ticket in tickets {
        assert_eq!(pair.take(ticket).expect("ended").1, Status::Reset);
    }
    assert_eq!(run(&device, &mut pair, session).1, Status::Ok, "sessions stay");
    assert_eq!((device.stats().resets, device.stats().deaths), (1, 0));
    is_idle(&device);
    assert_injected(&device, "reset", 1);
    assert_balanced(&device);
}

#[test]
fn dead_lasts_until_the_device_is_reset() {
    let (device, mut pair, session) = faulty("dead:nth=2");
    let tickets = [1, 2].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent));
    device.run_until_idle();
    for ticket in tickets {
        assert_eq!(pair.take(ticket).expect("ended").1, Status::DeviceDead);
    }
    let refused = pair.submit(request(session, 16, 3), Delivery::Silent).expect_err("it is dead");
    assert_eq!(refused.reason, RefusedReason::DeviceDead);
    device.reset();
    assert_eq!(run(&device, &mut pair, session).1, Status::Ok);
    assert_eq!((device.stats().resets, device.stats().deaths), (1, 1));
    assert_injected(&device, "dead", 1);
    assert_balanced(&device);
}

#[test]
fn windows_open_and_close_by_the_devices_clock() {
    let (device, mut pair, session) = faulty("fail:window=10000:5000");
    let mut failed = Vec::new();
    for begun in (0..30_000).step_by(2_500) {
        assert_eq!(device.now(), Duration::from_nanos(begun));
        if run(&device, &mut pair, session).1 != Status::Ok {
            failed.push(begun);
        }
        device.advance(Duration::from_nanos(begun + 2_500) - device.now());
    }
    assert_eq!(failed, [10_000, 12_500, 25_000, 27_500]);
    assert_balanced(&device);
}

#[test]
fn several_faults_on_one_request_all_happen() {
    let (device, mut pair) = stepped(
        "queue_pairs=1;completion_nsec=1000;fault=delay:nsec=500;fault=delay:nsec=250;fault=short;\
         fault=corrupt:bit=0;fault=spurious_wake;fault=duplicate",
    );
    let session = device.create_session(ctr());
    let count = Count::new();
    let ticket = submit(&mut pair, request(session, 16, 1), count.delivery());
    device.run_until_idle();
    assert_eq!(device.now(), Duration::from_nanos(1_750));
    let (request, status) = pair.take(ticket).expect("ended");
    let mut spoilt = expected(16, 1);
    spoilt[0] ^= 1;
    assert_eq!((status, request.residue, &request.buffer[..]), (Status::Ok, 1, &spoilt[..15]));
    assert_eq!(count.calls(), 2, "the spurious wake, and the wake");
    assert_eq!(device.stats().faults.total(), 6);
    assert_balanced(&device);
}

type Counts = Vec<(&'static str, u64)>;

/// A stepped device with these rules runs one request of 16 bytes; what is counted, in the order of the
/// names.
fn counted(rules: &str, delivery: Delivery) -> (Option<(Request, Status)>, Counts) {
    let (device, mut pair) = stepped(&format!("queue_pairs=1;completion_nsec=1000;{rules}"));
    let session = device.create_session(ctr());
    let ticket = submit(&mut pair, request(session, 16, 1), delivery);
    device.run_until_idle();
    let counts = device.stats().faults.iter().filter(|(_, count)| *count > 0).collect();
    assert_balanced(&device);
    (pair.take(ticket), counts)
}

#[test]
fn what_two_rules_cut_off_is_missing_together() {
    let (taken, counts) = counted("fault=short:bytes=3;fault=short:bytes=4", Delivery::Silent);
    let (request, status) = taken.expect("it has ended");
    assert_eq!((status, request.residue, &request.buffer[..]), (Status::Ok, 7, &expected(16, 1)[..9]));
    assert_eq!(counts, [("short", 2)]);
    // There is nothing left for the third.
    let plan = "fault=short:bytes=9;fault=short:bytes=9;fault=short";
    let (taken, counts) = counted(plan, Delivery::Silent);
    let (request, _) = taken.expect("it has ended");
    assert_eq!((request.residue, request.buffer.len(), counts), (16, 0, vec![("short", 2)]));
}

#[test]
fn what_has_no_effect_is_not_counted() {
    for (rules, injected) in [
        ("fault=fail;fault=corrupt;fault=short", vec![("fail", 1)]),
        ("fault=corrupt;fault=fail;fault=fail:status=unsupported", vec![("fail", 1)]),
        ("fault=timeout;fault=delay;fault=late;fault=fail;fault=corrupt", vec![("timeout", 1)]),
        (
            "fault=reset;fault=stall;fault=delay;fault=spurious_wake;fault=fail;fault=corrupt",
            vec![("reset", 1)],
        ),
        ("fault=reset;fault=dead", vec![("dead", 1)]),
        ("fault=dead;fault=reset;fault=dead;fault=duplicate;fault=timeout", vec![("dead", 1)]),
        ("fault=corrupt:bit=9;fault=corrupt:bit=9", vec![("corrupt", 1)]),
        ("fault=corrupt:bit=127;fault=corrupt:bit=0;fault=short", vec![("corrupt", 1), ("short", 1)]),
        ("fault=delay;fault=delay;fault=late;fault=stall", vec![("delay", 2), ("late", 1), ("stall", 1)]),
        ("fault=spurious_wake;fault=spurious_wake", vec![("spurious_wake", 1)]),
        ("fault=drop_wake;fault=duplicate;fault=drop_wake", vec![("drop_wake", 1)]),
        ("fault=duplicate;fault=duplicate", vec![("duplicate", 1)]),
        ("fault=timeout;fault=drop_wake;fault=duplicate", vec![("timeout", 1)]),
    ] {
        assert_eq!(counted(rules, Count::new().delivery()).1, injected, "{rules}");
    }
    assert_eq!(counted("fault=duplicate;fault=drop_wake;fault=spurious_wake", Delivery::Silent).1, []);
    let polled = Delivery::Reap { owner: 0 };
    assert_eq!(counted("fault=drop_wake;fault=duplicate", polled).1, [("drop_wake", 1), ("duplicate", 1)]);
}

#[test]
fn what_fails_by_itself_or_is_taken_back_has_no_fault() {
    let (device, mut pair) = stepped(
        "queue_pairs=1;completion_nsec=1000;fault=corrupt;fault=short;fault=drop_wake:nth=2;fault=duplicate:nth=2",
    );
    let gcm = Session::aead(Aead::Aes128Gcm, &[4; 16], 16).expect("the key fits");
    let session = device.create_session(gcm);
    let mut forged = Request::new(session, Operation::Decrypt, vec![1; 16]);
    forged.set_iv(&[3; 12]);
    forged.tag = Tag::new(&[9; 16]).expect("it fits");
    let forged = submit(&mut pair, forged, Count::new().delivery());
    device.run_until_idle();
    assert_eq!(pair.take(forged).expect("it has ended").1, Status::AuthFailed);
    let mut revoked = Request::new(session, Operation::Decrypt, vec![1; 16]);
    revoked.set_iv(&[3; 12]);
    let revoked = submit(&mut pair, revoked, Count::new().delivery());
    device.step();
    assert!(pair.remote().revoke(revoked).is_some());
    device.run_until_idle();
    assert_eq!(device.stats().faults.total(), 0, "{:?}", device.stats().faults);
    assert_balanced(&device);
}

/// Parked requests come to a dead device. They count: the rule hits the same request as without the death.
#[test]
fn requests_that_a_dead_device_refuses_count_for_every_rule() {
    let hit = |plan: &str| {
        let (device, mut pair) = stepped(&format!("queue_pairs=1;depth=2;completion_nsec=1000;{plan}"));
        let session = device.create_session(ctr());
        let _ = [1, 2].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent));
        let _ = [3, 4, 5].map(|fill| park(&mut pair, request(session, 16, fill), Delivery::Silent));
        device.run_until_idle();
        device.reset();
        (6..20_u8).find(|_| run(&device, &mut pair, session).1 == Status::DeviceError)
    };
    assert_eq!((hit("fault=fail:nth=9"), hit("fault=fail:nth=9;fault=dead:nth=1")), (Some(9), Some(9)));
}

/// On worker threads too: exact counts, nothing lost, whichever thread submits.
#[test]
fn counted_faults_are_exact_on_worker_threads() {
    let (device, mut pairs) =
        open("queue_pairs=2;depth=16;completion_nsec=1000;fault=fail:every=10;fault=drop_wake:every=7");
    let session = device.create_session(ctr());
    let mut failed = 0;
    for round in 0..500 {
        let pair = &mut pairs[round % 2];
        let ticket = submit(pair, request(session, 64, 1), Count::new().delivery());
        failed += u64::from(finish(pair, ticket).1 != Status::Ok);
    }
    let stats = device.stats();
    assert_eq!((failed, stats.faults.get("fail"), stats.faults.get("drop_wake")), (50, Some(50), Some(71)));
    assert_eq!(stats.total.imbalances(), Vec::<String>::new());
    assert_balanced(&device);
}
