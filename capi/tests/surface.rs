//! The library exports exactly what the headers declare and the manual pages name. The headers go together
//! with OpenSSL's.

mod c_programs;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use self::c_programs::{package, scratch, shared_library, succeeds};

fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let functions = words.filter(|word| word.starts_with("ASYNC_") || word.starts_with("simaccel_"));
    functions.map(str::to_owned).collect()
}

fn exported() -> BTreeSet<String> {
    let table = succeeds(Command::new("nm").args(["-D", "--defined-only"]).arg(shared_library()));
    table.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

/// The names that a header declares as functions.
fn declared(header: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(package().join("include/simaccel").join(header)).unwrap();
    let code: String =
        text.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect();
    let statements = code.split(';').filter(|statement| !statement.contains("typedef"));
    let of = |statement: &str| {
        let (head, _) = statement.split_once('(')?;
        let name = head.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
        (name.starts_with("ASYNC_") || name.starts_with("simaccel_")).then(|| name.to_owned())
    };
    statements.filter_map(of).collect()
}

#[test]
fn exports_are_what_the_headers_declare() {
    let (jobs, engine, keys) = (declared("async.h"), declared("engine.h"), declared("keys.h"));
    assert_eq!(jobs.iter().filter(|name| name.starts_with("ASYNC_")).count(), 22);
    let mut wanted: BTreeSet<String> = [jobs, engine, keys].into_iter().flatten().collect();
    // libcrypto's function, which is passed on.
    wanted.insert("OSSL_LIB_CTX_set0_default".to_owned());
    assert_eq!(exported(), wanted);
}

#[test]
fn manual_pages_name_every_function() {
    let page = |name: &str| fs::read_to_string(package().join("man").join(name)).unwrap();
    for name in ["async", "engine", "keys"] {
        let (header, page) = (&format!("{name}.h"), page(&format!("simaccel_{name}.3")));
        let missing: Vec<String> = declared(header).difference(&names(&page)).cloned().collect();
        assert!(missing.is_empty(), "{header}: {missing:?}");
    }
}

/// In any order, together with OpenSSL's header, in both languages; and the types are the same, because one
/// calls the other's functions.
#[test]
fn headers_go_with_openssls() {
    let orders: [&[&str]; 7] = [
        &["simaccel/keys.h", "openssl/async.h"],
        &["openssl/evp.h", "simaccel/async.h", "simaccel/keys.h"],
        &["simaccel/async.h", "simaccel/engine.h"],
        &["simaccel/engine.h", "simaccel/async.h"],
        &["openssl/async.h", "simaccel/async.h", "simaccel/engine.h"],
        &["simaccel/async.h", "openssl/async.h"],
        &["simaccel/engine.h", "openssl/async.h"],
    ];
    let folder = scratch("headers");
    for order in orders {
        let mut source: String = order.iter().map(|header| format!("#include <{header}>\n")).collect();
        source.push_str(
            "int (*start)(ASYNC_JOB **, ASYNC_WAIT_CTX *, int *, int (*)(void *), void *, size_t) = ASYNC_start_job;\n",
        );
        for (compiler, args, file) in [
            ("cc", &["-std=c11"][..], folder.join("order.c")),
            ("c++", &["-std=c++17"][..], folder.join("order.cc")),
        ] {
            fs::write(&file, &source).unwrap();
            succeeds(
                Command::new(compiler)
                    .args(args)
                    .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I"])
                    .arg(package().join("include"))
                    .arg(&file),
            );
        }
    }
}
