//! Prefetch hints, for processors that have them: a cache line that the other side has written takes as long
//! as some hundred instructions, and several can be in transit at once.
#![cfg_attr(
    all(target_arch = "x86_64", not(any(loom, miri))),
    expect(
        unsafe_code,
        reason = "the hint to bring a line to be written is an instruction without a function"
    )
)]

/// Prefetches the line at the beginning of `place` for writing, so that the write does not fetch it again.
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
#[inline]
pub(crate) fn to_write<T>(place: &T) {
    // SAFETY: a hint touches no memory and no flags, and its target is there.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) std::ptr::from_ref(place), options(nostack, preserves_flags, readonly));
    }
}

/// Prefetches the line at the beginning of `place` for reading.
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
#[inline]
pub(crate) fn to_read<T>(place: &T) {
    // SAFETY: as in `to_write`.
    unsafe {
        std::arch::asm!("prefetcht0 [{}]", in(reg) std::ptr::from_ref(place), options(nostack, preserves_flags, readonly));
    }
}

/// Prefetches the line at an address for writing. There may be nothing any more.
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
#[inline]
pub(crate) fn address_to_write(address: u64) {
    // SAFETY: as in `to_write`; a hint for an address without memory does nothing.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
}

/// Other processors have no such hint.
#[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
#[inline]
pub(crate) fn address_to_write(_address: u64) {}

/// Other processors have no such hint.
#[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
#[inline]
pub(crate) fn to_write<T>(_place: &T) {}

/// Other processors have no such hint.
#[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
#[inline]
pub(crate) fn to_read<T>(_place: &T) {}
