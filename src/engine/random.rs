//! Random bytes, from the system: drawn before a request is submitted, never by the device.
#![expect(unsafe_code, reason = "a call of the system")]

use std::io;

use zeroize::Zeroizing;

use crate::error::{Error, OsError};

/// This many bytes.
pub(super) fn bytes(len: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    let mut rest = &mut bytes[..];
    while !rest.is_empty() {
        // SAFETY: as many bytes as the slice has are written into it.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => rest = &mut rest[got..],
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(Error::Random(OsError::from(error)));
                }
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_were_asked_for_and_never_the_same() {
        let (some, others) = (bytes(64).unwrap(), bytes(64).unwrap());
        assert_eq!((some.len(), bytes(0).unwrap().len()), (64, 0));
        assert_ne!(some, others);
    }
}
