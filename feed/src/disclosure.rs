//! What everybody may see of what the engine did.

use std::collections::HashMap;

use matcher::{InstrumentId, PriceLevel, Sequence, Side, Stamp, View};
use rustc_hash::FxBuildHasher;

use crate::event::{BestPrice, Change, Event};

/// After so many commands all books are told anew: often enough that who wants a book of the past
/// reads little, seldom enough that it is a small part of all that is told.
pub const REFRESH: Sequence = 1 << 20;

/// Turns the events of the engine into public ones. It knows what everybody was told, so it tells
/// only what is new: a hidden order that comes and goes leaves no trace.
///
/// Made of the state of an engine, it goes on from there as any other would that had followed the
/// engine from the beginning: two of them tell the same, whenever they began.
#[derive(Debug, Default)]
pub struct Disclosure {
    /// By instrument id less one.
    books: Vec<ToldBook>,
    /// The levels that the command under way may have changed.
    touched: Vec<(InstrumentId, Side, i64)>,
    /// The instruments whose whole book it may have changed.
    shaken: Vec<InstrumentId>,
    /// Whether every book is to be told anew.
    refresh: bool,
}

#[derive(Debug, Default)]
struct ToldBook {
    levels: [HashMap<i64, (i64, u32), FxBuildHasher>; 2],
    best: [Option<BestPrice>; 2],
}

impl Disclosure {
    /// Goes on from a state that everybody has been told.
    pub fn of(exchange: &impl View) -> Self {
        let mut disclosure = Self::default();
        for instrument in 1..=exchange.instruments().len() as InstrumentId {
            let mut book = ToldBook::default();
            for side in Side::ALL {
                for level in exchange.levels(instrument, side) {
                    book.levels[side as usize]
                        .insert(level.price_ticks, (level.quantity, level.orders));
                }
                book.best[side as usize] = best(exchange, instrument, side);
            }
            disclosure.books.push(book);
        }
        disclosure
    }

    /// Adds to `told` what everybody may see of a command that was just executed. At each phase of
    /// the market and every [`REFRESH`] commands all books are told anew, so nobody has to go back
    /// further than that.
    pub fn follow(
        &mut self,
        exchange: &impl View,
        stamp: Stamp,
        events: &[matcher::Event],
        told: &mut Vec<Event>,
    ) {
        let Stamp { sequence, time_us } = stamp;
        let mut tell = |instrument: InstrumentId, change: Change| {
            told.push(Event { sequence, time_us, instrument, change });
        };
        for event in events {
            self.follow_event(exchange, event, &mut tell);
        }
        self.refresh |= sequence.is_multiple_of(REFRESH);
        if self.touched.is_empty() && self.shaken.is_empty() && !self.refresh {
            return;
        }
        self.books.resize_with(exchange.instruments().len(), ToldBook::default);
        let mut instruments: Vec<InstrumentId> = Vec::new();
        if self.refresh {
            instruments.extend(1..=self.books.len() as InstrumentId);
            self.touched.clear();
            self.shaken.clear();
        }
        for &instrument in &instruments {
            self.books[instrument as usize - 1] = ToldBook::default();
            tell(instrument, Change::Refresh);
            self.tell_book(exchange, instrument, &mut tell);
        }
        for instrument in std::mem::take(&mut self.shaken) {
            self.tell_book(exchange, instrument, &mut tell);
            instruments.push(instrument);
        }
        for (instrument, side, price_ticks) in self.touched.drain(..) {
            let level = exchange.level(instrument, side, price_ticks);
            let book = &mut self.books[instrument as usize - 1];
            if book.note(side, price_ticks, level) {
                tell(instrument, level_change(side, price_ticks, level));
                if !instruments.contains(&instrument) {
                    instruments.push(instrument);
                }
            }
        }
        for instrument in instruments {
            let now = Side::ALL.map(|side| best(exchange, instrument, side));
            let book = &mut self.books[instrument as usize - 1];
            if book.best != now || self.refresh {
                book.best = now;
                tell(instrument, Change::BestQuote { bid: now[0], ask: now[1] });
            }
        }
        self.refresh = false;
    }

    /// Every kind of event is named here, so that none is forgotten when there is a new one.
    fn follow_event(
        &mut self,
        exchange: &impl View,
        event: &matcher::Event,
        tell: &mut impl FnMut(InstrumentId, Change),
    ) {
        use matcher::Event as Happened;
        match *event {
            Happened::Trade(ref trade) => {
                tell(
                    trade.instrument,
                    Change::Trade {
                        trade_id: trade.trade_id,
                        price_ticks: trade.price_ticks,
                        quantity: trade.quantity,
                        taker_side: trade.taker_side,
                        in_auction: trade.in_auction,
                    },
                );
                if trade.in_auction {
                    // The orders rested at other prices than this one.
                    self.shake(trade.instrument);
                } else {
                    let maker_side = trade.taker_side.opposite();
                    self.touched.push((trade.instrument, maker_side, trade.price_ticks));
                }
            }
            Happened::Rested { instrument, side, price_ticks, .. }
            | Happened::Cancelled { instrument, side, price_ticks, .. }
            | Happened::Reduced { instrument, side, price_ticks, .. } => {
                self.touched.push((instrument, side, price_ticks));
            }
            Happened::Replaced { instrument, side, old_price_ticks, .. } => {
                self.touched.push((instrument, side, old_price_ticks));
            }
            Happened::Refilled { order_id, .. } => {
                // Where the order is finished by now, the event that says so names its level.
                if let Some(order) = exchange.order(order_id) {
                    self.touched.push((order.instrument, order.side, order.price_ticks));
                }
            }
            Happened::InstrumentCreated { instrument } => {
                let listed = &exchange.instruments()[instrument as usize - 1];
                let change = Change::Listed {
                    symbol: listed.symbol,
                    tick_digits: listed.tick_digits,
                    tick_scale: listed.tick_scale,
                    lot_size: listed.lot_size,
                };
                tell(instrument, change);
            }
            Happened::InstrumentPhaseChanged { instrument, phase } => {
                tell(instrument, Change::InstrumentPhase { phase });
            }
            Happened::MarketPhaseChanged { phase, trade_date } => {
                tell(0, Change::MarketPhase { phase, trade_date });
                self.refresh = true;
            }
            Happened::Uncrossed { instrument, price_ticks, quantity } => {
                tell(instrument, Change::Uncrossed { price_ticks, quantity });
                self.shake(instrument);
            }
            Happened::TradeBusted { trade_id, instrument, .. } => {
                tell(instrument, Change::Busted { trade_id });
            }
            // Of what is not displayed, or nobody's business.
            Happened::ReplaceRejected { .. }
            | Happened::Triggered { .. }
            | Happened::StopMoved { .. }
            | Happened::Rejected { .. }
            | Happened::InstrumentChanged { .. }
            | Happened::ParticipantRegistered { .. }
            | Happened::ParticipantChanged { .. }
            | Happened::AccountOpened { .. }
            | Happened::AccountChanged { .. }
            | Happened::FeeScheduleCreated { .. }
            | Happened::CashTransferred { .. }
            | Happened::SharesTransferred { .. }
            | Happened::CreditLimitSet { .. }
            | Happened::ShortLimitSet { .. }
            | Happened::RiskLimitsSet { .. }
            | Happened::Scheduled { .. }
            | Happened::ClockAdvanced { .. } => {}
        }
    }

    fn shake(&mut self, instrument: InstrumentId) {
        if !self.shaken.contains(&instrument) {
            self.shaken.push(instrument);
        }
    }

    /// Tells every level that is another than everybody was told.
    fn tell_book(
        &mut self,
        exchange: &impl View,
        instrument: InstrumentId,
        tell: &mut impl FnMut(InstrumentId, Change),
    ) {
        let book = &mut self.books[instrument as usize - 1];
        for side in Side::ALL {
            let mut gone: Vec<i64> = book.levels[side as usize]
                .keys()
                .copied()
                .filter(|price_ticks| exchange.level(instrument, side, *price_ticks).is_none())
                .collect();
            gone.sort_unstable();
            for price_ticks in gone {
                book.note(side, price_ticks, None);
                tell(instrument, level_change(side, price_ticks, None));
            }
            for level in exchange.levels(instrument, side) {
                if book.note(side, level.price_ticks, Some(level)) {
                    tell(instrument, level_change(side, level.price_ticks, Some(level)));
                }
            }
        }
    }
}

impl ToldBook {
    /// Takes note of a level; whether it is another than before.
    fn note(&mut self, side: Side, price_ticks: i64, level: Option<PriceLevel>) -> bool {
        let levels = &mut self.levels[side as usize];
        match level {
            Some(level) => {
                let now = (level.quantity, level.orders);
                levels.insert(price_ticks, now) != Some(now)
            }
            None => levels.remove(&price_ticks).is_some(),
        }
    }
}

fn level_change(side: Side, price_ticks: i64, level: Option<PriceLevel>) -> Change {
    let (quantity, orders) = level.map_or((0, 0), |level| (level.quantity, level.orders));
    Change::Level { side, price_ticks, quantity, orders }
}

fn best(exchange: &impl View, instrument: InstrumentId, side: Side) -> Option<BestPrice> {
    exchange
        .levels(instrument, side)
        .next()
        .map(|level| BestPrice { price_ticks: level.price_ticks, quantity: level.quantity })
}
