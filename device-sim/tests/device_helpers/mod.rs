//! What the tests of the device share.
#![allow(dead_code, reason = "each test file uses its part of it")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use simaccel_device::{
    Cipher, Config, Delivery, Device, Operation, Padding, QueuePair, QueuePairStats, Remote, Request,
    Session, SessionId, Status, Ticket, TicketState,
};

/// A configuration from its text.
pub(crate) fn config(text: &str) -> Config {
    Config::parse(text).expect("the tests use configurations that exist")
}

/// A threaded device and its queue pairs.
pub(crate) fn open(text: &str) -> (Device, Vec<QueuePair>) {
    let device = Device::open(&config(text)).expect("the device opens");
    let pairs = device.take_queue_pairs();
    (device, pairs)
}

/// A stepped device and its first queue pair.
pub(crate) fn stepped(text: &str) -> (Device, QueuePair) {
    let device = Device::stepped(&config(text)).expect("the device opens");
    let pair = device.take_queue_pairs().remove(0);
    (device, pair)
}

/// An AES-128-CTR session, prepared.
pub(crate) fn ctr() -> Session {
    Session::cipher(Cipher::Aes128Ctr, &[7; 16], Padding::None).expect("a key of 16 bytes fits")
}

/// `len` bytes of `fill` to be encrypted by a session of [`ctr`].
pub(crate) fn request(session: SessionId, len: usize, fill: u8) -> Request {
    let mut request = Request::new(session, Operation::Encrypt, vec![fill; len]);
    request.set_iv(&[3; 16]);
    request.user_data = u64::from(fill);
    request
}

/// The expected result of [`request`].
pub(crate) fn expected(len: usize, fill: u8) -> Vec<u8> {
    let mut request = request(SessionId::NONE, len, fill);
    assert_eq!(ctr().execute(&mut request), Status::Ok);
    request.buffer
}

/// Looks again until the condition holds. The limit is for failing tests, not for slow ones.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came: {what}");
        thread::yield_now();
    }
}

pub(crate) fn is_done(remote: &Remote, ticket: Ticket) -> bool {
    matches!(remote.state(ticket), TicketState::Done(_))
}

/// Submits; a refusal is a failure.
pub(crate) fn submit(pair: &mut QueuePair, request: Request, delivery: Delivery) -> Ticket {
    pair.submit(request, delivery).expect("the device takes the request")
}

/// Parks; a refusal is a failure.
pub(crate) fn park(pair: &mut QueuePair, request: Request, delivery: Delivery) -> Ticket {
    pair.park(request, delivery).expect("the line takes the request")
}

/// Waits for a result and takes it.
pub(crate) fn finish(pair: &mut QueuePair, ticket: Ticket) -> (Request, Status) {
    until("the result", || is_done(pair.remote(), ticket));
    pair.take(ticket).expect("what is done can be taken")
}

/// Checks what holds while nothing runs.
#[track_caller]
pub(crate) fn assert_adds_up(stats: &QueuePairStats) {
    assert_eq!(stats.imbalances(), Vec::<String>::new(), "{stats:?}");
}

/// Checks what holds for a whole device while nothing runs.
#[track_caller]
pub(crate) fn assert_balanced(device: &Device) {
    assert_eq!(device.stats().imbalances(), Vec::<String>::new(), "{:?}", device.stats());
}

/// A waker that counts its calls.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    pub(crate) fn delivery(self: &Arc<Self>) -> Delivery {
        Delivery::Wake(self.waker())
    }
}

/// A waker that reports the start of its call, and returns when it is allowed to.
pub(crate) struct Slow {
    entered: Sender<()>,
    leave: Mutex<Receiver<()>>,
}

impl Wake for Slow {
    fn wake(self: Arc<Self>) {
        let _ = self.entered.send(());
        let _ = self.leave.lock().expect("called once").recv();
    }
}

/// A slow waker, the receiver of its start, and the sender that ends it.
pub(crate) fn slow() -> (Waker, Receiver<()>, Sender<()>) {
    let (entered, hear) = channel();
    let (go, leave) = channel();
    (Waker::from(Arc::new(Slow { entered, leave: Mutex::new(leave) })), hear, go)
}

/// A waker that runs a function once.
pub(crate) struct Once<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send + 'static> Wake for Once<F> {
    fn wake(self: Arc<Self>) {
        let f = self.0.lock().expect("not poisoned").take();
        if let Some(f) = f {
            f();
        }
    }
}

/// Runs `f` when it is woken.
pub(crate) fn once(f: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Once(Mutex::new(Some(f)))))
}

/// Small reproducible randomness.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}
