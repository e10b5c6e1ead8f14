//! A device is changed while it runs: its faults, and its model.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::Arc;
use std::time::Duration;

use device_helpers::*;
use simaccel_device::{
    ChangeError, Config, ConfigError, Delivery, Device, Fault, FaultKind, QueuePair, RefusedReason,
    Selection, SessionId, Status,
};

/// A stepped device with one queue pair and these keys, and a session.
fn opened(text: &str) -> (Device, QueuePair, SessionId) {
    let (device, pair) = stepped(&format!("queue_pairs=1;depth=4;compute_units=1;{text}"));
    let session = device.create_session(ctr());
    (device, pair, session)
}

/// Runs a request to its end: its status, and the nanoseconds it took.
fn run(device: &Device, pair: &mut QueuePair, session: SessionId) -> (Status, u128) {
    let begun = device.now();
    let ticket = submit(pair, request(session, 16, 1), Delivery::Silent);
    device.run_until_idle();
    (pair.take(ticket).expect("it has ended").1, (device.now() - begun).as_nanos())
}

fn fail_every(count: u64) -> Fault {
    Fault::new(FaultKind::Fail { status: Status::DeviceError }).when(Selection::default().every(count))
}

#[test]
fn a_service_is_slow_for_ten_seconds() {
    let (device, mut pair, session) = opened("completion_nsec=20000");
    assert_eq!(run(&device, &mut pair, session), (Status::Ok, 20_000));
    device.reconfigure("completion_nsec=500000000").expect("it is modelled");
    let until = device.now() + Duration::from_secs(10);
    let mut slow = 0;
    while device.now() < until {
        assert_eq!(run(&device, &mut pair, session), (Status::Ok, 500_000_000));
        slow += 1;
    }
    device.reconfigure("completion_nsec=20000").expect("it is modelled");
    assert_eq!((slow, run(&device, &mut pair, session)), (20, (Status::Ok, 20_000)));
    assert_balanced(&device);
}

#[test]
fn what_is_scheduled_keeps_its_time_and_its_faults() {
    let (device, mut pair, session) = opened("completion_nsec=1000;fault=delay:nsec=500,nth=1");
    let tickets = [1, 2].map(|fill| submit(&mut pair, request(session, 16, fill), Delivery::Silent));
    device.step();
    device.reconfigure("completion_nsec=7;fault=none").expect("it is modelled");
    let third = submit(&mut pair, request(session, 16, 3), Delivery::Silent);
    let mut ends = Vec::new();
    while device.step() {
        for ticket in tickets.into_iter().chain([third]) {
            if pair.take(ticket).is_some() {
                ends.push(device.now().as_nanos());
            }
        }
    }
    assert_eq!(ends, [1_500, 2_000, 2_007], "the third waits for the unit as it is occupied");
}

#[test]
fn a_plan_counts_and_draws_from_its_beginning() {
    let pattern = |device: &Device, pair: &mut QueuePair, session| -> String {
        (0..40).map(|_| if run(device, pair, session).0 == Status::Ok { '.' } else { 'x' }).collect()
    };
    for rule in ["fail:every=7", "fail:probability=0.3"] {
        let (device, mut pair, session) = opened(&format!("seed=3;fault={rule}"));
        let first = pattern(&device, &mut pair, session);
        device.set_faults(&[Fault::parse(rule).unwrap()]).expect("it is modelled");
        assert_eq!(pattern(&device, &mut pair, session), first, "{rule}");
        device.set_faults(&[]).expect("it is modelled");
        assert_eq!(pattern(&device, &mut pair, session), ".".repeat(40));
        device.reconfigure(&format!("fault={rule}")).expect("it is modelled");
        assert_eq!(pattern(&device, &mut pair, session), first, "{rule}");
        assert_eq!(device.stats().faults.total(), 3 * first.matches('x').count() as u64, "none is forgotten");
    }
}

/// Streams start again where their numbers change, and only there.
#[test]
fn a_value_that_a_key_has_already_changes_nothing() {
    let times = |changes: [&str; 2]| -> Vec<u128> {
        let (device, mut pair, session) = opened("completion_nsec=1000;latency_dist=exponential");
        let mut times = Vec::new();
        for change in changes {
            device.reconfigure(change).expect("it is modelled");
            times.extend((0..5).map(|_| run(&device, &mut pair, session).1));
        }
        times
    };
    let undisturbed = times(["", ""]);
    assert_eq!(times(["", "completion_nsec=1000"]), undisturbed);
    assert_eq!(times(["fault=none", "fault=fail:nth=99"]), undisturbed);
    let doubled = times(["", "completion_nsec=2000"]);
    let twice = |slow: &u128, quick: &u128| slow.abs_diff(2 * quick) <= 1;
    assert!(doubled[5..].iter().zip(&undisturbed).all(|(slow, quick)| twice(slow, quick)), "{doubled:?}");
}

#[test]
fn what_cannot_be_changed_is_refused_by_name_and_nothing_changes() {
    let (device, mut pair, session) = opened("completion_nsec=1000;operation=pack");
    let before = device.current_config();
    for (text, said) in [
        ("depth=8", "depth is decided when a device is opened: what can be changed while it runs is fault, "),
        ("completion_nsec=5;workers=2", "workers is decided when a device is opened: "),
        ("preset=ideal", "preset is decided"),
        ("model=on", "model is decided"),
        ("operation=x", "operation is decided"),
        ("colour=blue", "unknown key colour: the keys are queue_pairs, "),
        ("completion_nsec=5;mbps=x", "mbps=x: must be 0 to 1000000"),
        ("mbps=1;mbps=2", "mbps is given twice"),
        ("mbps", "mbps is not key=value"),
        ("fault=burn", "fault=burn: must be KIND"),
        ("completion_nsec=5;fault=fail:op=pick", "fault=fail:op=pick: must be op="),
    ] {
        let refused = device.reconfigure(text).unwrap_err().to_string();
        assert!(refused.starts_with(said) && !refused.contains('\n'), "{text}: {refused}");
    }
    let fixed = device.reconfigure("seed=1").unwrap_err();
    assert!(matches!(fixed, ChangeError::Fixed { ref key, .. } if key == "seed"), "{fixed:?}");
    let unfit = device.set_faults(&[fail_every(2), fail_every(0)]).unwrap_err();
    assert!(matches!(unfit, ChangeError::Config(ConfigError::Value { key: "fault", .. })), "{unfit:?}");
    assert_eq!(device.current_config(), before);
    assert_eq!([(); 4].map(|()| run(&device, &mut pair, session)), [(Status::Ok, 1_000); 4]);
    device.reconfigure("mbps=2.5;fault=fail:op=pack").expect("it is declared");
    let expected = Config::parse(&format!("{before};fault=fail:op=pack").replace(";mbps=0", ";mbps=2.5"));
    assert_eq!(Ok(device.current_config()), expected);
    assert_eq!(device.config(), &before, "as it was opened");
}

#[test]
fn an_ideal_device_says_how_to_open_one_that_can_be_changed() {
    let (device, mut pair, session) = opened("");
    for refused in [device.set_faults(&[]), device.reconfigure("completion_nsec=5")] {
        let refused = refused.unwrap_err();
        assert_eq!(refused, ChangeError::Ideal);
        assert!(refused.to_string().contains("model=on"), "{refused}");
    }
    assert_eq!(run(&device, &mut pair, session), (Status::Ok, 0));
    let (device, mut pair, session) = opened("model=on");
    assert_eq!(run(&device, &mut pair, session), (Status::Ok, 0));
    device.reconfigure("completion_nsec=5").expect("it is modelled");
    assert_eq!(run(&device, &mut pair, session), (Status::Ok, 5));
}

#[test]
fn every_key_that_can_be_changed_changes_the_time() {
    let (device, mut pair, session) = opened("completion_nsec=1000;model=on");
    let mut changes = vec![
        ("completion_nsec=2000", [2_000, 2_000]),
        ("mbps=16", [3_000, 3_000]),
        ("latency_dist=bimodal:100;firmware_nsec=50", [3_050, 3_050]),
        ("link_mbps=16;link_nsec=7", [5_064, 5_064]),
        ("link_mbps=0;firmware_nsec=0;link_nsec=0", [3_000, 3_000]),
        ("batch=4;batch_nsec=300", [3_300, 3_300]),
        ("batch=1;batch_nsec=0;arbitration=round_robin", [3_000, 3_000]),
        ("service=encrypt:nsec=500;warmup=1:300", [4_500, 1_500]),
        ("service=mac:nsec=500", [9_000, 3_000]),
        ("warmup=none", [3_000, 3_000]),
        ("service=aes-128-ctr/encrypt:nsec=20,mbps=0", [20, 20]),
        ("service=none;mbps=0;completion_nsec=10", [10, 10]),
        ("ops_limit=1000000;ops_burst=1", [10, 1_000]),
        ("ops_limit=0;bytes_limit=16000000;bytes_burst=16", [10, 1_000]),
        ("bytes_limit=0;limit=busy", [10, 10]),
    ];
    let mut named: Vec<&str> = Config::changeable().filter(|key| *key != "fault").collect();
    for (change, times) in changes.drain(..) {
        device.reconfigure(change).unwrap_or_else(|error| panic!("{change}: {error}"));
        let took = [(); 2].map(|()| run(&device, &mut pair, session).1);
        assert_eq!(took, times, "{change}");
        named.retain(|key| !change.split(';').any(|item| item.split('=').next() == Some(key)));
    }
    assert_eq!(named, Vec::<&str>::new(), "all keys were changed");
    assert_balanced(&device);
}

#[test]
fn a_limit_that_says_busy_comes_and_goes() {
    let (device, mut pair, session) = opened("model=on");
    let mut taken = |device: &Device| {
        let submitted = [1, 2, 3].map(|fill| pair.submit(request(session, 16, fill), Delivery::Silent).ok());
        device.run_until_idle();
        submitted.into_iter().flatten().filter(|ticket| pair.take(*ticket).is_some()).count()
    };
    assert_eq!(taken(&device), 3);
    device.reconfigure("limit=busy;ops_limit=10;ops_burst=2").expect("it is modelled");
    assert_eq!((taken(&device), taken(&device)), (2, 0));
    device.reconfigure("limit=delay").expect("it is modelled");
    assert_eq!(taken(&device), 3);
    device.reconfigure("ops_limit=0").expect("it is modelled");
    assert_eq!(taken(&device), 3);
    assert_balanced(&device);
}

#[test]
fn a_parked_request_that_waits_for_tokens_goes_when_the_limit_goes() {
    let (device, mut pair, session) = opened("limit=busy;ops_limit=1");
    let first = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    let parked = park(&mut pair, request(session, 16, 2), Delivery::Silent);
    (0..2).for_each(|_| assert!(device.step()));
    assert!(pair.take(first).is_some() && pair.take(parked).is_none());
    device.reconfigure("ops_limit=0").expect("it is modelled");
    device.run_until_idle();
    assert!(pair.take(parked).is_some());
    assert_eq!(device.now(), Duration::ZERO);
    assert_balanced(&device);
}

/// Faults that the device or its host has to be prepared for.
#[test]
fn every_kind_of_fault_can_come_later() {
    for kind in FaultKind::ALL {
        let (device, mut pair, session) = opened("model=on");
        let rule = Fault::new(kind).when(Selection::default().times(8));
        let polled = || Delivery::Reap { owner: 3 };
        let mut round = |device: &Device| {
            let mut ended = Vec::new();
            for _ in 0..8 {
                // More than once around the ring of 4.
                let submitted = pair.submit(request(session, 16, 1), polled());
                device.run_until_idle();
                pair.reap(1, &mut |_| {});
                let Ok(ticket) = submitted else { continue };
                ended.push(pair.take(ticket));
                if ended.last().is_some_and(Option::is_none) {
                    let _ = pair.remote().revoke(ticket);
                }
                device.reset();
            }
            ended.iter().flatten().filter(|(r, s)| *s == Status::Ok && r.buffer == expected(16, 1)).count()
        };
        assert_eq!(round(&device), 8);
        device.set_faults(std::slice::from_ref(&rule)).expect("it is modelled");
        let harmless = !matches!(
            kind,
            FaultKind::Busy
                | FaultKind::Corrupt { .. }
                | FaultKind::Dead
                | FaultKind::Fail { .. }
                | FaultKind::Reset
                | FaultKind::Short { .. }
                | FaultKind::Timeout
        );
        assert_eq!(round(&device), if harmless { 8 } else { 0 }, "{rule}");
        assert_eq!(device.stats().faults.get(kind.name()), Some(8), "{rule}");
        assert_eq!(round(&device), 8, "{rule} has had its times");
        assert_balanced(&device);
    }
}

#[test]
fn a_dead_device_can_be_changed_and_busy_counts_what_it_refuses() {
    let (device, mut pair, session) = opened("fault=dead:nth=1;fault=busy:nth=3");
    assert_eq!(run(&device, &mut pair, session).0, Status::DeviceDead);
    let refused = pair.submit(request(session, 16, 1), Delivery::Silent).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::DeviceDead);
    device.reset();
    let refused = pair.submit(request(session, 16, 1), Delivery::Silent).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::Full, "the third submission");
    device.set_faults(&[Fault::new(FaultKind::Dead)]).expect("it is modelled");
    assert_eq!(run(&device, &mut pair, session).0, Status::DeviceDead);
    device.set_faults(&[]).expect("a dead device can be changed");
    device.reset();
    assert_eq!(run(&device, &mut pair, session).0, Status::Ok);
    assert_balanced(&device);
}

/// It has no effect, so it is not counted.
#[test]
fn busy_is_not_injected_where_the_ring_is_full() {
    let (device, mut pair, session) = opened("completion_nsec=1000;fault=busy:nth=5");
    for fill in 0..4 {
        let _ = submit(&mut pair, request(session, 16, fill), Delivery::Silent);
    }
    assert!(pair.submit(request(session, 16, 1), Delivery::Silent).is_err());
    assert_eq!((device.stats().faults.total(), device.stats().total.full), (0, 1));
}

#[test]
fn a_worker_works_by_a_change_when_it_is_acknowledged() {
    let (device, mut pairs) = open("queue_pairs=2;depth=16;model=on");
    let session = device.create_session(ctr());
    for round in 0..200 {
        let plan = if round % 2 == 0 { vec![fail_every(1)] } else { Vec::new() };
        device.set_faults(&plan).expect("it is modelled");
        let pair = &mut pairs[round / 2 % 2];
        let ticket = submit(pair, request(session, 16, 1), Delivery::Silent);
        let status = finish(pair, ticket).1;
        assert_eq!(status == Status::Ok, plan.is_empty(), "round {round}");
    }
    assert_eq!(device.stats().faults.get("fail"), Some(100));
    assert_balanced(&device);
}

/// A change that waited for the worker on the worker would wait forever.
#[test]
fn threads_and_a_waker_on_the_worker_change_a_device_at_the_same_time() {
    let (device, mut pairs) = open("queue_pairs=1;depth=16;model=on");
    let session = device.create_session(ctr());
    let device = Arc::new(device);
    let threads: Vec<_> = (0..2_u64)
        .map(|number| {
            let device = Arc::clone(&device);
            std::thread::spawn(move || {
                for round in 0..200 {
                    let change = format!("completion_nsec={};fault=delay:nsec=1", 100 * number + round % 3);
                    device.reconfigure(&change).expect("it is modelled");
                }
            })
        })
        .collect();
    let pair = &mut pairs[0];
    for _ in 0..200 {
        let changed = Arc::clone(&device);
        let waker = once(move || changed.set_faults(&[]).expect("it is modelled"));
        let ticket = submit(pair, request(session, 16, 1), Delivery::Wake(waker));
        assert_eq!(finish(pair, ticket).1, Status::Ok);
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it has changed the device"));
    assert_balanced(&device);
}
