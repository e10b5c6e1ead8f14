//! Requests that are worked on together, in one call of the cipher, are what they are one by one.
#![cfg(not(loom))]

mod common;

use std::sync::Arc;

use common::*;
use device_sim::{Cipher, Delivery, Hash, Operation, Padding, Part, Request, Session, SessionId, Status};

fn cbc(cipher: Cipher, padding: Padding) -> Session {
    let key: Vec<u8> = (0..).take(cipher.key_len()).collect();
    Session::cipher(cipher, &key, padding).expect("the key fits")
}

fn message(len: usize, fill: u8) -> Request {
    let mut request = Request::new(SessionId::NONE, Operation::Encrypt, vec![fill; len]);
    request.set_iv(&[fill; 16]);
    request
}

/// The request under a session of the device.
fn of(session: SessionId, mut request: Request) -> Request {
    request.session = session;
    request
}

/// Sets a request to work out of place, into something that is no empty vector.
fn out_of_place(mut request: Request) -> Request {
    request.destination = Some(vec![9; 5]);
    request
}

/// A deterministic choice of lengths, sessions, places and mistakes; more than one kernel call takes.
#[test]
fn a_batch_of_cbc_encryptions_is_what_each_of_them_is_alone() {
    let sessions = [
        cbc(Cipher::Aes128Cbc, Padding::Pkcs7),
        cbc(Cipher::Aes256Cbc, Padding::None),
        cbc(Cipher::Aes192Cbc, Padding::Pkcs7),
    ]
    .map(Arc::new);
    for seed in 0..40 {
        let (device, mut pair) = stepped("queue_pairs=1;depth=128");
        let ids = sessions.each_ref().map(|session| device.create_session(Arc::clone(session)));
        let mut dice = Dice(seed);
        // In most runs one session after the other, in some all mixed.
        let mixed = seed % 4 == 0;
        let mut expected = Vec::new();
        let mut tickets = Vec::new();
        for number in 0..100_u8 {
            let which = if mixed { dice.roll(3) } else { usize::from(number) / 40 };
            let len = [0, 16, 16 * dice.roll(9), dice.roll(200)][dice.roll(4)];
            let place: fn(Request) -> Request =
                if dice.roll(2) == 0 { out_of_place } else { |request| request };
            let mut wanted = place(message(len, number));
            let status = sessions[which].execute(&mut wanted);
            let mut given = place(message(len, number));
            given.session = ids[which];
            tickets.push(submit(&mut pair, given, Delivery::Silent));
            expected.push((wanted, status));
        }
        device.run_until_idle();
        for (ticket, (wanted, status)) in tickets.into_iter().zip(expected) {
            let (found, found_status) = pair.take(ticket).expect("it is done");
            assert_eq!(found_status, status);
            assert_eq!((found.buffer, found.destination), (wanted.buffer, wanted.destination));
        }
        let total = device.stats().total;
        assert!(total.failed > 0, "17 bytes without padding are a mistake, and end one by one");
        assert_adds_up(&total);
    }
}

/// Decryption, other modes and pieces of messages take their own way between the lanes.
#[test]
fn other_requests_between_them_do_not_disturb() {
    let (device, mut pair) = stepped("queue_pairs=1");
    let session = Arc::new(cbc(Cipher::Aes128Cbc, Padding::Pkcs7));
    let id = device.create_session(Arc::clone(&session));
    let other = device.create_session(ctr());
    let mut sealed = message(40, 1);
    assert_eq!(session.execute(&mut sealed), Status::Ok);

    let mut tickets = Vec::new();
    for number in 0..12 {
        let mut given = message(40, 1);
        given.session = id;
        match number % 4 {
            1 => (given.operation, given.buffer) = (Operation::Decrypt, sealed.buffer.clone()),
            2 => given.part = Part::Update,
            3 => (given.session, given.buffer) = (other, vec![1; 40]),
            _ => {}
        }
        tickets.push(submit(&mut pair, given, Delivery::Silent));
    }
    device.run_until_idle();
    for (number, ticket) in tickets.into_iter().enumerate() {
        let (found, status) = pair.take(ticket).expect("it is done");
        assert_eq!(status, Status::Ok);
        match number % 4 {
            0 => assert_eq!(found.buffer, sealed.buffer),
            1 => assert_eq!(found.buffer, [1; 40]),
            2 => assert_eq!((found.buffer, found.state.is_some()), (sealed.buffer[..32].to_vec(), true)),
            _ => assert_eq!(found.buffer.len(), 40),
        }
    }
}

/// A worker that dies in the middle gives every text back, worked on or not.
#[test]
fn a_death_in_the_middle_loses_no_text() {
    let (device, mut pair) = stepped("queue_pairs=1");
    let id = device.create_session(cbc(Cipher::Aes128Cbc, Padding::None));
    let panics = device.create_panicking_session();
    let mut tickets: Vec<_> = (0..5)
        .map(|number| {
            let request = of(id, message(64, number));
            let request = if number % 2 == 0 { out_of_place(request) } else { request };
            submit(&mut pair, request, Delivery::Silent)
        })
        .collect();
    let fatal = Request::new(panics, Operation::Digest, vec![3; 3]);
    tickets.push(submit(&mut pair, fatal, Delivery::Silent));
    device.run_until_idle();
    for (number, ticket) in tickets.into_iter().enumerate() {
        let (found, status) = pair.take(ticket).expect("it has ended");
        assert_eq!(status, Status::DeviceDead);
        let len = if number == 5 { 3 } else { 64 };
        assert_eq!(found.buffer.len(), len, "request {number}");
    }
    assert_adds_up(&device.stats().total);
}

/// What lies between the submissions and the results is the device's, on worker threads too.
#[test]
fn batches_on_worker_threads() {
    let (device, mut pairs) = open("queue_pairs=2;workers=2;timing=all");
    let session = Arc::new(cbc(Cipher::Aes256Cbc, Padding::Pkcs7));
    let id = device.create_session(Arc::clone(&session));
    let hash = device.create_session(Session::hash(Hash::Sha224).expect("there is such a hash"));
    for round in 0..200_usize {
        for pair in &mut pairs {
            let lens: Vec<usize> = (0..20).map(|number| round + 37 * number).collect();
            let tickets: Vec<_> =
                lens.iter().map(|&len| submit(pair, of(id, message(len, 7)), Delivery::Silent)).collect();
            let digest = submit(pair, Request::new(hash, Operation::Digest, vec![1]), Delivery::Silent);
            for (len, ticket) in lens.into_iter().zip(tickets) {
                let mut wanted = message(len, 7);
                assert_eq!(session.execute(&mut wanted), Status::Ok);
                assert_eq!(finish(pair, ticket).0.buffer, wanted.buffer);
            }
            assert_eq!(finish(pair, digest).1, Status::Ok);
        }
    }
    let stats = device.stats();
    assert_eq!(stats.timings.service.count(), 2 * 200 * 21);
    assert_adds_up(&stats.total);
}
