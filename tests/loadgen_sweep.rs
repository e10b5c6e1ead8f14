//! The load generator's searches: a sweep over a grid, and the highest rate that holds a condition.

#[path = "loadgen_sweep/axes.rs"]
mod axes;
#[path = "../examples/loadgen/axis.rs"]
mod axis;
mod built;
#[path = "../examples/loadgen/condition.rs"]
mod condition;
#[path = "loadgen_sweep/conditions.rs"]
mod conditions;
#[path = "../examples/loadgen/grid.rs"]
mod grid;
#[path = "../examples/loadgen/grid_table.rs"]
mod grid_table;
mod loadgen_helpers;
#[path = "../examples/loadgen/pays.rs"]
mod pays;
#[path = "../examples/loadgen/rate_search.rs"]
mod rate_search;
#[path = "loadgen_sweep/rates.rs"]
mod rates;
#[path = "loadgen_sweep/runs.rs"]
mod runs;
#[allow(dead_code, reason = "the load generator uses more of it")]
#[path = "../examples/loadgen/units.rs"]
mod units;
#[path = "loadgen_sweep/words.rs"]
mod words;
