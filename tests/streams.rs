//! Messages in pieces: the hidden calls for crates that learn late which piece is the last one.

mod captured;
mod engine_helpers;

use simaccel::{Aead, Engine};

use self::engine_helpers::{IV, KEY, message, open, stepped};

/// Blocking, and on the stepped device.
fn engines() -> [Engine; 2] {
    [open(""), stepped("")]
}

#[test]
fn a_piece_of_an_aead_returns_the_tag_of_the_message_so_far() {
    let plain = message(3, 1000);
    for engine in engines() {
        for tag_len in [16, 12, 4] {
            let session = engine.aead_with(Aead::Aes256Gcm, &KEY, tag_len).unwrap();
            let (mut sealer, mut opener) = (session.sealer(&IV[..12], b"h"), session.opener(&IV[..12], b"h"));
            for ends in [[0, 0], [0, 1], [1, 16], [16, 47], [47, 1000]] {
                let (sealed, tag) = sealer.update_tagged(plain[ends[0]..ends[1]].to_vec()).unwrap();
                let whole = session.seal(&IV[..12], b"h", plain[..ends[1]].to_vec()).unwrap();
                assert_eq!((&sealed[..], tag), (&whole.0[ends[0]..], whole.1), "{ends:?}");
                let opened = opener.update_tagged(sealed).unwrap();
                assert_eq!(opened, (plain[ends[0]..ends[1]].to_vec(), tag), "{ends:?}");
            }
            let (rest, tag) = sealer.finish().unwrap();
            assert!(rest.is_empty());
            opener.finish(tag.as_bytes()).unwrap();
        }
    }
}
