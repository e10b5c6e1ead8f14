//! Wait contexts and several threads: another thread than the job's may wake it, list its fds and free its
//! context.

mod c_programs;

use self::c_programs::{Language, Link, compile, output_of};

fn passes(case: &str, count: u32) {
    let program = compile("threads.c", Language::C11, Link::Ours, &[]);
    assert_eq!(output_of(&program, &[case, &count.to_string()]), "ok\n", "{case}");
}

#[test]
fn a_polling_thread_wakes_jobs_a_million_times() {
    passes("wakes", 1_000_000);
}

#[test]
fn a_context_that_is_freed_elsewhere_ends_at_once() {
    passes("frees", 100);
}

#[test]
fn a_context_may_be_freed_as_its_job_ends() {
    passes("ends", 20_000);
}

#[test]
fn another_thread_is_admitted_or_refused() {
    passes("interferes", 20_000);
}

#[test]
fn two_threads_work_on_one_context_and_never_at_once() {
    passes("alternates", 200);
}
