//! Presets imitate what their sources measured: `presets/figures.txt`, within 6 %, on the stepped device.
#![cfg(not(loom))]

mod device_helpers;
#[path = "presets/key_requests.rs"]
mod key_requests;

use std::collections::BTreeSet;
use std::time::Duration;

use device_helpers::stepped;
use simaccel_device::{
    Algorithm, Delivery, Device, Operation, Parameters, Preset, QueuePair, RefusedReason, Request, Session,
    SessionId, Status, Ticket,
};

use key_requests::KeyRequests;

/// A line of the figures.
#[derive(Debug)]
struct Figure<'a> {
    preset: &'a str,
    /// An algorithm, or one of keys and its operation.
    requests: &'a str,
    /// Of a message; 0 for an operation with a key.
    bytes: usize,
    in_flight: usize,
    usec: f64,
}

fn figures(text: &str) -> Vec<Figure<'_>> {
    let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(before, _)| before).trim());
    let figure = |line| {
        let words: Vec<&str> = str::split_whitespace(line).collect();
        let [preset, requests, bytes, in_flight, usec] = words[..] else { panic!("{line}") };
        let bytes = if bytes == "-" { 0 } else { bytes.parse().unwrap() };
        Figure { preset, requests, bytes, in_flight: in_flight.parse().unwrap(), usec: usec.parse().unwrap() }
    };
    lines.filter(|line| !line.is_empty()).map(figure).collect()
}

/// A stepped device that is kept busy.
struct Load {
    device: Device,
    pair: QueuePair,
    requests: Requests,
    live: Vec<Ticket>,
    ended: usize,
    refused: usize,
}

enum Requests {
    Bytes { session: SessionId, algorithm: Algorithm, len: usize },
    Keys(SessionId, KeyRequests),
}

impl Load {
    fn new(config: &str, requests: &str, bytes: usize) -> Self {
        let (device, pair) = stepped(config);
        let requests = match requests.split_once('/') {
            Some((algorithm, operation)) => {
                let Ok(Algorithm::Key(algorithm)) = algorithm.parse() else { panic!("{algorithm}") };
                let keys = KeyRequests::new(algorithm, operation.parse().unwrap());
                Requests::Keys(device.create_session(keys.session()), keys)
            }
            None => {
                let algorithm: Algorithm = requests.parse().unwrap();
                let key = vec![1; algorithm.usual_key_len()];
                let session = Session::new(algorithm, &key, Parameters::default()).unwrap();
                Requests::Bytes { session: device.create_session(session), algorithm, len: bytes }
            }
        };
        Self { device, pair, requests, live: Vec::new(), ended: 0, refused: 0 }
    }

    fn request(&self) -> Request {
        match &self.requests {
            Requests::Keys(session, keys) => keys.request(*session),
            Requests::Bytes { session, algorithm, len } => {
                let mut request = Request::new(*session, Operation::Encrypt, vec![1; *len]);
                request.set_iv(&vec![2; algorithm.usual_iv_len()]);
                request
            }
        }
    }

    /// Submits until this many are in flight, or the device refuses one.
    fn fill(&mut self, in_flight: usize) {
        while self.live.len() < in_flight {
            let request = self.request();
            match self.pair.submit(request, Delivery::Silent) {
                Ok(ticket) => self.live.push(ticket),
                Err(refused) => {
                    assert!(matches!(refused.reason, RefusedReason::Full), "{refused}");
                    self.refused += 1;
                    break;
                }
            }
        }
    }

    /// Goes on to the next event.
    fn step(&mut self) {
        if !self.device.step() {
            self.device.advance(Duration::from_micros(100));
        }
        self.take_done();
    }

    fn take_done(&mut self) {
        let pair = &mut self.pair;
        let before = self.live.len();
        self.live.retain(|ticket| match pair.take(*ticket) {
            Some((_, status)) => {
                assert_eq!(status, Status::Ok);
                false
            }
            None => true,
        });
        self.ended += before - self.live.len();
    }

    /// Microseconds from the end of one request to that of the next, on average, with this many in flight.
    fn usec_each(&mut self, in_flight: usize) -> f64 {
        // Operations with keys take this host long, and the model is the same.
        let rounds = if matches!(self.requests, Requests::Keys(..)) { 12 } else { 40 };
        let mut run = |count: usize| {
            let target = self.ended + count;
            while self.ended < target {
                self.fill(in_flight);
                self.step();
            }
            (self.device.now(), self.ended)
        };
        let (start, first) = run(4 * in_flight);
        let (end, last) = run(rounds * in_flight);
        (end - start).as_nanos() as f64 / 1_000.0 / (last - first) as f64
    }
}

#[test]
fn a_preset_takes_what_its_source_measured() {
    let mut worst = 0.0_f64;
    for figure in figures(include_str!("presets/figures.txt")) {
        let Figure { preset, requests, bytes, in_flight, usec } = figure;
        let config = format!("preset={preset};queue_pairs=1;depth=256");
        let mut load = Load::new(&config, requests, bytes);
        let waits = if preset == "gpu-batch" { batch_wait() } else { 0.0 };
        let found = load.usec_each(in_flight) - waits;
        let off = 100.0 * (found / usec - 1.0);
        println!(
            "{preset} {requests} {bytes} B, {in_flight} in flight: {found:.2} us, {usec} measured ({off:+.1} %)"
        );
        assert!(off.abs() <= 6.0, "{figure:?}: {found:.2} us ({off:+.1} %)");
        worst = worst.max(off.abs());
    }
    println!("worst: {worst:.1} %");
}

/// How long a lone request of `gpu-batch` waits for company, which its source does not say, in microseconds.
fn batch_wait() -> f64 {
    Preset::GpuBatch.config().batch_time().as_nanos() as f64 / 1_000.0
}

/// Quantiles of a P-256 signature by a TPM (stiankri.substack.com, citing Chrome): median 200 ms, p95 600 ms.
#[test]
fn a_tpm_has_the_quantiles_of_its_source() {
    let mut load = Load::new("preset=tpm;queue_pairs=1;seed=1", "p-256/sign", 0);
    let mut times: Vec<u128> = (0..8_000)
        .map(|_| {
            let start = load.device.now();
            load.fill(1);
            load.device.run_until_idle();
            load.step();
            (load.device.now() - start).as_nanos()
        })
        .collect();
    times.sort_unstable();
    for (percent, msec) in [(50, 200.0), (95, 600.0)] {
        let found = times[times.len() * percent / 100] as f64 / 1e6;
        assert!((found / msec - 1.0_f64).abs() < 0.06, "{percent} %: {found} ms, not {msec}");
    }
}

/// A full batch takes as long as a lone request: 512 in flight are 512 times the rate.
#[test]
fn a_batch_of_the_gpu_takes_as_long_as_one() {
    let mut load = Load::new("preset=gpu-batch;queue_pairs=1;depth=512", "ml-kem-768/encapsulate", 0);
    let found = load.usec_each(512);
    assert!(found < 27.0 / 512.0 * 1.06, "{found} us each");
}

/// Above its rate a cloud's module says busy, and no request waits.
#[test]
fn a_cloud_module_is_busy_above_its_rate() {
    let mut load = Load::new("preset=cloudhsm;queue_pairs=1;depth=256", "rsa-2048/sign", 0);
    // 3,000 a second, for a second.
    for _ in 0..3_000 {
        load.fill(load.live.len() + 1);
        load.device.advance(Duration::from_nanos(333_333));
        load.take_done();
    }
    load.device.run_until_idle();
    assert!((1_950..=2_100).contains(&(3_000 - load.refused)), "{} refused", load.refused);
}

#[test]
fn every_preset_that_imitates_a_device_has_figures() {
    let text = include_str!("presets/figures.txt");
    let known: BTreeSet<&str> = figures(text).iter().map(|figure| figure.preset).chain(["tpm"]).collect();
    let imitate = Preset::ALL.iter().map(|preset| preset.name());
    let imitate: BTreeSet<&str> = imitate.filter(|name| !["ideal", "saturated"].contains(name)).collect();
    assert_eq!(known, imitate);
    let sources = include_str!("../src/config/preset.rs");
    for url in text.split_whitespace().filter(|word| word.starts_with("https://")) {
        assert!(sources.contains(url), "{url} is the source of no preset");
    }
}
