//! What runs the device: worker threads with the real clock, or the user of a stepped device with a virtual
//! one; and the device's life.

pub(crate) mod admin;
pub(crate) mod alarm;
pub(crate) mod clock;
pub(crate) mod device;
pub(crate) mod driver;
pub(crate) mod hand_over;
pub(crate) mod hooks;
pub(crate) mod lateness;
pub(crate) mod signals;
pub(crate) mod stepped;
pub(crate) mod worker;
