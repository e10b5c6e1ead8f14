//! A gate that is kept for a thread, and others that come: never two inside, and never two refused.

#![expect(unsafe_code, reason = "loom checks the claim that is made for the memory inside")]
#![expect(
    clippy::arc_with_non_send_sync,
    reason = "a model moves what it shares between loom's threads only"
)]

use super::*;
use crate::sync::Owned;
use crate::sync::gate::{Entry, Gate, Stay};

const KEEPER: usize = 2;
const OTHER: usize = 4;
const THIRD: usize = 6;

struct Room {
    gate: Gate,
    visits: Owned<u32>,
}

impl Room {
    /// A room whose gate is kept for `KEEPER`.
    fn kept() -> Arc<Self> {
        let room = Arc::new(Self { gate: Gate::open(), visits: Owned::new(0) });
        assert_eq!(room.visit(KEEPER, Stay::Work), Some(Entry::Word));
        room
    }

    /// How the thread came in; `None`: it was refused.
    fn visit(&self, thread: usize, stay: Stay) -> Option<Entry> {
        let entry = self.gate.enter(thread, stay).ok()?;
        self.look();
        self.gate.leave(entry);
        Some(entry)
    }

    fn look(&self) {
        // SAFETY: the thread is inside, alone; loom reports an access that is not ordered.
        self.visits.with_mut(|visits| unsafe { *visits += 1 });
    }
}

fn visits(room: &Arc<Room>, thread: usize, stay: Stay) -> thread::JoinHandle<Option<Entry>> {
    let room = Arc::clone(room);
    thread::spawn(move || room.visit(thread, stay))
}

/// The keeper comes to work twice while another thread looks in.
#[test]
fn the_keeper_works_while_another_thread_looks_in() {
    model(|| {
        let room = Room::kept();
        let other = visits(&room, OTHER, Stay::Brief);
        assert!(room.visit(KEEPER, Stay::Work).is_some(), "it waits for a thread that is inside briefly");
        assert!(room.visit(KEEPER, Stay::Work).is_some());
        other.join().unwrap();
    });
}

/// Both come to work: one of them may be refused, not both.
#[test]
fn two_threads_come_to_work() {
    model(|| {
        let room = Room::kept();
        let other = visits(&room, OTHER, Stay::Work);
        let keeper = [Stay::Work, Stay::Work].map(|stay| room.visit(KEEPER, stay).is_some());
        let other = other.join().unwrap().is_some();
        assert!(other || keeper == [true, true], "refused, and nobody was inside");
        assert!(room.visit(KEEPER, Stay::Work).is_some(), "nobody is inside any more");
        assert!(room.visit(OTHER, Stay::Work).is_some());
    });
}

/// The keeper is inside twice, one within the other, while another thread comes.
#[test]
fn the_keeper_comes_in_again_while_it_is_inside() {
    for outer in [Stay::Work, Stay::Brief] {
        model(move || {
            let room = Room::kept();
            let other = visits(&room, OTHER, Stay::Brief);
            let entry = room.gate.enter(KEEPER, outer).unwrap();
            assert_eq!(room.gate.entry_of(KEEPER), entry);
            assert_eq!(room.visit(KEEPER, Stay::Brief), Some(Entry::Nothing));
            room.gate.leave(entry);
            let other = other.join().unwrap();
            assert!(other.is_some() || outer == Stay::Work);
        });
    }
}

/// Two other threads and the keeper look in.
#[test]
fn three_threads_look_in() {
    bounded_model(2, || {
        let room = Room::kept();
        let others = [OTHER, THIRD].map(|thread| visits(&room, thread, Stay::Brief));
        assert!(room.visit(KEEPER, Stay::Brief).is_some());
        others.into_iter().for_each(|other| assert!(other.join().unwrap().is_some()));
    });
}
