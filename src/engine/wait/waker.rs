//! Waits by being polled: the end of the request calls a `Waker`, as for a future.
//!
//! It arms the waker of the latest poll, and takes a request whose waker is being called without waiting for
//! that: a waker that is called late causes a poll in vain, which is allowed.

use std::sync::Arc;
use std::task::Waker;

use simaccel_device::{Delivery, WakeState};

use super::{Armed, Submission, Waiter, Wake};
use crate::engine::Inner;
use crate::engine::instance::Instance;
use crate::engine::offload::{Flight, Hold};
use crate::error::Error;

/// Waits for a waker to be called.
#[derive(Debug)]
pub(crate) struct WakerWait<'w>(pub(crate) &'w Waker);

/// Calls the waker at the end of the request. The request has the waker, and nothing else keeps it: it may
/// own the operation.
#[derive(Debug, Default)]
pub(crate) struct PolledWake;

impl Waiter for WakerWait<'_> {
    type Wake = PolledWake;

    fn arm(&mut self, _engine: &Arc<Inner>, _instance: &Instance) -> Result<Armed<PolledWake>, Error> {
        Ok(Armed { wake: PolledWake, delivery: Delivery::Wake(self.0.clone()), user_data: 0 })
    }

    fn take_wake<E: Hold>(&mut self, flight: &Flight<E, PolledWake>) -> bool {
        flight.cancel_wake();
        true
    }

    fn set_status<E: Hold>(&mut self, _status: Submission<'_, E, PolledWake>) {}
}

impl WakerWait<'_> {
    /// Replaces the waker. If the old one was called already, the request is done.
    pub(crate) fn rearm<E: Hold>(&self, flight: &Flight<E, PolledWake>) {
        flight.replace_waker(self.0.clone());
    }
}

impl Wake for PolledWake {
    const COUNTS_LATER: bool = true;
    const CAN_BE_CANCELLED: bool = true;

    fn ended(self, _engine: &Arc<Inner>, _late: bool) {}

    fn give_up(self, _state: &dyn Fn() -> WakeState) {}
}
