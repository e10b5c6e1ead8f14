//! JSON, as much of it as statistics need: names, and numbers.
//!
//! Written by hand: a JSON library among a crate's dependencies brings comparisons of its values with
//! everything into scope, and users' `assert_eq!(fds, [])` would no longer compile.

use std::borrow::Cow;
use std::fmt;

/// The possible values.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Count(u64),
    /// A finite number.
    Mean(f64),
    List(Vec<Self>),
    Object(Vec<(Cow<'static, str>, Self)>),
}

impl Value {
    /// An object of counts.
    pub(super) fn counts(counts: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        Self::object(counts.into_iter().map(|(name, count)| (name, Self::Count(count))))
    }

    /// An object of whatever there is.
    pub(super) fn object<N: Into<Cow<'static, str>>>(members: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The object with more in it; any other value is unchanged.
    pub(super) fn with(mut self, more: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        if let Self::Object(members) = &mut self {
            members.extend(more.into_iter().map(|(name, value)| (name.into(), value)));
        }
        self
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Mean(mean) => write!(f, "{mean}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", comma(at))?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (at, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{}:{value}", comma(at), Quoted(name))?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A string of JSON (RFC 8259, 7).
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

const fn comma(at: usize) -> &'static str {
    if at == 0 { "" } else { "," }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_written_as_json_has_it() {
        let value = Value::counts([("a", 1)]).with([
            ("b", Value::List(vec![Value::Null, Value::Mean(0.5), Value::Object(vec![])])),
            ("c", Value::Count(u64::MAX)),
        ]);
        let name = "a \"name\" \\ with\n\u{1}ü";
        let escaped = Value::object([(name.to_owned(), Value::Null)]).to_string();
        assert_eq!(escaped, r#"{"a \"name\" \\ with\u000a\u0001ü":null}"#);
        assert_eq!(value.to_string(), r#"{"a":1,"b":[null,0.5,{}],"c":18446744073709551615}"#);
    }
}
