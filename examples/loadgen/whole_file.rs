//! A file that an option names: complete, or absent.
//!
//! ```text
//!   create ──► an unnamed file in the target's folder ──► written ──► commit: linked, renamed over it
//!                                                              │
//!                                                              └─ dropped, killed: never visible
//! ```
//!
//! On file systems without unnamed files, the temporary file has a name and is removed on failure; only a
//! killed process leaves it behind.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;
use simaccel::grammar::Shown;

use crate::failure::Failure;

pub(crate) struct WholeFile {
    file: BufWriter<File>,
    option: &'static str,
    /// As the option names it.
    asked: PathBuf,
    /// The file to replace: `asked`, symbolic links followed.
    target: PathBuf,
    temporary: Temporary,
}

/// The temporary file's name, once it has one; dropping this removes the file.
struct Temporary {
    path: PathBuf,
    exists: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.exists {
            // After the rename it is gone already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl WholeFile {
    pub(crate) fn create(option: &'static str, asked: &Path) -> Result<Self, Failure> {
        Self::try_create(option, asked).map_err(|error| file_failure(option, asked, &error))
    }

    fn try_create(option: &'static str, asked: &Path) -> io::Result<Self> {
        let (target, permissions) = target_of(asked)?;
        let folder = match target.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let path = folder.join(temporary_name());
        let unnamed = OpenOptions::new().write(true).custom_flags(nix::libc::O_TMPFILE).open(folder);
        let (file, exists) = match unnamed {
            Ok(file) => (file, false),
            Err(error) if has_no_unnamed_files(&error) => {
                (OpenOptions::new().write(true).create_new(true).open(&path)?, true)
            }
            Err(error) => return Err(error),
        };
        let temporary = Temporary { path, exists };
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        let file = BufWriter::with_capacity(1 << 18, file);
        Ok(Self { file, option, asked: asked.to_owned(), target, temporary })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| self.failed(&error))
    }

    /// Moves the file into place.
    pub(crate) fn commit(mut self) -> Result<(), Failure> {
        self.try_commit().map_err(|error| self.failed(&error))
    }

    /// It could be created, so what fails now, as on a full disk, is no mistake of the command line.
    fn failed(&self, error: &io::Error) -> Failure {
        Failure::Run(file_failure(self.option, &self.asked, error).to_string())
    }

    fn try_commit(&mut self) -> io::Result<()> {
        self.file.flush()?;
        if !self.temporary.exists {
            // A link cannot replace a file, but a rename can: so first a name, then the right name.
            let unnamed = PathBuf::from(format!("/proc/self/fd/{}", self.file.get_ref().as_raw_fd()));
            linkat(AT_FDCWD, &unnamed, AT_FDCWD, &self.temporary.path, AtFlags::AT_SYMLINK_FOLLOW)?;
            self.temporary.exists = true;
        }
        std::fs::rename(&self.temporary.path, &self.target)
    }
}

/// A name that no other process has, and no killed process with the same id had.
fn temporary_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!(".loadgen-{}-{}.tmp", std::process::id(), now.as_nanos())
}

/// The file that `asked` refers to, and the permissions of an existing one. A device or a pipe is refused,
/// because a rename would replace it by a file.
fn target_of(asked: &Path) -> io::Result<(PathBuf, Option<Permissions>)> {
    if asked.file_name().is_none() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    match std::fs::metadata(asked) {
        Ok(found) if found.is_file() => Ok((asked.canonicalize()?, Some(found.permissions()))),
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => Err(io::Error::other("not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((asked.to_owned(), None)),
        Err(error) => Err(error),
    }
}

/// What kernels and file systems without `O_TMPFILE` return for it (open(2)).
fn has_no_unnamed_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::EOPNOTSUPP | nix::libc::EISDIR | nix::libc::EINVAL))
}

/// A failure of a system call on a file that an option names.
pub(crate) fn file_failure(option: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::option(option, format_args!("{}: {error}", Shown(&path.display().to_string())))
}
