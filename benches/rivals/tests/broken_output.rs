//! A standard output or standard error that is full or has no reader is an exit code, not a panic.

use std::fs::File;
use std::process::{Command, Stdio};

fn streams() -> [Stdio; 2] {
    let full = File::options().write(true).open("/dev/full").unwrap();
    [full.into(), std::io::pipe().unwrap().1.into()]
}

#[test]
fn an_unprintable_report_exits_with_1_and_messages_are_lost() {
    let [rivals, instructions] = [env!("CARGO_BIN_EXE_rivals"), env!("CARGO_BIN_EXE_instructions")];
    for broken in streams() {
        let output = Command::new(rivals).arg("--help").stdout(broken).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
        assert!(told.starts_with("rivals: standard output: "), "{told}");
    }
    for program in [rivals, instructions] {
        for broken in streams() {
            let ended = Command::new(program).arg("--nonsense").stderr(broken).status().unwrap();
            assert_eq!(ended.code(), Some(2), "{program}");
        }
    }
    for broken in streams() {
        let output = Command::new(env!("CARGO_BIN_EXE_kernels")).stdout(broken).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
    }
}
