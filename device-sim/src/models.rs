//! Every interleaving of the small lock-free parts, by loom. Each model runs in well under a minute:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p device-sim --release --lib models
//! ```

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::thread;

use crate::cell::{Arm, Held, Hold, Origin, Placed, Remains, Slab, Ticket, TicketState, WakeState};
use crate::device::one_pair;
use crate::doorbell::Doorbell;
use crate::entry::Announce;
use crate::port::Signals;
use crate::queue_pair::{Delivery, QueuePair, RefusedReason};
use crate::request::{Operation, Plain, Request, Status};
use crate::ring::{Consumer, Entry, ring};
use crate::session::SessionId;
use crate::slots::Slots;
use crate::sync::{AtomicBool, Event, Ordering, fence, yield_now};

/// Every interleaving.
fn model(f: impl Fn() + Sync + Send + 'static) {
    bounded_model(None, f);
}

/// Every interleaving with at most `preemptions` involuntary switches: for what is too large otherwise.
fn bounded_model(preemptions: impl Into<Option<usize>>, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.check(f);
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

#[test]
fn ring_hands_over_in_order() {
    for pop in [Consumer::pop, Consumer::pop_early] {
        hands_over_in_order(pop);
    }
}

fn hands_over_in_order(pop: fn(&mut Consumer) -> Option<Entry>) {
    model(move || {
        let (mut producer, mut consumer) = ring(2);
        let writer = thread::spawn(move || {
            for value in 1..=3 {
                while !producer.push([value, value * 10]) {
                    yield_now();
                }
                producer.publish();
            }
        });
        for value in 1..=3 {
            let entry = loop {
                match pop(&mut consumer) {
                    Some(entry) => break entry,
                    None => yield_now(),
                }
            };
            assert_eq!(entry, [value, value * 10]);
            consumer.publish();
        }
        writer.join().unwrap();
    });
}

#[test]
fn doorbell_loses_no_wake() {
    bounded_model(4, || {
        let doorbell = Arc::new(Doorbell::default());
        let work = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let hosts: Vec<_> = (0..2)
            .map(|host| {
                let (doorbell, work) = (Arc::clone(&doorbell), Arc::clone(&work));
                thread::spawn(move || {
                    work[host].store(true, Ordering::Relaxed);
                    doorbell.ring();
                })
            })
            .collect();
        doorbell.answer();
        // A lost wake is a deadlock, and loom reports it.
        let all = || work.iter().all(|work| work.load(Ordering::Relaxed));
        while !all() {
            doorbell.sleep(None, all);
        }
        hosts.into_iter().for_each(|host| host.join().unwrap());
    });
}

/// What the device does with a request; `false`: it was revoked.
fn serve(slab: &Slab, ticket: Ticket) -> bool {
    let Some(mut claimed) = slab.claim(ticket) else { return false };
    slab.execute(&mut claimed, |request| request.buffer[0] += 1);
    let _ = slab.finish(&mut claimed, Status::Ok);
    true
}

/// The same with modelled time between execution and end.
fn serve_late(slab: &Slab, ticket: Ticket) -> bool {
    let Some(mut claimed) = slab.claim(ticket) else { return false };
    slab.execute(&mut claimed, |request| request.buffer[0] += 1);
    let _ = slab.postpone(claimed, Status::Ok);
    let Some((mut claimed, status)) = slab.resume(ticket) else { return false };
    let _ = slab.finish(&mut claimed, status);
    true
}

/// What the host does with a request that it has won.
fn take(slab: &Slab, mut held: Held) -> (Request, Remains) {
    let mut request = Request::empty();
    slab.unload(&mut held, &mut request);
    (request, slab.let_go(held))
}

fn revoke(slab: &Slab, ticket: Ticket) -> Option<Held> {
    loop {
        match slab.hold(ticket) {
            Hold::Held(held) => return Some(held),
            Hold::Stale => return None,
            Hold::Executing => yield_now(),
        }
    }
}

fn claim_has_one_winner(serve: fn(&Slab, Ticket) -> bool) {
    bounded_model(4, move || {
        let (slab, mut cells) = Slab::new(2);
        let ticket = slab.place_request(cells.get(), request(7), Arm::Silent, Placed::Queued);
        let device = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || serve(&slab, ticket))
        };
        let taker = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || Some(take(&slab, slab.hold_done(ticket)?.0)))
        };
        let revoked = revoke(&slab, ticket).map(|held| take(&slab, held));
        let served = device.join().unwrap();
        let taken = taker.join().unwrap();
        assert!(revoked.is_some() != taken.is_some(), "the request went to exactly one");
        assert!(served || taken.is_none(), "what was not served was not done");
        let (request, _) = revoked.or(taken).unwrap();
        assert_eq!(request.user_data, 7);
        assert_eq!(slab.state(ticket), TicketState::Stale);
    });
}

#[test]
fn claim_word_worker_against_revoke_against_take() {
    claim_has_one_winner(serve);
}

#[test]
fn claim_word_with_modelled_time() {
    claim_has_one_winner(serve_late);
}

/// A buffer that is taken by the submitting side, against whoever takes the request back.
#[test]
fn claim_word_buffer_taken_against_revoked() {
    bounded_model(4, || {
        let (slab, mut cells) = Slab::new(2);
        let mut loaded = request(7);
        let ticket = cells.place(7, Arm::Reap, Placed::Queued, |cell| loaded.load_into(cell));
        let device = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || serve(&slab, ticket))
        };
        let revoker = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || revoke(&slab, ticket).map(|held| take(&slab, held).1))
        };
        // `None` where it was revoked.
        let _ = slab.reap(ticket);
        let taken = cells.take_buffer(ticket);
        let (served, revoked) = (device.join().unwrap(), revoker.join().unwrap());
        assert!(served || taken.is_none(), "what was not served was not done");
        assert!(taken.is_some() != revoked.is_some(), "the request went to exactly one");
        assert_eq!(slab.state(ticket), TicketState::Stale);
    });
}

/// The device's wake of a request, as the pair sends it.
fn send(slab: &Slab, ticket: Ticket) {
    if let Some((waker, sending)) = slab.begin_wake(ticket) {
        waker.wake();
        if let Some(vacant) = slab.end_wake(sending) {
            slab.put(vacant);
        }
    }
}

#[test]
fn wake_word_sent_or_cancelled_and_never_for_the_next_request() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let ticket = slab.place_request(cells.get(), request(1), first.arm(), Placed::Queued);
        let device = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || {
                serve(&slab, ticket);
                send(&slab, ticket);
            })
        };
        let cancelled = matches!(slab.cancel_wake(ticket), WakeState::Armed);
        let held = revoke(&slab, ticket).expect("nobody else takes it");
        let (_, remains) = take(&slab, held);
        let released = remains.vacant.is_none();
        if let Some(vacant) = remains.vacant {
            cells.put(vacant);
        }
        // The next request may get the same cell, and its wake is its own.
        let next = slab.place_request(cells.get(), request(2), second.arm(), Placed::Queued);
        device.join().unwrap();
        assert_eq!(second.calls(), 0);
        assert_eq!(slab.wake_state(next), WakeState::Armed);
        assert_eq!(first.calls(), usize::from(!cancelled && !remains.cancelled));
        assert!(!(released && cancelled), "a cancelled wake is not being sent");
        assert_eq!(slab.wake_state(ticket), WakeState::Stale);
        drop(remains.waker);
        assert_eq!(Arc::strong_count(&first), 1, "no waker stays behind");
    });
}

#[test]
fn wake_word_two_cancel_and_one_sends() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let count = Arc::new(Count::default());
        let ticket = slab.place_request(cells.get(), request(1), count.arm(), Placed::Queued);
        let other = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || slab.cancel_wake(ticket) == WakeState::Armed)
        };
        let sender = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || send(&slab, ticket))
        };
        let mine = slab.cancel_wake(ticket) == WakeState::Armed;
        let others = other.join().unwrap();
        sender.join().unwrap();
        assert_eq!(usize::from(mine) + usize::from(others) + count.calls(), 1);
    });
}

/// The waker is exchanged while its wake is sent: one of the two is called, and it is the new one if it went in.
#[test]
fn wake_word_replaced_against_sent() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let (old, new) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let ticket = slab.place_request(cells.get(), request(1), old.arm(), Placed::Queued);
        let device = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || {
                serve(&slab, ticket);
                send(&slab, ticket);
            })
        };
        let replaced = slab.replace_waker(ticket, Waker::from(Arc::clone(&new))).is_ok();
        device.join().unwrap();
        assert_eq!((old.calls(), new.calls()), (usize::from(!replaced), usize::from(replaced)));
        assert_eq!(slab.wake_state(ticket), WakeState::Sent);
        assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (1, 1), "no waker stays behind");
    });
}

// Loom lets two who wait for a third wait for ever, so each of the following has one who waits.

/// The waker is exchanged while the request is taken back and its cell used again: the wake is cancelled, and the
/// next one's is its own.
#[test]
fn wake_word_replaced_against_released() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let [old, new, next] = [(); 3].map(|()| Arc::new(Count::default()));
        let ticket = slab.place_request(cells.get(), request(1), old.arm(), Placed::Queued);
        assert!(serve(&slab, ticket));
        let replacer = {
            let (slab, waker) = (Arc::clone(&slab), Waker::from(Arc::clone(&new)));
            thread::spawn(move || slab.replace_waker(ticket, waker).is_ok())
        };
        let held = revoke(&slab, ticket).expect("nobody else takes it");
        let (_, Remains { vacant, cancelled, waker }) = take(&slab, held);
        assert!(cancelled);
        cells.put(vacant.expect("no wake is being sent"));
        let again = slab.place_request(cells.get(), request(2), next.arm(), Placed::Queued);
        let replaced = replacer.join().unwrap();
        send(&slab, ticket);
        let cancelled = waker.expect("it was not called");
        assert!(cancelled.will_wake(&Waker::from(if replaced {
            Arc::clone(&new)
        } else {
            Arc::clone(&old)
        })));
        drop(cancelled);
        for count in [old, new] {
            assert_eq!((count.calls(), Arc::strong_count(&count)), (0, 1));
        }
        assert_eq!(slab.wake_state(again), WakeState::Armed);
        send(&slab, again);
        assert_eq!(next.calls(), 1);
    });
}

#[test]
fn wake_word_replaced_against_cancelled() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let [old, new] = [(); 2].map(|()| Arc::new(Count::default()));
        let ticket = slab.place_request(cells.get(), request(1), old.arm(), Placed::Queued);
        let replacer = {
            let (slab, waker) = (Arc::clone(&slab), Waker::from(Arc::clone(&new)));
            thread::spawn(move || slab.replace_waker(ticket, waker).is_ok())
        };
        assert_eq!(slab.cancel_wake(ticket), WakeState::Armed, "it was until then");
        replacer.join().unwrap();
        send(&slab, ticket);
        assert_eq!(slab.wake_state(ticket), WakeState::Cancelled);
        let held = revoke(&slab, ticket).expect("nobody else takes it");
        let (_, remains) = take(&slab, held);
        drop(remains.waker);
        for count in [old, new] {
            assert_eq!((count.calls(), Arc::strong_count(&count)), (0, 1));
        }
    });
}

/// Reaping has the wake of a request that is polled for; nobody puts a waker there.
#[test]
fn wake_word_replaced_against_reaped() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let new = Arc::new(Count::default());
        let ticket = slab.place_request(cells.get(), request(1), Arm::Reap, Placed::Queued);
        assert!(serve(&slab, ticket));
        let replacer = {
            let (slab, waker) = (Arc::clone(&slab), Waker::from(Arc::clone(&new)));
            thread::spawn(move || slab.replace_waker(ticket, waker).is_ok())
        };
        assert_eq!(slab.reap(ticket), Some(1));
        assert!(!replacer.join().unwrap());
        assert_eq!(slab.wake_state(ticket), WakeState::Sent);
        assert_eq!((new.calls(), Arc::strong_count(&new)), (0, 1));
    });
}

/// Two who exchange it wait for each other, and both succeed.
#[test]
fn wake_word_replaced_by_two() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let [old, new, newer] = [(); 3].map(|()| Arc::new(Count::default()));
        let ticket = slab.place_request(cells.get(), request(1), old.arm(), Placed::Queued);
        let other = {
            let (slab, waker) = (Arc::clone(&slab), Waker::from(Arc::clone(&new)));
            thread::spawn(move || slab.replace_waker(ticket, waker).is_ok())
        };
        assert!(slab.replace_waker(ticket, Waker::from(Arc::clone(&newer))).is_ok());
        assert!(other.join().unwrap());
        send(&slab, ticket);
        assert_eq!((old.calls(), new.calls() + newer.calls()), (0, 1));
    });
}

/// A spurious wake copies the waker while the request is taken back: the copy is of a waker that was there, and the
/// cell's own goes with the request.
#[test]
fn wake_word_copied_against_released() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let count = Arc::new(Count::default());
        let ticket = slab.place_request(cells.get(), request(1), count.arm(), Placed::Queued);
        assert!(serve(&slab, ticket));
        let device = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || slab.copy_waker(ticket).map(|copy| copy.wake_by_ref()).is_some())
        };
        let held = revoke(&slab, ticket).expect("nobody else takes it");
        let (_, Remains { cancelled, waker, .. }) = take(&slab, held);
        assert!(cancelled);
        drop(waker);
        let copied = device.join().unwrap();
        assert_eq!((count.calls(), Arc::strong_count(&count)), (usize::from(copied), 1));
    });
}

#[test]
fn reap_against_take_and_reuse() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let ticket = slab.place_request(cells.get(), request(1), Arm::Reap, Placed::Queued);
        assert!(serve(&slab, ticket));
        let reaper = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || slab.reap(ticket))
        };
        let (held, _) = slab.hold_done(ticket).expect("it is done");
        let (_, remains) = take(&slab, held);
        cells.put(remains.vacant.expect("no wake is being sent"));
        let next = slab.place_request(cells.get(), request(2), Arm::Reap, Placed::Queued);
        let reaped = reaper.join().unwrap();
        assert_eq!(reaped, (!remains.cancelled).then_some(1), "the user data is that of its own request");
        assert_eq!(slab.wake_state(next), WakeState::Armed);
    });
}

/// A slot is freed while somebody joins the line for it: one of the two sees it.
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
        slots.join(ticket, Announce::Silent, &slab);
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

/// The head of the line is revoked while the device lets it in: the slot is the next one's.
#[test]
fn a_revoked_waiter_keeps_no_slot() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let slots = Arc::new(Slots::new(1));
        assert!(slots.take(&mut 0, &slab));
        let mut park = || {
            let ticket = slab.place_request(cells.get(), request(1), Arm::Silent, Placed::Parked);
            slots.join(ticket, Announce::Silent, &slab);
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
        let held = revoke(&slab, head).expect("nobody else takes it");
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

/// The whole way round: a request is parked while the only slot is in use, and a worker that sleeps whenever it has
/// nothing to do takes it in when there is one. A lost doorbell, slot or wake is a deadlock.
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

/// A request is revoked as soon as it is executed, in the middle of the device's batch: its slot is free, and so must be
/// its place in the ring.
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

/// Cells that other threads give back are handed out again, each to one.
#[test]
fn freed_cells_come_back_once() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let freed = [cells.get(), cells.get()];
        let givers = freed.map(|vacant| {
            let slab = Arc::clone(&slab);
            thread::spawn(move || slab.put(vacant))
        });
        let mut place = || slab.place_request(cells.get(), request(1), Arm::Silent, Placed::Queued).index();
        let mut indices = vec![place(), place()];
        givers.into_iter().for_each(|giver| giver.join().unwrap());
        // The next chunk was made if a cell was wanted before one was back; all are handed out before there is more.
        let cells = if indices.iter().all(|index| *index < 2) { 2 } else { 6 };
        indices.extend((2..cells).map(|_| place()));
        indices.sort_unstable();
        assert_eq!(indices, (0..cells).collect::<Vec<_>>());
    });
}

/// A request while the device closes is refused, or ends as closed; it never stays behind.
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
        let plain = Plain { session, operation, iv, buffer, user_data: 1 };
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
        // Where the second was refused, nobody has shown the first.
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
