//! What the synthetic day needs of an exchange, and the exchange behind the SQL functions.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use postgres::error::SqlState;
use postgres::{Client, Row, Statement};
use rust_decimal::Decimal;

use super::market::{Business, Reduction};
use crate::connection::Connection;
use crate::order::{Side, TimeInForce};

/// An order to place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct NewOrder {
    /// Which stock of the market.
    pub(super) stock: usize,
    pub(super) symbol: &'static str,
    pub(super) side: Side,
    pub(super) price_cents: i64,
    pub(super) quantity: i64,
    pub(super) time_in_force: TimeInForce,
    pub(super) account: i32,
    /// When its owner will lose patience.
    pub(super) lifetime_us: u64,
}

/// What the exchange says of a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) order_id: i64,
    pub(super) filled: i64,
    /// What waits in the book.
    pub(super) remaining: i64,
}

/// An exchange with a simulated clock. Brokers are numbered.
pub(super) trait Exchange {
    /// Moves the clock to a time after the open.
    fn advance(&mut self, time_us: u64) -> Result<()>;
    /// Places a broker's orders and returns an answer for each, in their order.
    fn place(&mut self, broker: usize, orders: &[NewOrder]) -> Result<Vec<Ack>>;
    /// Cancels orders of a broker. Those that are not open any more do not matter.
    fn cancel(&mut self, broker: usize, order_ids: &[i64]) -> Result<()>;
    /// Takes a part of an order away, and returns whether that was possible.
    fn reduce(&mut self, reduction: Reduction) -> Result<bool>;
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
    place: Statement,
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
        let place = client.prepare(
            "SELECT order_id, filled_quantity, remaining_quantity, reject_reason::text
             FROM exchange.place_orders($1, $2::text[]::exchange.side[], $3, $4,
                                        $5::text[]::exchange.time_in_force[], $6)",
        )?;
        Ok(Self { client, place })
    }

    fn place(&mut self, orders: &[NewOrder]) -> Result<Vec<Ack>> {
        fn column<T>(orders: &[NewOrder], value: impl FnMut(&NewOrder) -> T) -> Vec<T> {
            orders.iter().map(value).collect()
        }
        let rows = self
            .client
            .query(
                &self.place,
                &[
                    &column(orders, |order| order.symbol),
                    &column(orders, |order| order.side.name()),
                    &column(orders, |order| Decimal::new(order.price_cents, 2)),
                    &column(orders, |order| order.quantity),
                    &column(orders, |order| order.time_in_force.name()),
                    &column(orders, |order| order.account),
                ],
            )
            .context("exchange.place_orders()")?;
        ensure!(rows.len() == orders.len(), "{} answers to {} orders", rows.len(), orders.len());
        rows.iter().map(ack).collect()
    }
}

fn ack(row: &Row) -> Result<Ack> {
    if let Some(reason) = row.get::<_, Option<&str>>(3) {
        anyhow::bail!("the exchange rejected order {}: {reason}", row.get::<_, i64>(0));
    }
    Ok(Ack { order_id: row.get(0), filled: row.get(1), remaining: row.get(2) })
}

impl Exchange for SqlExchange {
    fn advance(&mut self, time_us: u64) -> Result<()> {
        let time = self.open + Duration::from_micros(time_us);
        self.venue
            .execute("SELECT exchange.advance_clock($1)", &[&time])
            .context("exchange.advance_clock()")?;
        Ok(())
    }

    fn place(&mut self, broker: usize, orders: &[NewOrder]) -> Result<Vec<Ack>> {
        let mut acks = Vec::with_capacity(orders.len());
        for batch in orders.chunks(MAXIMUM_BATCH) {
            acks.extend(self.brokers[broker].place(batch)?);
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
}
