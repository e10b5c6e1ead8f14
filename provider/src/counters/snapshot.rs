//! The reader's side: one file, as it was at a moment; and several of them, added up.
//!
//! ```text
//!   P.<pid> ── read ──► Snapshot ── whose process runs, has exited, or is gone
//!                           └──────► Summary: rows, totals, the engine's numbers, contexts
//! ```
//!
//! The file is read and not mapped, so one that becomes shorter is an error and no signal.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::file::{now, start_ticks};
use super::layout::{
    self, CONTEXT_WORDS, ENGINE, ENGINE_COPIED_AT, ENGINE_COPIES, ENGINE_NUMBERS, ENGINE_WORDS, Entry, Field,
    Head, Kind, MAGIC, MOST_CONTEXTS, MOST_SHARDS, MOST_WRONGS, NAME_WORDS, PROGRAM, PROGRAM_WORDS, RELEASE,
    RELEASE_WORDS, REPLY, REPLY_TEXT, REPLY_VERDICT, REPLY_WORDS, REQUEST, SHARED, SIZE, Total, VERSION,
    WAKE_MOST, WAKE_PLACES, WAKE_SUM, WAKES, WORDS, WRONG, WRONG_WORDS, WRONGS, Wrong, behind, text_of,
};
use super::wrongs::Violation;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, #[source] io::Error),
    /// It is something else.
    #[error("{}: not a file of the provider's counters", .0.display())]
    Foreign(PathBuf),
    /// Its end is missing.
    #[error("{}: truncated: {} of {SIZE} bytes", .0.display(), .1)]
    Truncated(PathBuf, u64),
    /// Another release has written it.
    #[error("{}: has layout {}, and this program reads layout {VERSION}: use the one of that release", .0.display(), .1)]
    Version(PathBuf, u64),
}

/// What has become of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It has exited, at this time in nanoseconds since 1970.
    Exited(u64),
    /// It has ended without an exit: it was killed, or has crashed.
    Gone,
}

/// One file, as it was at a moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    path: PathBuf,
    words: Vec<u64>,
    state: State,
    at: u64,
}

/// A live wait context with a paused job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PausedContext {
    /// Its process.
    pub pid: u64,
    /// Its number in the process, from 1.
    pub number: u64,
    /// Its address.
    pub address: u64,
    /// How many of its jobs are paused.
    pub paused: u64,
    /// The algorithm of the newest operation.
    pub algorithm: String,
    /// The bytes of that.
    pub bytes: u64,
    /// The thread that has paused.
    pub thread: u64,
    /// How long ago the wake was sent, in nanoseconds; `None`: it was not. 0 where wakes are not timed. Of a
    /// process that has ended: before the file was read.
    pub woken_for: Option<u64>,
}

impl Snapshot {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ReadError`], for a file that is none of these counters, or of another layout.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let failed = |error| ReadError::Io(path.to_owned(), error);
        // Without waiting, in case it is a pipe.
        let file =
            OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(ReadError::Foreign(path.to_owned()));
        }
        let bytes = all_of(file).map_err(failed)?;
        let mut words = words_of(path, &bytes)?;
        add_up(&mut words);
        let state = state(&words);
        Ok(Self { path: path.to_owned(), words, state, at: now() })
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The process.
    pub fn pid(&self) -> u64 {
        self.head(Head::Pid)
    }

    /// What has become of it.
    pub const fn state(&self) -> State {
        self.state
    }

    /// A word of the header.
    pub fn head(&self, head: Head) -> u64 {
        self.words[head.at()]
    }

    /// The program's name.
    pub fn program(&self) -> String {
        self.text(PROGRAM, PROGRAM_WORDS)
    }

    /// The provider's version.
    pub fn release(&self) -> String {
        self.text(RELEASE, RELEASE_WORDS)
    }

    /// What is counted for the process.
    pub fn total(&self, total: Total) -> u64 {
        self.words[total.at()]
    }

    /// The rows: an algorithm, and its fields in order.
    pub fn rows(&self) -> impl Iterator<Item = (String, Vec<u64>)> + '_ {
        (0..layout::MOST_ROWS).map(layout::row_at).filter(|at| self.words[*at] != 0).map(|at| {
            let fields = self.words[at + NAME_WORDS..][..Field::ALL.len()].to_vec();
            (self.text(at, NAME_WORDS), fields)
        })
    }

    /// How often the time from a wake to the resume fell into each place, and the sum and the longest of
    /// them in nanoseconds.
    pub fn wakes(&self) -> (&[u64], u64, u64) {
        (&self.words[WAKES..][..WAKE_PLACES], self.words[WAKE_SUM], self.words[WAKE_MOST])
    }

    /// The engine's numbers, and how long ago they were copied, in nanoseconds. `None`: they were not.
    pub fn engine(&self) -> Option<(Vec<(String, u64)>, u64)> {
        if self.words[ENGINE_COPIES] == 0 {
            return None;
        }
        let numbers = (0..ENGINE_NUMBERS).map(|number| ENGINE + number * ENGINE_WORDS);
        let numbers = numbers.filter(|at| self.words[*at] != 0);
        let numbers = numbers.map(|at| (self.text(at, NAME_WORDS), self.words[at + NAME_WORDS]));
        Some((numbers.collect(), self.at.saturating_sub(self.words[ENGINE_COPIED_AT])))
    }

    /// Whether the engine's numbers were being copied at this moment.
    pub fn is_torn(&self) -> bool {
        self.words[ENGINE_COPIES] % 2 == 1
    }

    /// The newest request's number.
    pub fn request(&self) -> u64 {
        self.words[REQUEST]
    }

    /// The reply to the request with this number, if it is there.
    pub fn reply(&self, request: u64) -> Option<Result<(), String>> {
        let is_accepted = self.words[REPLY_VERDICT] == layout::ACCEPTED;
        (self.words[REPLY] == request)
            .then(|| if is_accepted { Ok(()) } else { Err(self.text(REPLY_TEXT, REPLY_WORDS)) })
    }

    /// The contexts with a paused job, those whose wake was sent first.
    pub fn paused(&self) -> Vec<PausedContext> {
        let mut paused: Vec<_> = (0..MOST_CONTEXTS).filter_map(|slot| self.paused_in(slot)).collect();
        paused.sort_by_key(|context| std::cmp::Reverse(context.woken_for.map_or(0, |nsec| nsec + 1)));
        paused
    }

    fn paused_in(&self, slot: usize) -> Option<PausedContext> {
        let entry = &self.words[Entry::Number.at(slot)..][..CONTEXT_WORDS];
        let of = |word: Entry| entry[word as usize];
        if of(Entry::Number) == 0 || of(Entry::Paused) == 0 {
            return None;
        }
        let woken_for = match of(Entry::WokenAt) {
            0 => None,
            1 => Some(0),
            at => Some(self.ended_or_now().saturating_sub(at)),
        };
        Some(PausedContext {
            pid: self.pid(),
            number: of(Entry::Number),
            address: of(Entry::Address),
            paused: of(Entry::Paused),
            algorithm: self.row_name(of(Entry::Row)),
            bytes: of(Entry::Bytes),
            thread: of(Entry::Thread),
            woken_for,
        })
    }

    /// The newest things that the application did wrong, the newest last; and how many there were.
    pub fn wrongs(&self) -> (Vec<Violation>, u64) {
        let count = self.words[WRONG];
        let first = count.saturating_sub(MOST_WRONGS as u64);
        let at =
            |number: u64| WRONGS + usize::try_from(number).unwrap_or_default() % MOST_WRONGS * WRONG_WORDS;
        ((first..count).filter_map(|number| self.wrong(at(number))).collect(), count)
    }

    fn wrong(&self, at: usize) -> Option<Violation> {
        let of = |word: Wrong| self.words[at + word as usize];
        let kind = usize::try_from(of(Wrong::Kind)).ok()?.checked_sub(1)?;
        Some(Violation {
            kind: *Kind::ALL.get(kind)?,
            algorithm: self.row_name(of(Wrong::Row)),
            bytes: of(Wrong::Bytes),
            context: of(Wrong::Context),
            address: of(Wrong::Address),
            thread: of(Wrong::Thread),
            woken_for: Some(of(Wrong::WokenFor)).filter(|nsec| *nsec != u64::MAX),
            at: of(Wrong::At),
        })
    }

    /// For how long the process has counted, in nanoseconds: until its exit, or until the file was read.
    pub fn age(&self) -> u64 {
        self.ended_or_now().saturating_sub(self.head(Head::BeganMonotonic))
    }

    /// By the monotonic clock.
    fn ended_or_now(&self) -> u64 {
        match self.state {
            State::Exited(at) => {
                self.head(Head::BeganMonotonic) + at.saturating_sub(self.head(Head::BeganAt))
            }
            State::Running | State::Gone => self.at,
        }
    }

    fn row_name(&self, index: u64) -> String {
        let index = usize::try_from(index).unwrap_or_default().min(layout::MOST_ROWS - 1);
        self.text(layout::row_at(index), NAME_WORDS)
    }

    fn text(&self, at: usize, words: usize) -> String {
        text_of(self.words[at..][..words].iter().copied())
    }
}

/// Adds what each thread has counted in its shard to the words with the names.
fn add_up(words: &mut [u64]) {
    for at in SHARED {
        let shards = (0..MOST_SHARDS).map(|shard| words[at + behind(shard)]);
        words[at] = shards.fold(words[at], u64::wrapping_add);
    }
}

/// The bytes of a file, and not more than belong there.
fn all_of(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SIZE);
    file.take(SIZE as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The words of a file, if it is one of these counters.
fn words_of(path: &Path, bytes: &[u8]) -> Result<Vec<u64>, ReadError> {
    let words: Vec<u64> =
        bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default())).collect();
    let head = |head: Head| words.get(head.at()).copied();
    if head(Head::Magic) != Some(MAGIC) {
        return Err(ReadError::Foreign(path.to_owned()));
    }
    match head(Head::Version) {
        Some(VERSION) => {}
        Some(version) => return Err(ReadError::Version(path.to_owned(), version)),
        None => return Err(ReadError::Truncated(path.to_owned(), bytes.len() as u64)),
    }
    if words.len() != WORDS {
        return Err(ReadError::Truncated(path.to_owned(), bytes.len() as u64));
    }
    Ok(words)
}

/// What has become of the process: one with its number that was started at another time is another.
fn state(words: &[u64]) -> State {
    let exited = words[Head::ExitedAt.at()];
    if exited != 0 {
        return State::Exited(exited);
    }
    let runs = u32::try_from(words[Head::Pid.at()]).ok().and_then(start_ticks);
    if runs == Some(words[Head::StartTicks.at()]) { State::Running } else { State::Gone }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::counters::layout::{Row, words_of as text_words};

    struct Scratch(PathBuf);

    impl Scratch {
        fn with(name: &str, bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("simaccel-snapshot-{}-{name}", std::process::id()));
            fs::write(&path, bytes).unwrap();
            Self(path)
        }

        fn words(name: &str, words: &[u64]) -> Self {
            Self::with(name, &words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>())
        }

        fn read(&self) -> Result<Snapshot, ReadError> {
            Snapshot::read(&self.0)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    /// A file of this process, with one row.
    fn words() -> Vec<u64> {
        let mut words = vec![0; WORDS];
        words[Head::Magic.at()] = MAGIC;
        words[Head::Version.at()] = VERSION;
        words[Head::Pid.at()] = u64::from(std::process::id());
        words[Head::StartTicks.at()] = start_ticks(std::process::id()).unwrap();
        let row = Row::named("AES-128-GCM").unwrap();
        for (index, word) in text_words("AES-128-GCM", NAME_WORDS).enumerate() {
            words[layout::row_at(row.index()) + index] = word;
        }
        words[row.at(Field::Operations)] = 7;
        words
    }

    #[test]
    fn a_file_says_what_was_written() {
        let snapshot = Scratch::words("good", &words()).read().unwrap();
        assert_eq!((snapshot.pid(), snapshot.state()), (u64::from(std::process::id()), State::Running));
        let rows: Vec<_> = snapshot.rows().collect();
        assert_eq!(
            (rows.len(), rows[0].0.as_str(), rows[0].1[Field::Operations as usize]),
            (1, "AES-128-GCM", 7)
        );
    }

    #[test]
    fn what_threads_have_counted_apart_is_added_up() {
        let mut all = words();
        let at = Row::named("AES-128-GCM").unwrap().at(Field::Operations);
        for shard in 0..MOST_SHARDS {
            all[at + behind(shard)] = 10;
            // A job that was resumed by another thread than it has paused in.
            all[Total::PausedNow.at() + behind(shard)] = if shard == 0 { 3 } else { 1_u64.wrapping_neg() };
        }
        all[Total::PausedNow.at()] = MOST_SHARDS as u64;
        let snapshot = Scratch::words("shards", &all).read().unwrap();
        let rows: Vec<_> = snapshot.rows().collect();
        assert_eq!(rows[0].1[Field::Operations as usize], 7 + 10 * MOST_SHARDS as u64);
        assert_eq!(snapshot.total(Total::PausedNow), 4);
    }

    #[test]
    fn what_is_no_such_file_is_told_apart() {
        let newer = |version| {
            let mut words = words();
            words[Head::Version.at()] = version;
            words
        };
        let of = |name: &str, words: &[u64]| Scratch::words(name, words).read().unwrap_err();
        assert!(
            matches!(of("newer", &newer(VERSION + 1)), ReadError::Version(_, version) if version > VERSION)
        );
        assert!(matches!(of("older", &newer(0)), ReadError::Version(_, 0)));
        for kept in [2, 100, WORDS - 1] {
            assert!(matches!(of("short", &words()[..kept]), ReadError::Truncated(..)), "{kept}");
        }
        assert!(matches!(of("one-word", &words()[..1]), ReadError::Truncated(..)));
        for (name, bytes) in
            [("empty", &b""[..]), ("text", b"a text that is longer than a word"), ("short", b"simacc")]
        {
            assert!(matches!(Scratch::with(name, bytes).read(), Err(ReadError::Foreign(_))), "{name}");
        }
        assert!(matches!(Snapshot::read(Path::new("/dev/zero")), Err(ReadError::Foreign(_))));
        assert!(matches!(Snapshot::read(Path::new("/nonexistent")), Err(ReadError::Io(..))));
    }

    #[test]
    fn random_words_behind_a_good_header_never_panic() {
        let mut random = 1_u64;
        for round in 0..20 {
            let mut all = words();
            for word in &mut all[Head::ALL.len()..] {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *word = if random >> 60 == 0 { random } else { 0 };
            }
            let snapshot = Scratch::words(&format!("random-{round}"), &all).read().unwrap();
            let _ = (
                snapshot.rows().count(),
                snapshot.engine(),
                snapshot.paused(),
                snapshot.wrongs(),
                snapshot.age(),
            );
        }
    }

    #[test]
    fn a_process_that_does_not_run_has_exited_or_is_gone() {
        let mut all = words();
        all[Head::StartTicks.at()] += 1;
        assert_eq!(
            Scratch::words("gone", &all).read().unwrap().state(),
            State::Gone,
            "its number is another's"
        );
        all[Head::ExitedAt.at()] = 5;
        assert_eq!(Scratch::words("exited", &all).read().unwrap().state(), State::Exited(5));
    }
}
