//! What threads need of each other in every layer. Jobs know no device, so they use it through here.

pub(crate) use simaccel_device::gate;
