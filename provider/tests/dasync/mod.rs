//! Builds `dasync`, the engine of OpenSSL 3.0 that pauses jobs without a device.
//!
//! No distribution packages it. Its source comes with the crate `openssl-src` of that version, which cargo
//! fetches into its own cache; the engine is compiled into a folder of the target folder, once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs, process};

const MANIFEST: &str = r#"
[package]
name = "dasync-source"
version = "0.0.0"
edition = "2024"

[workspace]

[lib]
path = "lib.rs"

[dependencies]
openssl-src = "=300.0.13"
"#;

/// The folder with `dasync.so`, for the variable `OPENSSL_ENGINES`.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build_once)
}

fn build_once() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("dasync");
    if !folder.join("dasync.so").exists() {
        let scratch = folder.with_extension(process::id().to_string());
        build(&scratch);
        fs::create_dir_all(&folder).unwrap();
        // Another process may do the same: either result is whole.
        fs::rename(scratch.join("dasync.so"), folder.join("dasync.so")).unwrap();
        fs::remove_dir_all(&scratch).unwrap();
    }
    folder
}

fn build(folder: &Path) {
    fs::create_dir_all(folder.join("internal")).unwrap();
    let source = source(folder);
    for name in ["engines/e_dasync.c", "engines/e_dasync_err.c", "engines/e_dasync_err.h"] {
        let file = source.join(name);
        fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    fs::copy(source.join("include/internal/deprecated.h"), folder.join("internal/deprecated.h")).unwrap();
    succeeds(
        Command::new("cc")
            .args(["-O2", "-fPIC", "-shared", "-I.", "-o", "dasync.so", "e_dasync.c", "-lcrypto"])
            .current_dir(folder),
    );
}

/// Where cargo has the source of OpenSSL 3.0.
fn source(folder: &Path) -> PathBuf {
    fs::write(folder.join("Cargo.toml"), MANIFEST).unwrap();
    fs::write(folder.join("lib.rs"), "").unwrap();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata =
        succeeds(Command::new(cargo).args(["metadata", "--format-version", "1"]).current_dir(folder));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "openssl-src").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    manifest.with_file_name("openssl")
}

fn succeeds(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
