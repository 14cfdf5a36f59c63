//! The engine out of its own tables, in this order: counters; currencies, fee schedules,
//! participants, accounts and instruments, each in the order of their ids; cash, positions,
//! busted trades, days of the calendar; open orders; client orders; and that all of it goes
//! together.

use crate::book::{Details, OpenOrder, Traits, first_priority, rank};
use crate::outcome::Order;
use crate::slots::{NONE, Slot};
use crate::terms::{OrderType, Terms, TimeInForce};
use crate::{
    Account, AccountId, Cash, Counters, Currency, CurrencyId, Engine, FeeSchedule, Instrument,
    InstrumentId, InstrumentPhase, InstrumentState, OrderId, OrderStatus, PRIORITY_BITS,
    Participant, ParticipantId, Position, Refusal, RejectReason, ScheduleId, TradeId, TradingDay,
};
use std::fmt;

/// Why a row of the tables cannot be part of an engine's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// Something that could not have been created.
    Refused(Refusal),
    /// An order that could not be open.
    Order {
        /// Which.
        order_id: OrderId,
        /// What is wrong with it.
        reason: OrderFault,
    },
    /// The balances of a currency and the fees are not what was transferred.
    Money(CurrencyId),
    /// The positions of an instrument are not what was transferred.
    Shares(InstrumentId),
}

/// What is wrong with an order that should be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderFault {
    /// Its id is 0 or above the last sequence number.
    IdOutOfRange,
    /// An open order has its id.
    Duplicate,
    /// No instrument has this id.
    UnknownInstrument,
    /// No account has this id.
    UnknownAccount,
    /// Its account has no position in its instrument.
    NoPosition,
    /// No fee schedule has this id.
    UnknownSchedule,
    /// The price is below 1 tick or above the instrument's maximum.
    PriceOutOfRange,
    /// The quantity is below 1, too large or not a multiple of the lot size.
    QuantityOutOfRange,
    /// What remains is below 1, above the quantity, not a multiple of the lot size, or
    /// not the quantity less what is filled.
    RemainingOutOfRange,
    /// Its trades cannot have made that turnover.
    TurnoverOutOfRange,
    /// It was created after the last command.
    CreatedInFuture,
    /// The status or time in force is not that of an open order with these quantities.
    NotOpen,
    /// Its terms do not go together.
    Terms,
    /// It displays more than it may, or nothing.
    Displayed,
    /// It should trade with the other side of the book.
    Crossed,
    /// Its place is before it came, after the last command, or before that of an order which
    /// came here first.
    OutOfPriority,
    /// The order that it is linked with is not open or not linked with it.
    Link,
    /// The setting for the most open orders is reached.
    TooManyOpenOrders,
    /// The setting for the most price levels is reached.
    TooManyPriceLevels,
}

impl fmt::Display for OrderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdOutOfRange => "its id is not the sequence number of a past command",
            Self::Duplicate => "an order of this id is open already",
            Self::UnknownInstrument => "its instrument does not exist",
            Self::UnknownAccount => "its account does not exist",
            Self::NoPosition => "its account has no position in its instrument",
            Self::UnknownSchedule => "its fee schedule does not exist",
            Self::PriceOutOfRange => "its price is out of the instrument's range",
            Self::QuantityOutOfRange => "its quantity is out of range or off the lot size",
            Self::RemainingOutOfRange => "what remains of it does not go with its quantity",
            Self::TurnoverOutOfRange => "its turnover does not go with its fills",
            Self::CreatedInFuture => "it was created after the last command",
            Self::NotOpen => "its status or time in force is not that of an open order",
            Self::Terms => "its terms do not go together",
            Self::Displayed => "it cannot display so much",
            Self::Crossed => "its price crosses the other side of the book",
            Self::OutOfPriority => {
                "its priority is out of range, or before an order that it is behind"
            }
            Self::Link => "the order that it is linked with is not linked with it",
            Self::TooManyOpenOrders => "the setting for the most open orders is reached",
            Self::TooManyPriceLevels => "the setting for the most price levels is reached",
        })
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "it would be refused: {refusal:?}"),
            Self::Order { order_id, reason } => write!(f, "order {order_id}: {reason}"),
            Self::Money(currency) => {
                write!(f, "the money of currency {currency} is not what was transferred")
            }
            Self::Shares(instrument) => {
                write!(f, "the shares of instrument {instrument} are not what was transferred")
            }
        }
    }
}

impl std::error::Error for RestoreError {}

/// `Err(refused)` unless the condition holds.
fn ensure(condition: bool, refusal: Refusal) -> Result<(), RestoreError> {
    if condition { Ok(()) } else { Err(RestoreError::Refused(refusal)) }
}

impl Engine {
    /// The first step, on a fresh engine; panics on any other.
    pub fn restore_counters(&mut self, counters: Counters) {
        assert!(self.counters == Counters::default() && self.registry.instruments().is_empty());
        assert!(self.registry.account_count() == 0);
        self.counters = counters;
    }

    /// Enters the next currency.
    pub fn restore_currency(&mut self, currency: Currency) -> Result<CurrencyId, RestoreError> {
        let currencies = &mut self.cash.currencies;
        ensure(currencies.len() < crate::MAXIMUM_CURRENCIES, Refusal::TooManyCurrencies)?;
        let is_new = currencies.iter().all(|known| known.code != currency.code);
        ensure(is_new, Refusal::UnknownCurrency)?;
        currencies.push(currency);
        Ok(currencies.len() as CurrencyId)
    }

    /// Enters the next fee schedule.
    pub fn restore_fee_schedule(
        &mut self,
        schedule: FeeSchedule,
    ) -> Result<ScheduleId, RestoreError> {
        self.fees.check(&schedule).map_err(RestoreError::Refused)?;
        Ok(self.fees.create(schedule))
    }

    /// Enters the next participant.
    pub fn restore_participant(
        &mut self,
        participant: Participant,
    ) -> Result<ParticipantId, RestoreError> {
        self.registry.check_participant(&participant.role).map_err(RestoreError::Refused)?;
        Ok(self.registry.register(participant))
    }

    /// Enters the next account. What follows from its orders is left out.
    pub fn restore_account(&mut self, account: Account) -> Result<AccountId, RestoreError> {
        ensure(self.registry.has_participant(account.owner), Refusal::UnknownParticipant)?;
        ensure(self.fees.contains(account.fee_schedule), Refusal::UnknownSchedule)?;
        ensure(account.limits.is_valid(), Refusal::ValueOutOfRange)?;
        let owner = self.registry.participants()[account.owner as usize - 1].role;
        self.registry.check_account(&owner).map_err(RestoreError::Refused)?;
        let id = self.registry.open_account(&account);
        self.set_risk_limits(id, 0, account.limits);
        Ok(id)
    }

    /// Enters the next instrument. Its phase follows from the rest.
    pub fn restore_instrument(
        &mut self,
        instrument: Instrument,
        state: InstrumentState,
    ) -> Result<InstrumentId, RestoreError> {
        self.registry.check_instrument(&instrument).map_err(RestoreError::Refused)?;
        let currencies = &self.cash.currencies;
        let currency = currencies.iter().position(|known| known.code == instrument.currency);
        let currency = currency.ok_or(RestoreError::Refused(Refusal::UnknownCurrency))?;
        let prices = 0..=instrument.maximum_price_ticks;
        ensure(
            prices.contains(&state.reference_price_ticks)
                && prices.contains(&state.last_price_ticks)
                && state.limits.is_valid(),
            Refusal::ValueOutOfRange,
        )?;
        self.books.create(&instrument, currency as CurrencyId + 1);
        let id = self.registry.create_instrument(instrument);
        self.books.book_mut(id).state = state;
        if state.halt_until_us != 0 {
            self.agenda.expect_halt_end(state.halt_until_us, id);
        }
        self.follow_market(id);
        self.refresh_guards(id);
        Ok(id)
    }

    /// Enters a cash record. What follows from the orders is left out.
    pub fn restore_cash(&mut self, cash: Cash) -> Result<(), RestoreError> {
        let Cash { account, currency, balance, credit_limit, .. } = cash;
        ensure(self.registry.account(account).is_some(), Refusal::UnknownAccount)?;
        ensure(self.cash.has_currency(currency), Refusal::UnknownCurrency)?;
        ensure(!self.cash.lacks(account, currency), Refusal::TooManyPositions)?;
        let slot = self.cash.open(account, currency);
        self.cash.entries[slot].balance = balance;
        self.cash.entries[slot].credit_limit = credit_limit;
        Ok(())
    }

    /// Enters a position. What follows from the orders is left out.
    pub fn restore_position(&mut self, position: Position) -> Result<(), RestoreError> {
        let Position { account, instrument, .. } = position;
        ensure(self.registry.account(account).is_some(), Refusal::UnknownAccount)?;
        ensure(self.books.get(instrument).is_some(), Refusal::UnknownInstrument)?;
        let is_new = self.positions.find(account, instrument) == NONE;
        ensure(is_new && !self.positions.holdings.is_full(), Refusal::TooManyPositions)?;
        let cash = self.cash.find(account, self.currency_of(instrument));
        let cash = cash.ok_or(RestoreError::Refused(Refusal::UnknownCurrency))?;
        ensure(position.limits.is_valid(), Refusal::ValueOutOfRange)?;
        let slot = self.positions.create(account, instrument, cash);
        let holding = &mut self.positions.holdings[slot];
        holding.quantity = position.quantity;
        holding.short_limit = position.short_limit;
        holding.trade_date = position.trade_date;
        holding.traded_quantity = position.traded_quantity;
        holding.traded_value_ticks = position.traded_value_ticks;
        self.set_risk_limits(account, instrument, position.limits);
        Ok(())
    }

    /// Enters a trade that was cancelled.
    pub fn restore_busted_trade(&mut self, trade_id: TradeId) -> Result<(), RestoreError> {
        let was_made = (1..=self.counters.last_trade_id).contains(&trade_id);
        ensure(was_made && self.busted_trades.insert(trade_id), Refusal::UnknownTrade)
    }

    /// Enters the next day of the calendar, of which so many of its four steps were taken.
    pub fn restore_trading_day(
        &mut self,
        day: TradingDay,
        steps_taken: u8,
    ) -> Result<(), RestoreError> {
        let is_first = self.agenda.days().is_empty();
        ensure(steps_taken < 4 && (is_first || steps_taken == 0), Refusal::Schedule)?;
        self.agenda.add_day(day, steps_taken);
        Ok(())
    }

    /// Enters an open order. Orders of one side of a book come by price and priority; there
    /// is no other order among them. On an error nothing changed.
    pub fn restore_order(&mut self, order: &Order) -> Result<(), RestoreError> {
        self.check_restored(order)
            .map_err(|reason| RestoreError::Order { order_id: order.order_id, reason })?;
        let instrument = order.instrument;
        let terms = order.terms;
        let slot = self.books.add(OpenOrder {
            id: order.order_id,
            remaining: order.remaining,
            quantity: order.quantity,
            created_at_us: order.created_at_us,
            position: self.positions.find(order.account, instrument),
            side: order.side,
            fee_schedule: order.fee_schedule,
            time_in_force: order.time_in_force,
            traits: Traits::new(order.self_trade_prevention, &terms),
            ..OpenOrder::default()
        });
        let improvement_ticks = order.turnover_ticks - order.price_ticks * order.filled;
        if terms != Terms::PLAIN
            || improvement_ticks != 0
            || order.priority != first_priority(order.order_id)
        {
            *self.books.details_mut(slot) = Details {
                price_ticks: order.price_ticks,
                priority: order.priority,
                improvement_ticks,
                displayed: order.displayed,
                triggered: order.triggered,
                terms,
            };
        }
        if order.time_in_force == TimeInForce::GoodTillDate {
            self.agenda.expect_expiry(terms.expire_at_us, order.order_id);
        }
        self.withhold(slot, order.price_ticks, order.remaining);
        if is_in_book(order) {
            self.books.enter_level(instrument, slot, order.price_ticks);
        } else {
            self.books.enter_waiting(instrument, slot);
        }
        Ok(())
    }

    fn check_restored(&self, order: &Order) -> Result<(), OrderFault> {
        let terms = &order.terms;
        if order.order_id == 0 || order.order_id > self.counters.sequence {
            return Err(OrderFault::IdOutOfRange);
        }
        if self.books.find(order.order_id).is_some() {
            return Err(OrderFault::Duplicate);
        }
        let book = self.books.get(order.instrument).ok_or(OrderFault::UnknownInstrument)?;
        self.registry.account(order.account).ok_or(OrderFault::UnknownAccount)?;
        if self.positions.find(order.account, order.instrument) == NONE {
            return Err(OrderFault::NoPosition);
        }
        if !self.fees.contains(order.fee_schedule) {
            return Err(OrderFault::UnknownSchedule);
        }
        if !(1..=book.maximum_price_ticks).contains(&order.price_ticks) {
            return Err(OrderFault::PriceOutOfRange);
        }
        if !(1..=book.maximum_quantity).contains(&order.quantity) || !book.is_lots(order.quantity) {
            return Err(OrderFault::QuantityOutOfRange);
        }
        if !(1..=order.quantity).contains(&order.remaining)
            || !book.is_lots(order.remaining)
            || order.filled != order.quantity - order.remaining
        {
            return Err(OrderFault::RemainingOutOfRange);
        }
        // The product cannot overflow: filled is within the bounds of a quantity.
        let turnover = order.filled..=book.maximum_price_ticks * order.filled;
        if !turnover.contains(&order.turnover_ticks) {
            return Err(OrderFault::TurnoverOutOfRange);
        }
        if order.created_at_us > self.counters.time_us {
            return Err(OrderFault::CreatedInFuture);
        }
        let is_market = terms.order_type == OrderType::Market;
        if order.status != OrderStatus::of_open(order.filled)
            || order.reject_reason != RejectReason::None
            || order.time_in_force.is_immediate() && !is_market
            || order.triggered && terms.order_type != OrderType::StopLimit
        {
            return Err(OrderFault::NotOpen);
        }
        if (terms.peg != crate::Peg::None) != (terms.order_type == OrderType::Pegged)
            || (terms.expire_at_us != 0) != (order.time_in_force == TimeInForce::GoodTillDate)
            || terms.order_type.is_stop() != (terms.stop_price_ticks != 0)
            || !(0..=book.maximum_price_ticks).contains(&terms.stop_price_ticks)
        {
            return Err(OrderFault::Terms);
        }
        let displayed = if !is_in_book(order) || terms.hidden {
            0..=0
        } else if terms.display_quantity > 0 {
            1..=terms.display_quantity.min(order.remaining)
        } else {
            order.remaining..=order.remaining
        };
        if !displayed.contains(&order.displayed) {
            return Err(OrderFault::Displayed);
        }
        let first = first_priority(order.order_id);
        let last = first_priority(self.counters.sequence) | ((1 << PRIORITY_BITS) - 1);
        if !(first..=last).contains(&order.priority) {
            return Err(OrderFault::OutOfPriority);
        }
        if self.books.is_full() {
            return Err(OrderFault::TooManyOpenOrders);
        }
        if is_in_book(order) { self.check_place(order) } else { Ok(()) }
    }

    fn check_place(&self, order: &Order) -> Result<(), OrderFault> {
        let book = self.books.book(order.instrument);
        let opposite = order.side.opposite();
        let is_crossed = book
            .best_price(opposite)
            .is_some_and(|best| rank(opposite, best) <= rank(opposite, order.price_ticks));
        if is_crossed && book.phase == InstrumentPhase::Continuous {
            return Err(OrderFault::Crossed);
        }
        let last = self.books.last_priority(order);
        if last.is_some_and(|last| last >= order.priority) {
            return Err(OrderFault::OutOfPriority);
        }
        if self.books.lacks_level(order.instrument, order.side, order.price_ticks) {
            return Err(OrderFault::TooManyPriceLevels);
        }
        Ok(())
    }

    /// Enters the first answer to a client order id, by order id.
    pub fn restore_client_order(&mut self, order: &Order) -> Result<(), RestoreError> {
        let wrong = |reason| RestoreError::Order { order_id: order.order_id, reason };
        if !(1..=self.counters.sequence).contains(&order.order_id) {
            return Err(wrong(OrderFault::IdOutOfRange));
        }
        if order.terms.client_order_id.is_none() {
            return Err(wrong(OrderFault::Terms));
        }
        if self.client_orders.last().is_some_and(|last| last >= order.order_id) {
            return Err(wrong(OrderFault::Duplicate));
        }
        self.client_orders.remember(order);
        Ok(())
    }

    /// The last step: whether all that was entered goes together.
    pub fn restore_finish(&mut self) -> Result<(), RestoreError> {
        self.list_by_age()?;
        let mut money: Vec<_> = self.cash.currencies.iter().map(|currency| currency.fees).collect();
        for cash in self.cash.of(None) {
            money[cash.currency as usize - 1] += cash.balance;
        }
        for (index, currency) in self.cash.currencies.iter().enumerate() {
            if money[index] != currency.transferred {
                return Err(RestoreError::Money(index as CurrencyId + 1));
            }
        }
        let mut shares = vec![0_i64; self.books.len()];
        for slot in self.positions.slots(None) {
            let holding = &self.positions.holdings[slot];
            let sum = &mut shares[holding.instrument as usize - 1];
            *sum = sum.saturating_add(holding.quantity);
        }
        for (instrument, sum) in (1..).zip(shares) {
            if sum != self.books.book(instrument).state.transferred {
                return Err(RestoreError::Shares(instrument));
            }
        }
        Ok(())
    }

    /// Lists the open orders in their positions, which have them by age and not as the books do.
    fn list_by_age(&mut self) -> Result<(), RestoreError> {
        let slots = self.open_slots(|_, _| true);
        let mut by_age: Vec<(OrderId, Slot)> =
            slots.into_iter().map(|slot| (self.books.orders[slot].id, slot)).collect();
        by_age.sort_unstable();
        for (order_id, slot) in by_age {
            let linked_order = self.books.linked_order(slot);
            if linked_order != 0 {
                let linked = self.books.find(linked_order);
                if linked.is_none_or(|linked| self.books.linked_order(linked) != order_id) {
                    return Err(RestoreError::Order { order_id, reason: OrderFault::Link });
                }
            }
            self.list_in_position(slot);
        }
        Ok(())
    }
}

/// Whether an open order is in the book, or waits outside of it.
fn is_in_book(order: &Order) -> bool {
    let terms = &order.terms;
    let waits = terms.order_type.is_stop() && !order.triggered
        || terms.order_type == OrderType::Pegged
        || terms.all_or_none;
    !waits
}
