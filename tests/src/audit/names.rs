//! How the SQL surface writes what the engine has as numbers.

use matcher::{Instrument, OrderStatus, RejectReason, Side, TimeInForce};
use rust_decimal::Decimal;

use crate::session::NULL;

/// A price or turnover, without zeros at the end, as `trim_scale()` writes it.
pub(super) fn money(instrument: &Instrument, ticks: i64) -> String {
    let digits = i128::from(ticks) * i128::from(instrument.tick_digits);
    let scale = u32::from(instrument.tick_scale);
    Decimal::from_i128_with_scale(digits, scale).normalize().to_string()
}

pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

pub(super) fn time_in_force(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::GoodTillCancel => "GTC",
        TimeInForce::ImmediateOrCancel => "IOC",
    }
}

pub(super) fn status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Open => "open",
        OrderStatus::PartiallyFilled => "partially_filled",
        OrderStatus::Filled => "filled",
        OrderStatus::Cancelled => "cancelled",
        OrderStatus::Rejected => "rejected",
    }
}

pub(super) fn reject_reason(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::None => NULL,
        RejectReason::MarketClosed => "market_closed",
        RejectReason::TooManyOpenOrders => "too_many_open_orders",
        RejectReason::TooManyPriceLevels => "too_many_price_levels",
    }
}

/// `true` or `false` as psql prints it.
pub(super) fn boolean(value: bool) -> &'static str {
    if value { "t" } else { "f" }
}
