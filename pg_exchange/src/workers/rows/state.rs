//! Rows of what changes with trading: instrument states, cash, positions, limits and the
//! calendar, and the one row of the engine itself.

use matcher::{
    AccountId, Cash, Counters, CurrencyId, InstrumentId, InstrumentState, Money, Position,
    PriceRules, RiskLimits, Sequence, TradingDay, View,
};
use pgrx::pg_sys::{self, Datum, Interval};

use super::enums::Enums;
use super::{
    Maker, Names, millionths_of, money_of, number, price_unless_zero, ticks_of, unless_zero,
    wide_ticks_of,
};
use crate::datum::text;
use crate::relation::{Row, Values};
use crate::workers::recovery::Bounds;
use crate::{money, price, rate};

/// A row of `exchange.instrument_states`.
pub fn instrument_state_row(id: InstrumentId, make: &mut Maker<'_>) -> Values<11> {
    let (instrument, symbol) = make.instrument(id);
    let state = make.engine.instrument_state(id).expect("an instrument is never removed");
    let rules = &state.rules;
    let rate_unless_zero = |ppm: u32| (ppm != 0).then(|| rate::to_numeric(ppm));
    [
        Some(symbol),
        make.enums.instrument_phases.datum(state.phase),
        Some(Datum::from(state.halted)),
        unless_zero(state.halt_until_us),
        price_unless_zero(instrument, state.reference_price_ticks),
        price_unless_zero(instrument, state.last_price_ticks),
        rate_unless_zero(rules.collar_ppm),
        rate_unless_zero(rules.band_ppm),
        Some(interval(rules.volatility_halt_us)),
        Some(rate::to_numeric(rules.protection_ppm)),
        Some(Datum::from(state.transferred)),
    ]
}

/// The state of a row, but for the limits.
pub fn read_instrument_state(
    row: &Row<11>,
    names: &Names,
    enums: &Enums,
) -> Result<(InstrumentId, InstrumentState), String> {
    let symbol = row.get::<&str>(0);
    let state = || -> Result<_, String> {
        let (id, instrument) = names.instrument(symbol)?;
        let state = InstrumentState {
            phase: enums.instrument_phases.value(row, 1)?,
            halted: row.get(2),
            halt_until_us: row.optional(3).unwrap_or(0),
            reference_price_ticks: ticks_of(row, 4, instrument, "reference_price")?,
            last_price_ticks: ticks_of(row, 5, instrument, "last_price")?,
            rules: PriceRules {
                collar_ppm: millionths_of(row, 6, "collar")?,
                band_ppm: millionths_of(row, 7, "band")?,
                volatility_halt_us: row.get::<Interval>(8).time,
                protection_ppm: millionths_of(row, 9, "protection")?,
            },
            limits: RiskLimits::NONE,
            transferred: row.get(10),
        };
        Ok((id, state))
    };
    state().map_err(|error| format!("{symbol}: {error}"))
}

/// An interval of so many microseconds, in the current memory context.
fn interval(time_us: i64) -> Datum {
    // SAFETY: fresh memory of that size, written before it is used.
    unsafe {
        let interval = pg_sys::palloc(size_of::<Interval>()).cast::<Interval>();
        interval.write(Interval { time: time_us, day: 0, month: 0 });
        Datum::from(interval)
    }
}

/// A row of `exchange.cash`; `None` if there is no such record.
pub fn cash_row(
    (account, currency): (AccountId, CurrencyId),
    make: &mut Maker<'_>,
) -> Option<Values<4>> {
    let cash = make.engine.cash(account, currency)?;
    Some([
        Some(Datum::from(account)),
        Some(make.currency(currency)),
        Some(money::to_numeric(cash.balance)),
        Some(money::to_numeric(cash.credit_limit)),
    ])
}

/// The cash record of a row, but for what is held.
pub fn read_cash(row: &Row<4>, names: &Names) -> Result<Cash, String> {
    let (account, currency) = (row.get::<i32>(0), row.get::<&str>(1));
    let cash = || -> Result<Cash, String> {
        Ok(Cash {
            account: account as u32,
            currency: names.currency(currency)?,
            balance: money_of(row, 2, "balance")?,
            held: 0,
            credit_limit: money_of(row, 3, "credit_limit")?,
        })
    };
    cash().map_err(|error| format!("account {account}, {currency}: {error}"))
}

/// A row of `exchange.positions`; `None` if there is no such position.
pub fn position_row(
    (account, id): (AccountId, InstrumentId),
    make: &mut Maker<'_>,
) -> Option<Values<9>> {
    let position = make.engine.position(account, id)?;
    let (instrument, symbol) = make.instrument(id);
    let [bought_quantity, sold_quantity] = position.traded_quantity;
    let [bought_value, sold_value] =
        position.traded_value_ticks.map(|ticks| price::from_ticks(instrument, ticks));
    Some([
        Some(Datum::from(account)),
        Some(symbol),
        Some(Datum::from(position.quantity)),
        Some(Datum::from(position.short_limit)),
        Some(Datum::from(position.trade_date)),
        Some(Datum::from(bought_quantity)),
        Some(Datum::from(sold_quantity)),
        Some(bought_value),
        Some(sold_value),
    ])
}

/// The position of a row, but for its limits and what follows from its orders.
pub fn read_position(row: &Row<9>, names: &Names) -> Result<Position, String> {
    let (account, symbol) = (row.get::<i32>(0), row.get::<&str>(1));
    let position = || -> Result<Position, String> {
        let (id, instrument) = names.instrument(symbol)?;
        Ok(Position {
            quantity: row.get(2),
            short_limit: row.get(3),
            trade_date: row.get(4),
            traded_quantity: [row.get(5), row.get(6)],
            traded_value_ticks: [
                wide_ticks_of(row, 7, instrument, "bought_value")?,
                wide_ticks_of(row, 8, instrument, "sold_value")?,
            ],
            ..Position::new(account as u32, id)
        })
    };
    position().map_err(|error| format!("account {account}, {symbol}: {error}"))
}

/// A row of `exchange.risk_limits`: of an account (instrument 0), an instrument (account 0) or
/// of both; `None` if there is no limit.
pub fn risk_limits_row(
    (account, id): (AccountId, InstrumentId),
    make: &mut Maker<'_>,
) -> Option<Values<9>> {
    let engine = make.engine;
    let limits = match (account, id) {
        (0, id) => engine.instrument_state(id)?.limits,
        (account, 0) => engine.account(account)?.limits,
        (account, id) => engine.position(account, id)?.limits,
    };
    if limits == RiskLimits::NONE {
        return None;
    }
    let quantity = |limit: i64| (limit != i64::MAX).then(|| Datum::from(limit));
    let value = |limit: Money| (limit != Money::MAX).then(|| money::to_numeric(limit));
    Some([
        Some(Datum::from(account)),
        Some(if id == 0 { text("") } else { make.instrument(id).1 }),
        quantity(limits.order_quantity),
        value(limits.order_value),
        quantity(limits.daily_bought_quantity),
        quantity(limits.daily_sold_quantity),
        value(limits.daily_bought_value),
        value(limits.daily_sold_value),
        (limits.open_orders != u32::MAX).then(|| Datum::from(i64::from(limits.open_orders))),
    ])
}

/// The limits of a row, and of which account and instrument they are; 0 for each.
pub fn read_risk_limits(
    row: &Row<9>,
    names: &Names,
) -> Result<((AccountId, InstrumentId), RiskLimits), String> {
    let (account, symbol) = (row.get::<i32>(0), row.get::<&str>(1));
    let quantity = |column: usize| row.optional(column).unwrap_or(i64::MAX);
    let value = |column: usize, what: &str| {
        if row.0[column].is_none() { Ok(Money::MAX) } else { money_of(row, column, what) }
    };
    let limits = || -> Result<_, String> {
        let id = if symbol.is_empty() { 0 } else { names.instrument(symbol)?.0 };
        let limits = RiskLimits {
            order_quantity: quantity(2),
            order_value: value(3, "order_value")?,
            daily_bought_quantity: quantity(4),
            daily_sold_quantity: quantity(5),
            daily_bought_value: value(6, "daily_bought_value")?,
            daily_sold_value: value(7, "daily_sold_value")?,
            open_orders: number(row.optional(8).unwrap_or(u32::MAX.into()), "open_orders")?,
        };
        Ok(((account as u32, id), limits))
    };
    limits().map_err(|error| format!("account {account}, symbol '{symbol}': {error}"))
}

/// A row of `exchange.trading_days`.
pub fn trading_day_row(day: &TradingDay, steps_taken: u8) -> Values<6> {
    [
        Some(Datum::from(day.trade_date)),
        Some(Datum::from(day.pre_open_us)),
        Some(Datum::from(day.open_us)),
        Some(Datum::from(day.closing_auction_us)),
        Some(Datum::from(day.close_us)),
        Some(Datum::from(i32::from(steps_taken))),
    ]
}

/// The day of a row, and how many of its steps were taken.
pub fn read_trading_day(row: &Row<6>) -> Result<(TradingDay, u8), String> {
    let day = TradingDay {
        trade_date: row.get(0),
        pre_open_us: row.get(1),
        open_us: row.get(2),
        closing_auction_us: row.get(3),
        close_us: row.get(4),
    };
    let steps_taken = number(row.get::<i32>(5).into(), "steps_taken")
        .map_err(|error| format!("the day that closes at {}: {error}", day.close_us))?;
    Ok((day, steps_taken))
}

/// The columns of `exchange.engine_state`.
pub const ENGINE_STATE_COLUMNS: usize = 11;

/// The row of `exchange.engine_state`.
pub fn engine_state_row(bounds: &Bounds, make: &Maker<'_>) -> Values<ENGINE_STATE_COLUMNS> {
    let counters = make.engine.counters();
    [
        Some(Datum::from(true)),
        Some(Datum::from(counters.sequence)),
        Some(Datum::from(counters.time_us)),
        Some(Datum::from(counters.last_trade_id)),
        Some(Datum::from(counters.event_hash)),
        make.enums.market_phases.datum(counters.market_phase),
        Some(Datum::from(counters.trade_date)),
        Some(Datum::from(bounds.open_orders)),
        Some(Datum::from(bounds.price_levels)),
        Some(Datum::from(bounds.positions)),
        Some(Datum::from(bounds.client_order_window)),
    ]
}

/// The engine's counters.
pub fn read_counters(row: &Row<ENGINE_STATE_COLUMNS>, enums: &Enums) -> Result<Counters, String> {
    Ok(Counters {
        sequence: row.get::<i64>(1) as u64,
        time_us: row.get(2),
        last_trade_id: row.get::<i64>(3) as u64,
        event_hash: row.get::<i64>(4) as u64,
        market_phase: enums.market_phases.value(row, 5)?,
        trade_date: row.get(6),
    })
}

/// The last command that the tables show.
pub fn read_sequence(row: &Row<ENGINE_STATE_COLUMNS>) -> Sequence {
    row.get::<i64>(1) as u64
}

/// The bounds under which the commands after that are executed.
pub fn read_bounds(row: &Row<ENGINE_STATE_COLUMNS>) -> Bounds {
    let bound = |column: usize| row.get::<i32>(column) as u32;
    Bounds {
        open_orders: bound(7),
        price_levels: bound(8),
        positions: bound(9),
        client_order_window: bound(10),
    }
}
