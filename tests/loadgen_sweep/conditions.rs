//! Conditions: what they accept, what they print, and what holds them.

use crate::condition::{Condition, Metric};

fn parsed(text: &str) -> Condition {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn a_condition_prints_as_it_is_written() {
    let texts =
        ["p99<2ms", "p999<1.5ms", "max<1s", "min>50ns", "mean<200us", "p50<0.5ns", "ops>50000", "errors<1"];
    for text in texts {
        assert_eq!(parsed(text).to_string(), text);
    }
    assert_eq!(parsed("p90 < 2000 us").to_string(), "p90<2ms");
    assert_eq!(parsed("p99<200µs").to_string(), "p99<200us");
    assert_eq!(parsed("p99<1500us").to_string(), "p99<1.5ms");
}

#[test]
fn a_condition_compares_in_the_unit_of_its_figure() {
    for (text, figure, holds) in [
        ("p99<2ms", 1999.9, true),
        ("p99<2ms", 2000.0, false),
        ("p99>2ms", 2000.0, false),
        ("p99>2ms", 2000.1, true),
        ("p50<50ns", 0.049, true),
        ("p50<50ns", 0.051, false),
        ("max<1.5s", 1_499_999.0, true),
        ("ops>50000", 50_001.0, true),
        ("ops>50000", 49_999.0, false),
        ("errors<1", 0.0, true),
        ("errors<1", 1.0, false),
    ] {
        assert_eq!(parsed(text).holds(Some(figure)), holds, "{text}, {figure}");
    }
}

#[test]
fn without_a_figure_no_condition_holds() {
    assert!(!parsed("p99<2ms").holds(None));
    assert!(!parsed("p99>2ms").holds(None));
}

#[test]
fn a_condition_names_its_metric() {
    assert_eq!(parsed("p999<1ms").metric, Metric::P999);
    assert!(parsed("p999<1ms").bounds_load());
    assert!(parsed("errors<1").bounds_load());
    assert!(!parsed("ops<5").bounds_load());
    assert!(!parsed("p50>1ms").bounds_load());
}

#[test]
fn a_bad_condition_is_told_what_is_allowed() {
    for (text, names) in [
        ("", "p99<2ms"),
        ("p99", "p99<2ms"),
        ("p99=2ms", "p99<2ms"),
        ("p98<2ms", "min, mean, p50, p90, p99, p999, max, ops, errors"),
        ("<2ms", "min, mean"),
        ("p99<", "a time, as in 1.5ms"),
        ("p99<2", "a time"),
        ("p99<2m", "a time"),
        ("p99<-2ms", "a time"),
        ("p99<<2ms", "a time"),
        ("p99<=2ms", "a time"),
        ("p99<ms", "a time"),
        ("p99<1.2345ms", "a time"),
        ("ops>5ms", "ops is compared with a number"),
        ("errors<1%", "errors is compared with a number"),
        ("errors<nan", "a number"),
    ] {
        let why = text.parse::<Condition>().expect_err(text);
        assert!(why.contains(names), "{text}: {why}");
        assert!(!why.contains('\n'), "{text}: {why}");
    }
}
