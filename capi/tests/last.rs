//! Jobs in the last code that a thread and a process run.

mod c_programs;

use self::c_programs::{Language, Link, assert_same_lines, compile, output_of};

#[test]
fn jobs_run_to_the_very_end() {
    let ours = output_of(&compile("last.cc", Language::Cxx17, Link::Ours, &[]), &[]);
    let theirs = output_of(&compile("last.cc", Language::Cxx17, Link::Libcrypto, &[]), &[]);
    let lines = theirs.lines().count();
    let (shared, more): (Vec<_>, Vec<_>) = ours.lines().enumerate().partition(|(number, _)| *number < lines);
    let shared: String = shared.into_iter().map(|(_, line)| format!("{line}\n")).collect();
    assert_same_lines(&shared, &theirs);
    let jobs = "capable 1 started 3 ret 7 pauses 2 resumed 3 ret 7 pauses 1 init 1 cleanup 42";
    assert_eq!(more, [(lines, format!("the first static's destructor: {jobs}").as_str())]);
}

#[test]
fn operations_work_to_the_very_end() {
    let program = compile("last_ops.c", Language::C11, Link::Ours, &[]);
    for config in ["", "delivery=poll", "completion_nsec=200000", "delivery=poll;completion_nsec=200000"] {
        assert_eq!(output_of(&program, &[config]), "ok\n", "{config}");
    }
}
