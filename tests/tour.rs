//! The tour of faults prints what its page shows.

mod built;

use std::path::Path;
use std::process::Command;

/// The built example, which `cargo test` puts beside the folder of the test executables.
fn tour() -> String {
    let program = built::example("faults");
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_tour_of_faults_is_the_same_on_every_machine() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let page = std::fs::read_to_string(page).unwrap();
    let shown = page.split("```text\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
    assert_eq!(tour().trim(), shown.trim());
}

/// Every scene of the README's excerpt is in the tour.
#[test]
fn the_readme_shows_scenes_of_the_tour() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let shown =
        readme.split("$ cargo run --example faults\n").nth(1).and_then(|rest| rest.split("\n```").next());
    let tour = tour();
    let scenes: Vec<&str> = shown.expect("an excerpt").split("\n...\n").map(str::trim).collect();
    assert!(scenes.len() >= 2 && scenes.iter().all(|scene| tour.contains(scene)), "{scenes:?}");
}
