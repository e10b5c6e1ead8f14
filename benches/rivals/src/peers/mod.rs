//! The other ways of having a worker encrypt 64 buffers: each drives the same lanes, with the same kernel, at
//! its best.

mod channel;
mod libcrypto_fd;
mod libcrypto_ring;
mod ring;
mod tokio_oneshot;
mod tokio_pool;

pub(crate) use channel::Channel;
pub(crate) use libcrypto_fd::LibcryptoFd;
pub(crate) use libcrypto_ring::LibcryptoRing;
pub(crate) use tokio_oneshot::TokioOneshot;
pub(crate) use tokio_pool::{Pool, TokioPool};
