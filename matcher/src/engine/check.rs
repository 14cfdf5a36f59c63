//! Which commands are refused.

use super::Engine;
use crate::slots::{NONE, Slot};
use crate::{
    AccountId, AccountStatus, BustedTrade, ClientOrderId, Command, CurrencyId, InstrumentId,
    MAXIMUM_FEE_PPM, MAXIMUM_MONEY, MAXIMUM_SCHEDULE, MAXIMUM_SHORT_LIMIT,
    MAXIMUM_TRANSFERRED_MONEY, MAXIMUM_TRANSFERRED_SHARES, MarketPhase, Money, NewOrder, OrderId,
    OrderType, ParticipantId, PriceRules, Refusal, RiskLimits, Terms, TradingDay, VENUE,
};

/// A whole.
const MILLION: u32 = 1_000_000;
/// The longest volatility halt, in microseconds: a day.
const LONGEST_HALT_US: i64 = 86_400_000_000;
/// The highest rate and burst of a rate limit.
const HIGHEST_RATE: u32 = 1_000_000_000;

/// `Err(refusal)` unless the condition holds.
#[inline(always)]
fn ensure(condition: bool, refusal: Refusal) -> Result<(), Refusal> {
    if condition { Ok(()) } else { Err(refusal) }
}

impl Engine {
    /// Whether a command is a mistake of its sender. What passes here may be applied next.
    #[inline]
    pub fn check(&self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::PlaceOrder(new) => self.check_new_order(new),
            Command::CancelOrder { order_id, participant } => {
                self.find_for(*order_id, *participant).map(drop)
            }
            _ => self.check_rare(command),
        }
    }

    #[inline(never)]
    fn check_rare(&self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::PlaceOrder(_) | Command::CancelOrder { .. } => {
                unreachable!("these were taken before")
            }
            Command::PlaceOrderWithTerms(new, terms) => self.check_terms(new, terms),
            Command::ReduceOrder { order_id, participant, by } => {
                self.check_reduction(*order_id, *participant, *by)
            }
            Command::ReplaceOrder { order_id, participant, price_ticks, quantity } => {
                self.check_replacement(*order_id, *participant, *price_ticks, *quantity)
            }
            Command::CancelClientOrder { account, client_order_id, participant } => {
                self.check_owner(*account, *participant)?;
                self.find_client_order(*account, client_order_id)
                    .map(drop)
                    .ok_or(Refusal::UnknownOrder)
            }
            Command::CancelOrders { participant, account, instrument, .. } => {
                ensure(
                    *participant == VENUE || self.registry.has_participant(*participant),
                    Refusal::UnknownParticipant,
                )?;
                if *account != 0 {
                    self.check_owner(*account, *participant)?;
                }
                if *instrument != 0 {
                    self.check_instrument(*instrument)?;
                }
                Ok(())
            }
            Command::CreateInstrument(instrument) => {
                self.registry.check_instrument(instrument)?;
                let currencies = &self.cash.currencies;
                let is_known = currencies.iter().any(|known| known.code == instrument.currency);
                ensure(
                    is_known || currencies.len() < crate::MAXIMUM_CURRENCIES,
                    Refusal::TooManyCurrencies,
                )
            }
            Command::SetPriceRules { instrument, rules } => {
                self.check_instrument(*instrument)?;
                ensure(is_valid(rules), Refusal::ValueOutOfRange)
            }
            Command::SetReferencePrice { instrument, price_ticks } => {
                let book = self.books.get(*instrument).ok_or(Refusal::UnknownInstrument)?;
                ensure(
                    (1..=book.maximum_price_ticks).contains(price_ticks),
                    Refusal::PriceOutOfRange,
                )
            }
            Command::RegisterParticipant { role } => self.registry.check_participant(role),
            Command::SetRateLimit { participant, orders_per_second, burst } => {
                ensure(self.registry.has_participant(*participant), Refusal::UnknownParticipant)?;
                ensure(
                    *orders_per_second <= HIGHEST_RATE && (1..=HIGHEST_RATE).contains(burst),
                    Refusal::ValueOutOfRange,
                )
            }
            Command::OpenAccount { owner } => self.registry.check_account(owner),
            Command::SetAccountStatus { account, status } => self.check_status(*account, *status),
            Command::SetKillSwitch { account, participant, killed } => {
                let entry = self.registry.account(*account).ok_or(Refusal::UnknownAccount)?;
                let may = *participant == VENUE || *killed && entry.owner == *participant;
                ensure(may, Refusal::NotOwner)?;
                ensure(
                    entry.killed != *killed && entry.status != AccountStatus::Closed,
                    Refusal::AccountStatus,
                )
            }
            Command::CreateFeeSchedule(schedule) => self.fees.check(schedule),
            Command::SetFeeSchedule { account, schedule } => {
                let entry = self.registry.account(*account).ok_or(Refusal::UnknownAccount)?;
                ensure(self.fees.contains(*schedule), Refusal::UnknownSchedule)?;
                ensure(entry.status != AccountStatus::Closed, Refusal::AccountStatus)
            }
            Command::TransferCash { account, currency, amount } => {
                self.check_cash(*account, *currency)?;
                self.check_cash_transfer(*account, *currency, *amount)
            }
            Command::TransferShares { account, instrument, quantity } => {
                self.check_share_transfer(*account, *instrument, *quantity)
            }
            Command::SetCreditLimit { account, currency, limit } => {
                self.check_cash(*account, *currency)?;
                ensure((0..=MAXIMUM_MONEY).contains(limit), Refusal::ValueOutOfRange)?;
                ensure(!self.cash.lacks(*account, *currency), Refusal::TooManyPositions)
            }
            Command::SetShortLimit { account, instrument, limit } => {
                self.check_position(*account, *instrument)?;
                ensure((0..=MAXIMUM_SHORT_LIMIT).contains(limit), Refusal::ValueOutOfRange)?;
                ensure(!self.lacks_position(*account, *instrument), Refusal::TooManyPositions)
            }
            Command::SetRiskLimits { account, instrument, limits } => {
                self.check_limits(*account, *instrument, limits)
            }
            Command::OpenMarket { trade_date } => ensure(
                self.counters.market_phase != MarketPhase::Continuous
                    && *trade_date >= self.counters.trade_date,
                Refusal::MarketPhase,
            ),
            Command::CloseMarket => {
                ensure(self.counters.market_phase != MarketPhase::Closed, Refusal::MarketPhase)
            }
            Command::ScheduleDay(day) => ensure(self.can_schedule(day), Refusal::Schedule),
            Command::HaltInstrument { instrument } => self.check_halt(*instrument, false),
            Command::ResumeInstrument { instrument } => self.check_halt(*instrument, true),
            Command::BustTrade(trade) => self.check_bust(trade),
            Command::EndSession { .. } | Command::ClearSchedule | Command::AdvanceClock => Ok(()),
        }
    }

    #[inline(always)]
    pub(super) fn check_new_order(&self, new: &NewOrder) -> Result<(), Refusal> {
        let book = self.books.get(new.instrument).ok_or(Refusal::UnknownInstrument)?;
        self.registry.account(new.account).ok_or(Refusal::UnknownAccount)?;
        if new.price_ticks < 1 || new.price_ticks > book.maximum_price_ticks {
            return Err(Refusal::PriceOutOfRange);
        }
        self.check_quantity(new.instrument, new.quantity)
    }

    #[inline(always)]
    fn check_quantity(&self, instrument: InstrumentId, quantity: i64) -> Result<(), Refusal> {
        let book = self.books.book(instrument);
        if quantity < 1 || quantity > book.maximum_quantity {
            return Err(Refusal::QuantityOutOfRange);
        }
        ensure(book.is_lots(quantity), Refusal::QuantityOffLot)
    }

    fn check_terms(&self, new: &NewOrder, terms: &Terms) -> Result<(), Refusal> {
        let book = self.books.get(new.instrument).ok_or(Refusal::UnknownInstrument)?;
        self.registry.account(new.account).ok_or(Refusal::UnknownAccount)?;
        let prices = 0..=book.maximum_price_ticks;
        ensure(
            prices.contains(&new.price_ticks)
                && prices.contains(&terms.stop_price_ticks)
                && prices.contains(&terms.trail_ticks),
            Refusal::PriceOutOfRange,
        )?;
        self.check_quantity(new.instrument, new.quantity)?;
        terms.fault(new, book.lot_size).map_or(Ok(()), |fault| Err(Refusal::Terms(fault)))
    }

    /// The open order, if the participant may touch it.
    #[inline(always)]
    pub(super) fn find_for(
        &self,
        id: OrderId,
        participant: ParticipantId,
    ) -> Result<Slot, Refusal> {
        let slot = self.books.find(id).ok_or(Refusal::UnknownOrder)?;
        let account = self.account_of(slot);
        if participant != VENUE
            && self.registry.account(account).map(|entry| entry.owner) != Some(participant)
        {
            return Err(Refusal::NotOwner);
        }
        Ok(slot)
    }

    /// The newest open order of an account of this name.
    pub(super) fn find_client_order(
        &self,
        account: AccountId,
        name: &ClientOrderId,
    ) -> Option<Slot> {
        let remembered = self.client_orders.find(account, name, self.counters.sequence);
        let newest = remembered.and_then(|order| self.books.find(order.order_id));
        newest.or_else(|| {
            let is_named = |slot: &Slot| self.books.terms(*slot).client_order_id == Some(*name);
            let positions = self.positions.slots(Some(account));
            let orders = positions.flat_map(|position| self.orders_of(position));
            orders.filter(is_named).max_by_key(|slot| self.books.orders[*slot].id)
        })
    }

    fn check_reduction(
        &self,
        id: OrderId,
        participant: ParticipantId,
        by: i64,
    ) -> Result<(), Refusal> {
        let slot = self.find_for(id, participant)?;
        ensure(by >= 1, Refusal::QuantityOutOfRange)?;
        ensure(by < self.books.orders[slot].remaining, Refusal::ReductionTooLarge)?;
        let book = self.books.book(self.instrument_of(slot));
        ensure(book.is_lots(by), Refusal::QuantityOffLot)
    }

    fn check_replacement(
        &self,
        id: OrderId,
        participant: ParticipantId,
        price_ticks: i64,
        quantity: i64,
    ) -> Result<(), Refusal> {
        let slot = self.find_for(id, participant)?;
        let is_replaceable = matches!(
            self.books.terms(slot).order_type,
            OrderType::Limit | OrderType::StopLimit | OrderType::Pegged
        );
        ensure(is_replaceable, Refusal::NotReplaceable)?;
        ensure(price_ticks != 0 || quantity != 0, Refusal::ValueOutOfRange)?;
        let instrument = self.instrument_of(slot);
        let prices = 0..=self.books.book(instrument).maximum_price_ticks;
        ensure(prices.contains(&price_ticks), Refusal::PriceOutOfRange)?;
        if quantity == 0 { Ok(()) } else { self.check_quantity(instrument, quantity) }
    }

    fn check_owner(&self, account: AccountId, participant: ParticipantId) -> Result<(), Refusal> {
        let entry = self.registry.account(account).ok_or(Refusal::UnknownAccount)?;
        ensure(participant == VENUE || entry.owner == participant, Refusal::NotOwner)
    }

    fn check_instrument(&self, instrument: InstrumentId) -> Result<(), Refusal> {
        self.books.get(instrument).map(drop).ok_or(Refusal::UnknownInstrument)
    }

    fn check_status(&self, account: AccountId, status: AccountStatus) -> Result<(), Refusal> {
        let entry = self.registry.account(account).ok_or(Refusal::UnknownAccount)?;
        ensure(
            entry.status != status
                && status != AccountStatus::Unverified
                && entry.status != AccountStatus::Closed,
            Refusal::AccountStatus,
        )?;
        let is_empty = || {
            let positions = self.positions.slots(Some(account));
            entry.open_orders == 0
                && self.cash.of(Some(account)).all(|cash| cash.balance == 0)
                && positions.into_iter().all(|slot| self.positions.holdings[slot].quantity == 0)
        };
        ensure(status != AccountStatus::Closed || is_empty(), Refusal::AccountNotEmpty)
    }

    /// That an account may have money in a currency.
    fn check_cash(&self, account: AccountId, currency: CurrencyId) -> Result<(), Refusal> {
        let entry = self.registry.account(account).ok_or(Refusal::UnknownAccount)?;
        ensure(self.cash.has_currency(currency), Refusal::UnknownCurrency)?;
        ensure(entry.status != AccountStatus::Closed, Refusal::AccountStatus)
    }

    fn check_cash_transfer(
        &self,
        account: AccountId,
        currency: CurrencyId,
        amount: Money,
    ) -> Result<(), Refusal> {
        let transferred = self.cash.currencies[currency as usize - 1].transferred;
        ensure(
            amount != 0
                && (-MAXIMUM_MONEY..=MAXIMUM_MONEY).contains(&amount)
                && transferred + amount <= MAXIMUM_TRANSFERRED_MONEY,
            Refusal::ValueOutOfRange,
        )?;
        ensure(!self.cash.lacks(account, currency), Refusal::TooManyPositions)?;
        let free = self.cash.view(account, currency).map_or(0, |cash| cash.balance - cash.held);
        ensure(amount > 0 || free + amount >= 0, Refusal::InsufficientFunds)
    }

    /// That an account may have a position in an instrument.
    fn check_position(&self, account: AccountId, instrument: InstrumentId) -> Result<(), Refusal> {
        let entry = self.registry.account(account).ok_or(Refusal::UnknownAccount)?;
        self.check_instrument(instrument)?;
        ensure(entry.status != AccountStatus::Closed, Refusal::AccountStatus)
    }

    /// Whether a position that is not there could not be made.
    pub(super) fn lacks_position(&self, account: AccountId, instrument: InstrumentId) -> bool {
        self.positions.find(account, instrument) == NONE
            && (self.positions.holdings.is_full()
                || self.cash.lacks(account, self.currency_of(instrument)))
    }

    fn check_share_transfer(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        quantity: i64,
    ) -> Result<(), Refusal> {
        self.check_position(account, instrument)?;
        let transferred = self.books.book(instrument).state.transferred;
        let range = -MAXIMUM_TRANSFERRED_SHARES..=MAXIMUM_TRANSFERRED_SHARES;
        ensure(
            quantity != 0
                && range.contains(&quantity)
                && transferred + quantity <= MAXIMUM_TRANSFERRED_SHARES,
            Refusal::ValueOutOfRange,
        )?;
        ensure(!self.lacks_position(account, instrument), Refusal::TooManyPositions)?;
        let holding = &self.positions.holdings[self.positions.find(account, instrument)];
        let free = holding.available() - holding.short_limit;
        ensure(quantity > 0 || free + quantity >= 0, Refusal::InsufficientShares)
    }

    fn check_limits(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        limits: &RiskLimits,
    ) -> Result<(), Refusal> {
        if account != 0 {
            self.registry.account(account).ok_or(Refusal::UnknownAccount)?;
        }
        if instrument != 0 {
            self.check_instrument(instrument)?;
        }
        ensure((account, instrument) != (0, 0) && limits.is_valid(), Refusal::ValueOutOfRange)?;
        let is_pair = account != 0 && instrument != 0;
        ensure(!is_pair || !self.lacks_position(account, instrument), Refusal::TooManyPositions)
    }

    fn can_schedule(&self, day: &TradingDay) -> bool {
        let days = self.agenda.days();
        day.pre_open_us < day.open_us
            && day.open_us < day.closing_auction_us
            && day.closing_auction_us < day.close_us
            && day.close_us > self.counters.time_us
            && day.trade_date >= self.counters.trade_date
            && days.len() < MAXIMUM_SCHEDULE
            && days.back().is_none_or(|(last, _)| {
                day.trade_date > last.trade_date && day.pre_open_us >= last.close_us
            })
    }

    /// Whether an instrument, or any, is halted or not.
    fn check_halt(&self, instrument: InstrumentId, halted: bool) -> Result<(), Refusal> {
        let is_so = |id: InstrumentId| self.books.book(id).state.halted == halted;
        if instrument == 0 {
            let mut all = 1..=self.books.len() as InstrumentId;
            ensure(all.any(is_so), Refusal::InstrumentHalt)
        } else {
            self.check_instrument(instrument)?;
            ensure(is_so(instrument), Refusal::InstrumentHalt)
        }
    }

    fn check_bust(&self, trade: &BustedTrade) -> Result<(), Refusal> {
        let book = self.books.get(trade.instrument).ok_or(Refusal::UnknownInstrument)?;
        let parties = [trade.buyer, trade.seller];
        for account in parties {
            self.registry.account(account).ok_or(Refusal::UnknownAccount)?;
        }
        for account in parties {
            let is_closed = self
                .registry
                .account(account)
                .is_some_and(|entry| entry.status == AccountStatus::Closed);
            ensure(!is_closed, Refusal::AccountStatus)?;
        }
        let has_position =
            |account: &AccountId| self.positions.find(*account, trade.instrument) != NONE;
        ensure(
            (1..=self.counters.last_trade_id).contains(&trade.trade_id)
                && !self.busted_trades.contains(&trade.trade_id)
                && (1..=book.maximum_price_ticks).contains(&trade.price_ticks)
                && (1..=book.maximum_quantity).contains(&trade.quantity)
                && parties.iter().all(has_position),
            Refusal::UnknownTrade,
        )?;
        let value = book.valuation.value(trade.price_ticks * trade.quantity);
        let fee_at = |ppm: i32| (value * Money::from(ppm)).div_euclid(Money::from(MILLION));
        let fees = fee_at(-MAXIMUM_FEE_PPM)..=fee_at(MAXIMUM_FEE_PPM);
        ensure(
            fees.contains(&trade.buyer_fee) && fees.contains(&trade.seller_fee),
            Refusal::UnknownTrade,
        )
    }
}

fn is_valid(rules: &PriceRules) -> bool {
    rules.collar_ppm <= MILLION
        && rules.band_ppm <= MILLION
        && rules.protection_ppm <= MILLION
        && (1..=LONGEST_HALT_US).contains(&rules.volatility_halt_us)
}
