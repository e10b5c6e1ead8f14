//! Requests that are computed together, in one call of the cipher, have the same results as one by one.
#![cfg(not(loom))]

mod device_helpers;

use std::sync::Arc;

use device_helpers::*;
use simaccel_device::{
    Cipher, Delivery, Hash, Operation, Padding, Part, Request, Session, SessionId, Status,
};

fn cbc(cipher: Cipher, padding: Padding) -> Session {
    keyed(cipher, padding, 0)
}

/// A session whose key begins with `first`.
fn keyed(cipher: Cipher, padding: Padding, first: u8) -> Session {
    let key: Vec<u8> = (0..).take(cipher.key_len()).map(|at| first.wrapping_add(at)).collect();
    Session::cipher(cipher, &key, padding).expect("the key fits")
}

/// This many sessions with different keys, of all lengths.
fn sessions(count: u8, dice: &mut Dice) -> Vec<Arc<Session>> {
    let ciphers = [Cipher::Aes128Cbc, Cipher::Aes192Cbc, Cipher::Aes256Cbc];
    let session = |number| {
        let padding = [Padding::Pkcs7, Padding::None][dice.roll(2)];
        Arc::new(keyed(ciphers[dice.roll(3)], padding, number))
    };
    (0..count).map(session).collect()
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

/// Makes a request work out of place, into a vector that is not empty.
fn out_of_place(mut request: Request) -> Request {
    request.destination = Some(vec![9; 5]);
    request
}

/// A deterministic choice of lengths, sessions, places and mistakes; more than one kernel call takes.
#[test]
fn a_batch_of_cbc_encryptions_is_what_each_of_them_is_alone() {
    let mut failed = 0;
    for seed in 0..160 {
        let mut dice = Dice(seed);
        let sessions = sessions([1, 2, 3, 12, 100][dice.roll(5)], &mut dice);
        let (device, mut pair) = stepped("queue_pairs=1;depth=128");
        let ids: Vec<_> = sessions.iter().map(|session| device.create_session(Arc::clone(session))).collect();
        // In some runs one session after the other, in others all mixed.
        let mixed = dice.roll(2) == 0;
        let mut expected = Vec::new();
        let mut tickets = Vec::new();
        for number in 0..100_u8 {
            let which =
                if mixed { dice.roll(sessions.len()) } else { usize::from(number) * sessions.len() / 100 };
            let len = [0, 16, 16 * dice.roll(9), dice.roll(200), 16 * dice.roll(200)][dice.roll(5)];
            let place: fn(Request) -> Request =
                if dice.roll(2) == 0 { out_of_place } else { |request| request };
            let mut wanted = place(message(len, number));
            let status = sessions[which].execute(&mut wanted);
            let given = of(ids[which], place(message(len, number)));
            tickets.push(submit(&mut pair, given, Delivery::Silent));
            expected.push((wanted, status));
        }
        device.run_until_idle();
        for (number, (ticket, (wanted, status))) in tickets.into_iter().zip(expected).enumerate() {
            let (found, found_status) = pair.take(ticket).expect("it is done");
            assert_eq!(found_status, status, "seed {seed}, request {number}");
            let (found, wanted) = ((found.buffer, found.destination), (wanted.buffer, wanted.destination));
            assert!(found == wanted, "seed {seed}, request {number}: not what it is alone");
        }
        let total = device.stats().total;
        failed += total.failed;
        assert_adds_up(&total);
    }
    assert!(failed > 0, "17 bytes without padding are a mistake, and end one by one");
}

/// As many lanes of one key as there are ways to run them, each one longer than the one before, and every
/// other key with them.
#[test]
fn every_number_of_lanes_of_one_key() {
    for count in 0..=40 {
        let (device, mut pair) = stepped("queue_pairs=1;depth=128");
        let one = Arc::new(cbc(Cipher::Aes128Cbc, Padding::None));
        let id = device.create_session(Arc::clone(&one));
        let mut pending = Vec::new();
        for number in 0..count {
            let len = 16 * usize::from(number);
            let other = Arc::new(keyed(Cipher::Aes128Cbc, Padding::None, number + 1));
            let other_id = device.create_session(Arc::clone(&other));
            for (session, id) in [(&one, id), (&other, other_id)] {
                let mut wanted = message(len, number);
                assert_eq!(session.execute(&mut wanted), Status::Ok);
                let ticket = submit(&mut pair, of(id, message(len, number)), Delivery::Silent);
                pending.push((ticket, wanted.buffer));
            }
        }
        device.run_until_idle();
        for (number, (ticket, wanted)) in pending.into_iter().enumerate() {
            let (found, status) = pair.take(ticket).expect("it is done");
            assert_eq!(status, Status::Ok);
            assert!(found.buffer == wanted, "{count} lanes, request {number}");
        }
    }
}

/// A session may be removed at any time: requests that have started get their result, later ones keep their
/// input.
#[test]
fn sessions_come_and_go_between_their_lanes() {
    let (device, mut pairs) = open("queue_pairs=1;depth=4");
    let mut done = 0;
    for round in (0..=u8::MAX).cycle().take(2_000) {
        let session = Arc::new(keyed(Cipher::Aes128Cbc, Padding::None, round));
        let id = device.create_session(Arc::clone(&session));
        let given = || (1..=12).map(|number| message(16 * number, round));
        // Most of them are parked, and the device reads its commands between them.
        let tickets: Vec<_> =
            given().map(|request| park(&mut pairs[0], of(id, request), Delivery::Silent)).collect();
        device.remove_session(id);
        for (mut wanted, ticket) in given().zip(tickets) {
            let (found, status) = finish(&mut pairs[0], ticket);
            if status == Status::Ok {
                assert_eq!(session.execute(&mut wanted), Status::Ok);
                done += 1;
            } else {
                assert_eq!(status, Status::InvalidSession);
            }
            assert_eq!(found.buffer, wanted.buffer, "round {round}");
        }
    }
    let total = device.stats().total;
    assert_eq!(total.completed, done);
    assert_adds_up(&total);
}

/// Decryption, other modes and pieces of messages take their own path between the lanes.
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

/// A worker that dies in the middle returns every text, computed or not.
#[test]
fn a_death_in_the_middle_loses_no_text() {
    for sessions in 1..=3 {
        let (device, mut pair) = stepped("queue_pairs=1");
        let ids: Vec<_> = (0..sessions)
            .map(|number| device.create_session(keyed(Cipher::Aes128Cbc, Padding::None, number)))
            .collect();
        let panics = device.create_panicking_session();
        let mut tickets: Vec<_> = (0..5)
            .map(|number| {
                let request = of(ids[usize::from(number) % ids.len()], message(64, number));
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
