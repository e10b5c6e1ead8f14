//! The search for the highest rate that holds: it knows no load, only whether a rate holds.

/// How far the highest rate that holds and the lowest that fails are apart at the end, as a share of the
/// first.
pub(crate) const RESOLUTION: f64 = 0.02;

/// A rate above the first grows by this factor.
const UP: f64 = 1.25;

/// How often a rate grows, at most: by a factor of about 60 in all.
const MOST_UP: usize = 18;

/// The lowest share of the first rate that is tried.
const LEAST_SHARE: f64 = 1.0 / 1024.0;

/// The most that an open loop takes.
const MOST: f64 = 1e9;

/// What was found; rates are in operations a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// `None`: no rate holds.
    pub(crate) highest: Option<u32>,
    /// `None`: no rate that was tried fails.
    pub(crate) fails_at: Option<u32>,
}

/// Searches from `first` on.
///
/// # Errors
/// Those of `holds`.
pub(crate) fn highest<E>(first: f64, holds: &mut impl FnMut(u32) -> Result<bool, E>) -> Result<Found, E> {
    let mut found = bracket(first, holds)?;
    while let (Some(low), Some(high)) = (found.highest, found.fails_at) {
        let middle = rate(f64::from(low) * (f64::from(high) / f64::from(low)).sqrt());
        if f64::from(high) <= f64::from(low) * (1.0 + RESOLUTION) || middle <= low || middle >= high {
            break;
        }
        if holds(middle)? { found.highest = Some(middle) } else { found.fails_at = Some(middle) }
    }
    Ok(found)
}

/// A rate that holds and one that fails, if there are both.
fn bracket<E>(first: f64, holds: &mut impl FnMut(u32) -> Result<bool, E>) -> Result<Found, E> {
    let mut found = Found { highest: None, fails_at: None };
    let mut next = first.clamp(1.0, MOST);
    for _ in 0..=MOST_UP {
        if !holds(rate(next))? {
            found.fails_at = Some(rate(next));
            break;
        }
        found.highest = Some(rate(next));
        if next >= MOST {
            break;
        }
        next = (next * UP).max(next + 1.0).min(MOST);
    }
    while found.highest.is_none() && next > 1.0 && next / 2.0 >= first * LEAST_SHARE {
        next = (next / 2.0).max(1.0);
        if holds(rate(next))? { found.highest = Some(rate(next)) } else { found.fails_at = Some(rate(next)) }
    }
    Ok(found)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 1e9")]
fn rate(rate: f64) -> u32 {
    rate.clamp(1.0, MOST).round() as u32
}
