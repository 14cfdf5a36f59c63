//! The engine as the tables show it. Together with the journal after that moment they
//! are all there is to know: there is no other snapshot.

use std::fmt::Display;
use std::hash::Hash;

use matcher::{
    AccountId, Engine, InstrumentId, InstrumentState, Limits, Order, ParticipantId, RestoreError,
    RiskLimits, Sequence,
};
use pgrx::pg_sys;
use rustc_hash::FxHashMap;

use super::fault::Fault;
use super::kept::Kept;
use super::progress::Progress;
use super::projection::KeptTables;
use super::rows::enums::Enums;
use super::rows::{Names, orders, registry, state};
use crate::relation::{Relation, Row, TupleId};
use crate::settings;

/// The tables, and where the rows of what still changes lie.
pub struct Tables {
    /// The engine after the command that the tables show.
    pub engine: Engine,
    /// The labels in them.
    pub enums: Enums,
    /// Open orders, each with its row.
    pub open_orders: Vec<(Order, TupleId)>,
    /// The file that these rows are in.
    pub open_orders_storage: u32,
    /// All others.
    pub state: KeptTables,
}

/// The bounds that decide which orders are rejected, and what a retry is. They are part of
/// what makes two engines agree, so the tables say under which the commands after them are
/// executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of `exchange.maximum_open_orders`.
    pub open_orders: u32,
    /// Of `exchange.maximum_price_levels`.
    pub price_levels: u32,
    /// Of `exchange.maximum_positions`.
    pub positions: u32,
    /// Of `exchange.client_order_window`.
    pub client_order_window: u32,
}

impl Bounds {
    /// As they are set.
    pub fn of_settings() -> Self {
        let limits = settings::limits();
        Self {
            open_orders: limits.maximum_open_orders,
            price_levels: limits.maximum_price_levels,
            positions: limits.maximum_positions,
            client_order_window: limits.client_order_window,
        }
    }

    /// As the tables have them; `None` before the workers have first run.
    pub fn of_tables() -> Option<Self> {
        position().map(|(_, bounds)| bounds)
    }

    /// Under which the commands after those that the tables show are executed. They are as they
    /// are set, but on a standby, whose settings may be others.
    pub fn in_force() -> Self {
        Self::of_tables().unwrap_or_else(Self::of_settings)
    }

    /// As an engine takes them.
    pub fn limits(&self) -> Limits {
        Limits {
            maximum_open_orders: self.open_orders,
            maximum_price_levels: self.price_levels,
            maximum_positions: self.positions,
            client_order_window: self.client_order_window,
            ..settings::limits()
        }
    }
}

/// The last command that the tables show, and the bounds in force after it; `None` before the
/// workers have first run. In a transaction.
pub fn position() -> Option<(Sequence, Bounds)> {
    let mut position = None;
    Relation::open("engine_state", pg_sys::AccessShareLock)?
        .scan(|_, row| position = Some((state::read_sequence(row), state::read_bounds(row))));
    position
}

/// A table that is read.
struct Table {
    name: &'static str,
    relation: Relation,
}

impl Table {
    fn open(name: &'static str) -> Option<Self> {
        Some(Self { name, relation: Relation::open(name, pg_sys::AccessShareLock)? })
    }

    /// Why it cannot be loaded.
    fn error(&self, error: impl Display) -> String {
        format!("exchange.{} cannot be loaded: {error}", self.name)
    }

    /// All rows.
    fn read<const N: usize, T>(
        &self,
        mut read: impl FnMut(&Row<N>) -> Result<T, String>,
    ) -> Result<Vec<(T, TupleId)>, String> {
        let mut result = Ok(Vec::new());
        self.relation.scan(|at, row| collect(&mut result, read(row), at));
        result.map_err(|error| self.error(error))
    }

    /// The rows whose first column is above `bound`.
    fn read_above<const N: usize, T>(
        &self,
        index: &str,
        bound: i64,
        mut read: impl FnMut(&Row<N>) -> Result<T, String>,
    ) -> Result<Vec<(T, TupleId)>, String> {
        let mut result = Ok(Vec::new());
        self.relation.scan_above(index, bound, |at, row| collect(&mut result, read(row), at));
        result.map_err(|error| self.error(error))
    }

    /// Rows that are numbered from 1 without a gap in their first column, by number.
    fn read_numbered<const N: usize, T>(
        &self,
        mut read: impl FnMut(&Row<N>) -> Result<T, String>,
    ) -> Result<Vec<(T, TupleId)>, String> {
        let mut rows = self.read(|row| Ok((row.get::<i32>(0), read(row)?)))?;
        rows.sort_by_key(|((number, _), _)| *number);
        for (expected, ((number, _), _)) in (1..).zip(&rows) {
            if *number != expected {
                return Err(self.error(format!("the row with number {expected} is missing")));
            }
        }
        Ok(rows.into_iter().map(|((_, value), at)| (value, at)).collect())
    }

    /// What is known about its rows.
    fn keep<K: Copy + Eq + Hash + Ord>(
        &self,
        rows: impl IntoIterator<Item = (K, TupleId)>,
    ) -> Kept<K> {
        Kept::new(self.name, self.relation.storage(), rows)
    }
}

/// Adds what was read, until the first error.
fn collect<T>(rows: &mut Result<Vec<(T, TupleId)>, String>, read: Result<T, String>, at: TupleId) {
    if let Ok(known) = rows {
        match read {
            Ok(value) => known.push((value, at)),
            Err(error) => *rows = Err(error),
        }
    }
}

/// By number, from 1.
fn numbered<N: TryFrom<usize>, T>(rows: &[(T, TupleId)]) -> impl Iterator<Item = (N, TupleId)> {
    rows.iter().enumerate().filter_map(|(index, (_, at))| Some((N::try_from(index + 1).ok()?, *at)))
}

/// Everything that the engine is made of.
struct Snapshot {
    engine_state: Table,
    currencies: Table,
    fee_schedules: Table,
    participants: Table,
    accounts: Table,
    instruments: Table,
    instrument_states: Table,
    risk_limits: Table,
    cash: Table,
    positions: Table,
    open_orders: Table,
    trading_days: Table,
    busted_trades: Table,
    client_orders: Table,
}

/// Reads the tables, into an engine of these bounds. In a transaction that sees one moment
/// of them; `progress` has just begun. `None` if they are not there.
pub fn load(bounds: Bounds, progress: &mut Progress) -> Option<Result<Tables, Fault>> {
    let snapshot = Snapshot {
        engine_state: Table::open("engine_state")?,
        currencies: Table::open("currencies")?,
        fee_schedules: Table::open("fee_schedules")?,
        participants: Table::open("participants")?,
        accounts: Table::open("accounts")?,
        instruments: Table::open("instruments")?,
        instrument_states: Table::open("instrument_states")?,
        risk_limits: Table::open("risk_limits")?,
        cash: Table::open("cash")?,
        positions: Table::open("positions")?,
        open_orders: Table::open("open_orders")?,
        trading_days: Table::open("trading_days")?,
        busted_trades: Table::open("busted_trades")?,
        client_orders: Table::open("client_orders")?,
    };
    Some(snapshot.restore(bounds, progress).map_err(Fault::of_tables))
}

impl Snapshot {
    fn restore(&self, bounds: Bounds, progress: &mut Progress) -> Result<Tables, String> {
        let mut engine = Engine::new(bounds.limits());
        let enums = Enums::look_up();
        let mut names = Names::default();

        let counters = self.engine_state.read(|row| state::read_counters(row, &enums))?;
        if let Some((counters, _)) = counters.first() {
            engine.restore_counters(*counters);
        }
        let engine_state = self.engine_state.keep(counters.iter().map(|(_, at)| ((), *at)));

        let table = &self.currencies;
        let rows = table.read_numbered(registry::read_currency)?;
        for (currency, _) in &rows {
            let code = currency.code.as_str();
            let id = engine.restore_currency(*currency).map_err(|error| table.row(code, error))?;
            names.currencies.insert(code.to_owned(), id);
        }
        let currencies = table.keep(numbered(&rows));

        let table = &self.fee_schedules;
        for (schedule, _) in table.read_numbered(registry::read_fee_schedule)? {
            let restored = engine.restore_fee_schedule(schedule);
            restored.map_err(|error| table.row(schedule.name, error))?;
        }

        let table = &self.participants;
        let rows = table.read_numbered(registry::read_participant)?;
        for ((participant, _), _) in &rows {
            let restored = engine.restore_participant(*participant);
            let id = restored.map_err(|error| table.row(participant.role, error))?;
            names.participants.insert(participant.role.as_str().to_owned(), id);
        }
        let limited = (1..=rows.len() as ParticipantId).collect();
        let registered_at_us = rows.iter().map(|((_, time_us), _)| *time_us).collect();
        let participants = table.keep(numbered(&rows));

        let table = &self.instruments;
        for (instrument, _) in table.read_numbered(registry::read_instrument)? {
            names.instruments.push(instrument);
            let id = names.instruments.len() as InstrumentId;
            names.symbols.insert(instrument.symbol.as_str().to_owned(), id);
        }
        let limits_rows = self.risk_limits.read(|row| state::read_risk_limits(row, &names))?;
        let risk_limits =
            self.risk_limits.keep(limits_rows.iter().map(|((key, _), at)| (*key, *at)));
        let mut limits: FxHashMap<_, _> =
            limits_rows.into_iter().map(|(limits, _)| limits).collect();

        let table = &self.accounts;
        let rows = table.read_numbered(|row| registry::read_account(row, &names, &enums))?;
        for (id, ((account, _), _)) in (1..).zip(&rows) {
            let limits = limits.remove(&(id, 0)).unwrap_or(RiskLimits::NONE);
            let restored = engine.restore_account(matcher::Account { limits, ..*account });
            restored.map_err(|error| table.row(format!("account {id}"), error))?;
        }
        let opened_at_us = rows.iter().map(|((_, time_us), _)| *time_us).collect();
        let accounts = table.keep(numbered(&rows));

        let instrument_states =
            self.restore_instruments(&mut engine, &names, &enums, &mut limits)?;

        let table = &self.cash;
        let rows = table.read(|row| state::read_cash(row, &names))?;
        for (cash, _) in &rows {
            engine.restore_cash(*cash).map_err(|error| {
                table.row(format!("account {}, currency {}", cash.account, cash.currency), error)
            })?;
        }
        let cash = table.keep(rows.iter().map(|(cash, at)| ((cash.account, cash.currency), *at)));

        let table = &self.positions;
        let rows = table.read(|row| state::read_position(row, &names))?;
        for (position, _) in &rows {
            let key = (position.account, position.instrument);
            let limits = limits.remove(&key).unwrap_or(RiskLimits::NONE);
            let restored = engine.restore_position(matcher::Position { limits, ..*position });
            restored.map_err(|error| {
                let symbol = names.instruments[key.1 as usize - 1].symbol;
                table.row(format!("account {}, {symbol}", key.0), error)
            })?;
        }
        let positions = table
            .keep(rows.iter().map(|(position, at)| ((position.account, position.instrument), *at)));

        if let Some((account, instrument)) = limits.keys().next() {
            return Err(self.risk_limits.error(format!(
                "the limits of account {account} in instrument {instrument} are of something that \
                 is not there"
            )));
        }

        let open_orders = self.restore_open_orders(&mut engine, &names, &enums, progress)?;

        let table = &self.trading_days;
        let mut rows = table.read(state::read_trading_day)?;
        rows.sort_by_key(|((day, _), _)| day.trade_date);
        for ((day, steps_taken), _) in &rows {
            let restored = engine.restore_trading_day(*day, *steps_taken);
            restored.map_err(|error| {
                table.row(format!("the day {} days after 2000-01-01", day.trade_date), error)
            })?;
        }
        let trading_days = table.keep(rows.iter().map(|((day, _), at)| (day.trade_date, *at)));

        let table = &self.busted_trades;
        for (trade_id, _) in table.read(|row: &Row<2>| Ok(row.get::<i64>(0)))? {
            let restored = engine.restore_busted_trade(trade_id as u64);
            restored.map_err(|error| table.row(format!("trade {trade_id}"), error))?;
        }

        self.restore_client_orders(&mut engine, &names, &enums, bounds)?;
        engine.restore_finish().map_err(|error| {
            format!("the tables of the schema exchange do not go together: {error}")
        })?;
        Ok(Tables {
            engine,
            enums,
            open_orders,
            open_orders_storage: self.open_orders.relation.storage(),
            state: KeptTables {
                participants,
                registered_at_us,
                limited,
                accounts,
                opened_at_us,
                currencies,
                instrument_states,
                cash,
                positions,
                risk_limits,
                trading_days,
                engine_state,
            },
        })
    }

    fn restore_instruments(
        &self,
        engine: &mut Engine,
        names: &Names,
        enums: &Enums,
        limits: &mut FxHashMap<(AccountId, InstrumentId), RiskLimits>,
    ) -> Result<Kept<InstrumentId>, String> {
        let table = &self.instrument_states;
        let rows = table.read(|row| state::read_instrument_state(row, names, enums))?;
        let mut states: FxHashMap<_, _> = rows.iter().map(|(state, _)| *state).collect();
        for (id, instrument) in (1..).zip(&names.instruments) {
            let symbol = instrument.symbol;
            let state: InstrumentState =
                states.remove(&id).ok_or_else(|| table.error(format!("{symbol} is missing")))?;
            let limits = limits.remove(&(0, id)).unwrap_or(RiskLimits::NONE);
            let restored =
                engine.restore_instrument(*instrument, InstrumentState { limits, ..state });
            restored.map_err(|error| self.instruments.row(symbol, error))?;
        }
        Ok(table.keep(rows.iter().map(|((id, _), at)| (*id, *at))))
    }

    fn restore_open_orders(
        &self,
        engine: &mut Engine,
        names: &Names,
        enums: &Enums,
        progress: &mut Progress,
    ) -> Result<Vec<(Order, TupleId)>, String> {
        let rows = self.open_orders.read(|row| {
            progress.count_open_order();
            orders::read(row, names, enums)
        })?;
        // As they stand in the books. What is sorted is small: orders are not.
        let mut places: Vec<_> = (0..rows.len())
            .map(|index| {
                let (order, _) = &rows[index];
                (order.instrument, order.side as u8, order.price_ticks, order.priority, index)
            })
            .collect();
        places.sort_unstable();
        for (.., index) in places {
            let (order, _) = &rows[index];
            engine.restore_order(order).map_err(|error| self.open_orders.error(error))?;
        }
        Ok(rows)
    }

    /// The first answers that are still remembered.
    fn restore_client_orders(
        &self,
        engine: &mut Engine,
        names: &Names,
        enums: &Enums,
        bounds: Bounds,
    ) -> Result<(), String> {
        let table = &self.client_orders;
        let forgotten = engine.sequence().saturating_sub(bounds.client_order_window.into());
        let read = |row: &Row<{ orders::COLUMNS }>| orders::read(row, names, enums);
        let mut rows = table.read_above("client_orders_pkey", forgotten as i64, read)?;
        rows.sort_by_key(|(answer, _)| answer.order_id);
        for (answer, _) in &rows {
            engine
                .restore_client_order(answer)
                .map_err(|error| table.row(format!("order {}", answer.order_id), error))?;
        }
        Ok(())
    }
}

impl Table {
    /// Why it cannot be loaded: the engine does not take a row.
    fn row(&self, row: impl Display, error: RestoreError) -> String {
        self.error(format!("{row}: {error}"))
    }
}
