//! Books from best to worst.

use super::level::Level;
use super::pool::NONE;
use super::{Books, Slot};
use crate::outcome::Order;
use crate::{InstrumentId, PriceLevel, Side};

impl Books {
    /// The levels of a side, best first; none if there is no such instrument.
    pub(super) fn level_slots(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = Slot> + '_ {
        let book = self.books.get((instrument as usize).wrapping_sub(1));
        let best = book.map_or(NONE, |book| book.best_level[side as usize]);
        std::iter::successors((best != NONE).then_some(best), move |&slot| {
            let price = self.levels[slot].price;
            let next = match side {
                Side::Buy => book?.ladder.next_below(&self.pages, price),
                Side::Sell => book?.ladder.next_above(&self.pages, price),
            };
            // The tree holds both sides, but bids have only bids below, asks only asks above.
            (next != NONE).then_some(next)
        })
    }

    /// The levels of a side, best first.
    pub(crate) fn levels(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = PriceLevel> + '_ {
        self.level_slots(instrument, side).map(|slot| {
            let level = &self.levels[slot];
            PriceLevel {
                price_ticks: level.price_ticks(),
                quantity: level.quantity,
                orders: level.orders,
            }
        })
    }

    /// The orders of a level, oldest first.
    pub(super) fn order_slots(&self, level: &Level) -> impl Iterator<Item = Slot> + '_ {
        let head = (level.head != NONE).then_some(level.head);
        std::iter::successors(head, |&slot| {
            let next = self.orders[slot].next;
            (next != NONE).then_some(next)
        })
    }

    /// The orders of a side in the order in which they would trade.
    pub(crate) fn queue(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> impl Iterator<Item = Order> + '_ {
        self.level_slots(instrument, side)
            .flat_map(|level| self.order_slots(&self.levels[level]))
            .map(|slot| self.order(slot))
    }
}
