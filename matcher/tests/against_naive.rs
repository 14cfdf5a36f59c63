//! The engine against the naive exchange: same commands, same everything.

mod support;

use matcher::*;
use proptest::prelude::*;
use support::{LIMITS, Pair, Random, command, config};

/// The commands that bring the exchange to life; random ones would take long to.
fn open(pair: &mut Pair) {
    // Words of the generator that stand for: create each instrument, open three
    // accounts, open the market.
    for word in (0..4).map(|symbol| 85 + 100 * symbol).chain([90, 190, 290, 95]) {
        pair.run(&command(pair.engine.sequence(), word), 1);
    }
    assert!(pair.engine.market_is_open());
    assert_eq!(pair.engine.instruments().len(), 4);
}

proptest! {
    #![proptest_config(config("proptest-regressions/against_naive.txt"))]

    #[test]
    fn every_command_has_the_same_effect(
        words in prop::collection::vec(any::<u64>(), 1..300),
        opened in prop::bool::weighted(0.9),
    ) {
        let mut pair = Pair::new(LIMITS);
        if opened {
            open(&mut pair);
        }
        for word in words {
            pair.run(&command(pair.engine.sequence(), word), (word >> 62) as i64);
            pair.compare();
        }
    }
}

/// Runs commands from a seed. `MATCHER_COMMANDS` and `MATCHER_SEED` override how many and
/// which.
#[test]
fn a_long_run_has_the_same_effect() {
    let setting = |name: &str, default| match std::env::var(name) {
        Ok(value) => value.parse().expect("a number"),
        Err(_) => default,
    };
    let commands: u64 = setting("MATCHER_COMMANDS", 400_000);
    let seed: u64 = setting("MATCHER_SEED", 42);
    println!("MATCHER_COMMANDS={commands} MATCHER_SEED={seed}");
    let mut random = Random(seed);
    for limits in [LIMITS, Limits { maximum_open_orders: 150, maximum_price_levels: 60, ..LIMITS }]
    {
        let mut pair = Pair::new(limits);
        open(&mut pair);
        for round in 0..commands / 2 {
            let word = random.word();
            pair.run(&command(pair.engine.sequence(), word), (word >> 62) as i64);
            if round % 128 == 0 {
                pair.compare();
            }
        }
        pair.compare();
        println!("{:#?}", pair.counts);
        let seen = |what: &str| pair.counts.get(what).copied().unwrap_or(0);
        if commands >= 100_000 {
            for what in ALL_EFFECTS {
                assert!(seen(what) > 0, "the run never met {what}");
            }
        }
    }
}

/// What a long run must have met, else it tests less than it seems to.
const ALL_EFFECTS: [&str; 23] = [
    "Trade",
    "Rested",
    "Cancelled",
    "Reduced",
    "MarketOpened",
    "ClockAdvanced",
    "MarketClosed",
    "TooManyOpenOrders",
    "TooManyPriceLevels",
    "UnknownInstrument",
    "UnknownAccount",
    "UnknownOrder",
    "NotOwner",
    "PriceOutOfRange",
    "QuantityOutOfRange",
    "QuantityOffLot",
    "ReductionTooLarge",
    "SymbolTaken",
    "InstrumentOutOfRange",
    "TooManyAccounts",
    "MarketPhase",
    "InstrumentCreated",
    "AccountOpened",
];

#[test]
fn too_many_instruments() {
    let mut pair = Pair::new(LIMITS);
    open(&mut pair);
    let before: Sequence = pair.engine.sequence();
    pair.run(&command(before, 85 + 100 * 4), 0);
    assert_eq!(pair.counts.get("TooManyInstruments"), Some(&1));
    assert_eq!(pair.engine.sequence(), before, "what is refused has no number");
}

/// It is skipped for small books, which is all that the other tests have.
#[test]
fn prefetching_takes_any_commands_and_changes_nothing() {
    let limits = Limits { maximum_open_orders: 30_000, maximum_price_levels: 30_000, ..LIMITS };
    let mut pair = Pair::new(limits);
    open(&mut pair);
    let mut engine = pair.engine;
    let mut events = Vec::new();
    for price_ticks in 1..=20_000 {
        let place = Command::PlaceOrder(NewOrder {
            instrument: 3,
            account: 1,
            side: Side::Buy,
            time_in_force: TimeInForce::GoodTillCancel,
            price_ticks,
            quantity: 1,
        });
        let stamp = Stamp { sequence: engine.sequence() + 1, time_us: 100 };
        engine.apply(stamp, &place, &mut events);
    }
    let state = engine.state_hash();
    let mut random = Random(1);
    for _ in 0..1000 {
        let batch: Vec<Command> = (0..random.word() % 100)
            .map(|_| match random.word() % 4 {
                0 => Command::CancelOrder { order_id: random.word(), participant: 0 },
                _ => command(random.word() % (2 * engine.sequence()), random.word()),
            })
            .collect();
        engine.prefetch_batch(&batch);
    }
    assert_eq!(engine.state_hash(), state);
    engine.validate();
}
