//! What `docs/semantics.md` says, in C: where libcrypto does the same, both say the same, line by line; where it would
//! crash, this library's answer is checked.

mod support;

use std::fs;

use self::support::{Language, Link, assert_same_lines, compile, output_of, package};

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

/// Each statement of the document is tested in C by somebody: by name, or by the number its lines begin with.
#[test]
fn every_statement_is_tested_in_c() {
    let document = fs::read_to_string(package().join("../docs/semantics.md")).unwrap();
    let c = |name: &str| fs::read_to_string(package().join("tests/c").join(name)).unwrap();
    let numbers_said = |source: String| -> Vec<String> {
        let texts = source.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let leading = |text: &String| {
            let numbers = text.split_whitespace().map_while(|word| {
                let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase() || c == ':');
                digits.parse::<u32>().ok().map(|number| number.to_string())
            });
            numbers.collect::<Vec<_>>()
        };
        texts.iter().flat_map(leading).collect()
    };
    let numbers_named = |source: String| -> Vec<String> {
        let words = source.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned);
        let number = |word: String| {
            let digits = word.strip_prefix('s').unwrap_or(&word).to_owned();
            digits.parse::<u32>().ok().map(|number| number.to_string())
        };
        words.filter_map(number).collect()
    };
    let mut tested = numbers_said(c("statements.c"));
    tested.extend(numbers_named(c("changed.c").lines().filter(|l| l.contains("static void s")).collect()));
    let heads = |name: &str| {
        c(name)
            .split("/*")
            .skip(1)
            .filter_map(|c| c.split("*/").next().map(str::to_owned))
            .collect::<String>()
    };
    tested.extend(numbers_named(heads("memory.c")));
    tested.extend(numbers_named(heads("lib_ctx.c")));
    tested.extend(numbers_named(heads("changed.c")));
    for line in document.lines() {
        let Some((number, _)) = line.strip_prefix("**").and_then(|rest| rest.split_once(".**")) else {
            continue;
        };
        // A job's own state (14, 33) shows in nothing that C can see but what other statements say.
        if ["14", "33"].contains(&number) {
            continue;
        }
        assert!(tested.iter().any(|tested| tested == number), "statement {number} has no test in C");
    }
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
