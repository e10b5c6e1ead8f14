//! The device's configuration: `key=value;key=value`, the one grammar that is used everywhere.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::model::fault::Fault;
use crate::model::latency::LatencyDist;
use crate::model::order::CompletionOrder;
use crate::stats::timing::Timing;

mod preset;

pub use preset::Preset;

/// What a device is made of. The default is the *ideal* device, which models no latency.
///
/// | key | default | allowed | meaning |
/// |---|---|---|---|
/// | `queue_pairs` | 4 | 1 to 64 | pairs of submission and completion ring |
/// | `depth` | 64 | a power of two, 2 to 262,144 | requests in flight per queue pair |
/// | `workers` | 1 | 1 to 16 | host threads that compute |
/// | `compute_units` | 4 | 1 to 1,024 | the simulated parallelism |
/// | `completion_nsec` | 0 | 0 to 3.6e12 (an hour) | fixed part of a request's service time, in nanoseconds |
/// | `firmware_nsec` | 0 | 0 to 3.6e12 | cost of each request beside it, in nanoseconds |
/// | `mbps` | 0 | 0 to 1,000,000 | bytes a compute unit works on, in 10^6 a second; 0: size does not matter |
/// | `latency_dist` | constant | [`LatencyDist`] | how service times spread around their mean |
/// | `ordering` | unordered | [`CompletionOrder`] | in which order the requests of a queue pair complete |
/// | `intc_thresh` | 1 | 1 to 65,536 | interrupt coalescing: a queue pair says nothing before so many completions ... |
/// | `intc_nsec` | 0 | 0 to 3.6e12 | ... or so many nanoseconds after the first of them; needed with an `intc_thresh` above 1 |
/// | `spin_nsec` | 50,000 | 0 to 1,000,000 | how long before a request is due the worker stops sleeping and watches the clock, in nanoseconds |
/// | `timing` | off | [`Timing`] | which requests are timed, for the histograms of [`DeviceStats`](crate::DeviceStats) |
/// | `fault` | none | [`Fault`], repeatable | what goes wrong, and when |
/// | `seed` | 0 | any `u64` | of every random decision |
/// | `preset` | ideal | [`Preset`] | the numbers above, all at once; other keys change them, wherever they stand |
///
/// With the three parts of the service time at 0, no coalescing, no reordering and no fault the device is *ideal*: it
/// models nothing. Every other device is *modelled*.
///
/// Interrupt coalescing holds back what tells the host: interrupts and wakes. Results can be taken before.
///
/// Numbers are decimal; `_` may group their digits. Spaces around keys and values, and empty parts, are ignored. Only
/// `fault` may come more than once.
///
/// Each worker serves its share of the queue pairs (pair `i` belongs to worker `i` modulo their number), so there are
/// never more workers than queue pairs. A modelled device has one model of time for the whole device,
/// and one worker: it computes, schedules and delivers for all queue pairs, whatever `workers` says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Pairs of submission and completion ring: 1 to 64.
    pub queue_pairs: usize,
    /// Requests in flight per queue pair: a power of two, 2 to 262,144.
    pub depth: usize,
    /// Host threads that compute: 1 to 16.
    pub workers: usize,
    /// The simulated parallelism: 1 to 1,024.
    pub compute_units: usize,
    /// Fixed part of a request's service time, in nanoseconds: 0 to 3,600,000,000,000 (an hour).
    pub completion_nsec: u64,
    /// Cost of each request beside it, in nanoseconds: 0 to 3,600,000,000,000.
    pub firmware_nsec: u64,
    /// How many bytes a compute unit works on, in 10^6 a second: 0 (size does not matter) to 1,000,000.
    pub mbps: u64,
    /// How service times spread around their mean.
    pub latency_dist: LatencyDist,
    /// In which order the requests of a queue pair complete.
    pub ordering: CompletionOrder,
    /// A queue pair's interrupt and wakes wait for so many completions: 1 to 65,536.
    pub intc_thresh: u32,
    /// Or for so many nanoseconds after the first of them: 0 to 3,600,000,000,000.
    pub intc_nsec: u64,
    /// How long before a request is due the worker watches the clock, in nanoseconds: 0 to 1,000,000.
    pub spin_nsec: u64,
    /// Which requests are timed.
    pub timing: Timing,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
    /// Of every random decision.
    pub seed: u64,
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
            mbps: 0,
            latency_dist: LatencyDist::Constant,
            ordering: CompletionOrder::Unordered,
            intc_thresh: 1,
            intc_nsec: 0,
            spin_nsec: 50_000,
            timing: Timing::Off,
            faults: Vec::new(),
            seed: 0,
        }
    }
}

/// A key or value that the device does not take; one line that says what it would take.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A field of a fault comes more than once.
    #[error("fault={}: {} is given twice: once is allowed", Shown(fault), Shown(field))]
    FieldTwice {
        /// The field's name, as given.
        field: String,
        /// The text after `fault=`.
        fault: String,
    },
    /// A key comes more than once.
    #[error("{} is given twice: once is allowed, of all keys but fault", Shown(key))]
    KeyTwice {
        /// As given.
        key: String,
    },
    /// The device has no such key.
    #[error("unknown key {}: the keys are {known}", Shown(key))]
    UnknownKey {
        /// As given.
        key: String,
        /// All keys there are, separated by commas.
        known: String,
    },
    /// The value does not fit the key.
    #[error("{key}={}: must be {allowed}", Shown(value))]
    Value {
        /// One of the keys.
        key: &'static str,
        /// As given.
        value: String,
        /// What would be taken.
        allowed: &'static str,
    },
    /// A part of the text is not `key=value`.
    #[error("{} is not key=value", Shown(part))]
    Syntax {
        /// As given.
        part: String,
    },
}

/// A text that was given, as a message repeats it: on one line, and cut where it is long.
struct Shown<'a>(&'a str);

/// How many characters are repeated.
const SHOWN: usize = 60;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(SHOWN) {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        match self.0.chars().count() {
            0 => f.write_str("(nothing)"),
            count if count > SHOWN => write!(f, "... ({count} characters)"),
            _ => Ok(()),
        }
    }
}

impl Config {
    /// All keys of the device, separated by commas.
    pub const KEYS: &str = "queue_pairs, depth, workers, compute_units, completion_nsec, firmware_nsec, mbps, \
        latency_dist, ordering, intc_thresh, intc_nsec, spin_nsec, timing, fault, seed, preset";

    /// Whether completions take modelled time, so that a request can be executed and not yet be complete.
    pub const fn is_modelled(&self) -> bool {
        self.completion_nsec > 0
            || self.firmware_nsec > 0
            || self.mbps > 0
            || self.intc_thresh > 1
            || matches!(self.ordering, CompletionOrder::Reorder { .. })
            || !self.faults.is_empty()
    }

    /// Parses `key=value;key=value`; what is not named keeps its default.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], for the first part that does not fit.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for pair in Self::pairs(text) {
            let (key, value) = pair?;
            if !config.set(key, value)? {
                return Err(ConfigError::UnknownKey { key: key.to_owned(), known: Self::KEYS.to_owned() });
            }
        }
        config.check()?;
        Ok(config)
    }

    /// The pairs of `key=value;key=value`, trimmed, a `preset` before all others; for configurations that add keys of
    /// their own.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Syntax`] in place of a part without `=`, [`ConfigError::KeyTwice`] in place of one whose key was
    /// there before.
    pub fn pairs(text: &str) -> impl Iterator<Item = Result<(&str, &str), ConfigError>> {
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        let mut keys = Vec::new();
        let pairs = parts.map(move |part| {
            let (key, value) =
                part.split_once('=').ok_or_else(|| ConfigError::Syntax { part: part.to_owned() })?;
            let (key, value) = (key.trim(), value.trim());
            if key != "fault" && keys.contains(&key) {
                return Err(ConfigError::KeyTwice { key: key.to_owned() });
            }
            keys.push(key);
            Ok((key, value))
        });
        let (presets, others): (Vec<_>, Vec<_>) = pairs.partition(|pair| matches!(pair, Ok(("preset", _))));
        presets.into_iter().chain(others)
    }

    /// Sets one key. `Ok(false)`: the device has no such key, and nothing has changed. Keys that exclude each other are
    /// found by [`Config::validate`].
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`]; nothing has changed then either.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool, ConfigError> {
        match key {
            "queue_pairs" => self.queue_pairs = number("queue_pairs", value, 1..=64, "1 to 64")?,
            "depth" => self.depth = depth(value)?,
            "workers" => self.workers = number("workers", value, 1..=16, "1 to 16")?,
            "compute_units" => self.compute_units = number("compute_units", value, 1..=1024, "1 to 1024")?,
            "completion_nsec" => self.completion_nsec = nanoseconds("completion_nsec", value)?,
            "firmware_nsec" => self.firmware_nsec = nanoseconds("firmware_nsec", value)?,
            "mbps" => self.mbps = number("mbps", value, 0..=1_000_000, "0 to 1000000 (10^6 bytes a second)")?,
            "latency_dist" => {
                let wrong = |_| refused("latency_dist", value, LatencyDist::ALLOWED);
                self.latency_dist = value.parse().map_err(wrong)?;
            }
            "ordering" => {
                self.ordering = value.parse().map_err(|allowed| refused("ordering", value, allowed))?;
            }
            "intc_thresh" => {
                self.intc_thresh = number("intc_thresh", value, 1..=65_536, "1 to 65536 (completions)")?;
            }
            "intc_nsec" => self.intc_nsec = nanoseconds("intc_nsec", value)?,
            "spin_nsec" => {
                self.spin_nsec = number("spin_nsec", value, 0..=1_000_000, "0 to 1000000 (nanoseconds)")?;
            }
            "timing" => {
                self.timing = value.parse().map_err(|allowed| refused("timing", value, allowed))?;
            }
            "fault" => self.faults.push(Fault::parse(value)?),
            "preset" => {
                let preset: Preset = value.parse().map_err(|allowed| refused("preset", value, allowed))?;
                preset.apply(self);
            }
            "seed" => self.seed = number("seed", value, 0..=u64::MAX, "0 to 18446744073709551615")?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks fields that were set one by one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] for the first field that is out of its range, or does not go with another.
    pub fn validate(&self) -> Result<(), ConfigError> {
        Self::parse(&self.to_string()).map(drop)
    }

    /// What does not go together.
    fn check(&self) -> Result<(), ConfigError> {
        if self.intc_thresh > 1 && self.intc_nsec == 0 {
            let thresh = self.intc_thresh.to_string();
            return Err(refused(
                "intc_thresh",
                &thresh,
                "1 unless intc_nsec is above 0: what waits for company must not wait for ever",
            ));
        }
        if self.intc_nsec > 0 && self.intc_thresh == 1 {
            let nsec = self.intc_nsec.to_string();
            return Err(refused("intc_nsec", &nsec, "0 unless intc_thresh is above 1"));
        }
        Ok(())
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
        write!(
            f,
            ";firmware_nsec={firmware_nsec};mbps={mbps};latency_dist={latency_dist};ordering={ordering}"
        )?;
        let Self { intc_thresh, intc_nsec, spin_nsec, timing, .. } = self;
        write!(f, ";intc_thresh={intc_thresh};intc_nsec={intc_nsec};spin_nsec={spin_nsec};timing={timing}")?;
        write!(f, ";seed={seed}")?;
        self.faults.iter().try_for_each(|fault| write!(f, ";fault={fault}"))
    }
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}

fn depth(value: &str) -> Result<usize, ConfigError> {
    const ALLOWED: &str = "a power of two, 2 to 262144";
    let depth: usize = number("depth", value, 2..=262_144, ALLOWED)?;
    if depth.is_power_of_two() { Ok(depth) } else { Err(refused("depth", value, ALLOWED)) }
}

fn nanoseconds(key: &'static str, value: &str) -> Result<u64, ConfigError> {
    const HOUR: u64 = 3_600_000_000_000;
    number(key, value, 0..=HOUR, "0 to 3600000000000 (nanoseconds; an hour)")
}

fn number<N>(
    key: &'static str,
    value: &str,
    range: RangeInclusive<N>,
    allowed: &'static str,
) -> Result<N, ConfigError>
where
    N: FromStr + PartialOrd,
{
    let digits = value.replace('_', "");
    let well_formed = value.starts_with(|first: char| first.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| well_formed && range.contains(number));
    number.ok_or_else(|| refused(key, value, allowed))
}

pub(crate) fn refused(key: &'static str, value: &str, allowed: &'static str) -> ConfigError {
    ConfigError::Value { key, value: value.to_owned(), allowed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_ideal_and_parses_back() {
        let config = Config::default();
        assert_eq!(
            config.to_string(),
            "queue_pairs=4;depth=64;workers=1;compute_units=4;completion_nsec=0;firmware_nsec=0;mbps=0;\
             latency_dist=constant;ordering=unordered;intc_thresh=1;intc_nsec=0;spin_nsec=50000;timing=off;seed=0"
        );
        assert_eq!(Config::parse(""), Ok(config.clone()));
        assert_eq!(config.to_string().parse(), Ok(config));
    }

    #[test]
    fn every_key_parses_and_prints() {
        let text = "queue_pairs=64;depth=262144;workers=16;compute_units=1024;completion_nsec=3600000000000;\
                    firmware_nsec=20;mbps=1000000;latency_dist=bimodal:9900;ordering=reorder:25:3;intc_thresh=8;\
                    intc_nsec=100000;spin_nsec=0;timing=sampled;seed=18446744073709551615;\
                    fault=fail:every=2;fault=dead:nth=9";
        let config = Config::parse(text).unwrap();
        let expected = Config {
            queue_pairs: 64,
            depth: 262_144,
            workers: 16,
            compute_units: 1024,
            completion_nsec: 3_600_000_000_000,
            firmware_nsec: 20,
            mbps: 1_000_000,
            latency_dist: LatencyDist::Bimodal(9_900),
            ordering: CompletionOrder::Reorder { percent: 25, gap: 3 },
            intc_thresh: 8,
            intc_nsec: 100_000,
            spin_nsec: 0,
            timing: Timing::Sampled,
            faults: ["fail:every=2", "dead:nth=9"].map(|text| Fault::parse(text).unwrap()).into(),
            seed: u64::MAX,
        };
        assert_eq!(config, expected);
        assert_eq!(config.to_string(), text);
    }

    #[test]
    fn spaces_and_empty_parts_are_ignored() {
        let config = Config::parse(" ; depth = 2 ;; seed=1_000;").unwrap();
        assert_eq!((config.depth, config.seed), (2, 1000));
    }

    #[test]
    fn a_key_is_given_once_and_so_is_a_field_of_a_fault() {
        for (text, twice) in [
            ("depth=2;seed=1; depth = 2", "depth"),
            ("preset=ideal;preset=slow-card", "preset"),
            ("seed=1;preset=ideal;seed=2", "seed"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert_eq!(error, ConfigError::KeyTwice { key: twice.to_owned() }, "{text}");
            assert_eq!(
                error.to_string(),
                format!("{twice} is given twice: once is allowed, of all keys but fault")
            );
        }
        for (fault, twice) in [
            ("fail:op=encrypt,op=decrypt", "op"),
            ("fail:status=auth_failed, every=2 ,status=unsupported", "status"),
            ("short:bytes=3,bytes=3", "bytes"),
            ("delay:nth=1,nsec=5,nth=2", "nth"),
        ] {
            let error = Config::parse(&format!("fault={fault}")).unwrap_err();
            let expected = ConfigError::FieldTwice { field: twice.to_owned(), fault: fault.to_owned() };
            assert_eq!(error, expected, "{fault}");
            assert_eq!(error.to_string(), format!("fault={fault}: {twice} is given twice: once is allowed"));
        }
        assert_eq!(Config::parse("fault=fail:nth=1;fault=fail:nth=1").unwrap().faults.len(), 2);
    }

    #[test]
    fn what_was_given_is_repeated_in_part_and_on_one_line() {
        let long = "x".repeat(5_000);
        for text in [
            long.clone(),
            format!("{long}=1"),
            format!("depth={long}"),
            format!("fault={long}"),
            format!("fault=fail:{long}=1,{long}=2"),
            format!("fault=fail:every={long}"),
            format!("latency_dist={long};seed=1"),
            "depth=2\n3\u{1b}[31m".to_owned(),
            "de\npth=2".to_owned(),
            "de\npth".to_owned(),
            "=2".to_owned(),
        ] {
            let line = Config::parse(&text).unwrap_err().to_string();
            assert!(line.len() < 600 && !line.contains(|c: char| c.is_control()), "{line}");
            let length = text.split([';', '=', ':', ',']).any(|part| part.len() == 5_000);
            assert_eq!(line.contains("characters)"), length, "{line}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_in_one_line() {
        let refused = [
            "queue_pairs=0",
            "queue_pairs=65",
            "depth=1",
            "depth=3",
            "depth=524288",
            "workers=0",
            "workers=17",
            "compute_units=0",
            "compute_units=1025",
            "completion_nsec=3600000000001",
            "completion_nsec=1us",
            "firmware_nsec=3600000000001",
            "mbps=1000001",
            "latency_dist=normal",
            "latency_dist=Exponential",
            "ordering=sorted",
            "ordering=reorder:0:1",
            "ordering=reorder:101:1",
            "ordering=reorder:10:0",
            "ordering=reorder:10",
            "intc_thresh=0",
            "intc_thresh=65537",
            "intc_thresh=2",
            "intc_nsec=5",
            "spin_nsec=1000001",
            "timing=always",
            "fault=fire",
            "preset=magic",
            "seed=18446744073709551616",
            "seed=-1",
            "seed=+1",
            "seed=_1",
            "seed=",
            "seed=0x10",
        ];
        for pair in refused {
            let error = Config::parse(pair).unwrap_err();
            let ConfigError::Value { key, value, allowed } = &error else { panic!("{error}") };
            assert_eq!(format!("{key}={value}"), pair);
            let line = error.to_string();
            assert!(line.contains(pair) && line.contains(allowed) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn unknown_keys_are_an_error_to_parse_and_false_to_set() {
        let mut config = Config::default();
        assert_eq!(config.set("delivery", "poll"), Ok(false));
        assert_eq!(config.set("depth", "128"), Ok(true));
        assert!(config.set("depth", "127").is_err());
        assert_eq!(config, Config { depth: 128, ..Config::default() });

        let error = Config::parse("delivery=poll").unwrap_err();
        assert!(matches!(&error, ConfigError::UnknownKey { key, .. } if key == "delivery"));
        assert!(error.to_string().contains("compute_units"), "{error}");
        assert_eq!(Config::parse("depth"), Err(ConfigError::Syntax { part: "depth".to_owned() }));
    }

    #[test]
    fn fields_that_were_set_directly_are_validated() {
        assert_eq!(Config::default().validate(), Ok(()));
        let config = Config { workers: 17, ..Config::default() };
        assert!(matches!(config.validate(), Err(ConfigError::Value { key: "workers", .. })));
    }
}
