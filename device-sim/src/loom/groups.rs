//! Groups: the futures of a thread with a reaper, wherever they are polled. No wake is lost, none reaches a
//! later operation, and no waker is left behind.
//!
//! ```text
//!   the device    serves a request: DONE, its completion, the alert if it is armed
//!   a mover       polls a future of the group in another thread: looks, leaves its waker, looks again, sleeps
//!   the reaper    takes completions off the ring and wakes their futures; sleeps; closes the group
//! ```

use super::alerts::{Task, complete, completing};
use super::*;
use crate::queue::announcements::Announcements;
use crate::queue::entry::{generation_of, index_of, pack, ticket_of};
use crate::queue::pair::Pair;
use crate::queue::remote::Remote;
use crate::queue::ring::Producer;

use group::Group;
use places::Places;

// The engine's own files: they know nothing but the device.
#[path = "../../../src/engine/catching.rs"]
mod catching;
#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../../../src/engine/group.rs"]
mod group;
#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../../../src/engine/marking.rs"]
mod marking;
#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../../../src/engine/places.rs"]
mod places;

const OWNER: u32 = 7;

/// The thread of the group, with a reaper.
struct Reaping {
    group: Arc<Group>,
    remote: Remote,
    places: Places,
    cells: Allocator,
    consumer: Consumer,
    task: Arc<Task>,
}

/// The device.
struct Serving {
    pair: Arc<Pair>,
    producer: Producer,
    announcements: Announcements,
}

fn scene() -> (Reaping, Serving) {
    let (pair, cells, producer, consumer) = completing();
    let remote = Remote { pair: Arc::clone(&pair) };
    let group = Group::new(OWNER, &remote);
    let places = Places::default();
    group.open(&places);
    let reaping = Reaping { group, remote, places, cells, consumer, task: Arc::default() };
    (reaping, Serving { pair, producer, announcements: Announcements::default() })
}

impl Serving {
    /// A request that was taken back has no completion.
    fn serve(&mut self, ticket: Ticket) {
        let Some(mut claimed) = self.pair.slab.claim(ticket) else { return };
        let _ = self.pair.slab.finish(&mut claimed, Status::Ok, false);
        let entry = pack(ticket, Announce::Reap { owner: OWNER });
        complete(entry, &mut self.producer, &mut self.announcements, &[Arc::clone(&self.pair)]);
    }
}

impl Reaping {
    /// A request of a future that was polled once, here.
    fn submit(&mut self, waker: &Waker) -> Ticket {
        let ticket =
            self.remote.pair.slab.place_request(self.cells.get(), request(1), Arm::Reap, Placed::Queued);
        self.places.note(ticket, waker);
        ticket
    }

    /// A turn of the reaper. Returns how many completions there were.
    fn reap(&mut self) -> usize {
        self.group.disarm();
        let slab = &self.remote.pair.slab;
        let entries: Vec<_> = std::iter::from_fn(|| self.consumer.pop()).collect();
        self.consumer.publish();
        let is_wanted = |entry: &&Entry| slab.reap(index_of(**entry), generation_of(**entry)).is_some();
        let mut tickets = entries.iter().filter(is_wanted).map(|entry| ticket_of(*entry, slab)).collect();
        self.group.wake_reaped(&mut tickets, &self.places);
        entries.len()
    }

    /// Turns until there were this many completions. A lost alert is a deadlock.
    fn reap_all(&mut self, count: usize) {
        let mut reaped = self.reap();
        while reaped < count {
            if self.group.arm(&Waker::from(Arc::clone(&self.task))) {
                self.task.event.wait(None);
            }
            reaped += self.reap();
        }
    }

    /// Nothing keeps a waker of the tasks.
    fn assert_forgotten(self, tasks: &[Arc<Task>]) {
        self.group.close(&self.places);
        drop(self);
        assert!(tasks.iter().all(|task| Arc::strong_count(task) == 1));
    }
}

/// Awaits a request of the group in a thread that is not the group's. A lost wake is a deadlock.
fn awaited(group: &Group, remote: &Remote, ticket: Ticket, task: &Arc<Task>) {
    let waker = Waker::from(Arc::clone(task));
    while remote.take(ticket).is_none() {
        group.rearm(ticket, &waker);
        if remote.take(ticket).is_some() {
            break;
        }
        task.event.wait(None);
    }
}

fn mover(reaping: &Reaping, ticket: Ticket, task: &Arc<Task>) -> thread::JoinHandle<()> {
    let (group, remote, task) = (Arc::clone(&reaping.group), reaping.remote.clone(), Arc::clone(task));
    thread::spawn(move || awaited(&group, &remote, ticket, &task))
}

/// A future goes to another thread while its request completes, and `here` happens in its own.
fn a_future_moves(here: impl Fn(&mut Reaping) + Send + Sync + 'static) {
    bounded_model(2, move || {
        let (mut reaping, mut serving) = scene();
        let tasks = [(); 2].map(|()| Arc::new(Task::default()));
        let ticket = reaping.submit(&Waker::from(Arc::clone(&tasks[0])));
        let moved = mover(&reaping, ticket, &tasks[1]);
        let device = thread::spawn(move || serving.serve(ticket));
        here(&mut reaping);
        moved.join().unwrap();
        device.join().unwrap();
        reaping.assert_forgotten(&tasks);
    });
}

/// The reaper takes the completion.
#[test]
fn a_future_that_moves_is_woken_by_the_reaper() {
    a_future_moves(|reaping| reaping.reap_all(1));
}

/// The reaper is dropped at any moment.
#[test]
fn a_future_that_moves_goes_on_without_the_reaper() {
    a_future_moves(|reaping| {
        reaping.reap();
        reaping.group.close(&reaping.places);
    });
}

/// Two futures without a reaper: the alert of the one completion wakes both, and the other's is not lost.
#[test]
fn one_alert_is_enough_for_all_that_are_left() {
    bounded_model(2, || {
        let (mut reaping, mut serving) = scene();
        let tasks = [(); 2].map(|()| Arc::new(Task::default()));
        let tickets = [0, 1].map(|at: usize| reaping.submit(&Waker::from(Arc::clone(&tasks[at]))));
        reaping.group.close(&reaping.places);
        let moved = mover(&reaping, tickets[0], &tasks[0]);
        let device = thread::spawn(move || tickets.into_iter().for_each(|ticket| serving.serve(ticket)));
        awaited(&reaping.group, &reaping.remote, tickets[1], &tasks[1]);
        moved.join().unwrap();
        device.join().unwrap();
        reaping.assert_forgotten(&tasks);
    });
}

/// A request is taken back while it completes. The next one takes its cell, and is not woken by the late
/// completion.
#[test]
fn a_late_completion_wakes_no_later_operation() {
    bounded_model(2, || {
        let (mut reaping, mut serving) = scene();
        let tasks = [(); 2].map(|()| Arc::new(Task::default()));
        // The other cell is in use, so the second request gets that of the first.
        let _other = reaping.cells.get();
        let first = reaping.submit(&Waker::from(Arc::clone(&tasks[0])));
        let device = thread::spawn(move || serving.serve(first));
        let is_back = reaping.remote.revoke(first).is_some();
        assert!(is_back, "done or not, it was there");
        let second = reaping.submit(&Waker::from(Arc::clone(&tasks[1])));
        assert_eq!(second.place(), first.place());
        reaping.reap();
        device.join().unwrap();
        reaping.reap();
        assert_eq!(tasks[1].calls(), 0, "it is still in flight");
        assert!(reaping.remote.revoke(second).is_some());
        reaping.assert_forgotten(&tasks);
    });
}
