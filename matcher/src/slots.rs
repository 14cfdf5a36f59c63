//! A bounded pool of equal slots, addressed by `u32`.

use std::ops::{Index, IndexMut};

/// Address of a slot in a [`Pool`].
pub(crate) type Slot = u32;

/// No slot. Slot 0 of every pool exists but belongs to nobody: it can be read and written
/// where a list ends, which saves a branch that would be hard to predict.
pub(crate) const NONE: Slot = 0;

/// Slots are reserved at once and first written when first used, so a large pool costs
/// address space and no memory until it is needed, and never moves.
pub(crate) struct Pool<T> {
    slots: Vec<T>,
    /// Freed slots, the warmest last.
    free: Vec<Slot>,
    capacity: u32,
}

impl<T: Default> Pool<T> {
    pub(crate) fn new(capacity: u32) -> Self {
        assert!(capacity < u32::MAX);
        let mut slots = Vec::with_capacity(capacity as usize + 1);
        slots.push(T::default());
        Self { slots, free: Vec::with_capacity(capacity as usize), capacity }
    }

    /// A slot with what its last owner left there, or the default if there was none.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Slot {
        match self.free.pop() {
            Some(slot) => slot,
            None => self.take_untouched(),
        }
    }

    #[cold]
    fn take_untouched(&mut self) -> Slot {
        assert!(!self.is_full(), "callers test for room before they change anything");
        self.slots.push(T::default());
        (self.slots.len() - 1) as Slot
    }

    /// Gives a slot back. The caller holds the only address of it.
    #[inline(always)]
    pub(crate) fn put_back(&mut self, slot: Slot) {
        assert!(slot != NONE);
        assert!(self.free.len() < self.capacity as usize);
        self.free.push(slot);
    }
}

impl<T> Pool<T> {
    #[inline(always)]
    pub(crate) fn in_use(&self) -> u32 {
        (self.slots.len() - 1 - self.free.len()) as u32
    }

    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots.len() > self.capacity as usize
    }

    /// All slots. A borrowed slice stays in registers, which the pool itself, once
    /// anything was written, does not.
    #[inline(always)]
    pub(crate) fn slots_mut(&mut self) -> &mut [T] {
        &mut self.slots
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// For validation.
    pub(crate) fn free_slots(&self) -> &[Slot] {
        &self.free
    }
}

impl<T> Index<Slot> for Pool<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, slot: Slot) -> &T {
        &self.slots[slot as usize]
    }
}

impl<T> IndexMut<Slot> for Pool<T> {
    #[inline(always)]
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        &mut self.slots[slot as usize]
    }
}
