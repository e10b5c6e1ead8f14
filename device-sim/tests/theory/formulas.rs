//! Closed forms of queueing theory.

/// The mean wait with exponential service (Erlang 1917), in units of the mean service time.
pub(crate) fn erlang_c(units: u32, load: f64) -> f64 {
    let offered = load * f64::from(units);
    let mut blocking = 1.0;
    for unit in 1..=units {
        blocking = offered * blocking / offered.mul_add(blocking, f64::from(unit));
    }
    let waiting = blocking / (1.0 - load * (1.0 - blocking));
    waiting / (f64::from(units) * (1.0 - load))
}

/// The mean wait for one unit (Pollaczek 1930, Khinchine 1932): λ E\[S²\] / (2 (1 − ρ)).
pub(crate) fn pollaczek_khinchine(arrivals: f64, mean: f64, mean_square: f64) -> f64 {
    arrivals * mean_square / (2.0 * (1.0 - arrivals * mean))
}
