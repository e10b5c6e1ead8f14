//! What happens to the process and its threads from outside: forks, and cancellations of threads.
//!
//! These concern every layer. A process has one handler for forks, and it is the device's; jobs know no
//! device, so they use it through here.

pub(crate) use simaccel_device::process::{cancel, fork};
