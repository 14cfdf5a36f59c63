//! How an incoming order trades, and how orders end.

use super::Engine;
use super::makers::{Incoming, Quotes};
use crate::book::{OpenOrder, Traits};
use crate::outcome::{CancelReason, Order, OrderStatus, RejectReason, Trade};
use crate::slots::{NONE, Slot};
use crate::terms::{OrderType, SelfTradePrevention, Terms, TimeInForce};
use crate::{Event, InstrumentId, Liquidity, Money, OrderId, PRIORITY_BITS, ScheduleId, Side};

impl Engine {
    /// Trades with the acceptable makers, the first one first, until nothing is wanted or
    /// nobody is acceptable.
    #[inline(always)]
    pub(super) fn match_incoming(
        &mut self,
        incoming: &mut Incoming,
        quotes: &Quotes,
        events: &mut Vec<Event>,
    ) {
        while incoming.remaining > 0
            && let Some((maker, price_ticks)) = self.next_maker(incoming, quotes)
        {
            if !self.is_within_bands(incoming.instrument, price_ticks) {
                incoming.halted = true;
                self.begin_volatility_halt(incoming.instrument, events);
                return;
            }
            let order = &self.books.orders[maker];
            if order.position == incoming.position && self.prevent_trade(incoming, maker, events) {
                if incoming.cancelled != CancelReason::None {
                    return;
                }
                continue;
            }
            self.trade(incoming, maker, price_ticks, events);
            if incoming.cancelled != CancelReason::None {
                return;
            }
        }
    }

    /// What happens instead of a trade between two orders of one account, if anything does.
    #[cold]
    fn prevent_trade(
        &mut self,
        incoming: &mut Incoming,
        maker: Slot,
        events: &mut Vec<Event>,
    ) -> bool {
        if self.books.linked_order(maker) == incoming.order_id {
            incoming.linked_order = 0;
            self.cancel_slot(maker, CancelReason::LinkedOrder, events);
            return true;
        }
        match incoming.prevention {
            SelfTradePrevention::Allow => return false,
            SelfTradePrevention::CancelNewest => {
                self.cancel_incoming(incoming, CancelReason::SelfTrade, events);
            }
            SelfTradePrevention::CancelOldest => {
                self.cancel_slot(maker, CancelReason::SelfTrade, events);
            }
            SelfTradePrevention::CancelBoth => {
                self.cancel_slot(maker, CancelReason::SelfTrade, events);
                self.cancel_incoming(incoming, CancelReason::SelfTrade, events);
            }
            SelfTradePrevention::Decrement => self.decrement(incoming, maker, events),
        }
        true
    }

    /// Both become smaller by what would have traded.
    fn decrement(&mut self, incoming: &mut Incoming, maker: Slot, events: &mut Vec<Event>) {
        let by = self.shown(maker).min(incoming.remaining);
        if by == self.books.orders[maker].remaining {
            self.cancel_slot(maker, CancelReason::SelfTrade, events);
        } else {
            self.shrink(maker, by, true);
            self.tell_reduced(maker, events);
            self.refill_if_empty(maker, events);
        }
        if by == incoming.remaining {
            self.cancel_incoming(incoming, CancelReason::SelfTrade, events);
        } else if incoming.slot != NONE {
            self.shrink(incoming.slot, by, false);
            incoming.quantity -= by;
            incoming.remaining -= by;
            self.tell_reduced(incoming.slot, events);
        } else {
            incoming.quantity -= by;
            incoming.remaining -= by;
            let Incoming { order_id, instrument, side, price_ticks, remaining, .. } = *incoming;
            let event = Event::Reduced { order_id, instrument, side, price_ticks, remaining };
            self.record(events, event);
        }
    }

    /// What of a maker can trade at its place: of an iceberg order what it shows.
    #[inline(always)]
    fn shown(&self, maker: Slot) -> i64 {
        let order = &self.books.orders[maker];
        if order.traits.has(Traits::ICEBERG) {
            self.books.displayed(maker)
        } else {
            order.remaining
        }
    }

    /// One trade with a maker.
    #[inline(always)]
    fn trade(
        &mut self,
        incoming: &mut Incoming,
        maker: Slot,
        price_ticks: i64,
        events: &mut Vec<Event>,
    ) {
        let quantity = self.shown(maker).min(incoming.remaining);
        assert!(quantity > 0);
        let turnover_ticks = price_ticks * quantity;
        let OpenOrder { id: maker_id, remaining, position, fee_schedule, traits, .. } =
            self.books.orders[maker];
        let maker_fee =
            self.fee(incoming.instrument, fee_schedule, Liquidity::Maker, turnover_ticks);
        let taker_fee =
            self.fee(incoming.instrument, incoming.fee_schedule, Liquidity::Taker, turnover_ticks);
        self.counters.last_trade_id += 1;
        let trade = Trade {
            trade_id: self.counters.last_trade_id,
            instrument: incoming.instrument,
            taker_side: incoming.side,
            in_auction: false,
            price_ticks,
            quantity,
            maker_order_id: maker_id,
            taker_order_id: incoming.order_id,
            maker_account: self.positions.holdings[position].account,
            taker_account: incoming.account,
            maker_remaining: remaining - quantity,
            maker_fee,
            taker_fee,
        };
        self.record(events, Event::Trade(trade));
        self.books.book_mut(incoming.instrument).state.last_price_ticks = price_ticks;
        let maker_link =
            if traits.has(Traits::LINKED) { self.books.linked_order(maker) } else { 0 };

        self.settle_trade(position, incoming.side.opposite(), quantity, turnover_ticks, maker_fee);
        self.fill(maker, quantity, price_ticks);
        if trade.maker_remaining == 0 {
            self.end(maker, OrderStatus::Filled, CancelReason::None);
        } else {
            self.refill_if_empty(maker, events);
        }
        self.settle_trade(incoming.position, incoming.side, quantity, turnover_ticks, taker_fee);
        incoming.remaining -= quantity;
        incoming.turnover_ticks += turnover_ticks;
        if incoming.slot != NONE {
            self.fill(incoming.slot, quantity, price_ticks);
        }
        self.earn(incoming.instrument, maker_fee + taker_fee);

        if maker_link != 0 {
            self.cancel_linked(maker_id, maker_link, events);
        }
        if incoming.linked_order != 0 {
            let linked_order = std::mem::take(&mut incoming.linked_order);
            self.cancel_linked(incoming.order_id, linked_order, events);
        }
    }

    #[inline(always)]
    pub(super) fn fee(
        &self,
        instrument: InstrumentId,
        schedule: ScheduleId,
        liquidity: Liquidity,
        turnover_ticks: i64,
    ) -> Money {
        let valuation = &self.books.book(instrument).valuation;
        self.fees.fee(schedule, liquidity, valuation, turnover_ticks)
    }

    /// Fees go to the venue.
    #[inline(always)]
    pub(super) fn earn(&mut self, instrument: InstrumentId, fees: Money) {
        if fees != 0 {
            let currency = self.books.book(instrument).currency;
            self.cash.currency(currency).fees += fees;
        }
    }

    /// One side of a trade: shares against money.
    #[inline(always)]
    pub(super) fn settle_trade(
        &mut self,
        position: Slot,
        side: Side,
        quantity: i64,
        turnover_ticks: i64,
        fee: Money,
    ) {
        let holding = &mut self.positions.holdings[position];
        holding.count_trade(self.counters.trade_date, side, quantity, turnover_ticks);
        let value = self.books.book(holding.instrument).valuation.value(turnover_ticks);
        let cash = &mut self.cash.entries[holding.cash];
        match side {
            Side::Buy => {
                holding.quantity += quantity;
                cash.balance -= value + fee;
            }
            Side::Sell => {
                holding.quantity -= quantity;
                cash.balance += value - fee;
            }
        }
    }

    /// What an open order of a price and a remaining quantity withholds.
    #[inline(always)]
    pub(super) fn hold(
        &self,
        instrument: InstrumentId,
        schedule: ScheduleId,
        turnover_ticks: i64,
    ) -> Money {
        self.fees.hold(schedule, &self.books.book(instrument).valuation, turnover_ticks)
    }

    /// Withholds what an order of this remaining quantity needs.
    #[inline(always)]
    pub(crate) fn withhold(&mut self, slot: Slot, price_ticks: i64, quantity: i64) {
        let OpenOrder { side, position, fee_schedule, .. } = self.books.orders[slot];
        let instrument = self.positions.holdings[position].instrument;
        self.positions.holdings[position].open(side, price_ticks, quantity);
        if side == Side::Buy {
            let held = self.hold(instrument, fee_schedule, price_ticks * quantity);
            let cash = self.positions.holdings[position].cash;
            self.cash.entries[cash].held += held;
        }
    }

    /// Gives back what an order withholds that remains so much less than before.
    #[inline(always)]
    pub(super) fn give_back(&mut self, slot: Slot, price_ticks: i64, before: i64, after: i64) {
        let OpenOrder { side, position, fee_schedule, .. } = self.books.orders[slot];
        let holding = &mut self.positions.holdings[position];
        let (instrument, cash) = (holding.instrument, holding.cash);
        holding.close(side, price_ticks, before - after);
        if side == Side::Buy {
            let held = self.hold(instrument, fee_schedule, price_ticks * before)
                - self.hold(instrument, fee_schedule, price_ticks * after);
            self.cash.entries[cash].held -= held;
        }
    }

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
    fn refill_if_empty(&mut self, slot: Slot, events: &mut Vec<Event>) {
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
            self.running.ended = Some(ended(self.describe(slot), status, cancel_reason));
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
        let filled = order.filled();
        let plain = Order {
            order_id: order.id,
            created_at_us: order.created_at_us,
            priority: crate::book::first_priority(order.id),
            price_ticks,
            quantity: order.quantity,
            filled,
            remaining: order.remaining,
            displayed: order.remaining,
            turnover_ticks: price_ticks * filled,
            instrument: holding.instrument,
            account: holding.account,
            side: order.side,
            time_in_force: order.time_in_force,
            self_trade_prevention: order.traits.prevention(),
            status: OrderStatus::of_open(filled),
            reject_reason: RejectReason::None,
            cancel_reason: CancelReason::None,
            fee_schedule: order.fee_schedule,
            triggered: false,
            terms: Terms::PLAIN,
        };
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

/// An order that was open as it is when it is open no more.
#[inline(always)]
pub(super) fn ended(order: Order, status: OrderStatus, cancel_reason: CancelReason) -> Order {
    let terms = Terms { linked_order: 0, ..order.terms };
    Order { status, cancel_reason, remaining: 0, displayed: 0, terms, ..order }
}
