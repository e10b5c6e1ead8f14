//! The floating-point modes of C jobs: how results are rounded, and which exceptions trap.
//!
//! ```text
//!   resumer   enter: saves ──► ·························· ──► paused: restores its modes, if they differ
//!   job                        (begins with the resumer's)     pause: saves
//!                                                              resumed: restores its modes, if they differ
//! ```
//!
//! The calling convention requires a function to leave the control bits of MXCSR and of the x87 control word
//! as it found them, and for C a pause or a start is a function call. Reading MXCSR takes 3 ns on some
//! processors, more than the rest of a switch; reading the control word takes a fraction of one. All
//! functions of `<fenv.h>` set both alike. So only the control word is read, and if it has changed both are
//! set from it. The rest of MXCSR stays the thread's: the treatment of denormals, what intrinsics have set,
//! and the flags of past operations.
//!
//! Rust code runs in the default modes only, so Rust jobs have no modes of their own.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "reads and writes control registers"))]

use std::cell::Cell;

/// The modes of a job and of its resumer, each as it was before the switch away from it.
#[derive(Debug, Default)]
pub(super) struct Modes {
    job: Cell<Word>,
    resumer: Cell<Word>,
}

impl Modes {
    /// The resumer's modes, before a switch.
    #[inline]
    pub(super) fn enter(&self) {
        self.resumer.set(Word::now());
    }

    /// Restores the resumer's modes when the job has paused.
    #[inline]
    pub(super) fn paused(&self) {
        self.resumer.get().replaces(self.job.get());
    }

    /// Restores the resumer's modes when the job has ended.
    #[inline]
    pub(super) fn ended(&self) {
        self.resumer.get().replaces(Word::now());
    }

    /// Saves the job's modes before it pauses.
    #[inline]
    pub(super) fn pause(&self) {
        self.job.set(Word::now());
    }

    /// Restores the job's modes when it goes on.
    #[inline]
    pub(super) fn resumed(&self) {
        self.job.get().replaces(self.resumer.get());
    }
}

/// The x87's control word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Word(u16);

impl Word {
    /// Sets these modes, if other modes are in force.
    #[inline]
    fn replaces(self, in_force: Self) {
        if self != in_force {
            self.set();
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Word {
    /// Exception masks and rounding; in MXCSR they lie this many bits further up.
    const MASKS: (u32, u32) = (0x003f, 7);
    const ROUNDING: (u32, u32) = (0x0c00, 3);

    /// The word in force.
    #[inline]
    fn now() -> Self {
        let mut word = 0_u16;
        // SAFETY: stores to the place that it is given.
        unsafe {
            std::arch::asm!("fnstcw [{}]", in(reg) &raw mut word, options(nostack, preserves_flags));
        }
        Self(word)
    }

    #[cold]
    fn set(self) {
        let mut mxcsr = 0_u32;
        // SAFETY: the places are there; the control word was in force before, and what is taken from it has
        // its meaning in MXCSR too.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags));
            mxcsr = self.in_mxcsr(mxcsr);
            std::arch::asm!(
                "ldmxcsr [{mxcsr}]",
                "fldcw [{word}]",
                mxcsr = in(reg) &raw const mxcsr,
                word = in(reg) &raw const self.0,
                options(nostack, preserves_flags, readonly),
            );
        }
    }

    /// These modes in MXCSR, and the rest of it.
    const fn in_mxcsr(self, rest: u32) -> u32 {
        let word = self.0 as u32;
        let kept = rest & !(Self::MASKS.0 << Self::MASKS.1 | Self::ROUNDING.0 << Self::ROUNDING.1);
        kept | (word & Self::MASKS.0) << Self::MASKS.1 | (word & Self::ROUNDING.0) << Self::ROUNDING.1
    }
}

/// Other processors: the modes stay the thread's.
#[cfg(not(target_arch = "x86_64"))]
impl Word {
    #[inline]
    fn now() -> Self {
        Self::default()
    }

    fn set(self) {}
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn the_default_control_word_is_the_default_mxcsr() {
        assert_eq!(Word(0x037f).in_mxcsr(0), 0x1f80);
        assert_eq!(
            Word(0x0b7e).in_mxcsr(0xffff),
            0xdf7f,
            "upward, one mask less, flags and denormals as they are"
        );
    }
}
