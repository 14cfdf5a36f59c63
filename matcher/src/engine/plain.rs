//! The common case in a straight line: a plain limit order that comes to rest without meeting
//! anybody, and its cancellation. It does what [`placing`](super::placing) and
//! [`matching`](super::matching) would do, without asking what a plain order has not.

use super::Engine;
use crate::book::{OpenOrder, Traits, rank};
use crate::outcome::{CancelReason, Order, OrderStatus, Outcome, RejectReason};
use crate::slots::{NONE, Slot};
use crate::terms::Terms;
use crate::{Event, InstrumentPhase, Money, NewOrder, Side, TimeInForce};

impl Engine {
    #[inline(always)]
    pub(super) fn place_plain(&mut self, new: &NewOrder, events: &mut Vec<Event>) -> Outcome {
        let position = self.positions.find(new.account, new.instrument);
        match self.hold_if_acceptable(new, position) {
            Some(hold) if self.just_rests(new) => self.rest_plain(new, position, hold, events),
            Some(_) => self.place_accepted(new, &Terms::PLAIN, new.price_ticks, events),
            None => self.place(new, &Terms::PLAIN, events),
        }
    }

    /// Whether an order that may rest meets nobody on its way.
    #[inline(always)]
    fn just_rests(&self, new: &NewOrder) -> bool {
        let book = self.books.book(new.instrument);
        let opposite = new.side.opposite();
        book.best_rank[opposite as usize] > rank(opposite, new.price_ticks) && !book.has_waiting
    }

    /// What an order that may rest will withhold, if nothing stands against it. Where something
    /// might, [`Engine::place`] looks closer.
    #[inline(always)]
    fn hold_if_acceptable(&self, new: &NewOrder, position: Slot) -> Option<Money> {
        let book = self.books.book(new.instrument);
        let account = self.registry.account(new.account).expect("checked");
        let holding = &self.positions.holdings[position];
        let turnover_ticks = new.price_ticks * new.quantity;
        let hold = match new.side {
            Side::Buy => self.fees.hold(account.fee_schedule, &book.valuation, turnover_ticks),
            Side::Sell => 0,
        };
        let is_covered = match new.side {
            Side::Buy => self.cash.entries[holding.cash].available() >= hold,
            Side::Sell => holding.available() >= new.quantity,
        };
        let is_acceptable = position != NONE
            && book.phase == InstrumentPhase::Continuous
            && matches!(new.time_in_force, TimeInForce::GoodTillCancel | TimeInForce::Day)
            && account.reject_reason() == RejectReason::None
            && is_covered
            && !self.books.is_full()
            && !self.books.lacks_level(new.instrument, new.side, new.price_ticks)
            && (!(book.is_guarded || account.limits != 0 || holding.limits != 0)
                || self.is_within_limits(new, position));
        is_acceptable.then_some(hold)
    }

    #[inline(always)]
    fn rest_plain(
        &mut self,
        new: &NewOrder,
        position: Slot,
        hold: Money,
        events: &mut Vec<Event>,
    ) -> Outcome {
        let NewOrder { instrument, account, price_ticks, quantity, side, .. } = *new;
        let order_id = self.counters.sequence;
        let fee_schedule = self.registry.account_mut(account).fee_schedule;
        let slot = self.books.add(OpenOrder {
            id: order_id,
            remaining: quantity,
            quantity,
            created_at_us: self.counters.time_us,
            position,
            side,
            fee_schedule,
            time_in_force: new.time_in_force,
            traits: Traits::new(new.self_trade_prevention, &Terms::PLAIN),
            ..OpenOrder::default()
        });
        self.list_in_position(slot);
        let holding = &mut self.positions.holdings[position];
        holding.open(side, price_ticks, quantity);
        self.cash.entries[holding.cash].held += hold;
        self.books.enter_displayed(instrument, slot, price_ticks, quantity);
        let remaining = quantity;
        self.record(events, Event::Rested { order_id, instrument, side, price_ticks, remaining });
        let order = Order::new(self.stamp(), new, &Terms::PLAIN, price_ticks, fee_schedule);
        Outcome::Order(Order { displayed: remaining, ..order })
    }

    /// Cancels an order that rests in the book and has no details.
    #[inline(always)]
    pub(super) fn cancel_plain(&mut self, slot: Slot, events: &mut Vec<Event>) -> Outcome {
        let order = self.books.orders[slot];
        let OpenOrder { id: order_id, remaining, side, position, .. } = order;
        let price_ticks = self.books.levels[order.level].price_ticks();
        let holding = &mut self.positions.holdings[position];
        let (instrument, account) = (holding.instrument, holding.account);
        holding.close(side, price_ticks, remaining);
        if side == Side::Buy {
            let valuation = &self.books.book(instrument).valuation;
            let hold = self.fees.hold(order.fee_schedule, valuation, price_ticks * remaining);
            self.cash.entries[holding.cash].held -= hold;
        }
        self.books.leave_displayed(slot, remaining);
        self.unlist_in_position(&order);
        self.books.release_plain(slot);
        let event = Event::Cancelled {
            order_id,
            instrument,
            side,
            price_ticks,
            quantity: remaining,
            reason: CancelReason::Requested,
        };
        self.record(events, event);
        let order = order.describe(instrument, account, price_ticks);
        Outcome::Order(order.ended(OrderStatus::Cancelled, CancelReason::Requested))
    }
}
