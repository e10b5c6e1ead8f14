//! What a process does with the provider in its life: forks, library contexts, blocked pauses, threads, busy
//! loops, completions by count, and a job's small stack.

mod programs;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use programs::counters::Counters;
use programs::{Answer, command, compiled, provider, run, scratch};

/// What an operation may take of a job's stack, in bytes. Frames of an unoptimised build are larger; a job
/// has 32 KiB.
const MOST_STACK: usize = if cfg!(debug_assertions) { 20 * 1024 } else { 8 * 1024 };

fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled("lives.c", &["-lcrypto"]))
}

/// A scene with the provider, configured by these keys.
fn scene(name: &str, keys: &str) -> Command {
    let mut command = command(program());
    command.arg(name).arg(provider().parent().unwrap()).arg("libsimaccel_provider");
    command.env("SIMACCEL_CONFIG", keys);
    command
}

/// A scene that ends well, and what its process has counted.
#[track_caller]
fn counted(name: &str, keys: &str) -> (Answer, Counters) {
    let folder = scratch(name);
    let keys = format!("stats_file={};never_pause=none;{keys}", folder.join("counters").display());
    let answer = run(&mut scene(name, &keys)).succeeded();
    let counters = Counters::read(&folder.join(format!("counters.{}", answer.pid)));
    counters.assert_add_up();
    (answer, counters)
}

/// A scene of keys, and what its process has counted.
#[track_caller]
fn keys_counted(name: &str) -> Counters {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| compiled("key_lives.c", &["-lcrypto", "-lpthread"]));
    let folder = scratch(name);
    let mut command = command(program);
    command.arg(name).arg(provider().parent().unwrap()).arg("libsimaccel_provider");
    let slow = if name == "abandoned" { ";completion_nsec=2000000" } else { "" };
    command.env("SIMACCEL_CONFIG", format!("stats_file={}{slow}", folder.join("counters").display()));
    let answer = run(&mut command).succeeded();
    let counters = Counters::read(&folder.join(format!("counters.{}", answer.pid)));
    counters.assert_add_up();
    counters
}

#[test]
fn keys_that_a_parent_has_made_it_and_its_child_use() {
    let counters = keys_counted("forks");
    // Of three curves of the device, one derivation before a fork and one after each of two.
    assert_eq!(counters.pauses(), 3 * 3, "{}", counters.0);
}

#[test]
fn keys_go_from_one_library_context_to_another_and_outlive_the_first() {
    let counters = keys_counted("contexts");
    assert_eq!(counters.pauses(), 3 * 3, "{}", counters.0);
}

#[test]
fn threads_use_one_key_at_once() {
    let counters = keys_counted("threads");
    assert_eq!(counters.pauses(), 2 * 4 * 50, "{}", counters.0);
}

#[test]
fn a_key_that_is_freed_while_its_job_is_paused_is_not_missed() {
    let counters = keys_counted("abandoned");
    assert_eq!(counters.pauses(), 50, "{}", counters.0);
    assert_eq!(counters.at(&["freed_while_paused"]), 50, "{}", counters.0);
    assert_eq!((counters.at(&["in_flight"]), counters.at(&["fds"])), (0, 0), "{}", counters.0);
}

#[test]
fn groups_and_signature_algorithms_of_tls_are_announced_as_the_default_provider_does() {
    let mut command = command(compiled("capabilities.c", &["-lcrypto"]));
    command.arg(provider().parent().unwrap()).arg("libsimaccel_provider").env_remove("SIMACCEL_CONFIG");
    let said = run(&mut command).succeeded().stdout();
    let groups = said.split_whitespace().nth(1).and_then(|count| count.parse::<u32>().ok());
    // OpenSSL 3.0 to 3.4: all curves, and two groups more than it has itself. Later: none, as they are there
    // anyway.
    assert!(groups.is_some_and(|groups| groups == 0 || groups > 9), "{said}");
}

#[test]
fn what_a_parent_has_begun_it_and_its_child_end() {
    counted("forks", "");
}

#[test]
fn workers_that_are_forked_before_the_first_operation_have_devices_of_their_own() {
    let (_, parent) = counted("workers", "");
    assert_eq!(parent.operations(), 0, "{}", parent.0);
}

/// Its first operation opens it after the fork.
#[test]
fn a_childs_device_is_configured_as_its_parent_was_told() {
    let failed = run(&mut scene("workers", "never_pause=none;fault=fail"));
    assert!(!failed.output.status.success());
    assert!(failed.stderr().contains("the device failed the request"), "{}", failed.stderr());
}

#[test]
fn threads_pause_jobs_of_their_own() {
    let (_, counters) = counted("threads", "");
    assert_eq!(counters.pauses(), 4 * 200 * 6, "{}", counters.0);
}

#[test]
fn library_contexts_share_the_device_and_one_that_wants_another_is_refused() {
    let file = scratch("contexts").join("other.cnf");
    let text = format!(
        "openssl_conf = i\n[i]\nproviders = p\n[p]\nsimaccel = s\n[s]\nmodule = {}\ndepth = 8\n",
        provider().display()
    );
    fs::write(&file, text).unwrap();
    let answer = run(scene("contexts", "").arg(&file).env_remove("SIMACCEL_CONFIG")).succeeded();
    let said = answer.stdout();
    assert!(said.contains("refused: the process has one device, which another library context"), "{said}");
}

/// The first operation of a wait context finds out that it cannot pause.
#[test]
fn where_pausing_is_blocked_operations_wait_in_their_thread() {
    counted("blocked", "completion_nsec=100000");
}

/// A later one does so by a probe, and the device's time is not spent in a loop.
#[test]
fn where_pausing_is_blocked_later_a_probe_finds_out() {
    let (_, counters) = counted("blocked-later", "completion_nsec=20000000");
    // Two operations pause and end at their wake; the other four each try 32 times and once with a probe.
    let spurious = counters.at(&["spurious_resumes"]);
    assert!((1..=4 * 33).contains(&spurious), "{}", counters.0);
}

/// The probe does not take a busy loop for a job that cannot pause.
#[test]
fn a_busy_loop_goes_on_pausing() {
    let (answer, counters) = counted("busy", "completion_nsec=20000000");
    let said = answer.stdout();
    let resumes: u64 = said.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(resumes > 200, "{said}");
    // The other part has four operations, each with one pause.
    assert_eq!(counters.pauses() + counters.at(&["spurious_resumes"]), resumes + 4, "{}", counters.0);
}

#[test]
fn a_request_is_complete_when_its_job_was_resumed_so_often() {
    for count in [1, 2, 50] {
        let (answer, counters) = counted("count", &format!("clock=resumes:{count}"));
        assert_eq!(answer.stdout(), format!("pauses {} {}\ndone\n", 2 * count, 4 * count));
        assert_eq!(counters.at(&["spurious_resumes"]), 6 * (count - 1), "{}", counters.0);
    }
}

/// The first time only, whatever the machine does.
#[test]
fn a_fault_by_number_hits_that_request() {
    let keys = "never_pause=none;clock=resumes:2;fault=fail:nth=6";
    let failed = run(&mut scene("count", keys));
    assert!(!failed.output.status.success());
    // The sixth is the end of the hash.
    assert!(failed.stderr().contains("EVP_DigestFinal_ex"), "{}", failed.stderr());
    assert!(failed.stderr().contains("the device failed the request"), "{}", failed.stderr());
    let past = "never_pause=none;clock=resumes:2;fault=fail:nth=7";
    run(&mut scene("count", past)).succeeded();
}

#[test]
fn an_operation_takes_little_of_a_jobs_stack() {
    let (answer, _) = counted("stack", "");
    let said = answer.stdout();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(": ")).collect();
    assert_eq!(lines.len(), 5 * 2 * 3 + 2 * 2 * 4, "{said}");
    for line in lines {
        let bytes: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(bytes <= MOST_STACK, "{line}: at most {MOST_STACK}");
    }
}
