//! `simaccel-stat`: what it shows, what it refuses, and what it changes in a running process.

mod programs;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use simaccel_provider::counters::{Field, Total};

use programs::configuration::Configuration;
use programs::counters::Counters;
use programs::{Answer, command, compiled, run, scratch, stat, succeeds};

fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled("conduct.c", &["-lcrypto"]))
}

fn shown(arguments: &[&str], files: &[PathBuf]) -> Answer {
    run(command(stat()).args(arguments).args(files))
}

/// A process that does an operation for each line.
struct Service {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
    configuration: Configuration,
}

impl Service {
    fn start(configuration: Configuration) -> Self {
        let mut command = configuration.program(program());
        let mut child = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut this = Self { child, answers, configuration };
        // From here on the file is there.
        assert_eq!(this.operation("in a job"), "done\n");
        this
    }

    /// Has one operation done.
    fn operation(&mut self, how: &str) -> String {
        writeln!(self.child.stdin.as_ref().unwrap(), "{how}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer
    }

    fn file(&self) -> PathBuf {
        self.configuration.counters_file(self.child.id())
    }

    fn set(&self, text: &str) -> Command {
        let mut command = command(stat());
        command.arg(self.file()).args(["--set", text]);
        command
    }

    /// Asks for a change, and lets the process do operations until there is an answer.
    fn changed(&mut self, text: &str, how: &str) -> (Option<i32>, String) {
        let mut asking = self.set(text).stdout(Stdio::piped()).spawn().unwrap();
        while asking.try_wait().unwrap().is_none() {
            self.operation(how);
        }
        let output = asking.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    fn counters(&self) -> Counters {
        Counters::read(&self.file())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn the_file_is_the_owners_alone_and_is_there_before_the_first_operation() {
    let service = Service::start(Configuration::new("stat"));
    let metadata = fs::metadata(service.file()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    let loaded = Configuration::new("stat");
    let answer = run(&mut loaded.openssl(&["list", "-providers"])).succeeded();
    assert_eq!(Counters::of(&loaded, answer.pid).operations(), 0);
}

#[test]
fn a_running_process_is_shown_and_told_from_one_that_has_exited() {
    let mut service = Service::start(Configuration::new("stat"));
    assert_eq!(service.operation("synchronous"), "done\n");
    let counters = service.counters();
    assert_eq!(counters.0["processes"][0]["state"], "running");
    assert_eq!(
        (counters.operations(), counters.pauses(), counters.at(&["synchronous", "no_job"])),
        (2, 1, 1)
    );
    let (file, configuration) = (service.file(), service.configuration.folder.clone());
    drop(service);
    assert_eq!(Counters::read(&file).0["processes"][0]["state"], "exited");
    fs::remove_dir_all(configuration).unwrap();
}

#[test]
fn the_text_fits_80_columns_and_names_what_it_counts() {
    let configuration = Configuration::new("stat").key("fault", "delay:nth=1,nsec=1000");
    let answer = run(configuration.program(program()).arg("free"));
    let text = shown(&[], &[configuration.counters_file(answer.pid)]).succeeded().stdout();
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for part in
        ["requests", "AES-128-CBC", "1 final", "open, of", "p50", "faults injected", "delay 1", "host-bound"]
    {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn prometheus_text_is_well_formed_and_has_the_same_numbers() {
    let configuration = Configuration::new("stat");
    let answer = run(configuration.program(program()).arg("many")).succeeded();
    let text = shown(&["--prometheus"], &[configuration.counters_file(answer.pid)]).succeeded().stdout();
    assert!(text.contains("\nsimaccel_provider_pauses_total{algorithm=\"AES-128-CBC\"} 64\n"), "{text}");
    assert!(text.contains("\nsimaccel_provider_wake_to_resume_seconds_count 64\n"), "{text}");
    let mut family = "";
    for line in text.lines() {
        match line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")) {
            Some(rest) => family = rest.split(' ').next().unwrap(),
            None => {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let name = name.split('{').next().unwrap();
                assert!(name.starts_with(family), "{line} is not of {family}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
}

#[test]
fn several_files_are_added_up() {
    let configuration = Configuration::new("stat");
    for scene in ["many", "spin"] {
        run(configuration.program(program()).arg(scene)).succeeded();
    }
    let json = succeeds(command(stat()).arg("--json").args(configuration.counters_files()));
    let counters = Counters(serde_json::from_slice(&json).unwrap());
    assert_eq!((counters.operations(), counters.at(&["totals", "paused_most"])), (65, 64));
    assert_eq!(counters.0["processes"].as_array().unwrap().len(), 2);
    counters.assert_all_paused();
}

#[test]
fn what_is_no_file_of_counters_is_one_line_and_exit_code_2() {
    let folder = scratch("stat");
    let configuration = Configuration::new("stat");
    let pid = run(configuration.program(program()).arg("many")).succeeded().pid;
    let good = fs::read(configuration.counters_file(pid)).unwrap();
    let newer = {
        let mut bytes = good.clone();
        bytes[8..16].copy_from_slice(&9_u64.to_ne_bytes());
        bytes
    };
    let cases = [
        ("truncated", good[..good.len() / 2].to_vec(), "truncated"),
        (
            "foreign",
            b"#!/bin/sh\necho a file of another kind\n".to_vec(),
            "not a file of the provider's counters",
        ),
        ("empty", Vec::new(), "not a file of the provider's counters"),
        ("newer", newer, "layout 9"),
        (
            "garbage",
            (0..300_000_u32).map(|byte| (byte.wrapping_mul(97) >> 3).to_le_bytes()[0]).collect(),
            "not a file",
        ),
    ];
    for (name, bytes, said) in cases {
        let file = folder.join(name);
        fs::write(&file, bytes).unwrap();
        for arguments in [&[][..], &["--json"], &["--prometheus"], &["--watch"], &["--set", "fault=none"]] {
            assert_refused(&run(command(stat()).arg(&file).args(arguments)), said);
        }
    }
    assert_refused(&shown(&[], &[folder.join("missing")]), "No such file");
    assert_refused(&shown(&[], std::slice::from_ref(&folder)), "not a file of the provider's counters");
    assert_refused(&shown(&["--watch", "0"], &[folder.join("newer")]), "--watch");
    assert_refused(&shown(&["--watch"], &[folder.join("newer")]), "the files stand before --watch");
    assert_refused(&shown(&[], &[]), "FILE");
}

#[track_caller]
fn assert_refused(answer: &Answer, said: &str) {
    assert_eq!(answer.output.status.code(), Some(2), "{}", answer.stderr());
    assert!(answer.stderr().contains(said), "{}: {}", said, answer.stderr());
    assert_eq!(answer.stdout(), "");
}

#[test]
fn one_wrong_file_is_one_line() {
    let file = scratch("stat").join("text");
    fs::write(&file, "text").unwrap();
    assert_eq!(shown(&[], &[file]).stderr().lines().count(), 1);
}

#[test]
fn watching_ends_with_the_process_and_shows_every_moment() {
    let mut service = Service::start(Configuration::new("stat"));
    let mut watching = command(stat())
        .arg(service.file())
        .args(["--json", "--watch", "0.01"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let operations = |line: String| Counters(serde_json::from_str(&line).unwrap()).operations();
    assert_eq!(operations(lines.next().unwrap().unwrap()), 1);
    service.operation("in a job");
    while operations(lines.next().unwrap().unwrap()) < 2 {}
    drop(service);
    assert_eq!(lines.last().map(|line| operations(line.unwrap())), Some(2));
    assert!(watching.wait().unwrap().success());
}

#[test]
fn a_closed_pipe_and_a_full_disk_are_no_panic() {
    let service = Service::start(Configuration::new("stat"));
    let mut closed =
        command(stat()).arg(service.file()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(closed.stdout.take());
    let closed = closed.wait_with_output().unwrap();
    assert_eq!((closed.status.code(), closed.stderr), (Some(1), Vec::new()));
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for option in ["--help", "--version"] {
        assert_eq!(
            command(stat()).arg(option).stdout(full()).output().unwrap().status.code(),
            Some(1),
            "{option}"
        );
    }
    for mistake in
        [&["/nowhere"][..], &["--bogus"], &["/nowhere", "--set", "fault=none"], &["/nowhere", "--set", " ;"]]
    {
        let output = command(stat()).args(mistake).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{mistake:?}");
        let said = command(stat()).args(mistake).output().unwrap().stderr;
        assert_eq!(String::from_utf8_lossy(&said).lines().count(), 1, "{mistake:?}");
    }
    let output = command(stat()).arg(service.file()).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).starts_with("simaccel-stat: the output cannot be written")
    );
}

#[test]
fn faults_and_service_times_of_a_running_process_are_changed() {
    // In jobs the device's thread answers, elsewhere the end of the operation.
    for how in ["in a job", "synchronous"] {
        let mut service = Service::start(Configuration::new("stat"));
        let file = service.file().display().to_string();
        assert_eq!(
            service.changed("fault=fail;completion_nsec=1000", how),
            (Some(0), format!("{file}: accepted\n"))
        );
        // A wake is sent by a device that fails, too.
        let failing = service.counters();
        assert_eq!(service.operation("synchronous"), "failed\n");
        assert!(service.counters().at(&["engine", "faults", "fail"]) >= 1, "{}", failing.0);
        assert_eq!(service.changed("fault=none", "synchronous").0, Some(0));
        assert_eq!(service.operation(how), "done\n");
    }
}

#[test]
fn the_engines_own_error_is_the_reply_and_nothing_has_changed() {
    let mut service = Service::start(Configuration::new("stat"));
    for (text, said) in [
        ("depth=128", "depth is decided when a device is opened"),
        ("fault=burn", "fault=burn"),
        ("colour=red", "colour"),
        ("completion_nsec", "completion_nsec is not key=value"),
    ] {
        let (code, reply) = service.changed(text, "in a job");
        assert_eq!(code, Some(1), "{reply}");
        assert!(reply.contains(": refused: ") && reply.contains(said), "{reply}");
        assert_eq!(reply.lines().count(), 1, "{reply}");
    }
    assert_eq!(service.operation("synchronous"), "done\n");
    let counters = service.counters();
    assert_eq!(counters.operations(), counters.pauses() + counters.synchronous());
}

#[test]
fn an_ideal_device_says_why_it_cannot_be_changed() {
    let mut service = Service::start(Configuration::new("stat").key("model", "auto"));
    let (code, reply) = service.changed("completion_nsec=1000", "in a job");
    assert_eq!(code, Some(1));
    assert!(reply.contains("open it with model=on"), "{reply}");
}

#[test]
fn a_process_without_operations_answers_with_its_next_one() {
    let mut service = Service::start(Configuration::new("stat"));
    let pending = run(service.set("fault=fail").args(["--patience", "0.01"]));
    assert_eq!(pending.output.status.code(), Some(1));
    assert!(pending.stdout().contains("no operation yet"), "{}", pending.stdout());
    service.operation("synchronous");
    assert_eq!(service.operation("synchronous"), "failed\n", "it was changed");
}

#[test]
fn a_process_that_has_ended_is_not_changed() {
    let service = Service::start(Configuration::new("stat"));
    let file = service.file();
    drop(service);
    let answer = run(command(stat()).arg(&file).args(["--set", "fault=fail"]));
    assert_eq!(answer.output.status.code(), Some(1));
    assert!(answer.stderr().contains("the process has ended"), "{}", answer.stderr());
    assert_eq!(Counters::read(&file).operations(), 1, "the file is as it was");
}

#[test]
fn a_forked_child_has_a_file_of_its_own_and_leaves_the_parents_alone() {
    let configuration = Configuration::new("stat");
    let parent = run(configuration.program(program()).arg("fork")).succeeded();
    let child = parent.stdout().trim().parse().unwrap();
    let (of_parent, of_child) =
        (Counters::of(&configuration, parent.pid), Counters::of(&configuration, child));
    assert_eq!((of_parent.operations(), of_child.operations()), (2, 3));
    assert_eq!(of_child.0["processes"][0]["forked_from"], parent.pid);
    for counters in [of_parent, of_child] {
        counters.assert_all_paused();
        assert_eq!(counters.0["processes"][0]["state"], "exited");
    }
}

#[test]
fn a_forked_child_that_does_nothing_leaves_no_file() {
    let configuration = Configuration::new("stat");
    let parent = run(configuration.program(program()).arg("fork-idle")).succeeded();
    let child: u32 = parent.stdout().trim().parse().unwrap();
    assert!(!configuration.counters_file(child).exists());
    assert_eq!(configuration.counters_files().len(), 1);
}

#[test]
fn a_child_that_cannot_make_a_file_counts_in_memory_and_its_parent_says_so() {
    let configuration = Configuration::new("stat");
    let (before, after) = (configuration.folder.join("before"), configuration.folder.join("after"));
    fs::create_dir(&before).unwrap();
    let configuration = configuration.key("stats_file", &before.join("P").display().to_string());
    // The folder is renamed before the fork.
    let parent = run(configuration.program(program()).arg("fork").args([&before, &after])).succeeded();
    let counters = Counters::read(&after.join(format!("P.{}", parent.pid)));
    assert_eq!((counters.operations(), counters.at(&["totals", "children_without_file"])), (2, 1));
    assert_eq!(fs::read_dir(&after).unwrap().count(), 1);
}

/// A file of the repository.
fn text_of(file: &str) -> String {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(package.parent().unwrap().join(file)).unwrap()
}

#[test]
fn the_page_names_every_counter_and_the_manual_every_option() {
    let page = text_of("docs/provider.md");
    let fields = Field::ALL.iter().map(|field| field.name().trim_start_matches("synchronous_"));
    for name in Total::ALL.iter().map(|total| total.name()).chain(fields) {
        assert!(page.contains(&format!("`{name}`")), "{name} is missing in the page");
    }
    let (manual, help) =
        (text_of("provider/man/simaccel-stat.1"), shown(&["--help"], &[]).succeeded().stdout());
    let options = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    let options = options.map(|word| word.split(|c: char| !c.is_ascii_lowercase()).next().unwrap());
    let mut count = 0;
    for option in options.filter(|option| !option.is_empty()) {
        assert!(manual.contains(&format!("\\-\\-{option}")), "--{option} is missing in the manual");
        count += 1;
    }
    assert!(count >= 9, "{help}");
}
