//! GCM (SP 800-38D), whose traits have an error: nothing is computed in software unless the engine is
//! configured so.

use std::fmt;
use std::marker::PhantomData;

use aead::array::{Array, ArraySize};
use aead::consts::{U4, U8, U12, U13, U14, U15, U16, U24, U32};
use aead::inout::InOutBuf;
use aead::{AeadCore, AeadInOut, Key, KeyInit, KeySizeUser, Nonce, Tag, TagPosition};
use cipher::typenum::NonZero;

use super::default_engine;
use super::key_size::AesKeySize;
use crate::engine::{AeadSession, Engine};
use crate::error::Error;

/// The size of a tag that GCM may have: 4, 8 or 12 to 16 bytes (SP 800-38D, 5.2.1.2). Sealed.
pub trait GcmTagSize: ArraySize + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! tag_sizes {
    ($($size:ident),*) => {$(
        impl sealed::Sealed for $size {}
        impl GcmTagSize for $size {}
    )*};
}

tag_sizes!(U4, U8, U12, U13, U14, U15, U16);

/// AES-GCM on the device, with a key of `K`, nonces of `N` and tags of `T` bytes. The tag stands behind the
/// text.
///
/// `aead::Error` says no more than that: a wrong tag, a failed device, and no device at all
/// (`KeyInit::new` without a [default engine](super::default_engine)) look alike, as the trait wants it. The
/// counters of the engine tell them apart. The buffer has its content then.
pub struct AesGcm<K: AesKeySize, N: ArraySize = U12, T: GcmTagSize = U16> {
    /// `None`: there is no device.
    session: Option<AeadSession>,
    sizes: PhantomData<Sizes<K, N, T>>,
}

/// A value of each size.
type Sizes<K, N, T> = fn() -> (K, N, T);

/// AES-GCM with a key of 128 bits, nonces of 96 bits and tags of 128 bits.
pub type Aes128Gcm = AesGcm<U16>;
/// AES-GCM with a key of 192 bits, nonces of 96 bits and tags of 128 bits.
pub type Aes192Gcm = AesGcm<U24>;
/// AES-GCM with a key of 256 bits, nonces of 96 bits and tags of 128 bits.
pub type Aes256Gcm = AesGcm<U32>;

impl<K: AesKeySize, N: ArraySize + NonZero, T: GcmTagSize> AesGcm<K, N, T> {
    /// A key on this engine.
    ///
    /// # Errors
    /// [`Error::Forked`] in a forked child.
    pub fn on(engine: &Engine, key: &Key<Self>) -> Result<Self, Error> {
        Ok(Self { session: Some(engine.aead_with(K::GCM, key, T::USIZE)?), sizes: PhantomData })
    }

    fn session(&self) -> aead::Result<&AeadSession> {
        self.session.as_ref().ok_or(aead::Error)
    }
}

impl<K: AesKeySize, N: ArraySize, T: GcmTagSize> KeySizeUser for AesGcm<K, N, T> {
    type KeySize = K;
}

impl<K: AesKeySize, N: ArraySize + NonZero, T: GcmTagSize> KeyInit for AesGcm<K, N, T> {
    fn new(key: &Key<Self>) -> Self {
        let on_default = default_engine().and_then(|engine| engine.aead_with(K::GCM, key, T::USIZE));
        Self { session: on_default.ok(), sizes: PhantomData }
    }
}

impl<K: AesKeySize, N: ArraySize + NonZero, T: GcmTagSize> AeadCore for AesGcm<K, N, T> {
    type NonceSize = N;
    type TagSize = T;
    const TAG_POSITION: TagPosition = TagPosition::Postfix;
}

impl<K: AesKeySize, N: ArraySize + NonZero, T: GcmTagSize> AeadInOut for AesGcm<K, N, T> {
    fn encrypt_inout_detached(
        &self,
        nonce: &Nonce<Self>,
        associated_data: &[u8],
        mut text: InOutBuf<'_, '_, u8>,
    ) -> aead::Result<Tag<Self>> {
        let sealed = self.session()?.seal_copied(nonce, associated_data, text.get_in());
        let (copy, tag) = sealed.map_err(|_| aead::Error)?;
        text.get_out().copy_from_slice(&copy);
        self.session()?.recycle(copy);
        Array::try_from(tag.as_bytes()).map_err(|_| aead::Error)
    }

    fn decrypt_inout_detached(
        &self,
        nonce: &Nonce<Self>,
        associated_data: &[u8],
        mut text: InOutBuf<'_, '_, u8>,
        tag: &Tag<Self>,
    ) -> aead::Result<()> {
        let opened = self.session()?.open_copied(nonce, associated_data, text.get_in(), tag);
        let copy = opened.map_err(|_| aead::Error)?;
        text.get_out().copy_from_slice(&copy);
        self.session()?.recycle(copy);
        Ok(())
    }
}

impl<K: AesKeySize, N: ArraySize, T: GcmTagSize> Clone for AesGcm<K, N, T> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone(), sizes: PhantomData }
    }
}

impl<K: AesKeySize, N: ArraySize, T: GcmTagSize> fmt::Debug for AesGcm<K, N, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Gcm {{ .. }}", K::NAME)
    }
}
