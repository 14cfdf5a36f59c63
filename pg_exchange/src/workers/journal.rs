//! The table `exchange.journal`: batches of commands as rows, and back.

use matcher::{Command, Sequence, Stamp, codec};
use pgrx::Spi;
use pgrx::pg_sys::Datum;

use crate::relation::Writer;
use crate::shared::ring::Entry;

/// Some commands in their order, and the engine's hash after the last one.
#[derive(Debug, Default)]
pub struct Batch {
    /// The commands.
    pub commands: Vec<(Stamp, Command)>,
    /// The running hash over all events up to their end.
    pub event_hash: u64,
}

/// Commands of one row: little enough to be decoded in a moment, enough that the row
/// itself costs next to nothing.
const COMMANDS_PER_ROW: usize = 4096;

/// Writes commands, in as many rows as they need.
pub fn write(journal: &mut Writer, entries: &[Entry]) {
    for row in entries.chunks(COMMANDS_PER_ROW) {
        let (first, last) = (row[0].stamp, row[row.len() - 1]);
        let mut commands = Vec::with_capacity(row.len() * 24);
        let mut time_us = first.time_us;
        for entry in row {
            let delta_us = entry.stamp.time_us - time_us;
            codec::encode(&entry.command, delta_us as u64, &mut commands);
            time_us = entry.stamp.time_us;
        }
        journal.insert(
            [
                Some(Datum::from(first.sequence)),
                Some(Datum::from(last.stamp.sequence)),
                Some(Datum::from(first.time_us)),
                Some(Datum::from(last.event_hash)),
                Some(Datum::from(crc32c::crc32c(&commands))),
                Some(crate::datum::bytes(&commands)),
            ],
            &mut |_| (),
        );
    }
}

/// The last command in the journal; 0 for none. In a transaction.
pub fn last_sequence() -> Sequence {
    // Not `Spi::get_one`, which takes a transaction id: a standby has none to give.
    let last = Spi::connect(|client| -> Result<Option<i64>, pgrx::spi::SpiError> {
        let query =
            "SELECT last_sequence FROM exchange.journal ORDER BY first_sequence DESC LIMIT 1";
        client.select(query, Some(1), &[])?.next().map_or(Ok(None), |row| row.get(1))
    });
    match last {
        Ok(last) => last.unwrap_or(0) as Sequence,
        Err(error) => panic!("the journal cannot be read: {error}"),
    }
}

const ROWS_AFTER: &str = "
    SELECT first_sequence, last_sequence, first_time_us, event_hash, checksum, commands
    FROM exchange.journal
    WHERE first_sequence OPERATOR(pg_catalog.>=) coalesce(
        (SELECT pg_catalog.max(first_sequence) FROM exchange.journal
         WHERE first_sequence OPERATOR(pg_catalog.<=) $1), 0)
    ORDER BY first_sequence
    LIMIT 64";

/// The next commands after `sequence`, some rows of them; none if there are none. In a
/// transaction. A row that is damaged or missing is an error that names it.
pub fn read_after(sequence: Sequence) -> Result<Vec<Batch>, String> {
    let next = sequence + 1;
    let rows = Spi::connect(|client| -> Result<Vec<Row>, pgrx::spi::SpiError> {
        client
            .select(ROWS_AFTER, None, &[(next as i64).into()])?
            .map(|row| {
                Ok(Row {
                    first_sequence: row.get::<i64>(1)?.unwrap_or_default() as u64,
                    last_sequence: row.get::<i64>(2)?.unwrap_or_default() as u64,
                    first_time_us: row.get::<i64>(3)?.unwrap_or_default(),
                    event_hash: row.get::<i64>(4)?.unwrap_or_default() as u64,
                    checksum: row.get::<i64>(5)?.unwrap_or_default(),
                    commands: row.get::<Vec<u8>>(6)?.unwrap_or_default(),
                })
            })
            .collect()
    })
    .map_err(|error| format!("the journal cannot be read: {error}"))?;
    let mut expected = next;
    let mut batches = Vec::new();
    for row in rows {
        if row.last_sequence < next {
            continue;
        }
        let batch = row.decode()?;
        let skip = expected.saturating_sub(row.first_sequence) as usize;
        if row.first_sequence > expected || skip > batch.commands.len() {
            return Err(format!(
                "the journal has no row for command {expected}: the next one begins with {}",
                row.first_sequence
            ));
        }
        expected = row.last_sequence + 1;
        batches.push(Batch { commands: batch.commands[skip..].to_vec(), ..batch });
    }
    Ok(batches)
}

struct Row {
    first_sequence: Sequence,
    last_sequence: Sequence,
    first_time_us: i64,
    event_hash: u64,
    checksum: i64,
    commands: Vec<u8>,
}

impl Row {
    fn decode(&self) -> Result<Batch, String> {
        let damaged = |what: &str| {
            format!("the journal row of command {} is damaged: {what}", self.first_sequence)
        };
        if i64::from(crc32c::crc32c(&self.commands)) != self.checksum {
            return Err(damaged("its checksum differs"));
        }
        let first = Stamp { sequence: self.first_sequence, time_us: self.first_time_us };
        let mut commands = Vec::new();
        for command in decode(first, &self.commands) {
            commands.push(command.map_err(|error| damaged(&error))?);
        }
        if self.first_sequence + commands.len() as u64 != self.last_sequence + 1 {
            return Err(damaged("it has another number of commands than it says"));
        }
        Ok(Batch { commands, event_hash: self.event_hash })
    }
}

/// The commands of a row, given the stamp of the first. After an error there is nothing more.
pub fn decode(
    first: Stamp,
    mut commands: &[u8],
) -> impl Iterator<Item = Result<(Stamp, Command), String>> + '_ {
    let mut next = first;
    std::iter::from_fn(move || {
        if commands.is_empty() {
            return None;
        }
        let decoded = codec::decode(&mut commands).map_err(|error| error.to_string());
        let stamped = decoded.and_then(|(delta_us, command)| {
            let time_us = next.time_us.checked_add_unsigned(delta_us);
            let stamp = Stamp { time_us: time_us.ok_or("a time is out of range")?, ..next };
            let sequence = stamp.sequence.checked_add(1).ok_or("a sequence is out of range")?;
            next = Stamp { sequence, ..stamp };
            Ok((stamp, command))
        });
        if stamped.is_err() {
            commands = &[];
        }
        Some(stamped)
    })
}
