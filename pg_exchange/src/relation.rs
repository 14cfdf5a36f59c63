//! Tables of the schema `exchange`, read and written below SQL: by `heap_multi_insert`
//! and by tuple id, ten times as fast as through SPI.
//!
//! This goes past triggers, CHECK constraints and defaults, which our tables do not have,
//! and past partition routing: [`crate::days`] does that for what is partitioned by day. Rows
//! are WAL-logged and logically decoded as any others.

use std::cell::RefCell;
use std::ffi::{CStr, CString};

use pgrx::pg_sys::{self, Datum, Oid};

use rustc_hash::FxHashMap;

use crate::datum::FromDatum;

/// The OID of a table or index of the schema; invalid if there is none.
pub fn oid_of(name: &str) -> Oid {
    let name = CString::new(name).expect("names have no NUL");
    // SAFETY: look-ups in the system caches, by C strings.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"exchange".as_ptr(), true);
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    }
}

/// The tables that workers write.
pub const WRITTEN: [&str; 21] = [
    "participants",
    "accounts",
    "currencies",
    "fee_schedules",
    "instruments",
    "instrument_states",
    "cash",
    "positions",
    "risk_limits",
    "trading_days",
    "transfers",
    "busted_trades",
    "client_orders",
    "engine_state",
    "open_orders",
    "finished_orders",
    "executions",
    "trades",
    "candles",
    "market_data",
    "journal",
];

thread_local! {
    static FOR_LIFE: RefCell<FxHashMap<&'static str, Oid>> = RefCell::default();
}

/// Finds the tables that [`Writer`] opens, once in the life of this process: a venue may
/// be dropped and made anew under the same names, but with other tables, and what a
/// worker has to write is of the old one.
pub fn look_up_for_life() {
    FOR_LIFE.set(WRITTEN.into_iter().map(|name| (name, oid_of(name))).collect());
}

/// The table of a name that this process found when it began.
pub fn oid_for_life(name: &'static str) -> Oid {
    let oid = FOR_LIFE.with_borrow(|known| known.get(name).copied());
    oid.expect("looked up when the worker began")
}

/// The columns of fixed width at the begin of a row of a catalog.
///
/// # Safety
/// `T` is the struct of the catalog that the tuple is of.
pub unsafe fn fixed_columns<T>(tuple: pg_sys::HeapTuple) -> *const T {
    // SAFETY: the columns begin after the tuple's header.
    unsafe {
        let header = (*tuple).t_data;
        header.cast::<u8>().add((*header).t_hoff.into()).cast()
    }
}

/// An open table, locked until the end of the transaction.
pub struct Relation(pg_sys::Relation);

impl Relation {
    /// Opens a table; `None` if it is not there (any more).
    pub fn open(name: &str, lock: u32) -> Option<Self> {
        Self::open_oid(oid_of(name), lock)
    }

    /// Opens a table by its OID; `None` if it is not there any more.
    pub fn open_oid(oid: Oid, lock: u32) -> Option<Self> {
        // SAFETY: in a transaction; the lock mode is one of Postgres's.
        let relation = unsafe { pg_sys::try_relation_open(oid, lock as i32) };
        // Not `then_some`: a value that is not wanted would be dropped, and so closed.
        (!relation.is_null()).then(|| Self(relation))
    }

    fn columns(&self) -> usize {
        // SAFETY: the relation is open.
        unsafe { (*(*self.0).rd_att).natts as usize }
    }

    /// The table as PostgreSQL has it, as long as this is open.
    pub fn as_ptr(&self) -> pg_sys::Relation {
        self.0
    }

    /// Its name, without the schema.
    pub fn name(&self) -> String {
        // SAFETY: the relation is open; its name ends with a NUL.
        let name = unsafe { CStr::from_ptr((*(*self.0).rd_rel).relname.data.as_ptr()) };
        name.to_string_lossy().into_owned()
    }

    /// Whether it is a partition of another table.
    pub fn is_partition(&self) -> bool {
        // SAFETY: the relation is open.
        unsafe { (*(*self.0).rd_rel).relispartition }
    }

    /// The file that the rows lie in: another one after the table was rewritten, when
    /// tuple ids mean nothing any more.
    pub fn storage(&self) -> u32 {
        // SAFETY: the relation is open.
        unsafe { (*(*self.0).rd_rel).relfilenode.to_u32() }
    }

    /// Closes it, and gives the lock back that it was opened with.
    pub fn unlock(self, lock: u32) {
        // SAFETY: opened by `open`; not closed again.
        unsafe { pg_sys::relation_close(self.0, lock as i32) };
        std::mem::forget(self);
    }

    /// Its OID.
    pub fn oid(&self) -> Oid {
        // SAFETY: the relation is open.
        unsafe { (*self.0).rd_id }
    }

    /// Its partitions; none where it has none or is not partitioned.
    fn partitions(&self) -> &[Oid] {
        // SAFETY: the relation is open, and its description lives as long.
        unsafe {
            if (*(*self.0).rd_rel).relkind as u8 != pg_sys::RELKIND_PARTITIONED_TABLE {
                return &[];
            }
            let description = &*pg_sys::RelationGetPartitionDesc(self.0, true);
            if description.nparts == 0 {
                return &[];
            }
            std::slice::from_raw_parts(description.oids, description.nparts as usize)
        }
    }

    /// Whether another table is a partition of it.
    pub fn has_partition(&self, table: Oid) -> bool {
        self.partitions().contains(&table)
    }

    /// Whether a table and its partitions have no row that is committed, or written by this
    /// transaction. Partitions are locked like the table.
    pub fn is_empty(&self, lock: u32) -> bool {
        // SAFETY: the relation is open.
        if unsafe { (*(*self.0).rd_rel).relkind } as u8 == pg_sys::RELKIND_PARTITIONED_TABLE {
            return self.partitions().iter().all(|oid| {
                Self::open_oid(*oid, lock).is_none_or(|partition| partition.is_empty(lock))
            });
        }
        // SAFETY: in a transaction; the snapshot outlives the scan.
        unsafe {
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
            let scan = pg_sys::heap_beginscan(
                self.0,
                snapshot,
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                pg_sys::ScanOptions::SO_TYPE_SEQSCAN | pg_sys::ScanOptions::SO_ALLOW_PAGEMODE,
            );
            let first = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            let is_empty = first.is_null();
            pg_sys::heap_endscan(scan);
            pg_sys::UnregisterSnapshot(snapshot);
            is_empty
        }
    }

    fn deform<const N: usize>(&self, tuple: pg_sys::HeapTuple) -> Row<N> {
        assert_eq!(self.columns(), N, "the table has other columns");
        let mut values = [Datum::null(); N];
        let mut nulls = [false; N];
        // SAFETY: the tuple is of this relation, and the arrays have its width.
        unsafe {
            pg_sys::heap_deform_tuple(
                tuple,
                (*self.0).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
        }
        Row(std::array::from_fn(|column| (!nulls[column]).then_some(values[column])))
    }

    /// The row that an index finds by its first columns, which are the first of the table:
    /// for each the OID of the function that compares, and the key.
    pub fn find<const N: usize>(
        &self,
        index: &str,
        keys: &[(u32, Datum)],
    ) -> Option<(TupleId, Row<N>)> {
        let equal = pg_sys::BTEqualStrategyNumber;
        let keys: Vec<_> =
            keys.iter().map(|&(compare, key)| scan_key(equal, compare, key)).collect();
        // SAFETY: the scan is ended before the relation is closed; the tuple is copied
        // into the current memory context first.
        unsafe {
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
            let mut found = None;
            self.scan_index(index, keys, snapshot, |tuple| {
                let tuple = pg_sys::heap_copytuple(tuple);
                found = Some((TupleId((*tuple).t_self), self.deform(tuple)));
                false
            });
            pg_sys::UnregisterSnapshot(snapshot);
            found
        }
    }

    /// Hands every row that the current snapshot sees, and whose first column is a `bigint`
    /// above `bound`, to `each`: as an index finds them. The values are valid during the call.
    pub fn scan_above<const N: usize>(
        &self,
        index: &str,
        bound: i64,
        mut each: impl FnMut(TupleId, &Row<N>),
    ) {
        let key = scan_key(pg_sys::BTGreaterStrategyNumber, pg_sys::F_INT8GT, Datum::from(bound));
        // SAFETY: in a transaction with an active snapshot; the function and the key are
        // those of a bigint.
        unsafe {
            self.scan_index(index, vec![key], pg_sys::GetActiveSnapshot(), |tuple| {
                each(TupleId((*tuple).t_self), &self.deform(tuple));
                pgrx::check_for_interrupts!();
                true
            });
        }
    }

    /// Hands the tuples that an index finds to `each`, until that is false.
    ///
    /// # Safety
    /// The keys are of the first columns of the table and of the index; the snapshot
    /// outlives the call.
    unsafe fn scan_index(
        &self,
        index: &str,
        mut keys: Vec<pg_sys::ScanKeyData>,
        snapshot: pg_sys::Snapshot,
        mut each: impl FnMut(pg_sys::HeapTuple) -> bool,
    ) {
        // SAFETY: the scan is ended before the relation is closed; tuples are handed out
        // while it stands on them.
        unsafe {
            for (column, key) in keys.iter_mut().enumerate() {
                key.sk_attno = column as i16 + 1;
            }
            let scan = pg_sys::systable_beginscan(
                self.0,
                oid_of(index),
                true,
                snapshot,
                keys.len() as i32,
                keys.as_mut_ptr(),
            );
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() || !each(tuple) {
                    break;
                }
            }
            pg_sys::systable_endscan(scan);
        }
    }

    /// Hands every row that the current snapshot sees to `each`, with its tuple id. The
    /// values are valid during the call.
    pub fn scan<const N: usize>(&self, mut each: impl FnMut(TupleId, &Row<N>)) {
        // SAFETY: in a transaction with an active snapshot; the scan and the slot are
        // released before the relation is.
        unsafe {
            let slot = pg_sys::table_slot_create(self.0, std::ptr::null_mut());
            let scan = pg_sys::heap_beginscan(
                self.0,
                pg_sys::GetActiveSnapshot(),
                0,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                pg_sys::ScanOptions::SO_TYPE_SEQSCAN | pg_sys::ScanOptions::SO_ALLOW_PAGEMODE,
            );
            while pg_sys::heap_getnextslot(scan, pg_sys::ScanDirection::ForwardScanDirection, slot)
            {
                let mut should_free = false;
                let tuple = pg_sys::ExecFetchSlotHeapTuple(slot, false, &raw mut should_free);
                each(TupleId((*tuple).t_self), &self.deform(tuple));
                pgrx::check_for_interrupts!();
            }
            pg_sys::heap_endscan(scan);
            pg_sys::ExecDropSingleTupleTableSlot(slot);
        }
    }
}

/// What a column is compared with; which column, the scan says.
fn scan_key(strategy: u32, compare: u32, key: Datum) -> pg_sys::ScanKeyData {
    let mut scan_key = pg_sys::ScanKeyData::default();
    // SAFETY: fills the key; the function is looked up by its OID.
    unsafe { pg_sys::ScanKeyInit(&raw mut scan_key, 1, strategy as u16, compare.into(), key) };
    scan_key
}

impl Drop for Relation {
    fn drop(&mut self) {
        // After an error the transaction's end closes it; calling Postgres then would
        // end the process.
        if !std::thread::panicking() {
            // SAFETY: opened by `open`; the lock stays until the transaction ends.
            unsafe { pg_sys::relation_close(self.0, pg_sys::NoLock as i32) };
        }
    }
}

/// The values of a row to write.
pub type Values<const N: usize> = [Option<Datum>; N];

/// The values of a row that was read.
pub struct Row<const N: usize>(pub [Option<Datum>; N]);

impl<const N: usize> Row<N> {
    /// A value that is not NULL. That `T` stands for the type of the column is what the
    /// SQL files and the callers agree on.
    pub fn get<'row, T: FromDatum<'row>>(&'row self, column: usize) -> T {
        self.optional(column).expect("the column is NOT NULL")
    }

    /// A value; `None` for NULL.
    pub fn optional<'row, T: FromDatum<'row>>(&'row self, column: usize) -> Option<T> {
        // SAFETY: see above.
        self.0[column].map(|datum| unsafe { T::from_datum(datum) })
    }
}

/// Where a row lies. It stays there until it is updated, deleted, or the table is
/// rewritten (see [`Relation::storage`]).
#[derive(Clone, Copy)]
pub struct TupleId(pg_sys::ItemPointerData);

impl std::fmt::Debug for TupleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let block = self.0.ip_blkid;
        write!(f, "({},{})", u32::from(block.bi_hi) << 16 | u32::from(block.bi_lo), self.0.ip_posid)
    }
}

const BATCH: usize = 1000;

/// Writes rows of one table, with its indexes.
pub struct Writer {
    relation: Relation,
    result: *mut pg_sys::ResultRelInfo,
    state: *mut pg_sys::EState,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    used: usize,
    bulk: pg_sys::BulkInsertState,
}

impl Writer {
    /// Opens a table for writing, for a worker; `None` if it is not there any more.
    pub fn open(name: &'static str) -> Option<Self> {
        Relation::open_oid(oid_for_life(name), pg_sys::RowExclusiveLock).map(Self::of)
    }

    /// Writes into a table that is open, with a lock that lets it.
    pub fn of(relation: Relation) -> Self {
        // SAFETY: in a transaction, whose memory context holds all of this.
        unsafe {
            let result =
                pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()).cast::<pg_sys::ResultRelInfo>();
            (*result).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            pg_sys::InitResultRelInfo(result, relation.0, 1, std::ptr::null_mut(), 0);
            pg_sys::ExecOpenIndices(result, false);
            Self {
                relation,
                result,
                state: pg_sys::CreateExecutorState(),
                slots: Vec::new(),
                used: 0,
                bulk: pg_sys::GetBulkInsertState(),
            }
        }
    }

    /// The table, to read.
    pub fn relation(&self) -> &Relation {
        &self.relation
    }

    /// Adds a row; `written` learns where rows went, in their order, as they are written.
    pub fn insert<const N: usize>(&mut self, row: Values<N>, written: &mut dyn FnMut(TupleId)) {
        assert_eq!(self.relation.columns(), N, "the table has other columns");
        if self.used == BATCH {
            self.flush(written);
        }
        // SAFETY: the slot is of this relation, and is filled as ExecStoreVirtualTuple
        // wants it.
        unsafe {
            if self.used == self.slots.len() {
                self.slots.push(pg_sys::table_slot_create(self.relation.0, std::ptr::null_mut()));
            }
            let slot = self.slots[self.used];
            let clear = (*(*slot).tts_ops).clear.expect("every kind of slot can be cleared");
            clear(slot);
            for (column, value) in row.into_iter().enumerate() {
                *(*slot).tts_isnull.add(column) = value.is_none();
                *(*slot).tts_values.add(column) = value.unwrap_or(Datum::null());
            }
            pg_sys::ExecStoreVirtualTuple(slot);
        }
        self.used += 1;
    }

    /// Writes what [`Writer::insert`] collected.
    pub fn flush(&mut self, written: &mut dyn FnMut(TupleId)) {
        if self.used == 0 {
            return;
        }
        // SAFETY: the slots hold rows of this relation.
        unsafe {
            pg_sys::heap_multi_insert(
                self.relation.0,
                self.slots.as_mut_ptr(),
                self.used as i32,
                pg_sys::GetCurrentCommandId(true),
                0,
                self.bulk,
            );
            for slot in &self.slots[..self.used] {
                self.insert_into_indexes(*slot);
                written(TupleId((**slot).tts_tid));
            }
        }
        self.used = 0;
    }

    /// # Safety
    /// The slot holds a row of this relation that was written.
    unsafe fn insert_into_indexes(&self, slot: *mut pg_sys::TupleTableSlot) {
        // SAFETY: the executor state and the open indexes belong together; memory of the
        // single row is released. An update is not announced as one: that is a hint, for
        // which the executor wants a range table.
        unsafe {
            if (*self.result).ri_NumIndices == 0 {
                return;
            }
            #[cfg(feature = "pg15")]
            pg_sys::ExecInsertIndexTuples(
                self.result,
                slot,
                self.state,
                false,
                false,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            );
            #[cfg(not(feature = "pg15"))]
            pg_sys::ExecInsertIndexTuples(
                self.result,
                slot,
                self.state,
                false,
                false,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                false,
            );
            let per_row = (*self.state).es_per_tuple_exprcontext;
            if !per_row.is_null() {
                pg_sys::MemoryContextReset((*per_row).ecxt_per_tuple_memory);
            }
        }
    }

    /// Replaces a row; where it is now.
    pub fn update<const N: usize>(&mut self, at: TupleId, row: Values<N>) -> TupleId {
        assert_eq!(self.relation.columns(), N, "the table has other columns");
        let mut nulls = row.map(|value| value.is_none());
        let mut values = row.map(|value| value.unwrap_or(Datum::null()));
        let mut old = at.0;
        // SAFETY: as many values as columns; the old row is ours alone to change, so
        // `simple_heap_update` finds it as we left it or raises an error.
        unsafe {
            let tuple = pg_sys::heap_form_tuple(
                (*self.relation.0).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            simple_heap_update(self.relation.0, &raw mut old, tuple);
            let at = TupleId((*tuple).t_self);
            let is_heap_only =
                u32::from((*(*tuple).t_data).t_infomask2) & pg_sys::HEAP_ONLY_TUPLE != 0;
            if !is_heap_only && (*self.result).ri_NumIndices > 0 {
                let slot = pg_sys::MakeSingleTupleTableSlot(
                    (*self.relation.0).rd_att,
                    &raw const pg_sys::TTSOpsHeapTuple,
                );
                pg_sys::ExecStoreHeapTuple(tuple, slot, false);
                (*slot).tts_tid = at.0;
                self.insert_into_indexes(slot);
                pg_sys::ExecDropSingleTupleTableSlot(slot);
            }
            pg_sys::heap_freetuple(tuple);
            at
        }
    }

    /// Removes a row.
    pub fn delete(&mut self, at: TupleId) {
        let mut at = at.0;
        // SAFETY: as in `update`.
        unsafe { pg_sys::simple_heap_delete(self.relation.0, &raw mut at) };
    }

    /// Writes what is left, and closes the table.
    pub fn close(mut self, written: &mut dyn FnMut(TupleId)) {
        self.flush(written);
        // SAFETY: made by `open`; nothing uses them after.
        unsafe {
            for slot in &self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(*slot);
            }
            pg_sys::FreeBulkInsertState(self.bulk);
            pg_sys::ExecCloseIndices(self.result);
            pg_sys::FreeExecutorState(self.state);
        }
    }
}

/// # Safety
/// As for `simple_heap_update` of PostgreSQL.
unsafe fn simple_heap_update(
    relation: pg_sys::Relation,
    old: pg_sys::ItemPointer,
    tuple: pg_sys::HeapTuple,
) {
    // SAFETY: passed on. From PostgreSQL 16 on it also says which indexes to update;
    // the tuple's flags say as much as we need.
    unsafe {
        #[cfg(feature = "pg15")]
        pg_sys::simple_heap_update(relation, old, tuple);
        #[cfg(not(feature = "pg15"))]
        {
            let mut indexes = pg_sys::TU_UpdateIndexes::TU_None;
            pg_sys::simple_heap_update(relation, old, tuple, &raw mut indexes);
        }
    }
}
