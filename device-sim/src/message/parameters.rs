//! The options of a session besides algorithm and key.

use std::fmt;

use crate::message::algorithm::Algorithm;

/// What ECB and CBC do with the last block; the other ciphers take any length and ignore it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Padding {
    /// PKCS#7 (RFC 5652, 6.3), as OpenSSL does: encrypting adds 1 to 16 bytes, decrypting checks and removes
    /// them.
    #[default]
    Pkcs7,
    /// None: the message must be whole blocks.
    None,
}

/// The options of a session. An option that is not given has its default; one that does not fit the algorithm
/// is refused.
///
/// ```
/// use simaccel_device::{Cipher, Parameters, Padding, Session};
///
/// let bare = Parameters::default().with_padding(Padding::None);
/// Session::new(Cipher::Aes128Cbc.into(), &[7; 16], bare)?;
/// let refused = Session::new(Cipher::Aes128Ctr.into(), &[7; 16], bare).unwrap_err();
/// assert_eq!(refused.to_string(), "padding does not fit aes-128-ctr, which takes no option");
/// # Ok::<(), simaccel_device::SessionError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// For modes that [pad](Algorithm::pads); `None`: [`Padding::Pkcs7`].
    pub padding: Option<Padding>,
    /// Bytes of a tag, for AEADs; `None`: the maximum ([`Algorithm::tag_lens`]).
    pub tag_len: Option<usize>,
    /// Takes an XTS key whose halves are the same, as OpenSSL does to decrypt old texts. Exempt from semantic
    /// versioning.
    #[doc(hidden)]
    pub takes_equal_halves: bool,
}

impl Parameters {
    /// With this padding.
    #[must_use]
    pub const fn with_padding(mut self, padding: Padding) -> Self {
        self.padding = Some(padding);
        self
    }

    /// With tags of this many bytes.
    #[must_use]
    pub const fn with_tag_len(mut self, tag_len: usize) -> Self {
        self.tag_len = Some(tag_len);
        self
    }

    /// The first given option that does not fit the algorithm.
    pub(crate) fn unfit(self, algorithm: Algorithm) -> Option<Parameter> {
        let chosen =
            [(Parameter::Padding, self.padding.is_some()), (Parameter::TagLen, self.tag_len.is_some())];
        let unfit = |&(parameter, is_chosen): &(Parameter, bool)| is_chosen && !parameter.fits(algorithm);
        chosen.into_iter().find(unfit).map(|(parameter, _)| parameter)
    }
}

/// One of the [`Parameters`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// [`Parameters::padding`].
    Padding,
    /// [`Parameters::tag_len`].
    TagLen,
}

impl Parameter {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Padding, Self::TagLen];

    /// The name used in configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Padding => "padding",
            Self::TagLen => "tag_len",
        }
    }

    /// Whether sessions of this algorithm have it.
    pub const fn fits(self, algorithm: Algorithm) -> bool {
        match self {
            Self::Padding => algorithm.pads(),
            Self::TagLen => !algorithm.tag_lens().is_empty(),
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
