//! All files, or none.
//!
//! ```text
//!   file, link   each is written beside its place under a name of its own ──┐ an error: these are removed,
//!   commit       what is there gets a second name; the new one takes its    │ and the folders that were made;
//!                place by a rename, so that it is there at every moment   ──┘ what was replaced comes back
//! ```
//!
//! Programs that use an old library go on using it. Only a killed process leaves its temporary names behind,
//! which begin with a dot and end with `.tmp`.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{fs, io, process};

use crate::layout::describe;

#[derive(Default)]
pub(crate) struct Staging {
    staged: Vec<Staged>,
    /// Created folders, outermost first.
    folders: Vec<PathBuf>,
    committed: bool,
}

/// One file or link.
struct Staged {
    fresh: PathBuf,
    /// A second name for the replaced file.
    kept: PathBuf,
    to: PathBuf,
    is_in_place: bool,
}

impl Staging {
    /// A file that `write` creates under the given name.
    pub(crate) fn file(
        &mut self,
        to: &Path,
        write: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<(), String> {
        write(&self.stage(to)?)
    }

    /// A symbolic link to a name in the same folder.
    pub(crate) fn link(&mut self, to: &Path, target: &str) -> Result<(), String> {
        let fresh = self.stage(to)?;
        symlink(target, &fresh).map_err(|error| describe(&fresh, &error))
    }

    /// Where to write what will be at `to`.
    fn stage(&mut self, to: &Path) -> Result<PathBuf, String> {
        let (Some(folder), Some(name)) = (to.parent(), to.file_name()) else {
            return Err(format!("{}: not the name of a file", to.display()));
        };
        self.make(folder)?;
        if fs::symlink_metadata(to).is_ok_and(|there| there.is_dir()) {
            return Err(format!("{}: a folder is in the place of a file", to.display()));
        }
        let beside = |what| folder.join(format!(".{}.{what}-{}.tmp", name.display(), process::id()));
        let (fresh, kept) = (beside("new"), beside("old"));
        for left_behind in [&fresh, &kept] {
            // Left by a killed process that had this number.
            remove(left_behind)?;
        }
        self.staged.push(Staged { fresh: fresh.clone(), kept, to: to.to_owned(), is_in_place: false });
        Ok(fresh)
    }

    fn make(&mut self, folder: &Path) -> Result<(), String> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Ok(()) => self.folders.push(folder.to_owned()),
                // Another process has created it first.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(describe(folder, &error)),
            }
        }
        Ok(())
    }

    /// Moves everything into place. Returns the places.
    pub(crate) fn commit(mut self) -> Result<Vec<PathBuf>, String> {
        for staged in &self.staged {
            staged.keep()?;
        }
        for staged in &mut self.staged {
            fs::rename(&staged.fresh, &staged.to).map_err(|error| describe(&staged.to, &error))?;
            staged.is_in_place = true;
        }
        self.committed = true;
        Ok(self.staged.iter().map(|staged| staged.to.clone()).collect())
    }
}

impl Staged {
    /// Gives the existing file a second name.
    fn keep(&self) -> Result<(), String> {
        match fs::hard_link(&self.to, &self.kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("{}: it cannot be kept while it is replaced: {error}", self.to.display()))
            }
            _ => Ok(()),
        }
    }

    fn undo(&self) {
        if self.is_in_place && fs::rename(&self.kept, &self.to).is_err() {
            // Nothing was there before.
            let _ = fs::remove_file(&self.to);
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        for staged in &self.staged {
            if !self.committed {
                staged.undo();
            }
            // A file that is gone already is no error, and other errors were reported.
            let _ = fs::remove_file(&staged.fresh);
            let _ = fs::remove_file(&staged.kept);
        }
        if !self.committed {
            for folder in self.folders.iter().rev() {
                // Another process may have put something there.
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(describe(path, &error)),
        _ => Ok(()),
    }
}
