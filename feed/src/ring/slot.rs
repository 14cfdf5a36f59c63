//! An event as the seven words of a slot that come after its position.

use crate::event::{BestPrice, Change, Event, Kind};
use matcher::{InstrumentPhase, MarketPhase, Side, Symbol};

/// Words of an event.
pub const EVENT_WORDS: usize = 7;
/// Which of them is the sequence number.
pub const SEQUENCE: usize = 0;

/// The words of an event:
/// sequence, time, `instrument | kind << 32 | detail << 40`, and four that depend on the kind.
#[inline]
pub fn words_of(event: &Event) -> [u64; EVENT_WORDS] {
    let (detail, fields) = match event.change {
        Change::Listed { ref symbol, tick_digits, tick_scale, lot_size } => {
            let symbol = symbol.as_str().as_bytes();
            let mut bytes = [0; 16];
            bytes[..symbol.len()].copy_from_slice(symbol);
            let [low, high] = [0, 8].map(|at| {
                u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight of 16 bytes"))
            });
            let tick = u64::from(tick_digits) | u64::from(tick_scale) << 32;
            (symbol.len() as u64, [low, high, tick, lot_size as u64])
        }
        Change::Trade { trade_id, price_ticks, quantity, taker_side, in_auction } => (
            taker_side as u64 | u64::from(in_auction) << 1,
            [price_ticks as u64, quantity as u64, trade_id, 0],
        ),
        Change::Busted { trade_id } => (0, [0, 0, trade_id, 0]),
        Change::Uncrossed { price_ticks, quantity } => {
            (0, [price_ticks as u64, quantity as u64, 0, 0])
        }
        Change::InstrumentPhase { phase } => (phase as u64, [0; 4]),
        Change::MarketPhase { phase, trade_date } => {
            (phase as u64, [i64::from(trade_date) as u64, 0, 0, 0])
        }
        Change::Refresh => (0, [0; 4]),
        Change::Level { side, price_ticks, quantity, orders } => {
            (side as u64, [price_ticks as u64, quantity as u64, orders.into(), 0])
        }
        Change::BestQuote { bid, ask } => {
            let words = |best: Option<BestPrice>| {
                best.map_or([0, 0], |best| [best.price_ticks as u64, best.quantity as u64])
            };
            let ([bid_price, bid_quantity], [ask_price, ask_quantity]) = (words(bid), words(ask));
            (
                u64::from(bid.is_some()) | u64::from(ask.is_some()) << 1,
                [bid_price, bid_quantity, ask_price, ask_quantity],
            )
        }
    };
    let head = u64::from(event.instrument) | (event.change.kind() as u64) << 32 | detail << 40;
    [event.sequence, event.time_us as u64, head, fields[0], fields[1], fields[2], fields[3]]
}

/// The event, if the words are one.
#[inline]
pub fn event_of(words: &[u64; EVENT_WORDS]) -> Option<Event> {
    let [sequence, time_us, head, first, second, third, fourth] = *words;
    let detail = (head >> 40) as usize;
    let side = || Side::ALL.get(detail & 1).copied();
    let kind = (head >> 32) as u8;
    let change = match Kind::ALL.get(usize::from(kind).wrapping_sub(1))? {
        Kind::Listed => {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&first.to_ne_bytes());
            bytes[8..].copy_from_slice(&second.to_ne_bytes());
            Change::Listed {
                symbol: Symbol::new(str::from_utf8(bytes.get(..detail)?).ok()?)?,
                tick_digits: third as u32,
                tick_scale: (third >> 32) as u8,
                lot_size: fourth as i64,
            }
        }
        Kind::Trade => Change::Trade {
            trade_id: third,
            price_ticks: first as i64,
            quantity: second as i64,
            taker_side: side()?,
            in_auction: detail & 2 != 0,
        },
        Kind::Busted => Change::Busted { trade_id: third },
        Kind::Uncrossed => Change::Uncrossed { price_ticks: first as i64, quantity: second as i64 },
        Kind::InstrumentPhase => {
            Change::InstrumentPhase { phase: *InstrumentPhase::ALL.get(detail)? }
        }
        Kind::MarketPhase => {
            Change::MarketPhase { phase: *MarketPhase::ALL.get(detail)?, trade_date: first as i32 }
        }
        Kind::Refresh => Change::Refresh,
        Kind::Level => Change::Level {
            side: side()?,
            price_ticks: first as i64,
            quantity: second as i64,
            orders: third as u32,
        },
        Kind::BestQuote => {
            let best = |bit, price_ticks, quantity| {
                (detail & bit != 0).then_some(BestPrice {
                    price_ticks: price_ticks as i64,
                    quantity: quantity as i64,
                })
            };
            Change::BestQuote { bid: best(1, first, second), ask: best(2, third, fourth) }
        }
    };
    Some(Event { sequence, time_us: time_us as i64, instrument: head as u32, change })
}
