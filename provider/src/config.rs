//! The configuration: the provider's section of `openssl.cnf`, and `SIMACCEL_CONFIG`.
//!
//! ```text
//!   section: KEY = VALUE, one line each        the engine's keys ──► simaccel::Config, for the process
//!            config = KEY=VALUE;KEY=VALUE  ──►
//!   SIMACCEL_CONFIG: KEY=VALUE;KEY=VALUE       the provider's ─────► Settings, for this library context
//! ```
//!
//! One grammar holds for all of them: simaccel's ([`simaccel::grammar`]). A key of the variable takes the
//! place of the same key in the section, and a key of the text `config` that of its line. The variable is not
//! read where the process runs with the rights of another user or group.
//!
//! libcrypto answers questions about keys and lists none. So a line with an unknown key is not found; in the
//! two texts it is refused.

#![expect(unsafe_code, reason = "asks the system whether the process runs with another user's rights")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use simaccel::foreign;
use simaccel::grammar::{self, Items, Key};
use simaccel::{Config, ConfigError, DeliveryMode};

use crate::conduct::Strict;
use crate::kinds::{self, Kinds};
use crate::ossl::core::Core;

/// The provider's own keys.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "algorithms",
        default: "all",
        allowed: "all, symmetric, private-keys, names of the provider's algorithms or of their operations \
                  (RSA/sign), separated by commas",
        meaning: "what the provider offers; all else comes from the other providers",
    },
    Key {
        name: "async_min_bytes",
        default: "0",
        allowed: "0 to 4294967295 (bytes)",
        meaning: "operations on fewer bytes do not pause, but for those of keys",
    },
    Key {
        name: "never_pause",
        default: "AES-256-CTR,AES-256-ECB",
        allowed: "the same, or none",
        meaning: "operations that do not pause; the default is what OpenSSL 3.0's random number generator uses",
    },
    Key {
        name: "stats_file",
        default: "none",
        allowed: "an absolute path, or none",
        meaning: "the counters lie in the file of this name, a dot and the number of the process",
    },
    Key {
        name: "strict",
        default: "off",
        allowed: Strict::ALLOWED,
        meaning: "what follows from a thing that the application does wrong with its jobs",
    },
    Key {
        name: "clock",
        default: "time",
        allowed: "time or resumes:N (1 to 1000000)",
        meaning: "resumes:N completes a request when its job was resumed N times; no time passes",
    },
];

/// The key of a section whose value is a text of items.
const TEXT: &str = "config";
/// The environment's variable.
const VARIABLE: &str = "SIMACCEL_CONFIG";

/// What a provider does in one library context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// What the provider offers.
    pub(crate) algorithms: Kinds,
    /// Operations on fewer bytes do not pause, but for those of keys.
    pub(crate) async_min_bytes: u32,
    /// Operations that do not pause.
    pub(crate) never_pause: Kinds,
}

/// What holds for the whole process.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Whole {
    pub(crate) engine: Config,
    pub(crate) clock: Clock,
    pub(crate) stats_file: Option<PathBuf>,
    pub(crate) strict: Strict,
}

/// What ends requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Time.
    #[default]
    Time,
    /// So many resumes of their job.
    Resumes(u32),
}

/// Everything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) settings: Settings,
    /// `None`: nothing of it is set, and what holds in this process already holds here, too.
    pub(crate) whole: Option<Whole>,
}

impl Read {
    /// Reads the section and the variable.
    pub(crate) fn of(core: &Core) -> Result<Self, ConfigError> {
        let setting = |name: &str| {
            let name = std::ffi::CString::new(name).ok()?;
            core.setting(&name)
        };
        let variable = std::env::var_os(VARIABLE).filter(|_| !has_others_rights());
        Self::from(setting, variable.unwrap_or_default())
    }

    fn from(setting: impl Fn(&str) -> Option<OsString>, variable: OsString) -> Result<Self, ConfigError> {
        let mut lines = Items::default();
        for name in names() {
            if let Some(value) = setting(name) {
                let value = utf_8(name, value)?;
                // A value may go on with other items, as a text does.
                Items::parse(&format!("{name}={value}"))?
                    .iter()
                    .for_each(|(key, value)| lines.add(key, value));
            }
        }
        let text = Items::parse(&utf_8(TEXT, setting(TEXT).unwrap_or_default())?)?;
        let items = over(over(lines, &text), &Items::parse(&utf_8(VARIABLE, variable)?)?);
        Self::parse(&items)
    }

    fn parse(items: &Items) -> Result<Self, ConfigError> {
        let (mut settings, mut whole) = (Settings::new()?, Whole::default());
        let (mut engine, mut is_set) = (String::new(), false);
        for (name, value) in items.iter() {
            match name {
                "algorithms" => settings.algorithms = kinds(key(name), value)?,
                "async_min_bytes" => settings.async_min_bytes = key(name).number(value, 0..=u32::MAX)?,
                "never_pause" if value == "none" => settings.never_pause = Kinds::default(),
                "never_pause" => settings.never_pause = kinds(key(name), value)?,
                _ => is_set = true,
            }
            match name {
                "algorithms" | "async_min_bytes" | "never_pause" => {}
                "stats_file" => whole.stats_file = stats_file(value)?,
                "strict" => whole.strict = value.parse().map_err(|()| key(name).refuse(value))?,
                "clock" => whole.clock = value.parse()?,
                "delivery" if value != DeliveryMode::Wake.name() => {
                    return Err(grammar::refused("delivery", value, "wake: nobody polls a provider"));
                }
                _ if names().any(|known| known == name) => engine += &format!("{name}={value}\n"),
                _ => {
                    let known = names().collect::<Vec<_>>().join(", ");
                    return Err(ConfigError::UnknownKey { key: name.to_owned(), known });
                }
            }
        }
        // A process that is looked at can be changed, too.
        if whole.stats_file.is_some() && !items.has("model") {
            engine += "model=on\n";
        }
        whole.engine = Config::parse(&engine)?;
        Ok(Self { settings, whole: is_set.then_some(whole) })
    }
}

/// All keys there are: the provider's own take the place of the engine's.
fn names() -> impl Iterator<Item = &'static str> {
    let others = foreign::config_keys().filter(|name| KEYS.iter().all(|own| own.name != *name));
    KEYS.iter().map(|key| key.name).chain(others)
}

fn key(name: &str) -> &'static Key {
    KEYS.iter().find(|key| key.name == name).unwrap_or(&KEYS[0])
}

/// A text as it is, or an error: with other characters in place of the bytes that are none it would name
/// another file.
fn utf_8(key: &'static str, text: OsString) -> Result<String, ConfigError> {
    text.into_string().map_err(|bytes| grammar::refused(key, &bytes.to_string_lossy(), "UTF-8"))
}

/// The items of both; those of `upper` take the place of the others with their keys.
fn over(lower: Items, upper: &Items) -> Items {
    let mut items = Items::default();
    let kept = lower.iter().filter(|(key, _)| !upper.has(key));
    kept.chain(upper.iter()).for_each(|(key, value)| items.add(key, value));
    items
}

fn stats_file(value: &str) -> Result<Option<PathBuf>, ConfigError> {
    match value {
        "none" => Ok(None),
        path if Path::new(path).is_absolute() => Ok(Some(path.into())),
        _ => Err(key("stats_file").refuse(value)),
    }
}

/// Whether the process has the rights of another user or group than the one that has started it: that user
/// must not configure it.
fn has_others_rights() -> bool {
    // SAFETY: it reads what the kernel has passed to the process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

impl FromStr for Clock {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let resumes = || grammar::within(text.strip_prefix("resumes:")?, 1..=1_000_000).map(Self::Resumes);
        match text {
            "time" => Ok(Self::Time),
            _ => resumes().ok_or_else(|| key("clock").refuse(text)),
        }
    }
}

impl Settings {
    /// The defaults.
    fn new() -> Result<Self, ConfigError> {
        let of = |name| kinds(key(name), key(name).default);
        Ok(Self { algorithms: of("algorithms")?, async_min_bytes: 0, never_pause: of("never_pause")? })
    }
}

/// The kinds that a list of names means. An error names the first that is unknown.
fn kinds(key: &Key, text: &str) -> Result<Kinds, ConfigError> {
    let each = grammar::parts(text, ',').map(|name| kinds::named(name).ok_or_else(|| key.refuse(name)));
    let all = each.collect::<Result<Vec<_>, _>>()?.into_iter().fold(Kinds::default(), Kinds::and);
    if all == Kinds::default() { Err(key.refuse(text)) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn read(section: &[(&str, &str)], variable: &str) -> Result<Read, String> {
        let setting = |name: &str| {
            let found = section.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).into())
        };
        Read::from(setting, variable.into()).map_err(|error| error.to_string())
    }

    fn names(text: &str) -> Kinds {
        kinds(key("algorithms"), text).unwrap()
    }

    #[test]
    fn nothing_set_is_the_default_and_leaves_the_process_as_it_is() {
        let read = read(&[], "").unwrap();
        assert_eq!(read.whole, None);
        assert_eq!(read.settings.async_min_bytes, 0);
        assert_eq!(read.settings.never_pause, names("AES-256-CTR,AES-256-ECB"));
    }

    #[test]
    fn the_variable_wins_over_the_text_and_the_text_over_the_line() {
        let section = [
            ("completion_nsec", "1000"),
            ("compute_units", "1"),
            ("fault", "fail:every=2"),
            ("config", "completion_nsec=2000; depth=8; never_pause=none"),
        ];
        let read =
            read(&section, "depth=16; fault=busy:every=3; fault=fail:nth=1; async_min_bytes=100").unwrap();
        let expected = "compute_units=1;completion_nsec=2000;depth=16;fault=busy:every=3;fault=fail:nth=1";
        assert_eq!(read.whole.unwrap().engine, Config::parse(expected).unwrap());
        let expected =
            Settings { algorithms: names("all"), async_min_bytes: 100, never_pause: Kinds::default() };
        assert_eq!(read.settings, expected);
    }

    #[test]
    fn a_process_with_a_file_of_counters_can_be_changed_while_it_runs() {
        for (text, model) in
            [("stats_file=/p", "model=on"), ("stats_file=/p;model=auto", ""), ("stats_file=none", "")]
        {
            let whole = read(&[], text).unwrap().whole.unwrap();
            assert_eq!(whole.engine, Config::parse(model).unwrap(), "{text}");
        }
    }

    #[test]
    fn a_line_may_go_on_with_other_items() {
        let read = read(&[("fault", "fail:every=100; fault=busy:every=10")], "").unwrap();
        let expected = Config::parse("fault=fail:every=100;fault=busy:every=10").unwrap();
        assert_eq!(read.whole.unwrap().engine, expected);
    }

    #[test]
    fn mistakes_name_the_key_the_value_and_what_is_allowed() {
        let refused = |section: &[(&str, &str)], variable: &str| read(section, variable).unwrap_err();
        assert_eq!(
            refused(&[("depth", "65")], ""),
            "depth=65: must be a power of two, 2 to 262144 (requests)"
        );
        assert_eq!(refused(&[], "async_min_bytes=-1"), "async_min_bytes=-1: must be 0 to 4294967295 (bytes)");
        assert_eq!(
            refused(&[("clock", "resumes:0")], ""),
            "clock=resumes:0: must be time or resumes:N (1 to 1000000)"
        );
        assert_eq!(refused(&[], "strict=on"), "strict=on: must be off, report or abort");
        assert_eq!(refused(&[], "stats_file=here"), "stats_file=here: must be an absolute path, or none");
        assert!(
            refused(&[], "algorithms=RSA,AES-256-OCB")
                .starts_with("algorithms=AES-256-OCB: must be all, symmetric, private-keys, names of")
        );
        assert!(refused(&[], "algorithms=none").starts_with("algorithms=none: must be"));
        assert!(refused(&[], "never_pause=RSA/derive").starts_with("never_pause=RSA/derive: must be"));
        assert_eq!(
            refused(&[("delivery", "poll")], ""),
            "delivery=poll: must be wake: nobody polls a provider"
        );
        assert!(
            refused(&[], "colour=red")
                .starts_with("unknown key colour: the keys are algorithms, async_min_bytes, never_pause,")
        );
        assert_eq!(refused(&[], "fast"), "fast is not key=value");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_wherever_they_stand() {
        let bytes = || OsString::from_vec(b"/p/\xff".to_vec());
        let in_section = |key: &'static str| {
            let setting = move |name: &str| (name == key).then(bytes);
            Read::from(setting, OsString::new()).unwrap_err().to_string()
        };
        let expected = |key: &str| format!("{key}=/p/\u{fffd}: must be UTF-8");
        assert_eq!(in_section("stats_file"), expected("stats_file"));
        assert_eq!(in_section(TEXT), expected(TEXT));
        let in_variable = Read::from(|_| None, bytes()).unwrap_err().to_string();
        assert_eq!(in_variable, expected(VARIABLE));
    }

    #[test]
    fn the_page_lists_every_key() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/provider.md");
        let page = std::fs::read_to_string(page).unwrap();
        for Key { name, default, allowed, meaning } in KEYS {
            let row = format!("| `{name}` | {default} | {allowed} | {meaning} |");
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn names_are_found_by_every_alias_in_any_case() {
        assert_eq!(names("aes256"), names("AES-256-CBC"));
        assert_eq!(names("2.16.840.1.101.3.4.2.1"), names("sha-256"));
        assert_ne!(names("SHA256"), names("SHA512"));
    }

    #[test]
    fn a_list_may_mix_words_algorithms_and_operations() {
        let read =
            read(&[], "algorithms=private-keys, aes-128-gcm; never_pause=symmetric,RSA/verify").unwrap();
        let expected = names("private-keys").and(names("AES-128-GCM"));
        assert_eq!(read.settings.algorithms, expected);
        assert_eq!(read.settings.never_pause, names("symmetric").and(names("RSA/verify")));
        assert_eq!(read.whole, None);
    }
}
