//! The table `exchange.journal`: batches of commands as rows, and back.

use matcher::{Command, Sequence, Stamp, codec};
use pgrx::Spi;
use pgrx::pg_sys::Datum;

use super::fault::Fault;
use crate::days::{DayWriter, LONG_DAY_US, RECENT_US};
use crate::shared::ring::Entry;

/// Some commands in their order, and the engine's hash after the last one.
#[derive(Debug, Default)]
pub struct Batch {
    /// The first command of the row that they are from, for messages.
    pub row: Sequence,
    /// The commands.
    pub commands: Vec<(Stamp, Command)>,
    /// The running hash over all events up to their end.
    pub event_hash: u64,
}

/// Commands of one row: little enough to be decoded in a moment, enough that the row
/// itself costs next to nothing.
const COMMANDS_PER_ROW: usize = 4096;

/// Writes commands, in as many rows as they need, each of one day. `None` if the table is not there.
pub fn write(entries: &[Entry]) -> Option<()> {
    let mut journal = DayWriter::new("journal");
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let end_of_day_us = journal.end_of_day_us(first.stamp.time_us)?;
        let row = &rest[..rest.len().min(COMMANDS_PER_ROW)];
        let row = &row[..row.partition_point(|entry| entry.stamp.time_us < end_of_day_us)];
        rest = &rest[row.len()..];
        let (first, last) = (row[0].stamp, row[row.len() - 1]);
        let mut commands = Vec::with_capacity(row.len() * 24);
        let mut time_us = first.time_us;
        for entry in row {
            let delta_us = entry.stamp.time_us - time_us;
            codec::encode(&entry.command, delta_us as u64, &mut commands);
            time_us = entry.stamp.time_us;
        }
        journal.insert(
            first.time_us,
            [
                Some(Datum::from(first.sequence)),
                Some(Datum::from(last.stamp.sequence)),
                Some(Datum::from(first.time_us)),
                Some(Datum::from(last.event_hash)),
                Some(Datum::from(crc32c::crc32c(&commands))),
                Some(crate::datum::bytes(&commands)),
            ],
        )?;
    }
    journal.close();
    Some(())
}

/// The last command in the journal; 0 for none. In a transaction.
pub fn last_sequence() -> Sequence {
    match row_of(Sequence::MAX) {
        Ok(row) => row.map_or(0, |row| row.last_sequence),
        Err(error) => panic!("the journal cannot be read: {error}"),
    }
}

/// What a row is of.
struct Place {
    last_sequence: Sequence,
    first_time_us: i64,
}

/// The last row that begins with a command or before it.
fn row_of(sequence: Sequence) -> Result<Option<Place>, pgrx::spi::SpiError> {
    for from_us in [super::now_us() - RECENT_US, i64::MIN] {
        let query = "SELECT last_sequence, first_time_us FROM exchange.journal
             WHERE first_sequence OPERATOR(pg_catalog.<=) $1
               AND first_time_us OPERATOR(pg_catalog.>=) $2
             ORDER BY first_sequence DESC LIMIT 1";
        let arguments = [i64::try_from(sequence).unwrap_or(i64::MAX).into(), from_us.into()];
        let place = Spi::connect(|client| -> Result<Option<Place>, pgrx::spi::SpiError> {
            let Some(row) = client.select(query, Some(1), &arguments)?.next() else {
                return Ok(None);
            };
            Ok(Some(Place {
                last_sequence: row.get::<i64>(1)?.unwrap_or_default() as u64,
                first_time_us: row.get::<i64>(2)?.unwrap_or_default(),
            }))
        })?;
        if place.is_some() {
            return Ok(place);
        }
    }
    Ok(None)
}

/// The rows from that of a command ($1) on, of some time ($2, $3), which is what keeps other days out
/// of the plan. Many rows at a time where they are small, so that it is not planning that takes the
/// time, and not more than some megabytes.
const ROWS_FROM: &str = "
    SELECT first_sequence, last_sequence, first_time_us, event_hash, checksum, commands
    FROM (
        SELECT first_sequence, last_sequence, first_time_us, event_hash, checksum, commands,
               pg_catalog.sum(pg_catalog.octet_length(commands)) OVER (ORDER BY first_sequence ROWS UNBOUNDED PRECEDING)
                   OPERATOR(pg_catalog.-) pg_catalog.octet_length(commands) AS bytes_before
        FROM exchange.journal
        WHERE first_time_us OPERATOR(pg_catalog.>=) $2 AND first_time_us OPERATOR(pg_catalog.<) $3
          AND first_sequence OPERATOR(pg_catalog.>=) coalesce(
            (SELECT pg_catalog.max(first_sequence) FROM exchange.journal
             WHERE first_sequence OPERATOR(pg_catalog.<=) $1
               AND first_time_us OPERATOR(pg_catalog.>=) $2 AND first_time_us OPERATOR(pg_catalog.<) $3), 0)
        ORDER BY first_sequence
        LIMIT 4096
    ) AS r
    WHERE bytes_before OPERATOR(pg_catalog.<) 8388608
    ORDER BY first_sequence";

/// The row of a command and those after it, many of them, whatever is wrong with them; none after
/// the last one. In a transaction.
pub fn rows_from(sequence: Sequence) -> Result<Vec<Row>, pgrx::spi::SpiError> {
    let from_us = row_of(sequence)?.map_or(i64::MIN, |row| row.first_time_us);
    let of_day = read_rows(sequence, from_us, from_us.saturating_add(LONG_DAY_US))?;
    if of_day.iter().any(|row| row.first_sequence >= sequence) {
        return Ok(of_day);
    }
    // What comes next may be of a later day than that.
    read_rows(sequence, from_us, i64::MAX)
}

/// The next commands after `sequence`, of many rows; none if there are none. In a transaction.
pub fn read_after(sequence: Sequence) -> Result<Batches, Fault> {
    let rows = rows_from(sequence + 1)
        .map_err(|error| Fault::from(format!("the journal cannot be read: {error}")))?;
    let are_later = rows.iter().any(|row| row.last_sequence > sequence);
    Ok(Batches::of(if are_later { rows } else { Vec::new() }, sequence + 1))
}

fn read_rows(
    next: Sequence,
    from_us: i64,
    before_us: i64,
) -> Result<Vec<Row>, pgrx::spi::SpiError> {
    Spi::connect(|client| {
        client
            .select(ROWS_FROM, None, &[(next as i64).into(), from_us.into(), before_us.into()])?
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
}

/// Rows that are decoded one by one, so that their commands are executed while they are near. A row
/// that is damaged, missing, or not where it belongs is an error that names it.
pub struct Batches {
    rows: std::vec::IntoIter<Row>,
    /// The command that has to come next.
    next: Sequence,
    /// Whether a row that was there before may begin before it.
    is_first: bool,
}

impl Iterator for Batches {
    type Item = Result<Batch, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next;
        let mut row = self.rows.next()?;
        if std::mem::take(&mut self.is_first) {
            if row.last_sequence < next {
                row = self.rows.next()?;
            }
        } else if row.first_sequence < next {
            let what = format!("the row before it ends with command {}", next - 1);
            return Some(Err(Fault::of_row(row.first_sequence, what)));
        }
        self.next = row.last_sequence.saturating_add(1);
        Some(row.batch(next))
    }
}

impl Batches {
    /// The first of these rows may be of commands before `next`.
    fn of(rows: Vec<Row>, next: Sequence) -> Self {
        Self { rows: rows.into_iter(), next, is_first: true }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.as_slice().is_empty()
    }
}

/// A row as it stands there.
pub struct Row {
    /// Of the first command.
    pub first_sequence: Sequence,
    /// Of the last one, as the row says.
    pub last_sequence: Sequence,
    first_time_us: i64,
    /// The running hash over all events up to its end, as the row says.
    pub event_hash: u64,
    checksum: i64,
    commands: Vec<u8>,
}

impl Row {
    /// Whether the checksum is that of the commands.
    pub fn is_whole(&self) -> bool {
        i64::from(crc32c::crc32c(&self.commands)) == self.checksum
    }

    /// The commands from `next` on.
    fn batch(&self, next: Sequence) -> Result<Batch, Fault> {
        if self.first_sequence > next {
            let what = format!("the next row begins with command {}", self.first_sequence);
            return Err(Fault::of_missing_row(next, what));
        }
        let mut commands =
            self.decode().map_err(|what| Fault::of_row(self.first_sequence, what))?;
        // Not more than there are: they were counted.
        commands.drain(..(next - self.first_sequence) as usize);
        Ok(Batch { row: self.first_sequence, commands, event_hash: self.event_hash })
    }

    /// Its commands, if it is what it says.
    pub fn decode(&self) -> Result<Vec<(Stamp, Command)>, String> {
        if !self.is_whole() {
            return Err("its checksum differs".to_owned());
        }
        let first = Stamp { sequence: self.first_sequence, time_us: self.first_time_us };
        let mut commands = Vec::with_capacity(COMMANDS_PER_ROW);
        for command in decode(first, &self.commands) {
            commands.push(command?);
        }
        if self.first_sequence.checked_add(commands.len() as u64)
            != self.last_sequence.checked_add(1)
        {
            return Err(format!(
                "it has {} commands, and says that they go to command {}",
                commands.len(),
                self.last_sequence
            ));
        }
        Ok(commands)
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
