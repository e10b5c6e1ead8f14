//! The actions of a history by their numbers: which of them happen, and which one is under way.
//!
//! ```text
//!   the full history     random streams: plan ── action 0 ──── action 1 ── action 2 ────── end
//!                                                ▲             ▲           ▲               ▲
//!   places                                       0             1           2               end
//!
//!   only 0 and 2         reads at place 0, then at place 2, then at the end's
//! ```
//!
//! An action that is left out takes no part in the others' draws: each of the rest reads the streams where
//! it read them in the full history. It may find other jobs to choose from, so what is left is a history of
//! its own, the same each time.

use std::cell::{Cell, RefCell};
use std::fmt;

use super::random::Random;

/// More actions than a seed has.
const MOST: usize = 80;

/// What is under way in a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// The engine is made.
    #[default]
    Beginning,
    Action(usize),
    /// Everything is brought to its end, or dropped.
    End,
}

/// A place in each of a history's streams.
type Place = [u128; 2];

/// Follows one history after the other. It allocates nothing once it is made: what a history leaves behind is
/// counted.
pub(crate) struct Actions {
    /// Where each action of the full history began to read.
    places: RefCell<Vec<Place>>,
    /// The same of its end; `None` where it broke before.
    end: Cell<Option<Place>>,
    current: Cell<Part>,
}

impl Actions {
    pub(crate) fn new() -> Self {
        Self {
            places: RefCell::new(Vec::with_capacity(MOST)),
            end: Cell::new(None),
            current: Cell::default(),
        }
    }

    /// Any history begins.
    pub(crate) fn restart(&self) {
        self.current.set(Part::Beginning);
    }

    /// A full history goes on with its next action, or its end.
    pub(crate) fn go_on(&self, part: Part, randoms: [&Random; 2]) {
        match part {
            Part::Beginning => {}
            Part::Action(number) => {
                let mut places = self.places.borrow_mut();
                places.truncate(number);
                places.push(randoms.map(Random::place));
                self.end.set(None);
            }
            Part::End => self.end.set(Some(randoms.map(Random::place))),
        }
        self.current.set(part);
    }

    /// A history of only some of them goes on with one of the full history's actions, or its end.
    pub(crate) fn repeat(&self, part: Part, randoms: [&mut Random; 2]) {
        let place = match part {
            Part::Beginning => None,
            Part::Action(number) => self.places.borrow().get(number).copied(),
            Part::End => self.end.get(),
        };
        for (random, place) in randoms.into_iter().zip(place.into_iter().flatten()) {
            random.go_to(place);
        }
        self.current.set(part);
    }

    pub(crate) fn current(&self) -> Part {
        self.current.get()
    }

    /// How many actions the full history had.
    pub(crate) fn count(&self) -> usize {
        self.places.borrow().len()
    }
}

/// As a failure is told: "in action 7: ...".
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beginning => f.write_str("before action 0"),
            Self::Action(number) => write!(f, "in action {number}"),
            Self::End => f.write_str("at the end"),
        }
    }
}
