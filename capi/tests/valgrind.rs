//! The C programs under valgrind: no errors, nothing lost, and at the end of the plain ones no memory at all.

mod c_programs;

use std::path::Path;
use std::process::Command;

use self::c_programs::{Language, Link, compile, package, shared_library, succeeds};

/// Kinds of memory that is left at the end, in valgrind's terms.
#[derive(Clone, Copy)]
enum Left {
    /// Not a byte, lost or reachable.
    Nothing,
    /// Nothing that is definitely lost. libcrypto keeps memory to the end, and so does this library for a
    /// thread that strict mode reported on.
    NothingLost,
}

fn valgrind(left: Left) -> Command {
    let kinds = match left {
        Left::Nothing => "all",
        Left::NothingLost => "definite",
    };
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--error-exitcode=9", "--leak-check=full"]);
    valgrind.args([format!("--errors-for-leak-kinds={kinds}"), format!("--show-leak-kinds={kinds}")]);
    // A forked child has lost what the parent's other threads owned.
    valgrind.arg("--child-silent-after-fork=yes");
    valgrind
}

fn clean(left: Left, program: &Path, args: &[&str]) {
    succeeds(valgrind(left).arg(program).args(args));
}

/// The README's program, and blocking calls and control of the device on the main thread, whose thread-locals
/// are not destroyed at the end of the process.
#[test]
fn nothing_is_left_at_the_end() {
    let example = compile(package().join("examples/event_loop.c"), Language::C11, Link::Ours, &[]);
    clean(Left::Nothing, &example, &[]);
    let example = compile(package().join("examples/private_key_method.c"), Language::C11, Link::Ours, &[]);
    clean(Left::Nothing, &example, &[]);
    clean(Left::Nothing, &compile("nothing_left.c", Language::C11, Link::Ours, &[]), &[]);
    clean(Left::Nothing, &compile("statements.c", Language::C11, Link::Ours, &[]), &[]);
    clean(Left::Nothing, &compile("random.c", Language::C11, Link::Ours, &[]), &["1", "30"]);
}

#[test]
fn wait_contexts_and_jobs_are_clean() {
    // With this argument it leaves out the overflow, which valgrind would report.
    clean(Left::NothingLost, &compile("changed.c", Language::C11, Link::Ours, &[]), &["without-overflow"]);
}

#[test]
fn operations_are_clean() {
    clean(Left::NothingLost, &compile("operations.c", Language::C11, Link::Ours, &[]), &[]);
    clean(Left::NothingLost, &compile("polled_data.c", Language::C11, Link::Ours, &[]), &[]);
}

#[test]
fn stacks_of_the_program_are_clean() {
    let program = compile("memory.c", Language::C11, Link::Ours, &[]);
    for case in ["own-functions", "no-memory", "too-late", "thread-end"] {
        clean(Left::NothingLost, &program, &[case]);
    }
}

#[test]
fn the_engine_is_clean() {
    for source in ["answers.c", "engine.c"] {
        clean(Left::NothingLost, &compile(source, Language::C11, Link::Ours, &[]), &[]);
    }
    clean(Left::NothingLost, &compile("freed.c", Language::C11, Link::Ours, &[]), &["5"]);
}

/// Operations with keys, paused, started, cancelled and discarded.
#[test]
fn keys_are_clean() {
    clean(Left::NothingLost, &compile("keys.c", Language::C11, Link::Ours, &[]), &[]);
    clean(Left::NothingLost, &compile("started.c", Language::C11, Link::Ours, &[]), &["12"]);
}

#[test]
fn library_contexts_are_clean() {
    let program = compile("lib_ctx.c", Language::C11, Link::OursAndLibcrypto, &[]);
    for case in ["first-in-a-job", "first-outside", "nested"] {
        clean(Left::NothingLost, &program, &[case]);
    }
}

/// Freed connections end their paused jobs, unlike libcrypto's.
#[test]
fn handshakes_on_preloaded_jobs_are_clean() {
    let program = compile("tls.c", Language::C11, Link::Libssl, &[]);
    succeeds(valgrind(Left::NothingLost).env("LD_PRELOAD", shared_library()).arg(&program).arg("2"));
}
