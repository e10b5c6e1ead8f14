//! Operations, in C: their arguments, their memory, and what polling returns.

mod c_programs;

use self::c_programs::{Language, Link, compile, output_of};

#[test]
fn arguments_are_named_and_input_and_output_may_overlap() {
    assert_eq!(output_of(&compile("operations.c", Language::C11, Link::Ours, &[]), &[]), "ok\n");
}

#[test]
fn a_copy_that_there_is_no_memory_for_is_an_error() {
    assert_eq!(output_of(&compile("no_memory.c", Language::C11, Link::Ours, &[]), &[]), "ok\n");
}

#[test]
fn polling_gives_back_what_was_attached_to_a_job() {
    for language in [Language::C11, Language::Cxx17] {
        assert_eq!(output_of(&compile("polled_data.c", language, Link::Ours, &[]), &[]), "ok\n");
    }
}
