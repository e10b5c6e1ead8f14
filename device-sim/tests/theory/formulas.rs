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

/// The mean wait of batches of `size` Poisson arrivals for one unit with exponential service, in units of the
/// mean service time: E_k/M/1, whose wait is geometric in the root σ of σ = A(μ (1 − σ)).
pub(crate) fn erlang_arrivals(size: i32, load: f64) -> f64 {
    // Arrivals of single requests, in units of the service rate.
    let rate = load * f64::from(size);
    let mut root = load;
    for _ in 0..10_000 {
        root = (rate / (rate + 1.0 - root)).powi(size);
    }
    root / (1.0 - root)
}

/// P(wait ≤ x) for one unit with constant service 1 (Erlang 1909, Crommelin 1932).
fn constant_service(load: f64, x: f64) -> f64 {
    let (mut sum, mut k) = (0.0, 0.0);
    let mut factorial = 1.0;
    while k <= x {
        let z = load * (x - k);
        sum += (-z).powf(k) / factorial * z.exp();
        k += 1.0;
        factorial *= k;
    }
    (1.0 - load) * sum
}

/// The mean of what a wait exceeds `x` by, with constant service 1.
pub(crate) fn constant_service_beyond(load: f64, x: f64) -> f64 {
    let steps = 100_000;
    let width = x / f64::from(steps);
    let middle = |step: i32| 1.0 - constant_service(load, (f64::from(step) + 0.5) * width);
    let up_to: f64 = (0..steps).map(|step| middle(step) * width).sum();
    load / (2.0 * (1.0 - load)) - up_to
}
