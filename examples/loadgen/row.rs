//! One row of the report: a mode on a device, and its results.

use std::time::Duration;

use serde_json::{Value, json};
use simaccel::{Config, EngineStats, Mbps};

use crate::answer::bars::Bin;
use crate::args::{Mode, StatsFormat};
use crate::arrivals::Arrivals;
use crate::condition::Metric;
use crate::latency::Summary;
use crate::meter::{Meter, Recorded};
use crate::open::{BACKLOG, LATE, Sends, TOO_LATE};
use crate::queueing::Model;
use crate::rings::Rings;
use crate::stages::Stages;
use crate::steady::Steadiness;
use crate::timeline::Samples;
use crate::units::{grouped, short_time, time_us};
use crate::warmup::WarmedUp;
use crate::wrap::{labelled, wrapped};

pub(crate) struct Row {
    pub(crate) mode: Mode,
    /// `None` where no device took part.
    pub(crate) device: Option<Config>,
    /// The name of the algorithm, or the parts of a mix.
    pub(crate) algorithm: String,
    pub(crate) size: usize,
    /// Operations in flight at most, of all threads.
    pub(crate) jobs: usize,
    /// That generated the load.
    pub(crate) threads: usize,
    pub(crate) ops: u64,
    pub(crate) ops_per_second: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) latency: Summary,
    /// From the sending itself.
    pub(crate) service: Summary,
    /// Latencies as a histogram.
    pub(crate) bins: Vec<Bin>,
    /// `None` in virtual time.
    cpu_ns_per_op: Option<f64>,
    pub(crate) errors: u64,
    pub(crate) mismatches: u64,
    /// Little's law: the mean number in flight, and rate times mean service time.
    littles_law: (f64, f64),
    /// `None` where nothing is modelled.
    pub(crate) model: Option<Model>,
    pub(crate) stats: EngineStats,
    /// `None` where no picture is asked for.
    pub(crate) drawn: Option<Drawn>,
    /// For the files that are written of it.
    pub(crate) recorded: Recorded,
    /// `None` in a closed loop.
    pub(crate) paced: Option<Paced>,
    /// `None` where too little was done to tell.
    steadiness: Option<Steadiness>,
    /// What ended of each part, where there are several.
    pub(crate) mix: Option<Value>,
    /// What ran before, unrecorded.
    pub(crate) warmed_up: WarmedUp,
}

/// What pictures show of a row.
pub(crate) struct Drawn {
    /// Shares of the operations, and the latency in microseconds that they did not exceed.
    pub(crate) percentiles: Vec<(f64, f64)>,
    pub(crate) samples: Samples,
}

/// What an open loop was asked for, and what became of that.
pub(crate) struct Paced {
    /// In operations a second.
    pub(crate) rate: f64,
    pub(crate) arrivals: Arrivals,
    pub(crate) sends: Sends,
    /// Those of each stage.
    by_stage: Vec<Sends>,
    stages: Option<Stages>,
}

impl Paced {
    pub(crate) fn new(rate: f64, arrivals: Arrivals, by_stage: Vec<Sends>, stages: Option<Stages>) -> Self {
        let mut sends = Sends::default();
        by_stage.iter().for_each(|stage| sends.add(stage));
        Self { rate, arrivals, sends, by_stage, stages }
    }

    /// Adds what became of another thread's sends.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sends.add(&other.sends);
        self.by_stage.iter_mut().zip(&other.by_stage).for_each(|(sum, sends)| sum.add(sends));
    }

    fn stages_json(&self) -> Option<Value> {
        self.stages.as_ref().map(|stages| stages.json(&self.by_stage))
    }
}

impl Row {
    pub(crate) fn new(
        mode: Mode,
        device: &Config,
        algorithm: String,
        size: usize,
        jobs: usize,
        meter: &Meter,
        stats: EngineStats,
    ) -> Self {
        let rate = |count: f64| count / meter.elapsed().as_secs_f64().max(1e-9);
        Self {
            mode,
            device: (mode != Mode::Software).then(|| device.clone()),
            model: Model::of(device.device(), &stats, mode != Mode::Poll),
            algorithm,
            size,
            jobs,
            threads: 1,
            ops: meter.ops,
            ops_per_second: rate(as_f64(meter.ops)),
            bytes_per_second: rate(as_f64(meter.bytes)),
            latency: meter.latency(),
            service: meter.service(),
            bins: meter.bins(),
            cpu_ns_per_op: meter.cpu().map(|cpu| cpu.as_secs_f64() * 1e9 / as_f64(meter.ops.max(1))),
            errors: meter.errors,
            mismatches: meter.mismatches,
            littles_law: meter.littles_law(),
            stats,
            drawn: meter.samples().map(|samples| Drawn { percentiles: meter.percentiles(), samples }),
            recorded: meter.recorded(),
            paced: None,
            steadiness: meter.steadiness(),
            mix: None,
            warmed_up: WarmedUp::default(),
        }
    }

    /// Processor time of the calling thread per operation, in nanoseconds; `None` in virtual time.
    pub(crate) const fn cpu_ns_per_op(&self) -> Option<f64> {
        self.cpu_ns_per_op
    }

    /// A figure that a condition is about; latencies are in microseconds, and there are none where no
    /// operation ended.
    pub(crate) fn figure(&self, metric: Metric) -> Option<f64> {
        let latency = match metric {
            Metric::Ops => return Some(self.ops_per_second),
            Metric::Errors => return Some(as_f64(self.errors)),
            Metric::Min => self.latency.min,
            Metric::Mean => self.latency.mean,
            Metric::P50 => self.latency.p50,
            Metric::P90 => self.latency.p90,
            Metric::P99 => self.latency.p99,
            Metric::P999 => self.latency.p999,
            Metric::Max => self.latency.max,
        };
        (self.ops > 0).then_some(latency)
    }

    /// The rings of its queue pairs; `None`: it has no device.
    pub(crate) fn rings(&self) -> Option<Rings> {
        let device = self.device.as_ref()?.device();
        Some(Rings { depth: device.depth(), pairs: device.queue_pairs(), threads: self.threads })
    }

    /// The device's workers.
    pub(crate) fn workers(&self) -> usize {
        self.device.as_ref().map_or(0, |device| device.device().workers())
    }

    pub(crate) const fn loop_name(&self) -> &'static str {
        if self.paced.is_some() { "open" } else { "closed" }
    }

    /// The mean number in flight.
    pub(crate) const fn in_flight(&self) -> f64 {
        self.littles_law.0
    }

    pub(crate) fn json(&self, with_stats: bool) -> Value {
        let (in_flight, rate_by_latency) = self.littles_law;
        let paced = self.paced.as_ref();
        let mut json = json!({
            "mode": self.mode.name(),
            "loop": self.loop_name(),
            "rate": paced.map(|paced| paced.rate),
            "arrivals": paced.map(|paced| paced.arrivals.name()),
            "stages": paced.and_then(Paced::stages_json),
            "late_sends": paced.map_or(0, |paced| paced.sends.late),
            "dropped": paced.map_or(0, |paced| paced.sends.dropped()),
            "dropped_late": paced.map_or(0, |paced| paced.sends.dropped_late),
            "device": self.device.as_ref().map_or_else(|| "none".to_owned(), Config::to_string),
            "alg": self.algorithm,
            "mix": self.mix,
            "size": self.size,
            "jobs": self.jobs,
            "threads": self.threads,
            "ops": self.ops,
            "ops_per_second": self.ops_per_second,
            "bytes_per_second": self.bytes_per_second,
            "latency_us": self.latency.json(),
            "service_us": self.service.json(),
            "cpu_ns_per_op": self.cpu_ns_per_op(),
            "in_flight_mean": in_flight,
            "late_us": self.model.as_ref().map(Model::late_json),
            "host_bound": self.model.as_ref().map(|model| model.host_bound),
            "pauses": self.stats.pauses,
            "resumes": self.stats.resumes,
            "wakes": self.stats.device.total.wakes_sent,
            "spurious_resumes": self.stats.spurious_resumes,
            "errors": self.errors,
            "mismatches": self.mismatches,
            "steady": self.steadiness.map(|steadiness| steadiness.is_steady()),
            "warmup": self.warmed_up.json(),
            "littles_law": { "in_flight": in_flight, "rate_by_latency": rate_by_latency },
            "model": self.model.as_ref().map(|model| model.json(self.ops_per_second)),
        });
        if with_stats {
            json["stats"] = self.stats_json();
        }
        json
    }

    /// The engine writes JSON; `null` could only come from a bug there.
    fn stats_json(&self) -> Value {
        serde_json::from_str(&self.stats.to_json()).unwrap_or_default()
    }

    /// The engine's statistics, for the end of a text report.
    pub(crate) fn statistics(&self, format: StatsFormat) -> String {
        match format {
            StatsFormat::Json => format!("{}\n", self.stats.to_json()),
            StatsFormat::Prometheus => self.stats.to_prometheus(),
        }
    }

    /// What was sent and what was not, and both times side by side; `None` in a closed loop.
    pub(crate) fn open_summary(&self) -> Option<String> {
        let Paced { rate, arrivals, sends, by_stage, stages } = self.paced.as_ref()?;
        let mode = self.mode.name();
        let times = |of: &Summary| {
            let [p50, p90, p99, max] =
                [of.p50, of.p90, of.p99, of.max].map(|micros| time_us(micros).replace(' ', "\u{a0}"));
            format!("p50 {p50}, p90 {p90}, p99 {p99}, max {max}")
        };
        let per_second = |rate: f64| grouped(format_args!("{rate:.0}"));
        let asked = format!(
            "{mode}, asked for {} op/s ({}), reached {}; sends: {} late, {} dropped",
            per_second(*rate),
            arrivals.name(),
            per_second(self.ops_per_second),
            grouped(sends.late),
            grouped(sends.dropped()),
        );
        let mut text = labelled("open loop", &asked);
        text +=
            &labelled("", &format!("latency, from the intended time of sending: {}", times(&self.latency)));
        text += &labelled("", &format!("service, from the sending itself: {}", times(&self.service)));
        if let Some(stages) = stages {
            text += &stages.summary(by_stage).map(|stage| labelled("", &stage)).collect::<String>();
        }
        let warn = |warning: &str| wrapped("warning: ", &format!("{mode}: {warning}"));
        if sends.fall_behind() {
            text += &warn(&format!(
                "the generator does not keep up: {} of {} sends were more than {} late, {} more were dropped \
                 at {}",
                grouped(sends.late),
                grouped(sends.intended),
                short_time(LATE),
                grouped(sends.dropped_late),
                short_time(TOO_LATE),
            ));
        }
        if sends.dropped_full > 0 {
            let why = if self.mode.has_many() {
                format!("all {} jobs were in flight", grouped(self.jobs))
            } else {
                format!("one was in flight and {BACKLOG} waited")
            };
            text += &warn(&format!(
                "{} of {} sends were dropped, because {why}; percentiles lack them",
                grouped(sends.dropped_full),
                grouped(sends.intended),
            ));
        }
        Some(text)
    }

    /// One line where the throughput was not steady.
    pub(crate) fn steady_warning(&self) -> Option<String> {
        let warning = self.steadiness.as_ref()?.warning()?;
        Some(wrapped("warning: ", &format!("{}: {warning}", self.mode.name())))
    }

    /// How close the run came to the model, and whether its own counts add up; `None` without a model.
    pub(crate) fn model_summary(&self) -> Option<String> {
        let (model, device) = (self.model.as_ref()?, self.device.as_ref()?);
        let (in_flight, rate_by_latency) = self.littles_law;
        let text = format!(
            "{} on {}: {}; in flight L = {in_flight:.2}, λW = {rate_by_latency:.2}",
            self.mode.name(),
            short_device(device),
            model.summary(self.ops_per_second),
        );
        Some(wrapped("model: ", &text))
    }
}

/// A device in a few characters: what it models.
pub(crate) fn short_device(config: &Config) -> String {
    let device = config.device();
    let takes = match (device.completion(), device.mbps()) {
        _ if !device.is_modelled() => "ideal".to_owned(),
        (Duration::ZERO, Mbps::NONE) => "modelled".to_owned(),
        (Duration::ZERO, mbps) => format!("{} × {mbps} MB/s", device.compute_units()),
        (time, _) => format!("{} × {}", device.compute_units(), short_time(time)),
    };
    if device.faults().is_empty() { takes } else { format!("{takes}, faults") }
}

/// What a configuration sets that the ideal device has not.
pub(crate) fn unlike_ideal(config: &Config) -> String {
    let (shown, ideal) = (config.to_string(), Config::default().to_string());
    let differs = |pair: &&str| !ideal.split(';').any(|default| default == *pair);
    let differing: Vec<&str> = shown.split(';').filter(differs).collect();
    if differing.is_empty() { "ideal".to_owned() } else { differing.join(";") }
}

/// The same of the device alone: how completions are delivered is the mode's, and what is timed is no part of
/// it.
pub(crate) fn plain(config: &Config) -> String {
    let text = unlike_ideal(config);
    let is_device = |pair: &&str| !pair.starts_with("delivery=") && !pair.starts_with("timing=");
    let device: Vec<&str> = text.split(';').filter(is_device).collect();
    if device.is_empty() { "ideal".to_owned() } else { device.join(";") }
}

#[expect(clippy::cast_precision_loss, reason = "a rate does not need the last digits of a count")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}
