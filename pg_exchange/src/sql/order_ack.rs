//! The composite type `exchange.order_ack`: an order as a row.

use std::cell::RefCell;

use matcher::outcome::{Order, RejectReason};
use matcher::{CancelReason, Instrument};
use pgrx::pg_sys::{self, Datum, Oid};

use super::call::Call;
use super::labels;
use crate::datum::text;
use crate::price;

const COLUMNS: usize = 17;

/// How to make an `order_ack`: its row type, and the OIDs of the words that orders are
/// described in.
pub struct AckFormat {
    /// The function whose calls this was made for: others may be of a later
    /// `CREATE EXTENSION`, with other OIDs.
    function: Oid,
    descriptor: pg_sys::TupleDesc,
    pub sides: [Oid; 2],
    statuses: [Oid; 6],
    pub times_in_force: [Oid; 5],
    reject_reasons: [Oid; 24],
    pub order_types: [Oid; 6],
    cancel_reasons: [Oid; 12],
    pub post_only: [Oid; 3],
    pub pegs: [Oid; 3],
    pub stop_triggers: [Oid; 2],
    pub self_trade_preventions: [Oid; 5],
}

/// Why an order was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum NotChanged {
    /// It is finished or unknown.
    OrderNotOpen = 23,
    /// It is another participant's.
    NotOwner = 24,
}

thread_local! {
    /// One for each function that this process has called.
    static FORMATS: RefCell<Vec<&'static AckFormat>> = const { RefCell::new(Vec::new()) };
}

impl AckFormat {
    /// For a function that returns `order_ack` rows.
    pub fn of(call: &Call) -> &'static Self {
        FORMATS.with_borrow_mut(|known| {
            let found = known.iter().find(|format| format.function == call.function());
            found.copied().unwrap_or_else(|| {
                let format: &'static Self = Box::leak(Box::new(Self::look_up(call)));
                known.push(format);
                format
            })
        })
    }

    fn look_up(call: &Call) -> Self {
        let mut descriptor = std::ptr::null_mut();
        // SAFETY: the call info is that of a running call; the copy is made in memory
        // that lasts as long as the process.
        unsafe {
            let class =
                pg_sys::get_call_result_type(call.raw(), std::ptr::null_mut(), &raw mut descriptor);
            assert_eq!(class, pg_sys::TypeFuncClass::TYPEFUNC_COMPOSITE);
            assert_eq!((*descriptor).natts as usize, COLUMNS, "exchange.order_ack differs");
            let kept = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            descriptor = pg_sys::BlessTupleDesc(pg_sys::CreateTupleDescCopy(descriptor));
            pg_sys::MemoryContextSwitchTo(kept);
        }
        // SAFETY: the number of columns was checked.
        let type_of =
            |column: usize| unsafe { (*descriptor).attrs.as_slice(COLUMNS)[column].atttypid };
        let named = labels::type_named;
        Self {
            function: call.function(),
            descriptor,
            statuses: labels::oids_of(type_of(2), labels::STATUSES),
            sides: labels::oids_of(type_of(7), labels::SIDES),
            times_in_force: labels::oids_of(type_of(10), labels::TIMES_IN_FORCE),
            reject_reasons: labels::oids_of(type_of(12), labels::REJECT_REASONS),
            order_types: labels::oids_of(type_of(14), labels::ORDER_TYPES),
            cancel_reasons: labels::oids_of(type_of(16), labels::CANCEL_REASONS),
            post_only: labels::oids_of(named("post_only"), labels::POST_ONLY),
            pegs: labels::oids_of(named("peg"), labels::PEGS),
            stop_triggers: labels::oids_of(named("stop_trigger"), labels::STOP_TRIGGERS),
            self_trade_preventions: labels::oids_of(
                named("self_trade_prevention"),
                labels::SELF_TRADE_PREVENTIONS,
            ),
        }
    }

    /// The columns for an order.
    pub fn row(&self, order: &Order, instrument: &Instrument) -> [Option<Datum>; COLUMNS] {
        let average_price = (order.filled > 0)
            .then(|| price::average(instrument, order.turnover_ticks, order.filled));
        let price = |ticks: i64| (ticks != 0).then(|| price::from_ticks(instrument, ticks));
        let (rejected, cancelled) = (order.reject_reason, order.cancel_reason);
        [
            Some(Datum::from(order.order_id)),
            Some(Datum::from(order.created_at_us)),
            Some(Datum::from(self.statuses[order.status as usize - 1])),
            Some(Datum::from(order.filled)),
            Some(Datum::from(order.remaining)),
            average_price,
            Some(text(instrument.symbol.as_str())),
            Some(Datum::from(self.sides[order.side as usize])),
            price(order.price_ticks),
            Some(Datum::from(order.quantity)),
            Some(Datum::from(self.times_in_force[order.time_in_force as usize])),
            Some(Datum::from(order.account)),
            (rejected != RejectReason::None)
                .then(|| Datum::from(self.reject_reasons[rejected as usize - 1])),
            order.terms.client_order_id.map(|name| text(name.as_str())),
            Some(Datum::from(self.order_types[order.terms.order_type as usize])),
            price(order.terms.stop_price_ticks),
            (cancelled != CancelReason::None)
                .then(|| Datum::from(self.cancel_reasons[cancelled as usize - 1])),
        ]
    }

    /// The columns for an order that was not cancelled.
    pub fn rejection(&self, order_id: i64, reason: NotChanged) -> [Option<Datum>; COLUMNS] {
        let mut row = [None; COLUMNS];
        row[0] = Some(Datum::from(order_id));
        row[2] = Some(Datum::from(self.statuses[4]));
        row[12] = Some(Datum::from(self.reason(reason)));
        row
    }

    /// The OID of the label for a reason.
    pub fn reason(&self, reason: NotChanged) -> Oid {
        self.reject_reasons[reason as usize - 1]
    }

    /// One order as a composite value.
    pub fn datum(&self, row: [Option<Datum>; COLUMNS]) -> Datum {
        let mut nulls = row.map(|value| value.is_none());
        let mut values = row.map(|value| value.unwrap_or(Datum::null()));
        // SAFETY: as many values as the descriptor has columns.
        unsafe {
            let tuple =
                pg_sys::heap_form_tuple(self.descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
            pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data)
        }
    }
}
