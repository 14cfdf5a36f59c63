//! The composite type `exchange.order_ack`: an order as a row.

use std::cell::RefCell;

use matcher::Instrument;
use matcher::outcome::{Order, RejectReason};
use pgrx::pg_sys::{self, Datum, Oid};

use super::call::Call;
use super::labels;
use crate::datum::text;
use crate::price;

const COLUMNS: usize = 13;

/// How to make an `order_ack`: its row type and the OIDs of its enums.
#[derive(Clone, Copy)]
pub struct AckFormat {
    /// The functions whose calls this was made for: others may be of a later
    /// `CREATE EXTENSION`, with other OIDs.
    function: Oid,
    descriptor: pg_sys::TupleDesc,
    pub sides: [Oid; 2],
    statuses: [Oid; 5],
    pub times_in_force: [Oid; 2],
    reject_reasons: [Oid; 5],
}

/// Why an order of an array was not cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum NotCancelled {
    /// It is filled, cancelled or unknown.
    OrderNotOpen = 4,
    /// It is another participant's.
    NotOwner = 5,
}

thread_local! {
    static FORMAT: RefCell<Option<AckFormat>> = const { RefCell::new(None) };
}

impl AckFormat {
    /// For a function that returns `order_ack` rows.
    pub fn of(call: &Call) -> Self {
        FORMAT.with_borrow_mut(|known| match known {
            Some(format) if format.function == call.function() => *format,
            _ => *known.insert(Self::look_up(call)),
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
        Self {
            function: call.function(),
            descriptor,
            statuses: labels::oids_of(type_of(2), labels::STATUSES),
            sides: labels::oids_of(type_of(7), labels::SIDES),
            times_in_force: labels::oids_of(type_of(10), labels::TIMES_IN_FORCE),
            reject_reasons: labels::oids_of(type_of(12), labels::REJECT_REASONS),
        }
    }

    /// The columns for an order.
    pub fn row(&self, order: &Order, instrument: &Instrument) -> [Option<Datum>; COLUMNS] {
        let average_price = (order.filled > 0)
            .then(|| price::average(instrument, order.turnover_ticks, order.filled));
        let reason = order.reject_reason;
        [
            Some(Datum::from(order.order_id)),
            Some(Datum::from(order.created_at_us)),
            Some(Datum::from(self.statuses[order.status as usize - 1])),
            Some(Datum::from(order.filled)),
            Some(Datum::from(order.remaining)),
            average_price,
            Some(text(instrument.symbol.as_str())),
            Some(Datum::from(self.sides[order.side as usize])),
            Some(price::from_ticks(instrument, order.price_ticks)),
            Some(Datum::from(order.quantity)),
            Some(Datum::from(self.times_in_force[order.time_in_force as usize])),
            Some(Datum::from(order.account)),
            (reason != RejectReason::None)
                .then(|| Datum::from(self.reject_reasons[reason as usize - 1])),
        ]
    }

    /// The columns for an order that was not cancelled.
    pub fn rejection(&self, order_id: i64, reason: NotCancelled) -> [Option<Datum>; COLUMNS] {
        let mut row = [None; COLUMNS];
        row[0] = Some(Datum::from(order_id));
        row[2] = Some(Datum::from(self.statuses[4]));
        row[12] = Some(Datum::from(self.reason(reason)));
        row
    }

    /// The OID of the label for a reason.
    pub fn reason(&self, reason: NotCancelled) -> Oid {
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
