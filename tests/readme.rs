//! The README is true: its code runs, its map names files that exist, and a test or `.ci/run` runs each of
//! its commands.
//!
//! ```text
//!   fenced:  $ COMMAND          what is said of it, behind two blanks
//!            COMMAND            where its first word is a program          ──► COMMANDS: what runs it
//!   inline:  `COMMAND`           of cargo, man, or a file of ours
//! ```

mod built;
mod scratch;

use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::process::Output;

use self::scratch::Folder;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The fenced blocks of the README in this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = read("README.md");
    let fences = readme.split("\n```").skip(1).step_by(2);
    let language = format!("{language}\n");
    fences.filter_map(|block| block.strip_prefix(&language)).map(str::to_owned).collect()
}

/// A source file without the comment at its head.
fn code(path: &str) -> String {
    let source = read(path);
    source.split_once("\n\n").unwrap().1.trim_end().to_owned()
}

#[test]
fn the_code_is_the_examples() {
    assert_eq!(blocks("rust"), [code("examples/quickstart.rs"), code("tests/recipe.rs")]);
    assert!(code("examples/quickstart.rs").lines().count() < 40);
}

#[test]
fn the_map_names_what_is_there() {
    let maps: Vec<String> =
        blocks("text").into_iter().filter(|block| block.starts_with("src/lib.rs")).collect();
    assert_eq!(maps.len(), 1);
    for line in maps[0].lines() {
        let path = line.split_whitespace().next().unwrap();
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
    }
}

#[test]
fn links_lead_somewhere() {
    let readme = read("README.md");
    let targets =
        readme.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let local: Vec<&str> = targets.filter(|target| !target.starts_with("http")).collect();
    assert!(local.len() >= 4);
    for target in local {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(target).exists(), "{target}");
    }
}

/// What runs a command.
enum Run {
    /// This test runs it, and expects this exit code.
    Here(i32),
    /// This file runs it, with this text.
    By(&'static str, &'static str),
}

use Run::{By, Here};

const CI: &str = ".ci/run";

/// Every command of the README.
const COMMANDS: &[(&str, Run)] = &[
    (".ci/run", By(CI, "cargo test --workspace")),
    ("cargo test --workspace", By(CI, "cargo test --workspace")),
    ("cargo run --release --example loadgen", By(CI, "cargo run --release --example loadgen\n")),
    ("cargo run --release --example quickstart", Here(0)),
    ("cargo run --example faults", Here(0)),
    ("cargo run --release --example custom", Here(0)),
    ("cargo run --release --example block_on", Here(0)),
    ("cargo run --release --example private_keys", Here(0)),
    (
        "cargo run --release --example loadgen -- --alg rsa2048-sign --device 'preset=qat-c62x' --jobs 64",
        Here(0),
    ),
    (
        "cargo bench -p simaccel-provider --bench handshakes",
        By(CI, "cargo bench -p simaccel-provider --bench handshakes"),
    ),
    ("cargo run --release --example loadgen -- --alg sha256 --input FILE", Here(0)),
    (
        "cargo run --release --example loadgen -- --alg aes-256-ctr --key HEX --iv HEX --input FILE --output OUT",
        Here(0),
    ),
    (
        "cargo run --release --example loadgen -- --alg aes-128-gcm --size 16k --jobs 1000 --mode poll --output-format json",
        Here(0),
    ),
    (
        "cargo run --release --example loadgen -- --device 'completion_nsec=20000;compute_units=8;depth=16' --duration 500ms",
        Here(0),
    ),
    (
        "cargo run --release --example loadgen -- --device 'preset=qat-c62x;fault=fail:every=100' --expect-errors",
        Here(0),
    ),
    (
        "cargo run --release --example loadgen -- --device 'completion_nsec=20000' --mode poll --rate 50% --arrivals bursty",
        Here(0),
    ),
    (
        "cargo run --release --example loadgen -- --device 'timing=sampled' --mode wake-fd --stats prometheus",
        Here(0),
    ),
    ("cargo run --release --example loadgen -- --help", Here(0)),
    (
        "cargo run --release --example loadgen -- --alg sha256 --size 64k --device 'workers=2;compute_units=64' --sweep latency=20us..2ms:6 --sweep jobs=1,2,4,8,16,32,64 --svg DIR",
        Here(0),
    ),
    (
        "cargo run --release --example loadgen -- --virtual --mode wake-fd --rate 10% --duration 2s --device 'completion_nsec=1000000;compute_units=64;queue_pairs=1;ordering=fifo;fault=delay:nth=3000,nsec=50000000' --svg DIR",
        Here(0),
    ),
    ("cargo build --release -p simaccel-provider", By(CI, "cargo build --release -p simaccel-provider")),
    (
        "OPENSSL_CONF=simaccel.cnf openssl speed -elapsed -seconds 1 -bytes 1024 -async_jobs 8 -evp aes-128-cbc",
        By(CI, "openssl speed -elapsed -seconds 1 -bytes 1024 -async_jobs 8 -evp aes-128-cbc"),
    ),
    ("target/release/simaccel-stat /tmp/simaccel.*", By("provider/tests/stat.rs", "simaccel-stat")),
    (
        "cargo run --release --example simulate -- --seeds 0..10000",
        By("tests/seeds.rs", "the_readme_shows_their_hash(&hash)"),
    ),
    ("cargo run --release --example simulate -- --seed 7 --history", Here(0)),
    ("cargo run --release --example simulate -- --sabotage stale-wake", Here(1)),
    ("cargo run --release --example simulate -- --seed 10 --shrink --sabotage stale-wake", Here(1)),
    (
        "cargo run --release -p simaccel-capi --bin simaccel-install -- --prefix DIR",
        By(CI, "cargo run --release -p simaccel-capi --bin simaccel-install -- --prefix \"$prefix\"\n"),
    ),
    (
        "cc event_loop.c $(PKG_CONFIG_PATH=DIR/lib/pkgconfig pkg-config --cflags --libs simaccel_async) -o event_loop",
        By(CI, "capi/examples/event_loop.c $(pkg-config --cflags --libs simaccel_async)"),
    ),
    (
        "LD_LIBRARY_PATH=DIR/lib ./event_loop",
        By(CI, "LD_LIBRARY_PATH=\"$prefix/lib\" \"$prefix/event_loop\"\n"),
    ),
    (
        "LD_PRELOAD=DIR/lib/libsimaccel_async.so openssl s_client -async ...",
        By("capi/tests/preload.rs", "[\"s_client\", \"-async\""),
    ),
    ("man -M DIR/share/man simaccel_async", By(CI, "man -M \"$prefix/share/man\" simaccel_async")),
    (
        "cargo run --release --manifest-path benches/rivals/Cargo.toml",
        By(CI, "cargo run --release --manifest-path $rivals -- --quick"),
    ),
];

/// The READMEs of the other packages, and what runs each of their commands.
const PACKAGES: &[(&str, &[(&str, Run)])] = &[
    ("device-sim/README.md", &[]),
    (
        "capi/README.md",
        &[
            (
                "cargo run --release --bin simaccel-install -- --prefix DIR",
                By(CI, "--bin simaccel-install -- --prefix \"$prefix\"\n"),
            ),
            (
                "cc program.c $(PKG_CONFIG_PATH=DIR/lib/pkgconfig pkg-config --cflags --libs simaccel_async) -o program",
                By(CI, "capi/examples/event_loop.c $(pkg-config --cflags --libs simaccel_async)"),
            ),
            (
                "LD_LIBRARY_PATH=DIR/lib ./program",
                By(CI, "LD_LIBRARY_PATH=\"$prefix/lib\" \"$prefix/event_loop\"\n"),
            ),
            (
                "LD_PRELOAD=DIR/lib/libsimaccel_async.so openssl s_client -async ...",
                By("capi/tests/preload.rs", "[\"s_client\", \"-async\""),
            ),
            ("man simaccel_async", By(CI, "man -M \"$prefix/share/man\" simaccel_async")),
            ("man simaccel_engine", By("capi/tests/manual.rs", "simaccel_engine")),
            ("man simaccel_keys", By("capi/tests/manual.rs", "simaccel_keys")),
        ],
    ),
    (
        "provider/README.md",
        &[(
            "cargo build --release -p simaccel-provider",
            By(CI, "cargo build --release -p simaccel-provider\n"),
        )],
    ),
    (
        "conformance/README.md",
        &[
            ("cargo test -p simaccel-conformance", By(CI, "cargo test --workspace")),
            (".ci/applications", By(CI, "\n.ci/applications\n")),
        ],
    ),
    (
        "unoptimised-tests/README.md",
        &[(
            "cargo test --manifest-path unoptimised-tests/Cargo.toml",
            By(CI, "cargo test --manifest-path unoptimised-tests/Cargo.toml"),
        )],
    ),
    (
        "benches/rivals/README.md",
        &[
            (
                "cargo run --release --manifest-path benches/rivals/Cargo.toml",
                By(".ci/nightly", "cargo run --release --manifest-path benches/rivals/Cargo.toml\n"),
            ),
            (
                "cargo run --release --manifest-path benches/rivals/Cargo.toml -- --quick --only cycle_1",
                By(CI, "cargo run --release --manifest-path $rivals -- --quick --only cycle_1"),
            ),
            (
                "cargo run --release --manifest-path benches/rivals/Cargo.toml -- --curves FILE.svg",
                By(CI, "cargo run --release --manifest-path $rivals -- --quick --curves"),
            ),
            (
                "cargo run --release --manifest-path benches/rivals/Cargo.toml --bin kernels",
                By(CI, "cargo run --release --manifest-path $rivals --bin kernels"),
            ),
        ],
    ),
];

/// The commands in fences (except the map of the files) and in backquotes, without the remarks beside them.
fn commands(text: &str) -> BTreeSet<String> {
    let fenced = text.split("\n```text\n").skip(1).filter_map(|block| block.split("\n```").next());
    let fenced =
        fenced.filter(|block| !block.starts_with("src/lib.rs")).flat_map(str::lines).filter_map(|line| {
            match line.strip_prefix("$ ") {
                Some(command) => Some(command),
                None => begins_with_a_program(line).then_some(line),
            }
        });
    let outside: String = text.split("\n```").step_by(2).collect();
    let inline: Vec<&str> = outside.split('`').skip(1).step_by(2).collect();
    // Other spans with a program's name only mention it.
    let is_ours =
        |span: &&str| ["cargo ", "man "].iter().any(|name| span.starts_with(name)) || span.contains('/');
    let inline = inline.into_iter().filter(is_ours).filter(|span| begins_with_a_program(span));
    let without_comment = |line: &str| line.split("  ").next().unwrap().to_owned();
    fenced.map(without_comment).chain(inline.map(str::to_owned)).collect()
}

/// Whether its first word, after variables, can be run here: a name in the search path, or a file below the
/// root.
fn begins_with_a_program(line: &str) -> bool {
    let is_variable = |word: &&str| word.split_once('=').is_some_and(|(name, _)| name == name.to_uppercase());
    let Some(word) = line.split(' ').find(|word| !is_variable(word)) else { return false };
    if word.is_empty() {
        return false;
    }
    if word.contains('/') {
        return word.starts_with("./") || is_executable(&Path::new(env!("CARGO_MANIFEST_DIR")).join(word));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| is_executable(&folder.join(word)))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[test]
fn every_command_is_run_by_a_test_or_by_ci() {
    let found = commands(&read("README.md"));
    let listed: BTreeSet<String> = COMMANDS.iter().map(|(command, _)| (*command).to_owned()).collect();
    let unlisted: Vec<&String> = found.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "nothing runs these commands of README.md: {unlisted:#?}; name in COMMANDS what does"
    );
    let gone: Vec<&String> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "README.md says no more: {gone:#?}");
    for (command, run) in COMMANDS {
        if let By(file, text) = run {
            assert!(read(file).contains(text), "{command}: {file} does not say: {text}");
        }
    }
    assert!(is_executable(&Path::new(env!("CARGO_MANIFEST_DIR")).join(CI)));
}

#[test]
fn every_command_of_a_packages_readme_is_run_by_a_test_or_by_ci() {
    for (readme, known) in PACKAGES {
        let listed: BTreeSet<String> = known.iter().map(|(command, _)| (*command).to_owned()).collect();
        assert_eq!(commands(&read(readme)), listed, "{readme}");
        for (command, run) in *known {
            let By(file, text) = run else { panic!("{readme}: {command}: only .ci/run has its files") };
            assert!(read(file).contains(text), "{command}: {file} does not say: {text}");
        }
    }
}

#[test]
fn a_new_command_is_found_wherever_it_stands() {
    let text = "Run `cargo bench --all` or\n\n```text\n$ anything at all   says this\noutput\ncc x.c\nA=1 ./b  c\n  cc y.c\n```\n\n`--option`";
    let expected = ["A=1 ./b", "anything at all", "cargo bench --all", "cc x.c"];
    assert_eq!(commands(text), expected.map(str::to_owned).into());
}

/// A folder with a file, and the words that are replaced by them.
struct Scratch(Folder);

impl Scratch {
    fn new() -> Self {
        let folder = Folder::new();
        folder.write("in", vec![7; 100_000]);
        Self(folder)
    }

    /// Runs `cargo run ... --example NAME -- ARGUMENTS`: the example, which `cargo test` has built beside the
    /// folder of the test executables.
    fn run(&self, command: &str) -> Output {
        let (_, example) = command.split_once("--example ").unwrap();
        let (name, arguments) = example.split_once(" -- ").unwrap_or((example, ""));
        let mut before = "";
        let mut arguments: Vec<String> = words(arguments);
        for word in &mut arguments {
            let meant = match (word.as_str(), before) {
                ("FILE", _) => "in".to_owned(),
                ("OUT", _) => "out".to_owned(),
                ("HEX", "--key") => "0f".repeat(32),
                ("HEX", _) => "f0".repeat(16),
                (other, _) => other.to_owned(),
            };
            before = if word == "--key" { "--key" } else { "" };
            *word = meant;
        }
        self.0.command(built::example(name)).args(arguments).output().unwrap()
    }
}

/// Words as a shell splits them; single quotes hold some together.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

#[test]
fn the_commands_do_what_is_said_of_them() {
    let here = COMMANDS.iter().filter_map(|(command, run)| match run {
        Here(code) => Some((*command, *code)),
        By(..) => None,
    });
    let here: Vec<_> = here.collect();
    assert!(here.len() >= 10);
    // In parallel, because most of them run for a given time.
    std::thread::scope(|scope| {
        for (command, code) in here {
            scope.spawn(move || does_what_is_said(command, code));
        }
    });
}

fn does_what_is_said(command: &str, code: i32) {
    let scratch = Scratch::new();
    let output = scratch.run(command);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{command}: {told}");
    assert!(output.stdout.len() + told.len() > 20 && !told.contains("panicked"), "{command}: {told}");
    assert_eq!(scratch.0.path("out").exists(), command.ends_with("OUT"), "{command}");
}

/// The lines below a command of this text, up to the next command or the end of the block.
fn shown_below(command: &str) -> Vec<String> {
    let readme = read("README.md");
    let (_, below) = readme.split_once(&format!("$ {command}\n")).expect("it is shown");
    below.lines().take_while(|line| !line.starts_with("$ ") && *line != "```").map(str::to_owned).collect()
}

fn without_digits(line: &str) -> String {
    line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// Numbers of fds and of pauses depend on the machine.
#[test]
fn the_quickstart_prints_what_is_shown() {
    let command = "cargo run --release --example quickstart";
    let output = Scratch::new().run(command);
    let printed = String::from_utf8(output.stdout).unwrap();
    let shown = shown_below(command);
    let digits = |lines: &[String]| lines.iter().map(|line| without_digits(line)).collect::<Vec<_>>();
    let mut printed: Vec<String> = printed.lines().map(str::to_owned).collect();
    printed.dedup();
    assert_eq!(digits(&printed), digits(&shown));
    assert_eq!((&printed[1], &printed[2]), (&shown[1], &shown[2]));
}

/// Its numbers depend on the machine; the device, the columns and the rows do not.
#[test]
fn the_table_has_the_device_columns_and_rows_that_are_shown() {
    let command = "cargo run --release --example loadgen";
    let output = Scratch::new().run(&format!("{command} -- --ops 20"));
    let printed = String::from_utf8(output.stdout).unwrap();
    let shown = shown_below(command);
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let (printed, answer) = split(&printed);
    let (shown, answer_shown) = split(&shown.join("\n"));
    assert_eq!(labels(&answer), labels(&answer_shown));
    assert_eq!(printed.len(), shown.len(), "{printed:#?}");
    assert_eq!(printed[..2], shown[..2]);
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        printed[2..4].iter().map(|line| columns(line)).collect::<Vec<_>>(),
        [columns(&shown[2]), columns(&shown[3])]
    );
    // A line about the run begins with what it is about; a row with its mode and its loop.
    let is_word = |word: &&str| !word.starts_with(|c: char| c.is_ascii_digit());
    let beginning = |line: &str| {
        let line = line.split([':', ',']).next().unwrap();
        line.split_whitespace().take_while(is_word).map(str::to_owned).collect::<Vec<_>>()
    };
    for (printed, shown) in printed[5..].iter().zip(&shown[5..]) {
        assert_eq!(beginning(printed), beginning(shown));
    }
}

/// The lines of a report up to where it says what was checked, and those behind it.
fn split(report: &str) -> (Vec<String>, Vec<String>) {
    let lines: Vec<String> = report.lines().map(str::to_owned).collect();
    let checked = lines.iter().position(|line| line.starts_with("checked: ")).expect("it is said");
    (lines[..=checked].to_vec(), lines[checked + 1..].to_vec())
}

/// What lines are about, without those that go on with one: where a line is wrapped depends on numbers, and
/// whether the host is too slow for the model, on the machine.
fn labels(lines: &[String]) -> Vec<String> {
    let label = |line: &String| {
        let blanks = line.chars().take_while(|c| *c == ' ').count();
        let label = line.trim_start().split("  ").next().unwrap().split([':', ',']).next().unwrap();
        let is_label = blanks < 13 && !label.starts_with(|c: char| c.is_ascii_digit());
        (is_label && label != "warning").then(|| label.to_owned())
    };
    lines.iter().filter_map(label).collect()
}
