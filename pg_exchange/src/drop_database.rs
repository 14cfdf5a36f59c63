//! `DROP DATABASE` of the venue: the workers let go of it first, so that it need not
//! wait for them or fail.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use pgrx::pg_sys;

use crate::settings;
use crate::shared;
use crate::shared::control::Role;

static mut PREVIOUS: pg_sys::ProcessUtility_hook_type = None;

/// Sets the hook; from `_PG_init`.
pub fn register() {
    // SAFETY: the postmaster loads the library once, alone.
    unsafe {
        PREVIOUS = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(process_utility);
    }
}

// As it is, and not as pgrx wraps it: an error in one of the many statements that are
// none of our business goes past this hook untouched.
unsafe extern "C-unwind" {
    fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        query: *const std::ffi::c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        parameters: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        destination: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
}

/// # Safety
/// As for the hook. There is nothing in this frame that an error must clean up.
unsafe extern "C-unwind" fn process_utility(
    statement: *mut pg_sys::PlannedStmt,
    query: *const std::ffi::c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: everything is passed on as it came; the nodes are only read.
    unsafe {
        let is_drop = is_drop_of_venue((*statement).utilityStmt);
        if is_drop {
            detach_workers();
        }
        let next = PREVIOUS.unwrap_or(standard_ProcessUtility);
        next(
            statement,
            query,
            read_only_tree,
            context,
            parameters,
            environment,
            destination,
            completion,
        );
        if is_drop {
            end_venue();
        }
    }
}

/// # Safety
/// `node` is the utility statement of a plan, or null.
unsafe fn is_drop_of_venue(node: *mut pg_sys::Node) -> bool {
    // SAFETY: a node of this tag is of this type, and has a name.
    unsafe {
        if node.is_null() || (*node).type_ != pg_sys::NodeTag::T_DropdbStmt {
            return false;
        }
        let name = (*node.cast::<pg_sys::DropdbStmt>()).dbname;
        CStr::from_ptr(name) == settings::database().as_c_str()
    }
}

/// How long the workers keep away at most, where the statement ends with an error.
const LONGEST: Duration = Duration::from_secs(10);

/// How long the commit of `DROP DATABASE` may take.
const COMMIT: Duration = Duration::from_secs(1);

#[pgrx::pg_guard]
extern "C-unwind" fn detach_workers() {
    let Some(shared) = shared::get() else { return };
    // SAFETY: reading the clock.
    let now_us = unsafe { pg_sys::GetCurrentTimestamp() };
    shared.control.detach_until(now_us + LONGEST.as_micros() as i64);
    let deadline = Instant::now() + LONGEST / 2;
    // A worker that does not let go is reported by DROP DATABASE itself.
    while Role::LAUNCHED.iter().any(|role| shared.control.worker(*role).pid() != 0)
        && Instant::now() < deadline
    {
        pgrx::check_for_interrupts!();
        shared.control.ring_all();
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The database is as good as dropped: only the commit is still to come. Until then the
/// launcher would still find it, so the workers keep away for as long as a commit may take.
#[pgrx::pg_guard]
extern "C-unwind" fn end_venue() {
    if let Some(shared) = shared::get() {
        shared.control.close_venue();
        // SAFETY: reading the clock.
        let now_us = unsafe { pg_sys::GetCurrentTimestamp() };
        shared.control.detach_until(now_us + COMMIT.as_micros() as i64);
    }
}
