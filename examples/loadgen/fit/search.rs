//! The search: the keys that explain the points, as few as do.
//!
//! ```text
//!   for each set of keys, the cheapest first            a set that cannot win any more is left out
//!     for each number of units, if it is one of the keys
//!       from several beginnings: which term decides at which point?
//!         ┌─► linear least squares of the relative errors, no time below 0
//!         └── which term decides now? ◄──┘                               until that stays as it is
//!   score = points · 2 ln(error, NOISE at least) + cost of the keys · max(ln points, 2)
//! ```
//!
//! The error is the root of the mean square, or half of that at the worst point if that is more. So the score
//! is Schwarz's criterion, with a floor: what is within twice NOISE at every point, and within NOISE for the
//! most part, is not worth another key. Nothing is random.

use super::model::{
    FIRMWARE, FIXED, LINK_PER_BYTE, PER_BYTE, Regime, TIMES, Times, errors, rms, slowest, worst,
};
use super::points::{Point, Points};

/// A measurement is taken to be no better than this share.
const NOISE: f64 = 0.005;

/// The most units of a device.
const MAX_UNITS: usize = 1_024;

/// A table of times by size has a value for each of them and reproduces any: it is taken only where all else
/// is off by more than this share somewhere.
const TABLE_FROM: f64 = 0.10;

/// What each time costs: fixed time and rate are the usual ones.
const COSTS: [u32; TIMES] = [1, 1, 2, 2, 3];

/// What the number of units costs.
const UNITS_COST: u32 = 1;

/// Points that the beginnings are tried on.
const SAMPLE: usize = 48;

/// A device that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) units: usize,
    pub(super) times: Times,
    /// Nanoseconds by size, in place of the fixed time and the rate.
    pub(super) table: Option<Vec<(usize, f64)>>,
    /// Whether the number of units is one of the keys, and not 1 for want of a reason.
    pub(super) says_units: bool,
    cost: u32,
    error: f64,
}

impl Found {
    /// The less, the better.
    fn score(&self, points: usize) -> f64 {
        score(points, self.error, self.cost)
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
fn score(points: usize, error: f64, cost: u32) -> f64 {
    let points = points as f64;
    2.0 * points * error.max(NOISE).ln() + f64::from(cost) * points.ln().max(2.0)
}

/// Which times are keys, and whether the number of units is one.
#[derive(Clone, Copy, Debug)]
struct Keys {
    times: [bool; TIMES],
    units: bool,
}

impl Keys {
    fn all() -> Vec<Self> {
        let sets = (1_u32..1 << TIMES).flat_map(|bits| {
            let times = std::array::from_fn(|at| bits >> at & 1 == 1);
            [false, true].map(|units| Self { times, units })
        });
        let mut sets: Vec<Self> = sets.filter(|keys| !keys.units || keys.serves()).collect();
        sets.sort_by_key(Self::cost);
        sets
    }

    /// Whether the units have something to do.
    const fn serves(&self) -> bool {
        self.times[FIXED] || self.times[PER_BYTE]
    }

    fn cost(&self) -> u32 {
        let times = self.times.iter().zip(COSTS).filter(|(is_key, _)| **is_key);
        times.map(|(_, cost)| cost).sum::<u32>() + if self.units { UNITS_COST } else { 0 }
    }

    fn count(&self) -> usize {
        self.times.iter().filter(|is_key| **is_key).count() + usize::from(self.units)
    }

    /// Stations that may decide.
    fn regimes(&self) -> Vec<Regime> {
        let has = |regime: &Regime| match regime {
            Regime::Way => false,
            Regime::Firmware => self.times[FIRMWARE],
            Regime::Units => self.serves(),
            Regime::Link => self.times[LINK_PER_BYTE],
        };
        Regime::ALL.into_iter().filter(has).collect()
    }
}

/// The device that explains the points best. `None`: none does.
pub(super) fn best(points: &Points) -> Option<Found> {
    let list = &points.list;
    let mut best: Option<Found> = None;
    let several = points.sizes().len() > 1;
    for keys in Keys::all() {
        // Times by the byte and fixed ones cannot be told apart by one size.
        let by_byte = keys.times[PER_BYTE] || keys.times[LINK_PER_BYTE];
        if keys.count() > list.len() || (by_byte && !several) || (keys.units && points.deepest() < 2) {
            continue;
        }
        let best_score = best.as_ref().map_or(f64::INFINITY, |found| found.score(list.len()));
        if score(list.len(), 0.0, keys.cost()) >= best_score - 1e-6 {
            continue;
        }
        let found = Search::new(points, keys).run();
        best = found.filter(|found| found.score(list.len()) < best_score - 1e-6).or(best);
    }
    let off =
        best.as_ref().map_or(f64::INFINITY, |found| worst(&errors(list, |point| found.nsec_each(point))));
    if off > TABLE_FROM && several { Some(by_table(points)).or(best) } else { best }
}

impl Found {
    /// Nanoseconds an operation, in closed form.
    pub(super) fn nsec_each(&self, point: &Point) -> f64 {
        let Some(table) = &self.table else {
            return slowest(point, as_f64(self.units), &self.times).1;
        };
        let time = table.iter().find(|(size, _)| *size == point.bytes).map_or(0.0, |(_, time)| *time);
        time * share(point, as_f64(self.units))
    }
}

/// How much of its time an operation takes from the others, with nothing but units.
fn share(point: &Point, units: f64) -> f64 {
    (1.0 / point.depth()).max(1.0 / units)
}

/// Times by size, each for itself; the number of units is the one that fits them all best.
fn by_table(points: &Points) -> Found {
    let most = points.deepest().min(MAX_UNITS);
    let with = |units: usize| {
        let table: Vec<(usize, f64)> =
            points.sizes().into_iter().map(|size| (size, time_of(points, size, as_f64(units)))).collect();
        let times = [0.0; TIMES];
        let mut found = Found { units, times, table: Some(table), says_units: most > 1, cost: 0, error: 0.0 };
        found.error = rms(&errors(&points.list, |point| found.nsec_each(point)));
        found
    };
    let better = |best: Found, next: Found| if next.error < best.error { next } else { best };
    (2..=most).map(with).fold(with(1), better)
}

/// The time of a size by least squares of the relative errors.
fn time_of(points: &Points, size: usize, units: f64) -> f64 {
    let of_size = points.list.iter().filter(|point| point.bytes == size);
    let (sum, squares) = of_size.fold((0.0, 0.0), |(sum, squares), point| {
        let part = share(point, units) / point.nsec_each;
        (sum + part, squares + part * part)
    });
    sum / squares
}

/// The search for the times of one set of keys.
struct Search<'a> {
    all: &'a [Point],
    /// Some of them, evenly, for the beginnings.
    sample: Vec<Point>,
    depths: Vec<usize>,
    sizes: Vec<usize>,
    keys: Keys,
    most_units: usize,
}

/// Times and their mean square error.
type Solution = (Times, f64);

impl<'a> Search<'a> {
    fn new(points: &'a Points, keys: Keys) -> Self {
        let sample = evenly(&points.list, SAMPLE);
        let (mut depths, mut sizes) = (vec![0], vec![0]);
        depths.extend(evenly(&points.depths(), 5));
        sizes.extend(evenly(&points.sizes(), 5));
        Self { all: &points.list, sample, depths, sizes, keys, most_units: points.deepest().min(MAX_UNITS) }
    }

    fn run(&self) -> Option<Found> {
        let (units, (times, _)) = if self.keys.units { self.with_units() } else { self.try_units(1) }?;
        let is_proper = self.keys.times.iter().zip(times).all(|(is_key, time)| !is_key || time > 0.0);
        let says_units = self.keys.units;
        let errors = errors(self.all, |point| slowest(point, as_f64(units), &times).1);
        let error = rms(&errors).max(worst(&errors) / 2.0);
        let found = Found { units, times, table: None, says_units, cost: self.keys.cost(), error };
        is_proper.then_some(found)
    }

    /// A coarse look at numbers of units up to the most, each by half more than the one before; then every
    /// number about the best.
    fn with_units(&self) -> Option<(usize, Solution)> {
        let coarse = std::iter::successors(Some(2), |units| Some(units + units / 2))
            .take_while(|&units| units < self.most_units);
        let coarse = least(coarse.chain([self.most_units]).filter_map(|units| self.try_units(units)))?;
        let (least_units, most_units) = ((coarse.0 * 2 / 3).max(2), (coarse.0 * 3 / 2).min(self.most_units));
        let near = (least_units..=most_units).filter_map(|units| {
            // What decided where with the coarse number is a good beginning, and so is what the number itself
            // suggests: fewer jobs than units never wait for one.
            let by_depth = |point: &Point| if point.jobs <= units { Regime::Way } else { Regime::Units };
            let by_coarse = |point: &Point| slowest(point, as_f64(coarse.0), &coarse.1.0).0;
            let begun =
                [self.sample.iter().map(by_depth).collect(), self.sample.iter().map(by_coarse).collect()];
            let solutions = begun.into_iter().filter_map(|regimes| self.descend(units, regimes));
            least(solutions.map(|solution| (units, solution)))
        });
        least([coarse].into_iter().chain(near))
    }

    /// The best times for this number of units, from all beginnings.
    fn try_units(&self, units: usize) -> Option<(usize, Solution)> {
        let solutions = self.beginnings().into_iter().filter_map(|regimes| self.descend(units, regimes));
        least(solutions.map(|solution| (units, solution)))
    }

    /// Guesses at what decides: up to some depth the way of one operation, above it one station for small
    /// sizes and one for large ones.
    fn beginnings(&self) -> Vec<Vec<Regime>> {
        let stations = self.keys.regimes();
        let mut all: Vec<Vec<Regime>> = Vec::new();
        for &depth in &self.depths {
            for &size in &self.sizes {
                for &small in &stations {
                    for &large in &stations {
                        let station = |point: &Point| if point.bytes <= size { small } else { large };
                        let regime =
                            |point: &Point| if point.jobs <= depth { Regime::Way } else { station(point) };
                        let regimes: Vec<Regime> = self.sample.iter().map(regime).collect();
                        if !all.contains(&regimes) {
                            all.push(regimes);
                        }
                    }
                }
            }
        }
        if stations.is_empty() {
            all.push(vec![Regime::Way; self.sample.len()]);
        }
        all
    }

    /// Least squares and what decides, in turn; first on the sample, then on all points.
    fn descend(&self, units: usize, mut regimes: Vec<Regime>) -> Option<Solution> {
        let units = as_f64(units);
        let mut best = self.settle(&self.sample, units, &mut regimes)?;
        if self.sample.len() < self.all.len() {
            let mut regimes: Vec<Regime> =
                self.all.iter().map(|point| slowest(point, units, &best.0).0).collect();
            best = self.settle(self.all, units, &mut regimes)?;
        }
        Some(best)
    }

    fn settle(&self, points: &[Point], units: f64, regimes: &mut [Regime]) -> Option<Solution> {
        let mut best: Option<Solution> = None;
        for _ in 0..20 {
            let Some(times) = self.least_squares(points, units, regimes) else { break };
            let takes = |point: &Point| slowest(point, units, &times).1;
            let mean_square = rms(&errors(points, takes)).powi(2);
            if best.as_ref().is_none_or(|best| mean_square < best.1) {
                best = Some((times, mean_square));
            }
            let mut is_settled = true;
            for (regime, point) in regimes.iter_mut().zip(points) {
                let now = slowest(point, units, &times).0;
                is_settled &= now == *regime;
                *regime = now;
            }
            if is_settled {
                break;
            }
        }
        best
    }

    /// The times that give the least relative errors where these terms decide; none below 0.
    fn least_squares(&self, points: &[Point], units: f64, regimes: &[Regime]) -> Option<Times> {
        let mut columns: Vec<usize> = (0..TIMES).filter(|at| self.keys.times[*at]).collect();
        let rows: Vec<Times> = points
            .iter()
            .zip(regimes)
            .map(|(point, regime)| regime.row(point, units).map(|part| part / point.nsec_each))
            .collect();
        loop {
            let solved = normal(&rows, &columns)?;
            let lowest = (0..columns.len()).min_by(|one, other| solved[*one].total_cmp(&solved[*other]))?;
            if solved[lowest] >= 0.0 {
                let mut times = [0.0; TIMES];
                columns.iter().zip(solved).for_each(|(at, time)| times[*at] = time);
                return Some(times);
            }
            columns.remove(lowest);
        }
    }
}

/// The solution of `rows · x = 1` in these columns by least squares. `None`: there is not one alone.
fn normal(rows: &[Times], columns: &[usize]) -> Option<Vec<f64>> {
    let dot = |one: usize, other: usize| rows.iter().map(|row| row[one] * row[other]).sum::<f64>();
    // Columns of length 1, because a fixed time and one by the byte differ by orders of magnitude.
    let lengths: Vec<f64> = columns.iter().map(|at| dot(*at, *at).sqrt()).collect();
    if lengths.iter().any(|length| *length < 1e-300) {
        return None;
    }
    let width = columns.len();
    let mut matrix: Vec<Vec<f64>> = (0..width)
        .map(|one| {
            let products =
                (0..width).map(|other| dot(columns[one], columns[other]) / (lengths[one] * lengths[other]));
            let sum = rows.iter().map(|row| row[columns[one]]).sum::<f64>() / lengths[one];
            products.chain([sum]).collect()
        })
        .collect();
    for at in 0..width {
        let pivot =
            (at..width).max_by(|one, other| matrix[*one][at].abs().total_cmp(&matrix[*other][at].abs()))?;
        matrix.swap(at, pivot);
        if matrix[at][at].abs() < 1e-10 {
            return None;
        }
        let top = matrix[at].clone();
        for (row, line) in matrix.iter_mut().enumerate().filter(|(row, _)| *row != at) {
            debug_assert_ne!(row, at);
            let factor = line[at] / top[at];
            line.iter_mut().zip(&top).for_each(|(value, above)| *value -= factor * above);
        }
    }
    Some((0..width).map(|at| matrix[at][width] / matrix[at][at] / lengths[at]).collect())
}

fn least(solutions: impl Iterator<Item = (usize, Solution)>) -> Option<(usize, Solution)> {
    solutions.reduce(|best, next| if next.1.1 < best.1.1 * (1.0 - 1e-9) { next } else { best })
}

/// At most `most` of them, the first and the last included.
fn evenly<T: Clone>(list: &[T], most: usize) -> Vec<T> {
    if list.len() <= most {
        return list.to_vec();
    }
    (0..most).map(|at| list[at * (list.len() - 1) / (most - 1)].clone()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "at most 1,024")]
pub(super) const fn as_f64(units: usize) -> f64 {
    units as f64
}
