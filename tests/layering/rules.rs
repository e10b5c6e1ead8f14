//! Which room may know what: one rule a folder, and what it says holds for every file below that has no
//! nearer rule.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crate::{SOURCES, source, sources};

/// Every crate that code here could name.
static CRATES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = "));
    names.map(|name| name.trim_matches('"').replace('-', "_")).collect()
});

/// A folder, or a file that stands by itself.
pub(crate) struct Room {
    pub(crate) path: &'static str,
    /// Paths of its own crate, with all that is below them. What is in the room itself is always known.
    pub(crate) knows: &'static [&'static str],
    /// Other crates; the standard library is known to all.
    pub(crate) crates: &'static [&'static str],
    /// What is not known of all these.
    pub(crate) except: &'static [&'static str],
}

/// A file that knows more than its room does, and why.
pub(crate) struct Seam {
    pub(crate) file: &'static str,
    pub(crate) knows: &'static str,
    #[expect(dead_code, reason = "for the reader")]
    pub(crate) reason: &'static str,
}

/// What a device without threads, fds and wall clocks does without.
const NO_SYSTEM: &[&str] = &[
    "std::thread",
    "std::os",
    "std::fs",
    "std::net",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
];
/// The same, for what sees a message and not the request around it.
const NO_REQUEST: &[&str] = &[
    "crate::message::request",
    "crate::Request",
    "std::thread",
    "std::os",
    "std::fs",
    "std::net",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
];
const WHOLE_CRATE: &[&str] = &["crate"];

pub(crate) const ROOMS: &[Room] = &[
    // The device.
    Room { path: "device-sim/src/lib.rs", knows: WHOLE_CRATE, crates: &[], except: &[] },
    Room {
        path: "device-sim/src/message",
        knows: &[],
        crates: &["subtle", "thiserror", "zeroize"],
        except: NO_SYSTEM,
    },
    Room {
        path: "device-sim/src/kernels",
        knows: &["crate::message"],
        crates: &["aes", "cbc", "ctr", "ghash", "hmac", "sha2", "subtle", "thiserror", "zeroize"],
        except: NO_REQUEST,
    },
    Room {
        path: "device-sim/src/kernels/keys",
        knows: &["crate::kernels", "crate::message"],
        crates: &[
            "crypto_bigint",
            "der",
            "ecdsa",
            "ed25519_dalek",
            "hmac",
            "ml_dsa",
            "ml_kem",
            "p256",
            "p384",
            "p521",
            "pkcs1",
            "pkcs8",
            "rand_chacha",
            "rfc6979",
            "rsa",
            "sec1",
            "sha1",
            "sha2",
            "sha3",
            "subtle",
            "x25519_dalek",
            "zeroize",
        ],
        except: NO_REQUEST,
    },
    Room {
        path: "device-sim/src/keys",
        knows: &["crate::kernels::keys", "crate::kernels::session", "crate::message"],
        crates: &["zeroize"],
        except: NO_REQUEST,
    },
    Room {
        path: "device-sim/src/model",
        knows: &[
            "crate::message",
            "crate::config",
            "crate::stats",
            "crate::sync",
            "crate::queue::cell",
            "crate::queue::entry",
            "crate::queue::ready",
        ],
        crates: &["rand_chacha", "thiserror", "zeroize"],
        except: NO_SYSTEM,
    },
    Room {
        path: "device-sim/src/config",
        knows: &[
            "crate::message",
            "crate::model::fault",
            "crate::model::latency",
            "crate::model::network::arbitration",
            "crate::model::network::limit_mode",
            "crate::model::order",
            "crate::stats::timing",
        ],
        crates: &["thiserror"],
        except: NO_SYSTEM,
    },
    Room {
        path: "device-sim/src/stats",
        knows: &[
            "crate::message",
            "crate::config::error",
            "crate::config::grammar",
            "crate::model::fault",
            "crate::queue",
            "crate::sync",
            "crate::trace",
        ],
        crates: &["hdrhistogram"],
        except: NO_SYSTEM,
    },
    Room {
        path: "device-sim/src/queue",
        knows: &["crate::message", "crate::sync", "crate::process"],
        crates: &["thiserror"],
        except: NO_SYSTEM,
    },
    Room {
        path: "device-sim/src/sync",
        knows: &["crate::process"],
        crates: &["loom", "nix", "libc"],
        except: &["std::os", "std::time::Instant"],
    },
    Room { path: "device-sim/src/process", knows: &[], crates: &["libc", "nix"], except: &["std::thread"] },
    Room {
        path: "device-sim/src/run",
        knows: WHOLE_CRATE,
        crates: &["crossbeam_channel", "nix", "thiserror"],
        except: &[],
    },
    Room { path: "device-sim/src/trace.rs", knows: &[], crates: &["tracing"], except: NO_SYSTEM },
    Room { path: "device-sim/src/loom", knows: WHOLE_CRATE, crates: &["loom"], except: &[] },
    // Jobs, the engine, and what joins them.
    Room { path: "src/lib.rs", knows: WHOLE_CRATE, crates: &["simaccel_device", "zeroize"], except: &[] },
    Room {
        path: "src/error.rs",
        knows: &["crate::job"],
        crates: &["nix", "simaccel_device", "thiserror"],
        except: &[],
    },
    Room { path: "src/foreign.rs", knows: WHOLE_CRATE, crates: &["simaccel_device"], except: &[] },
    Room {
        path: "src/future",
        knows: &["crate::engine", "crate::error", "crate::job", "crate::process"],
        crates: &[
            "async_io",
            "bytes",
            "futures_core",
            "futures_io",
            "futures_sink",
            "nix",
            "simaccel_device",
            "thiserror",
            "tokio",
            "zeroize",
        ],
        except: &["simaccel_device::QueuePair"],
    },
    Room {
        path: "src/rustcrypto",
        knows: &["crate::engine", "crate::error"],
        crates: &["aead", "cipher", "digest", "signature", "simaccel_device", "zeroize"],
        except: &["simaccel_device::QueuePair"],
    },
    Room { path: "src/process.rs", knows: &[], crates: &["simaccel_device"], except: &[] },
    Room { path: "src/sync.rs", knows: &[], crates: &["simaccel_device"], except: &[] },
    Room {
        path: "src/wait_readable.rs",
        knows: &["crate::error", "crate::job"],
        crates: &["libc", "nix"],
        except: &[],
    },
    Room { path: "src/words.rs", knows: &[], crates: &[], except: &[] },
    Room {
        path: "src/job",
        knows: &["crate::process", "crate::sync", "crate::words"],
        crates: &["corosensei", "libc", "nix", "thiserror", "tracing"],
        except: &[],
    },
    Room {
        path: "src/engine",
        knows: &["crate::error", "crate::process", "crate::sync", "crate::words"],
        crates: &["libc", "nix", "simaccel_device", "thiserror", "tracing", "zeroize"],
        except: &["simaccel_device::QueuePair"],
    },
    Room {
        path: "src/engine/wait",
        knows: &["crate::engine", "crate::error", "crate::job", "crate::process"],
        crates: &["libc", "nix", "simaccel_device"],
        except: &["simaccel_device::QueuePair"],
    },
    // The root crate for C, and nothing behind it.
    Room {
        path: "capi/src",
        knows: WHOLE_CRATE,
        crates: &["libc", "simaccel", "zeroize"],
        except: &["simaccel::simaccel_device"],
    },
    // The root crate for OpenSSL, and nothing behind it.
    Room {
        path: "provider/src",
        knows: WHOLE_CRATE,
        crates: &["libc", "nix", "simaccel", "thiserror", "zeroize"],
        except: &["simaccel::simaccel_device"],
    },
    Room {
        path: "provider/src/md.rs",
        knows: &[],
        crates: &["md5", "sha1", "sha2", "sha3", "simaccel"],
        except: &["simaccel::simaccel_device"],
    },
    Room { path: "provider/src/ossl", knows: &[], crates: &["libc", "zeroize"], except: &[] },
    Room {
        path: "provider/src/pausing",
        knows: &["crate::conduct", "crate::counters", "crate::ossl"],
        crates: &["libc", "nix", "simaccel"],
        except: &["simaccel::simaccel_device"],
    },
    Room { path: "provider/src/conduct", knows: &["crate::counters"], crates: &["nix"], except: &[] },
    Room { path: "provider/src/counters", knows: &[], crates: &["libc", "nix", "thiserror"], except: &[] },
    Room {
        path: "provider/src/bin",
        knows: WHOLE_CRATE,
        crates: &["clap", "libc", "nix", "serde_json", "simaccel_provider", "thiserror"],
        except: &[],
    },
];

pub(crate) const SEAMS: &[Seam] = &[
    Seam {
        file: "capi/src/uses.rs",
        knows: "simaccel::simaccel_device::process",
        reason: "a list belongs to a process, and a process is known by its forks",
    },
    Seam {
        file: "device-sim/src/model/pipeline.rs",
        knows: "crate::kernels",
        reason: "the place where a request that the model lets through is worked on, alone or with others",
    },
    Seam {
        file: "device-sim/src/model/installed.rs",
        knows: "crate::kernels",
        reason: "what a session's id refers to, and its work, by the first worker or by another",
    },
    Seam {
        file: "device-sim/src/config/service/numbers.rs",
        knows: "std::fs",
        reason: "reads the tables and traces that a configuration names, when it is parsed",
    },
    Seam {
        file: "device-sim/src/config/service/numbers.rs",
        knows: "std::os::unix::fs::OpenOptionsExt",
        reason: "opens a file without waiting, in case it is a pipe",
    },
    Seam {
        file: "device-sim/src/config/service/numbers.rs",
        knows: "nix::fcntl::OFlag",
        reason: "the flags for that",
    },
    Seam {
        file: "device-sim/src/queue/interrupt.rs",
        knows: "std::os",
        reason: "the interrupt is an eventfd, the one fd of the device",
    },
    Seam { file: "device-sim/src/queue/interrupt.rs", knows: "nix", reason: "makes the eventfd" },
    Seam {
        file: "device-sim/src/sync/ticks.rs",
        knows: "std::time::Instant",
        reason: "a clock that is set by the system's",
    },
    Seam {
        file: "src/engine/instance.rs",
        knows: "simaccel_device::QueuePair",
        reason: "an instance is the use of one queue pair",
    },
    Seam {
        file: "src/engine/lease.rs",
        knows: "simaccel_device::QueuePair",
        reason: "lends a queue pair to the thread that uses it",
    },
];

/// What a name at the root of a crate stands for, by the folder of the crate's sources: an import of its
/// `lib.rs`, or a macro that is exported.
static AT_THE_ROOT: LazyLock<HashMap<(&str, String), String>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    for folder in SOURCES {
        for (file, text) in sources(folder) {
            let below = file.split_once("src/").map_or("", |(_, below)| below);
            let module = source::module_of(below);
            let of = std::iter::once("crate")
                .chain(module.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join("::");
            let macros = source::exported_macros(&text);
            names.extend(macros.into_iter().map(|name| ((*folder, name), of.clone())));
            if below == "lib.rs" {
                let imports = source::imports(&[], &text).into_iter();
                names.extend(imports.map(|(name, path)| ((*folder, name), path)));
            }
        }
    }
    names
});

/// What a file names and its room must not know.
pub(crate) fn broken(file: &str, text: &str) -> Vec<String> {
    let Some(room) = room_of(file) else { return vec![format!("{file} is in no room that has a rule")] };
    let below = file.split_once("src/").map_or(file, |(_, below)| below);
    let named = source::paths(&source::module_of(below), text);
    let unknown = named.into_iter().filter(|path| !may_know(room, file, path));
    unknown.map(|path| format!("{file} knows {path}")).collect()
}

fn room_of(file: &str) -> Option<&'static Room> {
    let holds = |room: &&Room| is_below(file, room.path, '/');
    ROOMS.iter().filter(holds).max_by_key(|room| room.path.len())
}

fn may_know(room: &Room, file: &str, path: &str) -> bool {
    let first = path.split("::").next().unwrap_or(path);
    let folder = SOURCES.iter().find(|folder| is_below(file, folder, '/')).copied().unwrap_or_default();
    let root_name = path.strip_prefix("crate::").and_then(|rest| rest.split("::").next()).unwrap_or_default();
    let path = match (first, AT_THE_ROOT.get(&(folder, root_name.to_owned()))) {
        ("core" | "alloc", _) => path.replacen(first, "std", 1),
        ("crate", Some(of)) => path.replacen(&format!("crate::{root_name}"), of, 1),
        _ => path.to_owned(),
    };
    let first = path.split("::").next().unwrap_or_default();
    let is_seam = SEAMS.iter().any(|seam| seam.file == file && knows(seam.knows, &path));
    is_seam || !room.except.iter().any(|hidden| reaches(&path, hidden)) && known(room, first, &path)
}

fn known(room: &Room, first: &str, path: &str) -> bool {
    match first {
        "crate" => {
            let own = own_path(room.path);
            room.knows.iter().any(|known| knows(known, path)) || knows(&own, path)
        }
        "std" | "core" | "alloc" => true,
        // What is in scope by other means, or the language's.
        _ if !CRATES.contains(first) => true,
        _ => room.crates.contains(&first),
    }
}

/// The module path of a room: `device-sim/src/queue` is `crate::queue`.
fn own_path(room: &str) -> String {
    let below = room.split_once("src").map_or("", |(_, below)| below.trim_start_matches('/'));
    let parts = source::module_of(below).into_iter().filter(|part| !part.is_empty());
    std::iter::once("crate".to_owned()).chain(parts).collect::<Vec<_>>().join("::")
}

fn knows(known: &str, path: &str) -> bool {
    is_below(path, known, ':')
}

/// Whether a path names what is hidden, or brings it in with all its neighbours.
fn reaches(path: &str, hidden: &str) -> bool {
    let all_of = path.strip_suffix("::*").is_some_and(|whole| is_below(hidden, whole, ':'));
    is_below(path, hidden, ':') || all_of
}

/// Whether `path` is `whole`, or goes on behind it with this sign.
fn is_below(path: &str, whole: &str, sign: char) -> bool {
    path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(sign))
}
