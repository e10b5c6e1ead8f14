//! The C programs under valgrind: no errors, nothing definitely lost.

mod support;

use std::path::Path;
use std::process::Command;

use self::support::{Language, Link, compile, package, shared_library, succeeds};

fn valgrind() -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--error-exitcode=9", "--leak-check=full"]);
    valgrind.args(["--errors-for-leak-kinds=definite", "--show-leak-kinds=definite"]);
    // What a forked child's other threads owned is lost to it, as ever.
    valgrind.arg("--child-silent-after-fork=yes");
    valgrind
}

fn clean(program: &Path, args: &[&str]) {
    succeeds(valgrind().arg(program).args(args));
}

#[test]
fn wait_contexts_and_jobs_are_clean() {
    clean(&compile("statements.c", Language::C11, Link::Ours, &[]), &[]);
    // With an argument, it leaves out the overflow, which valgrind would report.
    clean(&compile("changed.c", Language::C11, Link::Ours, &[]), &["without-overflow"]);
    clean(&compile("random.c", Language::C11, Link::Ours, &[]), &["1", "30"]);
}

#[test]
fn stacks_of_the_program_are_clean() {
    let program = compile("memory.c", Language::C11, Link::Ours, &[]);
    for case in ["own-functions", "no-memory", "too-late", "thread-end"] {
        clean(&program, &[case]);
    }
}

#[test]
fn the_engine_is_clean() {
    clean(&compile("engine.c", Language::C11, Link::Ours, &[]), &[]);
    clean(&compile(package().join("examples/event_loop.c"), Language::C11, Link::Ours, &[]), &[]);
}

#[test]
fn library_contexts_are_clean() {
    let program = compile("lib_ctx.c", Language::C11, Link::OursAndLibcrypto, &[]);
    for case in ["first-in-a-job", "first-outside", "nested"] {
        clean(&program, &[case]);
    }
}

/// Freed connections take their paused jobs with them, which libcrypto's jobs do not.
#[test]
fn handshakes_on_preloaded_jobs_are_clean() {
    let program = compile("tls.c", Language::C11, Link::Libssl, &[]);
    succeeds(valgrind().env("LD_PRELOAD", shared_library()).arg(&program).arg("2"));
}
