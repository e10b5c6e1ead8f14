//! Runs the server and the client of `examples/async_tls` against each other, and reads what they print.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::ops::Index;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::{env, fs};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::dasync;
use crate::programs::configuration::Configuration;
use crate::programs::counters::Counters;
use crate::programs::{scratch, succeeds};

pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/async_tls")
}

pub(crate) fn text_of(command: &mut Command) -> String {
    String::from_utf8(succeeds(command)).unwrap()
}

fn successful(what: &dyn fmt::Debug, output: Output) -> Output {
    assert!(
        output.status.success(),
        "{what:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What watches over the programs' memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Checker {
    None,
    /// The compiler's address sanitizer, which looks for leaks, too.
    Address,
    Valgrind,
}

/// One of the two programs, compiled once for each way of checking it.
pub(crate) fn built(program: &str, checker: Checker) -> PathBuf {
    static BUILT: Mutex<Vec<(String, PathBuf)>> = Mutex::new(Vec::new());
    let sanitize = checker == Checker::Address;
    let key = format!("{program} {sanitize}");
    let mut all = BUILT.lock().unwrap();
    if let Some((_, path)) = all.iter().find(|(known, _)| *known == key) {
        return path.clone();
    }
    let path = scratch("async_tls").join(format!("async_tls_{program}"));
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Wextra", "-Werror", "-O1", "-g"]);
    if sanitize {
        compiler.arg("-fsanitize=address,undefined");
    }
    let files = [program, "connection", "loop", "tls", "options"];
    compiler.args(files.map(|file| sources().join(file).with_extension("c")));
    succeeds(compiler.arg("-o").arg(&path).args(["-lssl", "-lcrypto"]));
    all.push((key, path.clone()));
    path
}

/// What pauses the programs' calls, by way of their openssl.cnf.
pub(crate) struct Engine {
    file: PathBuf,
    pauses: bool,
    provider: Option<Configuration>,
}

impl Engine {
    pub(crate) fn none() -> Self {
        Self::configured("", false)
    }

    pub(crate) fn dasync() -> Self {
        let library = dasync::folder().join("dasync.so");
        let text = format!(
            "openssl_conf = init\n[init]\nengines = engines\n[engines]\ndasync = dasync\n[dasync]\nengine_id = dasync\n\
             dynamic_path = {}\ndefault_algorithms = CIPHERS,DIGESTS\ninit = 1\n",
            library.display()
        );
        Self::configured(&text, true)
    }

    /// This provider, as the documentation recommends to configure it.
    pub(crate) fn simaccel(name: &str) -> Self {
        Self::provider(Configuration::new(name))
    }

    /// This provider with keys of its own.
    pub(crate) fn provider(configuration: Configuration) -> Self {
        Self { file: configuration.write(), pauses: true, provider: Some(configuration) }
    }

    fn configured(text: &str, pauses: bool) -> Self {
        let file = scratch("engine").join("openssl.cnf");
        fs::write(&file, text).unwrap();
        Self { file, pauses, provider: None }
    }

    /// The counters of all processes so far, where it is this provider.
    pub(crate) fn counters(&self) -> Vec<Counters> {
        let files = self.provider.iter().flat_map(Configuration::counters_files);
        files.map(|file| Counters::read(&file)).collect()
    }

    pub(crate) fn pauses(&self) -> bool {
        self.pauses
    }
}

/// A server and a client that have not started.
pub(crate) struct Pair<'e> {
    engine: &'e Engine,
    engine_of_client: &'e Engine,
    options: Vec<String>,
    checker: Checker,
}

impl<'e> Pair<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Self {
        Self { engine, engine_of_client: engine, options: Vec::new(), checker: Checker::None }
    }

    /// With another engine, or none, in the client.
    pub(crate) fn client_with(self, engine_of_client: &'e Engine) -> Self {
        Self { engine_of_client, ..self }
    }

    /// Options of either program.
    pub(crate) fn both(mut self, options: &str) -> Self {
        self.options.extend(words(options));
        self
    }

    pub(crate) fn checked(self, checker: Checker) -> Self {
        Self { checker, ..self }
    }

    /// Runs both until that many connections have ended. Returns the client's and the server's report.
    pub(crate) fn run(&self, connections: u64, client: &str, server: &str) -> (Report, Report) {
        let server = self.start_server(&format!("{server} --serve {connections}"));
        let client = self.start_client(server.port, client).end();
        (Report::of(&client), Report::of(&server.end()))
    }

    /// Runs the client to its end, and then stops the server, which has no connection left. Returns both
    /// reports.
    pub(crate) fn until_the_client_ends(&self, client: &str, server: &str) -> (Report, Report) {
        let server = self.start_server(server);
        let client = self.start_client(server.port, client).end();
        server.signal(Signal::SIGTERM);
        (Report::of(&client), Report::of(&server.end()))
    }

    /// Tells the server to stop while the client's connections are busy. It says how each has ended.
    pub(crate) fn stopped(&self) {
        const CONNECTIONS: usize = 40;
        let server = self.start_server("");
        let client =
            self.start_client(server.port, &format!("--bytes 1000000000 --connections {CONNECTIONS}"));
        while server.open_fds() < CONNECTIONS {
            std::thread::yield_now();
        }
        server.signal(Signal::SIGTERM);
        let server = Report::of(&server.end());
        assert!(server["dropped"] > 0 && server["connections ended well"] == 0, "{server}");
        let output = client.child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The server finds the signal that tells it to stop and its first connections in one batch of events, in
    /// this order. It ends without a handshake.
    pub(crate) fn stopped_as_connections_come(&self) {
        const CONNECTIONS: usize = 20;
        let server = self.start_server("");
        server.signal(Signal::SIGSTOP);
        while !server.is_stopped() {
            std::thread::yield_now();
        }
        server.signal(Signal::SIGTERM);
        let client = self.start_client(server.port, &format!("--bytes 10 --connections {CONNECTIONS}"));
        // It connects each socket before it opens the next.
        while client.open_fds() < CONNECTIONS {
            std::thread::yield_now();
        }
        server.signal(Signal::SIGCONT);
        let server = Report::of(&server.end());
        assert_eq!((server["handshakes"], server["connections ended well"]), (0, 0), "{server}");
        let output = client.child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    }

    fn start_server(&self, options: &str) -> Running {
        let mut command = self.command("server", options);
        let errors = errors_to_file(&mut command);
        let mut child = command.args(["--port", "0"]).spawn().unwrap();
        let mut line = String::new();
        // By the byte: what is buffered here would be missing in the output.
        let output = child.stdout.as_mut().unwrap();
        while !line.ends_with('\n') {
            let mut byte = [0];
            assert_eq!(output.read(&mut byte).unwrap(), 1, "the server has ended: {line}");
            line.push(char::from(byte[0]));
        }
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Running { child, port, errors }
    }

    fn start_client(&self, port: u16, options: &str) -> Running {
        let mut command = self.command("client", options);
        let errors = errors_to_file(&mut command);
        let child = command.args(["--port", &port.to_string()]).spawn().unwrap();
        Running { child, port, errors }
    }

    fn command(&self, program: &str, options: &str) -> Command {
        let engine = if program == "client" { self.engine_of_client } else { self.engine };
        let program = built(program, self.checker);
        let mut command = match self.checker {
            Checker::Valgrind => {
                let mut valgrind = Command::new("valgrind");
                // Jobs lie on the heap, and deep work of the provider on a stack near it: a change of the
                // stack by more than this is a switch, and no frame.
                valgrind.args(["-q", "--error-exitcode=9", "--max-stackframe=32768"]);
                valgrind.args(["--leak-check=full", "--errors-for-leak-kinds=definite"]);
                valgrind.arg(program);
                valgrind
            }
            Checker::None | Checker::Address => Command::new(program),
        };
        command.args(&self.options).args(words(options)).env("OPENSSL_CONF", &engine.file);
        command.stdout(Stdio::piped());
        command
    }
}

fn words(options: &str) -> impl Iterator<Item = String> + '_ {
    options.split(' ').filter(|word| !word.is_empty()).map(str::to_owned)
}

/// A pipe would have to be read while the program runs: it holds 64 KiB.
fn errors_to_file(command: &mut Command) -> PathBuf {
    let path = scratch("errors").join("stderr");
    command.stderr(fs::File::create(&path).unwrap());
    path
}

struct Running {
    child: Child,
    port: u16,
    errors: PathBuf,
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Whether a signal has stopped the process.
    fn is_stopped(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        status.lines().any(|line| line.starts_with("State:\tT"))
    }

    fn open_fds(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    fn end(self) -> Output {
        let mut output = self.child.wait_with_output().unwrap();
        output.stderr = fs::read(&self.errors).unwrap();
        successful(&self.port, output)
    }
}

/// What a program has counted: `name number` from each part of its lines.
pub(crate) struct Report {
    text: String,
    counts: HashMap<String, u64>,
}

impl Report {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let mut counts = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with("listening")) {
            let (subject, rest) = line.split_at(line.find(|c: char| c.is_ascii_digit()).unwrap());
            for (index, part) in rest.split(", ").enumerate() {
                let (number, unit) = part.split_once(' ').unwrap_or((part, ""));
                let Ok(number) = number.parse() else { continue };
                let subject = if index == 0 { subject.trim() } else { "" };
                counts.insert(format!("{subject} {unit}").trim().to_owned(), number);
            }
        }
        Self { text, counts }
    }

    /// Seconds of the loop's thread on a processor, and seconds on the wall.
    pub(crate) fn loop_seconds(&self) -> (f64, f64) {
        let line = self.text.lines().find_map(|line| line.strip_prefix("loop "));
        let parts =
            line.and_then(|line| line.trim().strip_suffix(" s")?.split_once(" s of processor time in "));
        let seconds = parts.and_then(|(busy, wall)| Some((busy.parse().ok()?, wall.parse().ok()?)));
        seconds.unwrap_or_else(|| panic!("no times of the loop in\n{}", self.text))
    }
}

impl Index<&str> for Report {
    type Output = u64;

    fn index(&self, name: &str) -> &u64 {
        self.counts.get(name).unwrap_or_else(|| panic!("no '{name}' in\n{}", self.text))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
