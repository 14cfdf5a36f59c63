//! How an open order is changed.

use super::orders::is_of_book;
use super::{Answer, NaiveExchange};
use crate::outcome::Order;
use crate::{CancelReason, Event, OrderId, OrderType, Outcome, RejectReason};

/// Whether an open order can be replaced.
pub(super) fn is_replaceable(order: &Order) -> bool {
    matches!(order.terms.order_type, OrderType::Limit | OrderType::StopLimit | OrderType::Pegged)
}

impl NaiveExchange {
    /// Gives an open order a new price or quantity, 0 for the old one.
    pub(super) fn replace(&mut self, id: OrderId, price_ticks: i64, quantity: i64) -> Answer {
        let old = self.order(id).expect("checked");
        let price_ticks = if price_ticks == 0 { old.price_ticks } else { price_ticks };
        let quantity = if quantity == 0 { old.quantity } else { quantity };
        if quantity <= old.filled {
            self.cancel(id, CancelReason::Requested);
            return Answer::Order(id);
        }
        if price_ticks == old.price_ticks && quantity <= old.quantity {
            if quantity < old.quantity {
                self.reduce(id, old.quantity - quantity);
            }
            return Answer::Order(id);
        }

        let mut new = Order { price_ticks, quantity, remaining: quantity - old.filled, ..old };
        let has_place = self.slide(&mut new);
        let reason = self.reject_reason(&new, Some(&old), true, has_place);
        if reason != RejectReason::None {
            self.events.push(Event::ReplaceRejected { order_id: id, reason });
            return Answer::Fixed(Outcome::Order(Order { reject_reason: reason, ..old }));
        }
        self.events.push(Event::Replaced {
            order_id: id,
            instrument: new.instrument,
            side: old.side,
            old_price_ticks: old.price_ticks,
            price_ticks: new.price_ticks,
            quantity,
        });
        *self.order_mut(id) = Order { displayed: 0, priority: self.own_priority(), ..new };
        debug_assert_eq!(is_of_book(&old), is_of_book(&new));
        self.enter(id, 0);
        Answer::Order(id)
    }
}
