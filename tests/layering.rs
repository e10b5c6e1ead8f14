//! Who may know whom: the layers of the house, held by reading the sources.
//!
//! Each row is a room and the words that must not stand in its code. Comments may speak of anything.

use std::fs;
use std::path::{Path, PathBuf};

struct Rule {
    /// A file or folder below the package root.
    room: &'static str,
    /// Files below the room that are another room.
    except: &'static [&'static str],
    must_not_know: &'static [&'static str],
}

const THREADS_FDS_CLOCKS: &[&str] = &["std::thread", "std::os", "std::time::Instant", "SystemTime", "nix::"];

const RULES: &[Rule] = &[
    Rule {
        room: "src/job",
        except: &[],
        must_not_know: &[
            "crate::engine",
            "crate::future",
            "simaccel_device",
            "aes",
            "sha2",
            "super::engine",
            "crate::error",
        ],
    },
    Rule {
        room: "src/engine",
        except: &["src/engine/wait/job.rs", "src/engine/wake_fd.rs"],
        must_not_know: &["crate::job"],
    },
    Rule { room: "src/engine", except: &[], must_not_know: &["crate::future", "capi", "openssl"] },
    Rule {
        room: "src/engine",
        except: &["src/engine/instance.rs", "src/engine/lease.rs", "src/engine/mod.rs"],
        must_not_know: &["QueuePair"],
    },
    Rule { room: "src/engine", except: &[], must_not_know: &["aes::", "sha2::", "corosensei"] },
    Rule {
        room: "device-sim/src",
        except: &[],
        must_not_know: &["simaccel", "corosensei", "openssl", "WaitCtx", "Job<"],
    },
    Rule { room: "device-sim/src/kernels", except: &[], must_not_know: THREADS_FDS_CLOCKS },
    Rule { room: "device-sim/src/message/request.rs", except: &[], must_not_know: THREADS_FDS_CLOCKS },
    Rule { room: "device-sim/src/kernels/session.rs", except: &[], must_not_know: THREADS_FDS_CLOCKS },
    Rule { room: "device-sim/src/config/mod.rs", except: &[], must_not_know: THREADS_FDS_CLOCKS },
    Rule { room: "device-sim/src/model", except: &[], must_not_know: THREADS_FDS_CLOCKS },
    Rule {
        room: "device-sim/src/queue/ring.rs",
        except: &[],
        must_not_know: &[
            "crate::message::request",
            "crate::model",
            "crate::queue::cell",
            "std::thread",
            "nix::",
        ],
    },
    Rule {
        room: "device-sim/src/queue/cell.rs",
        except: &[],
        must_not_know: &["crate::model", "crate::queue::ring", "crate::run", "nix::", "std::os"],
    },
    // The root crate and nothing behind it.
    Rule {
        room: "capi/src",
        except: &[],
        must_not_know: &[
            "simaccel_device",
            "corosensei",
            "nix::",
            "aes::",
            "sha2::",
            "openssl::",
            "provider",
        ],
    },
    Rule { room: "src", except: &[], must_not_know: &["simaccel_async", "capi"] },
];

/// The only files that may hold `unsafe`.
const UNSAFE_ROOMS: &[&str] = &[
    "capi/src/copies.rs",
    "capi/src/engine.rs",
    "capi/src/error_queue.rs",
    "capi/src/jobs.rs",
    "capi/src/last_error.rs",
    "capi/src/lib_ctx.rs",
    "capi/src/linked.rs",
    "capi/src/session.rs",
    "capi/src/stacks.rs",
    "capi/src/stream.rs",
    "capi/src/wait_ctx.rs",
    "src/engine/lease.rs",
    "src/engine/table.rs",
    "src/job/",
    "src/words.rs",
    "device-sim/src/sync/barrier.rs",
    "device-sim/src/process/cancel.rs",
    "device-sim/src/queue/cell.rs",
    "device-sim/src/queue/cell/device.rs",
    "device-sim/src/queue/cell/host.rs",
    "device-sim/src/queue/cell/waking.rs",
    "device-sim/src/sync/prefetch.rs",
    "device-sim/src/process/fork.rs",
    "examples/simulate/memory.rs",
    "benches/rivals/src/libcrypto.rs",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(room: &Path) -> Vec<PathBuf> {
    if room.is_file() {
        return vec![room.to_path_buf()];
    }
    let entries = fs::read_dir(room).unwrap_or_else(|error| panic!("{}: {error}", room.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path {
            folder if folder.is_dir() => rust_files(&folder),
            file if file.extension().is_some_and(|extension| extension == "rs") => vec![file],
            _ => Vec::new(),
        })
        .collect()
}

/// The code of a file: comments cut away, and everything from a test module on.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Whether `word` stands in `code` as a whole path or name, not as a part of a longer one.
fn knows(code: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let ends_open = !word.ends_with(|c: char| is_name(c));
        !before.is_some_and(is_name) && (ends_open || !after.is_some_and(is_name))
    })
}

#[test]
fn rooms_know_only_what_they_may() {
    let mut broken = Vec::new();
    for rule in RULES {
        let files = rust_files(&root().join(rule.room));
        assert!(!files.is_empty(), "no such room: {}", rule.room);
        for file in files {
            let name = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            if rule.except.contains(&name.as_str()) {
                continue;
            }
            let code = code(&file);
            let known = rule.must_not_know.iter().filter(|word| knows(&code, word));
            broken.extend(known.map(|word| format!("{name} knows {word}")));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn unsafe_code_has_an_address() {
    for folder in ["src", "device-sim/src", "capi/src", "examples", "benches/rivals/src"] {
        for file in rust_files(&root().join(folder)) {
            let name = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            let allowed = UNSAFE_ROOMS.iter().any(|room| name.starts_with(room));
            let found = knows(&code(&file), "unsafe");
            assert!(allowed || !found, "{name} has unsafe code and is not on the list of rooms for it");
        }
    }
}

/// What strict mode says of misuse on purpose belongs to the test that it is in.
#[test]
fn test_programs_that_run_jobs_have_their_reports_captured() {
    let all = fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let programs: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect();
    assert!(programs.len() > 30);
    for program in programs {
        // The recipe is shown as it is, and breaks no rule.
        let is_shown = program.ends_with("recipe.rs");
        let code = code(&program);
        let runs_jobs = ["Job", "job", "raw::start", "Engine"].iter().any(|word| knows(&code, word));
        let name = program.display();
        assert!(!runs_jobs || is_shown || knows(&code, "mod captured"), "{name} lacks: mod captured;");
    }
}

#[test]
fn the_reader_of_sources_sees_what_it_looks_for() {
    assert!(knows("use crate::engine::Engine;", "crate::engine"));
    assert!(!knows("use crate::engines;", "crate::engine"));
    assert!(knows("nix::poll()", "nix::") && !knows("phoenix::poll()", "nix::"));
    assert!(!knows("let safe = 1;", "unsafe"));
}
