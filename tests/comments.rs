//! Comments keep the width that `rustfmt.toml` declares, which rustfmt holds for code alone.
//!
//! Pictures and tables cannot be wrapped: a picture may be somewhat wider, and a table of any width.

use std::fs;
use std::path::{Path, PathBuf};

/// Columns that a line in a fence may have beyond the width.
const OF_A_PICTURE: usize = 20;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The width that is declared for code.
fn width() -> usize {
    let config = fs::read_to_string(root().join("rustfmt.toml")).unwrap();
    let width = config.lines().find_map(|line| line.strip_prefix("max_width = ")).unwrap();
    width.parse().unwrap()
}

/// The Rust files below `folder`, without what is built.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of `text` whose comment is too wide, with their numbers.
fn too_wide(text: &str, width: usize) -> Vec<(usize, &str)> {
    let mut in_fence = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let comment = line.trim_start();
        if !comment.starts_with("//") {
            in_fence = false;
            if line.contains("; // ") && line.chars().count() > width {
                found.push((number, line));
            }
            continue;
        }
        let words = comment.trim_start_matches(['/', '!']).trim_start();
        in_fence ^= words.starts_with("```");
        let most = if in_fence { width + OF_A_PICTURE } else { width };
        if !words.starts_with('|') && line.chars().count() > most {
            found.push((number, line));
        }
    }
    found
}

#[test]
fn comments_keep_the_width() {
    let mut files = Vec::new();
    sources(root(), &mut files);
    assert!(files.len() > 200, "{} files", files.len());
    let mut wide = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        wide.extend(too_wide(&text, width()).iter().map(|(number, line)| format!("{name}:{number}: {line}")));
    }
    assert!(wide.is_empty(), "wider than {} columns:\n{}", width(), wide.join("\n"));
}

#[test]
fn what_is_too_wide_is_found() {
    let words = "x".repeat(30);
    let text =
        format!("//! {words}\nlet a = 1; // {words}\n/// | {words} |\n/// ```text\n/// {words}\n/// ```\n");
    let numbers = |width| too_wide(&text, width).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    assert!(numbers(50).is_empty());
    assert_eq!(numbers(30), [1, 2], "a table and a picture may be wider");
    assert_eq!(numbers(10), [1, 2, 5], "a picture not by much");
}
