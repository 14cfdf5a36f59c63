//! An engine rebuilt from what it shows of itself is the same engine.

mod support;

use matcher::restore::OrderFault;
use matcher::*;
use proptest::prelude::*;
use support::{LIMITS, Pair, command, config};

/// As the tables give it back.
fn rebuilt(engine: &Engine, limits: Limits) -> Engine {
    let mut copy = Engine::new(limits);
    copy.restore_counters(engine.counters());
    for (index, &instrument) in engine.instruments().iter().enumerate() {
        assert_eq!(copy.restore_instrument(instrument), Ok(index as u32 + 1));
    }
    for (index, &owner) in engine.accounts().iter().enumerate() {
        let role = engine.participants()[owner as usize - 1];
        assert_eq!(copy.restore_account(role), Ok(index as u32 + 1));
    }
    for instrument in 1..=engine.instruments().len() as u32 {
        for side in [Side::Buy, Side::Sell] {
            for order in engine.queue(instrument, side) {
                assert_eq!(copy.restore_order(&order), Ok(()));
            }
        }
    }
    copy
}

proptest! {
    #![proptest_config(config("proptest-regressions/restore.txt"))]

    #[test]
    fn a_rebuilt_engine_goes_on_as_the_first(
        before in prop::collection::vec(any::<u64>(), 1..300),
        after in prop::collection::vec(any::<u64>(), 1..100),
    ) {
        let mut pair = Pair::new(LIMITS);
        for word in [85, 185, 285, 385, 90, 190, 290, 95].into_iter().chain(before) {
            pair.run(&command(pair.engine.sequence(), word), (word >> 62) as i64);
        }
        let copy = rebuilt(&pair.engine, LIMITS);
        copy.validate();
        prop_assert_eq!(copy.state_hash(), pair.engine.state_hash());
        pair.replace_engine(copy);
        pair.compare();
        for word in after {
            pair.run(&command(pair.engine.sequence(), word), (word >> 62) as i64);
            pair.compare();
        }
    }
}

/// One instrument, one account, at sequence 100.
fn fresh(limits: Limits) -> Engine {
    let mut engine = Engine::new(limits);
    engine.restore_counters(Counters { sequence: 100, time_us: 50, ..Counters::default() });
    let instrument = Instrument {
        symbol: Symbol::new("LOTS").unwrap(),
        tick_digits: 1,
        tick_scale: 2,
        lot_size: 5,
        maximum_price_ticks: 1000,
    };
    assert_eq!(engine.restore_instrument(instrument), Ok(1));
    assert_eq!(engine.restore_account(RoleName::new("anna").unwrap()), Ok(1));
    engine
}

fn order(order_id: OrderId, side: Side, price_ticks: i64) -> Order {
    Order {
        order_id,
        created_at_us: 10,
        price_ticks,
        quantity: 30,
        filled: 10,
        remaining: 20,
        turnover_ticks: 10 * price_ticks,
        instrument: 1,
        account: 1,
        side,
        time_in_force: TimeInForce::GoodTillCancel,
        status: OrderStatus::PartiallyFilled,
        reject_reason: RejectReason::None,
    }
}

#[test]
fn bad_orders_are_errors() {
    let mut engine = fresh(LIMITS);
    engine.restore_order(&order(20, Side::Buy, 100)).unwrap();
    engine.restore_order(&order(30, Side::Sell, 110)).unwrap();
    let good = order(40, Side::Buy, 100);
    let state = engine.state_hash();
    let mut fault_of = |change: &dyn Fn(&mut Order)| {
        let mut bad = good;
        change(&mut bad);
        let error = engine.restore_order(&bad).unwrap_err();
        engine.validate();
        assert_eq!(engine.state_hash(), state, "an error changes nothing");
        assert!(error.to_string().starts_with(&format!("order {}: ", bad.order_id)));
        match error {
            RestoreError::Order { order_id, reason } => {
                assert_eq!(order_id, bad.order_id);
                reason
            }
            RestoreError::Refused(refusal) => panic!("{refusal:?} of an order"),
        }
    };
    use OrderFault::*;
    assert_eq!(fault_of(&|order| order.order_id = 0), IdOutOfRange);
    assert_eq!(fault_of(&|order| order.order_id = 101), IdOutOfRange);
    assert_eq!(fault_of(&|order| order.order_id = 20), Duplicate);
    assert_eq!(fault_of(&|order| order.instrument = 0), UnknownInstrument);
    assert_eq!(fault_of(&|order| order.instrument = 2), UnknownInstrument);
    assert_eq!(fault_of(&|order| order.account = 0), UnknownAccount);
    assert_eq!(fault_of(&|order| order.account = 2), UnknownAccount);
    assert_eq!(fault_of(&|order| order.price_ticks = 0), PriceOutOfRange);
    assert_eq!(fault_of(&|order| order.price_ticks = 1001), PriceOutOfRange);
    assert_eq!(fault_of(&|order| order.quantity = 0), QuantityOutOfRange);
    assert_eq!(fault_of(&|order| order.quantity = 31), QuantityOutOfRange);
    assert_eq!(fault_of(&|order| order.quantity = i64::MAX), QuantityOutOfRange);
    assert_eq!(fault_of(&|order| order.remaining = 0), RemainingOutOfRange);
    assert_eq!(fault_of(&|order| order.remaining = 35), RemainingOutOfRange);
    assert_eq!(fault_of(&|order| order.remaining = 19), RemainingOutOfRange);
    assert_eq!(fault_of(&|order| order.remaining = i64::MIN), RemainingOutOfRange);
    assert_eq!(fault_of(&|order| order.filled = 15), RemainingOutOfRange);
    assert_eq!(fault_of(&|order| order.turnover_ticks = 1001), TurnoverOutOfRange);
    assert_eq!(fault_of(&|order| order.turnover_ticks = 9), TurnoverOutOfRange);
    assert_eq!(fault_of(&|order| order.turnover_ticks = i64::MIN), TurnoverOutOfRange);
    assert_eq!(fault_of(&|order| order.created_at_us = 51), CreatedInFuture);
    assert_eq!(fault_of(&|order| order.status = OrderStatus::Open), NotOpen);
    assert_eq!(fault_of(&|order| order.status = OrderStatus::Filled), NotOpen);
    assert_eq!(fault_of(&|order| order.time_in_force = TimeInForce::ImmediateOrCancel), NotOpen);
    assert_eq!(fault_of(&|order| order.reject_reason = RejectReason::MarketClosed), NotOpen);
    assert_eq!(fault_of(&|bad| *bad = Order { order_id: 40, ..order(0, Side::Buy, 110) }), Crossed);
    assert_eq!(fault_of(&|bad| *bad = order(40, Side::Sell, 100)), Crossed);
    assert_eq!(fault_of(&|order| order.order_id = 10), OutOfPriority);
    assert_eq!(engine.restore_order(&good), Ok(()));
}

#[test]
fn limits_hold_when_restoring() {
    let fault_of = |engine: &mut Engine, order: &Order| match engine.restore_order(order) {
        Err(RestoreError::Order { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let mut engine = fresh(Limits { maximum_open_orders: 1, ..LIMITS });
    engine.restore_order(&order(1, Side::Buy, 100)).unwrap();
    assert_eq!(fault_of(&mut engine, &order(2, Side::Buy, 100)), OrderFault::TooManyOpenOrders);

    let mut engine = fresh(Limits { maximum_price_levels: 1, ..LIMITS });
    engine.restore_order(&order(1, Side::Buy, 100)).unwrap();
    engine.restore_order(&order(2, Side::Buy, 100)).unwrap();
    assert_eq!(fault_of(&mut engine, &order(3, Side::Buy, 99)), OrderFault::TooManyPriceLevels);
    engine.validate();

    let mut engine = fresh(Limits { maximum_accounts: 1, maximum_instruments: 1, ..LIMITS });
    let refused = engine.restore_account(RoleName::new("boris").unwrap());
    assert_eq!(refused, Err(RestoreError::Refused(Refusal::TooManyAccounts)));
    let known = engine.instruments()[0];
    let refused = engine.restore_instrument(known);
    assert_eq!(refused, Err(RestoreError::Refused(Refusal::SymbolTaken)));
}

#[test]
#[should_panic]
fn counters_come_first() {
    fresh(LIMITS).restore_counters(Counters::default());
}
