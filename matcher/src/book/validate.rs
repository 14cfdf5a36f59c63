//! Whether the whole state agrees with itself. Slow: for tests.

use super::pool::NONE;
use super::{Books, EMPTY, Slot, rank};
use crate::{InstrumentId, Side};
use std::collections::BTreeSet;

impl Books {
    /// Panics unless every structure says the same.
    pub(crate) fn validate(&self) {
        let mut orders = BTreeSet::new();
        let mut levels = BTreeSet::new();
        let mut pages = BTreeSet::new();
        for instrument in 1..=self.books.len() as InstrumentId {
            let book = self.book(instrument);
            let [bid, ask] = book.best_rank;
            assert!(bid == EMPTY || ask == EMPTY || -bid < ask, "the book is crossed");
            for side in [Side::Buy, Side::Sell] {
                let mut worst = None;
                for slot in self.level_slots(instrument, side) {
                    assert!(levels.insert(slot), "a level is listed twice");
                    worst = worst.max(Some(self.validate_level(instrument, side, slot, worst)));
                    for order in self.order_slots(&self.levels[slot]) {
                        assert!(orders.insert(order), "an order is listed twice");
                    }
                }
                let best = self.level_slots(instrument, side).next();
                assert_eq!(book.best_level[side as usize], best.unwrap_or(NONE));
                let best = best.map(|slot| rank(side, self.levels[slot].price_ticks()));
                assert_eq!(book.best_rank[side as usize], best.unwrap_or(EMPTY));
            }
            for page in book.ladder.pages_in_use(&self.pages) {
                assert!(pages.insert(page), "a page has two places");
                assert!(self.pages[page].is_consistent() && !self.pages[page].is_empty());
            }
        }

        assert_eq!(orders.len(), self.orders.in_use() as usize, "an order is in no level");
        assert_eq!(levels.len(), self.levels.in_use() as usize, "a level is in no book");
        assert_eq!(pages.len(), self.pages.in_use() as usize, "a page is in no tree");
        assert_eq!(orders.len(), self.locator.len(), "the locator finds more than is open");
        for &slot in self.orders.free_slots() {
            assert!(orders.insert(slot), "a slot is free twice, or free and in use");
            assert_eq!(self.orders[slot].id, 0);
        }
        for &slot in self.pages.free_slots() {
            assert!(pages.insert(slot), "a page is free twice, or free and in use");
            assert!(self.pages[slot].is_empty() && self.pages[slot].is_consistent());
        }
        assert!(self.pages[NONE].is_empty() && self.pages[NONE].is_consistent());
        assert!(self.levels.in_use() <= self.levels.capacity());
    }

    /// Returns the level's rank, which must be worse than that of the level before.
    fn validate_level(
        &self,
        instrument: InstrumentId,
        side: Side,
        slot: Slot,
        previous: Option<i64>,
    ) -> i64 {
        let level = &self.levels[slot];
        assert_eq!((level.instrument(), level.side()), (instrument, side));
        assert!((1..=self.book(instrument).maximum_price_ticks).contains(&level.price_ticks()));
        assert_eq!(self.book(instrument).ladder.get(&self.pages, level.price), slot);
        let rank = rank(side, level.price_ticks());
        assert!(previous.is_none_or(|previous| previous < rank), "levels are out of order");

        let mut quantity = 0;
        let mut count = 0;
        let mut older = NONE;
        for order_slot in self.order_slots(level) {
            let order = &self.orders[order_slot];
            assert_eq!((order.level, order.previous), (slot, older));
            assert!((1..=order.quantity).contains(&order.remaining));
            assert!(older == NONE || self.orders[older].id < order.id, "not first come");
            assert_eq!(self.find(order.id), Some(order_slot), "the locator lost an order");
            quantity += order.remaining;
            count += 1;
            older = order_slot;
        }
        assert_eq!(level.tail, older);
        assert_eq!((level.quantity, level.orders), (quantity, count));
        assert!(count > 0, "a level without orders");
        rank
    }
}
