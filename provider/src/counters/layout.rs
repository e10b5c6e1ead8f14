//! What lies where in the mapped file. Writer and readers share this, and nothing else.
//!
//! ```text
//!   word     0  header      magic, version, size, pid, times, program
//!           64  totals      one word each (Total)
//!           96  rows        one for each algorithm: its name, then one word for each Field
//!            .  wakes       how long after its wake a job was resumed: a histogram, its sum and its maximum
//!            .  engine      names and values that the engine's statistics had when they were copied
//!            .  control     a request to the process (--set), and its reply
//!            .  wrongs      the newest things that the application did wrong
//!            .  contexts    one for each live wait context: which operation is paused there, woken since when
//!            .  shards      totals to wakes once more for each of the first threads, to be added up
//! ```
//!
//! Everything is a word of 64 bits in the byte order of the machine; text is in bytes, filled up with zeros.
//! A word is written alone, so a reader may find a moment between two. A change of the layout is a new
//! [`VERSION`].

/// The first word of a file.
pub const MAGIC: u64 = u64::from_ne_bytes(*b"simaccel");
/// The layout of this file.
pub const VERSION: u64 = 3;

/// Declares words with names: an enum, what they mean, and where they lie.
macro_rules! words {
    ($(#[$of:meta])* $Name:ident { $($(#[doc = $doc:literal])+ $Variant:ident = $name:literal,)+ }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name { $($(#[doc = $doc])+ $Variant,)+ }

        impl $Name {
            /// All of them, in the order of the file.
            pub const ALL: &[Self] = &[$(Self::$Variant),+];

            /// The name, as programs get it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Variant => $name,)+ }
            }

            /// What it counts.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$Variant => concat!($($doc),+),)+ }
            }
        }
    };
}

words! {
    /// The words of the header.
    Head {
        /// [`MAGIC`], written last.
        Magic = "magic",
        /// [`VERSION`].
        Version = "version",
        /// How many bytes the file has.
        Size = "size",
        /// The process.
        Pid = "pid",
        /// When it was started, in clock ticks since the machine was: tells it from another with its number.
        StartTicks = "start_ticks",
        /// When the counters began, in nanoseconds since 1970.
        BeganAt = "began_at",
        /// The same, by the monotonic clock.
        BeganMonotonic = "began_monotonic",
        /// When the process exited, in nanoseconds since 1970; 0 before, and after a crash.
        ExitedAt = "exited_at",
        /// The process that this one was forked from, when it had the provider already; else 0.
        ForkedFrom = "forked_from",
        /// Whether wakes are timed: 1 or 0.
        Timed = "timed",
    }
}

words! {
    /// What is counted for the whole process.
    Total {
        /// Eventfds that were registered in wait contexts.
        FdsOpened = "fds_opened",
        /// Of these, how many were closed when their context ended.
        FdsClosed = "fds_closed",
        /// Eventfds that could not be made.
        FdsRefused = "fds_refused",
        /// Wait contexts that operations have paused in.
        Contexts = "contexts",
        /// Of these, how many the application has freed.
        ContextsEnded = "contexts_ended",
        /// Contexts that found no place in the table of contexts: their jobs are counted, and not listed.
        ContextsUnlisted = "contexts_unlisted",
        /// Jobs that are paused now.
        PausedNow = "paused_now",
        /// The most jobs that were paused at once.
        PausedMost = "paused_most",
        /// Pauses of operations that had been resumed with their request failed, and sent another.
        RepeatedPauses = "repeated_pauses",
        /// Resumes before any wake.
        EarlyResumes = "early_resumes",
        /// Jobs that were resumed although their wait context had been freed.
        ResumedAfterFree = "resumed_after_free",
        /// Wakes of requests whose wait context had been freed: the application's callback was not called.
        WakesAfterFree = "wakes_after_free",
        /// Resumes by another thread than the one that the job had paused in.
        OtherThread = "resumed_in_other_thread",
        /// The most bytes of a job's stack between an operation's entry and its pause.
        StackMost = "stack_most",
        /// Children of this process that could not make a file of their own.
        ChildrenWithoutFile = "children_without_file",
    }
}

words! {
    /// What is counted for each algorithm.
    Field {
        /// Requests for the device.
        Operations = "operations",
        /// Bytes of their input.
        Bytes = "bytes",
        /// Operations that have paused a job.
        Pauses = "pauses",
        /// Operations that had paused and have ended.
        Resumes = "resumes",
        /// Resumes that found the request not done: the job paused again.
        SpuriousResumes = "spurious_resumes",
        /// Operations whose wait context was freed while they were paused.
        Freed = "freed_while_paused",
        /// Operations that did not pause: outside of any job.
        NoJob = "synchronous_no_job",
        /// Operations that did not pause: of an algorithm of `never_pause`.
        NeverPause = "synchronous_never_pause",
        /// Operations that did not pause: smaller than `async_min_bytes`.
        TooSmall = "synchronous_too_small",
        /// Operations that did not pause: the libcrypto that has loaded us shows no ASYNC functions.
        NoAsync = "synchronous_no_async",
        /// Operations that did not pause: in a job that could not, or after the device had refused.
        Fallback = "synchronous_fallback",
        /// Operations that did not pause: of a key that the device does not have.
        Elsewhere = "synchronous_elsewhere",
    }
}

/// The words of a context's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A running number from 1; 0 where no context is.
    Number,
    /// The address of the wait context.
    Address,
    /// How many of its jobs are paused.
    Paused,
    /// The row of the newest operation.
    Row,
    /// Its bytes.
    Bytes,
    /// The thread that has paused last.
    Thread,
    /// When the wake was sent since then, by the monotonic clock in nanoseconds; 0: it was not.
    WokenAt,
    /// How many operations have paused in it.
    Pauses,
}

/// The words of a thing that the application did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// What it was: a [`Kind`], from 1.
    Kind,
    /// The row of the operation.
    Row,
    /// Its bytes.
    Bytes,
    /// The number of the context.
    Context,
    /// Its address.
    Address,
    /// The thread that the job had paused in.
    Thread,
    /// How long before the wake was sent, in nanoseconds; `u64::MAX`: it was not.
    WokenFor,
    /// When it happened, by the monotonic clock.
    At,
}

words! {
    /// What an application does wrong.
    Kind {
        /// The wait context was freed while the operation was paused.
        Freed = "freed_while_paused",
        /// The job was not resumed after its wake, until the process exited.
        NotResumed = "not_resumed",
        /// The job was resumed in another thread.
        OtherThread = "resumed_in_other_thread",
    }
}

/// What has a row: an algorithm, or an operation of keys. The last one takes what has none.
pub const ROWS: &[&str] = &[
    "AES-128-ECB",
    "AES-192-ECB",
    "AES-256-ECB",
    "AES-128-CBC",
    "AES-192-CBC",
    "AES-256-CBC",
    "AES-128-CTR",
    "AES-192-CTR",
    "AES-256-CTR",
    "AES-128-XTS",
    "AES-256-XTS",
    "AES-128-GCM",
    "AES-192-GCM",
    "AES-256-GCM",
    "SHA2-224",
    "SHA2-256",
    "SHA2-384",
    "SHA2-512",
    "RSA/generate",
    "RSA/sign",
    "RSA/verify",
    "RSA/encrypt",
    "RSA/decrypt",
    "EC/generate",
    "ECDSA/sign",
    "ECDSA/verify",
    "ECDH/derive",
    "X25519/generate",
    "X25519/derive",
    "ED25519/generate",
    "ED25519/sign",
    "ED25519/verify",
    "ML-KEM-768/generate",
    "ML-KEM-768/encapsulate",
    "ML-KEM-768/decapsulate",
    "X25519MLKEM768/generate",
    "X25519MLKEM768/encapsulate",
    "X25519MLKEM768/decapsulate",
    "ML-DSA-44/generate",
    "ML-DSA-44/sign",
    "ML-DSA-44/verify",
    "ML-DSA-65/generate",
    "ML-DSA-65/sign",
    "ML-DSA-65/verify",
    "other",
];

/// One algorithm's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row(usize);

impl Row {
    /// Where the operations of algorithms without a row are counted.
    pub const OTHER: Self = Self(ROWS.len() - 1);

    /// The row of the algorithm with this name.
    pub const fn named(name: &str) -> Option<Self> {
        let mut index = 0;
        while index < ROWS.len() {
            if is_same(ROWS[index].as_bytes(), name.as_bytes()) {
                return Some(Self(index));
            }
            index += 1;
        }
        None
    }

    /// The algorithm's name.
    pub const fn name(self) -> &'static str {
        ROWS[self.0]
    }

    /// Its place among the rows.
    pub const fn index(self) -> usize {
        self.0
    }

    /// The row with this index.
    pub fn at_index(index: u64) -> Self {
        usize::try_from(index).ok().filter(|index| *index < ROWS.len()).map_or(Self::OTHER, Self)
    }

    /// Where a field of the row lies.
    #[inline]
    pub const fn at(self, field: Field) -> usize {
        row_at(self.index()) + NAME_WORDS + field as usize
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

const WORD: usize = size_of::<u64>();
/// A row's name, or one of the engine's numbers.
pub const NAME_WORDS: usize = 5;
/// A whole row.
const ROW_WORDS: usize = 24;
/// How many rows there is room for.
pub const MOST_ROWS: usize = 64;

/// The program's name.
pub const PROGRAM: usize = 16;
/// Its length.
pub const PROGRAM_WORDS: usize = 16;
/// The provider's version.
pub const RELEASE: usize = 32;
/// Its length.
pub const RELEASE_WORDS: usize = 4;
const TOTALS: usize = 64;
const ROWS_BEGIN: usize = 96;

/// How often a job was resumed so long after its wake: eight places for each power of two of nanoseconds.
pub const WAKES: usize = ROWS_BEGIN + MOST_ROWS * ROW_WORDS;
/// How many places that are.
pub const WAKE_PLACES: usize = 512;
/// The sum of these times, in nanoseconds.
pub const WAKE_SUM: usize = WAKES + WAKE_PLACES;
/// The longest of them.
pub const WAKE_MOST: usize = WAKE_SUM + 1;

/// How often a copy of the engine's numbers was begun or ended. Odd: one is being made.
pub const ENGINE_COPIES: usize = WAKES + WAKE_PLACES + 8;
/// When the newest one was made, by the monotonic clock in nanoseconds.
pub const ENGINE_COPIED_AT: usize = ENGINE_COPIES + 1;
/// The numbers: a name, and a value.
pub const ENGINE: usize = ENGINE_COPIES + 8;
/// How many there is room for.
pub const ENGINE_NUMBERS: usize = 128;
/// The length of one.
pub const ENGINE_WORDS: usize = NAME_WORDS + 1;

/// The number of the newest request to the process. A request without text asks for a new copy of the
/// engine's numbers.
pub const REQUEST: usize = ENGINE + ENGINE_NUMBERS * ENGINE_WORDS;
/// Its text.
pub const REQUEST_TEXT: usize = REQUEST + 8;
/// The most of that.
pub const REQUEST_WORDS: usize = 256;
/// The number of the request that the reply belongs to.
pub const REPLY: usize = REQUEST_TEXT + REQUEST_WORDS;
/// [`ACCEPTED`] or [`REFUSED`].
pub const REPLY_VERDICT: usize = REPLY + 1;
/// Why.
pub const REPLY_TEXT: usize = REPLY + 8;
/// The most of that.
pub const REPLY_WORDS: usize = 128;

/// A verdict.
pub const ACCEPTED: u64 = 1;
/// A verdict.
pub const REFUSED: u64 = 2;

/// How many things were wrong.
pub const WRONG: usize = REPLY_TEXT + REPLY_WORDS;
/// The newest of them: number `n` lies at `n % MOST_WRONGS`.
pub const WRONGS: usize = WRONG + 8;
/// The length of one.
pub const WRONG_WORDS: usize = 8;
/// How many there is room for.
pub const MOST_WRONGS: usize = 16;

/// The table of live contexts.
pub const CONTEXTS: usize = WRONGS + MOST_WRONGS * WRONG_WORDS;
/// The length of an entry.
pub const CONTEXT_WORDS: usize = 8;
/// How many there is room for.
pub const MOST_CONTEXTS: usize = 4096;

/// The words that a thread with a shard counts in there.
pub const SHARED: std::ops::Range<usize> = TOTALS..ENGINE_COPIES;
/// The shards.
pub const SHARDS: usize = CONTEXTS + MOST_CONTEXTS * CONTEXT_WORDS;
/// The length of one: whole pairs of cache lines, so that no two threads write the same.
pub const SHARD_WORDS: usize = (ENGINE_COPIES - TOTALS).next_multiple_of(16);
/// How many there are.
pub const MOST_SHARDS: usize = 8;

/// How many words the file has.
pub const WORDS: usize = SHARDS + MOST_SHARDS * SHARD_WORDS;
/// How many bytes.
pub const SIZE: usize = WORDS * WORD;

const _: () = {
    assert!(Head::ALL.len() <= PROGRAM && RELEASE + RELEASE_WORDS <= TOTALS);
    assert!(TOTALS + Total::ALL.len() <= ROWS_BEGIN);
    assert!(NAME_WORDS + Field::ALL.len() <= ROW_WORDS && ROWS.len() <= MOST_ROWS);
    // An entry of the table has a cache line of its own.
    assert!(Wrong::At as usize + 1 == WRONG_WORDS);
    assert!(CONTEXTS.is_multiple_of(CONTEXT_WORDS) && Entry::Pauses as usize + 1 == CONTEXT_WORDS);
};

impl Head {
    /// Where it lies.
    pub const fn at(self) -> usize {
        self as usize
    }
}

impl Total {
    /// Where it lies.
    #[inline]
    pub const fn at(self) -> usize {
        TOTALS + self as usize
    }
}

/// How far behind a shared word a shard has its own.
#[inline]
pub const fn behind(shard: usize) -> usize {
    SHARDS + shard * SHARD_WORDS - SHARED.start
}

impl Entry {
    /// Where it lies.
    #[inline]
    pub const fn at(self, slot: usize) -> usize {
        CONTEXTS + slot * CONTEXT_WORDS + self as usize
    }
}

/// Where a row begins, with its name.
pub const fn row_at(index: usize) -> usize {
    ROWS_BEGIN + index * ROW_WORDS
}

/// The place of a duration in the histogram.
#[inline]
pub fn wake_place(nsec: u64) -> usize {
    // The highest bit says which power of two, the three bits below it which eighth.
    let magnitude = nsec.max(1).ilog2();
    let eighth = if magnitude < 3 { nsec & 7 } else { (nsec >> (magnitude - 3)) & 7 };
    magnitude as usize * 8 + usize::try_from(eighth).unwrap_or_default()
}

/// The longest duration that has this place.
pub const fn wake_longest(place: usize) -> u64 {
    let (magnitude, eighth) = (place / 8, (place % 8) as u64);
    if magnitude < 3 {
        return eighth;
    }
    let step = magnitude - 3;
    ((8 + eighth) << step) + ((1 << step) - 1)
}

/// The words of a text, cut to as many.
pub fn words_of(text: &str, most: usize) -> impl Iterator<Item = u64> {
    let mut kept = text.len().min(most * WORD);
    while !text.is_char_boundary(kept) {
        kept -= 1;
    }
    let bytes = &text.as_bytes()[..kept];
    (0..most).map(move |index| {
        let mut word = [0; WORD];
        for (place, byte) in word.iter_mut().zip(bytes.iter().skip(index * WORD)) {
            *place = *byte;
        }
        u64::from_ne_bytes(word)
    })
}

/// The text in these words.
pub fn text_of(words: impl Iterator<Item = u64>) -> String {
    let bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_has_a_place_whose_longest_is_within_an_eighth() {
        let around = |bit: u32| [0, 1, 2].map(|more| (1_u64 << bit).wrapping_sub(1).wrapping_add(more));
        for nsec in (0..64).flat_map(around).chain([1_000, 1_007, 3_600_000_000_000, u64::MAX]) {
            let place = wake_place(nsec);
            assert!(place < WAKE_PLACES, "{nsec}");
            let longest = wake_longest(place);
            assert!(longest >= nsec && longest - nsec <= nsec / 8, "{nsec}: {longest}");
        }
    }

    #[test]
    fn durations_that_are_longer_have_later_places() {
        let places: Vec<_> = (8..5_000).map(wake_place).collect();
        assert!(places.is_sorted());
    }

    #[test]
    fn text_is_kept_and_cut_between_characters() {
        for text in ["", "AES-128-CBC", "12345678", "ä ö ü, and more than fits into two words"] {
            let kept = text_of(words_of(text, 2));
            assert!(text.starts_with(&kept) && kept.len() + 2 >= text.len().min(16), "{text}: {kept}");
        }
        assert_eq!(text_of(words_of("1234567ä", 1)), "1234567");
    }

    #[test]
    fn a_row_is_found_by_its_name() {
        const ROW: Option<Row> = Row::named("AES-192-GCM");
        assert_eq!(ROW.map(Row::name), Some("AES-192-GCM"));
        assert_eq!(Row::named("AES-192"), None);
        assert_eq!(Row::OTHER.name(), "other");
    }

    #[test]
    fn no_two_words_have_one_place() {
        let rows = (0..ROWS.len()).flat_map(|index| {
            let row = Row(index);
            Field::ALL
                .iter()
                .map(move |field| row.at(*field))
                .chain((0..NAME_WORDS).map(move |n| row_at(index) + n))
        });
        let head = Head::ALL.iter().map(|head| head.at());
        let totals = Total::ALL.iter().map(|total| total.at());
        let mut all: Vec<_> =
            head.chain(totals).chain(rows).chain([WAKE_SUM, WAKE_MOST, ENGINE_COPIES]).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|place| *place < REQUEST));
    }
}
