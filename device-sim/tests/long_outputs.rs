//! Outputs longer than a tag, and outputs as long as the message makes them: where they go, and what faults
//! do to them.
#![cfg(not(loom))]

mod device_helpers;

use device_helpers::*;
use simaccel_device::{
    Algorithm, Delivery, Device, Operation, OutputLen, Parameters, Part, QueuePair, Request, Session,
    SessionId, Status, Trial,
};

fn session(trial: Trial) -> Session {
    Session::new(Algorithm::Trial(trial), &[], Parameters::default()).unwrap()
}

/// A stepped device configured so, and the request's way through it.
fn through(more: &str, trial: Trial, request: impl Fn(SessionId) -> Request) -> (Device, Request) {
    let (device, mut pair): (Device, QueuePair) = stepped(&format!("queue_pairs=1;depth=8{more}"));
    let id = device.create_session(session(trial));
    let ticket = submit(&mut pair, request(id), Delivery::Silent);
    device.run_until_idle();
    let (done, status) = pair.take(ticket).expect("it has ended");
    assert_eq!(status, Status::Ok);
    assert_eq!(device.stats().total.imbalances(), Vec::<String>::new());
    (device, done)
}

/// What [`Trial::Mask`] gives, by itself.
fn mask(message: &[u8]) -> Vec<u8> {
    let mut request = Request::new(SessionId::NONE, Operation::Encrypt, message.to_vec());
    assert_eq!(session(Trial::Mask).execute(&mut request), Status::Ok);
    request.buffer
}

/// The ends of what Python's hashlib makes of the definition.
#[test]
fn the_mask_is_that_of_rfc_8017() {
    let ends = [
        (&b""[..], "df3f619804a92fdb", "c287ce0321fad602"),
        (b"attack at dawn", "cf33e6cbd3124f23", "8fc1b94b4f5c6ea6"),
    ];
    for (message, head, tail) in ends {
        let found = mask(message);
        assert_eq!(found.len(), 600);
        assert_eq!(
            (hex::encode(&found[..8]), hex::encode(&found[592..])),
            (head.to_owned(), tail.to_owned())
        );
    }
}

#[test]
fn a_long_output_takes_the_place_of_the_input_or_goes_elsewhere() {
    for model in ["", ";completion_nsec=1000"] {
        let in_place = |id| Request::new(id, Operation::Encrypt, b"attack at dawn".to_vec());
        let (device, done) = through(model, Trial::Mask, in_place);
        assert_eq!(done.buffer, mask(b"attack at dawn"));
        let total = device.stats().total;
        assert_eq!((total.submitted, total.completed), (1, 1));
        assert_eq!(total.operations[Operation::Encrypt.number()].bytes, 14, "bytes of input");

        let room = Vec::with_capacity(700);
        let place = room.as_ptr();
        let (_, done) = through(model, Trial::Mask, |id| {
            let mut request = in_place(id);
            request.destination = Some(Vec::with_capacity(700));
            request
        });
        assert_eq!(
            (done.buffer, done.destination),
            (b"attack at dawn".to_vec(), Some(mask(b"attack at dawn")))
        );

        // What the caller has reserved is used.
        let mut request = in_place(SessionId::NONE);
        request.destination = Some(room);
        assert_eq!(session(Trial::Mask).execute(&mut request), Status::Ok);
        assert_eq!(request.destination.map(|text| text.as_ptr()), Some(place));
    }
}

#[test]
fn an_output_is_as_long_as_the_message_makes_it() {
    let through = |operation, text: &[u8]| {
        through("", Trial::Runs, |id| Request::new(id, operation, text.to_vec())).1.buffer
    };
    let texts =
        [vec![], vec![7; 40_000], (0..=255).collect(), [vec![1; 255], vec![2], vec![1; 256]].concat()];
    for (text, packed_len) in texts.iter().zip([0, 2 * 157, 512, 2 * 4]) {
        let packed = through(Operation::Encrypt, text);
        assert_eq!(packed.len(), packed_len);
        assert_eq!(through(Operation::Decrypt, &packed), *text);
    }
    assert_eq!(through(Operation::Encrypt, b"aaab"), b"\x03a\x01b");
}

#[test]
fn a_corrupt_output_has_one_bit_wrong_wherever_it_is() {
    let ones = |left: &[u8], right: &[u8]| -> u32 {
        assert_eq!(left.len(), right.len());
        left.iter().zip(right).map(|(left, right)| (left ^ right).count_ones()).sum()
    };
    let right = mask(b"m");
    let in_place = |id| Request::new(id, Operation::Encrypt, b"m".to_vec());
    let (device, done) = through(";fault=corrupt", Trial::Mask, in_place);
    assert_eq!(ones(&done.buffer, &right), 1);
    assert_eq!(device.stats().faults.get("corrupt"), Some(1));
    // Bit 4799 is the last of 600 bytes.
    let elsewhere = |id| {
        let mut request = in_place(id);
        request.destination = Some(Vec::new());
        request
    };
    let (_, done) = through(";fault=corrupt:bit=4799", Trial::Mask, elsewhere);
    assert_eq!(done.buffer, b"m", "the input is no result");
    let found = done.destination.unwrap();
    assert_eq!((ones(&found, &right), found[599] ^ right[599]), (1, 0x80));
    let (device, _) = through(";fault=corrupt:target=tag", Trial::Mask, in_place);
    assert_eq!(device.stats().faults.get("corrupt"), Some(0), "there is no tag");
}

#[test]
fn a_short_output_lacks_its_end() {
    let message = [vec![1; 300], vec![2; 3]].concat();
    for (missing, residue) in [(1, 1), (5, 5), (1000, 6)] {
        let fault = format!(";fault=short:bytes={missing}");
        let (_, done) =
            through(&fault, Trial::Runs, |id| Request::new(id, Operation::Encrypt, message.clone()));
        assert_eq!((done.residue, &done.buffer[..]), (residue, &[255, 1, 45, 1, 3, 2][..6 - residue]));
    }
    let (_, done) = through(";fault=short:bytes=100", Trial::Mask, |id| {
        Request::new(id, Operation::Encrypt, b"m".to_vec())
    });
    assert_eq!((done.residue, &done.buffer[..]), (100, &mask(b"m")[..500]));
}

#[test]
fn what_does_not_fit_is_refused_untouched() {
    let refused = |trial, operation, text: &[u8], change: fn(&mut Request)| {
        let mut request = Request::new(SessionId::NONE, operation, text.to_vec());
        change(&mut request);
        assert_eq!(session(trial).execute(&mut request), Status::InvalidArgs);
        assert_eq!(request.buffer, text);
        session(trial).check(operation, request.iv().len(), text.len() as u64)
    };
    let (encrypt, decrypt) = (Operation::Encrypt, Operation::Decrypt);
    assert!(refused(Trial::Mask, decrypt, b"m", |_| ()).is_err());
    assert!(refused(Trial::Mask, Operation::Digest, b"m", |_| ()).is_err());
    assert!(refused(Trial::Runs, encrypt, &[0; 65_537], |_| ()).is_err());
    assert!(refused(Trial::Runs, encrypt, b"m", |request| request.set_iv(&[1; 16])).is_err());
    // Lengths do not say so.
    assert!(refused(Trial::Runs, decrypt, &[1, 2, 3], |_| ()).is_ok());
    assert!(refused(Trial::Runs, decrypt, &[0, 2], |_| ()).is_ok());
    assert!(refused(Trial::Runs, encrypt, b"m", |request| request.part = Part::Update).is_ok());
    assert!(refused(Trial::Mask, encrypt, b"m", |request| request.aad = vec![1]).is_ok());
}

#[test]
fn the_longest_output_is_what_the_table_says() {
    for &trial in Trial::ALL {
        let algorithm = Algorithm::Trial(trial);
        assert!(!Algorithm::ALL.contains(&algorithm) && algorithm.name().parse::<Algorithm>().is_err());
    }
    let packed = |text: Vec<u8>, operation| {
        let mut request = Request::new(SessionId::NONE, operation, text);
        assert_eq!(session(Trial::Runs).execute(&mut request), Status::Ok);
        let (session, len) = (session(Trial::Runs), request.buffer.len());
        assert_eq!(session.output(operation), Some(OutputLen::Variable(len)));
        assert_eq!(session.output_len(operation, 65_536), 0..=len);
    };
    packed((0..65_536_usize).map(|at| at.to_le_bytes()[0]).collect(), Operation::Encrypt);
    packed([255, 9].repeat(32_768), Operation::Decrypt);
    assert_eq!(session(Trial::Mask).output_len(Operation::Encrypt, 3), 600..=600);
}
