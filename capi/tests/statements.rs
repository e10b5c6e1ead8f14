//! `docs/semantics.md` in C. Where libcrypto does the same, both print the same, line by line; where it would
//! crash, this library's answer is checked.

mod c_programs;

use std::collections::BTreeSet;
use std::fs;

use self::c_programs::{Language, Link, assert_same_lines, compile, output_of, package};

const LANGUAGES: [Language; 2] = [Language::C11, Language::Cxx17];

#[test]
fn both_libraries_say_the_same_of_every_statement() {
    for language in LANGUAGES {
        let ours = output_of(&compile("statements.c", language, Link::Ours, &[]), &[]);
        let theirs = output_of(&compile("statements.c", language, Link::Libcrypto, &[]), &[]);
        assert_same_lines(&ours, &theirs);
    }
}

#[test]
fn what_libcrypto_crashes_on_is_an_error_or_works() {
    for language in LANGUAGES {
        assert_eq!(output_of(&compile("changed.c", language, Link::Ours, &[]), &[]), "ok\n");
    }
    assert_eq!(output_of(&compile("changed.c", Language::C11, Link::OursStatic, &[]), &[]), "ok\n");
}

/// Each statement of the document is tested in C: `statements.c` prints its number, the other programs name
/// it.
#[test]
fn every_statement_is_tested_in_c() {
    let read = |path: &str| fs::read_to_string(package().join(path)).unwrap();
    let said = read("tests/c/statements.c");
    let said = said.split("printf(\"").chain(said.split("say_fds(\"")).skip(1).flat_map(leading_numbers);
    let named = ["changed.c", "memory.c", "lib_ctx.c"].map(|name| read(&format!("tests/c/{name}"))).concat();
    let named = named.lines().filter(|line| is_heading(line)).flat_map(numbers);
    let tested: BTreeSet<u32> = said.chain(named).collect();
    for line in read("../docs/semantics.md").lines() {
        let number = line.strip_prefix("**").and_then(|rest| rest.split_once(".**"));
        let Some((number, _)) = number else { continue };
        // An entry's kind (14) and a pooled job's memory (33) show only in the other statements.
        assert!(["14", "33"].contains(&number) || tested.contains(&number.parse().unwrap()), "{number}");
    }
}

/// Comments, and names of functions.
fn is_heading(line: &str) -> bool {
    ["/*", " *", "static void s"]
        .iter()
        .any(|start| line.trim_start().starts_with(start) || line.starts_with(start))
}

fn numbers(line: &str) -> Vec<u32> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('s').unwrap_or(word).parse().ok()).collect()
}

/// `18` of `18a paused again`, 52 and 54 of `52 54 each thread`.
fn leading_numbers(text: &str) -> Vec<u32> {
    let number = |word: &str| word.trim_end_matches(|c: char| c.is_ascii_lowercase()).parse().ok();
    text.split_whitespace().map_while(number).collect()
}

#[test]
fn random_calls_give_the_same_results() {
    let ours = compile("random.c", Language::C11, Link::Ours, &[]);
    let theirs = compile("random.c", Language::C11, Link::Libcrypto, &[]);
    for first in (1..5_000).step_by(500) {
        let args = [first.to_string(), "500".to_owned()];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        assert_same_lines(&output_of(&ours, &args), &output_of(&theirs, &args));
    }
}

#[test]
fn memory_functions_are_honoured() {
    for language in LANGUAGES {
        let program = compile("memory.c", language, Link::Ours, &[]);
        for case in ["own-functions", "no-memory", "too-late", "thread-end"] {
            assert_eq!(output_of(&program, &[case]), "ok\n", "{case}");
        }
    }
}

#[test]
fn each_job_keeps_its_default_library_context() {
    let ours = compile("lib_ctx.c", Language::C11, Link::OursAndLibcrypto, &[]);
    let theirs = compile("lib_ctx.c", Language::C11, Link::Libcrypto, &[]);
    for case in ["first-in-a-job", "first-outside"] {
        assert_same_lines(&output_of(&ours, &[case]), &output_of(&theirs, &[case]));
    }
    assert!(output_of(&ours, &["nested"]).ends_with("ok\n"));
}
