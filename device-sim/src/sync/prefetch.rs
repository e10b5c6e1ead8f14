//! Hints to the processor, where it takes them: a cache line that the other side has written takes as long to come as
//! some hundred instructions, and several can be on their way at once.
#![cfg_attr(
    all(target_arch = "x86_64", not(any(loom, miri))),
    expect(
        unsafe_code,
        reason = "the hint to bring a line to be written is an instruction without a function"
    )
)]

/// Has the line at the beginning of `place` brought, with the right to write to it, so that writing does not ask anew.
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
#[inline]
pub(crate) fn to_write<T>(place: &T) {
    // SAFETY: a hint touches no memory and no flags, and what it names is there.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) std::ptr::from_ref(place), options(nostack, preserves_flags, readonly));
    }
}

/// Has the line at the beginning of `place` brought, to be read.
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
#[inline]
pub(crate) fn to_read<T>(place: &T) {
    // SAFETY: as in `to_write`.
    unsafe {
        std::arch::asm!("prefetcht0 [{}]", in(reg) std::ptr::from_ref(place), options(nostack, preserves_flags, readonly));
    }
}

/// Elsewhere there is no such hint.
#[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
#[inline]
pub(crate) fn to_write<T>(_place: &T) {}

/// Nor this one.
#[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
#[inline]
pub(crate) fn to_read<T>(_place: &T) {}
