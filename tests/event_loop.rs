//! The event loop example as a process: its clients come and go, and strict mode has nothing to report.

mod built;

use std::process::Command;

/// Runs the built example, which `cargo test` puts beside the folder of the test executables.
fn event_loop(arguments: &str) -> (i32, String, String) {
    let program = built::example("event_loop");
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn clients_that_leave_take_their_requests_along_and_the_next_ones_are_served() {
    let (code, stdout, stderr) = event_loop("40 3");
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let first = stdout.lines().next().unwrap();
    assert_eq!(first, "40 connections, 115 requests finished, 5 given up, 0 wrong");
}

#[test]
fn a_bad_number_of_connections_is_refused_in_one_line() {
    for (arguments, named) in [
        ("many", "CONNECTIONS"),
        ("0", "CONNECTIONS: allowed are 1 to 1000000"),
        ("1000001", "CONNECTIONS: allowed are 1 to 1000000"),
        ("-5", "CONNECTIONS"),
        ("5 99999999999999999999", "REQUESTS"),
        ("5 5 5", "usage: event_loop [CONNECTIONS [REQUESTS]]"),
    ] {
        let (code, stdout, stderr) = event_loop(arguments);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (2, "", 1), "{arguments}: {stderr}");
        assert!(stderr.starts_with("event_loop: ") && stderr.contains(named), "{arguments}: {stderr}");
    }
}
