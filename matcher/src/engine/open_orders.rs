//! What becomes of open orders: they trade, shrink, show their next part, and end.

use super::Engine;
use super::makers::Incoming;
use crate::book::{OpenOrder, Traits};
use crate::outcome::{CancelReason, Order, OrderStatus};
use crate::slots::{NONE, Slot};
use crate::terms::{OrderType, TimeInForce};
use crate::{Event, OrderId, PRIORITY_BITS};

impl Engine {
    /// An open order traded.
    #[inline(always)]
    pub(super) fn fill(&mut self, slot: Slot, quantity: i64, price_ticks: i64) {
        let limit_ticks = self.books.price_ticks(slot);
        let before = self.books.orders[slot].remaining;
        self.give_back(slot, limit_ticks, before, before - quantity);
        self.take_from_level(slot, quantity);
        self.books.orders[slot].remaining -= quantity;
        if price_ticks != limit_ticks {
            self.books.details_mut(slot).improvement_ticks +=
                (price_ticks - limit_ticks) * quantity;
        }
    }

    /// What trades of an order in a level is displayed no more.
    #[inline(always)]
    fn take_from_level(&mut self, slot: Slot, quantity: i64) {
        let order = &self.books.orders[slot];
        if order.level == NONE || order.traits.has(Traits::HIDDEN) {
            return;
        }
        let (level, is_iceberg) = (order.level, order.traits.has(Traits::ICEBERG));
        let shown = if is_iceberg {
            let remaining = order.remaining - quantity;
            let details = self.books.details_mut(slot);
            let before = details.displayed;
            // In an auction more than what is shown may trade.
            details.displayed = (before - quantity).max(0).min(remaining);
            before - details.displayed
        } else {
            quantity
        };
        self.books.levels[level].quantity -= shown;
    }

    /// Makes an open order smaller, of an iceberg order (unless `shown_first`) first what it
    /// does not show.
    pub(super) fn shrink(&mut self, slot: Slot, by: i64, shown_first: bool) {
        let limit_ticks = self.books.price_ticks(slot);
        let before = self.books.orders[slot].remaining;
        assert!(by > 0 && by < before);
        self.give_back(slot, limit_ticks, before, before - by);
        let displayed = self.books.displayed(slot);
        let is_iceberg = self.books.orders[slot].traits.has(Traits::ICEBERG);
        let from_shown =
            if is_iceberg && !shown_first { (by - (before - displayed)).max(0) } else { by };
        if from_shown > 0 {
            self.take_from_level(slot, from_shown);
        }
        let order = &mut self.books.orders[slot];
        order.remaining -= by;
        order.quantity -= by;
    }

    /// Shows the next part of an iceberg order that shows nothing any more, at the tail of
    /// its level.
    #[inline(always)]
    pub(super) fn refill_if_empty(&mut self, slot: Slot, events: &mut Vec<Event>) {
        if self.books.orders[slot].traits.has(Traits::ICEBERG) && self.books.displayed(slot) == 0 {
            self.refill(slot, events);
        }
    }

    #[cold]
    fn refill(&mut self, slot: Slot, events: &mut Vec<Event>) {
        let Some(priority) = self.next_priority() else {
            self.cancel_slot(slot, CancelReason::NoRoom, events);
            return;
        };
        let price_ticks = self.books.price_ticks(slot);
        let instrument = self.instrument_of(slot);
        self.books.leave_level(slot);
        let OpenOrder { id: order_id, remaining, .. } = self.books.orders[slot];
        let details = self.books.details_mut(slot);
        details.priority = priority;
        details.displayed = details.terms.display_quantity.min(remaining);
        let displayed = details.displayed;
        self.books.enter_level(instrument, slot, price_ticks);
        self.record(events, Event::Refilled { order_id, displayed });
    }

    /// The place at the tail of a level for another order than the one that the command
    /// places; none if there were too many.
    pub(super) fn next_priority(&mut self) -> Option<u64> {
        let queued = self.running.queued + 1;
        (queued < 1 << PRIORITY_BITS).then(|| {
            self.running.queued = queued;
            self.counters.sequence << PRIORITY_BITS | queued
        })
    }

    pub(super) fn tell_reduced(&mut self, slot: Slot, events: &mut Vec<Event>) {
        let OpenOrder { id: order_id, side, remaining, .. } = self.books.orders[slot];
        let instrument = self.instrument_of(slot);
        let price_ticks = self.books.price_ticks(slot);
        let event = Event::Reduced { order_id, instrument, side, price_ticks, remaining };
        self.record(events, event);
    }

    /// An order traded: the one that it is linked with is cancelled, if it is still open.
    #[cold]
    pub(super) fn cancel_linked(&mut self, id: OrderId, linked: OrderId, events: &mut Vec<Event>) {
        for end in [id, linked] {
            if let Some(slot) = self.books.find(end) {
                self.unlink(slot);
            }
        }
        if let Some(slot) = self.books.find(linked) {
            self.running.touched.insert(self.instrument_of(slot));
            self.cancel_slot(slot, CancelReason::LinkedOrder, events);
        }
    }

    fn unlink(&mut self, slot: Slot) {
        if self.books.orders[slot].traits.has(Traits::LINKED) {
            self.books.orders[slot].traits.set(Traits::LINKED, false);
            self.books.details_mut(slot).terms.linked_order = 0;
        }
    }

    /// Cancels an incoming order on its way.
    pub(super) fn cancel_incoming(
        &mut self,
        incoming: &mut Incoming,
        reason: CancelReason,
        events: &mut Vec<Event>,
    ) {
        incoming.cancelled = reason;
        if incoming.slot != NONE {
            self.cancel_slot(incoming.slot, reason, events);
            return;
        }
        let Incoming { order_id, instrument, side, price_ticks, remaining: quantity, .. } =
            *incoming;
        let event = Event::Cancelled { order_id, instrument, side, price_ticks, quantity, reason };
        self.record(events, event);
        if incoming.linked_order != 0
            && let Some(linked) = self.books.find(incoming.linked_order)
        {
            self.unlink(linked);
        }
    }

    /// Cancels an open order.
    #[inline(always)]
    pub(super) fn cancel_slot(
        &mut self,
        slot: Slot,
        reason: CancelReason,
        events: &mut Vec<Event>,
    ) {
        let OpenOrder { id: order_id, side, remaining: quantity, .. } = self.books.orders[slot];
        let instrument = self.instrument_of(slot);
        let price_ticks = self.books.price_ticks(slot);
        self.end(slot, OrderStatus::of_cancelled(reason), reason);
        let event = Event::Cancelled { order_id, instrument, side, price_ticks, quantity, reason };
        self.record(events, event);
    }

    /// An open order is open no more.
    #[inline(always)]
    pub(super) fn end(&mut self, slot: Slot, status: OrderStatus, cancel_reason: CancelReason) {
        let order = self.books.orders[slot];
        if order.id == self.running.subject {
            self.running.ended = Some(self.describe(slot).ended(status, cancel_reason));
        }
        if order.remaining > 0 {
            self.give_back(slot, self.books.price_ticks(slot), order.remaining, 0);
        }
        self.leave_place(slot);
        self.unlist_in_position(&order);
        if order.details != NONE {
            self.forget_details(slot);
        }
        self.books.release(slot);
    }

    /// Adds an order as the newest of its position.
    #[inline(always)]
    pub(crate) fn list_in_position(&mut self, slot: Slot) {
        let position = self.books.orders[slot].position;
        let holding = &mut self.positions.holdings[position];
        let older = holding.last_order;
        let orders = self.books.orders.slots_mut();
        // Slot NONE, which nobody reads, is written where the list begins.
        orders[older as usize].newer = slot;
        orders[slot as usize].older = older;
        if older == NONE {
            holding.first_order = slot;
        }
        holding.last_order = slot;
        holding.open_orders += 1;
        self.registry.account_mut(holding.account).open_orders += 1;
    }

    /// Takes an order out of the list of its position.
    #[inline(always)]
    pub(super) fn unlist_in_position(&mut self, order: &OpenOrder) {
        let holding = &mut self.positions.holdings[order.position];
        holding.open_orders -= 1;
        let orders = self.books.orders.slots_mut();
        // Slot NONE, which nobody reads, is written where the list ends.
        orders[order.older as usize].newer = order.newer;
        orders[order.newer as usize].older = order.older;
        if order.older == NONE {
            holding.first_order = order.newer;
        }
        if order.newer == NONE {
            holding.last_order = order.older;
        }
        self.registry.account_mut(holding.account).open_orders -= 1;
    }

    /// Takes an order out of its level, or out of where it waits.
    #[inline(always)]
    pub(super) fn leave_place(&mut self, slot: Slot) {
        if self.books.orders[slot].level != NONE {
            self.books.leave_level(slot);
        } else if self.is_listed_as_waiting(slot) {
            self.books.leave_waiting(self.instrument_of(slot), slot);
        }
    }

    /// Whether an order that is in no level is in a list of those that wait: an order that
    /// is on its way into the book is in neither.
    fn is_listed_as_waiting(&self, slot: Slot) -> bool {
        self.books.details(slot).is_some_and(|details| {
            let terms = &details.terms;
            terms.order_type.is_stop() && !details.triggered
                || terms.order_type == OrderType::Pegged
                || terms.all_or_none
        })
    }

    /// Ends what an order that ends had elsewhere.
    #[cold]
    fn forget_details(&mut self, slot: Slot) {
        let OpenOrder { id, time_in_force, .. } = self.books.orders[slot];
        let terms = *self.books.terms(slot);
        if time_in_force == TimeInForce::GoodTillDate {
            self.agenda.forget_expiry(terms.expire_at_us, id);
        }
        if terms.linked_order != 0
            && let Some(linked) = self.books.find(terms.linked_order)
        {
            self.unlink(linked);
        }
    }

    /// An open order as the rest of the world knows it.
    #[inline(always)]
    pub(super) fn describe(&self, slot: Slot) -> Order {
        let order = &self.books.orders[slot];
        let holding = &self.positions.holdings[order.position];
        let price_ticks = self.books.price_ticks(slot);
        let plain = order.describe(holding.instrument, holding.account, price_ticks);
        match self.books.details(slot) {
            None => plain,
            Some(details) => Order {
                priority: details.priority,
                displayed: if order.level == NONE { 0 } else { self.books.displayed(slot) },
                turnover_ticks: plain.turnover_ticks + details.improvement_ticks,
                triggered: details.triggered,
                terms: details.terms,
                ..plain
            },
        }
    }

    /// The open orders of a position, oldest first.
    pub(super) fn orders_of(&self, position: Slot) -> impl Iterator<Item = Slot> + '_ {
        let first = self.positions.holdings[position].first_order;
        std::iter::successors((first != NONE).then_some(first), |&slot| {
            let newer = self.books.orders[slot].newer;
            (newer != NONE).then_some(newer)
        })
    }
}
