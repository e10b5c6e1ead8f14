//! smoke
use simaccel::job::{self, Pause};
use simaccel::{Job, Step, WaitCtx};
#[test]
fn smoke() {
    let ctx = WaitCtx::new();
    let mut job = Job::new(&ctx, || {
        assert_eq!(job::pause(), Pause::Resumed);
        42
    })
    .unwrap();
    assert_eq!(job.resume().unwrap(), Step::Paused);
    assert_eq!(job.resume().unwrap(), Step::Finished(42));
    let mut job = Job::new(&ctx, || {
        let _ = job::pause();
    })
    .unwrap();
    let _ = job.resume();
    drop(job);
    println!("{:?}", job::thread_stats());
    let mut job = Job::new(&ctx, || {
        panic!("x");
    })
    .unwrap();
    let e = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.resume())).unwrap_err();
    assert_eq!(*e.downcast_ref::<&str>().unwrap(), "x");
    println!("{:?}", job::thread_stats());
}
