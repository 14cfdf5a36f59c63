//! The calendar, as calls ask for it: to read its tables again, and to keep ahead of a
//! simulated clock.

use std::time::Instant;

use matcher::Command;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum};

use super::call::Call;
use super::submission::{AnswerWhen, Desk};
use super::venue::{LONGEST_SLEEP, Venue};
use crate::errors::raise;
use crate::settings;
use crate::shared::bell::Cursor;
use crate::shared::control::Role;
use crate::shared::mailbox::Answer;

/// `exchange.reload_calendar`
pub fn reload_calendar(call: Call) -> Datum {
    // SAFETY: asking whether this transaction has written anything.
    if unsafe { pg_sys::GetTopTransactionIdIfAny() } != pg_sys::InvalidTransactionId {
        raise(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            "the calendar cannot be read again within a transaction that has written",
            "What this transaction has written is not to be seen by the scheduler yet.",
            "COMMIT; first, and then SELECT exchange.reload_calendar();",
        );
    }
    let venue = Venue::of(&call);
    let calendar = venue.shared.calendar;
    let number = calendar.ask_to_reload();
    wait_for_scheduler(venue, &calendar.reloads_done, number);
    call.null()
}

/// Moves the clock of a simulation to `until_us`, not past a trading day that the engine
/// does not know: where its calendar is not filled so far, the scheduler fills it, and the
/// clock moves from there to there. The answer to the last move.
pub fn advance_clock(desk: &Desk, until_us: i64) -> Answer {
    let venue = desk.venue();
    let (control, calendar) = (venue.shared.control, venue.shared.calendar);
    let mut moved: Option<Answer> = None;
    loop {
        let is_covered = !settings::calendar()
            || control.time_us() > until_us
            || calendar.is_filled_ahead_of(until_us);
        let mut step_us = until_us;
        if !is_covered {
            let number = calendar.ask_to_cover(until_us);
            wait_for_scheduler(venue, &calendar.covers_done, number);
            step_us = until_us.min(calendar.allowed_until_us());
        }
        // Asked once more where it arrived: a day that it arrived in has begun then.
        if let Some(answer) = moved.filter(|answer| answer.time_us >= until_us) {
            return answer;
        }
        // The matcher stamps every command with this clock; the one below makes the new
        // time part of the sequence even where no other follows.
        control.advance_simulated_time(step_us);
        moved = Some(desk.submit(&Command::AdvanceClock, AnswerWhen::Matched));
    }
}

/// Waits until the scheduler has done what it was asked.
fn wait_for_scheduler(venue: Venue, done: &Cursor, number: u64) {
    let bell = &venue.shared.control.worker(Role::Scheduler).bell;
    let deadline = Instant::now() + settings::order_timeout();
    while done.get() < number {
        venue.check();
        pgrx::check_for_interrupts!();
        // It comes again at once where it ended, unless it cannot.
        if venue.shared.control.worker(Role::Scheduler).pid() == 0 && Instant::now() > deadline {
            venue.not_running();
        }
        done.wait(number, LONGEST_SLEEP, || bell.rouse());
    }
}
