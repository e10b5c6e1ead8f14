//! The generated data: lanes of random bytes from one seed, with the software result of each.
//!
//! No two lanes of bytes are alike, so a result that reaches the wrong job is a mismatch. Expected results
//! are computed before the clock starts, by direct calls of the same kernels: no ring, no worker, no engine.
//! Lanes that ask for an operation with a key are made in `keys.rs`.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simaccel::{AnySession, Engine, Error, Parameters, Tag};
use simaccel_device::{Algorithm, KeyAlgorithm, Operation, Request, Session, SessionId, Status};

use crate::alg;
use crate::failure::Failure;
use crate::keys::{self, KeyCall, Keys};
use crate::limits;
use crate::mix::{Mix, Part};
use crate::threads::Share;
use crate::work::Work;

/// Bytes of a lane beside the input and twice the output, at most.
const OF_A_LANE: usize = 1 << 10;

/// One operation's data: its input, the place for its result, and the expected result.
pub(crate) struct Lane {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) tag: Tag,
    pub(crate) iv: Vec<u8>,
    pub(crate) aad: Vec<u8>,
    /// Why the last operation has failed, if it has.
    pub(crate) failed: Option<Error>,
    /// Which part of the mix it is of.
    pub(crate) part: usize,
    /// What is asked of a key; `None`: the lane is one of bytes.
    pub(crate) asked: Option<KeyCall>,
    expected_output: Vec<u8>,
    expected_tag: Tag,
}

impl Lane {
    /// One whose output is to be `expected`.
    pub(crate) fn new(input: Vec<u8>, expected: Vec<u8>) -> Self {
        Self {
            input,
            // Room for the result, so that no run allocates.
            output: Vec::with_capacity(expected.len()),
            tag: Tag::default(),
            iv: Vec::new(),
            aad: Vec::new(),
            failed: None,
            part: 0,
            asked: None,
            expected_output: expected,
            expected_tag: Tag::default(),
        }
    }

    /// Bytes that count as throughput: those of a message.
    pub(crate) const fn len(&self) -> usize {
        if self.asked.is_none() { self.input.len() } else { 0 }
    }

    /// One with the same data and the same right result.
    fn another(&self) -> Self {
        Self { asked: self.asked.clone(), ..Self::new(self.input.clone(), self.expected_output.clone()) }
    }

    /// Clears the last result, so that it cannot pass for the next one.
    pub(crate) fn clear_output(&mut self) {
        self.output.clear();
        self.tag = Tag::default();
    }

    /// Whether the result equals the software result, byte for byte.
    pub(crate) fn is_right(&self) -> bool {
        self.output == self.expected_output && self.tag == self.expected_tag
    }
}

/// The lanes of each part of a mix, those that are unused.
pub(crate) struct Workload {
    pools: Vec<Pool>,
}

/// Unused lanes of a part; the least recently used comes first.
struct Pool {
    source: Source,
    idle: VecDeque<Box<Lane>>,
    /// Those that the row has no use for.
    spare: VecDeque<Box<Lane>>,
}

impl Workload {
    /// So many lanes of each part: all in flight may be of one.
    pub(crate) fn new(mix: &Mix, lanes: usize, seed: u64) -> Result<Self, Failure> {
        let each = mix.parts().iter().map(|part| OF_A_LANE + 3 * part.buffer()).sum::<usize>();
        limits::check_buffers(lanes, lanes.saturating_mul(each))?;
        let pools = mix.parts().iter().enumerate().map(|(index, part)| Pool::new(index, *part, lanes, seed));
        Ok(Self { pools: pools.collect::<Result<_, _>>()? })
    }

    /// A session of an engine for each part.
    pub(crate) fn sessions(&self, engine: &Engine) -> Result<Vec<Rc<AnySession>>, Failure> {
        let sessions = self.pools.iter().map(|pool| pool.session(engine).map(Rc::new));
        sessions.collect::<Result<_, _>>().map_err(Failure::engine)
    }

    pub(crate) fn take(&mut self, part: usize) -> Option<Box<Lane>> {
        self.pools[part].idle.pop_front()
    }

    pub(crate) fn put(&mut self, lane: Box<Lane>) {
        self.pools[lane.part].idle.push_back(lane);
    }

    /// Shares the lanes in use out to so many threads, evenly, while none is in flight.
    pub(crate) fn split(&mut self, threads: usize) -> Vec<Self> {
        let share = |thread: usize| {
            let share = Share { thread, of: threads };
            let pools = self.pools.iter_mut().map(|pool| pool.share(share));
            Self { pools: pools.collect() }
        };
        (0..threads).map(share).collect()
    }

    /// Takes back what [`Workload::split`] has shared out.
    pub(crate) fn join(&mut self, parts: Vec<Self>) {
        let pools = parts.into_iter().flat_map(|part| part.pools.into_iter().enumerate());
        pools.for_each(|(index, part)| self.pools[index].idle.extend(part.idle));
    }

    /// Makes so many lanes of each part take turns, while none is in use: more would cool the processor's
    /// caches.
    pub(crate) fn use_lanes(&mut self, lanes: usize) {
        for pool in &mut self.pools {
            pool.idle.extend(pool.spare.drain(..));
            pool.spare.extend(pool.idle.drain(lanes.min(pool.idle.len())..));
        }
    }
}

/// What the sessions of a part are opened from.
#[derive(Clone)]
enum Source {
    Bytes { algorithm: Algorithm, key: Vec<u8> },
    Keys(Arc<Keys>),
}

impl Pool {
    fn new(index: usize, part: Part, lanes: usize, seed: u64) -> Result<Self, Failure> {
        // Streams of a part's own; the first part has those of a run without a mix.
        let streams = (index as u64) << 32;
        let (source, mut idle) = match part.work.key() {
            Some(algorithm) => of_keys(algorithm, part.work.operation, lanes, seed, streams)?,
            None => of_bytes(part, lanes, seed, streams)?,
        };
        idle.iter_mut().for_each(|lane| lane.part = index);
        Ok(Self { source, idle, spare: VecDeque::new() })
    }

    fn session(&self, engine: &Engine) -> Result<AnySession, Error> {
        match &self.source {
            Source::Bytes { algorithm, key } => engine.session(*algorithm, key, Parameters::default()),
            Source::Keys(keys) => keys.session(engine),
        }
    }

    /// A thread's share of the lanes; the threads ahead of it have theirs already.
    fn share(&mut self, share: Share) -> Self {
        let left = Share { thread: 0, of: share.of - share.thread };
        let idle = self.idle.drain(..left.of_count(self.idle.len())).collect();
        Self { source: self.source.clone(), idle, spare: VecDeque::new() }
    }
}

/// What a pool starts with.
type Filled = (Source, VecDeque<Box<Lane>>);

/// No two lanes are alike up to a number; then they repeat.
fn of_keys(
    algorithm: KeyAlgorithm,
    operation: Operation,
    lanes: usize,
    seed: u64,
    streams: u64,
) -> Result<Filled, Failure> {
    let keys = Keys::new(algorithm, operation, seed, streams)?;
    let different = (streams + 1..).take(lanes.min(keys::DISTINCT));
    let different: Vec<Lane> = different.map(|stream| keys.lane(seed, stream)).collect::<Result<_, _>>()?;
    let idle = different.iter().cycle().take(lanes).map(|lane| Box::new(lane.another())).collect();
    Ok((Source::Keys(Arc::new(keys)), idle))
}

fn of_bytes(part: Part, lanes: usize, seed: u64, streams: u64) -> Result<Filled, Failure> {
    let Work { algorithm, operation } = part.work;
    let key = random(seed, streams, algorithm.usual_key_len());
    let software = alg::software(algorithm, &key).map_err(|error| Failure::Run(error.to_string()))?;
    let idle = (streams + 1..).take(lanes).map(|stream| lane(&software, operation, part.size, seed, stream));
    Ok((Source::Bytes { algorithm, key }, idle.collect::<Result<_, Failure>>()?))
}

/// Stream `stream` of the generator with this seed. A stream does not depend on how many there are.
pub(crate) fn random(seed: u64, stream: u64, len: usize) -> Vec<u8> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(stream);
    let mut bytes = vec![0; len];
    generator.fill_bytes(&mut bytes);
    bytes
}

fn lane(
    software: &Session,
    operation: Operation,
    size: usize,
    seed: u64,
    stream: u64,
) -> Result<Box<Lane>, Failure> {
    let algorithm = software.algorithm();
    let mut input = random(seed, stream, size + algorithm.usual_iv_len() + alg::AAD_LEN);
    let aad = input.split_off(size + algorithm.usual_iv_len());
    let iv = input.split_off(size);
    let mut lane = Lane::new(input, Vec::new());
    lane.iv = iv;
    if matches!(algorithm, Algorithm::Aead(_)) {
        lane.aad = aad;
    }
    compute_expected(software, operation, &mut lane)?;
    Ok(Box::new(lane))
}

/// Computes the expected result.
fn compute_expected(software: &Session, operation: Operation, lane: &mut Lane) -> Result<(), Failure> {
    let algorithm = software.algorithm();
    let mut request = Request::new(SessionId::NONE, operation, std::mem::take(&mut lane.input));
    request.set_iv(&lane.iv);
    request.aad.clone_from(&lane.aad);
    request.destination = alg::gives_text(algorithm).then(Vec::new);
    let status = software.execute(&mut request);
    if status != Status::Ok {
        return Err(Failure::Run(format!("software could not compute {algorithm}: {status:?}")));
    }
    lane.input = request.buffer;
    lane.expected_output = request.destination.unwrap_or_default();
    lane.expected_tag = request.tag;
    // Room for the result, so that no run allocates.
    lane.output.reserve(lane.input.len() + software.max_growth());
    Ok(())
}
