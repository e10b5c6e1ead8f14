//! Private keys, in C.

mod c_programs;

use self::c_programs::{Language, Link, compile, output_of, package};

#[test]
fn keys_work_for_c() {
    assert_eq!(output_of(&compile("keys.c", Language::C11, Link::Ours, &[]), &[]), "ok\n");
}

#[test]
fn keys_work_for_cxx() {
    assert_eq!(output_of(&compile("keys.c", Language::Cxx17, Link::Ours, &[]), &[]), "ok\n");
}

#[test]
fn operations_are_started_and_taken() {
    assert_eq!(output_of(&compile("started.c", Language::C11, Link::Ours, &[]), &[]), "ok\n");
}

/// Both write and read keys, sign and verify, encrypt and decrypt, and derive with each other.
#[test]
fn keys_go_with_libcryptos() {
    let program = compile("keys_libcrypto.c", Language::C11, Link::OursAndLibcrypto, &[]);
    for case in ["rsa", "curves", "edwards"] {
        assert_eq!(output_of(&program, &[case]), "ok\n", "{case}");
    }
}

/// The adapter for BoringSSL's private key method, with a stand-in for the library.
#[test]
fn the_example_answers_every_handshake_with_retry() {
    for language in [Language::C11, Language::Cxx17] {
        let program = compile(package().join("examples/private_key_method.c"), language, Link::Ours, &[]);
        let said = output_of(&program, &[]);
        let (handshakes, rest) = said.split_once(" handshakes, ").unwrap();
        let (retries, _) = rest.split_once(' ').unwrap();
        let (handshakes, retries): (u32, u32) = (handshakes.parse().unwrap(), retries.parse().unwrap());
        assert!(handshakes == 40 && retries >= handshakes, "{said}");
    }
}
