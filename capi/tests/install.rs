//! What `simaccel-install` installs is whole: a program finds it through pkg-config, shared and static, and the README's
//! program is built with what the README says.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use self::support::{Language, package, run, scratch, succeeds};

fn installer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_simaccel-install"))
}

fn pkg_config(prefix: &Path, question: &[&str]) -> Vec<String> {
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(question).arg("simaccel_async");
    succeeds(&mut pkg_config).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn programs_build_and_run_with_what_is_installed() {
    let prefix = scratch("prefix");
    let listed = succeeds(installer().arg("--prefix").arg(&prefix));
    for path in listed.lines() {
        assert!(Path::new(path).starts_with(&prefix) && Path::new(path).exists(), "{path}");
    }
    assert_eq!(listed.lines().count(), 8);
    assert_eq!(pkg_config(&prefix, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let example = package().join("examples/event_loop.c");
    for language in [Language::C11, Language::Cxx17] {
        let (compiler, dialect) = match language {
            Language::C11 => ("cc", &["-std=c11"][..]),
            Language::Cxx17 => ("c++", &["-std=c++17", "-x", "c++"][..]),
        };
        let warnings = ["-Wall", "-Wextra", "-Werror", "-pedantic"];
        let shared = prefix.join("shared");
        succeeds(
            Command::new(compiler)
                .args(dialect)
                .args(warnings)
                .arg(&example)
                .args(["-x", "none"])
                .args(pkg_config(&prefix, &["--cflags", "--libs"]))
                .arg("-o")
                .arg(&shared),
        );
        let printed = succeeds(Command::new(&shared).env("LD_LIBRARY_PATH", prefix.join("lib")));
        check_statistics(&printed);

        let fixed = prefix.join("static");
        let libraries = pkg_config(&prefix, &["--static", "--libs"]);
        let libraries = libraries.iter().map(|flag| match flag.as_str() {
            "-lsimaccel_async" => "-l:libsimaccel_async.a",
            other => other,
        });
        succeeds(
            Command::new(compiler)
                .args(dialect)
                .args(warnings)
                .arg(&example)
                .args(["-x", "none"])
                .args(pkg_config(&prefix, &["--cflags"]))
                .args(libraries)
                .arg("-o")
                .arg(&fixed),
        );
        check_statistics(&succeeds(&mut Command::new(&fixed)));
    }
}

fn check_statistics(json: &str) {
    let stats: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(stats["engine"]["operations"], 200);
    assert_eq!(stats["device"]["total"]["completed"], 200);
    assert!(stats["engine"]["pauses"].as_u64().unwrap() >= 200);
    assert_eq!(stats["device"]["queue_pairs"].as_array().unwrap().len(), 4);
}

#[test]
fn packages_go_below_another_root() {
    let root = scratch("root");
    succeeds(installer().args(["--prefix", "/opt/simaccel", "--destdir"]).arg(&root));
    let installed = root.join("opt/simaccel");
    let text = fs::read_to_string(installed.join("lib/pkgconfig/simaccel_async.pc")).unwrap();
    assert!(text.starts_with("prefix=/opt/simaccel\n") && text.contains("Libs.private: -lgcc_s"));
    assert!(installed.join("include/simaccel/engine.h").exists());
}

#[test]
fn wrong_arguments_are_refused() {
    for args in [&[][..], &["--prefix"], &["--nonsense", "x"], &["--help"], &["--prefix", "/proc/no/such"]] {
        let output = run(installer().args(args));
        assert!(!output.status.success(), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn the_readme_shows_the_example() {
    let readme = fs::read_to_string(package().join("../README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("\n```").filter_map(|block| block.strip_prefix("c\n")).collect();
    let example = fs::read_to_string(package().join("examples/event_loop.c")).unwrap();
    let (_, code) = example.split_once("\n\n").unwrap();
    assert_eq!(blocks, [code.trim_end()]);
}
