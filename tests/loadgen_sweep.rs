//! The load generator's searches: a sweep over a grid, and the highest rate that holds a condition.

#[path = "../examples/loadgen/condition.rs"]
mod condition;
#[path = "loadgen_sweep/conditions.rs"]
mod conditions;
