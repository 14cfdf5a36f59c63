//! Labels of SQL enums and their OIDs, from the system caches.

use std::ffi::{CStr, CString};

use matcher::Side;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::errors::raise;
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

/// The OID of a type of the schema `exchange`.
pub fn type_named(name: &str) -> Oid {
    let name = CString::new(name).expect("names have no NUL");
    // SAFETY: look-ups in the system caches, by C strings.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"exchange".as_ptr(), true);
        pg_sys::GetSysCacheOid(
            pg_sys::SysCacheIdentifier::TYPENAMENSP as i32,
            pg_sys::Anum_pg_type_oid as i16,
            Datum::from(name.as_ptr()),
            Datum::from(schema),
            Datum::null(),
            Datum::null(),
        )
    }
}

/// What stands at the place that a label has among others of its enum.
pub fn value_of<T: Copy, const N: usize>(oids: &[Oid; N], values: [T; N], label: Oid) -> T {
    let place = oids.iter().position(|oid| *oid == label);
    place.map(|place| values[place]).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the exchange does not know this word",
            format!("It is {}, which was added to the enum later.", label_of(label)),
            "Use one of the words that pg_exchange came with: \\dT+ exchange.* lists them.",
        )
    })
}

/// The side with this label.
pub fn side_of(label: Oid) -> Side {
    if label_of(label) == SIDES[Side::Buy as usize] { Side::Buy } else { Side::Sell }
}

/// Labels of `exchange.side`, by [`matcher::Side`].
pub const SIDES: [&str; 2] = ["buy", "sell"];
/// Labels of `exchange.time_in_force`, by [`matcher::TimeInForce`].
pub const TIMES_IN_FORCE: [&str; 5] = ["GTC", "IOC", "FOK", "DAY", "GTD"];
/// Labels of `exchange.order_type`, by [`matcher::OrderType`].
pub const ORDER_TYPES: [&str; 6] =
    ["limit", "market", "stop", "stop_limit", "trailing_stop", "pegged"];
/// Labels of `exchange.post_only`, by [`matcher::PostOnly`].
pub const POST_ONLY: [&str; 3] = ["no", "reject", "slide"];
/// Labels of `exchange.peg`, by [`matcher::Peg`], which starts at 1.
pub const PEGS: [&str; 3] = ["best_bid", "best_ask", "midpoint"];
/// Labels of `exchange.stop_trigger`, by [`matcher::Trigger`].
pub const STOP_TRIGGERS: [&str; 2] = ["last_trade", "best_quote"];
/// Labels of `exchange.self_trade_prevention`, by [`matcher::SelfTradePrevention`].
pub const SELF_TRADE_PREVENTIONS: [&str; 5] =
    ["cancel_newest", "cancel_oldest", "cancel_both", "decrement", "allow"];
/// Labels of `exchange.order_status`, by [`matcher::OrderStatus`], which starts at 1.
pub const STATUSES: [&str; 6] =
    ["open", "partially_filled", "filled", "cancelled", "rejected", "expired"];
/// Labels of `exchange.reject_reason`, by [`matcher::RejectReason`], which starts at 1,
/// then the reasons why an order of an array was not cancelled.
pub const REJECT_REASONS: [&str; 24] = [
    "market_closed",
    "instrument_halted",
    "account_not_verified",
    "account_suspended",
    "account_closed",
    "kill_switch",
    "auction_phase",
    "too_many_open_orders",
    "too_many_price_levels",
    "too_many_positions",
    "no_reference_price",
    "linked_order_not_open",
    "already_expired",
    "price_collar",
    "order_quantity_limit",
    "order_value_limit",
    "daily_quantity_limit",
    "daily_value_limit",
    "open_orders_limit",
    "insufficient_funds",
    "insufficient_shares",
    "post_only_would_cross",
    "order_not_open",
    "not_owner",
];
/// Labels of `exchange.cancel_reason`, by [`matcher::CancelReason`], which starts at 1.
pub const CANCEL_REASONS: [&str; 12] = [
    "requested",
    "immediate",
    "fill_or_kill",
    "minimum_quantity",
    "self_trade",
    "expired",
    "linked_order",
    "kill_switch",
    "session_ended",
    "auction_ended",
    "volatility_halt",
    "no_room",
];
/// Labels of `exchange.liquidity`, by [`matcher::Liquidity`].
pub const LIQUIDITIES: [&str; 3] = ["maker", "taker", "auction"];
/// Labels of `exchange.market_event`, by [`feed::Kind`], which starts at 1.
pub const MARKET_EVENTS: [&str; 9] = [
    "listed",
    "trade",
    "bust",
    "auction",
    "instrument_phase",
    "market_phase",
    "refresh",
    "level",
    "quote",
];
/// Labels of `exchange.account_status`, by [`matcher::AccountStatus`].
pub const ACCOUNT_STATUSES: [&str; 4] = ["unverified", "verified", "suspended", "closed"];
/// Labels of `exchange.market_phase`, by [`matcher::MarketPhase`].
pub const MARKET_PHASES: [&str; 4] = ["closed", "pre_open", "continuous", "closing_auction"];
/// Labels of `exchange.instrument_phase`, by [`matcher::InstrumentPhase`].
pub const INSTRUMENT_PHASES: [&str; 6] =
    ["closed", "pre_open", "continuous", "closing_auction", "volatility_halt", "halted"];
/// Labels of `exchange.order_event`, by [`super::order_history::Step`].
pub const ORDER_EVENTS: [&str; 13] = [
    "placed",
    "rejected",
    "rested",
    "trade",
    "reduced",
    "replaced",
    "replace_rejected",
    "refilled",
    "triggered",
    "stop_moved",
    "cancelled",
    "expired",
    "bust",
];
