//! The device without threads, fds or clocks: how long a request takes, in which order requests complete, and
//! which faults strike them.
//!
//! ```text
//!   pipeline:  admit ─► execute ─► schedule ─► deliver
//!              fault               latency,     ready
//!                                  order
//! ```

pub(crate) mod fault;
pub(crate) mod latency;
pub(crate) mod order;
pub(crate) mod pipeline;
pub(crate) mod sabotage;
pub(crate) mod schedule;
