//! Rows of `exchange.orders` and its partitions, and of `exchange.client_orders`.

use matcher::terms::{ClientOrderId, Terms};
use matcher::{CancelReason, Order, Peg, PostOnly, RejectReason, Trigger};
use pgrx::pg_sys::Datum;

use super::enums::Enums;
use super::{Maker, Names, number, price_unless_zero, ticks_of, unless_zero};
use crate::datum::text;
use crate::price;
use crate::relation::{Row, Values};

/// How many columns they have.
pub const COLUMNS: usize = 34;

/// The row of an order. What a plain order has not is NULL, and costs nothing.
pub fn row(order: &Order, updated_at_us: i64, make: &mut Maker<'_>) -> Values<COLUMNS> {
    let (instrument, symbol) = make.instrument(order.instrument);
    let enums = make.enums;
    let terms = &order.terms;
    let has_stop_price = terms.order_type.is_stop();
    [
        Some(Datum::from(order.order_id)),
        Some(Datum::from(order.account)),
        Some(symbol),
        enums.sides.datum(order.side),
        enums.times_in_force.datum(order.time_in_force),
        enums.statuses.datum(order.status),
        enums.reject_reasons.datum(order.reject_reason),
        price_unless_zero(instrument, order.price_ticks),
        Some(Datum::from(order.quantity)),
        Some(Datum::from(order.filled)),
        Some(Datum::from(order.remaining)),
        Some(price::from_ticks(instrument, order.turnover_ticks)),
        Some(Datum::from(order.priority)),
        Some(Datum::from(order.created_at_us)),
        Some(Datum::from(updated_at_us)),
        enums.order_types.datum(terms.order_type),
        price_unless_zero(instrument, terms.stop_price_ticks),
        price_unless_zero(instrument, terms.trail_ticks),
        unless_zero(terms.minimum_quantity),
        unless_zero(terms.display_quantity),
        (order.displayed != order.remaining).then(|| Datum::from(order.displayed)),
        Some(Datum::from(terms.hidden)),
        Some(Datum::from(terms.all_or_none)),
        if terms.post_only == PostOnly::No { None } else { enums.post_only.datum(terms.post_only) },
        enums.pegs.datum(terms.peg),
        if has_stop_price { enums.stop_triggers.datum(terms.trigger) } else { None },
        unless_zero(terms.expire_at_us),
        unless_zero(terms.linked_order as i64),
        terms.client_order_id.map(|name| text(name.as_str())),
        unless_zero(terms.session as i64),
        enums.self_trade_preventions.datum(order.self_trade_prevention),
        unless_zero(order.fee_schedule.into()),
        Some(Datum::from(order.triggered)),
        enums.cancel_reasons.datum(order.cancel_reason),
    ]
}

/// The order of a row.
pub fn read(row: &Row<COLUMNS>, names: &Names, enums: &Enums) -> Result<Order, String> {
    let order_id = row.get::<i64>(0) as u64;
    let order = || -> Result<Order, String> {
        let (id, instrument) = names.instrument(row.get(2))?;
        let or_zero = |column: usize| row.optional::<i64>(column).unwrap_or(0);
        let client_order_id = match row.optional::<&str>(28) {
            Some(name) => {
                Some(ClientOrderId::new(name).ok_or("its client_order_id is out of range")?)
            }
            None => None,
        };
        let terms = Terms {
            minimum_quantity: or_zero(18),
            display_quantity: or_zero(19),
            stop_price_ticks: ticks_of(row, 16, instrument, "stop_price")?,
            trail_ticks: ticks_of(row, 17, instrument, "trail")?,
            expire_at_us: or_zero(26),
            linked_order: or_zero(27) as u64,
            session: or_zero(29) as u64,
            client_order_id,
            order_type: enums.order_types.value(row, 15)?,
            post_only: enums.post_only.optional(row, 23)?.unwrap_or(PostOnly::No),
            peg: enums.pegs.optional(row, 24)?.unwrap_or(Peg::None),
            trigger: enums.stop_triggers.optional(row, 25)?.unwrap_or(Trigger::LastTrade),
            hidden: row.get(21),
            all_or_none: row.get(22),
        };
        let remaining = row.get(10);
        let fee_schedule = row.optional::<i32>(31).unwrap_or(0);
        Ok(Order {
            order_id,
            created_at_us: row.get(13),
            priority: row.get::<i64>(12) as u64,
            price_ticks: ticks_of(row, 7, instrument, "price")?,
            quantity: row.get(8),
            filled: row.get(9),
            remaining,
            displayed: row.optional(20).unwrap_or(remaining),
            turnover_ticks: ticks_of(row, 11, instrument, "turnover")?,
            instrument: id,
            account: row.get::<i32>(1) as u32,
            side: enums.sides.value(row, 3)?,
            time_in_force: enums.times_in_force.value(row, 4)?,
            self_trade_prevention: enums.self_trade_preventions.value(row, 30)?,
            status: enums.statuses.value(row, 5)?,
            reject_reason: enums.reject_reasons.optional(row, 6)?.unwrap_or(RejectReason::None),
            cancel_reason: enums.cancel_reasons.optional(row, 33)?.unwrap_or(CancelReason::None),
            fee_schedule: number(fee_schedule.into(), "fee_schedule_id")?,
            triggered: row.get(32),
            terms,
        })
    };
    order().map_err(|error| format!("order {order_id}: {error}"))
}
