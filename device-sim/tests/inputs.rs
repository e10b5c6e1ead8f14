//! The small input of a request that was computed in place comes back when the device fails the request
//! before it is due.
#![cfg(not(loom))]

mod device_helpers;

use std::time::Duration;

use device_helpers::*;
use simaccel_device::{
    Aead, Cipher, Delivery, Device, Operation, Padding, QueuePair, Request, Session, SessionId, Status,
    Ticket,
};

/// Bytes of the longest input that comes back.
const MOST: usize = 64;

/// Sessions, with an operation of each that changes its input and fits these lengths.
fn operations(device: &Device) -> Vec<(SessionId, Operation, usize)> {
    let cipher = |cipher, key: &[u8], padding| {
        device.create_session(Session::cipher(cipher, key, padding).expect("the key fits"))
    };
    let xts: Vec<u8> = (0..32).collect();
    let gcm = device.create_session(Session::aead(Aead::Aes128Gcm, &[7; 16], 16).expect("the key fits"));
    let cbc = cipher(Cipher::Aes128Cbc, &[7; 16], Padding::Pkcs7);
    vec![
        (device.create_session(ctr()), Operation::Encrypt, 0),
        (cbc, Operation::Encrypt, 0),
        (cbc, Operation::Decrypt, 16),
        (cipher(Cipher::Aes128Cbc, &[7; 16], Padding::None), Operation::Decrypt, 0),
        (cipher(Cipher::Aes128Xts, &xts, Padding::None), Operation::Encrypt, 16),
        (gcm, Operation::Encrypt, 0),
        (gcm, Operation::Decrypt, 0),
    ]
}

fn input(len: usize) -> Vec<u8> {
    (1..=len).map(|at| u8::try_from(at).expect("it is small")).collect()
}

/// Submits an operation on inputs of all lengths that it takes; `fails` makes the device fail them when all
/// are computed. Each has its input after that.
fn all_come_back(device: &Device, pair: &mut QueuePair, computed: impl Fn(u64), fails: impl Fn()) {
    let mut submitted = 0;
    for (session, operation, least) in operations(device) {
        let lens =
            (least..=MOST).filter(|len| least == 0 || operation == Operation::Encrypt || len % 16 == 0);
        let mut tickets = Vec::new();
        for len in lens {
            let mut request = Request::new(session, operation, input(len));
            request.set_iv(&[3; 16]);
            let delivery = if len % 2 == 0 { Delivery::Silent } else { Count::new().delivery() };
            tickets.push((len, submit(pair, request, delivery)));
            submitted += 1;
        }
        computed(submitted);
        fails();
        for (len, ticket) in tickets {
            let (request, status) = finish(pair, ticket);
            assert_eq!((status, request.buffer), (Status::Reset, input(len)), "{operation} of {len} bytes");
        }
    }
    assert_balanced(device);
}

#[test]
fn every_small_input_comes_back_on_a_stepped_device() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=128;completion_nsec=1000000");
    let is_computed = |submitted| {
        while device.stats().workers[0].computed < submitted {
            assert!(device.step());
        }
    };
    all_come_back(&device, &mut pair, is_computed, || device.reset());
}

#[test]
fn every_small_input_comes_back_from_a_worker() {
    for ordering in ["unordered", "fifo"] {
        let text = format!("queue_pairs=1;depth=128;completion_nsec=3600000000000;ordering={ordering}");
        let (device, mut pairs) = open(&text);
        let is_computed =
            |submitted| until("it is computed", || device.stats().workers[0].computed == submitted);
        all_come_back(&device, &mut pairs[0], is_computed, || device.reset());
    }
}

const REVOKED: u64 = 20;

fn cell_of(ticket: Ticket) -> String {
    let text = format!("{ticket:?}");
    text.split(", generation").next().expect("the index comes first").to_owned()
}

/// A revoked request is due all the same, when another has its cell.
#[test]
fn an_input_outlives_the_request_that_had_its_cell_before() {
    for revoked_len in [5, MOST + 1] {
        let (device, mut pair) = stepped("queue_pairs=1;depth=2;compute_units=1;completion_nsec=10_000");
        let session = device.create_session(ctr());
        let mut cells = Vec::new();
        for _ in 0..REVOKED {
            let first = submit(&mut pair, request(session, revoked_len, 1), Delivery::Silent);
            cells.push(cell_of(first));
            assert!(device.step(), "it is computed");
            assert!(pair.remote().revoke(first).is_some());
        }
        let second = submit(&mut pair, request(session, 40, 2), Delivery::Silent);
        assert!(cells.contains(&cell_of(second)), "{second:?}");
        assert!(device.step());
        device.advance(Duration::from_nanos(10_000 * REVOKED));
        assert_eq!(device.stats().late_completions, REVOKED, "what is due now are the revoked ones");
        device.reset();
        let (request, status) = pair.take(second).expect("a reset ends it");
        assert_eq!((status, request.buffer), (Status::Reset, vec![2; 40]));
    }
}

#[test]
fn a_request_never_gets_the_input_of_another() {
    let (device, mut pair) = stepped("queue_pairs=1;depth=4;compute_units=1;completion_nsec=10_000");
    let session = device.create_session(ctr());
    let first = submit(&mut pair, request(session, 40, 1), Delivery::Silent);
    assert!(device.step());
    assert!(pair.remote().revoke(first).is_some());
    // In the same cell, and not kept.
    let long = submit(&mut pair, request(session, MOST + 1, 2), Delivery::Silent);
    let mut apart = request(session, 40, 3);
    apart.destination = Some(Vec::with_capacity(40));
    let apart = submit(&mut pair, apart, Delivery::Silent);
    assert!(device.step());
    device.reset();
    let (request, status) = pair.take(long).expect("a reset ends it");
    assert_eq!((status, request.buffer), (Status::Reset, expected(MOST + 1, 2)), "as it was computed");
    assert_eq!(pair.take(apart).expect("a reset ends it").0.buffer, vec![3; 40]);
}

#[test]
fn two_workers_give_every_small_input_back() {
    let (device, mut pairs) = open("queue_pairs=1;depth=128;completion_nsec=3600000000000;workers=2");
    let is_computed = |submitted| {
        until("it is computed", || {
            device.stats().workers.iter().map(|worker| worker.computed).sum::<u64>() == submitted
        });
    };
    all_come_back(&device, &mut pairs[0], is_computed, || device.reset());
}
