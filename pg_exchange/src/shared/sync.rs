//! What the protocols of the shared memory are made of: atomics, and memory that they guard.
//!
//! The protocols (`arrivals`, `bell`, `mailbox`, `ring`) use nothing else, so that `models/` can run
//! the same files over the atomics of a model checker. [`Default`] is what fresh memory is: zero.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

pub use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// A place that a protocol lends to one process at a time.
#[repr(transparent)]
pub struct Lent<T>(UnsafeCell<MaybeUninit<T>>);

impl<T: Copy> Lent<T> {
    /// Writes it.
    ///
    /// # Safety
    /// Nobody else has the place.
    #[inline(always)]
    pub unsafe fn write(&self, value: T) {
        // SAFETY: see above.
        unsafe { self.0.get().write(MaybeUninit::new(value)) };
    }

    /// What was written last.
    ///
    /// # Safety
    /// It was written, and nobody writes it as long as the reference lives.
    #[inline(always)]
    pub unsafe fn get(&self) -> &T {
        // SAFETY: see above.
        unsafe { (*self.0.get()).assume_init_ref() }
    }
}

impl<T> Default for Lent<T> {
    fn default() -> Self {
        Self(UnsafeCell::new(MaybeUninit::zeroed()))
    }
}

/// A place that may be copied while it is written. The reader finds out by other means whether
/// the copy is whole, and does not look at it before.
#[repr(transparent)]
pub struct Torn<T>(UnsafeCell<MaybeUninit<T>>);

impl<T: Copy> Torn<T> {
    /// Has its one writer write it, field by field and with volatile writes.
    #[inline(always)]
    pub fn write(&self, write: impl FnOnce(*mut T)) {
        write(self.0.get().cast());
    }

    /// Copies it.
    #[inline(always)]
    pub fn read(&self) -> MaybeUninit<T> {
        // SAFETY: the place is there; that its bytes may change meanwhile is what volatile is for.
        unsafe { self.0.get().read_volatile() }
    }
}

impl<T> Default for Torn<T> {
    fn default() -> Self {
        Self(UnsafeCell::new(MaybeUninit::zeroed()))
    }
}
