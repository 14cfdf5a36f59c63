//! What trades cost.

use matcher::{Command, FeeSchedule, MAXIMUM_FEE_PPM, Outcome, Refusal, ScheduleName};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;

use super::accounts;
use super::call::Call;
use super::submission::{AnswerWhen, Desk, expect, raise_refusal};
use crate::datum::Numeric;
use crate::errors::{raise, required};
use crate::rate;

/// `exchange.create_fee_schedule`
pub fn create_fee_schedule(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let text: &str = required(call.argument(0), "name");
    let Some(name) = ScheduleName::new(text) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the name of a fee schedule has 1 to 23 bytes",
            format!("'{text}' has {}.", text.len()),
            "Choose another name.",
        )
    };
    let ppm = |name, rate: Numeric<'_>| {
        rate::millionths::<i32>(name, rate, -MAXIMUM_FEE_PPM..=MAXIMUM_FEE_PPM)
    };
    let taker_ppm = ppm("taker_rate", required(call.argument(2), "taker_rate"));
    let schedule = FeeSchedule {
        name,
        maker_ppm: ppm("maker_rate", required(call.argument(1), "maker_rate")),
        taker_ppm,
        auction_ppm: call.argument(3).map_or(taker_ppm, |rate| ppm("auction_rate", rate)),
    };
    let answer = desk.submit(&Command::CreateFeeSchedule(schedule), AnswerWhen::Projected);
    match expect(answer, |_| format!("The name is '{name}'.")) {
        Outcome::FeeSchedule(id) => Datum::from(i32::from(id)),
        other => unreachable!("create_fee_schedule came to {other:?}"),
    }
}

/// `exchange.set_fee_schedule`
pub fn set_fee_schedule(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let account = accounts::account(directory, &call, 0);
    let schedule = call.argument::<&str>(1).map_or(0, |name| {
        directory.find_fee_schedule(name).unwrap_or_else(|| {
            raise_refusal(Refusal::UnknownSchedule, format!("There is no fee schedule '{name}'."))
        })
    });
    let command = Command::SetFeeSchedule { account, schedule };
    expect(desk.submit(&command, AnswerWhen::Projected), |_| format!("The account is {account}."));
    call.null()
}
