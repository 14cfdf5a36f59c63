//! Between amounts of money, as the engine counts them, and `numeric`.

use matcher::{MAXIMUM_MONEY, MONEY_SCALE, Money};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;

use crate::datum::Numeric;
use crate::errors::raise;
use crate::numeric::{self, NotWhole};

/// The decimals that an amount is shown with at least.
const USUAL_SCALE: u8 = 2;

/// An amount that a call gives under a name: 0 or above, at most 10¹⁸, at most 9 decimals;
/// or an error.
pub fn amount(name: &str, value: Numeric<'_>) -> Money {
    match read(name, value) {
        amount if amount >= 0 => amount,
        _ => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{name} must not be below 0"),
            format!("It is {}.", value.text()),
            "Give an amount of at least 0.",
        ),
    }
}

/// The amount of a transfer: as [`amount`], and above 0.
pub fn positive_amount(name: &str, value: Numeric<'_>) -> Money {
    match read(name, value) {
        amount if amount > 0 => amount,
        _ => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{name} must be above 0"),
            format!("It is {}.", value.text()),
            "Use exchange.deposit() for money that comes, and exchange.withdraw() for money that leaves.",
        ),
    }
}

fn read(name: &str, value: Numeric<'_>) -> Money {
    match value.scaled(MONEY_SCALE) {
        Ok(amount) if amount <= MAXIMUM_MONEY => amount,
        Err(NotWhole::Fraction) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{name} has too many decimals"),
            format!("It is {}; money is counted with {MONEY_SCALE} decimals.", value.text()),
            format!("Round it to {MONEY_SCALE} decimals."),
        ),
        Ok(_) | Err(NotWhole::OutOfRange) => raise(
            PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            format!("{name} is out of range"),
            format!("It is {}.", value.text()),
            "Give an amount of at most 10^18.",
        ),
    }
}

/// The `numeric` of an amount, in the current memory context.
pub fn to_numeric(amount: Money) -> Datum {
    numeric::from_scaled_short(amount, MONEY_SCALE, USUAL_SCALE)
}
