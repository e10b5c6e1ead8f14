//! Speed of EVP through this provider, beside the default provider, OpenSSL's engine `dasync`, and the same
//! engine used from Rust: all in one process, taking turns.
//!
//! ```text
//!                 64 lanes                       operation of a lane                     runs on
//!   provider   ASYNC_start_job ─► EVP_* ─► this provider ─► pause ... wake ─► resume    the device
//!   dasync     ASYNC_start_job ─► EVP_* ─► dasync ─► pause, woken at once ─► resume     the caller
//!   slices     Job::resume ─────► session, slices ─► pause ... wake ─► resume           a device of its own
//!   engine     Job::resume ─────► session, buffers ► pause ... wake ─► resume           a device of its own
//!   default    EVP_*                                                                    the caller
//! ```
//!
//! EVP works on the caller's memory, so its counterpart in Rust is a call with slices, which are copied in
//! and out. A call with a buffer that is given away copies nothing: the application's thread never touches
//! the text.
//!
//! Each side of a contest runs for some milliseconds, in turn. The best of its rounds counts: other work
//! slows a round down, and never speeds one up. The median of the contests is shown.
//!
//! ```text
//! cargo bench -p simaccel-provider --bench speed                       the tables
//! cargo bench -p simaccel-provider --bench speed -- --only cbc/64
//! cargo bench -p simaccel-provider --bench speed -- --layers           instructions, by layer
//! ```

#[path = "../tests/dasync/mod.rs"]
mod dasync;
#[path = "speed/engine.rs"]
mod engine;
#[path = "speed/evp.rs"]
mod evp;
#[path = "speed/lanes.rs"]
mod lanes;
#[path = "speed/layers.rs"]
mod layers;
#[path = "speed/libcrypto.rs"]
mod libcrypto;
#[path = "../tests/programs/mod.rs"]
mod programs;
#[path = "speed/table.rs"]
mod table;

use std::time::Duration;

use clap::Parser;

use self::engine::{EngineJobs, Memory};
use self::evp::{Calls, EvpJobs, Source};
use self::lanes::{Driven, Goal, Side, Way};
use self::libcrypto::Libcrypto;

/// Operations under way at once.
pub(crate) const JOBS: usize = 64;

const SIZES: [usize; 3] = [64, 1024, 16384];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Cbc,
    Gcm,
    Sha256,
    Sha1,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cbc => "cbc",
            Self::Gcm => "gcm",
            Self::Sha256 => "sha256",
            Self::Sha1 => "sha1",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Cbc, Self::Gcm, Self::Sha256, Self::Sha1].into_iter().find(|known| known.name() == name)
    }
}

#[derive(Parser)]
#[command(name = "speed", about = "Speed of EVP through the provider, as ratios of sides that take turns")]
struct Args {
    /// Only contests whose key, such as cbc/1024, has this in it.
    #[arg(long, default_value = "")]
    only: String,
    /// Contests, of which the median is shown.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    contests: u32,
    /// Rounds of a contest, of which the best counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Milliseconds of a slice.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10000))]
    slice: u64,
    /// Compare with dasync, too: fetches the source of OpenSSL 3.0.
    #[arg(long)]
    dasync: bool,
    /// Count instructions by layer instead, with callgrind.
    #[arg(long)]
    layers: bool,
    /// One side alone, for a profiler: SIDE/ALGORITHM/BYTES/OPERATIONS, such as provider-fd/cbc/64/10000.
    #[arg(long, value_name = "SIDE/ALGORITHM/BYTES/OPERATIONS")]
    count: Option<String>,
    /// libcrypto to load.
    #[arg(long, default_value = "libcrypto.so.3")]
    libcrypto: String,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    if args.layers {
        return layers::print(&args.libcrypto);
    }
    // Before libcrypto looks for it, and before there are threads.
    if args.dasync {
        libcrypto::set_engines_folder(dasync::folder());
    }
    let libcrypto = Libcrypto::load(&args.libcrypto);
    match &args.count {
        Some(what) => count(libcrypto, what),
        None => contests(libcrypto, &args),
    }
}

fn count(libcrypto: &'static Libcrypto, what: &str) {
    let parts: Vec<_> = what.split('/').collect();
    let parsed = match parts[..] {
        [side, algorithm, bytes, ops] => Algorithm::of_name(algorithm)
            .zip(bytes.parse().ok().zip(ops.parse().ok()))
            .and_then(|(algorithm, (bytes, ops))| Some((side_of(libcrypto, side, algorithm, bytes)?, ops))),
        _ => None,
    };
    let Some((mut side, ops)) = parsed else {
        eprintln!("--count: '{what}' is not SIDE/ALGORITHM/BYTES/OPERATIONS");
        std::process::exit(2);
    };
    let run = side.drive(Goal::Operations(ops));
    println!("{what}: {} operations, {} pauses", run.operations, run.pauses);
}

fn side_of(
    libcrypto: &'static Libcrypto,
    name: &str,
    algorithm: Algorithm,
    bytes: usize,
) -> Option<Box<dyn Side>> {
    let (kind, way) = match name.rsplit_once('-') {
        Some((kind, "fd")) => (kind, Some(Way::Fd)),
        Some((kind, "callback")) => (kind, Some(Way::Callback)),
        _ => (name, None),
    };
    let evp = |source| -> Box<dyn Side> {
        match way {
            Some(way) => Box::new(Driven::new(EvpJobs::new(libcrypto, source, algorithm, bytes, way), way)),
            None => Box::new(Calls::new(libcrypto, source, algorithm, bytes)),
        }
    };
    Some(match kind {
        "provider" => evp(Source::Provider),
        "default" => evp(Source::Default),
        "dasync" => evp(Source::Dasync),
        "engine" => Box::new(Driven::new(EngineJobs::new(algorithm, bytes, way?, Memory::Owned), way?)),
        "slices" => Box::new(Driven::new(EngineJobs::new(algorithm, bytes, way?, Memory::Borrowed), way?)),
        _ => return None,
    })
}

fn contests(libcrypto: &'static Libcrypto, args: &Args) {
    const DEVICE: &[&str] = &[
        "provider-fd",
        "slices-fd",
        "engine-fd",
        "provider-callback",
        "slices-callback",
        "engine-callback",
        "provider",
        "default",
    ];
    const DASYNC: &[&str] = &["dasync-fd", "dasync-callback", "dasync", "default"];
    let effort = table::Effort {
        contests: args.contests,
        rounds: args.rounds,
        slice: Duration::from_millis(args.slice),
    };
    let algorithms = [
        (Algorithm::Cbc, DEVICE),
        (Algorithm::Gcm, DEVICE),
        (Algorithm::Sha256, DEVICE),
        (Algorithm::Sha1, DASYNC),
    ];
    table::head();
    for (algorithm, names) in algorithms {
        for bytes in SIZES {
            let key = format!("{}/{bytes}", algorithm.name());
            if !key.contains(&args.only) || (algorithm == Algorithm::Sha1 && !args.dasync) {
                continue;
            }
            let mut sides: Vec<_> = names
                .iter()
                .map(|name| (*name, side_of(libcrypto, name, algorithm, bytes).expect("a known side")))
                .collect();
            table::print(&key, bytes, &table::measure(&effort, &mut sides));
        }
    }
}
