//! Service times by what a request is, on a device: the requests' sessions, operations and names choose the
//! entry.
#![cfg(not(loom))]

mod device_helpers;

use device_helpers::stepped;
use simaccel_device::{
    Call, Cipher, Delivery, Device, Hash, Operation, Padding, QueuePair, Request, Session, SessionId, Status,
};

/// One unit, and requests one at a time.
struct Bench {
    device: Device,
    pair: QueuePair,
}

impl Bench {
    fn new(config: &str) -> Self {
        let (device, pair) = stepped(&format!("queue_pairs=1;compute_units=1;{config}"));
        Self { device, pair }
    }

    fn session(&self, session: Session) -> SessionId {
        self.device.create_session(session)
    }

    /// How long it takes, in nanoseconds.
    fn takes(&mut self, request: Request) -> (Request, Status, u128) {
        let start = self.device.now();
        let ticket = self.pair.submit(request, Delivery::Silent).expect("there is room");
        self.device.run_until_idle();
        let (request, status) = self.pair.take(ticket).expect("it is done");
        (request, status, (self.device.now() - start).as_nanos())
    }

    #[track_caller]
    fn assert_takes(&mut self, request: Request, nsec: u128) {
        let (_, status, found) = self.takes(request);
        assert_eq!((status, found), (Status::Ok, nsec));
    }
}

const ENTRIES: &str = "operation=squeeze;completion_nsec=100;service=aes-128-ctr:nsec=200;service=aes-128-ctr/decrypt:nsec=300;\
                       service=digest:nsec=400;service=squeeze:nsec=500;service=call:points=10:600/20:700";

#[test]
fn sessions_operations_and_names_choose_the_service_time() {
    let mut bench = Bench::new(ENTRIES);
    let ctr = bench.session(device_helpers::ctr());
    let cbc = bench.session(Session::cipher(Cipher::Aes128Cbc, &[1; 16], Padding::None).unwrap());
    let sha = bench.session(Session::hash(Hash::Sha256).unwrap());
    let mac = bench.session(Session::hmac(Hash::Sha256, &[1; 32]).unwrap());
    let request = |session, operation| {
        let mut request = Request::new(session, operation, vec![1; 64]);
        request.set_iv(&[3; 16]);
        request
    };
    bench.assert_takes(request(ctr, Operation::Encrypt), 200);
    bench.assert_takes(request(ctr, Operation::Decrypt), 300);
    bench.assert_takes(request(cbc, Operation::Encrypt), 100);
    bench.assert_takes(Request::new(sha, Operation::Digest, vec![1; 64]), 400);
    bench.assert_takes(Request::new(mac, Operation::Mac, vec![1; 64]), 100);
    bench.assert_takes(Request::of_call(Call::new("squeeze", 7, || ())), 500);
    bench.assert_takes(Request::of_call(Call::new("other", 15, || ())), 650);
    // Without a session there is no algorithm.
    bench.device.remove_session(ctr);
    let (_, status, nsec) = bench.takes(request(ctr, Operation::Encrypt));
    assert_eq!((status, nsec), (Status::InvalidSession, 100));
}
