//! Questions about the past, which may have been archived: then they are errors that say where it is.

use feed::Book;
use matcher::{InstrumentId, Sequence, Side, View};
use pgrx::Spi;
use pgrx::datum::DatumWithOid;

use super::call::Call;
use super::owner::AsOwner;
use super::replay_marks::raise_not_replayable;
use crate::datum::timestamp;
use crate::workers::market_data::Place;
use crate::workers::marks::Mark;

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

/// The last command that was archived, if any was.
pub fn last_archived() -> Option<Sequence> {
    let query = "SELECT last_sequence FROM exchange.archived_days ORDER BY trade_date DESC LIMIT 1";
    let read = Spi::connect(|client| -> Result<Option<i64>, pgrx::spi::SpiError> {
        client.select(query, Some(1), &[])?.next().map_or(Ok(None), |row| row.get(1))
    });
    let last =
        read.unwrap_or_else(|error| pgrx::error!("what is archived cannot be read: {error}"));
    last.map(|last| last as Sequence)
}

/// The book that events after a place change, and after which command: nothing, but where all books
/// were last told anew in what was archived since. Then there is a mark of its last command.
pub fn book_before(call: &Call, place: &Place, instrument: InstrumentId) -> (Book, Sequence) {
    let _owner = AsOwner::of(call);
    let mut book = Book::default();
    let Some(last) = last_archived().filter(|_| place.is_first()) else { return (book, 0) };
    let mark = Mark::last_before(last).filter(|mark| mark.sequence == last);
    let mark = mark.unwrap_or_else(|| pgrx::error!("there is no mark of command {last}"));
    let engine = mark.load().unwrap_or_else(|error| raise_not_replayable(error.into()));
    if instrument as usize <= engine.instruments().len() {
        for side in Side::ALL {
            engine.levels(instrument, side).for_each(|level| book.set(side, level));
        }
    }
    (book, last)
}
