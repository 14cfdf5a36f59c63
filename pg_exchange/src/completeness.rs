//! Whether the tables are all there: a dump is restored table by table, and a worker that began in
//! between would take a part for the whole.
//!
//! The mark is the materialized view `exchange.complete_since`. The matcher makes that of a new
//! exchange with the first command, and nobody writes before; `pg_restore` fills it after everything
//! else, as it does all materialized views.

use std::ffi::CStr;

use pgrx::pg_sys::{self, Datum};
use pgrx::{PgSqlErrorCode, Spi};

use crate::errors::raise;
use crate::relation::{Relation, WRITTEN, fixed_columns, oid_of};
use crate::settings;

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

/// Looks at the tables. In a transaction, but without locks that outlive the call: who waits for the
/// first command must not hold it up. `None` if they are not there.
pub fn look() -> Option<Completeness> {
    if is_marked() {
        return Some(Completeness::Complete);
    }
    let mut is_new = true;
    for name in WRITTEN {
        let table = Relation::open(name, pg_sys::AccessShareLock)?;
        is_new &= table.is_empty(pg_sys::AccessShareLock);
        table.unlock(pg_sys::AccessShareLock);
    }
    Some(if is_new { Completeness::New } else { Completeness::Partial })
}

/// Marks a new exchange as complete, so that it may be written. In a transaction. `None` if the
/// tables are not there, `false` if somebody else has written into them.
pub fn begin() -> Option<bool> {
    // Who is writing into a table is waited for here, and who comes later finds an exchange.
    let lock = pg_sys::ShareLock;
    let tables: Option<Vec<_>> = WRITTEN.iter().map(|name| Relation::open(name, lock)).collect();
    let is_new = tables?.iter().all(|table| table.is_empty(lock));
    if is_marked() || !is_new {
        return Some(false);
    }
    Spi::run("SELECT exchange.mark_complete()")
        .unwrap_or_else(|error| panic!("exchange.{MARK} cannot be made: {error}"));
    Some(true)
}

/// Whether the materialized view is there, and filled.
fn is_marked() -> bool {
    // SAFETY: in a transaction; the row of `pg_class` is looked at before it is released.
    unsafe {
        let row = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            Datum::from(oid_of(MARK)),
        );
        if row.is_null() {
            return false;
        }
        let marked = (*fixed_columns::<pg_sys::FormData_pg_class>(row)).relispopulated;
        pg_sys::ReleaseSysCache(row);
        marked
    }
}

/// Whether a statement is a `COPY` into a table.
///
/// # Safety
/// `node` is the utility statement of a plan, or null.
pub unsafe fn is_copy_in(node: *mut pg_sys::Node) -> bool {
    // SAFETY: a node of this tag is of this type.
    unsafe {
        if node.is_null() || (*node).type_ != pg_sys::NodeTag::T_CopyStmt {
            return false;
        }
        let copy = node.cast::<pg_sys::CopyStmt>();
        (*copy).is_from && !(*copy).relation.is_null()
    }
}

/// Refuses to copy rows into the tables of an exchange that has begun, as a restore of a dump over
/// it would.
///
/// # Safety
/// `node` is a `COPY` into a table.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn check_copy_in(node: *mut pg_sys::Node) {
    // SAFETY: see above; in the transaction of the statement.
    let table = unsafe {
        pg_sys::RangeVarGetRelidExtended(
            (*node.cast::<pg_sys::CopyStmt>()).relation,
            pg_sys::NoLock as i32,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        )
    };
    // SAFETY: look-ups in the system caches.
    let is_of_exchange = unsafe {
        let schema = pg_sys::get_namespace_oid(c"exchange".as_ptr(), true);
        schema != pg_sys::InvalidOid && schema == pg_sys::get_rel_namespace(table)
    };
    if !is_of_exchange || !is_venue_database() || !is_marked() {
        return;
    }
    let is_it_or_has_it = |name: &&str| {
        Relation::open(name, pg_sys::AccessShareLock)
            .is_some_and(|relation| relation.oid() == table || relation.has_partition(table))
    };
    let Some(name) = WRITTEN.into_iter().find(is_it_or_has_it) else { return };
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("exchange.{name} is written by the exchange alone"),
        "The exchange in this database has begun.",
        "To restore a dump, make a database of its own for it; or drop this one first.",
    );
}

/// Whether this is the database that the workers serve.
fn is_venue_database() -> bool {
    // SAFETY: in a transaction; a look-up by the OID of this process's database.
    let name = unsafe { pg_sys::get_database_name(pg_sys::MyDatabaseId) };
    // SAFETY: null, or a C string in the current memory context.
    !name.is_null() && unsafe { CStr::from_ptr(name) } == settings::database().as_c_str()
}
