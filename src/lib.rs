//! simaccel: a simulated hardware crypto accelerator and the engine in front of it.

#[cfg(not(target_os = "linux"))]
compile_error!("simaccel needs Linux: eventfd, epoll and guarded fiber stacks");

mod engine;
mod error;
pub mod job;
mod wait_readable;

pub use device_sim::{
    Aead, Cipher, ConfigError, Device, DeviceStats, Hash, Operation, Padding, SessionError, Tag,
};
pub use engine::{
    AeadOpener, AeadSealer, AeadSession, CipherSession, CipherStream, Config, DeliveryMode, Engine,
    EngineStats, HashSession, HashStream, MacSession, MacStream,
};
pub use error::{Error, OpError};
pub use job::{Job, Step, WaitCtx};
pub use wait_readable::wait_readable;
