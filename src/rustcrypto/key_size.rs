//! The sizes of AES keys, as types: what the device has for each.

use cipher::array::ArraySize;
use cipher::consts::{U16, U24, U32};
use simaccel_device::{Aead, Cipher};

/// The size of an AES key: 16, 24 or 32 bytes. Sealed.
pub trait AesKeySize: ArraySize + sealed::Sealed {
    #[doc(hidden)]
    const NAME: &str;
    #[doc(hidden)]
    const ECB: Cipher;
    #[doc(hidden)]
    const CBC: Cipher;
    #[doc(hidden)]
    const CTR: Cipher;
    #[doc(hidden)]
    const GCM: Aead;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! key_sizes {
    ($($size:ident: $name:literal, $ecb:ident, $cbc:ident, $ctr:ident, $gcm:ident;)*) => {$(
        impl sealed::Sealed for $size {}

        impl AesKeySize for $size {
            const NAME: &str = $name;
            const ECB: Cipher = Cipher::$ecb;
            const CBC: Cipher = Cipher::$cbc;
            const CTR: Cipher = Cipher::$ctr;
            const GCM: Aead = Aead::$gcm;
        }
    )*};
}

key_sizes! {
    U16: "Aes128", Aes128Ecb, Aes128Cbc, Aes128Ctr, Aes128Gcm;
    U24: "Aes192", Aes192Ecb, Aes192Cbc, Aes192Ctr, Aes192Gcm;
    U32: "Aes256", Aes256Ecb, Aes256Cbc, Aes256Ctr, Aes256Gcm;
}
