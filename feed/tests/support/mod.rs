//! Events to test with, and places to put them.

// Each test takes some of it.
#![allow(dead_code)]

use feed::{BestPrice, Change, Event};
use matcher::{InstrumentPhase, MarketPhase, Side, Symbol};
use proptest::prelude::*;
use proptest::sample::select;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Numbers of every size.
pub fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(bits, shift)| bits >> shift)
}

fn small() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32u32).prop_map(|(bits, shift)| bits >> shift)
}

fn amount() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0..64u32).prop_map(|(bits, shift)| bits >> shift)
}

fn side() -> impl Strategy<Value = Side> {
    select(Side::ALL.to_vec())
}

fn best() -> impl Strategy<Value = Option<BestPrice>> {
    proptest::option::of(
        (amount(), amount())
            .prop_map(|(price_ticks, quantity)| BestPrice { price_ticks, quantity }),
    )
}

/// Whatever can happen, with whatever its fields can hold.
pub fn change() -> impl Strategy<Value = Change> {
    let symbol = "[A-Zé.]{1,15}".prop_filter_map("too long", |symbol| Symbol::new(&symbol));
    prop_oneof![
        (symbol, small(), any::<u8>(), amount()).prop_map(
            |(symbol, tick_digits, scale, lot_size)| {
                Change::Listed { symbol, tick_digits, tick_scale: scale, lot_size }
            }
        ),
        (number(), amount(), amount(), side(), any::<bool>()).prop_map(
            |(trade_id, price_ticks, quantity, taker_side, in_auction)| Change::Trade {
                trade_id,
                price_ticks,
                quantity,
                taker_side,
                in_auction
            }
        ),
        number().prop_map(|trade_id| Change::Busted { trade_id }),
        (amount(), amount())
            .prop_map(|(price_ticks, quantity)| Change::Uncrossed { price_ticks, quantity }),
        select(InstrumentPhase::ALL.to_vec()).prop_map(|phase| Change::InstrumentPhase { phase }),
        (select(MarketPhase::ALL.to_vec()), any::<i32>())
            .prop_map(|(phase, trade_date)| Change::MarketPhase { phase, trade_date }),
        Just(Change::Refresh),
        (side(), amount(), amount(), small()).prop_map(|(side, price_ticks, quantity, orders)| {
            Change::Level { side, price_ticks, quantity, orders }
        }),
        (side(), amount()).prop_map(|(side, price_ticks)| Change::Level {
            side,
            price_ticks,
            quantity: 0,
            orders: 0
        }),
        (best(), best()).prop_map(|(bid, ask)| Change::BestQuote { bid, ask }),
    ]
}

/// Events in an order in which they can come.
pub fn events() -> impl Strategy<Value = Vec<Event>> {
    // Sequence numbers passed over, time elapsed; in the same command where there is neither.
    let step = prop_oneof![
        Just(None),
        (number().prop_map(|passed| passed >> 20), number().prop_map(|time| time >> 20))
            .prop_map(Some),
    ];
    let instrument = prop_oneof![0..3u32, small()];
    let steps = proptest::collection::vec((step, instrument, change()), 0..40);
    (number(), any::<i64>(), steps).prop_map(|(first_sequence, first_time_us, steps)| {
        let (mut sequence, mut time_us) = (first_sequence >> 1, first_time_us >> 1);
        let mut events = Vec::new();
        for (step, instrument, change) in steps {
            if let Some((passed, elapsed)) = step {
                sequence += passed + 1;
                time_us += elapsed as i64;
            }
            events.push(Event { sequence, time_us, instrument, change });
        }
        events
    })
}

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder of its own, removed when the test is over.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("feed-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn ring(&self) -> PathBuf {
        self.path("ring")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Events with the words that they are in a ring.
pub mod ring_of {
    use super::*;

    /// One of each kind, all of one command.
    pub fn every_kind(sequence: u64) -> Vec<Event> {
        let best = |price_ticks, quantity| Some(BestPrice { price_ticks, quantity });
        [
            Change::Listed {
                symbol: Symbol::new("ABCDEFGHIJ").unwrap(),
                tick_digits: 5,
                tick_scale: 2,
                lot_size: 10,
            },
            Change::Trade {
                trade_id: 9,
                price_ticks: 101,
                quantity: 7,
                taker_side: Side::Sell,
                in_auction: true,
            },
            Change::Busted { trade_id: 9 },
            Change::Uncrossed { price_ticks: 101, quantity: 7 },
            Change::InstrumentPhase { phase: InstrumentPhase::Halted },
            Change::MarketPhase { phase: MarketPhase::Continuous, trade_date: -1 },
            Change::Refresh,
            Change::Level { side: Side::Sell, price_ticks: 101, quantity: 7, orders: 2 },
            Change::BestQuote { bid: best(101, 7), ask: best(102, 8) },
            Change::BestQuote { bid: None, ask: best(102, 8) },
        ]
        .map(|change| Event { sequence, time_us: -5, instrument: 3, change })
        .to_vec()
    }

    /// The same, as `docs/feed.md` has them.
    pub fn every_kind_in_words(sequence: u64) -> Vec<[u64; 7]> {
        let text = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
        [
            (1, 10, [text(b"ABCDEFGH"), text(b"IJ\0\0\0\0\0\0"), 5 | 2 << 32, 10]),
            (2, 3, [101, 7, 9, 0]),
            (3, 0, [0, 0, 9, 0]),
            (4, 0, [101, 7, 0, 0]),
            (5, 5, [0; 4]),
            (6, 2, [u64::MAX, 0, 0, 0]),
            (7, 0, [0; 4]),
            (8, 1, [101, 7, 2, 0]),
            (9, 3, [101, 7, 102, 8]),
            (9, 2, [0, 0, 102, 8]),
        ]
        .map(|(kind, detail, fields): (u64, u64, [u64; 4])| {
            let [first, second, third, fourth] = fields;
            let head = 3 | kind << 32 | detail << 40;
            [sequence, -5_i64 as u64, head, first, second, third, fourth]
        })
        .to_vec()
    }
}
