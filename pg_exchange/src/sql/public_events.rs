//! The public events of the past, out of the blocks of `exchange.market_data`. They are read as
//! any query of the caller would read them, so this works wherever the tables are.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use feed::codec::Head;
use feed::{BestPrice, Book, Change, Event, Kind};
use matcher::{Instrument, InstrumentId, Sequence, Side, Symbol};
use pgrx::pg_sys::{self, Datum};
use pgrx::{PgSqlErrorCode, Spi};

use super::call::Call;
use super::{kept, labels};
use crate::datum::text;
use crate::errors::{not_negative, raise, required};
use crate::price;
use crate::workers::market_data::{self, Place};

/// Rows of `exchange.depth_history()`, at most.
const MAXIMUM_STEPS: usize = 1_000_000;

/// `exchange.events_after`
pub fn events_after(call: Call) -> Datum {
    let after = not_negative(required(call.argument(0), "after"), "after") as Sequence;
    let mut listed = Listed::read();
    let of = listed.of_argument(&call, 1);
    let maximum = above_0(required(call.argument(2), "maximum"), "maximum");
    kept::expect_events_after(after);
    let kinds = labels::oids_of(labels::type_named("market_event"), labels::MARKET_EVENTS);
    let sides = labels::oids_of(labels::type_named("side"), labels::SIDES);
    let phases = labels::oids_of(labels::type_named("instrument_phase"), labels::INSTRUMENT_PHASES);
    let mut symbols = listed.symbols();

    let mut rows = call.rows();
    let (mut count, mut last) = (0, after);
    let is_wanted = |head: &Head| {
        head.sequence > after && of.is_none_or(|of| [0, of].contains(&head.instrument))
    };
    for_each_event(&Place::of_sequence(after + 1), is_wanted, |event| {
        if count >= maximum && event.sequence != last {
            return ControlFlow::Break(());
        }
        count += 1;
        last = event.sequence;
        // In a transaction that has written something, each query sees what is there by then.
        if event.instrument as usize > symbols.len() {
            listed = Listed::read();
            symbols = listed.symbols();
        }
        let price = |ticks: i64| price::from_ticks(listed.instrument(event.instrument), ticks);
        rows.add_made(|| {
            let mut row = [None; 16];
            row[0] = Some(Datum::from(event.sequence));
            row[1] = Some(Datum::from(event.time_us));
            row[2] = (event.instrument != 0).then(|| symbols[event.instrument as usize - 1]);
            row[3] = Some(Datum::from(kinds[event.change.kind() as usize - 1]));
            match event.change {
                Change::Trade { trade_id, price_ticks, quantity, taker_side, in_auction } => {
                    row[4] = Some(Datum::from(sides[taker_side as usize]));
                    row[5] = Some(price(price_ticks));
                    row[6] = Some(Datum::from(quantity));
                    row[8] = Some(Datum::from(trade_id));
                    row[9] = Some(Datum::from(in_auction));
                }
                Change::Busted { trade_id } => row[8] = Some(Datum::from(trade_id)),
                Change::Uncrossed { price_ticks, quantity } => {
                    row[5] = Some(price(price_ticks));
                    row[6] = Some(Datum::from(quantity));
                }
                Change::Level { side, price_ticks, quantity, orders } => {
                    row[4] = Some(Datum::from(sides[side as usize]));
                    row[5] = Some(price(price_ticks));
                    row[6] = Some(Datum::from(quantity));
                    row[7] = Some(Datum::from(orders));
                }
                Change::BestQuote { bid, ask } => {
                    let quote = quote_columns(listed.instrument(event.instrument), bid, ask);
                    row[10..14].copy_from_slice(&quote);
                }
                Change::InstrumentPhase { phase } => {
                    row[14] = Some(Datum::from(phases[phase as usize]));
                }
                Change::MarketPhase { phase, trade_date } => {
                    // Those of the market are phases of instruments too, of the same numbers.
                    row[14] = Some(Datum::from(phases[phase as usize]));
                    row[15] = Some(Datum::from(trade_date));
                }
                Change::Listed { .. } | Change::Refresh => {}
            }
            row
        });
        ControlFlow::Continue(())
    });
    call.null()
}

/// `exchange.quote_history`
pub fn quote_history(call: Call) -> Datum {
    let listed = Listed::read();
    let of = listed.of_argument(&call, 0);
    let (from_us, to_us) = period(&call, 1);
    kept::expect_kept(from_us);
    let symbols = listed.symbols();

    let mut rows = call.rows();
    let mut add = |sequence: Sequence, at_us: i64, instrument: InstrumentId, quote: Quote| {
        rows.add_made(|| {
            let [bid_price, bid_quantity, ask_price, ask_quantity] =
                quote_columns(listed.instrument(instrument), quote.0, quote.1);
            [
                Some(Datum::from(sequence)),
                Some(Datum::from(at_us)),
                Some(symbols[instrument as usize - 1]),
                bid_price,
                bid_quantity,
                ask_price,
                ask_quantity,
            ]
        });
    };
    let mut in_force: BTreeMap<InstrumentId, (Sequence, Quote)> = BTreeMap::new();
    let mut has_begun = false;
    let is_wanted = |head: &Head| {
        head.kind == Kind::BestQuote && of.is_none_or(|instrument| instrument == head.instrument)
    };
    for_each_event(&Place::followed_from(from_us, to_us), is_wanted, |event| {
        let Change::BestQuote { bid, ask } = event.change else { return ControlFlow::Continue(()) };
        if event.time_us >= to_us {
            return ControlFlow::Break(());
        }
        if !has_begun && event.time_us >= from_us {
            has_begun = true;
            for (&instrument, &(sequence, quote)) in &in_force {
                add(sequence, from_us, instrument, quote);
            }
        }
        let before = in_force.insert(event.instrument, (event.sequence, (bid, ask)));
        // It may only have been told anew.
        if has_begun && before.is_none_or(|(_, before)| before != (bid, ask)) {
            add(event.sequence, event.time_us, event.instrument, (bid, ask));
        }
        ControlFlow::Continue(())
    });
    if !has_begun {
        for (&instrument, &(sequence, quote)) in &in_force {
            add(sequence, from_us, instrument, quote);
        }
    }
    call.null()
}

/// `exchange.depth_history`
pub fn depth_history(call: Call) -> Datum {
    let listed = Listed::read();
    required(call.argument::<&str>(0), "symbol");
    let of = listed.of_argument(&call, 0).expect("it is not NULL");
    let (from_us, to_us) = period(&call, 1);
    kept::expect_kept(from_us);
    let step: pg_sys::Interval = required(call.argument(3), "step");
    let levels = above_0(required(call.argument(4), "levels"), "levels");
    let instrument = *listed.instrument(of);
    let moments = moments(from_us, to_us.min(end_of_data_us()), step);

    let mut rows = call.rows();
    let mut due = moments.into_iter().peekable();
    let mut show = |at_us: i64, book: &Book| {
        let sums = |side: Side| {
            let mut best = None;
            let (mut quantity, mut orders) = (0, 0);
            for level in book.levels(side).take(levels) {
                best.get_or_insert(level.price_ticks);
                quantity += level.quantity;
                orders += i64::from(level.orders);
            }
            (best, quantity, orders)
        };
        let (bid, bid_quantity, bid_orders) = sums(Side::Buy);
        let (ask, ask_quantity, ask_orders) = sums(Side::Sell);
        rows.add_made(|| {
            [
                Some(Datum::from(at_us)),
                bid.map(|ticks| price::from_ticks(&instrument, ticks)),
                ask.map(|ticks| price::from_ticks(&instrument, ticks)),
                Some(Datum::from(bid_quantity)),
                Some(Datum::from(ask_quantity)),
                Some(Datum::from(bid_orders)),
                Some(Datum::from(ask_orders)),
            ]
        });
    };
    // What happens at a moment belongs to it.
    let place = Place::followed_from(from_us, to_us.saturating_add(1));
    let (mut book, known) = kept::book_before(&call, &place, of);
    let is_wanted = |head: &Head| {
        head.instrument == of
            && head.sequence > known
            && matches!(head.kind, Kind::Level | Kind::Refresh)
    };
    for_each_event(&place, is_wanted, |event| {
        while let Some(at_us) = due.next_if(|at_us| *at_us < event.time_us) {
            show(at_us, &book);
        }
        book.apply(&event.change);
        if due.peek().is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    due.for_each(|at_us| show(at_us, &book));
    call.null()
}

/// Bid and offer.
type Quote = (Option<BestPrice>, Option<BestPrice>);

/// Price and quantity of the bid, then of the offer.
fn quote_columns(
    instrument: &Instrument,
    bid: Option<BestPrice>,
    ask: Option<BestPrice>,
) -> [Option<Datum>; 4] {
    let price =
        |best: Option<BestPrice>| best.map(|best| price::from_ticks(instrument, best.price_ticks));
    let quantity = |best: Option<BestPrice>| best.map(|best| Datum::from(best.quantity));
    [price(bid), quantity(bid), price(ask), quantity(ask)]
}

/// An argument that says how many.
pub(super) fn above_0(value: i32, name: &str) -> usize {
    if value < 1 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{name} must be above 0"),
            format!("It is {value}."),
            "Give at least 1.",
        );
    }
    value as usize
}

/// Two arguments, from when on and until when.
fn period(call: &Call, place: usize) -> (i64, i64) {
    let from_us: i64 = required(call.argument(place), "\"from\"");
    let to_us: i64 = required(call.argument(place + 1), "\"to\"");
    if to_us < from_us {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "\"to\" is before \"from\"",
            "A period ends after it begins.",
            "Give the earlier time first.",
        );
    }
    (from_us, to_us)
}

/// The times from one to another, a step between each two.
fn moments(from_us: i64, to_us: i64, step: pg_sys::Interval) -> Vec<i64> {
    let bad_step = |detail: &str| -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "the step is out of range",
            detail,
            "Give a step above 0 that fits into the period at most 1,000,000 times.",
        )
    };
    let mut moments = Vec::new();
    let mut at_us = from_us;
    while at_us <= to_us {
        if moments.len() == MAXIMUM_STEPS {
            bad_step("It fits into the period more than 1,000,000 times.");
        }
        moments.push(at_us);
        let interval = Datum::from(&raw const step);
        // SAFETY: the function of this SQL signature, with a timestamptz and an interval.
        let next = unsafe {
            pgrx::direct_function_call_as_datum(
                pg_sys::timestamptz_pl_interval,
                &[Some(Datum::from(at_us)), Some(interval)],
            )
        };
        let next_us = next.expect("a sum of times is no NULL").value() as i64;
        if next_us <= at_us {
            bad_step("It is not above 0.");
        }
        at_us = next_us;
    }
    moments
}

/// Up to when the tables can say anything: now, or the end of the data where the clock of the
/// exchange is ahead of this server's.
fn end_of_data_us() -> i64 {
    // SAFETY: the clock may be read anywhere.
    let now_us = unsafe { pg_sys::GetCurrentTimestamp() };
    market_data::last_time_us().map_or(now_us, |last_us| now_us.max(last_us))
}

/// The instruments, by id.
pub(super) struct Listed(Vec<Instrument>);

impl Listed {
    /// As the tables have them.
    pub(super) fn read() -> Self {
        let read = Spi::connect(|client| -> Result<Vec<Instrument>, pgrx::spi::SpiError> {
            client
                .select(
                    "SELECT symbol, (tick_size OPERATOR(pg_catalog.*) 1000000000)::bigint
                     FROM exchange.instruments ORDER BY instrument_id",
                    None,
                    &[],
                )?
                .map(|row| {
                    let symbol = row.get::<String>(1)?.unwrap_or_default();
                    let mut digits = row.get::<i64>(2)?.unwrap_or(1);
                    let mut tick_scale = matcher::MONEY_SCALE;
                    while tick_scale > 0 && digits % 10 == 0 {
                        digits /= 10;
                        tick_scale -= 1;
                    }
                    Ok(Instrument {
                        symbol: Symbol::new(&symbol).expect("a symbol has 1 to 15 bytes"),
                        currency: matcher::CurrencyCode::new("-").expect("one byte"),
                        tick_digits: digits as u32,
                        tick_scale,
                        lot_size: 1,
                        maximum_price_ticks: matcher::MAXIMUM_PRICE_TICKS,
                    })
                })
                .collect()
        });
        Self(read.unwrap_or_else(|error| panic!("exchange.instruments cannot be read: {error}")))
    }

    /// One that an event names.
    pub(super) fn instrument(&self, id: InstrumentId) -> &Instrument {
        self.0.get((id as usize).wrapping_sub(1)).unwrap_or_else(|| {
            raise_damaged(format!("An event is of instrument {id}, and there is none."))
        })
    }

    /// The symbols as values, by id less one.
    pub(super) fn symbols(&self) -> Vec<Datum> {
        self.0.iter().map(|instrument| text(instrument.symbol.as_str())).collect()
    }

    /// The instrument whose symbol is an argument; `None` for NULL.
    pub(super) fn of_argument(&self, call: &Call, place: usize) -> Option<InstrumentId> {
        let symbol = call.argument::<&str>(place)?;
        let index = self.0.iter().position(|listed| listed.symbol.as_str() == symbol);
        let index = index.unwrap_or_else(|| super::instruments::raise_unknown(symbol));
        Some(index as InstrumentId + 1)
    }
}

/// Hands out the events that are wanted, in their order, until it is told to stop.
pub(super) fn for_each_event(
    place: &Place,
    is_wanted: impl Fn(&Head) -> bool,
    each: impl FnMut(&Event) -> ControlFlow<()>,
) {
    market_data::for_each_event(place, is_wanted, each)
        .unwrap_or_else(|detail| raise_damaged(detail));
}

fn raise_damaged(detail: String) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
        "exchange.market_data is damaged",
        detail,
        "Restore the table from a backup, or leave the period out.",
    )
}
