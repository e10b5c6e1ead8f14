//! A thing that is given up while a thread uses it: it goes once, after the last use.

#![expect(unsafe_code, reason = "loom checks the claim that is made for the thing's memory")]
#![expect(
    clippy::arc_with_non_send_sync,
    reason = "a model moves what it shares between loom's threads only"
)]

use super::*;
use crate::sync::Owned;
use crate::sync::uses::{GivenUp, Used, Uses};

const USER: usize = 2;
const OTHER: usize = 4;

struct Thing {
    uses: Uses,
    memory: Owned<u32>,
    gone: AtomicU64,
}

/// The owner's share of a thing. The thing's memory stays for the model to look at.
struct Share(Arc<Thing>);

impl Used for Share {
    fn uses(&self) -> &Uses {
        &self.0.uses
    }
}

impl Share {
    fn drop_thing(self) {
        // SAFETY: no use is under way and none will begin; loom reports an access that is not ordered.
        self.0.memory.with_mut(|memory| unsafe { *memory = 0 });
        self.0.gone.fetch_add(1, Ordering::Relaxed);
    }
}

impl Thing {
    fn new() -> Arc<Self> {
        let (uses, memory) = (Uses::of_thread(USER), Owned::new(0));
        Arc::new(Self { uses, memory, gone: AtomicU64::new(0) })
    }

    /// Works with the thing, then ends the use.
    fn end_use(&self, list: &GivenUp<Share>) {
        // SAFETY: a use is under way; loom reports an access that is not ordered.
        self.memory.with_mut(|memory| unsafe { *memory += 1 });
        self.uses.end();
        if list.is_any() {
            list.take_unused().into_iter().for_each(Share::drop_thing);
        }
    }

    fn times_gone(&self) -> u64 {
        self.gone.load(Ordering::Relaxed)
    }
}

fn gives_up(list: &Arc<GivenUp<Share>>, thing: &Arc<Thing>) -> thread::JoinHandle<()> {
    let (list, thing) = (Arc::clone(list), Share(Arc::clone(thing)));
    thread::spawn(move || list.give_up(thing).into_iter().for_each(Share::drop_thing))
}

/// Another thread gives the thing up while its last use ends.
#[test]
fn given_up_at_the_end_of_its_last_use() {
    model(|| {
        let (list, thing) = (Arc::new(GivenUp::new()), Thing::new());
        assert!(!thing.uses.begin(OTHER), "another thread's uses are not counted");
        assert!(thing.uses.begin(USER));
        let other = gives_up(&list, &thing);
        thing.end_use(&list);
        other.join().unwrap();
        assert_eq!(thing.times_gone(), 1);
        assert!(!list.is_any());
    });
}

/// The same with two uses, one within the other.
#[test]
fn given_up_between_the_ends_of_two_uses() {
    model(|| {
        let (list, thing) = (Arc::new(GivenUp::new()), Thing::new());
        assert!(thing.uses.begin(USER) && thing.uses.begin(USER));
        let other = gives_up(&list, &thing);
        thing.end_use(&list);
        thing.end_use(&list);
        other.join().unwrap();
        assert_eq!(thing.times_gone(), 1);
        assert!(!list.is_any());
    });
}

/// Two threads give up a thing each, both in use by a third: whichever finds a thing unused takes it.
#[test]
fn two_things_given_up_by_two_threads() {
    bounded_model(3, || {
        let (list, things) = (Arc::new(GivenUp::new()), [Thing::new(), Thing::new()]);
        assert!(things.iter().all(|thing| thing.uses.begin(USER)));
        let others = things.each_ref().map(|thing| gives_up(&list, thing));
        things.iter().for_each(|thing| thing.end_use(&list));
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(things.each_ref().map(|thing| thing.times_gone()), [1, 1]);
        assert!(!list.is_any());
    });
}
