//! `ASYNC_ERR` on libcrypto's error queue: with libcrypto in the process, in two versions, and without it.

mod c_programs;

use self::c_programs::{Language, Link, compile, output_of, preloaded, succeeds};

#[test]
fn an_error_is_queued_where_libcrypto_is_in_the_process() {
    let program = compile("error_queue.c", Language::C11, Link::Libcrypto, &[]);
    let ours = succeeds(&mut preloaded(&program));
    assert!(ours.ends_with("ok\n"), "{ours}");
    let theirs = output_of(&program, &["what-libcrypto-has"]);
    assert_eq!(theirs, "ASYNC_init_thread: invalid pool size\n");
    assert_eq!(succeeds(preloaded(&program).arg("what-libcrypto-has")), theirs);
}

#[test]
fn an_error_is_queued_as_libcrypto_1_1_does() {
    let program = compile("error_queue.c", Language::C11, Link::Ours, &["ONE", "-rdynamic"]);
    assert_eq!(output_of(&program, &[]), "ok\n");
}

#[test]
fn an_error_needs_no_libcrypto() {
    for link in [Link::Ours, Link::OursStatic] {
        assert_eq!(output_of(&compile("error_queue.c", Language::C11, link, &[]), &[]), "ok\n");
    }
}
