//! Labels of SQL enums and their OIDs, from the system caches.

use std::ffi::{CStr, CString};

use pgrx::pg_sys::{self, Datum, Oid};

use crate::relation;

/// The OID of a label.
pub fn oid_of(enum_type: Oid, label: &str) -> Oid {
    let name = CString::new(label).expect("labels have no NUL");
    // SAFETY: the cache takes an enum's OID and a C string; the tuple is released.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::ENUMTYPOIDNAME as i32;
        let tuple =
            pg_sys::SearchSysCache2(cache, Datum::from(enum_type), Datum::from(name.as_ptr()));
        assert!(!tuple.is_null(), "the enum {enum_type} has no label {label}");
        let oid = (*relation::fixed_columns::<pg_sys::FormData_pg_enum>(tuple)).oid;
        pg_sys::ReleaseSysCache(tuple);
        oid
    }
}

/// The label with this OID.
pub fn label_of(label: Oid) -> String {
    // SAFETY: as above; the name is copied before the tuple is released.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::ENUMOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(label));
        assert!(!tuple.is_null(), "{label} is no label of an enum");
        let row = relation::fixed_columns::<pg_sys::FormData_pg_enum>(tuple);
        let name = CStr::from_ptr((*row).enumlabel.data.as_ptr()).to_string_lossy().into_owned();
        pg_sys::ReleaseSysCache(tuple);
        name
    }
}

/// The OIDs of some labels, in their order.
pub fn oids_of<const N: usize>(enum_type: Oid, labels: [&str; N]) -> [Oid; N] {
    labels.map(|label| oid_of(enum_type, label))
}

/// Labels of `exchange.side`, by [`matcher::Side`].
pub const SIDES: [&str; 2] = ["buy", "sell"];
/// Labels of `exchange.time_in_force`, by [`matcher::TimeInForce`].
pub const TIMES_IN_FORCE: [&str; 2] = ["GTC", "IOC"];
/// Labels of `exchange.order_status`, by [`matcher::OrderStatus`], which starts at 1.
pub const STATUSES: [&str; 5] = ["open", "partially_filled", "filled", "cancelled", "rejected"];
/// Labels of `exchange.reject_reason`, by [`matcher::RejectReason`], which starts at 1,
/// then the reasons why an order of an array was not cancelled.
pub const REJECT_REASONS: [&str; 5] = [
    "market_closed",
    "too_many_open_orders",
    "too_many_price_levels",
    "order_not_open",
    "not_owner",
];
/// Labels of `exchange.liquidity`.
pub const LIQUIDITIES: [&str; 2] = ["maker", "taker"];
