//! The commands that are not about orders.

use super::Engine;
use super::reject::part_of;
use crate::account::{Account, Currency, Participant};
use crate::outcome::{CancelReason, Outcome};
use crate::slots::{NONE, Slot};
use crate::{
    AccountId, BustedTrade, Command, CurrencyCode, CurrencyId, Event, Instrument, InstrumentId,
    ParticipantId, RiskLimits, RoleName, Side,
};

impl Engine {
    pub(super) fn administer(&mut self, command: &Command, events: &mut Vec<Event>) -> Outcome {
        match command {
            Command::CreateInstrument(instrument) => {
                let id = self.create_instrument(instrument);
                self.record(events, Event::InstrumentCreated { instrument: id });
                return Outcome::Instrument(id);
            }
            Command::SetPriceRules { instrument, rules } => {
                self.books.book_mut(*instrument).state.rules = *rules;
                self.refresh_guards(*instrument);
                self.running.touched.insert(*instrument);
                self.record(events, Event::InstrumentChanged { instrument: *instrument });
            }
            Command::SetReferencePrice { instrument, price_ticks } => {
                self.set_reference_price(*instrument, *price_ticks);
                self.running.touched.insert(*instrument);
                self.record(events, Event::InstrumentChanged { instrument: *instrument });
            }
            Command::RegisterParticipant { role } => {
                return Outcome::Participant(self.register(*role, events));
            }
            Command::SetRateLimit { participant, orders_per_second, burst } => {
                let entry = self.registry.participant(*participant).expect("checked");
                entry.orders_per_second = *orders_per_second;
                entry.burst = *burst;
                self.record(events, Event::ParticipantChanged { participant: *participant });
            }
            Command::OpenAccount { owner } => return self.open_account(*owner, events),
            Command::SetAccountStatus { account, status } => {
                self.registry.account_mut(*account).status = *status;
                self.record(events, Event::AccountChanged { account: *account });
            }
            Command::SetKillSwitch { account, killed, .. } => {
                return self.set_kill_switch(*account, *killed, events);
            }
            Command::CreateFeeSchedule(schedule) => {
                let id = self.fees.create(*schedule);
                self.record(events, Event::FeeScheduleCreated { schedule: id });
                return Outcome::FeeSchedule(id);
            }
            Command::SetFeeSchedule { account, schedule } => {
                self.registry.account_mut(*account).fee_schedule = *schedule;
                self.record(events, Event::AccountChanged { account: *account });
            }
            Command::TransferCash { account, currency, amount } => {
                let slot = self.cash.open(*account, *currency);
                self.cash.entries[slot].balance += amount;
                self.cash.currency(*currency).transferred += amount;
                let (account, currency, amount) = (*account, *currency, *amount);
                self.record(events, Event::CashTransferred { account, currency, amount });
            }
            Command::TransferShares { account, instrument, quantity } => {
                let slot = self.position_of(*account, *instrument);
                self.positions.holdings[slot].quantity += quantity;
                self.books.book_mut(*instrument).state.transferred += quantity;
                let (account, instrument, quantity) = (*account, *instrument, *quantity);
                self.record(events, Event::SharesTransferred { account, instrument, quantity });
            }
            Command::SetCreditLimit { account, currency, limit } => {
                let slot = self.cash.open(*account, *currency);
                self.cash.entries[slot].credit_limit = *limit;
                let (account, currency) = (*account, *currency);
                self.record(events, Event::CreditLimitSet { account, currency });
            }
            Command::SetShortLimit { account, instrument, limit } => {
                let slot = self.position_of(*account, *instrument);
                self.positions.holdings[slot].short_limit = *limit;
                let (account, instrument) = (*account, *instrument);
                self.record(events, Event::ShortLimitSet { account, instrument });
            }
            Command::SetRiskLimits { account, instrument, limits } => {
                self.set_risk_limits(*account, *instrument, *limits);
                let (account, instrument) = (*account, *instrument);
                self.record(events, Event::RiskLimitsSet { account, instrument });
            }
            Command::OpenMarket { trade_date } => self.open_market(*trade_date, events),
            Command::CloseMarket => self.close_market(events),
            Command::ScheduleDay(day) => {
                self.agenda.add_day(*day, 0);
                self.record(events, Event::Scheduled { trade_date: day.trade_date });
            }
            Command::ClearSchedule => {
                self.agenda.forget_days();
                self.record(events, Event::Scheduled { trade_date: 0 });
            }
            Command::HaltInstrument { instrument } => self.set_halted(*instrument, true, events),
            Command::ResumeInstrument { instrument } => self.set_halted(*instrument, false, events),
            Command::BustTrade(trade) => self.bust(trade, events),
            Command::PlaceOrder(_)
            | Command::PlaceOrderWithTerms(..)
            | Command::CancelOrder { .. }
            | Command::ReduceOrder { .. }
            | Command::ReplaceOrder { .. }
            | Command::CancelClientOrder { .. }
            | Command::CancelOrders { .. }
            | Command::EndSession { .. }
            | Command::AdvanceClock => unreachable!("these are about orders or the clock"),
        }
        Outcome::Done
    }

    fn create_instrument(&mut self, instrument: &Instrument) -> InstrumentId {
        let currency = self.currency_named(instrument.currency);
        self.books.create(instrument, currency);
        let id = self.registry.create_instrument(*instrument);
        self.follow_market(id);
        id
    }

    /// The currency of a code, which becomes one with its first instrument.
    fn currency_named(&mut self, code: CurrencyCode) -> CurrencyId {
        let currencies = &mut self.cash.currencies;
        let known = currencies.iter().position(|currency| currency.code == code);
        let index = known.unwrap_or_else(|| {
            currencies.push(Currency { code, fees: 0, transferred: 0 });
            currencies.len() - 1
        });
        index as CurrencyId + 1
    }

    fn register(&mut self, role: RoleName, events: &mut Vec<Event>) -> ParticipantId {
        let participant = self.registry.register(Participant::new(role));
        self.record(events, Event::ParticipantRegistered { participant });
        participant
    }

    fn open_account(&mut self, owner: RoleName, events: &mut Vec<Event>) -> Outcome {
        let participant = match self.registry.find_participant(&owner) {
            Some(participant) => participant,
            None => self.register(owner, events),
        };
        let account = self.registry.open_account(&Account::new(participant));
        self.record(events, Event::AccountOpened { account, participant });
        Outcome::Account(account)
    }

    fn set_kill_switch(
        &mut self,
        account: AccountId,
        killed: bool,
        events: &mut Vec<Event>,
    ) -> Outcome {
        self.registry.account_mut(account).killed = killed;
        self.record(events, Event::AccountChanged { account });
        let orders: Vec<Slot> = if killed {
            self.positions
                .slots(Some(account))
                .flat_map(|position| self.orders_of(position))
                .collect()
        } else {
            Vec::new()
        };
        self.cancel_all(orders, CancelReason::KillSwitch, events)
    }

    /// The position of an account in an instrument, made if it is not there.
    pub(super) fn position_of(&mut self, account: AccountId, instrument: InstrumentId) -> Slot {
        match self.positions.find(account, instrument) {
            NONE => self.open_position(account, instrument),
            slot => slot,
        }
    }

    pub(crate) fn set_risk_limits(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        limits: RiskLimits,
    ) {
        match (account, instrument) {
            (account, 0) => {
                let entry = self.registry.account_mut(account);
                entry.limits = self.limits.set(entry.limits, limits);
            }
            (0, instrument) => {
                self.books.book_mut(instrument).state.limits = limits;
                self.refresh_guards(instrument);
            }
            (account, instrument) => {
                let slot = self.position_of(account, instrument);
                let holding = &mut self.positions.holdings[slot];
                holding.limits = self.limits.set(holding.limits, limits);
            }
        }
    }

    pub(super) fn set_reference_price(&mut self, instrument: InstrumentId, price_ticks: i64) {
        self.books.book_mut(instrument).state.reference_price_ticks = price_ticks;
        self.refresh_guards(instrument);
    }

    /// Works out what follows from the rules, the limits and the reference price.
    pub(crate) fn refresh_guards(&mut self, instrument: InstrumentId) {
        let book = self.books.book_mut(instrument);
        let state = &book.state;
        book.is_guarded = state.rules.collar_ppm > 0 || state.limits != RiskLimits::NONE;
        let reference = state.reference_price_ticks;
        book.band = if reference > 0 && state.rules.band_ppm > 0 {
            let width = part_of(reference, state.rules.band_ppm);
            [reference - width, reference + width]
        } else {
            [i64::MIN, i64::MAX]
        };
    }

    fn bust(&mut self, trade: &BustedTrade, events: &mut Vec<Event>) {
        let BustedTrade { trade_id, instrument, buyer, seller, quantity, .. } = *trade;
        let book = self.books.book(instrument);
        let value = book.valuation.value(trade.price_ticks * quantity);
        let parties = [(Side::Buy, buyer, trade.buyer_fee), (Side::Sell, seller, trade.seller_fee)];
        for (side, account, fee) in parties {
            let position = self.positions.find(account, instrument);
            let holding = &mut self.positions.holdings[position];
            let cash = &mut self.cash.entries[holding.cash];
            match side {
                Side::Buy => {
                    holding.quantity -= quantity;
                    cash.balance += value + fee;
                }
                Side::Sell => {
                    holding.quantity += quantity;
                    cash.balance -= value - fee;
                }
            }
        }
        self.earn(instrument, -(trade.buyer_fee + trade.seller_fee));
        self.busted_trades.insert(trade_id);
        self.record(events, Event::TradeBusted { trade_id, instrument, buyer, seller });
    }
}
