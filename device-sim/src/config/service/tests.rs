//! Entries of `service` as text and as values, and the files that they name.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::config::Config;
use crate::message::algorithm::{Aead, Algorithm, Cipher, Hash};
use crate::message::operation::Operation;

#[test]
fn an_entry_prints_what_parses_back() {
    for text in [
        "all:nsec=0",
        "encrypt:nsec=3600000000000,mbps=1000000",
        "call:dist=bimodal:300:12.5",
        "aes-128-gcm:mbps=62.5",
        "aes-128-gcm/decrypt:nsec=5,mbps=0,dist=exponential",
        "hmac-sha256:dist=normal:20,points=0:5/64:7/1024:3600000000000",
        "rsa2048-sign:nsec=433000",
    ] {
        assert_eq!(ServiceTime::parse(text).unwrap().to_string(), text);
    }
    for (text, main) in [
        (" SHA-512/256 : nsec = 1_000 ,, mbps = 1_0.50 ", "sha512-256:nsec=1000,mbps=10.5"),
        ("sha512/256/digest:nsec=1", "sha512-256/digest:nsec=1"),
        ("id-aes128-GCM / encrypt:points=1_0 : 2 / 20:3", "aes-128-gcm/encrypt:points=10:2/20:3"),
        ("HMAC-SHA2-256:nsec=1", "hmac-sha256:nsec=1"),
    ] {
        assert_eq!(ServiceTime::parse(text).unwrap().to_string(), main, "{text}");
    }
}

#[test]
fn what_serves_nothing_is_refused_with_what_is_allowed() {
    for (text, allowed) in [
        ("", "WHAT"),
        ("all", "some of the fields"),
        ("all:", "some of the fields"),
        ("all:nsec", "FIELD=VALUE"),
        ("all:colour=1", "the fields nsec, mbps, dist, points, table and trace"),
        ("all:nsec=-1", "an hour"),
        ("all:nsec=3600000000001", "an hour"),
        ("all:mbps=0.0001", "three decimals"),
        ("all:dist=pareto", "lognormal:PERCENT"),
        ("all:points=", "BYTES:NSEC"),
        ("all:points=1", "BYTES:NSEC"),
        ("all:points=1:2/1:3", "in order"),
        ("all:points=2:2/1:3", "in order"),
        ("all:points=1:3600000000001", "an hour"),
        ("all:points=1:2,nsec=3", "one of points, table and trace"),
        ("all:points=1:2,table=x", "one of points, table and trace"),
        ("all:table=x,trace=x", "one of points, table and trace"),
        ("all:trace=x,dist=uniform", "replayed as it is"),
        ("all:trace=", "a FILE"),
        ("squeeze it:nsec=1", "encrypt, decrypt, digest, mac, call, sign, "),
        ("aes-128-gcm/mac:nsec=1", "an operation that the algorithm has"),
        ("aes-128-gcm/squeeze:nsec=1", "WHAT:FIELD=VALUE with an algorithm"),
        ("squeeze/encrypt:nsec=1", "WHAT:FIELD=VALUE with an algorithm"),
    ] {
        let line = ServiceTime::parse(text).unwrap_err().to_string();
        assert!(line.starts_with("service=") && line.contains(allowed) && !line.contains('\n'), "{line}");
    }
    let twice = ServiceTime::parse("all:nsec=1,nsec=2").unwrap_err().to_string();
    assert_eq!(twice, "service=all:nsec=1,nsec=2: nsec is given twice: once is allowed");
    let points = |count: u64| {
        format!("all:points={}", (0..count).map(|n| format!("{n}:1")).collect::<Vec<_>>().join("/"))
    };
    assert!(ServiceTime::parse(&points(4_096)).is_ok() && ServiceTime::parse(&points(4_097)).is_err());
}

#[test]
fn a_name_is_declared_and_requests_have_one_entry() {
    for text in [
        "service=squeeze:nsec=1;operation=squeeze",
        "operation=squeeze;service=squeeze:nsec=1;service=call:nsec=2",
    ] {
        let config = Config::parse(text).unwrap();
        assert!(config.is_modelled());
        assert_eq!(Config::parse(&config.to_string()), Ok(config.clone()));
        assert_eq!(config.to_builder().build(), Ok(config));
    }
    for (text, said) in [
        ("service=squeeze:nsec=1", "a NAME that operation=NAME declares"),
        ("operation=sing;service=squeeze:nsec=1", "a NAME that operation=NAME declares"),
        ("service=all:nsec=1;service=all:nsec=1", "one entry for the same requests"),
        ("service=sha256:nsec=1;service=SHA2-256:mbps=1", "one entry for the same requests"),
    ] {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("service=") && error.contains(said), "{text}: {error}");
    }
}

#[test]
fn values_make_what_text_makes() {
    let gcm = Algorithm::Aead(Aead::Aes128Gcm);
    let built = Config::builder()
        .operation("squeeze")
        .service(ServiceTime::of(Served::Call("squeeze".to_owned())).nsec(Duration::from_micros(433)))
        .service(ServiceTime::of((gcm, Operation::Encrypt)).mbps(Mbps::thousandths(62_500)))
        .service(ServiceTime::of(Cipher::Aes256Ctr).dist(LatencyDist::Uniform))
        .service(ServiceTime::of(Hash::Sha256).points(&[(1, 2), (3, 4)]))
        .service(ServiceTime::of(Served::All).nsec(Duration::from_nanos(1)).mbps(2))
        .build();
    let text = "operation=squeeze;service=squeeze:nsec=433000;service=aes-128-gcm/encrypt:mbps=62.5;\
                service=aes-256-ctr:dist=uniform;service=sha256:points=1:2/3:4;service=all:nsec=1,mbps=2";
    assert_eq!(built, Config::parse(text));
    let wrong = Config::builder().service(ServiceTime::of(Hash::Sha256).nsec(Duration::from_secs(3_601)));
    assert_eq!(wrong.build(), Config::parse("service=sha256:nsec=3601000000000"));
    let wrong = Config::builder().service(ServiceTime::of(Hash::Sha256).table("a;b")).build().unwrap_err();
    assert!(wrong.to_string().contains("a FILE without"), "{wrong}");
}

/// A file that is gone at the end of the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("simaccel-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn entry(&self, field: &str) -> String {
        format!("digest:{field}={}", self.0.display())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn a_file_is_read_when_its_text_is_parsed() {
    let table = TempFile::new("table", "# bytes nsec\n16 34_480\r\n\n 64\t34820 # more\n");
    let text = table.entry("table");
    let entry = ServiceTime::parse(&text).unwrap();
    assert!(matches!(entry.given(), Given::Points([(16, 34_480), (64, 34_820)])));
    assert_eq!(entry.to_string(), text);
    let trace = TempFile::new("trace", "30\n10\n0 # none\n");
    let entry = ServiceTime::parse(&trace.entry("trace")).unwrap();
    assert!(matches!(entry.given(), Given::Trace([30, 10, 0])));
    // Its content is part of the configuration.
    let config = Config::parse(&format!("service={text}")).unwrap();
    assert_eq!(config.to_builder().build(), Ok(config.clone()));
    fs::write(&table.0, "1 2").unwrap();
    assert_ne!(config.to_builder().build(), Ok(config));
}

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn a_file_that_does_not_fit_is_refused_with_its_line() {
    let many = |count: u64, line: &dyn Fn(u64) -> String| (0..count).map(line).collect::<String>();
    for (field, text, said) in [
        ("table", "", "line 1 of "),
        ("table", "# nothing\n", "is (nothing): must be BYTES NSEC"),
        ("table", "16 1\n64 2 3\n", "line 2 of "),
        ("table", "16 1\n64\n", "is 64: must be BYTES NSEC, with NSEC from 0 to 3600000000000 (an hour)"),
        ("table", "16 1\n\n16 2\n", "is 16 2: must be of a larger size than the line before it"),
        ("table", "16 3600000000001", "an hour"),
        ("table", "x 1", "is x 1: must be BYTES NSEC"),
        ("table", &many(4_097, &|n| format!("{n} 1\n")), "line 4097 of "),
        ("trace", "1\n2\n\n-3\n", "line 4 of "),
        ("trace", "1\n2 3\n", "is 2 3: must be NSEC, from 0"),
        ("trace", "#1", "must be NSEC, once at least"),
        ("trace", &many((1 << 20) + 1, &|_| "1\n".to_owned()), "line 1048577 of "),
        ("trace", &" ".repeat((16 << 20) + 1), "cannot be read: larger than 16 MiB"),
    ] {
        let file = TempFile::new("bad", text);
        let error = ServiceTime::parse(&file.entry(field)).unwrap_err();
        let line = error.to_string();
        assert!(line.starts_with("service=digest:") && line.contains(said), "{line}");
        assert!(line.len() < 600 && !line.contains('\n'), "{line}");
    }
    let binary = TempFile::new("binary", [0xff, 0xfe]);
    assert!(ServiceTime::parse(&binary.entry("trace")).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
#[cfg_attr(miri, ignore = "makes a pipe")]
fn a_pipe_is_refused_and_not_waited_for() {
    let place = TempFile::new("pipe", "");
    fs::remove_file(&place.0).unwrap();
    nix::unistd::mkfifo(&place.0, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let line = ServiceTime::parse(&place.entry("trace")).unwrap_err().to_string();
    assert!(line.ends_with("cannot be read: not a regular file"), "{line}");
}

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn what_is_no_file_is_refused() {
    for (path, said) in
        [("/dev/null", "not a regular file"), ("/", "not a regular file"), ("/no/such/file", "No such file")]
    {
        let error = ServiceTime::parse(&format!("all:trace={path}")).unwrap_err();
        assert!(matches!(&error, ConfigError::File { path: named, .. } if named == path));
        let line = error.to_string();
        assert!(
            line.starts_with(&format!("service=all:trace={path}: the file {path} cannot be read: {said}")),
            "{line}"
        );
    }
}
