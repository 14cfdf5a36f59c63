//! The table `exchange.market_data`: public events in blocks, and back.

use std::ops::ControlFlow;

use feed::codec::Head;
use feed::{Change, Disclosure, Event, codec};
use matcher::{Engine, Sequence, Stamp};
use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::pg_sys::{self, Datum};
use pgrx::{FromDatum, IntoDatum, Spi};

use super::busts::timestamp;
use crate::datum;
use crate::relation::Writer;

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
        let mut table = Writer::open("market_data")?;
        let mut encoded = Vec::new();
        for block in Blocks(&self.events) {
            let (first, last) = (block[0], block[block.len() - 1]);
            let of_first = block.iter().take_while(|event| event.sequence == first.sequence);
            let has_refresh = of_first.clone().any(|event| event.change == Change::Refresh);
            encoded.clear();
            codec::encode(block, &mut encoded);
            table.insert(
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
                &mut |_| (),
            );
        }
        table.close(&mut |_| ());
        self.events.clear();
        Some(())
    }
}

/// Events as blocks: those of one command in one, and a new one where all books are told anew.
struct Blocks<'a>(&'a [Event]);

impl<'a> Iterator for Blocks<'a> {
    type Item = &'a [Event];

    fn next(&mut self) -> Option<&'a [Event]> {
        let mut length = 0;
        for command in self.0.chunk_by(|left, right| left.sequence == right.sequence) {
            let is_refresh = command.iter().any(|event| event.change == Change::Refresh);
            if length > 0 && (is_refresh || length + command.len() > EVENTS_PER_BLOCK) {
                break;
            }
            length += command.len();
        }
        let (block, rest) = self.0.split_at(length);
        self.0 = rest;
        (!block.is_empty()).then_some(block)
    }
}

/// Where in the table to begin, and where to end.
pub struct Place {
    first_sequence: i64,
    before_us: i64,
}

impl Place {
    /// Where the events of a command are, and all after it.
    pub fn of_sequence(sequence: Sequence) -> Self {
        let first = one_value(
            "SELECT pg_catalog.max(first_sequence) FROM exchange.market_data
             WHERE first_sequence OPERATOR(pg_catalog.<=) $1",
            &[i64::try_from(sequence).unwrap_or(i64::MAX).into()],
        );
        Self { first_sequence: first.unwrap_or(0), before_us: END_OF_TIME_US }
    }

    /// From where on books must be followed to know them after a command.
    pub fn followed_to(sequence: Sequence) -> Self {
        let first = one_value(
            "SELECT first_sequence FROM exchange.market_data
             WHERE has_refresh AND (first_at, first_sequence) OPERATOR(pg_catalog.<=) (
                 (SELECT first_at FROM exchange.market_data
                  WHERE first_sequence OPERATOR(pg_catalog.<=) $1
                  ORDER BY first_sequence DESC LIMIT 1), $1)
             ORDER BY first_at DESC, first_sequence DESC LIMIT 1",
            &[i64::try_from(sequence).unwrap_or(i64::MAX).into()],
        );
        Self { first_sequence: first.unwrap_or(0), before_us: END_OF_TIME_US }
    }

    /// From where on books must be followed to know them at a time, and until when.
    pub fn followed_from(from_us: i64, before_us: i64) -> Self {
        let first = one_value(
            "SELECT first_sequence FROM exchange.market_data
             WHERE has_refresh AND first_at OPERATOR(pg_catalog.<) $1
             ORDER BY first_at DESC, first_sequence DESC LIMIT 1",
            &[timestamp(from_us)],
        );
        Self { first_sequence: first.unwrap_or(0), before_us }
    }
}

/// The one value of a query of `exchange.market_data`, if it has any.
fn one_value<T: FromDatum + IntoDatum>(query: &str, arguments: &[DatumWithOid<'_>]) -> Option<T> {
    let read = Spi::connect(|client| -> Result<Option<T>, pgrx::spi::SpiError> {
        client.select(query, Some(1), arguments)?.next().map_or(Ok(None), |row| row.get(1))
    });
    read.unwrap_or_else(|error| panic!("exchange.market_data cannot be read: {error}"))
}

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
    let mut first_sequence = place.first_sequence;
    loop {
        let blocks = read_blocks(first_sequence, place.before_us);
        let Some(last) = blocks.last() else { return Ok(()) };
        first_sequence = last.first_sequence + 1;
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
    let first: Option<TimestampWithTimeZone> =
        one_value("SELECT first_at FROM exchange.market_data ORDER BY first_sequence LIMIT 1", &[]);
    first.map(pg_sys::TimestampTz::from)
}

/// The time of the last event.
pub fn last_time_us() -> Option<i64> {
    let last: Option<TimestampWithTimeZone> = one_value(
        "SELECT last_at FROM exchange.market_data ORDER BY first_sequence DESC LIMIT 1",
        &[],
    );
    last.map(pg_sys::TimestampTz::from)
}

/// The next blocks of the table, some of them.
fn read_blocks(first_sequence: i64, before_us: i64) -> Vec<Block> {
    let read = Spi::connect(|client| -> Result<Vec<Block>, pgrx::spi::SpiError> {
        client
            .select(
                "SELECT first_sequence, first_at, checksum, events FROM exchange.market_data
                 WHERE first_sequence OPERATOR(pg_catalog.>=) $1
                   AND first_at OPERATOR(pg_catalog.<) $2
                 ORDER BY first_sequence LIMIT 64",
                None,
                &[first_sequence.into(), timestamp(before_us)],
            )?
            .map(|row| {
                let first_at = row.get::<TimestampWithTimeZone>(2)?;
                Ok(Block {
                    first_sequence: row.get(1)?.unwrap_or_default(),
                    first_us: first_at.map_or(0, pg_sys::TimestampTz::from),
                    checksum: row.get(3)?.unwrap_or_default(),
                    events: row.get(4)?.unwrap_or_default(),
                })
            })
            .collect()
    });
    read.unwrap_or_else(|error| panic!("exchange.market_data cannot be read: {error}"))
}
