//! Changes to an installed library, made by a tool that comes with every linker.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Command;

/// Removes the debug information from a shared library. Function names stay, for backtraces and profilers.
pub(crate) fn strip(library: &Path) -> Result<(), String> {
    run(Command::new("objcopy").arg("--strip-debug").arg(library))
}

/// The same for an archive, if `strip` is set. Also makes a symbol of it weak: another library's function of
/// that name is linked instead.
pub(crate) fn prepare_archive(archive: &Path, strip: bool, weak: &str) -> Result<(), String> {
    let strip = strip.then_some("--strip-debug");
    run(Command::new("objcopy").args(strip).arg(format!("--weaken-symbol={weak}")).arg(archive))
}

/// Writes the debug information of a shared library into a separate file.
pub(crate) fn separate(library: &Path, debug: &Path) -> Result<(), String> {
    run(Command::new("objcopy").arg("--only-keep-debug").arg(library).arg(debug))
}

/// Records in a shared library the name of its debug information file, and its checksum. The file is there
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
