//! Points and traces: the numbers of an entry, from its text or from a file. The one place of the device that
//! reads files.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use nix::fcntl::OFlag;

use super::{HOUR, KEY, Points, ServiceTime};
use crate::config::error::ConfigError;
use crate::config::grammar::{number, within};

/// The most points of a table, lines of a trace, and bytes of a file.
const MOST_POINTS: usize = 4_096;
const MOST_TIMES: usize = 1 << 20;
const MOST_BYTES: u64 = 16 << 20;

/// Shared by the copies of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Points(Arc<[(u64, u64)]>),
    Trace(Arc<[u64]>),
}

impl Numbers {
    /// The numbers of an entry whose text is `value`; `None`: it has neither points nor a file.
    pub(super) fn of(entry: &ServiceTime, value: &str) -> Result<Option<Self>, ConfigError> {
        Ok(match (&entry.points, &entry.table, &entry.trace) {
            (Some(points), ..) => Some(Self::Points(points.as_slice().into())),
            (_, Some(path), _) => Some(Self::Points(Text::read(path, value)?.points()?.into())),
            (.., Some(path)) => Some(Self::Trace(Text::read(path, value)?.times()?.into())),
            _ => None,
        })
    }
}

/// The points of `16:34480/64:34820`.
pub(super) fn points(text: &str) -> Option<Points> {
    let point = |text: &str| {
        let (bytes, nsec) = text.split_once(':')?;
        Some((number(bytes.trim())?, within(nsec.trim(), 0..=HOUR)?))
    };
    let points: Points = text.split('/').map(point).collect::<Option<_>>()?;
    (points.len() <= MOST_POINTS && points.is_sorted_by(|a, b| a.0 < b.0)).then_some(points)
}

/// The text of a file that an entry names.
struct Text<'a> {
    text: String,
    path: &'a str,
    value: &'a str,
}

impl<'a> Text<'a> {
    fn read(path: &'a str, value: &'a str) -> Result<Self, ConfigError> {
        match contents(path) {
            Ok(text) => Ok(Self { text, path, value }),
            Err(reason) => {
                let (value, path) = (value.to_owned(), path.to_owned());
                Err(ConfigError::File { key: KEY, value, path, reason })
            }
        }
    }

    fn points(&self) -> Result<Points, ConfigError> {
        const ALLOWED: &str = "BYTES NSEC, with NSEC from 0 to 3600000000000 (an hour)";
        let mut points = Points::new();
        for (line, text) in self.lines() {
            let refuse = |allowed| self.refuse(line, text, allowed);
            let words: Vec<&str> = text.split_whitespace().collect();
            let [bytes, nsec] = words[..] else { return Err(refuse(ALLOWED)) };
            let point = number(bytes).zip(within(nsec, 0..=HOUR)).ok_or_else(|| refuse(ALLOWED))?;
            if points.last().is_some_and(|last| last.0 >= point.0) {
                return Err(refuse("of a larger size than the line before it"));
            }
            if points.len() == MOST_POINTS {
                return Err(refuse("nothing: a table has at most 4096 points"));
            }
            points.push(point);
        }
        self.not_empty(&points, "BYTES NSEC, once at least")?;
        Ok(points)
    }

    fn times(&self) -> Result<Vec<u64>, ConfigError> {
        let mut times = Vec::new();
        for (line, text) in self.lines() {
            if times.len() == MOST_TIMES {
                return Err(self.refuse(line, text, "nothing: a trace has at most 1048576 service times"));
            }
            let time = within(text, 0..=HOUR)
                .ok_or_else(|| self.refuse(line, text, "NSEC, from 0 to 3600000000000 (an hour)"))?;
            times.push(time);
        }
        self.not_empty(&times, "NSEC, once at least")?;
        Ok(times)
    }

    /// The lines that say something, and their numbers from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let said = |line: &'_ str| line.split_once('#').map_or(line.len(), |(before, _)| before.len());
        let lines = self.text.lines().map(move |line| line[..said(line)].trim());
        (1..).zip(lines).filter(|(_, line)| !line.is_empty())
    }

    fn not_empty<T>(&self, numbers: &[T], allowed: &'static str) -> Result<(), ConfigError> {
        if numbers.is_empty() { Err(self.refuse(1, "", allowed)) } else { Ok(()) }
    }

    fn refuse(&self, line: usize, text: &str, allowed: &'static str) -> ConfigError {
        let [value, path, text] = [self.value, self.path, text].map(str::to_owned);
        ConfigError::Line { key: KEY, value, path, line, text, allowed }
    }
}

/// The text of a file, or why there is none.
fn contents(path: &str) -> Result<String, String> {
    let told = |error: io::Error| error.to_string();
    // Opening a pipe without a writer would wait for ever.
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(told)?;
    if !file.metadata().map_err(told)?.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(told)?;
    if text.len() as u64 > MOST_BYTES { Err("larger than 16 MiB".to_owned()) } else { Ok(text) }
}
