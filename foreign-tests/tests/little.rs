//! A framework with little: a stack that deep work has to leave, and no fd for its jobs.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use simaccel::foreign::{self, Callback, Ctx, Framework, OpenFd, Paused, Release, WaitFds, WaitStatus};
use simaccel::{Cipher, Config, Error, Hash};

/// Its one job never pauses: nothing that would wake it can be made.
#[derive(Debug, Default)]
struct Little {
    outside: AtomicUsize,
    blocks: bool,
    has_job: bool,
}

impl Framework for Little {
    fn with_ctx(&self, visit: &mut dyn FnMut(&dyn Ctx)) {
        if self.has_job {
            visit(&NoFds);
        }
    }

    fn pause(&self, _: &dyn Release) -> Paused {
        panic!("a job without an fd was paused");
    }

    fn blocks_without_fd(&self) -> bool {
        self.blocks
    }

    fn outside(&self, work: &mut dyn FnMut()) {
        self.outside.fetch_add(1, Ordering::Relaxed);
        work();
    }
}

struct NoFds;

impl WaitFds for NoFds {
    fn find(&self, _: usize) -> Option<Rc<dyn Any>> {
        None
    }

    fn register(&self, _: usize, _: OpenFd, _: Rc<dyn Any>, _: Box<dyn FnOnce()>) {
        panic!("an fd was made in spite of the fault");
    }
}

impl Ctx for NoFds {
    fn callback(&self) -> Option<Callback> {
        None
    }

    fn set_status(&self, _: WaitStatus) {}

    fn job_number(&self) -> u64 {
        1
    }
}

#[test]
fn keys_software_and_events_of_a_stepped_device_leave_the_stack_of_the_job() {
    let little = Arc::new(Little::default());
    let config = Config::parse("offload_threshold=10").unwrap();
    let engine = foreign::stepped(config, little.clone()).unwrap();
    let count = || little.outside.swap(0, Ordering::Relaxed);
    let session = engine.cipher(Cipher::Aes128Ctr, &[1; 16]).unwrap();
    assert_eq!(count(), 1, "the key");
    session.encrypt(&[0; 16], vec![0; 9]).unwrap();
    assert_eq!(count(), 1, "software");
    session.encrypt(&[0; 16], vec![0; 10]).unwrap();
    assert!(count() >= 1, "the events of the device");
}

#[test]
fn where_there_is_no_fd_the_framework_says_whether_the_operation_blocks() {
    for blocks in [true, false] {
        let little = Arc::new(Little { blocks, has_job: true, ..Little::default() });
        let engine = foreign::open(Config::parse("fault=fd_fail").unwrap(), little).unwrap();
        let digest = engine.hash(Hash::Sha256).unwrap().digest(b"text");
        if blocks {
            digest.unwrap();
        } else {
            assert!(matches!(digest, Err(Error::WakeFd(_))), "{digest:?}");
        }
        let stats = engine.stats();
        assert_eq!((stats.pauses, stats.blocked), (0, u64::from(blocks)), "{stats:?}");
    }
}

/// A stream goes on with a session of another engine, where it was.
#[test]
fn a_stream_goes_on_on_another_engine() {
    let open = || foreign::open(Config::default(), Arc::new(Little::default())).unwrap();
    let (one, other) = (open(), open());
    let (session, another) = (one.hash(Hash::Sha256).unwrap(), other.hash(Hash::Sha256).unwrap());
    let mut stream = session.stream();
    stream.update(b"the one ".to_vec()).unwrap();
    let mut copy = stream.copied_to(&another).unwrap();
    drop((session, one));
    copy.update(b"and the other".to_vec()).unwrap();
    stream.update(b"and no other".to_vec()).unwrap();
    assert_eq!(copy.finish().unwrap(), another.digest(b"the one and the other").unwrap());
    assert_eq!(stream.finish().unwrap(), another.digest(b"the one and no other").unwrap());
}
