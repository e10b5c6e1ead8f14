//! What an operation costs in each layer: instructions of the application's thread and of the device's, from
//! two runs under callgrind that differ in their number of operations.
//!
//! Callgrind runs one thread at a time, so the device's thread polls in vain for part of its turns: its
//! figures are an upper bound. Those of the application's thread do not depend on it, but for how often it
//! waits.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::programs;

const OPERATIONS: [u64; 2] = [4_000, 8_000];

/// Instructions by thread and layer.
type Costs = BTreeMap<(&'static str, &'static str), u64>;

pub(crate) fn print(libcrypto: &str) {
    for what in
        ["provider-fd/cbc/64", "provider-callback/cbc/64", "engine-fd/cbc/64", "engine-callback/cbc/64"]
    {
        let [fewer, more] = OPERATIONS.map(|operations| count(libcrypto, &format!("{what}/{operations}")));
        let between = (OPERATIONS[1] - OPERATIONS[0]) as f64;
        println!("\n{what}: instructions of an operation");
        for (&(thread, layer), &cost) in &more {
            let before = fewer.get(&(thread, layer)).copied().unwrap_or(0);
            println!("  {thread:12} {layer:28} {:8.0}", cost.saturating_sub(before) as f64 / between);
        }
    }
}

fn count(libcrypto: &str, what: &str) -> Costs {
    let folder = programs::scratch("callgrind");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--separate-threads=yes", "--fair-sched=yes", "--quiet"]);
    valgrind.arg(format!("--callgrind-out-file={}/out", folder.display()));
    valgrind.arg(std::env::current_exe().unwrap());
    valgrind.args(["--libcrypto", libcrypto, "--count", what]);
    programs::succeeds(&mut valgrind);
    let mut costs = Costs::new();
    for file in fs::read_dir(&folder).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        if let Some(thread) = name.strip_prefix("out-") {
            let thread = if thread == "01" { "application" } else { "device" };
            read(&file, thread, &mut costs);
        }
    }
    fs::remove_dir_all(folder).unwrap();
    costs
}

/// Adds the costs that functions have themselves. A call's cost, which follows `calls=`, is its callee's.
fn read(file: &Path, thread: &'static str, costs: &mut Costs) {
    let mut names = BTreeMap::new();
    let (mut object, mut layer, mut skip) = (String::new(), "other", false);
    for line in fs::read_to_string(file).unwrap().lines() {
        if let Some(name) = line.strip_prefix("ob=") {
            object = full(name, "ob", &mut names);
        } else if let Some(name) = line.strip_prefix("fn=") {
            layer = layer_of(&object, &full(name, "fn", &mut names));
        } else if let Some(name) = line.strip_prefix("cob=") {
            full(name, "ob", &mut names);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            full(name, "fn", &mut names);
        } else if line.starts_with("calls=") {
            skip = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '*')) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok()).unwrap_or(0);
            if !std::mem::take(&mut skip) {
                *costs.entry((thread, layer)).or_default() += cost;
            }
        }
    }
}

/// A name is written once, as `(7) name`, and then as `(7)`.
fn full(name: &str, kind: &'static str, names: &mut BTreeMap<(&'static str, String), String>) -> String {
    let (number, name) = name.split_once(' ').unwrap_or((name, ""));
    let key = (kind, number.to_owned());
    if !name.is_empty() {
        names.insert(key.clone(), name.to_owned());
    }
    names.get(&key).cloned().unwrap_or_default()
}

fn layer_of(object: &str, function: &str) -> &'static str {
    const BY_FUNCTION: &[(&str, &str)] = &[
        ("ASYNC_", "jobs of libcrypto"),
        ("async_", "jobs of libcrypto"),
        ("CRYPTO_THREAD", "jobs of libcrypto"),
        ("EVP_", "EVP"),
        ("evp_", "EVP"),
        ("simaccel_provider::", "provider"),
        ("<simaccel_provider::", "provider"),
        ("simaccel_device::", "device"),
        ("<simaccel_device::", "device"),
        ("simaccel::job", "jobs of simaccel"),
        ("<simaccel::job", "jobs of simaccel"),
        ("corosensei::", "jobs of simaccel"),
        ("simaccel::", "engine"),
        ("<simaccel::", "engine"),
        ("speed::", "benchmark"),
        ("<speed::", "benchmark"),
        ("aes::", "device"),
        ("<aes::", "device"),
        ("cbc::", "device"),
        ("<cbc::", "device"),
    ];
    if let Some((_, layer)) = BY_FUNCTION.iter().find(|(prefix, _)| function.starts_with(prefix)) {
        return layer;
    }
    let library = object.rsplit('/').next().unwrap_or("");
    if library.starts_with("libc.so") {
        return match function {
            _ if function.contains("jmp") => "jobs of libcrypto",
            _ if function.contains("mem") => "copies",
            _ if function.contains("alloc") || function.contains("free") => "memory",
            _ => "libc, system calls",
        };
    }
    if library.starts_with("libcrypto") {
        return "libcrypto, without a name";
    }
    if library.starts_with("libsimaccel_provider") { "provider, other" } else { "other" }
}
