//! Many jobs on one thread, as an event-driven server would run them: epoll on the wait fds, fds added and
//! removed as the wait contexts report them, jobs resumed when their fd is readable.
//!
//! `cargo run --release --example event_loop -- [CONNECTIONS [REQUESTS]]`

#![expect(unsafe_code, reason = "epoll takes fds as borrows; a wait context reports plain numbers")]

use std::os::fd::{BorrowedFd, RawFd};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use simaccel::{Cipher, CipherSession, Config, Engine, Error, Job, Step, WaitCtx};

type AnyError = Box<dyn std::error::Error>;

/// A connection: its wait context, which outlives every job on it, and the job that is running, if any.
struct Connection {
    ctx: WaitCtx,
    job: Option<Job<Result<Vec<u8>, Error>>>,
    requests_left: usize,
}

struct EventLoop {
    epoll: Epoll,
    connections: Vec<Connection>,
    session: CipherSession,
    pauses: usize,
    finished: usize,
    wrong: usize,
}

impl EventLoop {
    fn new(engine: &Engine, connections: usize, requests: usize) -> Result<Self, AnyError> {
        let connection = || Connection { ctx: WaitCtx::new(), job: None, requests_left: requests };
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: (0..connections).map(|_| connection()).collect(),
            session: engine.cipher(Cipher::Aes128Ctr, &[1; 16])?,
            pauses: 0,
            finished: 0,
            wrong: 0,
        })
    }

    fn run(&mut self) -> Result<(), AnyError> {
        for index in 0..self.connections.len() {
            self.serve(index)?;
        }
        let mut events = [EpollEvent::empty(); 64];
        while self.connections.iter().any(|connection| connection.job.is_some()) {
            let ready = self.epoll.wait(&mut events, EpollTimeout::NONE)?;
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
                    return self.follow_fds(index);
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

    /// Gives the connection a job if it has none and requests left; whether it has one now.
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

    /// Brings epoll up to date with what the job did to its wait context. Deleted fds come first: a number that
    /// was closed may be in use again among the added ones.
    fn follow_fds(&self, index: usize) -> Result<(), AnyError> {
        let changed = self.connections[index].ctx.changed_fds();
        for fd in changed.deleted {
            // A closed fd has left epoll by itself; it is not an error to find it gone.
            let _ = self.epoll.delete(borrow(fd));
        }
        for fd in changed.added {
            self.epoll.add(borrow(fd), EpollEvent::new(EpollFlags::EPOLLIN, u64::try_from(index)?))?;
        }
        Ok(())
    }
}

fn message(index: usize) -> Vec<u8> {
    format!("the request of connection {index}").into_bytes()
}

fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the borrow ends within the call it is made for, and the wait context keeps the fd open meanwhile.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

fn number(name: &str, argument: Option<String>, default: usize) -> usize {
    let Some(text) = argument else { return default };
    text.parse().unwrap_or_else(|_| {
        eprintln!("event_loop: {name}: {text:?} is not a whole number");
        std::process::exit(2)
    })
}

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let connections = number("CONNECTIONS", arguments.next(), 1_000);
    let requests = number("REQUESTS", arguments.next(), 10);

    let engine = Engine::open(Config::default())?;
    let mut event_loop = EventLoop::new(&engine, connections, requests)?;
    event_loop.run()?;

    let stats = engine.stats();
    println!(
        "{connections} connections, {} requests finished, {} wrong",
        event_loop.finished, event_loop.wrong
    );
    println!(
        "{} pauses seen, {} by the engine, {} spurious; {} wakes sent; ring full {} times",
        event_loop.pauses,
        stats.pauses,
        stats.spurious_resumes,
        stats.device.total.wakes_sent,
        stats.device.total.full
    );
    if event_loop.wrong > 0 { Err("wrong results".into()) } else { Ok(()) }
}
