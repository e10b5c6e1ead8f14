//! The search along the rate, against devices whose limit is known.

use crate::rate_search::{Found, RESOLUTION, highest};

/// What is found, and the rates that were tried, where rates up to `limit` hold.
fn search(first: f64, limit: u32) -> (Found, Vec<u32>) {
    let mut tried = Vec::new();
    let found = highest(first, &mut |rate| {
        tried.push(rate);
        Ok::<_, ()>(rate <= limit)
    });
    (found.unwrap(), tried)
}

#[test]
fn the_limit_is_found_from_either_side_to_the_resolution() {
    for limit in [3_u32, 77, 1_000, 14_395, 80_000, 999_999] {
        for first in [0.1, 0.9, 1.0, 1.1, 20.0].map(|share| f64::from(limit) * share) {
            let (found, tried) = search(first, limit);
            let (low, high) = (found.highest.unwrap(), found.fails_at.unwrap());
            assert!(low <= limit && limit < high, "{limit} from {first}: {found:?}");
            let apart = f64::from(high) <= f64::from(low) * (1.0 + RESOLUTION) || high == low + 1;
            assert!(apart, "{limit} from {first}: {found:?}");
            assert!(tried.len() <= 24, "{limit} from {first}: {tried:?}");
        }
    }
}

#[test]
fn no_rate_is_tried_twice() {
    for first in [500.0, 5_000.0, 50_000.0] {
        let (_, mut tried) = search(first, 5_000);
        let count = tried.len();
        tried.sort_unstable();
        tried.dedup();
        assert_eq!(tried.len(), count, "{tried:?}");
    }
}

#[test]
fn a_search_ends_where_every_rate_holds_or_none() {
    let (found, tried) = search(1_000.0, u32::MAX);
    assert_eq!((found.highest, found.fails_at), (tried.iter().max().copied(), None));
    let (found, tried) = search(1_000.0, 0);
    assert_eq!((found.highest, found.fails_at), (None, tried.iter().min().copied()));
    let (found, _) = search(0.0, 0);
    assert_eq!((found.highest, found.fails_at), (None, Some(1)));
    let (found, _) = search(1e12, u32::MAX);
    assert_eq!((found.highest, found.fails_at), (Some(1_000_000_000), None));
}
