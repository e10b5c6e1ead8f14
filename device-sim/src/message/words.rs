//! Lists of names as texts, assembled by the compiler: the table that says what there is also says what is
//! allowed.

/// `before`, the names with `between` between them and `last` before the last one, `after`; a `&'static str`.
#[doc(hidden)]
#[macro_export]
macro_rules! in_words {
    ($before:expr, $names:expr, $between:expr, $last:expr, $after:expr) => {{
        const WORDS: $crate::words::Words<'static> = $crate::words::Words {
            before: $before,
            names: $names,
            between: $between,
            last: $last,
            after: $after,
        };
        const BYTES: [u8; WORDS.len()] = WORDS.bytes();
        match ::core::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("strings are UTF-8"),
        }
    }};
}

/// The parts that [`in_words!`] assembles.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "written by the macro")]
pub struct Words<'a> {
    pub before: &'a str,
    pub names: &'a [&'a str],
    pub between: &'a str,
    pub last: &'a str,
    pub after: &'a str,
}

impl Words<'_> {
    /// Bytes of the text.
    pub const fn len(&self) -> usize {
        let mut len = self.before.len() + self.after.len();
        let mut at = 0;
        while at < self.names.len() {
            len += self.separator(at).len() + self.names[at].len();
            at += 1;
        }
        len
    }

    /// Whether there is no text.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text.
    pub const fn bytes<const LEN: usize>(&self) -> [u8; LEN] {
        let mut text = Text { bytes: [0; LEN], len: 0 }.with(self.before);
        let mut at = 0;
        while at < self.names.len() {
            text = text.with(self.separator(at)).with(self.names[at]);
            at += 1;
        }
        text.with(self.after).bytes
    }

    /// The separator before a name.
    const fn separator(&self, at: usize) -> &str {
        match at {
            0 => "",
            _ if at + 1 == self.names.len() => self.last,
            _ => self.between,
        }
    }
}

struct Text<const LEN: usize> {
    bytes: [u8; LEN],
    len: usize,
}

impl<const LEN: usize> Text<LEN> {
    const fn with(mut self, more: &str) -> Self {
        let mut at = 0;
        while at < more.len() {
            self.bytes[self.len] = more.as_bytes()[at];
            self.len += 1;
            at += 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_put_into_words() {
        assert_eq!(in_words!("", &[], ", ", " or ", ""), "");
        assert_eq!(in_words!("op=", &["mac"], ", ", " or ", "!"), "op=mac!");
        assert_eq!(in_words!("", &["a", "b"], ", ", " or ", ""), "a or b");
        assert_eq!(in_words!("µ: ", &["a", "b", "c"], ", ", " or ", "."), "µ: a, b or c.");
    }
}
