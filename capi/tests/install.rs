//! `simaccel-install` installs everything: a program finds it through pkg-config, shared and static, and the
//! README's program is built with the README's command. A failed installation leaves no trace.

mod c_programs;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use self::c_programs::{Language, package, run, scratch, succeeds};

fn installer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_simaccel-install"))
}

/// A folder that is removed at the end of its test, because libraries of debug builds are large.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(scratch(name))
    }

    /// Installs below it.
    fn install(&self, options: &[&str]) -> String {
        succeeds(installer().arg("--prefix").arg(&self.0).args(options))
    }

    fn lib(&self, name: &str) -> PathBuf {
        self.0.join("lib").join(name)
    }

    /// All files and links with their sizes and times of change, and all folders.
    fn contents(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                let what = match metadata.is_dir() {
                    true => "folder".to_owned(),
                    false => format!("{} {:?}", metadata.len(), metadata.modified().unwrap()),
                };
                if metadata.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path, what);
            }
        }
        found
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pkg_config(prefix: &Path, question: &[&str]) -> Vec<String> {
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(question).arg("simaccel_async");
    succeeds(&mut pkg_config).split_whitespace().map(str::to_owned).collect()
}

fn readelf(option: &str, file: &Path) -> String {
    succeeds(Command::new("readelf").args(["--wide", option]).arg(file))
}

#[test]
fn programs_build_and_run_with_what_is_installed() {
    let folder = Folder::new("prefix");
    let prefix = &folder.0;
    let listed = folder.install(&[]);
    for path in listed.lines() {
        assert!(Path::new(path).starts_with(prefix) && Path::new(path).exists(), "{path}");
    }
    let files = folder.contents().into_values().filter(|what| what != "folder").count();
    assert_eq!((listed.lines().count(), files), (12, 12), "{listed}");
    assert_eq!(pkg_config(prefix, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let example = package().join("examples/event_loop.c");
    for language in [Language::C11, Language::Cxx17] {
        let (compiler, dialect) = match language {
            Language::C11 => ("cc", &["-std=c11"][..]),
            Language::Cxx17 => ("c++", &["-std=c++17", "-x", "c++"][..]),
        };
        let warnings = ["-Wall", "-Wextra", "-Werror", "-pedantic"];
        let shared = prefix.join("shared");
        succeeds(
            Command::new(compiler)
                .args(dialect)
                .args(warnings)
                .arg(&example)
                .args(["-x", "none"])
                .args(pkg_config(prefix, &["--cflags", "--libs"]))
                .arg("-o")
                .arg(&shared),
        );
        let printed = succeeds(Command::new(&shared).env("LD_LIBRARY_PATH", prefix.join("lib")));
        check_statistics(&printed);

        let fixed = prefix.join("static");
        let libraries = pkg_config(prefix, &["--static", "--libs"]);
        let libraries = libraries.iter().map(|flag| match flag.as_str() {
            "-lsimaccel_async" => "-l:libsimaccel_async.a",
            other => other,
        });
        succeeds(
            Command::new(compiler)
                .args(dialect)
                .args(warnings)
                .arg(&example)
                .args(["-x", "none"])
                .args(pkg_config(prefix, &["--cflags"]))
                .args(libraries)
                .arg("-o")
                .arg(&fixed),
        );
        check_statistics(&succeeds(&mut Command::new(&fixed)));
    }
}

fn check_statistics(json: &str) {
    let stats: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(stats["engine"]["operations"], 200);
    assert_eq!(stats["device"]["total"]["completed"], 200);
    assert!(stats["engine"]["pauses"].as_u64().unwrap() >= 200);
    assert_eq!(stats["device"]["queue_pairs"].as_array().unwrap().len(), 4);
}

#[test]
fn packages_go_below_another_root() {
    let root = Folder::new("root");
    succeeds(installer().args(["--prefix", "/opt/simaccel", "--destdir"]).arg(&root.0));
    let installed = root.0.join("opt/simaccel");
    let text = fs::read_to_string(installed.join("lib/pkgconfig/simaccel_async.pc")).unwrap();
    assert!(text.starts_with("prefix=/opt/simaccel\n") && text.contains("Libs.private: -lgcc_s"));
    assert!(installed.join("include/simaccel/engine.h").exists());
    assert!(installed.join("include/simaccel/keys.h").exists());
}

const SONAME: &str = concat!("libsimaccel_async.so.", env!("CARGO_PKG_VERSION_MAJOR"));
const VERSIONED: &str = concat!("libsimaccel_async.so.", env!("CARGO_PKG_VERSION"));

/// The linker uses the first name, a program the second, when it starts.
#[test]
fn a_version_is_in_the_librarys_name_and_in_its_soname() {
    let prefix = Folder::new("soname");
    prefix.install(&[]);
    let links = ["libsimaccel_async.so", SONAME].map(|name| fs::read_link(prefix.lib(name)).unwrap());
    assert_eq!(links, [Path::new(SONAME), Path::new(VERSIONED)]);
    assert!(prefix.lib(VERSIONED).symlink_metadata().unwrap().is_file());
    assert!(readelf("--dynamic", &prefix.lib(VERSIONED)).contains(&format!("soname: [{SONAME}]")));

    let program = prefix.0.join("program");
    let mut compiler = Command::new("cc");
    compiler.arg(package().join("examples/event_loop.c")).arg("-o").arg(&program);
    succeeds(compiler.args(pkg_config(&prefix.0, &["--cflags", "--libs"])));
    // A package with only the library has no name for the linker.
    fs::remove_file(prefix.lib("libsimaccel_async.so")).unwrap();
    check_statistics(&succeeds(Command::new(&program).env("LD_LIBRARY_PATH", prefix.0.join("lib"))));

    let before = prefix.contents();
    succeeds(Command::new("/sbin/ldconfig").arg("-n").arg(prefix.0.join("lib")));
    assert_eq!(prefix.contents(), before, "ldconfig agrees about the links");
}

#[test]
fn debug_information_is_left_out_or_put_aside_or_kept() {
    let prefix = Folder::new("debug");
    let sections = || {
        let library = readelf("--sections", &prefix.lib(VERSIONED));
        ([".debug_info", ".symtab"].map(|name| library.contains(name)), library.contains(".gnu_debuglink"))
    };
    prefix.install(&["--debug-info", "keep"]);
    assert_eq!(sections(), ([true, true], false));
    let kept = fs::metadata(prefix.lib("libsimaccel_async.a")).unwrap().len();

    prefix.install(&["--debug-info=separate"]);
    assert_eq!(sections(), ([false, true], true));
    let aside = prefix.lib(".debug").join(format!("{VERSIONED}.debug"));
    assert!(readelf("--sections", &aside).contains(".debug_info"));
    let note = readelf("--debug-dump=links", &prefix.lib(VERSIONED));
    assert!(note.contains(&format!("Separate debug info file: {VERSIONED}.debug")), "{note}");

    prefix.install(&[]);
    assert_eq!(sections(), ([false, true], false));
    assert!(fs::metadata(prefix.lib("libsimaccel_async.a")).unwrap().len() < kept);
    assert!(!readelf("--sections", &prefix.lib("libsimaccel_async.a")).contains(".debug_info"));
    assert!(!prefix.contents().keys().any(|path| path.extension() == Some(OsStr::new("tmp"))));
}

/// The shell splits the flags of pkg-config once more, as makefiles do.
#[test]
fn a_prefix_may_hold_blanks_and_a_hash() {
    let folder = Folder::new("odd");
    let prefix = folder.0.join("a  b #1 'c' ä");
    succeeds(installer().arg("--prefix").arg(&prefix));
    let ask = |question: &str| {
        let mut pkg_config = Command::new("pkg-config");
        pkg_config.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
        succeeds(pkg_config.args([question, "simaccel_async"])).trim_end().to_owned()
    };
    assert_eq!(ask("--variable=prefix"), prefix.to_str().unwrap());
    let program = folder.0.join("program");
    let script = r#"eval "cc '$1' $(pkg-config --cflags --libs simaccel_async) -o '$2'""#;
    let mut shell = Command::new("sh");
    shell.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(["-c", script, "sh"]);
    succeeds(shell.arg(package().join("examples/event_loop.c")).arg(&program));
    check_statistics(&succeeds(Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib"))));
}

/// The installer's message about a failure, in one line.
#[track_caller]
fn error_line(output: &Output, code: i32) -> String {
    let error_line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), error_line.lines().count()), (Some(code), 1), "{error_line}");
    assert!(error_line.starts_with("simaccel-install: ") && output.stdout.is_empty(), "{error_line}");
    error_line
}

#[test]
fn wrong_arguments_are_2_and_named_in_one_line() {
    let folder = Folder::new("wrong");
    let in_folder = |name: &[u8]| folder.0.join(OsStr::from_bytes(name)).into_os_string();
    let os = |args: &[&str]| args.iter().map(|arg| (*arg).into()).collect::<Vec<_>>();
    let cases = [
        (os(&[]), "--prefix: required"),
        (os(&["--prefix"]), "--prefix: a value is missing"),
        (os(&["--prefix", ""]), "--prefix: a value is missing"),
        (os(&["--prefix="]), "--prefix: a value is missing"),
        (os(&["--nonsense", "x"]), "--nonsense: no such option; --help lists them"),
        (os(&["/usr"]), "/usr: no such option"),
        (os(&["--prefix", "x", "--prefix=y"]), "--prefix: given twice"),
        (os(&["--prefix", "x", "--debug-info", "all"]), "allowed are strip, separate, keep"),
        (vec!["--prefix".into(), in_folder(b"a$b")], "cannot hold a path with"),
        (vec!["--prefix".into(), in_folder(b"a\"b")], "cannot hold a path with"),
        (vec!["--prefix".into(), in_folder(b"a\\b")], "cannot hold a path with"),
        (vec!["--prefix".into(), in_folder(b"a`b")], "cannot hold a path with"),
        (vec!["--prefix".into(), in_folder(b"two\nlines")], "cannot hold a path with"),
        (vec!["--prefix".into(), in_folder(b"a ")], "ends with a blank"),
        (vec!["--prefix".into(), in_folder(b"a\xff")], "UTF-8"),
    ];
    for (args, named) in cases {
        let error_line = error_line(&run(installer().args(&args).current_dir(&folder.0)), 2);
        assert!(error_line.contains(named), "{args:?}: {error_line}");
        assert_eq!(folder.contents(), BTreeMap::new(), "{args:?}");
    }
}

#[test]
fn help_and_version_are_answers_not_errors() {
    let page = fs::read_to_string(package().join("man/simaccel-install.1")).unwrap().replace('\\', "");
    for flag in ["--help", "-h"] {
        let help = succeeds(installer().arg(flag));
        for option in ["--prefix", "--destdir", "--debug-info", "--version", "Exit code: 0"] {
            assert!(help.contains(option), "{option}");
            assert!(page.contains(option) || option.starts_with("Exit"), "{option} is not in the manual");
        }
    }
    let version = concat!("simaccel-install ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!([succeeds(installer().arg("--version")), succeeds(installer().arg("-V"))], [version; 2]);
}

/// Makes the disk look full to the installer.
fn with_full_disk(prefix: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""]);
    shell.arg(env!("CARGO_BIN_EXE_simaccel-install")).arg("--prefix").arg(prefix);
    shell
}

#[test]
fn what_cannot_be_installed_leaves_no_trace() {
    let folder = Folder::new("none");
    let fresh = folder.0.join("a/b/c");
    let full = error_line(&run(&mut with_full_disk(&fresh)), 1);
    assert!(full.contains("File too large"), "{full}");
    assert_eq!(folder.contents(), BTreeMap::new(), "a full disk");

    let tools = folder.0.join("no-tools");
    let no_tools = error_line(&run(installer().arg("--prefix").arg(&fresh).env("PATH", &tools)), 1);
    assert!(no_tools.contains("binutils"), "{no_tools}");
    assert_eq!(folder.contents(), BTreeMap::new(), "no strip");

    // The last of all files cannot be installed.
    let in_the_way = fresh.join("lib/pkgconfig/simaccel_async.pc");
    fs::create_dir_all(&in_the_way).unwrap();
    let before = folder.contents();
    let told_of_folder = error_line(&run(installer().arg("--prefix").arg(&fresh)), 1);
    assert!(told_of_folder.contains("a folder is in the place of a file"), "{told_of_folder}");
    assert_eq!(folder.contents(), before, "a folder in the way");
    error_line(&run(installer().args(["--prefix", "/proc/no/such"])), 1);
}

#[test]
fn a_failed_update_leaves_the_old_library_as_it_was() {
    let prefix = Folder::new("update");
    prefix.install(&[]);
    let before = prefix.contents();
    error_line(&run(&mut with_full_disk(&prefix.0)), 1);
    assert_eq!(prefix.contents(), before);
    prefix.install(&[]);
    assert_eq!(prefix.contents().len(), before.len());
    assert_ne!(prefix.contents(), before, "this one is new");
}

/// A standard stream that is closed, full, or a pipe without a reader.
#[test]
fn a_broken_output_is_an_exit_code_and_no_panic() {
    let folder = Folder::new("broken");
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let unread = || Stdio::from(io::pipe().unwrap().1);
    let install = || {
        let mut command = installer();
        command.arg("--prefix").arg(&folder.0);
        command
    };
    for broken in [full, unread] {
        assert!(error_line(&install().stdout(broken()).output().unwrap(), 1).contains("standard output: "));
        assert!(folder.lib(SONAME).exists(), "the list is lost, and nothing else");
        assert_eq!(install().stderr(broken()).output().unwrap().status.code(), Some(0));
        assert_eq!(installer().stderr(broken()).output().unwrap().status.code(), Some(2));
        let help = installer().arg("--help").stdout(broken()).stderr(broken()).status().unwrap();
        assert_eq!(help.code(), Some(1));
    }
    for (options, code) in [("--help", 0), ("--nonsense", 2), ("--prefix /proc/no/such", 1)] {
        let script = format!("trap '' PIPE; exec \"$0\" {options} >&- 2>&-");
        let ended =
            Command::new("sh").args(["-c", &script]).arg(env!("CARGO_BIN_EXE_simaccel-install")).status();
        assert_eq!(ended.unwrap().code(), Some(code), "{options}");
    }
}

#[test]
fn the_readme_shows_the_example() {
    let readme = fs::read_to_string(package().join("../README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("\n```").filter_map(|block| block.strip_prefix("c\n")).collect();
    let example = fs::read_to_string(package().join("examples/event_loop.c")).unwrap();
    let (_, code) = example.split_once("\n\n").unwrap();
    assert_eq!(blocks, [code.trim_end()]);
}
