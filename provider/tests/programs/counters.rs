//! The counters of a process, as `simaccel-stat --json` shows them.

use std::path::Path;

use serde_json::Value;

use super::configuration::Configuration;
use super::{command, stat, succeeds};

/// What a process has counted.
#[derive(Clone, Debug)]
pub(crate) struct Counters(pub(crate) Value);

/// What a row has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operations {
    pub(crate) all: u64,
    pub(crate) pauses: u64,
}

impl Operations {
    pub(crate) fn all_paused(count: u64) -> Self {
        Self { all: count, pauses: count }
    }
}

impl Counters {
    /// Reads a file that a process has mapped, whether it runs or has ended.
    #[track_caller]
    pub(crate) fn read(file: &Path) -> Self {
        assert!(file.exists(), "{} is missing: the process has not used the provider", file.display());
        let json = succeeds(command(stat()).arg(file).arg("--json"));
        Self(serde_json::from_slice(&json).unwrap())
    }

    /// The counters of one process of a configuration.
    #[track_caller]
    pub(crate) fn of(configuration: &Configuration, pid: u32) -> Self {
        Self::read(&configuration.counters_file(pid))
    }

    /// The counters of a process once none of its operations is on its way: what a client does not wait for,
    /// such as the end of a connection, may be left when it has gone.
    #[track_caller]
    pub(crate) fn settled(configuration: &Configuration, pid: u32) -> Self {
        Self::settled_in(&configuration.counters_file(pid))
    }

    /// The same of a file: nothing has begun between two looks, and nothing is on its way.
    #[track_caller]
    pub(crate) fn settled_in(file: &Path) -> Self {
        let mut before = Self::read(file);
        loop {
            let counters = Self::read(file);
            if counters.at(&["in_flight"]) == 0 && counters.operations() == before.operations() {
                return counters;
            }
            before = counters;
        }
    }

    /// A number at a path of keys.
    #[track_caller]
    pub(crate) fn at(&self, path: &[&str]) -> u64 {
        self.find(path).unwrap_or_else(|| panic!("no number {path:?} in {}", self.0))
    }

    /// A number that may not be there.
    pub(crate) fn find(&self, path: &[&str]) -> Option<u64> {
        path.iter().try_fold(&self.0, |value, key| value.get(key))?.as_u64()
    }

    pub(crate) fn operations(&self) -> u64 {
        self.at(&["operations"])
    }

    pub(crate) fn pauses(&self) -> u64 {
        self.at(&["pauses"])
    }

    pub(crate) fn resumes(&self) -> u64 {
        self.at(&["resumes"])
    }

    /// The operations of a row, such as `RSA/sign`; none where the row is not there.
    pub(crate) fn row(&self, row: &str) -> Operations {
        let count = |path: &[&str]| self.find(&[&["algorithms", row], path].concat()).unwrap_or(0);
        Operations { all: count(&["operations"]), pauses: count(&["pauses"]) }
    }

    /// Operations that were done without pausing, whatever the reason.
    pub(crate) fn synchronous(&self) -> u64 {
        let reasons = self.0["synchronous"].as_object().unwrap_or_else(|| panic!("{}", self.0));
        let by_reason = reasons.iter().filter(|(reason, _)| *reason != "total");
        let sum = by_reason.map(|(_, count)| count.as_u64().unwrap()).sum();
        assert_eq!(sum, self.at(&["synchronous", "total"]), "{}", self.0);
        sum
    }

    /// Fails the test unless every operation is counted in one way.
    #[track_caller]
    pub(crate) fn assert_add_up(&self) {
        assert_eq!(self.operations(), self.pauses() + self.synchronous(), "{}", self.0);
        assert!(self.resumes() <= self.pauses(), "{}", self.0);
    }

    /// Fails the test unless operations were sent to the device, and all of them paused once and went on.
    #[track_caller]
    pub(crate) fn assert_all_paused(&self) {
        self.assert_add_up();
        assert_ne!(self.operations(), 0, "{}", self.0);
        assert_eq!(self.synchronous(), 0, "{}", self.0);
        assert_eq!(self.pauses(), self.operations(), "{}", self.0);
        assert_eq!(self.resumes(), self.pauses(), "{}", self.0);
    }

    /// Fails the test unless operations were sent to the device, and none of them paused.
    #[track_caller]
    pub(crate) fn assert_none_paused(&self) {
        self.assert_add_up();
        assert_ne!(self.operations(), 0, "{}", self.0);
        assert_eq!(self.pauses(), 0, "{}", self.0);
    }
}
