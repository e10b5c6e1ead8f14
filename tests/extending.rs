//! `docs/extending.md` is true: what it names is where it says, and the words of its examples stand nowhere
//! else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/extending.md";
/// Where something new may have to be written. Tests and benchmarks fail by themselves.
const PLACES: &[&str] = &[
    "README.md",
    "capi/include",
    "capi/man",
    "capi/src",
    "device-sim/src",
    "docs",
    "examples",
    "foreign-tests/src",
    "src",
];
/// What speaks of everything that there has ever been, and what only tests.
const EXCEPT: &[&str] =
    &[PAGE, "docs/performance-log.md", "device-sim/src/kernels/tests", "device-sim/src/loom"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between backquotes, without the words that a line break tears apart.
fn spans(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn is_path(span: &str) -> bool {
    span.contains('/') && !span.contains(' ') || span.ends_with(".md")
}

/// A part of the page: its heading, the words of its example, and its list.
struct Part {
    name: String,
    words: Vec<String>,
    bullets: Vec<String>,
    text: String,
}

fn parts() -> Vec<Part> {
    let page = read(PAGE);
    let part = |section: &str| {
        let (name, text) = section.split_once('\n').unwrap();
        let example = text.lines().find(|line| line.starts_with("Example: ")).unwrap_or_default();
        let list = text.split("\n- ").skip(1).map(|bullet| bullet.split("\n\n").next().unwrap().to_owned());
        Part { name: name.to_owned(), words: spans(example), bullets: list.collect(), text: text.to_owned() }
    };
    page.split("\n## ").skip(1).map(part).collect()
}

/// All files below the places.
fn files() -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut paths: Vec<PathBuf> = PLACES.iter().map(|place| root().join(place)).collect();
    while let Some(path) = paths.pop() {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if EXCEPT.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !name.ends_with(".svg") && !name.ends_with("/tests.rs") {
            files.insert(name);
        }
    }
    files
}

/// Whether the word stands in the text, and not as a part of another one.
fn has(text: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(is_letter) && !after.starts_with(is_letter)
    })
}

#[test]
fn the_four_parts_are_there() {
    let parts = parts();
    let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["An algorithm", "An operation", "A kind of fault", "A way to wait"]);
    for part in &parts {
        assert!(part.words.len() >= 2 && part.bullets.len() >= 3, "{}: {:?}", part.name, part.bullets);
    }
}

#[test]
fn what_is_named_is_there() {
    for part in parts() {
        for path in spans(&part.text).iter().filter(|span| is_path(span)) {
            assert!(root().join(path).exists(), "{}: {path}", part.name);
        }
        for bullet in &part.bullets {
            let spans = spans(bullet);
            let (paths, items): (Vec<_>, Vec<_>) = spans.iter().partition(|span| is_path(span));
            let texts: Vec<String> = paths.iter().map(|path| read(path)).collect();
            assert!(!texts.is_empty(), "{}: {bullet}", part.name);
            for item in items {
                assert!(texts.iter().any(|text| has(text, item)), "{}: {item} in {paths:?}", part.name);
            }
        }
    }
}

#[test]
fn the_words_of_an_example_stand_in_the_listed_files_and_in_no_other() {
    for part in parts() {
        let listed: BTreeSet<String> =
            part.bullets.iter().flat_map(|bullet| spans(bullet)).filter(|span| is_path(span)).collect();
        let found: BTreeSet<String> = files()
            .into_iter()
            .filter(|file| {
                let text = read(file);
                part.words.iter().any(|word| has(&text, word))
            })
            .collect();
        assert!(found.len() >= 3, "{}: {found:?}", part.name);
        let missing: Vec<_> = found.difference(&listed).collect();
        assert!(missing.is_empty(), "{}: the list has no {missing:?}", part.name);
    }
}
