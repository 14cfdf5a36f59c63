//! Whether the tables are all there: a dump is restored table by table, and a worker that began in
//! between would take a part for the whole.
//!
//! The mark is the materialized view `exchange.complete_since`. `pg_restore` fills it after
//! everything else, as it does every materialized view that was filled when it was dumped; the
//! matcher fills that of a new exchange with the first command, and nobody writes before.

use pgrx::Spi;
use pgrx::pg_sys;

use crate::relation::{Relation, WRITTEN};

const MARK: &str = "complete_since";

/// What the tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Empty: no command was ever entered.
    New,
    /// Some of those of an exchange.
    Partial,
    /// Those of an exchange.
    Complete,
}

/// What to say of tables that are partial.
pub const PARTIAL: &str = "the tables of the exchange are being restored";

/// What to do about it.
pub const PARTIAL_HINT: &str = "Wait for the end of pg_restore or psql. If it has ended with an error, drop the database and restore it again; if it left out what comes last, run REFRESH MATERIALIZED VIEW exchange.complete_since;";

/// Looks at the tables. In a transaction. `None` if they are not there.
pub fn look() -> Option<Completeness> {
    look_locking(pg_sys::AccessShareLock)
}

/// Marks a new exchange as complete, so that it may be written. In a transaction. `None` if the
/// tables are not there, `false` if somebody else has written into them.
pub fn begin() -> Option<bool> {
    // Who is writing into a table is waited for here, and who comes later finds an exchange.
    if look_locking(pg_sys::ShareLock)? != Completeness::New {
        return Some(false);
    }
    Spi::run("REFRESH MATERIALIZED VIEW exchange.complete_since")
        .unwrap_or_else(|error| panic!("exchange.{MARK} cannot be filled: {error}"));
    Some(true)
}

fn look_locking(lock: u32) -> Option<Completeness> {
    if Relation::open(MARK, pg_sys::AccessShareLock)?.is_populated() {
        return Some(Completeness::Complete);
    }
    // Locked until the transaction ends.
    let tables: Option<Vec<_>> = WRITTEN.iter().map(|name| Relation::open(name, lock)).collect();
    let tables = tables?;
    let is_new = tables.iter().all(|table| table.is_empty(lock));
    Some(if is_new { Completeness::New } else { Completeness::Partial })
}
