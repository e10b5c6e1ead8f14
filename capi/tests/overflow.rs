//! A C job that overflows its stack is named, with its size and the key to change, before its process dies as
//! it would have without this library.

mod c_programs;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use self::c_programs::{Language, Link, compile, run, shared_library};

const SIGSEGV: i32 = 11;

fn program() -> std::path::PathBuf {
    compile("overflow.c", Language::C11, Link::Ours, &[])
}

fn with(program: &Path, cases: &[&str], environment: &[(&str, &str)]) -> Output {
    run(Command::new(program).args(cases).envs(environment.iter().copied()))
}

fn errors(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect()
}

fn is_named(output: &Output, size: usize) {
    let lines = errors(output);
    let [line] = &lines[..] else { panic!("one line, and not {lines:?}") };
    let begin = format!(
        "simaccel: a job has overflowed its stack of {size} bytes: raise SIMACCEL_STACK_SIZE in the environment, or \
         simaccel_set_stack_size"
    );
    assert!(line.starts_with(&begin) && line.contains("job: raw job, token "), "{line}");
}

#[test]
fn an_overflow_is_named_and_ends_the_process() {
    let program = program();
    for cases in [&[][..], &["many-frames"], &["in-a-thread"], &["many-frames", "in-a-thread"]] {
        let output = with(&program, cases, &[]);
        assert_eq!(output.status.signal(), Some(SIGSEGV), "{cases:?}");
        is_named(&output, 64 * 1024);
    }
}

#[test]
fn a_handler_of_the_program_is_called_after_the_line() {
    let output = with(&program(), &["own-handler", "in-a-thread"], &[]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "the program's own handler\n");
    is_named(&output, 64 * 1024);
}

/// The handler stays in place when the program closes the library.
#[test]
fn a_library_that_was_closed_still_hands_faults_on() {
    let program = compile("unloads.c", Language::C11, Link::Nothing, &[]);
    let output = run(Command::new(program).arg(shared_library()));
    assert_eq!(output.status.code(), Some(7), "{:?}", errors(&output));
    // A library of the program that contains this one, as plugins do: nothing there marks it as permanent.
    let flags = ["-shared", "-fPIC", "-Wl,-u,ASYNC_start_job"];
    let plugin = compile("unloads.c", Language::C11, Link::OursStatic, &flags);
    let program = compile("unloads.c", Language::C11, Link::Nothing, &[]);
    let output = run(Command::new(program).arg(plugin));
    assert_eq!(output.status.code(), Some(7), "{:?}", errors(&output));
}

#[test]
fn the_keys_that_are_named_change_the_size() {
    let program = program();
    let fits = |cases: &[&str], environment: &[(&str, &str)]| {
        let output = with(&program, cases, environment);
        assert_eq!((output.stdout.as_slice(), errors(&output)), (b"ok\n".as_slice(), vec![]));
    };
    fits(&[], &[("SIMACCEL_STACK_SIZE", "131072")]);
    fits(&["larger-stack", "many-frames", "in-a-thread"], &[]);
    fits(&["sizes"], &[]);
    // The program's setting overrides the environment's.
    fits(
        &["larger-stack", "many-frames"],
        &[("SIMACCEL_STACK_SIZE", " 131_072 "), ("SIMACCEL_GUARD_SIZE", "4096")],
    );
    is_named(&with(&program, &["many-frames"], &[("SIMACCEL_STACK_SIZE", "131072")]), 128 * 1024);
}

#[test]
fn an_impossible_size_is_refused_in_one_line_that_names_it() {
    let program = program();
    for (value, why) in [
        ("64k", "must be a number of bytes"),
        ("", "must be a number of bytes"),
        ("+262144", "must be a number of bytes"),
        ("17", "a stack of 17 bytes is not possible"),
    ] {
        let output = with(&program, &["larger-stack"], &[("SIMACCEL_STACK_SIZE", value)]);
        let lines = errors(&output);
        let shown = if value.is_empty() { "(nothing)" } else { value };
        let [line] = &lines[..] else { panic!("one line, and not {lines:?}") };
        assert!(line.starts_with(&format!("simaccel: SIMACCEL_STACK_SIZE={shown}: {why}")), "{line}");
        assert_eq!(output.stdout, b"ok\n");
    }
}
