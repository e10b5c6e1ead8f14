//! What outsiders see of a queue pair: one way each to submit, park, take and reap. Tuned variants are
//! hidden.

use std::fs;
use std::path::Path;

/// The public methods in a file outside of hidden blocks, in order.
fn shown(file: &str) -> Vec<String> {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/queue").join(file)).unwrap();
    let mut names = Vec::new();
    let mut hidden_next = false;
    let mut hidden = false;
    for line in text.lines() {
        match line {
            "#[doc(hidden)]" => hidden_next = true,
            _ if line.starts_with("impl") => hidden = std::mem::take(&mut hidden_next),
            _ => {}
        }
        if let Some(rest) = line.strip_prefix("    pub fn ").filter(|_| !hidden) {
            names.push(rest.split(['(', '<']).next().unwrap().to_owned());
        }
    }
    names
}

#[test]
fn a_queue_pair_shows_one_way_each_to_submit_park_take_and_reap() {
    assert_eq!(shown("queue_pair.rs"), ["index", "remote", "submit", "park", "take"]);
    assert_eq!(shown("queue_pair/reap.rs"), ["reap"]);
    assert_eq!(shown("queue_pair/tuned.rs"), Vec::<String>::new());
}

#[test]
fn any_other_thread_sees_looks_cancels_revokes_and_takes() {
    let shown = shown("remote.rs");
    let expected = [
        "index",
        "state",
        "wake_state",
        "cancel_wake",
        "replace_waker",
        "revoke",
        "take",
        "attach",
        "detach",
        "completions_pending",
    ];
    assert_eq!(shown, expected);
}
