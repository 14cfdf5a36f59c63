//! Whether the whole state agrees with itself. Slow: for tests.

use super::{Books, EMPTY, Traits, rank};
use crate::phase::InstrumentPhase;
use crate::slots::{NONE, Slot};
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
            let is_crossed = bid != EMPTY && ask != EMPTY && -bid >= ask;
            assert!(!is_crossed || book.phase != InstrumentPhase::Continuous, "it is crossed");
            assert_eq!(book.has_waiting, !book.waiting.is_empty());
            for slot in self.waiting_slots(instrument) {
                assert!(orders.insert(slot), "an order is listed twice");
                assert_eq!(self.orders[slot].level, NONE);
                assert_eq!(self.find(self.orders[slot].id), Some(slot), "it cannot be found");
            }
            for side in Side::ALL {
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
            for page in book.ladders.iter().flat_map(|ladder| ladder.pages_in_use(&self.pages)) {
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
        assert_eq!(
            self.book(instrument).ladders[side as usize].get(&self.pages, level.price),
            slot
        );
        let rank = rank(side, level.price_ticks());
        assert!(previous.is_none_or(|previous| previous < rank), "levels are out of order");

        let (mut quantity, mut displayed) = (0, 0);
        let (mut before, mut displayed_tail) = (NONE, NONE);
        for order_slot in self.order_slots(level) {
            let order = &self.orders[order_slot];
            assert_eq!((order.level, order.previous, order.side), (slot, before, side));
            assert!((1..=order.quantity).contains(&order.remaining));
            assert_eq!(self.find(order.id), Some(order_slot), "the locator lost an order");
            let is_hidden = order.traits.has(Traits::HIDDEN);
            if before != NONE {
                let was_hidden = self.orders[before].traits.has(Traits::HIDDEN);
                let place = |hidden, slot| (hidden, self.priority(slot));
                assert!(place(was_hidden, before) < place(is_hidden, order_slot), "out of order");
            }
            if !is_hidden {
                assert!((1..=order.remaining).contains(&self.displayed(order_slot)));
                quantity += self.displayed(order_slot);
                displayed += 1;
                displayed_tail = order_slot;
            }
            before = order_slot;
        }
        assert_eq!((level.tail, level.displayed_tail), (before, displayed_tail));
        assert_eq!((level.quantity, level.orders), (quantity, displayed));
        assert!(before != NONE, "a level without orders");
        rank
    }
}
