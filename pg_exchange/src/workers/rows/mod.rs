//! Rows of the tables and what they stand for in the engine, both ways: what the projector
//! writes is what recovery reads. One file for orders, one for what is registered, one for
//! what changes with trading.

pub mod enums;
pub mod orders;
pub mod registry;
pub mod state;

use matcher::{CurrencyId, Engine, Instrument, InstrumentId, Money, ParticipantId, View};
use pgrx::pg_sys::Datum;
use rustc_hash::FxHashMap;

use crate::datum::{Numeric, text};
use crate::price;
use crate::relation::Row;
use enums::Enums;

/// What the rows of one transaction are made with: texts are made once.
pub struct Maker<'engine> {
    /// What the rows show.
    pub engine: &'engine Engine,
    /// The labels.
    pub enums: &'engine Enums,
    symbols: Vec<Option<Datum>>,
    currencies: Vec<Option<Datum>>,
}

impl<'engine> Maker<'engine> {
    /// Of rows that show `engine`.
    pub fn new(engine: &'engine Engine, enums: &'engine Enums) -> Self {
        Self {
            engine,
            enums,
            symbols: vec![None; engine.instruments().len()],
            currencies: vec![None; engine.currencies().len()],
        }
    }

    /// An instrument and its symbol.
    pub fn instrument(&mut self, id: InstrumentId) -> (&'engine Instrument, Datum) {
        let index = id as usize - 1;
        let instrument = &self.engine.instruments()[index];
        let symbol = *self.symbols[index].get_or_insert_with(|| text(instrument.symbol.as_str()));
        (instrument, symbol)
    }

    /// The code of a currency.
    pub fn currency(&mut self, id: CurrencyId) -> Datum {
        let index = usize::from(id) - 1;
        let currency = &self.engine.currencies()[index];
        *self.currencies[index].get_or_insert_with(|| text(currency.code.as_str()))
    }
}

/// What the tables call things, and what the engine does.
#[derive(Default)]
pub struct Names {
    /// By id, from 1.
    pub instruments: Vec<Instrument>,
    /// Ids by symbol.
    pub symbols: FxHashMap<String, InstrumentId>,
    /// Ids by code.
    pub currencies: FxHashMap<String, CurrencyId>,
    /// Ids by role.
    pub participants: FxHashMap<String, ParticipantId>,
}

impl Names {
    /// The instrument of a symbol.
    pub fn instrument(&self, symbol: &str) -> Result<(InstrumentId, &Instrument), String> {
        let id = *self.symbols.get(symbol).ok_or_else(|| format!("there is no symbol {symbol}"))?;
        Ok((id, &self.instruments[id as usize - 1]))
    }

    /// The id of a currency.
    pub fn currency(&self, code: &str) -> Result<CurrencyId, String> {
        let id = self.currencies.get(code);
        id.copied().ok_or_else(|| format!("there is no currency {code}"))
    }
}

/// A value, or NULL where it is 0, which says that there is none.
fn unless_zero(value: i64) -> Option<Datum> {
    (value != 0).then(|| Datum::from(value))
}

/// A price, or NULL where it is 0.
fn price_unless_zero(instrument: &Instrument, ticks: i64) -> Option<Datum> {
    (ticks != 0).then(|| price::from_ticks(instrument, ticks))
}

/// A number of ticks that a column holds; 0 for NULL.
fn ticks_of<const N: usize>(
    row: &Row<N>,
    column: usize,
    instrument: &Instrument,
    what: &str,
) -> Result<i64, String> {
    let wide = wide_ticks_of(row, column, instrument, what)?;
    i64::try_from(wide).map_err(|_| format!("its {what} is out of range"))
}

/// A sum of price × quantity that a column holds, in ticks; 0 for NULL.
fn wide_ticks_of<const N: usize>(
    row: &Row<N>,
    column: usize,
    instrument: &Instrument,
    what: &str,
) -> Result<i128, String> {
    let Some(value) = row.optional(column) else { return Ok(0) };
    price::to_ticks(instrument, value).map_err(|_| format!("its {what} is off the tick"))
}

/// An amount of money that a column holds.
fn money_of<const N: usize>(row: &Row<N>, column: usize, what: &str) -> Result<Money, String> {
    row.get::<Numeric<'_>>(column)
        .scaled(matcher::MONEY_SCALE)
        .map_err(|_| format!("its {what} is out of range, or has too many decimals"))
}

/// The millionths that a column holds; 0 for NULL.
fn millionths_of<T: TryFrom<i128> + Default, const N: usize>(
    row: &Row<N>,
    column: usize,
    what: &str,
) -> Result<T, String> {
    let Some(value) = row.optional::<Numeric<'_>>(column) else { return Ok(T::default()) };
    let millionths = value.scaled(6).ok().and_then(|millionths| T::try_from(millionths).ok());
    millionths.ok_or_else(|| format!("its {what} is out of range, or has too many decimals"))
}

/// A number that a column holds, as the engine counts it.
fn number<T: TryFrom<i64>>(value: i64, what: &str) -> Result<T, String> {
    T::try_from(value).map_err(|_| format!("its {what} is out of range"))
}
