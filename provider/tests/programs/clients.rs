//! The clients of a test: `tls_client.py`, in a process that has no provider.

use std::path::Path;

use serde_json::{Value, json};

use super::{command, succeeds};

/// What has become of a client's connections.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) whole: u64,
    pub(crate) dropped: u64,
    /// Connections that went on with the session of an earlier one.
    pub(crate) resumed: u64,
    pub(crate) failures: Vec<String>,
}

impl Outcome {
    /// Fails the test when a connection failed that was not meant to.
    #[track_caller]
    pub(crate) fn assert_no_failure(&self) {
        let first = &self.failures[..self.failures.len().min(5)];
        assert!(first.is_empty(), "{} failures: {first:#?}", self.failures.len());
    }
}

/// Runs the client with a task as its own documentation says; `options` are added to port and connections.
#[track_caller]
pub(crate) fn connect(port: u16, connections: u64, options: Value) -> Outcome {
    let mut task = json!({ "port": port, "connections": connections });
    let Value::Object(options) = options else { panic!("options are an object") };
    task.as_object_mut().unwrap().extend(options);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/tls_client.py");
    let answer = succeeds(command("python3").arg(script).arg(task.to_string()));
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let failures = answer["failures"].as_array().unwrap();
    Outcome {
        whole: answer["whole"].as_u64().unwrap(),
        dropped: answer["dropped"].as_u64().unwrap(),
        resumed: answer["resumed"].as_u64().unwrap(),
        failures: failures.iter().map(|failure| failure.as_str().unwrap().to_owned()).collect(),
    }
}
