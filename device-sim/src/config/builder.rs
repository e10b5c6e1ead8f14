//! Configurations by value: the same items as in a text, and so the same errors.

use super::grammar::Items;
use super::{Config, ConfigError};

/// Makes a [`Config`] of typed values. A method for each key, of the key's name, without its unit where the
/// type has one ([`completion`](Self::completion) is `completion_nsec`); the last call for a key counts, but
/// `operation`, `service` and `fault` add.
///
/// [`build`](Self::build) checks the values, by the rules that hold for text.
///
/// ```
/// use std::time::Duration;
/// use simaccel_device::{Config, Fault, FaultKind, Preset, Selection};
///
/// let config = Config::builder()
///     .preset(Preset::QatC62x)
///     .compute_units(4)
///     .fault(Fault::new(FaultKind::Timeout).when(Selection::default().every(100).times(3)))
///     .build()?;
/// assert_eq!(config, Config::parse("preset=qat-c62x;compute_units=4;fault=timeout:every=100,times=3")?);
/// assert_eq!(config.completion(), Duration::from_nanos(52_200));
///
/// let error = Config::builder().depth(100).build().unwrap_err();
/// assert_eq!(error.to_string(), "depth=100: must be a power of two, 2 to 262144 (requests)");
/// # Ok::<(), simaccel_device::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct ConfigBuilder {
    items: Items,
}

impl ConfigBuilder {
    /// The displayed form of a configuration is well-formed.
    pub(super) fn of(text: &str) -> Self {
        Self { items: Items::parse(text).unwrap_or_default() }
    }

    crate::device_setters!();

    /// The configuration.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] for the first value that does not fit, as from [`Config::parse`].
    pub fn build(&self) -> Result<Config, ConfigError> {
        Config::of(&self.items)
    }
}

/// The setters of the device's keys, for builders with `items`.
#[doc(hidden)]
#[macro_export]
macro_rules! device_setters {
    () => {
        /// `queue_pairs`: 1 to 64.
        pub fn queue_pairs(self, queue_pairs: usize) -> Self {
            self.with("queue_pairs", queue_pairs)
        }

        /// `depth`: requests in flight per queue pair, a power of two, 2 to 262,144.
        pub fn depth(self, requests: usize) -> Self {
            self.with("depth", requests)
        }

        /// `workers`: 1 to 16.
        pub fn workers(self, workers: usize) -> Self {
            self.with("workers", workers)
        }

        /// `compute_units`: 1 to 1,024.
        pub fn compute_units(self, units: usize) -> Self {
            self.with("compute_units", units)
        }

        /// `completion_nsec`: up to an hour.
        pub fn completion(self, time: ::std::time::Duration) -> Self {
            self.with("completion_nsec", time.as_nanos())
        }

        /// `firmware_nsec`: up to an hour.
        pub fn firmware(self, time: ::std::time::Duration) -> Self {
            self.with("firmware_nsec", time.as_nanos())
        }

        /// `mbps`: 0 to 1,000,000, in 10^6 bytes a second.
        pub fn mbps(self, mbps: impl Into<$crate::Mbps>) -> Self {
            self.with("mbps", mbps.into())
        }

        /// `latency_dist`.
        pub fn latency_dist(self, dist: $crate::LatencyDist) -> Self {
            self.with("latency_dist", dist)
        }

        /// `service`: one more entry. A file that it names is read when the configuration is built.
        pub fn service(mut self, entry: $crate::ServiceTime) -> Self {
            self.items.add("service", entry);
            self
        }

        /// `warmup`.
        pub fn warmup(self, warm_up: $crate::WarmUp) -> Self {
            self.with("warmup", warm_up)
        }

        /// `link_mbps`: 0 to 1,000,000, in 10^6 bytes a second.
        pub fn link_mbps(self, mbps: impl Into<$crate::Mbps>) -> Self {
            self.with("link_mbps", mbps.into())
        }

        /// `link_nsec`: up to an hour.
        pub fn link(self, time: ::std::time::Duration) -> Self {
            self.with("link_nsec", time.as_nanos())
        }

        /// `batch`: 1 to 65,536 requests.
        pub fn batch(self, requests: u32) -> Self {
            self.with("batch", requests)
        }

        /// `batch_nsec`: up to an hour.
        pub fn batch_time(self, time: ::std::time::Duration) -> Self {
            self.with("batch_nsec", time.as_nanos())
        }

        /// `ops_limit`: up to 1,000,000,000 requests a second.
        pub fn ops_limit(self, requests: u64) -> Self {
            self.with("ops_limit", requests)
        }

        /// `ops_burst`: 1 to 1,000,000 requests.
        pub fn ops_burst(self, requests: u64) -> Self {
            self.with("ops_burst", requests)
        }

        /// `bytes_limit`: up to 10^12 bytes a second.
        pub fn bytes_limit(self, bytes: u64) -> Self {
            self.with("bytes_limit", bytes)
        }

        /// `bytes_burst`: 1 to 10^12 bytes.
        pub fn bytes_burst(self, bytes: u64) -> Self {
            self.with("bytes_burst", bytes)
        }

        /// `limit`.
        pub fn limit(self, mode: $crate::LimitMode) -> Self {
            self.with("limit", mode)
        }

        /// `arbitration`.
        pub fn arbitration(self, arbitration: $crate::Arbitration) -> Self {
            self.with("arbitration", arbitration)
        }

        /// `ordering`.
        pub fn ordering(self, ordering: $crate::CompletionOrder) -> Self {
            self.with("ordering", ordering)
        }

        /// `intc_thresh`: 1 to 65,536 completions.
        pub fn intc_thresh(self, completions: u32) -> Self {
            self.with("intc_thresh", completions)
        }

        /// `intc_nsec`: up to an hour.
        pub fn intc(self, time: ::std::time::Duration) -> Self {
            self.with("intc_nsec", time.as_nanos())
        }

        /// `spin_nsec`: up to a millisecond.
        pub fn spin(self, time: ::std::time::Duration) -> Self {
            self.with("spin_nsec", time.as_nanos())
        }

        /// `timing`.
        pub fn timing(self, timing: $crate::Timing) -> Self {
            self.with("timing", timing)
        }

        /// `operation`: one more.
        pub fn operation(mut self, name: &str) -> Self {
            self.items.add("operation", name);
            self
        }

        /// `fault`: one more.
        pub fn fault(mut self, fault: $crate::Fault) -> Self {
            self.items.add("fault", fault);
            self
        }

        /// `model`.
        pub fn model(self, mode: $crate::ModelMode) -> Self {
            self.with("model", mode)
        }

        /// `seed`.
        pub fn seed(self, seed: u64) -> Self {
            self.with("seed", seed)
        }

        /// `preset`: its numbers apply where no other key sets one, in any order of calls.
        pub fn preset(self, preset: $crate::Preset) -> Self {
            self.with("preset", preset)
        }

        fn with(mut self, key: &str, value: impl ::std::fmt::Display) -> Self {
            self.items.replace(key, value);
            self
        }
    };
}
