//! Queue pairs: the rings, the cells that requests live in, the signals, and both ends.
//!
//! ```text
//!   host                                                        device
//!   queue_pair ──► cell ──► ring (entries) ═══ doorbell ══════► port
//!   remote ◄─────── cell ◄── ring (entries) ═══ interrupt ◄════ port
//!              slots: how many may be in flight     pair: what both ends share
//! ```

pub(crate) mod alert;
pub(crate) mod announcements;
pub(crate) mod arrivals;
pub(crate) mod cell;
pub(crate) mod counters;
pub(crate) mod delivery;
pub(crate) mod doorbell;
pub(crate) mod entry;
pub(crate) mod hooks;
pub(crate) mod interrupt;
pub(crate) mod note;
pub(crate) mod pair;
pub(crate) mod port;
pub(crate) mod queue_pair;
pub(crate) mod ready;
pub(crate) mod remote;
pub(crate) mod ring;
pub(crate) mod slots;
