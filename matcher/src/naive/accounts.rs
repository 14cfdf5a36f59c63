//! Participants, accounts, instruments, and what accounts have.

use super::{Answer, NaiveExchange};
use crate::outcome::Order;
use crate::{
    Account, AccountId, BustedTrade, Cash, Currency, CurrencyId, Event, FeeSchedule, Instrument,
    InstrumentId, InstrumentState, Liquidity, Money, OrderId, Outcome, Participant, ParticipantId,
    Position, RoleName, ScheduleId, Side,
};

impl NaiveExchange {
    pub(super) fn create_instrument(&mut self, instrument: &Instrument) -> Answer {
        let code = instrument.currency;
        if !self.currencies.iter().any(|currency| currency.code == code) {
            self.currencies.push(Currency { code, fees: 0, transferred: 0 });
        }
        self.instruments.push(*instrument);
        self.states.push(InstrumentState::default());
        self.open_orders.push(Default::default());
        let id = self.instruments.len() as InstrumentId;
        self.events.push(Event::InstrumentCreated { instrument: id });
        Answer::Fixed(Outcome::Instrument(id))
    }

    pub(super) fn participant(&self, role: RoleName) -> Option<ParticipantId> {
        let index = self.participants.iter().position(|participant| participant.role == role);
        index.map(|index| index as ParticipantId + 1)
    }

    pub(super) fn register_participant(&mut self, role: RoleName) -> Answer {
        self.participants.push(Participant::new(role));
        let participant = self.participants.len() as ParticipantId;
        self.events.push(Event::ParticipantRegistered { participant });
        Answer::Fixed(Outcome::Participant(participant))
    }

    pub(super) fn open_account(&mut self, role: RoleName) -> Answer {
        if self.participant(role).is_none() {
            self.register_participant(role);
        }
        let participant = self.participant(role).expect("it is there now");
        self.accounts.push(Account::new(participant));
        let account = self.accounts.len() as AccountId;
        self.events.push(Event::AccountOpened { account, participant });
        Answer::Fixed(Outcome::Account(account))
    }

    pub(super) fn create_fee_schedule(&mut self, schedule: &FeeSchedule) -> Answer {
        self.fee_schedules.push(*schedule);
        let id = self.fee_schedules.len() as ScheduleId;
        self.events.push(Event::FeeScheduleCreated { schedule: id });
        Answer::Fixed(Outcome::FeeSchedule(id))
    }

    /// A cash record, which exists from here on.
    pub(super) fn cash_mut(&mut self, account: AccountId, currency: CurrencyId) -> &mut Cash {
        self.cash.entry((account, currency)).or_insert(Cash {
            account,
            currency,
            balance: 0,
            held: 0,
            credit_limit: 0,
        })
    }

    /// A position, which exists from here on, as does its cash record.
    pub(super) fn position_mut(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
    ) -> &mut Position {
        self.cash_mut(account, self.currency_of(instrument));
        self.positions
            .entry((account, instrument))
            .or_insert_with(|| Position::new(account, instrument))
    }

    /// Whether there can be a cash record.
    pub(super) fn has_room_for_cash(&self, account: AccountId, currency: CurrencyId) -> bool {
        self.cash.contains_key(&(account, currency))
            || (self.cash.len() as u64) < u64::from(self.limits.maximum_positions)
    }

    /// Whether there can be a position, and its cash record.
    pub(super) fn has_room_for_position(&self, account: AccountId, id: InstrumentId) -> bool {
        self.has_room_for_cash(account, self.currency_of(id))
            && (self.positions.contains_key(&(account, id))
                || (self.positions.len() as u64) < u64::from(self.limits.maximum_positions))
    }

    pub(super) fn transfer_cash(
        &mut self,
        account: AccountId,
        currency: CurrencyId,
        amount: Money,
    ) -> Answer {
        self.cash_mut(account, currency).balance += amount;
        self.currencies[currency as usize - 1].transferred += amount;
        self.events.push(Event::CashTransferred { account, currency, amount });
        Answer::Fixed(Outcome::Done)
    }

    pub(super) fn transfer_shares(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        quantity: i64,
    ) -> Answer {
        self.position_mut(account, instrument).quantity += quantity;
        self.states[instrument as usize - 1].transferred += quantity;
        self.events.push(Event::SharesTransferred { account, instrument, quantity });
        Answer::Fixed(Outcome::Done)
    }

    /// What so much costs without fees.
    pub(super) fn value(&self, instrument: InstrumentId, price_ticks: i64, quantity: i64) -> Money {
        Money::from(price_ticks) * Money::from(quantity) * self.instrument(instrument).tick_value()
    }

    pub(super) fn fee(&self, schedule: ScheduleId, liquidity: Liquidity, value: Money) -> Money {
        match schedule {
            0 => 0,
            id => self.fee_schedules[id as usize - 1].fee(liquidity, value),
        }
    }

    /// The money that an open order withholds.
    pub(super) fn hold(&self, order: &Order) -> Money {
        if order.side == Side::Sell {
            return 0;
        }
        let value = self.value(order.instrument, order.price_ticks, order.remaining);
        match order.fee_schedule {
            0 => value,
            id => value + self.fee_schedules[id as usize - 1].highest_fee(value),
        }
    }

    /// The money that the open orders of an account withhold, but for one of them.
    pub(super) fn held(&self, account: AccountId, currency: CurrencyId, except: OrderId) -> Money {
        self.all_orders()
            .filter(|order| order.account == account && order.order_id != except)
            .filter(|order| self.currency_of(order.instrument) == currency)
            .map(|order| self.hold(order))
            .sum()
    }

    /// What remains of the open orders of an account in an instrument on a side, but for one
    /// of them: the quantity, and the value at their limits in ticks.
    pub(super) fn open_quantity_and_value(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        except: OrderId,
    ) -> (i64, i128) {
        self.orders_of(instrument)
            .filter(|order| order.account == account && order.side == side)
            .filter(|order| order.order_id != except)
            .fold((0, 0), |(quantity, value), order| {
                (
                    quantity + order.remaining,
                    value + i128::from(order.price_ticks) * i128::from(order.remaining),
                )
            })
    }

    /// What an account has traded of an instrument on a side today: the quantity, and the
    /// value in ticks.
    pub(super) fn traded_today(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
    ) -> (i64, i128) {
        match self.positions.get(&(account, instrument)) {
            Some(position) if position.trade_date == self.counters.trade_date => (
                position.traded_quantity[side as usize],
                position.traded_value_ticks[side as usize],
            ),
            _ => (0, 0),
        }
    }

    /// One side of a trade: shares and money change hands, the fee goes to the venue.
    pub(super) fn pay(&mut self, order: &Order, price_ticks: i64, quantity: i64, fee: Money) {
        let currency = self.currency_of(order.instrument);
        let value = self.value(order.instrument, price_ticks, quantity);
        let trade_date = self.counters.trade_date;
        self.currencies[currency as usize - 1].fees += fee;
        self.cash_mut(order.account, currency).balance += match order.side {
            Side::Buy => -(value + fee),
            Side::Sell => value - fee,
        };
        let position = self.position_mut(order.account, order.instrument);
        position.quantity += match order.side {
            Side::Buy => quantity,
            Side::Sell => -quantity,
        };
        if position.trade_date != trade_date {
            position.trade_date = trade_date;
            position.traded_quantity = [0; 2];
            position.traded_value_ticks = [0; 2];
        }
        position.traded_quantity[order.side as usize] += quantity;
        position.traded_value_ticks[order.side as usize] +=
            i128::from(price_ticks) * i128::from(quantity);
    }

    /// Undoes what a trade moved.
    pub(super) fn bust(&mut self, trade: &BustedTrade) -> Answer {
        let instrument = trade.instrument;
        let currency = self.currency_of(instrument);
        let value = self.value(instrument, trade.price_ticks, trade.quantity);
        self.cash_mut(trade.buyer, currency).balance += value + trade.buyer_fee;
        self.cash_mut(trade.seller, currency).balance -= value - trade.seller_fee;
        self.currencies[currency as usize - 1].fees -= trade.buyer_fee + trade.seller_fee;
        self.position_mut(trade.buyer, instrument).quantity -= trade.quantity;
        self.position_mut(trade.seller, instrument).quantity += trade.quantity;
        self.busted_trades.insert(trade.trade_id);
        self.events.push(Event::TradeBusted {
            trade_id: trade.trade_id,
            instrument,
            buyer: trade.buyer,
            seller: trade.seller,
        });
        Answer::Fixed(Outcome::Done)
    }
}
