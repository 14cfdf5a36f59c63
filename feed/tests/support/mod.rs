//! Events to test with.

use feed::{BestPrice, Change, Event};
use matcher::{InstrumentPhase, MarketPhase, Side, Symbol};
use proptest::prelude::*;
use proptest::sample::select;

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
