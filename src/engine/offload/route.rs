//! Which way the plain requests of an engine take: one load says it for each.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::engine::config::{Config, DeliveryMode};

/// The way of an engine's plain requests. It changes when rules of the engine's side are replaced.
#[derive(Debug)]
pub(in crate::engine) struct Route(AtomicU8);

impl Route {
    /// `is_open`: no rule of the engine's side concerns plain requests.
    pub(in crate::engine) fn new(config: &Config, is_open: bool, is_foreign: bool) -> Self {
        Self(AtomicU8::new(By::of(config, is_open, is_foreign).0))
    }

    pub(in crate::engine) fn set(&self, config: &Config, is_open: bool, is_foreign: bool) {
        self.0.store(By::of(config, is_open, is_foreign).0, Ordering::Release);
    }

    #[inline(always)]
    pub(in crate::engine) fn by(&self) -> By {
        By(self.0.load(Ordering::Acquire))
    }
}

/// A way, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct By(u8);

impl By {
    const STRAIGHT: u8 = 1;
    const POLLED: u8 = 2;
    /// The device may fail a request after it has computed it, so the input is kept.
    const KEEPS_INPUT: u8 = 4;
    /// Straight, for jobs of another framework.
    const FOREIGN: u8 = 8;

    fn of(config: &Config, is_open: bool, is_foreign: bool) -> Self {
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        let straight = if is_foreign { Self::FOREIGN } else { Self::STRAIGHT };
        Self(
            bit(is_open && config.is_plain(), straight)
                | bit(config.delivery() == DeliveryMode::Poll, Self::POLLED)
                | bit(config.keeps_input(), Self::KEEPS_INPUT),
        )
    }

    #[inline(always)]
    pub(in crate::engine) const fn is_straight(self) -> bool {
        self.0 & Self::STRAIGHT != 0
    }

    #[inline(always)]
    pub(super) const fn is_foreign(self) -> bool {
        self.0 & Self::FOREIGN != 0
    }

    #[inline(always)]
    pub(in crate::engine) const fn keeps_input(self) -> bool {
        self.0 & Self::KEEPS_INPUT != 0
    }

    #[inline(always)]
    pub(super) const fn is_polled(self) -> bool {
        self.0 & Self::POLLED != 0
    }
}
