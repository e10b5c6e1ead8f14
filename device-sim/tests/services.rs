//! The log of what compute units serve: it says what the counters of the units say, one service after the
//! other on each unit.
#![cfg(not(loom))]

mod device_helpers;

use std::time::Duration;

use device_helpers::stepped;
use simaccel_device::{Call, Delivery, Device, QueuePair, Request};

/// Runs this many requests to their end.
fn run(device: &Device, pair: &mut QueuePair, count: usize) {
    let mut tickets = Vec::new();
    for number in 0..count {
        let request = Request::of_call(Call::new("work", number as u64 * 100, || ()));
        tickets.push(pair.submit(request, Delivery::Silent).expect("the ring has room"));
    }
    device.run_until_idle();
    tickets.into_iter().for_each(|ticket| assert!(pair.take(ticket).is_some()));
}

#[test]
fn the_log_says_what_the_counters_say() {
    let stations = ["", ";firmware_nsec=300", ";link_mbps=100;link_nsec=50", ";batch=4;batch_nsec=500"];
    for more in stations {
        let text = format!("compute_units=3;completion_nsec=1000;mbps=500;depth=64;operation=work{more}");
        let (device, mut pair) = stepped(&text);
        device.log_services(100);
        run(&device, &mut pair, 40);
        let (services, lost) = device.take_services();
        assert_eq!(lost, 0);
        for (unit, counted) in device.stats().units.iter().enumerate() {
            let own: Vec<_> = services.iter().filter(|service| service.unit == unit).collect();
            assert_eq!(own.iter().map(|service| service.requests).sum::<u64>(), counted.executed, "{text}");
            let busy: Duration = own.iter().map(|service| service.ended - service.started).sum();
            assert_eq!(busy, Duration::from_nanos(counted.busy_nsec), "{text}");
            assert!(own.windows(2).all(|two| two[0].ended <= two[1].started), "{text}: {own:?}");
            assert!(own.iter().all(|service| service.ended <= device.now()), "{text}");
        }
        assert_eq!(services.iter().map(|service| service.requests).sum::<u64>(), 40, "{text}");
        assert_eq!(services.len() < 40, more.contains("batch"), "{text}");
    }
}

#[test]
fn nothing_is_kept_that_is_not_asked_for_and_what_has_no_room_is_counted() {
    let (device, mut pair) = stepped("compute_units=1;completion_nsec=1000;depth=64;operation=work");
    run(&device, &mut pair, 10);
    assert_eq!(device.take_services(), (Vec::new(), 0));
    device.log_services(4);
    run(&device, &mut pair, 10);
    let (services, lost) = device.take_services();
    assert_eq!((services.len(), lost), (4, 6));
    assert_eq!(
        services[0].started,
        Duration::from_nanos(10_000),
        "the first of those since it was asked for"
    );
    run(&device, &mut pair, 1);
    assert_eq!((device.take_services().0.len(), device.take_services()), (1, (Vec::new(), 0)));
    device.log_services(0);
    run(&device, &mut pair, 3);
    assert_eq!(device.take_services(), (Vec::new(), 0));
}
