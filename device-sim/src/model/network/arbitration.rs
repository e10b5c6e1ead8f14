//! Which of the requests that wait at a station is served next.
//!
//! ```text
//!   fcfs          one line                                A1 B1 A2 A3 B2 ...
//!   weighted      a line for each queue pair, in turn     A1 A2 │ B1 │ A3 A4 │ B2 ...       (weights 2, 1)
//!   round_robin   the same with all weights 1
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::str::FromStr;

use crate::config::error::ConfigError;
use crate::config::grammar;

/// How a device chooses between the queue pairs that have requests waiting.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Arbitration {
    /// First come, first served, whatever pair it came through.
    #[default]
    Fcfs,
    /// One request of each pair in turn.
    RoundRobin,
    /// As many requests of each pair in its turn as its weight says, 1 to 1,000: by the pair's index, and 1
    /// where there is none.
    Weighted(Vec<u32>),
}

impl Arbitration {
    pub(crate) const ALLOWED: &str =
        "fcfs, round_robin or weighted:WEIGHT:WEIGHT:... (each 1 to 1000, up to 64)";

    /// How many requests of this pair are served in a turn.
    fn weight(&self, port: usize) -> u32 {
        match self {
            Self::Weighted(weights) => weights.get(port).copied().unwrap_or(1),
            _ => 1,
        }
    }
}

impl fmt::Display for Arbitration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fcfs => f.write_str("fcfs"),
            Self::RoundRobin => f.write_str("round_robin"),
            Self::Weighted(weights) => {
                f.write_str("weighted")?;
                weights.iter().try_for_each(|weight| write!(f, ":{weight}"))
            }
        }
    }
}

impl FromStr for Arbitration {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let parts: Vec<&str> = grammar::parts(text, ':').collect();
        let parsed = match &parts[..] {
            ["fcfs"] => Some(Self::Fcfs),
            ["round_robin"] => Some(Self::RoundRobin),
            ["weighted", weights @ ..] if (1..=64).contains(&weights.len()) => {
                let weights: Option<_> =
                    weights.iter().map(|weight| grammar::within(weight, 1..=1_000)).collect();
                weights.map(Self::Weighted)
            }
            _ => None,
        };
        parsed.ok_or_else(|| grammar::refused("arbitration", text, Self::ALLOWED))
    }
}

/// What waits at one station.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    /// One, or one for each queue pair.
    lines: Vec<VecDeque<T>>,
    arbitration: Arbitration,
    /// Whose turn it is, and how many more may be served in it.
    turn: usize,
    left: u32,
    len: usize,
}

impl<T> Waiting<T> {
    pub(crate) fn new(arbitration: &Arbitration, ports: usize) -> Self {
        let lines = if *arbitration == Arbitration::Fcfs { 1 } else { ports.max(1) };
        Self {
            lines: (0..lines).map(|_| VecDeque::new()).collect(),
            arbitration: arbitration.clone(),
            // The next turn is the first pair's.
            turn: lines - 1,
            left: 0,
            len: 0,
        }
    }

    pub(crate) fn push(&mut self, port: usize, waiting: T) {
        let line = if self.lines.len() == 1 { 0 } else { port };
        self.lines[line].push_back(waiting);
        self.len += 1;
    }

    /// Takes the next one.
    pub(crate) fn next(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        self.len -= 1;
        if self.lines.len() == 1 {
            return self.lines[0].pop_front();
        }
        if self.left == 0 || self.lines[self.turn].is_empty() {
            self.begin_turn();
        }
        self.left -= 1;
        self.lines[self.turn].pop_front()
    }

    /// Called while something waits.
    fn begin_turn(&mut self) {
        let count = self.lines.len();
        let mut next = (1..=count).map(|ahead| (self.turn + ahead) % count);
        if let Some(port) = next.find(|port| !self.lines[*port].is_empty()) {
            self.turn = port;
            self.left = self.arbitration.weight(port);
        }
    }

    /// Goes on by another arbitration, from the first pair's turn. `place` says when each has come, and
    /// through which port.
    pub(crate) fn change(
        &mut self,
        arbitration: &Arbitration,
        ports: usize,
        place: impl Fn(&T) -> ((u64, u64), usize),
    ) {
        if self.arbitration == *arbitration {
            return;
        }
        let mut all: Vec<T> = mem::take(&mut self.lines).into_iter().flatten().collect();
        all.sort_by_key(|waiting| place(waiting).0);
        *self = Self::new(arbitration, ports);
        for waiting in all {
            let port = place(&waiting).1;
            self.push(port, waiting);
        }
    }

    /// Removes those for which `keep` is false.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.lines.iter_mut().for_each(|line| line.retain(&mut keep));
        self.len = self.lines.iter().map(VecDeque::len).sum();
    }

    pub(crate) fn clear(&mut self) {
        self.lines.iter_mut().for_each(VecDeque::clear);
        (self.turn, self.left, self.len) = (self.lines.len() - 1, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs of the requests that are taken, of this many that wait at each.
    fn taken(arbitration: &str, waiting: &[usize]) -> Vec<usize> {
        let mut queue = Waiting::new(&arbitration.parse().unwrap(), waiting.len());
        for (port, count) in waiting.iter().enumerate() {
            (0..*count).for_each(|_| queue.push(port, port));
        }
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn pairs_are_served_as_the_arbitration_says() {
        assert_eq!(taken("fcfs", &[2, 3]), [0, 0, 1, 1, 1]);
        assert_eq!(taken("round_robin", &[2, 3]), [0, 1, 0, 1, 1]);
        assert_eq!(taken("round_robin", &[0, 2, 0, 1]), [1, 3, 1]);
        assert_eq!(taken("weighted:2", &[4, 4]), [0, 0, 1, 0, 0, 1, 1, 1]);
        assert_eq!(taken("weighted:1:3:2", &[3, 4, 3]), [0, 1, 1, 1, 2, 2, 0, 1, 2, 0]);
        assert_eq!(taken("weighted:1", &[3, 3]), taken("round_robin", &[3, 3]));
    }

    #[test]
    fn a_turn_ends_with_its_pairs_requests_and_nothing_is_saved_up() {
        let mut queue = Waiting::new(&"weighted:3:1".parse().unwrap(), 2);
        queue.push(0, "a1");
        (0..3).for_each(|_| queue.push(1, "b"));
        assert_eq!((queue.next(), queue.next()), (Some("a1"), Some("b")));
        for name in ["a2", "a3", "a4", "a5"] {
            queue.push(0, name);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(order, ["a2", "a3", "a4", "b", "a5", "b"]);
        // An idle station keeps the turn.
        queue.push(0, "a6");
        assert_eq!(queue.next(), Some("a6"));
        queue.push(1, "b");
        queue.push(0, "a7");
        assert_eq!((queue.next(), queue.next()), (Some("a7"), Some("b")));
    }

    #[test]
    fn what_is_removed_is_not_served() {
        let mut queue = Waiting::new(&Arbitration::RoundRobin, 2);
        for n in 0..6 {
            queue.push(n % 2, n);
        }
        queue.retain(|n| *n != 0 && *n != 3);
        assert_eq!(std::iter::from_fn(|| queue.next()).collect::<Vec<_>>(), [2, 1, 4, 5]);
        queue.push(1, 7);
        queue.clear();
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn an_arbitration_prints_what_parses_back_and_nonsense_is_refused() {
        for text in ["fcfs", "round_robin", "weighted:1", "weighted:1000:1:7"] {
            assert_eq!(text.parse::<Arbitration>().unwrap().to_string(), text);
        }
        let many = format!("weighted{}", ":1".repeat(65));
        for text in
            ["", "weighted", "weighted:0", "weighted:1001", "weighted:x", "fcfs:1", "round-robin", &many]
        {
            assert!(text.parse::<Arbitration>().is_err(), "{text}");
        }
    }
}
