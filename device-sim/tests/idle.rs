//! An idle device does nothing, and a closed device leaves nothing behind. One test, in its own process,
//! because it inspects the process.
#![cfg(not(loom))]

mod device_helpers;

use std::fs;
use std::time::{Duration, Instant};

use device_helpers::*;
use simaccel_device::{Delivery, Device};

/// The thread ids of all workers of this process.
fn workers() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux has it");
    tasks
        .filter_map(|task| Some(task.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|task| {
            let name = fs::read_to_string(format!("/proc/self/task/{task}/comm"));
            name.is_ok_and(|name| name.starts_with("device-sim"))
        })
        .collect()
}

/// Time on a processor.
fn cpu_time(task: &str) -> Duration {
    let schedstat = fs::read_to_string(format!("/proc/self/task/{task}/schedstat")).expect("a live thread");
    let nsec = schedstat.split(' ').next().expect("three numbers").parse().expect("a number");
    Duration::from_nanos(nsec)
}

fn open_fds() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux has it").count()
}

/// Watches a device for a while from a busy thread.
fn assert_idle(device: &Device) {
    until("sleep", || device.stats().worker_sleeps > 0);
    let settled = Instant::now();
    while settled.elapsed() < Duration::from_millis(20) {
        std::hint::spin_loop();
    }
    let (sleeps, before): (_, Vec<_>) = (device.stats().worker_sleeps, workers());
    let cpu: Duration = before.iter().map(|task| cpu_time(task)).sum();
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_millis(200) {
        std::hint::spin_loop();
    }
    let used = before.iter().map(|task| cpu_time(task)).sum::<Duration>().saturating_sub(cpu);
    assert_eq!(device.stats().worker_sleeps, sleeps, "nothing woke it");
    assert!(used < watched.elapsed() / 20, "{used:?} on a processor with nothing to do");
}

#[test]
fn idle_devices_use_no_processor_and_closed_ones_leave_nothing() {
    let fds = open_fds();
    let (device, mut pairs) = open("queue_pairs=4;workers=2");
    until("a thread for each worker", || workers().len() == 2);
    assert_idle(&device);
    let session = device.create_session(ctr());
    let ticket = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    finish(&mut pairs[0], ticket);
    assert_idle(&device);
    drop((device, pairs));

    // A request that is due in an hour keeps no thread busy either; nor does a dead device.
    let (device, mut pairs) = open("queue_pairs=1;completion_nsec=3_600_000_000_000");
    let session = device.create_session(ctr());
    let _ = submit(&mut pairs[0], request(session, 64, 1), Delivery::Silent);
    assert_idle(&device);
    let fatal = device.create_panicking_session();
    let _ = submit(&mut pairs[0], request(fatal, 64, 1), Delivery::Silent);
    until("death", || device.stats().deaths == 1);
    assert_idle(&device);
    drop((device, pairs));

    for round in 0..200 {
        let (device, mut pairs) = open("queue_pairs=2;workers=2");
        let session = device.create_session(ctr());
        let ticket = submit(&mut pairs[1], request(session, 64, 1), Delivery::Silent);
        if round % 2 == 0 {
            finish(&mut pairs[1], ticket);
        } else {
            drop(pairs);
        }
        drop(device);
    }
    until("the end of every thread", || workers().is_empty());
    assert_eq!(open_fds(), fds);

    // When a waker drops the device on a worker, the threads end by themselves.
    for _ in 0..20 {
        let (device, mut pairs) = open("queue_pairs=2;workers=2");
        let session = device.create_session(ctr());
        let waker = once(move || drop(device));
        let _ = submit(&mut pairs[0], request(session, 64, 1), Delivery::Wake(waker));
    }
    until("the end of every thread", || workers().is_empty());
    assert_eq!(open_fds(), fds);
}
