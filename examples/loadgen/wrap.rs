//! Lines that fit a terminal.

/// Columns of a terminal.
pub(crate) const WIDTH: usize = 100;

/// Blanks ahead of a line that goes on with the one before.
const INDENT: usize = 15;

/// `text` behind `head`, in lines of at most [`WIDTH`] characters. A word that is longer has a line of its
/// own; a no-break space (U+00A0) holds two words together, and is printed as a blank.
pub(crate) fn wrapped(head: &str, text: &str) -> String {
    let mut out = head.to_owned();
    let (mut column, mut is_first) = (head.chars().count(), true);
    for word in text.split(' ') {
        let len = word.chars().count();
        if !is_first && column + 1 + len > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', INDENT));
            column = INDENT;
        } else if !is_first {
            out.push(' ');
            column += 1;
        }
        out += &word.replace('\u{a0}', " ");
        (column, is_first) = (column + len, false);
    }
    out.push('\n');
    out
}

/// The same behind a label, or behind as many blanks.
pub(crate) fn labelled(label: &str, text: &str) -> String {
    wrapped(&format!("{label:>13}  "), text)
}

/// The warnings of a wrapped text, each in one line, and the text without them.
pub(crate) fn split_warnings(text: &str) -> (Vec<String>, String) {
    let (mut warnings, mut rest, mut in_warning) = (Vec::<String>::new(), String::new(), false);
    for line in text.lines() {
        let goes_on = line.starts_with(&" ".repeat(INDENT));
        if let Some(warning) = line.strip_prefix("warning: ") {
            warnings.push(warning.to_owned());
            in_warning = true;
        } else if let Some(warning) = warnings.last_mut().filter(|_| in_warning && goes_on) {
            *warning += &line[INDENT - 1..];
        } else {
            rest = rest + line + "\n";
            in_warning = false;
        }
    }
    (warnings, rest)
}
