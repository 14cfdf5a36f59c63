//! New orders.

use super::Engine;
use super::makers::Incoming;
use super::reject::{Request, part_of};
use crate::book::{Details, OpenOrder, Traits, first_priority};
use crate::outcome::{CancelReason, Order, OrderStatus, Outcome, RejectReason};
use crate::slots::{NONE, Slot};
use crate::terms::{OrderType, PostOnly, Terms, TimeInForce};
use crate::{AccountId, Event, InstrumentId, InstrumentPhase, NewOrder, OrderId, Side};

impl Engine {
    /// Places an order unless its name was used before.
    pub(super) fn place_or_repeat(
        &mut self,
        new: &NewOrder,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Outcome {
        let Some(name) = terms.client_order_id else { return self.place(new, terms, events) };
        if let Some(first) = self.client_orders.find(new.account, &name, self.counters.sequence) {
            return Outcome::Order(*first);
        }
        let outcome = self.place(new, terms, events);
        if let Outcome::Order(order) = &outcome {
            self.client_orders.remember(order);
        }
        outcome
    }

    /// Places an order, or declines it.
    #[inline(never)]
    pub(super) fn place(
        &mut self,
        new: &NewOrder,
        sent: &Terms,
        events: &mut Vec<Event>,
    ) -> Outcome {
        let mut terms = *sent;
        let mut price_ticks = new.price_ticks;
        let reason = self.consider(new, &mut terms, &mut price_ticks);
        if reason != RejectReason::None {
            let order_id = self.counters.sequence;
            self.record(events, Event::Rejected { order_id, reason });
            return Outcome::Order(self.rejected(new, &terms, price_ticks, reason));
        }
        self.place_accepted(new, &terms, price_ticks, events)
    }

    /// Places an order that nothing stands against, at its limit.
    #[inline(never)]
    pub(super) fn place_accepted(
        &mut self,
        new: &NewOrder,
        terms: &Terms,
        price_ticks: i64,
        events: &mut Vec<Event>,
    ) -> Outcome {
        let NewOrder { instrument, account, side, quantity, time_in_force, .. } = *new;
        let position = self.position_of(account, instrument);
        let fee_schedule = self.registry.account_mut(account).fee_schedule;
        let order_id = self.counters.sequence;
        let mut incoming = Incoming {
            order_id,
            slot: NONE,
            position,
            instrument,
            account,
            side,
            prevention: new.self_trade_prevention,
            fee_schedule,
            limit_ticks: price_ticks,
            price_ticks,
            linked_order: terms.linked_order,
            quantity,
            remaining: quantity,
            turnover_ticks: 0,
            cancelled: CancelReason::None,
            halted: false,
        };
        if terms.linked_order != 0 {
            self.link_back(terms.linked_order, order_id);
        }

        let book = self.books.book(instrument);
        let (phase, has_waiting) = (book.phase, book.has_waiting);
        let is_for_book =
            matches!(terms.order_type, OrderType::Limit | OrderType::Market) && !terms.all_or_none;
        if is_for_book && phase == InstrumentPhase::Continuous {
            self.enter(&mut incoming, time_in_force, terms, events);
        }
        let rests = incoming.cancelled == CancelReason::None && incoming.remaining > 0;
        let linked_order = if rests { self.still_linked(&incoming) } else { 0 };
        let terms = Terms { linked_order, ..*terms };
        if rests {
            self.rest_new(&incoming, new, &terms, is_for_book, events);
        }

        let filled = incoming.quantity - incoming.remaining;
        let status = if rests {
            OrderStatus::of_open(filled)
        } else if incoming.remaining == 0 {
            OrderStatus::Filled
        } else {
            OrderStatus::Cancelled
        };
        let remaining = if rests { incoming.remaining } else { 0 };
        let order = Order {
            quantity: incoming.quantity,
            filled,
            remaining,
            displayed: if !is_for_book || terms.hidden {
                0
            } else if terms.display_quantity > 0 {
                remaining.min(terms.display_quantity)
            } else {
                remaining
            },
            turnover_ticks: incoming.turnover_ticks,
            status,
            cancel_reason: incoming.cancelled,
            ..Order::new(self.stamp(), new, &terms, price_ticks, fee_schedule)
        };
        if has_waiting || !is_for_book || !self.running.touched.is_empty() {
            Outcome::Order(self.settle_after(order, events))
        } else {
            Outcome::Order(order)
        }
    }

    /// Works out the price of an order where it is to be, and why it is declined, if it is.
    fn consider(&self, new: &NewOrder, terms: &mut Terms, price_ticks: &mut i64) -> RejectReason {
        let is_worked_out = *price_ticks == 0;
        self.work_out_prices(new, terms, price_ticks);
        let mut request = Request {
            instrument: new.instrument,
            account: new.account,
            side: new.side,
            time_in_force: new.time_in_force,
            terms,
            order_type: terms.order_type,
            price_ticks: *price_ticks,
            quantity: new.quantity,
            remaining: new.quantity,
            is_worked_out,
            replaces: NONE,
        };
        let would_take = self.slide(&mut request);
        *price_ticks = request.price_ticks;
        self.reject_reason(&request, would_take)
    }

    /// Moves the price of a sliding post-only order to where it does not take; whether a
    /// post-only order still would.
    pub(super) fn slide(&self, request: &mut Request<'_>) -> bool {
        let Some(maker_price) = self.price_that_it_would_take(request) else { return false };
        if request.terms.post_only != PostOnly::Slide {
            return true;
        }
        let price_ticks = match request.side {
            Side::Buy => maker_price - 1,
            Side::Sell => maker_price + 1,
        };
        let prices = 1..=self.books.book(request.instrument).maximum_price_ticks;
        if prices.contains(&price_ticks) {
            request.price_ticks = price_ticks;
            false
        } else {
            true
        }
    }

    /// The limit of an order that came without one, and the first stop price of a trailing
    /// stop; they stay 0 where there is nothing to work them out from.
    fn work_out_prices(&self, new: &NewOrder, terms: &mut Terms, price_ticks: &mut i64) {
        let book = self.books.book(new.instrument);
        let within = |price: i64| price.clamp(1, book.maximum_price_ticks);
        let away = |base: i64, by: i64| match new.side {
            Side::Buy => within(base + by),
            Side::Sell => within(base - by),
        };
        let market = book.collar_base();
        if terms.order_type == OrderType::TrailingStop {
            match market {
                Some(market) => terms.stop_price_ticks = away(market, terms.trail_ticks),
                None => {
                    *price_ticks = 0;
                    return;
                }
            }
        }
        if *price_ticks != 0 {
            return;
        }
        let base = match terms.order_type {
            OrderType::Market => {
                let is_continuous = book.phase == InstrumentPhase::Continuous;
                let quote = self.books.best_displayed(new.instrument, new.side.opposite());
                quote.filter(|_| is_continuous).or(market)
            }
            _ => Some(terms.stop_price_ticks),
        };
        let Some(base) = base else { return };
        *price_ticks = away(base, part_of(base, book.state.rules.protection_ppm));
        if terms.order_type == OrderType::Market
            && let Some([lowest, highest]) = book.collar()
        {
            *price_ticks = within((*price_ticks).clamp(lowest, highest));
        }
    }

    fn rejected(
        &self,
        new: &NewOrder,
        terms: &Terms,
        price_ticks: i64,
        reject_reason: RejectReason,
    ) -> Order {
        let fee_schedule = self.registry.account(new.account).expect("checked").fee_schedule;
        let terms = Terms { linked_order: 0, ..*terms };
        Order {
            remaining: 0,
            status: OrderStatus::Rejected,
            reject_reason,
            ..Order::new(self.stamp(), new, &terms, price_ticks, fee_schedule)
        }
    }

    #[cold]
    pub(super) fn open_position(&mut self, account: AccountId, instrument: InstrumentId) -> Slot {
        let cash = self.cash.open(account, self.currency_of(instrument));
        self.positions.create(account, instrument, cash)
    }

    #[cold]
    fn link_back(&mut self, linked: OrderId, order_id: OrderId) {
        let slot = self.books.find(linked).expect("checked when it was accepted");
        self.books.details_mut(slot).terms.linked_order = order_id;
        self.books.orders[slot].traits.set(Traits::LINKED, true);
    }

    /// The link of an order that comes to rest: it is none if the other one ended meanwhile.
    #[inline(always)]
    fn still_linked(&self, incoming: &Incoming) -> OrderId {
        let Incoming { linked_order: linked, order_id, .. } = *incoming;
        let is_linked = linked != 0
            && self
                .books
                .find(linked)
                .is_some_and(|slot| self.books.linked_order(slot) == order_id);
        if is_linked { linked } else { 0 }
    }

    /// Lets an order trade while its instrument trades continuously: what is left of it may
    /// rest, or was cancelled.
    #[inline(always)]
    pub(super) fn enter(
        &mut self,
        incoming: &mut Incoming,
        time_in_force: TimeInForce,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) {
        let quotes = if self.books.book(incoming.instrument).has_waiting {
            self.quotes(incoming.instrument)
        } else {
            super::makers::Quotes::NONE
        };
        if time_in_force == TimeInForce::FillOrKill
            && !self.is_feasible(incoming, incoming.remaining, &quotes)
        {
            self.cancel_incoming(incoming, CancelReason::FillOrKill, events);
            return;
        }
        if terms.minimum_quantity > 0
            && incoming.slot == NONE
            && !self.is_feasible(incoming, terms.minimum_quantity, &quotes)
        {
            self.cancel_incoming(incoming, CancelReason::MinimumQuantity, events);
            return;
        }
        self.match_incoming(incoming, &quotes, events);
        if incoming.remaining > 0
            && incoming.cancelled == CancelReason::None
            && time_in_force.is_immediate()
        {
            let reason = if incoming.halted {
                CancelReason::VolatilityHalt
            } else {
                CancelReason::Immediate
            };
            self.cancel_incoming(incoming, reason, events);
        }
    }

    /// Makes what is left of a new order an open one.
    #[inline(always)]
    fn rest_new(
        &mut self,
        incoming: &Incoming,
        new: &NewOrder,
        terms: &Terms,
        is_for_book: bool,
        events: &mut Vec<Event>,
    ) {
        let Incoming { order_id, position, instrument, side, price_ticks, remaining, .. } =
            *incoming;
        let filled = incoming.quantity - remaining;
        let slot = self.books.add(OpenOrder {
            id: order_id,
            remaining,
            quantity: incoming.quantity,
            created_at_us: self.counters.time_us,
            position,
            side,
            fee_schedule: incoming.fee_schedule,
            time_in_force: new.time_in_force,
            traits: Traits::new(new.self_trade_prevention, terms),
            ..OpenOrder::default()
        });
        let improvement_ticks = incoming.turnover_ticks - price_ticks * filled;
        if *terms != Terms::PLAIN || improvement_ticks != 0 {
            *self.books.details_mut(slot) = Details {
                price_ticks,
                priority: first_priority(order_id),
                improvement_ticks,
                displayed: terms.display_quantity.min(remaining),
                triggered: false,
                terms: *terms,
            };
        }
        if new.time_in_force == TimeInForce::GoodTillDate {
            self.agenda.expect_expiry(terms.expire_at_us, order_id);
        }
        self.list_in_position(slot);
        self.withhold(slot, price_ticks, remaining);
        if is_for_book {
            self.books.enter_level(instrument, slot, price_ticks);
        } else {
            self.books.enter_waiting(instrument, slot);
        }
        self.record(events, Event::Rested { order_id, instrument, side, price_ticks, remaining });
    }
}
