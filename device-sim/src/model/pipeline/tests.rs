//! What the core does with started requests when their session is removed.

use super::*;
use crate::message::algorithm::Cipher;
use crate::message::parameters::Padding;
use crate::queue::cell::{Allocator, Arm, Placed};

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
        let config = Config::default();
        let (slab, allocator) = Slab::new(4);
        let counters = Arc::new(ModelCounters::new(0, 0, &[]));
        let mut core = Core::new(&config, vec![Arc::clone(&slab)], &counters);
        core.install(ID, session(1));
        Self { core, slab, allocator }
    }

    fn admit(&mut self) -> Ticket {
        let vacant = self.allocator.get();
        let ticket = self.slab.place_request(vacant, request(), Arm::Silent, Placed::Queued);
        self.core.admit(0, ticket, Announce::Silent, 0).expect("it is not revoked");
        ticket
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
            let (status, _) = self.slab.take_done(*ticket, &mut request, |_| ()).expect("it is done");
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
