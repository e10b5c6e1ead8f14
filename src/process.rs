//! What happens to the process and its threads from outside: forks, and cancellations of threads.
//!
//! These concern every layer. There is one handler for forks in a process, and it is the device's; jobs know no device, so
//! they come to it through here.

pub(crate) use simaccel_device::process::{cancel, fork};
