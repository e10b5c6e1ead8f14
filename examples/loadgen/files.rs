//! Files beside the report: a row's figures as CSV, its latencies as HdrHistogram's tools read them.
//!
//! ```text
//!   rows ──┬──► csv            --csv     a line a row
//!          ├──► hgrm           --hgrm    the percentile distribution, a file a row
//!          └──► interval_log   --log     compressed histograms, an interval a row
//!                  └──► WholeFile: complete, or as it was before
//! ```
//!
//! A file that cannot be created is found before the first row runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::args::Format;
use crate::csv;
use crate::failure::Failure;
use crate::hgrm;
use crate::interval_log;
use crate::plan::{Output, refuse_given};
use crate::report;
use crate::row::Row;
use crate::whole_file::WholeFile;

/// A group of options: the files that are written beside the report.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Files {
    /// Writes a line a row, comma-separated with a head (RFC 4180); - is standard output, instead of the
    /// report
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Writes the percentiles of the latency as HdrHistogram's plotter reads them, in microseconds; with more
    /// than one row a file each, as in FILE-1-software-closed.hgrm
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
    /// Writes an HdrHistogram log (version 2, compressed), in nanoseconds: an interval with a tag each row
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

impl Files {
    /// How they go together with the report.
    pub(crate) fn check(&self, output: Output) -> Result<(), Failure> {
        for (option, path) in [("--hgrm", &self.hgrm), ("--log", &self.log)] {
            if path.as_deref().is_some_and(is_dash) {
                return Err(Failure::option(option, "has to be a file, which standard output is not"));
            }
        }
        if self.takes_output() {
            let others = [
                ("--output-format", output.format == Format::Json),
                ("--stats", output.stats.is_some()),
                ("--wide", output.wide),
            ];
            refuse_given(&others, "not allowed together with --csv -, which has standard output to itself")?;
        }
        Ok(())
    }

    pub(crate) fn refuse_with_input(&self) -> Result<(), Failure> {
        self.refuse_with("--input")
    }

    pub(crate) fn refuse_with(&self, option: &str) -> Result<(), Failure> {
        let given =
            [("--csv", self.csv.is_some()), ("--hgrm", self.hgrm.is_some()), ("--log", self.log.is_some())];
        refuse_given(&given, &format!("not allowed together with {option}"))
    }

    /// Whether the CSV goes where the report would.
    pub(crate) fn takes_output(&self) -> bool {
        self.csv.as_deref().is_some_and(is_dash)
    }

    /// Fails where a file could not be created. Leaves nothing behind.
    pub(crate) fn probe(&self) -> Result<(), Failure> {
        let csv = self.csv.as_deref().filter(|path| !is_dash(path));
        let all = [("--csv", csv), ("--hgrm", self.hgrm.as_deref()), ("--log", self.log.as_deref())];
        for (option, path) in all {
            path.map(|path| WholeFile::create(option, path)).transpose()?;
        }
        Ok(())
    }

    /// Writes all of them; the first failure is returned after the others were tried.
    pub(crate) fn write(&self, rows: &[Row]) -> Result<(), Failure> {
        let csv = self.csv.as_deref().map(|path| {
            let text = csv::text(rows);
            if is_dash(path) { report::print(&text) } else { write("--csv", path, text.as_bytes()) }
        });
        let hgrm = self.hgrm.as_deref().map(|path| write_hgrm(path, rows));
        let log = self.log.as_deref().map(|path| write("--log", path, &interval_log::bytes(rows)?));
        [csv, hgrm, log].into_iter().flatten().collect()
    }
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

fn write_hgrm(path: &Path, rows: &[Row]) -> Result<(), Failure> {
    let mut named = rows.iter().enumerate().map(|(index, row)| {
        let path = if rows.len() == 1 { path.to_owned() } else { beside(path, &row_name(index, row)) };
        let text = hgrm::text(&row.recorded.latencies);
        (path, text.map_err(|error| Failure::Run(format!("--hgrm: {error}"))))
    });
    named.try_for_each(|(path, text)| write("--hgrm", &path, text?.as_bytes()))
}

/// A row in a file's name or a tag: its number, from 1 on, the mode and the loop.
pub(crate) fn row_name(index: usize, row: &Row) -> String {
    format!("{}-{}-{}", index + 1, row.mode.name(), row.loop_name())
}

/// `out.hgrm` and `1-sync-closed` are `out-1-sync-closed.hgrm`.
fn beside(path: &Path, name: &str) -> PathBuf {
    let mut file = path.file_stem().map(OsString::from).unwrap_or_default();
    file.push("-");
    file.push(name);
    if let Some(extension) = path.extension() {
        file.push(".");
        file.push(extension);
    }
    path.with_file_name(file)
}

/// After the run a full disk is no mistake of the command line.
pub(crate) fn write(option: &'static str, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = WholeFile::create(option, path).and_then(|mut file| {
        file.write(bytes)?;
        file.commit()
    });
    written.map_err(|failure| Failure::Run(failure.to_string()))
}
