//! The book as it was, out of the public events: read as any query reads them, so that it is there
//! wherever the tables are.

use std::ops::ControlFlow;

use feed::Kind;
use feed::codec::Head;
use matcher::{Sequence, Side};
use pgrx::pg_sys::{self, Datum};
use pgrx::{PgSqlErrorCode, Spi};

use super::call::Call;
use super::kept;
use super::market_data::add_levels;
use super::public_events::{Listed, above_0, for_each_event};
use super::venue::Venue;
use crate::datum::time_text;
use crate::errors::{raise, required};
use crate::recovery_mode::is_standby;
use crate::workers::market_data::{self, Place};

/// `exchange.order_book_at`, by time
pub fn order_book_at_time(call: Call) -> Datum {
    let at_us: i64 = required(call.argument(1), "at");
    let tables = Position::of_tables();
    // SAFETY: the clock may be read anywhere.
    let now_us = unsafe { pg_sys::GetCurrentTimestamp() }.max(tables.time_us);
    if at_us > now_us {
        raise_out_of_range(
            "the moment is in the future",
            format!("It is {}.", time_text(at_us)),
            "Give a moment that has passed.",
        );
    }
    kept::expect_kept(at_us);
    if market_data::first_time_us().is_none_or(|first_us| at_us < first_us)
        && kept::last_archived().is_none()
    {
        raise_out_of_range(
            "the moment is before all that the tables know",
            format!("It is {}.", time_text(at_us)),
            "SELECT min(first_at) FROM exchange.market_data; shows the first moment.",
        );
    }
    if at_us > tables.time_us && tables.may_lack_commands(&call) {
        tables.raise_behind(format!("The moment is {}.", time_text(at_us)));
    }
    let until_us = at_us.saturating_add(1);
    show(&call, &Place::followed_from(until_us, until_us), |_, time_us| time_us > at_us)
}

/// `exchange.order_book_at`, by sequence
pub fn order_book_at_sequence(call: Call) -> Datum {
    let after: i64 = required(call.argument(1), "sequence");
    let Some(after) = Sequence::try_from(after).ok().filter(|after| *after > 0) else {
        raise_out_of_range(
            "the sequence is out of range",
            format!("It is {after}."),
            "Give at least 1, which is the first command.",
        )
    };
    let tables = Position::of_tables();
    kept::expect_commands_after(after);
    if after > tables.sequence {
        tables.raise_behind(format!("The sequence is {after}."));
    }
    show(&call, &Place::followed_to(after), |sequence, _| sequence > after)
}

/// Returns the book before the first event that is too late by its sequence and time.
fn show(call: &Call, from: &Place, is_too_late: impl Fn(Sequence, i64) -> bool) -> Datum {
    let listed = Listed::read();
    required(call.argument::<&str>(0), "symbol");
    let of = listed.of_argument(call, 0).expect("it is not NULL");
    let depth = above_0(required(call.argument(2), "depth"), "depth");

    let (mut book, known) = kept::book_before(call, from, of);
    // What is too late is handed out whatever it is, so that the reading ends there.
    let is_wanted = |head: &Head| {
        head.instrument == of
            && head.sequence > known
            && matches!(head.kind, Kind::Level | Kind::Refresh)
            || is_too_late(head.sequence, head.time_us)
    };
    for_each_event(from, is_wanted, |event| {
        if is_too_late(event.sequence, event.time_us) {
            return ControlFlow::Break(());
        }
        book.apply(&event.change);
        ControlFlow::Continue(())
    });
    let [bids, asks] = Side::ALL.map(|side| book.levels(side).take(depth).collect::<Vec<_>>());
    add_levels(&mut call.rows(), listed.instrument(of), &bids, &asks);
    call.null()
}

/// The last command that the tables show.
struct Position {
    sequence: Sequence,
    time_us: i64,
}

impl Position {
    fn of_tables() -> Self {
        let read = Spi::connect(|client| -> Result<Option<Self>, pgrx::spi::SpiError> {
            let rows = client.select(
                "SELECT sequence, time_us FROM exchange.engine_state",
                Some(1),
                &[],
            )?;
            rows.map(|row| {
                let sequence = row.get::<i64>(1)?.unwrap_or_default() as Sequence;
                Ok(Self { sequence, time_us: row.get(2)?.unwrap_or_default() })
            })
            .next()
            .transpose()
        });
        read.unwrap_or_else(|error| panic!("exchange.engine_state cannot be read: {error}"))
            .unwrap_or(Self { sequence: 0, time_us: i64::MIN })
    }

    /// Whether there may be commands after it that have been executed already.
    fn may_lack_commands(&self, call: &Call) -> bool {
        // What a standby has not received it cannot know of.
        is_standby()
            || Venue::memory_of(call)
                .is_some_and(|shared| shared.control.matched.get() > self.sequence)
    }

    /// The error for a moment that the tables do not show yet.
    fn raise_behind(&self, moment: String) -> ! {
        let shown = match self.sequence {
            0 => "They show no command".to_owned(),
            last => format!("They show command {last} of {}", time_text(self.time_us)),
        };
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the tables do not show that moment yet",
            format!("{moment} {shown}."),
            "SELECT exchange.wait_for('projected'); waits for all that has been executed so far. On a standby, wait until it has received more.",
        )
    }
}

fn raise_out_of_range(message: &str, detail: String, hint: &str) -> ! {
    raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, detail, hint)
}
