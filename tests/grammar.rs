//! One grammar: the device, the engine, the load generator and the other examples give the same text the same
//! verdict, in the same words. (The C functions are asked by a test of their package, with the same table.)

mod built;
mod captured;
#[path = "grammar/table.rs"]
mod table;

use std::process::{Command, Output};
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simaccel::grammar::Key;
use simaccel::{
    Arbitration, Cipher, CompletionOrder, Config, ConfigBuilder, DeliveryMode, Fault, FaultKind, LatencyDist,
    LimitMode, Mbps, ModelMode, Operation, Preset, Selection, Served, ServiceTime, Timing, WarmUp,
    simaccel_device,
};

use self::table::{BAD, BAD_FOR_THE_ENGINE, GOOD, NO_NUMBERS, line};

type DeviceConfig = simaccel_device::Config;

/// A built example, which `cargo test` puts beside the folder of the test executables.
fn example(name: &str, arguments: &[&str]) -> Output {
    let program = built::example(name);
    Command::new(program).args(arguments).output().unwrap()
}

/// The one line of a program that refuses its options.
#[track_caller]
fn refusal(name: &str, arguments: &[&str]) -> String {
    let output = example(name, arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{arguments:?}: {told}");
    told.trim_end().to_owned()
}

#[test]
fn what_is_no_configuration_is_refused_with_the_same_line_everywhere() {
    let device = Key::names(DeviceConfig::KEYS);
    let engine = Key::names(&[DeviceConfig::KEYS, Config::KEYS].concat());
    for (text, expected) in BAD.iter().chain(BAD_FOR_THE_ENGINE) {
        let expected_here = line(expected, &engine);
        assert_eq!(Config::parse(text).unwrap_err().to_string(), expected_here, "{text:?}");
        let told = refusal("loadgen", &["--ops", "1", "--device", text]);
        assert_eq!(told, format!("loadgen: --device: {expected_here}"), "{text:?}");
    }
    for (text, expected) in BAD.iter().filter(|(text, _)| !text.contains("nomem")) {
        assert_eq!(DeviceConfig::parse(text).unwrap_err().to_string(), line(expected, &device), "{text:?}");
    }
}

#[test]
fn what_is_a_configuration_means_the_same_everywhere() {
    for (text, changed) in GOOD {
        let device = DeviceConfig::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let engine = Config::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(device, DeviceConfig::parse(changed).unwrap(), "{text:?}");
        assert_eq!(engine, Config::parse(changed).unwrap(), "{text:?}");
        assert_eq!(*engine.device(), device, "{text:?}");
        let shown = device.to_string();
        let defaults = DeviceConfig::default().to_string();
        let differs = shown.split(';').filter(|pair| !defaults.split(';').any(|default| default == *pair));
        assert_eq!(differs.collect::<Vec<_>>().join(";"), *changed, "{text:?}");
    }
    let [text, ..] =
        GOOD.iter().map(|(text, _)| *text).filter(|text| text.contains('#')).collect::<Vec<_>>()[..]
    else {
        panic!("no comment")
    };
    let options = ["--ops", "1", "--size", "1_6", "--mode", "sync", "--device", text, "--seed", "1_0"];
    assert!(example("loadgen", &options).status.success());
}

#[test]
fn what_is_no_number_is_none_anywhere() {
    for number in NO_NUMBERS {
        for key in ["seed", "mbps", "completion_nsec", "offload_threshold", "timeout_msec", "max_retries"] {
            if key == "mbps" && *number == "1.0" {
                continue; // It takes decimals.
            }
            let error = Config::parse(&format!("{key}={number}")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{key}={number}: must be ")), "{error}");
        }
        for fault in
            ["fail:every=", "nomem:nth=", "delay:nsec=", "short:bytes=", "busy:size=", "busy:window=5:"]
        {
            // In a list, a comma begins another field.
            let text = format!("fault={fault}{}", number.replace(',', "."));
            let error = Config::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text}: must be ")), "{error}");
        }
        for text in ["latency_dist=normal:", "ordering=reorder:10:"] {
            assert!(Config::parse(&format!("{text}{number}")).is_err(), "{text}{number}");
        }
        for option in ["--seed", "--jobs", "--ops", "--size", "--duration"] {
            let unit = if option == "--duration" { "s" } else { "" };
            let told = refusal("loadgen", &[&format!("{option}={number}{unit}")]);
            assert!(told.contains(option) && told.contains("allowed are "), "{told}");
        }
        let told = refusal("simulate", &[&format!("--seed={number}")]);
        assert!(told.contains("--seed") && told.contains("allowed are 0 to "), "{told}");
        let told = refusal("event_loop", &[number]);
        assert!(told.contains("CONNECTIONS: allowed are 1 to "), "{told}");
    }
}

fn random_service(random: &mut ChaCha8Rng, served: Served) -> ServiceTime {
    let entry = ServiceTime::of(served);
    match random.random_range(0..4) {
        0 => entry.nsec(random_time(random)),
        1 => entry.mbps(Mbps::thousandths(random.random_range(0..=1_000_000_000))).nsec(random_time(random)),
        2 => entry.dist(LatencyDist::Uniform),
        _ => {
            let points: Vec<_> =
                (0..random.random_range(1..9_u64)).map(|n| (n * n, random.random_range(0..99))).collect();
            entry.points(&points).dist(LatencyDist::Exponential)
        }
    }
}

/// A configuration of random values, every key of it.
fn random_config(random: &mut ChaCha8Rng) -> ConfigBuilder {
    let mut builder = Config::builder()
        .queue_pairs(random.random_range(1..=64))
        .depth(1 << random.random_range(1..=18))
        .workers(random.random_range(1..=16))
        .compute_units(random.random_range(1..=1_024))
        .completion(random_time(random))
        .firmware(random_time(random))
        .mbps(Mbps::thousandths(random.random_range(0..=1_000_000_000)))
        .latency_dist(match random.random_range(0..6) {
            0 => LatencyDist::Constant,
            1 => LatencyDist::Uniform,
            2 => LatencyDist::Exponential,
            3 => LatencyDist::Normal(random.random_range(1..=33)),
            4 => LatencyDist::Lognormal(random.random_range(1..=1_000)),
            _ => {
                let share = random.random_range(1..=99_000);
                let slow = random.random_range(100..=(9_900_000 / share).min(1_000_000));
                LatencyDist::Bimodal { slow, share }
            }
        })
        .link_mbps(Mbps::thousandths(random.random_range(0..=1_000_000_000)))
        .link(random_time(random))
        .ops_limit(random.random_range(0..=1_000_000_000))
        .ops_burst(random.random_range(1..=1_000_000))
        .bytes_limit(random.random_range(0..=1_000_000_000_000))
        .bytes_burst(random.random_range(1..=1_000_000_000_000))
        .limit([LimitMode::Delay, LimitMode::Busy][random.random_range(0..2)])
        .arbitration(match random.random_range(0..3) {
            0 => Arbitration::Fcfs,
            1 => Arbitration::RoundRobin,
            _ => {
                let pairs = random.random_range(1..=64);
                Arbitration::Weighted((0..pairs).map(|_| random.random_range(1..=1_000)).collect())
            }
        })
        .ordering(match random.random_range(0..3) {
            0 => CompletionOrder::Unordered,
            1 => CompletionOrder::Fifo,
            _ => CompletionOrder::Reorder {
                percent: random.random_range(1..=99),
                gap: random.random_range(1..=65_536),
            },
        })
        .spin(Duration::from_nanos(random.random_range(0..=1_000_000)))
        .timing([Timing::Off, Timing::Sampled, Timing::All][random.random_range(0..3)])
        .model([ModelMode::Auto, ModelMode::On][random.random_range(0..2)])
        .seed(random.next_u64())
        .delivery([DeliveryMode::Wake, DeliveryMode::Poll][random.random_range(0..2)])
        .fallback(random.random())
        .offload_threshold(random.next_u32())
        .timeout(Duration::from_millis(random.random_range(0..=3_600_000)))
        .max_retries(random.random_range(0..=100));
    if random.random() {
        builder = builder.batch(random.random_range(2..=65_536)).batch_time(random_time(random));
    }
    if random.random() {
        builder = builder.intc_thresh(random.random_range(2..=65_536)).intc(random_time(random));
    }
    if random.random() {
        let warm_up = WarmUp {
            requests: random.random_range(1..=1_000_000_000),
            percent: random.random_range(100..=100_000),
        };
        builder = builder.warmup(warm_up).operation("squeeze");
        for served in
            [Served::All, Operation::Mac.into(), Cipher::Aes128Ctr.into(), Served::Call("squeeze".into())]
        {
            builder = builder.service(random_service(random, served));
        }
    }
    if random.random() {
        builder = builder.strict(random.random());
    }
    if random.random() {
        builder = builder.preset(Preset::ALL[random.random_range(0..Preset::ALL.len())]);
        // Its coalescing is not ours.
        builder = builder.intc_thresh(2).intc(Duration::from_nanos(1));
    }
    for _ in 0..random.random_range(0..4) {
        builder = builder.fault(random_fault(random));
    }
    if random.random() {
        builder = builder.nomem(random_selection(random, true)).fd_fail(random_selection(random, false));
    }
    builder
}

fn random_time(random: &mut ChaCha8Rng) -> Duration {
    Duration::from_nanos(random.random_range(1..=3_600_000_000_000))
}

fn random_fault(random: &mut ChaCha8Rng) -> Fault {
    let mut kind = FaultKind::ALL[random.random_range(0..FaultKind::ALL.len())];
    match &mut kind {
        FaultKind::Delay { nsec } | FaultKind::Stall { nsec } | FaultKind::Late { nsec } => {
            *nsec = random.random_range(1..=3_600_000_000_000);
        }
        FaultKind::Short { bytes } => *bytes = random.random_range(1..=u64::MAX),
        FaultKind::Corrupt { bit, .. } => *bit = random.random::<bool>().then(|| random.next_u64()),
        _ => {}
    }
    // Not every result is every operation's: the rules of that have tests of their own.
    let has_operation = !matches!(kind, FaultKind::Short { .. } | FaultKind::Corrupt { .. });
    Fault::new(kind).when(random_selection(random, has_operation))
}

fn random_selection(random: &mut ChaCha8Rng, has_request: bool) -> Selection {
    let mut selection = Selection::default();
    match random.random_range(0..4) {
        0 => selection = selection.every(random.random_range(1..=u64::MAX)),
        1 => selection = selection.nth(random.random_range(1..=u64::MAX)),
        2 => selection = selection.after(random.next_u64()),
        _ => {}
    }
    if random.random() {
        selection = selection.probability(random.random_range(1..=1_000_000_000));
    }
    if random.random() {
        selection = selection.times(random.random_range(1..=u64::MAX));
    }
    if random.random() {
        let half = |least, random: &mut ChaCha8Rng| {
            Duration::from_nanos(random.random_range(least..=1_800_000_000_000))
        };
        selection = selection.window(half(0, random), half(1, random));
    }
    if has_request && random.random() {
        selection = selection.op(Operation::ALL[random.random_range(0..Operation::ALL.len())]);
    }
    if has_request && random.random() {
        let (one, other) = (random.next_u64(), random.next_u64());
        let ends = [0..=u64::MAX, one..=u64::MAX, 0..=other, one.min(other)..=one.max(other), one..=one];
        selection = selection.size(ends[random.random_range(0..ends.len())].clone());
    }
    selection
}

#[test]
fn any_configuration_parses_back_from_what_it_displays() {
    for seed in 0..2_000 {
        let builder = random_config(&mut ChaCha8Rng::seed_from_u64(seed));
        let config = builder.build().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let text = config.to_string();
        assert_eq!(Config::parse(&text).as_ref(), Ok(&config), "seed {seed}: {text}");
        assert_eq!(Config::parse(&text.replace(';', "\n")).as_ref(), Ok(&config), "seed {seed}: {text}");
        assert_eq!(config.to_builder().build().as_ref(), Ok(&config), "seed {seed}: {text}");
        let device = config.device();
        assert_eq!(DeviceConfig::parse(&device.to_string()).as_ref(), Ok(device), "seed {seed}: {text}");
    }
}

/// Pieces that are nearly a configuration, in any order.
fn random_text(random: &mut ChaCha8Rng) -> String {
    const PIECES: [&str; 34] = [
        "depth",
        "seed",
        "fault",
        "preset",
        "delivery",
        "latency_dist",
        "ordering",
        "timeout_msec",
        "fail",
        "nomem",
        "corrupt",
        "every",
        "size",
        "op",
        "window",
        "probability",
        "normal",
        "reorder",
        "ideal",
        "poll",
        "mac",
        "=",
        "=",
        ";",
        "\n",
        ",",
        ":",
        "..",
        "_",
        "#",
        "0",
        "18446744073709551615",
        " ",
        "\u{2028}",
    ];
    let count = random.random_range(0..24);
    let mut text: String = (0..count).map(|_| PIECES[random.random_range(0..PIECES.len())]).collect();
    if random.random() {
        let at = random.random_range(0..=text.chars().count());
        let at = text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
        text.insert(at, char::from_u32(random.random_range(0..0x11_0000)).unwrap_or('\u{fffd}'));
    }
    text
}

#[test]
fn no_text_panics_and_every_error_is_one_short_line() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..50_000 {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        // Half of them are a configuration that something was done to.
        let text = if random.random() {
            random_text(random)
        } else {
            let mut text = random_config(random).build().unwrap().to_string();
            let at = random.random_range(0..text.len());
            text.replace_range(at..=at, &random_text(random).chars().take(3).collect::<String>());
            text
        };
        match Config::parse(&text) {
            Ok(config) => {
                assert_eq!(Config::parse(&config.to_string()).as_ref(), Ok(&config), "seed {seed}: {text:?}");
                taken += 1;
            }
            Err(error) => {
                let told = error.to_string();
                let is_line = told.len() < 800 && !told.contains(|c: char| c.is_control());
                assert!(is_line, "seed {seed}: {text:?}: {told:?}");
                refused += 1;
            }
        }
        if let Ok(config) = DeviceConfig::parse(&text) {
            assert_eq!(Config::parse(&text).unwrap().device(), &config, "seed {seed}: {text:?}");
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
}
