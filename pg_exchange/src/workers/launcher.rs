//! Starts the other workers when the database is there, and again when one ends; on a standby
//! those that only read.
//!
//! It is connected to no database, so it holds up nobody who drops or renames one. It
//! finds workers that run by their places in the shared memory, so it may itself be
//! terminated and started again.

use std::ffi::CStr;
use std::time::Duration;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::pg_sys::{self, Datum};

use super::{Post, now_us, transaction};
use crate::recovery_mode::is_standby;
use crate::relation;
use crate::settings;
use crate::shared::control::{Role, WorkerState};

/// Has the postmaster run it; from `_PG_init`.
pub fn register() {
    BackgroundWorkerBuilder::new("exchange launcher")
        .set_type("exchange launcher")
        .set_library("pg_exchange")
        .set_function("exchange_launcher_main")
        .enable_spi_access()
        // On a standby too, as soon as it can be read.
        .set_start_time(BgWorkerStartTime::ConsistentState)
        .set_restart_time(Some(Duration::from_secs(1)))
        .load();
}

/// Where it begins.
#[unsafe(no_mangle)]
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn exchange_launcher_main(_argument: Datum) {
    let post = Post::take(Role::Launcher, None);
    post.set_state(WorkerState::Running);
    let database = settings::database();
    let mut tried_at_us = [0; Role::ALL.len()];
    loop {
        post.check();
        let control = post.shared.control;
        let roles: &[Role] = if is_standby() { &Role::ON_STANDBY } else { &Role::LAUNCHED };
        for &role in roles {
            let tried_at_us = &mut tried_at_us[role as usize];
            // A worker that cannot start is tried once a second, not without end.
            if control.worker(role).pid() == 0
                && now_us() - *tried_at_us >= 1_000_000
                && !control.is_detached(now_us())
                && exists(&database)
            {
                *tried_at_us = now_us();
                launch(role);
            }
        }
        let all_run = roles.iter().all(|role| control.worker(*role).pid() != 0);
        let longest = Duration::from_millis(if all_run { 1000 } else { 200 });
        post.sleep_for(longest, || false);
    }
}

/// Whether the database is there. By a scan of `pg_database`: a process without a database
/// cannot always open its indexes.
fn exists(database: &CStr) -> bool {
    // SAFETY: in a transaction; the tuples are rows of `pg_database`, and are only looked
    // at before the next one.
    transaction(|| unsafe {
        let lock = pg_sys::AccessShareLock as i32;
        let catalog = pg_sys::relation_open(pg_sys::DatabaseRelationId, lock);
        let scan = pg_sys::heap_beginscan(
            catalog,
            pg_sys::GetActiveSnapshot(),
            0,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            pg_sys::ScanOptions::SO_TYPE_SEQSCAN | pg_sys::ScanOptions::SO_ALLOW_PAGEMODE,
        );
        let mut found = false;
        while !found {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let row = relation::fixed_columns::<pg_sys::FormData_pg_database>(tuple);
            found = CStr::from_ptr((*row).datname.data.as_ptr()) == database;
        }
        pg_sys::heap_endscan(scan);
        pg_sys::relation_close(catalog, lock);
        found
    })
}

fn launch(role: Role) {
    let name = format!("exchange {}", role.name());
    // Never restarted by the postmaster: that is this worker's task, which knows whether
    // the database is there.
    let launched = BackgroundWorkerBuilder::new(&name)
        .set_type(&name)
        .set_library("pg_exchange")
        .set_function("exchange_worker_main")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::ConsistentState)
        .set_restart_time(None)
        .set_argument(Some(Datum::from(role as usize)))
        .load_dynamic();
    if launched.is_err() {
        pgrx::warning!(
            "exchange launcher: there is no place for the {name}: raise max_worker_processes"
        );
    }
}
