//! The admin queue: control of the device, separate from its data. One channel per driver; sending rings its
//! doorbell.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::config::Change;
use crate::message::session_id::SessionId;
use crate::model::installed::Installed;
use crate::model::sabotage::Sabotage;
use crate::queue::doorbell::Doorbell;
use crate::sync::{AtomicU64, Ordering};
use crate::trace;

/// An acknowledgement: a driver drops it when a command has been carried out, signals included.
#[derive(Clone, Debug)]
pub(crate) struct Ack(#[expect(dead_code, reason = "dropped, not read")] Arc<Last>);

/// The end of the last acknowledgement.
#[derive(Debug)]
struct Last(Arc<Done>);

impl Drop for Last {
    fn drop(&mut self) {
        *self.0.is.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.came.notify_all();
    }
}

/// Whether every driver has carried a command out. (A channel would do, but its receiver needs the thread's
/// handle. std creates one for a thread that it has not started, and never frees the main thread's.)
#[derive(Debug, Default)]
pub(crate) struct Done {
    is: Mutex<bool>,
    came: Condvar,
}

impl Done {
    pub(crate) fn wait(&self) {
        let mut is = self.is.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is {
            is = self.came.wait(is).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The commands to a driver.
#[derive(Debug)]
pub(crate) enum Command {
    Install(SessionId, Installed),
    Remove(SessionId),
    /// Work by another configuration.
    Change(Arc<Change>, Ack),
    /// Acknowledge when nothing is in flight.
    Drain(Ack),
    /// Another worker of this device has panicked.
    Die,
    Reset(Ack),
    Sabotage(Sabotage),
    Stop,
}

/// The sending side of all admin queues of a device.
#[derive(Debug)]
pub(crate) struct Admin {
    queues: Vec<Queue>,
    deaths: AtomicU64,
}

#[derive(Debug)]
struct Queue {
    sender: Sender<Command>,
    sent: AtomicU64,
    doorbell: Arc<Doorbell>,
}

impl Admin {
    /// One queue for each doorbell, and their receiving ends.
    pub(crate) fn new(doorbells: &[Arc<Doorbell>]) -> (Self, Vec<Receiver<Command>>) {
        let (queues, receivers) = doorbells.iter().map(Queue::new).unzip();
        (Self { queues, deaths: AtomicU64::new(0) }, receivers)
    }

    /// Sends a command to every driver.
    pub(crate) fn send_all(&self, command: impl Fn() -> Command) {
        self.queues.iter().for_each(|queue| queue.send_one(command()));
    }

    /// Sends a command to every driver. The result is done when all have carried it out.
    pub(crate) fn ask_all(&self, command: impl Fn(Ack) -> Command) -> Arc<Done> {
        let done = Arc::default();
        let ack = Ack(Arc::new(Last(Arc::clone(&done))));
        self.send_all(|| command(ack.clone()));
        done
    }

    /// How many commands were sent to a driver.
    pub(crate) fn sent(&self, number: usize) -> u64 {
        self.queues[number].sent.load(Ordering::Acquire)
    }

    /// Driver `number` has panicked: the other drivers get the command before any thread can see the
    /// consequences.
    pub(crate) fn died(&self, number: usize) {
        self.note_death();
        let others = self.queues.iter().enumerate().filter(|(other, _)| *other != number);
        others.for_each(|(_, queue)| queue.send_one(Command::Die));
    }

    pub(crate) fn note_death(&self) {
        self.deaths.fetch_add(1, Ordering::Relaxed);
        trace::died();
    }

    pub(crate) fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::Relaxed)
    }
}

impl Queue {
    fn new(doorbell: &Arc<Doorbell>) -> (Self, Receiver<Command>) {
        let (sender, receiver) = unbounded();
        let doorbell = Arc::clone(doorbell);
        (Self { sender, sent: AtomicU64::new(0), doorbell }, receiver)
    }

    fn send_one(&self, command: Command) {
        // A stopped driver receives nothing more, and need not.
        let _ = self.sender.send(command);
        self.sent.fetch_add(1, Ordering::Release);
        self.doorbell.ring();
    }
}
