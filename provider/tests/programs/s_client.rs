//! `openssl s_client`, without the provider: the peer that checks a server's signatures.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::{fs, thread};

use super::openssl::Openssl;
use super::servers::Server;
use super::{Answer, run};

/// A client of a server that has a certificate of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    openssl: &'a Openssl,
    server: &'a Server,
    options: &'a [&'a str],
}

impl<'a> Client<'a> {
    pub(crate) fn new(openssl: &'a Openssl, server: &'a Server, options: &'a [&'a str]) -> Self {
        Self { openssl, server, options }
    }

    fn command(&self) -> std::process::Command {
        let mut command = self.openssl.without(&["s_client", "-verify_return_error", "-connect"]);
        command.arg(format!("127.0.0.1:{}", self.server.port));
        command.arg("-CAfile").arg(self.server.file("server.crt")).args(self.options);
        command
    }

    /// Shakes hands, and ends the connection.
    pub(crate) fn attempt(&self) -> Answer {
        run(&mut self.command())
    }

    /// Shakes hands with a server whose certificate and signature are right.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> Answer {
        let answer = self.attempt().succeeded();
        assert!(answer.stdout().contains("Verify return code: 0 (ok)"), "{}", answer.stdout());
        answer
    }

    /// Begins a connection that the test has its say in.
    pub(crate) fn begin(&self) -> Talk {
        let mut command = self.command();
        let (output, theirs) = io::pipe().unwrap();
        command.stdin(Stdio::piped()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
        let mut child = command.spawn().unwrap();
        Talk { input: child.stdin.take(), child, output, said: Vec::new() }
    }

    /// Keeps a session that the server offers in a file.
    #[track_caller]
    pub(crate) fn keep_session(&self, file: &Path) {
        let options = [self.options, &["-sess_out", file.to_str().unwrap()]].concat();
        let talk = Client::new(self.openssl, self.server, &options).begin();
        // TLS 1.3 has it after the handshake, when the client has said all that it says at once.
        while !fs::read_to_string(file).is_ok_and(|text| text.contains("-----END SSL SESSION")) {
            thread::yield_now();
        }
        talk.end();
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    /// Standard output and error.
    output: io::PipeReader,
    said: Vec<u8>,
}

impl Talk {
    /// Waits until the client has said this.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) {
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&self.said).contains(text) {
            let length = self.output.read(&mut part).unwrap();
            self.said.extend(&part[..length]);
            assert_ne!(length, 0, "{text:?} is missing in\n{}", String::from_utf8_lossy(&self.said));
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Ends the connection. The client must have found no fault with it.
    #[track_caller]
    pub(crate) fn end(mut self) {
        drop(self.input.take());
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{}", String::from_utf8_lossy(&self.said));
    }
}
