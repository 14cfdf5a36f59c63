//! Which commands are a mistake of their sender: first what they name must exist, then
//! values must be in their ranges, then the state must allow it.

use super::NaiveExchange;
use super::replacing::is_replaceable;
use crate::outcome::Order;
use crate::{
    Account, AccountId, AccountStatus, BustedTrade, Command, CurrencyId, FeeSchedule, Instrument,
    InstrumentId, MAXIMUM_CURRENCIES, MAXIMUM_FEE_PPM, MAXIMUM_FEE_SCHEDULES, MAXIMUM_MONEY,
    MAXIMUM_PRICE_TICKS, MAXIMUM_SCHEDULE, MAXIMUM_SHORT_LIMIT, MAXIMUM_TICK_VALUE,
    MAXIMUM_TRANSFERRED_MONEY, MAXIMUM_TRANSFERRED_SHARES, MONEY_SCALE, MarketPhase, Money,
    NewOrder, OrderId, Participant, ParticipantId, Refusal, Terms, TradingDay, VENUE,
    maximum_quantity,
};

type Check = Result<(), Refusal>;

/// Refuses unless the condition holds.
fn require(condition: bool, refusal: Refusal) -> Check {
    if condition { Ok(()) } else { Err(refusal) }
}

impl NaiveExchange {
    /// Whether a command is a mistake of its sender.
    pub fn check(&self, command: &Command) -> Check {
        match command {
            Command::PlaceOrder(new) => {
                self.check_new_order(new, 1)?;
                self.check_quantity(new.instrument, new.quantity, 1)
            }
            Command::PlaceOrderWithTerms(new, terms) => self.check_order_with_terms(new, terms),
            Command::CancelOrder { order_id, participant } => {
                self.check_own_order(*order_id, *participant).map(|_| ())
            }
            Command::ReduceOrder { order_id, participant, by } => {
                let order = self.check_own_order(*order_id, *participant)?;
                require(*by >= 1, Refusal::QuantityOutOfRange)?;
                require(*by < order.remaining, Refusal::ReductionTooLarge)?;
                let lot_size = self.instrument(order.instrument).lot_size;
                require(by % lot_size == 0, Refusal::QuantityOffLot)
            }
            Command::ReplaceOrder { order_id, participant, price_ticks, quantity } => {
                let order = self.check_own_order(*order_id, *participant)?;
                require(is_replaceable(&order), Refusal::NotReplaceable)?;
                require(*price_ticks != 0 || *quantity != 0, Refusal::ValueOutOfRange)?;
                self.check_price(order.instrument, *price_ticks, 0)?;
                self.check_quantity(order.instrument, *quantity, 0)
            }
            Command::CancelClientOrder { account, client_order_id, participant } => {
                self.check_own_account(*account, *participant)?;
                let order = self.client_order(*account, *client_order_id);
                require(order.is_some(), Refusal::UnknownOrder)
            }
            Command::CancelOrders { participant, account, instrument, side: _ } => {
                if *participant != VENUE {
                    self.check_participant(*participant)?;
                }
                if *account != 0 {
                    self.check_own_account(*account, *participant)?;
                }
                if *instrument != 0 {
                    self.check_instrument(*instrument)?;
                }
                Ok(())
            }
            Command::EndSession { .. } | Command::ClearSchedule | Command::AdvanceClock => Ok(()),
            Command::CreateInstrument(instrument) => self.check_new_instrument(instrument),
            Command::SetPriceRules { instrument, rules } => {
                self.check_instrument(*instrument)?;
                let parts = [rules.collar_ppm, rules.band_ppm, rules.protection_ppm];
                require(
                    parts.iter().all(|&part| part <= 1_000_000)
                        && (1..=86_400_000_000).contains(&rules.volatility_halt_us),
                    Refusal::ValueOutOfRange,
                )
            }
            Command::SetReferencePrice { instrument, price_ticks } => {
                self.check_instrument(*instrument)?;
                self.check_price(*instrument, *price_ticks, 1)
            }
            Command::RegisterParticipant { role } => {
                require(self.participant(*role).is_none(), Refusal::ParticipantExists)?;
                self.check_room_for_participant()
            }
            Command::SetRateLimit { participant, orders_per_second, burst } => {
                self.check_participant(*participant)?;
                require(
                    *orders_per_second <= 1_000_000_000 && (1..=1_000_000_000).contains(burst),
                    Refusal::ValueOutOfRange,
                )
            }
            Command::OpenAccount { owner } => {
                require(
                    (self.accounts.len() as u64) < u64::from(self.limits.maximum_accounts),
                    Refusal::TooManyAccounts,
                )?;
                match self.participant(*owner) {
                    Some(_) => Ok(()),
                    None => self.check_room_for_participant(),
                }
            }
            Command::SetAccountStatus { account, status } => self.check_status(*account, *status),
            Command::SetKillSwitch { account, participant, killed } => {
                let entry = self.check_own_account(*account, *participant)?;
                require(*killed || *participant == VENUE, Refusal::NotOwner)?;
                require(
                    entry.killed != *killed && entry.status != AccountStatus::Closed,
                    Refusal::AccountStatus,
                )
            }
            Command::CreateFeeSchedule(schedule) => self.check_fee_schedule(schedule),
            Command::SetFeeSchedule { account, schedule } => {
                self.check_account(*account)?;
                require(
                    usize::from(*schedule) <= self.fee_schedules.len(),
                    Refusal::UnknownSchedule,
                )?;
                self.check_not_closed(*account)
            }
            Command::TransferCash { account, currency, amount } => {
                self.check_cash_transfer(*account, *currency, *amount)
            }
            Command::TransferShares { account, instrument, quantity } => {
                self.check_share_transfer(*account, *instrument, *quantity)
            }
            Command::SetCreditLimit { account, currency, limit } => {
                self.check_account(*account)?;
                self.check_currency(*currency)?;
                self.check_not_closed(*account)?;
                require((0..=MAXIMUM_MONEY).contains(limit), Refusal::ValueOutOfRange)?;
                require(self.has_room_for_cash(*account, *currency), Refusal::TooManyPositions)
            }
            Command::SetShortLimit { account, instrument, limit } => {
                self.check_account(*account)?;
                self.check_instrument(*instrument)?;
                self.check_not_closed(*account)?;
                require((0..=MAXIMUM_SHORT_LIMIT).contains(limit), Refusal::ValueOutOfRange)?;
                self.check_room_for_position(*account, *instrument)
            }
            Command::SetRiskLimits { account, instrument, limits } => {
                if *account != 0 {
                    self.check_account(*account)?;
                }
                if *instrument != 0 {
                    self.check_instrument(*instrument)?;
                }
                let is_for_something = *account != 0 || *instrument != 0;
                require(is_for_something && limits.is_valid(), Refusal::ValueOutOfRange)?;
                if *account != 0 && *instrument != 0 {
                    self.check_room_for_position(*account, *instrument)?;
                }
                Ok(())
            }
            Command::OpenMarket { trade_date } => require(
                self.counters.market_phase != MarketPhase::Continuous
                    && *trade_date >= self.counters.trade_date,
                Refusal::MarketPhase,
            ),
            Command::CloseMarket => {
                require(self.counters.market_phase != MarketPhase::Closed, Refusal::MarketPhase)
            }
            Command::ScheduleDay(day) => require(self.can_schedule(day), Refusal::Schedule),
            Command::HaltInstrument { instrument } => self.check_halt(*instrument, true),
            Command::ResumeInstrument { instrument } => self.check_halt(*instrument, false),
            Command::BustTrade(trade) => self.check_bust(trade),
        }
    }

    fn check_instrument(&self, id: InstrumentId) -> Check {
        require(self.instrument_ids().any(|existing| existing == id), Refusal::UnknownInstrument)
    }

    fn check_account(&self, id: AccountId) -> Result<&Account, Refusal> {
        let index = (id as usize).checked_sub(1).ok_or(Refusal::UnknownAccount)?;
        self.accounts.get(index).ok_or(Refusal::UnknownAccount)
    }

    fn check_participant(&self, id: ParticipantId) -> Result<&Participant, Refusal> {
        let index = (id as usize).checked_sub(1).ok_or(Refusal::UnknownParticipant)?;
        self.participants.get(index).ok_or(Refusal::UnknownParticipant)
    }

    fn check_currency(&self, id: CurrencyId) -> Check {
        require((1..=self.currencies.len()).contains(&id.into()), Refusal::UnknownCurrency)
    }

    fn check_not_closed(&self, account: AccountId) -> Check {
        let status = self.check_account(account)?.status;
        require(status != AccountStatus::Closed, Refusal::AccountStatus)
    }

    /// Whether an account exists, and a participant may act for it.
    fn check_own_account(
        &self,
        account: AccountId,
        participant: ParticipantId,
    ) -> Result<&Account, Refusal> {
        let entry = self.check_account(account)?;
        require(participant == VENUE || participant == entry.owner, Refusal::NotOwner)?;
        Ok(entry)
    }

    /// Whether an order is open, and a participant may act for its account.
    fn check_own_order(&self, id: OrderId, participant: ParticipantId) -> Result<Order, Refusal> {
        let order = self.order(id).ok_or(Refusal::UnknownOrder)?;
        self.check_own_account(order.account, participant)?;
        Ok(order)
    }

    fn check_room_for_participant(&self) -> Check {
        require(
            (self.participants.len() as u64) < u64::from(self.limits.maximum_accounts),
            Refusal::TooManyAccounts,
        )
    }

    fn check_room_for_position(&self, account: AccountId, instrument: InstrumentId) -> Check {
        require(self.has_room_for_position(account, instrument), Refusal::TooManyPositions)
    }

    fn check_price(&self, instrument: InstrumentId, price_ticks: i64, lowest: i64) -> Check {
        let highest = self.instrument(instrument).maximum_price_ticks;
        require((lowest..=highest).contains(&price_ticks), Refusal::PriceOutOfRange)
    }

    fn check_quantity(&self, instrument: InstrumentId, quantity: i64, lowest: i64) -> Check {
        let instrument = self.instrument(instrument);
        let highest = maximum_quantity(instrument.maximum_price_ticks);
        require((lowest..=highest).contains(&quantity), Refusal::QuantityOutOfRange)?;
        require(quantity % instrument.lot_size == 0, Refusal::QuantityOffLot)
    }

    fn check_new_order(&self, new: &NewOrder, lowest_price: i64) -> Check {
        self.check_instrument(new.instrument)?;
        self.check_account(new.account)?;
        self.check_price(new.instrument, new.price_ticks, lowest_price)
    }

    fn check_order_with_terms(&self, new: &NewOrder, terms: &Terms) -> Check {
        self.check_new_order(new, 0)?;
        self.check_price(new.instrument, terms.stop_price_ticks, 0)?;
        self.check_price(new.instrument, terms.trail_ticks, 0)?;
        self.check_quantity(new.instrument, new.quantity, 1)?;
        match terms.fault(new, self.instrument(new.instrument).lot_size) {
            Some(fault) => Err(Refusal::Terms(fault)),
            None => Ok(()),
        }
    }

    fn check_new_instrument(&self, new: &Instrument) -> Check {
        require(
            new.tick_digits >= 1
                && new.tick_scale <= MONEY_SCALE
                && new.tick_value() <= MAXIMUM_TICK_VALUE
                && (1..=MAXIMUM_PRICE_TICKS).contains(&new.maximum_price_ticks)
                && (1..=maximum_quantity(new.maximum_price_ticks)).contains(&new.lot_size),
            Refusal::InstrumentOutOfRange,
        )?;
        let is_taken = self.instruments.iter().any(|existing| existing.symbol == new.symbol);
        require(!is_taken, Refusal::SymbolTaken)?;
        require(
            (self.instruments.len() as u64) < u64::from(self.limits.maximum_instruments),
            Refusal::TooManyInstruments,
        )?;
        let has_currency = self.currencies.iter().any(|currency| currency.code == new.currency);
        require(
            has_currency || self.currencies.len() < MAXIMUM_CURRENCIES,
            Refusal::TooManyCurrencies,
        )
    }

    fn check_status(&self, account: AccountId, status: AccountStatus) -> Check {
        let entry = self.check_account(account)?;
        require(
            status != entry.status
                && status != AccountStatus::Unverified
                && entry.status != AccountStatus::Closed,
            Refusal::AccountStatus,
        )?;
        if status == AccountStatus::Closed {
            let orders = self.all_orders().any(|order| order.account == account);
            let cash = self.cash.values().any(|cash| cash.account == account && cash.balance != 0);
            let shares = self
                .positions
                .values()
                .any(|position| position.account == account && position.quantity != 0);
            require(!orders && !cash && !shares, Refusal::AccountNotEmpty)?;
        }
        Ok(())
    }

    fn check_fee_schedule(&self, new: &FeeSchedule) -> Check {
        let is_taken = self.fee_schedules.iter().any(|existing| existing.name == new.name);
        require(!is_taken, Refusal::ScheduleExists)?;
        require(self.fee_schedules.len() < MAXIMUM_FEE_SCHEDULES, Refusal::TooManySchedules)?;
        let rates = [new.maker_ppm, new.taker_ppm, new.auction_ppm];
        let range = -MAXIMUM_FEE_PPM..=MAXIMUM_FEE_PPM;
        require(rates.iter().all(|rate| range.contains(rate)), Refusal::ValueOutOfRange)
    }

    fn check_cash_transfer(
        &self,
        account: AccountId,
        currency: CurrencyId,
        amount: Money,
    ) -> Check {
        self.check_account(account)?;
        self.check_currency(currency)?;
        self.check_not_closed(account)?;
        let transferred = self.currencies[currency as usize - 1].transferred;
        require(
            amount != 0
                && (-MAXIMUM_MONEY..=MAXIMUM_MONEY).contains(&amount)
                && (amount < 0 || transferred + amount <= MAXIMUM_TRANSFERRED_MONEY),
            Refusal::ValueOutOfRange,
        )?;
        require(self.has_room_for_cash(account, currency), Refusal::TooManyPositions)?;
        let balance = self.cash.get(&(account, currency)).map_or(0, |cash| cash.balance);
        require(
            amount > 0 || -amount <= balance - self.held(account, currency, 0),
            Refusal::InsufficientFunds,
        )
    }

    fn check_share_transfer(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        quantity: i64,
    ) -> Check {
        self.check_account(account)?;
        self.check_instrument(instrument)?;
        self.check_not_closed(account)?;
        let transferred = self.state(instrument).transferred;
        let range = -MAXIMUM_TRANSFERRED_SHARES..=MAXIMUM_TRANSFERRED_SHARES;
        require(
            quantity != 0
                && range.contains(&quantity)
                && (quantity < 0 || transferred + quantity <= MAXIMUM_TRANSFERRED_SHARES),
            Refusal::ValueOutOfRange,
        )?;
        self.check_room_for_position(account, instrument)?;
        let position = self.positions.get(&(account, instrument));
        let owned = position.map_or(0, |position| position.quantity);
        let held = self.open_quantity_and_value(account, instrument, crate::Side::Sell, 0).0;
        require(quantity > 0 || -quantity <= owned - held, Refusal::InsufficientShares)
    }

    fn can_schedule(&self, day: &TradingDay) -> bool {
        let is_after_last = self.schedule.last().is_none_or(|(last, _)| {
            day.trade_date > last.trade_date && day.pre_open_us >= last.close_us
        });
        day.pre_open_us < day.open_us
            && day.open_us < day.closing_auction_us
            && day.closing_auction_us < day.close_us
            && day.close_us > self.counters.time_us
            && day.trade_date >= self.counters.trade_date
            && is_after_last
            && self.schedule.len() < MAXIMUM_SCHEDULE
    }

    fn check_halt(&self, instrument: InstrumentId, halt: bool) -> Check {
        if instrument != 0 {
            self.check_instrument(instrument)?;
        }
        let any = !self.instruments_to_halt(instrument, halt).is_empty();
        require(any, Refusal::InstrumentHalt)
    }

    fn check_bust(&self, trade: &BustedTrade) -> Check {
        self.check_instrument(trade.instrument)?;
        self.check_account(trade.buyer)?;
        self.check_account(trade.seller)?;
        self.check_not_closed(trade.buyer)?;
        self.check_not_closed(trade.seller)?;
        let highest_price = self.instrument(trade.instrument).maximum_price_ticks;
        let has_position = |account| self.positions.contains_key(&(account, trade.instrument));
        require(
            (1..=self.counters.last_trade_id).contains(&trade.trade_id)
                && !self.busted_trades.contains(&trade.trade_id)
                && (1..=highest_price).contains(&trade.price_ticks)
                && (1..=maximum_quantity(highest_price)).contains(&trade.quantity)
                && has_position(trade.buyer)
                && has_position(trade.seller),
            Refusal::UnknownTrade,
        )?;
        let value = self.value(trade.instrument, trade.price_ticks, trade.quantity);
        let fee_at = |ppm| (value * Money::from(ppm)).div_euclid(1_000_000);
        let fees = fee_at(-MAXIMUM_FEE_PPM)..=fee_at(MAXIMUM_FEE_PPM);
        require(
            fees.contains(&trade.buyer_fee) && fees.contains(&trade.seller_fee),
            Refusal::UnknownTrade,
        )
    }
}
