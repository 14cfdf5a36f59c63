//! Between prices in ticks, as the engine counts them, and `numeric`.

use matcher::Instrument;
use pgrx::pg_sys::Datum;

use crate::datum::Numeric;
use crate::numeric::{self, NotWhole};

/// The most decimals of a tick size.
pub const MAXIMUM_TICK_SCALE: u8 = 9;

/// A tick size as digits and scale, with the fewest decimals; `None` if it is not above 0,
/// or out of range.
pub fn tick_size(size: Numeric<'_>) -> Option<(u32, u8)> {
    (0..=MAXIMUM_TICK_SCALE).find_map(|scale| {
        let digits = u32::try_from(size.scaled(scale).ok()?).ok()?;
        (digits > 0).then_some((digits, scale))
    })
}

/// A price, or a sum of price × quantity, in ticks.
pub fn to_ticks(instrument: &Instrument, value: Numeric<'_>) -> Result<i128, NotWhole> {
    let digits = value.scaled(instrument.tick_scale)?;
    let tick = i128::from(instrument.tick_digits);
    if digits % tick == 0 { Ok(digits / tick) } else { Err(NotWhole::Fraction) }
}

/// The `numeric` of a price, or of a sum of price × quantity, in the current memory context.
pub fn from_ticks(instrument: &Instrument, ticks: impl Into<i128>) -> Datum {
    let digits = ticks.into() * i128::from(instrument.tick_digits);
    numeric::from_scaled(digits, instrument.tick_scale)
}

/// The `numeric` of an average price, in the current memory context.
pub fn average(instrument: &Instrument, turnover_ticks: impl Into<i128>, quantity: i64) -> Datum {
    let digits = turnover_ticks.into() * i128::from(instrument.tick_digits);
    numeric::from_ratio(digits, instrument.tick_scale, quantity)
}
