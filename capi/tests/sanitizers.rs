//! C programs that are compiled with a sanitizer, on this library, which is not: it tells the sanitizer of
//! its jobs.
//!
//! The compiler brings the sanitizers' libraries. Where one is missing, the compiler reports it, and the test
//! fails.

mod c_programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use self::c_programs::{Language, Link, compile, package, run, scratch, shared_library, succeeds};

fn sanitized(source: impl AsRef<Path>, link: Link, sanitizer: &str) -> PathBuf {
    compile(source, Language::C11, link, &[&format!("-fsanitize={sanitizer}")])
}

fn command(program: &Path, args: &[&str], options: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.args(args).envs(options.iter().copied());
    command
}

/// The program's output, without strict mode's lines.
fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    let others: Vec<&str> = errors.lines().filter(|line| !line.starts_with("simaccel: ")).collect();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), others.join("\n"))
}

#[track_caller]
fn is_clean(mut command: Command) {
    let output = run(&mut command);
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    // A sanitizer that is confused by a stack warns, and continues.
    assert!(
        !said(&output).contains("False positive error reports may follow"),
        "{command:?}\n{}",
        said(&output)
    );
}

const CASES: [&str; 3] = ["discarded", "in-threads", "jumping"];

/// The program with its jobs' stacks and its work on them, with all of the sanitizer's checks, including
/// leaks.
#[test]
fn address_sanitizer_follows_jobs_and_forgets_discarded_frames() {
    for link in [Link::Ours, Link::OursStatic] {
        let program = sanitized("sanitized.c", link, "address");
        for options in ["", "detect_stack_use_after_return=1", "detect_stack_use_after_return=0"] {
            for case in CASES {
                is_clean(command(&program, &[case], &[("ASAN_OPTIONS", options)]));
            }
        }
    }
}

/// A program that is linked to libcrypto, on this library's jobs: the sanitizer's own library has to come
/// first.
#[test]
fn address_sanitizer_follows_jobs_of_a_preloaded_library() {
    let program = sanitized("sanitized.c", Link::Libcrypto, "address");
    let path = succeeds(Command::new("cc").arg("-print-file-name=libasan.so"));
    let libraries = format!("{} {}", path.trim(), shared_library().display());
    for case in CASES {
        is_clean(command(&program, &[case], &[("LD_PRELOAD", &libraries)]));
    }
}

#[test]
fn address_sanitizer_finds_a_mistake_in_a_job() {
    let program = sanitized("sanitized.c", Link::Ours, "address");
    let output = run(&mut command(&program, &["mistake-in-memory"], &[]));
    assert!(!output.status.success());
    let said = said(&output);
    assert!(said.contains("stack-buffer-overflow") && said.contains("writes_beyond_its_variable"), "{said}");
}

#[test]
fn address_sanitizer_finds_the_engine_and_the_statements_clean() {
    let options = [("ASAN_OPTIONS", "allocator_may_return_null=1")];
    for (source, args) in [
        ("tests/c/answers.c", &[][..]),
        ("tests/c/engine.c", &[]),
        ("tests/c/keys.c", &[]),
        ("tests/c/started.c", &[]),
        ("examples/private_key_method.c", &[]),
        ("tests/c/statements.c", &[]),
        ("tests/c/changed.c", &["without-overflow"]),
        ("tests/c/random.c", &["1", "30"]),
        ("examples/event_loop.c", &[]),
    ] {
        let program = sanitized(package().join(source), Link::Ours, "address");
        is_clean(command(&program, args, &options));
    }
}

/// The line about a stack that is too small, and the sanitizer's report after it.
#[test]
fn address_sanitizer_has_its_say_on_an_overflow() {
    let program = sanitized("overflow.c", Link::Ours, "address");
    let output = run(&mut command(&program, &["many-frames"], &[]));
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors.matches("simaccel: a job has overflowed its stack").count(), 1, "{errors}");
    assert!(errors.contains("AddressSanitizer: stack-overflow"), "{errors}");
}

/// What blocks in a job leaves it for the work of a stepped device, and comes back.
#[test]
fn sanitizers_follow_calls_outside_of_jobs() {
    for sanitizer in ["address", "thread"] {
        let program = sanitized("outside.c", Link::Ours, sanitizer);
        is_clean(command(&program, &[], &[]));
    }
}

#[test]
fn thread_sanitizer_follows_jobs() {
    let program = sanitized("sanitized.c", Link::Ours, "thread");
    for case in CASES {
        is_clean(command(&program, &[case], &[]));
    }
}

/// A report names the calls that are open in the job, and none that were open in a discarded one.
#[test]
fn thread_sanitizer_finds_a_mistake_in_a_job_and_names_its_calls() {
    let program = sanitized("sanitized.c", Link::Ours, "thread");
    let output = run(&mut command(&program, &["mistake-of-threads"], &[]));
    assert!(!output.status.success());
    let said = said(&output);
    assert!(said.contains("data race") && said.contains("counts_without_a_lock"), "{said}");
    assert!(!said.contains(" deep "), "frames of a discarded job: {said}");
}

/// The library is not compiled with the sanitizer, which therefore does not see how the library synchronises
/// its threads; the suppression is the one of `docs/sanitizers.md`.
#[test]
fn thread_sanitizer_finds_an_event_loop_clean() {
    let guide = fs::read_to_string(package().join("../docs/sanitizers.md")).unwrap();
    let suppression = "called_from_lib:libsimaccel_async";
    assert!(guide.contains(suppression));
    let file = scratch("suppressions").join("tsan.supp");
    fs::write(&file, format!("{suppression}\n")).unwrap();
    let options = format!("suppressions={}", file.display());
    let program = sanitized(package().join("examples/event_loop.c"), Link::Ours, "thread");
    is_clean(command(&program, &[], &[("TSAN_OPTIONS", &options)]));
    let program = sanitized("sanitized.c", Link::Ours, "thread");
    let output = run(&mut command(&program, &["mistake-of-threads"], &[("TSAN_OPTIONS", &options)]));
    let said = said(&output);
    assert!(said.contains("data race"), "the program's own mistakes are found all the same: {said}");
}
