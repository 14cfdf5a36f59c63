//! Orders whose turn comes by what others did: stop, pegged and all-or-none orders.

use super::Engine;
use super::makers::Quotes;
use crate::outcome::{CancelReason, Order};
use crate::slots::Slot;
use crate::terms::OrderType;
use crate::{Event, InstrumentId, InstrumentPhase, OrderStatus, Side};

impl Engine {
    /// Settles what a command about one order touched; the order as it stands then.
    pub(super) fn settle_after(&mut self, order: Order, events: &mut Vec<Event>) -> Order {
        self.running.touched.insert(order.instrument);
        self.running.subject = order.order_id;
        self.running.ended = None;
        self.settle_touched(events);
        match self.books.find(order.order_id) {
            Some(slot) => Order { reject_reason: order.reject_reason, ..self.describe(slot) },
            None => self.running.ended.take().unwrap_or(order),
        }
    }

    /// Settles the instruments that the command touched, and those that this touches.
    pub(super) fn settle_touched(&mut self, events: &mut Vec<Event>) {
        while let Some(instrument) = self.running.touched.pop_first() {
            self.settle(instrument, events);
        }
    }

    /// Gives everybody who waits outside of the book their turn, until it is nobody's.
    pub(super) fn settle(&mut self, instrument: InstrumentId, events: &mut Vec<Event>) {
        loop {
            let book = self.books.book(instrument);
            if !book.has_waiting || book.phase != InstrumentPhase::Continuous {
                return;
            }
            self.move_trailing_stops(instrument, events);
            let quotes = self.quotes(instrument);
            let had_turn = self.trigger_next_stop(instrument, &quotes, events)
                || self.match_next_pegged(instrument, &quotes, events)
                || self.match_next_all_or_none(instrument, &quotes, events);
            if !had_turn {
                return;
            }
        }
    }

    /// Lets trailing stops follow the last trade.
    fn move_trailing_stops(&mut self, instrument: InstrumentId, events: &mut Vec<Event>) {
        let book = self.books.book(instrument);
        let market = book.state.last_price_ticks;
        if market == 0 || book.waiting.trailing.is_empty() {
            return;
        }
        let maximum = book.maximum_price_ticks;
        let trailing: Vec<_> = book.waiting.trailing.iter().copied().collect();
        for order_id in trailing {
            let slot = self.books.find(order_id).expect("it waits");
            let side = self.books.orders[slot].side;
            let details = *self.books.details(slot).expect("a trailing stop has details");
            let stop_price = details.terms.stop_price_ticks;
            let moved = match side {
                Side::Buy => (market + details.terms.trail_ticks).min(stop_price),
                Side::Sell => (market - details.terms.trail_ticks).max(stop_price),
            };
            let moved = moved.clamp(1, maximum);
            if moved == stop_price {
                continue;
            }
            let price_ticks = (details.price_ticks + moved - stop_price).clamp(1, maximum);
            let remaining = self.books.orders[slot].remaining;
            self.books.leave_waiting(instrument, slot);
            self.give_back(slot, details.price_ticks, remaining, 0);
            let details = self.books.details_mut(slot);
            details.terms.stop_price_ticks = moved;
            details.price_ticks = price_ticks;
            self.withhold(slot, price_ticks, remaining);
            self.books.enter_waiting(instrument, slot);
            let event = Event::StopMoved { order_id, stop_price_ticks: moved, price_ticks };
            self.record(events, event);
        }
    }

    fn trigger_next_stop(
        &mut self,
        instrument: InstrumentId,
        quotes: &Quotes,
        events: &mut Vec<Event>,
    ) -> bool {
        let book = self.books.book(instrument);
        let last_trade = Some(book.state.last_price_ticks).filter(|price| *price != 0);
        let reached = book
            .waiting
            .next_reached(Side::Buy, last_trade, quotes.ask)
            .or_else(|| book.waiting.next_reached(Side::Sell, last_trade, quotes.bid));
        let Some(order_id) = reached else { return false };
        let slot = self.books.find(order_id).expect("it waits");
        self.books.leave_waiting(instrument, slot);
        self.books.details_mut(slot).triggered = true;
        self.record(events, Event::Triggered { order_id, instrument });

        let is_limit = self.books.terms(slot).order_type == OrderType::StopLimit;
        let mut incoming = self.incoming(slot, self.books.price_ticks(slot));
        let quotes = self.quotes(instrument);
        self.match_incoming(&mut incoming, &quotes, events);
        if incoming.cancelled != CancelReason::None {
            return true;
        }
        if incoming.remaining == 0 {
            self.end(slot, OrderStatus::Filled, CancelReason::None);
        } else if !is_limit {
            let reason = if incoming.halted {
                CancelReason::VolatilityHalt
            } else {
                CancelReason::Immediate
            };
            self.cancel_slot(slot, reason, events);
        } else {
            self.rest_triggered(instrument, slot, events);
        }
        true
    }

    /// Puts what is left of a stop-limit order into the book, if there is room.
    fn rest_triggered(&mut self, instrument: InstrumentId, slot: Slot, events: &mut Vec<Event>) {
        let side = self.books.orders[slot].side;
        let price_ticks = self.books.price_ticks(slot);
        let has_level = !self.books.lacks_level(instrument, side, price_ticks);
        match has_level.then(|| self.next_priority()).flatten() {
            Some(priority) => {
                self.books.details_mut(slot).priority = priority;
                self.rest_in_book(slot, events);
            }
            None => self.cancel_slot(slot, CancelReason::NoRoom, events),
        }
    }

    fn match_next_pegged(
        &mut self,
        instrument: InstrumentId,
        quotes: &Quotes,
        events: &mut Vec<Event>,
    ) -> bool {
        let pegged = &self.books.book(instrument).waiting.pegged;
        let mut by_priority: Vec<(u64, Slot)> = pegged.iter().flatten().copied().collect();
        by_priority.sort_unstable();
        for (_, slot) in by_priority {
            let Some(limit_ticks) = self.effective_price(slot, quotes) else { continue };
            let mut incoming = self.incoming(slot, limit_ticks);
            if self.next_maker(&incoming, quotes).is_some() {
                self.match_incoming(&mut incoming, quotes, events);
                if incoming.cancelled == CancelReason::None && incoming.remaining == 0 {
                    self.end(slot, OrderStatus::Filled, CancelReason::None);
                }
                return true;
            }
        }
        false
    }

    fn match_next_all_or_none(
        &mut self,
        instrument: InstrumentId,
        quotes: &Quotes,
        events: &mut Vec<Event>,
    ) -> bool {
        let all_or_none = &self.books.book(instrument).waiting.all_or_none;
        let next = all_or_none.iter().flatten().map(|(_, _, slot)| *slot).find(|slot| {
            let incoming = self.incoming(*slot, self.books.price_ticks(*slot));
            self.is_feasible(&incoming, incoming.remaining, quotes)
        });
        let Some(slot) = next else { return false };
        let mut incoming = self.incoming(slot, self.books.price_ticks(slot));
        self.match_incoming(&mut incoming, quotes, events);
        assert!(incoming.remaining == 0, "what is feasible trades as a whole");
        self.end(slot, OrderStatus::Filled, CancelReason::None);
        true
    }
}
