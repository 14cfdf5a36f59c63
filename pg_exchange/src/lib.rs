//! pg_exchange: a stock exchange inside PostgreSQL.
//!
//! * [`shared`]: the shared memory, with the ring, the mailboxes and the boards.
//! * [`workers`]: matcher, journaler, publisher, projector, scheduler, and the launcher of
//!   them.
//! * [`sql`]: what SQL can call.
//! * [`settings`]: the settings.
//!
//! See ARCHITECTURE.md for the way of an order.

mod completeness;
mod datum;
mod days;
mod drop_database;
mod errors;
mod extension;
mod money;
mod numeric;
mod price;
mod rate;
mod recovery_mode;
mod relation;
mod settings;
mod shared;
mod sql;
mod statements;
mod workers;

use pgrx::pg_sys;

pgrx::pg_module_magic!();

/// Runs when the library is loaded. Settings are declared always; memory and workers can
/// only be asked for by the postmaster, from `shared_preload_libraries`.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    // SAFETY: a flag of this process.
    if !unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        return;
    }
    settings::define();
    // SAFETY: the postmaster loads the library once, alone.
    unsafe {
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request_memory);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(create_memory);
    }
    statements::register();
    // pg_upgrade moves the tables of an exchange: nobody may write, or hold the database, meanwhile.
    // SAFETY: a flag of this process.
    if !unsafe { pg_sys::IsBinaryUpgrade } {
        workers::register_launcher();
    }
}

static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn request_memory() {
    // SAFETY: the hook that was there before.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            previous();
        }
    }
    shared::request();
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn create_memory() {
    // SAFETY: the hook that was there before.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
    }
    shared::start_up();
}
