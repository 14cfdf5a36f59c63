//! Cancelling, reducing and replacing open orders.

use super::Engine;
use super::makers::Incoming;
use super::reject::Request;
use crate::book::{OpenOrder, first_priority};
use crate::outcome::{CancelReason, Order, OrderStatus, Outcome, RejectReason};
use crate::slots::{NONE, Slot};
use crate::terms::{OrderType, TimeInForce};
use crate::{
    AccountId, Event, InstrumentId, InstrumentPhase, ParticipantId, SessionId, Side, VENUE,
};

impl Engine {
    /// The account of an open order.
    #[inline(always)]
    pub(super) fn account_of(&self, slot: Slot) -> AccountId {
        self.positions.holdings[self.books.orders[slot].position].account
    }

    #[inline(always)]
    pub(super) fn cancel(&mut self, slot: Slot, events: &mut Vec<Event>) -> Outcome {
        let order = self.describe(slot);
        self.cancel_slot(slot, CancelReason::Requested, events);
        self.running.touched.insert(order.instrument);
        self.settle_touched(events);
        Outcome::Order(order.ended(OrderStatus::Cancelled, CancelReason::Requested))
    }

    pub(super) fn reduce(&mut self, slot: Slot, by: i64, events: &mut Vec<Event>) -> Outcome {
        self.shrink(slot, by, false);
        self.tell_reduced(slot, events);
        let order = self.describe(slot);
        Outcome::Order(self.settle_after(order, events))
    }

    /// Changes limit and quantity of an open order; 0 keeps either.
    pub(super) fn replace(
        &mut self,
        slot: Slot,
        price_ticks: i64,
        quantity: i64,
        events: &mut Vec<Event>,
    ) -> Outcome {
        let order = self.books.orders[slot];
        let old_price = self.books.price_ticks(slot);
        let price_ticks = if price_ticks == 0 { old_price } else { price_ticks };
        let quantity = if quantity == 0 { order.quantity } else { quantity };
        let remaining = quantity - order.filled();
        if remaining <= 0 {
            return self.cancel(slot, events);
        }
        if price_ticks == old_price && quantity < order.quantity {
            return self.reduce(slot, order.quantity - quantity, events);
        }
        if price_ticks == old_price && quantity == order.quantity {
            return Outcome::Order(self.describe(slot));
        }

        let terms = *self.books.terms(slot);
        let is_triggered = self.books.details(slot).is_some_and(|details| details.triggered);
        let mut request = Request {
            instrument: self.instrument_of(slot),
            account: self.account_of(slot),
            side: order.side,
            time_in_force: order.time_in_force,
            terms: &terms,
            order_type: if is_triggered { OrderType::Limit } else { terms.order_type },
            price_ticks,
            quantity,
            remaining,
            is_worked_out: false,
            replaces: slot,
        };
        let would_take = self.slide(&mut request);
        let price_ticks = request.price_ticks;
        let reason = self.reject_reason(&request, would_take);
        if reason != RejectReason::None {
            let event = Event::ReplaceRejected { order_id: order.id, reason };
            self.record(events, event);
            return Outcome::Order(Order { reject_reason: reason, ..self.describe(slot) });
        }
        self.re_enter(slot, price_ticks, quantity, events);
        let found = self.books.find(order.id);
        let order = match found {
            Some(slot) => self.describe(slot),
            None => self.running.ended.take().expect("it ended just now"),
        };
        Outcome::Order(self.settle_after(order, events))
    }

    /// Takes an order out of its place and enters it with another price and quantity.
    fn re_enter(&mut self, slot: Slot, price_ticks: i64, quantity: i64, events: &mut Vec<Event>) {
        let before = self.books.orders[slot];
        let instrument = self.instrument_of(slot);
        let order_id = before.id;
        self.running.subject = order_id;
        let (side, old_price_ticks) = (before.side, self.books.price_ticks(slot));
        let event =
            Event::Replaced { order_id, instrument, side, old_price_ticks, price_ticks, quantity };
        self.record(events, event);

        self.give_back(slot, old_price_ticks, before.remaining, 0);
        // Its trades so far count at its old price; from here on at its new one.
        let details = self.books.details_mut(slot);
        details.improvement_ticks += (old_price_ticks - price_ticks) * before.filled();
        self.leave_place(slot);
        let details = self.books.details_mut(slot);
        details.price_ticks = price_ticks;
        details.priority = first_priority(self.counters.sequence);
        let is_waiting = details.terms.order_type.is_stop() && !details.triggered
            || details.terms.order_type == OrderType::Pegged
            || details.terms.all_or_none;
        let remaining = quantity - before.filled();
        let order = &mut self.books.orders[slot];
        order.quantity = quantity;
        order.remaining = remaining;
        self.withhold(slot, price_ticks, remaining);

        if is_waiting {
            self.books.enter_waiting(instrument, slot);
            self.tell_rested(slot, events);
        } else if self.books.book(instrument).phase == InstrumentPhase::Continuous {
            let terms = *self.books.terms(slot);
            let mut incoming = self.incoming(slot, price_ticks);
            self.enter(&mut incoming, before.time_in_force, &terms, events);
            self.after_match(&incoming, events);
        } else {
            self.rest_in_book(slot, events);
        }
    }

    /// An open order on its way into the book, out of which it was taken.
    pub(super) fn incoming(&self, slot: Slot, limit_ticks: i64) -> Incoming {
        let OpenOrder { id, position, side, fee_schedule, traits, quantity, remaining, .. } =
            self.books.orders[slot];
        let holding = &self.positions.holdings[position];
        Incoming {
            order_id: id,
            slot,
            position,
            instrument: holding.instrument,
            account: holding.account,
            side,
            prevention: traits.prevention(),
            fee_schedule,
            limit_ticks,
            price_ticks: self.books.price_ticks(slot),
            linked_order: self.books.linked_order(slot),
            quantity,
            remaining,
            turnover_ticks: 0,
            cancelled: CancelReason::None,
            halted: false,
        }
    }

    /// An open order went through a match: it ended there, ends now, or rests in the book.
    pub(super) fn after_match(&mut self, incoming: &Incoming, events: &mut Vec<Event>) {
        if incoming.cancelled != CancelReason::None {
            return;
        }
        if incoming.remaining == 0 {
            self.end(incoming.slot, OrderStatus::Filled, CancelReason::None);
        } else {
            self.rest_in_book(incoming.slot, events);
        }
    }

    /// Puts an open order that is nowhere at the tail of its level.
    pub(super) fn rest_in_book(&mut self, slot: Slot, events: &mut Vec<Event>) {
        let price_ticks = self.books.price_ticks(slot);
        let remaining = self.books.orders[slot].remaining;
        if self.books.orders[slot].details != NONE {
            let details = self.books.details_mut(slot);
            details.displayed = details.terms.display_quantity.min(remaining);
        }
        self.books.enter_level(self.instrument_of(slot), slot, price_ticks);
        self.tell_rested(slot, events);
    }

    pub(super) fn tell_rested(&mut self, slot: Slot, events: &mut Vec<Event>) {
        let OpenOrder { id: order_id, side, remaining, .. } = self.books.orders[slot];
        let instrument = self.instrument_of(slot);
        let price_ticks = self.books.price_ticks(slot);
        self.record(events, Event::Rested { order_id, instrument, side, price_ticks, remaining });
    }

    /// Cancels all open orders that fit.
    pub(super) fn cancel_orders(
        &mut self,
        participant: ParticipantId,
        account: AccountId,
        instrument: InstrumentId,
        side: Option<Side>,
        events: &mut Vec<Event>,
    ) -> Outcome {
        let is_meant = |slot: &Slot| {
            let holding = &self.positions.holdings[*slot];
            (instrument == 0 || holding.instrument == instrument)
                && (participant == VENUE
                    || self.registry.account(holding.account).map(|entry| entry.owner)
                        == Some(participant))
        };
        let of = (account != 0).then_some(account);
        let positions: Vec<Slot> = self.positions.slots(of).filter(is_meant).collect();
        let orders = positions.into_iter().flat_map(|position| self.orders_of(position));
        let orders: Vec<Slot> = orders
            .filter(|slot| side.is_none_or(|side| self.books.orders[*slot].side == side))
            .collect();
        self.cancel_all(orders, CancelReason::Requested, events)
    }

    /// Cancels orders, by instrument and order id.
    pub(super) fn cancel_all(
        &mut self,
        mut slots: Vec<Slot>,
        reason: CancelReason,
        events: &mut Vec<Event>,
    ) -> Outcome {
        slots.sort_unstable_by_key(|slot| (self.instrument_of(*slot), self.books.orders[*slot].id));
        for slot in &slots {
            self.running.touched.insert(self.instrument_of(*slot));
            self.cancel_slot(*slot, reason, events);
        }
        Outcome::Cancelled(slots.len() as u32)
    }

    /// Cancels the orders that are bound to a session; 0: to any.
    pub(super) fn end_session(&mut self, session: SessionId, events: &mut Vec<Event>) -> Outcome {
        let slots = self.open_slots(|engine, slot| {
            let bound = engine.books.terms(slot).session;
            bound != 0 && (session == 0 || bound == session)
        });
        self.cancel_all(slots, CancelReason::SessionEnded, events)
    }

    /// The open orders that fit, of all instruments.
    pub(crate) fn open_slots(&self, fits: impl Fn(&Self, Slot) -> bool) -> Vec<Slot> {
        let instruments = 1..=self.books.len() as InstrumentId;
        let slots = instruments.flat_map(|instrument| self.books.open_slots(instrument));
        slots.filter(|slot| fits(self, *slot)).collect()
    }

    /// Whether an order ends with the market.
    pub(super) fn ends_with_market(&self, slot: Slot) -> bool {
        self.books.orders[slot].time_in_force == TimeInForce::Day
            || self.books.terms(slot).order_type == OrderType::Market
    }
}
