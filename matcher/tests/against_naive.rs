//! The engine against the naive exchange: same commands, same everything.

mod support;

use matcher::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::{LIMITS, Pair, Random, command, config, opening};

fn open(pair: &mut Pair) {
    for command in opening() {
        pair.run(&command, 1);
    }
    assert_eq!(pair.engine.counters().market_phase, MarketPhase::Continuous);
    assert_eq!(pair.engine.instruments().len(), 4);
}

proptest! {
    #![proptest_config(config("proptest-regressions/against_naive.txt"))]

    #[test]
    fn every_command_has_the_same_effect(
        words in prop::collection::vec(any::<u128>(), 1..300),
        opened in prop::bool::weighted(0.9),
    ) {
        let mut pair = Pair::new(LIMITS);
        if opened {
            open(&mut pair);
        }
        for word in words {
            pair.run(&command(&pair.engine, word), (word >> 126) as i64);
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
    let commands: u64 = setting("MATCHER_COMMANDS", 1_000_000);
    let seed: u64 = setting("MATCHER_SEED", 42);
    println!("MATCHER_COMMANDS={commands} MATCHER_SEED={seed}");
    let mut random = Random(seed);
    let mut counts = BTreeMap::new();
    let roomy = Limits { maximum_open_orders: 120, maximum_price_levels: 60, ..LIMITS };
    let crowded = Limits { maximum_positions: 11, client_order_window: 5, ..LIMITS };
    let flat = Limits { maximum_price_levels: 6, client_order_window: 0, ..LIMITS };
    // An exchange ages: accounts are closed, halts and limits stay. So each begins anew.
    let per_exchange = 2_000.min(commands / 4).max(1);
    let exchanges = commands.div_ceil(per_exchange) as usize;
    for limits in [LIMITS, roomy, crowded, flat].into_iter().cycle().take(exchanges) {
        // Where there is no room for all positions, some of the opening is refused.
        let mut pair = Pair::new(limits);
        open(&mut pair);
        for step in 0..per_exchange {
            let word = random.word();
            pair.run(&command(&pair.engine, word), (word >> 126) as i64);
            if step % 256 == 0 {
                pair.compare();
            }
        }
        pair.compare();
        for (what, count) in pair.counts {
            *counts.entry(what).or_insert(0) += count;
        }
    }
    println!("{counts:#?}");
    if commands >= 500_000 {
        let never: Vec<_> =
            ALL_EFFECTS.iter().filter(|what| !counts.contains_key(**what)).collect();
        assert!(never.is_empty(), "the run never met {never:?}");
    }
}

/// What a long run must have met, else it tests less than it seems to.
const ALL_EFFECTS: &[&str] = &[
    // Events.
    "Trade",
    "Trade in auction",
    "Rested",
    "Cancelled",
    "Reduced",
    "Replaced",
    "ReplaceRejected",
    "Refilled",
    "Refilled again",
    "Triggered",
    "Chain of stop orders",
    "StopMoved",
    "Rejected",
    "Retry",
    "InstrumentCreated",
    "InstrumentChanged",
    "ParticipantRegistered",
    "ParticipantChanged",
    "AccountOpened",
    "AccountChanged",
    "FeeScheduleCreated",
    "CashTransferred",
    "SharesTransferred",
    "CreditLimitSet",
    "ShortLimitSet",
    "RiskLimitsSet",
    "MarketPhaseChanged",
    "InstrumentPhaseChanged",
    "Uncrossed",
    "Scheduled",
    "TradeBusted",
    "ClockAdvanced",
    // Phases.
    "Closed market",
    "PreOpen market",
    "Continuous market",
    "ClosingAuction market",
    "Closed instrument",
    "PreOpen instrument",
    "Continuous instrument",
    "ClosingAuction instrument",
    "VolatilityHalt instrument",
    "Halted instrument",
    // Reasons to decline an order.
    "MarketClosed rejects",
    "InstrumentHalted rejects",
    "AccountNotVerified rejects",
    "AccountSuspended rejects",
    "AccountClosed rejects",
    "KillSwitch rejects",
    "AuctionPhase rejects",
    "TooManyOpenOrders rejects",
    "TooManyPriceLevels rejects",
    "TooManyPositions rejects",
    "NoReferencePrice rejects",
    "LinkedOrderNotOpen rejects",
    "AlreadyExpired rejects",
    "PriceCollar rejects",
    "OrderQuantityLimit rejects",
    "OrderValueLimit rejects",
    "DailyQuantityLimit rejects",
    "DailyValueLimit rejects",
    "OpenOrdersLimit rejects",
    "InsufficientFunds rejects",
    "InsufficientShares rejects",
    "PostOnlyWouldCross rejects",
    "MarketClosed declines a replacement",
    "InstrumentHalted declines a replacement",
    "AccountSuspended declines a replacement",
    "AuctionPhase declines a replacement",
    "TooManyPriceLevels declines a replacement",
    "PriceCollar declines a replacement",
    "OrderQuantityLimit declines a replacement",
    "OrderValueLimit declines a replacement",
    "DailyQuantityLimit declines a replacement",
    "DailyValueLimit declines a replacement",
    "InsufficientFunds declines a replacement",
    "InsufficientShares declines a replacement",
    "PostOnlyWouldCross declines a replacement",
    // Reasons to end an order.
    "Requested cancels",
    "Immediate cancels",
    "FillOrKill cancels",
    "MinimumQuantity cancels",
    "SelfTrade cancels",
    "Expired cancels",
    "LinkedOrder cancels",
    "KillSwitch cancels",
    "SessionEnded cancels",
    "AuctionEnded cancels",
    "VolatilityHalt cancels",
    "NoRoom cancels",
    // Refusals.
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
    "TooManyInstruments",
    "TooManyAccounts",
    "MarketPhase",
    "Terms(PriceMissing)",
    "Terms(MarketMustBeImmediate)",
    "Terms(StopPrice)",
    "Terms(TrailDistance)",
    "Terms(PegMissing)",
    "Terms(ExpiryTime)",
    "Terms(PostOnly)",
    "Terms(MinimumQuantity)",
    "Terms(DisplayQuantity)",
    "Terms(Hidden)",
    "Terms(AllOrNone)",
    "Terms(MustRest)",
    "Terms(Trigger)",
    "UnknownParticipant",
    "ParticipantExists",
    "UnknownSchedule",
    "ScheduleExists",
    "UnknownCurrency",
    "ValueOutOfRange",
    "InsufficientFunds",
    "InsufficientShares",
    "AccountStatus",
    "AccountNotEmpty",
    "TooManyPositions",
    "Schedule",
    "InstrumentHalt",
    "UnknownTrade",
    "NotReplaceable",
];

/// It is skipped for small books, which is all that the other tests have.
#[test]
fn prefetching_takes_any_commands_and_changes_nothing() {
    let limits = Limits { maximum_open_orders: 30_000, maximum_price_levels: 30_000, ..LIMITS };
    let mut pair: Pair = Pair::new(limits);
    open(&mut pair);
    let mut engine = pair.engine;
    let mut events = Vec::new();
    let mut apply = |engine: &mut Engine, command: Command| {
        assert_eq!(engine.check(&command), Ok(()));
        let Counters { sequence, time_us, .. } = engine.counters();
        engine.apply(Stamp { sequence: sequence + 1, time_us }, &command, &mut events);
    };
    apply(&mut engine, Command::TransferCash { account: 1, currency: 2, amount: MAXIMUM_MONEY });
    for price_ticks in 1..=20_000 {
        apply(
            &mut engine,
            Command::PlaceOrder(NewOrder {
                instrument: 3,
                account: 1,
                side: Side::Buy,
                time_in_force: TimeInForce::GoodTillCancel,
                self_trade_prevention: SelfTradePrevention::CancelNewest,
                price_ticks,
                quantity: 1,
            }),
        );
    }
    assert_eq!(engine.open_orders(), 20_000);
    let state = engine.state_hash();
    let mut random = Random(1);
    for _ in 0..200 {
        let batch: Vec<Command> = (0..random.word() % 100)
            .map(|_| match random.word() % 8 {
                0 => Command::CancelOrder { order_id: random.word() as u64, participant: 0 },
                1 => command(&engine, random.word()),
                _ => Command::CancelOrder {
                    order_id: random.word() as u64 % (2 * engine.sequence()),
                    participant: 0,
                },
            })
            .collect();
        engine.prefetch_batch(&batch);
    }
    assert_eq!(engine.state_hash(), state);
    engine.validate();
}
