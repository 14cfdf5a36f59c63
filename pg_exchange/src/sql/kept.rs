//! Questions about the past, which may have been archived: then they are errors that say where it is.

use pgrx::Spi;
use pgrx::datum::DatumWithOid;

use crate::datum::timestamp;

/// Whatever happened from a time on is in the tables, or this is an error.
pub fn expect_kept(from_us: i64) {
    ask("SELECT exchange.is_kept($1)", timestamp(from_us));
}

/// The public events after a command are in the tables, or this is an error.
pub fn expect_events_after(sequence: u64) {
    ask("SELECT exchange.events_are_kept($1)", argument(sequence));
}

/// The commands after one are in the journal, or this is an error.
pub fn expect_commands_after(sequence: u64) {
    ask("SELECT exchange.commands_are_kept($1)", argument(sequence));
}

fn argument(sequence: u64) -> DatumWithOid<'static> {
    i64::try_from(sequence).unwrap_or(i64::MAX).into()
}

fn ask(question: &str, argument: DatumWithOid<'_>) {
    let asked = Spi::connect(|client| client.select(question, Some(1), &[argument]).map(|_| ()));
    asked.unwrap_or_else(|error| pgrx::error!("what is archived cannot be read: {error}"));
}
