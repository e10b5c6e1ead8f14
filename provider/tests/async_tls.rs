//! The reference application: its server and its client against each other, with data in both directions.
//!
//! | engine | pauses | needs |
//! |---|---|---|
//! | none | never | the headers of OpenSSL |
//! | `dasync` | in SHA-1, so TLS 1.2 with a suite that has it | the source of OpenSSL 3.0, so these are ignored |
//! | this provider | in all that it computes | |

mod dasync;
#[path = "async_tls/pair.rs"]
mod pair;
mod programs;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use self::pair::{Checker, Engine, Pair, Report, built, text_of};
use self::programs::scratch;

const WAYS: [&str; 3] = ["", "--callback", "--sync"];

fn every_byte_came_back(report: &Report, connections: u64, bytes: u64) {
    assert_eq!(report["connections ended well"], connections, "{report}");
    assert_eq!((report["failed"], report["dropped"]), (0, 0), "{report}");
    assert_eq!(report["handshakes"], connections, "{report}");
    assert_eq!(report["bytes in each direction"], connections * bytes, "{report}");
}

/// Each connection is counted once, by either side; and each pause has its resume.
fn counts_add_up(client: &Report, server: &Report, connections: u64) {
    for report in [client, server] {
        let ends = report["connections ended well"] + report["failed"] + report["dropped"];
        assert_eq!(ends, connections, "{report}");
        assert_eq!(report["pauses"], report["resumes"], "{report}");
    }
}

fn data_in_both_directions(engine: &Engine, tls: &str) {
    for way in WAYS {
        let pair = Pair::new(engine).both(tls).both(way);
        let (client, server) = pair.run(60, "--bytes 100000 --connections 60", "--connections 60");
        for report in [&client, &server] {
            every_byte_came_back(report, 60, 100_000);
            assert_eq!(report["pauses"] > 0, engine.pauses() && way != "--sync", "{way}: {report}");
            assert_eq!(report["async fds"] > 0, engine.pauses() && way.is_empty(), "{way}: {report}");
        }
        counts_add_up(&client, &server, 60);
    }
    nothing_is_left_paused(engine);
}

/// In this provider's own count every pause of either program has had its resume.
fn nothing_is_left_paused(engine: &Engine) {
    for counters in engine.counters() {
        counters.assert_add_up();
        assert_eq!(counters.resumes(), counters.pauses(), "{}", counters.0);
    }
}

/// Half of the connections are dropped, each after another number of calls and pauses.
fn dropped_in_the_middle(engine: &Engine, tls: &str, checker: Checker) {
    let (connections, rounds) = if checker == Checker::Valgrind { (6, 2) } else { (100, 4) };
    for way in ["", "--callback"] {
        let pair = Pair::new(engine).both(tls).both(way).checked(checker);
        let options = format!("--connections {connections} --rounds {rounds} --drop 2");
        let all = connections * rounds;
        let (client, server) = pair.run(all, &options, &format!("--connections {connections}"));
        assert_eq!(client["failed"], 0, "{client}");
        assert!(client["dropped"] > 0, "{client}");
        assert!(server["failed"] <= client["dropped"], "{server}");
        if engine.pauses() {
            assert!(client["closed paused"] > 0, "{way}: {client}");
        }
        counts_add_up(&client, &server, all);
    }
    nothing_is_left_paused(engine);
}

/// Fewer jobs than connections: each waits for a job, and has it.
fn few_jobs(engine: &Engine, tls: &str) {
    for way in ["", "--callback"] {
        let pair = Pair::new(engine).both(tls).both(way).both("--jobs 2");
        let (client, server) =
            pair.run(120, "--bytes 20000 --connections 40 --rounds 3 --drop 3", "--connections 40");
        assert_eq!(client["failed"], 0, "{client}");
        for report in [&client, &server] {
            assert!(report["without a job"] > 0 && report["at once"] <= 2, "{report}");
        }
        counts_add_up(&client, &server, 120);
    }
    nothing_is_left_paused(engine);
}

#[test]
fn without_an_engine_no_call_pauses() {
    for tls in ["--tls 1.2", "--tls 1.3"] {
        data_in_both_directions(&Engine::none(), tls);
    }
}

#[test]
fn without_an_engine_connections_are_dropped_in_the_middle() {
    for checker in [Checker::None, Checker::Address, Checker::Valgrind] {
        dropped_in_the_middle(&Engine::none(), "--tls 1.3", checker);
    }
}

const SHA1: &str = "--tls 1.2 --ciphers ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0";

#[test]
#[ignore = "needs the source of OpenSSL 3.0"]
fn dasync_pauses_with_data_in_both_directions() {
    data_in_both_directions(&Engine::dasync(), SHA1);
}

#[test]
#[ignore = "needs the source of OpenSSL 3.0"]
fn dasync_pauses_and_connections_are_dropped_in_the_middle() {
    for checker in [Checker::None, Checker::Address, Checker::Valgrind] {
        dropped_in_the_middle(&Engine::dasync(), SHA1, checker);
    }
}

#[test]
#[ignore = "needs the source of OpenSSL 3.0"]
fn dasync_pauses_and_jobs_are_few() {
    few_jobs(&Engine::dasync(), SHA1);
}

const ALL_TLS: [&str; 4] = [
    "--tls 1.3",
    "--tls 1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256",
    "--tls 1.2 --ciphers ECDHE-ECDSA-AES256-SHA384",
    "--tls 1.2 --ciphers ECDHE-ECDSA-AES128-SHA256",
];

#[test]
fn the_provider_pauses_with_data_in_both_directions() {
    for tls in ALL_TLS {
        data_in_both_directions(&Engine::simaccel("both_directions"), tls);
    }
}

#[test]
fn the_provider_pauses_and_connections_are_dropped_in_the_middle() {
    for checker in [Checker::None, Checker::Address, Checker::Valgrind] {
        dropped_in_the_middle(&Engine::simaccel("dropped"), "--tls 1.3", checker);
    }
}

#[test]
fn the_provider_pauses_and_jobs_are_few() {
    few_jobs(&Engine::simaccel("few_jobs"), "--tls 1.3");
}

#[test]
fn a_server_that_is_told_to_stop_ends_its_connections_first() {
    for engine in [Engine::none(), Engine::simaccel("stopped")] {
        for way in ["", "--callback"] {
            Pair::new(&engine).both(way).stopped();
        }
        nothing_is_left_paused(&engine);
    }
}

#[test]
fn a_server_that_is_told_to_stop_serves_no_connection_that_comes_with_the_signal() {
    for way in ["", "--callback"] {
        Pair::new(&Engine::none()).both(way).stopped_as_connections_come();
    }
}

#[test]
fn a_client_that_is_given_a_time_makes_connections_until_then() {
    let (engine, none) = (Engine::simaccel("seconds"), Engine::none());
    let pair = Pair::new(&engine).client_with(&none);
    let (client, server) = pair.until_the_client_ends("--bytes 0 --connections 2 --seconds 1", "");
    assert!(server["pauses"] > 0 && client["pauses"] == 0, "{client}{server}");
    assert!(client["connections ended well"] > 2, "{client}");
    assert_eq!(client["handshakes"], server["handshakes"], "{client}{server}");
    assert_eq!(client["handshakes"], server["connections ended well"], "{client}{server}");
    // The server's time begins with the first connection that it accepts, and so after the client's.
    let ((busy, wall), (of_server, _)) = (client.loop_seconds(), server.loop_seconds());
    assert!(busy > 0.0 && wall >= 1.0 && of_server > 0.0, "{client}{server}");
}

#[test]
fn its_makefile_builds_it() {
    let folder = scratch("make");
    for entry in std::fs::read_dir(pair::sources()).unwrap() {
        let file = entry.unwrap().path();
        std::fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    text_of(Command::new("make").current_dir(&folder));
    for program in ["async_tls_server", "async_tls_client"] {
        let help = text_of(Command::new(folder.join(program)).arg("--help"));
        assert!(help.starts_with(&format!("usage: {program} ")), "{help}");
    }
}

#[test]
fn a_wrong_option_costs_one_line_and_exit_code_2() {
    for (program, options, says) in [
        ("server", "--connections 0", "--connections: '0' is not a number from 1 to 1000000"),
        ("server", "--connections 12x", "--connections: '12x' is not a number from 1 to 1000000"),
        ("server", "--connections", "--connections needs a value"),
        ("server", "--bytes 3", "--bytes is no option; --help lists them"),
        ("server", "-x", "-x is no option; --help lists them"),
        ("server", "extra", "'extra' is no option; --help lists them"),
        ("server", "--cert a", "--cert and --key go together"),
        ("server", "--host nowhere", "--host: 'nowhere' is no IPv4 address"),
        ("client", "--host nowhere", "--host: 'nowhere' is no IPv4 address"),
        ("client", "--port 0", "--port: '0' is not a number from 1 to 65535"),
        ("client", "--port 65536", "--port: '65536' is not a number from 0 to 65535"),
        ("client", "--bytes -1", "--bytes: '-1' is not a number from 0 to 1125899906842624"),
        ("client", "--tls 1.1", "--tls: '1.1' is neither 1.2 nor 1.3"),
        ("client", "--sync --callback", "--callback and --sync exclude each other"),
        ("client", "--rounds 1 --seconds 1", "--rounds and --seconds exclude each other"),
    ] {
        let program = built(program, Checker::None);
        let output = Command::new(&program).args(options.split(' ')).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        let name = program.file_name().unwrap().to_str().unwrap();
        assert_eq!(errors, format!("{name}: {says}\n"), "{options}");
        assert_eq!(output.status.code(), Some(2), "{options}");
    }
}

/// By fd a connection needs two descriptors, by callback one.
#[test]
fn too_many_connections_for_the_limit_of_descriptors_are_refused() {
    let limited = |options: &str| {
        let server = built("server", Checker::None);
        let script = format!("ulimit -n 100; exec {} --port 0 {options}", server.display());
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let refused = limited("--connections 35").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap(),
        "async_tls_server: --connections: 35 need 102 file descriptors, 100 are allowed (ulimit -Hn)\n"
    );
    // These serve until they are stopped.
    for options in ["--connections 34", "--callback --connections 68"] {
        let mut server = limited(options).spawn().unwrap();
        let (mut output, mut line) = (BufReader::new(server.stdout.take().unwrap()), String::new());
        output.read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on "), "{options}: {line}");
        kill(Pid::from_raw(server.id().cast_signed()), Signal::SIGTERM).unwrap();
        let ended = server.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()), "{options}");
    }
}
