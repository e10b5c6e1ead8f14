//! A message in pieces, in place or not, gives the result of the message in one piece.

use super::{Outcome, Random, Subject, bytes};
use crate::{Cipher, Operation, Padding, Part, Status, Tag};

/// Where the output of a piece goes.
#[derive(Clone, Copy, Debug)]
enum Place {
    In,
    Out,
}

const PLACES: [Place; 2] = [Place::In, Place::Out];

/// Sends `text` cut at `cuts`, the last piece as [`Part::Final`].
fn in_pieces(subject: &Subject, text: &[u8], cuts: &[usize], tag: &[u8], place: Place) -> Outcome {
    let mut output = Vec::new();
    let mut state = None;
    let mut from = 0;
    for &cut in cuts {
        let piece = &text[from..cut];
        let mut request = subject.request(Part::Update, piece);
        request.state = state;
        output.extend(placed(subject, &mut request, place));
        assert!(request.state.is_some(), "an update keeps its state");
        state = request.state;
        from = cut;
    }
    let mut request = subject.request(Part::Final, &text[from..]);
    request.state = state;
    request.tag = Tag::new(tag).unwrap();
    output.extend(placed(subject, &mut request, place));
    assert!(request.state.is_none(), "the last piece ends the state");
    subject.outcome(output, &request.tag)
}

/// Executes one request and checks that nothing but its output has changed.
fn placed(subject: &Subject, request: &mut crate::Request, place: Place) -> Vec<u8> {
    let input = request.buffer.clone();
    if matches!(place, Place::Out) {
        request.destination = Some(vec![0xee; 3]);
    }
    assert_eq!(subject.session.execute(&mut *request), Status::Ok);
    assert_eq!(request.aad, subject.aad);
    let hashed = matches!(request.operation, Operation::Digest | Operation::Mac);
    if hashed || matches!(place, Place::Out) {
        assert_eq!(request.buffer, input, "the input stays");
    }
    match &request.destination {
        _ if hashed => Vec::new(),
        Some(destination) => destination.clone(),
        None => request.buffer.clone(),
    }
}

/// A message, and its result.
struct Message {
    subject: Subject,
    text: Vec<u8>,
    tag: Vec<u8>,
    outcome: Outcome,
}

/// Messages of `len` bytes in every algorithm, in both directions.
fn messages(len: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    for subject in Subject::all().into_iter().filter(|subject| subject.takes(len)) {
        let text = bytes(len, 4);
        let outcome = subject.whole(&text, &[]).unwrap();
        if let Some(reversed) = subject.reversed() {
            let (ciphertext, tag) = (outcome.text.clone(), outcome.tag.clone());
            let back = Outcome { text: text.clone(), tag: Vec::new() };
            messages.push(Message { subject: reversed, text: ciphertext, tag, outcome: back });
        }
        messages.push(Message { subject, text, tag: Vec::new(), outcome });
    }
    messages
}

impl Message {
    fn check(&self, cuts: &[usize], place: Place) {
        let Self { subject, text, tag, outcome } = self;
        let found = in_pieces(subject, text, cuts, tag, place);
        let len = text.len();
        assert!(
            found == *outcome,
            "{:?} {:?}: {len} at {cuts:?} {place:?}",
            subject.session,
            subject.operation
        );
    }
}

#[test]
fn every_algorithm_gives_the_text_back() {
    for len in [0, 1, 15, 16, 17, 31, 32, 33, 100, 1000, 5000] {
        for Message { subject, text, tag, outcome } in messages(len) {
            assert_eq!(subject.whole(&text, &tag), Ok(outcome), "{:?}, {len} bytes", subject.session);
        }
    }
}

#[test]
fn out_of_place_the_destination_is_replaced_and_the_buffer_stays() {
    for len in [0, 1, 16, 33, 5000] {
        for Message { subject, text, tag, outcome } in messages(len) {
            let mut request = subject.request(Part::Whole, &text);
            request.tag = Tag::new(&tag).unwrap();
            let output = placed(&subject, &mut request, Place::Out);
            assert_eq!(subject.outcome(output, &request.tag), outcome);
        }
    }
}

#[test]
fn every_cut_of_short_messages() {
    for len in 0..=66 {
        for message in messages(len) {
            for cut in 0..=message.text.len() {
                message.check(&[cut], PLACES[cut % 2]);
            }
        }
    }
}

#[test]
fn two_cuts_around_blocks() {
    const CUTS: [usize; 13] = [0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64];
    for message in messages(80) {
        for first in CUTS {
            for second in CUTS.into_iter().filter(|&second| second >= first) {
                message.check(&[first, second], Place::In);
                message.check(&[first, second], Place::Out);
            }
        }
    }
}

#[test]
fn pieces_of_one_size() {
    for size in [1, 2, 15, 16, 17, 31, 32, 33, 127, 480, 961] {
        for message in messages(2000) {
            let cuts: Vec<usize> = (size..message.text.len()).step_by(size).collect();
            message.check(&cuts, PLACES[size % 2]);
        }
    }
}

#[test]
fn random_cuts_of_long_messages() {
    let mut random = Random::new(11);
    for _ in 0..20 {
        let len = random.below(1000) * 16;
        for message in messages(len) {
            let mut cuts: Vec<usize> =
                (0..random.below(12)).map(|_| random.below(message.text.len() + 1)).collect();
            cuts.sort_unstable();
            message.check(&cuts, PLACES[random.below(2)]);
        }
    }
}

#[test]
fn the_place_may_change_between_pieces() {
    for Message { subject, text, outcome, .. } in messages(100) {
        if subject.operation != Operation::Encrypt {
            continue;
        }
        let mut update = subject.request(Part::Update, &text[..37]);
        let mut output = placed(&subject, &mut update, Place::In);
        let mut last = subject.request(Part::Final, &text[37..]);
        last.state = update.state.take();
        output.extend(placed(&subject, &mut last, Place::Out));
        assert_eq!(subject.outcome(output, &last.tag), outcome);
    }
}

#[test]
fn a_final_piece_alone_is_a_whole_message() {
    for message in messages(96) {
        message.check(&[], Place::In);
        message.check(&[], Place::Out);
    }
}

#[test]
fn reserving_the_growth_spares_the_device_an_allocation() {
    for len in [0, 1, 15, 16, 17, 31, 32, 64] {
        for Message { subject, text, tag, .. } in messages(len) {
            for cut in 0..=text.len() {
                let mut state = None;
                for (part, piece) in [(Part::Update, &text[..cut]), (Part::Final, &text[cut..])] {
                    let mut request = subject.request(part, piece);
                    request.tag = Tag::new(&tag).unwrap();
                    request.state = state;
                    request.buffer = Vec::with_capacity(piece.len() + subject.session.max_growth());
                    request.buffer.extend_from_slice(piece);
                    let before = (request.buffer.as_ptr(), request.buffer.capacity());
                    assert_eq!(subject.session.execute(&mut request), Status::Ok);
                    assert_eq!((request.buffer.as_ptr(), request.buffer.capacity()), before);
                    state = request.state;
                }
            }
        }
    }
}

#[test]
fn updates_hold_back_as_evp_does() {
    let held = |subject: &Subject, len| {
        let mut request = subject.request(Part::Update, &bytes(len, 4));
        assert_eq!(subject.session.execute(&mut request), Status::Ok);
        len - request.buffer.len()
    };
    let padded = Subject::cipher(Cipher::Aes128Cbc, Padding::Pkcs7);
    let plain = Subject::cipher(Cipher::Aes128Cbc, Padding::None);
    let xts = Subject::cipher(Cipher::Aes128Xts, Padding::default());
    let ctr = Subject::cipher(Cipher::Aes128Ctr, Padding::default());
    for len in 0..100 {
        assert_eq!(held(&padded, len), len % 16);
        assert_eq!(held(&plain, len), len % 16);
        assert_eq!(held(&plain.reversed().unwrap(), len), len % 16);
        assert_eq!(held(&padded.reversed().unwrap(), len), if len == 0 { 0 } else { (len - 1) % 16 + 1 });
        assert_eq!(held(&xts, len), if len < 32 { len } else { 16 + len % 16 });
        assert_eq!(held(&ctr, len), 0);
    }
}
