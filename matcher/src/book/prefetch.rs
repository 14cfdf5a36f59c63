//! Touches what a command will need.
//!
//! These are plain loads whose results nobody waits for. They come in chains (id to order
//! to neighbours, price to page to level), and the chains of several commands do not
//! depend on each other, so that the processor has the misses of a whole batch under way
//! at once instead of one after the other.

use super::{Books, Slot};
use crate::{NewOrder, OrderId};
use std::hint::black_box;

impl Books {
    #[inline(always)]
    pub(crate) fn prefetch_place(&self, new: &NewOrder) {
        let Some(book) = self.books.get((new.instrument as usize).wrapping_sub(1)) else {
            return;
        };
        if new.price_ticks < 1 || new.price_ticks > book.maximum_price_ticks {
            return;
        }
        let level = &self.levels[book.ladder.get(&self.pages, new.price_ticks as u32)];
        let best = &self.levels[book.best_level[new.side.opposite() as usize]];
        black_box(self.orders[level.tail].id ^ self.orders[best.head].id);
    }

    #[inline(always)]
    pub(crate) fn prefetch_open(&self, id: OrderId) {
        let slot: Slot = self.locator.guess(id);
        let order = &self.orders[slot];
        let neighbours = self.orders[order.next].id ^ self.orders[order.previous].id;
        black_box(neighbours ^ u64::from(self.levels[order.level].head));
    }
}
