//! Operations of the user's own: a function runs on the device, once or never, and nothing of it is lost.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use device_helpers::{Count, ctr, expected, finish, open, park, request, stepped, until};
use simaccel_device::{
    Call, CallStats, Delivery, Device, FaultKind, Operation, QueuePair, Request, SessionId, Status, Ticket,
    TicketState,
};

/// Counts those that are there.
#[derive(Debug)]
struct Canary(Arc<AtomicU64>);

impl Canary {
    fn new(alive: &Arc<AtomicU64>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(alive))
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let before = self.0.fetch_sub(1, Ordering::SeqCst);
        assert_ne!(before, 0, "dropped twice");
    }
}

fn submit(pair: &mut QueuePair, call: Call) -> Ticket {
    pair.submit(Request::of_call(call), Delivery::Silent).unwrap()
}

fn value<T: 'static>(request: Request) -> T {
    request.call.unwrap().into_result().unwrap().unwrap()
}

fn stats_of(device: &Device, name: &str) -> CallStats {
    let stats = device.stats();
    assert_eq!(stats.imbalances(), Vec::<String>::new());
    stats.calls.into_iter().find(|call| call.name == name).unwrap_or_else(|| panic!("{name} is not counted"))
}

#[test]
fn a_function_runs_when_the_device_is_stepped_and_gives_its_value() {
    let (device, mut pair) = stepped("operation=never;mbps=1");
    let text = "moved into it".to_owned();
    let ticket = submit(&mut pair, Call::new("upper", 5_000, move || text.to_uppercase()));
    assert!(pair.take(ticket).is_none());
    device.run_until_idle();
    assert_eq!(device.now().as_micros(), 5_000, "a byte takes a microsecond");
    let (request, status) = pair.take(ticket).unwrap();
    assert_eq!((status, value::<String>(request).as_str()), (Status::Ok, "MOVED INTO IT"));
    let calls = stats_of(&device, "upper");
    assert_eq!((calls.completed, calls.failed, calls.bytes, calls.panicked), (1, 0, 5_000, 0));
    assert_eq!(stats_of(&device, "never").completed, 0);
    let done = device.stats().total.operations[Operation::Call.number()];
    assert_eq!((done.completed, done.bytes), (1, 5_000));
}

#[test]
fn a_worker_runs_it_between_other_requests() {
    let (device, mut pairs) = open("workers=1;timing=all");
    let session = device.create_session(ctr());
    let mut tickets = Vec::new();
    for fill in 0..16 {
        let delivery = Delivery::Silent;
        tickets.push((pairs[0].submit(request(session, 100, fill), delivery).unwrap(), None));
        tickets.push((submit(&mut pairs[0], Call::new("fill", 1, move || fill)), Some(fill)));
    }
    until("all are done", || {
        tickets.iter().all(|(ticket, _)| matches!(pairs[0].remote().state(*ticket), TicketState::Done(_)))
    });
    for (at, (ticket, fill)) in tickets.into_iter().enumerate() {
        let (request, status) = pairs[0].take(ticket).unwrap();
        assert_eq!(status, Status::Ok);
        match fill {
            Some(fill) => assert_eq!(value::<u8>(request), fill),
            None => assert_eq!(request.buffer, expected(100, u8::try_from(at / 2).unwrap())),
        }
    }
    let calls = stats_of(&device, "fill");
    assert_eq!(calls.completed, 16);
    assert!(calls.timings.histograms().iter().all(|(_, histogram)| histogram.count() == 16));
}

/// Functions between other requests, all of them shown at once: each notes how many were announced before it.
fn announced_before_functions(config: &str) {
    let (device, mut pairs) = open(config);
    let session = device.create_session(ctr());
    let pair = &mut pairs[0];
    let submit =
        |pair: &mut QueuePair, request: Request, delivery: Delivery| match pair.submit(request, delivery) {
            Ok(ticket) => ticket,
            Err(refused) => park(pair, refused.request, refused.delivery),
        };
    for round in 1..=200 {
        let (wakes, seen) = (Count::new(), Arc::new(AtomicUsize::new(0)));
        pair.hold_back(true);
        let mut tickets = Vec::new();
        for number in 0..8_u32 {
            let next = if [2, 4, 5].contains(&number) {
                let (wakes, seen) = (Arc::clone(&wakes), Arc::clone(&seen));
                let note = move || seen.fetch_add(wakes.calls() << (10 * (number - 2)), Ordering::SeqCst);
                Request::of_call(Call::new("note", 0, note))
            } else {
                request(session, 16, 1)
            };
            tickets.push(submit(pair, next, wakes.delivery()));
        }
        pair.flush();
        pair.hold_back(false);
        // Taking a result would cancel its wake.
        until("the wakes", || wakes.calls() == 8);
        tickets.into_iter().for_each(|ticket| drop(finish(pair, ticket)));
        assert_eq!(seen.load(Ordering::SeqCst), 2 | 4 << 20 | 5 << 30, "round {round}: {config}");
    }
}

#[test]
fn what_is_ready_is_announced_before_a_function_runs() {
    announced_before_functions("depth=16");
    // Those that found no slot come in as others end.
    announced_before_functions("depth=2");
}

#[test]
fn a_panic_is_kept_for_the_caller_and_the_device_lives() {
    for config in ["", "completion_nsec=10"] {
        let (device, mut pair) = stepped(config);
        let panics = Call::new("panics", 1, || std::panic::resume_unwind(Box::new("as it was")));
        let (panicking, other) =
            (submit(&mut pair, panics), submit(&mut pair, Call::new("other", 1, || 3_u8)));
        device.run_until_idle();
        let (request, status) = pair.take(panicking).unwrap();
        let panic = request.call.unwrap().into_result::<()>().unwrap().unwrap_err();
        assert_eq!((status, panic.downcast_ref::<&str>()), (Status::Ok, Some(&"as it was")));
        assert_eq!(value::<u8>(pair.take(other).unwrap().0), 3);
        assert_eq!(device.stats().deaths, 0);
        let calls = stats_of(&device, "panics");
        assert_eq!((calls.completed, calls.panicked), (1, 1));
    }
}

#[test]
fn what_is_taken_back_is_given_back_run_or_not() {
    let (device, mut pair) = stepped("completion_nsec=1000");
    let alive = Arc::new(AtomicU64::new(0));
    let call = |alive: &Arc<AtomicU64>| {
        let (input, alive) = (Canary::new(alive), Arc::clone(alive));
        Call::new("canary", 1, move || {
            drop(input);
            Canary::new(&alive)
        })
    };
    let (early, late) = (submit(&mut pair, call(&alive)), submit(&mut pair, call(&alive)));
    let early = pair.remote().revoke(early).unwrap();
    assert!(!early.call.unwrap().has_run(), "it was queued");
    assert!(device.step());
    let mut late = pair.remote().revoke(late).unwrap();
    assert!(late.call.as_mut().unwrap().has_run(), "it was not due");
    assert_eq!(alive.load(Ordering::SeqCst), 1, "its value");
    late.wipe();
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    // What is not taken is dropped with the pair.
    let _never_taken = [submit(&mut pair, call(&alive)), submit(&mut pair, call(&alive))];
    device.step();
    drop((pair, device));
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn under_every_fault_a_function_runs_at_most_once_and_nothing_is_leaked() {
    for kind in FaultKind::ALL {
        let config = format!("operation=canary;fault={}:op=canary,nth=2", kind.name());
        // A rule about bytes that a call does not have is refused.
        let spoils = matches!(kind, FaultKind::Corrupt { .. } | FaultKind::Short { .. });
        let config = if spoils { config.replace("op=canary,", "") } else { config };
        let (device, mut pair) = stepped(&config);
        let (alive, runs) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        for _ in 0..4 {
            let (input, ran, made) = (Canary::new(&alive), Arc::clone(&runs), Arc::clone(&alive));
            let call = Call::new("canary", 8, move || {
                ran.fetch_add(1, Ordering::SeqCst);
                drop(input);
                Canary::new(&made)
            });
            let Ok(ticket) = pair.submit(Request::of_call(call), Delivery::Silent) else { continue };
            device.run_until_idle();
            let before = runs.load(Ordering::SeqCst);
            let (mut request, status) = pair
                .take(ticket)
                .unwrap_or_else(|| (pair.remote().revoke(ticket).unwrap(), Status::DeviceError));
            let has_run = request.call.as_mut().unwrap().has_run();
            assert!(status != Status::Ok || has_run, "{}", kind.name());
            drop(request);
            assert_eq!(runs.load(Ordering::SeqCst), before, "{}: run by no other thread", kind.name());
            assert_eq!(alive.load(Ordering::SeqCst), 0, "{}", kind.name());
        }
        let injected = device.stats().faults.get(kind.name()).unwrap();
        // These requests are not announced.
        let announced = matches!(kind, FaultKind::DropWake | FaultKind::Duplicate | FaultKind::SpuriousWake);
        let applies = !spoils && !announced;
        assert_eq!(injected, u64::from(applies), "{}", kind.name());
        let unrun = match kind {
            FaultKind::Busy | FaultKind::Fail { .. } | FaultKind::Reset => 1,
            FaultKind::Dead => 3,
            _ => 0,
        };
        assert_eq!(runs.load(Ordering::SeqCst), 4 - unrun, "{}", kind.name());
        assert_eq!(device.stats().imbalances(), Vec::<String>::new(), "{}", kind.name());
        drop((pair, device));
        assert_eq!(alive.load(Ordering::SeqCst), 0, "{}", kind.name());
    }
}

#[test]
fn a_rule_selects_calls_by_name_or_all_of_them() {
    for (rule, failed) in [("op=b", [false, true, false]), ("op=call", [true, true, true])] {
        let (device, mut pair) = stepped(&format!("operation=b;fault=fail:{rule}"));
        for (name, failed) in ["a", "b", "c"].into_iter().zip(failed) {
            let ticket = submit(&mut pair, Call::new(name, 0, || ()));
            device.run_until_idle();
            let status = pair.take(ticket).unwrap().1;
            assert_eq!(status, if failed { Status::DeviceError } else { Status::Ok }, "{rule}, {name}");
        }
        let session = device.create_session(ctr());
        let ticket = pair.submit(request(session, 5, 5), Delivery::Silent).unwrap();
        device.run_until_idle();
        assert_eq!(pair.take(ticket).unwrap().1, Status::Ok, "{rule}: encryption");
    }
}

#[test]
fn inside_a_function_the_stepped_device_stands_still() {
    let (device, mut pair) = stepped("completion_nsec=1000");
    let device = Arc::new(device);
    assert!(!device.is_inside());
    let inner = Arc::clone(&device);
    let look = move || {
        inner.reset(); // done when the function has returned
        inner.drain();
        (inner.is_inside(), inner.step(), inner.run_until_idle(), inner.now())
    };
    let ticket = submit(&mut pair, Call::new("look", 0, look));
    let (other, mut others) = stepped("");
    let nested = submit(&mut others, Call::new("other device", 0, || 5_u8));
    let step_other = move || (other.is_inside(), other.run_until_idle(), other);
    device.run_until_idle();
    let stepping = submit(&mut pair, Call::new("step", 0, step_other));
    device.run_until_idle();
    let (mut request, status) = pair.take(ticket).unwrap();
    assert_eq!(status, Status::Reset, "by itself");
    assert!(request.call.as_mut().unwrap().has_run());
    assert_eq!(
        value::<(bool, bool, usize, std::time::Duration)>(request),
        (true, false, 0, Default::default())
    );
    let (is_inside, steps, other) = value::<(bool, usize, Device)>(pair.take(stepping).unwrap().0);
    assert_eq!((is_inside, steps), (false, 1), "another device is another device");
    assert_eq!(value::<u8>(others.take(nested).unwrap().0), 5);
    assert_eq!(other.stats().imbalances(), Vec::<String>::new());
    assert!(!device.is_inside());
}

#[test]
fn a_call_without_a_function_and_a_function_without_a_call_are_refused() {
    let (device, mut pair) = stepped("");
    let session = device.create_session(ctr());
    let alive = Arc::new(AtomicU64::new(0));
    let canary = Canary::new(&alive);
    let mut with_session = Request::of_call(Call::new("", 0, move || drop(canary)));
    with_session.session = session;
    let requests = [
        (Request::new(SessionId::NONE, Operation::Call, vec![1]), Status::InvalidArgs),
        (Request::new(session, Operation::Call, vec![1]), Status::InvalidArgs),
        (with_session, Status::InvalidArgs),
        (Request::new(SessionId::NONE, Operation::Encrypt, vec![1]), Status::InvalidSession),
    ];
    for (request, expected) in requests {
        let ticket = pair.submit(request, Delivery::Silent).unwrap();
        device.run_until_idle();
        let (request, status) = pair.take(ticket).unwrap();
        assert_eq!(status, expected);
        assert!(request.call.is_none_or(|mut call| !call.has_run()));
    }
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}
