//! What is changed in a library on its way, by the tools that come with every linker.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Command;

/// Takes the debug information out of a library, shared or static. The names of functions stay, for backtraces and
/// profilers.
pub(crate) fn strip(library: &Path) -> Result<(), String> {
    run(Command::new("strip").arg("--strip-debug").arg(library))
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

/// Makes a symbol of an archive weak: another library's function of that name is linked in its place.
pub(crate) fn weaken(archive: &Path, symbol: &str) -> Result<(), String> {
    run(Command::new("objcopy").arg(format!("--weaken-symbol={symbol}")).arg(archive))
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
