//! What the synthetic day needs of an exchange, and the exchange behind the SQL functions.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Row, Statement};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::market::{Business, Found, Reduction};
use super::stocks::PROFILES;
use super::{BROKERS, close_market, open_market};
use crate::connection::Connection;
use crate::order::{Side, TimeInForce};

/// An order to place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct NewOrder {
    /// Which stock of the market.
    pub(super) stock: usize,
    pub(super) symbol: &'static str,
    pub(super) side: Side,
    /// Its limit, but of market and stop orders, which are sent without one.
    pub(super) price_cents: i64,
    pub(super) quantity: i64,
    pub(super) time_in_force: TimeInForce,
    pub(super) kind: Kind,
    pub(super) account: i32,
    /// When its owner will lose patience.
    pub(super) lifetime_us: u64,
}

/// What an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A limit order.
    Limit,
    /// A limit order that shows a part of its quantity.
    Iceberg {
        /// So much at a time.
        display_quantity: i64,
    },
    /// A limit order that is rejected where it would trade at once.
    PostOnly,
    /// Trades at once at the best prices.
    Market,
    /// A market order from when on the last trade reaches a price.
    Stop {
        /// That price.
        stop_cents: i64,
    },
}

/// What the exchange says of a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) order_id: i64,
    pub(super) filled: i64,
    /// What waits.
    pub(super) remaining: i64,
    pub(super) is_rejected: bool,
}

/// An exchange with a simulated clock. Brokers are numbered.
pub(super) trait Exchange {
    /// Moves the clock to a time after the open, or, below 0, before it.
    fn advance(&mut self, time_us: i64) -> Result<()>;
    /// Lets the market trade, if the calendar does not.
    fn open(&mut self) -> Result<()>;
    /// Closes it, if the calendar does not.
    fn close(&mut self) -> Result<()>;
    /// Places a broker's orders and returns an answer for each, in their order.
    fn place(&mut self, broker: usize, orders: &[NewOrder]) -> Result<Vec<Ack>>;
    /// Cancels orders of a broker. Those that are not open any more do not matter.
    fn cancel(&mut self, broker: usize, order_ids: &[i64]) -> Result<()>;
    /// Takes a part of an order away, and returns whether that was possible.
    fn reduce(&mut self, reduction: Reduction) -> Result<bool>;
    /// All orders that are open now, in the order of their priority.
    fn open_orders(&mut self) -> Result<Vec<Found>>;
}

/// As many orders as one call takes at most.
const MAXIMUM_BATCH: usize = 1_000;

/// The exchange in the database: a session a broker, used in turn by one thread, so that the
/// order of the commands is the order of the calls.
pub(super) struct SqlExchange {
    open: SystemTime,
    venue: Client,
    brokers: Vec<Session>,
}

struct Session {
    client: Client,
    /// Places limit orders.
    place_plain: Statement,
    /// Places any others.
    place_other: Statement,
}

impl SqlExchange {
    /// An exchange whose day begins at `open`. Brokers are roles, with their business.
    pub(super) fn new(
        connection: &Connection,
        brokers: &[(&str, Business)],
        open: SystemTime,
    ) -> Result<Self> {
        let session = |&(role, business)| Session::new(connection.connect()?, role, business);
        let brokers = brokers.iter().map(session).collect::<Result<_>>()?;
        Ok(Self { open, venue: connection.connect()?, brokers })
    }
}

impl Session {
    fn new(mut client: Client, role: &str, business: Business) -> Result<Self> {
        // Who quotes all day wants to be answered fast; who trades wants it on disk.
        let synchronous_commit = match business {
            Business::Making => "off",
            Business::Taking => "on",
        };
        client.batch_execute(&format!("SET synchronous_commit = {synchronous_commit}"))?;
        client
            .batch_execute(&format!("SET ROLE \"{role}\""))
            .with_context(|| format!("trading as {role}"))?;
        let place_plain = client.prepare(
            "SELECT order_id, filled_quantity, remaining_quantity, status = 'rejected'
             FROM exchange.place_orders($1, $2::text[]::exchange.side[], $3, $4,
                                        $5::text[]::exchange.time_in_force[], $6)",
        )?;
        let place_other = client.prepare(
            "SELECT order_id, filled_quantity, remaining_quantity, status = 'rejected'
             FROM unnest($1::text[], $2::text[], $3::numeric[], $4::bigint[], $5::text[], $6::int[],
                         $7::text[], $8::numeric[], $9::text[], $10::bigint[])
                 WITH ORDINALITY AS sent (symbol, side, price, quantity, time_in_force, account_id,
                                          order_type, stop_price, post_only, display_quantity, place)
             CROSS JOIN LATERAL exchange.place_order(
                 sent.symbol, sent.side::exchange.side, sent.price, sent.quantity,
                 sent.time_in_force::exchange.time_in_force, sent.account_id,
                 order_type => sent.order_type::exchange.order_type,
                 stop_price => sent.stop_price,
                 post_only => sent.post_only::exchange.post_only,
                 display_quantity => sent.display_quantity)
             ORDER BY place",
        )?;
        Ok(Self { client, place_plain, place_other })
    }

    /// Places orders that are all limit orders, or all not.
    fn place(&mut self, orders: &[NewOrder]) -> Result<Vec<Ack>> {
        let prices = column(orders, |order| match order.kind {
            Kind::Market | Kind::Stop { .. } => None,
            _ => Some(dollars(order.price_cents)),
        });
        let symbols = column(orders, |order| order.symbol);
        let sides = column(orders, |order| order.side.name());
        let quantities = column(orders, |order| order.quantity);
        let times_in_force = column(orders, |order| order.time_in_force.name());
        let accounts = column(orders, |order| order.account);
        let mut parameters: Vec<&(dyn ToSql + Sync)> =
            vec![&symbols, &sides, &prices, &quantities, &times_in_force, &accounts];
        let rows = if orders[0].kind == Kind::Limit {
            self.client.query(&self.place_plain, &parameters).context("exchange.place_orders()")?
        } else {
            let order_types = column(orders, |order| match order.kind {
                Kind::Market => "market",
                Kind::Stop { .. } => "stop",
                _ => "limit",
            });
            let stop_prices = column(orders, |order| match order.kind {
                Kind::Stop { stop_cents } => Some(dollars(stop_cents)),
                _ => None,
            });
            let post_only = column(orders, |order| match order.kind {
                Kind::PostOnly => "reject",
                _ => "no",
            });
            let display_quantities = column(orders, |order| match order.kind {
                Kind::Iceberg { display_quantity } => Some(display_quantity),
                _ => None,
            });
            parameters.extend([&order_types as &(dyn ToSql + Sync), &stop_prices]);
            parameters.extend([&post_only as &(dyn ToSql + Sync), &display_quantities]);
            self.client.query(&self.place_other, &parameters).context("exchange.place_order()")?
        };
        ensure!(rows.len() == orders.len(), "{} answers to {} orders", rows.len(), orders.len());
        Ok(rows.iter().map(ack).collect())
    }
}

fn column<T>(orders: &[NewOrder], value: impl FnMut(&NewOrder) -> T) -> Vec<T> {
    orders.iter().map(value).collect()
}

fn dollars(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

fn ack(row: &Row) -> Ack {
    let (order_id, filled, remaining) = (row.get(0), row.get(1), row.get(2));
    Ack { order_id, filled, remaining, is_rejected: row.get(3) }
}

impl Exchange for SqlExchange {
    fn advance(&mut self, time_us: i64) -> Result<()> {
        let distance = Duration::from_micros(time_us.unsigned_abs());
        let time = if time_us < 0 { self.open - distance } else { self.open + distance };
        self.venue
            .execute("SELECT exchange.advance_clock($1)", &[&time])
            .context("exchange.advance_clock()")?;
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        open_market(&mut self.venue)
    }

    fn close(&mut self) -> Result<()> {
        close_market(&mut self.venue)
    }

    fn place(&mut self, broker: usize, orders: &[NewOrder]) -> Result<Vec<Ack>> {
        let mut acks = Vec::with_capacity(orders.len());
        let is_plain = |order: &NewOrder| order.kind == Kind::Limit;
        for alike in orders.chunk_by(|a, b| is_plain(a) == is_plain(b)) {
            for batch in alike.chunks(MAXIMUM_BATCH) {
                acks.extend(self.brokers[broker].place(batch)?);
            }
        }
        Ok(acks)
    }

    fn cancel(&mut self, broker: usize, order_ids: &[i64]) -> Result<()> {
        for batch in order_ids.chunks(MAXIMUM_BATCH) {
            self.brokers[broker]
                .client
                .execute("SELECT FROM exchange.cancel_orders($1)", &[&batch])
                .context("exchange.cancel_orders()")?;
        }
        Ok(())
    }

    fn reduce(&mut self, Reduction { broker, order_id, by }: Reduction) -> Result<bool> {
        let answer = self.brokers[broker].client.query_one(
            "SELECT reject_reason IS NULL FROM exchange.reduce_order($1, $2)",
            &[&order_id, &by],
        );
        match answer {
            Ok(row) => Ok(row.get(0)),
            // Somebody else has traded with it, and less remains than we thought.
            Err(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => Ok(false),
            Err(error) => Err(error).context("exchange.reduce_order()"),
        }
    }
    fn open_orders(&mut self) -> Result<Vec<Found>> {
        find_orders(&mut self.venue)
    }
}

/// The open orders of the stocks of the day, as the tables have them now.
pub(super) fn find_orders(client: &mut Client) -> Result<Vec<Found>> {
    client.execute("SELECT exchange.wait_for('projected')", &[])?;
    let rows = client.query(
        "SELECT o.order_id, o.symbol, o.side::text, o.price, o.remaining_quantity,
                coalesce(o.displayed_quantity, o.remaining_quantity), o.display_quantity, a.owner
         FROM exchange.open_orders AS o JOIN exchange.accounts AS a USING (account_id)
         ORDER BY o.priority",
        &[],
    )?;
    let found = rows.iter().filter_map(|row| {
        let (symbol, owner): (&str, &str) = (row.get(1), row.get(7));
        Some(Found {
            order_id: row.get(0),
            stock: PROFILES.iter().position(|profile| profile.symbol == symbol)?,
            side: Side::from_name(row.get(2))?,
            price_cents: cents(row.get(3)).ok()?,
            remaining: row.get(4),
            displayed: row.get(5),
            display_quantity: row.get(6),
            broker: BROKERS.iter().position(|(role, _)| *role == owner),
        })
    });
    Ok(found.collect())
}

/// A price in cents.
pub(super) fn cents(price: Decimal) -> Result<i64> {
    let cents = price * Decimal::ONE_HUNDRED;
    cents.to_i64().with_context(|| format!("the price {price} is out of range"))
}
