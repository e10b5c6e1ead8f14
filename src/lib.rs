//! simaccel: a simulated hardware crypto accelerator and the engine in front of it.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "simaccel runs on Linux only: it needs eventfd, epoll and the memory management of that kernel"
);

pub mod job;

pub use job::{Job, Step, WaitCtx};
