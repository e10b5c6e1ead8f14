//! The load generator's pictures: what they are drawn from, and the page and the files as any parser sees
//! them.

mod built;
#[path = "loadgen_pictures/pages.rs"]
mod pages;
#[path = "loadgen_pictures/timeline.rs"]
mod samples;
mod scratch;
#[path = "../examples/loadgen/timeline.rs"]
mod timeline;
