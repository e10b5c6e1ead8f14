//! The engine, in C.

mod c_programs;

use self::c_programs::{Language, Link, compile, output_of};

#[test]
fn the_engine_works_for_c() {
    for source in ["answers.c", "engine.c"] {
        assert_eq!(output_of(&compile(source, Language::C11, Link::Ours, &[]), &[]), "ok\n");
    }
}

#[test]
fn the_engine_works_for_cxx() {
    for source in ["answers.c", "engine.c"] {
        assert_eq!(output_of(&compile(source, Language::Cxx17, Link::Ours, &[]), &[]), "ok\n");
    }
}

#[test]
fn exceptions_stay_within_their_job() {
    assert_eq!(output_of(&compile("exceptions.cc", Language::Cxx17, Link::Ours, &[]), &[]), "ok\n");
}

#[test]
fn callbacks_are_over_when_they_have_to_be() {
    assert_eq!(output_of(&compile("callbacks.c", Language::C11, Link::Ours, &[]), &[]), "ok\n");
}

#[test]
fn sessions_may_be_freed_while_they_are_used() {
    assert_eq!(output_of(&compile("freed.c", Language::C11, Link::Ours, &[]), &[]), "ok\n");
}
