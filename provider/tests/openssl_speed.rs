//! `openssl speed` on the provider: every operation of every algorithm pauses exactly once, and the order of
//! its options decides whether it uses the provider at all.
//!
//! The counts of two independent parties are compared: what the command says it has done, and what the
//! provider has counted.

mod programs;

use std::thread;

use self::programs::configuration::Configuration;
use self::programs::counters::Counters;
use self::programs::openssl::{Openssl, assert_ciphers_pause, assert_digests_pause, done, speed};
use self::programs::{command, provider, run};

#[test]
fn every_operation_of_a_cipher_pauses_once() {
    assert_ciphers_pause(&Openssl::system());
}

#[test]
fn every_operation_of_a_digest_pauses_once() {
    assert_digests_pause(&Openssl::system());
}

#[test]
fn what_a_drbg_may_use_does_not_pause_unless_it_is_told_to() {
    for cipher in ["aes-256-ctr", "aes-256-ecb"] {
        let configuration = Configuration::new(cipher);
        let answer = speed(configuration.program("openssl").arg("speed"), cipher).succeeded();
        let counters = Counters::of(&configuration, answer.pid);
        counters.assert_none_paused();
        assert_eq!(counters.at(&["synchronous", "never_pause"]), done(&answer), "{}", counters.0);
    }
}

#[test]
fn outside_of_jobs_operations_do_not_pause() {
    let configuration = Configuration::new("no-jobs");
    let mut command = configuration.program("openssl");
    command.args(["speed", "-elapsed", "-seconds", "1", "-bytes", "64", "-evp", "aes-128-cbc"]);
    let answer = run(&mut command).succeeded();
    let counters = Counters::of(&configuration, answer.pid);
    counters.assert_none_paused();
    assert_eq!(counters.at(&["synchronous", "no_job"]), done(&answer), "{}", counters.0);
}

/// `-multi` forks after the provider has been loaded.
#[test]
fn forked_processes_have_devices_of_their_own() {
    let configuration = Configuration::new("multi");
    let mut command = configuration.program("openssl");
    let answer = speed(command.args(["speed", "-multi", "2"]), "aes-128-cbc").succeeded();
    let files = configuration.counters_files();
    let own = configuration.counters_file(answer.pid);
    let of_children: Vec<_> =
        files.iter().filter(|&file| *file != own).map(|file| Counters::read(file)).collect();
    assert_eq!(of_children.len(), 2, "{files:?}");
    for counters in of_children {
        counters.assert_all_paused();
    }
    if own.exists() {
        assert_eq!(Counters::read(&own).operations(), 0);
    }
}

/// How the options of one run are ordered, and whether its operations then reach the provider.
struct Order {
    says: &'static str,
    options: &'static [&'static str],
    wins: bool,
}

const OURS: &str = "libsimaccel_provider";

const ORDERS: [Order; 6] = [
    Order {
        says: "the first of two providers wins",
        options: &["-provider", OURS, "-provider", "default", "-evp", "aes-128-cbc"],
        wins: true,
    },
    Order {
        says: "the second of two providers loses",
        options: &["-provider", "default", "-provider", OURS, "-evp", "aes-128-cbc"],
        wins: false,
    },
    Order {
        says: "a query for the property wins from any place",
        options: &[
            "-provider",
            "default",
            "-provider",
            OURS,
            "-propquery",
            "?simaccel.hw=yes",
            "-evp",
            "aes-128-cbc",
        ],
        wins: true,
    },
    Order {
        says: "a query that comes after the algorithm is late",
        options: &[
            "-provider",
            "default",
            "-provider",
            OURS,
            "-evp",
            "aes-128-cbc",
            "-propquery",
            "?simaccel.hw=yes",
        ],
        wins: false,
    },
    Order {
        says: "a provider that comes after the algorithm is late",
        options: &["-evp", "aes-128-cbc", "-provider", OURS, "-provider", "default"],
        wins: false,
    },
    Order {
        says: "a query for the provider's name wins, too, where nobody else asks for one",
        options: &[
            "-provider",
            "default",
            "-provider",
            OURS,
            "-propquery",
            "?provider=simaccel",
            "-evp",
            "aes-128-cbc",
        ],
        wins: true,
    },
];

#[test]
fn the_order_of_options_decides_who_is_used() {
    thread::scope(|scope| {
        for order in &ORDERS {
            scope.spawn(move || assert_order(order));
        }
    });
}

fn assert_order(order: &Order) {
    let configuration = Configuration::new("order");
    let mut command = command("openssl");
    command.env("SIMACCEL_CONFIG", format!("stats_file={}", configuration.folder.join("counters").display()));
    command.args([
        "speed",
        "-elapsed",
        "-seconds",
        "1",
        "-bytes",
        "1024",
        "-async_jobs",
        "4",
        "-provider-path",
    ]);
    command.arg(provider().parent().unwrap()).args(order.options);
    let answer = run(&mut command).succeeded();
    let file = configuration.counters_file(answer.pid);
    // Random numbers may be ours here, too: no file of configuration pins them to the default provider.
    let of_cbc = ["algorithms", "AES-128-CBC", "operations"];
    let operations = if file.exists() { Counters::read(&file).find(&of_cbc).unwrap_or(0) } else { 0 };
    let expected = if order.wins { done(&answer) } else { 0 };
    assert_eq!(operations, expected, "{}", order.says);
}
