//! The operations of the sets: of a session in this thread, and through an engine.

use simaccel::Error;
use simaccel_device::{KeyArguments, Operation, Request, Session, SessionId, Status};

use crate::offloaded::Offloaded;
use crate::way::{Key, Refused, Way};

/// A session that is called without a device.
#[derive(Debug)]
pub(crate) struct Direct;

impl Way for Direct {
    fn run(
        &self,
        key: &Key,
        operation: Operation,
        arguments: KeyArguments,
        input: &[u8],
    ) -> Result<Vec<u8>, Refused> {
        let session = match key {
            Key::Private(key) => Session::private_key(key),
            Key::Public(key) => Session::public_key(key),
            &Key::Generator(algorithm) => Session::key_generator(algorithm),
        };
        let mut request = Request::new(SessionId::NONE, operation, input.to_vec());
        request.arguments = Some(Box::new(arguments));
        match session.execute(&mut request) {
            Status::Ok if operation.output().has_text() => Ok(request.buffer),
            Status::Ok => Ok(Vec::new()),
            Status::InvalidArgs => Err(Refused::Arguments),
            Status::AuthFailed => Err(Refused::Wrong),
            other => panic!("{other:?}"),
        }
    }
}

impl Way for Offloaded {
    fn run(
        &self,
        key: &Key,
        operation: Operation,
        arguments: KeyArguments,
        input: &[u8],
    ) -> Result<Vec<u8>, Refused> {
        let (key, input) = (key.clone(), input.to_vec());
        self.call(move |engine| {
            let session = match &key {
                Key::Private(key) => engine.private_key(key)?,
                Key::Public(key) => engine.public_key(key)?,
                &Key::Generator(algorithm) => engine.key_generator(algorithm)?,
            };
            session.run(operation, arguments, &input).map(|output| output.to_vec())
        })
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::AuthFailed => Self::Wrong,
            Error::InvalidArgument(_) => Self::Arguments,
            other => panic!("{other}"),
        }
    }
}
