//! An engine rebuilt from what it shows of itself is the same engine.

mod support;

use matcher::restore::OrderFault;
use matcher::*;
use proptest::prelude::*;
use support::{LIMITS, Pair, Random, command, config, opening};

/// As the tables give it back.
fn rebuilt(seen: &impl View, limits: Limits) -> Engine {
    let mut copy = Engine::new(limits);
    copy.restore_counters(seen.counters());
    for (index, &currency) in seen.currencies().iter().enumerate() {
        assert_eq!(copy.restore_currency(currency), Ok(index as CurrencyId + 1));
    }
    for (index, &schedule) in seen.fee_schedules().iter().enumerate() {
        assert_eq!(copy.restore_fee_schedule(schedule), Ok(index as ScheduleId + 1));
    }
    for (index, &participant) in seen.participants().iter().enumerate() {
        assert_eq!(copy.restore_participant(participant), Ok(index as ParticipantId + 1));
    }
    for id in 1..=seen.account_count() {
        assert_eq!(copy.restore_account(seen.account(id).unwrap()), Ok(id));
    }
    for (id, &instrument) in (1..).zip(seen.instruments()) {
        let state = seen.instrument_state(id).unwrap();
        assert_eq!(copy.restore_instrument(instrument, state), Ok(id));
    }
    for cash in seen.all_cash() {
        assert_eq!(copy.restore_cash(cash), Ok(()));
    }
    for position in seen.all_positions() {
        assert_eq!(copy.restore_position(position), Ok(()));
    }
    for trade_id in seen.busted_trades() {
        assert_eq!(copy.restore_busted_trade(trade_id), Ok(()));
    }
    for (day, steps_taken) in seen.schedule() {
        assert_eq!(copy.restore_trading_day(day, steps_taken), Ok(()));
    }
    for instrument in 1..=seen.instruments().len() as InstrumentId {
        let buys = seen.queue(instrument, Side::Buy);
        let sells = seen.queue(instrument, Side::Sell);
        for order in buys.chain(sells).chain(seen.waiting(instrument)) {
            assert_eq!(copy.restore_order(&order), Ok(()), "{order:?}");
        }
    }
    for order in seen.client_orders() {
        assert_eq!(copy.restore_client_order(&order), Ok(()));
    }
    assert_eq!(copy.restore_finish(), Ok(()));
    copy
}

proptest! {
    #![proptest_config(config("proptest-regressions/restore.txt"))]

    #[test]
    fn a_rebuilt_engine_goes_on_as_the_first(
        before in prop::collection::vec(any::<u128>(), 1..300),
        after in prop::collection::vec(any::<u128>(), 1..100),
    ) {
        let mut pair = opened(LIMITS);
        let run = |pair: &mut Pair, word: u128| {
            pair.run(&command(&pair.engine, word), (word >> 126) as i64);
        };
        for word in before {
            run(&mut pair, word);
        }
        // What the oracle shows is what the tables hold.
        let copy = rebuilt(&pair.naive, LIMITS);
        copy.validate();
        prop_assert_eq!(copy.state_hash(), pair.engine.state_hash());
        pair.engine = copy;
        pair.compare();
        for word in after {
            run(&mut pair, word);
            pair.compare();
        }
    }
}

fn opened(limits: Limits) -> Pair {
    let mut pair = Pair::new(limits);
    for command in opening() {
        pair.run(&command, 1);
    }
    pair
}

/// Rebuilt again and again over a longer life, in which days begin and end.
#[test]
fn an_engine_can_be_rebuilt_at_any_time() {
    let mut random = Random(7);
    let limits = Limits { maximum_open_orders: 100, maximum_price_levels: 50, ..LIMITS };
    for _ in 0..10 {
        let mut pair = opened(limits);
        for step in 0..3000 {
            let word = random.word();
            pair.run(&command(&pair.engine, word), (word >> 126) as i64);
            if step % 10 == 0 {
                pair.engine = rebuilt(&pair.engine, limits);
                pair.compare();
            }
        }
    }
}

/// One instrument, one account, at sequence 100.
fn fresh(limits: Limits) -> Engine {
    let mut engine = Engine::new(limits);
    let open = MarketPhase::Continuous;
    engine.restore_counters(Counters {
        sequence: 100,
        time_us: 50,
        market_phase: open,
        ..Counters::default()
    });
    let usd = Currency { code: CurrencyCode::new("USD").unwrap(), fees: 0, transferred: 1000 };
    assert_eq!(engine.restore_currency(usd), Ok(1));
    let anna = Participant::new(RoleName::new("anna").unwrap());
    assert_eq!(engine.restore_participant(anna), Ok(1));
    let account = Account { status: AccountStatus::Verified, ..Account::new(1) };
    assert_eq!(engine.restore_account(account), Ok(1));
    let state = InstrumentState { transferred: 500, ..InstrumentState::default() };
    assert_eq!(engine.restore_instrument(lots(), state), Ok(1));
    let cash = Cash { account: 1, currency: 1, balance: 1000, held: 0, credit_limit: 0 };
    assert_eq!(engine.restore_cash(cash), Ok(()));
    let position = Position { quantity: 500, ..Position::new(1, 1) };
    assert_eq!(engine.restore_position(position), Ok(()));
    engine
}

fn lots() -> Instrument {
    Instrument {
        symbol: Symbol::new("LOTS").unwrap(),
        currency: CurrencyCode::new("USD").unwrap(),
        tick_digits: 1,
        tick_scale: 2,
        lot_size: 5,
        maximum_price_ticks: 1000,
    }
}

fn order(order_id: OrderId, side: Side, price_ticks: i64) -> Order {
    Order {
        order_id,
        created_at_us: 10,
        priority: order_id << PRIORITY_BITS,
        price_ticks,
        quantity: 30,
        filled: 10,
        remaining: 20,
        displayed: 20,
        turnover_ticks: 10 * price_ticks,
        instrument: 1,
        account: 1,
        side,
        time_in_force: TimeInForce::GoodTillCancel,
        self_trade_prevention: SelfTradePrevention::CancelNewest,
        status: OrderStatus::PartiallyFilled,
        reject_reason: RejectReason::None,
        cancel_reason: CancelReason::None,
        fee_schedule: 0,
        triggered: false,
        terms: Terms::PLAIN,
    }
}

#[test]
fn bad_orders_are_errors() {
    use OrderFault::*;
    let mut engine = fresh(LIMITS);
    engine.restore_order(&order(20, Side::Buy, 100)).unwrap();
    engine.restore_order(&order(30, Side::Sell, 110)).unwrap();
    let good = order(40, Side::Buy, 100);
    let state = engine.state_hash();
    let mut fault_of = |change: &dyn Fn(&mut Order)| {
        let mut bad = good;
        change(&mut bad);
        let error = engine.restore_order(&bad).unwrap_err();
        assert_eq!(engine.state_hash(), state, "an error changes nothing");
        assert!(error.to_string().starts_with(&format!("order {}: ", bad.order_id)));
        match error {
            RestoreError::Order { order_id, reason } => {
                assert_eq!(order_id, bad.order_id);
                reason
            }
            other => panic!("{other:?} of an order"),
        }
    };
    assert_eq!(fault_of(&|order| order.order_id = 0), IdOutOfRange);
    assert_eq!(fault_of(&|order| order.order_id = 101), IdOutOfRange);
    assert_eq!(fault_of(&|order| order.order_id = 20), Duplicate);
    assert_eq!(fault_of(&|order| order.instrument = 0), UnknownInstrument);
    assert_eq!(fault_of(&|order| order.instrument = 2), UnknownInstrument);
    assert_eq!(fault_of(&|order| order.account = 0), UnknownAccount);
    assert_eq!(fault_of(&|order| order.account = 2), UnknownAccount);
    assert_eq!(fault_of(&|order| order.fee_schedule = 1), UnknownSchedule);
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
    assert_eq!(fault_of(&|order| order.turnover_ticks = 10_001), TurnoverOutOfRange);
    assert_eq!(fault_of(&|order| order.turnover_ticks = 9), TurnoverOutOfRange);
    assert_eq!(fault_of(&|order| order.turnover_ticks = i64::MIN), TurnoverOutOfRange);
    assert_eq!(fault_of(&|order| order.created_at_us = 51), CreatedInFuture);
    assert_eq!(fault_of(&|order| order.status = OrderStatus::Open), NotOpen);
    assert_eq!(fault_of(&|order| order.status = OrderStatus::Filled), NotOpen);
    assert_eq!(fault_of(&|order| order.time_in_force = TimeInForce::ImmediateOrCancel), NotOpen);
    assert_eq!(fault_of(&|order| order.reject_reason = RejectReason::MarketClosed), NotOpen);
    assert_eq!(fault_of(&|order| order.triggered = true), NotOpen);
    assert_eq!(fault_of(&|order| order.terms.order_type = OrderType::Pegged), Terms);
    assert_eq!(fault_of(&|order| order.terms.expire_at_us = 70), Terms);
    assert_eq!(fault_of(&|order| order.terms.order_type = OrderType::Stop), Terms);
    assert_eq!(fault_of(&|order| order.displayed = 0), Displayed);
    assert_eq!(fault_of(&|order| order.displayed = 21), Displayed);
    assert_eq!(fault_of(&|order| order.terms.hidden = true), Displayed);
    assert_eq!(fault_of(&|order| order.terms.display_quantity = 15), Displayed);
    assert_eq!(fault_of(&|order| order.terms.all_or_none = true), Displayed);
    assert_eq!(fault_of(&|bad| *bad = order(40, Side::Buy, 110)), Crossed);
    assert_eq!(fault_of(&|bad| *bad = order(40, Side::Sell, 100)), Crossed);
    assert_eq!(fault_of(&|bad| *bad = order(10, Side::Buy, 100)), OutOfPriority);
    assert_eq!(fault_of(&|order| order.priority = (101 << PRIORITY_BITS) | 1), OutOfPriority);
    assert_eq!(fault_of(&|order| order.priority = 39 << PRIORITY_BITS), OutOfPriority);
    assert_eq!(engine.restore_order(&good), Ok(()));
    assert_eq!(engine.restore_finish(), Ok(()));
    engine.validate();
}

#[test]
fn orders_need_a_position() {
    let mut engine = fresh(LIMITS);
    assert_eq!(engine.restore_account(Account::new(1)), Ok(2));
    let bad = Order { account: 2, ..order(1, Side::Buy, 100) };
    let reason = OrderFault::NoPosition;
    assert_eq!(engine.restore_order(&bad), Err(RestoreError::Order { order_id: 1, reason }));
}

#[test]
fn links_must_be_mutual() {
    let linked = |order_id, linked_order| Order {
        terms: Terms { linked_order, ..Terms::PLAIN },
        ..order(order_id, Side::Buy, 100)
    };
    let mut engine = fresh(LIMITS);
    engine.restore_order(&linked(1, 2)).unwrap();
    engine.restore_order(&linked(2, 1)).unwrap();
    assert_eq!(engine.restore_finish(), Ok(()));
    let mut engine = fresh(LIMITS);
    engine.restore_order(&linked(1, 2)).unwrap();
    engine.restore_order(&linked(2, 1)).unwrap();
    engine.restore_order(&linked(3, 2)).unwrap();
    let reason = OrderFault::Link;
    assert_eq!(engine.restore_finish(), Err(RestoreError::Order { order_id: 3, reason }));
}

#[test]
fn money_and_shares_must_be_all_there() {
    let mut engine = fresh(LIMITS);
    assert_eq!(engine.restore_finish(), Ok(()));
    assert_eq!(engine.restore_account(Account::new(1)), Ok(2));
    let cash = Cash { account: 2, currency: 1, balance: 1, held: 0, credit_limit: 0 };
    assert_eq!(engine.restore_cash(cash), Ok(()));
    assert_eq!(engine.restore_finish(), Err(RestoreError::Money(1)));

    let mut engine = fresh(LIMITS);
    assert_eq!(engine.restore_account(Account::new(1)), Ok(2));
    let cash = Cash { account: 2, currency: 1, balance: 0, held: 0, credit_limit: 0 };
    assert_eq!(engine.restore_cash(cash), Ok(()));
    let position = Position { quantity: -1, ..Position::new(2, 1) };
    assert_eq!(engine.restore_position(position), Ok(()));
    assert_eq!(engine.restore_finish(), Err(RestoreError::Shares(1)));
}

#[test]
fn what_could_not_be_created_is_refused() {
    let refused = |refusal| Err(RestoreError::Refused(refusal));
    let mut engine = fresh(Limits { maximum_positions: 1, ..LIMITS });
    let state = InstrumentState::default();
    let code = CurrencyCode::new("EUR").unwrap();
    let foreign = Instrument { currency: code, symbol: Symbol::new("EURO").unwrap(), ..lots() };
    assert_eq!(engine.restore_instrument(lots(), state), refused(Refusal::SymbolTaken).map(|()| 0));
    assert_eq!(
        engine.restore_instrument(foreign, state),
        refused(Refusal::UnknownCurrency).map(|()| 0)
    );
    assert_eq!(
        engine.restore_account(Account::new(2)),
        refused(Refusal::UnknownParticipant).map(|()| 0)
    );
    let cash = Cash { account: 2, currency: 1, balance: 0, held: 0, credit_limit: 0 };
    assert_eq!(engine.restore_cash(cash), refused(Refusal::UnknownAccount));
    assert_eq!(engine.restore_position(Position::new(1, 2)), refused(Refusal::UnknownInstrument));
    assert_eq!(engine.restore_position(Position::new(1, 1)), refused(Refusal::TooManyPositions));
    assert_eq!(engine.restore_busted_trade(1), refused(Refusal::UnknownTrade));
    let day = TradingDay {
        trade_date: 1,
        pre_open_us: 60,
        open_us: 70,
        closing_auction_us: 80,
        close_us: 90,
    };
    assert_eq!(engine.restore_trading_day(day, 4), refused(Refusal::Schedule));
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
    assert_eq!(engine.restore_finish(), Ok(()));
    engine.validate();

    let mut engine = fresh(Limits { maximum_accounts: 1, ..LIMITS });
    let refused = Err(RestoreError::Refused(Refusal::TooManyAccounts));
    assert_eq!(engine.restore_account(Account::new(1)), refused);
}

#[test]
#[should_panic]
fn counters_come_first() {
    fresh(LIMITS).restore_counters(Counters::default());
}
