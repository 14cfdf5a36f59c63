//! `DROP DATABASE` of the venue: the workers let go of it first, so that it need not
//! wait for them or fail.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use pgrx::pg_sys;

use crate::settings;
use crate::shared;
use crate::shared::control::Role;

/// Whether a statement drops the database of the venue.
///
/// # Safety
/// `node` is the utility statement of a plan, or null.
pub unsafe fn is_drop_of_venue(node: *mut pg_sys::Node) -> bool {
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

/// Has the workers let go of the database.
#[pgrx::pg_guard]
pub extern "C-unwind" fn detach_workers() {
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
pub extern "C-unwind" fn end_venue() {
    if let Some(shared) = shared::get() {
        shared.control.close_venue();
        // SAFETY: reading the clock.
        let now_us = unsafe { pg_sys::GetCurrentTimestamp() };
        shared.control.detach_until(now_us + COMMIT.as_micros() as i64);
    }
}
