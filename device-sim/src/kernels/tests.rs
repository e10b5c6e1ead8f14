//! The rules of [`Session::execute`](crate::Session::execute) that need no published vector.

use crate::{Cipher, Hash, Iv, Operation, Padding, Request, Session, SessionId, Status};

fn request(operation: Operation, iv: &[u8], buffer: &[u8]) -> Request {
    let mut request = Request::new(SessionId::NONE, operation, buffer.to_vec());
    request.iv = Iv::new(iv);
    request
}

#[test]
fn ctr_gives_the_text_back() {
    let session = Session::cipher(Cipher::Aes128Ctr, &[7; 16], Padding::default()).unwrap();
    let mut request = request(Operation::Encrypt, &[0xff; 16], &[1; 100]);
    assert_eq!(session.execute(&mut request), Status::Ok);
    assert_ne!(request.buffer, [1; 100]);
    request.operation = Operation::Decrypt;
    assert_eq!(session.execute(&mut request), Status::Ok);
    assert_eq!(request.buffer, [1; 100]);
}

#[test]
fn sha256_of_abc() {
    let session = Session::hash(Hash::Sha256).unwrap();
    let mut request = request(Operation::Digest, &[], b"abc");
    assert_eq!(session.execute(&mut request), Status::Ok);
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hex::encode(request.tag), digest);
}
