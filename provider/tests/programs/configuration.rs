//! An `openssl.cnf` as the documentation recommends it, with the keys of a test.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::certificates::Kind;
use super::{command, provider, scratch};

/// The variable by which `.ci/run` has all programs run on the jobs of our own C library.
pub(super) const PRELOADED: &str = "SIMACCEL_TEST_PRELOAD";

/// A folder with a configuration file and, later, the counters of the processes that have loaded it.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) folder: PathBuf,
    /// Keys of the provider's section.
    keys: Vec<(String, String)>,
    /// What servers have certificates of.
    pub(crate) certificate: Kind,
    default_properties: &'static str,
    pinned_random: bool,
}

impl Configuration {
    /// What the documentation recommends, with counters.
    pub(crate) fn new(name: &str) -> Self {
        let folder = scratch(name);
        let counters = folder.join("counters").display().to_string();
        let new = Self {
            folder,
            keys: Vec::new(),
            certificate: Kind::Rsa,
            default_properties: "?simaccel.hw=yes",
            pinned_random: true,
        };
        new.key("stats_file", &counters)
    }

    /// With a key of the provider's section.
    pub(crate) fn key(mut self, key: &str, value: &str) -> Self {
        self.keys.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With servers that have a certificate of this kind; without it they have one of RSA.
    pub(crate) fn certificate(mut self, kind: Kind) -> Self {
        self.certificate = kind;
        self
    }

    /// With another preference than the recommended one.
    pub(crate) fn preferring(mut self, default_properties: &'static str) -> Self {
        self.default_properties = default_properties;
        self
    }

    /// Without the section that keeps random numbers in the default provider.
    pub(crate) fn without_pinned_random(mut self) -> Self {
        self.pinned_random = false;
        self
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> String {
        let mut text =
            String::from("config_diagnostics = 1\nopenssl_conf = openssl_init\n\n[openssl_init]\n");
        text += "providers = provider_sect\n";
        if !self.default_properties.is_empty() {
            text += "alg_section = algorithm_sect\n";
        }
        if self.pinned_random {
            text += "random = random_sect\n";
        }
        text += "\n[provider_sect]\nsimaccel = simaccel_sect\ndefault = default_sect\n";
        text += "\n[default_sect]\nactivate = 1\n";
        write!(text, "\n[simaccel_sect]\nmodule = {}\nactivate = 1\n", provider().display()).unwrap();
        for (key, value) in &self.keys {
            // A semicolon would separate nothing here, but quotes cost nothing either.
            writeln!(text, "{key} = \"{value}\"").unwrap();
        }
        if !self.default_properties.is_empty() {
            write!(text, "\n[algorithm_sect]\ndefault_properties = {}\n", self.default_properties).unwrap();
        }
        if self.pinned_random {
            text += "\n[random_sect]\nrandom = CTR-DRBG\nproperties = provider=default\n";
        }
        text
    }

    /// The keys as `SIMACCEL_CONFIG` has them.
    pub(crate) fn as_environment(&self) -> String {
        let keys: Vec<_> = self.keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
        keys.join(";")
    }

    /// Writes the file. Returns its path.
    pub(crate) fn write(&self) -> PathBuf {
        let file = self.folder.join("openssl.cnf");
        fs::write(&file, self.text()).unwrap();
        file
    }

    /// A program that loads the provider through this configuration, on the jobs that the environment names.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = command(program);
        command.env("OPENSSL_CONF", self.write());
        preload(&mut command);
        command
    }

    /// The openssl command of the system with this configuration.
    pub(crate) fn openssl(&self, arguments: &[&str]) -> Command {
        let mut command = self.program("openssl");
        command.args(arguments);
        command
    }

    /// The file with the counters of a process.
    pub(crate) fn counters_file(&self, pid: u32) -> PathBuf {
        self.folder.join(format!("counters.{pid}"))
    }

    /// The files with counters that processes have left so far.
    pub(crate) fn counters_files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> = files.filter(|file| is_counters(file)).collect();
        files.sort();
        files
    }
}

/// Where the environment names a library with other jobs than libcrypto's, the program runs on these.
pub(crate) fn preload(command: &mut Command) {
    if let Some(library) = env::var_os(PRELOADED) {
        // The dynamic linker would only warn.
        assert!(Path::new(&library).is_file(), "{PRELOADED} names no file: {}", library.display());
        command.env("LD_PRELOAD", library);
    }
}

fn is_counters(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("counters."))
}
