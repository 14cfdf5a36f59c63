//! Orders of every kind, at random, and how they are said in SQL.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use auditor::testimony::Order;
use rust_decimal::Decimal;
use tests::random::Random;

use super::INSTRUMENTS;

/// Prices lie around so many ticks.
const MIDDLE: i64 = 1_000;

/// Between 1970 and 2000.
const EPOCH: Duration = Duration::from_secs(946_684_800);

/// A price near the middle, of an instrument with this tick size.
pub(super) fn price(random: &mut Random, tick: &str, away: i64) -> Decimal {
    let tick: Decimal = tick.parse().expect("a tick size is a number");
    (tick * Decimal::from(MIDDLE + random.between(-away, away))).normalize()
}

/// A plain limit order, as they go into an array.
pub(super) fn limit(random: &mut Random, account: i32) -> Order {
    let (symbol, tick, ..) = *random.pick(&INSTRUMENTS);
    let side = *random.pick(&["buy", "sell"]);
    let price = price(random, tick, 15);
    let quantity = random.between(1, 40) * 10;
    let time_in_force = *random.pick(&["GTC", "IOC", "IOC", "IOC", "FOK", "DAY"]);
    Order { time_in_force, ..Order::limit(account, symbol, side, price, quantity) }
}

/// An order of any kind.
pub(super) fn any(random: &mut Random, account: i32, open: &[i64]) -> Order {
    let (symbol, tick, ..) = *random.pick(&INSTRUMENTS);
    let side = *random.pick(&["buy", "sell"]);
    let quantity = random.between(1, 40) * 10;
    let away = if random.per_cent(3) { 120 } else { 25 };
    let limit = price(random, tick, away);
    let part = random.between(1, quantity / 10) * 10;
    let stays = *random.pick(&["GTC", "GTC", "DAY"]);
    let stop_trigger = *random.pick(&["last_trade", "best_quote"]);
    let stop_price = Some(price(random, tick, 25));
    let or_none = if random.per_cent(70) { None } else { Some(limit) };
    let mut order = Order::limit(account, symbol, side, limit, quantity);
    order.self_trade_prevention =
        *random.pick(&["cancel_newest", "cancel_oldest", "cancel_both", "decrement", "allow"]);
    if random.per_cent(10) && !open.is_empty() {
        order.one_cancels_other = Some(*random.pick(open));
    }
    match random.between(0, 99) {
        0..35 => {
            let time_in_force = *random.pick(&["GTC", "IOC", "FOK", "DAY"]);
            Order { time_in_force, ..order }
        }
        35..45 => {
            let time_in_force = *random.pick(&["GTC", "IOC", "FOK"]);
            Order { order_type: "market", price: or_none, time_in_force, ..order }
        }
        45..50 => Order {
            order_type: "stop",
            price: or_none,
            time_in_force: stays,
            stop_price,
            stop_trigger,
            ..order
        },
        50..56 => Order {
            order_type: "stop_limit",
            time_in_force: stays,
            stop_price,
            stop_trigger,
            ..order
        },
        56..62 => {
            let tick: Decimal = tick.parse().expect("a tick size is a number");
            let trail = (tick * Decimal::from(random.between(1, 15))).normalize();
            Order {
                order_type: "trailing_stop",
                price: or_none,
                time_in_force: stays,
                trail: Some(trail),
                ..order
            }
        }
        62..69 => {
            let peg = Some(*random.pick(&["best_bid", "best_ask", "midpoint"]));
            Order { order_type: "pegged", time_in_force: stays, peg, ..order }
        }
        69..75 => {
            let post_only = *random.pick(&["reject", "slide"]);
            Order { post_only, ..order }
        }
        75..81 => Order { display_quantity: Some(part), time_in_force: stays, ..order },
        81..85 => Order { hidden: true, time_in_force: stays, ..order },
        85..90 => Order { all_or_none: true, time_in_force: stays, ..order },
        90..94 => Order { minimum_quantity: Some(part), time_in_force: stays, ..order },
        _ => {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = since.unwrap_or_default().saturating_sub(EPOCH);
            let end = now + Duration::from_micros(random.between(1_000, 1_500_000).cast_unsigned());
            let expire_at_us = Some(end.as_micros() as i64);
            Order { time_in_force: "GTD", expire_at_us, ..order }
        }
    }
}

/// The call that places an order.
pub(super) fn call(order: &Order) -> String {
    let Order { symbol, side, quantity, time_in_force, account, order_type, .. } = order;
    let price = or_null(order.price.as_ref());
    let mut call = format!(
        "exchange.place_order('{symbol}', '{side}', {price}, {quantity}, '{time_in_force}', {account},
             order_type => '{order_type}', post_only => '{}', stop_trigger => '{}',
             self_trade_prevention => '{}'",
        order.post_only, order.stop_trigger, order.self_trade_prevention
    );
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(call, ", {name} => {value}");
        }
    };
    add("client_order_id", order.client_order_id.as_ref().map(|name| format!("'{name}'")));
    add("stop_price", order.stop_price.map(|price| price.to_string()));
    add("trail", order.trail.map(|trail| trail.to_string()));
    add("all_or_none", order.all_or_none.then(|| "true".to_owned()));
    add("minimum_quantity", order.minimum_quantity.map(|quantity| quantity.to_string()));
    add("display_quantity", order.display_quantity.map(|quantity| quantity.to_string()));
    add("hidden", order.hidden.then(|| "true".to_owned()));
    add("peg", order.peg.map(|peg| format!("'{peg}'")));
    add(
        "expire_at",
        order
            .expire_at_us
            .map(|end| format!("timestamptz '2000-01-01 00:00Z' + {end} * interval '1 us'")),
    );
    add("one_cancels_other", order.one_cancels_other.map(|id| id.to_string()));
    call + ")"
}

/// The call that places many.
pub(super) fn call_many(orders: &[Order]) -> String {
    let column =
        |value: fn(&Order) -> String| orders.iter().map(value).collect::<Vec<_>>().join(", ");
    format!(
        "exchange.place_orders(ARRAY[{}], ARRAY[{}]::exchange.side[], ARRAY[{}], ARRAY[{}],
                               ARRAY[{}]::exchange.time_in_force[], ARRAY[{}], ARRAY[{}]::text[])",
        column(|order| format!("'{}'", order.symbol)),
        column(|order| format!("'{}'", order.side)),
        column(|order| or_null(order.price.as_ref())),
        column(|order| order.quantity.to_string()),
        column(|order| format!("'{}'", order.time_in_force)),
        column(|order| order.account.to_string()),
        column(|order| {
            order.client_order_id.as_ref().map_or("NULL".to_owned(), |name| format!("'{name}'"))
        }),
    )
}

pub(super) fn or_null(value: Option<&impl ToString>) -> String {
    value.map_or("NULL".to_owned(), ToString::to_string)
}
