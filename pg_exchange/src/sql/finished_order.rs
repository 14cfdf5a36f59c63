//! An order that the engine has forgotten, because it is finished: as the table tells.

use pgrx::pg_sys::{self, Datum};

use super::authority;
use super::instruments;
use super::order_ack::{AckFormat, NotChanged};
use super::placed_order::{ORDER_COLUMNS, SYMBOL};
use super::submission::raise_refusal;
use super::venue::Venue;
use crate::days;
use crate::price;
use crate::relation::{Relation, Row};

/// The answer to a request about an order that is not open: how it ended, or an error if
/// it never was or is another's.
///
/// It looks past the caller's table privileges (a broker need not be able to read
/// `exchange.orders`), and so checks whose the order is.
pub fn acknowledge(venue: Venue, format: &AckFormat, id: i64) -> Datum {
    // The order may have finished a moment ago.
    let shared = venue.shared;
    venue.wait_for(&shared.control.projected, shared.control.matched.get());
    let unknown = || -> ! {
        raise_refusal(matcher::Refusal::UnknownOrder, format!("There is no order {id}."))
    };
    let Some(table) = Relation::open("finished_orders", pg_sys::AccessShareLock) else { unknown() };
    // Most likely it finished just now.
    let found = days::latest_first(&table).find_map(|day| {
        let index = format!("{}_order_id", day.name());
        Some(day.find(&index, &[(pg_sys::F_INT8EQ, Datum::from(id))])?.1)
    });
    let Some(row) = found else { unknown() };
    let row: Row<ORDER_COLUMNS> = row;
    // In the order of exchange.orders, see sql/30_orders_and_executions.sql.
    authority::account_or_venue(&shared.directory, Some(row.get::<i32>(1)));
    let instrument = instruments::by_symbol(&shared.directory, row.get(SYMBOL)).1;
    let filled_quantity: i64 = row.get(9);
    let average_price = (filled_quantity > 0).then(|| {
        let turnover_ticks =
            price::to_ticks(&instrument, row.get(11)).expect("turnover is on the tick");
        price::average(&instrument, turnover_ticks, filled_quantity)
    });
    let [order_id, account_id, symbol, side, time_in_force, status] =
        [0, 1, SYMBOL, 3, 4, 5].map(|column| row.0[column]);
    let [price, quantity, filled, remaining, created_at] =
        [7, 8, 9, 10, 13].map(|column| row.0[column]);
    let [order_type, stop_price, client_order_id, cancel_reason] =
        [15, 16, 28, 33].map(|column| row.0[column]);
    format.datum([
        order_id,
        created_at,
        status,
        filled,
        remaining,
        average_price,
        symbol,
        side,
        price,
        quantity,
        time_in_force,
        account_id,
        Some(Datum::from(format.reason(NotChanged::OrderNotOpen))),
        client_order_id,
        // NULL in a plain limit order.
        order_type.or_else(|| Some(Datum::from(format.order_types[0]))),
        stop_price,
        cancel_reason,
    ])
}
