//! Instruments, accounts, the phase of the market, and its clock.

use std::ffi::CStr;

use matcher::{Command, Instrument, MAXIMUM_PRICE_TICKS, Outcome, RoleName, Symbol};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum};

use super::call::Call;
use super::submission::{AnswerWhen, Desk, expect};
use super::venue;
use crate::datum::Numeric;
use crate::errors::{raise, required};
use crate::price::{MAXIMUM_TICK_SCALE, tick_size};
use crate::settings;

/// What `maximum_price` is where it is left out: 100,000.00 at a tick of 0.01.
const DEFAULT_MAXIMUM_PRICE_TICKS: i64 = 10_000_000;

/// The end of the year 9999 UTC, far from where calendars of candles overflow.
const LAST_TIME_US: i64 = 252_455_615_999_999_999;

/// `exchange.create_instrument`
pub fn create_instrument(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let name: &str = required(call.argument(0), "symbol");
    let Some(symbol) = Symbol::new(name) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "a symbol has 1 to 15 bytes",
            format!("\"{name}\" has {}.", name.len()),
            "Choose another symbol.",
        )
    };
    let tick: Numeric<'_> = required(call.argument(1), "tick_size");
    let lot_size: i64 = required(call.argument(2), "lot_size");
    let (tick_digits, tick_scale) = tick_size(tick).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the tick size is out of range",
            format!("It is {}.", tick.text()),
            format!("Choose one above 0, with at most {MAXIMUM_TICK_SCALE} decimals."),
        )
    });
    let maximum_price_ticks = call.argument::<Numeric<'_>>(3).map_or(DEFAULT_MAXIMUM_PRICE_TICKS, |price| {
        price
            .scaled(tick_scale)
            .ok()
            .filter(|digits| digits % i128::from(tick_digits) == 0)
            .and_then(|digits| i64::try_from(digits / i128::from(tick_digits)).ok())
            .filter(|ticks| (1..=MAXIMUM_PRICE_TICKS).contains(ticks))
            .unwrap_or_else(|| {
                raise(
                    PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                    "the maximum price is out of range",
                    format!("It is {}, the tick size {}.", price.text(), tick.text()),
                    format!("Choose a multiple of the tick size, at most {MAXIMUM_PRICE_TICKS} ticks."),
                )
            })
    });
    if lot_size < 1 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the lot size must be at least 1",
            format!("It is {lot_size}."),
            "Leave lot_size out to trade single units.",
        );
    }
    let instrument = Instrument { symbol, tick_digits, tick_scale, lot_size, maximum_price_ticks };
    let answer = desk.submit(&Command::CreateInstrument(instrument), AnswerWhen::Projected);
    match expect(answer, |_| format!("The symbol is {symbol}.")) {
        Outcome::Instrument(id) => Datum::from(id),
        other => unreachable!("create_instrument came to {other:?}"),
    }
}

/// `exchange.open_account`
pub fn open_account(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let owner: &CStr = required(call.argument(0), "owner");
    // SAFETY: a look-up by a C string.
    let role = unsafe { pg_sys::get_role_oid(owner.as_ptr(), true) };
    let name = owner.to_string_lossy();
    let Some(owner) = RoleName::new(&name).filter(|_| role != pg_sys::InvalidOid) else {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("role \"{name}\" does not exist"),
            "An account belongs to a role of this server.",
            format!("CREATE ROLE \"{}\" LOGIN; creates it.", name.replace('"', "\"\"")),
        )
    };
    let answer = desk.submit(&Command::OpenAccount { owner }, AnswerWhen::Projected);
    match expect(answer, |_| format!("The owner is {owner}.")) {
        Outcome::Account(id) => {
            desk.venue().shared.directory.set_owner(id, role);
            Datum::from(id)
        }
        other => unreachable!("open_account came to {other:?}"),
    }
}

fn change_phase(call: Call, command: Command) -> Datum {
    let desk = Desk::open(&call);
    let answer = desk.submit(&command, AnswerWhen::Projected);
    let time_us = answer.time_us;
    expect(answer, |_| format!("The command was {command:?}."));
    Datum::from(time_us)
}

/// `exchange.open_market`
pub fn open_market(call: Call) -> Datum {
    change_phase(call, Command::OpenMarket)
}

/// `exchange.close_market`
pub fn close_market(call: Call) -> Datum {
    change_phase(call, Command::CloseMarket)
}

/// `exchange.advance_clock`
pub fn advance_clock(call: Call) -> Datum {
    venue::shared();
    if !settings::simulated_clock() {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the clock of this exchange is the real one",
            "exchange.simulated_clock is off.",
            "ALTER SYSTEM SET exchange.simulated_clock = on; SELECT pg_reload_conf(); makes it a simulation.",
        );
    }
    let desk = Desk::open(&call);
    let until: i64 = required(call.argument(0), "until");
    if !(0..=LAST_TIME_US).contains(&until) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the time is out of range",
            format!("It is {until} microseconds after 2000-01-01 00:00 UTC."),
            "Choose a time from the year 2000 to the year 9999.",
        );
    }
    // The matcher stamps every command with this clock; the one below makes the new time
    // part of the sequence even where no other follows.
    desk.venue().shared.control.advance_simulated_time(until);
    let answer = desk.submit(&Command::AdvanceClock, AnswerWhen::Matched);
    let time_us = answer.time_us;
    expect(answer, |_| String::new());
    if time_us > until {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the clock cannot go back",
            "The time of the exchange is later than the one that was given.",
            "SELECT max(updated_at) FROM exchange.orders; shows a time that it has reached.",
        );
    }
    Datum::from(time_us)
}
