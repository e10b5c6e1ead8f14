//! The device's configuration, as text and as values.
//!
//! ```text
//!   text ──► grammar: items ──┐
//!                             ├──► set(), key by key ──► check(): what goes together ──► Config ──► Display ──► text
//!   builder: items ───────────┘        (keys: the one table)
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use self::grammar::{Items, Key};
use crate::message::call::{MAX_NAMES, is_name};
use crate::message::operation::Operation;
use crate::model::fault::{Fault, OPERATIONS, Selection};
use crate::model::latency::LatencyDist;
use crate::model::network::arbitration::Arbitration;
use crate::model::network::limit_mode::LimitMode;
use crate::model::order::CompletionOrder;
use crate::stats::timing::Timing;
use crate::{device_keys, in_words, key_list, key_rows};

mod builder;
mod change;
pub(crate) mod error;
pub mod grammar;
mod keys;
mod mbps;
mod mode;
mod preset;
pub(crate) mod service;

pub use builder::ConfigBuilder;
pub(crate) use change::Change;
pub use change::ChangeError;
pub use error::ConfigError;
use error::Shown;
pub use mbps::Mbps;
pub use mode::ModelMode;
pub use preset::Preset;
pub use service::{Served, ServiceTime, WarmUp};

/// Bytes of the longest input that is restored: see [`Config::restorable`].
pub(crate) const RESTORABLE: usize = 64;

/// The configuration of a device. The default is the *ideal* device, which models no latency.
///
#[doc = device_keys!(key_rows)]
///
/// [`LatencyDist`], [`LimitMode`], [`Arbitration`], [`CompletionOrder`], [`Timing`], [`Preset`] and [`Fault`]
/// document their values.
///
/// With the service time at 0, no other station, no coalescing, no reordering and no fault the device is
/// *ideal*: it models nothing, unless `model=on` says so. Every other device is *modelled*.
///
/// Interrupt coalescing delays interrupts and wakes. Results can be taken before.
///
/// A configuration comes from [`Config::parse`], whose grammar is that of [`grammar`](crate::grammar), or
/// from [`Config::builder`], and is then valid. It displays as the text that parses back.
///
/// ```
/// use std::time::Duration;
/// use simaccel_device::{Config, LatencyDist};
///
/// let config = Config::builder()
///     .compute_units(16)
///     .completion(Duration::from_micros(20))
///     .latency_dist(LatencyDist::Exponential)
///     .build()?;
/// assert_eq!(config, Config::parse("compute_units=16; completion_nsec=20_000; latency_dist=exponential")?);
/// assert_eq!(config, config.to_string().parse()?);
/// # Ok::<(), simaccel_device::ConfigError>(())
/// ```
///
/// Each worker of an ideal device serves its share of the queue pairs (pair `i` belongs to worker `i` modulo
/// their number), so there are never more workers than queue pairs. A modelled device has one model of time
/// for the whole device, and the first worker schedules and delivers for all queue pairs. The others compute
/// for it: what is large, and the functions of calls. A stepped device has no workers, whatever `workers`
/// says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) queue_pairs: usize,
    pub(crate) depth: usize,
    pub(crate) workers: usize,
    pub(crate) compute_units: usize,
    pub(crate) completion_nsec: u64,
    pub(crate) firmware_nsec: u64,
    pub(crate) mbps: Mbps,
    pub(crate) latency_dist: LatencyDist,
    pub(crate) services: Vec<ServiceTime>,
    pub(crate) warm_up: Option<WarmUp>,
    pub(crate) link_mbps: Mbps,
    pub(crate) link_nsec: u64,
    pub(crate) batch: u32,
    pub(crate) batch_nsec: u64,
    pub(crate) ops_limit: u64,
    pub(crate) ops_burst: u64,
    pub(crate) bytes_limit: u64,
    pub(crate) bytes_burst: u64,
    pub(crate) limit: LimitMode,
    pub(crate) arbitration: Arbitration,
    pub(crate) ordering: CompletionOrder,
    pub(crate) intc_thresh: u32,
    pub(crate) intc_nsec: u64,
    pub(crate) spin_nsec: u64,
    pub(crate) timing: Timing,
    pub(crate) operations: Vec<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) model: ModelMode,
    pub(crate) seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_pairs: 4,
            depth: 64,
            workers: 1,
            compute_units: 4,
            completion_nsec: 0,
            firmware_nsec: 0,
            mbps: Mbps::NONE,
            latency_dist: LatencyDist::Constant,
            services: Vec::new(),
            warm_up: None,
            link_mbps: Mbps::NONE,
            link_nsec: 0,
            batch: 1,
            batch_nsec: 0,
            ops_limit: 0,
            ops_burst: 1,
            bytes_limit: 0,
            bytes_burst: 65_536,
            limit: LimitMode::Delay,
            arbitration: Arbitration::Fcfs,
            ordering: CompletionOrder::Unordered,
            intc_thresh: 1,
            intc_nsec: 0,
            spin_nsec: 50_000,
            timing: Timing::Off,
            operations: Vec::new(),
            faults: Vec::new(),
            model: ModelMode::Auto,
            seed: 0,
        }
    }
}

impl Config {
    /// All keys of the device.
    pub const KEYS: &[Key] = device_keys!(key_list);

    /// Bytes of the longest input that the device restores when it fails a request that it has computed in
    /// place: a reset may do so until the request is due. Exempt from semantic versioning.
    #[doc(hidden)]
    pub const fn restorable(&self) -> usize {
        // Other workers do not keep any.
        if self.workers > 1 { 0 } else { RESTORABLE }
    }

    /// Whether completions take modelled time, so that a request can be executed and not yet be complete.
    pub const fn is_modelled(&self) -> bool {
        matches!(self.model, ModelMode::On)
            || self.completion_nsec > 0
            || self.firmware_nsec > 0
            || self.mbps.in_thousandths() > 0
            || !self.services.is_empty()
            || self.link_mbps.in_thousandths() > 0
            || self.link_nsec > 0
            || self.batch > 1
            || self.ops_limit > 0
            || self.bytes_limit > 0
            || self.intc_thresh > 1
            || matches!(self.ordering, CompletionOrder::Reorder { .. })
            || !self.faults.is_empty()
    }

    /// Parses `key=value;key=value`; keys that are not given keep their defaults.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: for the first item that is malformed, else for the first that does not fit.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::of(&Items::parse(text)?)
    }

    /// A builder that holds the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// A builder that holds this configuration.
    pub fn to_builder(&self) -> ConfigBuilder {
        ConfigBuilder::of(&self.to_string())
    }

    fn of(items: &Items) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        Self::check_items(items)?;
        for (key, value) in items.iter() {
            if !config.set(key, value)? {
                let known = Key::names(Self::KEYS);
                return Err(ConfigError::UnknownKey { key: key.to_owned(), known });
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Sets one key, for configurations with additional keys. `Ok(false)`: the device has no such key, and
    /// nothing has changed. [`Config::check`] finds keys that exclude each other. An entry of `service` takes
    /// the place of one for the same requests, and a name is declared once: a preset may have been there
    /// before.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] about the value; nothing has changed then either.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, ConfigError> {
        let Some(key) = Self::KEYS.iter().find(|key| key.name == name) else { return Ok(false) };
        match key.name {
            "queue_pairs" => self.queue_pairs = key.number(value, 1..=64)?,
            "depth" => self.depth = power_of_two(key, value)?,
            "workers" => self.workers = key.number(value, 1..=16)?,
            "compute_units" => self.compute_units = key.number(value, 1..=1024)?,
            "completion_nsec" => self.completion_nsec = key.number(value, 0..=HOUR)?,
            "firmware_nsec" => self.firmware_nsec = key.number(value, 0..=HOUR)?,
            "mbps" => self.mbps = Mbps::parse(value).ok_or_else(|| key.refuse(value))?,
            "latency_dist" => self.latency_dist = value.parse()?,
            "service" => self.serve(ServiceTime::parse(value)?),
            "warmup" => self.warm_up = WarmUp::parse(value).ok_or_else(|| key.refuse(value))?,
            "link_mbps" => self.link_mbps = Mbps::parse(value).ok_or_else(|| key.refuse(value))?,
            "link_nsec" => self.link_nsec = key.number(value, 0..=HOUR)?,
            "batch" => self.batch = key.number(value, 1..=65_536)?,
            "batch_nsec" => self.batch_nsec = key.number(value, 0..=HOUR)?,
            "ops_limit" => self.ops_limit = key.number(value, 0..=1_000_000_000)?,
            "ops_burst" => self.ops_burst = key.number(value, 1..=1_000_000)?,
            "bytes_limit" => self.bytes_limit = key.number(value, 0..=MOST_BYTES)?,
            "bytes_burst" => self.bytes_burst = key.number(value, 1..=MOST_BYTES)?,
            "limit" => self.limit = value.parse()?,
            "arbitration" => self.arbitration = value.parse()?,
            "ordering" => self.ordering = value.parse()?,
            "intc_thresh" => self.intc_thresh = key.number(value, 1..=65_536)?,
            "intc_nsec" => self.intc_nsec = key.number(value, 0..=HOUR)?,
            "spin_nsec" => self.spin_nsec = key.number(value, 0..=1_000_000)?,
            "timing" => self.timing = value.parse()?,
            "operation" => self.declare(operation(key, value)?),
            "fault" => self.faults.push(Fault::parse(value)?),
            "preset" => value.parse::<Preset>()?.apply(self),
            "model" => self.model = value.parse()?,
            "seed" => self.seed = key.number(value, 0..=u64::MAX)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn declare(&mut self, name: String) {
        if !self.operations.contains(&name) {
            self.operations.push(name);
        }
    }

    fn serve(&mut self, entry: ServiceTime) {
        match self.services.iter_mut().find(|other| other.served() == entry.served()) {
            Some(other) => *other = entry,
            None => self.services.push(entry),
        }
    }

    /// Finds what was given twice under two names: a name that is declared again, an entry of `service` for
    /// the same requests.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] for the first.
    pub fn check_items(items: &Items) -> Result<(), ConfigError> {
        let (mut names, mut served) = (Vec::new(), Vec::new());
        for (key, value) in items.iter() {
            if key == "operation" {
                if names.contains(&value) {
                    return Err(grammar::refused("operation", value, DECLARED_ONCE));
                }
                names.push(value);
            }
            if key == service::KEY {
                let what = ServiceTime::served_by(value)?;
                if served.contains(&what) {
                    return Err(grammar::refused(service::KEY, value, "one entry for the same requests"));
                }
                served.push(what);
            }
        }
        Ok(())
    }

    /// Finds keys that exclude each other.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] for the first.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.intc_thresh > 1 && self.intc_nsec == 0 {
            let allowed = "1 unless intc_nsec is above 0: what waits for company must not wait for ever";
            return Err(grammar::refused("intc_thresh", &self.intc_thresh.to_string(), allowed));
        }
        if self.intc_nsec > 0 && self.intc_thresh == 1 {
            let allowed = "0 unless intc_thresh is above 1";
            return Err(grammar::refused("intc_nsec", &self.intc_nsec.to_string(), allowed));
        }
        if self.batch > 1 && self.batch_nsec == 0 {
            let allowed = "1 unless batch_nsec is above 0: what waits for company must not wait for ever";
            return Err(grammar::refused("batch", &self.batch.to_string(), allowed));
        }
        if self.batch_nsec > 0 && self.batch == 1 {
            let allowed = "0 unless batch is above 1";
            return Err(grammar::refused("batch_nsec", &self.batch_nsec.to_string(), allowed));
        }
        self.check_operations()
    }

    /// Checks that not too many names are declared, and that rules and entries use only declared ones.
    fn check_operations(&self) -> Result<(), ConfigError> {
        if let Some(name) = self.operations.get(MAX_NAMES) {
            return Err(grammar::refused("operation", name, DECLARED_ONCE));
        }
        let is_unknown = |entry: &&ServiceTime| matches!(entry.served(), Served::Call(name) if !self.operations.contains(name));
        if let Some(entry) = self.services.iter().find(is_unknown) {
            return Err(grammar::refused(service::KEY, &entry.to_string(), service::DECLARED));
        }
        let unknown = self.faults.iter().find(|fault| !self.declares(&fault.selection));
        unknown.map_or(Ok(()), |fault| Err(grammar::refused("fault", &fault.to_string(), OPERATIONS)))
    }

    /// Whether the name that a rule selects, if it does, is declared here.
    pub fn declares(&self, selection: &Selection) -> bool {
        selection.call.as_ref().is_none_or(|name| self.operations.contains(name))
    }
}

/// The values of the keys.
impl Config {
    /// `queue_pairs`.
    pub const fn queue_pairs(&self) -> usize {
        self.queue_pairs
    }

    /// `depth`, in requests.
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// `workers`.
    pub const fn workers(&self) -> usize {
        self.workers
    }

    /// `compute_units`.
    pub const fn compute_units(&self) -> usize {
        self.compute_units
    }

    /// `completion_nsec`.
    pub const fn completion(&self) -> Duration {
        Duration::from_nanos(self.completion_nsec)
    }

    /// `firmware_nsec`.
    pub const fn firmware(&self) -> Duration {
        Duration::from_nanos(self.firmware_nsec)
    }

    /// `mbps`.
    pub const fn mbps(&self) -> Mbps {
        self.mbps
    }

    /// `latency_dist`.
    pub const fn latency_dist(&self) -> LatencyDist {
        self.latency_dist
    }

    /// `service`, an entry for each kind of requests.
    pub fn services(&self) -> &[ServiceTime] {
        &self.services
    }

    /// `warmup`.
    pub const fn warmup(&self) -> Option<WarmUp> {
        self.warm_up
    }

    /// `link_mbps`, in 10^6 bytes a second.
    pub const fn link_mbps(&self) -> Mbps {
        self.link_mbps
    }

    /// `link_nsec`.
    pub const fn link(&self) -> Duration {
        Duration::from_nanos(self.link_nsec)
    }

    /// `batch`, in requests.
    pub const fn batch(&self) -> u32 {
        self.batch
    }

    /// `batch_nsec`.
    pub const fn batch_time(&self) -> Duration {
        Duration::from_nanos(self.batch_nsec)
    }

    /// `ops_limit`, in requests a second.
    pub const fn ops_limit(&self) -> u64 {
        self.ops_limit
    }

    /// `ops_burst`, in requests.
    pub const fn ops_burst(&self) -> u64 {
        self.ops_burst
    }

    /// `bytes_limit`, in bytes a second.
    pub const fn bytes_limit(&self) -> u64 {
        self.bytes_limit
    }

    /// `bytes_burst`, in bytes.
    pub const fn bytes_burst(&self) -> u64 {
        self.bytes_burst
    }

    /// `limit`.
    pub const fn limit(&self) -> LimitMode {
        self.limit
    }

    /// `arbitration`.
    pub const fn arbitration(&self) -> &Arbitration {
        &self.arbitration
    }

    /// `ordering`.
    pub const fn ordering(&self) -> CompletionOrder {
        self.ordering
    }

    /// `intc_thresh`, in completions.
    pub const fn intc_thresh(&self) -> u32 {
        self.intc_thresh
    }

    /// `intc_nsec`.
    pub const fn intc(&self) -> Duration {
        Duration::from_nanos(self.intc_nsec)
    }

    /// `spin_nsec`.
    pub const fn spin(&self) -> Duration {
        Duration::from_nanos(self.spin_nsec)
    }

    /// `timing`.
    pub const fn timing(&self) -> Timing {
        self.timing
    }

    /// `operation`, in the order in which they were given.
    pub fn operations(&self) -> &[String] {
        &self.operations
    }

    /// `fault`, in the order in which they were given.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// `model`.
    pub const fn model(&self) -> ModelMode {
        self.model
    }

    /// `seed`.
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

/// Parses back.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue_pairs, depth, workers, compute_units, completion_nsec, .. } = self;
        write!(
            f,
            "queue_pairs={queue_pairs};depth={depth};workers={workers};compute_units={compute_units};\
             completion_nsec={completion_nsec}"
        )?;
        let Self { firmware_nsec, mbps, latency_dist, ordering, seed, .. } = self;
        write!(f, ";firmware_nsec={firmware_nsec};mbps={mbps};latency_dist={latency_dist}")?;
        let Self { link_mbps, link_nsec, batch, batch_nsec, arbitration, .. } = self;
        write!(f, ";link_mbps={link_mbps};link_nsec={link_nsec};batch={batch};batch_nsec={batch_nsec}")?;
        let Self { ops_limit, ops_burst, bytes_limit, bytes_burst, limit, .. } = self;
        write!(f, ";ops_limit={ops_limit};ops_burst={ops_burst};bytes_limit={bytes_limit}")?;
        write!(f, ";bytes_burst={bytes_burst};limit={limit};arbitration={arbitration};ordering={ordering}")?;
        let Self { intc_thresh, intc_nsec, spin_nsec, timing, .. } = self;
        write!(f, ";intc_thresh={intc_thresh};intc_nsec={intc_nsec};spin_nsec={spin_nsec};timing={timing}")?;
        write!(f, ";model={};seed={seed}", self.model)?;
        self.warm_up.map_or(Ok(()), |warm_up| write!(f, ";warmup={warm_up}"))?;
        self.operations.iter().try_for_each(|name| write!(f, ";operation={name}"))?;
        self.services.iter().try_for_each(|entry| write!(f, ";service={entry}"))?;
        self.faults.iter().try_for_each(|fault| write!(f, ";fault={fault}"))
    }
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}

const DECLARED_ONCE: &str = "declared once, and one of at most 64";

/// Of a bucket, or a second.
const MOST_BYTES: u64 = 1_000_000_000_000;
/// In nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

/// The name of an operation of the user's own.
fn operation(key: &Key, value: &str) -> Result<String, ConfigError> {
    const BUILT_IN: &str =
        in_words!("the name of no other operation (", &Operation::NAMES, ", ", ", ", "), and not all");
    // `service=all` means every request.
    if value == "all" || value.parse::<Operation>().is_ok() {
        return Err(grammar::refused(key.name, value, BUILT_IN));
    }
    if is_name(value) { Ok(value.to_owned()) } else { Err(key.refuse(value)) }
}

fn power_of_two(key: &Key, value: &str) -> Result<usize, ConfigError> {
    let depth: usize = key.number(value, 2..=262_144)?;
    if depth.is_power_of_two() { Ok(depth) } else { Err(key.refuse(value)) }
}

#[cfg(test)]
mod tests;
