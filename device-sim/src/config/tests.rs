//! The device's keys as text and as values.

use super::*;
use crate::model::fault::{FaultKind, Selection};

#[test]
fn the_default_is_ideal_and_parses_back() {
    let config = Config::default();
    assert_eq!(
        config.to_string(),
        "queue_pairs=4;depth=64;workers=1;compute_units=4;completion_nsec=0;firmware_nsec=0;mbps=0;\
         latency_dist=constant;link_mbps=0;link_nsec=0;batch=1;batch_nsec=0;ops_limit=0;ops_burst=1;\
         bytes_limit=0;bytes_burst=65536;limit=delay;arbitration=fcfs;ordering=unordered;intc_thresh=1;\
         intc_nsec=0;spin_nsec=50000;timing=off;model=auto;seed=0"
    );
    assert_eq!(Config::parse(""), Ok(config.clone()));
    assert_eq!(config.to_string().parse(), Ok(config));
}

#[test]
fn every_key_parses_and_prints() {
    let text = "queue_pairs=64;depth=262144;workers=16;compute_units=1024;completion_nsec=3600000000000;\
                firmware_nsec=20;mbps=1000000;latency_dist=bimodal:9900;link_mbps=0.125;link_nsec=30;batch=65536;\
                batch_nsec=40;ops_limit=1000000000;ops_burst=1000000;bytes_limit=1000000000000;\
                bytes_burst=1;limit=busy;arbitration=weighted:1000:1;ordering=reorder:25:3;intc_thresh=8;\
                intc_nsec=100000;spin_nsec=0;timing=sampled;model=on;seed=18446744073709551615;\
                warmup=10:300;operation=run-length;operation=b.2;\
                service=aes-128-gcm/encrypt:nsec=5,mbps=0.5,dist=uniform;service=b.2:points=1:2/3:4;\
                fault=fail:every=2;fault=dead:nth=9";
    let config = Config::parse(text).unwrap();
    let expected = Config {
        queue_pairs: 64,
        depth: 262_144,
        workers: 16,
        compute_units: 1024,
        completion_nsec: 3_600_000_000_000,
        firmware_nsec: 20,
        mbps: 1_000_000.into(),
        latency_dist: LatencyDist::bimodal(9_900),
        services: ["aes-128-gcm/encrypt:nsec=5,mbps=0.5,dist=uniform", "b.2:points=1:2/3:4"]
            .map(|text| ServiceTime::parse(text).unwrap())
            .into(),
        warm_up: Some(WarmUp { requests: 10, percent: 300 }),
        link_mbps: Mbps::thousandths(125),
        link_nsec: 30,
        batch: 65_536,
        batch_nsec: 40,
        ops_limit: 1_000_000_000,
        ops_burst: 1_000_000,
        bytes_limit: 1_000_000_000_000,
        bytes_burst: 1,
        limit: LimitMode::Busy,
        arbitration: Arbitration::Weighted(vec![1_000, 1]),
        ordering: CompletionOrder::Reorder { percent: 25, gap: 3 },
        intc_thresh: 8,
        intc_nsec: 100_000,
        spin_nsec: 0,
        timing: Timing::Sampled,
        operations: vec!["run-length".to_owned(), "b.2".to_owned()],
        faults: ["fail:every=2", "dead:nth=9"].map(|text| Fault::parse(text).unwrap()).into(),
        model: ModelMode::On,
        seed: u64::MAX,
    };
    assert_eq!(config, expected);
    assert_eq!(config.to_string(), text);
}

#[test]
fn an_operation_of_the_users_own_is_declared_before_a_rule_may_select_it() {
    for text in ["fault=fail:op=pack;operation=pack", "operation=pack;fault=delay:op=pack,every=2"] {
        let config = Config::parse(text).unwrap();
        assert_eq!(config.faults[0].selection.call.as_deref(), Some("pack"));
        assert_eq!(Config::parse(&config.to_string()), Ok(config));
    }
    let declared = |count| (0..count).map(|at| format!("operation=n{at};")).collect::<String>();
    assert_eq!(Config::parse(&declared(64)).unwrap().operations().len(), 64);
    for (text, said) in [
        ("fault=fail:op=pack", "operation=NAME"),
        ("operation=pack;fault=fail:op=pakc", "generate or a NAME"),
        ("operation=call", "encrypt, decrypt, digest, mac, call"),
        ("operation=all", "and not all"),
        ("operation=", "1 to 64 letters"),
        ("operation=a b", "1 to 64 letters"),
        ("operation=a;operation=a", "declared once"),
        (&declared(65), "at most 64"),
        ("fault=corrupt:op=call", "a call gives no bytes"),
        ("operation=pack;fault=short:op=pack", "a call gives no bytes"),
    ] {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{text}: {error}");
    }
    let built = Config::builder()
        .operation("a")
        .operation("b")
        .fault(Fault::new(FaultKind::Timeout).when(Selection::default().call("a").times(1)));
    let text = "operation=a;operation=b;fault=timeout:op=a,times=1";
    assert_eq!(built.build().unwrap(), Config::parse(text).unwrap());
}

#[test]
fn spaces_and_empty_parts_are_ignored() {
    let config = Config::parse(" ; depth = 2 ;; seed=1_000;").unwrap();
    assert_eq!((config.depth, config.seed), (2, 1000));
}

#[test]
fn a_key_is_given_once_and_so_is_a_field_of_a_fault() {
    for (text, twice) in [
        ("depth=2;seed=1; depth = 2", "depth"),
        ("preset=ideal;preset=saturated", "preset"),
        ("seed=1;preset=ideal;seed=2", "seed"),
    ] {
        let error = Config::parse(text).unwrap_err();
        assert_eq!(error, ConfigError::KeyTwice { key: twice.to_owned() }, "{text}");
        assert_eq!(
            error.to_string(),
            format!("{twice} is given twice: once is allowed, of all keys but operation, service and fault")
        );
    }
    for (fault, twice) in [
        ("fail:op=encrypt,op=decrypt", "op"),
        ("fail:status=auth_failed, every=2 ,status=unsupported", "status"),
        ("short:bytes=3,bytes=3", "bytes"),
        ("delay:nth=1,nsec=5,nth=2", "nth"),
    ] {
        let error = Config::parse(&format!("fault={fault}")).unwrap_err();
        let expected =
            ConfigError::FieldTwice { key: "fault", field: twice.to_owned(), value: fault.to_owned() };
        assert_eq!(error, expected, "{fault}");
        assert_eq!(error.to_string(), format!("fault={fault}: {twice} is given twice: once is allowed"));
    }
    assert_eq!(Config::parse("fault=fail:nth=1;fault=fail:nth=1").unwrap().faults.len(), 2);
}

#[test]
fn what_was_given_is_repeated_in_part_and_on_one_line() {
    let long = "x".repeat(5_000);
    for text in [
        long.clone(),
        format!("{long}=1"),
        format!("depth={long}"),
        format!("fault={long}"),
        format!("fault=fail:{long}=1,{long}=2"),
        format!("fault=fail:every={long}"),
        format!("latency_dist={long};seed=1"),
        "depth=2\n3\u{1b}[31m".to_owned(),
        "de\npth=2".to_owned(),
        "de\npth".to_owned(),
        "=2".to_owned(),
    ] {
        let line = Config::parse(&text).unwrap_err().to_string();
        assert!(line.len() < 600 && !line.contains(|c: char| c.is_control()), "{line}");
        let length = text.split([';', '=', ':', ',']).any(|part| part.len() == 5_000);
        assert_eq!(line.contains("characters)"), length, "{line}");
    }
}

#[test]
fn values_out_of_range_are_refused_in_one_line() {
    let refused = [
        "queue_pairs=0",
        "queue_pairs=65",
        "depth=1",
        "depth=3",
        "depth=524288",
        "workers=0",
        "workers=17",
        "compute_units=0",
        "compute_units=1025",
        "completion_nsec=3600000000001",
        "completion_nsec=1us",
        "firmware_nsec=3600000000001",
        "mbps=1000001",
        "mbps=1000000.001",
        "mbps=0.0001",
        "mbps=.5",
        "latency_dist=normal",
        "latency_dist=Exponential",
        "link_mbps=1000000.001",
        "link_mbps=0.0001",
        "link_nsec=3600000000001",
        "batch=0",
        "batch=65537",
        "batch=2",
        "batch_nsec=5",
        "ops_limit=1000000001",
        "ops_burst=0",
        "bytes_limit=1000000000001",
        "bytes_burst=0",
        "limit=drop",
        "arbitration=fair",
        "arbitration=weighted",
        "arbitration=weighted:0",
        "arbitration=weighted:1001",
        "ordering=sorted",
        "ordering=reorder:0:1",
        "ordering=reorder:100:1",
        "ordering=reorder:10:0",
        "ordering=reorder:10",
        "intc_thresh=0",
        "intc_thresh=65537",
        "intc_thresh=2",
        "intc_nsec=5",
        "spin_nsec=1000001",
        "timing=always",
        "warmup=3",
        "warmup=0:100",
        "warmup=3:99",
        "warmup=1000000001:100",
        "warmup=3:100001",
        "fault=fire",
        "preset=magic",
        "seed=18446744073709551616",
        "seed=-1",
        "seed=+1",
        "seed=_1",
        "seed=",
        "seed=0x10",
    ];
    for pair in refused {
        let error = Config::parse(pair).unwrap_err();
        let ConfigError::Value { key, value, allowed } = &error else { panic!("{error}") };
        assert_eq!(format!("{key}={value}"), pair);
        let line = error.to_string();
        assert!(line.contains(pair) && line.contains(allowed) && !line.contains('\n'), "{line}");
    }
}

#[test]
fn unknown_keys_are_an_error_to_parse_and_false_to_set() {
    let mut config = Config::default();
    assert_eq!(config.set("delivery", "poll"), Ok(false));
    assert_eq!(config.set("depth", "128"), Ok(true));
    assert!(config.set("depth", "127").is_err());
    assert_eq!(config, Config { depth: 128, ..Config::default() });

    let error = Config::parse("delivery=poll").unwrap_err();
    assert!(matches!(&error, ConfigError::UnknownKey { key, .. } if key == "delivery"));
    assert!(error.to_string().contains("compute_units"), "{error}");
    assert_eq!(Config::parse("depth"), Err(ConfigError::Syntax { part: "depth".to_owned() }));
}

#[test]
fn keys_that_do_not_go_together_are_found_however_they_were_set() {
    assert_eq!(Config::default().check(), Ok(()));
    let config = Config { intc_thresh: 2, ..Config::default() };
    assert!(matches!(config.check(), Err(ConfigError::Value { key: "intc_thresh", .. })));
    let built = Config::builder().intc(Duration::from_nanos(5)).build();
    assert_eq!(built, Config::parse("intc_nsec=5"));
    assert!(built.is_err());
    let alone = Config::builder().batch(2).build();
    assert_eq!(alone, Config::parse("batch=2"));
    assert!(alone.unwrap_err().to_string().starts_with("batch=2: must be 1 unless batch_nsec"));
    assert!(
        Config::parse("batch_nsec=2").unwrap_err().to_string().starts_with("batch_nsec=2: must be 0 unless")
    );
}

/// What errors and documentation state as allowed is what is accepted.
#[test]
fn the_table_of_keys_is_true() {
    let defaults = Config::default().to_string();
    for key in Config::KEYS {
        let given = |value: &str| Config::default().set(key.name, value);
        let refused = given("?").unwrap_err();
        let ConfigError::Value { key: name, allowed, .. } = refused else { panic!("{refused}") };
        assert_eq!(name, key.name);
        if !["fault", "service"].contains(&key.name) {
            assert_eq!(allowed, key.allowed);
        }
        if key.default != "none" {
            assert_eq!(given(key.default), Ok(true), "{key:?}");
            let mut config = Config::default();
            config.set(key.name, key.default).unwrap();
            assert_eq!(config, Config::default(), "{key:?}");
        }
        let shown = defaults.split(';').find_map(|pair| pair.strip_prefix(key.name)?.strip_prefix('='));
        assert!(shown.is_none_or(|shown| shown == key.default), "{key:?}");
        if let Some((least, most)) = bounds(key.allowed) {
            assert_eq!(
                (given(&least.to_string()), given(&most.to_string())),
                (Ok(true), Ok(true)),
                "{key:?}"
            );
            assert!(given(&(most + 1).to_string()).is_err(), "{key:?}");
            assert!(least == 0 || given(&(least - 1).to_string()).is_err(), "{key:?}");
        }
    }
    assert_eq!(Config::KEYS.iter().filter(|key| bounds(key.allowed).is_some()).count(), 19);
}

/// The ends of `1 to 64 (...)`, or of `a power of two, 2 to 64 (...)`.
fn bounds(allowed: &str) -> Option<(u128, u128)> {
    let range = allowed.rsplit(", ").next()?.split(" (").next()?;
    let (least, most) = range.split_once(" to ")?;
    Some((least.parse().ok()?, most.parse().ok()?))
}

#[test]
fn values_are_names_as_their_texts_say() {
    for (text, allowed) in [
        ("latency_dist", LatencyDist::ALLOWED),
        ("limit", LimitMode::ALLOWED),
        ("arbitration", Arbitration::ALLOWED),
        ("timing", Timing::ALLOWED),
    ] {
        assert_eq!(Config::KEYS.iter().find(|key| key.name == text).map(|key| key.allowed), Some(allowed));
    }
    for text in [
        "latency_dist= normal : 3_3 ",
        "ordering=reorder: 1_0 :3",
        "fault=fail: size = 6_4 .. 128 , every=1_0",
    ] {
        Config::parse(text).unwrap();
    }
    for text in [
        "latency_dist=normal:+5",
        "ordering=reorder:10:+3",
        "latency_dist=Normal:5",
        "timing=OFF",
        "preset=Ideal",
    ] {
        Config::parse(text).unwrap_err();
    }
}

#[test]
fn a_builder_has_a_method_for_each_key_and_a_getter_mirrors_it() {
    let faults =
        [Fault::new(FaultKind::Busy), Fault::new(FaultKind::Timeout).when(Selection::default().nth(3))];
    let [first, second] = faults.clone();
    let builder = Config::builder()
        .queue_pairs(2)
        .depth(8)
        .workers(2)
        .compute_units(3)
        .completion(Duration::from_micros(4))
        .firmware(Duration::from_nanos(5))
        .mbps(6)
        .latency_dist(LatencyDist::Normal(7))
        .service(ServiceTime::of(Operation::Mac).nsec(Duration::from_nanos(8)))
        .warmup(WarmUp { requests: 1, percent: 200 })
        .link_mbps(13)
        .link(Duration::from_nanos(14))
        .batch(15)
        .batch_time(Duration::from_nanos(16))
        .ops_limit(17)
        .ops_burst(18)
        .bytes_limit(19)
        .bytes_burst(20)
        .limit(LimitMode::Busy)
        .arbitration(Arbitration::RoundRobin)
        .ordering(CompletionOrder::Fifo)
        .intc_thresh(9)
        .intc(Duration::from_nanos(10))
        .spin(Duration::from_nanos(11))
        .timing(Timing::All)
        .operation("pack")
        .fault(first)
        .fault(second)
        .model(ModelMode::On)
        .seed(12)
        .preset(Preset::Saturated);
    let config = builder.build().unwrap();
    let expected = "queue_pairs=2;depth=8;workers=2;compute_units=3;completion_nsec=4000;firmware_nsec=5;mbps=6;\
        latency_dist=normal:7;link_mbps=13;link_nsec=14;batch=15;batch_nsec=16;ops_limit=17;ops_burst=18;\
        bytes_limit=19;bytes_burst=20;limit=busy;arbitration=round_robin;ordering=fifo;intc_thresh=9;\
        intc_nsec=10;spin_nsec=11;timing=all;model=on;seed=12;\
        warmup=1:200;operation=pack;service=mac:nsec=8;fault=busy;fault=timeout:nth=3";
    assert_eq!(config.to_string(), expected);
    let given = format!("{builder:?}");
    assert!(Config::KEYS.iter().all(|key| given.contains(&format!("\"{}\"", key.name))), "{given}");

    assert_eq!(
        (config.queue_pairs(), config.depth(), config.workers(), config.compute_units()),
        (2, 8, 2, 3)
    );
    assert_eq!(
        (config.completion().as_micros(), config.firmware().as_nanos(), config.mbps()),
        (4, 5, 6.into())
    );
    assert_eq!((config.latency_dist(), config.ordering()), (LatencyDist::Normal(7), CompletionOrder::Fifo));
    assert_eq!((config.link_mbps(), config.link().as_nanos()), (Mbps::from(13), 14));
    assert_eq!((config.batch(), config.batch_time().as_nanos()), (15, 16));
    assert_eq!((config.ops_limit(), config.ops_burst()), (17, 18));
    assert_eq!((config.bytes_limit(), config.bytes_burst()), (19, 20));
    assert_eq!((config.limit(), config.arbitration()), (LimitMode::Busy, &Arbitration::RoundRobin));
    assert_eq!((config.intc_thresh(), config.intc().as_nanos(), config.spin().as_nanos()), (9, 10, 11));
    assert_eq!((config.operations(), config.model()), (&["pack".to_owned()][..], ModelMode::On));
    assert_eq!(config.services(), [ServiceTime::parse("mac:nsec=8").unwrap()]);
    assert_eq!(config.warmup(), Some(WarmUp { requests: 1, percent: 200 }));
    assert_eq!((config.timing(), config.faults(), config.seed()), (Timing::All, &faults[..], 12));
    assert_eq!(config.to_builder().build(), Ok(config.clone()));
    assert_eq!(config.to_builder().depth(16).depth(32).build().unwrap().depth(), 32, "the last call counts");
}

#[test]
fn a_builder_says_what_the_text_says() {
    let hours = Duration::from_secs(7_200);
    let never = Selection::default().every(0);
    for (built, text) in [
        (Config::builder().queue_pairs(0), "queue_pairs=0"),
        (Config::builder().depth(100), "depth=100"),
        (Config::builder().completion(hours), "completion_nsec=7200000000000"),
        (Config::builder().spin(Duration::MAX), "spin_nsec=18446744073709551615999999999"),
        (Config::builder().latency_dist(LatencyDist::Normal(34)), "latency_dist=normal:34"),
        (Config::builder().arbitration(Arbitration::Weighted(vec![1, 0])), "arbitration=weighted:1:0"),
        (Config::builder().ordering(CompletionOrder::Reorder { percent: 0, gap: 1 }), "ordering=reorder:0:1"),
        (Config::builder().fault(Fault::new(FaultKind::Busy).when(never)), "fault=busy:every=0"),
        (Config::builder().fault(Fault::new(FaultKind::Delay { nsec: 0 })), "fault=delay:nsec=0"),
        (
            Config::builder()
                .fault(Fault::new(FaultKind::Busy).when(Selection::default().probability(1_500_000_000))),
            "fault=busy:probability=1.5",
        ),
        (
            Config::builder()
                .fault(Fault::new(FaultKind::Busy).when(Selection::default().window(hours, hours))),
            "fault=busy:window=7200000000000:7200000000000",
        ),
    ] {
        let error = built.build().unwrap_err();
        assert_eq!(Err(error.clone()), Config::parse(text), "{text}");
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn a_device_is_modelled_when_anything_needs_it_or_when_the_user_says_so() {
    let is_modelled = |text: &str| Config::parse(text).unwrap().is_modelled();
    assert_eq!((is_modelled(""), is_modelled("model=auto"), is_modelled("model=on")), (false, false, true));
    assert_eq!((is_modelled("mbps=1"), is_modelled("fault=busy")), (true, true));
    let error = Config::parse("model=off").unwrap_err().to_string();
    assert_eq!(error, "model=off: must be auto or on");
}
