//! The device's keys: the one table of their names, defaults, ranges and meanings.
//!
//! ```text
//!   device_keys! ─┬─► key_list!: Config::KEYS ──► what set() takes, what errors say, the load generator's help
//!                 └─► key_rows!: the documentation of both Configs      (docs/configuration.md is held to KEYS by a test)
//! ```

/// Passes the table to the macro `$then`, row by row: name, default, what is allowed, meaning.
#[doc(hidden)]
#[macro_export]
macro_rules! device_keys {
    ($then:ident) => {
        $then! {
            "queue_pairs", "4", "1 to 64", "pairs of submission and completion ring";
            "depth", "64", "a power of two, 2 to 262144 (requests)",
                "in flight per queue pair; further requests wait in a FIFO";
            "workers", "1", "1 to 16",
                "host threads that compute; of a modelled device the first one also schedules and delivers for all queue pairs";
            "compute_units", "4", "1 to 1024", "the simulated parallelism";
            "completion_nsec", "0", "0 to 3600000000000 (nanoseconds; an hour)",
                "fixed part of a request's service time";
            "firmware_nsec", "0", "0 to 3600000000000 (nanoseconds; an hour)",
                "service time of the front stage, which takes one request of the device at a time";
            "mbps", "0", "0 to 1000000 (10^6 bytes a second; up to three decimals)",
                "throughput of a compute unit; 0: size does not matter";
            "latency_dist", "constant",
                "constant, uniform, exponential, normal:PERCENT (1 to 33), lognormal:PERCENT (1 to 1000) or bimodal:SLOW:SHARE (percents: 100 to 1000000, 0.001 to 99, their product at most 9900; SHARE is 1 if it is not given)",
                "how service times spread around their mean";
            "service", "none", "WHAT:FIELD=VALUE,... (repeatable)",
                "how long these requests take: `nsec`, `mbps`, `dist`, `points`, `table` or `trace`, in place of the three keys above";
            "warmup", "none", "REQUESTS:PERCENT (1 to 1000000000, 100 to 100000) or none",
                "the first requests take this many percent of their service time";
            "link_mbps", "0", "0 to 1000000 (10^6 bytes a second; up to three decimals)",
                "bandwidth of the link, shared by all requests, in each direction; 0: bytes take no time there";
            "link_nsec", "0", "0 to 3600000000000 (nanoseconds; an hour)",
                "propagation on the link, each way, after the transfer";
            "batch", "1", "1 to 65536 (requests)",
                "a compute unit serves up to this many requests together, in one service time ...";
            "batch_nsec", "0", "0 to 3600000000000 (nanoseconds; an hour)",
                "... that arrive within this long after the first of them; the two go together";
            "ops_limit", "0", "0 to 1000000000 (requests a second)",
                "token bucket for requests, of the whole device; 0: no limit";
            "ops_burst", "1", "1 to 1000000 (requests)", "how many may come at once";
            "bytes_limit", "0", "0 to 1000000000000 (bytes a second)",
                "token bucket for bytes of input, of the whole device; 0: no limit";
            "bytes_burst", "65536", "1 to 1000000000000 (bytes)", "how many may come at once";
            "limit", "delay", "delay or busy",
                "a request without tokens waits in the device, or its submission is refused as by a full ring";
            "arbitration", "fcfs", "fcfs, round_robin or weighted:WEIGHT:WEIGHT:... (each 1 to 1000, up to 64)",
                "which queue pair's request is served next where requests wait";
            "ordering", "unordered", "unordered, fifo or reorder:PERCENT:GAP (1 to 99, 1 to 65536)",
                "in which order the requests of a queue pair complete";
            "intc_thresh", "1", "1 to 65536 (completions)",
                "interrupt coalescing: no interrupt and no wake before so many completions ...";
            "intc_nsec", "0", "0 to 3600000000000 (nanoseconds; an hour)",
                "... or before so long after the first of them; the two go together";
            "spin_nsec", "50000", "0 to 1000000 (nanoseconds)",
                "how long before a request is due the worker watches the clock instead of sleeping: precision for processor time";
            "timing", "off", "off, sampled (one in 64) or all",
                "which requests are timed, for the histograms of the statistics";
            "operation", "none", "a name of 1 to 64 letters, digits, _, - and . (repeatable, up to 64 names)",
                "declares an operation of the user's own (`Engine::call`), so that `op` of a fault may name it; statistics show it before its first call";
            "fault", "none", "KIND:FIELD=VALUE,... (repeatable)", "what goes wrong, and when";
            "model", "auto", "auto or on",
                "on: the device is modelled even if nothing is configured, so that it can be changed while it runs";
            "seed", "0", "0 to 18446744073709551615",
                "seed of every random decision: one seed gives one history";
            "preset", "ideal", "ideal, saturated, qat-8950, qat-c62x, qat-8970, nitrox-v, cloudhsm, cloudhsm2, key-vault, tpm, eip93, cesa, \
             ipq40xx or gpu-batch",
                "sets many of these at once; other keys override its numbers, wherever it stands";
        }
    };
}

/// A table as rows of a table in documentation.
#[doc(hidden)]
#[macro_export]
macro_rules! key_rows {
    ($($name:literal, $default:literal, $allowed:literal, $meaning:literal;)+) => {
        concat!(
            "| key | default | allowed | meaning |\n|---|---|---|---|\n",
            $("| `", $name, "` | ", $default, " | ", $allowed, " | ", $meaning, " |\n",)+
        )
    };
}

/// A table as a list of [`Key`](crate::grammar::Key)s.
#[doc(hidden)]
#[macro_export]
macro_rules! key_list {
    ($($name:literal, $default:literal, $allowed:literal, $meaning:literal;)+) => {
        &[$($crate::grammar::Key { name: $name, default: $default, allowed: $allowed, meaning: $meaning },)+]
    };
}
