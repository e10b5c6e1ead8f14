//! The engine's configuration: the device's keys and its own, in one text of one grammar
//! ([`simaccel_device::grammar`]), or from one builder.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use simaccel_device::grammar::{self, Items, Key};
use simaccel_device::{ChangeError, ConfigError, Selection, device_keys, device_setters, key_list, key_rows};

use super::fault::{FaultKind, FaultRule};

/// Hands the table of the engine's own keys to the macro `$then`; see [`device_keys`].
macro_rules! engine_keys {
    ($then:ident) => {
        $then! {
            "delivery", "wake", "wake or poll",
                "how a job learns of its completion: by its wait fd or callback, or by `Engine::poll` (which calls no callback: the status of a context that has one is `Unsupported`)";
            "fallback", "off", "on or off",
                "compute in software when the device fails or cannot be reached; counted";
            "offload_threshold", "0", "0 to 4294967295 (bytes)",
                "smaller requests are computed in software in the calling thread; counted";
            "timeout_msec", "0", "0 (off) to 3600000 (milliseconds of the device's clock)",
                "a request that has not ended within it, or whose wake never comes, is taken back within twice the time and ends as `Error::Timeout`; counted";
            "max_retries", "0", "0 to 100",
                "how often a request is submitted again after a retryable failure; comes before `fallback`; counted";
            "strict", "unchanged", "on or off",
                "the process's strict mode, which reports the job and the call that broke a rule; on in debug builds";
        }
    };
}

/// How jobs are told that their requests are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The device wakes each job: by its wait context's callback if one is set, by its wake fd otherwise.
    #[default]
    Wake,
    /// The device fills the completion ring; [`Engine::poll`](super::Engine::poll) reaps it. Callbacks are
    /// not called: the status of a context with a callback is
    /// [`Unsupported`](crate::job::WaitStatus::Unsupported).
    Poll,
}

impl DeliveryMode {
    /// As in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wake => "wake",
            Self::Poll => "poll",
        }
    }
}

impl fmt::Display for DeliveryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DeliveryMode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let found = [Self::Wake, Self::Poll].into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| grammar::refused("delivery", text, "wake or poll"))
    }
}

/// Configuration of an engine and the device behind it: by [`parse`](Self::parse), or by
/// [`builder`](Self::builder). It displays as the text that parses back.
///
/// The engine's keys:
///
#[doc = engine_keys!(key_rows)]
///
/// The device's keys ([`simaccel_device::Config`] documents them):
///
#[doc = device_keys!(key_rows)]
///
/// A fault is one of the device's ([`FaultKind`](crate::FaultKind)), or one of the engine's: `fd_fail` (an
/// eventfd cannot be created, `EMFILE`) and `nomem` (a submission finds no memory). The fields of
/// [`Selection`] say when, the same for all kinds: `fault=fd_fail:nth=3`.
///
/// `timeout_msec` uses the device's clock: the virtual one of a stepped device, with an alarm and no thread;
/// the real one of any other, with a thread (`simaccel-watchdog`). Each try of `max_retries` has its own
/// time, and retries come before `fallback`. Both make the device work out of place, so that the input is
/// kept for another try and for the caller.
///
/// `strict` is [`job::set_strict`](crate::job::set_strict), called when an engine is opened.
///
/// ```
/// use std::time::Duration;
/// use simaccel::{Config, DeliveryMode};
///
/// let config = Config::builder()
///     .compute_units(2)
///     .completion(Duration::from_micros(50))
///     .timeout(Duration::from_millis(20))
///     .delivery(DeliveryMode::Poll)
///     .build()?;
/// let text = "compute_units=2; completion_nsec=50_000; timeout_msec=20; delivery=poll";
/// assert_eq!(config, Config::parse(text)?);
/// # Ok::<(), simaccel::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    device: simaccel_device::Config,
    delivery: DeliveryMode,
    fallback: bool,
    offload_threshold: u32,
    strict: Option<bool>,
    timeout_msec: u32,
    max_retries: u32,
    faults: Vec<FaultRule>,
}

impl Config {
    /// The engine's own keys; the device's are [`simaccel_device::Config::KEYS`].
    pub const KEYS: &[Key] = engine_keys!(key_list);

    /// Reads `key=value;key=value` on top of the defaults.
    ///
    /// # Errors
    /// [`ConfigError`]: for the first item that is malformed, else for the first invalid one.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::of(&Items::parse(text)?)
    }

    /// A builder that holds the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// A builder with this configuration, number by number: a preset changes none of them.
    pub fn to_builder(&self) -> ConfigBuilder {
        ConfigBuilder { items: Items::parse(&self.to_string()).unwrap_or_default() }
    }

    /// The names of the device's keys, and then those of the engine's.
    pub(crate) fn key_names() -> impl Iterator<Item = &'static str> {
        simaccel_device::Config::KEYS.iter().chain(Self::KEYS).map(|key| key.name)
    }

    fn of(items: &Items) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        simaccel_device::Config::check_items(items)?;
        for (key, value) in items.iter() {
            config.set(key, value)?;
        }
        config.device.check()?;
        config.faults.iter().try_for_each(|rule| rule.check(&config.device))?;
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        if name == "fault" {
            return self.add_fault(value);
        }
        let Some(key) = Self::KEYS.iter().find(|key| key.name == name) else {
            return self.set_device(name, value);
        };
        match key.name {
            "delivery" => self.delivery = value.parse()?,
            "fallback" => self.fallback = key.switch(value)?,
            "offload_threshold" => self.offload_threshold = key.number(value, 0..=u32::MAX)?,
            "timeout_msec" => self.timeout_msec = key.number(value, 0..=3_600_000)?,
            "max_retries" => self.max_retries = key.number(value, 0..=100)?,
            "strict" => self.strict = Some(key.switch(value)?),
            _ => return self.set_device(name, value),
        }
        Ok(())
    }

    fn add_fault(&mut self, text: &str) -> Result<(), ConfigError> {
        match FaultRule::parse(text)? {
            Some(rule) => self.faults.push(rule),
            None => return self.set_device("fault", text),
        }
        Ok(())
    }

    fn set_device(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        if self.device.set(key, value)? {
            return Ok(());
        }
        let known = [simaccel_device::Config::KEYS, Self::KEYS].concat();
        Err(ConfigError::UnknownKey { key: key.to_owned(), known: Key::names(&known) })
    }

    /// Splits a change of a running engine: the rules of the engine, if the text has any rule, and the text
    /// of the device's part.
    pub(crate) fn change(&self, text: &str) -> Result<(Option<Vec<FaultRule>>, String), ChangeError> {
        let items = Items::parse(text)?;
        let (mut rules, mut device) = (Vec::new(), Vec::new());
        if items.has("fault") {
            // It takes the place of all rules before, of both sides.
            device.push("fault=none".to_owned());
        }
        for (key, value) in items.iter() {
            if Self::KEYS.iter().any(|own| own.name == key) {
                let allowed = simaccel_device::Config::changeable().collect::<Vec<_>>().join(", ");
                return Err(ChangeError::Fixed { key: key.to_owned(), allowed });
            }
            match if key == "fault" && value != "none" { FaultRule::parse(value)? } else { None } {
                Some(rule) => rules.push(rule),
                None => device.push(format!("{key}={value}")),
            }
        }
        rules.iter().try_for_each(|rule| rule.check(&self.device))?;
        Ok((items.has("fault").then_some(rules), device.join(";")))
    }

    /// The device's part.
    pub const fn device(&self) -> &simaccel_device::Config {
        &self.device
    }

    /// How jobs are told of completions.
    pub const fn delivery(&self) -> DeliveryMode {
        self.delivery
    }

    /// Whether software takes over when the device fails.
    pub const fn fallback(&self) -> bool {
        self.fallback
    }

    /// Requests below this many bytes are computed in software in the calling thread.
    pub const fn offload_threshold(&self) -> u32 {
        self.offload_threshold
    }

    /// The strict mode that opening an engine sets for the process; `None` leaves it as it is.
    pub const fn strict(&self) -> Option<bool> {
        self.strict
    }

    /// How long a request may take, by the device's clock; `None`: no limit.
    pub fn timeout(&self) -> Option<Duration> {
        (self.timeout_msec > 0).then(|| Duration::from_millis(self.timeout_msec.into()))
    }

    /// How often a request that the device failed is submitted again.
    pub const fn max_retries(&self) -> u32 {
        self.max_retries
    }

    /// Whether the input must outlive the device's work, because it may be needed again.
    pub(crate) const fn keeps_input(&self) -> bool {
        self.fallback || self.timeout_msec > 0 || self.max_retries > 0 || self.device.is_modelled()
    }

    /// Whether the work may have to be repeated, from its initial state.
    pub(crate) const fn may_repeat(&self) -> bool {
        self.fallback || self.max_retries > 0
    }

    /// Whether an operation is only submitted and waited for, on an ideal device or a modelled one. Nothing
    /// else takes such a request back, so its reaping is not recorded.
    pub(crate) fn is_plain(&self) -> bool {
        let asks_for_more = self.may_repeat() || self.timeout_msec > 0 || !self.faults.is_empty();
        self.offload_threshold == 0 && !asks_for_more
    }

    /// When eventfds cannot be made: the rules `fault=fd_fail`.
    pub fn fd_fail(&self) -> impl Iterator<Item = &Selection> {
        self.selections(FaultKind::FdFail)
    }

    /// When submissions find no memory: the rules `fault=nomem`.
    pub fn nomem(&self) -> impl Iterator<Item = &Selection> {
        self.selections(FaultKind::NoMem)
    }

    fn selections(&self, kind: FaultKind) -> impl Iterator<Item = &Selection> {
        self.faults.iter().filter(move |rule| rule.kind() == kind).map(FaultRule::selection)
    }

    pub(crate) fn faults(&self) -> &[FaultRule] {
        &self.faults
    }
}

/// Creates a [`Config`] from typed values. Each key has a method of its name, without its unit where the type
/// has one ([`timeout`](Self::timeout) is `timeout_msec`). The last call for a key counts, but operations,
/// entries of `service` and faults add up.
///
/// [`build`](Self::build) checks the values, by the rules that hold for text.
///
/// ```
/// use simaccel::{Config, Fault, FaultKind, Preset, Selection};
///
/// let config = Config::builder()
///     .preset(Preset::Tpm)
///     .fallback(true)
///     .fault(Fault::new(FaultKind::Dead).when(Selection::default().nth(50)))
///     .nomem(Selection::default().every(7))
///     .build()?;
/// assert_eq!(config, Config::parse("preset=tpm;fallback=on;fault=dead:nth=50;fault=nomem:every=7")?);
///
/// let error = Config::builder().max_retries(1_000).build().unwrap_err();
/// assert_eq!(error.to_string(), "max_retries=1000: must be 0 to 100");
/// # Ok::<(), simaccel::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct ConfigBuilder {
    items: Items,
}

impl ConfigBuilder {
    device_setters!();

    /// `delivery`.
    pub fn delivery(self, delivery: DeliveryMode) -> Self {
        self.with("delivery", delivery)
    }

    /// `fallback`.
    pub fn fallback(self, fallback: bool) -> Self {
        self.with("fallback", switch(fallback))
    }

    /// `offload_threshold`, in bytes.
    pub fn offload_threshold(self, bytes: u32) -> Self {
        self.with("offload_threshold", bytes)
    }

    /// `timeout_msec`: whole milliseconds up to an hour; zero is off.
    pub fn timeout(self, time: Duration) -> Self {
        let (msec, rest) = (time.as_millis(), time.subsec_nanos() % 1_000_000);
        let rest = if rest == 0 { String::new() } else { format!(".{rest:06}") };
        self.with("timeout_msec", format_args!("{msec}{rest}"))
    }

    /// `max_retries`: 0 to 100.
    pub fn max_retries(self, retries: u32) -> Self {
        self.with("max_retries", retries)
    }

    /// `strict`.
    pub fn strict(self, strict: bool) -> Self {
        self.with("strict", switch(strict))
    }

    /// `fault=fd_fail`: one more rule for when an eventfd cannot be made. It takes neither an operation nor a
    /// size.
    pub fn fd_fail(self, when: Selection) -> Self {
        self.engine_fault(FaultKind::FdFail, &when)
    }

    /// `fault=nomem`: one more rule for when a submission finds no memory.
    pub fn nomem(self, when: Selection) -> Self {
        self.engine_fault(FaultKind::NoMem, &when)
    }

    fn engine_fault(mut self, kind: FaultKind, when: &Selection) -> Self {
        self.items.add("fault", format_args!("{}{when}", kind.name()));
        self
    }

    /// The configuration.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value that does not fit, as [`Config::parse`] says it.
    pub fn build(&self) -> Result<Config, ConfigError> {
        Config::of(&self.items)
    }
}

const fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}

impl fmt::Display for Config {
    /// The text that [`Config::parse`] turns into this configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delivery, fallback, offload_threshold, timeout_msec, max_retries, .. } = self;
        write!(f, "{};delivery={delivery};fallback={}", self.device, switch(*fallback))?;
        write!(f, ";offload_threshold={offload_threshold}")?;
        write!(f, ";timeout_msec={timeout_msec};max_retries={max_retries}")?;
        if let Some(strict) = self.strict {
            write!(f, ";strict={}", switch(strict))?;
        }
        self.faults.iter().try_for_each(|fault| write!(f, ";fault={fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_prints_what_parses_back() {
        let text = " depth = 128 ; delivery=poll;fallback=on;offload_threshold=256;timeout_msec=250;max_retries=3;strict=off;fault=fd_fail:nth=3 ;fault=nomem:every=2 ";
        let config = Config::parse(text).unwrap();
        assert_eq!(
            (config.delivery(), config.fallback(), config.offload_threshold()),
            (DeliveryMode::Poll, true, 256)
        );
        assert_eq!(config.strict(), Some(false));
        assert_eq!((config.timeout(), config.max_retries()), (Some(Duration::from_millis(250)), 3));
        assert_eq!(Config::parse("timeout_msec=0").unwrap().timeout(), None);
        assert_eq!(Config::parse(&config.to_string()).unwrap(), config);
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn the_input_is_kept_wherever_it_may_be_needed_again() {
        let kept = |text: &str| {
            let config = Config::parse(text).unwrap();
            (config.keeps_input(), config.may_repeat())
        };
        assert_eq!((kept(""), kept("mbps=100")), ((false, false), (true, false)));
        assert_eq!((kept("fallback=on"), kept("max_retries=1")), ((true, true), (true, true)));
        assert_eq!(kept("timeout_msec=1"), (true, false));
    }

    #[test]
    fn nonsense_is_refused_by_name_in_one_line() {
        let texts = [
            "colour=blue",
            "delivery=pigeon",
            "fallback=maybe",
            "offload_threshold=-1",
            "strict=very",
            "timeout_msec=3600001",
            "timeout_msec=1s",
            "max_retries=101",
            "depth=65",
            "depth",
            "fault=fire",
            "delivery=poll;delivery=wake",
            "strict=on;depth=2;strict=on",
            "fault=nomem:op=mac,op=digest",
            "fault=nomem:size=9..3",
        ];
        for text in texts {
            let message = Config::parse(text).unwrap_err().to_string();
            let name = text.split('=').next().unwrap();
            assert!(message.contains(name) && !message.contains('\n'), "{text}: {message}");
        }
    }
}
