//! The tables `exchange.replay_marks` and `exchange.replay_mark_parts`: the engine as it was after
//! some commands, for replays to begin there.
//!
//! No worker reads them: recovery begins with the tables alone. They are what a replay cannot know
//! without them: the bounds that were in force, and the engine where the journal before is gone.

use matcher::{Engine, Sequence, View, record};
use pgrx::Spi;

use super::busts::run;
use super::recovery::Bounds;
use crate::datum::timestamp;

/// Records of one row, in bytes, at most, but for the last one: far below what a row can have.
const PART_BYTES: usize = 1 << 20;

/// The engine after a command, as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The command.
    pub sequence: Sequence,
    /// The running hash over all events up to there.
    pub event_hash: u64,
    /// Under which the commands after it are executed.
    pub bounds: Bounds,
    parts: i32,
}

impl Mark {
    /// The last mark at a command or before it.
    pub fn last_before(sequence: Sequence) -> Option<Self> {
        Self::find("sequence OPERATOR(pg_catalog.<=) $1 ORDER BY sequence DESC", sequence)
    }

    /// The first mark at a command or after it.
    pub fn first_from(sequence: Sequence) -> Option<Self> {
        Self::find("sequence OPERATOR(pg_catalog.>=) $1 ORDER BY sequence", sequence)
    }

    fn find(condition: &str, sequence: Sequence) -> Option<Self> {
        let query = format!(
            "SELECT sequence, event_hash, maximum_open_orders, maximum_price_levels,
                    maximum_positions, client_order_window, parts
             FROM exchange.replay_marks WHERE {condition} LIMIT 1"
        );
        let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
        let found = Spi::connect(|client| -> Result<Option<Self>, pgrx::spi::SpiError> {
            let Some(row) = client.select(query.as_str(), Some(1), &[sequence.into()])?.next()
            else {
                return Ok(None);
            };
            let number =
                |column| row.get::<i64>(column).map(|value| value.unwrap_or_default() as u64);
            let bound =
                |column| row.get::<i32>(column).map(|value| value.unwrap_or_default() as u32);
            Ok(Some(Self {
                sequence: number(1)?,
                event_hash: number(2)?,
                bounds: Bounds {
                    open_orders: bound(3)?,
                    price_levels: bound(4)?,
                    positions: bound(5)?,
                    client_order_window: bound(6)?,
                },
                parts: row.get::<i32>(7)?.unwrap_or_default(),
            }))
        });
        found.unwrap_or_else(|error| panic!("exchange.replay_marks cannot be read: {error}"))
    }

    /// The engine, if what is kept of it can be read.
    pub fn load(&self) -> Result<Engine, String> {
        let damaged =
            |what: &str| format!("the mark of command {} is damaged: {what}", self.sequence);
        let mut engine = Engine::new(self.bounds.limits());
        for part in 0..self.parts {
            let records = self.read_part(part).ok_or_else(|| damaged("a part is missing"))?;
            let records = records.map_err(|error| damaged(&error))?;
            let mut rest = records.as_slice();
            while !rest.is_empty() {
                let record =
                    record::decode(&mut rest).map_err(|error| damaged(&error.to_string()))?;
                engine.restore(&record).map_err(|error| damaged(&error.to_string()))?;
            }
            pgrx::check_for_interrupts!();
        }
        engine.restore_finish().map_err(|error| damaged(&error.to_string()))?;
        if engine.sequence() != self.sequence || engine.event_hash() != self.event_hash {
            return Err(damaged("it is of another command than it says"));
        }
        Ok(engine)
    }

    /// The records of a part; `None` if it is not there.
    fn read_part(&self, part: i32) -> Option<Result<Vec<u8>, String>> {
        let read = Spi::connect(|client| -> Result<_, pgrx::spi::SpiError> {
            let rows = client.select(
                "SELECT records, checksum FROM exchange.replay_mark_parts
                 WHERE sequence OPERATOR(pg_catalog.=) $1 AND part OPERATOR(pg_catalog.=) $2",
                Some(1),
                &[(self.sequence as i64).into(), part.into()],
            )?;
            rows.map(|row| Ok((row.get::<Vec<u8>>(1)?, row.get::<i64>(2)?))).next().transpose()
        });
        let (records, checksum) = read
            .unwrap_or_else(|error| panic!("exchange.replay_mark_parts cannot be read: {error}"))?;
        let records = records.unwrap_or_default();
        let is_whole = Some(i64::from(crc32c::crc32c(&records))) == checksum;
        Some(is_whole.then_some(records).ok_or_else(|| "a checksum differs".to_owned()))
    }
}

/// The records of an engine, in parts.
pub struct Records {
    time_us: i64,
    sequence: Sequence,
    event_hash: u64,
    parts: Vec<Vec<u8>>,
}

impl Records {
    /// Of an engine as it is now.
    pub fn of(engine: &Engine) -> Self {
        let mut parts = vec![Vec::new()];
        record::for_each_record(engine, |record| {
            if parts.last().is_some_and(|part| part.len() >= PART_BYTES) {
                parts.push(Vec::new());
            }
            record::encode(record, parts.last_mut().expect("there is one"));
        });
        let counters = engine.counters();
        Self {
            time_us: counters.time_us,
            sequence: counters.sequence,
            event_hash: counters.event_hash,
            parts,
        }
    }

    /// Keeps them as the mark of their command, whatever was kept of it before.
    pub fn keep(&self, bounds: Bounds) {
        let sequence = self.sequence as i64;
        // Its parts go with it.
        run(
            "DELETE FROM exchange.replay_marks WHERE sequence OPERATOR(pg_catalog.=) $1",
            &[sequence.into()],
        );
        let bound = |bound: u32| (bound as i32).into();
        run(
            "INSERT INTO exchange.replay_marks VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                sequence.into(),
                timestamp(self.time_us),
                (self.event_hash as i64).into(),
                bound(bounds.open_orders),
                bound(bounds.price_levels),
                bound(bounds.positions),
                bound(bounds.client_order_window),
                (self.parts.len() as i32).into(),
            ],
        );
        for (part, records) in (0i32..).zip(&self.parts) {
            run(
                "INSERT INTO exchange.replay_mark_parts VALUES ($1, $2, $3, $4)",
                &[
                    sequence.into(),
                    part.into(),
                    i64::from(crc32c::crc32c(records)).into(),
                    records.as_slice().into(),
                ],
            );
        }
    }
}
