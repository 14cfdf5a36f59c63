//! The table `exchange.market_data`: public events in blocks, and back.

use std::ops::ControlFlow;

use feed::codec::Head;
use feed::{Change, Disclosure, Event, codec};
use matcher::{Engine, Sequence, Stamp};
use pgrx::Spi;
use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::pg_sys::{self, Datum};

use super::now_us;
use crate::datum::{self, timestamp};
use crate::days::{DayWriter, LONG_DAY_US, RECENT_US};

/// Events of one block, at most, but for those of one command: little enough to be decoded in a
/// moment, enough that the row itself costs next to nothing.
const EVENTS_PER_BLOCK: usize = 4096;
/// A timestamptz after all others.
const END_OF_TIME_US: i64 = i64::MAX;

/// The events that are not in the table yet.
pub struct MarketData {
    disclosure: Disclosure,
    events: Vec<Event>,
}

impl MarketData {
    /// Goes on from the state of `engine`, of which the table has all.
    pub fn of(engine: &Engine) -> Self {
        Self { disclosure: Disclosure::of(engine), events: Vec::new() }
    }

    /// Takes note of a command.
    pub fn follow(&mut self, engine: &Engine, stamp: Stamp, events: &[matcher::Event]) {
        self.disclosure.follow(engine, stamp, events, &mut self.events);
    }

    /// What was collected.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Writes what was collected. `None` if the table is not there.
    pub fn write(&mut self) -> Option<()> {
        if self.events.is_empty() {
            return Some(());
        }
        let mut table = DayWriter::new("market_data");
        let mut encoded = Vec::new();
        let mut rest = &self.events[..];
        while let Some(first) = rest.first() {
            let block;
            (block, rest) = rest.split_at(block_length(rest, table.end_of_day_us(first.time_us)?));
            let (first, last) = (block[0], block[block.len() - 1]);
            let of_first = block.iter().take_while(|event| event.sequence == first.sequence);
            let has_refresh = of_first.clone().any(|event| event.change == Change::Refresh);
            encoded.clear();
            codec::encode(block, &mut encoded);
            table.insert(
                first.time_us,
                [
                    Some(Datum::from(first.sequence)),
                    Some(Datum::from(last.sequence)),
                    Some(Datum::from(first.time_us)),
                    Some(Datum::from(last.time_us)),
                    Some(Datum::from(block.len() as i32)),
                    Some(Datum::from(has_refresh)),
                    Some(Datum::from(crc32c::crc32c(&encoded))),
                    Some(datum::bytes(&encoded)),
                ],
            )?;
        }
        table.close();
        self.events.clear();
        Some(())
    }
}

/// How many of the events are one block: those of one command in one, none of the next day, and a new
/// one where all books are told anew.
fn block_length(events: &[Event], end_of_day_us: i64) -> usize {
    let mut length = 0;
    for command in events.chunk_by(|left, right| left.sequence == right.sequence) {
        let is_refresh = command.iter().any(|event| event.change == Change::Refresh);
        let is_full = length + command.len() > EVENTS_PER_BLOCK;
        if length > 0 && (is_refresh || is_full || command[0].time_us >= end_of_day_us) {
            break;
        }
        length += command.len();
    }
    length
}

/// Where in the table to begin, and where to end.
pub struct Place {
    first_sequence: i64,
    /// The time of that block; no block of an earlier time is asked for.
    first_us: i64,
    before_us: i64,
}

/// A time before all others, as PostgreSQL has it.
const BEGIN_OF_TIME_US: i64 = i64::MIN;

impl Place {
    /// Where the events of a command are, and all after it.
    pub fn of_sequence(sequence: Sequence) -> Self {
        let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
        let last = last_block(
            "first_sequence OPERATOR(pg_catalog.<=) $1",
            "first_sequence DESC",
            || sequence.into(),
            now_us(),
        );
        Self::from(last, END_OF_TIME_US)
    }

    /// From where on books must be followed to know them after a command.
    pub fn followed_to(sequence: Sequence) -> Self {
        let argument = i64::try_from(sequence).unwrap_or(i64::MAX);
        let until = Self::of_sequence(sequence);
        let last = last_block(
            "has_refresh AND first_sequence OPERATOR(pg_catalog.<=) $1",
            "first_at DESC, first_sequence DESC",
            || argument.into(),
            until.first_us,
        );
        Self::from(last, END_OF_TIME_US)
    }

    /// From where on books must be followed to know them at a time, and until when.
    pub fn followed_from(from_us: i64, before_us: i64) -> Self {
        let last = last_block(
            "has_refresh AND first_at OPERATOR(pg_catalog.<) $1",
            "first_at DESC, first_sequence DESC",
            || timestamp(from_us),
            from_us,
        );
        Self::from(last, before_us)
    }

    /// Whether it is the begin of all that there is, for want of a later one.
    pub fn is_first(&self) -> bool {
        self.first_sequence == 0
    }

    fn from(block: Option<Found>, before_us: i64) -> Self {
        let (first_sequence, first_us) =
            block.map_or((0, BEGIN_OF_TIME_US), |block| (block.first_sequence, block.first_us));
        Self { first_sequence, first_us, before_us }
    }
}

/// What a block is of.
struct Found {
    first_sequence: i64,
    first_us: i64,
    last_us: i64,
}

/// The last block that meets a condition on `$1`; it is most likely of about a time, or shortly before.
fn last_block(
    condition: &str,
    order: &str,
    argument: impl Fn() -> DatumWithOid<'static>,
    near_us: i64,
) -> Option<Found> {
    let query = format!(
        "SELECT first_sequence, first_at, last_at FROM exchange.market_data
         WHERE {condition} AND first_at OPERATOR(pg_catalog.>=) $2 ORDER BY {order} LIMIT 1"
    );
    [near_us.saturating_sub(RECENT_US), BEGIN_OF_TIME_US].into_iter().find_map(|from_us| {
        let read = Spi::connect(|client| -> Result<Option<Found>, pgrx::spi::SpiError> {
            let arguments = [argument(), timestamp(from_us)];
            let Some(row) = client.select(query.as_str(), Some(1), &arguments)?.next() else {
                return Ok(None);
            };
            let time_us = |column| -> Result<i64, pgrx::spi::SpiError> {
                let at = row.get::<TimestampWithTimeZone>(column)?;
                Ok(at.map_or(0, pg_sys::TimestampTz::from))
            };
            Ok(Some(Found {
                first_sequence: row.get(1)?.unwrap_or_default(),
                first_us: time_us(2)?,
                last_us: time_us(3)?,
            }))
        });
        read.unwrap_or_else(|error| panic!("{UNREADABLE}: {error}"))
    })
}

const UNREADABLE: &str = "exchange.market_data cannot be read";

struct Block {
    first_sequence: i64,
    first_us: i64,
    checksum: i64,
    events: Vec<u8>,
}

/// Hands out the events that are wanted, in their order, until it is told to stop. In a
/// transaction. A damaged block is an error that names it.
pub fn for_each_event(
    place: &Place,
    is_wanted: impl Fn(&Head) -> bool,
    mut each: impl FnMut(&Event) -> ControlFlow<()>,
) -> Result<(), String> {
    let (mut first_sequence, mut first_us) = (place.first_sequence, place.first_us);
    loop {
        let blocks = next_blocks(first_sequence, first_us, place.before_us);
        let Some(last) = blocks.last() else { return Ok(()) };
        (first_sequence, first_us) = (last.first_sequence + 1, last.first_us);
        for block in &blocks {
            pgrx::check_for_interrupts!();
            let damaged =
                |what: &str| format!("The block of command {}: {what}.", block.first_sequence);
            if i64::from(crc32c::crc32c(&block.events)) != block.checksum {
                return Err(damaged("its checksum differs"));
            }
            let mut events =
                codec::decode(block.first_sequence as Sequence, block.first_us, &block.events);
            while let Some(event) = events.next_where(&is_wanted) {
                let event = event.map_err(|error| damaged(&error.to_string()))?;
                if each(&event).is_break() {
                    return Ok(());
                }
            }
        }
    }
}

/// The time of the first event.
pub fn first_time_us() -> Option<i64> {
    let read = Spi::connect(|client| -> Result<Option<i64>, pgrx::spi::SpiError> {
        let query = "SELECT first_at FROM exchange.market_data ORDER BY first_sequence LIMIT 1";
        let first = client.select(query, Some(1), &[])?.next();
        let at = first.map_or(Ok(None), |row| row.get::<TimestampWithTimeZone>(1))?;
        Ok(at.map(pg_sys::TimestampTz::from))
    });
    read.unwrap_or_else(|error| panic!("{UNREADABLE}: {error}"))
}

/// The time of the last event.
pub fn last_time_us() -> Option<i64> {
    let last = last_block(
        "first_sequence OPERATOR(pg_catalog.>=) $1",
        "first_sequence DESC",
        || 0i64.into(),
        now_us(),
    );
    last.map(|block| block.last_us)
}

/// The next blocks of the table, some of them.
fn next_blocks(first_sequence: i64, first_us: i64, before_us: i64) -> Vec<Block> {
    // They may be of a later day than the one before.
    let soon_us = first_us.saturating_add(LONG_DAY_US).min(before_us);
    let blocks = read_blocks(first_sequence, first_us, soon_us);
    if blocks.is_empty() && soon_us < before_us {
        return read_blocks(first_sequence, first_us, before_us);
    }
    blocks
}

fn read_blocks(first_sequence: i64, first_us: i64, before_us: i64) -> Vec<Block> {
    let read = Spi::connect(|client| -> Result<Vec<Block>, pgrx::spi::SpiError> {
        client
            .select(
                "SELECT first_sequence, first_at, checksum, events
                 FROM exchange.market_data
                 WHERE first_sequence OPERATOR(pg_catalog.>=) $1
                   AND first_at OPERATOR(pg_catalog.>=) $2
                   AND first_at OPERATOR(pg_catalog.<) $3
                 ORDER BY first_sequence LIMIT 64",
                None,
                &[first_sequence.into(), timestamp(first_us), timestamp(before_us)],
            )?
            .map(|row| {
                let time_us = |column| -> Result<i64, pgrx::spi::SpiError> {
                    let at = row.get::<TimestampWithTimeZone>(column)?;
                    Ok(at.map_or(0, pg_sys::TimestampTz::from))
                };
                Ok(Block {
                    first_sequence: row.get(1)?.unwrap_or_default(),
                    first_us: time_us(2)?,
                    checksum: row.get(3)?.unwrap_or_default(),
                    events: row.get(4)?.unwrap_or_default(),
                })
            })
            .collect()
    });
    read.unwrap_or_else(|error| panic!("{UNREADABLE}: {error}"))
}
