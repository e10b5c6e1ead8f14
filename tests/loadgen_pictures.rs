//! The load generator's pictures: what they are drawn from.

#[path = "loadgen_pictures/timeline.rs"]
mod samples;
#[path = "../examples/loadgen/timeline.rs"]
mod timeline;
