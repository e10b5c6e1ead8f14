//! No public signature of the two library crates names a type of another crate: that would tie our versions
//! that crate's. Held by reading the sources.

mod rust_files;

use std::fs;
use std::path::Path;

use rust_files::rust_files;

/// Crates whose types are ours to use and not to show. `zeroize` is none of them: secrets come as its
/// `Zeroizing`, which is made for signatures, is at version 1, and is exported again.
const FOREIGN: &[&str] = &[
    "aes",
    "cbc",
    "corosensei",
    "crossbeam_channel",
    "ctr",
    "ghash",
    "hdrhistogram",
    "hmac",
    "libc",
    "nix",
    "rand",
    "rand_chacha",
    "sha2",
    "subtle",
];

/// Code without comments, and without the test module.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn names(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !is_name(c)).filter(|name| !name.is_empty())
}

/// Foreign names that the file can use without their crate's: what its `use` lines bring in.
fn imported(code: &str) -> Vec<&str> {
    let uses = code.split(';').filter_map(|part| {
        let at = part.rfind("use ").filter(|&at| !part[..at].ends_with(is_name))?;
        Some(&part[at + 4..])
    });
    let foreign = uses.filter(|path| names(path).next().is_some_and(|first| FOREIGN.contains(&first)));
    let all = foreign.flat_map(|path| names(path).filter(|name| *name != "as" && *name != "self"));
    all.filter(|name| name.starts_with(char::is_uppercase)).collect()
}

/// Whether `line` begins an implementation for a type that the same code declares public.
fn is_impl_of_public(line: &str, code: &str) -> bool {
    let Some(rest) = line.strip_prefix("impl") else { return false };
    let subject = rest.rsplit_once(" for ").map_or(rest, |(_, subject)| subject);
    let subject = subject.trim_start_matches(|c: char| !c.is_uppercase());
    let name = subject.split(|c: char| !is_name(c)).next().unwrap_or_default();
    ["struct", "enum"].iter().any(|kind| names_item(code, &format!("pub {kind} {name}")))
}

fn names_item(code: &str, item: &str) -> bool {
    code.match_indices(item).any(|(at, _)| !code[at + item.len()..].starts_with(is_name))
}

/// The visible part of an item that begins with `pub` or `impl`: up to its body, and the body too where it is
/// visible (the variants of an enum, the items of a trait).
fn signatures(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let begin = line.trim_start();
        let is_public = begin.starts_with("pub ") && !begin.starts_with("pub use ");
        if !is_public && !is_impl_of_public(begin, code) {
            continue;
        }
        let has_public_body = begin.starts_with("pub enum ") || begin.starts_with("pub trait ");
        let mut signature = line.to_owned();
        let (end, indent) = (if has_public_body { "}" } else { "" }, line.len() - begin.len());
        let is_whole = |last: &str| match has_public_body {
            true => last.len() - last.trim_start().len() == indent && last.trim() == end,
            // A field ends with a comma and has no body.
            false => last.ends_with(['{', ';', ',']) || last.ends_with('}'),
        };
        let is_field =
            !["fn ", "const ", "static ", "type ", "struct ", "enum ", "trait ", "impl", "mod ", "unsafe "]
                .iter()
                .any(|word| begin.contains(word));
        let mut last = line.to_owned();
        while !(is_whole(&last) && (is_field || !last.ends_with(',') || has_public_body)) {
            let Some(next) = lines.next() else { break };
            signature += "\n";
            signature += next;
            last = next.to_owned();
        }
        found.push(signature);
    }
    found
}

/// The public signatures in `text` that name a foreign type.
fn leaks(text: &str) -> Vec<String> {
    let code = code(text);
    let imported = imported(&code);
    let is_foreign = |signature: &String| {
        let path = |name: &&str| FOREIGN.contains(name) && signature.contains(&format!("{name}::"));
        let body = signature.rsplit_once('{').map_or(signature.as_str(), |(head, body)| {
            if body.trim().is_empty() || signature.trim_start().starts_with("pub ") {
                signature
            } else {
                head
            }
        });
        names(body).any(|name| imported.contains(&name)) || names(body).any(|name| path(&name))
    };
    signatures(&code).into_iter().filter(is_foreign).collect()
}

#[test]
fn no_public_signature_names_a_foreign_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "device-sim/src"] {
        for file in rust_files(&root.join(folder)) {
            let leaked = leaks(&fs::read_to_string(&file).unwrap());
            found.extend(leaked.into_iter().map(|signature| format!("{}: {signature}", file.display())));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_reader_of_signatures_sees_what_it_looks_for() {
    let head = "use nix::errno::Errno;\nuse nix::sys::eventfd::{EfdFlags, EventFd};\nuse std::io;\n";
    for leak in [
        "pub fn open() -> Result<Self, Errno> {\n    body()\n}",
        "    pub fn open(\n        &self,\n        fd: EventFd,\n    ) -> io::Result<()> {\n    }",
        "pub enum Error {\n    /// Text.\n    Thread(\n        Errno,\n    ),\n}",
        "pub struct Open {\n    pub fd: EventFd,\n}",
        "pub enum Error {\n}\nimpl From<Errno> for Error {\n}",
        "pub fn record(into: &mut hdrhistogram::Histogram<u64>) {}",
        "pub struct Wrapper(pub EventFd);",
        "pub type Sender = crossbeam_channel::Sender<u8>;",
        "pub trait Opens {\n    fn open(&self) -> EventFd;\n}",
    ] {
        assert_eq!(leaks(&format!("{head}{leak}")).len(), 1, "{leak}");
    }
    for fine in [
        "pub(crate) fn open() -> Result<Self, Errno> {\n}",
        "pub fn open() -> io::Result<()> {\n    Err(Errno::EINVAL.into())\n}",
        "pub struct Open {\n    fd: EventFd,\n}",
        "// pub fn open() -> Errno {}",
        "pub fn histogram() -> Histogram {}",
        "#[cfg(test)]\nmod tests {\n    pub fn open() -> Errno {}\n}",
    ] {
        assert_eq!(leaks(&format!("{head}{fine}")), Vec::<String>::new(), "{fine}");
    }
}
