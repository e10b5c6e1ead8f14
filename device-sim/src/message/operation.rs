//! The table of the device's operations. A new operation is one entry here, and whatever the compiler asks
//! for after that.
//!
//! ```text
//!                       ┌─► Operation, ALL, NAMES, number, name, parsing
//!   operations! { .. } ─┼─► output (what faults can corrupt, what has to be kept), cost
//!                       └─► counters, timings, JSON, Prometheus, `op=` of faults: all go by ALL
//! ```

use std::fmt;
use std::str::FromStr;

use crate::in_words;
use crate::message::cost::Cost;
use crate::message::shape::OutputShape;

/// Declares the operations once: each with its name, its output, and its cost.
macro_rules! operations {
    (
        $(#[$meta:meta])*
        $vis:vis enum $Operation:ident {
            $($(#[doc = $doc:literal])+ $Variant:ident { name: $name:literal, output: $output:ident, cost: $cost:ident })+
        }
    ) => {
        $(#[$meta])*
        $vis enum $Operation { $($(#[doc = $doc])+ $Variant,)+ }

        impl $Operation {
            /// All there are, in the order of [`Operation::number`].
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$Variant),+];

            /// Their names, in the same order.
            pub const NAMES: [&'static str; Self::ALL.len()] = [$($name),+];

            /// The parts of the result.
            pub const fn output(self) -> OutputShape {
                match self { $(Self::$Variant => OutputShape::$output,)+ }
            }

            /// What the work is like; where algorithms differ in that, [they](crate::Algorithm::cost) say it.
            pub const fn cost(self) -> Cost {
                match self { $(Self::$Variant => Cost::$cost,)+ }
            }
        }
    };
}

operations! {
    /// What to do.
    #[non_exhaustive]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Operation {
        /// Encrypt [`Request::buffer`](crate::Request::buffer) (cipher and AEAD sessions; an AEAD leaves its
        /// tag in [`Request::tag`](crate::Request::tag)).
        Encrypt { name: "encrypt", output: TextAndTag, cost: Cipher }
        /// Decrypt [`Request::buffer`](crate::Request::buffer) (an AEAD compares against
        /// [`Request::tag`](crate::Request::tag)).
        Decrypt { name: "decrypt", output: Text, cost: Cipher }
        /// Hash [`Request::buffer`](crate::Request::buffer) into [`Request::tag`](crate::Request::tag).
        Digest { name: "digest", output: Tag, cost: Hash }
        /// Compute the HMAC of [`Request::buffer`](crate::Request::buffer) into
        /// [`Request::tag`](crate::Request::tag).
        Mac { name: "mac", output: Tag, cost: Mac }
        /// Run [`Request::call`](crate::Request::call), a function of the user's own.
        Call { name: "call", output: Value, cost: Call }
        /// Sign [`Request::buffer`](crate::Request::buffer), a digest or a message, which the signature
        /// replaces.
        Sign { name: "sign", output: Text, cost: Key }
        /// Compare a signature, one of the [`Request::arguments`](crate::Request::arguments), with
        /// [`Request::buffer`](crate::Request::buffer), a digest or a message.
        Verify { name: "verify", output: Nothing, cost: Key }
        /// Derive a secret from the peer's public value in [`Request::buffer`](crate::Request::buffer), which
        /// the secret replaces.
        Derive { name: "derive", output: Text, cost: Key }
        /// Encapsulate a secret for a public key: [`Request::buffer`](crate::Request::buffer) is empty, and
        /// becomes ciphertext and secret, one behind the other.
        Encapsulate { name: "encapsulate", output: Text, cost: Key }
        /// Decapsulate the ciphertext in [`Request::buffer`](crate::Request::buffer), which the secret
        /// replaces.
        Decapsulate { name: "decapsulate", output: Text, cost: Key }
        /// Generate a private key: [`Request::buffer`](crate::Request::buffer) is empty, and becomes the key
        /// as PKCS#8 DER or in its raw form.
        Generate { name: "generate", output: Text, cost: Key }
    }
}

/// The names of the operations whose output has this property.
macro_rules! with_output {
    ($has:ident) => {{
        const FOUND: ([&str; Operation::ALL.len()], usize) = {
            let (mut names, mut len, mut at) = ([""; Operation::ALL.len()], 0, 0);
            while at < Operation::ALL.len() {
                if Operation::ALL[at].output().$has() {
                    names[len] = Operation::NAMES[at];
                    len += 1;
                }
                at += 1;
            }
            (names, len)
        };
        FOUND.0.split_at(FOUND.1).0
    }};
}

impl Operation {
    /// All names, as a message lists them.
    pub(crate) const LISTED: &str = in_words!("", &Operation::NAMES, ", ", " or ", "");

    /// The operations with a text, and those that may have a tag, a MAC or a digest.
    pub(crate) const WITH_TEXT_LISTED: &str = in_words!("", with_output!(has_text), ", ", " or ", "");
    pub(crate) const WITH_TAG_LISTED: &str = in_words!("", with_output!(has_tag), ", ", " or ", "");
    pub(crate) const WITH_BYTES_LISTED: &str = in_words!("", with_output!(has_bytes), ", ", " or ", "");

    /// The operation's place in [`Operation::ALL`].
    #[inline]
    pub const fn number(self) -> usize {
        self as usize
    }

    /// The name used in statistics, configuration and reports.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.number()]
    }
}

/// Its [name](Operation::name).
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// By its [name](Operation::name). An error lists the names.
impl FromStr for Operation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Self::ALL.into_iter().find(|operation| operation.name() == text).ok_or(Self::LISTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_place_and_its_name() {
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation.number(), number);
            assert_eq!(operation.name().parse(), Ok(operation));
            assert_eq!(operation.to_string(), operation.name());
        }
        assert_eq!(
            "Encrypt".parse::<Operation>(),
            Err(
                "encrypt, decrypt, digest, mac, call, sign, verify, derive, encapsulate, decapsulate or generate"
            )
        );
    }
}
