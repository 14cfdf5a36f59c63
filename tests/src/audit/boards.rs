//! What is read from shared memory, and what is read as the book: L1, L2, L3, auctions and the
//! cursors.

use std::collections::BTreeMap;

use matcher::{Instrument, InstrumentId, PriceLevel, Side, Trade, View};

use super::{Replay, differences, names};
use crate::Session;
use crate::session::NULL;

/// What differs between the boards and the replay.
pub(super) fn findings(session: &mut Session, replay: &Replay) -> Vec<String> {
    let depth = session.number("SHOW exchange.book_depth");
    let mut findings = differences("exchange.pg_stat_exchange", figures(replay), stat(session));
    findings.extend(differences("exchange.best_quotes", quotes(replay), session.rows(QUOTES)));
    findings.extend(differences("exchange.auctions", auctions(replay), session.rows(AUCTIONS)));
    for (id, instrument) in numbered(replay) {
        let symbol = instrument.symbol;
        findings.extend(differences(
            &format!("exchange.order_book('{symbol}')"),
            book(replay, id, instrument, depth as usize),
            session.rows(&format!(
                "SELECT level, bid_orders, bid_quantity, trim_scale(bid_price),
                        trim_scale(ask_price), ask_quantity, ask_orders
                 FROM exchange.order_book('{symbol}', {depth})"
            )),
        ));
        findings.extend(differences(
            &format!("exchange.order_book_l3('{symbol}')"),
            queues(replay, id, instrument),
            session.rows(&format!(
                "SELECT side, trim_scale(price), queue_position, order_id, remaining_quantity
                 FROM exchange.order_book_l3('{symbol}')"
            )),
        ));
    }
    findings
}

fn numbered(replay: &Replay) -> impl Iterator<Item = (InstrumentId, &Instrument)> {
    (1..).zip(replay.exchange.instruments())
}

fn stat(session: &mut Session) -> Vec<String> {
    session.rows(
        "SELECT market, matched, durable, published, projected, open_orders
         FROM exchange.pg_stat_exchange",
    )
}

fn figures(replay: &Replay) -> Vec<String> {
    let counters = replay.exchange.counters();
    let market = names::label(counters.market_phase);
    let (at, open_orders) = (counters.sequence, replay.exchange.open_orders());
    vec![format!("{market}|{at}|{at}|{at}|{at}|{open_orders}")]
}

const QUOTES: &str = "
    SELECT symbol, bid_quantity, trim_scale(bid_price), trim_scale(ask_price), ask_quantity,
           trim_scale(last_price), last_quantity, phase, trim_scale(reference_price)
    FROM exchange.best_quotes";

fn quotes(replay: &Replay) -> Vec<String> {
    let last: BTreeMap<InstrumentId, &Trade> =
        replay.trades.iter().map(|(_, trade)| (trade.instrument, trade)).collect();
    let row = |(id, instrument): (InstrumentId, &Instrument)| {
        let best = |side| replay.exchange.levels(id, side).next();
        let [bid_quantity, bid_price, _] = level(instrument, best(Side::Buy));
        let [ask_quantity, ask_price, _] = level(instrument, best(Side::Sell));
        let [last_price, last_quantity] = match last.get(&id) {
            Some(trade) => {
                [names::price(instrument, trade.price_ticks), trade.quantity.to_string()]
            }
            None => [NULL; 2].map(str::to_owned),
        };
        let state = replay.exchange.instrument_state(id).expect("it is listed");
        let columns = [
            instrument.symbol.to_string(),
            bid_quantity,
            bid_price,
            ask_price,
            ask_quantity,
            last_price,
            last_quantity,
            names::label(state.phase),
            names::price_unless_zero(instrument, state.reference_price_ticks),
        ];
        columns.join("|")
    };
    numbered(replay).map(row).collect()
}

const AUCTIONS: &str = "
    SELECT symbol, phase, trim_scale(indicative_price), indicative_quantity, imbalance_side,
           imbalance_quantity
    FROM exchange.auctions";

fn auctions(replay: &Replay) -> Vec<String> {
    let row = |(id, instrument): (InstrumentId, &Instrument)| {
        let phase = replay.exchange.instrument_state(id).expect("it is listed").phase;
        let auction = replay.exchange.indicative(id);
        let imbalance = auction.map_or(0, |auction| auction.imbalance);
        let side = match imbalance {
            0 => None,
            1.. => Some("buy"),
            _ => Some("sell"),
        };
        let columns = [
            instrument.symbol.to_string(),
            names::label(phase),
            names::or_null(auction.map(|auction| names::price(instrument, auction.price_ticks))),
            names::or_null(auction.map(|auction| auction.quantity)),
            names::or_null(side),
            names::unless_zero(imbalance.unsigned_abs()),
        ];
        phase.is_auction().then(|| columns.join("|"))
    };
    numbered(replay).filter_map(row).collect()
}

fn book(replay: &Replay, id: InstrumentId, instrument: &Instrument, depth: usize) -> Vec<String> {
    let [bids, asks] =
        Side::ALL.map(|side| replay.exchange.levels(id, side).collect::<Vec<PriceLevel>>());
    (0..bids.len().max(asks.len()).min(depth))
        .map(|at| {
            let [bid_quantity, bid_price, bids] = level(instrument, bids.get(at).copied());
            let [ask_quantity, ask_price, asks] = level(instrument, asks.get(at).copied());
            let number = at + 1;
            format!("{number}|{bids}|{bid_quantity}|{bid_price}|{ask_price}|{ask_quantity}|{asks}")
        })
        .collect()
}

/// Quantity, price and number of orders.
fn level(instrument: &Instrument, level: Option<PriceLevel>) -> [String; 3] {
    match level {
        Some(PriceLevel { price_ticks, quantity, orders }) => {
            [quantity.to_string(), names::price(instrument, price_ticks), orders.to_string()]
        }
        None => [NULL; 3].map(str::to_owned),
    }
}

fn queues(replay: &Replay, id: InstrumentId, instrument: &Instrument) -> Vec<String> {
    let mut rows = Vec::new();
    for side in Side::ALL {
        let mut place = (0, 0);
        for order in replay.exchange.queue(id, side).filter(|order| order.displayed > 0) {
            place = match place {
                (price, position) if price == order.price_ticks => (price, position + 1),
                _ => (order.price_ticks, 1),
            };
            rows.push(format!(
                "{}|{}|{}|{}|{}",
                names::label(side),
                names::price(instrument, order.price_ticks),
                place.1,
                order.order_id,
                order.displayed,
            ));
        }
    }
    rows
}
