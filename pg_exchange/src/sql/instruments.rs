//! A backend's own view of the instruments: by symbol, and what prices and quantities of
//! them may be.

use std::cell::RefCell;

use matcher::{Instrument, InstrumentId, Symbol, maximum_quantity};
use pgrx::PgSqlErrorCode;
use rustc_hash::FxHashMap;

use super::call::Call;
use super::submission::raise_refusal;
use crate::datum::Numeric;
use crate::errors::{quoted, raise, required};
use crate::numeric::NotWhole;
use crate::price::to_ticks;
use crate::shared::directory::Directory;

#[derive(Default)]
struct Known {
    generation: u64,
    instruments: Vec<Instrument>,
    by_symbol: FxHashMap<Symbol, InstrumentId>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

fn with_known<T>(directory: &Directory, use_it: impl FnOnce(&mut Known) -> T) -> T {
    KNOWN.with_borrow_mut(|known| {
        if known.generation != directory.generation() {
            *known = Known { generation: directory.generation(), ..Known::default() };
        }
        while (known.instruments.len() as u32) < directory.instrument_count() {
            let id = known.instruments.len() as u32 + 1;
            let instrument = directory.instrument(id).expect("below the count");
            known.by_symbol.insert(instrument.symbol, id);
            known.instruments.push(instrument);
        }
        use_it(known)
    })
}

/// The instrument of this symbol, or an error.
pub fn by_symbol(directory: &Directory, symbol: &str) -> (InstrumentId, Instrument) {
    Symbol::new(symbol)
        .and_then(|key| {
            with_known(directory, |known| {
                let id = *known.by_symbol.get(&key)?;
                Some((id, known.instruments[id as usize - 1]))
            })
        })
        .unwrap_or_else(|| raise_unknown(symbol))
}

/// The error about a symbol that is none.
pub fn raise_unknown(symbol: &str) -> ! {
    raise_refusal(matcher::Refusal::UnknownInstrument, format!("There is no symbol \"{symbol}\"."))
}

/// An instrument that an order names.
pub fn by_id(directory: &Directory, id: InstrumentId) -> Instrument {
    with_known(directory, |known| known.instruments.get(id as usize - 1).copied())
        .expect("an order's instrument is in the directory")
}

/// A price, or a distance of prices, that a call gives under a name, in ticks; or an error.
pub fn price_ticks(instrument: &Instrument, name: &str, price: Numeric<'_>) -> i64 {
    let out_of_range = || -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("the {name} is out of range"),
            format!(
                "The {name} of {} is {}; it must be above 0 and at most {} ticks of {}.",
                instrument.symbol,
                price.text(),
                instrument.maximum_price_ticks,
                price_text(instrument, 1),
            ),
            format!(
                "SELECT tick_size, maximum_price FROM exchange.instruments WHERE symbol = {}; shows the range.",
                quoted(instrument.symbol.as_str())
            ),
        )
    };
    let off_tick = || -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("the {name} is off the tick"),
            format!(
                "The {name} of {} is {}, which is no multiple of its tick size {}.",
                instrument.symbol,
                price.text(),
                price_text(instrument, 1),
            ),
            format!("Round the {name} to a multiple of {}.", price_text(instrument, 1)),
        )
    };
    let ticks = match to_ticks(instrument, price) {
        Ok(ticks) => i64::try_from(ticks).unwrap_or(0),
        Err(NotWhole::Fraction) => off_tick(),
        Err(NotWhole::OutOfRange) => out_of_range(),
    };
    if !(1..=instrument.maximum_price_ticks).contains(&ticks) {
        out_of_range();
    }
    ticks
}

/// A price as people write it.
pub fn price_text(instrument: &Instrument, ticks: i64) -> String {
    let digits = i128::from(ticks) * i128::from(instrument.tick_digits);
    let scale = instrument.tick_scale as usize;
    if scale == 0 {
        return digits.to_string();
    }
    let text = format!("{digits:0width$}", width = scale + 1);
    format!("{}.{}", &text[..text.len() - scale], &text[text.len() - scale..])
}

/// A quantity argument, or an error.
pub fn quantity(instrument: &Instrument, quantity: i64) -> i64 {
    let maximum = maximum_quantity(instrument.maximum_price_ticks);
    if quantity < 1 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the quantity must be above 0",
            format!("The quantity of {} is {quantity}.", instrument.symbol),
            "A sell order has a positive quantity too: give side 'sell'.",
        );
    }
    if quantity > maximum {
        raise(
            PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            "the quantity is too large",
            format!(
                "The quantity of {} is {quantity}, the largest is {maximum}.",
                instrument.symbol
            ),
            "Split the order.",
        );
    }
    if quantity % instrument.lot_size != 0 {
        raise_refusal(
            matcher::Refusal::QuantityOffLot,
            format!(
                "The quantity of {} is {quantity}, its lot size {}.",
                instrument.symbol, instrument.lot_size
            ),
        );
    }
    quantity
}

/// The instrument that an argument, a symbol, names.
pub fn of_argument(directory: &Directory, call: &Call, place: usize) -> (InstrumentId, Instrument) {
    by_symbol(directory, required(call.argument::<&str>(place), "symbol"))
}

/// The instrument that the first argument, a symbol, names.
pub fn of_call(directory: &Directory, call: &Call) -> (InstrumentId, Instrument) {
    of_argument(directory, call, 0)
}
