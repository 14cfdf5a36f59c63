//! What accounts may owe, how much they may trade, and how fast participants may send.

use std::ffi::CStr;

use matcher::{Command, MAXIMUM_SHORT_LIMIT, Money, Refusal, RiskLimits};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;

use super::accounts;
use super::authority;
use super::call::Call;
use super::instruments;
use super::submission::{AnswerWhen, Desk, expect, raise_refusal};
use crate::datum::Numeric;
use crate::errors::{not_negative, raise, required};
use crate::money;

/// The highest rate and burst of a rate limit.
const HIGHEST_RATE: i32 = 1_000_000_000;

/// `exchange.set_credit_limit`
pub fn set_credit_limit(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let account = accounts::account(directory, &call, 0);
    let currency = accounts::currency(directory, &call, 1);
    let limit = money::amount("amount", required(call.argument(2), "amount"));
    let command = Command::SetCreditLimit { account, currency, limit };
    expect(desk.submit(&command, AnswerWhen::Projected), |_| format!("The account is {account}."));
    call.null()
}

/// `exchange.set_short_limit`
pub fn set_short_limit(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let account = accounts::account(directory, &call, 0);
    let (instrument, of) = instruments::of_argument(directory, &call, 1);
    let limit: i64 = required(call.argument(2), "quantity");
    if !(0..=MAXIMUM_SHORT_LIMIT).contains(&limit) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the short limit is out of range",
            format!("That of account {account} in {} would be {limit}.", of.symbol),
            format!("Give a quantity from 0 to {MAXIMUM_SHORT_LIMIT}."),
        );
    }
    let command = Command::SetShortLimit { account, instrument, limit };
    expect(desk.submit(&command, AnswerWhen::Projected), |_| format!("The account is {account}."));
    call.null()
}

/// `exchange.set_risk_limits`
pub fn set_risk_limits(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let account =
        call.argument(0).map_or(0, |number| authority::existing_account(directory, number));
    let instrument =
        call.argument(1).map_or(0, |symbol| instruments::by_symbol(directory, symbol).0);
    if account == 0 && instrument == 0 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "risk limits are of an account, of an instrument, or of both",
            "Neither account_id nor symbol is given.",
            "Give account_id, symbol, or both.",
        );
    }
    let quantity = |place, name| {
        call.argument(place).map_or(i64::MAX, |quantity| not_negative(quantity, name))
    };
    let value = |place, name| {
        let value: Option<Numeric<'_>> = call.argument(place);
        value.map_or(Money::MAX, |value| money::amount(name, value))
    };
    let limits = RiskLimits {
        order_quantity: quantity(2, "order_quantity"),
        order_value: value(3, "order_value"),
        daily_bought_quantity: quantity(4, "daily_bought_quantity"),
        daily_sold_quantity: quantity(5, "daily_sold_quantity"),
        daily_bought_value: value(6, "daily_bought_value"),
        daily_sold_value: value(7, "daily_sold_value"),
        open_orders: call.argument::<i32>(8).map_or(u32::MAX, |orders| {
            // Not below 0, so it fits.
            not_negative(orders.into(), "open_orders") as u32
        }),
    };
    let command = Command::SetRiskLimits { account, instrument, limits };
    expect(desk.submit(&command, AnswerWhen::Projected), |_| {
        "The limits are of an account in an instrument in which it has no position yet.".to_owned()
    });
    call.null()
}

/// `exchange.set_rate_limit`
pub fn set_rate_limit(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let name: &CStr = required(call.argument(0), "participant");
    let (name, role) = accounts::role(name);
    let directory = &desk.venue().shared.directory;
    let participant = directory.find_participant(role).unwrap_or_else(|| {
        raise_refusal(Refusal::UnknownParticipant, format!("The role is \"{name}\"."))
    });
    let rate: Option<i32> = call.argument(1);
    let burst = call.argument(2).or(rate);
    for (name, value) in [("orders_per_second", rate), ("burst", burst)] {
        if value.is_some_and(|value| !(1..=HIGHEST_RATE).contains(&value)) {
            raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("{name} is out of range"),
                format!("It is {}.", value.unwrap_or(0)),
                format!("Give 1 to {HIGHEST_RATE}; orders_per_second NULL lifts the limit."),
            );
        }
    }
    let command = Command::SetRateLimit {
        participant,
        orders_per_second: rate.unwrap_or(0) as u32,
        burst: burst.unwrap_or(1) as u32,
    };
    expect(desk.submit(&command, AnswerWhen::Projected), |_| format!("The role is \"{name}\"."));
    call.null()
}
