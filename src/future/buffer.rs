//! Buffers that a future takes and gives back.

/// A buffer that an operation takes and gives back.
///
/// The device works on memory that a request owns, so a buffer becomes a [`Vec`] and is made from one again.
/// The conversions here neither copy nor allocate, with the exceptions that each names.
///
/// Implementing it needs no `unsafe`, since no memory is shared between the caller and the device.
///
/// ```
/// use simaccel::future::Buffer;
///
/// /// A buffer that goes back to a pool.
/// struct Pooled(Vec<u8>);
///
/// impl AsRef<[u8]> for Pooled {
///     fn as_ref(&self) -> &[u8] {
///         &self.0
///     }
/// }
///
/// impl Buffer for Pooled {
///     fn into_vec(self) -> Vec<u8> {
///         self.0
///     }
///
///     fn from_vec(vec: Vec<u8>) -> Self {
///         Self(vec)
///     }
/// }
/// ```
pub trait Buffer: AsRef<[u8]> + Send + 'static {
    /// The bytes, as a vector that owns them.
    fn into_vec(self) -> Vec<u8>;

    /// A buffer of these bytes. Its length is that of the vector.
    fn from_vec(vec: Vec<u8>) -> Self;
}

impl Buffer for Vec<u8> {
    fn into_vec(self) -> Vec<u8> {
        self
    }

    fn from_vec(vec: Vec<u8>) -> Self {
        vec
    }
}

/// Where an operation makes the text longer or shorter (padding), the way back moves the bytes into an
/// allocation of their length.
impl Buffer for Box<[u8]> {
    fn into_vec(self) -> Vec<u8> {
        self.into_vec()
    }

    fn from_vec(vec: Vec<u8>) -> Self {
        vec.into_boxed_slice()
    }
}

/// A part of a larger allocation ([`split_off`](bytes::BytesMut::split_off)) is copied on its way in. The
/// unused capacity is filled with zeros on the way back.
#[cfg(feature = "bytes")]
impl Buffer for bytes::BytesMut {
    fn into_vec(self) -> Vec<u8> {
        self.into()
    }

    fn from_vec(mut vec: Vec<u8>) -> Self {
        // A vector without unused capacity becomes `Bytes`, and that `BytesMut`, in place.
        let len = vec.len();
        vec.resize(vec.capacity(), 0);
        let mut bytes = Self::from(bytes::Bytes::from(vec));
        bytes.truncate(len);
        bytes
    }
}
