//! Compared with a binary heap, over times that are regular, random, or made to be neither.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

/// Times after the last one that was taken, or around it.
type Times = fn(&mut ChaCha8Rng, last: u64, count: u64) -> u64;

const TIMES: [(&str, Times); 9] = [
    ("constant", |_, last, _| last + 10_000),
    ("equal", |_, _, _| 77),
    ("two services", |random, last, _| last + 1_000 + 999_000 * below(random, 2)),
    ("uniform", |random, last, _| last + below(random, 1_000_000)),
    ("long-tailed", |random, last, _| last + (1 << below(random, 40))),
    ("of all magnitudes", |random, _, _| random.next_u64() >> below(random, 64)),
    ("at the end of the clock", |random, _, _| u64::MAX - below(random, 3)),
    ("before the last", |random, last, _| last.saturating_sub(below(random, 5_000))),
    ("changing", |random, last, count| last + (below(random, 1_000) << (count / 3_000 % 24))),
];

fn below(random: &mut ChaCha8Rng, end: u64) -> u64 {
    random.next_u64() % end
}

#[test]
fn entries_come_out_as_from_a_heap() {
    for (name, times) in TIMES {
        for most in [1, 20, 300, 5_000] {
            compare(name, times, most);
        }
    }
}

fn compare(name: &str, times: Times, most: usize) {
    let mut random = ChaCha8Rng::seed_from_u64(most as u64);
    let (mut calendar, mut heap) = (Calendar::default(), BinaryHeap::new());
    let mut last = 0;
    for count in 0..20_000 {
        if heap.len() < most && below(&mut random, 5) < 3 {
            let time = times(&mut random, last, count);
            calendar.push(time, count, count);
            heap.push(Reverse((time, count)));
        } else if let Some(Reverse((time, number))) = heap.pop() {
            assert_eq!(calendar.next_time(), Some(time), "{name}, {most}, {count}");
            assert_eq!(calendar.pop(), Some((time, number, number)), "{name}, {most}, {count}");
            last = time;
        }
        assert_eq!(calendar.len(), heap.len(), "{name}, {most}, {count}");
    }
    while let Some(Reverse((time, number))) = heap.pop() {
        assert_eq!(calendar.pop(), Some((time, number, number)), "{name}, {most}");
    }
    assert_eq!((calendar.next_time(), calendar.pop(), calendar.len()), (None, None, 0));
}

#[test]
fn numbers_that_come_in_another_order_decide_all_the_same() {
    let mut calendar = Calendar::default();
    for number in [5_u64, 3, 9, 1, 4].into_iter().chain(10..600).chain([0]) {
        calendar.push(7, number, ());
    }
    let taken: Vec<u64> = std::iter::from_fn(|| calendar.pop()).map(|(_, number, ())| number).collect();
    assert!(taken.is_sorted() && taken.len() == 596, "{taken:?}");
}

#[test]
fn what_is_drained_is_all_there_was_and_what_comes_next_is_in_order() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut calendar = Calendar::default();
    for _ in 0..3 {
        (0..3_000).for_each(|number| calendar.push(below(&mut random, 9_000_000), number, number));
        let mut drained: Vec<u64> = calendar.drain().collect();
        drained.sort_unstable();
        assert!(drained.into_iter().eq(0..3_000));
        assert_eq!((calendar.len(), calendar.next_time()), (0, None));
    }
}

/// Entries in the heap per entry pushed, with this many in the calendar, when it has found its way.
fn share_of_exceptions(times: Times, most: u64) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut calendar = Calendar::default();
    let (mut last, mut exceptions, mut counted) = (0, 0, 0);
    for count in 0..60_000 {
        let before = calendar.heap.len();
        calendar.push(times(&mut random, last, count), count, count);
        if count >= 30_000 {
            counted += 1;
            exceptions += u32::from(calendar.heap.len() > before);
        }
        if count >= most {
            last = calendar.pop().unwrap().0;
        }
    }
    f64::from(exceptions) / f64::from(counted)
}

#[test]
fn regular_and_random_times_walk_no_heap() {
    for (name, times) in &TIMES[..4] {
        for most in [64, 1_024] {
            let share = share_of_exceptions(*times, most);
            assert!(share <= 0.07, "{name}, {most}: {share} of the entries were exceptions");
        }
    }
}
