//! Parts of a whole, such as fees and price bands: `numeric` in calls and tables, millionths
//! in the engine.

use std::ops::RangeInclusive;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;

use crate::datum::Numeric;
use crate::errors::raise;
use crate::numeric::{self, NotWhole};

/// The decimals of a rate.
const SCALE: u8 = 6;

/// The millionths of a rate that a call gives under a name, within a range of millionths; or
/// an error.
pub fn millionths<T>(name: &str, rate: Numeric<'_>, range: RangeInclusive<T>) -> T
where
    T: Copy + PartialOrd + TryFrom<i128> + Into<i64>,
{
    let fault = match rate.scaled(SCALE) {
        Ok(millionths) => match T::try_from(millionths) {
            Ok(millionths) if range.contains(&millionths) => return millionths,
            _ => "is out of range",
        },
        Err(NotWhole::Fraction) => "has too many decimals",
        Err(NotWhole::OutOfRange) => "is out of range",
    };
    let text = |bound: T| {
        let bound: i64 = bound.into();
        bound as f64 / 1e6
    };
    raise(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        format!("{name} {fault}"),
        format!("It is {}; it is a part of a whole, so that 0.05 is 5 %.", rate.text()),
        format!(
            "Give a rate from {} to {}, with at most {SCALE} decimals.",
            text(*range.start()),
            text(*range.end())
        ),
    )
}

/// The `numeric` of a rate, in the current memory context.
pub fn to_numeric(millionths: impl Into<i128>) -> Datum {
    numeric::from_scaled_short(millionths.into(), SCALE, 0)
}
