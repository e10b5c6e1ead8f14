//! A queue pair: the FIFO of parked requests, the room in its rings, and a device that closes.

use super::cells::{revoke, take};
use super::*;
use crate::queue::slots::Parked;

/// A slot is freed while a request is parked: one of the two sides sees it.
#[test]
fn a_freed_slot_is_not_overlooked() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let slots = Arc::new(Slots::new(1));
        assert!(slots.take(&mut 0, &slab));
        let device = {
            let (slab, slots) = (Arc::clone(&slab), Arc::clone(&slots));
            thread::spawn(move || {
                slots.release(1);
                fence(Ordering::SeqCst);
                slots.has_work() && slots.admit(&slab).is_some()
            })
        };
        let ticket = slab.place_request(cells.get(), request(1), Arm::Silent, Placed::Parked);
        slots.join(Parked { ticket, announce: Announce::Silent, bytes: 0, is_long: false }, &slab);
        fence(Ordering::SeqCst);
        let rings = slots.has_work();
        if !device.join().unwrap() {
            assert!(rings, "neither has seen it");
            assert!(slots.admit(&slab).is_some());
        }
        assert_eq!(slab.state(ticket), TicketState::InFlight);
        assert!(slots.admit(&slab).is_none(), "admitted once");
        assert!(!slots.take(&mut 0, &slab), "one slot, and it is taken");
    });
}

/// The first parked request is revoked while the device admits it: the next one gets the slot.
#[test]
fn a_revoked_waiter_keeps_no_slot() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let slots = Arc::new(Slots::new(1));
        assert!(slots.take(&mut 0, &slab));
        let mut park = || {
            let ticket = slab.place_request(cells.get(), request(1), Arm::Silent, Placed::Parked);
            slots.join(Parked { ticket, announce: Announce::Silent, bytes: 0, is_long: false }, &slab);
            ticket
        };
        let (head, next) = (park(), park());
        let device = {
            let (slab, slots) = (Arc::clone(&slab), Arc::clone(&slots));
            thread::spawn(move || {
                slots.release(1);
                slots.admit(&slab).is_some_and(|(ticket, _)| ticket == head)
            })
        };
        let held = revoke(&slab, head).expect("no other thread takes it");
        let head_was_in = device.join().unwrap();
        assert_eq!(head_was_in, held.from == Origin::Queued);
        let _ = take(&slab, held);
        if head_was_in {
            // The device finds it revoked, and frees its slot.
            assert!(slab.claim(head).is_none());
            slots.release(1);
            assert!(slots.admit(&slab).is_some());
        }
        assert_eq!(slab.state(next), TicketState::InFlight);
        assert!(!slots.has_work());
        assert!(!slots.take(&mut 0, &slab), "one slot, and it is taken");
    });
}

/// The whole path: a request is parked while the only slot is in use, and a worker that sleeps whenever it is
/// idle admits it once there is one. A lost doorbell, slot or wake is a deadlock.
#[test]
fn a_parked_request_gets_its_turn() {
    bounded_model(3, || {
        let (mut end, mut driver, stop) = one_pair(1, 0);
        let doorbell = driver.doorbell();
        let pairs = [driver.pair()];
        let device = thread::spawn(move || {
            doorbell.answer();
            let mut signals = Signals::default();
            while !driver.is_closed() {
                let happened = driver.pass(0, &mut signals);
                signals.send(&pairs);
                if !happened && !driver.is_closed() {
                    doorbell.sleep(None, || driver.has_work());
                }
            }
        });
        let first = end.submit(request(1), Delivery::Silent).expect("one slot is free");
        let done = Arc::new(Done::default());
        let delivery = Delivery::Wake(Waker::from(Arc::clone(&done)));
        let parked = end.park(request(2), delivery).expect("the device is open");
        done.0.wait(None);
        stop();
        device.join().unwrap();
        for ticket in [first, parked] {
            assert!(matches!(end.remote().state(ticket), TicketState::Done(_)));
        }
    });
}

#[derive(Default)]
struct Done(Event);

impl Wake for Done {
    fn wake(self: Arc<Self>) {
        self.0.set();
    }
}

/// A request is revoked as soon as it is executed, in the middle of the device's batch: its slot is free, and
/// so must be its entry in the ring.
#[test]
fn a_free_slot_is_room_in_the_ring() {
    model(|| {
        let (mut end, mut driver, _stop) = one_pair(1, 1_000);
        let device = thread::spawn(move || {
            let mut signals = Signals::default();
            driver.admit(0, &mut signals);
        });
        let first = end.submit(request(1), Delivery::Silent).expect("one slot is free");
        assert!(end.remote().revoke(first).is_some());
        let _ = end.submit(request(2), Delivery::Silent);
        device.join().unwrap();
    });
}

/// A request that comes while the device closes is refused, or ends as closed; it never stays behind.
fn nothing_stays_behind(
    preemptions: Option<usize>,
    give: fn(&mut QueuePair) -> Result<Ticket, RefusedReason>,
) {
    bounded_model(preemptions, move || {
        let (mut end, mut driver, stop) = one_pair(2, 0);
        let device = thread::spawn(move || {
            let mut signals = Signals::default();
            while !driver.is_closed() {
                driver.admit(0, &mut signals);
                yield_now();
            }
        });
        stop();
        let outcome = give(&mut end);
        device.join().unwrap();
        match outcome {
            Ok(ticket) => {
                let ended = [Status::Closed, Status::InvalidSession].map(TicketState::Done);
                assert!(ended.contains(&end.remote().state(ticket)));
            }
            Err(reason) => assert_eq!(reason, RefusedReason::Closed),
        }
        let stats = end.remote().stats();
        assert_eq!((stats.submitted, stats.in_flight), (stats.failed, 0));
    });
}

#[test]
fn nothing_submitted_stays_behind_when_the_device_closes() {
    nothing_stays_behind(None, |end| {
        end.submit(request(1), Delivery::Reap { owner: 3 }).map_err(|refused| refused.reason)
    });
    nothing_stays_behind(None, |end| {
        let (session, operation, iv, buffer) = (SessionId::NONE, Operation::Encrypt, &[], vec![1]);
        let plain = Plain { session, operation, iv, buffer, user_data: 1, rest: () };
        end.submit_plain(plain, Delivery::Reap { owner: 3 }).map_err(|(reason, _)| reason)
    });
}

#[test]
fn nothing_held_back_stays_behind_when_the_device_closes() {
    nothing_stays_behind(Some(4), |end| {
        let submit = |end: &mut QueuePair, user_data| {
            end.submit(request(user_data), Delivery::Silent).map_err(|refused| refused.reason)
        };
        end.hold_back(true);
        let held_back = submit(end, 1);
        end.hold_back(false);
        let shown = submit(end, 2);
        // If the second was refused, the first was not shown.
        end.flush();
        shown.and(held_back)
    });
}

#[test]
fn nothing_parked_stays_behind_when_the_device_closes() {
    nothing_stays_behind(None, |end| {
        end.park(request(1), Delivery::Reap { owner: 3 }).map_err(|refused| refused.reason)
    });
}
