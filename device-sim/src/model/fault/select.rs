//! When a fault happens: the fields that all kinds share, and a selection at work.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::config::grammar::{digits, number, within};
use crate::in_words;
use crate::message::call::is_name;
use crate::message::operation::Operation;
use crate::message::request::Request;

/// When a fault happens. All given fields must select the occasion.
///
/// | field | selects | default |
/// |---|---|---|
/// | `op` | only this [operation](Operation::name); or only the calls of one name, which a configuration has to declare | all |
/// | `size` | only inputs of so many bytes: `64`, `64..4096`, `64..` or `..4096`, ends included | all |
/// | `after` | not the first N of these | 0 |
/// | `nth` | only the Nth of these, from 1 | |
/// | `every` | every Nth of these, behind those of `after` | 1 |
/// | `probability` | each with this probability, 0.000000001 to 1, from a stream of the rule's own | 1 |
/// | `window` | `UP:DOWN`, in nanoseconds of the device's clock: quiet for UP, possible for DOWN, and so on | always |
/// | `times` | at most so many | no limit |
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Only this operation.
    pub operation: Option<Operation>,
    /// Only calls of this name, which the configuration declares
    /// ([`Config::operations`](crate::Config::operations)).
    pub call: Option<String>,
    /// Only inputs of this many bytes.
    pub size: RangeInclusive<u64>,
    /// Not the first N.
    pub after: u64,
    /// Only the Nth, from 1.
    pub nth: Option<u64>,
    /// Every Nth.
    pub every: u64,
    /// In parts of 10^9; `None`: always.
    pub probability: Option<u32>,
    /// Inactive and active nanoseconds, alternating.
    pub window: Option<(u64, u64)>,
    /// At most this many.
    pub times: Option<u64>,
}

impl Default for Selection {
    /// Always.
    fn default() -> Self {
        Self {
            operation: None,
            call: None,
            size: 0..=u64::MAX,
            after: 0,
            nth: None,
            every: 1,
            probability: None,
            window: None,
            times: None,
        }
    }
}

/// What is said of an operation that is unknown, and not declared.
pub(crate) const OPERATIONS: &str =
    in_words!("op=", &Operation::NAMES, ", ", ", ", " or a NAME that operation=NAME declares");
const PROBABILITY: &str = "probability=P with P from 0.000000001 to 1";
const WINDOW: &str = "window=UP:DOWN in nanoseconds, DOWN from 1, together at most 3600000000000 (an hour)";
const SIZE: &str = "size=N, N..M with N not above M, N.. or ..M, in bytes";
const BILLION: u32 = 1_000_000_000;
const HOUR: u64 = 3_600_000_000_000;

impl Selection {
    /// Only this operation.
    #[must_use]
    pub fn op(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Only calls of this name, which the configuration has to declare.
    #[must_use]
    pub fn call(self, name: &str) -> Self {
        Self { operation: Some(Operation::Call), call: Some(name.to_owned()), ..self }
    }

    /// Only inputs of this many bytes.
    #[must_use]
    pub fn size(self, size: RangeInclusive<u64>) -> Self {
        Self { size, ..self }
    }

    /// Not the first `count`.
    #[must_use]
    pub fn after(self, count: u64) -> Self {
        Self { after: count, ..self }
    }

    /// Only the one with this number, from 1.
    #[must_use]
    pub fn nth(self, number: u64) -> Self {
        Self { nth: Some(number), ..self }
    }

    /// Every Nth.
    #[must_use]
    pub fn every(self, count: u64) -> Self {
        Self { every: count, ..self }
    }

    /// Each with this probability, in parts of 10^9.
    #[must_use]
    pub fn probability(self, parts: u32) -> Self {
        Self { probability: Some(parts), ..self }
    }

    /// Never for `up`, possibly for `down`, alternating; both together up to an hour.
    #[must_use]
    pub fn window(self, up: Duration, down: Duration) -> Self {
        let nsec = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self { window: Some((nsec(up), nsec(down))), ..self }
    }

    /// At most this many.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { times: Some(count), ..self }
    }

    /// The names of the fields. The first [`Selection::OF_ANYTHING`] of them need no request.
    const NAMES: [&'static str; 8] =
        ["every", "nth", "probability", "times", "after", "window", "op", "size"];
    const OF_ANYTHING: usize = 6;

    /// The names of all fields, separated by commas.
    #[doc(hidden)]
    pub const LISTED: &str = in_words!("", &Selection::NAMES, ", ", ", ", "");

    /// The names of fields that select without a request.
    #[doc(hidden)]
    pub const LISTED_WITHOUT_REQUEST: &str = in_words!(
        "",
        Selection::NAMES.split_at(Selection::OF_ANYTHING).0,
        ", ",
        ", ",
        " (there is no request yet)"
    );

    /// What an operation is answered with that is unknown, and not declared.
    #[doc(hidden)]
    pub const OPERATIONS: &str = OPERATIONS;

    /// The allowed fields, for the error about an unknown one.
    pub const FIELDS: &str = in_words!("the fields ", &[Selection::LISTED], "", "", "");

    /// Whether the field needs a request.
    #[doc(hidden)]
    pub fn is_of_request(field: &str) -> bool {
        Self::NAMES[Self::OF_ANYTHING..].contains(&field)
    }

    /// Sets one field. `Ok(false)`: there is no such field.
    ///
    /// # Errors
    ///
    /// What is allowed for it.
    pub fn set(&mut self, field: &str, value: &str) -> Result<bool, &'static str> {
        match field {
            "op" => {
                let is_call = value.parse::<Operation>().is_err();
                if is_call && !is_name(value) {
                    return Err(OPERATIONS);
                }
                self.operation = Some(value.parse().unwrap_or(Operation::Call));
                self.call = is_call.then(|| value.to_owned());
            }
            "size" => self.size = range(value).ok_or(SIZE)?,
            "after" => self.after = number(value).ok_or("after=N, from 0")?,
            "nth" => self.nth = Some(within(value, 1..=u64::MAX).ok_or("nth=N, from 1")?),
            "every" => self.every = within(value, 1..=u64::MAX).ok_or("every=N, from 1")?,
            "probability" => self.probability = Some(probability(value).ok_or(PROBABILITY)?),
            "window" => self.window = Some(window(value).ok_or(WINDOW)?),
            "times" => self.times = Some(within(value, 1..=u64::MAX).ok_or("times=N, from 1")?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Refuses what could never select anything.
    ///
    /// # Errors
    ///
    /// What is allowed instead.
    pub fn check(&self) -> Result<(), &'static str> {
        let possible = self.nth.is_none_or(|nth| {
            nth.checked_sub(self.after).is_some_and(|n| n > 0 && n.is_multiple_of(self.every))
        });
        possible.then_some(()).ok_or("an nth above after, with nth - after a multiple of every")
    }

    /// Writes `:own,field=value,...`, without fields that have their default.
    pub(super) fn write_after(&self, f: &mut fmt::Formatter<'_>, own: &[String]) -> fmt::Result {
        let said = |name: &str, value: Option<u64>| value.map(|value| format!("{name}={value}"));
        let fields = [
            said("every", Some(self.every).filter(|&every| every != 1)),
            said("nth", self.nth),
            self.probability.map(|parts| format!("probability={}", decimal(parts))),
            said("times", self.times),
            said("after", Some(self.after).filter(|&after| after > 0)),
            self.window.map(|(up, down)| format!("window={up}:{down}")),
            self.operation
                .map(|operation| format!("op={}", self.call.as_deref().unwrap_or_else(|| operation.name()))),
            size(&self.size).map(|size| format!("size={size}")),
        ];
        let mut separator = ":";
        for field in own.iter().chain(fields.iter().flatten()) {
            write!(f, "{separator}{field}")?;
            separator = ",";
        }
        Ok(())
    }
}

/// As after a kind in a configuration: `:every=3,op=mac`, or nothing.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_after(f, &[])
    }
}

fn range(text: &str) -> Option<RangeInclusive<u64>> {
    let Some((from, to)) = text.split_once("..") else {
        let size = number(text)?;
        return Some(size..=size);
    };
    let end = |text: &str, open| if text.is_empty() { Some(open) } else { number(text) };
    let (from, to) = (end(from.trim(), 0)?, end(to.trim(), u64::MAX)?);
    (from <= to).then_some(from..=to)
}

fn size(range: &RangeInclusive<u64>) -> Option<String> {
    match (*range.start(), *range.end()) {
        (0, u64::MAX) => None,
        (from, u64::MAX) => Some(format!("{from}..")),
        (0, to) if to > 0 => Some(format!("..{to}")),
        (from, to) if from == to => Some(from.to_string()),
        (from, to) => Some(format!("{from}..{to}")),
    }
}

/// A decimal fraction in parts of 10^9, exactly.
fn probability(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction = digits(fraction).filter(|fraction| fraction.len() <= 9)?;
    let parts: u32 = format!("{fraction:0<9}").parse().ok()?;
    match number(whole)? {
        0 if parts > 0 => Some(parts),
        1 if parts == 0 => Some(BILLION),
        _ => None,
    }
}

fn decimal(parts: u32) -> String {
    let (whole, fraction) = (parts / BILLION, parts % BILLION);
    if fraction == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{fraction:09}").trim_end_matches('0').to_owned()
    }
}

fn window(text: &str) -> Option<(u64, u64)> {
    let (up, down) = text.split_once(':')?;
    let (up, down) = (within(up.trim(), 0..=HOUR)?, within(down.trim(), 1..=HOUR)?);
    (up + down <= HOUR).then_some((up, down))
}

/// A moment at which a fault could happen.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The request's operation; `None` where there is no request.
    pub operation: Option<Operation>,
    /// The name of its call, if it has one.
    pub call: Option<&'a str>,
    /// Bytes of its input.
    pub size: u64,
    /// Nanoseconds since the device was opened.
    pub now: u64,
}

impl<'a> Occasion<'a> {
    /// A request, at `now` nanoseconds since the device was opened.
    pub fn of(request: &'a Request, now: u64) -> Self {
        Self { operation: Some(request.operation), call: request.call_name(), size: request.size(), now }
    }
}

/// A [`Selection`] at work: what it has seen and hit so far, and its random stream.
#[derive(Debug)]
pub struct Selector {
    selection: Selection,
    seen: u64,
    hits: u64,
    random: ChaCha8Rng,
}

impl Selector {
    /// A new selector. `name` and `number` distinguish its stream from others of the same `seed`.
    pub fn new(selection: &Selection, seed: u64, name: &str, number: u32) -> Self {
        let random = super::stream(seed, name, number);
        Self { selection: selection.clone(), seen: 0, hits: 0, random }
    }

    /// Whether the fault strikes on this occasion, which counts if operation and size match.
    pub fn hits(&mut self, occasion: &Occasion<'_>) -> bool {
        let hit = self.matches(occasion) && self.selects(occasion.now);
        self.hits += u64::from(hit);
        hit
    }

    /// How often it has hit.
    pub const fn hit_count(&self) -> u64 {
        self.hits
    }

    /// 64 random bits.
    pub(super) fn word(&mut self) -> u64 {
        self.random.next_u64()
    }

    fn matches(&self, occasion: &Occasion<'_>) -> bool {
        let Selection { operation, call, size, .. } = &self.selection;
        operation.is_none_or(|wanted| occasion.operation == Some(wanted))
            && call.as_deref().is_none_or(|wanted| occasion.call == Some(wanted))
            && size.contains(&occasion.size)
    }

    fn selects(&mut self, now: u64) -> bool {
        self.seen += 1;
        // Drawn for every occasion that counts, so that no other field shifts the stream.
        let lucky = match self.selection.probability {
            Some(parts) => super::share(self.word(), BILLION.into()) < parts.into(),
            None => true,
        };
        let Selection { after, nth, every, window, times, .. } = &self.selection;
        lucky
            && self.seen > *after
            && (self.seen - after).is_multiple_of(*every)
            && nth.is_none_or(|nth| self.seen == nth)
            && window.is_none_or(|(up, down)| now % (up + down) >= up)
            && times.is_none_or(|times| self.hits < times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::grammar::{pair, parts};

    fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
        parts(text, ',').map(|field| pair(field).unwrap())
    }

    fn selection(text: &str) -> Selection {
        let mut selection = Selection::default();
        for (name, value) in fields(text) {
            assert_eq!(selection.set(name, value), Ok(true));
        }
        selection.check().unwrap();
        selection
    }

    fn occasion(size: u64, now: u64) -> Occasion<'static> {
        Occasion { operation: Some(Operation::Digest), call: None, size, now }
    }

    /// One letter for each of `count` occasions, 10 ns apart, whose sizes are their numbers.
    fn pattern(text: &str, count: u64) -> String {
        let mut selector = Selector::new(&selection(text), 7, "test", 0);
        let pattern: String =
            (1..=count).map(|n| if selector.hits(&occasion(n, 10 * (n - 1))) { 'x' } else { '.' }).collect();
        assert_eq!(selector.hit_count(), pattern.matches('x').count() as u64);
        pattern
    }

    #[test]
    fn fields_are_anded() {
        assert_eq!(pattern("", 4), "xxxx");
        assert_eq!(pattern("every=3", 7), "..x..x.");
        assert_eq!(pattern("nth=2", 5), ".x...");
        assert_eq!(pattern("every=2,times=2", 8), ".x.x....");
        assert_eq!(pattern("after=3,times=1", 6), "...x..");
        assert_eq!(pattern("after=1,every=2,nth=5", 7), "....x..");
        assert_eq!(pattern("window=30:20", 12), "...xx...xx..");
        assert_eq!(pattern("size=3..5", 7), "..xxx..");
        assert_eq!(pattern("size=..2", 4), "xx..");
        assert_eq!(pattern("size=4..,every=2", 8), "....x.x.");
        assert_eq!(pattern("size=6", 8), ".....x..");
        assert_eq!(pattern("op=digest", 2), "xx");
        assert_eq!(pattern("op=mac", 2), "..");
    }

    #[test]
    fn probability_is_a_share_of_a_stream_of_ones_own() {
        let hits = pattern("probability=0.25", 100_000).matches('x').count();
        assert!((24_500..25_500).contains(&hits), "{hits}");
        assert_eq!(pattern("probability=1", 5), "xxxxx");
        // Other fields shift nothing.
        let all = pattern("probability=0.5", 64);
        let some = pattern("probability=0.5,every=2", 64);
        let expected: String = (1..)
            .zip(all.chars())
            .map(|(n, letter): (u64, char)| if n % 2 == 0 { letter } else { '.' })
            .collect();
        assert_eq!(some, expected);
        // Neither do other rules, and another seed gives another history.
        let history = |seed, number| {
            let mut selector = Selector::new(&selection("probability=0.5"), seed, "fail", number);
            (0..64).map(|n| selector.hits(&occasion(n, 0))).collect::<Vec<_>>()
        };
        assert_eq!(history(1, 0), history(1, 0));
        assert!(history(1, 0) != history(1, 1) && history(1, 0) != history(2, 0));
    }

    #[test]
    fn every_field_is_listed_and_every_operation_can_be_selected() {
        let mut texts = vec!["every=2", "nth=2", "probability=0.5", "times=2", "after=2", "window=2:2"];
        texts.extend(["op=mac", "size=2"]);
        let names: Vec<_> = texts.iter().map(|text| text.split_once('=').unwrap().0).collect();
        assert_eq!(names, Selection::NAMES);
        for text in texts {
            assert_eq!(selection(text).to_string(), format!(":{text}"));
        }
        assert_eq!(Selection::FIELDS, "the fields every, nth, probability, times, after, window, op, size");
        assert_eq!(selection("op=run-length").call.as_deref(), Some("run-length"));
        let refusal = Selection::default().set("op", "run length").unwrap_err();
        for operation in Operation::ALL {
            let text = format!("op={operation}");
            assert_eq!(selection(&text).operation, Some(operation));
            assert!(refusal.contains(operation.name()), "{refusal}");
        }
    }

    #[test]
    fn what_could_never_happen_is_refused() {
        for text in ["nth=3,every=2", "nth=3,after=3", "nth=4,after=1,every=2"] {
            let mut selection = Selection::default();
            for (name, value) in fields(text) {
                selection.set(name, value).unwrap();
            }
            assert!(selection.check().is_err(), "{text}");
        }
        let mut selection = Selection::default();
        for (field, value) in [
            ("probability", "0"),
            ("probability", "1.5"),
            ("probability", "0.0000000001"),
            ("probability", "-1"),
            ("probability", ".5"),
            ("window", "3"),
            ("window", "3:0"),
            ("size", "5..3"),
            ("size", "x"),
            ("times", "0"),
            ("nth", "0"),
        ] {
            assert!(selection.set(field, value).is_err(), "{field}={value}");
        }
        assert_eq!(selection.set("colour", "3"), Ok(false));
        assert_eq!(selection, Selection::default());
    }
}
