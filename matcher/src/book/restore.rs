//! Open orders out of the tables.

use super::open_order::OpenOrder;
use super::pool::NONE;
use super::{Books, rank};
use crate::outcome::Order;
use crate::restore::OrderFault;

impl Books {
    /// Whether the book can take an order that is well-formed by itself.
    pub(crate) fn check_restored(&self, order: &Order) -> Result<(), OrderFault> {
        let book = self.book(order.instrument);
        let opposite = order.side.opposite();
        if book.best_rank[opposite as usize] <= rank(opposite, order.price_ticks) {
            return Err(OrderFault::Crossed);
        }
        let level = book.ladder.get(&self.pages, order.price_ticks as u32);
        if level != NONE && self.orders[self.levels[level].tail].id > order.order_id {
            return Err(OrderFault::OutOfPriority);
        }
        if self.is_full() {
            return Err(OrderFault::TooManyOpenOrders);
        }
        if self.lacks_level(order.instrument, order.side, order.price_ticks) {
            return Err(OrderFault::TooManyPriceLevels);
        }
        Ok(())
    }

    /// Puts an order that passed [`Books::check_restored`] at the tail of its level.
    pub(crate) fn restore(&mut self, order: &Order) {
        let open = OpenOrder {
            id: order.order_id,
            remaining: order.remaining,
            quantity: order.quantity,
            improvement_ticks: order.turnover_ticks - order.price_ticks * order.filled,
            created_at_us: order.created_at_us,
            account: order.account,
            ..OpenOrder::default()
        };
        self.append(order.instrument, order.side, order.price_ticks as u32, open);
    }
}
