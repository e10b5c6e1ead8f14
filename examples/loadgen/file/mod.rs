//! A file through the device: digests as `sha256sum` prints them, ciphers as `openssl enc` writes them.
//!
//! ```text
//!   input ──► Pieces ──► parallel: a job per piece, many in flight, in order   ECB, CTR, XTS, CBC dec.
//!             (bounded)  chained:  one piece at a time, reading overlaps       CBC enc., GCM, hashes
//!                              │
//!                              └──► WholeFile: temporary file next to the target, renamed at the end
//! ```
//!
//! Jobs times piece bounds the memory, whatever the file's length.

mod chained;
mod parallel;
mod pieces;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use simaccel::{Engine, Error, Tag};
use simaccel_device::Algorithm;

use crate::alg;
use crate::args::Format;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::interrupt;
use crate::judging::Judgement;
use crate::load;
use crate::meter::{Meter, Sent};
use crate::plan::File;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::row::Row;
use crate::whole_file::WholeFile;

use pieces::Pieces;

/// Bytes of a GCM tag after its ciphertext.
const TAG_LEN: usize = 16;

/// The state that both ways through the device use.
struct Transfer<'a> {
    plan: &'a File,
    engine: Engine,
    pieces: Pieces,
    /// `None` for a digest.
    output: Option<WholeFile>,
    meter: Meter,
    progress: Progress,
    /// Pieces at most.
    in_flight: usize,
}

pub(crate) fn run(plan: &File) -> Result<(), Failure> {
    interrupt::watch();
    let opens = matches!(plan.algorithm, Algorithm::Aead(_)) && plan.decrypt;
    let pieces = Pieces::open(&plan.input, plan.piece, if opens { TAG_LEN } else { 0 })?;
    let mut transfer = Transfer {
        plan,
        engine: load::open(plan.mode, &plan.device)?,
        output: plan.output.as_deref().map(|path| WholeFile::create("--output", path)).transpose()?,
        meter: Meter::new(false, Clock::Real),
        progress: Progress::bytes(plan.mode.name(), pieces.input_len()),
        pieces,
        in_flight: 1,
    };
    transfer.meter.start(None);
    let ended = match alg::parallel_shape(plan.algorithm, plan.decrypt) {
        Some((cipher, shape)) => parallel::run(&mut transfer, cipher, shape).map(|()| None),
        None => chained::run(&mut transfer),
    };
    transfer.meter.stop();
    transfer.progress.end();
    let digest = match ended {
        Err(Failure::Interrupted) => {
            // What there is of an output is not put in its place.
            transfer.output = None;
            transfer.report(true)?;
            return Err(Failure::Interrupted);
        }
        ended => ended?,
    };
    if let Some(output) = transfer.output.take() {
        output.commit()?;
    }
    if let Some(digest) = digest {
        report::print_bytes(&sum_line(digest, plan.input.as_os_str()))?;
    }
    transfer.report(false)
}

/// Prints the report on standard error, where it cannot be mistaken for the result. A JSON report goes to
/// standard output if nothing else does.
fn print_report(plan: &File, row: Row, is_interrupted: bool) -> Result<(), Failure> {
    if plan.output_as.format == Format::Text {
        let statistics = plan.output_as.stats.map(|format| row.statistics(format)).unwrap_or_default();
        return report::print_aside(&format!("{}\n{statistics}", report::file_line(&row)));
    }
    let mut report = Report::of_file(plan.device.clone(), row);
    report.judgement = Some(Judgement { is_interrupted, ..Judgement::default() });
    let json = report.json(plan.output_as.stats.is_some());
    let print = if plan.output.is_some() { report::print } else { report::print_aside };
    print(&format!("{json}\n"))
}

/// Digest, two blanks, name, as the `*sum` tools of GNU coreutils print them. A name with a backslash or a
/// line break is escaped, and a backslash at the start of the line says so.
fn sum_line(digest: Tag, name: &OsStr) -> Vec<u8> {
    let mut line = Vec::new();
    let mut escaped = Vec::new();
    for &byte in name.as_bytes() {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            _ => escaped.push(byte),
        }
    }
    if escaped.len() > name.len() {
        line.push(b'\\');
    }
    line.extend_from_slice(hex::encode(digest).as_bytes());
    line.extend_from_slice(b"  ");
    line.extend_from_slice(&escaped);
    line.push(b'\n');
    line
}

impl Transfer<'_> {
    /// Reports what has gone through.
    fn report(self, is_interrupted: bool) -> Result<(), Failure> {
        let Self { plan, engine, meter, in_flight, .. } = self;
        engine.device().drain();
        let (algorithm, stats) = (plan.algorithm.to_string(), engine.stats());
        let row = Row::new(plan.mode, &plan.device, algorithm, plan.piece, in_flight, &meter, stats);
        print_report(plan, row, is_interrupted)
    }

    /// Records a finished piece of `bytes` of input.
    fn record(&mut self, asked: Sent, bytes: usize, failed: Option<&Error>) {
        let now = self.meter.clock.now();
        self.meter.record(asked, now, bytes, failed.cloned());
        self.progress.at(now, self.meter.bytes, &self.meter);
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.output.as_mut().map_or(Ok(()), |output| output.write(bytes))
    }

    /// Translates an error of the engine into terms of the file.
    fn failure(&self, error: &Error) -> Failure {
        let name = self.plan.input.display();
        let what = if matches!(self.plan.algorithm, Algorithm::Aead(_)) { "tag" } else { "padding" };
        match error {
            Error::AuthFailed => Failure::Run(format!("{name}: the {what} is wrong; no output was written")),
            error => Failure::Run(format!("{name}: {error}")),
        }
    }

    /// What the input lacks for decryption.
    fn incomplete(&self, lacks: &str) -> Failure {
        Failure::Run(format!("{}: {lacks}; no output was written", self.plan.input.display()))
    }
}
