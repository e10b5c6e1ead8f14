//! Shows the counters of a process that uses the provider.

use clap::Parser;

/// Shows the counters of a process that uses the provider.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {}

fn main() {
    Options::parse();
}
