//! Installs the library for C programs: `simaccel-install --prefix DIR`.
//!
//! ```text
//!   DIR/lib/libsimaccel_async.so.0.1.0        what was built beside this program, without its debug information
//!   DIR/lib/libsimaccel_async.so.0            a link to it: programs ask for this name, the soname, when they start
//!   DIR/lib/libsimaccel_async.so              a link to that: linkers ask for this one
//!   DIR/lib/libsimaccel_async.a
//!   DIR/lib/.debug/...so.0.1.0.debug          with --debug-info separate: what debuggers find by themselves
//!   DIR/lib/pkgconfig/simaccel_async.pc
//!   DIR/include/simaccel/async.h, engine.h
//!   DIR/share/man/man3/simaccel_async.3, simaccel_engine.3
//!   DIR/share/man/man1/simaccel-install.1
//!
//!   args ──► layout: what goes where ──► staging: every file complete under another name ──► renamed, or all removed
//! ```
//!
//! `--destdir ROOT` puts everything below ROOT, for packages; the pkg-config file names the prefix without
//! it.

mod args;
mod binutils;
mod layout;
mod pkg_config;
mod staging;

use std::io::Write;
use std::process::ExitCode;
use std::{env, io};

use args::Parsed;

/// Why nothing was installed.
enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The installation failed.
    Install(String),
}

fn main() -> ExitCode {
    let done = match args::parse(env::args_os().skip(1)) {
        Ok(Parsed::Text(text)) => print(&text),
        Ok(Parsed::Options(options)) => layout::install(&options).and_then(|installed| {
            let list: String = installed.iter().map(|path| format!("{}\n", path.display())).collect();
            print(&list)
        }),
        Err(failure) => Err(failure),
    };
    let (code, line) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Install(line)) => (1, line),
        Err(Failure::Usage(line)) => (2, line),
    };
    // If standard error cannot be written either, the exit code must suffice.
    let _ = io::stderr().write_all(format!("simaccel-install: {}\n", one_line(&line)).as_bytes());
    ExitCode::from(code)
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| Failure::Install(format!("standard output: {error}; nothing else went wrong")))
}

/// A path may contain line breaks.
fn one_line(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}
