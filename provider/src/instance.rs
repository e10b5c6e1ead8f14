//! The provider in one library context: what libcrypto has passed to it, and its settings.
//!
//! ```text
//!   OSSL_provider_init ──► Instance ──► provctx ──► every object that libcrypto makes with it holds a share
//!   teardown ────────────► the share of the provctx goes
//! ```

#![expect(unsafe_code, reason = "an instance goes to C and back by address")]

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::accelerator::place::Use;
use crate::config::Settings;
use crate::error::Failure;
use crate::offered::Offered;
use crate::ossl::core::{Core, Place};
use crate::ossl::default::DefaultProvider;
use crate::ossl::jobs::Jobs;

/// One loaded provider.
#[derive(Debug)]
pub(crate) struct Instance {
    core: Core,
    /// `None`: the library that has loaded us shows no `ASYNC_*` functions, and nothing pauses.
    jobs: Option<&'static Jobs>,
    settings: Settings,
    /// libcrypto's major and minor number.
    release: Option<(u32, u32)>,
    offered: Offered,
    /// Keeps the process's engine.
    _use: Use,
}

impl Instance {
    pub(crate) fn new(core: Core, settings: Settings, offered: Offered, used: Use) -> Arc<Self> {
        let jobs = core.any().and_then(Jobs::find);
        let release = core.release();
        Arc::new(Self { core, jobs, settings, release, offered, _use: used })
    }

    pub(crate) const fn jobs(&self) -> Option<&'static Jobs> {
        self.jobs
    }

    /// Major and minor number of the libcrypto that has loaded us, if it says them.
    pub(crate) const fn release(&self) -> Option<(u32, u32)> {
        self.release
    }

    /// The default provider of the libcrypto that has loaded us, for keys that the device does not have;
    /// `None` where that does not show the functions for it.
    pub(crate) fn default_provider(&self) -> Option<&'static DefaultProvider> {
        self.core.any().and_then(DefaultProvider::of)
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The algorithms that libcrypto has from this provider.
    pub(crate) const fn offered(&self) -> &Offered {
        &self.offered
    }

    /// 1 for success. A failure is raised on the thread's error queue, and is 0.
    #[inline]
    pub(crate) fn outcome(&self, result: Result<(), Failure>, place: Place) -> c_int {
        match result {
            Ok(()) => 1,
            Err(failure) => self.failed(&failure, place),
        }
    }

    #[cold]
    fn failed(&self, failure: &Failure, place: Place) -> c_int {
        self.core.raise(failure.reason as u32, &failure.detail, place);
        0
    }
}

/// The instance that a `provctx` is, which stays libcrypto's.
///
/// # Safety
///
/// `provctx` is what `OSSL_provider_init` has given, and is not torn down.
pub(crate) unsafe fn instance_of(provctx: *mut c_void) -> Arc<Instance> {
    let instance = provctx.cast::<Instance>().cast_const();
    // SAFETY: made from an `Arc` whose share libcrypto holds.
    unsafe {
        Arc::increment_strong_count(instance);
        Arc::from_raw(instance)
    }
}
