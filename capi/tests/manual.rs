//! The manual lists what the code has: every algorithm, every key with its default, every fault, field and
//! preset, and nothing else.

mod c_programs;

use std::collections::BTreeSet;
use std::fs;

use simaccel::grammar::Key;
use simaccel::{Algorithm, Config, EngineStats, KeyAlgorithm, KeyHash, Preset, simaccel_device};

use self::c_programs::package;

/// A section of the page about the engine, as plain text lines.
fn section(name: &str) -> String {
    section_of("simaccel_engine.3", name)
}

fn section_of(page: &str, name: &str) -> String {
    let page = fs::read_to_string(package().join("man").join(page)).unwrap();
    let (_, rest) =
        page.split_once(&format!(".SH {name}\n")).unwrap_or_else(|| panic!("{name}: no such section"));
    let (section, _) = rest.split_once("\n.SH ").unwrap();
    section.replace("\\-", "-")
}

/// Words in bold type.
fn bold(section: &str) -> BTreeSet<String> {
    let lines = section.lines().filter_map(|line| line.strip_prefix(".B"));
    let words =
        lines.flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')));
    words.map(str::to_owned).collect()
}

fn known_algorithms() -> BTreeSet<String> {
    Algorithm::SYMMETRIC.iter().map(|algorithm| algorithm.to_string()).collect()
}

#[test]
fn every_algorithm_is_named() {
    let named = bold(&section("ALGORITHMS"));
    let named: BTreeSet<String> =
        named.into_iter().filter(|word| word.contains(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(named, known_algorithms());
}

#[test]
fn every_algorithm_of_keys_is_named() {
    let named = bold(&section_of("simaccel_keys.3", "ALGORITHMS"));
    let is_name = |word: &String| word.contains(|c: char| c.is_ascii_digit()) || word == "rsa";
    let named: BTreeSet<String> = named.into_iter().filter(is_name).collect();
    assert_eq!(named, KeyAlgorithm::ALL.iter().map(|algorithm| algorithm.to_string()).collect());
}

#[test]
fn every_hash_function_of_schemes_is_named_in_page_and_header() {
    let known: Vec<&str> = KeyHash::ALL.iter().map(|hash| hash.name()).collect();
    let page = section_of("simaccel_keys.3", "SCHEMES").replace('\n', " ");
    assert!(page.contains(&format!("H is one of {}.", known.join(", "))), "{page}");
    let header = fs::read_to_string(package().join("include/simaccel/keys.h")).unwrap();
    let header = header.replace("\n *", "");
    assert!(header.contains(&format!("H: {}.", known.join(", "))), "{header}");
}

/// What can be changed while an engine runs.
#[test]
fn every_key_that_can_be_changed_is_named() {
    let description = section("DESCRIPTION");
    let (_, rest) = description.split_once(".B simaccel_engine_reconfigure\n").unwrap();
    let (list, _) = rest.split_once("all others").unwrap();
    let italic =
        list.lines().filter_map(|line| line.strip_prefix(".I")?.split_whitespace().find(|word| *word != "R"));
    let named: BTreeSet<&str> = italic.collect();
    assert_eq!(named, simaccel_device::Config::changeable().collect());
}

/// `aes-{128,256}-{ctr,xts}` is four words.
fn expanded(word: &str) -> Vec<String> {
    let Some((head, rest)) = word.split_once('{') else { return vec![word.to_owned()] };
    let (choices, tail) = rest.split_once('}').unwrap();
    choices.split(',').flat_map(|choice| expanded(&format!("{head}{choice}{tail}"))).collect()
}

#[test]
fn every_algorithm_is_named_in_the_header() {
    let header = fs::read_to_string(package().join("include/simaccel/engine.h")).unwrap();
    let (_, rest) = header.split_once(" * algorithm: ").unwrap();
    let (list, _) = rest.split_once(';').unwrap();
    let words = list.replace("\n *", " ").replace(", ", " ");
    let named: BTreeSet<String> = words.split_whitespace().flat_map(expanded).collect();
    assert_eq!(named, known_algorithms());
}

#[test]
fn every_key_is_named_with_its_default() {
    let section = section("CONFIGURATION");
    // After each .TP comes a key: `.BR key= default`, or `.BI key= what` where there is none.
    let heads = section.split("\n.TP\n").skip(1).map(|entry| entry.lines().next().unwrap());
    let named: Vec<(&str, &str)> = heads.map(|head| head[4..].split_once("= ").unwrap()).collect();
    let known = Key::names(&[simaccel_device::Config::KEYS, Config::KEYS].concat());
    let known: BTreeSet<&str> = known.split(", ").collect();
    assert_eq!(named.iter().map(|(key, _)| *key).collect::<BTreeSet<_>>(), known);
    assert_eq!(named.len(), known.len(), "one entry each");
    for pair in Config::default().to_string().split(';') {
        let (key, default) = pair.split_once('=').unwrap();
        assert!(named.contains(&(key, default)), "{pair}");
    }
}

#[test]
fn every_fault_field_and_preset_is_named() {
    let named = bold(&section("CONFIGURATION"));
    for (kind, _) in EngineStats::default().faults() {
        assert!(named.contains(kind), "{kind}");
    }
    for preset in Preset::ALL {
        assert!(named.contains(&preset.to_string()), "{preset}");
    }
    // Another test compares the page about configuration with the code.
    let page = fs::read_to_string(package().join("../docs/configuration.md")).unwrap();
    let faults = page.split("\n## Faults\n").nth(1).unwrap();
    let rows = faults.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let fields: Vec<&str> = rows.map(|(name, _)| name).collect();
    assert!(fields.len() > 20, "{fields:?}");
    for field in fields {
        assert!(named.contains(field), "{field}");
    }
}
