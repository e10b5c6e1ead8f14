//! The numbers and keys, compared with the installed headers.

use std::collections::HashMap;
use std::fs;

use super::ids::{DISPATCH, PARAM_TYPES, modes};
use super::{jobs, keys};

fn header(name: &str) -> String {
    let path = format!("/usr/include/openssl/{name}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; install libssl-dev"))
}

/// What a header defines, by name.
fn defined(text: &str) -> HashMap<&str, &str> {
    text.lines()
        .filter_map(|line| {
            line.strip_prefix('#')?
                .trim_start()
                .strip_prefix("define")?
                .trim()
                .split_once(char::is_whitespace)
        })
        .map(|(name, value)| (name, value.split("/*").next().unwrap_or_default().trim()))
        .collect()
}

fn number(text: &str) -> i64 {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

#[test]
fn numbers_are_those_of_the_headers() {
    let dispatch = header("core_dispatch.h");
    let defines = defined(&dispatch);
    for (name, value) in DISPATCH {
        assert_eq!(number(defines[format!("OSSL_{name}").as_str()]), i64::from(*value), "{name}");
    }
    let core = header("core.h");
    let defines = defined(&core);
    for (name, value) in PARAM_TYPES {
        assert_eq!(number(defines[format!("OSSL_{name}").as_str()]), i64::from(*value), "{name}");
    }
    let evp = header("evp.h");
    let defines = defined(&evp);
    for (name, value) in modes::MODES {
        assert_eq!(number(defines[format!("EVP_CIPH_{name}_MODE").as_str()]), i64::from(*value), "{name}");
    }
    let asynchronous = header("async.h");
    let defines = defined(&asynchronous);
    for (name, value) in jobs::status::ALL {
        assert_eq!(number(defines[format!("ASYNC_STATUS_{name}").as_str()]), i64::from(*value), "{name}");
    }
}

#[test]
fn keys_are_those_of_the_headers() {
    let names = header("core_names.h").replace("\\\n", " ");
    let defines = defined(&names);
    for (name, key) in keys::ALL {
        let of_cipher = name.strip_prefix("ASYM_CIPHER_").map(|rest| ("ASYM_CIPHER", rest));
        let (kind, rest) = of_cipher.or_else(|| name.split_once('_')).unwrap();
        let mut found = defines[format!("OSSL_{kind}_PARAM_{rest}").as_str()];
        // One may be another's.
        while let Some(other) = defines.get(found) {
            found = other;
        }
        assert_eq!(found, format!("{:?}", key.to_str().unwrap()), "{name}");
    }
}
