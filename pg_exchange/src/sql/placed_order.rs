//! What is known of an open order without asking the engine.

use matcher::{Command, InstrumentId};
use pgrx::pg_sys::{self, Datum};

use super::instruments;
use super::venue::Venue;
use crate::relation::{Relation, Row};

/// The columns of `exchange.orders`, see sql/30_orders_and_executions.sql.
pub const ORDER_COLUMNS: usize = 34;
/// The place of the symbol among them.
pub const SYMBOL: usize = 2;

/// What an open order is of; `None` if no open order has this id. An order is named by the
/// sequence number of its command, so a young one is found in the ring; the tables tell of
/// the others.
pub fn instrument(venue: Venue, id: i64) -> Option<InstrumentId> {
    let shared = venue.shared;
    let sequence = u64::try_from(id).ok().filter(|id| *id <= shared.control.matched.get())?;
    match shared.ring.read(sequence).map(|entry| entry.command) {
        Some(Command::PlaceOrder(order) | Command::PlaceOrderWithTerms(order, _)) => {
            return Some(order.instrument);
        }
        Some(_) => return None,
        None => {}
    }
    venue.wait_for(&shared.control.projected, sequence);
    let table = Relation::open("open_orders", pg_sys::AccessShareLock)?;
    let key = [(pg_sys::F_INT8EQ, Datum::from(id))];
    let (_, row): (_, Row<ORDER_COLUMNS>) = table.find("open_orders_order_id", &key)?;
    Some(instruments::by_symbol(&shared.directory, row.get(SYMBOL)).0)
}
