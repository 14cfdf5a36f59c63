//! The public events of a batch, as blocks of `exchange.market_data`.

use feed::{Change, Disclosure, Event, codec};
use matcher::{Engine, Stamp};
use pgrx::pg_sys::Datum;

use crate::datum;
use crate::relation::Writer;

/// Events of one block, at most, but for those of one command: little enough to be decoded in a
/// moment, enough that the row itself costs next to nothing.
const EVENTS_PER_BLOCK: usize = 4096;

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
