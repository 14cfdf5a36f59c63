//! Statements that the exchange has to know of: it looks at those that are no queries before and
//! after they run.

use pgrx::pg_sys;

use crate::{completeness, drop_database, extension};

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
        let is_drop = drop_database::is_drop_of_venue((*statement).utilityStmt);
        if is_drop {
            drop_database::detach_workers();
        }
        if completeness::is_copy_in((*statement).utilityStmt) {
            completeness::check_copy_in((*statement).utilityStmt);
        }
        let is_update = extension::is_update((*statement).utilityStmt);
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
            drop_database::end_venue();
        }
        if is_update {
            extension::check_update();
        }
    }
}
