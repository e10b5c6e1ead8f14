//! Circles of files: files that reach each other by what they name.
//!
//! A module and what lies below it are one thing in several files, so paths between them make no circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::source;

/// The circles among these files of one crate, each in order of its files.
pub(crate) fn circles(files: &[(String, String)]) -> Vec<Vec<String>> {
    let modules: BTreeMap<String, &(String, String)> =
        files.iter().map(|file| (module_of(&file.0), file)).collect();
    let imports: BTreeMap<&str, BTreeMap<String, String>> = modules
        .iter()
        .map(|(module, (_, text))| (module.as_str(), source::imports(&parts(module), text)))
        .collect();
    let of_path = |path: &str| file_of(path, &modules, &imports);
    let edges: BTreeMap<&str, BTreeSet<String>> = modules
        .iter()
        .map(|(module, (_, text))| {
            let named = source::paths(&parts(module), text);
            let others =
                named.iter().filter_map(|path| of_path(path)).filter(|other| !are_one(module, other));
            (module.as_str(), others.collect())
        })
        .collect();
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|&from| (from, reached(from, &edges))).collect();
    let mut circles = BTreeSet::new();
    for (&module, others) in &reach {
        let circle: BTreeSet<&str> =
            others.iter().copied().filter(|other| reach[other].contains(module)).collect();
        if circle.len() > 1 {
            let files: BTreeSet<_> = circle.into_iter().map(|module| modules[module].0.clone()).collect();
            circles.insert(files.into_iter().collect::<Vec<_>>());
        }
    }
    circles.into_iter().collect()
}

fn module_of(file: &str) -> String {
    let below = file.split_once("src/").map_or(file, |(_, below)| below);
    source::module_of(below).join("::")
}

fn parts(module: &str) -> Vec<String> {
    module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The module of the file that has what a path means, re-exports followed.
fn file_of(
    path: &str,
    modules: &BTreeMap<String, &(String, String)>,
    imports: &BTreeMap<&str, BTreeMap<String, String>>,
) -> Option<String> {
    let mut path = path.to_owned();
    for _ in 0..8 {
        let below = path.strip_prefix("crate::")?;
        let names: Vec<&str> = below.split("::").collect();
        let prefixes = (0..=names.len()).rev().map(|len| names[..len].join("::"));
        let module = prefixes.into_iter().find(|prefix| modules.contains_key(prefix))?;
        let rest = &names[parts(&module).len()..];
        let Some((name, rest)) = rest.split_first() else { return Some(module) };
        match imports[module.as_str()].get(*name) {
            Some(imported) if imported.starts_with("crate::") => {
                path = std::iter::once(imported.as_str())
                    .chain(rest.iter().copied())
                    .collect::<Vec<_>>()
                    .join("::");
            }
            _ => return Some(module),
        }
    }
    None
}

/// Whether one is the other, or lies below it.
fn are_one(one: &str, other: &str) -> bool {
    let is_below = |module: &str, whole: &str| {
        whole.is_empty()
            || module.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    is_below(one, other) || is_below(other, one)
}

fn reached<'e>(from: &str, edges: &'e BTreeMap<&str, BTreeSet<String>>) -> BTreeSet<&'e str> {
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&str> = edges[from].iter().map(String::as_str).collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(edges[module].iter().map(String::as_str));
        }
    }
    reached
}
