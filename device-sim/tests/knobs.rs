//! The knobs of the model apart from faults: order, interrupt coalescing, presets, timing, and punctuality.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use device_helpers::*;
use simaccel_device::{Config, Delivery, Device, Interrupt, Operation, Preset, Status, Ticket, TicketState};

/// Submits `count` requests of 16, 32, ... bytes at once. Returns the order and the times in which they end.
fn ends(text: &str, count: u8) -> Vec<(u8, u64)> {
    let (device, mut pair) = stepped(text);
    let session = device.create_session(ctr());
    let device = Arc::new(device);
    let ends = Arc::new(Mutex::new(Vec::new()));
    for number in 0..count {
        let (clock, ends) = (Arc::clone(&device), Arc::clone(&ends));
        let waker = once(move || {
            let now = u64::try_from(clock.now().as_nanos()).expect("a short test");
            ends.lock().expect("not poisoned").push((number, now));
        });
        // The longest first: unordered, they end in reverse.
        let len = 16 * usize::from(count - number);
        let _ = submit(&mut pair, request(session, len, number), Delivery::Wake(waker));
    }
    device.run_until_idle();
    assert_adds_up(&device.stats().total);
    ends.lock().expect("not poisoned").clone()
}

#[test]
fn unordered_requests_end_when_each_is_due_and_fifo_ones_in_order() {
    // 1 ns a byte.
    let model = "queue_pairs=1;compute_units=8;mbps=1000";
    assert_eq!(ends(model, 4), [(3, 16), (2, 32), (1, 48), (0, 64)]);
    assert_eq!(ends(&format!("{model};ordering=fifo"), 4), [(0, 64), (1, 64), (2, 64), (3, 64)]);
}

#[test]
fn reordered_requests_are_overtaken_by_as_many_as_was_said() {
    let order = |seed| -> Vec<u8> {
        let text = format!(
            "queue_pairs=1;depth=128;compute_units=1;completion_nsec=10;ordering=reorder:10:3;seed={seed}"
        );
        ends(&text, 100).into_iter().map(|(number, _)| number).collect()
    };
    let found = order(5);
    assert_eq!(found, order(5), "one seed, one order");
    assert_ne!(found, order(6));
    let mut sorted = found.clone();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..100), "everybody ends, once");
    let place = |number: u8| found.iter().position(|other| *other == number).expect("it ended");
    let held: Vec<_> = (0..97_u8).filter(|&number| place(number) > place(number + 1)).collect();
    assert!((3..=20).contains(&held.len()), "about one in ten: {held:?}");
}

/// Each queue pair has its own order.
#[test]
fn queue_pairs_do_not_wait_for_each_other() {
    let device = Device::stepped(&config("queue_pairs=2;mbps=1;ordering=fifo;compute_units=2"))
        .expect("the device opens");
    let mut pairs = device.take_queue_pairs();
    let session = device.create_session(ctr());
    let long = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    let short = submit(&mut pairs[1], request(session, 16, 1), Delivery::Silent);
    device.advance(Duration::from_micros(16));
    assert_eq!(pairs[0].remote().state(long), TicketState::InFlight);
    assert_eq!(pairs[1].remote().state(short), TicketState::Done(Status::Ok));
    assert_balanced(&device);
}

#[test]
fn coalescing_announces_by_count() {
    let (device, mut pair) =
        stepped("queue_pairs=1;compute_units=1;completion_nsec=1000;intc_thresh=3;intc_nsec=1000000");
    let session = device.create_session(ctr());
    let count = Count::new();
    let mut tickets: Vec<Ticket> =
        (0..5).map(|fill| submit(&mut pair, request(session, 16, fill), count.delivery())).collect();
    let mut calls = Vec::new();
    for _ in 0..5 {
        device.advance(Duration::from_micros(1));
        calls.push(count.calls());
    }
    assert_eq!(calls, [0, 0, 3, 3, 3]);
    assert!(
        tickets.iter().all(|ticket| is_done(pair.remote(), *ticket)),
        "results are there before the wake"
    );
    let last = tickets.pop().expect("there are five");
    assert!(pair.take(last).is_some(), "and can be taken, which cancels the wake");
    device.run_until_idle();
    assert_eq!((count.calls(), device.now()), (4, Duration::from_micros(1_004)), "the fourth after its time");
    let total = device.stats().total;
    assert_eq!((total.wakes_sent, total.wakes_cancelled, total.interrupts_coalesced), (4, 1, 3));
    assert_balanced(&device);
}

#[test]
fn coalescing_raises_one_interrupt_for_many_completions() {
    let (device, mut pair) =
        stepped("queue_pairs=1;compute_units=1;completion_nsec=1000;intc_thresh=4;intc_nsec=2500");
    let session = device.create_session(ctr());
    let interrupt = Arc::new(Interrupt::new().expect("an eventfd"));
    pair.remote().attach(Arc::clone(&interrupt));
    interrupt.arm();
    for fill in 0..5 {
        let _ = submit(&mut pair, request(session, 16, fill), Delivery::Reap { owner: 0 });
    }
    // Done at 1, 2, 3, 4, 5 µs; the first has waited for 2.5 µs at 3.5.
    device.advance(Duration::from_nanos(3_499));
    assert!(!interrupt.clear());
    assert!(pair.remote().completions_pending());
    device.advance(Duration::from_nanos(1));
    assert!(interrupt.clear());
    assert_eq!(pair.reap(8, &mut |_| {}), 3);
    interrupt.arm();
    device.run_until_idle();
    assert!(interrupt.clear());
    assert_eq!(pair.reap(8, &mut |_| {}), 2);
    let total = device.stats().total;
    assert_eq!((total.interrupts, total.interrupts_coalesced), (2, 3));
    assert_balanced(&device);
}

/// A reset, a drain and the end of the device announce held-back completions: none waits for more for ever.
#[test]
fn what_was_held_back_is_announced_when_things_end() {
    for how in ["reset", "drain", "drop"] {
        let (device, mut pairs) =
            open("queue_pairs=1;completion_nsec=1;intc_thresh=100;intc_nsec=3600000000000");
        let session = device.create_session(ctr());
        let count = Count::new();
        let ticket = submit(&mut pairs[0], request(session, 16, 1), count.delivery());
        until("the result", || is_done(pairs[0].remote(), ticket));
        assert_eq!(count.calls(), 0, "held back");
        match how {
            "reset" => device.reset(),
            "drain" => device.drain(),
            _ => drop(device),
        }
        assert_eq!(count.calls(), 1, "{how}");
    }
}

#[test]
fn every_preset_works_and_prints_its_numbers() {
    for preset in Preset::ALL {
        let text = format!("preset={preset};queue_pairs=1;seed=9");
        assert_eq!(Config::parse(&text), Config::parse(&config(&text).to_string()));
        let (device, mut pair) = stepped(&text);
        let session = device.create_session(ctr());
        for fill in 0..20 {
            let ticket = submit(&mut pair, request(session, 4_000, fill), Delivery::Silent);
            device.run_until_idle();
            assert_eq!(pair.take(ticket).expect("done").0.buffer, expected(4_000, fill));
        }
        // The table of one card has no times of CTR.
        let is_instant = matches!(preset, Preset::Ideal | Preset::NitroxV);
        assert_eq!(device.now() == Duration::ZERO, is_instant, "{preset}");
    }
}

#[test]
fn timings_say_where_the_time_went() {
    // Two requests on one unit, 1 µs each, taken half a microsecond after the last.
    let (device, mut pair) = stepped("queue_pairs=1;compute_units=1;completion_nsec=1000;timing=all");
    let session = device.create_session(ctr());
    let tickets = [1, 2].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent));
    device.advance(Duration::from_nanos(2_500));
    tickets.into_iter().for_each(|ticket| assert!(pair.take(ticket).is_some()));
    let stats = device.stats();
    let timings = &stats.timings;
    let sums = [&timings.queue, &timings.service, &timings.wake, &timings.total].map(|times| times.sum());
    assert_eq!(sums, [1_000, 2_000, 1_500 + 500, 2_500 + 2_500]);
    assert_eq!([&timings.queue, &timings.total].map(|times| times.count()), [2, 2]);
    assert_eq!(&stats.timings_by_pair[0], timings);
    assert_eq!(&stats.timings_by_operation[Operation::Encrypt.number()], timings);
    assert_eq!(stats.timings_by_operation[Operation::Mac.number()].total.count(), 0);
    assert_eq!((stats.units[0].executed, stats.units[0].busy_nsec), (2, 2_000));
    assert_balanced(&device);
}

/// A cell keeps short services beside the text, and long ones elsewhere.
#[test]
fn timings_of_services_are_exact_however_long_these_take() {
    let last_short = u64::from(u32::MAX) - 1;
    for service in [1, last_short - 1, last_short, last_short + 1, last_short + 2, 3_600_000_000_000] {
        let text = format!("queue_pairs=1;completion_nsec={service};timing=all");
        let (device, mut pair) = stepped(&text);
        let session = device.create_session(ctr());
        // Of two requests in one cell the second is taken by another thread's way; nothing of the first is
        // left.
        for turn in 1..=2 {
            let ticket = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
            device.run_until_idle();
            device.advance(Duration::from_nanos(5));
            let taken =
                if turn == 1 { pair.take(ticket).is_some() } else { pair.remote().take(ticket).is_some() };
            assert!(taken, "{service}");
            let timings = device.stats().timings;
            let sums = [&timings.service, &timings.wake, &timings.total].map(|times| times.sum());
            assert_eq!(sums, [service, 5, service + 5].map(|nsec| turn * nsec), "{service}");
        }
    }
}

#[test]
fn timings_are_off_sampled_or_of_all() {
    for (timing, count) in [("off", 0), ("sampled", 4), ("all", 200)] {
        for model in ["", ";completion_nsec=10"] {
            let (device, mut pairs) = open(&format!("queue_pairs=1;timing={timing}{model}"));
            let session = device.create_session(ctr());
            for _ in 0..200 {
                let ticket = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
                assert_eq!(finish(&mut pairs[0], ticket).1, Status::Ok);
            }
            let timings = device.stats().timings;
            let counts = [&timings.queue, &timings.service, &timings.wake, &timings.total];
            assert_eq!(counts.map(|times| times.count()), [count; 4], "{timing}{model}");
            let parts = timings.queue.sum() + timings.service.sum() + timings.wake.sum();
            assert!(timings.total.sum() >= timings.service.sum() && parts > 0 || count == 0);
        }
    }
}

#[test]
fn parts_of_time_are_the_whole_of_it_on_a_modelled_device() {
    let (device, mut pair) = stepped(
        "queue_pairs=1;compute_units=2;completion_nsec=900;latency_dist=exponential;timing=all;ordering=fifo",
    );
    let session = device.create_session(ctr());
    for _ in 0..50 {
        let tickets = [1, 2, 3].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent));
        device.run_until_idle();
        tickets.into_iter().for_each(|ticket| assert!(pair.take(ticket).is_some()));
    }
    let timings = device.stats().timings;
    let busy: u64 = device.stats().units.iter().map(|unit| unit.busy_nsec).sum();
    assert_eq!(timings.service.sum(), busy);
    assert_eq!(
        timings.total.sum(),
        timings.queue.sum() + timings.service.sum() + timings.wake.sum(),
        "waiting for one's turn to complete counts as waking"
    );
    assert_balanced(&device);
}

#[test]
fn a_stepped_device_keeps_time_exactly_and_a_worker_says_how_well() {
    let (device, mut pair) = stepped("queue_pairs=1;completion_nsec=77;latency_dist=lognormal:80");
    let session = device.create_session(ctr());
    for _ in 0..100 {
        let _ = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
        device.run_until_idle();
    }
    let error = device.stats().completion_error;
    assert_eq!((error.count(), error.max()), (100, 0));

    let (device, mut pairs) = open("queue_pairs=1;completion_nsec=100000");
    let session = device.create_session(ctr());
    for _ in 0..20 {
        let ticket = submit(&mut pairs[0], request(session, 16, 1), Delivery::Silent);
        assert_eq!(finish(&mut pairs[0], ticket).1, Status::Ok);
    }
    let error = device.stats().completion_error;
    assert!(error.count() == 20 && error.max() > 0, "{error:?}");
    assert_balanced(&device);
}
