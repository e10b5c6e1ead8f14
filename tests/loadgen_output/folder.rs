//! The load generator in a folder of one test.

use std::process::{Command, Output};

pub(crate) use crate::loadgen_helpers::{json, program, text};
pub(crate) use crate::scratch::Folder;

impl Folder {
    /// The load generator with options without blanks, to be run in the folder.
    pub(crate) fn loadgen(&self, options: &str) -> Command {
        let mut command = self.command(program());
        command.args(options.split_whitespace());
        command
    }

    /// Runs it, and expects this exit code.
    #[track_caller]
    pub(crate) fn end(&self, code: i32, options: &str) -> Output {
        let output = self.loadgen(options).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{options}: {told}\n{}", text(&output.stdout));
        output
    }

    #[track_caller]
    pub(crate) fn succeed(&self, options: &str) -> Output {
        self.end(0, options)
    }

    /// Runs it, and expects this exit code, one line on standard error, and nothing else.
    #[track_caller]
    pub(crate) fn refuse(&self, code: i32, options: &str) -> String {
        let output = self.end(code, options);
        let told = text(&output.stderr);
        assert!(output.stdout.is_empty(), "{options}: {}", text(&output.stdout));
        assert!(told.starts_with("loadgen: ") && told.lines().count() == 1, "{options}: {told}");
        told
    }
}
