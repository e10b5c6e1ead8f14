//! What looks at a job's stack from outside, or takes it apart: profilers, exceptions, the ends of threads.

mod support;

use self::support::{Language, Link, compile, output_of};

/// `unwinds.c` steps through the lives of jobs with the trap flag, which other processors do not have.
#[cfg(all(target_arch = "x86_64", not(portable_switch)))]
#[test]
fn a_profiler_may_unwind_at_every_instruction() {
    for link in [Link::Ours, Link::OursStatic] {
        assert_eq!(output_of(&compile("unwinds.c", Language::C11, link, &[]), &[]), "ok\n");
    }
}
