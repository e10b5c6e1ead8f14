//! The claim word and the wake word of a cell, and which side gets it next.

use super::*;

/// What the device does with a request; `false`: it was revoked.
fn serve(slab: &Slab, ticket: Ticket) -> bool {
    let Some(mut claimed) = slab.claim(ticket) else { return false };
    slab.execute(&mut claimed, |request| request.buffer[0] += 1);
    let _ = slab.finish(&mut claimed, Status::Ok, false);
    true
}

/// The same with modelled time between execution and end.
fn serve_late(slab: &Slab, ticket: Ticket) -> bool {
    let Some(mut claimed) = slab.claim(ticket) else { return false };
    slab.execute(&mut claimed, |request| request.buffer[0] += 1);
    let _ = slab.postpone(&mut claimed, Status::Ok);
    let Some((mut claimed, status)) = slab.resume(ticket) else { return false };
    let _ = slab.finish(&mut claimed, status, false);
    true
}

/// What the host does with a request that it has won.
pub(super) fn take(slab: &Slab, mut held: Held) -> (Request, Remains) {
    let mut request = Request::empty();
    slab.unload(&mut held, &mut request);
    (request, slab.release(held))
}

pub(super) fn revoke(slab: &Slab, ticket: Ticket) -> Option<Held> {
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

/// The first worker has scheduled a request and ends everything, while another one computes it and its host
/// takes it back: it is computed at most once, by one that owns it, and ends once.
#[test]
fn a_request_handed_over_against_revoke_against_a_reset() {
    bounded_model(4, || {
        let (slab, mut cells) = Slab::new(2);
        let ticket = slab.place_request(cells.get(), request(7), Arm::Silent, Placed::Queued);
        let mut claimed = slab.claim(ticket).expect("it is queued");
        let _ = slab.hand_over(&mut claimed);
        let other = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || {
                let Some(mut claimed) = slab.resume_handed(ticket) else { return false };
                slab.execute(&mut claimed, |request| request.buffer[0] += 1);
                let _ = slab.postpone(&mut claimed, Status::Ok);
                true
            })
        };
        let host = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || revoke(&slab, ticket).map(|held| (held.from, take(&slab, held).0)))
        };
        let at_once = slab.resume_handed(ticket);
        let is_at_once = at_once.is_some();
        if let Some(mut claimed) = at_once {
            let _ = slab.finish(&mut claimed, Status::Reset, false);
        }
        let is_computed = other.join().unwrap();
        let ended = slab.resume(ticket);
        let is_ended = ended.is_some();
        if let Some((mut claimed, _)) = ended {
            let _ = slab.finish(&mut claimed, Status::Reset, false);
        }
        assert!(!(is_at_once && (is_computed || is_ended)), "it went to one of the workers");
        let (from, request) = host.join().unwrap().expect("nobody else takes it");
        assert_eq!(from == Origin::Done, is_at_once || is_ended);
        assert_eq!(request.buffer[0], self::request(7).buffer[0] + u8::from(is_computed));
        assert_eq!(slab.state(ticket), TicketState::Stale);
    });
}

/// The submitting side takes the buffer, against a thread that takes the request back.
#[test]
fn claim_word_buffer_taken_against_revoked() {
    taken_against_revoked(|| Arm::Reap);
}

/// The same for a request whose reaping is not recorded.
#[test]
fn claim_word_buffer_of_a_plain_one_taken_against_revoked() {
    taken_against_revoked(|| Arm::ReapPlain);
}

fn taken_against_revoked(arm: fn() -> Arm) {
    bounded_model(4, move || {
        let (slab, mut cells) = Slab::new(2);
        let mut loaded = request(7);
        let ticket = cells.place(7, arm(), Placed::Queued, None, &mut loaded);
        let device = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || serve(&slab, ticket))
        };
        let revoker = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || revoke(&slab, ticket).map(|held| take(&slab, held).1))
        };
        // `None` if it was revoked.
        let _ = slab.reap(ticket.index(), ticket.generation());
        let taken = cells.take_plain::<()>(ticket, |_, _| ());
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
        let held = revoke(&slab, ticket).expect("no other thread takes it");
        let (_, remains) = take(&slab, held);
        let released = remains.vacant.is_none();
        if let Some(vacant) = remains.vacant {
            cells.put(vacant);
        }
        // The next request may get the same cell, but has its own wake.
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

/// A wake fd: how many tokens it holds.
#[derive(Default)]
struct Tokens(AtomicU64);

impl Wake for Tokens {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl Tokens {
    fn arm(self: &Arc<Self>) -> Arm {
        Arm::Waker(Waker::from(Arc::clone(self)))
    }

    fn read(&self) -> u64 {
        self.0.swap(0, Ordering::AcqRel)
    }

    /// Reads when there is something to read.
    fn await_one(&self) {
        while self.read() == 0 {
            yield_now();
        }
    }
}

/// A request that the device serves, with its token; and the final state of the two cells.
fn token_read_by(host: impl Fn(&Slab, &mut Allocator, Ticket, &Tokens) + Send + Sync + 'static) {
    bounded_model(3, move || {
        let (slab, mut cells) = Slab::new(2);
        let tokens = Arc::new(Tokens::default());
        let ticket = slab.place_request(cells.get(), request(1), tokens.arm(), Placed::Queued);
        let device = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || {
                serve(&slab, ticket);
                send(&slab, ticket);
            })
        };
        host(&slab, &mut cells, ticket, &tokens);
        // The next request may get the same cell while the sender is still returning.
        let next = Arc::new(Tokens::default());
        let second = slab.place_request(cells.get(), request(2), next.arm(), Placed::Queued);
        assert_eq!((slab.state(ticket), slab.wake_state(second)), (TicketState::Stale, WakeState::Armed));
        device.join().unwrap();
        assert_eq!(slab.wake_state(ticket), WakeState::Stale);
        assert_eq!((tokens.read(), next.read()), (0, 0), "no token is left, and none is another's");
        assert_eq!(Arc::strong_count(&tokens), 1, "no waker stays behind");
        let third = slab.place_request(cells.get(), request(3), Arm::Silent, Placed::Queued);
        let mut used = [second.index(), third.index()];
        used.sort_unstable();
        assert_eq!(used, [0, 1], "each cell was given back once");
    });
}

/// The reader of the token takes the request, whether or not the sender has returned.
#[test]
fn wake_word_released_by_the_reader_of_its_token() {
    token_read_by(|_, cells, ticket, tokens| {
        tokens.await_one();
        assert!(cells.take_plain::<()>(ticket, |_, _| ()).is_some(), "a token is worth a resume");
    });
}

/// The same, by a reader that takes more than the buffer.
#[test]
fn wake_word_released_by_the_reader_of_its_token_with_the_request() {
    token_read_by(|slab, cells, ticket, tokens| {
        tokens.await_one();
        let mut taken = Request::empty();
        let (status, remains) = slab.take_done(ticket, &mut taken, |_, _| ()).expect("it is done");
        assert_eq!((status, taken.buffer, remains.cancelled), (Status::Ok, vec![1], false));
        if let Some(vacant) = remains.vacant {
            cells.put(vacant);
        }
    });
}

/// Given up: the wake is cancelled, or its token read. Then the cell is released, and one side frees it.
#[test]
fn wake_word_released_by_one_who_gives_up() {
    token_read_by(|slab, cells, ticket, tokens| {
        if slab.cancel_wake(ticket) != WakeState::Armed {
            tokens.await_one();
        }
        let held = revoke(slab, ticket).expect("no other thread takes it");
        let (_, remains) = take(slab, held);
        if let Some(vacant) = remains.vacant {
            cells.put(vacant);
        }
        drop(remains.waker);
    });
}

/// Resumed by chance: takes the request if it is done, with the wake cancelled or its token read.
#[test]
fn wake_word_released_by_one_who_was_resumed_by_chance() {
    token_read_by(|slab, cells, ticket, tokens| {
        while !matches!(slab.state(ticket), TicketState::Done(_)) {
            yield_now();
        }
        if slab.cancel_wake(ticket) != WakeState::Armed {
            tokens.await_one();
        }
        let mut taken = Request::empty();
        let (_, remains) = slab.take_done(ticket, &mut taken, |_, _| ()).expect("it is done");
        if let Some(vacant) = remains.vacant {
            cells.put(vacant);
        }
        drop(remains.waker);
    });
}

/// The waker is replaced while its wake is sent: one of the two is called; it is the new one if the
/// replacement succeeded.
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

// Loom lets two threads that wait for a third wait for ever, so each of the following models has one waiting
// thread.

/// The waker is replaced while the request is taken back and its cell reused: the wake is cancelled, and the
/// next request has its own.
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
        let held = revoke(&slab, ticket).expect("no other thread takes it");
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
        let held = revoke(&slab, ticket).expect("no other thread takes it");
        let (_, remains) = take(&slab, held);
        drop(remains.waker);
        for count in [old, new] {
            assert_eq!((count.calls(), Arc::strong_count(&count)), (0, 1));
        }
    });
}

/// Reaping owns the wake of a polled request; no waker can be put there.
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
        assert_eq!(slab.reap(ticket.index(), ticket.generation()), Some(1));
        assert!(!replacer.join().unwrap());
        assert_eq!(slab.wake_state(ticket), WakeState::Sent);
        assert_eq!((new.calls(), Arc::strong_count(&new)), (0, 1));
    });
}

/// Two replacements wait for each other, and both succeed.
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

/// A spurious wake copies the waker while the request is taken back: the copy is of the waker that was there,
/// and the cell's own goes with the request.
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
        let held = revoke(&slab, ticket).expect("no other thread takes it");
        let (_, Remains { cancelled, waker, .. }) = take(&slab, held);
        assert!(cancelled);
        drop(waker);
        let copied = device.join().unwrap();
        assert_eq!((count.calls(), Arc::strong_count(&count)), (usize::from(copied), 1));
    });
}

/// A thread that cancels the wake of a plain request while it is reaped, taken, and its cell reused, does not
/// affect the next request.
#[test]
fn plain_one_reaped_and_reused_against_cancelled() {
    model(|| {
        let (slab, mut cells) = Slab::new(2);
        let place = |cells: &mut Allocator, value| {
            let mut loaded = request(value);
            cells.place(value, Arm::ReapPlain, Placed::Queued, None, &mut loaded)
        };
        let ticket = place(&mut cells, 1);
        assert!(serve(&slab, ticket));
        let canceller = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || slab.cancel_wake(ticket))
        };
        let reaped = slab.reap(ticket.index(), ticket.generation());
        let taken = cells.take_plain::<()>(ticket, |_, _| ());
        let next = taken.is_some().then(|| place(&mut cells, 2));
        let cancelled = canceller.join().unwrap();
        assert!(reaped == Some(1) || reaped.is_none() && cancelled == WakeState::Armed);
        if let Some(next) = next {
            assert_eq!(slab.wake_state(next), WakeState::Armed);
            assert_eq!(slab.reap(next.index(), next.generation()), Some(2));
        } else {
            assert_eq!((cancelled, slab.wake_state(ticket)), (WakeState::Armed, WakeState::Cancelled));
        }
    });
}

#[test]
fn reap_against_take_and_reuse() {
    model(|| {
        let (reaped, remains) = reaped_against_taken(|| Arm::Reap);
        assert_eq!(reaped, (!remains.cancelled).then_some(1), "the user data is that of its own request");
    });
}

/// Reaped by another thread than the taker's, which may be too late to find it and never finds the next one.
#[test]
fn reap_of_a_plain_one_against_take_and_reuse() {
    model(|| {
        let (reaped, _) = reaped_against_taken(|| Arm::ReapPlain);
        assert!(reaped.is_none_or(|user_data| user_data == 1));
    });
}

fn reaped_against_taken(arm: fn() -> Arm) -> (Option<u64>, Remains) {
    let (slab, mut cells) = Slab::new(2);
    let ticket = slab.place_request(cells.get(), request(1), arm(), Placed::Queued);
    assert!(serve(&slab, ticket));
    let reaper = {
        let slab = Arc::clone(&slab);
        thread::spawn(move || slab.reap(ticket.index(), ticket.generation()))
    };
    let (held, _) = slab.hold_done(ticket).expect("it is done");
    let (_, mut remains) = take(&slab, held);
    cells.put(remains.vacant.take().expect("no wake is being sent"));
    let next = slab.place_request(cells.get(), request(2), arm(), Placed::Queued);
    let reaped = reaper.join().unwrap();
    assert_eq!(slab.wake_state(next), WakeState::Armed);
    (reaped, remains)
}

/// Cells that other threads give back are reused, each for one request.
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
        // The next chunk was made if a cell was wanted before one was back; all are handed out before there
        // is more.
        let cells = if indices.iter().all(|index| *index < 2) { 2 } else { 6 };
        indices.extend((2..cells).map(|_| place()));
        indices.sort_unstable();
        assert_eq!(indices, (0..cells).collect::<Vec<_>>());
    });
}
