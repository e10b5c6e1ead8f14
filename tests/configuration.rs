//! `docs/configuration.md` and the code agree: every key, kind, field and preset is there, with its default,
//! and every example parses.

use std::path::Path;

use simaccel::{Config, EngineStats, Operation, Preset, Selection, simaccel_device};

fn page() -> String {
    text("docs/configuration.md")
}

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of all rows of tables, trimmed.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let lines = page.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    lines.map(|line| line.split('|').map(str::trim).collect()).collect()
}

/// The one row that begins with this word.
#[track_caller]
fn row<'a>(rows: &[Vec<&'a str>], word: &str) -> Vec<&'a str> {
    let name = format!("`{word}`");
    let mut found = rows.iter().filter(|cells| cells[0] == name);
    let row = found.next().unwrap_or_else(|| panic!("{word} is not documented"));
    assert!(found.next().is_none(), "{word} is documented twice");
    row.clone()
}

/// The text between backquotes.
fn spans(page: &str) -> impl Iterator<Item = &str> {
    page.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The page's rows are those of the code's table, from which rustdoc's are made.
#[test]
fn every_key_is_documented_as_the_code_has_it() {
    let page = page();
    let rows = rows(&page);
    let keys = [simaccel_device::Config::KEYS, Config::KEYS].concat();
    for key in &keys {
        let documented = row(&rows, key.name);
        let name = format!("`{}`", key.name);
        let expected = [name.as_str(), key.default, key.allowed, key.meaning];
        assert_eq!(documented, expected, "the row is: | {} |", expected.join(" | "));
    }
    let headed = |head: &str| {
        let (_, section) = page.split_once(&format!("\n## {head}\n")).unwrap();
        section
            .lines()
            .skip_while(|line| !line.starts_with("| `"))
            .take_while(|line| line.starts_with('|'))
            .count()
    };
    assert_eq!(headed("The device") + headed("The engine"), keys.len(), "and no other");
}

#[test]
fn every_default_is_what_a_configuration_has() {
    let defaults = Config::default().to_string();
    let keys = [simaccel_device::Config::KEYS, Config::KEYS].concat();
    for pair in defaults.split(';') {
        let (name, default) = pair.split_once('=').unwrap();
        let key = keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("{name} is in no table"));
        assert_eq!(key.default, default, "{name}");
    }
    assert_eq!(
        defaults.split(';').count(),
        keys.len() - ["operation", "service", "warmup", "fault", "preset", "strict"].len()
    );
}

#[test]
fn every_fault_and_field_is_documented_with_an_example_of_it() {
    let page = page();
    let rows = rows(&page);
    for (kind, _) in EngineStats::default().faults() {
        let row = row(&rows, kind);
        let example = row[3].trim_matches('`');
        assert!(example.starts_with(&format!("fault={kind}:")), "{row:?}");
    }
    let operations = row(&rows, "op")[1];
    for operation in Operation::NAMES {
        assert!(operations.contains(&format!("`{operation}`")), "{operation} in {operations:?}");
    }
    for field in Selection::FIELDS.trim_start_matches("the fields ").split(", ") {
        let row = row(&rows, field);
        assert!(row[3].contains(&format!("{field}=")), "{row:?}");
    }
}

#[test]
fn the_readme_says_how_many_kinds_of_faults_there_are() {
    const NUMBERS: [&str; 8] =
        ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"];
    let kinds = NUMBERS[EngineStats::default().faults().count() - 13];
    assert!(text("README.md").contains(&format!("{kinds} kinds")), "there are {kinds}");
}

#[test]
fn every_preset_has_the_numbers_that_are_written() {
    let page = page();
    let rows = rows(&page);
    for preset in Preset::ALL {
        let numbers = row(&rows, preset.name())[2].trim_matches('`').replace("the defaults", "");
        assert_eq!(simaccel_device::Config::parse(&numbers).unwrap(), preset.config(), "{preset}");
    }
}

#[test]
fn every_example_parses() {
    let page = page();
    let fenced = page.split("```config\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let inline =
        spans(&page).filter(|span| span.contains('=') && !span.contains(|c: char| c.is_ascii_uppercase()));
    let mut parsed = 0;
    for example in fenced.lines().chain(inline) {
        let config = Config::parse(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_eq!(Config::parse(&config.to_string()).unwrap(), config, "{example}");
        parsed += 1;
    }
    assert!(parsed > 35, "only {parsed} examples");
}
