//! The book and the best quotes, from the boards.

use matcher::{Instrument, PriceLevel};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Datum;

use super::call::{Call, Rows};
use super::instruments;
use super::labels;
use super::venue::Venue;
use crate::datum::text;
use crate::errors::{raise, required};
use crate::price;

/// `exchange.order_book`
pub fn order_book(call: Call) -> Datum {
    let venue = Venue::of(&call);
    venue.wait_for_books();
    let shared = venue.shared;
    let (id, instrument) = instruments::of_call(&shared.directory, &call);
    let depth: i32 = required(call.argument(1), "depth");
    let Some(depth) =
        usize::try_from(depth).ok().filter(|d| (1..=shared.boards.depth()).contains(d))
    else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the depth is out of range",
            format!("It is {depth}, exchange.book_depth is {}.", shared.boards.depth()),
            "Ask for fewer levels, or raise exchange.book_depth and restart the server.",
        )
    };
    let book = shared.boards.read(id, depth);
    add_levels(&mut call.rows(), &instrument, &book.bids, &book.asks);
    call.null()
}

/// The rows of a book, from the best levels on.
pub fn add_levels(
    rows: &mut Rows,
    instrument: &Instrument,
    bids: &[PriceLevel],
    asks: &[PriceLevel],
) {
    for level in 0..bids.len().max(asks.len()) {
        let columns = |side: &[PriceLevel]| match side.get(level) {
            Some(level) => [
                Some(Datum::from(level.orders)),
                Some(Datum::from(level.quantity)),
                Some(price::from_ticks(instrument, level.price_ticks)),
            ],
            None => [None; 3],
        };
        let [bid_orders, bid_quantity, bid_price] = columns(bids);
        let [ask_orders, ask_quantity, ask_price] = columns(asks);
        rows.add([
            Some(Datum::from(level as i32 + 1)),
            bid_orders,
            bid_quantity,
            bid_price,
            ask_price,
            ask_quantity,
            ask_orders,
        ]);
    }
}

/// `exchange.quotes`
pub fn quotes(call: Call) -> Datum {
    let venue = Venue::of(&call);
    venue.wait_for_books();
    let shared = venue.shared;
    let phases = labels::oids_of(labels::type_named("instrument_phase"), labels::INSTRUMENT_PHASES);
    let sides = labels::oids_of(labels::type_named("side"), labels::SIDES);
    let mut rows = call.rows();
    for id in 1..=shared.directory.instrument_count() {
        let instrument = instruments::by_id(&shared.directory, id);
        let book = shared.boards.read(id, 1);
        let best = |side: &[PriceLevel]| {
            side.first().map(|level| {
                (Datum::from(level.quantity), price::from_ticks(&instrument, level.price_ticks))
            })
        };
        let (bid, ask) = (best(&book.bids), best(&book.asks));
        let heading = book.heading;
        let price = |ticks: i64| price::from_ticks(&instrument, ticks);
        let imbalance = heading.indicative.map_or(0, |indicative| indicative.imbalance);
        rows.add([
            Some(text(instrument.symbol.as_str())),
            bid.map(|bid| bid.0),
            bid.map(|bid| bid.1),
            ask.map(|ask| ask.1),
            ask.map(|ask| ask.0),
            heading.last_trade.map(|(ticks, _)| price(ticks)),
            heading.last_trade.map(|(_, quantity)| Datum::from(quantity)),
            Some(Datum::from(heading.sequence)),
            Some(Datum::from(phases[heading.phase as usize])),
            heading.reference_price_ticks.map(price),
            heading.indicative.map(|indicative| price(indicative.price_ticks)),
            heading.indicative.map(|indicative| Datum::from(indicative.quantity)),
            (imbalance != 0).then(|| Datum::from(sides[usize::from(imbalance < 0)])),
            (imbalance != 0).then(|| Datum::from(imbalance.abs())),
        ]);
    }
    call.null()
}
