//! Published packages are complete: licence texts, a README, metadata, and no file that only the repository
//! needs.
//!
//! ```text
//!   cargo metadata ──► each package of the workspace ──► published? ──► its fields, cargo package --list
//!                                                     └─► not: the manifest says why
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The packages that are published.
const PUBLISHED: [&str; 4] = ["simaccel", "simaccel-capi", "simaccel-device", "simaccel-provider"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What cargo prints for these arguments, without asking a registry.
fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).arg("--offline").current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The packages of the workspace, as cargo describes them.
fn packages() -> Vec<Value> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

fn is_published(package: &Value) -> bool {
    package["publish"].is_null()
}

fn folder(package: &Value) -> PathBuf {
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

#[test]
fn a_package_is_published_or_says_why_not() {
    let packages = packages();
    let mut published: Vec<&str> =
        packages.iter().filter(|package| is_published(package)).map(name).collect();
    published.sort_unstable();
    assert_eq!(published, PUBLISHED);
    for package in packages.iter().filter(|package| !is_published(package)) {
        let manifest = std::fs::read_to_string(folder(package).join("Cargo.toml")).unwrap();
        let (before, _) = manifest.split_once("publish = false").unwrap();
        assert!(before.lines().last().unwrap().starts_with("# "), "{}: the reason is missing", name(package));
    }
}

#[test]
fn every_package_has_a_readme_and_the_metadata_that_a_registry_shows() {
    for package in packages() {
        let name = name(&package);
        for field in ["description", "license", "repository", "rust_version", "readme"] {
            assert!(package[field].as_str().is_some_and(|text| !text.is_empty()), "{name}: {field}");
        }
        assert!(folder(&package).join("README.md").exists(), "{name}: README.md");
        if is_published(&package) {
            assert!(package["documentation"].is_string(), "{name}: documentation");
            // A registry refuses more than five of either.
            for field in ["keywords", "categories"] {
                let words = package[field].as_array().unwrap().len();
                assert!((1..=5).contains(&words), "{name}: {words} {field}");
            }
        }
    }
}

#[test]
fn a_published_package_holds_the_licence_texts_and_its_sources_and_no_tests() {
    for package in packages().iter().filter(|package| is_published(package)) {
        let name = name(package);
        let list = cargo(&["package", "--list", "--allow-dirty", "--package", name]);
        let files: Vec<&str> = list.lines().collect();
        for file in ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "src/lib.rs"] {
            assert!(files.contains(&file), "{name}: {file} is missing in {files:#?}");
        }
        // In a package's folder the texts are links, which cargo packs as files.
        for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let text = std::fs::read(folder(package).join(file)).unwrap();
            assert!(text == std::fs::read(root().join(file)).unwrap(), "{name}: {file} is another text");
        }
        let repository_only = ["tests/", "benches/", ".ci/", "target/"];
        let stray: Vec<&&str> = files
            .iter()
            .filter(|file| repository_only.iter().any(|folder| file.starts_with(folder)))
            .collect();
        assert!(stray.is_empty(), "{name}: {stray:?}");
    }
}

#[test]
fn every_page_that_the_readme_links_is_in_the_package() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let pages: Vec<&str> = links.filter(|target| target.starts_with("docs/")).collect();
    assert!(pages.len() >= 3, "{pages:?}");
    let list = cargo(&["package", "--list", "--allow-dirty", "--package", "simaccel"]);
    for page in pages {
        assert!(list.lines().any(|file| file == page), "{page}");
    }
}

/// Its debug build is a user's: no profile of this repository holds for it.
#[test]
fn the_unoptimised_package_has_no_profile_and_runs_what_there_is() {
    let folder = root().join("unoptimised-tests");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\n[workspace]\n") && !manifest.contains("[profile"), "{manifest}");
    assert!(!root().join(".cargo").exists(), "its settings would hold there, too");
    let paths: Vec<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"')).collect();
    for name in ["cycle", "jobs_overflow", "jobs_smallest", "outside", "stack"] {
        assert!(paths.contains(&format!("../tests/{name}.rs").as_str()), "{name}");
    }
    assert!(paths.contains(&"../capi/tests/stack.rs"));
    assert!(paths.iter().all(|path| folder.join(path).exists()), "{paths:?}");
}
