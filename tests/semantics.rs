//! `docs/semantics.md` and the tests named after its statements agree: each statement has a test, and each
//! such test is named in its statement.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

type Tests = BTreeMap<u32, BTreeSet<String>>;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The statement that a test called `s18a_...` is named after.
fn statement_of(test: &str) -> Option<u32> {
    let digits = test.strip_prefix('s')?.get(..2)?;
    digits.parse().ok()
}

/// The tests that the document names, by statement.
fn named_by_the_document() -> Tests {
    let mut tests = Tests::new();
    let mut statement = None;
    for line in read("docs/semantics.md").lines() {
        if let Some((number, _)) = line.strip_prefix("**").and_then(|rest| rest.split_once(".**")) {
            statement = Some(number.parse().expect("a statement has a number"));
            tests.entry(statement.unwrap()).or_default();
        }
        if line.starts_with("## ") {
            statement = None;
        }
        let Some(statement) = statement else { continue };
        let quoted = line.split('`').skip(1).step_by(2).filter(|word| statement_of(word).is_some());
        tests.get_mut(&statement).unwrap().extend(quoted.map(String::from));
    }
    tests
}

/// The test functions that are named after statements.
fn named_after_statements() -> Tests {
    let mut tests = Tests::new();
    for file in ["tests/wait_fds.rs", "tests/jobs.rs", "tests/jobs_raw.rs", "tests/jobs_memory.rs"] {
        let source = read(file);
        let mut lines = source.lines().peekable();
        while let Some(line) = lines.next() {
            let name = lines.peek().filter(|_| line == "#[test]").and_then(|next| next.strip_prefix("fn "));
            let Some(name) = name.and_then(|rest| rest.split_once('(')).map(|(name, _)| name) else {
                continue;
            };
            if let Some(statement) = statement_of(name) {
                tests.entry(statement).or_default().insert(name.to_owned());
            }
        }
    }
    tests
}

#[test]
fn statements_and_tests_agree() {
    let (document, tests) = (named_by_the_document(), named_after_statements());
    assert_eq!(document, tests);
    let numbers: BTreeSet<u32> = document.keys().copied().collect();
    let expected: BTreeSet<u32> = (1..=62).filter(|number| *number != 46).collect();
    assert_eq!(numbers, expected);
    assert!(document.values().all(|tests| !tests.is_empty()));
}
