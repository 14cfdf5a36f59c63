//! Rows of what is registered: participants, accounts, fee schedules, currencies and
//! instruments.

use matcher::command::{CurrencyCode, ScheduleName};
use matcher::{
    Account, AccountId, Currency, CurrencyId, FeeSchedule, Instrument, InstrumentId, Participant,
    ParticipantId, RiskLimits, RoleName, ScheduleId, Symbol, View,
};
use pgrx::pg_sys::Datum;

use super::enums::Enums;
use super::{Maker, Names, millionths_of, money_of, number, unless_zero};
use crate::datum::text;
use crate::relation::{Row, Values};
use crate::{money, price, rate};

/// A row of `exchange.participants`.
pub fn participant_row(id: ParticipantId, registered_at_us: i64, make: &Maker<'_>) -> Values<5> {
    let participant = &make.engine.participants()[id as usize - 1];
    let is_limited = participant.orders_per_second != 0;
    let has_burst = is_limited || participant.burst != 1;
    [
        Some(Datum::from(id)),
        Some(text(participant.role.as_str())),
        is_limited.then(|| Datum::from(participant.orders_per_second)),
        has_burst.then(|| Datum::from(participant.burst)),
        Some(Datum::from(registered_at_us)),
    ]
}

/// The participant of a row, and when it was registered.
pub fn read_participant(row: &Row<5>) -> Result<(Participant, i64), String> {
    let role = row.get::<&str>(1);
    let name = RoleName::new(role).ok_or_else(|| format!("{role}: it is no role name"))?;
    let participant = Participant {
        role: name,
        orders_per_second: row.optional::<i32>(2).unwrap_or(0) as u32,
        burst: row.optional::<i32>(3).unwrap_or(1) as u32,
    };
    Ok((participant, row.get(4)))
}

/// A row of `exchange.accounts`.
pub fn account_row(id: AccountId, opened_at_us: i64, make: &Maker<'_>) -> Values<6> {
    let account = make.engine.account(id).expect("an account is never removed");
    let owner = &make.engine.participants()[account.owner as usize - 1];
    [
        Some(Datum::from(id)),
        Some(text(owner.role.as_str())),
        make.enums.account_statuses.datum(account.status),
        Some(Datum::from(account.killed)),
        unless_zero(account.fee_schedule.into()),
        Some(Datum::from(opened_at_us)),
    ]
}

/// The account of a row, but for its limits, and when it was opened.
pub fn read_account(row: &Row<6>, names: &Names, enums: &Enums) -> Result<(Account, i64), String> {
    let owner = row.get::<&str>(1);
    let account = || -> Result<Account, String> {
        let owner = names.participants.get(owner);
        Ok(Account {
            owner: *owner.ok_or("its owner is not in exchange.participants")?,
            status: enums.account_statuses.value(row, 2)?,
            killed: row.get(3),
            fee_schedule: number(row.optional::<i32>(4).unwrap_or(0).into(), "fee_schedule_id")?,
            limits: RiskLimits::NONE,
            open_orders: 0,
        })
    };
    let account =
        account().map_err(|error| format!("account {} of {owner}: {error}", row.get::<i32>(0)))?;
    Ok((account, row.get(5)))
}

/// A row of `exchange.currencies`.
pub fn currency_row(id: CurrencyId, make: &mut Maker<'_>) -> Values<4> {
    let currency = &make.engine.currencies()[usize::from(id) - 1];
    [
        Some(Datum::from(i32::from(id))),
        Some(make.currency(id)),
        Some(money::to_numeric(currency.fees)),
        Some(money::to_numeric(currency.transferred)),
    ]
}

/// The currency of a row.
pub fn read_currency(row: &Row<4>) -> Result<Currency, String> {
    let code = row.get::<&str>(1);
    let currency = || -> Result<Currency, String> {
        Ok(Currency {
            code: CurrencyCode::new(code).ok_or("the code is out of range")?,
            fees: money_of(row, 2, "fees")?,
            transferred: money_of(row, 3, "transferred")?,
        })
    };
    currency().map_err(|error| format!("{code}: {error}"))
}

/// A row of `exchange.fee_schedules`.
pub fn fee_schedule_row(id: ScheduleId, created_at_us: i64, make: &Maker<'_>) -> Values<6> {
    let schedule = &make.engine.fee_schedules()[usize::from(id) - 1];
    [
        Some(Datum::from(i32::from(id))),
        Some(text(schedule.name.as_str())),
        Some(rate::to_numeric(schedule.maker_ppm)),
        Some(rate::to_numeric(schedule.taker_ppm)),
        Some(rate::to_numeric(schedule.auction_ppm)),
        Some(Datum::from(created_at_us)),
    ]
}

/// The fee schedule of a row.
pub fn read_fee_schedule(row: &Row<6>) -> Result<FeeSchedule, String> {
    let name = row.get::<&str>(1);
    let schedule = || -> Result<FeeSchedule, String> {
        Ok(FeeSchedule {
            name: ScheduleName::new(name).ok_or("the name is out of range")?,
            maker_ppm: millionths_of(row, 2, "maker_rate")?,
            taker_ppm: millionths_of(row, 3, "taker_rate")?,
            auction_ppm: millionths_of(row, 4, "auction_rate")?,
        })
    };
    schedule().map_err(|error| format!("{name}: {error}"))
}

/// A row of `exchange.instruments`.
pub fn instrument_row(id: InstrumentId, created_at_us: i64, make: &mut Maker<'_>) -> Values<7> {
    let (instrument, symbol) = make.instrument(id);
    [
        Some(Datum::from(id)),
        Some(symbol),
        Some(price::from_ticks(instrument, 1)),
        Some(Datum::from(instrument.lot_size)),
        Some(price::from_ticks(instrument, instrument.maximum_price_ticks)),
        Some(Datum::from(created_at_us)),
        Some(make.currency(make.engine.currency_of(id))),
    ]
}

/// The instrument of a row.
pub fn read_instrument(row: &Row<7>) -> Result<Instrument, String> {
    let symbol = row.get::<&str>(1);
    let instrument = || -> Result<Instrument, String> {
        let (tick_digits, tick_scale) =
            price::tick_size(row.get(2)).ok_or("the tick size is out of range")?;
        let mut instrument = Instrument {
            symbol: Symbol::new(symbol).ok_or("the symbol is out of range")?,
            currency: CurrencyCode::new(row.get(6)).ok_or("the currency is out of range")?,
            tick_digits,
            tick_scale,
            lot_size: row.get(3),
            maximum_price_ticks: 0,
        };
        instrument.maximum_price_ticks = super::ticks_of(row, 4, &instrument, "maximum_price")?;
        Ok(instrument)
    };
    instrument().map_err(|error| format!("{symbol}: {error}"))
}
