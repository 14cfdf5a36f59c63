//! Tables that are partitioned by day: which partition a row belongs to.
//!
//! A worker looks the partitions up once and keeps them, so that it takes no lock on the whole table as
//! long as it knows the day: who holds that one up then holds up nobody who trades.

use std::cell::RefCell;

use pgrx::pg_sys::{self, Oid};
use rustc_hash::FxHashMap;

use crate::datum::timestamp;
use crate::relation::{Relation, TupleId, Values, Writer, oid_for_life};

/// The tables that are partitioned by day.
pub const TABLES: [&str; 5] = ["journal", "market_data", "trades", "executions", "finished_orders"];

const DAY_US: i64 = 86_400_000_000;
/// A row that is looked for is most likely of the last days before some time, and the days before these
/// are so not even planned for.
pub const RECENT_US: i64 = 4 * DAY_US;
/// Rows are read from a day on, to somewhere in the next one: so long is no day.
pub const LONG_DAY_US: i64 = 26 * DAY_US / 24;

/// A partition, from one time to before another.
#[derive(Clone, Copy)]
struct Day {
    from_us: i64,
    to_us: i64,
    partition: Oid,
}

impl Day {
    fn contains(&self, time_us: i64) -> bool {
        (self.from_us..self.to_us).contains(&time_us)
    }
}

thread_local! {
    static KNOWN: RefCell<FxHashMap<&'static str, Vec<Day>>> = RefCell::default();
}

fn find_known(table: &'static str, time_us: i64) -> Option<Day> {
    KNOWN.with_borrow(|known| known.get(table)?.iter().find(|day| day.contains(time_us)).copied())
}

/// Reads the partitions of a table. In a transaction. `None` if the table is not there any more.
fn look_up(table: &'static str) -> Option<()> {
    let relation = Relation::open_oid(oid_for_life(table), pg_sys::AccessShareLock)?;
    KNOWN.with_borrow_mut(|known| known.insert(table, days_of(&relation)));
    Some(())
}

/// The partitions of a table, the latest first, for whoever reads it: as long as the table is open it
/// keeps them.
pub fn latest_first(table: &Relation) -> impl Iterator<Item = Relation> + use<> {
    let days = days_of(table).into_iter().rev();
    days.filter_map(|day| Relation::open_oid(day.partition, pg_sys::AccessShareLock))
}

/// The partitions of a table, in the order of time.
fn days_of(relation: &Relation) -> Vec<Day> {
    // The tables are partitioned by the range of one column, of eight bytes.
    // SAFETY: the description lives as long as the relation is open. Bound i of n is the lower one of
    // what `indexes[i + 1]` names, and the upper one of what `indexes[i]` does; -1 names nothing.
    unsafe {
        let description = &*pg_sys::RelationGetPartitionDesc(relation.as_ptr(), true);
        match description.boundinfo.as_ref() {
            None => Vec::new(),
            Some(bounds) => {
                let bound = |place: usize| match **bounds.kind.add(place) {
                    pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MINVALUE => i64::MIN,
                    pg_sys::PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MAXVALUE => i64::MAX,
                    _ => (**bounds.datums.add(place)).value() as i64,
                };
                (1..bounds.ndatums as usize)
                    .filter_map(|place| {
                        let index = usize::try_from(*bounds.indexes.add(place)).ok()?;
                        let partition = *description.oids.add(index);
                        Some(Day { from_us: bound(place - 1), to_us: bound(place), partition })
                    })
                    .collect()
            }
        }
    }
}

/// Has the partition made that a time is in, if it is not there. In a transaction. `None` if the
/// table is not there any more.
pub fn add(table: &'static str, time_us: i64) -> Option<()> {
    lock_schema();
    // So that it stays: its lock does. Open, it could not be altered.
    drop(Relation::open_oid(oid_for_life(table), pg_sys::AccessShareLock)?);
    let arguments = [
        // SAFETY: a regclass is an OID.
        unsafe { pgrx::datum::DatumWithOid::new(oid_for_life(table), pg_sys::REGCLASSOID) },
        timestamp(time_us),
    ];
    if let Err(error) = pgrx::Spi::run_with_args("SELECT exchange.add_day($1, $2)", &arguments) {
        panic!("exchange.{table} gets no partition: {error}");
    }
    Some(())
}

/// Opens the partition that a time is in. `None` if the table is not there any more.
fn open(table: &'static str, time_us: i64) -> Option<(Day, Writer)> {
    if let Some(found) = open_known(table, time_us) {
        return Some(found);
    }
    lock_schema();
    look_up(table)?;
    if find_known(table, time_us).is_none() {
        add(table, time_us)?;
        look_up(table)?;
    }
    let found = open_known(table, time_us);
    Some(found.unwrap_or_else(|| panic!("exchange.{table} has no partition for {time_us}")))
}

/// `None` where none is known, or what is known was taken out of the table since.
fn open_known(table: &'static str, time_us: i64) -> Option<(Day, Writer)> {
    let day = find_known(table, time_us)?;
    let partition = Relation::open_oid(day.partition, pg_sys::RowExclusiveLock)?;
    partition.is_partition().then(|| (day, Writer::of(partition)))
}

/// Locks the schema, in which a table is to be made, before a table of it: DROP EXTENSION does it in that
/// order, too, and so neither waits for the other.
fn lock_schema() {
    // SAFETY: in a transaction; a look-up by a C string, and a lock by OID.
    unsafe {
        pg_sys::LockDatabaseObject(
            pg_sys::NamespaceRelationId,
            pg_sys::get_namespace_oid(c"exchange".as_ptr(), true),
            0,
            pg_sys::AccessShareLock as i32,
        );
    }
}

/// Writes rows of a table, each into the partition of its day. For a worker, in a transaction.
pub struct DayWriter {
    table: &'static str,
    /// Rows come in the order of time, or nearly so: mostly there is one, and it is the last.
    open: Vec<(Day, Writer)>,
}

impl DayWriter {
    /// Nothing is opened before there is a row.
    pub fn new(table: &'static str) -> Self {
        Self { table, open: Vec::new() }
    }

    /// Adds a row of this time. `None` if the table is not there any more.
    pub fn insert<const N: usize>(&mut self, time_us: i64, row: Values<N>) -> Option<()> {
        self.day(time_us)?.1.insert(row, &mut |_: TupleId| ());
        Some(())
    }

    /// Where the day ends that a time is in: that is of the next one. `None` if the table is not
    /// there any more.
    pub fn end_of_day_us(&mut self, time_us: i64) -> Option<i64> {
        Some(self.day(time_us)?.0.to_us)
    }

    fn day(&mut self, time_us: i64) -> Option<&mut (Day, Writer)> {
        let place = match self.open.iter().rposition(|(day, _)| day.contains(time_us)) {
            Some(place) => place,
            None => {
                self.open.push(open(self.table, time_us)?);
                self.open.len() - 1
            }
        };
        Some(&mut self.open[place])
    }

    /// Writes what is left, and closes the partitions.
    pub fn close(self) {
        for (_, writer) in self.open {
            writer.close(&mut |_| ());
        }
    }
}
