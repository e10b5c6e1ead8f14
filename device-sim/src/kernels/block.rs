//! One AES block.

pub(crate) use crate::message::lengths::BLOCK;

/// An AES block.
pub(crate) type Block = aes::Block;

/// `block` ⊕ `other`.
#[inline(always)]
pub(super) fn mix(block: &mut Block, other: &Block) {
    // As one number each: byte by byte, the compiler may or may not use a whole register.
    let mixed = u128::from_ne_bytes((*block).into()) ^ u128::from_ne_bytes((*other).into());
    *block = mixed.to_ne_bytes().into();
}
