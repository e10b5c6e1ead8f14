//! Texts of configurations, and what every reader of them has to say.

/// What is refused, and the whole line of the error, for a reader of the device's and the engine's keys.
/// `KEYS` stands for the list of keys.
pub(crate) const BAD: &[(&str, &str)] = &[
    ("depth", "depth is not key=value"),
    ("depth=2;fast", "fast is not key=value"),
    ("depth=2\n3", "3 is not key=value"),
    ("depth 2", "depth 2 is not key=value"),
    ("=2", "unknown key (nothing): the keys are KEYS"),
    ("colour=blue", "unknown key colour: the keys are KEYS"),
    ("Depth=2", "unknown key Depth: the keys are KEYS"),
    ("de_pth=2", "unknown key de_pth: the keys are KEYS"),
    ("de pth=2", "unknown key de pth: the keys are KEYS"),
    ("depth=2,seed=1", "depth=2,seed=1: must be a power of two, 2 to 262144 (requests)"),
    (
        "depth=2;depth=2",
        "depth is given twice: once is allowed, of all keys but operation, service and fault",
    ),
    (
        "seed=1\nseed = 1",
        "seed is given twice: once is allowed, of all keys but operation, service and fault",
    ),
    (
        "preset=ideal;preset=ideal",
        "preset is given twice: once is allowed, of all keys but operation, service and fault",
    ),
    ("depth=", "depth=(nothing): must be a power of two, 2 to 262144 (requests)"),
    ("depth=#2", "depth=(nothing): must be a power of two, 2 to 262144 (requests)"),
    ("depth=3", "depth=3: must be a power of two, 2 to 262144 (requests)"),
    ("depth==4", "depth==4: must be a power of two, 2 to 262144 (requests)"),
    ("depth=\u{1b}[31m4", "depth=\\u{1b}[31m4: must be a power of two, 2 to 262144 (requests)"),
    ("workers=17", "workers=17: must be 1 to 16"),
    ("spin_nsec=1us", "spin_nsec=1us: must be 0 to 1000000 (nanoseconds)"),
    ("seed=18446744073709551616", "seed=18446744073709551616: must be 0 to 18446744073709551615"),
    ("timing=ON", "timing=ON: must be off, sampled (one in 64) or all"),
    (
        "ordering=reorder:10",
        "ordering=reorder:10: must be unordered, fifo or reorder:PERCENT:GAP (1 to 99, 1 to 65536)",
    ),
    ("service=all:nsec=1,nsec=2", "service=all:nsec=1,nsec=2: nsec is given twice: once is allowed"),
    ("service=all:nsec", "service=all:nsec: must be FIELD=VALUE after WHAT:, separated by commas"),
    (
        "service=aes-128-ctr/mac:nsec=1",
        "service=aes-128-ctr/mac:nsec=1: must be ALGORITHM/OPERATION with an operation that the algorithm has",
    ),
    (
        "service=all:table=/no/such",
        "service=all:table=/no/such: the file /no/such cannot be read: No such file or directory (os error 2)",
    ),
    ("intc_nsec=5", "intc_nsec=5: must be 0 unless intc_thresh is above 1"),
    ("fault=nomem:op=mac,op=mac", "fault=nomem:op=mac,op=mac: op is given twice: once is allowed"),
    ("fault=fail:every=2,every=2", "fault=fail:every=2,every=2: every is given twice: once is allowed"),
    ("fault=busy:every", "fault=busy:every: must be FIELD=VALUE after KIND:, separated by commas"),
    ("fault=nomem:every", "fault=nomem:every: must be FIELD=VALUE after KIND:, separated by commas"),
    (
        "fault=nomem:size=9..3",
        "fault=nomem:size=9..3: must be size=N, N..M with N not above M, N.. or ..M, in bytes",
    ),
    (
        "fault=busy:size=9..3",
        "fault=busy:size=9..3: must be size=N, N..M with N not above M, N.. or ..M, in bytes",
    ),
];

/// What only a reader of the engine's keys knows.
pub(crate) const BAD_FOR_THE_ENGINE: &[(&str, &str)] = &[
    ("delivery=pigeon", "delivery=pigeon: must be wake or poll"),
    ("fallback=yes", "fallback=yes: must be on or off"),
    ("fallback=On", "fallback=On: must be on or off"),
    (
        "strict=on;strict=on",
        "strict is given twice: once is allowed, of all keys but operation, service and fault",
    ),
    ("offload_threshold=4294967296", "offload_threshold=4294967296: must be 0 to 4294967295 (bytes)"),
    ("timeout_msec=1.5", "timeout_msec=1.5: must be 0 (off) to 3600000 (milliseconds of the device's clock)"),
    ("max_retries=101", "max_retries=101: must be 0 to 100"),
];

/// What is taken, and the keys that it changes, in the order in which a configuration displays them.
pub(crate) const GOOD: &[(&str, &str)] = &[
    ("", ""),
    (" ;;\r\n\t\n;", ""),
    ("# depth=3", ""),
    ("depth=8", "depth=8"),
    (" depth = 8 ;; seed=1_000 ; ", "depth=8;seed=1000"),
    ("seed=7\ndepth=8\r\n", "depth=8;seed=7"),
    ("depth=8 # requests; not 16\nseed=7", "depth=8;seed=7"),
    ("seed=007", "seed=7"),
    ("latency_dist = normal : 2_0", "latency_dist=normal:20"),
    ("ordering=reorder: 10 :3", "ordering=reorder:10:3"),
    ("latency_dist=bimodal: 1_000 :0.50", "latency_dist=bimodal:1000:0.5"),
    (
        "service = SHA2-512/256 / digest : nsec = 1_0 ,, dist=normal: 5",
        "service=sha512-256/digest:nsec=10,dist=normal:5",
    ),
    ("warmup = 1_0 : 300", "warmup=10:300"),
    ("mbps = 1_000.2_50", "mbps=1000.25"),
    (
        "depth=8;preset=saturated;latency_dist=constant;intc_thresh=1;intc_nsec=0;mbps=0;completion_nsec=0;compute_units=4",
        "depth=8",
    ),
    ("fault = fail : every = 1_0 ,, op=mac,", "fault=fail:every=10,op=mac"),
    ("fault=fail:size= 1_6 .. 32;fault=fail:size=..4", "fault=fail:size=16..32;fault=fail:size=..4"),
    ("fault=busy:probability=0.000_001", "fault=busy:probability=0.000001"),
    ("fault=busy:window= 1_0 : 5", "fault=busy:window=10:5"),
];

/// What is no number, wherever one is asked for.
pub(crate) const NO_NUMBERS: &[&str] =
    &["_", "_1", "1_", "1__0", "+1", "-1", "1 0", "0x10", "1e1", "1.0", "10,0", "\u{661}", "ten"];

/// The line that `text` is refused with, where `keys` are known.
pub(crate) fn line(expected: &str, keys: &str) -> String {
    expected.replace("KEYS", keys)
}
