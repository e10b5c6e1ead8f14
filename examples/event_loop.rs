//! Many jobs on one thread, as an event-driven server runs them: epoll on the wait fds, fds added and removed
//! as the wait contexts report them, jobs resumed when their fd is readable.
//!
//! ```text
//!   serve ──► resume ──┬─► Paused ──► follow_fds: changed_fds() into epoll ──┬─► epoll ──► serve
//!               ▲      │                                                     └─► the client left: drop the job
//!               │      └─► Finished ──► the next request, on the same context
//!               └──────────────────────────────┘
//! ```
//!
//! Every eighth client leaves while its first request is in flight, which takes the request back.
//!
//! `cargo run --release --example event_loop -- [CONNECTIONS [REQUESTS]]`

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use simaccel::grammar::{self, Shown};
use simaccel::{Cipher, CipherSession, Config, Engine, Error, Job, Step, WaitCtx};

const USAGE: &str = "usage: event_loop [CONNECTIONS [REQUESTS]]";
const EXIT_CODES: &str = "Exit code: 0 when all went well; 1 for a wrong result, an error, or a standard output that cannot be \
     written; 2 for a bad argument.";

type AnyError = Box<dyn std::error::Error>;

/// A connection: the running job, if any, and its wait context, which outlives every job on it. The job comes
/// first, because fields are dropped in the order of their declaration.
struct Connection {
    job: Option<Job<Result<Vec<u8>, Error>>>,
    ctx: WaitCtx,
    requests_left: usize,
    /// Its client leaves at the next pause.
    is_leaving: bool,
}

struct EventLoop {
    epoll: Epoll,
    connections: Vec<Connection>,
    session: CipherSession,
    pauses: usize,
    finished: usize,
    given_up: usize,
    wrong: usize,
}

impl EventLoop {
    fn new(engine: &Engine, connections: usize, requests: usize) -> Result<Self, AnyError> {
        let connection = |index: usize| Connection {
            job: None,
            ctx: WaitCtx::new(),
            requests_left: requests,
            is_leaving: index.is_multiple_of(8),
        };
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: (0..connections).map(connection).collect(),
            session: engine.cipher(Cipher::Aes128Ctr, &[1; 16])?,
            pauses: 0,
            finished: 0,
            given_up: 0,
            wrong: 0,
        })
    }

    fn run(&mut self) -> Result<(), AnyError> {
        for index in 0..self.connections.len() {
            self.serve(index)?;
        }
        let mut events = [EpollEvent::empty(); 64];
        while self.connections.iter().any(|connection| connection.job.is_some()) {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => 0,
                ready => ready?,
            };
            for event in &events[..ready] {
                self.serve(usize::try_from(event.data())?)?;
            }
        }
        Ok(())
    }

    /// Runs a connection until it pauses or has nothing left to do.
    fn serve(&mut self, index: usize) -> Result<(), AnyError> {
        while self.start_next(index)? {
            let connection = &mut self.connections[index];
            let Some(job) = &mut connection.job else { break };
            match job.resume()? {
                Step::Paused => {
                    self.pauses += 1;
                    self.follow_fds(index)?;
                    if !self.leaves(index) {
                        return Ok(());
                    }
                }
                Step::Finished(result) => {
                    connection.job = None;
                    self.finished += 1;
                    self.wrong += usize::from(result? != message(index));
                }
            }
        }
        Ok(())
    }

    /// Drops the job if its client has left; another client takes the connection over.
    fn leaves(&mut self, index: usize) -> bool {
        let connection = &mut self.connections[index];
        let leaves = std::mem::take(&mut connection.is_leaving);
        if leaves {
            connection.job = None;
            self.given_up += 1;
        }
        leaves
    }

    /// Starts a job if the connection has none and requests are left. Returns whether it has one now.
    fn start_next(&mut self, index: usize) -> Result<bool, AnyError> {
        let connection = &mut self.connections[index];
        if connection.job.is_none() && connection.requests_left > 0 {
            connection.requests_left -= 1;
            let session = self.session.clone();
            let there_and_back = move || {
                let sealed = session.encrypt(&[9; 16], message(index))?;
                Ok(session.decrypt(&[9; 16], sealed)?)
            };
            connection.job = Some(Job::new(&connection.ctx, there_and_back)?);
        }
        Ok(connection.job.is_some())
    }

    /// Updates epoll with the job's changes to its wait context. Deleted fds come first, because an added one
    /// may reuse a closed number. Changes stay listed until the context's job is next resumed, so after a
    /// dropped job they are listed again.
    fn follow_fds(&self, index: usize) -> Result<(), AnyError> {
        let changed = self.connections[index].ctx.changed_fds();
        for fd in changed.deleted {
            // A closed fd has left epoll already; it is no error that it is gone.
            let _ = self.epoll.delete(fd);
        }
        for fd in changed.added {
            match self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, u64::try_from(index)?)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn message(index: usize) -> Vec<u8> {
    format!("the request of connection {index}").into_bytes()
}

/// What the command line asks for.
enum Asked {
    Help,
    Run { connections: usize, requests: usize },
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let arguments: Vec<OsString> = arguments.collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return Ok(Asked::Help);
    }
    if let Some(excess) = arguments.get(2) {
        let excess = excess.to_string_lossy();
        return Err(format!("{} is one argument too many; {USAGE}", Shown(&excess)));
    }
    let connections = number("CONNECTIONS", arguments.first(), 1_000)?;
    let requests = number("REQUESTS", arguments.get(1), 10)?;
    Ok(Asked::Run { connections, requests })
}

/// The largest value of either.
const MOST: usize = 1_000_000;

fn number(name: &str, argument: Option<&OsString>, default: usize) -> Result<usize, String> {
    let Some(argument) = argument else { return Ok(default) };
    let number = argument.to_str().and_then(|text| grammar::within(text, 1..=MOST));
    number.ok_or_else(|| format!("{name}: allowed are 1 to {MOST}; {USAGE}"))
}

fn main() -> ExitCode {
    let ended = match parse(std::env::args_os().skip(1)) {
        Ok(Asked::Help) => print(&format!("{USAGE}\n\n{EXIT_CODES}")).map_err(AnyError::from),
        Ok(Asked::Run { connections, requests }) => run(connections, requests),
        Err(line) => {
            say(&line);
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(connections: usize, requests: usize) -> Result<(), AnyError> {
    let engine = Engine::open(Config::default())?;
    let mut event_loop = EventLoop::new(&engine, connections, requests)?;
    event_loop.run()?;

    let (stats, EventLoop { finished, given_up, wrong, pauses, .. }) = (engine.stats(), event_loop);
    print(&format!(
        "{connections} connections, {finished} requests finished, {given_up} given up, {wrong} wrong\n\
         {pauses} pauses seen, {} by the engine, {} spurious; {} wakes sent; ring full {} times",
        stats.pauses, stats.spurious_resumes, stats.device.total.wakes_sent, stats.device.total.full
    ))?;
    if wrong > 0 { Err("wrong results".into()) } else { Ok(()) }
}

/// `println!` would panic without a reader.
fn print(text: &str) -> Result<(), String> {
    let written = writeln!(std::io::stdout(), "{text}");
    written.map_err(|error| format!("standard output: {error}"))
}

/// Prints a line on standard error. If that fails, the exit code must suffice.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "event_loop: {line}");
}
