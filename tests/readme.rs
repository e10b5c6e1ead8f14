//! The README says what is so: its code is code that runs, and its map names files that exist.

use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The fenced blocks of the README in this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = read("README.md");
    let fences = readme.split("\n```").skip(1).step_by(2);
    let language = format!("{language}\n");
    fences.filter_map(|block| block.strip_prefix(&language)).map(str::to_owned).collect()
}

/// A source file without the comment at its head.
fn code(path: &str) -> String {
    let source = read(path);
    source.split_once("\n\n").unwrap().1.trim_end().to_owned()
}

#[test]
fn the_code_is_the_examples() {
    assert_eq!(blocks("rust"), [code("examples/quickstart.rs"), code("tests/recipe.rs")]);
    assert!(code("examples/quickstart.rs").lines().count() < 40);
}

#[test]
fn the_map_names_what_is_there() {
    let maps: Vec<String> =
        blocks("text").into_iter().filter(|block| block.starts_with("src/lib.rs")).collect();
    assert_eq!(maps.len(), 1);
    for line in maps[0].lines() {
        let path = line.split_whitespace().next().unwrap();
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
    }
}

#[test]
fn links_lead_somewhere() {
    let readme = read("README.md");
    let targets =
        readme.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let local: Vec<&str> = targets.filter(|target| !target.starts_with("http")).collect();
    assert!(local.len() >= 4);
    for target in local {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(target).exists(), "{target}");
    }
}
