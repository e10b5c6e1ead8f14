//! `--mix`: several algorithms and sizes in one row, each with its weight.
//!
//! ```text
//!   aes-256-ctr/4k:70,sha256/64k:30
//!        seed ──► Draw ──► which part the next operation is of ──► a lane and the session of that part
//! ```
//!
//! A part is drawn for every operation by itself, so a seed gives the same sequence of parts again.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use simaccel::grammar;

use crate::alg;
use crate::failure::Failure;
use crate::keys;
use crate::plan::refuse_given;
use crate::units::{parse_size, short_size};
use crate::work::Work;

/// Parts of a mix at most.
const MOST: usize = 16;

/// A stream of the seed's generator that neither a lane nor the arrivals have; those of further threads are
/// each two below.
const STREAM: u64 = u64::MAX - 1;

#[derive(Clone, clap::Args)]
pub(crate) struct Mixing {
    /// Several algorithms and sizes in each row, instead of --alg and --size: NAME/BYTES:WEIGHT, or
    /// NAME:WEIGHT for an operation with a key, with weights of 1 to 1000000, as in
    /// aes-256-ctr/4k:70,sha256/64k:30
    #[arg(long, value_name = "PARTS", value_parser = Mix::parse, allow_hyphen_values = true)]
    pub(crate) mix: Option<Mix>,
}

impl Mixing {
    pub(crate) fn check(&self, alg: bool, size: bool) -> Result<(), Failure> {
        let given = [("--alg", alg), ("--size", size)];
        if self.mix.is_some() {
            refuse_given(&given, "not allowed together with --mix, which has both")
        } else {
            Ok(())
        }
    }

    /// Refuses it with a file, which goes through one algorithm.
    pub(crate) fn refuse_with_input(&self) -> Result<(), Failure> {
        refuse_given(&[("--mix", self.mix.is_some())], "not allowed together with --input")
    }
}

/// An operation on messages of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) work: Work,
    /// Bytes of a message; 0 for an operation with a key, which has a length of its own.
    pub(crate) size: usize,
    weight: u32,
}

impl Part {
    /// Bytes of a buffer of a job.
    pub(crate) const fn buffer(&self) -> usize {
        if self.work.key().is_some() { keys::LANE_LEN } else { self.size }
    }

    /// The name, with the size where it has one.
    fn name(&self) -> String {
        match self.work.key() {
            Some(_) => self.work.to_string(),
            None => format!("{}/{}", self.work, short_size(self.size)),
        }
    }
}

/// What a row runs; without `--mix` one part.
#[derive(Clone, Debug)]
pub(crate) struct Mix(Vec<Part>);

impl Mix {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<Part> = text.split(',').map(parse_part).collect::<Result<_, _>>()?;
        if parts.len() > MOST { Err(format!("allowed are {MOST} parts")) } else { Ok(Self(parts)) }
    }

    pub(crate) fn one(work: Work) -> Self {
        Self(vec![Part { work, size: 0, weight: 1 }])
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Bytes of a buffer of each part, together: a job has buffers for one of each.
    pub(crate) fn buffers(&self) -> usize {
        self.0.iter().map(Part::buffer).sum()
    }

    /// The same parts with messages of another size, where they have one.
    pub(crate) fn of_size(&self, size: usize) -> Self {
        let part = |part: &Part| Part { size: part.work.key().map_or(size, |_| 0), ..*part };
        Self(self.0.iter().map(part).collect())
    }

    /// The first part that is an operation with a key.
    pub(crate) fn with_key(&self) -> Option<Work> {
        self.0.iter().map(|part| part.work).find(|work| work.key().is_some())
    }

    pub(crate) fn gives_text(&self) -> bool {
        self.0.iter().any(|part| alg::gives_text(part.work.algorithm))
    }

    /// The mean of the sizes by weight, in bytes; those of operations with keys count as 0.
    pub(crate) fn mean_size(&self) -> usize {
        let weighted: u128 = self.0.iter().map(|part| u128::from(part.weight) * part.size as u128).sum();
        usize::try_from(weighted / u128::from(self.weight())).unwrap_or(usize::MAX)
    }

    fn weight(&self) -> u64 {
        self.0.iter().map(|part| u64::from(part.weight)).sum()
    }

    /// The name of an algorithm, or the parts as the option takes them.
    pub(crate) fn name(&self) -> String {
        let part = |part: &Part| format!("{}:{}", part.name(), part.weight);
        match &self.0[..] {
            [one] => one.work.to_string(),
            parts => parts.iter().map(part).collect::<Vec<_>>().join(","),
        }
    }

    /// The name without sizes, where these vary.
    pub(crate) fn name_of_any_size(&self) -> String {
        let part = |part: &Part| format!("{}:{}", part.work, part.weight);
        match &self.0[..] {
            [one] => one.work.to_string(),
            parts => parts.iter().map(part).collect::<Vec<_>>().join(","),
        }
    }

    /// Each part with its counts; `None` where there is one.
    pub(crate) fn json(&self, counts: &[Counts]) -> Option<Value> {
        let part = |(part, counts): (&Part, &Counts)| {
            json!({
                "alg": part.work.to_string(),
                "size": part.size,
                "weight": part.weight,
                "ops": counts.ops,
                "errors": counts.errors,
                "mismatches": counts.mismatches,
            })
        };
        (self.0.len() > 1).then(|| self.0.iter().zip(counts).map(part).collect())
    }
}

fn parse_part(text: &str) -> Result<Part, String> {
    let allowed = || {
        "allowed are parts NAME/BYTES:WEIGHT, as in aes-256-ctr/4k:70,sha256/64k:30, or NAME:WEIGHT for an \
         operation with a key, as in rsa2048-sign:5"
            .to_owned()
    };
    let (named, weight) = text.trim().rsplit_once(':').ok_or_else(allowed)?;
    let (name, size) = named.split_once('/').map_or((named, None), |(name, size)| (name, Some(size)));
    let work = Work::parse(name)?;
    let size = match (size, work.key()) {
        (Some(size), None) => parse_size(size)?,
        (None, Some(_)) => 0,
        (Some(_), Some(_)) => return Err(format!("sizes do not apply to {work}, allowed is {work}:WEIGHT")),
        (None, None) => return Err(allowed()),
    };
    let weight = grammar::within(weight, 1..=1_000_000_u32);
    Ok(Part { work, size, weight: weight.ok_or_else(|| "allowed are weights of 1 to 1000000".to_owned())? })
}

/// What ended of a part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ops: u64,
    pub(crate) errors: u64,
    pub(crate) mismatches: u64,
}

impl Counts {
    pub(crate) const fn add(&mut self, other: &Self) {
        self.ops += other.ops;
        self.errors += other.errors;
        self.mismatches += other.mismatches;
    }
}

/// Draws the part of each operation.
pub(crate) struct Draw {
    /// The sums of the weights up to each part.
    below: Vec<u64>,
    random: ChaCha8Rng,
}

impl Draw {
    /// For a thread of a row: each has a sequence of its own.
    pub(crate) fn new(mix: &Mix, seed: u64, thread: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM - 2 * thread as u64);
        let sum = |sum: &mut u64, part: &Part| {
            *sum += u64::from(part.weight);
            Some(*sum)
        };
        Self { below: mix.0.iter().scan(0, sum).collect(), random }
    }

    pub(crate) fn next(&mut self) -> usize {
        let [.., all] = self.below[..] else { return 0 };
        if self.below.len() == 1 {
            return 0;
        }
        // The upper half of a product maps 64 bits to what is below `all`.
        let drawn = (u128::from(self.random.next_u64()) * u128::from(all)) >> 64;
        self.below.partition_point(|below| u128::from(*below) <= drawn)
    }
}
