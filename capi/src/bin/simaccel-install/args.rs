//! The command line. A mistake is reported in one line that names the option and what is allowed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::{Failure, pkg_config};

const HELP: &str = "\
Installs the library for C programs: the library, its headers, a file for pkg-config, and manual pages.

usage: simaccel-install --prefix DIR [--destdir ROOT] [--debug-info strip|separate|keep]

  --prefix DIR        where the library will be used from
  --destdir ROOT      puts everything below ROOT instead, for packages
  --debug-info WHAT   of the libraries: strip takes it out [default]; separate puts that of the shared library into
                      lib/.debug, where debuggers look for it; keep leaves it in
  --help, --version

Prints each file that it has installed. Either all are new at the end, or none is and nothing is left behind.

Exit code: 0 when all went well; 1 when something could not be installed, or the list could not be printed; 2 when the
command line is wrong.
";

/// What to do with the debug information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DebugInfo {
    Strip,
    Separate,
    Keep,
}

pub(crate) struct Options {
    /// Absolute, and valid in a pkg-config file.
    pub(crate) prefix: PathBuf,
    pub(crate) destdir: Option<PathBuf>,
    pub(crate) debug_info: DebugInfo,
}

/// The result of the command line.
pub(crate) enum Parsed {
    /// Help or version, to print.
    Text(String),
    Options(Options),
}

pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Parsed, Failure> {
    let (mut prefix, mut destdir, mut debug_info) = (None, None, None);
    while let Some(arg) = args.next() {
        let (name, value) = split(&arg);
        let place = match name.to_str() {
            Some("--prefix") => &mut prefix,
            Some("--destdir") => &mut destdir,
            Some("--debug-info") => &mut debug_info,
            Some("--help" | "-h") => return Ok(Parsed::Text(HELP.to_owned())),
            Some("--version" | "-V") => {
                return Ok(Parsed::Text(format!("simaccel-install {}\n", env!("CARGO_PKG_VERSION"))));
            }
            _ => return usage(format!("{}: no such option; --help lists them", arg.display())),
        };
        let Some(value) = value.or_else(|| args.next()).filter(|value| !value.is_empty()) else {
            return usage(format!("{}: a value is missing", name.display()));
        };
        if place.replace(value).is_some() {
            return usage(format!("{}: given twice", name.display()));
        }
    }
    let Some(prefix) = prefix.map(PathBuf::from) else {
        return usage("--prefix: required; --help says more".to_owned());
    };
    let prefix = std::path::absolute(&prefix)
        .map_err(|error| Failure::Usage(format!("--prefix: {}: {error}", prefix.display())))?;
    pkg_config::holds(&prefix)
        .map_err(|why| Failure::Usage(format!("--prefix: {}: {why}", prefix.display())))?;
    let debug_info = debug_info.map_or(Ok(DebugInfo::Strip), |word| debug_info_by_name(&word))?;
    Ok(Parsed::Options(Options { prefix, destdir: destdir.map(PathBuf::from), debug_info }))
}

/// `--name=value`, or a name whose value is the next argument.
fn split(arg: &OsStr) -> (OsString, Option<OsString>) {
    let bytes = arg.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=').filter(|_| bytes.starts_with(b"--"));
    match equals {
        Some(at) => {
            (OsString::from_vec(bytes[..at].to_vec()), Some(OsString::from_vec(bytes[at + 1..].to_vec())))
        }
        None => (arg.to_owned(), None),
    }
}

fn debug_info_by_name(word: &OsStr) -> Result<DebugInfo, Failure> {
    match word.to_str() {
        Some("strip") => Ok(DebugInfo::Strip),
        Some("separate") => Ok(DebugInfo::Separate),
        Some("keep") => Ok(DebugInfo::Keep),
        _ => usage(format!("--debug-info: {}: allowed are strip, separate, keep", word.display())),
    }
}

fn usage<T>(line: String) -> Result<T, Failure> {
    Err(Failure::Usage(line))
}
