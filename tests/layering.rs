//! Which folder may use which: the layers, checked by reading the sources.
//!
//! ```text
//!   a file ──► the nearest room with a rule ──► every path that its code names is one that the room may know
//! ```
//!
//! A new file has its folder's rule, and a new folder needs one. The few files that know more are seams, each
//! with its reason. Comments may speak of anything, and tests may use anything.

#[path = "layering/circles.rs"]
mod circles;
#[path = "layering/rules.rs"]
mod rules;
mod rust_files;
#[path = "layering/source.rs"]
mod source;

use std::fs;
use std::path::PathBuf;

use rules::{ROOMS, SEAMS, broken};
use rust_files::rust_files;

/// The only files that may hold `unsafe`.
const UNSAFE_ROOMS: &[&str] = &[
    "capi/src/copies.rs",
    "capi/src/engine.rs",
    "capi/src/error_queue.rs",
    "capi/src/jobs.rs",
    "capi/src/keys/mod.rs",
    "capi/src/keys/operations.rs",
    "capi/src/keys/started.rs",
    "capi/src/last_error.rs",
    "capi/src/lib_ctx.rs",
    "capi/src/linked.rs",
    "capi/src/session.rs",
    "capi/src/stacks.rs",
    "capi/src/stream.rs",
    "capi/src/uses.rs",
    "capi/src/wait_ctx.rs",
    "src/engine/lease.rs",
    "src/engine/random.rs",
    "src/engine/table.rs",
    "src/future/tokio.rs",
    "src/job/",
    "src/words.rs",
    "device-sim/src/loom/gate.rs",
    "device-sim/src/loom/uses.rs",
    "device-sim/src/sync/barrier.rs",
    "device-sim/src/process/cancel.rs",
    "device-sim/src/queue/cell.rs",
    "device-sim/src/queue/cell/device.rs",
    "device-sim/src/queue/cell/host.rs",
    "device-sim/src/queue/cell/waking.rs",
    "device-sim/src/sync/prefetch.rs",
    "device-sim/src/sync/ticks.rs",
    "device-sim/src/process/fork.rs",
    "examples/loadgen/interrupt.rs",
    "examples/simulate/memory.rs",
    "benches/rivals/src/libcrypto.rs",
    "provider/src/accelerator/buffers.rs",
    "provider/src/accelerator/place.rs",
    "provider/src/theirs.rs",
    "provider/src/signature/told.rs",
    "provider/src/signature/entry.rs",
    "provider/src/asym_cipher/entry.rs",
    "provider/src/capabilities.rs",
    "provider/src/cipher/entry.rs",
    "provider/src/config.rs",
    "provider/src/context.rs",
    "provider/src/bin/simaccel-stat/doctor/libcrypto.rs",
    "provider/src/counters/file.rs",
    "provider/src/digest/mod.rs",
    "provider/src/exchange/entry.rs",
    "provider/src/exchange/kdf.rs",
    "provider/src/exchange/theirs.rs",
    "provider/src/init.rs",
    "provider/src/instance.rs",
    "provider/src/kem/entry.rs",
    "provider/src/keymgmt/entry.rs",
    "provider/src/keymgmt/theirs.rs",
    "provider/src/ossl/core.rs",
    "provider/src/ossl/default.rs",
    "provider/src/ossl/jobs.rs",
    "provider/src/ossl/library.rs",
    "provider/src/ossl/object.rs",
    "provider/src/ossl/params.rs",
    "provider/src/ossl/params/",
    "provider/src/ossl/types.rs",
    "provider/src/pausing/callback.rs",
    "provider/src/pausing/deep.rs",
    "provider/src/pausing/framework.rs",
    "provider/src/pausing/operation.rs",
    "provider/src/pausing/registration.rs",
    "provider/src/random.rs",
];

/// The crates whose sources have rules.
const SOURCES: &[&str] = &["src", "device-sim/src", "capi/src", "provider/src"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder by their names from the root, with their text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let named = |file: PathBuf| {
        let name = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(file).unwrap())
    };
    rust_files(&root().join(folder)).into_iter().map(named).collect()
}

fn text_of(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Files of tests alone, which may know everything.
fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

#[test]
fn rooms_know_only_what_they_may() {
    let all: Vec<_> =
        SOURCES.iter().flat_map(|folder| sources(folder)).filter(|(file, _)| !is_test(file)).collect();
    assert!(all.len() > 150, "{} files", all.len());
    let broken: Vec<String> = all.iter().flat_map(|(file, text)| broken(file, text)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_room_and_every_seam_is_there() {
    for path in ROOMS.iter().map(|room| room.path).chain(SEAMS.iter().map(|seam| seam.file)) {
        assert!(root().join(path).exists(), "{path}");
    }
}

/// A seam that is no longer needed is closed.
#[test]
fn every_seam_is_used() {
    for seam in SEAMS {
        let below = seam.file.split_once("src/").unwrap().1;
        let named = source::paths(&source::module_of(below), &text_of(seam.file));
        assert!(
            named.iter().any(|path| path.starts_with(seam.knows)),
            "{} does not know {}",
            seam.file,
            seam.knows
        );
    }
}

/// A file as it is with a line more, and what the checker is to say of it.
#[rustfmt::skip]
const BREACHES: &[(&str, &str, &str)] = &[
    // What the rules are about.
    ("device-sim/src/model/latency.rs", "use std::time::Instant;", "std::time::Instant"),
    ("device-sim/src/model/latency.rs", "fn f() { std::thread::spawn(|| ()); }", "std::thread::spawn"),
    ("device-sim/src/model/order.rs", "use crate::run::clock::Clock;", "crate::run::clock::Clock"),
    ("device-sim/src/model/order.rs", "use crate::kernels::session::Session;", "crate::kernels::session::Session"),
    ("device-sim/src/model/schedule.rs", "use crate::queue::pair::Pair;", "crate::queue::pair::Pair"),
    ("device-sim/src/queue/pair.rs", "use crate::kernels::session::Session;", "crate::kernels::session::Session"),
    ("device-sim/src/queue/port.rs", "use crate::run::admin::Ack;", "crate::run::admin::Ack"),
    ("device-sim/src/queue/pair.rs", "use crate::config::Config;", "crate::config::Config"),
    ("device-sim/src/queue/pair.rs", "use crate::stats::QueuePairStats;", "crate::stats::QueuePairStats"),
    ("device-sim/src/queue/doorbell.rs", "use nix::sys::eventfd::EventFd;", "nix::sys::eventfd::EventFd"),
    ("device-sim/src/queue/doorbell.rs", "use std::os::fd::OwnedFd;", "std::os::fd::OwnedFd"),
    ("device-sim/src/message/request.rs", "use std::os::fd::RawFd;", "std::os::fd::RawFd"),
    ("device-sim/src/message/algorithm.rs", "use crate::kernels::session::Session;", "crate::kernels::session::Session"),
    ("device-sim/src/kernels/gcm.rs", "use crate::queue::cell::Cell;", "crate::queue::cell::Cell"),
    ("device-sim/src/kernels/gcm.rs", "use crate::message::request::Request;", "crate::message::request::Request"),
    ("device-sim/src/kernels/gcm.rs", "use rand_chacha::ChaCha8Rng;", "rand_chacha::ChaCha8Rng"),
    ("device-sim/src/run/device.rs", "use simaccel::Engine;", "simaccel::Engine"),
    ("device-sim/src/run/driver.rs", "use corosensei::Coroutine;", "corosensei::Coroutine"),
    ("device-sim/src/queue/pair.rs", "const _: &str = crate::Selection::LISTED;", "crate::Selection::LISTED"),
    ("device-sim/src/kernels/xts.rs", "crate::fault_kinds! {}", "crate::fault_kinds"),
    ("src/job/pool.rs", "use crate::engine::Engine;", "crate::engine::Engine"),
    ("src/job/pool.rs", "use simaccel_device::Device;", "simaccel_device::Device"),
    ("src/job/pool.rs", "use crate::Device;", "crate::Device"),
    ("src/job/pool.rs", "use crate::error::Error;", "crate::error::Error"),
    ("src/engine/offload/flight.rs", "use crate::job::Job;", "crate::job::Job"),
    ("src/engine/session.rs", "use crate::Job;", "crate::Job"),
    ("src/engine/stream.rs", "use corosensei::Coroutine;", "corosensei::Coroutine"),
    ("src/engine/software.rs", "use aes::Aes128;", "aes::Aes128"),
    ("src/engine/poller.rs", "use simaccel_device::QueuePair;", "simaccel_device::QueuePair"),
    ("src/rustcrypto/gcm.rs", "use crate::Job;", "crate::Job"),
    ("src/rustcrypto/gcm.rs", "use aes_gcm::Aes256Gcm;", "aes_gcm::Aes256Gcm"),
    ("capi/src/session.rs", "use simaccel_device::Request;", "simaccel_device::Request"),
    ("capi/src/session.rs", "use simaccel::simaccel_device::Request;", "simaccel::simaccel_device::Request"),
    // Every way to say it.
    ("device-sim/src/model/order.rs", "use std::{fmt::Write, time::{Duration, Instant}};", "std::time::Instant"),
    ("device-sim/src/model/order.rs", "use std::time; fn f() { time::Instant::now(); }", "std::time::Instant::now"),
    ("device-sim/src/model/order.rs", "use std as s; fn f() { s::thread::yield_now(); }", "std::thread::yield_now"),
    ("device-sim/src/model/order.rs", "use std::time::*;", "std::time::*"),
    ("device-sim/src/model/order.rs", "use ::std::thread::{self};", "std::thread"),
    ("device-sim/src/model/order.rs", "use std::thread as weaving;", "std::thread"),
    ("device-sim/src/model/order.rs", "fn f(at: ::std::time::SystemTime) {}", "std::time::SystemTime"),
    ("device-sim/src/model/order.rs", "use crate::{config::Config, run::clock::Clock};", "crate::run::clock::Clock"),
    ("device-sim/src/model/order.rs", "use crate::*;", "crate::*"),
    ("device-sim/src/model/order.rs", "use super::super::run::clock;", "crate::run::clock"),
    ("device-sim/src/model/order.rs", "mod inner { use super::super::super::run::clock; }", "crate::run::clock"),
    ("device-sim/src/queue/cell/host.rs", "use super::super::super::model::order::Order;", "crate::model::order::Order"),
    ("device-sim/src/queue/pair.rs", "type T = Vec<crate::model::order::Order<u8>>;", "crate::model::order::Order"),
    ("device-sim/src/queue/pair.rs", "macro_rules! m { () => { $crate::kernels::run() } }", "crate::kernels::run"),
    ("src/engine/offload/mod.rs", "use crate::{error::Error as E, job::{WaitCtx}};", "crate::job::WaitCtx"),
    ("src/engine/offload/mod.rs", "use super::super::job::Job;", "crate::job::Job"),
];

#[test]
fn what_a_room_must_not_know_is_found_however_it_is_said() {
    for (file, line, known) in BREACHES {
        let text = text_of(file);
        assert_eq!(broken(file, &text), Vec::<String>::new());
        // Ahead of a module of tests, which would hide it.
        let found = broken(file, &format!("{line}\n{text}"));
        assert_eq!(found, [format!("{file} knows {known}")], "{line}");
    }
}

#[test]
fn what_rules_do_not_forbid_is_not_found() {
    let harmless = [
        "// use crate::run::clock::Clock;",
        "/* std::thread /* nested */ std::thread::spawn */",
        "const TEXT: &str = \"std::thread::spawn\";",
        "const TEXT: &str = r#\"std::thread::\"spawn\"#;",
        "const TEXT: &[u8] = b\"std::thread::spawn \\\" std::thread\";",
        "fn f<'a>(text: &'a str) -> char { let _: &'static str = \"\"; '\"' }",
        "#[cfg(test)] mod probe { use std::thread; }",
        "#[cfg(all(test, loom))] use std::thread::{spawn};",
        "use std::time::Duration;",
        "use crate::configured::Thing as run; use crate::model::fault::Fault;",
    ];
    for line in &harmless[..harmless.len() - 1] {
        let text = text_of("device-sim/src/model/order.rs");
        assert_eq!(
            broken("device-sim/src/model/order.rs", &format!("{line}\n{text}")),
            Vec::<String>::new(),
            "{line}"
        );
    }
    // A name that only begins like one that is known.
    let found = broken("device-sim/src/model/order.rs", harmless[harmless.len() - 1]);
    assert_eq!(found, ["device-sim/src/model/order.rs knows crate::configured::Thing"]);
    // A test module is no shelter for what is not compiled for tests alone.
    let found = broken("device-sim/src/model/order.rs", "#[cfg(not(test))] use std::thread;");
    assert_eq!(found, ["device-sim/src/model/order.rs knows std::thread"]);
}

#[test]
fn a_new_file_has_the_rule_of_its_folder_and_a_new_folder_needs_one() {
    let threads = "fn f() { std::thread::yield_now() }";
    assert_eq!(
        broken("device-sim/src/model/of_tomorrow.rs", threads),
        ["device-sim/src/model/of_tomorrow.rs knows std::thread::yield_now"]
    );
    assert_eq!(
        broken("src/engine/wait/of_tomorrow.rs", "use crate::job::Job;"),
        Vec::<String>::new(),
        "the waiters meet jobs"
    );
    assert_eq!(
        broken("src/engine/of_tomorrow/mod.rs", "use crate::job::Job;"),
        ["src/engine/of_tomorrow/mod.rs knows crate::job::Job"]
    );
    assert_eq!(
        broken("device-sim/src/attic/mod.rs", ""),
        ["device-sim/src/attic/mod.rs is in no room that has a rule"]
    );
    assert_eq!(broken("src/attic.rs", ""), ["src/attic.rs is in no room that has a rule"]);
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_path_and_function_of_the_architecture_page_is_there() {
    let page = text_of("docs/architecture.md");
    let is_path = |word: &&str| word.contains('/') && !word.contains(' ');
    let paths: Vec<&str> =
        page.lines().filter(|line| !line.starts_with("```")).flat_map(quoted).filter(is_path).collect();
    assert!(paths.len() > 60, "{} paths", paths.len());
    for path in paths {
        assert!(root().join(path).exists(), "{path}");
    }
    let section = page.split("\n## ").find(|section| section.starts_with("The life of a request")).unwrap();
    let rows: Vec<&str> =
        section.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`")).collect();
    assert!(rows.len() > 15, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let code: String = quoted(cells[2]).map(|file| source::words(&text_of(file)) + "\n").collect();
        for function in quoted(cells[3]) {
            let definition = format!("fn {function} ");
            assert!(code.contains(&definition), "no {function} in {}", cells[2]);
        }
    }
}

/// The files of the circles that the architecture page names with a reason.
fn named_circles() -> Vec<Vec<String>> {
    let page = text_of("docs/architecture.md");
    let section = page.split("\n## ").find(|section| section.starts_with("Circles")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let files = |row: &str| {
        let cell = row.split('|').nth(1).unwrap();
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut circles: Vec<_> = rows.map(files).collect();
    circles.sort();
    circles
}

#[test]
fn files_that_need_each_other_are_named_with_a_reason() {
    let of_crate = |folder| {
        let files = sources(folder).into_iter().filter(|(file, _)| !is_test(file) && !file.contains("/bin/"));
        circles::circles(&files.collect::<Vec<_>>())
    };
    let mut found: Vec<_> = SOURCES.iter().flat_map(|folder| of_crate(folder)).collect();
    found.sort();
    assert_eq!(found, named_circles(), "in docs/architecture.md under Circles, files in alphabetical order");
}

/// Whether a file may hold unsafe code, and what is wrong with it.
fn unsafe_without_address(file: &str, text: &str) -> bool {
    source::has_word(text, "unsafe") && !UNSAFE_ROOMS.iter().any(|room| file.starts_with(room))
}

#[test]
fn unsafe_code_has_an_address() {
    let folders = ["src", "device-sim/src", "capi/src", "provider/src", "examples", "benches/rivals/src"];
    let all: Vec<_> = folders.iter().flat_map(|folder| sources(folder)).collect();
    for (file, text) in &all {
        assert!(
            !unsafe_without_address(file, text),
            "{file} has unsafe code and is not on the list of rooms for it"
        );
    }
    for room in UNSAFE_ROOMS {
        let used = all.iter().any(|(file, text)| file.starts_with(room) && source::has_word(text, "unsafe"));
        assert!(used, "{room} has no unsafe code, and is on the list of rooms for it");
    }
    assert!(unsafe_without_address("src/engine/stats.rs", "fn f() { unsafe { g() } }"));
    assert!(!unsafe_without_address(
        "src/engine/stats.rs",
        "// unsafe\nconst TEXT: &str = \"unsafe\"; fn unsafe_f() {}"
    ));
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
        let text = fs::read_to_string(&program).unwrap();
        let runs_jobs = ["Job", "job", "Engine"].iter().any(|word| source::has_word(&text, word));
        let name = program.display();
        assert!(!runs_jobs || is_shown || source::has_word(&text, "captured"), "{name} lacks: mod captured;");
    }
}
