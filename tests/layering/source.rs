//! Reads Rust source for the paths that its code names.
//!
//! ```text
//!   text ─► tokens (no comments, no literals) ─► `use` trees and paths ─► whole paths: crate::queue::cell, std::thread
//!                                                 test code is left out
//! ```
//!
//! `use` groups, renames, `self`, `super` and a path through an imported name
//! (`use std::time; time::Instant`) all come out as the whole path.

use std::collections::{BTreeMap, HashMap};

/// Whole paths that the code of a file names, each once and in order.
pub(crate) fn paths(module: &[String], text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, imports: HashMap::new(), paths: Vec::new() };
    reader.read(module, Pass::Modules);
    reader.read(module, Pass::Uses);
    reader.read(module, Pass::Paths);
    reader.paths.sort();
    reader.paths.dedup();
    reader.paths
}

/// What a module names, by name: the whole paths of its imports and of the modules below it.
pub(crate) fn imports(module: &[String], text: &str) -> BTreeMap<String, String> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, imports: HashMap::new(), paths: Vec::new() };
    reader.read(module, Pass::Modules);
    reader.read(module, Pass::Uses);
    let of_module = reader.imports.into_iter().filter(|((of, _), _)| of == module);
    of_module.map(|((_, name), path)| (name, path.join("::"))).collect()
}

/// The macros that a file puts at the root of its crate.
pub(crate) fn exported_macros(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut names = Vec::new();
    let mut is_exported = false;
    for at in 0..tokens.len() {
        match tokens[at].as_str() {
            "macro_export" => is_exported = true,
            "macro_rules" if is_exported => {
                names.extend(tokens.get(at + 2).cloned());
                is_exported = false;
            }
            _ => {}
        }
    }
    names
}

/// The code of a file, its words and signs apart by one blank.
pub(crate) fn words(text: &str) -> String {
    tokens(text).join(" ")
}

/// Whether the code of a file, tests included, has this word.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    tokens(text).iter().any(|token| token == word)
}

/// Files that are another module than their names say, by a `path` attribute.
const RENAMED: &[(&str, &str)] = &[
    ("job/fiber/x86_64", "job/fiber/switch"),
    ("job/fiber/portable", "job/fiber/switch"),
    ("job/fiber/call", "job/fiber/switch/call"),
];

/// The module that a file is: `queue/cell/host.rs` is `queue`, `cell`, `host`.
pub(crate) fn module_of(below_src: &str) -> Vec<String> {
    let path = below_src.strip_suffix(".rs").unwrap_or(below_src);
    let path = RENAMED.iter().find_map(|(file, module)| (*file == path).then_some(*module)).unwrap_or(path);
    let parts = path.split('/').map(str::to_owned);
    parts.filter(|part| !matches!(part.as_str(), "mod" | "lib" | "main")).collect()
}

/// Words and signs, in order; `::` is one sign.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        at = match char {
            '/' if next == Some('/') => end_of_line(&chars, at),
            '/' if next == Some('*') => end_of_block(&chars, at),
            '"' => end_of_string(&chars, at),
            '\'' => end_of_char(&chars, at),
            ':' if next == Some(':') => {
                tokens.push("::".to_owned());
                at + 2
            }
            _ if is_name(char) => {
                let end = (at..chars.len()).find(|&end| !is_name(chars[end])).unwrap_or(chars.len());
                let word: String = chars[at..end].iter().collect();
                match chars.get(end) {
                    // A prefix of a literal: b"", r"", r#""#, c"".
                    Some('"') if word.len() <= 2 && word.ends_with('r') => end_of_raw_string(&chars, end),
                    Some('"') if word.len() <= 2 => end_of_string(&chars, end),
                    Some('#') if word == "r" && chars.get(end + 1).copied().is_some_and(is_name) => end + 1,
                    Some('#') if word.len() <= 2 && word.ends_with('r') => end_of_raw_string(&chars, end),
                    _ => {
                        tokens.push(word);
                        end
                    }
                }
            }
            _ if char.is_whitespace() => at + 1,
            _ => {
                tokens.push(char.to_string());
                at + 1
            }
        };
    }
    tokens
}

fn is_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    (at..chars.len()).find(|&end| chars[end] == '\n').unwrap_or(chars.len())
}

fn end_of_block(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) if depth == 1 => return at + 2,
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn end_of_string(chars: &[char], at: usize) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != '"' {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    end + 1
}

/// `at` is its first `#` or `"`.
fn end_of_raw_string(chars: &[char], at: usize) -> usize {
    let hashes = chars[at..].iter().take_while(|char| **char == '#').count();
    let mut end = at + hashes + 1;
    while end < chars.len() {
        let closes = chars[end] == '"'
            && chars[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        if closes {
            return end + 1 + hashes;
        }
        end += 1;
    }
    end
}

/// Of a character; a lifetime ends after its sign.
fn end_of_char(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            (at + 3..chars.len()).find(|&end| chars[end] == '\'').map_or(chars.len(), |end| end + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Modules,
    Uses,
    Paths,
}

struct Reader<'t> {
    tokens: &'t [String],
    /// By module and name: the whole path that was imported.
    imports: HashMap<(Vec<String>, String), Vec<String>>,
    paths: Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self, module: &[String], pass: Pass) {
        let mut module = module.to_vec();
        // Depths at which modules inside the file end.
        let (mut ends, mut depth) = (Vec::new(), 0);
        let mut at = 0;
        while at < self.tokens.len() {
            at = match self.word(at) {
                "#" => self.after_attribute(at),
                "mod" if self.word(at + 2) == "{" => {
                    if pass == Pass::Modules {
                        self.declare(&module, at + 1);
                    }
                    module.push(self.word(at + 1).to_owned());
                    ends.push(depth);
                    depth += 1;
                    at + 3
                }
                "{" => {
                    depth += 1;
                    at + 1
                }
                "}" => {
                    depth -= 1;
                    if ends.last() == Some(&depth) {
                        ends.pop();
                        module.pop();
                    }
                    at + 1
                }
                "mod" if pass == Pass::Modules => {
                    self.declare(&module, at + 1);
                    at + 2
                }
                // Not the list of what an opaque type captures.
                "use" if self.word(at + 1) != "<" => self.use_tree(&module, Vec::new(), at + 1, pass),
                _ => self.path(&module, at, pass),
            };
        }
    }

    /// A module below this one: its name is a path's beginning here.
    fn declare(&mut self, module: &[String], at: usize) {
        let name = self.word(at).to_owned();
        let whole = whole(module, &["self".to_owned(), name.clone()]);
        self.imports.insert((module.to_vec(), name), whole);
    }

    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", String::as_str)
    }

    /// Where what comes after an attribute begins; after the item, too, where that is compiled for tests
    /// only.
    fn after_attribute(&self, at: usize) -> usize {
        let open = if self.word(at + 1) == "!" { at + 2 } else { at + 1 };
        if self.word(open) != "[" {
            return at + 1;
        }
        let end = self.after_brackets(open);
        let attribute: Vec<&str> = (open..end).map(|at| self.word(at)).collect();
        let of_tests = attribute.contains(&"cfg")
            && attribute.contains(&"test")
            && !attribute.windows(3).any(|words| words == ["not", "(", "test"]);
        if of_tests { self.after_item(end) } else { end }
    }

    fn after_item(&self, mut at: usize) -> usize {
        while self.word(at) == "#" {
            at = self.after_brackets(at + 1);
        }
        while at < self.tokens.len() {
            match self.word(at) {
                ";" | "," => return at + 1,
                "{" => {
                    let end = self.after_brackets(at);
                    // The braces of a `use` group come before its semicolon.
                    return if self.word(end) == ";" { end + 1 } else { end };
                }
                "(" | "[" => at = self.after_brackets(at),
                _ => at += 1,
            }
        }
        at
    }

    fn after_brackets(&self, mut at: usize) -> usize {
        let mut depth = 0;
        while at < self.tokens.len() {
            match self.word(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return at;
            }
        }
        at
    }

    /// Reads one tree of a `use`, whose path begins with `prefix`; returns where it ends.
    fn use_tree(&mut self, module: &[String], mut prefix: Vec<String>, mut at: usize, pass: Pass) -> usize {
        loop {
            match self.word(at) {
                "::" => at += 1,
                "{" => {
                    at += 1;
                    while self.word(at) != "}" && at < self.tokens.len() {
                        at = self.use_tree(module, prefix.clone(), at, pass);
                        at += usize::from(self.word(at) == ",");
                    }
                    return at + 1;
                }
                "*" => {
                    prefix.push("*".to_owned());
                    self.note(module, prefix, None, pass);
                    return at + 1;
                }
                "as" => {
                    let name = self.word(at + 1).to_owned();
                    self.note(module, prefix, Some(name), pass);
                    return at + 2;
                }
                "$" => at += 1,
                word if word.starts_with(is_name) => {
                    // The whole of the prefix, in a group.
                    if word != "self" || prefix.is_empty() {
                        prefix.push(word.to_owned());
                    }
                    at += 1;
                }
                _ => {
                    let name = prefix.last().cloned();
                    self.note(module, prefix, name, pass);
                    return at;
                }
            }
        }
    }

    fn note(&mut self, module: &[String], path: Vec<String>, name: Option<String>, pass: Pass) {
        match pass {
            Pass::Uses => {
                if let Some(name) = name {
                    let path = self.resolve(module, &path);
                    self.imports.insert((module.to_vec(), name), path);
                }
            }
            Pass::Paths => self.add(module, &path),
            Pass::Modules => {}
        }
    }

    fn path(&mut self, module: &[String], at: usize, pass: Pass) -> usize {
        if !self.word(at).starts_with(is_name) {
            return at + 1;
        }
        let mut path = vec![self.word(at).to_owned()];
        let mut end = at + 1;
        while self.word(end) == "::" && self.word(end + 1).starts_with(is_name) {
            path.push(self.word(end + 1).to_owned());
            end += 2;
        }
        let continues = at > 0 && self.word(at - 1) == "::" && at > 1 && !is_sign(self.word(at - 2));
        if pass == Pass::Paths && path.len() > 1 && !continues {
            self.add(module, &path);
        }
        end
    }

    fn add(&mut self, module: &[String], path: &[String]) {
        let path = self.resolve(module, path);
        // One name alone says nothing before it is used.
        if path.len() > 1 {
            self.paths.push(path.join("::"));
        }
    }

    fn resolve(&self, module: &[String], path: &[String]) -> Vec<String> {
        match self.imports.get(&(module.to_vec(), path[0].clone())) {
            // What is imported by its first name (`use nix`) stays as it is.
            Some(imported) if imported[0] != path[0] => [imported, &path[1..]].concat(),
            _ => whole(module, path),
        }
    }
}

/// Whether a path cannot end with it, so that a `::` behind it begins one.
fn is_sign(word: &str) -> bool {
    !word.starts_with(is_name) && word != ">"
}

/// Resolves `self` and `super`; what begins with neither of them, nor with `crate`, begins with another
/// crate, or with what is in scope.
fn whole(module: &[String], path: &[String]) -> Vec<String> {
    let mut base: Vec<String> = Vec::new();
    let mut rest = path;
    if let Some(first) = path.first()
        && matches!(first.as_str(), "self" | "super")
    {
        base = std::iter::once("crate".to_owned()).chain(module.iter().cloned()).collect();
    }
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "self" => {}
            "super" => drop(base.pop()),
            _ => break,
        }
        rest = after;
    }
    [&base, rest].concat()
}
