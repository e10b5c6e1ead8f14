//! Alerts: a task that reaps sleeps without an fd, and overlooks no completion.

use super::*;
use crate::queue::alert::Alert;
use crate::queue::announcements::Announcements;
use crate::queue::pair::Pair;
use crate::queue::remote::Remote;
use crate::queue::ring::{Producer, ring};

/// A task that sleeps until its waker is called.
#[derive(Default)]
pub(super) struct Task {
    pub(super) event: Event,
    count: Arc<Count>,
}

impl Task {
    pub(super) fn calls(&self) -> usize {
        self.count.calls()
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        Arc::clone(&self.count).wake();
        self.event.set();
    }
}

/// What both ends of a queue pair share, its cells, and both ends of its completion ring.
pub(super) fn completing() -> (Arc<Pair>, Allocator, Producer, Consumer) {
    let (slab, cells) = Slab::new(2);
    let (complete, completed) = ring(2);
    let pair = Pair::new(0, 2, slab, Arc::new(Doorbell::default()), complete.view(), None);
    (Arc::new(pair), cells, complete, completed)
}

/// Publishes a completion, and announces it as a worker does.
pub(super) fn complete(
    entry: Entry,
    producer: &mut Producer,
    announcements: &mut Announcements,
    pairs: &[Arc<Pair>],
) {
    assert!(producer.push(entry));
    producer.publish();
    announcements.interrupts = 1;
    announcements.send(pairs);
}

/// A lost alert is a deadlock. Each completion wakes once at most.
#[test]
fn a_reaper_that_sleeps_is_woken_by_the_next_completion() {
    bounded_model(3, || {
        let (pair, _cells, mut producer, mut consumer) = completing();
        let remote = Remote { pair: Arc::clone(&pair) };
        let task = Arc::new(Task::default());
        let alert = Alert::new(Waker::from(Arc::clone(&task)));
        remote.attach_alert(Arc::clone(&alert));
        let device = thread::spawn(move || {
            let mut announcements = Announcements::default();
            for entry in [[1, 1], [2, 2]] {
                complete(entry, &mut producer, &mut announcements, &[Arc::clone(&pair)]);
            }
        });
        let mut reaped = 0;
        loop {
            alert.disarm();
            reaped += std::iter::from_fn(|| consumer.pop()).count();
            consumer.publish();
            if reaped == 2 {
                break;
            }
            alert.arm();
            if !remote.completions_pending() {
                task.event.wait(None);
            }
        }
        device.join().unwrap();
        assert!(task.calls() <= 2);
    });
}

/// One is detached during the publication: it is called once or never, the other one once, and neither waker
/// is left behind.
#[test]
fn an_alert_is_detached_while_it_and_another_are_called() {
    model(|| {
        let (pair, _cells, mut producer, _consumer) = completing();
        let remote = Remote { pair: Arc::clone(&pair) };
        let tasks = [(); 2].map(|()| Arc::new(Task::default()));
        let alerts = [0, 1].map(|at: usize| Alert::new(Waker::from(Arc::clone(&tasks[at]))));
        for alert in &alerts {
            remote.attach_alert(Arc::clone(alert));
            alert.arm();
        }
        let device = thread::spawn(move || {
            complete([1, 1], &mut producer, &mut Announcements::default(), &[pair]);
        });
        remote.detach_alert(&alerts[0]);
        device.join().unwrap();
        let calls = [0, 1].map(|at: usize| tasks[at].calls());
        assert!(calls[0] <= 1 && calls[1] == 1, "{calls:?}");
        drop((alerts, remote));
        assert_eq!(tasks.map(|task| Arc::strong_count(&task)), [1, 1]);
    });
}
