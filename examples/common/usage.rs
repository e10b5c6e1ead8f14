//! Formats a mistake on the command line as one line: the option, and what is allowed.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use simaccel::grammar::Shown;

/// The parser's message without usage, advice to read the help, and line breaks.
pub(crate) fn condense(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let lines = rendered.lines().map(str::trim);
    let told =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let line = told.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let mut line = line.strip_prefix("error: ").unwrap_or(&line).to_owned();
    for given in [ContextKind::InvalidValue, ContextKind::InvalidArg] {
        if let Some(ContextValue::String(given)) = error.get(given).filter(|given| !is_empty(given)) {
            line = line.replace(given.as_str(), &Shown(given).to_string());
        }
    }
    if error.kind() == ErrorKind::UnknownArgument {
        line += "; --help lists the options";
    }
    line.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

fn is_empty(given: &ContextValue) -> bool {
    matches!(given, ContextValue::String(text) if text.is_empty())
}
