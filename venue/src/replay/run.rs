//! The steps of a replay.

use std::collections::HashMap;
use std::fmt::Debug;

use anyhow::{Context, Result, ensure};
use postgres::{Client, Row};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{Action, Difference, Event, Fill, Level, Replay, Report};
use crate::order::{Side, TimeInForce};

/// A replay under way.
pub(super) struct Run<'a> {
    client: &'a mut Client,
    replay: &'a Replay<'a>,
    report: Report,
    orders: Vec<Order<'a>>,
    /// Where the orders that the stream names are in `orders`.
    named: HashMap<&'a str, usize>,
}

/// An order as it must be by now.
struct Order<'a> {
    /// The event that placed it.
    sequence: u64,
    order_id: i64,
    state: State,
    /// What it must have traded with when it came, by the stream's names.
    fills: &'a [Fill],
}

/// What the exchange tells of an order, in answers and in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    status: &'static str,
    quantity: i64,
    filled: i64,
    remaining: i64,
}

impl State {
    /// An order with so much in the book.
    fn open(quantity: i64, filled: i64) -> Self {
        let remaining = quantity - filled;
        let status = match (filled, remaining) {
            (_, 0) => "filled",
            (0, _) => "open",
            _ => "partially_filled",
        };
        Self { status, quantity, filled, remaining }
    }

    /// The same order without the rest that was in the book.
    fn cancelled(self) -> Self {
        if self.remaining == 0 {
            return self;
        }
        Self { status: "cancelled", remaining: 0, ..self }
    }
}

/// The columns of a [`State`], of an `exchange.order_ack` and of `exchange.orders` alike.
const STATE: &str = "order_id, status::text, quantity, filled_quantity, remaining_quantity";

/// The rows of an order's state as the exchange tells it, as text to compare and to show.
fn told(row: &Row) -> String {
    let (status, quantity): (String, i64) = (row.get(1), row.get(2));
    shown(&status, quantity, row.get(3), row.get(4))
}

fn shown(status: &str, quantity: i64, filled: i64, remaining: i64) -> String {
    format!("{status}: {quantity} ordered, {filled} filled, {remaining} remaining")
}

impl<'a> Run<'a> {
    pub(super) fn new(client: &'a mut Client, replay: &'a Replay<'a>) -> Result<Self> {
        let mut run = Self {
            client,
            replay,
            report: Report::default(),
            orders: Vec::new(),
            named: HashMap::new(),
        };
        ensure!(
            run.book(1)? == [Level::default()],
            "the book of {} is not empty: replay into a symbol of its own",
            replay.symbol
        );
        Ok(run)
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }

    /// Sends an event and checks the answer and the book after it.
    pub(super) fn step(&mut self, event: &'a Event) -> Result<Option<Difference>> {
        self.report.events += 1;
        let answer = match &event.action {
            Action::Add { id, side, price, quantity } => {
                self.named.insert(id, self.orders.len());
                let must = State::open(*quantity, 0);
                self.place(event, (*side, *price, *quantity, TimeInForce::Gtc), must, &[])?
            }
            Action::Take { side, price, quantity, fills } => {
                for fill in fills {
                    let maker = self.find(&fill.maker)?;
                    let State { quantity, filled, .. } = maker.state;
                    maker.state = State::open(quantity, filled + fill.quantity);
                }
                let filled = fills.iter().map(|fill| fill.quantity).sum();
                let must = State::open(*quantity, filled).cancelled();
                self.place(event, (*side, *price, *quantity, TimeInForce::Ioc), must, fills)?
            }
            Action::Cancel { id } => {
                let order = self.find(id)?;
                order.state = order.state.cancelled();
                let (order_id, must) = (order.order_id, order.state);
                let query = format!("SELECT {STATE} FROM exchange.cancel_order($1)");
                self.compare(event, must, |client| client.query_one(&query, &[&order_id]))?
            }
            Action::Reduce { id, by } => {
                let order = self.find(id)?;
                order.state = State::open(order.state.quantity - by, order.state.filled);
                let (order_id, must) = (order.order_id, order.state);
                let query = format!("SELECT {STATE} FROM exchange.reduce_order($1, $2)");
                self.compare(event, must, |client| client.query_one(&query, &[&order_id, by]))?
            }
            Action::Nothing => None,
        };
        Ok(match answer {
            Some(difference) => Some(difference),
            None => self.check_book(event)?,
        })
    }

    fn find(&mut self, name: &str) -> Result<&mut Order<'a>> {
        let place = self.named.get(name);
        let place = place.with_context(|| format!("the stream has not added order {name}"))?;
        Ok(&mut self.orders[*place])
    }

    fn place(
        &mut self,
        event: &Event,
        (side, price, quantity, time_in_force): (Side, i64, i64, TimeInForce),
        must: State,
        fills: &'a [Fill],
    ) -> Result<Option<Difference>> {
        let replay = self.replay;
        let account = match time_in_force {
            TimeInForce::Ioc => replay.taker_account,
            TimeInForce::Gtc | TimeInForce::Day => replay.maker_account,
        };
        let query = format!(
            "SELECT {STATE} FROM exchange.place_order(
                 $1, $2::text::exchange.side, $3, $4, $5::text::exchange.time_in_force, $6)"
        );
        let mut order_id = 0;
        let difference = self.compare(event, must, |client| {
            let row = client.query_one(
                &query,
                &[
                    &replay.symbol,
                    &side.name(),
                    &Decimal::new(price, 4),
                    &quantity,
                    &time_in_force.name(),
                    &account,
                ],
            )?;
            order_id = row.get(0);
            Ok(row)
        })?;
        self.orders.push(Order { sequence: event.sequence, order_id, state: must, fills });
        Ok(difference)
    }

    /// Sends a command and compares the answer with what it must be.
    fn compare(
        &mut self,
        event: &Event,
        must: State,
        send: impl FnOnce(&mut Client) -> Result<Row, postgres::Error>,
    ) -> Result<Option<Difference>> {
        let row = send(self.client)?;
        self.report.commands += 1;
        let must = shown(must.status, must.quantity, must.filled, must.remaining);
        Ok(difference(event.sequence, "the answer", &must, &told(&row)))
    }

    fn check_book(&mut self, event: &Event) -> Result<Option<Difference>> {
        let (Some(books), Some(row)) = (self.replay.books, event.row) else { return Ok(None) };
        let must = books.get(row).with_context(|| format!("the book file has no row {row}"))?;
        self.client.execute("SELECT exchange.wait_for('published')", &[])?;
        let found = self.book(must.len())?;
        let pairs = must.iter().zip(&found).enumerate();
        let first = pairs.filter(|(_, (must, found))| must != found).map(|(level, pair)| {
            let what = format!("level {} of the book (row {row} of its file)", level + 1);
            difference(event.sequence, &what, pair.0, pair.1)
        });
        let first = first.flatten().next();
        self.report.books += usize::from(first.is_none());
        Ok(first)
    }

    /// The published book, with as many levels as asked for.
    fn book(&mut self, levels: usize) -> Result<Vec<Level>> {
        let rows = self.client.query(
            "SELECT bid_price, bid_quantity, ask_price, ask_quantity
             FROM exchange.order_book($1, $2) ORDER BY level",
            &[&self.replay.symbol, &i32::try_from(levels)?],
        )?;
        let mut book = Vec::new();
        for row in &rows {
            let side = |price: Option<Decimal>, quantity: Option<i64>| -> Result<_> {
                Ok(price.map(ten_thousandths).transpose()?.zip(quantity))
            };
            book.push(Level {
                bid: side(row.get(0), row.get(1))?,
                ask: side(row.get(2), row.get(3))?,
            });
        }
        book.resize(levels, Level::default());
        Ok(book)
    }

    /// Checks the executions of every order that came to trade, and that there are no others.
    pub(super) fn check_fills(&mut self) -> Result<Option<Difference>> {
        self.client.execute("SELECT exchange.wait_for('projected')", &[])?;
        let rows = self.client.query(
            "SELECT taker.order_id, maker.order_id, taker.price, taker.quantity, maker.price,
                    maker.quantity
             FROM exchange.executions AS taker
             JOIN exchange.executions AS maker USING (trade_id, symbol)
             WHERE symbol = $1 AND taker.liquidity = 'taker' AND maker.liquidity = 'maker'
             ORDER BY trade_id",
            &[&self.replay.symbol],
        )?;
        let names: HashMap<i64, &str> =
            self.named.iter().map(|(name, &place)| (self.orders[place].order_id, *name)).collect();
        let mut found: HashMap<i64, Vec<Fill>> = HashMap::new();
        for row in &rows {
            let (maker, price, quantity): (i64, Decimal, i64) =
                (row.get(1), row.get(2), row.get(3));
            ensure!(
                (price, quantity) == (row.get(4), row.get(5)),
                "the two executions of a trade with order {maker} differ"
            );
            let name =
                names.get(&maker).map_or_else(|| format!("order {maker}"), |&n| n.to_owned());
            let fill = Fill { maker: name, price: ten_thousandths(price)?, quantity };
            found.entry(row.get(0)).or_default().push(fill);
        }
        for order in &self.orders {
            let found = found.remove(&order.order_id).unwrap_or_default();
            if let Some(wrong) =
                difference(order.sequence, "the executions", order.fills, &found[..])
            {
                return Ok(Some(wrong));
            }
            self.report.fills += found.len();
        }
        ensure!(found.is_empty(), "orders from elsewhere traded in {}", self.replay.symbol);
        Ok(None)
    }

    /// Checks the row of every order.
    pub(super) fn check_orders(&mut self) -> Result<Option<Difference>> {
        let order_ids: Vec<i64> = self.orders.iter().map(|order| order.order_id).collect();
        let query = format!("SELECT {STATE} FROM exchange.orders WHERE order_id = ANY ($1)");
        let rows = self.client.query(&query, &[&order_ids])?;
        let found: HashMap<i64, String> = rows.iter().map(|row| (row.get(0), told(row))).collect();
        ensure!(found.len() == rows.len(), "exchange.orders has an order twice");
        for Order { sequence, order_id, state, .. } in &self.orders {
            let must = shown(state.status, state.quantity, state.filled, state.remaining);
            let found = found.get(order_id).map_or("no row", String::as_str);
            let what = format!("the row of order {order_id} in exchange.orders");
            if let Some(wrong) = difference(*sequence, &what, must.as_str(), found) {
                return Ok(Some(wrong));
            }
            self.report.orders += 1;
        }
        Ok(None)
    }
}

fn difference<T: Debug + PartialEq + ?Sized>(
    sequence: u64,
    what: &str,
    expected: &T,
    found: &T,
) -> Option<Difference> {
    (expected != found).then(|| Difference {
        sequence,
        what: what.to_owned(),
        expected: format!("{expected:?}"),
        found: format!("{found:?}"),
    })
}

fn ten_thousandths(price: Decimal) -> Result<i64> {
    let scaled = price * Decimal::from(10_000);
    scaled
        .to_i64()
        .filter(|whole| Decimal::from(*whole) == scaled)
        .with_context(|| format!("the price {price} is not a multiple of a ten-thousandth"))
}
