//! The order in which the requests of a queue pair complete.
//!
//! ```text
//!   unordered      when each is due                          1 3 2 4 5
//!   fifo           never before those submitted earlier      1 2 3 4 5
//!   reorder:P:G    as fifo, but P % are held back until      2 3 4 1 5     (1 was held back, G = 3)
//!                  G others of their pair have overtaken them, or none is left that could
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::config::error::ConfigError;
use crate::config::grammar;

/// The order in which the requests of a queue pair complete; there is none between pairs. Requests that never
/// complete hold up no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompletionOrder {
    /// When each is due.
    #[default]
    Unordered,
    /// First in, first out.
    Fifo,
    /// First in, first out, except for some that are overtaken: `reorder:PERCENT:GAP`.
    Reorder {
        /// The share that is held back, in percent: 1 to 99. To hold back all is an order of its own, without
        /// requests that overtake.
        percent: u32,
        /// How many other requests overtake each of them: 1 to 65,536.
        gap: u32,
    },
}

const ALLOWED: &str = "unordered, fifo or reorder:PERCENT:GAP (1 to 99, 1 to 65536)";

impl fmt::Display for CompletionOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unordered => f.write_str("unordered"),
            Self::Fifo => f.write_str("fifo"),
            Self::Reorder { percent, gap } => write!(f, "reorder:{percent}:{gap}"),
        }
    }
}

impl FromStr for CompletionOrder {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let order = match *grammar::parts(text, ':').collect::<Vec<_>>() {
            ["unordered"] => Some(Self::Unordered),
            ["fifo"] => Some(Self::Fifo),
            ["reorder", percent, gap] => grammar::within(percent, 1..=99)
                .zip(grammar::within(gap, 1..=65_536))
                .map(|(percent, gap)| Self::Reorder { percent, gap }),
            _ => None,
        };
        order.ok_or_else(|| grammar::refused("ordering", text, ALLOWED))
    }
}

/// The current order of one queue pair. `T` is a request on its way to completion.
#[derive(Debug)]
pub(crate) struct Order<T> {
    order: CompletionOrder,
    random: ChaCha8Rng,
    /// When the last request in order is due.
    last_due: u64,
    /// Requests that will be due and are not held back.
    coming: u64,
    held: VecDeque<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    request: T,
    /// How many requests have still to overtake it.
    gap: u32,
}

impl<T> Order<T> {
    /// The order of pair `index`.
    pub(crate) fn new(order: CompletionOrder, seed: u64, index: usize) -> Self {
        let mut bytes = *b"........device-sim order........";
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[24..].copy_from_slice(&(index as u64).to_le_bytes());
        let random = ChaCha8Rng::from_seed(bytes);
        Self { order, random, last_due: 0, coming: 0, held: VecDeque::new() }
    }

    /// A request comes that will be due. Returns how many must overtake it.
    pub(crate) fn enter(&mut self) -> u32 {
        self.coming += 1;
        self.draw()
    }

    /// Draws for a request that has no place in the order, so that its fault shifts no other request.
    pub(crate) fn skip(&mut self) {
        let _ = self.draw();
    }

    /// How many must overtake the next request.
    fn draw(&mut self) -> u32 {
        match self.order {
            CompletionOrder::Reorder { percent, gap } if self.random.next_u32() % 100 < percent => gap,
            _ => 0,
        }
    }

    /// The next request in the order in which they came would be due at `due`. Returns when it is.
    pub(crate) fn place(&mut self, due: u64) -> u64 {
        if self.order == CompletionOrder::Unordered {
            return due;
        }
        self.last_due = self.last_due.max(due);
        self.last_due
    }

    /// Whether requests are placed in the order in which they came.
    pub(crate) fn is_kept(&self) -> bool {
        self.order != CompletionOrder::Unordered
    }

    /// Called when a request is due that `gap` others must overtake; `complete` gets all requests that
    /// complete now.
    pub(crate) fn due(&mut self, request: T, gap: u32, mut complete: impl FnMut(T)) {
        self.coming -= 1;
        if gap > 0 && self.coming > 0 {
            self.held.push_back(Held { request, gap });
            return;
        }
        complete(request);
        if self.held.is_empty() {
            return;
        }
        self.held.iter_mut().for_each(|held| held.gap = held.gap.saturating_sub(1));
        let alone = self.coming == 0;
        let (overtaken, held) = self.held.drain(..).partition(|held| alone || held.gap == 0);
        self.held = held;
        let overtaken: VecDeque<Held<T>> = overtaken;
        overtaken.into_iter().for_each(|held| complete(held.request));
    }

    /// Called when a request completes as it comes, before others that are due. `false`: it cannot, because
    /// requests are held back.
    ///
    /// (Written as `coming -= u64::from(passes)`, the count stayed as it was where rustc 1.95.0 inlined this
    /// at `opt-level=3`. A test in the model's pipeline shows it.)
    #[inline]
    pub(crate) fn pass(&mut self) -> bool {
        if !self.held.is_empty() {
            return false;
        }
        self.coming -= 1;
        true
    }

    /// Called when a request is gone and will never be due. Returns the held-back requests that no remaining
    /// request can overtake: they are due again.
    pub(crate) fn gone(&mut self) -> Vec<T> {
        self.coming -= 1;
        if self.coming > 0 {
            return Vec::new();
        }
        self.coming = self.held.len() as u64;
        self.held.drain(..).map(|held| held.request).collect()
    }

    /// Starts over, empty; returns the held-back requests.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = T> + '_ {
        self.coming = 0;
        self.last_due = 0;
        self.held.drain(..).map(|held| held.request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which ten requests complete that are due one after the other.
    fn completed(text: &str) -> Vec<u64> {
        let mut order = Order::new(text.parse().unwrap(), 1, 0);
        let scheduled: Vec<_> = (0..10).map(|n| (n, (order.place(10 * n), order.enter()))).collect();
        let mut completed = Vec::new();
        for (n, (due, gap)) in scheduled {
            assert_eq!(due, 10 * n);
            order.due(n, gap, |n| completed.push(n));
        }
        assert_eq!(order.clear().count(), 0);
        completed
    }

    #[test]
    fn everybody_completes_once_and_some_are_overtaken() {
        let in_order: Vec<u64> = (0..10).collect();
        assert_eq!(completed("unordered"), in_order);
        assert_eq!(completed("fifo"), in_order);
        let reordered = completed("reorder:30:2");
        assert_ne!(reordered, in_order);
        let mut sorted = reordered;
        sorted.sort_unstable();
        assert_eq!(sorted, in_order);
    }

    #[test]
    fn a_request_without_a_place_shifts_no_draw() {
        let gaps = |without: Option<u64>| -> Vec<Option<u32>> {
            let mut order = Order::<()>::new("reorder:50:2".parse().unwrap(), 1, 0);
            let mut gap = |n| {
                if without == Some(n) {
                    order.skip();
                    return None;
                }
                Some(order.enter())
            };
            (0..40).map(&mut gap).collect()
        };
        let mut all = gaps(None);
        all[7] = None;
        assert_eq!(gaps(Some(7)), all);
    }

    #[test]
    fn a_gap_of_two_is_two_places() {
        let mut order = Order::new(CompletionOrder::Fifo, 1, 0);
        (0..5).for_each(|n| {
            let _ = (order.enter(), order.place(n));
        });
        let mut completed = Vec::new();
        for (n, gap) in [(0, 2), (1, 0), (2, 0), (3, 0), (4, 0)] {
            order.due(n, gap, |n| completed.push(n));
        }
        assert_eq!(completed, [1, 2, 0, 3, 4]);
    }

    #[test]
    fn no_request_waits_for_one_that_is_gone() {
        let mut order = Order::new(CompletionOrder::Fifo, 1, 0);
        (0..3).for_each(|n| {
            let _ = (order.enter(), order.place(n));
        });
        order.due(0, 2, |n| panic!("{n} is held back"));
        assert_eq!(order.gone(), []);
        assert_eq!(order.gone(), [0]);
        let mut completed = Vec::new();
        order.due(0, 0, |n| completed.push(n));
        assert_eq!(completed, [0]);
    }

    #[test]
    fn first_in_first_out_waits_for_the_slowest() {
        let mut order = Order::<u32>::new(CompletionOrder::Fifo, 1, 0);
        assert_eq!([50, 20, 70].map(|due| order.place(due)), [50, 50, 70]);
        let mut order = Order::<u32>::new(CompletionOrder::Unordered, 1, 0);
        assert_eq!([50, 20, 70].map(|due| order.place(due)), [50, 20, 70]);
    }

    #[test]
    fn an_order_prints_what_parses_back() {
        for text in ["unordered", "fifo", "reorder:1:65536", "reorder:99:1"] {
            assert_eq!(text.parse::<CompletionOrder>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "reorder",
            "reorder:1",
            "reorder:1:2:3",
            "fifo:1",
            "reorder:x:1",
            "reorder:0:1",
            "reorder:100:1",
        ] {
            assert!(text.parse::<CompletionOrder>().is_err(), "{text}");
        }
    }
}
