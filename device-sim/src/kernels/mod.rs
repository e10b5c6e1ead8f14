//! The real work: one file per mode, each with the same two functions.
//!
//! ```text
//!                       begin(message)                    piece(stream, message)
//!   Part::Whole   ───►  stream, on the stack  ─────────►  the only piece; the stream is dropped, wiped
//!   first Update  ───►  stream, in a box      ─────────►  its output;  ──► the message's state
//!   Update            the message's state     ─────────►  its output;  ──► the message's state
//!   Final             the message's state     ─────────►  the rest; the stream is dropped, wiped
//! ```
//!
//! A kernel sees a [message](crate::message::view::Message), and nothing of the request that contains it.
//!
//! So a whole message is a stream of one piece, and one code serves both. A kernel checks lengths before it
//! changes anything: after [`Status::InvalidArgs`] the buffers are unchanged.
//!
//! | file     | what                                                | standard                     |
//! |----------|-----------------------------------------------------|------------------------------|
//! | `ecb`    | AES-ECB                                             | SP 800-38A, 6.1              |
//! | `cbc`    | AES-CBC                                             | SP 800-38A, 6.2              |
//! | `ctr`    | AES-CTR, 128-bit big-endian counter                 | SP 800-38A, 6.5              |
//! | `gcm`    | AES-GCM                                             | SP 800-38D                   |
//! | `xts`    | AES-XTS                                             | SP 800-38E, IEEE 1619        |
//! | `hash`   | SHA-2                                               | FIPS 180-4                   |
//! | `hmac`   | HMAC over SHA-2                                     | FIPS 198-1, RFC 2104         |
//! | `blocks` | what ECB and CBC share: padding, multi-part         | RFC 5652, 6.3 (PKCS#7)       |
//! | `kernel` | what a kernel is, and the two functions put together |                             |
//! | `text`   | where the output goes, and bytes held back          |                              |
//! | `trial`  | outputs as no other gives them, for tests           |                              |
//! | `keys`   | private and public keys, a file for each kind        | see there                    |
//! | `lanes`  | several messages at once, where a mode is serial    |                              |

pub(crate) mod arguments;
mod block;
mod blocks;
pub(crate) mod cbc;
pub(crate) mod ctr;
pub(crate) mod ecb;
pub(crate) mod gcm;
pub(crate) mod hash;
pub(crate) mod hmac;
pub(crate) mod kernel;
#[cfg(feature = "private-keys")]
pub(crate) mod keys;
pub(crate) mod lanes;
pub(crate) mod session;
mod text;
mod trial;
pub(crate) mod wipe;
pub(crate) mod xts;

#[cfg(test)]
mod tests;
