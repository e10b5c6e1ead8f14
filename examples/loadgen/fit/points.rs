//! Points as measured: a file with a header and a line for each point.
//!
//! ```text
//!   # a comment
//!   size,depth,latency_us        or ops (operations a second), or mbps (10^6 bytes a second)
//!   4096,1,61.5                  bytes, jobs in flight, what was measured
//! ```

use std::path::Path;

use simaccel::grammar::{self, Shown, number};

use crate::failure::Failure;
use crate::units::parse_size;

/// The most points of a file.
const MAX_POINTS: usize = 1_000;

/// The largest file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The most jobs in flight, which is the largest ring.
const MAX_DEPTH: usize = 1 << 18;

/// What the third column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Operations a second.
    Ops,
    /// 10^6 bytes a second.
    Mbps,
    /// From the submission to the result, in microseconds.
    Latency,
}

impl Measure {
    const ALL: [Self; 3] = [Self::Ops, Self::Mbps, Self::Latency];

    /// As the header has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ops => "ops",
            Self::Mbps => "mbps",
            Self::Latency => "latency_us",
        }
    }

    /// Nanoseconds from the end of one operation to that of the next, on average. A latency comes from
    /// Little's law.
    fn nsec_each(self, size: f64, depth: f64, value: f64) -> f64 {
        match self {
            Self::Ops => 1e9 / value,
            Self::Mbps => size * 1e3 / value,
            Self::Latency => value * 1e3 / depth,
        }
    }

    /// The same the other way round.
    pub(super) fn of(self, point: &Point, nsec_each: f64) -> f64 {
        match self {
            Self::Ops => 1e9 / nsec_each,
            Self::Mbps => point.size() * 1e3 / nsec_each,
            Self::Latency => nsec_each * point.depth() / 1e3,
        }
    }
}

/// One point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) bytes: usize,
    pub(super) jobs: usize,
    /// As in the file.
    pub(super) value: f64,
    /// Nanoseconds an operation.
    pub(super) nsec_each: f64,
}

#[expect(clippy::cast_precision_loss, reason = "sizes and depths are far below 2^53")]
impl Point {
    pub(super) const fn size(&self) -> f64 {
        self.bytes as f64
    }

    pub(super) const fn depth(&self) -> f64 {
        self.jobs as f64
    }
}

/// The points of a file.
#[derive(Debug)]
pub(super) struct Points {
    pub(super) measure: Measure,
    pub(super) list: Vec<Point>,
}

impl Points {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let failed =
            |why: &dyn std::fmt::Display| Failure::option("--fit", format_args!("{}: {why}", Shown(&shown)));
        let found = std::fs::metadata(path).map_err(|error| failed(&error))?;
        if found.len() > MAX_FILE {
            return Err(failed(&"larger than 1 MiB"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        Self::parse(&text).map_err(|why| failed(&why))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = (1..).zip(text.trim_start_matches('\u{feff}').lines()).filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        });
        let (at, header) = lines.next().ok_or("no header, allowed is size,depth,ops|mbps|latency_us")?;
        let columns = Columns::parse(header).map_err(|why| format!("line {at}: {why}"))?;
        let mut list = Vec::new();
        for (at, line) in lines {
            list.push(columns.point(line).map_err(|why| format!("line {at}: {why}"))?);
            if list.len() > MAX_POINTS {
                return Err(format!("line {at}: more than {MAX_POINTS} points"));
            }
        }
        if list.is_empty() {
            Err("no points".to_owned())
        } else {
            Ok(Self { measure: columns.measure, list })
        }
    }

    /// The most jobs in flight.
    pub(super) fn deepest(&self) -> usize {
        self.list.iter().map(|point| point.jobs).max().unwrap_or(1)
    }

    /// The sizes, each once, in order.
    pub(super) fn sizes(&self) -> Vec<usize> {
        sorted(self.list.iter().map(|point| point.bytes))
    }

    /// The depths, each once, in order.
    pub(super) fn depths(&self) -> Vec<usize> {
        sorted(self.list.iter().map(|point| point.jobs))
    }
}

fn sorted(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Which column holds what.
#[derive(Debug)]
struct Columns {
    size: usize,
    depth: usize,
    value: usize,
    measure: Measure,
}

impl Columns {
    fn parse(header: &str) -> Result<Self, String> {
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        let place = |name: &str| names.iter().position(|found| *found == name);
        let measures = Measure::ALL.map(|measure| (place(measure.name()), measure));
        let mut measured = measures.iter().filter_map(|(at, measure)| at.map(|at| (at, *measure)));
        match (names.len(), place("size"), place("depth"), measured.next()) {
            (3, Some(size), Some(depth), Some((value, measure))) => Ok(Self { size, depth, value, measure }),
            _ => Err(format!(
                "{}: allowed are the columns size, depth and one of ops, mbps and latency_us",
                Shown(header.trim())
            )),
        }
    }

    fn point(&self, line: &str) -> Result<Point, String> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != 3 {
            return Err(format!("{} fields, allowed are 3", fields.len()));
        }
        let (size, depth, text) = (fields[self.size], fields[self.depth], fields[self.value]);
        let bytes = parse_size(size).map_err(|why| format!("size={}: {why}", Shown(size)))?;
        let jobs = grammar::within(depth, 1..=MAX_DEPTH)
            .ok_or_else(|| format!("depth={}: allowed are 1 to {MAX_DEPTH} jobs in flight", Shown(depth)))?;
        let name = self.measure.name();
        let value = decimal(text)
            .ok_or_else(|| format!("{name}={}: allowed are numbers above 0, as in 12.5", Shown(text)))?;
        let mut point = Point { bytes, jobs, value, nsec_each: 0.0 };
        point.nsec_each = self.measure.nsec_each(point.size(), point.depth(), value);
        // What a device can be told: a picosecond to an hour.
        if !(1e-3..=3.6e12).contains(&(point.nsec_each * point.depth())) {
            return Err(format!("{name}={}: an operation takes 1 ps to an hour", Shown(text)));
        }
        Ok(point)
    }
}

/// A number of digits and at most one point, above 0.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.replacen('.', "", 1);
    let plain = !digits.is_empty() && digits.len() <= 18 && number::<u64>(&digits).is_some();
    text.parse::<f64>().ok().filter(|value| plain && value.is_finite() && *value > 0.0)
}
