//! From an order's id to its slot.

use crate::OrderId;
use crate::id_table::IdTable;
use crate::slots::{NONE, Slot};

/// Order ids grow for ever and most orders are short-lived, so the open ones are nearly
/// always among the last few million ids. Those have a window: an array addressed by the
/// low bits of the id, where neighbours share cache lines. An order that is still open
/// when its place is needed by a newer one moves to a hash table.
pub(crate) struct Locator {
    /// A place holds the slot of the open order that last claimed it, else [`NONE`].
    window: Vec<Slot>,
    evicted: IdTable,
}

impl Locator {
    /// The window is twice the number of open orders, so that evictions are rare: an
    /// order has to outlive that many later commands.
    pub(crate) fn new(maximum_open_orders: u32) -> Self {
        let places = (maximum_open_orders as usize * 2).next_power_of_two();
        Self { window: vec![NONE; places], evicted: IdTable::new(maximum_open_orders) }
    }

    #[inline(always)]
    fn place(&self, id: OrderId) -> usize {
        id as usize & (self.window.len() - 1)
    }

    /// The slot of `id` if it is open. `id_of` gives the id of the order in a slot.
    #[inline(always)]
    pub(crate) fn find(&self, id: OrderId, id_of: impl Fn(Slot) -> OrderId) -> Slot {
        let slot = self.window[self.place(id)];
        if slot != NONE && id_of(slot) == id { slot } else { self.find_evicted(id) }
    }

    /// What the window has at the place of `id`: its slot, if it is recent and open.
    #[inline(always)]
    pub(crate) fn guess(&self, id: OrderId) -> Slot {
        self.window[self.place(id)]
    }

    #[cold]
    #[inline(never)]
    fn find_evicted(&self, id: OrderId) -> Slot {
        if self.evicted.len() == 0 || id == 0 { NONE } else { self.evicted.get(id) }
    }

    /// Enters an order that is not there yet.
    #[inline(always)]
    pub(crate) fn insert(&mut self, id: OrderId, slot: Slot, id_of: impl Fn(Slot) -> OrderId) {
        assert!(slot != NONE);
        let place = self.place(id);
        let previous = self.window[place];
        if previous != NONE {
            self.evict(id_of(previous), previous);
        }
        self.window[place] = slot;
    }

    #[cold]
    fn evict(&mut self, id: OrderId, slot: Slot) {
        self.evicted.insert(id, slot);
    }

    /// Takes out an order that is there.
    #[inline(always)]
    pub(crate) fn remove(&mut self, id: OrderId, slot: Slot) {
        let place = self.place(id);
        if self.window[place] == slot {
            self.window[place] = NONE;
        } else {
            self.remove_evicted(id);
        }
    }

    #[cold]
    fn remove_evicted(&mut self, id: OrderId) {
        self.evicted.remove(id);
    }

    /// How many orders are found here, for validation.
    pub(crate) fn len(&self) -> usize {
        self.window.iter().filter(|&&slot| slot != NONE).count() + self.evicted.len() as usize
    }
}
