//! The synthetic trading day: one hundred stocks from the opening auction to the closing auction,
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

use crate::connection::Connection;
use calendar::Timetable;
pub use calendar::TradingDay;
pub use clock::{time as exchange_time, use_real_clock, use_simulated_clock};
use exchange::{Ack, Exchange, NewOrder, SqlExchange, cents, find_orders};
use market::{Broker, Business, Market};
use progress::{Progress, grouped, time_of_day};
use shape::SECOND_US;
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

/// So much of the day passes until the traders look at the tables again.
const BETWEEN_LOOKS_US: u64 = 1_800 * SECOND_US;

/// How trading a day ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The day was traded up to its close.
    Traded(Totals),
    /// It was over before: nothing was traded.
    Over(TradingDay),
    /// It was interrupted at this time of the day, where the clock of the exchange stands still
    /// until another run goes on from there.
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
    /// Orders that the exchange rejected.
    pub rejected: u64,
    /// Orders that were not as the traders thought when they looked at the tables: stop orders
    /// were reached, or other people traded.
    pub surprises: u64,
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
            "{} new orders ({} traded at once, {} rejected), {} cancels and {} reductions in \
             {seconds:.1} s: {} commands a second",
            grouped(self.orders.into()),
            grouped(self.marketable.into()),
            grouped(self.rejected.into()),
            grouped(self.cancels.into()),
            grouped(self.reductions.into()),
            grouped((self.commands() as f64 / seconds) as u128),
        )
    }
}

/// Trades a day, or the rest of it, until its close or until `stop` is set.
///
/// The exchange goes by a simulated clock meanwhile, and its calendar leads through the day: orders
/// are collected for the opening auction, trade continuously, and are collected again for the
/// closing one. Where the date is no trading day of its calendar, the market is opened and closed
/// by hand. After the close, an exchange whose settings have the calendar off is open again.
pub fn trade(connection: &Connection, options: &Options, stop: &AtomicBool) -> Result<Outcome> {
    let mut client = connection.connect()?;
    let alone =
        client.query_one("SELECT pg_try_advisory_lock(hashtext('pg_exchange day'))", &[])?;
    ensure!(alone.get::<_, bool>(0), "another run is trading a day on this exchange");

    let day = TradingDay::find(&mut client, options.date.as_deref())?;
    let hours = day.hours(&mut client)?;
    let now = clock::time(&mut client)?;
    if now.is_some_and(|now| now >= hours.close) {
        // A run that was killed may have left the clock to stand still.
        hand_over(connection, &mut client)?;
        return Ok(Outcome::Over(day));
    }
    // The clock of an exchange never goes back: after a day of the future it would stand still.
    ensure!(
        hours.close <= SystemTime::now(),
        "{} is not over yet: choose an earlier day",
        day.date
    );
    let begun = now.and_then(|now| now.duration_since(hours.open).ok());
    let from_us = begun.map(|passed| passed.as_micros() as u64);
    // Each day, and each part of a day, its own; but the same again from the same tables.
    let unix = hours.open.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let seed = options.seed ^ unix.rotate_left(32) ^ from_us.unwrap_or(0).rotate_left(8);
    let timetable = hours.timetable();
    let mut market = traders(
        &mut client,
        seed,
        options.commands,
        from_us.unwrap_or(0),
        timetable.closing_auction_us,
    )?;

    use_simulated_clock(connection)?;
    if from_us.is_none() && hours.has_auctions() {
        clock::use_calendar(connection)?;
    }
    client.execute("SELECT exchange.reset_statistics()", &[])?;
    let mut exchange = SqlExchange::new(connection, &BROKERS, hours.open)?;
    let mut progress = Progress::new(options.quiet, from_us.unwrap_or(0));
    let ended = session(&mut market, &mut exchange, &timetable, from_us, stop, &mut progress);
    progress.finish();
    let (until_us, totals) = ended.with_context(|| {
        format!(
            "{} is not traded to its end; the clock of the exchange stands still there",
            day.date
        )
    })?;
    if until_us < timetable.close_us {
        return Ok(Outcome::Interrupted(time_of_day(until_us), totals));
    }
    hand_over(connection, &mut client)?;
    Ok(Outcome::Traded(totals))
}

/// Leaves an exchange to its own settings: to the real clock, and to its calendar; where that is
/// off, with an open market.
fn hand_over(connection: &Connection, client: &mut Client) -> Result<()> {
    // As long as the clock stands still, nothing in the calendar is due.
    clock::leave_calendar(connection)?;
    let calendar_is_on = clock::calendar_is_on(client)?;
    if !calendar_is_on {
        calendar::wait_until_cleared(client)?;
    }
    use_real_clock(connection)?;
    if calendar_is_on { Ok(()) } else { open_market(client) }
}

/// Lets the market trade continuously unless it does.
pub fn open_market(client: &mut Client) -> Result<()> {
    if market_phase(client)? != "continuous" {
        client.execute("SELECT exchange.open_market()", &[])?;
    }
    Ok(())
}

/// Closes the market unless it is closed.
fn close_market(client: &mut Client) -> Result<()> {
    if market_phase(client)? != "closed" {
        client.execute("SELECT exchange.close_market()", &[])?;
    }
    Ok(())
}

/// The phase of the market; an error if the exchange stopped by itself.
fn market_phase(client: &mut Client) -> Result<String> {
    let row =
        client.query_one("SELECT market, halted_because FROM exchange.pg_stat_exchange", &[])?;
    let market: String = row.get(0);
    if market == "halted" {
        let because: Option<&str> = row.get(1);
        bail!("the market is halted: {}", because.unwrap_or("for no stated reason"));
    }
    Ok(market)
}

/// The traders as they find the exchange.
fn traders(
    client: &mut Client,
    seed: u64,
    commands: u64,
    from_us: u64,
    until_us: u64,
) -> Result<Market> {
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
    let mut market = Market::new(seed, commands, &stocks, brokers, from_us, until_us);
    market.look(from_us, find_orders(client)?);
    Ok(market)
}

/// Trades from one time of the day on, or from before its open, and returns how far it came.
fn session(
    market: &mut Market,
    exchange: &mut impl Exchange,
    timetable: &Timetable,
    from_us: Option<u64>,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> Result<(u64, Totals)> {
    let started = Instant::now();
    let mut totals = Totals::default();
    let mut now_us = from_us.unwrap_or(0);
    if from_us.is_none() {
        opening(market, exchange, timetable, &mut totals)?;
    }
    let mut looked_us = now_us;
    while now_us < timetable.closing_auction_us && !stop.load(Ordering::Relaxed) {
        now_us = (now_us + market.slice_us(now_us)).min(timetable.closing_auction_us);
        exchange.advance(now_us as i64)?;
        if now_us < timetable.closing_auction_us {
            slice(market, exchange, now_us, &mut totals)?;
        }
        if now_us - looked_us >= BETWEEN_LOOKS_US {
            totals.surprises += market.look(now_us, exchange.open_orders()?);
            looked_us = now_us;
        }
        progress.show(now_us, totals.commands());
    }
    if now_us >= timetable.closing_auction_us {
        closing(market, exchange, timetable, now_us, &mut totals)?;
        now_us = timetable.close_us;
    }
    totals.elapsed = started.elapsed();
    Ok((now_us, totals))
}

/// The opening auction, or, where there is none, the first quotes.
fn opening(
    market: &mut Market,
    exchange: &mut impl Exchange,
    timetable: &Timetable,
    totals: &mut Totals,
) -> Result<()> {
    let maker = market.turn(Business::Making);
    let quotes = market.opening_quotes(maker);
    if timetable.pre_open_us == 0 {
        exchange.advance(0)?;
        exchange.open()?;
        return place(market, exchange, maker, &quotes, 0, totals);
    }
    exchange.advance(timetable.pre_open_us)?;
    collect(market, exchange, maker, &quotes, 0, totals)?;
    let taker = market.turn(Business::Taking);
    let orders = market.auction_orders(taker, 0);
    collect(market, exchange, taker, &orders, 0, totals)?;
    exchange.advance(0)?;
    exchange.open()?;
    market.look(0, exchange.open_orders()?);
    Ok(())
}

/// The closing auction, if there is one, and the close.
fn closing(
    market: &mut Market,
    exchange: &mut impl Exchange,
    timetable: &Timetable,
    now_us: u64,
    totals: &mut Totals,
) -> Result<()> {
    if now_us < timetable.close_us {
        let taker = market.turn(Business::Taking);
        let orders = market.auction_orders(taker, now_us);
        collect(market, exchange, taker, &orders, now_us, totals)?;
        exchange.advance(timetable.close_us as i64)?;
    }
    exchange.close()?;
    market.look(timetable.close_us, exchange.open_orders()?);
    Ok(())
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

/// Sends orders that trade at once or rest.
fn place(
    market: &mut Market,
    exchange: &mut impl Exchange,
    broker: usize,
    orders: &[NewOrder],
    now_us: u64,
    totals: &mut Totals,
) -> Result<()> {
    let note = |market: &mut Market, order: &_, ack: &_| market.placed(broker, order, ack, now_us);
    send(market, exchange, broker, orders, totals, note)
}

/// Sends orders that wait for an auction.
fn collect(
    market: &mut Market,
    exchange: &mut impl Exchange,
    broker: usize,
    orders: &[NewOrder],
    now_us: u64,
    totals: &mut Totals,
) -> Result<()> {
    let note = |market: &mut Market, order: &_, ack: &_| market.waits(broker, order, ack, now_us);
    send(market, exchange, broker, orders, totals, note)
}

fn send(
    market: &mut Market,
    exchange: &mut impl Exchange,
    broker: usize,
    orders: &[NewOrder],
    totals: &mut Totals,
    note: impl Fn(&mut Market, &NewOrder, &Ack),
) -> Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    for (order, ack) in orders.iter().zip(exchange.place(broker, orders)?) {
        note(market, order, &ack);
        totals.orders += 1;
        totals.marketable += u64::from(ack.filled > 0);
        totals.rejected += u64::from(ack.is_rejected);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
