//! The atomics of the model checker, and memory that it watches. Each step of an atomic is one at
//! which a thread can be made to die; each can be made wrong, see [`crate::Mistake`].

use std::mem::MaybeUninit;
use std::sync::Mutex;

pub use loom::sync::atomic::Ordering;

use crate::cases::{Mistake, is_made, step};

/// What is left of an ordering.
fn weakened(ordering: Ordering) -> Ordering {
    if is_made(Mistake::NoOrdering) { Ordering::Relaxed } else { ordering }
}

/// A fence, which counts as no step: nothing that others see changes there.
pub fn fence(ordering: Ordering) {
    if !is_made(Mistake::NoFence) {
        loom::sync::atomic::fence(ordering);
    }
}

macro_rules! atomic {
    ($name:ident, $value:ty) => {
        /// An atomic number.
        #[derive(Debug, Default)]
        pub struct $name(loom::sync::atomic::$name);

        // As of the standard library.
        #[expect(missing_docs)]
        impl $name {
            pub fn load(&self, ordering: Ordering) -> $value {
                step();
                self.0.load(match ordering {
                    Ordering::SeqCst => ordering,
                    _ => weakened(ordering),
                })
            }

            pub fn store(&self, value: $value, ordering: Ordering) {
                step();
                self.0.store(value, weakened(ordering));
            }

            pub fn swap(&self, value: $value, ordering: Ordering) -> $value {
                step();
                self.0.swap(value, weakened(ordering))
            }

            pub fn fetch_add(&self, value: $value, ordering: Ordering) -> $value {
                step();
                self.0.fetch_add(value, weakened(ordering))
            }

            pub fn fetch_sub(&self, value: $value, ordering: Ordering) -> $value {
                step();
                self.0.fetch_sub(value, weakened(ordering))
            }

            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step();
                if is_made(Mistake::NotAtOnce) {
                    let found = self.0.load(weakened(success));
                    if found != current {
                        return Err(found);
                    }
                    step();
                    self.0.store(new, weakened(success));
                    return Ok(found);
                }
                self.0.compare_exchange(current, new, weakened(success), weakened(failure))
            }

            /// Its address, as a name.
            pub fn address(&self) -> usize {
                std::ptr::from_ref(self).addr()
            }
        }
    };
}

atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);

/// A place that a protocol lends to one process at a time. That two have it at once is found.
pub struct Lent<T>(loom::cell::UnsafeCell<Option<T>>);

#[expect(missing_docs, clippy::missing_safety_doc)]
impl<T: Copy> Lent<T> {
    pub unsafe fn write(&self, value: T) {
        // SAFETY: the model checker ends the case where this is not so.
        self.0.with_mut(|place| unsafe { *place = Some(value) });
    }

    pub unsafe fn get(&self) -> &T {
        // SAFETY: as above.
        self.0.with(|place| unsafe { (*place).as_ref() }).expect("it was written")
    }
}

impl<T> Default for Lent<T> {
    fn default() -> Self {
        Self(loom::cell::UnsafeCell::new(None))
    }
}

/// A place that may be copied while it is written, in two steps: the numbers of the value that its
/// halves are of. A copy of two values is zero, which the cases never write.
pub struct Torn<T> {
    halves: [loom::sync::atomic::AtomicUsize; 2],
    values: Mutex<Vec<T>>,
}

#[expect(missing_docs)]
impl<T: Copy> Torn<T> {
    pub fn write(&self, write: impl FnOnce(*mut T)) {
        let mut value = MaybeUninit::zeroed();
        write(value.as_mut_ptr());
        let number = {
            let mut values = self.values.lock().expect("no case panics in here");
            // SAFETY: the caller writes all fields.
            values.push(unsafe { value.assume_init() });
            values.len()
        };
        for half in &self.halves {
            step();
            half.store(number, Ordering::Relaxed);
        }
    }

    pub fn read(&self) -> MaybeUninit<T> {
        let [first, second] = self.halves.each_ref().map(|half| half.load(Ordering::Relaxed));
        let values = self.values.lock().expect("no case panics in here");
        let whole = (first == second).then(|| values.get(first.wrapping_sub(1))).flatten();
        whole.map_or(MaybeUninit::zeroed(), |value| MaybeUninit::new(*value))
    }
}

impl<T> Default for Torn<T> {
    fn default() -> Self {
        Self { halves: Default::default(), values: Mutex::default() }
    }
}
