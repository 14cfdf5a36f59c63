//! The synthetic trading day: one hundred stocks from the opening burst to the closing burst,
//! traded through the SQL functions of a running exchange, the same from the same seed.

mod book;
mod calendar;
mod clock;
mod exchange;
mod market;
mod progress;
mod random;
mod shape;
mod stocks;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use postgres::Client;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::connection::Connection;
use crate::order::Side;
pub use calendar::TradingDay;
pub use clock::{SimulatedClock, time as exchange_time, use_real_clock};
use exchange::{Exchange, NewOrder, SqlExchange};
use market::{Broker, Business, Found, Market};
use progress::{Progress, grouped, time_of_day};
use shape::SESSION_US;
use stocks::PROFILES;

/// What day to trade.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its date, as in 2026-11-20; by default the last weekday before today.
    pub date: Option<String>,
    /// About how many commands: new orders, cancels and reductions.
    pub commands: u64,
    /// The same seed trades the same day.
    pub seed: u64,
    /// Whether to show nothing while it trades.
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { date: None, commands: 1_000_000, seed: 42, quiet: false }
    }
}

/// Who trades: the brokers of the migrations.
const BROKERS: [(&str, Business); 4] = [
    ("broker_alpha", Business::Making),
    ("broker_bravo", Business::Making),
    ("broker_charlie", Business::Taking),
    ("broker_delta", Business::Taking),
];

/// How trading a day ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The day was traded up to its close.
    Traded(Totals),
    /// It was over before: nothing was traded.
    Over(TradingDay),
    /// It was interrupted at this time of the day; another run goes on from there.
    Interrupted(String, Totals),
}

/// What was sent on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// New orders.
    pub orders: u64,
    /// Of these, those that traded at once.
    pub marketable: u64,
    /// Cancels.
    pub cancels: u64,
    /// Reductions.
    pub reductions: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Totals {
    /// All commands.
    pub fn commands(&self) -> u64 {
        self.orders + self.cancels + self.reductions
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        write!(
            f,
            "{} new orders ({} traded at once), {} cancels and {} reductions in {seconds:.1} s: \
             {} commands a second",
            grouped(self.orders.into()),
            grouped(self.marketable.into()),
            grouped(self.cancels.into()),
            grouped(self.reductions.into()),
            grouped((self.commands() as f64 / seconds) as u128),
        )
    }
}

/// Trades a day, or the rest of it, until its close or until `stop` is set.
///
/// Turns the exchange's simulated clock on meanwhile, and opens the market if it is closed. It
/// stays open.
pub fn trade(connection: &Connection, options: &Options, stop: &AtomicBool) -> Result<Outcome> {
    let mut client = connection.connect()?;
    let alone =
        client.query_one("SELECT pg_try_advisory_lock(hashtext('pg_exchange day'))", &[])?;
    ensure!(alone.get::<_, bool>(0), "another run is trading a day on this exchange");

    let day = TradingDay::find(&mut client, options.date.as_deref())?;
    let now = clock::time(&mut client)?;
    if now.is_some_and(|now| now >= day.close) {
        // A run that was killed may have left the simulated clock on.
        use_real_clock(connection)?;
        return Ok(Outcome::Over(day));
    }
    let from_us = now
        .and_then(|now| now.duration_since(day.open).ok())
        .map_or(0, |passed| passed.as_micros() as u64);
    // The clock of an exchange never goes back: after a day of the future it would stand still.
    ensure!(day.close <= SystemTime::now(), "{} is not over yet: choose an earlier day", day.date);
    // Each day, and each part of a day, its own; but the same again from the same tables.
    let unix = day.open.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let seed = options.seed ^ unix.rotate_left(32) ^ from_us.rotate_left(8);
    let mut market = traders(&mut client, seed, options.commands, from_us)?;

    let simulated = SimulatedClock::start(connection)?;
    let mut exchange = SqlExchange::new(connection, &BROKERS, day.open)?;
    if from_us == 0 {
        exchange.advance(0)?;
    }
    open_market(&mut client)?;
    client.execute("SELECT exchange.reset_statistics()", &[])?;
    let mut progress = Progress::new(options.quiet, from_us);
    let ended = session(&mut market, &mut exchange, from_us, stop, &mut progress);
    progress.finish();
    let (until_us, totals) = ended?;
    let projected = client.execute("SELECT exchange.wait_for('projected')", &[]);
    projected.context("waiting for the tables to show the day")?;
    simulated.stop()?;
    compare(&mut client, &market)?;
    Ok(if until_us < SESSION_US {
        Outcome::Interrupted(time_of_day(until_us), totals)
    } else {
        Outcome::Traded(totals)
    })
}

/// Opens the market unless it is open.
pub fn open_market(client: &mut Client) -> Result<()> {
    let row =
        client.query_one("SELECT market, halted_because FROM exchange.pg_stat_exchange", &[])?;
    match row.get("market") {
        "open" => {}
        "closed" => drop(client.execute("SELECT exchange.open_market()", &[])?),
        other => {
            let because: Option<&str> = row.get("halted_because");
            bail!("the market is {other}: {}", because.unwrap_or("for no stated reason"));
        }
    }
    Ok(())
}

/// The traders as they find the exchange.
fn traders(client: &mut Client, seed: u64, commands: u64, from_us: u64) -> Result<Market> {
    let mut brokers = Vec::new();
    for (role, business) in BROKERS {
        let rows = client.query(
            "SELECT account_id FROM exchange.accounts WHERE owner = $1 ORDER BY account_id",
            &[&role],
        )?;
        ensure!(!rows.is_empty(), "{role} has no account: run the migrations first");
        let accounts = rows.iter().map(|row| row.get(0)).collect();
        brokers.push(Broker { accounts, business });
    }
    let mut stocks = Vec::new();
    for profile in PROFILES {
        let row = client
            .query_opt(
                "SELECT q.last_price FROM exchange.instruments AS i
                 LEFT JOIN exchange.best_quotes AS q USING (symbol) WHERE symbol = $1",
                &[&profile.symbol],
            )?
            .with_context(|| {
                format!("{} is not listed: run the migrations first", profile.symbol)
            })?;
        let last = row.get::<_, Option<Decimal>>(0).map(cents).transpose()?;
        stocks.push((profile, last));
    }
    let mut market = Market::new(seed, commands, &stocks, brokers);
    let rows = client.query(
        "SELECT o.order_id, o.symbol, o.side::text, o.price, o.remaining_quantity, a.owner
         FROM exchange.open_orders AS o JOIN exchange.accounts AS a USING (account_id)
         ORDER BY o.priority",
        &[],
    )?;
    let found: Vec<Found> = rows
        .iter()
        .filter_map(|row| {
            let symbol: &str = row.get(1);
            let stock = PROFILES.iter().position(|profile| profile.symbol == symbol)?;
            Some(Found {
                order_id: row.get(0),
                stock,
                side: Side::from_name(row.get(2))?,
                price_cents: cents(row.get(3)).ok()?,
                remaining: row.get(4),
                broker: BROKERS.iter().position(|(role, _)| *role == row.get::<_, &str>(5)),
            })
        })
        .collect();
    market.take_over(from_us, found.into_iter());
    Ok(market)
}

fn cents(price: Decimal) -> Result<i64> {
    let cents = price * Decimal::ONE_HUNDRED;
    cents.to_i64().with_context(|| format!("the price {price} is out of range"))
}

/// Trades from one time of the day on, and returns how far it came.
fn session(
    market: &mut Market,
    exchange: &mut impl Exchange,
    from_us: u64,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> Result<(u64, Totals)> {
    let started = Instant::now();
    let mut totals = Totals::default();
    let mut now_us = from_us;
    if from_us == 0 {
        let maker = market.turn(Business::Making);
        let quotes = market.opening_quotes(maker);
        place(market, exchange, maker, &quotes, now_us, &mut totals)?;
    }
    while now_us < SESSION_US && !stop.load(Ordering::Relaxed) {
        now_us = (now_us + market.slice_us(now_us)).min(SESSION_US);
        exchange.advance(now_us)?;
        if now_us < SESSION_US {
            slice(market, exchange, now_us, &mut totals)?;
        }
        progress.show(now_us, totals.commands());
    }
    totals.elapsed = started.elapsed();
    Ok((now_us, totals))
}

/// What happens at one moment of the day.
fn slice(
    market: &mut Market,
    exchange: &mut impl Exchange,
    now_us: u64,
    totals: &mut Totals,
) -> Result<()> {
    let maker = market.turn(Business::Making);
    let taker = market.turn(Business::Taking);
    for broker in [maker, taker] {
        let expired = market.expired(broker, now_us);
        if !expired.is_empty() {
            exchange.cancel(broker, &expired)?;
            totals.cancels += expired.len() as u64;
        }
    }
    if let Some(reduction) = market.reduction() {
        totals.reductions += 1;
        if exchange.reduce(reduction)? {
            market.reduced(reduction);
        }
    }
    let (quotes, takes) = market.orders(maker, taker, now_us);
    place(market, exchange, maker, &quotes, now_us, totals)?;
    place(market, exchange, taker, &takes, now_us, totals)
}

fn place(
    market: &mut Market,
    exchange: &mut impl Exchange,
    broker: usize,
    orders: &[NewOrder],
    now_us: u64,
    totals: &mut Totals,
) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    for (order, ack) in orders.iter().zip(exchange.place(broker, orders)?) {
        market.placed(broker, order, &ack, now_us);
        totals.orders += 1;
        totals.marketable += u64::from(ack.filled > 0);
    }
    Ok(())
}

/// Compares what the traders think is open with what the exchange says.
fn compare(client: &mut Client, market: &Market) -> Result<()> {
    let symbols: Vec<&str> = PROFILES.iter().map(|profile| profile.symbol).collect();
    let open: i64 = client
        .query_one(
            "SELECT count(*) FROM exchange.open_orders WHERE symbol = ANY ($1)",
            &[&symbols],
        )?
        .get(0);
    if open != market.open_orders() as i64 {
        eprintln!(
            "The exchange has {open} open orders and the traders of the day know of {}: somebody \
             else traded too.",
            market.open_orders()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
