//! Books from best to worst.

use super::{Books, Level, Traits};
use crate::outcome::Order;
use crate::slots::{NONE, Slot};
use crate::{InstrumentId, PriceLevel, Side};

impl Books {
    /// The next worse level of a side.
    pub(super) fn next_level(&self, instrument: InstrumentId, side: Side, price: u32) -> Slot {
        let ladder = &self.book(instrument).ladders[side as usize];
        match side {
            Side::Buy => ladder.next_below(&self.pages, price),
            Side::Sell => ladder.next_above(&self.pages, price),
        }
    }

    /// The levels of a side, best first; none if there is no such instrument.
    pub(crate) fn level_slots(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = Slot> + '_ {
        let best = self.get(instrument).map_or(NONE, |book| book.best_level[side as usize]);
        std::iter::successors((best != NONE).then_some(best), move |&slot| {
            let next = self.next_level(instrument, side, self.levels[slot].price);
            (next != NONE).then_some(next)
        })
    }

    /// The levels of a side that display something, best first.
    pub(crate) fn displayed_levels(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = PriceLevel> + '_ {
        self.level_slots(instrument, side).filter_map(|slot| self.displayed_at(slot))
    }

    /// What is displayed at a price.
    pub(crate) fn displayed_level(
        &self,
        instrument: InstrumentId,
        side: Side,
        price_ticks: i64,
    ) -> Option<PriceLevel> {
        let book = self.get(instrument)?;
        let is_price = (1..=book.maximum_price_ticks).contains(&price_ticks);
        let slot = if is_price {
            book.ladders[side as usize].get(&self.pages, price_ticks as u32)
        } else {
            NONE
        };
        (slot != NONE).then(|| self.displayed_at(slot)).flatten()
    }

    fn displayed_at(&self, slot: Slot) -> Option<PriceLevel> {
        let level = &self.levels[slot];
        (level.orders > 0).then(|| PriceLevel {
            price_ticks: level.price_ticks(),
            quantity: level.quantity,
            orders: level.orders,
        })
    }

    /// The best price that is displayed.
    pub(crate) fn best_displayed(&self, instrument: InstrumentId, side: Side) -> Option<i64> {
        self.displayed_levels(instrument, side).next().map(|level| level.price_ticks)
    }

    /// The orders of a level in the order in which they trade.
    pub(crate) fn order_slots(&self, level: &Level) -> impl Iterator<Item = Slot> + '_ {
        let head = (level.head != NONE).then_some(level.head);
        std::iter::successors(head, |&slot| {
            let next = self.orders[slot].next;
            (next != NONE).then_some(next)
        })
    }

    /// The priority of the last order that an order like this one would queue behind.
    pub(crate) fn last_priority(&self, order: &Order) -> Option<u64> {
        let ladder = &self.book(order.instrument).ladders[order.side as usize];
        let level = &self.levels[ladder.get(&self.pages, order.price_ticks as u32)];
        let last = if order.terms.hidden { level.tail } else { level.displayed_tail };
        let is_alike =
            last != NONE && self.orders[last].traits.has(Traits::HIDDEN) == order.terms.hidden;
        is_alike.then(|| self.priority(last))
    }

    /// The orders of a side in the order in which they trade, each with its price.
    pub(crate) fn queue_slots(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = (Slot, i64)> + '_ {
        self.level_slots(instrument, side).flat_map(|level| {
            let level = &self.levels[level];
            self.order_slots(level).map(move |slot| (slot, level.price_ticks()))
        })
    }

    /// The orders of an instrument that are not in its book.
    pub(crate) fn waiting_slots(&self, instrument: InstrumentId) -> Vec<Slot> {
        let Some(book) = self.get(instrument) else { return Vec::new() };
        let stops = book.waiting.stop_orders().map(|id| self.find(id).expect("it waits"));
        stops.chain(book.waiting.other_slots()).collect()
    }

    /// All open orders of an instrument, in no order.
    pub(crate) fn open_slots(&self, instrument: InstrumentId) -> Vec<Slot> {
        let mut slots = self.waiting_slots(instrument);
        for side in Side::ALL {
            slots.extend(self.queue_slots(instrument, side).map(|(slot, _)| slot));
        }
        slots
    }
}
