//! Plain requests: assembled in their cells, and taken as buffers.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::Arc;

use device_helpers::*;
use simaccel_device::{
    Delivery, Device, Hash, Operation, Part, Plain, RefusedReason, Request, Session, SessionId, Status, Tag,
    TicketState,
};

const REAP: Delivery = Delivery::Reap { owner: 5 };

fn plain(session: SessionId, len: usize, fill: u8) -> Plain<'static> {
    let (operation, buffer, user_data) = (Operation::Encrypt, vec![fill; len], u64::from(fill));
    Plain { session, operation, iv: &[3; 16], buffer, user_data, rest: () }
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of requests; the other tests take the same steps")]
fn a_plain_request_goes_there_and_back() {
    for timing in ["off", "sampled", "all"] {
        let (device, mut pair) = stepped(&format!("queue_pairs=1;timing={timing}"));
        let session = device.create_session(ctr());
        for fill in 1..100 {
            let ticket = pair.submit_plain(plain(session, 80, fill), REAP).unwrap();
            assert_eq!(pair.take_buffer(ticket), None, "nothing has happened yet");
            device.run_until_idle();
            let completion = pair.reap_one().unwrap();
            assert_eq!((completion.owner, completion.user_data), (5, u64::from(fill)));
            assert_eq!(completion.ticket, ticket);
            assert_eq!(pair.take_buffer(ticket), Some(expected(80, fill)));
            assert_eq!(pair.take_buffer(ticket), None, "once");
            assert_eq!(pair.remote().state(ticket), TicketState::Stale);
            pair.release_reaped();
        }
        assert_balanced(&device);
        let timed = device.stats().timings.total.count();
        assert_eq!(
            timed,
            if timing == "off" {
                0
            } else if timing == "all" {
                99
            } else {
                2
            }
        );
    }
}

#[test]
fn a_waker_is_called_once_or_given_up() {
    let (device, mut pair) = stepped("queue_pairs=1");
    let session = device.create_session(ctr());
    let count = Count::new();
    let ticket = pair.submit_plain(plain(session, 16, 1), count.delivery()).unwrap();
    device.run_until_idle();
    assert_eq!(count.calls(), 1);
    assert_eq!(pair.take_buffer(ticket), Some(expected(16, 1)));

    let ticket = pair.submit_plain(plain(session, 16, 2), count.delivery()).unwrap();
    assert!(pair.remote().cancel_wake(ticket));
    device.run_until_idle();
    assert_eq!(pair.take_buffer(ticket), None, "there is a waker to be given up");
    assert_eq!(pair.take(ticket).unwrap().0.buffer, expected(16, 2));
    assert_eq!((count.calls(), Arc::strong_count(&count)), (1, 1));
    assert_balanced(&device);
}

#[test]
#[cfg_attr(miri, ignore = "dozens of requests; the other tests take the same steps")]
fn ivs_of_any_length_reach_the_session() {
    let (device, mut pair) = stepped("queue_pairs=1");
    let session = device.create_session(ctr());
    for len in (0..=40).filter(|len| *len != 16) {
        let iv = vec![3; len];
        let ticket = pair.submit_plain(Plain { iv: &iv, ..plain(session, 16, 1) }, REAP).unwrap();
        device.run_until_idle();
        assert!(pair.reap_one().is_some());
        assert_eq!(pair.take_buffer(ticket), None, "not for what has failed");
        let (request, status) = pair.take(ticket).unwrap();
        assert_eq!((status, request.iv(), &request.buffer[..]), (Status::InvalidArgs, &iv[..], &[1; 16][..]));
    }
    // Nothing of them is left for the next request in the same cell.
    let ticket = pair.submit_plain(plain(session, 16, 9), REAP).unwrap();
    device.run_until_idle();
    assert!(pair.reap_one().is_some());
    assert_eq!(pair.take_buffer(ticket), Some(expected(16, 9)));
    assert_balanced(&device);
}

#[test]
fn what_else_came_of_a_request_is_wiped() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let sha = device.create_session(Session::hash(Hash::Sha256).unwrap());
    let session = device.create_session(ctr());
    let hash = Plain { iv: &[], operation: Operation::Digest, ..plain(sha, 3, 1) };
    let ticket = pair.submit_plain(hash, REAP).unwrap();
    device.run_until_idle();
    assert!(pair.reap_one().is_some());
    assert_eq!(pair.take_buffer(ticket), Some(vec![1; 3]), "the digest is let go of");
    pair.release_reaped();
    // The same cell: the most recently freed one.
    let next = submit(&mut pair, request(session, 16, 2), REAP);
    device.run_until_idle();
    assert!(pair.reap_one().is_some());
    let (request, status) = pair.take(next).unwrap();
    assert_eq!((status, request.tag.as_bytes()), (Status::Ok, &[][..]));
    assert_balanced(&device);
}

#[test]
fn a_tag_is_wiped_with_its_request() {
    let mut request = request(SessionId::NONE, 16, 1);
    request.tag = Tag::new(&[7; 32]).unwrap();
    request.wipe();
    assert_eq!((request.tag.as_bytes(), request.buffer.len()), (&[0; 32][..], 0));
}

#[test]
fn what_is_refused_comes_back_and_does_not_count() {
    for timing in ["off", "all"] {
        let (device, mut pair) = stepped(&format!("queue_pairs=1;depth=2;timing={timing}"));
        let session = device.create_session(ctr());
        let tickets = [1, 2].map(|fill| pair.submit_plain(plain(session, 16, fill), REAP).unwrap());
        let refused = pair.submit_plain(plain(session, 16, 3), REAP);
        assert_eq!(refused, Err((RefusedReason::Full, (vec![3; 16], ()))));
        assert_eq!(device.stats().total.full, 0);
        device.run_until_idle();
        while pair.reap_one().is_some() {}
        for (fill, ticket) in (1..).zip(tickets) {
            assert_eq!(pair.take_buffer(ticket), Some(expected(16, fill)));
        }
        assert_balanced(&device);
        drop(device);
        let refused = pair.submit_plain(plain(session, 16, 4), REAP);
        assert_eq!(refused, Err((RefusedReason::Closed, (vec![4; 16], ()))));
    }
}

#[test]
fn one_that_is_held_back_when_the_device_closes_ends_with_it() {
    let (device, mut pair) = stepped("queue_pairs=1");
    let session = device.create_session(ctr());
    pair.hold_back(true);
    let ticket = pair.submit_plain(plain(session, 16, 1), REAP).unwrap();
    drop(device);
    pair.flush();
    assert_eq!(pair.take_buffer(ticket), None);
    let (request, status) = pair.take(ticket).unwrap();
    assert_eq!((request.buffer, status), (vec![1; 16], Status::Closed));
}

#[test]
fn one_that_is_revoked_is_neither_reaped_nor_taken() {
    let (device, mut pair) = stepped("queue_pairs=1");
    let session = device.create_session(ctr());
    for late in [false, true] {
        let ticket = pair.submit_plain(plain(session, 16, 1), REAP).unwrap();
        if late {
            device.run_until_idle();
        }
        let request = pair.remote().revoke(ticket).unwrap();
        assert_eq!(request.buffer, if late { expected(16, 1) } else { vec![1; 16] });
        device.run_until_idle();
        assert_eq!((pair.reap_one(), pair.take_buffer(ticket)), (None, None));
    }
    assert_balanced(&device);
}

#[test]
fn a_full_ring_shows_what_is_held_back() {
    for timing in ["off", "all"] {
        let (device, mut pair) = stepped(&format!("queue_pairs=1;depth=2;timing={timing}"));
        let session = device.create_session(ctr());
        pair.hold_back(true);
        for fill in [1, 2] {
            assert!(pair.submit_plain(plain(session, 16, fill), REAP).is_ok());
        }
        assert!(pair.submit_plain(plain(session, 16, 3), REAP).is_err());
        device.run_until_idle();
        assert!(pair.reap_one().is_some(), "the request that waits for a slot now gets one");
    }
}

#[test]
fn where_the_fault_plan_counts_submissions_each_comes_once() {
    let (device, mut pair) = stepped("queue_pairs=1;fault=busy:nth=2");
    let session = device.create_session(ctr());
    let mut submit = |device: &Device| {
        let refused = pair.submit_plain(plain(session, 16, 1), REAP);
        assert_eq!(refused, Err((RefusedReason::Full, (vec![1; 16], ()))));
        let submitted = pair.submit(request(session, 16, 1), REAP).is_ok();
        let stats = device.stats();
        (submitted, stats.total.full, stats.faults.get("busy"))
    };
    assert_eq!([(); 2].map(|()| submit(&device)), [(true, 0, Some(0)), (false, 1, Some(1))]);
    device.set_faults(&[]).expect("it is modelled");
    assert!(pair.submit_plain(plain(session, 16, 1), REAP).is_ok());
    device.run_until_idle();
    assert_balanced(&device);
    assert_eq!(device.stats().imbalances(), Vec::<String>::new());
}

#[test]
fn a_short_result_is_for_take_to_tell() {
    let (device, mut pair) = stepped("queue_pairs=1;fault=short:bytes=4");
    let session = device.create_session(ctr());
    let ticket = pair.submit_plain(plain(session, 16, 1), REAP).unwrap();
    device.run_until_idle();
    assert!(pair.reap_one().is_some());
    assert_eq!(pair.take_buffer(ticket), None);
    let (request, status) = pair.take(ticket).unwrap();
    assert_eq!((status, request.residue, request.buffer.len()), (Status::Ok, 4, 12));
}

#[test]
fn debug_shows_neither_texts_nor_initialisation_vectors() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=2");
    let session = device.create_session(ctr());
    let plain = Plain {
        session,
        operation: Operation::Encrypt,
        iv: &[205; 16],
        buffer: vec![171; 16],
        user_data: 7,
        rest: (),
    };
    let mut request = Request::new(session, Operation::Encrypt, vec![171; 16]);
    request.set_iv(&[205; 16]);
    request.destination = Some(vec![171; 16]);
    request.part = Part::Update;
    let mut shown = format!("{plain:?} {request:?}");
    let ticket = submit(&mut pair, request, Delivery::Silent);
    device.run_until_idle();
    let (done, status) = pair.take(ticket).expect("it is done");
    assert!(status == Status::Ok && done.state.is_some());
    device.remove_session(session);
    drop(device);
    let refused = pair.submit(done, Delivery::Silent).expect_err("the device is closed");
    shown += &format!("{refused:?} {:?} {pair:?}", refused.request.state);
    assert!(!shown.contains("171") && !shown.contains("205"), "{shown}");
}
