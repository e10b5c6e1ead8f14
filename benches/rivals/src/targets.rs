//! The measured figures, and their targets.

/// One row: a ratio, or an absolute number, with two marks.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) key: &'static str,
    pub(crate) what: &'static str,
    pub(crate) reach: f64,
    pub(crate) aim: f64,
    /// Whether smaller is better.
    pub(crate) smaller: bool,
}

const fn larger(key: &'static str, what: &'static str, reach: f64, aim: f64) -> Target {
    Target { key, what, reach, aim, smaller: false }
}

const fn smaller(key: &'static str, what: &'static str, reach: f64, aim: f64) -> Target {
    Target { key, what, reach, aim, smaller: true }
}

/// Every figure, in the order of the report.
pub(crate) const TARGETS: &[Target] = &[
    larger("cycle_1", "job start, pause, resume, finish vs libcrypto, 1 job", 3.0, 5.0),
    larger("cycle_100", "the same, 100 jobs paused at once", 3.0, 5.0),
    larger("cycle_10k", "the same, 10,000 jobs paused at once", 4.0, 8.0),
    larger("pair", "one pause and resume vs libcrypto", 10.0, 20.0),
    smaller(
        "rss_per_job",
        "bytes of memory per paused job, guard included (rival: libcrypto's, unguarded)",
        4608.0,
        4300.0,
    ),
    larger(
        "wakefd_vs_libcrypto",
        "64 jobs, 64 B, an eventfd write and read per request, vs libcrypto's jobs likewise",
        1.15,
        1.25,
    ),
    larger(
        "wakefd_one_cpu_vs_callback",
        "1 job, a device of 4 x 50 us on the same processor, an eventfd vs a callback and a channel, medians",
        0.9,
        0.97,
    ),
    larger(
        "poll64_vs_libcrypto_ring",
        "64 jobs, 64 B, polling, vs libcrypto's jobs on a polled ring",
        2.0,
        4.0,
    ),
    larger("poll64_vs_libcrypto_fd", "the same vs libcrypto's jobs with an eventfd per context", 8.0, 17.0),
    larger("poll64_vs_crossbeam", "the same vs a crossbeam-channel to a worker, and one back", 1.3, 2.5),
    larger("poll64_vs_tokio_oneshot", "the same vs tokio tasks, a worker, and a oneshot back", 2.0, 4.0),
    larger(
        "poll64_vs_spawn_blocking",
        "the same vs tokio tasks and spawn_blocking as it comes, medians",
        90.0,
        180.0,
    ),
    larger("poll64_vs_blocking_pool", "the same vs the same with a pool held to one thread", 2.0, 4.0),
    smaller(
        "await64_vs_poll64",
        "64 operations of 64 B awaited by 64 tasks of one thread (tokio), vs the same in polled jobs",
        1.3,
        1.1,
    ),
    smaller(
        "await64_one_task_vs_poll64",
        "the same awaited by one task with a set of 64 in flight, vs the same in polled jobs",
        1.3,
        1.1,
    ),
    larger(
        "await64_vs_blocking_pool",
        "awaited by 64 tasks, vs tokio tasks and spawn_blocking with a pool held to one thread",
        3.0,
        6.0,
    ),
    larger(
        "model64_vs_ideal",
        "64 jobs, 64 B, polling: a modelled device (latency, a fault rule, all timed) vs the ideal one",
        0.5,
        0.75,
    ),
    larger("model64_1k_vs_ideal", "the same, 1,024 jobs", 0.5, 0.75),
    smaller("fd_writes_per_op", "eventfd writes per operation, 64 jobs polling", 0.01, 0.001),
    larger("bulk16k_vs_kernel", "16 KiB CTR offloaded vs the same kernel in the calling thread", 0.95, 0.98),
    larger("ctr1k_vs_kernel", "1 KiB CTR, likewise", 0.75, 0.90),
    larger("cbc1k_vs_kernel", "1 KiB CBC encryption, likewise, a session per job", 0.92, 0.97),
    larger(
        "cbc_batch_1k",
        "64 CBC encryptions under one session, 1 KiB, vs one stream in the calling thread",
        2.5,
        3.5,
    ),
    larger("cbc_batch_16k", "the same, 16 KiB", 2.5, 3.5),
    larger("xts_vs_crate", "16 KiB XTS offloaded vs the xts-mode crate in the calling thread", 3.0, 4.0),
    smaller(
        "idle_wake",
        "both sides asleep: a request's round trip vs a bare eventfd and epoll one",
        1.5,
        1.2,
    ),
    smaller(
        "late",
        "ns that requests end late, median, at that of 11 service times (10 µs to 10 ms) where it is most",
        2000.0,
        500.0,
    ),
];

/// The target with this key.
pub(crate) fn target(key: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.key == key)
}

/// Whether a value has reached a mark.
impl Target {
    pub(crate) fn verdict(&self, value: f64) -> &'static str {
        let meets = |mark: f64| if self.smaller { value <= mark } else { value >= mark };
        match (meets(self.aim), meets(self.reach)) {
            (true, _) => "aim",
            (false, true) => "reach",
            (false, false) => "no",
        }
    }
}
