//! The public events, one command after the other: everything that happened in public was told,
//! and a book made of what was told is the book of the replay, after every command.

use std::collections::{BTreeMap, BTreeSet};

use matcher::{Event, Instrument, InstrumentId, NaiveExchange, Side, Stamp, View};

use super::names;
use crate::Session;
use crate::session::NULL;

/// The columns of an event as text, behind its sequence.
const EVENTS: &str = "
    SELECT e.sequence,
           (extract(epoch FROM e.at) * 1000000)::bigint - 946684800000000 AS time_us,
           coalesce(i.instrument_id, 0), e.event, e.side, trim_scale(e.price), e.quantity, e.orders,
           e.trade_id, e.in_auction, trim_scale(e.bid_price), e.bid_quantity,
           trim_scale(e.ask_price), e.ask_quantity, e.phase, e.trade_date - '2000-01-01'
    FROM exchange.events_after({after}, NULL, 2147483647) WITH ORDINALITY AS e
    LEFT JOIN exchange.instruments AS i USING (symbol)
    ORDER BY e.ordinality";

/// Findings, at most: one leads to many.
const MOST: usize = 3;

/// What everybody was told.
#[derive(Default)]
pub(super) struct PublicEvents {
    /// Rows by the command that they came of.
    told: BTreeMap<u64, Vec<Vec<String>>>,
    books: BTreeMap<InstrumentId, ToldBook>,
    findings: Vec<String>,
}

#[derive(Default)]
struct ToldBook {
    /// Quantity and orders by side and price, all as text.
    levels: BTreeMap<(String, String), String>,
    /// Bid, its quantity, offer, its quantity.
    quote: Option<String>,
}

impl PublicEvents {
    /// Reads what was told of the commands after one.
    pub(super) fn read(&mut self, session: &mut Session, after: u64) {
        for row in session.rows(&EVENTS.replace("{after}", &after.to_string())) {
            let columns: Vec<String> = row.split('|').map(str::to_owned).collect();
            let sequence = columns[0].parse().expect("a sequence is a number");
            self.told.entry(sequence).or_default().push(columns);
        }
    }

    /// Compares what was told of a command with what came of it.
    pub(super) fn follow(&mut self, exchange: &NaiveExchange, stamp: Stamp, events: &[Event]) {
        if self.findings.len() >= MOST {
            return;
        }
        let told = self.told.remove(&stamp.sequence).unwrap_or_default();
        let mut touched = BTreeSet::new();
        let mut happened = Vec::new();
        for row in &told {
            let instrument: InstrumentId = row[2].parse().expect("an id is a number");
            if row[1] != stamp.time_us.to_string() {
                self.find(format!("command {}: another time in {row:?}", stamp.sequence));
            }
            let book = self.books.entry(instrument).or_default();
            match row[3].as_str() {
                "refresh" => book.levels.clear(),
                "level" => {
                    let key = (row[4].clone(), row[5].clone());
                    if row[6] == "0" {
                        book.levels.remove(&key);
                    } else {
                        book.levels.insert(key, row[6..8].join("|"));
                    }
                }
                "quote" => book.quote = Some(row[10..14].join("|")),
                _ => {
                    happened.push(row[2..].join("|"));
                    continue;
                }
            }
            touched.insert(instrument);
        }
        let expected: Vec<String> =
            events.iter().filter_map(|event| public(exchange, event)).collect();
        if happened != expected {
            self.find(format!(
                "command {}: there was told {happened:?}, there happened {expected:?}",
                stamp.sequence
            ));
        }
        touched.extend(events.iter().filter_map(instrument_of));
        for instrument in touched {
            self.compare_book(exchange, stamp.sequence, instrument);
        }
    }

    fn compare_book(&mut self, exchange: &NaiveExchange, sequence: u64, id: InstrumentId) {
        let instrument = &exchange.instruments()[id as usize - 1];
        let mut levels = BTreeMap::new();
        let mut quote = Vec::new();
        for side in Side::ALL {
            let mut best = [NULL; 2].map(str::to_owned);
            for level in exchange.levels(id, side) {
                let price = names::price(instrument, level.price_ticks);
                if best[0] == NULL {
                    best = [price.clone(), level.quantity.to_string()];
                }
                let shown = format!("{}|{}", level.quantity, level.orders);
                levels.insert((names::label(side), price), shown);
            }
            quote.extend(best);
        }
        let quote = quote.join("|");
        let book = self.books.entry(id).or_default();
        // Before the first quote nobody was told that there is none.
        let nothing = [NULL; 4].join("|");
        let told_quote = book.quote.as_ref().unwrap_or(&nothing);
        if book.levels != levels || *told_quote != quote {
            let finding = format!(
                "command {sequence}, instrument {id}: the book as told is {:?} and {told_quote}, \
                 the book is {levels:?} and {quote}",
                book.levels,
            );
            self.find(finding);
        }
    }

    fn find(&mut self, finding: String) {
        self.findings.push(format!("exchange.market_data, {finding}"));
    }

    /// All that is wrong, after the last command.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut findings = self.findings.clone();
        if let Some((sequence, rows)) = self.told.first_key_value().filter(|_| findings.is_empty())
        {
            findings.push(format!(
                "exchange.market_data: there is no command {sequence}, of which was told {rows:?}"
            ));
        }
        findings
    }
}

/// What is told of an event by itself, as the columns from the instrument on.
fn public(exchange: &NaiveExchange, event: &Event) -> Option<String> {
    let mut row = vec![NULL.to_owned(); 14];
    let instrument = |id: InstrumentId| -> &Instrument { &exchange.instruments()[id as usize - 1] };
    let mut set = |place: usize, value: String| row[place] = value;
    match *event {
        Event::Trade(ref trade) => {
            set(0, trade.instrument.to_string());
            set(1, "trade".to_owned());
            set(2, names::label(trade.taker_side));
            set(3, names::price(instrument(trade.instrument), trade.price_ticks));
            set(4, trade.quantity.to_string());
            set(6, trade.trade_id.to_string());
            set(7, names::boolean(trade.in_auction).to_owned());
        }
        Event::TradeBusted { trade_id, instrument, .. } => {
            set(0, instrument.to_string());
            set(1, "bust".to_owned());
            set(6, trade_id.to_string());
        }
        Event::Uncrossed { instrument: id, price_ticks, quantity } => {
            set(0, id.to_string());
            set(1, "auction".to_owned());
            set(3, names::price(instrument(id), price_ticks));
            set(4, quantity.to_string());
        }
        Event::InstrumentCreated { instrument } => {
            set(0, instrument.to_string());
            set(1, "listed".to_owned());
        }
        Event::InstrumentPhaseChanged { instrument, phase } => {
            set(0, instrument.to_string());
            set(1, "instrument_phase".to_owned());
            set(12, names::label(phase));
        }
        Event::MarketPhaseChanged { phase, trade_date } => {
            set(0, "0".to_owned());
            set(1, "market_phase".to_owned());
            set(12, names::label(phase));
            set(13, trade_date.to_string());
        }
        _ => return None,
    }
    Some(row.join("|"))
}

/// The instrument whose book an event may change.
fn instrument_of(event: &Event) -> Option<InstrumentId> {
    match *event {
        Event::Trade(ref trade) => Some(trade.instrument),
        Event::Rested { instrument, .. }
        | Event::Cancelled { instrument, .. }
        | Event::Reduced { instrument, .. }
        | Event::Replaced { instrument, .. }
        | Event::Triggered { instrument, .. }
        | Event::Uncrossed { instrument, .. } => Some(instrument),
        _ => None,
    }
}
