//! A stepped device that gets arrivals, and notes when each request is complete.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use simaccel_device::{
    Cipher, Delivery, Device, Hash, Operation, Padding, QueuePair, RefusedReason, Request, Session, SessionId,
};

use crate::device_helpers::{assert_balanced, config, submit};
use crate::event_simulator::{Arrival, Outcome, Setup};

/// Bytes of a digest.
pub(crate) const DIGEST: u64 = 32;

/// What completed, and when.
type Log = Arc<Mutex<Vec<(usize, u64)>>>;

/// Notes when a request is complete.
struct Note {
    log: Log,
    clock: Arc<Device>,
    number: usize,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        let now = nsec(self.clock.now());
        self.log.lock().expect("not poisoned").push((self.number, now));
    }
}

fn nsec(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("the clock has 64 bits")
}

/// A stepped device, and one session for each relation between input and output.
pub(crate) struct Bench {
    device: Arc<Device>,
    pairs: Vec<QueuePair>,
    cipher: SessionId,
    hash: SessionId,
    log: Log,
}

impl Bench {
    pub(crate) fn new(setup: &Setup) -> Self {
        let text = format!("{};depth=4096;model=on", setup.text());
        let device = Arc::new(Device::stepped(&config(&text)).expect("the device opens"));
        let pairs = device.take_queue_pairs();
        let cipher = Session::cipher(Cipher::Aes128Ctr, &[7; 16], Padding::None).expect("a key");
        let cipher = device.create_session(cipher);
        let hash = device.create_session(Session::hash(Hash::Sha256).expect("no key"));
        Self { device, pairs, cipher, hash, log: Log::default() }
    }

    /// A digest has an output of its own length; a cipher's is as long as its input.
    fn request(&self, arrival: &Arrival) -> Request {
        let text = vec![0; usize::try_from(arrival.input).expect("it fits")];
        if arrival.output == arrival.input {
            let mut request = Request::new(self.cipher, Operation::Encrypt, text);
            request.set_iv(&[3; 16]);
            return request;
        }
        assert_eq!(arrival.output, DIGEST);
        Request::new(self.hash, Operation::Digest, text)
    }

    /// How long each takes when it is alone.
    pub(crate) fn one_at_a_time(mut self, groups: &[Vec<Arrival>]) -> Vec<u64> {
        let alone = |arrival: &Arrival| {
            let (request, before) = (self.request(arrival), self.device.now());
            let _ = submit(&mut self.pairs[0], request, Delivery::Silent);
            self.device.run_until_idle();
            nsec(self.device.now() - before)
        };
        groups.iter().flatten().map(alone).collect()
    }

    /// What becomes of these; the device admits each group at once.
    pub(crate) fn run(mut self, groups: &[Vec<Arrival>]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for group in groups {
            let wait = group[0].at - nsec(self.device.now());
            self.device.advance(Duration::from_nanos(wait));
            for arrival in group {
                let refused = self.submit(outcomes.len(), arrival);
                outcomes.push(refused.then_some(Outcome::Busy));
            }
            // They are admitted now, and not at the next arrival.
            self.device.advance(Duration::ZERO);
        }
        self.device.run_until_idle();
        assert_balanced(&self.device);
        for (number, at) in self.log.lock().expect("not poisoned").drain(..) {
            assert_eq!(outcomes[number].replace(Outcome::Done(at)), None, "request {number} completes once");
        }
        outcomes.into_iter().map(|outcome| outcome.expect("every request has an end")).collect()
    }

    /// `true`: it is refused.
    fn submit(&mut self, number: usize, arrival: &Arrival) -> bool {
        let note = Note { log: Arc::clone(&self.log), clock: Arc::clone(&self.device), number };
        let request = self.request(arrival);
        match self.pairs[arrival.pair].submit(request, Delivery::Wake(Waker::from(Arc::new(note)))) {
            Ok(_) => false,
            Err(refused) if refused.reason == RefusedReason::Full => true,
            Err(other) => panic!("{other:?}"),
        }
    }
}
