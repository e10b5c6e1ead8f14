//! Closed forms that those of the device's own tests do not have.

/// The mean wait for one of `units` units with constant service, in units of it (Crommelin 1932): the sum
/// over i ≥ 1 of P(X ≥ i c) − (c / A) P(X > i c), where X is a Poisson variate of mean i A and A the offered
/// load.
pub(crate) fn crommelin(units: u32, load: f64) -> f64 {
    let offered = f64::from(units) * load;
    let term = |i: u32| {
        let (at, beyond) = poisson_tails(f64::from(i) * offered, i * units);
        at - beyond / load
    };
    (1..10_000).map(term).take_while(|term| *term > 1e-12).sum()
}

/// P(X ≥ n) and P(X > n) of a Poisson variate.
fn poisson_tails(mean: f64, n: u32) -> (f64, f64) {
    let log_factorial: f64 = (1..=n).map(|k| f64::from(k).ln()).sum();
    let first = (f64::from(n) * mean.ln() - mean - log_factorial).exp();
    // Beyond the mean each is less than the one before by n / mean or more.
    let rest = (n + 1..).scan(first, |p, k| {
        *p *= mean / f64::from(k);
        (*p > 1e-18).then_some(*p)
    });
    let beyond: f64 = rest.sum();
    (first + beyond, beyond)
}

/// The share of arrivals that is lost where nothing waits, whatever the distribution of service (Erlang
/// 1917).
pub(crate) fn erlang_b(units: u32, load: f64) -> f64 {
    let offered = load * f64::from(units);
    (1..=units).fold(1.0, |blocking, unit| offered * blocking / offered.mul_add(blocking, f64::from(unit)))
}

/// The share of arrivals that finds `places` taken, the one in service included, at M/M/1/K.
pub(crate) fn full(places: i32, load: f64) -> f64 {
    (1.0 - load) * load.powi(places) / (1.0 - load.powi(places + 1))
}

#[test]
fn the_wait_for_one_constant_unit_is_that_of_pollaczek_and_khinchine() {
    for load in [0.1, 0.5, 0.7, 0.9] {
        let expected = super::erlang::pollaczek_khinchine(load, 1.0, 1.0);
        assert!((crommelin(1, load) / expected - 1.0).abs() < 1e-6, "{load}: {}", crommelin(1, load));
    }
    // With more units the wait is less, and less than with exponential service.
    assert!(crommelin(4, 0.8) < crommelin(1, 0.8) && crommelin(4, 0.8) < super::erlang::erlang_c(4, 0.8));
}
