//! Stop, pegged and all-or-none orders whose turn has come.

use super::NaiveExchange;
use super::orders::{best_first, is_of_book};
use crate::outcome::Order;
use crate::{
    CancelReason, Event, InstrumentId, InstrumentPhase, OrderId, OrderType, Side, Trigger,
};

/// Whether an order waits for its stop price.
fn waits_for_stop(order: &Order) -> bool {
    order.terms.order_type.is_stop() && !order.triggered
}

impl NaiveExchange {
    /// Settles all instruments. One in which nothing happened is settled already, so which
    /// ones the command touched does not matter.
    pub(super) fn settle(&mut self) {
        while self.instrument_ids().any(|instrument| self.settle_one(instrument)) {}
    }

    /// Whether anything had to be done.
    fn settle_one(&mut self, instrument: InstrumentId) -> bool {
        let events_before = self.events.len();
        while self.phase(instrument) == InstrumentPhase::Continuous
            && self.orders_of(instrument).any(|order| !is_of_book(order))
        {
            self.move_trailing_stops(instrument);
            let next_stop = self.next_stop(instrument);
            let next_pegged = || self.next_pegged(instrument);
            let next_all_or_none = || self.next_all_or_none(instrument);
            if let Some(id) = next_stop {
                self.trigger(id);
            } else if let Some(id) = next_pegged().or_else(next_all_or_none) {
                self.match_order(id);
            } else {
                break;
            }
        }
        self.events.len() > events_before
    }

    fn move_trailing_stops(&mut self, instrument: InstrumentId) {
        let market = self.state(instrument).last_price_ticks;
        if market == 0 {
            return;
        }
        let trailing: Vec<Order> = self
            .orders_of(instrument)
            .filter(|order| order.terms.order_type == OrderType::TrailingStop)
            .copied()
            .collect();
        for order in trailing {
            let trail = order.terms.trail_ticks;
            let kept = |price| self.kept_in_range(instrument, price);
            let (stop, follows) = match order.side {
                Side::Buy => {
                    let stop = kept(market + trail);
                    (stop, stop < order.terms.stop_price_ticks)
                }
                Side::Sell => {
                    let stop = kept(market - trail);
                    (stop, stop > order.terms.stop_price_ticks)
                }
            };
            if follows {
                let moved_by = stop - order.terms.stop_price_ticks;
                let price_ticks = kept(order.price_ticks + moved_by);
                let order_id = order.order_id;
                let order = self.order_mut(order_id);
                order.terms.stop_price_ticks = stop;
                order.price_ticks = price_ticks;
                self.events.push(Event::StopMoved {
                    order_id,
                    stop_price_ticks: stop,
                    price_ticks,
                });
            }
        }
    }

    /// The next stop order that is reached.
    fn next_stop(&self, instrument: InstrumentId) -> Option<OrderId> {
        let last = self.state(instrument).last_price_ticks;
        self.orders_of(instrument)
            .filter(|order| waits_for_stop(order))
            .filter(|order| {
                let quote = match order.terms.trigger {
                    Trigger::LastTrade => None,
                    Trigger::BestQuote => self.quote(instrument, order.side.opposite()),
                };
                let stop = order.terms.stop_price_ticks;
                let mut prices = (last != 0).then_some(last).into_iter().chain(quote);
                match order.side {
                    Side::Buy => prices.any(|price| price >= stop),
                    Side::Sell => prices.any(|price| price <= stop),
                }
            })
            .min_by_key(|order| {
                // The lowest stop price of the buys, the highest of the sells.
                let stop = best_first(order.side.opposite(), order.terms.stop_price_ticks);
                (order.side as u8, stop, order.order_id)
            })
            .map(|order| order.order_id)
    }

    fn trigger(&mut self, id: OrderId) {
        let order = self.order_mut(id);
        order.triggered = true;
        let instrument = order.instrument;
        self.events.push(Event::Triggered { order_id: id, instrument });
        let was_halted = self.match_order(id);
        let Some(order) = self.order(id) else { return };
        if order.terms.order_type == OrderType::StopLimit {
            let has_room = self.has_room_for_level(&order, id);
            match has_room.then(|| self.next_priority()).flatten() {
                Some(priority) => {
                    self.order_mut(id).priority = priority;
                    self.rest(id);
                }
                None => self.cancel(id, CancelReason::NoRoom),
            }
        } else {
            self.cancel_rest(id, was_halted);
        }
    }

    /// The first pegged order to which some maker is acceptable.
    fn next_pegged(&self, instrument: InstrumentId) -> Option<OrderId> {
        let quotes = self.quotes(instrument);
        self.orders_of(instrument)
            .filter(|order| order.terms.order_type == OrderType::Pegged)
            .filter(|order| self.first_acceptable(order, &quotes).is_some())
            .min_by_key(|order| order.priority)
            .map(|order| order.order_id)
    }

    /// The first all-or-none order that can trade as a whole.
    fn next_all_or_none(&self, instrument: InstrumentId) -> Option<OrderId> {
        self.orders_of(instrument)
            .filter(|order| order.terms.all_or_none)
            .filter(|order| self.is_feasible(order, order.remaining))
            .min_by_key(|order| {
                let price = best_first(order.side, order.price_ticks);
                (order.side as u8, price, order.priority)
            })
            .map(|order| order.order_id)
    }
}
