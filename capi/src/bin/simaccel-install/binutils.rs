//! Changes to a library while it is installed, made by a tool that comes with every linker.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Command;

/// Takes the debug information out of a shared library. The names of functions stay, for backtraces and profilers.
pub(crate) fn strip(library: &Path) -> Result<(), String> {
    run(Command::new("objcopy").arg("--strip-debug").arg(library))
}

/// The same of an archive, where `strip` is set; and makes a symbol of it weak: another library's function of that name
/// is linked in its place.
pub(crate) fn prepare_archive(archive: &Path, strip: bool, weak: &str) -> Result<(), String> {
    let strip = strip.then_some("--strip-debug");
    run(Command::new("objcopy").args(strip).arg(format!("--weaken-symbol={weak}")).arg(archive))
}

/// Puts the debug information of a shared library into a file of its own.
pub(crate) fn separate(library: &Path, debug: &Path) -> Result<(), String> {
    run(Command::new("objcopy").arg("--only-keep-debug").arg(library).arg(debug))
}

/// Notes in a shared library what its file of debug information is called, and a checksum of it. The file is at hand
/// under another name, with the same contents.
pub(crate) fn link_debug_info(library: &Path, debug: &Path) -> Result<(), String> {
    let mut section = OsStr::new("--add-gnu-debuglink=").to_owned();
    section.push(debug);
    run(Command::new("objcopy").arg(section).arg(library))
}

fn run(command: &mut Command) -> Result<(), String> {
    let tool = command.get_program().display().to_string();
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("{tool}: no such program: it comes with binutils")
        }
        _ => format!("{tool}: {error}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!("{tool}: {}", told.lines().next().unwrap_or("failed, and has not said why")))
}
