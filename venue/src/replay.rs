//! Replays an order stream against a running exchange, one event at a time through the SQL
//! functions, and checks every answer, every fill, every published book, and what the tables say
//! afterwards.

mod run;
mod stream;

use std::fmt;

use anyhow::{Context, Result};
use postgres::Client;

use run::Run;
pub use stream::{
    Action, Books, Event, Fill, Level, Stream, parse_books, parse_stream, read_books, read_stream,
};

/// What to replay where.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    /// An instrument with an empty book.
    pub symbol: &'a str,
    /// The account of the orders that rest.
    pub maker_account: i32,
    /// The account of the orders that trade with them.
    pub taker_account: i32,
    /// The stream.
    pub stream: &'a [Event],
    /// The published books, if there are any to compare with.
    pub books: Option<&'a Books>,
}

/// What a replay did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines of the stream that were gone through.
    pub events: usize,
    /// Orders placed, reduced and cancelled.
    pub commands: usize,
    /// Fills that were found as expected.
    pub fills: usize,
    /// Published books that were found as expected.
    pub books: usize,
    /// Orders whose rows were found as expected.
    pub orders: usize,
    /// The first thing that was not as expected.
    pub difference: Option<Difference>,
}

/// Something that was not as the stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// After which event of the stream.
    pub sequence: u64,
    /// What.
    pub what: String,
    /// What the stream says.
    pub expected: String,
    /// What the exchange says.
    pub found: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events, {} commands; as expected: {} fills, {} books, {} orders in the tables",
            self.events, self.commands, self.fills, self.books, self.orders
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, what, expected, found } = self;
        write!(f, "event {sequence}: {what}\n  expected {expected}\n  found    {found}")
    }
}

/// Opens an account that may trade an instrument, with more money and shares than a stream needs.
pub fn open_account(client: &mut Client, symbol: &str) -> Result<i32> {
    let account = client.query_one("SELECT exchange.open_account()", &[])?.get(0);
    client.execute("SELECT exchange.verify_account($1)", &[&account])?;
    client.execute(
        "SELECT exchange.deposit($1, currency, 1e15) FROM exchange.instruments WHERE symbol = $2",
        &[&account, &symbol],
    )?;
    client
        .execute("SELECT exchange.deposit_shares($1, $2, 1000000000000)", &[&account, &symbol])?;
    Ok(account)
}

/// Replays a stream.
///
/// The market must be open and the instrument's book empty. A difference ends the replay and is
/// in the report; an error is an exchange that cannot be talked to, or a stream that makes no
/// sense.
pub fn run(client: &mut Client, replay: &Replay<'_>) -> Result<Report> {
    let mut run = Run::new(client, replay)?;
    let mut difference = None;
    for event in replay.stream {
        difference = run.step(event).with_context(|| format!("event {}", event.sequence))?;
        if difference.is_some() {
            break;
        }
    }
    // A wrong fill may have come earlier than what it led to.
    let wrong_fill = run.check_fills()?;
    difference = wrong_fill.into_iter().chain(difference).min_by_key(|found| found.sequence);
    if difference.is_none() {
        difference = run.check_orders()?;
    }
    Ok(Report { difference, ..run.into_report() })
}
