//! The alarms of a stepped device: wakers that are called when the virtual clock reaches their times.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use device_helpers::*;
use simaccel_device::{Alarm, Delivery, Device, Status, TicketState};

/// Events, with the device's time.
type History = Arc<Mutex<Vec<(&'static str, u64)>>>;

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A waker that records `what` and the time in the history.
fn noting(device: &Arc<Device>, history: &History, what: &'static str) -> Waker {
    let (device, history) = (Arc::downgrade(device), Arc::clone(history));
    once(move || {
        let now = device.upgrade().expect("the test steps it").now();
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
            let device = weak.upgrade().expect("the test advances it");
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

#[test]
fn an_alarm_disturbs_no_other_user() {
    let (device, _pair) = stepped("");
    let (device, history) = (Arc::new(device), History::default());
    let (first, second) = (device.alarm(), device.alarm());
    device.set_alarm(Some(micros(5)), noting(&device, &history, "the user's"));
    second.set(micros(3), noting(&device, &history, "second"));
    first.set(micros(3), noting(&device, &history, "first"));
    first.set(micros(7), noting(&device, &history, "first, replaced"));
    assert!(device.step());
    assert_eq!(seen(&history), [("second", 3)]);
    assert!(!second.clear(), "it has gone off");
    device.set_alarm(None, Waker::noop().clone());
    assert_eq!((device.run_until_idle(), seen(&history)), (1, vec![("first, replaced", 7)]));
}

#[test]
fn alarms_of_one_time_go_off_in_the_order_in_which_they_were_set() {
    let (device, _pair) = stepped("");
    let (device, history) = (Arc::new(device), History::default());
    let alarms: Vec<Alarm> = (0..3).map(|_| device.alarm()).collect();
    for (at, what) in [(2, "2"), (0, "0"), (1, "1")] {
        alarms[at].set(micros(4), noting(&device, &history, what));
    }
    alarms[2].set(micros(4), noting(&device, &history, "2 again"));
    assert_eq!(device.run_until_idle(), 3);
    assert_eq!(seen(&history), [("0", 4), ("1", 4), ("2 again", 4)]);
}

#[test]
fn an_alarm_that_is_dropped_or_outlives_its_device_is_silent_and_keeps_no_waker() {
    let (device, _pair) = stepped("");
    let token = Arc::new(());
    let holding = |held: Arc<()>| once(move || panic!("called with {held:?}"));
    let dropped = device.alarm();
    dropped.set(micros(1), holding(Arc::clone(&token)));
    drop(dropped);
    assert_eq!((device.run_until_idle(), Arc::strong_count(&token)), (0, 1));
    let left = device.alarm();
    left.set(micros(1), holding(Arc::clone(&token)));
    drop(device);
    assert_eq!(Arc::strong_count(&token), 1);
    left.set(micros(2), holding(Arc::clone(&token)));
    assert_eq!(Arc::strong_count(&token), 1);
    assert!(!left.clear());
}

/// Sets the device's alarms, and steps it, when it is dropped.
struct Meddler(Arc<Device>, Arc<Alarm>);

impl Drop for Meddler {
    fn drop(&mut self) {
        self.1.set(micros(50), Waker::noop().clone());
        self.0.step();
    }
}

#[test]
fn a_waker_that_goes_may_use_the_device() {
    let (device, _pair) = stepped("");
    let device = Arc::new(device);
    let other = Arc::new(device.alarm());
    let meddling = || {
        let meddler = Meddler(Arc::clone(&device), Arc::clone(&other));
        once(move || unreachable!("called with the alarm of {:?}", meddler.0.now()))
    };
    let alarm = device.alarm();
    alarm.set(micros(100), meddling());
    alarm.set(micros(100), meddling());
    assert_eq!(device.now(), micros(50), "the one that was replaced has set an alarm, and has gone there");
    alarm.clear();
    alarm.set(micros(100), meddling());
    drop(alarm);
    assert_eq!(device.run_until_idle(), 0);
}

#[test]
fn a_device_survives_the_end_of_its_clock() {
    let (device, mut pair) = stepped("queue_pairs=1;completion_nsec=10_000;fault=timeout:nth=1");
    let (device, history) = (Arc::new(device), History::default());
    let session = device.create_session(ctr());
    let never = submit(&mut pair, request(session, 16, 1), Delivery::Silent);
    device.alarm().set(Duration::MAX, Waker::noop().clone());
    let alarm = device.alarm();
    alarm.set(
        Duration::MAX,
        once({
            let history = Arc::clone(&history);
            move || history.lock().expect("not poisoned").push(("the last", 0))
        }),
    );
    device.advance(Duration::MAX);
    assert_eq!((device.now(), seen(&history)), (Duration::from_nanos(u64::MAX), vec![("the last", 0)]));
    assert_eq!(pair.remote().state(never), TicketState::InFlight, "it ends at no time");
    for byte in 0..20 {
        let ticket = submit(&mut pair, request(session, 16, byte), Delivery::Silent);
        assert_eq!(device.run_until_idle(), 2, "admitted, and due at once");
        let (done, status) = pair.take(ticket).expect("stepping has ended it");
        assert_eq!((done.buffer, status), (expected(16, byte), Status::Ok));
    }
    device.advance(Duration::MAX);
    assert_eq!(pair.remote().state(never), TicketState::InFlight);
    device.reset();
    assert_eq!(pair.take(never).expect("the reset has ended it").1, Status::Reset);
}
