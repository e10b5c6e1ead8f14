//! Compiles C programs with the system's compilers, and runs them on this library or on libcrypto.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

/// The folder of the package.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The library that cargo has built for this test.
pub(crate) fn library(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_simaccel-install"));
    let path = program.parent().unwrap().join("deps").join(name);
    assert!(path.exists(), "{} was not built", path.display());
    path
}

pub(crate) fn shared_library() -> PathBuf {
    library("libsimaccel_async.so")
}

/// A folder with the shared library under the names that linkers and programs use.
pub(crate) fn linkable() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = scratch("linkable");
        for name in
            ["libsimaccel_async.so", concat!("libsimaccel_async.so.", env!("CARGO_PKG_VERSION_MAJOR"))]
        {
            symlink(shared_library(), folder.join(name)).unwrap();
        }
        folder
    })
}

/// An empty folder for this test.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let unique = format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a program is linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// This library, shared.
    Ours,
    /// This library, static.
    OursStatic,
    /// This library ahead of libcrypto.
    OursAndLibcrypto,
    /// libcrypto, and its header.
    Libcrypto,
    /// libssl and libcrypto, and their headers.
    Libssl,
    /// No library, but this one's headers.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C11,
    Cxx17,
}

/// Compiles a source of `tests/c` (or another, by its path) with all warnings as errors. Defines that begin
/// with `-` are other options. Returns the program.
pub(crate) fn compile(source: impl AsRef<Path>, language: Language, link: Link, defines: &[&str]) -> PathBuf {
    let source = package().join("tests/c").join(source);
    let program = scratch(source.file_stem().unwrap().to_str().unwrap()).join("program");
    let mut compiler = match language {
        Language::C11 => Command::new("cc"),
        Language::Cxx17 => Command::new("c++"),
    };
    match language {
        Language::C11 => compiler.arg("-std=c11"),
        Language::Cxx17 => compiler.args(["-std=c++17", "-x", "c++"]),
    };
    compiler.args(["-Wall", "-Wextra", "-Werror", "-g", "-O1", "-pthread", "-D_GNU_SOURCE"]);
    let option =
        |define: &&str| if define.starts_with('-') { (*define).to_owned() } else { format!("-D{define}") };
    compiler.args(defines.iter().map(option));
    if !matches!(link, Link::Libcrypto | Link::Libssl) {
        compiler.arg("-I").arg(package().join("include"));
    } else {
        compiler.arg("-DAGAINST_LIBCRYPTO");
    }
    compiler.arg(&source).args(["-x", "none"]).arg("-o").arg(&program);
    match link {
        Link::Ours | Link::OursAndLibcrypto => {
            compiler.arg("-L").arg(linkable()).arg("-lsimaccel_async");
            // Old tags, so that an LD_LIBRARY_PATH with an installed library does not come first.
            compiler.arg(format!("-Wl,-rpath,{},--disable-new-dtags", linkable().display()));
        }
        Link::OursStatic => {
            compiler.arg(library("libsimaccel_async.a")).args(static_libs());
        }
        Link::Libcrypto | Link::Libssl | Link::Nothing => {}
    }
    match link {
        Link::OursAndLibcrypto | Link::Libcrypto => compiler.arg("-lcrypto"),
        Link::Libssl => compiler.args(["-lssl", "-lcrypto"]),
        Link::Ours | Link::OursStatic | Link::Nothing => &mut compiler,
    };
    succeeds(&mut compiler);
    program
}

/// The libraries that a static program needs, from the pkg-config file.
fn static_libs() -> [&'static str; 7] {
    ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]
}

/// Runs a command that has to succeed. Returns its output.
pub(crate) fn succeeds(command: &mut Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        let program = command.get_program().display();
        panic!(
            "{program}: {error}. These tests need a C and a C++ compiler, pkg-config, valgrind, openssl and the headers \
             of OpenSSL; on Debian: gcc g++ pkg-config valgrind openssl libssl-dev"
        )
    })
}

/// Runs a program that has to succeed.
pub(crate) fn output_of(program: &Path, args: &[&str]) -> String {
    succeeds(Command::new(program).args(args))
}

/// A program with this library preloaded.
pub(crate) fn preloaded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", shared_library());
    command
}

/// Compares the output of two programs, and reports the first line where they differ.
pub(crate) fn assert_same_lines(ours: &str, theirs: &str) {
    for (number, (our, their)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(our, their, "line {}", number + 1);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
}
