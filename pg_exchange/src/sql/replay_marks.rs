//! Keeping the engine as it was after a command.

use std::ops::ControlFlow;

use matcher::Sequence;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;

use super::call::Call;
use super::kept;
use crate::errors::raise;
use crate::workers::fault::Fault;
use crate::workers::marks::{Mark, Records};
use crate::workers::replay::Replay;
use crate::workers::{journal, recovery};

/// `exchange.keep_mark`
pub fn keep_mark(call: Call) -> Datum {
    let sequence = match call.argument::<i64>(0) {
        Some(sequence) => Sequence::try_from(sequence).unwrap_or(0),
        None => recovery::position().map_or(0, |(sequence, _)| sequence),
    };
    if sequence == 0 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "there is no command of this sequence",
            "The first command is 1.",
            "SELECT projected FROM exchange.pg_stat_exchange; shows the last one that the tables have.",
        );
    }
    raise_unless_journaled(sequence);
    if Mark::last_before(sequence).is_none_or(|mark| mark.sequence != sequence) {
        kept::expect_commands_after(sequence - 1);
        keep(sequence).unwrap_or_else(|fault| raise_not_replayable(fault));
    }
    Datum::from(sequence)
}

fn keep(sequence: Sequence) -> Result<(), Fault> {
    let mut replay = Replay::begin(sequence)?;
    let mut kept = None;
    replay.run(|engine, bounds, stamp, _, _, _| {
        if stamp.sequence < sequence {
            return ControlFlow::Continue(());
        }
        kept = Some((Records::of(engine), bounds));
        ControlFlow::Break(())
    })?;
    let (records, bounds) =
        kept.ok_or_else(|| Fault::of_missing_row(replay.sequence() + 1, "it ends before"))?;
    records.keep(bounds);
    Ok(())
}

/// An error for a command that is not in the journal yet.
pub fn raise_unless_journaled(sequence: Sequence) {
    let last = journal::last_sequence();
    if sequence > last {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the journal does not have this command yet",
            format!("It is command {sequence}, the last one of the journal is {last}."),
            "SELECT exchange.wait_for('durable'); waits for all that has been executed so far. On a standby, wait until it has received more.",
        );
    }
}

/// The error for a journal, or a mark, that cannot be executed.
pub fn raise_not_replayable(fault: Fault) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
        "the journal cannot be replayed",
        format!("{}.", fault.reason),
        "SELECT * FROM exchange.replay_check() WHERE NOT is_sound; lists everything that is wrong.",
    )
}
