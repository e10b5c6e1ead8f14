//! The threads that this process has.

use std::fs;

/// How many threads live. One that was joined can be listed for a moment longer: the kernel tells its joiner
/// before it takes it off the list, and from before that on says that the thread is exiting.
pub(crate) fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks.filter(|task| lives(&task.as_ref().unwrap().path().join("stat"))).count()
}

/// The flag `PF_EXITING` of the kernel's `sched.h`.
const EXITING: u32 = 4;

/// The flags are the seventh field behind the name, which is in parentheses (proc(5)). A thread without a
/// file has gone since it was listed.
fn lives(stat: &std::path::Path) -> bool {
    let Ok(text) = fs::read_to_string(stat) else { return false };
    let flags = text.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(6));
    flags.is_some_and(|flags| flags.parse::<u32>().unwrap() & EXITING == 0)
}
