//! What a batch of commands does to the tables.
//!
//! The state after the batch is written, not every step on the way: an order that came
//! and went within it is one row, written once. The tables and the position that they
//! show change in one transaction.

use matcher::{
    AccountId, CurrencyId, Engine, Event, InstrumentId, Liquidity, Money, OrderId, ParticipantId,
    ScheduleId, Sequence, Stamp, Trade, TradeId, TradingDay, View,
};
use pgrx::pg_sys::Datum;

use super::busts;
use super::candles::Candles;
use super::fault::Fault;
use super::follower::Follower;
use super::journal::Batch;
use super::kept::Kept;
use super::market_data::MarketData;
use super::notifications::Notifications;
use super::recovery::{Bounds, Tables};
use super::rows::enums::Enums;
use super::rows::{Maker, registry, state};
use super::tracked_orders::TrackedOrders;
use crate::days::DayWriter;
use crate::relation::{Values, Writer};
use crate::{money, numeric, price};

/// The tables, as an engine and what it has to write.
pub struct Projection {
    /// The engine after the last command that was collected.
    pub follower: Follower,
    /// Under which the commands after the last one that is written are executed.
    pub bounds: Bounds,
    enums: Enums,
    orders: TrackedOrders,
    /// The rows that change.
    pub state: KeptTables,
    history: History,
    candles: Candles,
    market_data: MarketData,
    notifications: Notifications,
    /// What `exchange.trading_days` shows.
    schedule: Vec<(TradingDay, u8)>,
    /// Up to which order the first answers were forgotten.
    forgotten: Sequence,
}

/// The tables whose rows change.
pub struct KeptTables {
    /// Of `exchange.participants`.
    pub participants: Kept<ParticipantId>,
    /// When each was registered.
    pub registered_at_us: Vec<i64>,
    /// Those whose rate limits are others than before, until somebody takes note of them.
    pub limited: Vec<ParticipantId>,
    /// Of `exchange.accounts`.
    pub accounts: Kept<AccountId>,
    /// When each was opened.
    pub opened_at_us: Vec<i64>,
    /// Of `exchange.currencies`.
    pub currencies: Kept<CurrencyId>,
    /// Of `exchange.instrument_states`.
    pub instrument_states: Kept<InstrumentId>,
    /// Of `exchange.cash`.
    pub cash: Kept<(AccountId, CurrencyId)>,
    /// Of `exchange.positions`.
    pub positions: Kept<(AccountId, InstrumentId)>,
    /// Of `exchange.risk_limits`: 0 for each account, or each instrument.
    pub risk_limits: Kept<(AccountId, InstrumentId)>,
    /// Of `exchange.trading_days`, by trade date.
    pub trading_days: Kept<i32>,
    /// The one row of `exchange.engine_state`.
    pub engine_state: Kept<()>,
}

/// What is added to tables whose rows stay, with its time.
#[derive(Default)]
struct History {
    trades: Vec<(i64, Trade)>,
    busts: Vec<(i64, TradeId)>,
    transfers: Vec<(Stamp, Transfer)>,
    instruments: Vec<(i64, InstrumentId)>,
    fee_schedules: Vec<(i64, ScheduleId)>,
}

enum Transfer {
    Cash(AccountId, CurrencyId, Money),
    Shares(AccountId, InstrumentId, i64),
}

impl Projection {
    /// Goes on from the tables.
    pub fn new(tables: Tables, bounds: Bounds) -> Self {
        let schedule = tables.engine.schedule();
        let market_data = MarketData::of(&tables.engine);
        Self {
            follower: Follower::new(tables.engine),
            bounds,
            enums: tables.enums,
            orders: TrackedOrders::new(tables.open_orders_storage, tables.open_orders),
            state: tables.state,
            history: History::default(),
            candles: Candles::new(),
            market_data,
            notifications: Notifications::default(),
            schedule,
            forgotten: 0,
        }
    }

    /// Executes a batch and collects what it changes.
    pub fn collect(&mut self, batch: &Batch) -> Result<(), Fault> {
        let Self { follower, orders, state, history, candles, market_data, .. } = self;
        follower.execute(batch, |engine, stamp, command, outcome, events| {
            if let Some(order) = orders.follow(stamp, command, outcome, events) {
                state.positions.mark_if_new((order.account, order.instrument));
                state.cash.mark_if_new((order.account, engine.currency_of(order.instrument)));
            }
            for event in events {
                if let Event::Trade(trade) = event {
                    candles.collect(stamp.time_us, *trade);
                }
                state.follow(engine, stamp.time_us, event);
                history.follow(stamp, event);
            }
            market_data.follow(engine, stamp, events);
        })?;
        orders.unknown().map_or(Ok(()), |id| {
            let what = format!("it changes order {id}, which is not in exchange.open_orders");
            Err(Fault::of_replay(batch.row, what))
        })
    }

    /// Writes what was collected, in the current transaction. `None` if a table is not
    /// there.
    pub fn write(&mut self) -> Option<()> {
        let engine = &self.follower.engine;
        let mut make = Maker::new(engine, &self.enums);
        self.orders.write(engine, &mut make)?;
        self.history.write(&mut make)?;
        self.candles.write(engine.instruments())?;
        self.notifications.send(self.market_data.events(), engine.instruments());
        self.market_data.write()?;
        self.state.write(&mut make)?;
        let schedule = engine.schedule();
        write_schedule(&mut self.state.trading_days, &self.schedule, &schedule)?;
        self.schedule = schedule;
        for (time_us, trade_id) in self.history.busts.drain(..) {
            busts::mark(trade_id, time_us, &mut self.candles);
        }
        self.state.engine_state.mark(());
        self.state.engine_state.write(|()| Some(state::engine_state_row(&self.bounds, &make)))?;
        self.forget_answers();
        Some(())
    }

    /// Removes the first answers that the engine does not remember any more, a part of the
    /// window at a time.
    fn forget_answers(&mut self) {
        let window = u64::from(self.bounds.client_order_window);
        let last = self.follower.sequence().saturating_sub(window);
        if last > self.forgotten + window / 16 {
            busts::run(
                "DELETE FROM exchange.client_orders WHERE order_id <= $1",
                &[(last as i64).into()],
            );
            self.forgotten = last;
        }
    }
}

impl KeptTables {
    /// Takes note of which rows an event changes.
    fn follow(&mut self, engine: &Engine, time_us: i64, event: &Event) {
        match *event {
            Event::Trade(trade) => {
                let currency = engine.currency_of(trade.instrument);
                self.instrument_states.mark(trade.instrument);
                for account in [trade.maker_account, trade.taker_account] {
                    self.positions.mark((account, trade.instrument));
                    self.cash.mark((account, currency));
                }
                if trade.maker_fee != 0 || trade.taker_fee != 0 {
                    self.currencies.mark(currency);
                }
            }
            Event::TradeBusted { instrument, buyer, seller, .. } => {
                let currency = engine.currency_of(instrument);
                for account in [buyer, seller] {
                    self.positions.mark((account, instrument));
                    self.cash.mark((account, currency));
                }
                self.currencies.mark(currency);
            }
            Event::CashTransferred { account, currency, .. } => {
                self.cash.mark((account, currency));
                self.currencies.mark(currency);
            }
            Event::SharesTransferred { account, instrument, .. } => {
                self.positions.mark((account, instrument));
                self.instrument_states.mark(instrument);
                // A position comes with a cash record.
                self.cash.mark_if_new((account, engine.currency_of(instrument)));
            }
            Event::CreditLimitSet { account, currency } => self.cash.mark((account, currency)),
            Event::ShortLimitSet { account, instrument } => {
                self.positions.mark((account, instrument));
                self.cash.mark_if_new((account, engine.currency_of(instrument)));
            }
            Event::RiskLimitsSet { account, instrument } => {
                self.risk_limits.mark((account, instrument));
                if account != 0 && instrument != 0 {
                    self.positions.mark_if_new((account, instrument));
                    self.cash.mark_if_new((account, engine.currency_of(instrument)));
                }
            }
            Event::InstrumentCreated { instrument } => {
                self.instrument_states.mark(instrument);
                self.currencies.mark_if_new(engine.currency_of(instrument));
            }
            Event::InstrumentChanged { instrument }
            | Event::InstrumentPhaseChanged { instrument, .. }
            | Event::Uncrossed { instrument, .. } => self.instrument_states.mark(instrument),
            Event::MarketPhaseChanged { .. } => {
                let last = engine.instruments().len() as InstrumentId;
                (1..=last).for_each(|instrument| self.instrument_states.mark(instrument));
            }
            Event::ParticipantRegistered { participant } => {
                self.participants.mark(participant);
                self.registered_at_us.push(time_us);
            }
            Event::ParticipantChanged { participant } => {
                self.participants.mark(participant);
                self.limited.push(participant);
            }
            Event::AccountOpened { account, .. } => {
                self.accounts.mark(account);
                self.opened_at_us.push(time_us);
            }
            Event::AccountChanged { account } => self.accounts.mark(account),
            Event::Rested { .. }
            | Event::Cancelled { .. }
            | Event::Reduced { .. }
            | Event::Replaced { .. }
            | Event::ReplaceRejected { .. }
            | Event::Refilled { .. }
            | Event::Triggered { .. }
            | Event::StopMoved { .. }
            | Event::Rejected { .. }
            | Event::FeeScheduleCreated { .. }
            | Event::Scheduled { .. }
            | Event::ClockAdvanced { .. } => {}
        }
    }

    fn write(&mut self, make: &mut Maker<'_>) -> Option<()> {
        let (registered_at_us, opened_at_us) = (&self.registered_at_us, &self.opened_at_us);
        self.participants.write(|id| {
            let time_us = registered_at_us[id as usize - 1];
            Some(registry::participant_row(id, time_us, make))
        })?;
        self.accounts
            .write(|id| Some(registry::account_row(id, opened_at_us[id as usize - 1], make)))?;
        self.currencies.write(|id| Some(registry::currency_row(id, make)))?;
        self.instrument_states.write(|id| Some(state::instrument_state_row(id, make)))?;
        self.cash.write(|key| state::cash_row(key, make))?;
        self.positions.write(|key| state::position_row(key, make))?;
        self.risk_limits.write(|key| state::risk_limits_row(key, make))
    }
}

/// Writes the days of the calendar that are others than those that the table shows: steps
/// can be taken without an event.
fn write_schedule(
    table: &mut Kept<i32>,
    shown: &[(TradingDay, u8)],
    schedule: &[(TradingDay, u8)],
) -> Option<()> {
    let others = |days: &[(TradingDay, u8)], than: &[(TradingDay, u8)]| {
        let others = days.iter().filter(|day| !than.contains(day));
        others.map(|(day, _)| day.trade_date).collect::<Vec<_>>()
    };
    for trade_date in others(shown, schedule).into_iter().chain(others(schedule, shown)) {
        table.mark(trade_date);
    }
    table.write(|trade_date| {
        let (day, steps_taken) = schedule.iter().find(|(day, _)| day.trade_date == trade_date)?;
        Some(state::trading_day_row(day, *steps_taken))
    })
}

impl History {
    fn follow(&mut self, stamp: Stamp, event: &Event) {
        let time_us = stamp.time_us;
        match *event {
            Event::Trade(trade) => self.trades.push((time_us, trade)),
            Event::TradeBusted { trade_id, .. } => self.busts.push((time_us, trade_id)),
            Event::InstrumentCreated { instrument } => self.instruments.push((time_us, instrument)),
            Event::FeeScheduleCreated { schedule } => self.fee_schedules.push((time_us, schedule)),
            Event::CashTransferred { account, currency, amount } => {
                self.transfers.push((stamp, Transfer::Cash(account, currency, amount)));
            }
            Event::SharesTransferred { account, instrument, quantity } => {
                self.transfers.push((stamp, Transfer::Shares(account, instrument, quantity)));
            }
            _ => {}
        }
    }

    fn write(&mut self, make: &mut Maker<'_>) -> Option<()> {
        add("instruments", self.instruments.drain(..), |(time_us, id)| {
            registry::instrument_row(id, time_us, make)
        })?;
        add("fee_schedules", self.fee_schedules.drain(..), |(time_us, id)| {
            registry::fee_schedule_row(id, time_us, make)
        })?;
        add("transfers", self.transfers.drain(..), |(stamp, transfer)| {
            let (account, currency, symbol, amount) = match transfer {
                Transfer::Cash(account, currency, amount) => {
                    (account, Some(make.currency(currency)), None, money::to_numeric(amount))
                }
                Transfer::Shares(account, instrument, quantity) => {
                    let (_, symbol) = make.instrument(instrument);
                    (account, None, Some(symbol), numeric::from_scaled(quantity.into(), 0))
                }
            };
            [
                Some(Datum::from(stamp.sequence)),
                Some(Datum::from(account)),
                currency,
                symbol,
                Some(amount),
                Some(Datum::from(stamp.time_us)),
            ]
        })?;
        add("busted_trades", &self.busts, |(time_us, trade_id)| {
            [Some(Datum::from(*trade_id)), Some(Datum::from(*time_us))]
        })?;
        self.write_trades(make)
    }

    fn write_trades(&mut self, make: &mut Maker<'_>) -> Option<()> {
        if self.trades.is_empty() {
            return Some(());
        }
        let mut tape = DayWriter::new("trades");
        let mut executions = DayWriter::new("executions");
        let enums = make.enums;
        let no_fee = money::to_numeric(0);
        let fee_of = |fee: Money| if fee == 0 { no_fee } else { money::to_numeric(fee) };
        for (time_us, trade) in self.trades.drain(..) {
            let (instrument, symbol) = make.instrument(trade.instrument);
            let price = Some(price::from_ticks(instrument, trade.price_ticks));
            tape.insert(
                time_us,
                [
                    Some(Datum::from(trade.trade_id)),
                    Some(symbol),
                    price,
                    Some(Datum::from(trade.quantity)),
                    enums.sides.datum(trade.taker_side),
                    Some(Datum::from(time_us)),
                    Some(Datum::from(trade.in_auction)),
                    None,
                ],
            )?;
            let liquidity = |of: Liquidity| {
                enums.liquidities.datum(if trade.in_auction { Liquidity::Auction } else { of })
            };
            let mut execute = |order_id: OrderId, account: AccountId, side, of, fee| {
                executions.insert(
                    time_us,
                    [
                        Some(Datum::from(trade.trade_id)),
                        Some(Datum::from(order_id)),
                        Some(Datum::from(account)),
                        Some(symbol),
                        enums.sides.datum(side),
                        liquidity(of),
                        price,
                        Some(Datum::from(trade.quantity)),
                        Some(Datum::from(time_us)),
                        Some(fee_of(fee)),
                        None,
                    ],
                )
            };
            let Trade { maker_order_id, maker_account, maker_fee, .. } = trade;
            let Trade { taker_order_id, taker_account, taker_fee, taker_side, .. } = trade;
            let maker_side = taker_side.opposite();
            execute(maker_order_id, maker_account, maker_side, Liquidity::Maker, maker_fee)?;
            execute(taker_order_id, taker_account, taker_side, Liquidity::Taker, taker_fee)?;
        }
        tape.close();
        executions.close();
        Some(())
    }
}

/// Adds rows to a table. `None` if it is not there.
fn add<T, const N: usize>(
    table: &'static str,
    values: impl IntoIterator<Item = T>,
    mut row: impl FnMut(T) -> Values<N>,
) -> Option<()> {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return Some(());
    }
    let mut table = Writer::open(table)?;
    values.for_each(|value| table.insert(row(value), &mut |_| ()));
    table.close(&mut |_| ());
    Some(())
}
