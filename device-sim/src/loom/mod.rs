//! Every interleaving of the small lock-free parts, by loom. Each model runs in well under a minute:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p simaccel-device --release --lib loom
//! ```

mod alerts;
mod cells;
mod gate;
mod groups;
mod marks;
mod pairs;
mod rings;
mod uses;

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::thread;

use crate::message::operation::Operation;
use crate::message::request::{Plain, Request};
use crate::message::session_id::SessionId;
use crate::message::status::Status;
use crate::queue::cell::{
    Allocator, Arm, Held, Hold, Origin, Placed, Remains, Slab, Ticket, TicketState, WakeState,
};
use crate::queue::delivery::{Delivery, RefusedReason};
use crate::queue::doorbell::Doorbell;
use crate::queue::entry::Announce;
use crate::queue::queue_pair::QueuePair;
use crate::queue::ring::{Consumer, Entry, noted_ring};
use crate::queue::slots::Slots;
use crate::run::device::one_pair;
use crate::run::signals::Signals;
use crate::sync::{AtomicBool, AtomicU64, Event, Ordering, fence, yield_now};

/// Every interleaving.
fn model(f: impl Fn() + Sync + Send + 'static) {
    bounded_model(None, f);
}

/// Every interleaving with at most `preemptions` involuntary switches, for models that are too large
/// otherwise.
fn bounded_model(preemptions: impl Into<Option<usize>>, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into().map(|bound: usize| bound + more());
    builder.check(f);
}

/// How many preemptions more than a model asks for: `SIMACCEL_LOOM_MORE`, for runs that may take hours.
fn more() -> usize {
    let more = std::env::var("SIMACCEL_LOOM_MORE");
    more.map_or(0, |more| more.parse().expect("SIMACCEL_LOOM_MORE is a number"))
}

fn request(user_data: u64) -> Request {
    let mut request = Request::new(SessionId::NONE, Operation::Digest, vec![0]);
    request.user_data = user_data;
    request
}

/// A waker that counts its calls.
#[derive(Default)]
struct Count(std::sync::atomic::AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Count {
    fn arm(self: &Arc<Self>) -> Arm {
        Arm::Waker(Waker::from(Arc::clone(self)))
    }

    fn calls(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}
