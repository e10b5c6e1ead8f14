//! Servers on loopback, each on a port that was free, stopped by their process id.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs, io};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cannot_run;
use super::configuration::PRELOADED;

/// A port of loopback without a listener.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A running server; its process is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The end of the server's standard input that keeps it open.
    _input: io::PipeWriter,
    log: PathBuf,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server that stays in the foreground, and returns once it accepts connections at `port`.
    /// Standard output and error go to `log`.
    pub(crate) fn start(command: &mut Command, port: u16, log: &Path) -> Self {
        let output = File::create(log).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        // An end of input would end `openssl s_server`.
        let (input, ours) = io::pipe().unwrap();
        command.stdin(OwnedFd::from(input));
        let child = command.spawn().unwrap_or_else(|error| panic!("{}", cannot_run(command, &error)));
        let mut server = Self { child, _input: ours, log: log.to_owned(), port };
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            server.assert_alive();
            sleep(Duration::from_millis(5));
        }
        server.assert_preloaded();
        server
    }

    /// Fails the test unless the library that all programs are to be preloaded with, if any, is in the
    /// server.
    fn assert_preloaded(&self) {
        if let Some(library) = env::var_os(PRELOADED) {
            let library = fs::canonicalize(library).unwrap();
            let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid())).unwrap();
            assert!(maps.contains(library.to_str().unwrap()), "{} is not preloaded", library.display());
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server has said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Fails the test when the server has ended.
    #[track_caller]
    pub(crate) fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the server has ended: {status}\n{}", self.said());
        }
    }

    /// A file of the server's own folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.log.with_file_name(name)
    }

    /// Bytes of memory that the server's process has resident.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Fds that a process of this server has open.
    pub(crate) fn fds(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Ids of the children of the server's process.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let lists = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("children")).unwrap());
        lists
            .flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
            .collect()
    }

    /// Asks the server to end, and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.child.wait().unwrap()
    }

    /// Waits for a server that ends by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process was ended by a signal that says it crashed.
pub(crate) fn crashed(status: ExitStatus) -> bool {
    let crashes = [Signal::SIGSEGV, Signal::SIGABRT, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE];
    status.signal().is_some_and(|number| crashes.iter().any(|&signal| signal as i32 == number))
}
