//! Where the counters lie: in a mapped file, or in memory of this process.
//!
//! ```text
//!   start ──► .P.<pid>: made (O_EXCL, 0600, no link followed), its blocks reserved, its header written
//!             ──► renamed to P.<pid> ──► mapped, shared ──► PAGE
//!         ──► no file asked for: memory ─► mapped, private ─► PAGE
//!
//!   fork ──► in the child, before anything else runs there:  a file of its own, or memory,
//!                                                            mapped over the same addresses
//! ```
//!
//! The addresses stay the same for ever, so a counter is an addition to a word and nothing else. The blocks
//! are reserved because a write to a mapped hole on a full disk would end the process. The file has its name
//! only when it is whole, so what is found can be read.
#![expect(unsafe_code, reason = "mapping memory, and registering handlers, are foreign calls")]

use std::ffi::{OsString, c_void};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::{OFlag, posix_fallocate};
use nix::time::{ClockId, clock_gettime};

use super::layout::{
    self, Head, MAGIC, NAME_WORDS, PROGRAM, PROGRAM_WORDS, RELEASE, RELEASE_WORDS, ROWS, SIZE, Total,
    VERSION, WORDS, words_of,
};
use super::{control, sum};

/// The words of a file, in memory.
pub(crate) type Page = [AtomicU64; WORDS];

/// What counts before [`start`], and if there is no memory for it.
static EMPTY: Page = [const { AtomicU64::new(0) }; WORDS];
static PAGE: AtomicPtr<Page> = AtomicPtr::new((&raw const EMPTY).cast_mut());
/// How many forks lie between this process and the one that called [`start`].
static GENERATION: AtomicU32 = AtomicU32::new(0);
static FOLLOWED: OnceLock<()> = OnceLock::new();
static ASKED: Mutex<Option<Asked>> = Mutex::new(None);

/// What the first caller of [`start`] has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    stats_file: Option<PathBuf>,
    is_timed: bool,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be made.
    #[error("{}: {}", .0.display(), .1)]
    Open(PathBuf, #[source] io::Error),
    /// Something else has the name.
    #[error("{}: exists, and is not a file of counters of this user's own with one name", .0.display())]
    NotOurs(PathBuf),
    /// The file cannot be mapped.
    #[error("{}: cannot be mapped: {}", .0.display(), .1)]
    Map(PathBuf, #[source] io::Error),
    /// The provider counts already, without this file.
    #[error("{}: the process counts already, in {}", .0.display(), of_path(.1.as_deref()))]
    Late(PathBuf, Option<PathBuf>),
}

fn of_path(path: Option<&Path>) -> String {
    path.map_or_else(|| "memory".to_owned(), |path| path.display().to_string())
}

/// The words of this process.
#[inline]
pub(crate) fn page() -> &'static Page {
    // SAFETY: it points to EMPTY or to a mapping of this size, aligned to pages, which is never unmapped; all
    // that is done with the words are atomic operations, in whatever process.
    unsafe { &*PAGE.load(Ordering::Acquire) }
}

/// How many forks lie between this process and the one that has called [`start`].
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// The monotonic clock, in nanoseconds.
pub(crate) fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let (sec, nsec) = (time.tv_sec().unsigned_abs(), time.tv_nsec().unsigned_abs());
        sec * 1_000_000_000 + nsec
    })
}

/// Nanoseconds since 1970.
pub(crate) fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Begins to count, in `P.<pid>` if there is a `stats_file` P. `is_timed` asks for the time from wakes to
/// resumes.
///
/// A process counts in one place: a second call is accepted if it asks for no file, or for the same one.
///
/// # Errors
/// [`FileError`]; then nothing has changed.
pub fn start(stats_file: Option<&Path>, is_timed: bool) -> Result<(), FileError> {
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = Asked { stats_file: stats_file.map(Path::to_owned), is_timed };
    match (&*asked, &wanted.stats_file) {
        (Some(_), None) => return Ok(()),
        (Some(before), Some(path)) if before.stats_file.as_ref() != Some(path) => {
            return Err(FileError::Late(path.clone(), before.stats_file.clone()));
        }
        (Some(_), Some(_)) => return Ok(()),
        (None, _) => {}
    }
    let origin = Origin { is_timed, forked_from: 0 };
    let file = stats_file.map(|path| Named::make(path, std::process::id(), origin)).transpose()?;
    let mapped = map(file.as_ref().map(|named| &named.file), None);
    let mapped = match (mapped, file) {
        (Ok(mapped), Some(named)) => {
            named.keep();
            mapped
        }
        (Ok(mapped), None) => {
            // SAFETY: a mapping of this size was made now, its words are zeros, and it is never unmapped.
            describe(unsafe { &*mapped }, origin);
            mapped
        }
        (Err(error), Some(named)) => return Err(FileError::Map(named.path.clone(), error)),
        // EMPTY counts as well as any; only a child's begins with its parent's counts.
        (Err(_), None) => return Ok(()),
    };
    PAGE.store(mapped, Ordering::Release);
    *asked = Some(wanted);
    drop(asked);
    FOLLOWED.get_or_init(follow);
    Ok(())
}

/// What a header says of how the counting began.
#[derive(Clone, Copy)]
struct Origin {
    is_timed: bool,
    /// The parent's process number in a forked child, 0 elsewhere.
    forked_from: u64,
}

/// A file that was made, and is removed again unless it is kept.
struct Named {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Named {
    fn make(stats_file: &Path, pid: u32, origin: Origin) -> Result<Self, FileError> {
        let path = path_of(stats_file, pid);
        check_replaceable(&path)?;
        let unready = unready(&path);
        let file = create(&unready).map_err(|error| match error {
            FileError::Open(_, error) => FileError::Open(path.clone(), error),
            other => other,
        })?;
        let mut named = Self { file, path: unready, kept: false };
        let failed = |error| FileError::Open(path.clone(), error);
        named.file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let size = SIZE.try_into().unwrap_or_default();
        posix_fallocate(&named.file, 0, size).map_err(io::Error::from).map_err(failed)?;
        write_header(&named.file, origin).map_err(|error| FileError::Map(path.clone(), error))?;
        fs::rename(&named.path, &path).map_err(failed)?;
        named.path = path;
        Ok(named)
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `P.<pid>`.
fn path_of(stats_file: &Path, pid: u32) -> PathBuf {
    let mut path = OsString::from(stats_file);
    path.push(format!(".{pid}"));
    path.into()
}

/// The name of the file before it is whole: hidden, so that no pattern for names of counters finds it.
fn unready(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

/// Makes a file. One that is there already is that of an earlier process with this number: it is replaced, if
/// it may be.
fn create(path: &Path) -> Result<File, FileError> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600).custom_flags(flags);
    let failed = |error| FileError::Open(path.to_owned(), error);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map_err(failed),
    }
    check_replaceable(path)?;
    fs::remove_file(path).map_err(failed)?;
    options.open(path).map_err(failed)
}

/// Refuses a name that something else has than a file of this user that holds counters.
fn check_replaceable(path: &Path) -> Result<(), FileError> {
    let failed = |error| FileError::Open(path.to_owned(), error);
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        there => there.map_err(failed)?,
    };
    let is_ours = there.is_file() && there.uid() == nix::unistd::geteuid().as_raw() && there.nlink() == 1;
    if is_ours && holds_counters(path).map_err(failed)? {
        Ok(())
    } else {
        Err(FileError::NotOurs(path.to_owned()))
    }
}

/// Whether a file begins as those of counters do: with their mark, or with the zeros of a process that has
/// ended before it wrote that.
fn holds_counters(path: &Path) -> io::Result<bool> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut first = [0; size_of::<u64>()];
    let read = file.read_at(&mut first, 0)?;
    let first = &first[..read];
    Ok(first == MAGIC.to_ne_bytes() || first.iter().all(|byte| *byte == 0))
}

/// Maps a file, or memory; over these addresses, where they are given.
fn map(file: Option<&File>, over: Option<*mut Page>) -> io::Result<*mut Page> {
    let (flags, fd) = match file {
        Some(file) => (libc::MAP_SHARED, file.as_raw_fd()),
        None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
    };
    let (fixed, at) = over.map_or((0, ptr::null_mut()), |page| (libc::MAP_FIXED, page));
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: addresses that are given are those of a mapping of this size, made here, and nothing but atomic
    // words is read or written there; others are chosen by the system, where nothing is.
    let mapped = unsafe { libc::mmap(at.cast::<c_void>(), SIZE, access, flags | fixed, fd, 0) };
    if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(mapped.cast()) }
}

/// Writes the header into a file of zeros.
fn write_header(file: &File, origin: Origin) -> io::Result<()> {
    let mapped = map(Some(file), None)?;
    // SAFETY: a mapping of this size was made now, and no other code knows it.
    unsafe {
        describe(&*mapped, origin);
        libc::munmap(mapped.cast::<c_void>(), SIZE);
    }
    Ok(())
}

/// Writes the header, and the names of the rows.
fn describe(page: &Page, origin: Origin) {
    let set = |head: Head, value: u64| page[head.at()].store(value, Ordering::Relaxed);
    let pid = std::process::id();
    set(Head::Version, VERSION);
    set(Head::Size, SIZE as u64);
    set(Head::Pid, u64::from(pid));
    set(Head::StartTicks, start_ticks(pid).unwrap_or(0));
    set(Head::BeganAt, wall_clock());
    set(Head::BeganMonotonic, now());
    set(Head::ForkedFrom, origin.forked_from);
    set(Head::Timed, u64::from(origin.is_timed));
    let program = fs::read_link("/proc/self/exe").unwrap_or_default();
    let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    write_text(page, PROGRAM, &program, PROGRAM_WORDS);
    write_text(page, RELEASE, env!("CARGO_PKG_VERSION"), RELEASE_WORDS);
    for (index, name) in ROWS.iter().enumerate() {
        write_text(page, layout::row_at(index), name, NAME_WORDS);
    }
    page[Head::Magic.at()].store(MAGIC, Ordering::Release);
}

pub(crate) fn write_text(page: &Page, at: usize, text: &str, most: usize) {
    for (place, word) in page[at..].iter().zip(words_of(text, most)) {
        place.store(word, Ordering::Relaxed);
    }
}

/// When a process was started, in ticks: the 22nd field of its `stat`, behind a name that may hold anything.
/// `None`: there is none, or one that has ended and was not waited for.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    let mut behind_name = stat[stat.rfind(')')? + 1..].split_whitespace();
    let is_there = !["Z", "X"].contains(&behind_name.next()?);
    is_there.then(|| behind_name.nth(18)?.parse().ok()).flatten()
}

/// Registers what is to happen in a forked child, and when the process exits.
fn follow() {
    // SAFETY: both handlers are plain functions, and the library that they lie in is never unloaded.
    let refused =
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) != 0 || libc::atexit(at_exit) != 0 };
    debug_assert!(!refused, "there is no memory for two handlers");
}

/// Gives the child counters of its own. The C library has made its allocator usable here; nothing else of the
/// parent's is touched but words, by atomic operations.
extern "C" fn in_child() {
    let forks = GENERATION.load(Ordering::Relaxed) + 1;
    GENERATION.store(forks, Ordering::Relaxed);
    let before = page();
    let parent = before[Head::Pid.at()].load(Ordering::Relaxed);
    let is_timed = before[Head::Timed.at()].load(Ordering::Relaxed) == 1;
    let over = PAGE.load(Ordering::Acquire);
    // Another thread of the parent may have held the lock when it forked: this thread does not wait for it.
    let stats_file = ASKED.try_lock().ok().and_then(|asked| asked.as_ref()?.stats_file.clone());
    let origin = Origin { is_timed, forked_from: parent };
    let named = stats_file.as_ref().map(|path| Named::make(path, std::process::id(), origin));
    if let Some(Ok(named)) = named
        && map(Some(&named.file), Some(over)).is_ok()
    {
        named.keep();
    } else {
        if stats_file.is_some() {
            before[Total::ChildrenWithoutFile.at()].fetch_add(1, Ordering::Relaxed);
        }
        if map(None, Some(over)).is_err() {
            PAGE.store((&raw const EMPTY).cast_mut(), Ordering::Release);
        }
        describe(page(), origin);
    }
    control::in_child();
}

/// What is called when the process exits, before the file is marked so.
static BEFORE_EXIT: OnceLock<fn()> = OnceLock::new();

/// Has `body` called when the process exits.
pub(crate) fn before_exit(body: fn()) {
    BEFORE_EXIT.get_or_init(|| body);
}

extern "C" fn at_exit() {
    if let Some(body) = BEFORE_EXIT.get() {
        body();
    }
    control::at_exit();
    page()[Head::ExitedAt.at()].store(wall_clock(), Ordering::Relaxed);
    if is_idle_child() {
        remove();
    }
}

/// Whether this is a forked child that has used nothing: most such children are on their way to a program of
/// their own, and their files would say nothing.
fn is_idle_child() -> bool {
    let page = page();
    let has_counted = |row: usize| sum(layout::row_at(row) + NAME_WORDS) != 0;
    page[Head::ForkedFrom.at()].load(Ordering::Relaxed) != 0 && !(0..ROWS.len()).any(has_counted)
}

fn remove() {
    let Ok(asked) = ASKED.try_lock() else { return };
    if let Some(path) = asked.as_ref().and_then(|asked| asked.stats_file.as_ref()) {
        let _ = fs::remove_file(path_of(path, std::process::id()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("simaccel-counters-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    const ORIGIN: Origin = Origin { is_timed: true, forked_from: 0 };

    #[test]
    fn a_file_is_the_owners_alone_and_has_its_blocks() {
        let folder = scratch("made");
        let named = Named::make(&folder.join("P"), 7, ORIGIN).unwrap();
        let metadata = fs::metadata(folder.join("P.7")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.len()), (0o600, SIZE as u64));
        assert!(metadata.blocks() * 512 >= SIZE as u64, "a full disk shows itself now");
        drop(named);
        assert!(!folder.join("P.7").exists(), "it is not kept");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_stale_file_of_this_user_is_replaced_and_its_readers_keep_the_old_one() {
        let folder = scratch("stale");
        fs::write(folder.join("P.7"), MAGIC.to_ne_bytes()).unwrap();
        let before = fs::metadata(folder.join("P.7")).unwrap().ino();
        let old = File::open(folder.join("P.7")).unwrap();
        Named::make(&folder.join("P"), 7, ORIGIN).unwrap().keep();
        assert_ne!(fs::metadata(folder.join("P.7")).unwrap().ino(), before);
        assert_eq!(old.metadata().unwrap().len(), 8);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_a_process_has_begun_is_replaced() {
        let folder = scratch("begun");
        for begun in [&[][..], &[0; 4], &[0; 100]] {
            fs::write(folder.join("P.7"), begun).unwrap();
            create(&folder.join("P.7")).unwrap();
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_found_is_whole() {
        let folder = scratch("whole");
        let (path, is_over) = (folder.join("P.7"), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let looks = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // It is removed now and then.
                    let Ok(bytes) = fs::read(&path) else { continue };
                    assert_eq!((bytes.len(), &bytes[..8]), (SIZE, &MAGIC.to_ne_bytes()[..]));
                }
            });
            let made = (0..300).try_for_each(|_| Named::make(&folder.join("P"), 7, ORIGIN).map(drop));
            is_over.store(true, Ordering::Relaxed);
            looks.join().unwrap();
            made.unwrap();
        });
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn no_link_is_followed_and_nothing_else_is_replaced() {
        let folder = scratch("links");
        let victim = folder.join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, folder.join("P.1")).unwrap();
        std::os::unix::fs::symlink(folder.join("nowhere"), folder.join("P.2")).unwrap();
        fs::hard_link(&victim, folder.join("P.3")).unwrap();
        fs::create_dir(folder.join("P.4")).unwrap();
        for (pid, text) in [(5, "a letter"), (6, "7")] {
            fs::write(folder.join(format!("P.{pid}")), text).unwrap();
        }
        for pid in 1..=6 {
            let error = create(&folder.join(format!("P.{pid}"))).unwrap_err();
            assert!(matches!(error, FileError::NotOurs(_)), "{pid}: {error}");
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(fs::read_to_string(folder.join("P.5")).unwrap(), "a letter");
        assert!(!folder.join("nowhere").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_the_file() {
        let error = create(Path::new("/nonexistent/P.1")).unwrap_err().to_string();
        assert!(error.starts_with("/nonexistent/P.1: "), "{error}");
    }

    #[test]
    fn the_start_of_a_process_is_found() {
        assert!(start_ticks(std::process::id()).is_some_and(|ticks| ticks > 0));
        assert_eq!(start_ticks(0), None);
    }
}
