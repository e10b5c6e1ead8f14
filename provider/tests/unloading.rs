//! A program that loads the provider, unloads it and loads it again, in several library contexts.

mod programs;

use self::programs::configuration::Configuration;
use self::programs::counters::Counters;
use self::programs::{command, compiled, provider, run};

const ROUNDS: usize = 20;

#[test]
fn what_was_unloaded_is_loaded_again_and_leaves_nothing() {
    let program = compiled("reload.c", &["-lcrypto"]);
    let configuration = Configuration::new("reload");
    let mut reload = command(program);
    reload.env("SIMACCEL_CONFIG", configuration.as_environment());
    let answer = run(reload.arg(provider().parent().unwrap()).arg(ROUNDS.to_string())).succeeded();
    let said = answer.stdout();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), ROUNDS, "{said}");
    // What is made once is there after the first round.
    assert!(lines[1..].iter().all(|line| *line == lines[1]), "{said}");
    let counters = Counters::of(&configuration, answer.pid);
    counters.assert_all_paused();
    // Four loads a round, four jobs in each.
    assert_eq!(counters.operations(), ROUNDS as u64 * 16, "{}", counters.0);
}

#[test]
fn what_was_unloaded_leaves_no_memory_that_nothing_refers_to() {
    let program = compiled("reload.c", &["-lcrypto"]);
    let mut checked = command("valgrind");
    checked.args(["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
    // Jobs lie on the heap, and deep work of the provider on a stack near it.
    checked.arg("--max-stackframe=32768").arg(program).arg(provider().parent().unwrap()).arg("5");
    run(checked.env("SIMACCEL_CONFIG", Configuration::new("reload").as_environment())).succeeded();
}
