//! The files of `conformance/vectors`: `name = value` lines, records apart by an empty line, groups under a
//! `[title]`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// A group of records; its title is empty where the file has none.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) records: Vec<Record>,
}

/// The fields of a record.
#[derive(Debug)]
pub(crate) struct Record {
    /// Of the file's name and the line where it begins, for the messages of failures.
    pub(crate) at: String,
    fields: HashMap<String, String>,
}

impl Record {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.at))
    }

    /// Bytes in hexadecimal; an odd digit in front has a zero before it.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let digits = self.text(name);
        let padded = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
        hex::decode(padded).unwrap_or_else(|error| panic!("{}, {name}: {error}", self.at))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }
}

/// All groups of a file.
pub(crate) fn groups(file: &str) -> Vec<Group> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut groups = vec![Group { title: String::new(), records: Vec::new() }];
    let mut record: Option<Record> = None;
    for (number, line) in text.lines().enumerate().chain([(0, "")]) {
        if line.starts_with('#') {
            continue;
        }
        if let Some((name, value)) = line.split_once(" =") {
            let at = || Record { at: format!("{file}:{}", number + 1), fields: HashMap::new() };
            record.get_or_insert_with(at).fields.insert(name.to_owned(), value.trim().to_owned());
            continue;
        }
        if let Some(record) = record.take() {
            groups.last_mut().expect("there is a first one").records.push(record);
        }
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            groups.push(Group { title: title.to_owned(), records: Vec::new() });
        }
    }
    groups.retain(|group| !group.records.is_empty());
    groups
}

/// All records of a file without groups.
pub(crate) fn records(file: &str) -> Vec<Record> {
    groups(file).into_iter().flat_map(|group| group.records).collect()
}
