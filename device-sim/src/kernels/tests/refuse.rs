//! Bad tags, bad padding and wrong arguments: what is refused, and what remains.

use super::{Subject, bytes};
use crate::{
    Aead, Algorithm, Allowed, Argument, ArgumentError, Cipher, Operation, Padding, Part, Request, Status, Tag,
};

/// Executes, and checks what holds for every failure.
fn refused(subject: &Subject, request: &mut Request) -> Status {
    let buffer = request.buffer.clone();
    let destination = request.destination.clone();
    let status = subject.session.execute(&mut *request);
    assert!(request.state.is_none(), "a failure ends the message");
    match status {
        Status::InvalidArgs => {
            assert_eq!(request.buffer, buffer, "untouched");
            assert_eq!(request.destination, destination, "untouched");
        }
        Status::AuthFailed => {
            let (output, input) = match &request.destination {
                Some(destination) => (destination, Some(&request.buffer)),
                None => (&request.buffer, None),
            };
            assert!(output.is_empty(), "no plaintext");
            assert!(input.is_none_or(|input| *input == buffer), "the ciphertext stays");
        }
        status => panic!("{status:?} from {:?}", subject.session),
    }
    status
}

fn sealed(subject: &Subject, text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let outcome = subject.whole(text, &[]).unwrap();
    (outcome.text, outcome.tag)
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn gcm_one_wrong_bit_anywhere() {
    let subject = Subject::aead(Aead::Aes256Gcm, 12, 16);
    let (ciphertext, tag) = sealed(&subject, &bytes(40, 4));
    let open = subject.reversed().unwrap();
    let attempt = |open: &Subject, ciphertext: &[u8], tag: &[u8]| {
        let mut request = open.request(Part::Whole, ciphertext);
        request.tag = Tag::new(tag).unwrap();
        let mut apart = open.request(Part::Whole, ciphertext);
        apart.tag = request.tag;
        apart.destination = Some(vec![1; 99]);
        assert_eq!(refused(open, &mut request), Status::AuthFailed);
        assert_eq!(refused(open, &mut apart), Status::AuthFailed);
    };
    (0..128).for_each(|bit| attempt(&open, &ciphertext, &flipped(&tag, bit)));
    (0..320).for_each(|bit| attempt(&open, &flipped(&ciphertext, bit), &tag));
    (0..21 * 8).for_each(|bit| {
        attempt(&Subject { aad: flipped(&open.aad, bit), ..open.clone() }, &ciphertext, &tag)
    });
    (0..96)
        .for_each(|bit| attempt(&Subject { iv: flipped(&open.iv, bit), ..open.clone() }, &ciphertext, &tag));
    attempt(&open, &ciphertext[..39], &tag);
    assert!(open.whole(&ciphertext, &tag).is_ok());
}

#[test]
fn gcm_tags_of_another_length() {
    for tag_len in [4, 8, 12, 13, 14, 15, 16] {
        let (ciphertext, _) = sealed(&Subject::aead(Aead::Aes128Gcm, 12, tag_len), &bytes(40, 4));
        let (_, full) = sealed(&Subject::aead(Aead::Aes128Gcm, 12, 16), &bytes(40, 4));
        let open = Subject::aead(Aead::Aes128Gcm, 12, tag_len).reversed().unwrap();
        for given in (0..=16).filter(|&given| given != tag_len) {
            let mut request = open.request(Part::Whole, &ciphertext);
            request.tag = Tag::new(&full[..given]).unwrap();
            assert_eq!(refused(&open, &mut request), Status::AuthFailed, "{given} bytes for {tag_len}");
        }
        assert!(open.whole(&ciphertext, &full[..tag_len]).is_ok());
    }
}

#[test]
fn gcm_in_pieces_is_judged_at_the_end() {
    let subject = Subject::aead(Aead::Aes128Gcm, 12, 16);
    let text = bytes(40, 4);
    let (ciphertext, tag) = sealed(&subject, &text);
    let open = subject.reversed().unwrap();
    for last in [0, 1, 20] {
        let cut = ciphertext.len() - last;
        let mut update = open.request(Part::Update, &ciphertext[..cut]);
        assert_eq!(open.session.execute(&mut update), Status::Ok);
        assert_eq!(update.buffer, text[..cut], "not verified yet");
        let mut end = open.request(Part::Final, &ciphertext[cut..]);
        end.state = update.state.take();
        end.tag = Tag::new(&flipped(&tag, 7)).unwrap();
        assert_eq!(refused(&open, &mut end), Status::AuthFailed);
    }
}

#[test]
fn gcm_without_an_iv() {
    for mut subject in Aead::ALL.iter().map(|&aead| Subject::aead(aead, 12, 16)) {
        subject.iv.clear();
        for part in [Part::Whole, Part::Update, Part::Final] {
            assert_eq!(refused(&subject, &mut subject.request(part, &[1; 20])), Status::InvalidArgs);
        }
    }
}

/// PKCS#7 in its plainest form.
fn well_padded(text: &[u8]) -> bool {
    let padding = usize::from(text[text.len() - 1]);
    (1..=16).contains(&padding)
        && text[text.len() - padding..].iter().all(|&byte| usize::from(byte) == padding)
}

#[test]
fn padding_is_checked_to_the_byte() {
    for cipher in [Cipher::Aes128Ecb, Cipher::Aes128Cbc] {
        let plain = Subject::cipher(cipher, Padding::None);
        let padded = Subject::cipher(cipher, Padding::Pkcs7).reversed().unwrap();
        let mut good = 0;
        for last in 0..=255 {
            for wrong in 0..32 {
                let mut text = [vec![5; 16], vec![last; 16]].concat();
                text[wrong] ^= if wrong < 16 { 0 } else { 0x11 };
                let (ciphertext, _) = sealed(&plain, &text);
                let mut request = padded.request(Part::Whole, &ciphertext);
                if well_padded(&text) {
                    good += 1;
                    assert_eq!(padded.session.execute(&mut request), Status::Ok);
                    text.truncate(32 - usize::from(text[31]));
                    assert_eq!(request.buffer, text);
                } else {
                    assert_eq!(refused(&padded, &mut request), Status::AuthFailed, "{last} {wrong}");
                }
            }
        }
        assert!(good > 256, "{good}");
    }
}

#[test]
fn bad_padding_out_of_place_and_in_pieces() {
    let plain = Subject::cipher(Cipher::Aes256Cbc, Padding::None);
    let padded = Subject::cipher(Cipher::Aes256Cbc, Padding::Pkcs7).reversed().unwrap();
    let (ciphertext, _) = sealed(&plain, &[0; 48]);
    for cut in 0..=48 {
        let mut update = padded.request(Part::Update, &ciphertext[..cut]);
        assert_eq!(padded.session.execute(&mut update), Status::Ok);
        let mut end = padded.request(Part::Final, &ciphertext[cut..]);
        end.state = update.state.take();
        end.destination = (cut % 2 == 0).then(|| vec![1; 99]);
        assert_eq!(refused(&padded, &mut end), Status::AuthFailed);
    }
}

#[test]
fn lengths_that_do_not_fit() {
    let mut misfits = 0;
    for subject in
        Subject::all().into_iter().flat_map(|subject| [subject.reversed(), Some(subject)]).flatten()
    {
        let padded = subject.padding == Padding::Pkcs7 && subject.pads();
        let fits = |len: usize| match subject.operation {
            Operation::Decrypt if padded => len.is_multiple_of(16) && len > 0,
            _ => subject.takes(len),
        };
        for len in (0..70).filter(|&len| !fits(len)) {
            misfits += 1;
            misfit(&subject, &bytes(len, 4));
        }
    }
    assert!(misfits > 1000, "{misfits}");
}

/// In one piece, and cut at the start, in the middle and at the end; in place and out of place.
fn misfit(subject: &Subject, text: &[u8]) {
    let len = text.len();
    for destination in [None, Some(vec![1; 9])] {
        for (part, cut) in [(Part::Whole, 0), (Part::Final, 0), (Part::Final, len / 2), (Part::Final, len)] {
            let mut end = subject.request(part, &text[cut..]);
            if cut > 0 {
                let mut update = subject.request(Part::Update, &text[..cut]);
                assert_eq!(subject.session.execute(&mut update), Status::Ok);
                end.state = update.state.take();
            }
            end.destination.clone_from(&destination);
            assert_eq!(refused(subject, &mut end), Status::InvalidArgs, "{len} at {cut}");
        }
    }
}

#[test]
fn xts_beyond_one_data_unit() {
    let subject = Subject::cipher(Cipher::Aes128Xts, Padding::default());
    let text = vec![0; (16 << 20) + 1];
    assert!(subject.whole(&text[1..], &[]).is_ok());
    assert_eq!(refused(&subject, &mut subject.request(Part::Whole, &text)), Status::InvalidArgs);

    let mut update = subject.request(Part::Update, &text[..8 << 20]);
    assert_eq!(subject.session.execute(&mut update), Status::Ok);
    let mut end = subject.request(Part::Final, &text[8 << 20..]);
    end.state = update.state.take();
    assert_eq!(refused(&subject, &mut end), Status::InvalidArgs);
}

#[test]
fn ivs_of_another_length() {
    let others = [0, 1, 8, 12, 15, 16, 17, 32];
    for mut subject in Subject::all() {
        let right = subject.iv.len();
        let gcm = Aead::ALL.iter().any(|aead| subject.session.algorithm() == crate::Algorithm::Aead(*aead));
        for len in others.into_iter().filter(|&len| len != right && !gcm) {
            subject.iv = bytes(len, 2);
            for part in [Part::Whole, Part::Update, Part::Final] {
                assert_eq!(refused(&subject, &mut subject.request(part, &[1; 32])), Status::InvalidArgs);
            }
        }
    }
}

#[test]
fn operations_of_another_session() {
    let operations = [Operation::Encrypt, Operation::Decrypt, Operation::Digest, Operation::Mac];
    for subject in Subject::all() {
        let fits = |operation| {
            operation == subject.operation
                || subject.reversed().is_some_and(|reversed| operation == reversed.operation)
        };
        for operation in operations.into_iter().filter(|&operation| !fits(operation)) {
            for part in [Part::Whole, Part::Update, Part::Final] {
                let mut request = subject.request(part, &[1; 32]);
                request.operation = operation;
                assert_eq!(refused(&subject, &mut request), Status::InvalidArgs, "{operation:?}");
            }
        }
    }
}

#[test]
fn additional_data_where_none_is_authenticated() {
    for mut subject in Subject::all().into_iter().filter(|subject| subject.aad.is_empty()) {
        subject.aad = vec![1];
        assert_eq!(refused(&subject, &mut subject.request(Part::Whole, &[1; 32])), Status::InvalidArgs);
    }
}

#[test]
fn the_state_of_another_message() {
    let all = Subject::all();
    for from in &all {
        for to in &all {
            let same = from.session.algorithm() == to.session.algorithm();
            for part in [Part::Whole, Part::Update, Part::Final] {
                if same && part != Part::Whole {
                    continue;
                }
                let mut update = from.request(Part::Update, &[1; 40]);
                assert_eq!(from.session.execute(&mut update), Status::Ok);
                let mut request = to.request(part, &[1; 32]);
                request.state = update.state.take();
                assert_eq!(refused(to, &mut request), Status::InvalidArgs);
            }
        }
    }
}

#[test]
fn the_state_of_the_other_direction() {
    for subject in Subject::all() {
        let Some(reversed) = subject.reversed() else { continue };
        let mut update = subject.request(Part::Update, &[1; 40]);
        assert_eq!(subject.session.execute(&mut update), Status::Ok);
        let mut request = reversed.request(Part::Final, &[1; 40]);
        request.state = update.state.take();
        assert_eq!(refused(&reversed, &mut request), Status::InvalidArgs);
    }
}

#[test]
fn later_pieces_read_no_iv() {
    let subject = Subject::cipher(Cipher::Aes128Ctr, Padding::default());
    let text = bytes(40, 4);
    let mut update = subject.request(Part::Update, &text[..30]);
    assert_eq!(subject.session.execute(&mut update), Status::Ok);
    let mut end = subject.request(Part::Final, &text[30..]);
    end.state = update.state.take();
    end.set_iv(&[9; 3]);
    assert_eq!(subject.session.execute(&mut end), Status::Ok);
    assert_eq!([update.buffer, end.buffer].concat(), subject.whole(&text, &[]).unwrap().text);
}

/// Every subject, in both directions.
fn both_directions() -> impl Iterator<Item = Subject> {
    Subject::all().into_iter().flat_map(|subject| [subject.reversed(), Some(subject)]).flatten()
}

#[test]
fn what_is_said_beforehand_is_what_a_kernel_does() {
    let (mut taken, mut refused) = (0, 0);
    for mut subject in both_directions() {
        for iv_len in [0, 1, 12, 15, 16, 17, 32] {
            subject.iv = bytes(iv_len, 2);
            for (operation, len) in
                Operation::ALL.into_iter().flat_map(|op| (0..=66).map(move |len| (op, len)))
            {
                let mut request = subject.request(Part::Whole, &bytes(len, 4));
                request.operation = operation;
                let said = subject.session.check(operation, iv_len, len as u64);
                let done = subject.session.execute(&mut request);
                let case =
                    format!("{:?} {operation:?} iv {iv_len} len {len}: {said:?} {done:?}", subject.session);
                assert_eq!(said.is_err(), done == Status::InvalidArgs, "{case}");
                if done == Status::Ok && !matches!(operation, Operation::Digest | Operation::Mac) {
                    assert!(
                        subject.session.output_len(operation, len).contains(&request.buffer.len()),
                        "{case}"
                    );
                }
                *(if said.is_ok() { &mut taken } else { &mut refused }) += 1;
            }
        }
    }
    assert!(taken > 3_000 && refused > 20_000, "{taken} {refused}");
}

#[test]
fn output_lengths_are_met_at_both_ends() {
    for subject in Subject::all().into_iter().filter(|subject| subject.reversed().is_some()) {
        let open = subject.reversed().unwrap();
        for len in (0..=66).filter(|&len| subject.takes(len)) {
            let (ciphertext, tag) = sealed(&subject, &bytes(len, 4));
            let there = subject.session.output_len(Operation::Encrypt, len);
            assert_eq!(there, ciphertext.len()..=ciphertext.len(), "{:?}", subject.session);
            let back = open.session.output_len(Operation::Decrypt, ciphertext.len());
            assert!(back.contains(&open.whole(&ciphertext, &tag).unwrap().text.len()));
            if subject.pads() && subject.padding == Padding::Pkcs7 {
                assert_eq!(back, ciphertext.len() - 16..=ciphertext.len() - 1);
            } else {
                assert_eq!(back, len..=len);
            }
        }
    }
}

#[test]
fn a_wrong_length_is_named_with_what_is_allowed() {
    let told = |subject: &Subject, operation, iv_len, len| {
        subject.session.check(operation, iv_len, len).unwrap_err().to_string()
    };
    let (encrypt, decrypt) = (Operation::Encrypt, Operation::Decrypt);
    let ctr = Subject::cipher(Cipher::Aes256Ctr, Padding::default());
    assert_eq!(told(&ctr, encrypt, 15, 5), "initialisation vector of 15 bytes: aes-256-ctr takes 16 bytes");
    let ecb = Subject::cipher(Cipher::Aes128Ecb, Padding::default());
    assert_eq!(told(&ecb, encrypt, 16, 5), "initialisation vector of 16 bytes: aes-128-ecb takes none");
    let gcm = Subject::aead(Aead::Aes192Gcm, 12, 16);
    assert_eq!(told(&gcm, encrypt, 0, 5), "nonce of 0 bytes: aes-192-gcm takes 1 byte or more");
    let most = (1 << 36) - 32;
    assert_eq!(gcm.session.check(encrypt, 12, most), Ok(()));
    assert_eq!(
        told(&gcm, decrypt, 12, most + 1),
        "message of 68719476705 bytes: aes-192-gcm takes at most 68719476704 bytes"
    );
    let xts = Subject::cipher(Cipher::Aes128Xts, Padding::default());
    assert_eq!(told(&xts, decrypt, 16, 15), "message of 15 bytes: aes-128-xts takes 16 to 16777216 bytes");
    assert_eq!(xts.session.check_message(encrypt, 15, false), Ok(()), "more may come");
    let unit = 16 << 20;
    let too_long = xts.session.length(Argument::Message, unit + 1, Allowed::Between(16, 16 << 20));
    assert_eq!(xts.session.check_message(encrypt, unit, false), Ok(()));
    assert_eq!(xts.session.check_message(encrypt, unit + 1, false), Err(too_long));
    let bare = Subject::cipher(Cipher::Aes192Cbc, Padding::None);
    assert_eq!(
        told(&bare, encrypt, 16, 5),
        "message of 5 bytes: aes-192-cbc takes whole blocks of 16 bytes without padding"
    );
    let padded = Subject::cipher(Cipher::Aes192Cbc, Padding::Pkcs7);
    assert_eq!(
        told(&padded, decrypt, 16, 0),
        "message of 0 bytes: aes-192-cbc takes one or more whole blocks of 16 bytes"
    );
    assert_eq!(ctr.session.check(Operation::Mac, 0, 0), Err(ArgumentError::Operation));
    assert_eq!(ctr.session.algorithm(), Algorithm::Cipher(Cipher::Aes256Ctr));
}
