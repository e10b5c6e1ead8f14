//! Engines and devices: opened, changed, reset, dead, closed, and the faults that are injected.

use simaccel::{Error, Faults, Hash};
use tracing::Level;

use crate::collected::collect;
use crate::engine_helpers::stepped;

#[test]
fn an_engine_is_opened_changed_and_closed() {
    let collected = collect(|_| {
        let engine = stepped("completion_nsec=1000");
        engine.set_faults(Faults::parse("fault=fail:every=2").unwrap()).unwrap();
        let copy = engine.clone();
        drop(engine);
        copy.reconfigure("completion_nsec=2000").unwrap();
    });
    assert_eq!(collected.messages("simaccel::engine"), ["opened", "changed", "changed", "closed"]);
    let events = collected.events("simaccel::engine");
    assert!(events.iter().all(|event| event.level == Level::DEBUG));
    assert!(events[0].fields["config"].contains("completion_nsec=1000"), "{:?}", events[0]);
    assert!(events.iter().all(|event| event.fields["engine"] == events[0].fields["engine"]));
}

#[test]
fn a_reset_is_a_warning_and_a_death_an_error() {
    let collected = collect(|_| {
        let engine = stepped("");
        engine.device().reset();
        let session = engine.panicking_hash(Hash::Sha256).unwrap();
        assert_eq!(session.digest(b"dies"), Err(Error::DeviceDead));
        engine.device().reset();
    });
    let told: Vec<_> = collected
        .events("simaccel::device")
        .iter()
        .map(|event| (event.level, event.fields["message"].clone()))
        .collect();
    let reset = (Level::WARN, "reset".to_owned());
    assert_eq!(told, [reset.clone(), (Level::ERROR, "dead: a worker has panicked".to_owned()), reset]);
}

#[test]
fn a_fault_is_told_by_its_kind() {
    let collected = collect(|_| {
        let engine = stepped("completion_nsec=1000;fault=fail:times=2;fault=nomem:after=2,times=1");
        let session = engine.hash(Hash::Sha256).unwrap();
        (0..4).for_each(|_| drop(session.digest(b"abc")));
        assert_eq!(engine.stats().faults_injected, 3);
    });
    let kinds: Vec<_> =
        collected.events("simaccel::fault").iter().map(|event| event.fields["kind"].clone()).collect();
    assert_eq!(kinds, ["fail", "fail", "nomem"]);
}
