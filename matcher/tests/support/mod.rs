//! What the comparing tests share: where commands come from, and the two exchanges that
//! get the same ones.

use matcher::*;
use proptest::test_runner::{Config as ProptestConfig, FileFailurePersistence};
use std::collections::BTreeMap;

/// Failing cases are kept in the repository, and tried first.
pub fn config(file: &'static str) -> ProptestConfig {
    let kept = FileFailurePersistence::Direct(file);
    ProptestConfig { failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

/// Numbers drawn from one random word: the smaller the word, the plainer the draws, which
/// is what proptest needs to make a failing case simple.
pub struct Draw(pub u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        let drawn = self.0 % bound;
        self.0 /= bound;
        drawn
    }
}

/// The generator of the seeded runs (splitmix64).
#[allow(dead_code, reason = "not every test binary runs from a seed")]
pub struct Random(pub u64);

#[allow(dead_code, reason = "not every test binary runs from a seed")]
impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// So tight that every bound is met within a few dozen commands.
pub const LIMITS: Limits = Limits {
    maximum_instruments: 4,
    maximum_accounts: 6,
    maximum_open_orders: 24,
    maximum_price_levels: 14,
};

/// One of a few instruments, of which some cannot be created.
fn instrument(draw: &mut Draw) -> Instrument {
    let symbol = ["NARROW", "LOTS", "WIDE", "WIDEST", "FIFTH"][draw.below(5) as usize];
    let (lot_size, maximum_price_ticks) = match symbol {
        "NARROW" => (1, 12),
        "LOTS" => (5, 100),
        "WIDE" => (1, 1_000_000),
        "WIDEST" => (1, MAXIMUM_PRICE_TICKS),
        _ => (1, 1),
    };
    let out_of_range = draw.below(8);
    Instrument {
        symbol: Symbol::new(symbol).unwrap(),
        tick_digits: if out_of_range == 1 { 0 } else { 1 },
        tick_scale: if out_of_range == 2 { 10 } else { 2 },
        lot_size: if out_of_range == 3 { 0 } else { lot_size },
        maximum_price_ticks: match out_of_range {
            4 => 0,
            5 => MAXIMUM_PRICE_TICKS + 1,
            _ => maximum_price_ticks,
        },
    }
}

/// Prices close together, so that orders meet, and now and then far apart, so that levels
/// lie on different pages; sometimes out of range.
fn price(instrument: InstrumentId, draw: &mut Draw) -> i64 {
    let near = 1 + draw.below(12) as i64;
    match (instrument, draw.below(16)) {
        (_, 15) => 1 - near,
        (3 | 4, 13..) => near * 83_000,
        (3 | 4, 11..) => near * 4096,
        (3 | 4, 9..) => near * 64,
        (3 | 4, _) => 500_000 + near,
        _ => near,
    }
}

/// The command that a random word stands for, if `last` was the number of the last one.
pub fn command(last: Sequence, word: u64) -> Command {
    let draw = &mut Draw(word);
    let kind = draw.below(100);
    let recent = |draw: &mut Draw| (last + 2).saturating_sub(draw.below(60));
    match kind {
        0..55 => {
            let instrument = draw.below(5) as u32 + u32::from(draw.below(4) != 0);
            Command::PlaceOrder(NewOrder {
                instrument,
                account: (draw.below(7) + 1).min(7) as u32 - u32::from(draw.below(50) == 1),
                side: [Side::Buy, Side::Sell][draw.below(2) as usize],
                time_in_force: match draw.below(5) {
                    0 => TimeInForce::ImmediateOrCancel,
                    _ => TimeInForce::GoodTillCancel,
                },
                price_ticks: price(instrument, draw),
                quantity: match draw.below(40) {
                    0 => 0,
                    1 => i64::MAX,
                    2 => maximum_quantity(MAXIMUM_PRICE_TICKS),
                    3.. if instrument == 2 => draw.below(10) as i64 * 5,
                    _ => draw.below(10) as i64,
                },
            })
        }
        55..75 => {
            Command::CancelOrder { order_id: recent(draw), participant: draw.below(4) as u32 }
        }
        75..85 => Command::ReduceOrder {
            order_id: recent(draw),
            participant: draw.below(2) as u32,
            by: draw.below(9) as i64,
        },
        85..90 => Command::CreateInstrument(instrument(draw)),
        90..95 => Command::OpenAccount {
            owner: RoleName::new(["anna", "boris", "chen"][draw.below(3) as usize]).unwrap(),
        },
        95..98 => Command::OpenMarket,
        98 if draw.below(4) == 0 => Command::CloseMarket,
        _ => Command::AdvanceClock,
    }
}

/// Rebuilds the books from nothing but the events, to show that they tell everything.
#[derive(Default)]
struct Auditor {
    /// By order: what waits, where.
    open: BTreeMap<OrderId, (InstrumentId, Side, i64, i64)>,
    trades: u64,
}

impl Auditor {
    fn observe(&mut self, command: &Command, events: &[Event]) {
        let mut taken = 0;
        for event in events {
            match *event {
                Event::Trade(trade) => {
                    self.trades += 1;
                    assert_eq!(trade.trade_id, self.trades, "trade ids are dense");
                    assert!(trade.quantity > 0);
                    taken += trade.quantity;
                    let maker = self.open.get_mut(&trade.maker_order_id).unwrap();
                    maker.3 -= trade.quantity;
                    assert_eq!((maker.2, maker.3), (trade.price_ticks, trade.maker_remaining));
                    if maker.3 == 0 {
                        self.open.remove(&trade.maker_order_id);
                    }
                }
                Event::Rested { order_id, instrument, side, price_ticks, remaining } => {
                    let order = (instrument, side, price_ticks, remaining);
                    assert!(self.open.insert(order_id, order).is_none());
                    taken += remaining;
                }
                Event::Cancelled { order_id, quantity, .. } => {
                    match self.open.remove(&order_id) {
                        Some(order) => assert_eq!(order.3, quantity),
                        // What was left of an immediate-or-cancel order.
                        None => taken += quantity,
                    }
                }
                Event::Reduced { order_id, remaining, .. } => {
                    let order = self.open.get_mut(&order_id).unwrap();
                    assert!(remaining > 0 && remaining < order.3);
                    order.3 = remaining;
                }
                _ => {}
            }
        }
        if let Command::PlaceOrder(new) = command
            && !matches!(events, [Event::Rejected { .. }])
        {
            assert_eq!(taken, new.quantity, "quantity is conserved");
        }
    }
}

/// The engine and its oracle under the same commands.
pub struct Pair {
    pub engine: Engine,
    pub naive: NaiveExchange,
    auditor: Auditor,
    /// What came of the commands, to see that a run was not idle.
    pub counts: BTreeMap<String, u64>,
}

impl Pair {
    pub fn new(limits: Limits) -> Self {
        Self {
            engine: Engine::new(limits),
            naive: NaiveExchange::new(limits),
            auditor: Auditor::default(),
            counts: BTreeMap::new(),
        }
    }

    /// Goes on with an engine that was restored from the present one.
    #[allow(dead_code, reason = "only the restoring test does")]
    pub fn replace_engine(&mut self, engine: Engine) {
        self.engine = engine;
    }

    /// Gives a command to both, which must agree about it.
    pub fn run(&mut self, command: &Command, time_delta_us: i64) {
        self.engine.prefetch(command);
        let checked = self.engine.check(command);
        assert_eq!(checked, self.naive.check(command), "check of {command:?}");
        if let Err(refusal) = checked {
            *self.counts.entry(format!("{refusal:?}")).or_default() += 1;
            return;
        }
        let stamp = Stamp {
            sequence: self.engine.sequence() + 1,
            time_us: self.engine.counters().time_us + time_delta_us,
        };
        let (mut events, mut expected_events) = (Vec::new(), Vec::new());
        let outcome = self.engine.apply(stamp, command, &mut events);
        let expected = self.naive.apply(stamp, command, &mut expected_events);
        assert_eq!(outcome, expected, "outcome of {command:?}");
        assert_eq!(events, expected_events, "events of {command:?}");
        assert_eq!(self.engine.counters(), self.naive.counters());
        self.auditor.observe(command, &events);
        for event in &events {
            let name = match event {
                Event::Rejected { reason, .. } => format!("{reason:?}"),
                event => format!("{event:?}").split([' ', '(']).next().unwrap().to_owned(),
            };
            *self.counts.entry(name).or_default() += 1;
        }
    }

    /// Compares everything that can be seen of the two.
    pub fn compare(&self) {
        self.engine.validate();
        assert_eq!(self.engine.state_hash(), self.naive.state_hash());
        assert_eq!(self.engine.open_orders(), self.naive.open_orders());
        let mut open = BTreeMap::new();
        for instrument in 0..=self.engine.instruments().len() as u32 + 1 {
            for side in [Side::Buy, Side::Sell] {
                let levels: Vec<_> = self.engine.levels(instrument, side).collect();
                assert_eq!(levels, self.naive.levels(instrument, side));
                let queue: Vec<_> = self.engine.queue(instrument, side).collect();
                assert_eq!(queue, self.naive.queue(instrument, side));
                for order in queue {
                    assert_eq!(self.engine.order(order.order_id), Some(order));
                    let seen = (instrument, side, order.price_ticks, order.remaining);
                    open.insert(order.order_id, seen);
                }
            }
            let best = |side| self.engine.levels(instrument, side).next();
            if let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) {
                assert!(bid.price_ticks < ask.price_ticks, "the book is crossed");
            }
        }
        assert_eq!(open, self.auditor.open, "the events tell another book");
    }
}
