//! Service times of their own for some requests: `service=WHAT:FIELD=VALUE,...`. Text and numbers; the model
//! turns them into times.
//!
//! ```text
//!   service=WHAT:FIELD=VALUE,FIELD=VALUE          service=aes-128-gcm/encrypt:nsec=5000,mbps=1500
//!
//!   a request ──► a declared name ─► ALGORITHM/OPERATION ─► ALGORITHM ─► OPERATION ─► all ─► the general keys
//!                 (the first of these that has an entry says how long it takes)
//! ```
//!
//! A file is read when its text is parsed, and only here and in [`numbers`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::error::ConfigError;
use super::grammar::{self, Fields};
use super::mbps::Mbps;
use crate::model::latency::LatencyDist;

mod numbers;
mod served;

use numbers::Numbers;
pub(super) use served::DECLARED;
pub use served::Served;

/// The key.
pub(super) const KEY: &str = "service";
/// An hour, in nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

/// How long some requests take: an entry of `service`. A part that it does not give is that of the general
/// keys `completion_nsec`, `mbps` and `latency_dist`.
///
/// | field | the service time | example |
/// |---|---|---|
/// | `nsec` | fixed part, in nanoseconds, up to an hour | `service=digest:nsec=5000` |
/// | `mbps` | 10^6 bytes a second; 0: size does not matter | `service=aes-128-gcm:mbps=62.5` |
/// | `dist` | spreads as [`LatencyDist`] says | `service=all:dist=exponential` |
/// | `points` | by size: `BYTES:NSEC`, up to 4,096 of them, separated by `/`, in order of size | `service=mac:points=16:34480/64:34820` |
/// | `table` | by size, from a file with a line `BYTES NSEC` for each point | `service=aes-128-gcm:table=gcm.txt` |
/// | `trace` | as recorded, in turn, and from the start again: a file with a line `NSEC` for each request, up to 1,048,576 | `service=sign:trace=sign.txt` |
///
/// Between two points the time is that of the line through them, below the first its own, and above the last
/// the slope of the last two goes on, but not below 0. `points`, `table` and `trace` come alone, except that
/// `dist` may come with `points` and `table`. A trace is replayed as it is.
///
/// In a file, empty lines and comments (from `#`) do not count. It is a regular file of at most 16 MiB, and
/// is read when the configuration is parsed or built.
///
/// ```
/// use std::time::Duration;
/// use simaccel_device::{Cipher, Config, Operation, Served, ServiceTime};
///
/// let config = Config::builder()
///     .service(ServiceTime::of(Cipher::Aes128Cbc).nsec(Duration::from_micros(5)).mbps(1_500))
///     .service(ServiceTime::of(Operation::Digest).points(&[(64, 2_000), (4_096, 9_000)]))
///     .build()?;
/// let text = "service=aes-128-cbc:nsec=5000,mbps=1500;service=digest:points=64:2000/4096:9000";
/// assert_eq!(config, Config::parse(text)?);
/// # Ok::<(), simaccel_device::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceTime {
    served: Served,
    nsec: Option<u128>,
    mbps: Option<Mbps>,
    dist: Option<LatencyDist>,
    points: Option<Points>,
    table: Option<String>,
    trace: Option<String>,
    /// What the points or the file say, once they are parsed.
    numbers: Option<Numbers>,
}

/// Bytes and nanoseconds.
type Points = Vec<(u64, u64)>;

const FIELDS: &str = "the fields nsec, mbps, dist, points, table and trace";
const SOME: &str = "WHAT:FIELD=VALUE with some of the fields nsec, mbps, dist, points, table and trace";
const ALONE: &str = "one of points, table and trace without the others, nsec and mbps";
const TRACE_ALONE: &str = "trace=FILE without dist: a trace is replayed as it is";
const NSEC: &str = "nsec=N with N from 0 to 3600000000000 (an hour)";
const MBPS: &str = "mbps=N with N from 0 to 1000000, with up to three decimals";
const POINTS: &str = "points=BYTES:NSEC/BYTES:NSEC/... with 1 to 4096 points, sizes in order, each once, and times up to \
    3600000000000 (an hour)";
const FILE: &str = "a FILE without ; , # and control characters in its name";

/// What an entry says of the time on a unit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given<'a> {
    /// A fixed part and a rate, where they are given.
    Linear(Option<u64>, Option<Mbps>),
    /// Bytes and nanoseconds, in order.
    Points(&'a [(u64, u64)]),
    /// Nanoseconds.
    Trace(&'a [u64]),
}

impl ServiceTime {
    /// An entry for these requests, without fields.
    pub fn of(served: impl Into<Served>) -> Self {
        Self {
            served: served.into(),
            nsec: None,
            mbps: None,
            dist: None,
            points: None,
            table: None,
            trace: None,
            numbers: None,
        }
    }

    /// The fixed part, up to an hour.
    #[must_use]
    pub fn nsec(self, time: Duration) -> Self {
        Self { nsec: Some(time.as_nanos()), ..self }
    }

    /// The rate.
    #[must_use]
    pub fn mbps(self, mbps: impl Into<Mbps>) -> Self {
        Self { mbps: Some(mbps.into()), ..self }
    }

    /// How it spreads.
    #[must_use]
    pub fn dist(self, dist: LatencyDist) -> Self {
        Self { dist: Some(dist), ..self }
    }

    /// Bytes and nanoseconds, in order of size.
    #[must_use]
    pub fn points(self, points: &[(u64, u64)]) -> Self {
        Self { points: Some(points.to_vec()), ..self }
    }

    /// A file of points; read when the configuration is built.
    #[must_use]
    pub fn table(self, file: &str) -> Self {
        Self { table: Some(file.to_owned()), ..self }
    }

    /// A file of service times; read when the configuration is built.
    #[must_use]
    pub fn trace(self, file: &str) -> Self {
        Self { trace: Some(file.to_owned()), ..self }
    }

    /// The requests that it is for.
    pub const fn served(&self) -> &Served {
        &self.served
    }

    /// Parses the text after `service=`, and reads the file that it names.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] for the first part that does not fit, with what is allowed instead;
    /// [`ConfigError::FieldTwice`]; [`ConfigError::File`] and [`ConfigError::Line`] for a file.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |allowed| grammar::refused(KEY, text, allowed);
        let (what, fields) = grammar::fields(KEY, text)?;
        let mut entry = Self::of(Served::parse(what).map_err(refuse)?);
        entry.set(&fields).map_err(refuse)?;
        entry.check().map_err(refuse)?;
        entry.numbers = Numbers::of(&entry, text)?;
        Ok(entry)
    }

    /// The requests that the text of an entry is for.
    pub(super) fn served_by(text: &str) -> Result<Served, ConfigError> {
        let (what, _) = grammar::fields(KEY, text)?;
        Served::parse(what).map_err(|allowed| grammar::refused(KEY, text, allowed))
    }

    fn set(&mut self, fields: &Fields<'_>) -> Result<(), &'static str> {
        for (field, value) in fields {
            match *field {
                "nsec" => self.nsec = Some(u128::from(grammar::within(value, 0..=HOUR).ok_or(NSEC)?)),
                "mbps" => self.mbps = Some(Mbps::parse(value).ok_or(MBPS)?),
                "dist" => self.dist = Some(value.parse().map_err(|_| LatencyDist::ALLOWED)?),
                "points" => self.points = Some(numbers::points(value).ok_or(POINTS)?),
                "table" => self.table = Some(file(value)?),
                "trace" => self.trace = Some(file(value)?),
                _ => return Err(FIELDS),
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), &'static str> {
        let linear = self.nsec.is_some() || self.mbps.is_some();
        let kinds = [linear, self.points.is_some(), self.table.is_some(), self.trace.is_some()];
        match kinds.iter().filter(|given| **given).count() {
            0 if self.dist.is_none() => Err(SOME),
            2.. => Err(ALONE),
            _ if self.trace.is_some() && self.dist.is_some() => Err(TRACE_ALONE),
            _ => Ok(()),
        }
    }

    /// What it says of the time on a unit, once it is parsed.
    pub(crate) fn given(&self) -> Given<'_> {
        match &self.numbers {
            Some(Numbers::Points(points)) => Given::Points(points),
            Some(Numbers::Trace(times)) => Given::Trace(times),
            None => Given::Linear(self.nsec.and_then(|nsec| u64::try_from(nsec).ok()), self.mbps),
        }
    }

    /// How it spreads, if it says so.
    pub(crate) fn given_dist(&self) -> Option<LatencyDist> {
        self.dist
    }
}

/// The name of a file that a configuration can hold.
fn file(value: &str) -> Result<String, &'static str> {
    let fits = |c: char| !c.is_control() && !";,#".contains(c);
    if !value.is_empty() && value.chars().all(fits) { Ok(value.to_owned()) } else { Err(FILE) }
}

/// As in a configuration: `aes-128-cbc:nsec=5000,mbps=1500`.
impl fmt::Display for ServiceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = |points: &Points| {
            let texts = points.iter().map(|(bytes, nsec)| format!("{bytes}:{nsec}"));
            texts.collect::<Vec<_>>().join("/")
        };
        let fields = [
            self.nsec.map(|nsec| format!("nsec={nsec}")),
            self.mbps.map(|mbps| format!("mbps={mbps}")),
            self.dist.map(|dist| format!("dist={dist}")),
            self.points.as_ref().map(|given| format!("points={}", points(given))),
            self.table.as_ref().map(|file| format!("table={file}")),
            self.trace.as_ref().map(|file| format!("trace={file}")),
        ];
        write!(f, "{}", self.served)?;
        let mut separator = ":";
        for field in fields.iter().flatten() {
            write!(f, "{separator}{field}")?;
            separator = ",";
        }
        Ok(())
    }
}

impl FromStr for ServiceTime {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}

/// The first N requests of a device take another time: `warmup=N:PERCENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// This many, 1 to 1,000,000,000, in the order in which the model takes them.
    pub requests: u64,
    /// This many percent of their service time, 100 to 100,000.
    pub percent: u32,
}

impl WarmUp {
    /// The value of `warmup`. `none`: there is none.
    pub(super) fn parse(text: &str) -> Option<Option<Self>> {
        if text == "none" {
            return Some(None);
        }
        let (requests, percent) = text.split_once(':')?;
        let requests = grammar::within(requests.trim(), 1..=1_000_000_000)?;
        Some(Some(Self { requests, percent: grammar::within(percent.trim(), 100..=100_000)? }))
    }
}

/// As in a configuration: `100:300`.
impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.requests, self.percent)
    }
}

#[cfg(test)]
mod tests;
