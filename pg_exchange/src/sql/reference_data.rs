//! Instruments, and what protects their prices.

use matcher::{
    Command, CurrencyCode, Instrument, MAXIMUM_PRICE_TICKS, MAXIMUM_TICK_VALUE, Outcome,
    PriceRules, Symbol,
};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{Datum, Interval};

use super::call::Call;
use super::instruments;
use super::submission::{AnswerWhen, Desk, expect};
use crate::datum::Numeric;
use crate::errors::{raise, required};
use crate::price::{MAXIMUM_TICK_SCALE, tick_size};
use crate::rate;

/// What `maximum_price` is where it is left out: 100,000.00 at a tick of 0.01.
const DEFAULT_MAXIMUM_PRICE_TICKS: i64 = 10_000_000;
/// A whole.
const MILLION: u32 = 1_000_000;
const DAY_US: i64 = 86_400_000_000;

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
    let code: &str = required(call.argument(4), "currency");
    let Some(currency) = CurrencyCode::new(code) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the code of a currency has 1 to 7 bytes",
            format!("\"{code}\" has {}.", code.len()),
            "Give a code such as 'USD'.",
        )
    };
    let tick_out_of_range = || -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the tick size is out of range",
            format!("It is {}.", tick.text()),
            format!(
                "Choose one above 0 and at most 1000000, with at most {MAXIMUM_TICK_SCALE} decimals."
            ),
        )
    };
    let (tick_digits, tick_scale) = tick_size(tick).unwrap_or_else(|| tick_out_of_range());
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
    let instrument =
        Instrument { symbol, currency, tick_digits, tick_scale, lot_size, maximum_price_ticks };
    if instrument.tick_value() > MAXIMUM_TICK_VALUE {
        tick_out_of_range();
    }
    let answer = desk.submit(&Command::CreateInstrument(instrument), AnswerWhen::Projected);
    match expect(answer, |_| format!("The symbol is {symbol}, the currency {currency}.")) {
        Outcome::Instrument(id) => Datum::from(id),
        other => unreachable!("create_instrument came to {other:?}"),
    }
}

/// `exchange.set_price_rules`
pub fn set_price_rules(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let (instrument, of) = instruments::of_call(&desk.venue().shared.directory, &call);
    // To the engine, 0 is none.
    let optional = |place, name| {
        let rate: Option<Numeric<'_>> = call.argument(place);
        rate.map_or(0, |rate| rate::millionths(name, rate, 1..=MILLION))
    };
    let rules = PriceRules {
        collar_ppm: optional(1, "collar"),
        band_ppm: optional(2, "band"),
        volatility_halt_us: halt_us(required(call.argument(3), "volatility_halt")),
        protection_ppm: rate::millionths(
            "protection",
            required(call.argument(4), "protection"),
            0..=MILLION,
        ),
    };
    let command = Command::SetPriceRules { instrument, rules };
    expect(desk.submit(&command, AnswerWhen::Projected), |_| {
        format!("The symbol is {}.", of.symbol)
    });
    call.null()
}

/// The microseconds of a volatility halt, or an error.
fn halt_us(length: Interval) -> i64 {
    let days_us = i64::from(length.day).checked_mul(DAY_US);
    let length_us = days_us
        .and_then(|days_us| days_us.checked_add(length.time))
        .filter(|length_us| length.month == 0 && (1..=DAY_US).contains(length_us));
    length_us.unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "volatility_halt is out of range",
            format!(
                "It is {} months, {} days and {} microseconds.",
                length.month, length.day, length.time
            ),
            "Give an interval from 1 microsecond to 1 day, such as '5 minutes'.",
        )
    })
}

/// `exchange.set_reference_price`
pub fn set_reference_price(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let (id, instrument) = instruments::of_call(&desk.venue().shared.directory, &call);
    let price_ticks =
        instruments::price_ticks(&instrument, "price", required(call.argument(1), "price"));
    let command = Command::SetReferencePrice { instrument: id, price_ticks };
    expect(desk.submit(&command, AnswerWhen::Projected), |_| {
        format!("The symbol is {}.", instrument.symbol)
    });
    call.null()
}
