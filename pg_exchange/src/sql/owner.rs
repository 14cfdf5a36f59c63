//! Acting as the owner of a function for a part of a call.

use pgrx::pg_sys::{self, Datum, Oid};

use super::call::Call;
use crate::relation;

/// From here on, and until it is dropped, the call has the rights of the owner of its function, as a
/// function with `SECURITY DEFINER` has them from its beginning.
pub struct AsOwner {
    user: Oid,
    context: i32,
}

impl AsOwner {
    /// Of the function that is called.
    pub fn of(call: &Call) -> Self {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: variables of this process, read and set as PostgreSQL's own functions do.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
            pg_sys::SetUserIdAndSecContext(
                owner_of(call.function()),
                context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
        }
        Self { user, context }
    }
}

impl Drop for AsOwner {
    fn drop(&mut self) {
        // SAFETY: it sets two variables, and raises no error.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

fn owner_of(function: Oid) -> Oid {
    // SAFETY: the cache takes the function's OID; the tuple is released.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(function));
        assert!(!tuple.is_null(), "the function that runs is in the catalog");
        let owner = (*relation::fixed_columns::<pg_sys::FormData_pg_proc>(tuple)).proowner;
        pg_sys::ReleaseSysCache(tuple);
        owner
    }
}
