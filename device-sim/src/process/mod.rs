//! What happens to this process and its threads from outside: forks, and cancellations of threads.
//!
//! For `simaccel`, which needs one handler of forks with the device: hidden, and exempt from semantic
//! versioning.

pub mod cancel;
pub mod fork;
