//! What an application does wrong with its jobs is counted, shown, and ends it where it is asked to.
//!
//! `tests/c/conduct.c` does one thing at a time. Nothing here depends on how long something takes, but for
//! one scene, which waits longer than the second that a job may stay woken.

mod programs;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

use programs::certificates::{Certificate, Kind};
use programs::configuration::Configuration;
use programs::counters::Counters;
use programs::servers::{Server, free_port};
use programs::{Answer, clients, command, compiled, run, stat};
use serde_json::json;

/// The signal of `abort`, and of `kill -9`.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
/// A service time that no test waits for.
const NEVER: &str = "3600000000000";

fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled("conduct.c", &["-lcrypto"]))
}

fn played(scene: &str, keys: &[(&str, &str)]) -> (Configuration, Answer) {
    let start = Configuration::new("conduct");
    let configuration = keys.iter().fold(start, |configuration, (key, value)| configuration.key(key, value));
    let answer = run(configuration.program(program()).arg(scene));
    (configuration, answer)
}

/// A scene that ends well, and what it has counted.
#[track_caller]
fn counted(scene: &str, keys: &[(&str, &str)]) -> Counters {
    let (configuration, answer) = played(scene, keys);
    let pid = answer.pid;
    answer.succeeded();
    Counters::of(&configuration, pid)
}

/// A scene that strict mode ends, and its line.
#[track_caller]
fn aborted(scene: &str, keys: &[(&str, &str)]) -> (Counters, String) {
    let keys = [keys, &[("strict", "abort")]].concat();
    let (configuration, answer) = played(scene, &keys);
    assert_eq!(answer.output.status.signal(), Some(SIGABRT), "{}", answer.stderr());
    let said = answer.stderr();
    assert_eq!(said.lines().count(), 1, "{said}");
    (Counters::of(&configuration, answer.pid), said)
}

fn text_of(configuration: &Configuration, pid: u32) -> String {
    let shown = run(command(stat()).arg(configuration.counters_file(pid))).succeeded();
    shown.stdout()
}

#[test]
fn an_application_that_does_all_right_is_not_ended_and_has_nothing_to_be_told() {
    let counters = counted("many", &[("strict", "abort")]);
    counters.assert_all_paused();
    assert_eq!((counters.operations(), counters.at(&["bytes"])), (64, 65_536));
    assert_eq!(counters.at(&["totals", "contexts"]), 64);
    assert_eq!(counters.at(&["totals", "contexts_ended"]), 64);
    assert_eq!((counters.at(&["fds"]), counters.at(&["totals", "fds_opened"])), (0, 64));
    assert_eq!((counters.at(&["wrong"]), counters.at(&["not_resumed"])), (0, 0));
    assert_eq!((counters.at(&["in_flight"]), counters.at(&["totals", "paused_now"])), (0, 0));
}

#[test]
fn the_most_jobs_that_were_paused_at_once_are_counted() {
    // All are submitted before one is resumed.
    assert_eq!(counted("many", &[]).at(&["totals", "paused_most"]), 64);
    assert_eq!(counted("spin", &[]).at(&["totals", "paused_most"]), 1);
}

#[test]
fn a_resume_that_had_a_wake_is_timed_from_it() {
    let counters = counted("many", &[]);
    let of = |key: &str| counters.at(&["wake_to_resume_nsec", key]);
    assert_eq!(of("count"), 64);
    assert!(of("p50") <= of("p99") && of("p99") <= of("max") && of("max") <= of("sum"), "{}", counters.0);
}

#[test]
fn a_context_that_is_freed_while_its_job_is_paused_is_told_with_its_operation() {
    let (configuration, answer) = played("free", &[("strict", "report"), ("completion_nsec", "1000000")]);
    let pid = answer.pid;
    let said = answer.succeeded().stderr();
    assert!(said.starts_with("simaccel: strict=report: freed while paused: wait context 1 at 0x"), "{said}");
    assert!(said.contains("AES-128-CBC of 1024 bytes"), "{said}");
    let counters = Counters::of(&configuration, pid);
    assert_eq!(counters.at(&["algorithms", "AES-128-CBC", "freed_while_paused"]), 1);
    assert_eq!((counters.operations(), counters.pauses(), counters.resumes()), (2, 2, 1));
    assert_eq!((counters.at(&["in_flight"]), counters.at(&["totals", "paused_now"])), (0, 0));
    assert_eq!((counters.at(&["wrong"]), counters.at(&["fds"])), (1, 0));
    assert_eq!(counters.0["newest_wrongs"][0]["kind"], "freed_while_paused");
    assert_eq!(counters.0["newest_wrongs"][0]["algorithm"], "AES-128-CBC");
    let text = text_of(&configuration, pid);
    assert!(text.contains("freed while paused        1 jobs: AES-128-CBC 1"), "{text}");
    assert!(text.contains(&format!("process {pid}: freed while paused")), "{text}");
}

#[test]
fn strict_mode_ends_the_process_where_a_context_is_freed() {
    let (counters, said) = aborted("free", &[("completion_nsec", NEVER)]);
    assert!(said.ends_with("paused in it, its wake not yet sent\n"), "{said}");
    assert_eq!((counters.at(&["wrong"]), counters.operations()), (1, 1), "at the first one");
    let (_, said) = aborted("free-woken", &[]);
    assert!(said.contains("its wake sent ") && said.ends_with(" us before\n"), "{said}");
}

#[test]
fn without_strict_mode_nothing_is_said() {
    let (_, answer) = played("free", &[]);
    assert_eq!(answer.succeeded().stderr(), "");
}

#[test]
fn a_callback_whose_context_was_freed_is_not_called() {
    let counters = counted("free-with-callback", &[("completion_nsec", "1000000"), ("ordering", "fifo")]);
    assert_eq!(counters.at(&["algorithms", "AES-128-CBC", "freed_while_paused"]), 1);
    assert_eq!(counters.at(&["fds"]), 0);
}

#[test]
fn a_job_that_is_never_resumed_after_its_wake_is_told_at_the_exit() {
    let (configuration, answer) = played("forget", &[("strict", "report")]);
    let pid = answer.pid;
    let said = answer.succeeded().stderr();
    assert!(
        said.starts_with("simaccel: strict=report: not resumed after its wake: AES-128-CBC of 1024"),
        "{said}"
    );
    let counters = Counters::of(&configuration, pid);
    assert_eq!((counters.at(&["not_resumed"]), counters.at(&["in_flight"])), (1, 1));
    assert_eq!(counters.at(&["fds"]), 1, "its context was left behind");
    assert!(counters.0["paused"][0]["woken_for_nsec"].as_u64() >= Some(1_000_000_000));
    let text = text_of(&configuration, pid);
    assert!(text.contains("not resumed after a wake  1 jobs"), "{text}");
    let (_, said) = aborted("forget", &[]);
    assert!(said.contains("not resumed after its wake"), "{said}");
}

#[test]
fn an_exit_right_after_a_wake_is_no_reason_to_end_the_process() {
    let counters = counted("leave", &[("strict", "abort")]);
    assert_eq!((counters.at(&["not_resumed"]), counters.at(&["wrong"])), (1, 0), "it is counted");
}

#[test]
fn a_file_tells_after_a_crash_which_job_was_not_resumed() {
    let (configuration, answer) = played("crash", &[]);
    assert_eq!(answer.output.status.signal(), Some(SIGKILL));
    let counters = Counters::of(&configuration, answer.pid);
    assert_eq!(counters.0["processes"][0]["state"], "gone");
    assert_eq!((counters.operations(), counters.at(&["not_resumed"])), (1, 1));
    assert_eq!(counters.0["paused"][0]["algorithm"], "AES-128-CBC");
    assert!(text_of(&configuration, answer.pid).contains("ended without an exit"));
}

#[test]
fn a_busy_loop_is_counted_and_no_reason_to_end_the_process() {
    // As many resumes as it takes: each before the last is early.
    let counters = counted("spin", &[("clock", "resumes:1000"), ("strict", "abort")]);
    assert_eq!(counters.at(&["spurious_resumes"]), 999, "{}", counters.0);
    assert_eq!(
        counters.at(&["totals", "early_resumes"]) + counters.at(&["wake_to_resume_nsec", "count"]),
        1_000
    );
    assert_eq!((counters.pauses(), counters.resumes()), (1, 1));
    counters.assert_add_up();
}

#[test]
fn a_resume_in_another_thread_is_told_before_libcrypto_ends_the_process() {
    let (counters, said) = aborted("thread", &[]);
    assert!(
        said.starts_with("simaccel: strict=abort: resumed in another thread than it had paused in: "),
        "{said}"
    );
    assert!(said.contains("AES-128-CBC of 1024 bytes"), "{said}");
    assert_eq!((counters.at(&["totals", "resumed_in_other_thread"]), counters.at(&["wrong"])), (1, 1));
    assert_eq!(counted("many", &[]).at(&["totals", "resumed_in_other_thread"]), 0);
}

#[test]
fn the_stack_down_to_the_pause_is_measured() {
    let most = counted("many", &[]).at(&["totals", "stack_most"]);
    assert!((500..16 * 1024).contains(&most), "{most} bytes");
    assert!(cfg!(debug_assertions) || most < 8 * 1024, "{most} bytes");
}

#[test]
fn counters_of_many_threads_add_up_while_the_process_is_changed_all_the_time() {
    let configuration = Configuration::new("conduct").key("strict", "abort");
    let mut child = configuration.program(program()).arg("threads").stdin(Stdio::piped()).spawn().unwrap();
    let file = configuration.counters_file(child.id());
    let mut accepted = 0;
    while accepted < 20 {
        assert_eq!(child.try_wait().unwrap(), None);
        let mut change = command(stat());
        let output = run(change.arg(&file).args(["--set", "completion_nsec=1000"])).output;
        accepted += u32::from(output.status.success());
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let counters = Counters::read(&file);
    counters.assert_add_up();
    assert_eq!(counters.pauses(), counters.at(&["synchronous", "no_job"]));
    assert_eq!((counters.at(&["in_flight"]), counters.at(&["fds"])), (0, 0));
    assert_eq!(counters.resumes(), counters.pauses());
    assert_eq!(counters.at(&["totals", "contexts"]), counters.at(&["totals", "contexts_ended"]));
}

#[test]
fn a_command_that_waits_and_a_server_that_polls_are_not_ended() {
    let configuration = Configuration::new("conduct").key("strict", "abort");
    let arguments =
        ["-elapsed", "-seconds", "1", "-bytes", "1024", "-async_jobs", "8", "-evp", "aes-128-cbc"];
    let answer = run(configuration.openssl(&["speed"]).args(arguments)).succeeded();
    let counters = Counters::of(&configuration, answer.pid);
    counters.assert_all_paused();
    assert_eq!((counters.at(&["totals", "paused_most"]), counters.at(&["wrong"])), (8, 0));

    // The server looks at its job again and again, on a device that takes its time long before it is done.
    let configuration = Configuration::new("conduct").key("strict", "abort").key("completion_nsec", "200000");
    let (port, certificate) = (free_port(), Certificate::new(&configuration.folder, Kind::Rsa));
    let mut command = configuration.openssl(&["s_server", "-async", "-quiet", "-accept"]);
    command.arg(format!("127.0.0.1:{port}")).arg("-key").arg(certificate.key);
    command.arg("-cert").arg(certificate.certificate);
    let mut server = Server::start(&mut command, port, &configuration.folder.join("log"));
    clients::connect(port, 10, json!({ "talk": "send", "lines": 3 })).assert_no_failure();
    server.assert_alive();
    let counters = Counters::of(&configuration, server.pid());
    assert!(counters.at(&["totals", "early_resumes"]) > 0, "it polls: {}", counters.0);
    assert_eq!(counters.at(&["wrong"]), 0);
}
