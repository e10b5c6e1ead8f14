//! The simulation of `examples/simulate`: thousands of seeds without a failure, each with one history; and
//! every sabotage is found.
//!
//! One test function, because memory and fds belong to the process.

#[path = "../examples/simulate/memory.rs"]
mod memory;
#[path = "../examples/simulate/sim/mod.rs"]
mod sim;

use std::ops::Range;

use sim::{Hash, Sabotage, Shrunk, Simulation};

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

const SEEDS: Range<u64> = 0..10_000;
/// Other seeds that have found a bug: an interrupt that stayed readable after a poll that had returned
/// tokens.
const FOUND_SOMETHING: [u64; 1] = [50_477];
/// Sabotage is found within this many seeds.
const FOUND_WITHIN: u64 = 1_000;

#[test]
fn histories_hold_what_they_must_and_sabotage_is_found() {
    no_seed_fails();
    the_histories_of_a_few_seeds_are_the_same_in_another_run();
    sabotage_is_found();
}

fn no_seed_fails() {
    let mut simulation = Simulation::new(None, false);
    let mut failed = Vec::new();
    let mut run = |simulation: &mut Simulation, seed: u64| {
        // Some run twice: their histories must be equal.
        let outcome =
            if seed.is_multiple_of(100) { simulation.run_twice(seed) } else { simulation.run(seed) };
        failed.extend(outcome.broken.map(|broken| {
            format!(
                "{}: {broken}; cargo run --release --example simulate -- --seed {seed} --history",
                outcome.part
            )
        }));
    };
    SEEDS.for_each(|seed| run(&mut simulation, seed));
    let hash = hex::encode(simulation.hash());
    FOUND_SOMETHING.into_iter().for_each(|seed| run(&mut simulation, seed));
    assert!(failed.is_empty(), "{} of {SEEDS:?}:\n{}", failed.len(), failed.join("\n"));
    the_readme_shows_their_hash(&hash);
}

/// A change of the histories makes this stale.
fn the_readme_shows_their_hash(hash: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let line = format!("seeds {}, failures 0, history {hash}", SEEDS.end);
    let shown = format!("$ cargo run --release --example simulate -- --seeds 0..{}\n{line}\n", SEEDS.end);
    let readme = std::fs::read_to_string(path).unwrap();
    assert!(readme.contains(&shown), "histories are others than before; README.md has to say:\n{line}");
}

/// Alone, or after others; here, or in the example.
fn the_histories_of_a_few_seeds_are_the_same_in_another_run() {
    let hash_of = |seeds: Range<u64>| -> Hash {
        let mut simulation = Simulation::new(None, false);
        seeds.for_each(|seed| drop(simulation.run(seed)));
        simulation.hash()
    };
    let together = hash_of(500..520);
    assert_eq!(together, hash_of(500..520));
    assert_ne!(together, hash_of(500..519), "it is of all seeds");
    assert_ne!(hash_of(500..501), hash_of(501..502), "another seed has another history");
}

fn sabotage_is_found() {
    for sabotage in Sabotage::ALL {
        let mut simulation = Simulation::new(Some(sabotage), false);
        let found =
            (0..FOUND_WITHIN).find_map(|seed| simulation.run(seed).broken.map(|broken| (seed, broken)));
        let (seed, broken) = found.unwrap_or_else(|| panic!("{} was not found", sabotage.name()));
        println!("{}: seed {seed}: {broken}", sabotage.name());
        what_is_left_breaks_too(&mut simulation, seed);
    }
    let mut simulation = Simulation::new(None, false);
    assert_eq!(simulation.run(0).broken, None, "sabotage ends with its simulation");
}

/// The fewest actions are fewer than all, and give one history of their own.
fn what_is_left_breaks_too(simulation: &mut Simulation, seed: u64) {
    let Shrunk { only, of, broken } = simulation.shrink(seed).expect("it fails alone, too");
    println!("    {} of {of} actions are enough: {broken}", only.len());
    assert!(only.len() < of);
    let first = simulation.run_only(seed, &only).unwrap();
    assert!(first.broken.is_some(), "{only:?} were said to be enough");
    assert_eq!(simulation.run_only(seed, &only).unwrap().hash, first.hash);
    assert_eq!(simulation.run_only(seed, &[of]), Err(of));
}
