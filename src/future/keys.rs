//! The operations of private and public keys, as futures.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use simaccel_device::{KeyArguments, Operation, RsaPadding, SignatureScheme};
use zeroize::Zeroizing;

use super::operation::Cancelled;
use crate::engine::KeySession;
use crate::engine::future::{Ended, HeldSession, Kept, SessionCore, explained};
use crate::error::Error;

/// An operation of a private or a public key, as a future: [`KeySession::run_async`] and the like.
///
/// It begins at its first poll. It is `Send` and `Unpin`, has no lifetime, and may be polled by any thread,
/// each time by another. Its result is what [`KeySession::run`] gives; polled after that, it is ready with
/// [`Error::Closed`].
///
/// *Cancel safe*: dropping it at any time takes the request back, waits at most for the one operation that
/// its worker computes, and wipes what the request holds. [`KeyFuture::cancel`] returns the input.
#[must_use = "a future does nothing unless it is polled"]
pub struct KeyFuture {
    kept: Kept<Arc<SessionCore>, HeldSession>,
    /// Why the first poll fails.
    refused: Option<Error>,
}

impl KeyFuture {
    /// Takes the request back, and ends with [`Error::Timeout`], where the device does not end it within
    /// `limit` of its submission; as [`OpFuture::with_timeout`](super::OpFuture::with_timeout).
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.kept.set_limit(limit);
        self
    }

    /// Ends the operation now, and returns its input, which is empty where it has none, or its result where
    /// it has ended. Waits at most for the one operation that its worker computes. The future is over then.
    #[expect(clippy::type_complexity, reason = "a result, or an input, both of them wiped")]
    pub fn cancel(&mut self) -> Cancelled<Result<Zeroizing<Vec<u8>>, Error>, Zeroizing<Vec<u8>>> {
        let ended = self.kept.cancel();
        if let Some(error) = self.refused.take() {
            return Cancelled::Ended(Err(error));
        }
        match ended {
            Ended::TakenBack => {
                let request = self.kept.request_mut();
                let buffer = Zeroizing::new(mem::take(&mut request.buffer));
                request.wipe();
                Cancelled::TakenBack { buffer, destination: None }
            }
            Ended::Over(outcome) => Cancelled::Ended(self.result(outcome)),
        }
    }

    fn result(&mut self, outcome: Result<(), Error>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let outcome = outcome.map_err(|error| explained(&mut self.kept, error));
        let request = self.kept.request_mut();
        let result = match outcome {
            Ok(()) if request.operation.output().has_text() => {
                Ok(Zeroizing::new(mem::take(&mut request.buffer)))
            }
            Ok(()) => Ok(Zeroizing::default()),
            Err(error) => Err(error),
        };
        request.wipe();
        result
    }
}

impl Future for KeyFuture {
    type Output = Result<Zeroizing<Vec<u8>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(error) = this.refused.take() {
            let _ = this.kept.cancel();
            return Poll::Ready(Err(error));
        }
        if this.kept.is_over() {
            return Poll::Ready(Err(Error::Closed));
        }
        this.kept.poll(context.waker()).map(|outcome| this.result(outcome))
    }
}

impl fmt::Debug for KeyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFuture").field("state", &self.kept).finish_non_exhaustive()
    }
}

impl KeySession {
    /// [`KeySession::run`] as a future. The input is copied.
    pub fn run_async(&self, operation: Operation, arguments: KeyArguments, input: &[u8]) -> KeyFuture {
        self.future(operation, Ok(arguments), input)
    }

    /// [`KeySession::sign`] as a future.
    pub fn sign_async(&self, scheme: &SignatureScheme, input: &[u8]) -> KeyFuture {
        self.random_async(Operation::Sign, KeyArguments::sign(scheme.clone(), &[]), input)
    }

    /// [`KeySession::verify`] as a future. What it gives is empty.
    pub fn verify_async(&self, scheme: &SignatureScheme, input: &[u8], signature: &[u8]) -> KeyFuture {
        self.run_async(Operation::Verify, KeyArguments::verify(scheme.clone(), signature), input)
    }

    /// [`KeySession::decrypt`] as a future.
    pub fn decrypt_async(&self, padding: &RsaPadding, ciphertext: &[u8]) -> KeyFuture {
        self.random_async(Operation::Decrypt, KeyArguments::padded(padding.clone(), &[]), ciphertext)
    }

    /// [`KeySession::encrypt`] as a future.
    pub fn encrypt_async(&self, padding: &RsaPadding, plaintext: &[u8]) -> KeyFuture {
        self.random_async(Operation::Encrypt, KeyArguments::padded(padding.clone(), &[]), plaintext)
    }

    /// [`KeySession::derive`] as a future.
    pub fn derive_async(&self, peer: &[u8]) -> KeyFuture {
        self.run_async(Operation::Derive, KeyArguments::default(), peer)
    }

    /// [`KeySession::encapsulate`] as a future: ciphertext and secret, one behind the other. The ciphertext
    /// has [`KeyAlgorithm::ciphertext_len`](crate::KeyAlgorithm::ciphertext_len) bytes.
    pub fn encapsulate_async(&self) -> KeyFuture {
        self.random_async(Operation::Encapsulate, KeyArguments::default(), &[])
    }

    /// [`KeySession::decapsulate`] as a future.
    pub fn decapsulate_async(&self, ciphertext: &[u8]) -> KeyFuture {
        self.run_async(Operation::Decapsulate, KeyArguments::default(), ciphertext)
    }

    /// With randomness of the system, drawn now.
    fn random_async(&self, operation: Operation, arguments: KeyArguments, input: &[u8]) -> KeyFuture {
        self.future(operation, self.with_randomness(operation, arguments), input)
    }

    fn future(
        &self,
        operation: Operation,
        arguments: Result<KeyArguments, Error>,
        input: &[u8],
    ) -> KeyFuture {
        let core = self.core();
        let (request, refused) = match arguments {
            Ok(arguments) => (self.request(operation, arguments, input.to_vec()), None),
            Err(error) => (core.request(operation, Vec::new()), Some(error)),
        };
        KeyFuture { kept: Kept::new(Arc::clone(core), HeldSession, request), refused }
    }
}
