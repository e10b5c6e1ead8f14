//! The examples as `cargo test` has built them, for tests that run them as processes. `cargo test --test
//! NAME` alone does not build them again.

use std::path::{Path, PathBuf};

/// A built example: `cargo test` puts them beside the folder of the test executables.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is not built: cargo build --examples", program.display());
    program
}
