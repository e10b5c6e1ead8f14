//! The simulation as its users run it: a process with options, standard output and an exit code.

mod built;

use std::path::{Path, PathBuf};
use std::process::Command;

fn program() -> PathBuf {
    built::example("simulate")
}

/// Runs it with these options. Returns the exit code, standard output and standard error.
fn run(options: &str) -> (i32, String, String) {
    let output = Command::new(program()).args(options.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn one_line_says_how_many_seeds_and_failures_and_the_hash_over_all_histories() {
    let (code, stdout, stderr) = run("--seeds 40..60");
    let words: Vec<&str> = stdout.trim_end().split(' ').collect();
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert_eq!(words[..5], ["seeds", "20,", "failures", "0,", "history"], "{stdout}");
    assert_eq!((words.len(), words[5].len(), stdout.lines().count()), (6, 64, 1), "{stdout}");
    assert_eq!(run("--seeds 40..60").1, stdout, "one history");
    assert_ne!(run("--seeds 41..61").1, stdout, "of these seeds");
}

#[test]
fn a_history_is_printed_in_words_and_hashed_the_same() {
    let (code, told, _) = run("--seed 7 --history");
    let (_, hashed, _) = run("--seed 7");
    assert_eq!(code, 0);
    assert!(told.starts_with("seed 7: queue_pairs="), "{told}");
    assert!(told.lines().count() > 12, "{told}");
    assert_eq!(told.lines().last(), hashed.lines().last());
    assert_eq!(run("--seed 7 --history").1, told);
}

#[test]
fn sabotage_ends_with_failures_and_the_command_that_shows_each() {
    let (code, stdout, _) = run("--seeds 0..100 --sabotage wrong-byte");
    let mut lines: Vec<&str> = stdout.lines().collect();
    let last = lines.pop().unwrap();
    let failures = format!("seeds 100, failures {}, history ", lines.len());
    assert!(code == 1 && !lines.is_empty() && last.starts_with(&failures), "{stdout}");
    let (what, command) = lines[0].rsplit_once("; again: ").unwrap();
    assert!(what.starts_with("seed ") && what.contains("wrong results"), "{what}");
    let again = command.strip_prefix("cargo run --release --example simulate -- ").unwrap();
    let (code, history, _) = run(again);
    assert!(code == 1 && history.contains("BROKEN"), "{history}");
}

/// The first line of a text that holds this.
fn line_with<'a>(text: &'a str, what: &str) -> &'a str {
    text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what} is not in:\n{text}"))
}

#[test]
fn a_failure_names_its_action_and_the_history_numbers_them() {
    let (_, stdout, _) = run("--seeds 0..100 --sabotage wrong-byte");
    let (seed, rest) = line_with(&stdout, ": in action ").split_once(": in action ").unwrap();
    let number = rest.split_once(':').unwrap().0;
    let (_, history, _) =
        run(&format!("--{} --history --sabotage wrong-byte", seed.replace("seed ", "seed=")));
    let broken = line_with(&history, "BROKEN");
    assert_eq!(broken.split_whitespace().next(), Some(number), "{history}");
}

#[test]
fn a_failing_seed_is_shrunk_to_a_few_actions_that_fail_alike() {
    let (code, stdout, _) = run("--seeds 0..100 --sabotage wrong-byte --shrink");
    assert_eq!(code, 1);
    let (what, command) = line_with(&stdout, "actions are enough").rsplit_once("; again: ").unwrap();
    let again = command.strip_prefix("cargo run --release --example simulate -- ").unwrap();
    let broken = what.split_once("are enough: ").unwrap().1;
    let numbers: Vec<&str> = what.split_whitespace().skip(2).take(3).collect();
    let [few, "of", all] = numbers[..] else { panic!("{what}") };
    assert!(few.parse::<usize>().unwrap() < all.parse().unwrap(), "{what}");

    let (code, history, _) = run(again);
    assert!(code == 1 && history.contains(&format!("BROKEN: {broken}")), "{history}");
    assert_eq!(run(again).1, history, "one history");
    let without = again.replace(" --sabotage wrong-byte", "");
    assert_eq!(run(&without).0, 0, "it is the sabotage that fails");
}

#[test]
fn only_some_actions_of_a_seed_happen() {
    // A seed whose every action says something, alone too.
    let (_, full, _) = run("--seed 8 --history");
    let (code, some, _) = run("--seed 8 --only 1,3..5 --history");
    assert_eq!(code, 0, "{some}");
    let numbers = |history: &str| -> Vec<usize> {
        let mut numbers: Vec<usize> =
            history.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
        numbers.dedup();
        numbers
    };
    let all = numbers(&full);
    assert_eq!(all, (0..all.len()).collect::<Vec<_>>());
    assert_eq!(numbers(&some), [1, 3, 4]);
    assert_eq!(numbers(&run("--seed 8 --only none --history").1), [0; 0]);

    let every = format!("--seed 8 --only 0..{}", all.len());
    assert_eq!(run(&every).1, run("--seed 8").1, "all actions are the full history");
    let (code, _, stderr) = run(&format!("--seed 8 --only {}", all.len()));
    let allowed = format!("simulate: --only: allowed are 0 to {}, for seed 8\n", all.len() - 1);
    assert_eq!((code, stderr), (2, allowed));
}

#[test]
fn a_bad_option_is_named_in_one_line_with_what_is_allowed() {
    for (options, named) in [
        ("--seeds 5..5", "FROM..TO with FROM below TO"),
        ("--seeds 5", "--seeds"),
        ("--seed -1", "0 to"),
        ("--seed 1 --seeds 0..2", "--seeds"),
        ("--sabotage everything", "lost-completion, double-completion"),
        ("--fast", "--help"),
        ("--seeds 9..5", "FROM..TO with FROM below TO"),
        ("--seed 1 --seed 2", "--seed"),
        ("--seed 1 --history --history", "--history"),
        ("--only 1", "--seed"),
        ("--seed 1 --only 4,2", "in rising order"),
        ("--seed 1 --only 4..2", "in rising order"),
        ("--seed 1 --only", "--only"),
        ("--seed 1 --only 0..99999999999", "in rising order"),
        ("--seed 1 --only 1 --shrink", "--shrink"),
        (&format!("--seed {}", "7".repeat(5_000)), "(5000 characters)"),
        (&format!("--sabotage {}", "x".repeat(5_000)), "lost-completion"),
        (&format!("--{}", "x".repeat(5_000)), "(5002 characters)"),
    ] {
        let (code, stdout, stderr) = run(options);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (2, "", 1), "{options}: {stderr}");
        assert!(stderr.starts_with("simulate: ") && stderr.contains(named), "{options}: {stderr}");
        assert!(stderr.len() < 500, "{stderr}");
    }
    let (code, stdout, _) = run("--help");
    assert!(code == 0 && stdout.contains("--sabotage"));
}

/// The fenced blocks of docs/debugging.md that show what the simulation prints; `...` stands for lines that
/// are left out.
#[test]
fn the_page_about_debugging_shows_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/debugging.md");
    let page = std::fs::read_to_string(path).unwrap();
    let shown = page.split("```text\n$ cargo run --release --example simulate -- ").skip(1);
    let blocks: Vec<(&str, &str)> =
        shown.filter_map(|rest| rest.split("```").next()?.split_once('\n')).collect();
    assert!(blocks.len() >= 4, "{blocks:?}");
    for (options, output) in blocks {
        let (_, printed, _) = run(options);
        let shown: Vec<&str> = output.lines().filter(|line| *line != "...").collect();
        if output.contains("...\n") {
            let found = shown.iter().all(|line| printed.lines().any(|other| other == *line));
            assert!(found && !shown.is_empty(), "{options}:\n{printed}");
        } else {
            assert_eq!(printed.lines().collect::<Vec<_>>(), shown, "{options}");
        }
    }
}
