//! `--virtual`: the option, and what it goes together with.

use clap::Args;
use simaccel::Config;

use crate::args::Mode;
use crate::failure::Failure;

#[derive(Args, Clone)]
pub(crate) struct VirtualTime {
    /// A device whose clock is virtual: its time goes from event to event, however long the host takes, so
    /// every latency is the model's to the nanosecond, and a seed prints the same report again. Only in modes
    /// with jobs (wake-fd, callback, poll)
    #[arg(long = "virtual")]
    pub(crate) is_virtual: bool,
}

impl VirtualTime {
    /// A file goes through the device as fast as it can, and what is measured is that.
    pub(crate) fn refuse_with_input(&self) -> Result<(), Failure> {
        if self.is_virtual {
            return Err(Failure::option("--virtual", "not allowed together with --input"));
        }
        Ok(())
    }

    /// Refuses what has no virtual time: modes that block, and a device on which nothing takes any.
    pub(crate) fn check(&self, mode: Option<Mode>, device: &Config) -> Result<(), Failure> {
        if !self.is_virtual {
            return Ok(());
        }
        if let Some(mode) = mode.filter(|mode| !mode.has_many()) {
            let why =
                format!("--mode {} blocks, allowed are wake-fd, callback, poll and futures", mode.name());
            return Err(Failure::option("--virtual", why));
        }
        if !device.device().is_modelled() {
            let why = "an ideal device takes no virtual time, allowed is a modelled one, as by --device \
                       completion_nsec=50000";
            return Err(Failure::option("--virtual", why));
        }
        Ok(())
    }
}
