//! What the core does with started requests when their session is removed, with requests that are overdue
//! when they are admitted, with the inputs of others, and with those that panic on another worker.

#[cfg(feature = "private-keys")]
mod keys;

use super::*;
use crate::message::algorithm::Cipher;
use crate::message::parameters::Padding;
use crate::queue::cell::{Allocator, Arm, Hold, Placed};

const ID: SessionId = SessionId::at(3, 7);
const TEXT: [u8; 48] = [5; 48];

fn session(key: u8) -> Installed {
    let session = Session::cipher(Cipher::Aes128Cbc, &[key; 16], Padding::None);
    Installed::Session(Arc::new(session.expect("the key fits")))
}

fn request() -> Request {
    let mut request = Request::new(ID, crate::message::operation::Operation::Encrypt, TEXT.to_vec());
    request.set_iv(&[9; 16]);
    request
}

fn encrypted(key: u8) -> Vec<u8> {
    let Installed::Session(session) = session(key) else { unreachable!("made above") };
    let mut request = request();
    assert_eq!(session.execute(&mut request), Status::Ok);
    request.buffer
}

struct Bench {
    core: Core,
    slab: Arc<Slab>,
    allocator: Allocator,
}

impl Bench {
    fn new() -> Self {
        Self::of(&Config::default(), 4)
    }

    fn of(config: &Config, cells: usize) -> Self {
        let (slab, allocator) = Slab::new(cells);
        let counters = Arc::new(ModelCounters::new(config.compute_units, 1, &[]));
        let mut core = Core::new(config, vec![Arc::clone(&slab)], &counters);
        core.install(ID, session(1));
        Self { core, slab, allocator }
    }

    fn admit(&mut self) -> Ticket {
        self.admit_at(0, Announce::Silent)
    }

    fn admit_at(&mut self, at: u64, announce: Announce) -> Ticket {
        self.admit_request(request(), at, announce)
    }

    fn admit_request(&mut self, request: Request, at: u64, announce: Announce) -> Ticket {
        let vacant = self.allocator.get();
        let ticket = self.slab.place_request(vacant, request, Arm::Silent, Placed::Queued);
        self.core.admit(0, Head { ticket, announce, timed_from: None }, at).expect("it is not revoked");
        ticket
    }

    /// A request that another worker computes.
    fn admit_huge(&mut self, session: SessionId) -> Ticket {
        let mut huge =
            Request::new(session, crate::message::operation::Operation::Encrypt, vec![1; 512 * 1024]);
        huge.set_iv(&[9; 16]);
        self.admit_request(huge, 0, Announce::Silent)
    }

    fn revoke(&mut self, ticket: Ticket) {
        let Hold::Held(mut held) = self.slab.hold(ticket) else { panic!("it is there") };
        self.slab.unload(&mut held, &mut Request::empty());
        drop(self.slab.release(held));
    }

    /// Status and text of all ready requests, in the order of their admission.
    fn publish(&mut self, tickets: &[Ticket]) -> Vec<(Status, Vec<u8>)> {
        self.core.run_lanes();
        for ready in self.core.ready.iter_mut() {
            let _ = self.slab.finish(&mut ready.claimed, ready.status, false);
        }
        self.core.ready.clear();
        let take = |ticket: &Ticket| {
            let mut request = Request::empty();
            let (status, _) = self.slab.take_done(*ticket, &mut request, |_, _| ()).expect("it is done");
            (status, request.buffer)
        };
        tickets.iter().map(take).collect()
    }
}

#[test]
fn a_session_that_is_replaced_ends_its_lanes_first() {
    let mut bench = Bench::new();
    let mut tickets = vec![bench.admit(), bench.admit()];
    assert!(bench.core.has_lanes());
    bench.core.install(ID, session(2));
    tickets.push(bench.admit());
    let (old, new) = ((Status::Ok, encrypted(1)), (Status::Ok, encrypted(2)));
    assert_eq!(bench.publish(&tickets), [old.clone(), old, new]);
}

#[test]
fn a_session_that_is_removed_ends_its_lanes_first() {
    let mut bench = Bench::new();
    let mut tickets = vec![bench.admit()];
    bench.core.remove(ID);
    tickets.push(bench.admit());
    let (old, refused) = ((Status::Ok, encrypted(1)), (Status::InvalidSession, TEXT.to_vec()));
    assert_eq!(bench.publish(&tickets), [old, refused]);
}

/// As after a panic in the middle of publishing: finished requests are not finished twice, and the others are
/// not lost.
#[test]
fn what_was_finished_before_a_panic_is_forgotten_and_the_rest_is_not() {
    let mut bench = Bench::new();
    let tickets = [bench.admit(), bench.admit(), bench.admit()];
    bench.core.run_lanes();
    let first = &mut bench.core.ready[0];
    let _ = bench.slab.finish(&mut first.claimed, first.status, false);
    bench.core.ready.forget_finished();
    assert_eq!(bench.core.ready.len(), 2);
    let done = (Status::Ok, encrypted(1));
    assert_eq!(bench.publish(&tickets), [done.clone(), done.clone(), done]);
}

/// The order in which requests complete that come in passes of eight, all overdue; with `hurries`, those that
/// may complete as they come.
fn completed(text: &str, hurries: bool) -> (Vec<Ticket>, bool) {
    const PASSES: u64 = 12;
    let config = Config::parse(&format!("compute_units=1;completion_nsec=10;seed=3;{text}")).unwrap();
    let mut bench = Bench::of(&config, 256);
    let (mut order, mut hurried) = (Vec::new(), false);
    for pass in 1..=PASSES + 1 {
        let now = 1_000_000 * pass;
        if hurries {
            assert!(bench.core.hurry(now).is_some());
        }
        for n in 0..if pass > PASSES { 0 } else { 8 } {
            let before = bench.core.ready.len();
            let _ = bench.admit_at(now - 500_000 + n, Announce::Wake);
            hurried |= bench.core.ready.len() > before;
        }
        bench.core.hurry_no_more();
        if !hurries {
            let _ = bench.core.deliver(now, now);
        }
        for ready in bench.core.ready.iter_mut() {
            order.push(bench.slab.finish(&mut ready.claimed, ready.status, false));
        }
        bench.core.ready.clear();
    }
    (order, hurried)
}

#[test]
fn what_completes_as_it_comes_overtakes_nothing_that_has_to_wait() {
    for ordering in ["unordered", "fifo", "reorder:20:3", "reorder:50:1"] {
        for fault in ["", "fault=drop_wake:every=3", "fault=delay:nsec=5000,every=4", "fault=late:every=5"] {
            // The queue sorts these, unless all of one pass are overdue.
            if ordering == "unordered" && fault.contains("delay") {
                continue;
            }
            let text = format!("ordering={ordering};{fault}");
            let ((queued, _), (order, hurried)) = (completed(&text, false), completed(&text, true));
            // Each bench has tickets of its own.
            let cells = |order: &[Ticket]| order.iter().map(|ticket| ticket.index()).collect::<Vec<_>>();
            assert_eq!(cells(&order), cells(&queued), "{text}");
            assert!(hurried, "{text}");
        }
    }
}

#[test]
fn inputs_of_swept_requests_are_wiped() {
    let mut bench = Bench::of(&Config::parse("compute_units=1;completion_nsec=1000000").unwrap(), 1_024);
    for _ in 0..600 {
        let ticket = bench.admit();
        bench.revoke(ticket);
    }
    let _ = bench.core.deliver(1, 1);
    let kept = bench.core.inputs.count();
    assert!(kept < 300, "{kept}");
    let _ = bench.core.deliver(u64::MAX, u64::MAX);
    assert_eq!(bench.core.inputs.count(), 0);
}

fn with_another_worker(text: &str) -> Bench {
    let config = Config::parse(&format!("compute_units=8;completion_nsec=1000;{text}")).unwrap();
    let mut bench = Bench::of(&config, 64);
    bench.core.hand_over();
    bench
}

#[test]
fn inputs_of_requests_that_wait_for_another_worker_are_wiped_when_they_complete() {
    let mut bench = with_another_worker("ordering=fifo");
    let huge = bench.admit_huge(ID);
    let tickets = [huge, bench.admit(), bench.admit()];
    let _ = bench.core.deliver(1_000_000, 1_000_000);
    assert_eq!((bench.core.ready.len(), bench.core.inputs.count()), (0, 2), "they wait behind it");
    let job = bench.core.next_job().unwrap();
    let returned = job.run(&[Arc::clone(&bench.slab)]);
    assert!(!bench.core.returned(returned));
    assert_eq!((bench.core.ready.len(), bench.core.inputs.count()), (3, 0));
    assert!(bench.publish(&tickets).iter().all(|(status, _)| *status == Status::Ok));
}

/// Its result is on its way to the first worker, which is to know first that the device has died.
#[test]
fn what_panics_on_another_worker_ends_when_the_first_one_knows() {
    const PANICS: SessionId = SessionId::at(4, 1);
    for is_reset in [false, true] {
        let mut bench = with_another_worker("");
        bench.core.install(PANICS, Installed::Panics);
        let ticket = bench.admit_huge(PANICS);
        let job = bench.core.next_job().unwrap();
        let returned = job.run(&[Arc::clone(&bench.slab)]);
        assert_eq!(returned.outcome, Outcome::Panicked);
        let _ = bench.core.deliver(1_000_000, 1_000_000);
        assert!(bench.core.ready.is_empty(), "the host would see it");
        if is_reset {
            bench.core.fail_scheduled(Status::Reset);
            assert!(bench.core.is_ending());
        }
        assert_eq!(bench.core.returned(returned), is_reset);
        let status = if is_reset { Status::Reset } else { Status::DeviceDead };
        assert_eq!(bench.publish(&[ticket])[0].0, status);
    }
}
