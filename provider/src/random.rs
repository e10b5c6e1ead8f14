//! Random bytes, from the system.
//!
//! Not from libcrypto's generators: they may use a cipher of this provider themselves, inside the job that
//! asks.
#![expect(unsafe_code, reason = "a call of the system")]

use std::io;

use crate::error::{Failure, Reason};

/// Fills `bytes`.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    let mut rest = bytes;
    while !rest.is_empty() {
        // SAFETY: as many bytes as the slice has are written into it.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => rest = &mut rest[got..],
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Failure::new(Reason::Failed, "the system has no random bytes")),
        }
    }
    Ok(())
}
