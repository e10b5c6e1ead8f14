//! What a run of the load generator is held to: thresholds, baselines, and what a signal leaves of it.

#[path = "loadgen_judging/baselines.rs"]
mod baselines;
mod built;
#[path = "loadgen_output/folder.rs"]
mod folder;
mod loadgen_helpers;
mod scratch;
#[path = "loadgen_judging/signals.rs"]
mod signals;
#[path = "loadgen_judging/thresholds.rs"]
mod thresholds;
