//! Pictures of a run: a report as one page, and the same pictures as files.
//!
//! ```text
//!   report, grid ──► draw: which pictures ──► chart, heat: lines and cells ──► svg ─┬─► html ──► --report FILE
//!                                             axis: where a value is                └─► alone ──► --svg DIR
//! ```
//!
//! The pictures are written by hand: what there is to draw are lines, rectangles and text. A library for
//! plots brings a font and its measures, and colours that are fixed when it draws, where these have to be
//! light and dark and to stand in a page of text.

mod axis;
mod chart;
mod draw;
mod heat;
mod html;
mod svg;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::files;
use crate::grid::Grid;
use crate::plan::refuse_given;
use crate::report::Report;
use crate::whole_file::{WholeFile, file_failure};

/// The options that ask for pictures.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct PictureOptions {
    /// Writes the report as one page with pictures, which needs no network and no script: table, latencies,
    /// throughput and what is in flight over time, configuration
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Writes the pictures of --report as SVG files into this folder, which is made if it is not there:
    /// percentiles.svg, throughput.svg, in-flight.svg, latency-ROW.svg; of a sweep sweep.svg
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
}

impl PictureOptions {
    /// Refuses them with an option that has neither rows nor a timeline.
    pub(crate) fn refuse_with(&self, option: &str) -> Result<(), Failure> {
        let given = [("--report", self.report.is_some()), ("--svg", self.svg.is_some())];
        refuse_given(&given, &format!("not allowed together with {option}"))
    }

    /// Whether there is anything to draw.
    pub(crate) const fn any(&self) -> bool {
        self.report.is_some() || self.svg.is_some()
    }

    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.report.as_deref() == Some(Path::new("-")) {
            return Err(Failure::option("--report", "has to be a file, which standard output is not"));
        }
        Ok(())
    }

    /// Opens what will be written, so that a folder that is not there is known before the run.
    pub(crate) fn open(&self) -> Result<Pictures, Failure> {
        let report = self.report.as_deref().map(|path| WholeFile::create("--report", path)).transpose()?;
        if let Some(folder) = &self.svg {
            make_folder(folder).map_err(|error| file_failure("--svg", folder, &error))?;
        }
        Ok(Pictures { report, folder: self.svg.clone() })
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// What will be written at the end of the run.
pub(crate) struct Pictures {
    report: Option<WholeFile>,
    folder: Option<PathBuf>,
}

impl Pictures {
    /// Draws and writes; each file is there as a whole, or not at all.
    pub(crate) fn write(self, report: &Report, grid: Option<&Grid>) -> Result<(), Failure> {
        if self.report.is_none() && self.folder.is_none() {
            return Ok(());
        }
        let pictures = draw::all(report, grid);
        let page = self.report.map(|mut file| {
            file.write(html::page(report, &command_line(std::env::args_os()), &pictures).as_bytes())?;
            file.commit()
        });
        let alone = self.folder.map(|folder| {
            pictures.iter().try_for_each(|named| {
                let path = folder.join(format!("{}.svg", named.name));
                files::write("--svg", &path, named.picture.alone().as_bytes())
            })
        });
        [page, alone].into_iter().flatten().collect()
    }
}

/// The command as a shell takes it.
fn command_line(arguments: impl Iterator<Item = OsString>) -> String {
    let quoted = arguments.skip(1).map(|argument| quoted(&argument.to_string_lossy()));
    std::iter::once("loadgen".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=./:,%+@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
