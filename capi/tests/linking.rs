//! Every way to link a program to this library and libcrypto, as installed: `simaccel_async_active` and the
//! manual agree on whose `ASYNC_*` functions it gets.

mod c_programs;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use self::c_programs::{Language, Link, compile, output_of, package, preloaded, scratch, succeeds};

/// The installation, one for all tests.
fn lib() -> &'static Path {
    static LIB: OnceLock<PathBuf> = OnceLock::new();
    LIB.get_or_init(|| {
        let prefix = scratch("linking");
        succeeds(Command::new(env!("CARGO_BIN_EXE_simaccel-install")).arg("--prefix").arg(&prefix));
        prefix.join("lib")
    })
}

const STATIC_LIBS: [&str; 7] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];

/// Links `source` to these libraries, in this order.
fn link(source: &str, more: &[&str], libraries: &[&str]) -> PathBuf {
    let program = scratch("linked").join("program");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-pthread", "-I"]);
    compiler.arg(package().join("include")).args(more).arg(package().join("tests/c").join(source));
    compiler.arg("-L").arg(lib()).args(libraries).args(STATIC_LIBS).arg("-o").arg(&program);
    succeeds(compiler.arg(format!("-Wl,-rpath,{},--disable-new-dtags", lib().display())));
    program
}

const OURS: &str = "-lsimaccel_async";
const OURS_STATIC: &str = "-l:libsimaccel_async.a";
const LIBCRYPTO: &str = "-lcrypto";
const LIBCRYPTO_STATIC: &str = "-l:libcrypto.a";

#[test]
fn a_program_can_ask_whose_functions_it_has() {
    let mine = "-DSIMACCEL_STATIC_LIBCRYPTO";
    for (defines, libraries, active) in [
        (&[][..], [OURS, LIBCRYPTO], "1"),
        (&[], [LIBCRYPTO, OURS], "0"),
        (&[], [OURS_STATIC, LIBCRYPTO], "1"),
        (&[], [OURS_STATIC, LIBCRYPTO_STATIC], "1"),
        (&[mine], [OURS_STATIC, LIBCRYPTO_STATIC], "1"),
        (&[], [OURS, LIBCRYPTO_STATIC], "0"),
        (&[mine], [OURS, LIBCRYPTO_STATIC], "1"),
        // The position and visibility of the program's symbols change nothing.
        (&["-no-pie"], [OURS, LIBCRYPTO], "1"),
        (&["-no-pie"], [LIBCRYPTO, OURS], "0"),
        (&["-no-pie", mine], [OURS, LIBCRYPTO_STATIC], "1"),
        (&["-rdynamic"], [OURS_STATIC, LIBCRYPTO_STATIC], "1"),
        (&["-Wl,--gc-sections"], [OURS_STATIC, LIBCRYPTO_STATIC], "1"),
    ] {
        let program = link("linked.c", defines, &libraries);
        assert_eq!(output_of(&program, &[active]), "ok\n", "{defines:?} {libraries:?}");
    }
}

#[test]
fn a_preloaded_library_says_that_it_is_active() {
    let program = compile("preloaded.c", Language::C11, Link::Libcrypto, &[]);
    assert_eq!(output_of(&program, &[]), "- 1\n");
    assert_eq!(succeeds(&mut preloaded(&program)), "1 1\n");
    // A program that contains libcrypto has nothing left to replace.
    let program = link("preloaded.c", &["-rdynamic"], &[LIBCRYPTO_STATIC]);
    assert_eq!(succeeds(&mut preloaded(&program)), "0 1\n");
    // After a libcrypto that is linked first.
    let program = link("linked.c", &[], &[LIBCRYPTO, OURS]);
    assert_eq!(succeeds(preloaded(&program).arg("1")), "ok\n");
}

/// A static libssl comes ahead of both.
#[test]
fn handshakes_of_a_static_libssl_run_on_static_jobs() {
    let program =
        link("tls.c", &["-D_GNU_SOURCE", "-rdynamic"], &["-l:libssl.a", OURS_STATIC, LIBCRYPTO_STATIC]);
    assert_eq!(Path::new(output_of(&program, &["20"]).trim()), program);
}
