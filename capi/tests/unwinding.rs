//! Everything that inspects a job's stack from outside, or takes it apart (profilers, exceptions, the ends of
//! threads), and the state that each job keeps besides its stack.

mod c_programs;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use self::c_programs::{Language, Link, compile, output_of, package, preloaded, run, scratch, succeeds};

/// `unwinds.c` steps through the lives of jobs with the trap flag, which other processors do not have.
#[cfg(all(target_arch = "x86_64", not(portable_switch)))]
#[test]
fn a_profiler_may_unwind_at_every_instruction() {
    for link in [Link::Ours, Link::OursStatic] {
        assert_eq!(output_of(&compile("unwinds.c", Language::C11, link, &[]), &[]), "ok\n");
    }
}

/// corosensei's switch, which is used elsewhere, ends the process instead.
#[cfg(all(target_arch = "x86_64", not(portable_switch)))]
#[test]
fn a_job_may_end_its_thread() {
    for link in [Link::Ours, Link::OursStatic, Link::Libcrypto] {
        let program = compile("ends.c", Language::C11, link, &[]);
        for how in ["pthread_exit", "pthread_cancel"] {
            assert_eq!(output_of(&program, &[how]), "ok\n", "{link:?}");
        }
        if link != Link::Libcrypto {
            for how in ["operations", "nested", "many"] {
                assert_eq!(output_of(&program, &[how]), "ok\n", "{link:?}");
            }
        }
    }
    assert_eq!(output_of(&compile("ends.cc", Language::Cxx17, Link::Ours, &[]), &[]), "ok\n");
}

#[test]
fn a_cxx_exception_that_leaves_a_job_ends_the_process_and_says_so() {
    let program = compile("ends.cc", Language::Cxx17, Link::Ours, &[]);
    let output = run(Command::new(program).arg("throws"));
    assert_eq!(output.status.signal(), Some(6), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("std::runtime_error") && said.contains("too much"), "{said}");
}

#[test]
fn each_job_has_its_own_cxx_exceptions() {
    for link in [Link::Ours, Link::OursStatic, Link::OursAndLibcrypto] {
        let program = compile("exceptions.cc", Language::Cxx17, link, &[]);
        assert_eq!(output_of(&program, &[]), "ok\n", "{link:?}");
    }
    let program = compile("exceptions.cc", Language::Cxx17, Link::Libcrypto, &[]);
    assert_eq!(succeeds(&mut preloaded(program)), "ok\n");
}

#[test]
fn a_cxx_runtime_may_be_loaded_when_jobs_have_run() {
    let program = compile("plugin.c", Language::C11, Link::Ours, &[]);
    let plugin = scratch("plugin").join("plugin.so");
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared", "-DPLUGIN", "-I"]);
    compiler
        .arg(package().join("include"))
        .arg(package().join("tests/c/exceptions.cc"))
        .arg("-o")
        .arg(&plugin);
    succeeds(&mut compiler);
    // The order of its threads, and how close they come, differs each time.
    for _ in 0..40 {
        assert_eq!(succeeds(Command::new(&program).arg(&plugin)), "ok\n");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn each_c_job_has_its_own_floating_point_modes() {
    for link in [Link::Ours, Link::OursStatic] {
        assert_eq!(output_of(&compile("modes.c", Language::C11, link, &[]), &[]), "ok\n");
    }
}
