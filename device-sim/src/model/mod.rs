//! The device without threads, fds or clocks: how long a request takes, in which order requests complete, and
//! which faults strike them.
//!
//! ```text
//!   pipeline:  admit ─► execute ────► schedule ───────────────────────────────► deliver
//!              plan     plan           service (how long) ─► network (when)      due ─► handed ─► order
//!              (faults) (damage), job  latency, transfer     in_order            calendar
//! ```
//!
//! `schedule` joins these parts. `fixed` is the arithmetic of draws; `sabotage` breaks a model on purpose.

pub(crate) mod calendar;
pub(crate) mod due;
pub(crate) mod fault;
pub(crate) mod fixed;
pub(crate) mod handed;
pub(crate) mod in_order;
pub(crate) mod inputs;
pub(crate) mod installed;
pub(crate) mod job;
pub(crate) mod latency;
pub(crate) mod network;
pub(crate) mod order;
pub(crate) mod overdue;
pub(crate) mod pipeline;
pub(crate) mod plan;
pub(crate) mod sabotage;
pub(crate) mod schedule;
pub(crate) mod service;
pub(crate) mod transfer;
