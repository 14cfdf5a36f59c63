//! When orders are accepted and when they trade: opening, closing, halts, and the clock.

use matcher::{Command, InstrumentId, Refusal};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum};

use super::call::Call;
use super::instruments;
use super::labels;
use super::schedule;
use super::submission::{AnswerWhen, Desk, expect, raise_refusal};
use super::terms::LAST_TIME_US;
use super::venue;
use crate::datum::text;
use crate::errors::{raise, required};
use crate::settings;
use crate::shared::Shared;

const DAY_US: i64 = 86_400_000_000;

/// Sends a command that changes the phase of the market; returns when it was executed.
fn change_phase(desk: &Desk, command: &Command) -> Datum {
    let answer = desk.submit(command, AnswerWhen::Projected);
    if let Err(refusal) = answer.result {
        let (phase, _) = desk.venue().shared.control.market();
        let phase = labels::MARKET_PHASES[phase as usize];
        raise_refusal(refusal, format!("Its phase is {phase}."));
    }
    Datum::from(answer.time_us)
}

/// `exchange.open_market`
pub fn open_market(call: Call) -> Datum {
    let desk = Desk::open(&call);
    let shared = desk.venue().shared;
    let (_, last_date) = shared.control.market();
    let command = Command::OpenMarket { trade_date: today(shared).max(last_date) };
    change_phase(&desk, &command)
}

/// The day that it is, days since 2000-01-01.
fn today(shared: &Shared) -> i32 {
    let now_us = if settings::simulated_clock() {
        shared.control.simulated_time_us()
    } else {
        // SAFETY: reading the clock.
        unsafe { pg_sys::GetCurrentTimestamp() }
    };
    let zone = settings::time_zone();
    // SAFETY: the function of this SQL signature, with a text and a timestamptz.
    let local = unsafe {
        pgrx::direct_function_call_as_datum(
            pg_sys::timestamptz_zone,
            &[
                Some(text(&zone.to_string_lossy())),
                Some(Datum::from(now_us.max(shared.control.time_us()))),
            ],
        )
    };
    let local_us = local.expect("timezone() returns no NULL").value() as i64;
    // The clock is in the years 2000 to 9999, or thereabouts.
    local_us.div_euclid(DAY_US) as i32
}

/// `exchange.close_market`
pub fn close_market(call: Call) -> Datum {
    let desk = Desk::open(&call);
    change_phase(&desk, &Command::CloseMarket)
}

/// Sends a command about the halt of the instrument that the first argument names, or of all
/// of them where it is NULL; `refused` is what is wrong where the halt is so already.
fn change_halt(call: Call, command: impl FnOnce(InstrumentId) -> Command, refused: &str) -> Datum {
    let desk = Desk::open(&call);
    let directory = &desk.venue().shared.directory;
    let symbol: Option<&str> = call.argument(0);
    let instrument = symbol.map_or(0, |symbol| instruments::by_symbol(directory, symbol).0);
    let answer = desk.submit(&command(instrument), AnswerWhen::Projected);
    let of = symbol.map_or("This is so of every instrument.".to_owned(), |symbol| {
        format!("The symbol is {symbol}.")
    });
    match answer.result {
        Ok(_) => Datum::from(answer.time_us),
        Err(Refusal::InstrumentHalt) => raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            refused,
            of,
            "SELECT symbol, phase, halted FROM exchange.instrument_states; shows it.",
        ),
        Err(refusal) => raise_refusal(refusal, of),
    }
}

/// `exchange.halt_instrument`
pub fn halt_instrument(call: Call) -> Datum {
    change_halt(
        call,
        |instrument| Command::HaltInstrument { instrument },
        "the instrument is halted already",
    )
}

/// `exchange.resume_instrument`
pub fn resume_instrument(call: Call) -> Datum {
    change_halt(
        call,
        |instrument| Command::ResumeInstrument { instrument },
        "the instrument is not halted",
    )
}

/// `exchange.advance_clock`
pub fn advance_clock(call: Call) -> Datum {
    venue::shared();
    if !settings::simulated_clock() {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the clock of this exchange is the real one",
            "exchange.simulated_clock is off.",
            "ALTER SYSTEM SET exchange.simulated_clock = on; SELECT pg_reload_conf(); makes it a simulation.",
        );
    }
    let desk = Desk::open(&call);
    let until: i64 = required(call.argument(0), "until");
    if !(0..=LAST_TIME_US).contains(&until) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the time is out of range",
            format!("It is {until} microseconds after 2000-01-01 00:00 UTC."),
            "Choose a time from the year 2000 to the year 9999.",
        );
    }
    let answer = schedule::advance_clock(&desk, until);
    let time_us = answer.time_us;
    expect(answer, |_| "The clock was to be moved.".to_owned());
    if time_us > until {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the clock cannot go back",
            "The time of the exchange is later than the one that was given.",
            "SELECT max(updated_at) FROM exchange.orders; shows a time that it has reached.",
        );
    }
    Datum::from(time_us)
}
