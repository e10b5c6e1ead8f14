//! Which entry serves a request, and what others have to do with it.

use super::*;
use crate::message::algorithm::{Aead, Cipher, Hash};

/// An operation, an algorithm, and a name.
type Kind = (Operation, Option<Algorithm>, Option<&'static str>);

const GCM: Option<Algorithm> = Some(Algorithm::Aead(Aead::Aes128Gcm));
const CTR: Option<Algorithm> = Some(Algorithm::Cipher(Cipher::Aes128Ctr));
const SHA: Option<Algorithm> = Some(Algorithm::Hash(Hash::Sha512_256));
const SEAL: Kind = (Operation::Encrypt, GCM, None);
const OPEN: Kind = (Operation::Decrypt, GCM, None);
const CIPHER: Kind = (Operation::Encrypt, CTR, None);
const DIGEST: Kind = (Operation::Digest, SHA, None);
const SQUEEZE: Kind = (Operation::Call, None, Some("squeeze"));
const CALL: Kind = (Operation::Call, None, Some("other"));
const LOST: Kind = (Operation::Mac, None, None);

fn times(text: &str) -> ServiceTimes {
    ServiceTimes::new(&Config::parse(text).unwrap())
}

fn next(times: &mut ServiceTimes, (operation, algorithm, name): Kind, input: u64) -> u64 {
    let class = times.class(operation, algorithm, name);
    times.next(&Work { port: 0, operation, algorithm, class, input })
}

#[track_caller]
fn assert_times(text: &str, expected: &[(Kind, u64)]) {
    let mut times = times(text);
    for (kind, nsec) in expected {
        assert_eq!(next(&mut times, *kind, 1_000), *nsec, "{kind:?}");
    }
}

#[test]
fn the_most_specific_entry_serves() {
    let text = "operation=squeeze;completion_nsec=9;service=all:nsec=1;service=call:nsec=2;service=squeeze:nsec=3;\
                service=encrypt:nsec=4;service=id-aes128-GCM:nsec=5;service=aes-128-gcm/decrypt:nsec=6;\
                service=SHA512/256:nsec=7";
    assert_times(text, &[(SEAL, 5), (OPEN, 6), (CIPHER, 4), (DIGEST, 7), (SQUEEZE, 3), (CALL, 2), (LOST, 1)]);
    let some = "operation=squeeze;completion_nsec=9;service=squeeze:nsec=3;service=decrypt:nsec=6";
    assert_times(some, &[(SEAL, 9), (OPEN, 6), (SQUEEZE, 3), (CALL, 9), (LOST, 9)]);
    assert_times("completion_nsec=9", &[(SEAL, 9), (CALL, 9), (LOST, 9)]);
    assert_times("service=sha-512/256/digest:nsec=8", &[(DIGEST, 8), (SEAL, 0)]);
}

#[test]
fn a_part_that_is_not_given_is_that_of_the_general_keys() {
    let text = "completion_nsec=100;mbps=10;service=encrypt:nsec=5;service=decrypt:mbps=1000;\
                service=digest:mbps=0;service=call:points=0:7";
    assert_times(text, &[(SEAL, 100_005), (OPEN, 1_100), (DIGEST, 100), (CALL, 7), (LOST, 100_100)]);
    let mut spread = times("completion_nsec=1000000;latency_dist=uniform;service=encrypt:nsec=2000000");
    let draws: Vec<_> = (0..3).map(|_| next(&mut spread, SEAL, 0)).collect();
    assert!(draws[0] != draws[1] && draws[1] != draws[2] && draws.iter().all(|draw| *draw < 4_000_000));
}

/// The first times of each kind, when all kinds come in turn.
fn histories(text: &str, kinds: &[Kind]) -> Vec<Vec<u64>> {
    let mut times = times(text);
    let mut found = vec![Vec::new(); kinds.len()];
    for _ in 0..200 {
        for (history, kind) in found.iter_mut().zip(kinds) {
            history.push(next(&mut times, *kind, 64));
        }
    }
    found
}

#[test]
fn an_entry_shifts_no_other() {
    let kinds = [SEAL, OPEN, CIPHER, DIGEST, SQUEEZE, CALL, LOST];
    let base = "operation=squeeze;completion_nsec=50000;latency_dist=exponential;mbps=3;service=all:dist=lognormal:50";
    let entries: [(&str, &[usize]); 5] = [
        ("service=encrypt:dist=uniform", &[0, 2]),
        ("service=aes-128-gcm:nsec=7", &[0, 1]),
        ("service=aes-128-gcm/encrypt:mbps=2,dist=normal:20", &[0]),
        ("service=squeeze:points=0:9/100:2000,dist=bimodal:700", &[4]),
        ("service=call:dist=exponential", &[4, 5]),
    ];
    let alone = histories(base, &kinds);
    for (entry, serves) in entries {
        for text in [format!("{base};{entry}"), format!("{entry};{base}")] {
            for (number, history) in histories(&text, &kinds).into_iter().enumerate() {
                assert_eq!(
                    history != alone[number],
                    serves.contains(&number),
                    "{entry}: {:?}",
                    kinds[number]
                );
            }
        }
    }
    // Each pair of entries: what the more specific one leaves is as without it.
    for (one, of_one) in entries {
        let with_one = histories(&format!("{base};{one}"), &kinds);
        for (other, of_other) in entries.iter().filter(|(other, _)| *other != one) {
            let both = histories(&format!("{base};{one};{other}"), &kinds);
            let with_other = histories(&format!("{base};{other}"), &kinds);
            for number in 0..kinds.len() {
                let expected = match (of_one.contains(&number), of_other.contains(&number)) {
                    (true, true) => continue,
                    (true, false) => &with_one,
                    (false, true) => &with_other,
                    (false, false) => &alone,
                };
                assert_eq!(both[number], expected[number], "{one} and {other}: {:?}", kinds[number]);
            }
        }
    }
}

#[test]
fn entries_draw_from_streams_of_their_own() {
    let text = "completion_nsec=50000;latency_dist=exponential;service=encrypt:nsec=50000;service=decrypt:nsec=50000";
    let [seal, open, digest] = &histories(text, &[SEAL, OPEN, DIGEST])[..] else { panic!() };
    assert!(seal != open && open != digest && seal != digest);
}

#[test]
fn the_first_requests_warm_up() {
    let text = "completion_nsec=1000;warmup=3:250;service=encrypt:nsec=10;service=call:points=0:7";
    assert_times(text, &[(DIGEST, 2_500), (SEAL, 25), (CALL, 17), (CALL, 7), (SEAL, 10), (DIGEST, 1_000)]);
    // Half a nanosecond is carried: 17.5, and then 7.
    assert_times("completion_nsec=5;warmup=2:150", &[(LOST, 7), (LOST, 8), (LOST, 5)]);
}

#[test]
#[cfg_attr(miri, ignore = "reads a file")]
fn a_trace_is_replayed_in_a_cycle_by_what_it_serves() {
    let folder = std::env::temp_dir().join(format!("service-trace-{}", std::process::id()));
    std::fs::write(&folder, "# recorded\n30\n10 # the second\n\n20\n").unwrap();
    let text =
        format!("service=encrypt:trace={};service=aes-128-gcm:nsec=1;latency_dist=uniform", folder.display());
    let mut times = times(&text);
    let found: Vec<_> = [CIPHER, SEAL, CIPHER, SEAL, CIPHER, CIPHER, CIPHER]
        .into_iter()
        .filter_map(|kind| Some(next(&mut times, kind, 64)).filter(|_| kind == CIPHER))
        .collect();
    std::fs::remove_file(&folder).unwrap();
    assert_eq!(found, [30, 10, 20, 30, 10]);
}
