//! What threads need of each other in every layer. Jobs know no device, so they use it through here.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

pub(crate) use simaccel_device::gate;
