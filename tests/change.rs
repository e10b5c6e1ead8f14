//! An engine is changed while it runs: the faults of its device and its own, and the model.

mod captured;

use simaccel::{
    ChangeError, Cipher, Config, ConfigError, Engine, Error, Fault, FaultKind, Faults, Hash, Job, Selection,
    Step, WaitCtx,
};

fn stepped(text: &str) -> Engine {
    Engine::stepped(Config::parse(text).unwrap()).unwrap()
}

#[test]
fn one_plan_is_for_the_device_and_for_the_engine() {
    let engine = stepped("model=on;fault=nomem:nth=1");
    let session = engine.hash(Hash::Sha256).unwrap();
    let digest = || session.digest(b"abc").map(drop);
    let failed = Err(Error::DeviceFailed);
    assert_eq!(digest(), Err(Error::NoMemory));
    let plan = Faults::parse("fault=fail:nth=2;fault=nomem:nth=4").unwrap();
    for _ in 0..2 {
        engine.set_faults(plan.clone()).unwrap();
        // The third submission of the device is the fourth of the engine.
        let ends = [(); 5].map(|()| digest());
        assert_eq!(ends, [Ok(()), failed.clone(), Ok(()), Err(Error::NoMemory), Ok(())]);
    }
    engine.set_faults(Faults::none()).unwrap();
    assert_eq!([(); 5].map(|()| digest()), [const { Ok(()) }; 5]);
    // Rules of one side take the place of those of the other.
    engine.reconfigure("fault=nomem").unwrap();
    assert_eq!(digest(), Err(Error::NoMemory));
    engine.set_faults(vec![Fault::new(FaultKind::Dead)]).unwrap();
    assert_eq!(digest(), Err(Error::DeviceDead));
    engine.reconfigure("completion_nsec=5").unwrap();
    engine.device().reset();
    assert_eq!(digest(), Err(Error::DeviceDead), "without a rule in the text the plan stays");
    engine.reconfigure("fault=none").unwrap();
    engine.device().reset();
    assert_eq!(digest(), Ok(()));
    let stats = engine.stats();
    let injected: Vec<_> = stats.faults().filter(|(_, count)| *count > 0).collect();
    assert_eq!(injected, [("dead", 2), ("fail", 2), ("nomem", 4)], "counters go on");
    assert_eq!(stats.imbalances(), Vec::<String>::new());
}

#[test]
fn a_fault_of_the_engine_strikes_jobs_that_are_straight_code_without_it() {
    for delivery in ["wake", "poll"] {
        let engine = stepped(&format!("model=on;delivery={delivery}"));
        let session = engine.cipher(Cipher::Aes128Ctr, &[1; 16]).unwrap();
        let run = || {
            let ctx = WaitCtx::new();
            let session = session.clone();
            let mut job = Job::new(&ctx, move || session.encrypt(&[2; 16], vec![3; 64])).unwrap();
            loop {
                match job.resume().unwrap() {
                    Step::Finished(result) => break result.map(drop).map_err(|error| error.into_parts().0),
                    Step::Paused => {
                        engine.device().run_until_idle();
                        if delivery == "poll" {
                            engine.poll(8, |_| {}).unwrap();
                        }
                    }
                }
            }
        };
        assert_eq!([run(), run()], [Ok(()), Ok(())]);
        engine.set_faults(Faults::none().nomem(Selection::default().every(2))).unwrap();
        assert_eq!([run(), run(), run()], [Ok(()), Err(Error::NoMemory), Ok(())]);
        engine.set_faults(Faults::none()).unwrap();
        assert_eq!([run(), run()], [Ok(()), Ok(())]);
        engine.set_faults(Faults::parse("fault=busy:every=2;fault=corrupt:every=2,bit=0").unwrap()).unwrap();
        assert_eq!([(); 6].map(|()| run()), [const { Ok(()) }; 6]);
        let faults = engine.stats().device.faults;
        assert_eq!((faults.get("busy"), faults.get("corrupt")), (Some(3), Some(3)), "each counts once");
    }
}

#[test]
fn what_cannot_be_changed_is_refused_and_nothing_changes() {
    let engine = stepped("completion_nsec=1000;fault=nomem:nth=9");
    for (text, said) in [
        ("timeout_msec=5", "timeout_msec is decided when a device is opened"),
        ("fault=none;workers=2", "workers is decided when a device is opened"),
        ("colour=blue", "unknown key colour"),
        ("fault=nomem;fault=burn", "fault=burn: must be KIND"),
        ("fault=nomem:op=pick", "fault=nomem:op=pick: must be op="),
        ("fault=nomem;mbps=-1", "mbps=-1: must be"),
    ] {
        let refused = engine.reconfigure(text).unwrap_err();
        assert!(refused.to_string().starts_with(said), "{text}: {refused}");
        assert!(!refused.is_retryable());
    }
    let unfit = engine.set_faults(Faults::none().fd_fail(Selection::default().size(1..=2))).unwrap_err();
    let Error::Config(unfit) = unfit else { panic!("{unfit:?}") };
    assert!(matches!(*unfit, ConfigError::Value { key: "fault", .. }), "{unfit:?}");
    assert!(matches!(Faults::parse("mbps=1"), Err(ConfigError::UnknownKey { .. })));
    let session = engine.hash(Hash::Sha256).unwrap();
    let ends: Vec<bool> = (0..9).map(|_| session.digest(b"abc").is_ok()).collect();
    assert_eq!(ends, [true, true, true, true, true, true, true, true, false], "the plan is as it was");
    let ideal = stepped("fault=nomem:nth=1");
    assert_eq!(ideal.set_faults(Faults::none()), Err(Error::Change(Box::new(ChangeError::Ideal))));
    assert!(ideal.hash(Hash::Sha256).unwrap().digest(b"abc").is_err());
}
