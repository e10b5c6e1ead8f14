//! What is installed, and where.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::args::{DebugInfo, Options};
use crate::staging::Staging;
use crate::{Failure, binutils, pkg_config};

/// The texts that are installed, below the prefix.
const TEXTS: [(&str, &str); 7] = [
    ("include/simaccel/async.h", include_str!("../../../include/simaccel/async.h")),
    ("include/simaccel/engine.h", include_str!("../../../include/simaccel/engine.h")),
    ("include/simaccel/keys.h", include_str!("../../../include/simaccel/keys.h")),
    ("share/man/man3/simaccel_async.3", include_str!("../../../man/simaccel_async.3")),
    ("share/man/man3/simaccel_engine.3", include_str!("../../../man/simaccel_engine.3")),
    ("share/man/man3/simaccel_keys.3", include_str!("../../../man/simaccel_keys.3")),
    ("share/man/man1/simaccel-install.1", include_str!("../../../man/simaccel-install.1")),
];

const SHARED: &str = "libsimaccel_async.so";
const STATIC: &str = "libsimaccel_async.a";
/// The shared library's soname, as in build.rs.
const SONAME: &str = concat!("libsimaccel_async.so.", env!("CARGO_PKG_VERSION_MAJOR"));
/// The file behind both names.
const VERSIONED: &str = concat!("libsimaccel_async.so.", env!("CARGO_PKG_VERSION"));
const DEBUG_FILE: &str = concat!("libsimaccel_async.so.", env!("CARGO_PKG_VERSION"), ".debug");

/// Returns what was installed.
pub(crate) fn install(options: &Options) -> Result<Vec<PathBuf>, Failure> {
    stage(options).and_then(Staging::commit).map_err(Failure::Install)
}

fn stage(options: &Options) -> Result<Staging, String> {
    let root = match &options.destdir {
        Some(destdir) => destdir.join(options.prefix.strip_prefix("/").unwrap_or(&options.prefix)),
        None => options.prefix.clone(),
    };
    let lib = root.join("lib");
    let mut staging = Staging::default();
    shared_library(&mut staging, &lib, options.debug_info)?;
    staging.link(&lib.join(SONAME), VERSIONED)?;
    staging.link(&lib.join(SHARED), SONAME)?;
    let archive = built(STATIC)?;
    staging.file(&lib.join(STATIC), |to| {
        copy(&archive, to)?;
        // Ahead of a static libcrypto, whose own function has to be used. The shared library's comes ahead of
        // libcrypto's.
        binutils::prepare_archive(to, options.debug_info != DebugInfo::Keep, "OSSL_LIB_CTX_set0_default")
    })?;
    let pkg_config = ("lib/pkgconfig/simaccel_async.pc", pkg_config::text(&options.prefix));
    let texts = TEXTS.iter().map(|(name, text)| (*name, (*text).to_owned()));
    for (name, text) in texts.chain([pkg_config]) {
        staging.file(&root.join(name), |to| fs::write(to, &text).map_err(|error| describe(to, &error)))?;
    }
    Ok(staging)
}

fn shared_library(staging: &mut Staging, lib: &Path, debug_info: DebugInfo) -> Result<(), String> {
    let library = built(SHARED)?;
    if debug_info == DebugInfo::Separate {
        let debug = lib.join(".debug").join(DEBUG_FILE);
        staging.file(&debug, |to| binutils::separate(&library, to))?;
    }
    staging.file(&lib.join(VERSIONED), |to| {
        copy(&library, to)?;
        match debug_info {
            DebugInfo::Keep => Ok(()),
            DebugInfo::Strip => binutils::strip(to),
            DebugInfo::Separate => binutils::strip(to).and_then(|()| note_debug_file(&library, to)),
        }
    })
}

/// The note contains the debug file's final name, which it gets only at the end: a copy has it.
fn note_debug_file(built: &Path, library: &Path) -> Result<(), String> {
    let folder = library.with_extension("debug.tmp");
    let noted = fs::create_dir(&folder).map_err(|error| describe(&folder, &error)).and_then(|()| {
        let debug = folder.join(DEBUG_FILE);
        binutils::separate(built, &debug)?;
        binutils::link_debug_info(library, &debug)
    });
    // Removes what is there; the error is reported already.
    let _ = fs::remove_dir_all(&folder);
    noted
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|error| describe(to, &error))
}

/// Where cargo has put a library that it built with this program: as a dependency of it, or beside it.
fn built(library: &str) -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let folder = program.parent().unwrap_or_else(|| Path::new("."));
    let places = [folder.join("deps").join(library), folder.join(library)];
    places.iter().find(|place| place.exists()).cloned().ok_or_else(|| {
        format!("{library} is not in {}: run this program with cargo, from the sources", folder.display())
    })
}

pub(crate) fn describe(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
