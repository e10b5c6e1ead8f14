//! The published vectors through [`Session::execute`]: in one piece, and a byte at a time.

mod published;

use published::{AeadVector, CipherVector, FIPS180, GCM, IEEE1619, SP800_38A, rfc4231::RFC4231};
use simaccel_device::{Operation, Padding, Part, Request, Session, SessionId, StreamState, Tag};

/// How a message is cut into pieces.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Bytes,
}

/// A message and its parameters.
struct Message<'m> {
    session: &'m Session,
    operation: Operation,
    iv: &'m [u8],
    aad: &'m [u8],
    tag: &'m [u8],
}

impl<'m> Message<'m> {
    fn new(session: &'m Session, operation: Operation) -> Self {
        Self { session, operation, iv: &[], aad: &[], tag: &[] }
    }

    fn run(&self, text: &[u8], cut: Cut) -> (Vec<u8>, Tag) {
        match cut {
            Cut::Whole => {
                let done = self.execute(Part::Whole, text, None);
                (done.buffer, done.tag)
            }
            Cut::Bytes => self.run_bytes(text),
        }
    }

    fn run_bytes(&self, text: &[u8]) -> (Vec<u8>, Tag) {
        let mut output = Vec::new();
        let mut state = None;
        for byte in text.chunks(1) {
            let done = self.execute(Part::Update, byte, state);
            output.extend(done.buffer);
            state = done.state;
        }
        let done = self.execute(Part::Final, &[], state);
        output.extend(done.buffer);
        (output, done.tag)
    }

    fn execute(&self, part: Part, piece: &[u8], state: Option<Box<StreamState>>) -> Request {
        let mut request = Request::new(SessionId::NONE, self.operation, piece.to_vec());
        request.part = part;
        request.set_iv(self.iv);
        request.aad = self.aad.to_vec();
        request.tag = Tag::new(self.tag).unwrap();
        request.state = state;
        assert_eq!(self.session.execute(&mut request), simaccel_device::Status::Ok, "{:?}", self.session);
        request
    }
}

fn ciphers(vectors: &[CipherVector]) {
    for CipherVector { source, cipher, key, iv, plaintext, ciphertext } in vectors {
        let session = Session::cipher(*cipher, &hex(key), Padding::None).unwrap();
        let iv = hex(iv);
        for cut in [Cut::Whole, Cut::Bytes] {
            let message = |operation| Message { iv: &iv, ..Message::new(&session, operation) };
            let (encrypted, _) = message(Operation::Encrypt).run(&hex(plaintext), cut);
            let (decrypted, _) = message(Operation::Decrypt).run(&hex(ciphertext), cut);
            assert_eq!(hex::encode(encrypted), *ciphertext, "{source} {cut:?}");
            assert_eq!(hex::encode(decrypted), *plaintext, "{source} {cut:?}");
        }
    }
}

#[test]
fn sp_800_38a() {
    assert_eq!(SP800_38A.len(), 12);
    ciphers(SP800_38A);
}

#[test]
fn ieee_1619() {
    assert_eq!(IEEE1619.len(), 8);
    ciphers(IEEE1619);
}

#[test]
fn gcm() {
    assert_eq!(GCM.len(), 18);
    for AeadVector { source, aead, key, iv, aad, plaintext, ciphertext, tag } in GCM {
        let session = Session::aead(*aead, &hex(key), 16).unwrap();
        let (iv, aad, expected) = (hex(iv), hex(aad), hex(tag));
        for cut in [Cut::Whole, Cut::Bytes] {
            let seal = Message { iv: &iv, aad: &aad, ..Message::new(&session, Operation::Encrypt) };
            let open = Message { operation: Operation::Decrypt, tag: &expected, ..seal };
            let (encrypted, found) = seal.run(&hex(plaintext), cut);
            let (decrypted, _) = open.run(&hex(ciphertext), cut);
            assert_eq!(hex::encode(encrypted), *ciphertext, "{source} {cut:?}");
            assert_eq!(hex::encode(found), *tag, "{source} {cut:?}");
            assert_eq!(hex::encode(decrypted), *plaintext, "{source} {cut:?}");
        }
    }
}

#[test]
fn fips_180() {
    let mut digests = 0;
    for vector in FIPS180 {
        let message = vector.message.repeat(vector.times);
        for (hash, digest) in vector.digests {
            digests += 1;
            let session = Session::hash(*hash).unwrap();
            for cut in [Cut::Whole, Cut::Bytes] {
                let (_, found) = Message::new(&session, Operation::Digest).run(message.as_bytes(), cut);
                assert_eq!(hex::encode(found), *digest, "{hash} of {:.9} {cut:?}", vector.message);
            }
        }
    }
    assert_eq!(digests, 20);
}

#[test]
fn rfc_4231() {
    let mut macs = 0;
    for vector in RFC4231 {
        for (hash, mac) in vector.macs {
            macs += 1;
            let session = Session::hmac(*hash, &hex(vector.key)).unwrap();
            for cut in [Cut::Whole, Cut::Bytes] {
                let (_, found) = Message::new(&session, Operation::Mac).run(&hex(vector.message), cut);
                let found = hex::encode(found);
                assert_eq!(found.len(), 2 * hash.digest_len());
                assert_eq!(found[..mac.len()], **mac, "{} {hash} {cut:?}", vector.source);
            }
        }
    }
    assert_eq!(macs, 28);
}

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}
