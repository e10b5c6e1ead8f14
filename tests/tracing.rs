//! Spans and events: of operations in every way of waiting and with every outcome, of jobs that take turns on
//! a thread, of engines and devices. A subscriber of the test's own collects them.

mod captured;
#[path = "tracing/collected.rs"]
mod collected;
#[path = "tracing/devices.rs"]
mod devices;
mod engine_helpers;
mod future_helpers;
#[path = "tracing/interleaved.rs"]
mod interleaved;
#[path = "tracing/operations.rs"]
mod operations;
