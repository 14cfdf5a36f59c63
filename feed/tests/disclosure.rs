//! What is told is what is displayed, at every moment, and nothing else.

#[path = "../../matcher/tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use feed::{BestPrice, Change, Disclosure, Event};
use matcher::{Engine, InstrumentId, Limits, Side, Stamp, View};
use support::{LIMITS, Random, command, opening};

/// The market as somebody knows it who was only told.
#[derive(Default)]
struct Told {
    /// By instrument, side and price.
    levels: BTreeMap<(InstrumentId, u8, i64), (i64, u32)>,
    best: BTreeMap<InstrumentId, [Option<BestPrice>; 2]>,
    kinds: BTreeSet<&'static str>,
}

impl Told {
    fn hear(&mut self, event: &Event) {
        let instrument = event.instrument;
        let kind = match event.change {
            Change::Refresh => {
                self.levels.retain(|(of, ..), _| *of != instrument);
                "Refresh"
            }
            Change::Level { side, price_ticks, quantity, orders } => {
                let key = (instrument, side as u8, price_ticks);
                let before = match quantity {
                    0 => self.levels.remove(&key),
                    _ => self.levels.insert(key, (quantity, orders)),
                };
                assert_ne!(before.unwrap_or((0, 0)), (quantity, orders), "nothing new: {event:?}");
                "Level"
            }
            Change::BestQuote { bid, ask } => {
                self.best.insert(instrument, [bid, ask]);
                "BestQuote"
            }
            Change::Trade { in_auction: false, .. } => "Trade",
            Change::Trade { in_auction: true, .. } => "Trade in auction",
            Change::Busted { .. } => "Busted",
            Change::Uncrossed { .. } => "Uncrossed",
            Change::Listed { .. } => "Listed",
            Change::InstrumentPhase { .. } => "InstrumentPhase",
            Change::MarketPhase { .. } => "MarketPhase",
        };
        self.kinds.insert(kind);
    }

    fn compare(&self, engine: &Engine) {
        for instrument in 1..=engine.instruments().len() as InstrumentId {
            for side in Side::ALL {
                let of = |price| (instrument, side as u8, price);
                let mut told: Vec<_> = self
                    .levels
                    .range(of(0)..=of(i64::MAX))
                    .map(|((.., price), (quantity, orders))| (*price, *quantity, *orders))
                    .collect();
                if side == Side::Buy {
                    told.reverse();
                }
                let shown: Vec<_> = engine
                    .levels(instrument, side)
                    .map(|level| (level.price_ticks, level.quantity, level.orders))
                    .collect();
                assert_eq!(told, shown, "levels of {instrument}, {side:?}");
                let best = self.best.get(&instrument).and_then(|best| best[side as usize]);
                let expected = shown.first().map(|(price_ticks, quantity, _)| BestPrice {
                    price_ticks: *price_ticks,
                    quantity: *quantity,
                });
                assert_eq!(best, expected, "best of {instrument}, {side:?}");
            }
        }
    }
}

/// An exchange and all who hear of it.
struct Scene {
    engine: Engine,
    disclosure: Disclosure,
    told: Told,
}

impl Scene {
    fn apply(&mut self, command: &matcher::Command, time_us: i64) {
        if self.engine.check(command).is_err() {
            return;
        }
        let stamp = Stamp { sequence: self.engine.counters().sequence + 1, time_us };
        // One that begins just now must tell the same.
        let mut newcomer = Disclosure::of(&self.engine);
        let mut happened = Vec::new();
        self.engine.apply(stamp, command, &mut happened);
        let (mut told, mut told_by_newcomer) = (Vec::new(), Vec::new());
        self.disclosure.follow(&self.engine, stamp, &happened, &mut told);
        newcomer.follow(&self.engine, stamp, &happened, &mut told_by_newcomer);
        assert_eq!(told, told_by_newcomer, "after {command:?}");
        for event in &told {
            assert_eq!((event.sequence, event.time_us), (stamp.sequence, stamp.time_us));
            self.told.hear(event);
        }
        self.told.compare(&self.engine);
    }
}

#[test]
fn a_book_made_of_what_is_told_is_the_book() {
    let mut random = Random(11);
    let mut kinds = BTreeSet::new();
    let roomy = Limits { maximum_open_orders: 120, maximum_price_levels: 60, ..LIMITS };
    for limits in [LIMITS, roomy].into_iter().cycle().take(40) {
        let mut scene = Scene {
            engine: Engine::new(limits),
            disclosure: Disclosure::default(),
            told: Told::default(),
        };
        for command in opening() {
            let time_us = scene.engine.counters().time_us + 1;
            scene.apply(&command, time_us);
        }
        for _ in 0..1_500 {
            let word = random.word();
            let time_us = scene.engine.counters().time_us + (word >> 126) as i64;
            if scene.engine.next_due_us() <= time_us {
                scene.apply(&matcher::Command::AdvanceClock, time_us);
            }
            let command = command(&scene.engine, word);
            scene.apply(&command, time_us);
        }
        kinds.append(&mut scene.told.kinds);
    }
    let all = [
        "BestQuote",
        "Busted",
        "InstrumentPhase",
        "Level",
        "Listed",
        "MarketPhase",
        "Refresh",
        "Trade",
        "Trade in auction",
        "Uncrossed",
    ];
    assert_eq!(kinds, BTreeSet::from(all), "what the run met");
}
