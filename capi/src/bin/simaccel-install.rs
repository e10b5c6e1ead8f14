//! Installs the library for C programs: `simaccel-install --prefix DIR`.
//!
//! ```text
//!   DIR/lib/libsimaccel_async.so, .a          what was built beside this program
//!   DIR/lib/pkgconfig/simaccel_async.pc
//!   DIR/include/simaccel/async.h, engine.h
//!   DIR/share/man/man3/simaccel_async.3, simaccel_engine.3
//!   DIR/share/man/man1/simaccel-install.1
//! ```
//!
//! `--destdir ROOT` puts everything below ROOT, for packages; the pkg-config file names the prefix without it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

const USAGE: &str = "usage: simaccel-install --prefix DIR [--destdir ROOT]";

/// The texts that are installed, below the prefix.
const TEXTS: [(&str, &str); 5] = [
    ("include/simaccel/async.h", include_str!("../../include/simaccel/async.h")),
    ("include/simaccel/engine.h", include_str!("../../include/simaccel/engine.h")),
    ("share/man/man3/simaccel_async.3", include_str!("../../man/simaccel_async.3")),
    ("share/man/man3/simaccel_engine.3", include_str!("../../man/simaccel_engine.3")),
    ("share/man/man1/simaccel-install.1", include_str!("../../man/simaccel-install.1")),
];

const LIBRARIES: [&str; 2] = ["libsimaccel_async.so", "libsimaccel_async.a"];

/// What a program needs beside the static library, as `rustc --print native-static-libs` says.
const STATIC_LIBS: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

fn main() -> ExitCode {
    match Options::parse(env::args_os().skip(1)).and_then(|options| options.install()) {
        Ok(installed) => {
            for path in installed {
                println!("{}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("simaccel-install: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    prefix: PathBuf,
    destdir: Option<PathBuf>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let (mut prefix, mut destdir) = (None, None);
        while let Some(arg) = args.next() {
            let place = match arg.to_str() {
                Some("--prefix") => &mut prefix,
                Some("--destdir") => &mut destdir,
                Some("--help" | "-h") => return Err(format!("installs the library for C\n{USAGE}")),
                _ => return Err(format!("{} is no option of mine\n{USAGE}", arg.display())),
            };
            *place = Some(PathBuf::from(args.next().ok_or_else(|| format!("a folder is missing\n{USAGE}"))?));
        }
        Ok(Self { prefix: prefix.ok_or(USAGE)?, destdir })
    }

    /// Hands out what was installed.
    fn install(&self) -> Result<Vec<PathBuf>, String> {
        let prefix = std::path::absolute(&self.prefix).map_err(|error| describe(&self.prefix, &error))?;
        let root = match &self.destdir {
            Some(destdir) => destdir.join(prefix.strip_prefix("/").unwrap_or(&prefix)),
            None => prefix.clone(),
        };
        let mut installed = Vec::new();
        for library in LIBRARIES {
            let (from, to) = (built(library)?, root.join("lib").join(library));
            replace(&to, |to| fs::copy(&from, to).map(drop))?;
            installed.push(to);
        }
        let pkg_config = ("lib/pkgconfig/simaccel_async.pc", pkg_config(&prefix));
        let texts = TEXTS.iter().map(|(name, text)| (*name, (*text).to_owned()));
        for (name, text) in texts.chain([pkg_config]) {
            let to = root.join(name);
            replace(&to, |to| fs::write(to, &text))?;
            installed.push(to);
        }
        Ok(installed)
    }
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

/// Puts a new file in place of what is there, so that programs that use the old one go on using it.
fn replace(to: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), String> {
    let folder = to.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder).map_err(|error| describe(folder, &error))?;
    let mut fresh = to.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    write(&fresh).map_err(|error| describe(&fresh, &error))?;
    fs::rename(&fresh, to).map_err(|error| describe(to, &error))
}

fn describe(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn pkg_config(prefix: &Path) -> String {
    format!(
        "prefix={}\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\
         \n\
         Name: simaccel_async\n\
         Description: Asynchronous jobs (ASYNC_*) and a simulated crypto accelerator\n\
         Version: {}\n\
         Cflags: -I${{includedir}}\n\
         Libs: -L${{libdir}} -lsimaccel_async\n\
         Libs.private: {STATIC_LIBS}\n",
        prefix.display(),
        env!("CARGO_PKG_VERSION"),
    )
}
