//! What several test files need.
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]

use std::env;
use std::process::{Command, ExitStatus};

/// Tells at run time whether a type is `Send`, so that a test can say that it is not.
#[macro_export]
macro_rules! is_send {
    ($type:ty) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "used for the types that are not `Send`")]
        trait No {
            fn answer(&self) -> bool {
                false
            }
        }
        impl<T> No for &Probe<T> {}
        impl<T: Send> Probe<T> {
            #[allow(dead_code, reason = "used for the types that are `Send`")]
            fn answer(&self) -> bool {
                true
            }
        }
        (&Probe::<$type>(std::marker::PhantomData)).answer()
    }};
}

const CHILD: &str = "SIMACCEL_TEST_CHILD";

/// Runs `body` in a process of its own, which runs nothing but the test of this name, and hands out how it ended.
/// `None` in that process.
pub(crate) fn in_child(test: &str, body: impl FnOnce()) -> Option<ExitStatus> {
    if env::var(CHILD).is_ok_and(|child| child == test) {
        body();
        return None;
    }
    let program = env::current_exe().expect("a test knows its program");
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, test);
    let output = command.output().expect("the test program runs again");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    Some(output.status)
}

/// Like [`in_child`], for a body that comes to a good end.
pub(crate) fn passes_in_child(test: &str, body: impl FnOnce()) {
    if let Some(status) = in_child(test, body) {
        assert!(status.success(), "{test} ended with {status}");
    }
}
