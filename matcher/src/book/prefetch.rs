//! Touches what the commands of a batch will need.
//!
//! What a command needs lies at the end of a chain of look-ups: from id to order to its
//! neighbours and level, from price to page to level to last order. One command after the
//! other, each link is a cache miss that everything waits for. Here the whole batch takes
//! the first link, then the whole batch the second, and so on: the misses of one step do
//! not depend on each other, so the processor has as many of them under way as it can.
//!
//! The touches are plain loads of which nobody uses the result.

use super::Books;
use crate::slots::{NONE, Slot};
use crate::{AccountId, Command, InstrumentId, NewOrder, PREFETCH_BATCH};
use std::borrow::Borrow;
use std::hint::black_box;

/// As many orders as fit a second-level cache of a megabyte. A book that is smaller is
/// faster without.
const WORTH_IT: u32 = 16_384;

impl Books {
    /// `find_position` finds a position, `touch_position` reads anything of it.
    pub(crate) fn prefetch<C: Borrow<Command>>(
        &self,
        batch: impl IntoIterator<Item = C>,
        find_position: impl Fn(AccountId, InstrumentId) -> Slot,
        touch_position: impl Fn(Slot) -> i64,
    ) {
        if self.open_orders() < WORTH_IT {
            return;
        }
        // The level that a new order might rest in, and the order that another command is
        // about. Slot NONE, always at hand, stands for what a command has not: a branch
        // could not be predicted.
        let mut levels = [NONE; PREFETCH_BATCH];
        let mut orders = [NONE; PREFETCH_BATCH];
        let mut count = 0;
        let mut positions = [NONE; PREFETCH_BATCH];
        for (index, command) in batch.into_iter().take(PREFETCH_BATCH).enumerate() {
            count = index + 1;
            match command.borrow() {
                Command::PlaceOrder(new) | Command::PlaceOrderWithTerms(new, _) => {
                    levels[index] = self.level_at(new);
                    positions[index] = find_position(new.account, new.instrument);
                }
                Command::CancelOrder { order_id, .. } | Command::ReduceOrder { order_id, .. } => {
                    orders[index] = self.locator.guess(*order_id);
                }
                _ => {}
            }
        }
        // The last order of that level, and the level of that order.
        let mut tails = [NONE; PREFETCH_BATCH];
        let mut levels_of_orders = [NONE; PREFETCH_BATCH];
        for index in 0..count {
            tails[index] = self.levels[levels[index]].tail;
            levels_of_orders[index] = self.orders[orders[index]].level;
            if positions[index] == NONE {
                positions[index] = self.orders[orders[index]].position;
            }
        }
        let mut touched = 0;
        for index in 0..count {
            let order = &self.orders[orders[index]];
            touched ^= self.orders[tails[index]].id
                ^ self.orders[order.next].id
                ^ self.orders[order.previous].id
                ^ self.orders[order.newer].id
                ^ self.orders[order.older].id
                ^ u64::from(self.levels[levels_of_orders[index]].tail)
                ^ touch_position(positions[index]) as u64;
        }
        black_box(touched);
    }

    /// The level that an order might rest in, if its instrument and price are valid and there
    /// is one.
    #[inline(always)]
    fn level_at(&self, new: &NewOrder) -> Slot {
        match self.get(new.instrument) {
            Some(book) if (1..=book.maximum_price_ticks).contains(&new.price_ticks) => {
                book.ladders[new.side as usize].get(&self.pages, new.price_ticks as u32)
            }
            _ => NONE,
        }
    }
}
