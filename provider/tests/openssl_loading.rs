//! Every way in which the openssl command loads the provider, and what it says where the configuration is
//! wrong.

mod programs;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use self::programs::configuration::Configuration;
use self::programs::counters::Counters;
use self::programs::{command, provider, run, scratch, succeeds};

/// One digest of an empty input, which is one operation or more.
const DIGEST: [&str; 4] = ["dgst", "-sha256", "-r", "/dev/null"];
/// The name by which the file is found without its path.
const NAME: &str = "libsimaccel_provider";

/// The same, with options that load the provider. In this command the first provider does not win.
const OPTIONS: [&str; 9] = [
    "-provider",
    NAME,
    "-provider",
    "default",
    "-propquery",
    "?simaccel.hw=yes",
    "-sha256",
    "-r",
    "/dev/null",
];

/// Runs a command that has to use the provider, whose counters lie where `configuration` says.
#[track_caller]
fn assert_uses_it(configuration: &Configuration, command: &mut Command) {
    let answer = run(command).succeeded();
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(answer.stdout().starts_with(digest), "{}", answer.stdout());
    Counters::of(configuration, answer.pid).assert_none_paused();
}

#[test]
fn a_configuration_with_the_path_of_the_file() {
    let configuration = Configuration::new("path");
    assert_uses_it(&configuration, &mut configuration.openssl(&DIGEST));
}

#[test]
fn a_configuration_with_the_name_of_the_file() {
    let configuration = Configuration::new("name");
    let text = configuration.text();
    let module = format!("module = {}\n", provider().display());
    assert!(text.contains(&module));
    let text = text.replace(&module, "").replace("\nsimaccel = ", &format!("\n{NAME} = "));
    let file = configuration.folder.join("by-name.cnf");
    fs::write(&file, text).unwrap();
    let mut openssl = command("openssl");
    openssl.env("OPENSSL_CONF", file).env("OPENSSL_MODULES", provider().parent().unwrap()).args(DIGEST);
    assert_uses_it(&configuration, &mut openssl);
}

#[test]
fn a_configuration_that_another_includes() {
    let configuration = Configuration::new("include");
    let included = configuration.write();
    let file = configuration.folder.join("including.cnf");
    fs::write(&file, format!(".include {}\n", included.display())).unwrap();
    assert_uses_it(&configuration, command("openssl").env("OPENSSL_CONF", file).args(DIGEST));
}

#[test]
fn a_configuration_that_reaches_it_through_a_link() {
    let configuration = Configuration::new("link");
    let link = configuration.folder.join("another-name.so");
    symlink(provider(), &link).unwrap();
    let text = configuration.text().replace(provider().to_str().unwrap(), link.to_str().unwrap());
    let file = configuration.folder.join("linked.cnf");
    fs::write(&file, text).unwrap();
    assert_uses_it(&configuration, command("openssl").env("OPENSSL_CONF", file).args(DIGEST));
}

/// `-provider-path DIR -provider NAME`, with its keys in the environment.
#[test]
fn options_of_the_command() {
    let configuration = Configuration::new("options");
    let mut openssl = command("openssl");
    openssl.env("SIMACCEL_CONFIG", configuration.as_environment()).args(["dgst", "-provider-path"]);
    openssl.arg(provider().parent().unwrap());
    openssl.args(OPTIONS);
    assert_uses_it(&configuration, &mut openssl);
}

#[test]
fn an_option_of_the_command_and_the_folder_of_modules() {
    let configuration = Configuration::new("modules");
    let mut openssl = command("openssl");
    openssl.env("SIMACCEL_CONFIG", configuration.as_environment());
    openssl.env("OPENSSL_MODULES", provider().parent().unwrap());
    openssl.arg("dgst").args(OPTIONS);
    assert_uses_it(&configuration, &mut openssl);
}

#[test]
fn the_command_lists_it() {
    let configuration = Configuration::new("list");
    let listed = run(&mut configuration.openssl(&["list", "-providers"])).succeeded();
    assert!(listed.stdout().contains("status: active"), "{}", listed.stdout());
    assert!(listed.stdout().contains(env!("CARGO_PKG_VERSION")), "{}", listed.stdout());
    assert_eq!(listed.stderr(), "");
    let algorithms = succeeds(&mut configuration.openssl(&["list", "-cipher-algorithms"]));
    let algorithms = String::from_utf8(algorithms).unwrap();
    assert!(algorithms.contains("AES-256-CBC, AES256 } @ simaccel"), "{algorithms}");
}

/// What `algorithms` leaves out comes from the default provider.
#[test]
fn a_configuration_chooses_what_the_provider_offers() {
    let listed = |configuration: &Configuration, what| {
        String::from_utf8(succeeds(&mut configuration.openssl(&["list", what]))).unwrap()
    };
    let some = Configuration::new("some").key("algorithms", "aes256,SHA2-512");
    let ciphers = listed(&some, "-cipher-algorithms");
    assert_eq!(ciphers.matches("@ simaccel").count(), 1, "{ciphers}");
    assert!(ciphers.contains("AES-256-CBC, AES256 } @ simaccel"), "{ciphers}");
    let digests = listed(&some, "-digest-algorithms");
    assert_eq!(digests.matches("@ simaccel").count(), 1, "{digests}");
    run(&mut some.openssl(&DIGEST)).succeeded();
    let keys = Configuration::new("keys").key("algorithms", "private-keys");
    assert!(!listed(&keys, "-cipher-algorithms").contains("@ simaccel"));
    let wrong = Configuration::new("wrong").key("algorithms", "private-keys,AES-256-OCB");
    assert_names(&run(&mut loading(&wrong)), "algorithms", "AES-256-OCB");
}

/// Both environment and file name a key: the environment wins.
#[test]
fn the_environment_wins_over_the_file() {
    let configuration = Configuration::new("wins").key("depth", "65");
    let mut openssl = loading(&configuration);
    assert_names(&run(&mut openssl), "depth", "65");
    openssl.env("SIMACCEL_CONFIG", "depth=64");
    assert_uses_it(&configuration, &mut openssl);
}

/// A command that loads the providers which a file declares and does not activate. libcrypto goes on without
/// a provider that a file activates and that cannot be loaded, whatever the file says about diagnostics; an
/// option of the command fails.
fn loading(configuration: &Configuration) -> Command {
    let file = configuration.folder.join("inactive.cnf");
    fs::write(&file, configuration.text().replace("\nactivate = 1\n", "\n")).unwrap();
    let mut openssl = command("openssl");
    openssl.env("OPENSSL_CONF", file).args(["dgst", "-provider", "simaccel", "-provider", "default"]);
    openssl.args(&OPTIONS[4..]);
    openssl
}

#[test]
fn a_provider_that_a_file_activates_in_vain_is_not_there() {
    let configuration = Configuration::new("in-vain").key("depth", "65");
    let listed = run(&mut configuration.openssl(&["list", "-providers"])).succeeded();
    assert!(
        listed.stdout().contains("default") && !listed.stdout().contains("simaccel"),
        "{}",
        listed.stdout()
    );
}

/// Keys and values that the load has to fail with. Each is named on the error queue.
const WRONG: [(&str, &str); 9] = [
    ("async_min_bytes", "many"),
    ("async_min_bytes", "-1"),
    ("never_pause", "AES-512-CBC"),
    ("depth", "65"),
    ("completion_nsec", "1e99"),
    ("fault", "melt:every=3"),
    ("strict", "perhaps"),
    ("clock", "sundial"),
    ("stats_file", "here"),
];

#[test]
fn what_is_wrong_in_the_file_is_on_the_error_queue() {
    for (key, value) in WRONG {
        let configuration = Configuration::new("wrong").key(key, value);
        assert_names(&run(&mut loading(&configuration)), key, value);
    }
}

#[test]
fn what_is_wrong_in_the_environment_is_on_the_error_queue() {
    for (key, value) in WRONG {
        let mut openssl = loading(&Configuration::new("wrong"));
        assert_names(&run(openssl.env("SIMACCEL_CONFIG", format!("{key}={value}"))), key, value);
    }
}

/// libcrypto tells a provider no keys that it does not ask for, so only texts can have one that nobody knows.
#[test]
fn a_key_that_nobody_knows_is_on_the_error_queue() {
    let mut openssl = loading(&Configuration::new("unknown"));
    assert_names(&run(openssl.env("SIMACCEL_CONFIG", "async_min_bites=1")), "async_min_bites", "");
    let configuration = Configuration::new("unknown").key("config", "depth=64; async_min_bites=1");
    assert_names(&run(&mut loading(&configuration)), "async_min_bites", "");
}

/// The command has failed with a line that names the key and the value.
#[track_caller]
fn assert_names(answer: &programs::Answer, key: &str, value: &str) {
    assert_eq!(answer.output.status.code(), Some(1), "{key}={value}: {}", answer.stderr());
    let lines: Vec<_> = answer.stderr().lines().map(str::to_owned).collect();
    let names = |line: &String| line.contains(key) && line.contains(value);
    assert!(lines.iter().any(names), "{key}={value}: {lines:#?}");
}

/// A place where no file can be made is as wrong as a bad value.
#[test]
fn a_file_of_counters_that_cannot_be_made_fails_the_load() {
    let folder = scratch("no-file");
    let nowhere = folder.join("no-such-folder/counters").display().to_string();
    let mut openssl = loading(&Configuration::new("no-file"));
    let answer = run(openssl.env("SIMACCEL_CONFIG", format!("stats_file={nowhere}")));
    assert_names(&answer, "stats_file", &nowhere);
}

/// The environment of a set-user-id program does not configure its provider.
#[test]
#[ignore = "needs root"]
fn a_set_user_id_program_ignores_the_environment() {
    let configuration = Configuration::new("set-user-id");
    // The other user has to reach the files, and to write counters if it wrongly did.
    let folder = tempdir_for_all();
    let file = folder.join("openssl");
    let from = succeeds(command("sh").args(["-c", "command -v openssl"]));
    fs::copy(String::from_utf8(from).unwrap().trim(), &file).unwrap();
    fs::copy(provider(), folder.join(format!("{NAME}.so"))).unwrap();
    let nobody = 65_534;
    chown(&file, Some(nobody), Some(nobody)).expect("root gives a file away");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).unwrap();
    drop(configuration);

    let with = |program: &std::path::Path, config: String| {
        let mut openssl = command(program);
        openssl.env("SIMACCEL_CONFIG", config).args(["dgst", "-provider-path"]).arg(&folder);
        run(openssl.args(OPTIONS))
    };
    let plain = folder.join("plain-openssl");
    fs::copy(&file, &plain).unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!with(&plain, "no_such_key=1".to_owned()).output.status.success(), "read where it is allowed");
    with(&file, "no_such_key=1".to_owned()).succeeded();
    let counters = folder.join("counters");
    let answer = with(&file, format!("stats_file={}", counters.display())).succeeded();
    assert!(!folder.join(format!("counters.{}", answer.pid)).exists());
    fs::remove_dir_all(folder).unwrap();
}

/// A folder that every user may read and write, outside of the build's, which a home folder may hide.
fn tempdir_for_all() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("simaccel-set-user-id-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    folder
}
