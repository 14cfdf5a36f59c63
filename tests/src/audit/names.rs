//! How the SQL surface writes what the engine has as numbers.

use std::fmt::Debug;

use matcher::{Instrument, MONEY_SCALE, Money, TimeInForce};

use crate::session::NULL;

/// A decimal of so many digits after the point, without zeros at the end, as `trim_scale()`
/// writes it.
pub(super) fn decimal(digits: i128, scale: u8) -> String {
    let one = 10_u128.pow(scale.into());
    let (whole, part) = (digits.unsigned_abs() / one, digits.unsigned_abs() % one);
    let sign = if digits < 0 { "-" } else { "" };
    let part = format!("{part:0width$}", width = usize::from(scale));
    match part.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part}"),
    }
}

/// A price or turnover.
pub(super) fn price(instrument: &Instrument, ticks: impl Into<i128>) -> String {
    decimal(ticks.into() * i128::from(instrument.tick_digits), instrument.tick_scale)
}

/// A price, or NULL where there is none.
pub(super) fn price_unless_zero(instrument: &Instrument, ticks: i64) -> String {
    if ticks == 0 { NULL.to_owned() } else { price(instrument, ticks) }
}

/// An amount of money.
pub(super) fn money(amount: Money) -> String {
    decimal(amount, MONEY_SCALE)
}

/// Millionths as the part of a whole that they are.
pub(super) fn part(ppm: impl Into<i128>) -> String {
    decimal(ppm.into(), 6)
}

/// A value, or NULL where there is none.
pub(super) fn or_null<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NULL.to_owned(), |value| value.to_string())
}

/// A number, or NULL where it is 0.
pub(super) fn unless_zero<T: ToString + Default + PartialEq>(number: T) -> String {
    or_null((number != T::default()).then_some(number))
}

/// The label of a value of an enum: SQL has the same words in other letters.
pub(super) fn label(value: impl Debug) -> String {
    let mut label = String::new();
    for letter in format!("{value:?}").chars() {
        if letter.is_ascii_uppercase() && !label.is_empty() {
            label.push('_');
        }
        label.push(letter.to_ascii_lowercase());
    }
    label
}

/// The label of a value, or NULL where it is the one that says that there is none.
pub(super) fn label_unless<T: Debug + PartialEq>(none: T, value: T) -> String {
    or_null((value != none).then(|| label(value)))
}

pub(super) fn time_in_force(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::GoodTillCancel => "GTC",
        TimeInForce::ImmediateOrCancel => "IOC",
        TimeInForce::FillOrKill => "FOK",
        TimeInForce::Day => "DAY",
        TimeInForce::GoodTillDate => "GTD",
    }
}

/// `true` or `false` as psql prints it.
pub(super) fn boolean(value: bool) -> &'static str {
    if value { "t" } else { "f" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_labels_are_those_of_sql() {
        assert_eq!(decimal(-1_250, 3), "-1.25");
        assert_eq!(decimal(5, 9), "0.000000005");
        assert_eq!(decimal(1_000, 0), "1000");
        assert_eq!(decimal(0, 2), "0");
        assert_eq!(label(matcher::OrderType::TrailingStop), "trailing_stop");
        assert_eq!(label_unless(matcher::Peg::None, matcher::Peg::None), NULL);
    }
}
