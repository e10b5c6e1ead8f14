//! The alarm of a stepped device: one waker, called when the virtual clock comes to it.
#![cfg(not(loom))]

mod common;

use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use common::*;
use device_sim::{Delivery, Device, Status, TicketState};

/// What happened, and at what time of the device's.
type History = Arc<Mutex<Vec<(&'static str, u64)>>>;

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A waker that writes `what` and the time into the history.
fn noting(device: &Arc<Device>, history: &History, what: &'static str) -> Waker {
    let (device, history) = (Arc::downgrade(device), Arc::clone(history));
    once(move || {
        let now = device.upgrade().expect("somebody steps it").now();
        history.lock().expect("not poisoned").push((what, now.as_micros().try_into().expect("small")));
    })
}

fn seen(history: &History) -> Vec<(&'static str, u64)> {
    std::mem::take(&mut history.lock().expect("not poisoned"))
}

#[test]
fn stepping_goes_to_the_alarm_when_nothing_is_due_before() {
    let (device, mut pair) = stepped("queue_pairs=1;compute_units=2;completion_nsec=10_000");
    let (device, history) = (Arc::new(device), History::default());
    let session = device.create_session(ctr());
    device.set_alarm(Some(micros(4)), noting(&device, &history, "alarm"));
    let waker = noting(&device, &history, "done");
    let ticket = submit(&mut pair, request(session, 16, 1), Delivery::Wake(waker));
    assert!(device.step(), "admission comes first");
    assert_eq!((seen(&history), device.now()), (vec![], micros(0)));
    assert!(device.step());
    assert_eq!((seen(&history), device.now()), (vec![("alarm", 4)], micros(4)));
    assert_eq!(pair.remote().state(ticket), TicketState::InFlight);
    assert!(device.step());
    assert_eq!(seen(&history), [("done", 10)]);
    assert!(!device.step(), "an alarm goes off once");
}

#[test]
fn what_is_due_at_the_time_of_the_alarm_ends_before_it() {
    let (device, mut pair) = stepped("queue_pairs=1;compute_units=2;completion_nsec=10_000");
    let (device, history) = (Arc::new(device), History::default());
    let session = device.create_session(ctr());
    let waker = noting(&device, &history, "done");
    let _ = submit(&mut pair, request(session, 16, 1), Delivery::Wake(waker));
    device.set_alarm(Some(micros(10)), noting(&device, &history, "alarm"));
    assert_eq!(device.run_until_idle(), 3, "admitted, done, alarmed");
    assert_eq!(seen(&history), [("done", 10), ("alarm", 10)]);
}

#[test]
fn advancing_passes_the_alarms_that_alarms_set() {
    let (device, _pair) = stepped("");
    let (device, history) = (Arc::new(device), History::default());
    fn every_three(device: &Arc<Device>, history: &History) -> Waker {
        let (weak, again) = (Arc::downgrade(device), Arc::clone(history));
        once(move || {
            let device = weak.upgrade().expect("somebody advances it");
            let now = device.now();
            again.lock().expect("not poisoned").push(("alarm", now.as_micros().try_into().expect("small")));
            device.set_alarm(Some(now + micros(3)), every_three(&device, &again));
        })
    }
    device.set_alarm(Some(micros(3)), every_three(&device, &history));
    device.advance(micros(10));
    assert_eq!((seen(&history), device.now()), (vec![("alarm", 3), ("alarm", 6), ("alarm", 9)], micros(10)));
    device.advance(micros(1));
    assert_eq!((seen(&history), device.now()), (vec![], micros(11)));
    device.advance(micros(1));
    assert_eq!(seen(&history), [("alarm", 12)]);
}

#[test]
fn an_alarm_can_be_replaced_taken_back_and_set_in_the_past() {
    let (device, _pair) = stepped("");
    let (device, history) = (Arc::new(device), History::default());
    device.set_alarm(Some(micros(5)), noting(&device, &history, "replaced"));
    device.set_alarm(Some(micros(7)), noting(&device, &history, "second"));
    assert_eq!((device.run_until_idle(), seen(&history)), (1, vec![("second", 7)]));
    device.set_alarm(Some(micros(9)), noting(&device, &history, "taken back"));
    device.set_alarm(None, Waker::noop().clone());
    assert_eq!((device.run_until_idle(), device.now()), (0, micros(7)));
    device.set_alarm(Some(micros(2)), noting(&device, &history, "past"));
    assert_eq!((device.run_until_idle(), seen(&history)), (1, vec![("past", 7)]), "time does not go back");
}

#[test]
fn an_alarm_may_submit_step_and_panic() {
    let (device, pair) = stepped("queue_pairs=1");
    let (device, pair) = (Arc::new(device), Arc::new(Mutex::new(pair)));
    let session = device.create_session(ctr());
    let (weak, same) = (Arc::downgrade(&device), Arc::clone(&pair));
    let waker = once(move || {
        let ticket =
            submit(&mut same.lock().expect("not poisoned"), request(session, 16, 1), Delivery::Silent);
        assert!(weak.upgrade().expect("somebody steps it").step());
        let (done, status) = same.lock().expect("not poisoned").take(ticket).expect("stepping has ended it");
        assert_eq!((done.buffer, status), (expected(16, 1), Status::Ok));
        panic!("and it goes no further");
    });
    device.set_alarm(Some(micros(1)), waker);
    assert_eq!(device.run_until_idle(), 1);
    assert!(device.stats().total.completed == 1 && device.stats().deaths == 0);
}

#[test]
fn a_device_with_a_clock_of_its_own_has_no_alarm() {
    let (device, _pairs) = open("");
    let token = Arc::new(());
    let held = Arc::clone(&token);
    device.set_alarm(Some(Duration::ZERO), once(move || panic!("called with {held:?}")));
    assert_eq!(Arc::strong_count(&token), 1, "the waker is gone, and was not called");
}
