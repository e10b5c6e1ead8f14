//! An axis of a sweep: what varies, and the values that it takes.
//!
//! ```text
//!   axis    KEY "=" ( A ".." B [ ":" STEPS ] | VALUE { "," VALUE } )
//!   KEY     latency, units, depth, jobs, size, rate, threads, or a key of the configuration whose default is a number
//!   A, B    whole numbers; a time has a unit (5us, 2ms), a size may have one (4k)
//!
//!   A .. B  more than a decade: geometric         1us .. 500us:4    1 µs   7.9 µs   63 µs   500 µs
//!           otherwise:          linear            1 .. 4:4          1      2        3       4
//! ```
//!
//! What lies between A and B is rounded: to two digits, a geometric size and every depth to a power of two.
//! Of values that become equal one is left.

use simaccel::grammar::{self, Key as ConfigKey};

use crate::units::{grouped, parse_size, short_size};

/// Most values of an axis.
pub(crate) const MAX_VALUES: usize = 64;

/// What a value of an axis sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sets {
    /// A key of the configuration.
    Config(&'static str),
    Jobs,
    Size,
    Rate,
    Threads,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Nanoseconds.
    Time,
    Bytes,
    PowerOfTwo,
    Count,
}

/// What varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// As on the command line.
    pub(crate) name: &'static str,
    pub(crate) sets: Sets,
    scale: Scale,
    /// What is said of a value: before it, and behind it.
    phrase: (&'static str, &'static str),
}

const KEYS: [Key; 7] = [
    Key {
        name: "latency",
        sets: Sets::Config("completion_nsec"),
        scale: Scale::Time,
        phrase: ("a latency of ", ""),
    },
    Key {
        name: "units",
        sets: Sets::Config("compute_units"),
        scale: Scale::Count,
        phrase: ("", " compute units"),
    },
    Key {
        name: "depth",
        sets: Sets::Config("depth"),
        scale: Scale::PowerOfTwo,
        phrase: ("rings of ", " entries"),
    },
    Key { name: "jobs", sets: Sets::Jobs, scale: Scale::Count, phrase: ("", " jobs in flight") },
    Key { name: "size", sets: Sets::Size, scale: Scale::Bytes, phrase: ("", " bytes") },
    Key { name: "rate", sets: Sets::Rate, scale: Scale::Count, phrase: ("", " op/s sent") },
    Key { name: "threads", sets: Sets::Threads, scale: Scale::Count, phrase: ("", " threads") },
];

impl Key {
    fn named(name: &str) -> Result<Self, String> {
        if let Some(key) = KEYS.into_iter().find(|key| key.name == name) {
            return Ok(key);
        }
        let key = config_keys().find(|key| key.name == name).ok_or_else(|| {
            let names: Vec<&str> =
                KEYS.iter().map(|key| key.name).chain(config_keys().map(|key| key.name)).collect();
            format!("allowed as KEY are {}", names.join(", "))
        })?;
        let scale = match key.name {
            name if name.ends_with("_nsec") => Scale::Time,
            "depth" => Scale::PowerOfTwo,
            _ => Scale::Count,
        };
        Ok(Self { name: key.name, sets: Sets::Config(key.name), scale, phrase: ("", "") })
    }

    /// The unit of the numbers in JSON.
    pub(crate) const fn unit(&self) -> &'static str {
        match (self.scale, self.sets) {
            (Scale::Time, _) => "ns",
            (Scale::Bytes, _) => "bytes",
            (_, Sets::Rate) => "op/s",
            _ => "",
        }
    }

    /// A value for people: `50 µs`, `4k`, `1,000`.
    pub(crate) fn label(&self, value: u64) -> String {
        match self.scale {
            Scale::Time => time_label(value),
            Scale::Bytes => usize::try_from(value).map_or_else(|_| value.to_string(), short_size),
            Scale::PowerOfTwo | Scale::Count => grouped(value),
        }
    }

    /// A value within a sentence: `8 jobs in flight`.
    pub(crate) fn phrase(&self, value: u64) -> String {
        let label = self.label(value);
        match self.phrase {
            ("", "") => format!("{}={label}", self.name),
            (before, behind) if value == 1 => format!("{before}{label}{}", behind.replacen("s", "", 1)),
            (before, behind) => format!("{before}{label}{behind}"),
        }
    }

    /// The lengths, counts or nanoseconds that a text stands for. A time without unit has that of `unit_of`.
    fn value(&self, text: &str, unit_of: &str) -> Option<u64> {
        match self.scale {
            Scale::Bytes => parse_size(text).ok().map(|size| size as u64),
            Scale::PowerOfTwo | Scale::Count => grammar::number(text),
            Scale::Time => {
                let unit = Some(unit(text)).filter(|unit| !unit.is_empty()).unwrap_or_else(|| unit(unit_of));
                // The configuration's own keys are nanoseconds without any unit.
                let nanos = match unit {
                    "" if self.name != "latency" => 1,
                    "ns" => 1,
                    "us" | "µs" => 1_000,
                    "ms" => 1_000_000,
                    "s" => 1_000_000_000,
                    _ => return None,
                };
                let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
                let product = grammar::thousandths(digits)?.checked_mul(nanos)?;
                product.is_multiple_of(1_000).then_some(product / 1_000)
            }
        }
    }

    fn allowed(&self) -> &'static str {
        match self.scale {
            Scale::Time => "times, as in 500ns, 50us or 2ms",
            Scale::Bytes => "sizes of 1 to 64m bytes, with a suffix k or m",
            Scale::PowerOfTwo | Scale::Count => "whole numbers",
        }
    }

    /// A value between the ends of a range.
    fn rounded(&self, value: f64, is_geometric: bool) -> u64 {
        match self.scale {
            Scale::PowerOfTwo => power_of_two(value),
            Scale::Bytes if is_geometric => power_of_two(value),
            // Whole blocks.
            Scale::Bytes => whole((value / 16.0).round() * 16.0),
            Scale::Time | Scale::Count => two_digits(value),
        }
    }
}

/// Keys of the configuration that have a number.
fn config_keys() -> impl Iterator<Item = &'static ConfigKey> {
    let all = simaccel_device::Config::KEYS.iter().chain(simaccel::Config::KEYS);
    all.filter(|key| key.default.parse::<u64>().is_ok())
}

fn unit(text: &str) -> &str {
    &text[text.trim_end_matches(|c: char| c.is_alphabetic()).len()..]
}

fn power_of_two(value: f64) -> u64 {
    whole(2_f64.powf(value.log2().round()))
}

fn two_digits(value: f64) -> u64 {
    let digit = 10_f64.powf((value.max(1.0).log10().floor() - 1.0).max(0.0));
    whole((value / digit).round() * digit)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// 2,400 ns as `2.4 µs`.
fn time_label(nanos: u64) -> String {
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)];
    let Some((unit, size)) = units.into_iter().find(|(_, size)| nanos >= *size) else {
        return format!("{nanos} ns");
    };
    let decimals = format!("{:09}", (nanos % size) * (1_000_000_000 / size));
    match decimals.trim_end_matches('0') {
        "" => format!("{} {unit}", nanos / size),
        decimals => format!("{}.{decimals} {unit}", nanos / size),
    }
}

/// What varies, and the values in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) key: Key,
    pub(crate) values: Vec<u64>,
}

/// An axis as given: how many values a range has depends on whether it is alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) key: Key,
    values: Values,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    List(Vec<u64>),
    Range { from: u64, to: u64, steps: Option<usize> },
}

impl Given {
    /// # Errors
    /// A line that says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, values) = text.split_once('=').ok_or_else(|| {
            "allowed are KEY=A..B, KEY=A..B:STEPS and KEY=VALUE,VALUE,..., as in jobs=1..64 or latency=5us,50us"
                .to_owned()
        })?;
        let key = Key::named(name.trim())?;
        let refused = || format!("{}: allowed are {}", key.name, key.allowed());
        let Some((from, rest)) = values.split_once("..") else {
            return Self::list(key, values);
        };
        let (to, steps) = rest.split_once(':').map_or((rest, None), |(to, steps)| (to, Some(steps)));
        let (from, to) = (from.trim(), to.trim());
        let (from, to) = key.value(from, to).zip(key.value(to, to)).ok_or_else(refused)?;
        if from >= to {
            return Err(format!("{}: the range has to go up", key.name));
        }
        let steps = steps.map(|steps| {
            grammar::within(steps.trim(), 2..=MAX_VALUES)
                .ok_or_else(|| format!("{}: allowed as STEPS are 2 to {MAX_VALUES}", key.name))
        });
        Ok(Self { key, values: Values::Range { from, to, steps: steps.transpose()? } })
    }

    fn list(key: Key, text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let last = parts.last().copied().unwrap_or("");
        let values: Option<Vec<u64>> = parts.iter().map(|part| key.value(part, last)).collect();
        let mut values = values.ok_or_else(|| format!("{}: allowed are {}", key.name, key.allowed()))?;
        values.sort_unstable();
        values.dedup();
        if values.len() > MAX_VALUES {
            return Err(format!("{}: allowed are at most {MAX_VALUES} values", key.name));
        }
        Ok(Self { key, values: Values::List(values) })
    }

    /// The values, of which a range has `steps` where it does not say how many.
    pub(crate) fn axis(&self, steps: usize) -> Axis {
        let values = match &self.values {
            Values::List(values) => values.clone(),
            Values::Range { from, to, steps: given } => range(self.key, *from, *to, given.unwrap_or(steps)),
        };
        Axis { key: self.key, values }
    }
}

/// `steps` values from `from` to `to`, fewer where rounding makes them equal.
#[expect(clippy::cast_precision_loss, reason = "what lies between the ends is rounded to two digits")]
fn range(key: Key, from: u64, to: u64, steps: usize) -> Vec<u64> {
    let is_geometric = from > 0 && to / from >= 10 && to > 10 * from;
    let (low, high) = (from as f64, to as f64);
    let between = (1..steps - 1).map(|step| {
        let share = step as f64 / (steps - 1) as f64;
        let value = if is_geometric { low * (high / low).powf(share) } else { low + (high - low) * share };
        key.rounded(value, is_geometric)
    });
    let between = between.filter(|value| (from + 1..to).contains(value));
    let mut values: Vec<u64> = std::iter::once(from).chain(between).chain([to]).collect();
    values.dedup();
    values
}
