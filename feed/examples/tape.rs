//! Prints the tape of an exchange as it happens: trades, best quotes, phases.
//!
//! ```text
//! cargo run --release -p feed --example tape -- RING CONNECTION [SYMBOL ...]
//! cargo run --release -p feed --example tape -- /dev/shm/exchange.feed 'host=/run/postgresql dbname=exchange'
//! ```
//!
//! It is what a feed handler is like: books from a snapshot in SQL, joined on the sequence number
//! with the ring, and from a new snapshot when it was overrun or the ring was made anew.

use feed::ring::OpenError;
use feed::{Book, Change, Event, ReadError, Reader};
use matcher::{InstrumentId, PriceLevel, Sequence, Side};
use postgres::{Client, IsolationLevel, NoTls};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{self, StdoutLock, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// An instrument as its listing says, and its book.
struct Listing {
    symbol: String,
    tick_digits: i64,
    tick_scale: u8,
    book: Book,
}

/// Everything that is known of the market.
#[derive(Default)]
struct Market {
    listings: BTreeMap<InstrumentId, Listing>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [ring, connection, symbols @ ..] = arguments.as_slice() else {
        eprintln!("usage: tape RING CONNECTION [SYMBOL ...]");
        std::process::exit(2);
    };
    let symbols: BTreeSet<&str> = symbols.iter().map(String::as_str).collect();
    let mut client = Client::connect(connection, NoTls)?;
    let mut tape = io::stdout().lock();
    loop {
        let mut reader = open(Path::new(ring))?;
        loop {
            let mut market = join(&mut reader, &mut client)?;
            let error = market.follow(&mut reader, &symbols, &mut tape)?;
            eprintln!("{error}: taking a new snapshot");
            if error == ReadError::Closed {
                break;
            }
        }
    }
}

/// Opens the ring; where it is just being made anew, as soon as it is there.
fn open(path: &Path) -> Result<Reader, OpenError> {
    loop {
        match Reader::open(path) {
            Err(OpenError::Closed) => thread::sleep(Duration::from_millis(10)),
            opened => return opened,
        }
    }
}

/// Takes a snapshot, and places the reader behind it.
fn join(reader: &mut Reader, client: &mut Client) -> Result<Market, Box<dyn Error>> {
    loop {
        let (market, sequence) = snapshot(client)?;
        match reader.seek_after(sequence) {
            Ok(()) => {
                eprintln!("following {} symbols from {sequence}", market.listings.len());
                return Ok(market);
            }
            // The tables are a few milliseconds behind; a ring that holds less is too small, or
            // was made this moment.
            Err(error) => eprintln!("the snapshot is of {sequence}: {error}"),
        }
        client.batch_execute("SELECT exchange.wait_for('projected')")?;
    }
}

/// Symbols and books as they are after some command, and which one it is.
fn snapshot(client: &mut Client) -> Result<(Market, Sequence), postgres::Error> {
    // Both statements see the same moment.
    let mut transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()?;
    let mut market = Market::default();
    for row in transaction.query(
        "SELECT instrument_id, symbol, scale(trim_scale(tick_size)),
                (tick_size * 10::numeric ^ scale(trim_scale(tick_size)))::bigint
         FROM exchange.instruments",
        &[],
    )? {
        let listing = Listing {
            symbol: row.get(1),
            tick_digits: row.get(3),
            tick_scale: row.get::<_, i32>(2) as u8,
            book: Book::default(),
        };
        market.listings.insert(row.get::<_, i32>(0) as InstrumentId, listing);
    }
    let mut sequence = 0;
    for row in transaction.query(
        "SELECT sequence, instrument_id, side = 'buy', price_ticks, quantity, orders
         FROM exchange.book_snapshot()",
        &[],
    )? {
        sequence = row.get::<_, i64>(0) as Sequence;
        // Instruments without any level have a row too.
        let Some(is_bid) = row.get::<_, Option<bool>>(2) else { continue };
        let level = PriceLevel {
            price_ticks: row.get(3),
            quantity: row.get(4),
            orders: row.get::<_, i64>(5) as u32,
        };
        let instrument = row.get::<_, i32>(1) as InstrumentId;
        if let Some(listing) = market.listings.get_mut(&instrument) {
            listing.book.set(if is_bid { Side::Buy } else { Side::Sell }, level);
        }
    }
    transaction.commit()?;
    Ok((market, sequence))
}

impl Market {
    /// Prints what happens until something was lost, and says what.
    fn follow(
        &mut self,
        reader: &mut Reader,
        symbols: &BTreeSet<&str>,
        tape: &mut StdoutLock,
    ) -> Result<ReadError, Box<dyn Error>> {
        loop {
            let event = match reader.wait() {
                Ok(event) => event,
                Err(error) => return Ok(error),
            };
            if let Some(line) = self.apply(&event, symbols)? {
                writeln!(tape, "{} {line}", time_of_day(event.time_us))?;
            }
        }
    }

    /// Takes an event, and says what is to be printed of it.
    fn apply(
        &mut self,
        event: &Event,
        symbols: &BTreeSet<&str>,
    ) -> Result<Option<String>, Box<dyn Error>> {
        if let Change::MarketPhase { phase, .. } = event.change {
            return Ok(Some(format!("{:15} {phase:?}", "market")));
        }
        if let Change::Listed { symbol, tick_digits, tick_scale, .. } = event.change {
            let (symbol, tick_digits) = (symbol.to_string(), tick_digits.into());
            let listing = Listing { symbol, tick_digits, tick_scale, book: Book::default() };
            self.listings.insert(event.instrument, listing);
        }
        let listing = self
            .listings
            .get_mut(&event.instrument)
            .ok_or_else(|| format!("instrument {} was never listed", event.instrument))?;
        listing.book.apply(&event.change);
        let price = |ticks| decimal(ticks * listing.tick_digits, listing.tick_scale);
        let line = match event.change {
            Change::Listed { lot_size, .. } => format!("listed, in lots of {lot_size}"),
            Change::Trade { price_ticks, quantity, taker_side, in_auction, .. } => {
                let how = match (in_auction, taker_side) {
                    (true, _) => "in an auction",
                    (false, Side::Buy) => "bought",
                    (false, Side::Sell) => "sold",
                };
                format!("{quantity:>9} @ {:<10} {how}", price(price_ticks))
            }
            Change::Busted { trade_id } => format!("trade {trade_id} is busted"),
            Change::Uncrossed { price_ticks, quantity } => {
                format!("{quantity:>9} @ {:<10} the auction", price(price_ticks))
            }
            Change::InstrumentPhase { phase } => format!("{phase:?}"),
            Change::BestQuote { bid, ask } => {
                // The levels of a command come before its quote.
                let [bid_level, ask_level] = Side::ALL.map(|side| listing.book.levels(side).next());
                if (listing.book.best(Side::Buy), listing.book.best(Side::Sell)) != (bid, ask) {
                    return Err(format!("the book of {} is not right", listing.symbol).into());
                }
                let show = |level: Option<PriceLevel>| {
                    level.map_or("-".to_owned(), |level| {
                        let price = price(level.price_ticks);
                        format!("{} @ {price} ({})", level.quantity, level.orders)
                    })
                };
                format!("{:>36} | {}", show(bid_level), show(ask_level))
            }
            Change::MarketPhase { .. } | Change::Refresh | Change::Level { .. } => return Ok(None),
        };
        let is_wanted = symbols.is_empty() || symbols.contains(listing.symbol.as_str());
        Ok(is_wanted.then(|| format!("{:15} {line}", listing.symbol)))
    }
}

/// `digits × 10^-scale`.
fn decimal(digits: i64, scale: u8) -> String {
    if scale == 0 {
        return digits.to_string();
    }
    let one = 10_i64.pow(scale.into());
    format!("{}.{:0width$}", digits / one, digits % one, width = scale.into())
}

/// The time of day, UTC.
fn time_of_day(time_us: i64) -> String {
    let us = time_us.rem_euclid(86_400_000_000);
    let (seconds, us) = (us / 1_000_000, us % 1_000_000);
    format!("{:02}:{:02}:{:02}.{us:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
