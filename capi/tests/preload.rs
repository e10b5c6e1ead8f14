//! The library in place of libcrypto's jobs, in programs that do not know it.

mod c_programs;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use self::c_programs::{
    Language, Link, assert_same_lines, compile, output_of, preloaded, run, scratch, shared_library, succeeds,
};

#[test]
fn preloaded_jobs_do_what_libcryptos_do() {
    let program = compile("statements.c", Language::C11, Link::Libcrypto, &[]);
    assert_same_lines(&succeeds(&mut preloaded(&program)), &output_of(&program, &[]));
    let program = compile("lib_ctx.c", Language::C11, Link::Libcrypto, &[]);
    for case in ["first-in-a-job", "first-outside"] {
        assert_same_lines(&succeeds(preloaded(&program).arg(case)), &output_of(&program, &[case]));
    }
}

#[test]
fn libssl_shakes_hands_on_preloaded_jobs() {
    let program = compile("tls.c", Language::C11, Link::Libssl, &[]);
    let bound_to = succeeds(preloaded(&program).arg("50"));
    assert_eq!(bound_to.trim(), shared_library().to_str().unwrap());
}

/// `openssl speed` creates a pool of jobs and checks every return code.
#[test]
fn openssl_speed_runs_on_preloaded_jobs() {
    let mut speed = preloaded("openssl");
    speed.args(["speed", "-async_jobs", "8", "-seconds", "1", "-bytes", "1024", "-evp", "aes-128-cbc"]);
    // The dynamic linker records its bindings.
    let record = scratch("speed").join("bindings");
    speed.env("LD_DEBUG", "bindings").env("LD_DEBUG_OUTPUT", &record);
    let output = run(&mut speed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bindings: String = fs::read_dir(record.parent().unwrap())
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let bound = |symbol: &str| {
        let wanted = format!("`{symbol}'");
        bindings.lines().any(|line| {
            line.contains(&wanted) && line.contains("openssl [0] to ") && line.contains("simaccel_async")
        })
    };
    assert!(bound("ASYNC_start_job") && bound("ASYNC_init_thread") && bound("ASYNC_WAIT_CTX_new"));
}

/// A server and a client of the command line, both in asynchronous mode.
#[test]
fn openssl_server_and_client_talk_on_preloaded_jobs() {
    let folder = scratch("s_server");
    let (key, cert) = (folder.join("key"), folder.join("cert"));
    succeeds(
        Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=test",
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&cert),
    );
    let mut server = preloaded("openssl")
        .args(["s_server", "-async", "-rev", "-accept", "127.0.0.1:0", "-naccept", "1"])
        .arg("-key")
        .arg(&key)
        .arg("-cert")
        .arg(&cert)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = said.find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned)).unwrap();
    let mut client = preloaded("openssl")
        .args(["s_client", "-async", "-connect", &address, "-verify_return_error", "-quiet", "-no_ign_eof"])
        .arg("-CAfile")
        .arg(&cert)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = client.stdin.take().unwrap();
    says.write_all(b"hello there\n").unwrap();
    let mut answer = String::new();
    BufReader::new(client.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
    assert_eq!(answer.trim(), "ereht olleh");
    // The end of its input ends the client, which ends the server.
    drop(says);
    assert!(client.wait().unwrap().success());
    said.for_each(drop);
    assert!(server.wait().unwrap().success());
}

#[test]
fn libraries_may_come_late() {
    let linked = compile("late.c", Language::C11, Link::Ours, &["LINKED"]);
    assert_eq!(output_of(&linked, &["libcrypto", "libcrypto.so.3"]), "ok\n");
    let unlinked = compile("late.c", Language::C11, Link::Nothing, &[]);
    assert_eq!(output_of(&unlinked, &["simaccel", shared_library().to_str().unwrap()]), "ok\n");
}
