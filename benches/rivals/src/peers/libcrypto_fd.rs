//! libcrypto's jobs as OpenSSL's asynchronous engines use them: an eventfd in every wait context, written by
//! the worker for each request, found with epoll, and read by the job when it is resumed.

use std::os::fd::AsRawFd;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::ring::{Shared, run};
use crate::epoll::Epoll;
use crate::harness::{Outcome, by_wall};
use crate::lanes::{Drive, Lanes};
use crate::libcrypto::{self, WaitCtx};
use crate::placement::Placement;

pub(crate) struct LibcryptoFd {
    contexts: Vec<WaitCtx>,
    fds: Vec<EventFd>,
    epoll: Epoll,
    placement: Placement,
}

impl LibcryptoFd {
    pub(crate) fn new(slots: usize, placement: Placement) -> Outcome<Self> {
        let epoll = Epoll::new()?;
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let (mut contexts, mut fds) = (Vec::new(), Vec::new());
        for slot in 0..slots {
            let (ctx, fd) = (WaitCtx::new()?, EventFd::from_flags(flags)?);
            ctx.set_wait_fd(fd.as_raw_fd())?;
            epoll.add(&fd, slot)?;
            contexts.push(ctx);
            fds.push(fd);
        }
        Ok(Self { contexts, fds, epoll, placement })
    }
}

fn body<'a>((shared, slot): (&'a Shared<'a>, usize)) {
    shared.submit(slot);
    libcrypto::pause();
    shared.read_wait_fd(slot);
}

impl Drive for LibcryptoFd {
    fn drive(&mut self, lanes: &mut Lanes, ops: u64) -> Outcome<f64> {
        let Self { contexts, fds, epoll, placement, .. } = self;
        run(placement, contexts, lanes, ops, body, Some(fds), |slots, from_worker| {
            by_wall(ops, || {
                slots.start_all()?;
                while slots.to_finish > 0 {
                    for slot in epoll.wait()? {
                        // A result is in the ring before its fd is written.
                        for work in from_worker.read_chunk(from_worker.slots())? {
                            slots.complete(work);
                        }
                        slots.go_on(slot)?;
                    }
                }
                Ok(())
            })
        })
    }
}
