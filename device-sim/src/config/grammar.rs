//! The grammar of configurations, written once: the device, the engine in front of it, its C interface, the
//! load generator and the rules of faults parse their text with these functions.
//!
//! ```text
//!   text    item { ( ";" | new line ) item }         fault=KIND:FIELD=VALUE,FIELD=VALUE
//!   item    [ KEY "=" VALUE ] [ "#" comment ]        a comment ends with its line
//!   list    part { "," part }                        the fields of a fault, or of an entry of `service`
//!   number  digit { [ "_" ] digit }                  no sign, no blank, no other base
//!   decimal number [ "." digit [ digit [ digit ] ] ]  where a key says so
//! ```
//!
//! Blanks around an item, a key, a value or a part are ignored; so are empty items and parts. A key comes
//! once, `operation`, `service` and `fault` as often as you like; a field of a value comes once. Names are
//! written as they are listed, in lower case.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::error::ConfigError;
pub use super::error::Shown;

/// The keys that may come more than once.
const REPEATABLE: [&str; 3] = ["operation", "service", FAULT];
const FAULT: &str = "fault";
/// The key that takes effect before all others, wherever it stands.
const FIRST: &str = "preset";

/// What a configuration knows about one of its keys; its text, its errors and its documentation come from
/// this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name as written.
    pub name: &'static str,
    /// The value when the key is not given.
    pub default: &'static str,
    /// Unit and range, as errors state them.
    pub allowed: &'static str,
    /// The purpose of the key.
    pub meaning: &'static str,
}

impl Key {
    /// The names of `keys`, separated by commas.
    pub fn names(keys: &[Self]) -> String {
        keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
    }

    /// Parses `value` as a number.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`], if it is no number or out of `range`.
    pub fn number<N>(&self, value: &str, range: RangeInclusive<N>) -> Result<N, ConfigError>
    where
        N: FromStr + PartialOrd,
    {
        within(value, range).ok_or_else(|| self.refuse(value))
    }

    /// Whether `value` is `on`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`], if it is neither `on` nor `off`.
    pub fn switch(&self, value: &str) -> Result<bool, ConfigError> {
        switch(value).ok_or_else(|| self.refuse(value))
    }

    /// The error that states what is allowed instead of `value`.
    pub fn refuse(&self, value: &str) -> ConfigError {
        refused(self.name, value, self.allowed)
    }
}

/// The items of a configuration, in the order in which they take effect. A builder fills them directly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items(Vec<(String, String)>);

impl Items {
    /// Splits `text` into items, without interpreting them.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Syntax`] for an item without `=`; [`ConfigError::KeyTwice`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut items = Self::default();
        for item in text.lines().flat_map(|line| parts(without_comment(line), ';')) {
            let (key, value) = pair(item).ok_or_else(|| ConfigError::Syntax { part: item.to_owned() })?;
            if !REPEATABLE.contains(&key) && items.has(key) {
                return Err(ConfigError::KeyTwice { key: key.to_owned() });
            }
            items.add(key, value);
        }
        Ok(items)
    }

    /// Whether `key` is given.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(given, _)| given == key)
    }

    /// Adds an item.
    pub fn add(&mut self, key: &str, value: impl fmt::Display) {
        self.0.push((key.to_owned(), value.to_string()));
    }

    /// Adds an item, and removes earlier ones for its key.
    pub fn replace(&mut self, key: &str, value: impl fmt::Display) {
        self.0.retain(|(given, _)| given != key);
        self.add(key, value);
    }

    /// Keys and values, the `preset` before the others.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let of = |is_first: bool| self.0.iter().filter(move |(key, _)| (key == FIRST) == is_first);
        of(true).chain(of(false)).map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

fn without_comment(line: &str) -> &str {
    line.split_once('#').map_or(line, |(before, _)| before)
}

/// The parts of a list, trimmed, without empty ones.
pub fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|part| !part.is_empty())
}

/// Key and value of `key=value`, trimmed.
pub fn pair(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
}

/// The fields of a value: names and values, in their order.
pub type Fields<'a> = Vec<(&'a str, &'a str)>;

/// Kind and fields of the text after `fault=`.
///
/// # Errors
///
/// [`ConfigError::FieldTwice`], or [`ConfigError::Value`] for a field without `=`.
pub fn fault(text: &str) -> Result<(&str, Fields<'_>), ConfigError> {
    named_fields(FAULT, text, "FIELD=VALUE after KIND:, separated by commas")
}

/// What stands before the colon in the value of `key`, and the fields after it.
///
/// # Errors
///
/// As those of [`fault`].
pub fn fields<'t>(key: &'static str, text: &'t str) -> Result<(&'t str, Fields<'t>), ConfigError> {
    named_fields(key, text, "FIELD=VALUE after WHAT:, separated by commas")
}

fn named_fields<'t>(
    key: &'static str,
    text: &'t str,
    allowed: &'static str,
) -> Result<(&'t str, Fields<'t>), ConfigError> {
    let (kind, list) = text.split_once(':').unwrap_or((text, ""));
    let mut fields = Fields::new();
    for part in parts(list, ',') {
        let (field, value) = pair(part).ok_or_else(|| refused(key, text, allowed))?;
        if fields.iter().any(|(given, _)| *given == field) {
            let (field, value) = (field.to_owned(), text.to_owned());
            return Err(ConfigError::FieldTwice { key, field, value });
        }
        fields.push((field, value));
    }
    Ok((kind.trim(), fields))
}

/// A whole number; `_` may separate two digits. `None` for anything else, and for a number that `N` cannot
/// hold.
pub fn number<N: FromStr>(text: &str) -> Option<N> {
    digits(text)?.parse().ok()
}

/// A whole number in this range.
pub fn within<N: FromStr + PartialOrd>(text: &str, range: RangeInclusive<N>) -> Option<N> {
    number(text).filter(|number| range.contains(number))
}

/// A number with up to three decimals, in thousandths.
pub fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction = digits(fraction).filter(|fraction| fraction.len() <= 3)?;
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    number::<u64>(whole)?.checked_mul(1_000)?.checked_add(fraction)
}

/// Writes a number of thousandths as [`thousandths`] reads it, without zeros at its end.
///
/// # Errors
///
/// Those of `f`.
pub fn write_thousandths(f: &mut fmt::Formatter<'_>, thousandths: u64) -> fmt::Result {
    let (whole, fraction) = (thousandths / 1_000, thousandths % 1_000);
    write!(f, "{whole}")?;
    match fraction {
        0 => Ok(()),
        _ => write!(f, ".{}", format!("{fraction:03}").trim_end_matches('0')),
    }
}

/// The digits of a whole number, without separators.
pub fn digits(text: &str) -> Option<Cow<'_, str>> {
    let groups = || text.split('_');
    let is_number =
        groups().all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    is_number.then(|| if text.contains('_') { groups().collect::<String>().into() } else { text.into() })
}

/// `on` or `off`.
pub fn switch(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// The error for a value that does not fit its key.
pub fn refused(key: &'static str, value: &str, allowed: &'static str) -> ConfigError {
    ConfigError::Value { key, value: value.to_owned(), allowed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<(String, String)> {
        let items = Items::parse(text).unwrap();
        items.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn items_are_separated_by_semicolons_and_new_lines() {
        let expected = [("a", "1"), ("b", "2 3"), ("c", "x=y")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        for text in [
            "a=1;b=2 3;c=x=y",
            "a=1\nb=2 3\nc=x=y",
            "\r\n a = 1\r\n;; b\t=\u{a0}2 3 ;\n\nc =x=y;",
            "# first\na=1 # one; z=9\nb=2 3;c=x=y#",
        ] {
            assert_eq!(items(text), expected, "{text:?}");
        }
        assert!(items(" ;\n# nothing\n;").is_empty());
    }

    #[test]
    fn the_preset_comes_first_and_only_a_fault_comes_twice() {
        assert_eq!(items("a=1;preset=x")[0].0, "preset");
        assert_eq!(items("fault=a;fault=a").len(), 2);
        let error = |text| Items::parse(text).unwrap_err().to_string();
        assert!(error("a=1\na=1").starts_with("a is given twice"), "{}", error("a=1\na=1"));
        assert_eq!(error("a=1;b c"), "b c is not key=value");
    }

    #[test]
    fn a_builder_replaces_what_was_given() {
        let mut items = Items::default();
        items.replace("a", 1);
        items.replace("a", 2);
        items.add("fault", "x");
        items.add("fault", "y");
        assert_eq!(items.iter().collect::<Vec<_>>(), [("a", "2"), ("fault", "x"), ("fault", "y")]);
        assert!(items.has("a") && !items.has("b"));
    }

    #[test]
    fn numbers_are_digits_that_may_be_grouped() {
        for (text, value) in [("0", 0), ("007", 7), ("50_000", 50_000), ("1_2_3", 123)] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in ["", "_", "_1", "1_", "1__0", "+1", "-1", " 1", "1 ", "0x10", "1e3", "1.0", "\u{661}"] {
            assert_eq!(number::<u64>(text), None, "{text:?}");
        }
        assert_eq!((number::<u8>("255"), number::<u8>("256")), (Some(255), None));
    }

    #[test]
    fn a_number_may_have_three_decimals() {
        for (text, value) in [("0", 0), ("1", 1_000), ("0.001", 1), ("62.5", 62_500), ("1_000.25", 1_000_250)]
        {
            assert_eq!(thousandths(text), Some(value), "{text}");
            let written = crate::config::Mbps::thousandths(value).to_string();
            assert_eq!(written, text.replace('_', ""));
        }
        for text in ["", ".", ".5", "1.", "1.0000", "1.2.3", "-1", "1e3", "1.+5", "1.5 ", "18446744073709552"]
        {
            assert_eq!(thousandths(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_fields_of_a_fault_are_a_list() {
        let fields = vec![("every", "2"), ("op", "mac")];
        for text in ["kind:every=2,op=mac", " kind : every = 2 ,, op= mac ,"] {
            assert_eq!(fault(text), Ok(("kind", fields.clone())), "{text}");
        }
        assert_eq!(fault("kind"), Ok(("kind", vec![])));
        assert_eq!(
            fault("kind:a=1,b").unwrap_err().to_string(),
            "fault=kind:a=1,b: must be FIELD=VALUE after KIND:, separated by commas"
        );
        assert!(matches!(fault("kind:a=1,a=1"), Err(ConfigError::FieldTwice { field, .. }) if field == "a"));
    }
}
