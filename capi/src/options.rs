//! The options of a session: `padding=pkcs7` or `padding=none`, `tag_len=BYTES`, in the grammar of
//! configurations.

use simaccel::grammar::{Items, Key, Shown};
use simaccel::{ConfigError, Padding, Parameters};

use crate::last_error::{Failure, SimaccelResult};

const PADDING: Key = Key {
    name: "padding",
    default: "pkcs7",
    allowed: "pkcs7 or none",
    meaning: "whether text is padded to whole blocks (ECB, CBC)",
};
const TAG_LEN: Key = Key {
    name: "tag_len",
    default: "16",
    allowed: "a number of bytes",
    meaning: "the length of tags, in bytes (GCM)",
};

/// Parses options. Whether they fit the algorithm is for the session to say.
pub(crate) fn parameters(text: &str) -> Result<Parameters, Failure> {
    read(text).map_err(|error| Failure::new(SimaccelResult::Session, told(&error)))
}

fn read(text: &str) -> Result<Parameters, ConfigError> {
    let mut parameters = Parameters::default();
    for (key, value) in Items::parse(text)?.iter() {
        parameters = match key {
            "padding" => parameters.with_padding(padding(value)?),
            "tag_len" => parameters.with_tag_len(TAG_LEN.number(value, 0..=usize::MAX)?),
            _ => {
                let known = Key::names(&[PADDING, TAG_LEN]);
                return Err(ConfigError::UnknownKey { key: key.to_owned(), known });
            }
        };
    }
    Ok(parameters)
}

fn padding(value: &str) -> Result<Padding, ConfigError> {
    match value {
        "pkcs7" => Ok(Padding::Pkcs7),
        "none" => Ok(Padding::None),
        _ => Err(PADDING.refuse(value)),
    }
}

/// The error's words. Here no key may come more than once.
fn told(error: &ConfigError) -> String {
    match error {
        ConfigError::KeyTwice { key } => format!("{} is given twice: once is allowed", Shown(key)),
        error => error.to_string(),
    }
}
