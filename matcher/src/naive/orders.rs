//! What happens to one order.

use super::{Answer, NaiveExchange};
use crate::outcome::{Order, Trade};
use crate::{
    AccountId, CancelReason, ClientOrderId, Event, InstrumentId, Liquidity, OrderId, OrderStatus,
    OrderType, Outcome, PRIORITY_BITS, Sequence, Side,
};

/// Whether an order is one of the book rather than one that waits beside it.
pub(super) fn is_of_book(order: &Order) -> bool {
    match order.terms.order_type {
        OrderType::Limit => !order.terms.all_or_none,
        OrderType::Market => true,
        OrderType::Stop | OrderType::StopLimit | OrderType::TrailingStop => order.triggered,
        OrderType::Pegged => false,
    }
}

/// What an order shows when it comes to rest.
pub(super) fn shown(order: &Order) -> i64 {
    if order.terms.hidden || !is_of_book(order) {
        0
    } else if order.terms.display_quantity > 0 {
        order.remaining.min(order.terms.display_quantity)
    } else {
        order.remaining
    }
}

impl NaiveExchange {
    /// An open order.
    pub(super) fn order(&self, id: OrderId) -> Option<Order> {
        let instrument = self.instrument_of.get(&id)?;
        self.open_orders[*instrument as usize - 1].get(&id).copied()
    }

    pub(super) fn order_mut(&mut self, id: OrderId) -> &mut Order {
        let instrument = self.instrument_of[&id];
        self.open_orders[instrument as usize - 1].get_mut(&id).expect("it is open")
    }

    /// All open orders, by instrument and id.
    pub(super) fn all_orders(&self) -> impl Iterator<Item = &Order> {
        self.open_orders.iter().flat_map(|orders| orders.values())
    }

    /// The open orders of an instrument, by id.
    pub(super) fn orders_of(&self, instrument: InstrumentId) -> impl Iterator<Item = &Order> {
        self.open_orders[instrument as usize - 1].values()
    }

    /// The newest open order that an account gave this name.
    pub(super) fn client_order(&self, account: AccountId, name: ClientOrderId) -> Option<OrderId> {
        self.all_orders()
            .filter(|order| order.account == account)
            .filter(|order| order.terms.client_order_id == Some(name))
            .map(|order| order.order_id)
            .max()
    }

    /// An order is open from here on.
    pub(super) fn add(&mut self, order: Order) {
        self.instrument_of.insert(order.order_id, order.instrument);
        self.open_orders[order.instrument as usize - 1].insert(order.order_id, order);
    }

    /// An order is not open any more.
    fn end(&mut self, id: OrderId, status: OrderStatus, reason: CancelReason) {
        let instrument = self.instrument_of.remove(&id).expect("it is open");
        let mut order = self.open_orders[instrument as usize - 1].remove(&id).expect("it is open");
        if order.terms.linked_order != 0 {
            self.order_mut(order.terms.linked_order).terms.linked_order = 0;
        }
        order.terms.linked_order = 0;
        order.remaining = 0;
        order.displayed = 0;
        order.status = status;
        order.cancel_reason = reason;
        self.finished.insert(id, order);
    }

    pub(super) fn cancel(&mut self, id: OrderId, reason: CancelReason) {
        let order = self.order(id).expect("it is open");
        self.events.push(Event::Cancelled {
            order_id: id,
            instrument: order.instrument,
            side: order.side,
            price_ticks: order.price_ticks,
            quantity: order.remaining,
            reason,
        });
        self.end(id, OrderStatus::of_cancelled(reason), reason);
    }

    /// Cancels the orders that `fits`, by instrument and id.
    pub(super) fn cancel_all(
        &mut self,
        reason: CancelReason,
        fits: impl Fn(&Self, &Order) -> bool,
    ) -> Answer {
        let ids: Vec<OrderId> = self
            .all_orders()
            .filter(|order| fits(self, order))
            .map(|order| order.order_id)
            .collect();
        for &id in &ids {
            self.cancel(id, reason);
        }
        Answer::Fixed(Outcome::Cancelled(ids.len() as u32))
    }

    /// Takes a part away, of an iceberg order what it does not show first.
    pub(super) fn reduce(&mut self, id: OrderId, by: i64) {
        let order = self.order_mut(id);
        order.quantity -= by;
        order.remaining -= by;
        order.displayed = order.displayed.min(order.remaining);
        self.tell_reduced(id);
    }

    pub(super) fn tell_reduced(&mut self, id: OrderId) {
        let order = self.order(id).expect("it is open");
        self.events.push(Event::Reduced {
            order_id: id,
            instrument: order.instrument,
            side: order.side,
            price_ticks: order.price_ticks,
            remaining: order.remaining,
        });
    }

    pub(super) fn tell_rested(&mut self, id: OrderId) {
        let order = self.order(id).expect("it is open");
        self.events.push(Event::Rested {
            order_id: id,
            instrument: order.instrument,
            side: order.side,
            price_ticks: order.price_ticks,
            remaining: order.remaining,
        });
    }

    /// The place of the order that the present command places or replaces.
    pub(super) fn own_priority(&self) -> Sequence {
        self.counters.sequence << PRIORITY_BITS
    }

    /// The place of one more order that goes to the tail of a level, if there is one left.
    pub(super) fn next_priority(&mut self) -> Option<Sequence> {
        if self.queued + 1 == 1 << PRIORITY_BITS {
            return None;
        }
        self.queued += 1;
        Some(self.own_priority() | self.queued)
    }

    /// An iceberg order that shows nothing any more shows its next part, at the tail.
    pub(super) fn refill_if_used_up(&mut self, id: OrderId) {
        let Some(order) = self.order(id) else { return };
        if order.terms.display_quantity == 0 || order.displayed > 0 {
            return;
        }
        let Some(priority) = self.next_priority() else {
            self.cancel(id, CancelReason::NoRoom);
            return;
        };
        let displayed = shown(&order);
        let order = self.order_mut(id);
        order.displayed = displayed;
        order.priority = priority;
        self.events.push(Event::Refilled { order_id: id, displayed });
    }

    /// Two open orders trade. What the maker shows is left to the caller.
    pub(super) fn trade(
        &mut self,
        maker_id: OrderId,
        taker_id: OrderId,
        price_ticks: i64,
        quantity: i64,
        in_auction: bool,
    ) {
        for id in [maker_id, taker_id] {
            let order = self.order_mut(id);
            order.remaining -= quantity;
            order.filled += quantity;
            order.turnover_ticks += price_ticks * quantity;
            order.status = OrderStatus::PartiallyFilled;
        }
        let maker = self.order(maker_id).expect("it is open");
        let taker = self.order(taker_id).expect("it is open");
        let (maker_part, taker_part) = if in_auction {
            (Liquidity::Auction, Liquidity::Auction)
        } else {
            (Liquidity::Maker, Liquidity::Taker)
        };
        let value = self.value(maker.instrument, price_ticks, quantity);
        let maker_fee = self.fee(maker.fee_schedule, maker_part, value);
        let taker_fee = self.fee(taker.fee_schedule, taker_part, value);
        self.pay(&maker, price_ticks, quantity, maker_fee);
        self.pay(&taker, price_ticks, quantity, taker_fee);
        self.states[maker.instrument as usize - 1].last_price_ticks = price_ticks;

        self.counters.last_trade_id += 1;
        self.events.push(Event::Trade(Trade {
            trade_id: self.counters.last_trade_id,
            instrument: maker.instrument,
            taker_side: taker.side,
            in_auction,
            price_ticks,
            quantity,
            maker_order_id: maker_id,
            taker_order_id: taker_id,
            maker_account: maker.account,
            taker_account: taker.account,
            maker_remaining: maker.remaining,
            maker_fee,
            taker_fee,
        }));
        for order in [maker, taker] {
            if order.remaining == 0 {
                self.end(order.order_id, OrderStatus::Filled, CancelReason::None);
            }
        }
    }

    /// Cancels what an order was linked with that has traded, if that is still open.
    pub(super) fn cancel_linked(&mut self, linked_order: OrderId) {
        if self.order(linked_order).is_some() {
            self.cancel(linked_order, CancelReason::LinkedOrder);
        }
    }

    /// The orders of one side of a book, in the order in which they trade.
    pub(super) fn book_side(&self, instrument: InstrumentId, side: Side) -> Vec<Order> {
        let mut orders: Vec<Order> = self
            .orders_of(instrument)
            .filter(|order| order.side == side && is_of_book(order))
            .copied()
            .collect();
        orders.sort_by_key(|order| {
            (best_first(side, order.price_ticks), order.terms.hidden, order.priority)
        });
        orders
    }
}

/// Sorts the prices of a side, the best first.
pub(super) fn best_first(side: Side, price_ticks: i64) -> i64 {
    match side {
        Side::Buy => -price_ticks,
        Side::Sell => price_ticks,
    }
}
