//! What is examined, in this order. A later check says nothing where an earlier one that it needs has failed.

use std::ffi::{CStr, OsStr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use simaccel_provider::counters::Field;
use simaccel_provider::counters::layout::ROWS;
use simaccel_provider::counters::snapshot::Snapshot;

use super::libcrypto::{self, Libcrypto, Section, Task};
use super::{CONFIG, Failure, Patient, over, with_variable};
use crate::summary::{REASONS, Summary};

const WIDTH: usize = 80;
/// What the provider calls itself.
const OWN_NAME: &str = "simaccel";
/// The property that its algorithms have, and no other's.
const PROPERTY: &CStr = c"simaccel.hw=yes";
const GROUPS: [&CStr; 3] = [c"X25519", c"P-256", c"P-384"];
/// OpenSSL 4.0: its random number generator uses the default provider by itself.
const PINS_ITSELF: u64 = 0x4000_0000;
/// What libcrypto says of a section that leads to itself.
const RECURSIVE: &str = "recursive section";
/// What is encrypted or signed, in bytes.
const MESSAGE: usize = 4096;
/// What may pause a job: a row, and the cipher or the key.
const TRIALS: [(&str, &CStr); 4] = [
    ("AES-128-CBC", c"AES-128-CBC"),
    ("ECDSA/sign", c"EC"),
    ("RSA/sign", c"RSA"),
    ("ED25519/sign", c"ED25519"),
];

/// Examines this process, whose counters lie at `stats_file`.
pub(super) fn run(patient: &Patient, stats_file: &Path) -> ExitCode {
    let mut report = Report { failed: 0 };
    let _ = examine(patient, stats_file, &mut report);
    if report.failed == 0 {
        print("\nThe device works for every program that reads this configuration and runs jobs.");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

struct Report {
    failed: usize,
}

impl Report {
    /// Says what a check has found. `None`: it has failed.
    fn say<R>(&mut self, name: &str, found: Result<(String, R), Failure>) -> Option<R> {
        match found {
            Ok((text, result)) => {
                say("ok", name, &text);
                Some(result)
            }
            Err(Failure { what, fix }) => {
                self.failed += 1;
                say("FAIL", name, &what);
                for (index, line) in fix.lines().enumerate() {
                    say("", if index == 0 { "  to mend it:" } else { "" }, line);
                }
                None
            }
        }
    }
}

/// A line of three columns, broken between words where it is long.
fn say(verdict: &str, name: &str, text: &str) {
    let mut line = format!("{verdict:<5} {name:<14} ");
    let indent = line.len();
    let mut is_empty = true;
    for word in text.split(' ') {
        // A line of a configuration is whole.
        if !is_empty && !text.contains(" = ") && line.chars().count() + 1 + word.chars().count() > WIDTH {
            print(&line);
            line = " ".repeat(indent);
        } else if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    print(&line);
}

/// Writes a line, if anybody reads it.
pub(super) fn print(line: &str) {
    let _ = crate::write(&format!("{}\n", line.trim_end()));
}

fn examine(patient: &Patient, stats_file: &Path, report: &mut Report) -> Option<()> {
    if let Some(path) = &patient.provider {
        report.say("file", file(path))?;
    }
    let libcrypto = report.say("library", library(patient))?;
    let (libcrypto, number) = libcrypto;
    let passed_over = report.say("configuration", configuration(&libcrypto, patient));
    let name = report.say("loaded", loaded(&libcrypto, patient, passed_over))?;
    report.say("wins the fetch", wins(&libcrypto, &name));
    let counters = Counters(stats_file);
    report.say("random numbers", random(&libcrypto, number, &counters));
    report.say("TLS groups", groups(&libcrypto));
    report.say("pauses", pauses(&libcrypto, &name, &counters));
    Some(())
}

fn file(path: &Path) -> Result<(String, ()), Failure> {
    libcrypto::loads(path.as_os_str())?;
    Ok((path.display().to_string(), ()))
}

fn library(patient: &Patient) -> Result<(String, (Libcrypto, u64)), Failure> {
    let path = |path: &'_ Option<PathBuf>| path.clone().map(PathBuf::into_os_string);
    let (crypto, ssl) = (path(&patient.libcrypto), path(&patient.libssl));
    let libcrypto = Libcrypto::open(crypto.as_deref(), ssl.as_deref())?;
    let (version, number) = libcrypto.version()?;
    Ok((version, (libcrypto, number)))
}

/// Also the errors that libcrypto passes over.
fn configuration(libcrypto: &Libcrypto, patient: &Patient) -> Result<(String, Option<String>), Failure> {
    let path = libcrypto.configuration()?;
    let (from, is_there) = match libcrypto::variable() {
        Some(_) => ("OPENSSL_CONF", Path::new(&path).is_file()),
        None => ("the default, for OPENSSL_CONF is not set", Path::new(&path).is_file()),
    };
    if !is_there {
        let fix = format!("set OPENSSL_CONF to a file with\n{}", sample(patient));
        return Err(Failure::new(format!("{path} ({from}) is not there"), fix));
    }
    let passed_over = libcrypto.load_configuration().map_err(|Failure { what, .. }| {
        let fix = if what.contains(RECURSIVE) {
            "call no section [default]: that is also what the lines above all sections belong to"
        } else {
            "mend what it says; applications ignore it in silence, unless the file begins with\n\
             config_diagnostics = 1"
        };
        Failure::new(format!("{path} ({from}): {what}"), fix)
    })?;
    Ok((format!("{path} ({from})"), passed_over))
}

/// `passed_over`: the configuration was read, and perhaps errors with it.
fn loaded(
    libcrypto: &Libcrypto,
    patient: &Patient,
    passed_over: Option<Option<String>>,
) -> Result<(String, String), Failure> {
    if let Some(name) = own(libcrypto)? {
        return Ok((format!("as {name}"), name));
    }
    let others = libcrypto.providers()?.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    let others = if others.is_empty() { "none".to_owned() } else { others };
    let what = match passed_over {
        None => "nothing loads it".to_owned(),
        Some(None) => match named(libcrypto)? {
            Some(section) => return Err(not_loaded(libcrypto, &section)?),
            None => format!("the configuration does not load it; providers: {others}"),
        },
        Some(Some(said)) => {
            let fix = "mend what it says; programs pass over it in silence";
            return Err(Failure::new(said, fix));
        }
    };
    let fix = format!("let OPENSSL_CONF name a file with\n{}", sample(patient));
    // That it can be loaded by hand is part of the finding.
    let Some(path) = &patient.provider else { return Err(Failure::new(what, fix)) };
    let (folder, stem) = parts(path);
    libcrypto.load(folder, stem).map_err(|Failure { what, .. }| {
        Failure::new(format!("it cannot be loaded: {what}"), "mend what it says")
    })?;
    Err(Failure::new(format!("{what} (by hand it loads)"), fix))
}

/// A folder, and the name that libcrypto makes a file of.
fn parts(path: &Path) -> (&OsStr, &OsStr) {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.map_or_else(|| OsStr::new("."), Path::as_os_str);
    (folder, path.file_stem().unwrap_or_default())
}

fn is_ours(module: &Path) -> bool {
    module.file_stem().is_some_and(|name| name.to_string_lossy().contains(OWN_NAME))
}

/// The section that means the provider: by the name of its file or, where that is misspelt, by the file that
/// is missing.
fn named(libcrypto: &Libcrypto) -> Result<Option<Section>, Failure> {
    let ours = libcrypto.section_of(is_ours)?;
    let is_missing = |module: &Path| module.is_absolute() && !module.exists();
    ours.map_or_else(|| libcrypto.section_of(is_missing), |section| Ok(Some(section)))
}

/// Why a provider that the configuration names is not there. libcrypto goes on without one that cannot be
/// loaded, and forgets the reason. Loaded by hand, with the keys of its section, it says it.
fn not_loaded(libcrypto: &Libcrypto, section: &Section) -> Result<Failure, Failure> {
    let value = |name: &str| section.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if value("activate").is_none() {
        let what = "the configuration names it, and does not activate it";
        return Ok(Failure::new(what, "add to its section\nactivate = 1"));
    }
    // A value that is no text has reached us with a mark in the place of what it is not.
    let is_no_text = |(_, value): &&(String, String)| value.contains(char::REPLACEMENT_CHARACTER);
    if let Some((key, _)) = section.iter().find(is_no_text) {
        return Ok(Failure::new(format!("{key}: must be UTF-8"), "write it in UTF-8"));
    }
    let of_libcrypto = ["module", "activate", "identity", "soft_load", "config"];
    let keys = section.iter().filter(|(key, _)| !of_libcrypto.contains(&key.as_str()));
    let lines = keys.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";");
    let config = over(&lines, value("config").unwrap_or_default());
    libcrypto::set_variable(CONFIG, &with_variable(|variable| over(&config, variable)));
    let (folder, stem) = parts(Path::new(value("module").unwrap_or_default()));
    let said = libcrypto.load(folder, stem).err();
    let what =
        said.map_or_else(|| "the configuration names it, and it is not loaded".to_owned(), |said| said.what);
    Ok(Failure::new(what, "mend what it says; programs pass over it in silence"))
}

/// The configured name of the provider, if it is there.
fn own(libcrypto: &Libcrypto) -> Result<Option<String>, Failure> {
    let all = libcrypto.providers()?;
    Ok(all.into_iter().find(|(_, own)| own.starts_with(OWN_NAME)).map(|(name, _)| name))
}

fn wins(libcrypto: &Libcrypto, name: &str) -> Result<(String, ()), Failure> {
    let (mut ours, mut others) = (0, Vec::new());
    // Keys have a row for each operation, of which some come together.
    for algorithm in ROWS.iter().filter(|row| **row != "other") {
        // What it does not offer is not expected.
        if libcrypto.provider_of(algorithm, Some(PROPERTY))?.is_none() {
            continue;
        }
        match libcrypto.provider_of(algorithm, None)? {
            Some(provider) if provider == name => ours += 1,
            Some(provider) => others.push(format!("{algorithm} from {provider}")),
            None => others.push(format!("{algorithm} from nobody")),
        }
    }
    if ours == 0 && others.is_empty() {
        return Err(Failure::new("it offers nothing", "was it built from this source?"));
    }
    if others.is_empty() {
        return Ok((format!("all of its {ours} algorithms and operations"), ()));
    }
    let shown = others.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
    let what = format!("{} of {} algorithms do not come from it: {shown}", others.len(), ours + others.len());
    let fix = "the order of providers is no preference; say in openssl.cnf\n\
               alg_section = algorithms          (at the place that openssl_conf names)\n\
               [algorithms]\n\
               default_properties = ?simaccel.hw=yes";
    Err(Failure::new(what, fix))
}

/// The counters of this process.
struct Counters<'p>(&'p Path);

impl Counters<'_> {
    fn read(&self) -> Result<Summary, Failure> {
        let mut path = self.0.as_os_str().to_owned();
        path.push(format!(".{}", std::process::id()));
        let snapshot = Snapshot::read(Path::new(&path));
        let fix = "is the provider that of another release?";
        snapshot
            .map(|snapshot| Summary::of(&[snapshot]))
            .map_err(|error| Failure::new(error.to_string(), fix))
    }
}

fn random(libcrypto: &Libcrypto, number: u64, counters: &Counters<'_>) -> Result<(String, ()), Failure> {
    let operations = || counters.read().map(|summary| summary.field(Field::Operations));
    let before = operations()?;
    libcrypto.random()?;
    let used = operations()?.saturating_sub(before);
    if used == 0 {
        let by_itself = if number >= PINS_ITSELF { ", by itself" } else { "" };
        return Ok((format!("do not use the device{by_itself}"), ()));
    }
    let what =
        format!("the generator uses the device ({used} operations), inside of whatever needs random bytes");
    let fix = "say in openssl.cnf\n\
               random = random                   (at the place that openssl_conf names)\n\
               [random]\n\
               random = CTR-DRBG\n\
               properties = provider=default";
    Err(Failure::new(what, fix))
}

fn groups(libcrypto: &Libcrypto) -> Result<(String, ()), Failure> {
    let name =
        |groups: &[&CStr]| groups.iter().map(|group| group.to_string_lossy()).collect::<Vec<_>>().join(", ");
    match libcrypto.missing_groups(&GROUPS)? {
        None => Ok(("not looked at: there is no libssl (--libssl PATH)".to_owned(), ())),
        Some(missing) if missing.is_empty() => Ok((name(&GROUPS), ())),
        Some(missing) => {
            let fix = "load the default provider, too: activate = 1 in its section";
            Err(Failure::new(format!("missing: {}", name(&missing)), fix))
        }
    }
}

/// The first of the trials that the provider offers, or the usual one.
fn trial(libcrypto: &Libcrypto, name: &str) -> Result<Option<(&'static str, &'static CStr)>, Failure> {
    let mut offers_any = false;
    for (row, what) in TRIALS {
        if libcrypto.provider_of(row, Some(PROPERTY))?.is_none() {
            continue;
        }
        offers_any = true;
        if libcrypto.provider_of(row, None)?.is_some_and(|provider| provider == name) {
            return Ok(Some((row, what)));
        }
    }
    // What is offered and not fetched shows why nothing pauses.
    Ok(offers_any.then_some(TRIALS[0]))
}

fn pauses(libcrypto: &Libcrypto, name: &str, counters: &Counters<'_>) -> Result<(String, ()), Failure> {
    let Some((row, what)) = trial(libcrypto, name)? else {
        let rows = TRIALS.map(|(row, _)| row).join(", ");
        return Ok((format!("not looked at: algorithms= offers none of {rows}"), ()));
    };
    let signs = row.ends_with("/sign");
    let task = if signs { Task::signs } else { Task::encrypts }(libcrypto, what, MESSAGE)?;
    let before = counters.read()?;
    let ran = libcrypto.run_in_job(&task)?;
    let after = counters.read()?;
    let more = |field| after.field(field).saturating_sub(before.field(field));
    if !ran.has_worked {
        return Err(Failure::new(
            "the operation has failed in its job",
            "does a fault of the device strike? fault=none",
        ));
    }
    if more(Field::Pauses) > 0 && ran.pauses > 0 {
        let of = if signs { format!("a signature ({row})") } else { "an encryption".to_owned() };
        return Ok((format!("a job has paused {} times for {of}, with {} wait fd", ran.pauses, ran.fds), ()));
    }
    let reason = REASONS.iter().find(|(field, _)| more(*field) > 0);
    let fix = match reason {
        None => "the operation was not the device's: see the lines above",
        Some((Field::TooSmall, _)) => "async_min_bytes is larger than 4096: make it smaller",
        Some((Field::NeverPause, _)) => return Err(never_pauses(row)),
        Some((Field::NoAsync, _)) => {
            "libcrypto is linked statically: link the program with -rdynamic, or to the shared one"
        }
        Some((Field::NoJob, _)) => "the provider has not found the job: which libcrypto has loaded it?",
        Some((Field::Elsewhere, _)) => "the device does not have the key: the default provider did it",
        Some(_) => {
            "no wait fd could be made (ulimit -n?), or the device has refused: simaccel-stat shows its faults"
        }
    };
    let reason = reason.map_or("it did not get there", |(_, name)| name);
    Err(Failure::new(format!("the operation did not pause: {reason}"), fix))
}

fn never_pauses(row: &str) -> Failure {
    Failure::new(
        "the operation did not pause: never_pause",
        format!("never_pause names {row}, or a word for it: take it out"),
    )
}

/// A configuration that works.
fn sample(patient: &Patient) -> String {
    let module = patient.provider.as_ref().and_then(|path| path.canonicalize().ok());
    let module = module
        .map_or_else(|| "/path/of/libsimaccel_provider.so".to_owned(), |path| path.display().to_string());
    format!(
        "openssl_conf = init\n[init]\nproviders = providers\nalg_section = algorithms\nrandom = random\n\
         [providers]\nsimaccel = simaccel_section\ndefault = default_section\n\
         [default_section]\nactivate = 1\n\
         [simaccel_section]\nmodule = {module}\nactivate = 1\n[algorithms]\ndefault_properties = ?simaccel.hw=yes\n\
         [random]\nrandom = CTR-DRBG\nproperties = provider=default"
    )
}
