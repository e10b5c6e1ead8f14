//! A strict reader of Prometheus' text exposition format 0.0.4, limited to counters, gauges and histograms.
//!
//! Beyond the grammar it checks: HELP and TYPE once per family, in this order and before the samples; the
//! samples of a family in one place; no sample twice; counters end in `_total` and are not negative; buckets
//! of a histogram ascend, in their bounds and in their counts, and end with `+Inf`, which equals `_count`.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

type Labels = Vec<(String, String)>;

struct Sample {
    name: String,
    labels: Labels,
    value: f64,
}

struct Family {
    kind: Kind,
    samples: Vec<Sample>,
}

pub(crate) struct Exposition(BTreeMap<String, Family>);

impl Exposition {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut families = BTreeMap::new();
        if !text.ends_with('\n') {
            return Err("the last line does not end".to_owned());
        }
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let help = line.strip_prefix("# HELP ").ok_or_else(|| format!("no HELP: {line}"))?;
            let (name, meaning) = help.split_once(' ').ok_or_else(|| format!("no meaning: {line}"))?;
            check(is_name(name) && !meaning.trim().is_empty(), line)?;
            let kind = kind_of(name, lines.next().unwrap_or_default())?;
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                samples.push(sample(line)?);
            }
            let family = Family { kind, samples };
            family.validate(name)?;
            check(families.insert(name.to_owned(), family).is_none(), "a family in two places")?;
        }
        Ok(Self(families))
    }

    pub(crate) fn kind(&self, family: &str) -> Option<Kind> {
        self.0.get(family).map(|family| family.kind)
    }

    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let same = |sample: &&Sample| {
            sample.name == name
                && sample.labels.iter().map(|(name, value)| (&**name, &**value)).eq(labels.iter().copied())
        };
        self.0.values().flat_map(|family| &family.samples).find(same).map(|sample| sample.value)
    }
}

impl Family {
    fn validate(&self, name: &str) -> Result<(), String> {
        check(!self.samples.is_empty(), &format!("{name} has no samples"))?;
        for (at, sample) in self.samples.iter().enumerate() {
            let twice = |other: &Sample| (&other.name, &other.labels) == (&sample.name, &sample.labels);
            check(!self.samples[..at].iter().any(twice), &format!("{} twice", sample.name))?;
        }
        match self.kind {
            Kind::Histogram => self.validate_histogram(name),
            kind => {
                check((kind == Kind::Counter) == name.ends_with("_total"), &format!("{name} as {kind:?}"))?;
                let fits = |sample: &Sample| sample.name == name && sample.value >= 0.0;
                check(self.samples.iter().all(fits), &format!("samples of {name}"))
            }
        }
    }

    fn validate_histogram(&self, name: &str) -> Result<(), String> {
        check(name.ends_with("_seconds"), &format!("{name} has no unit"))?;
        let part = |suffix: &str| {
            let full = format!("{name}_{suffix}");
            self.samples.iter().filter(move |sample| sample.name == full)
        };
        let mut buckets = BTreeMap::<Labels, Vec<(f64, f64)>>::new();
        for sample in part("bucket") {
            let mut labels = sample.labels.clone();
            let (le, bound) = labels.pop().ok_or("a bucket without labels")?;
            check(le == "le", "the bound comes last")?;
            buckets.entry(labels).or_default().push((number(&bound)?, sample.value));
        }
        check(buckets.len() == part("count").count() && buckets.len() == part("sum").count(), name)?;
        check(self.samples.len() == part("bucket").count() + 2 * buckets.len(), &format!("more in {name}"))?;
        for count in part("count") {
            let buckets = buckets.get(&count.labels).ok_or("a count without buckets")?;
            let ascends = |two: &[(f64, f64)]| two[0].0 < two[1].0 && two[0].1 <= two[1].1;
            check(buckets.windows(2).all(ascends), &format!("buckets of {name}"))?;
            check(buckets.last() == Some(&(f64::INFINITY, count.value)), &format!("the end of {name}"))?;
        }
        Ok(())
    }
}

fn check(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn is_name(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn kind_of(name: &str, line: &str) -> Result<Kind, String> {
    match line.strip_prefix(&format!("# TYPE {name} ")) {
        Some("counter") => Ok(Kind::Counter),
        Some("gauge") => Ok(Kind::Gauge),
        Some("histogram") => Ok(Kind::Histogram),
        _ => Err(format!("no TYPE of {name}: {line}")),
    }
}

fn sample(line: &str) -> Result<Sample, String> {
    let (series, value) = line.rsplit_once(' ').ok_or_else(|| format!("no value: {line}"))?;
    let (name, labels) = match series.split_once('{') {
        None => (series, Vec::new()),
        Some((name, rest)) => {
            let inner = rest.strip_suffix('}').ok_or_else(|| format!("no end of labels: {line}"))?;
            (name, labels_of(inner)?)
        }
    };
    check(is_name(name), line)?;
    Ok(Sample { name: name.to_owned(), labels, value: number(value)? })
}

fn labels_of(mut text: &str) -> Result<Labels, String> {
    let mut labels = Labels::new();
    loop {
        let (name, rest) = text.split_once("=\"").ok_or_else(|| format!("no label: {text}"))?;
        check(is_name(name), text)?;
        let (value, rest) = quoted(rest)?;
        labels.push((name.to_owned(), value));
        if rest.is_empty() {
            return Ok(labels);
        }
        text = rest.strip_prefix(',').ok_or_else(|| format!("no comma: {rest}"))?;
    }
}

/// A value up to its closing quote, without its escapes; and what comes after that.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut value, mut letters) = (String::new(), text.chars());
    loop {
        match letters.next() {
            Some('"') => return Ok((value, letters.as_str())),
            Some('\\') => value.push(match letters.next() {
                Some('n') => '\n',
                Some(c @ ('"' | '\\')) => c,
                _ => return Err(format!("an escape that there is not: {text}")),
            }),
            Some(c) => value.push(c),
            None => return Err(format!("no value: {text}")),
        }
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        _ => text.parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(|| format!("no number: {text}")),
    }
}

#[test]
fn the_reader_refuses_what_the_format_does() {
    let good = "# HELP a_total b\n# TYPE a_total counter\na_total{x=\"1\"} 2\n";
    assert!(Exposition::parse(good).is_ok());
    let escaped = good.replace("\"1\"", r#""a \"b\",\\\n}",y="""#);
    let value = Exposition::parse(&escaped).unwrap().value("a_total", &[("x", "a \"b\",\\\n}"), ("y", "")]);
    assert_eq!(value, Some(2.0));
    let bad = [
        good.trim_end().to_owned(),
        good.replace("# HELP a_total b\n", ""),
        good.replace("# TYPE a_total counter\n", ""),
        good.replace("counter", "gauge"),
        good.replace("a_total", "a"),
        good.replace(" 2", " two"),
        good.replace(" 2", " -2"),
        good.replace("x=", "1x="),
        good.replace("\"1\"", "1"),
        good.replace("\"1\"", "\"1\\t\""),
        good.replace("\"1\"", "\"1\"\""),
        good.replace('}', ""),
        format!("{good}{good}"),
        format!("{good}a_total{{x=\"1\"}} 3\n"),
        format!("{good}b_total 3\n"),
    ];
    for text in bad {
        assert!(Exposition::parse(&text).is_err(), "{text}");
    }
    let bucket = |le: &str, count| format!("h_seconds_bucket{{le=\"{le}\"}} {count}\n");
    let histogram = |buckets: &str| {
        format!(
            "# HELP h_seconds b\n# TYPE h_seconds histogram\n{buckets}h_seconds_sum 3.5\nh_seconds_count 2\n"
        )
    };
    assert!(Exposition::parse(&histogram(&(bucket("1", 1) + &bucket("+Inf", 2)))).is_ok());
    for buckets in [
        bucket("1", 1),
        bucket("1", 3) + &bucket("+Inf", 2),
        bucket("2", 1) + &bucket("1", 1) + &bucket("+Inf", 2),
        bucket("+Inf", 1),
        String::new(),
    ] {
        assert!(Exposition::parse(&histogram(&buckets)).is_err(), "{buckets}");
    }
}
