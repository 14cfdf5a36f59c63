//! An engine rebuilt from what it shows of itself is the same engine.

mod support;

use matcher::restore::OrderFault;
use matcher::*;
use proptest::prelude::*;
use support::{LIMITS, Pair, Random, command, config, opening};

/// As bytes give it back: what is there is a record for each, whichever of the two shows it.
fn rebuilt(seen: &impl View, limits: Limits) -> Engine {
    let mut bytes = Vec::new();
    record::for_each_record(seen, |record| record::encode(record, &mut bytes));
    let mut copy = Engine::new(limits);
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let record = record::decode(&mut rest).expect("it was encoded");
        assert_eq!(copy.restore(&record), Ok(()), "{record:?}");
    }
    assert_eq!(copy.restore_finish(), Ok(()));
    let mut again = Vec::new();
    record::for_each_record(&copy, |record| record::encode(record, &mut again));
    assert!(bytes == again, "everything has one encoding");
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

proptest! {
    #![proptest_config(config("proptest-regressions/records.txt"))]

    #[test]
    fn any_bytes_are_records_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut rest = bytes.as_slice();
        while let Ok(record) = record::decode(&mut rest) {
            let mut again = Vec::new();
            record::encode(&record, &mut again);
            let taken = bytes.len() - rest.len();
            prop_assert!(bytes[..taken].ends_with(&again), "{record:?} is encoded otherwise");
        }
    }
}

/// Marks are kept for years: these bytes must be read as long as there are any.
#[test]
fn the_bytes_of_records_stay_the_same() {
    let order = Order {
        terms: Terms {
            client_order_id: ClientOrderId::new("a-1"),
            display_quantity: 5,
            ..Terms::PLAIN
        },
        reject_reason: RejectReason::PriceCollar,
        ..order(300, Side::Sell, 7)
    };
    let limits = RiskLimits { open_orders: 9, ..RiskLimits::NONE };
    let position =
        Position { quantity: -3, limits, traded_quantity: [1, 2], ..Position::new(1, 2) };
    let records = [
        Record::Counters(Counters { sequence: 300, time_us: -1, ..Counters::default() }),
        Record::Currency(Currency { code: lots().currency, fees: -1, transferred: 64 }),
        Record::Account(Account { limits, ..Account::new(1) }),
        Record::Instrument(lots(), InstrumentState::default()),
        Record::Position(position),
        Record::BustedTrade(128),
        Record::Order(order),
    ];
    let bytes = records.map(|record| {
        let mut bytes = Vec::new();
        record::encode(&record, &mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    let expected = [
        "01ac020100000000",
        "0203555344018001",
        "0501000000400900",
        "06044c4f54530355534401020ad00f00000000000000808c8d9e02a08d060000",
        "0801020500000000000040090002040000",
        "098001",
        "0bac021480808096010e3c1428288c010101010000010e0000002103612d3105",
    ];
    assert_eq!(bytes, expected);
}
