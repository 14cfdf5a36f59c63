//! Commands survive the journal, and nothing else passes for one.

use matcher::codec::{DecodeError, decode, encode};
use matcher::*;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use std::collections::BTreeSet;

/// Numbers of every size.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(bits, shift)| bits >> shift)
}

fn small() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32u32).prop_map(|(bits, shift)| bits >> shift)
}

fn signed_small() -> impl Strategy<Value = i32> {
    (any::<i32>(), 0..32u32).prop_map(|(bits, shift)| bits >> shift)
}

fn amount() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0..64u32).prop_map(|(bits, shift)| bits >> shift)
}

fn money() -> impl Strategy<Value = Money> {
    (any::<Money>(), 0..128u32).prop_map(|(bits, shift)| bits >> shift)
}

/// What is left out as often as not.
fn sometimes<T: Clone + std::fmt::Debug + 'static>(
    none: T,
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = T> {
    prop_oneof![Just(none), some]
}

fn role() -> impl Strategy<Value = RoleName> {
    "[a-zé_]{1,40}".prop_filter_map("the name is too long", |role| RoleName::new(&role))
}

fn client_order_id() -> impl Strategy<Value = ClientOrderId> {
    "[!-~]{1,20}".prop_map(|id| ClientOrderId::new(&id).unwrap())
}

fn new_order() -> impl Strategy<Value = NewOrder> {
    let side = select(Side::ALL.to_vec());
    let time_in_force = select(TimeInForce::ALL.to_vec());
    let self_trade_prevention = select(SelfTradePrevention::ALL.to_vec());
    let form = (side, time_in_force, self_trade_prevention);
    (small(), small(), amount(), amount(), form).prop_map(
        |(instrument, account, price_ticks, quantity, form)| NewOrder {
            instrument,
            account,
            price_ticks,
            quantity,
            side: form.0,
            time_in_force: form.1,
            self_trade_prevention: form.2,
        },
    )
}

fn terms() -> impl Strategy<Value = Terms> {
    let quantities = (sometimes(0, amount()), sometimes(0, amount()));
    let prices = (sometimes(0, amount()), sometimes(0, amount()));
    let references = (
        sometimes(0, amount()),
        sometimes(0, number()),
        sometimes(0, number()),
        sometimes(None, client_order_id().prop_map(Some)),
    );
    let order_type = select(OrderType::ALL.to_vec());
    let form = (
        order_type,
        select(PostOnly::ALL.to_vec()),
        select(Peg::ALL.to_vec()),
        select(Trigger::ALL.to_vec()),
        any::<bool>(),
        any::<bool>(),
    );
    (quantities, prices, references, form).prop_map(|(quantities, prices, references, form)| {
        Terms {
            minimum_quantity: quantities.0,
            display_quantity: quantities.1,
            stop_price_ticks: prices.0,
            trail_ticks: prices.1,
            expire_at_us: references.0,
            linked_order: references.1,
            session: references.2,
            client_order_id: references.3,
            order_type: form.0,
            post_only: form.1,
            peg: form.2,
            trigger: form.3,
            hidden: form.4,
            all_or_none: form.5,
        }
    })
}

fn instrument() -> impl Strategy<Value = Instrument> {
    let names = ("\\PC{1,15}", "[A-Z]{3,7}");
    (names, small(), any::<u8>(), amount(), amount()).prop_filter_map(
        "the symbol is too long",
        |((symbol, currency), tick_digits, tick_scale, lot_size, maximum_price_ticks)| {
            Some(Instrument {
                symbol: Symbol::new(&symbol)?,
                currency: CurrencyCode::new(&currency)?,
                tick_digits,
                tick_scale,
                lot_size,
                maximum_price_ticks,
            })
        },
    )
}

fn price_rules() -> impl Strategy<Value = PriceRules> {
    (small(), small(), amount(), small()).prop_map(
        |(collar_ppm, band_ppm, volatility_halt_us, protection_ppm)| PriceRules {
            collar_ppm,
            band_ppm,
            volatility_halt_us,
            protection_ppm,
        },
    )
}

fn fee_schedule() -> impl Strategy<Value = FeeSchedule> {
    ("[a-z ]{1,23}", signed_small(), signed_small(), signed_small()).prop_map(
        |(name, maker_ppm, taker_ppm, auction_ppm)| FeeSchedule {
            name: ScheduleName::new(&name).unwrap(),
            maker_ppm,
            taker_ppm,
            auction_ppm,
        },
    )
}

fn risk_limits() -> impl Strategy<Value = RiskLimits> {
    let quantity = || sometimes(i64::MAX, amount());
    let value = || sometimes(Money::MAX, money());
    let values = (value(), value(), value());
    (quantity(), quantity(), quantity(), values, sometimes(u32::MAX, small())).prop_map(
        |(order_quantity, daily_bought_quantity, daily_sold_quantity, values, open_orders)| {
            RiskLimits {
                order_quantity,
                order_value: values.0,
                daily_bought_quantity,
                daily_sold_quantity,
                daily_bought_value: values.1,
                daily_sold_value: values.2,
                open_orders,
            }
        },
    )
}

fn trading_day() -> impl Strategy<Value = TradingDay> {
    (signed_small(), amount(), amount(), amount(), amount()).prop_map(
        |(trade_date, pre_open_us, open_us, closing_auction_us, close_us)| TradingDay {
            trade_date,
            pre_open_us,
            open_us,
            closing_auction_us,
            close_us,
        },
    )
}

fn busted_trade() -> impl Strategy<Value = BustedTrade> {
    (number(), small(), (amount(), amount()), (small(), small()), (money(), money())).prop_map(
        |(trade_id, instrument, (price_ticks, quantity), (buyer, seller), fees)| BustedTrade {
            trade_id,
            instrument,
            price_ticks,
            quantity,
            buyer,
            seller,
            buyer_fee: fees.0,
            seller_fee: fees.1,
        },
    )
}

/// About orders that are there already.
fn order_command() -> impl Strategy<Value = Command> {
    let one_side_or_both = select(vec![None, Some(Side::Buy), Some(Side::Sell)]);
    prop_oneof![
        (number(), small())
            .prop_map(|(order_id, participant)| Command::CancelOrder { order_id, participant }),
        (number(), small(), amount()).prop_map(|(order_id, participant, by)| {
            Command::ReduceOrder { order_id, participant, by }
        }),
        (number(), small(), amount(), amount()).prop_map(
            |(order_id, participant, price_ticks, quantity)| Command::ReplaceOrder {
                order_id,
                participant,
                price_ticks,
                quantity,
            }
        ),
        (small(), client_order_id(), small()).prop_map(
            |(account, client_order_id, participant)| Command::CancelClientOrder {
                account,
                client_order_id,
                participant,
            }
        ),
        (small(), small(), small(), one_side_or_both).prop_map(
            |(participant, account, instrument, side)| Command::CancelOrders {
                participant,
                account,
                instrument,
                side,
            }
        ),
        number().prop_map(|session| Command::EndSession { session }),
    ]
}

/// About participants, accounts and what they have and may.
fn account_command() -> impl Strategy<Value = Command> {
    let status = select(AccountStatus::ALL.to_vec());
    prop_oneof![
        role().prop_map(|role| Command::RegisterParticipant { role }),
        (small(), small(), small()).prop_map(|(participant, orders_per_second, burst)| {
            Command::SetRateLimit { participant, orders_per_second, burst }
        }),
        role().prop_map(|owner| Command::OpenAccount { owner }),
        (small(), status)
            .prop_map(|(account, status)| Command::SetAccountStatus { account, status }),
        (small(), small(), any::<bool>()).prop_map(|(account, participant, killed)| {
            Command::SetKillSwitch { account, participant, killed }
        }),
        fee_schedule().prop_map(Command::CreateFeeSchedule),
        (small(), any::<u8>())
            .prop_map(|(account, schedule)| Command::SetFeeSchedule { account, schedule }),
        (small(), any::<u8>(), money()).prop_map(|(account, currency, amount)| {
            Command::TransferCash { account, currency, amount }
        }),
        (small(), small(), amount()).prop_map(|(account, instrument, quantity)| {
            Command::TransferShares { account, instrument, quantity }
        }),
        (small(), any::<u8>(), money()).prop_map(|(account, currency, limit)| {
            Command::SetCreditLimit { account, currency, limit }
        }),
        (small(), small(), amount()).prop_map(|(account, instrument, limit)| {
            Command::SetShortLimit { account, instrument, limit }
        }),
        (small(), small(), risk_limits()).prop_map(|(account, instrument, limits)| {
            Command::SetRiskLimits { account, instrument, limits }
        }),
    ]
}

/// About the market and its instruments.
fn market_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        instrument().prop_map(Command::CreateInstrument),
        (small(), price_rules())
            .prop_map(|(instrument, rules)| Command::SetPriceRules { instrument, rules }),
        (small(), amount()).prop_map(|(instrument, price_ticks)| {
            Command::SetReferencePrice { instrument, price_ticks }
        }),
        signed_small().prop_map(|trade_date| Command::OpenMarket { trade_date }),
        Just(Command::CloseMarket),
        trading_day().prop_map(Command::ScheduleDay),
        Just(Command::ClearSchedule),
        small().prop_map(|instrument| Command::HaltInstrument { instrument }),
        small().prop_map(|instrument| Command::ResumeInstrument { instrument }),
        busted_trade().prop_map(Command::BustTrade),
        Just(Command::AdvanceClock),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => new_order().prop_map(Command::PlaceOrder),
        4 => (new_order(), terms())
            .prop_map(|(new, terms)| Command::PlaceOrderWithTerms(new, terms)),
        6 => order_command(),
        12 => account_command(),
        11 => market_command(),
    ]
}

/// Failing cases are kept in the repository, and tried first.
fn config() -> ProptestConfig {
    let kept = FileFailurePersistence::Direct("proptest-regressions/codec.txt");
    ProptestConfig { failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_encoded_is_decoded(
        commands in prop::collection::vec((any_command(), number()), 0..40),
    ) {
        let mut bytes = Vec::new();
        for (command, time_delta_us) in &commands {
            encode(command, *time_delta_us, &mut bytes);
        }
        let mut input = bytes.as_slice();
        for (command, time_delta_us) in commands {
            prop_assert_eq!(decode(&mut input), Ok((time_delta_us, command)));
        }
        prop_assert!(input.is_empty());
        prop_assert_eq!(decode(&mut input), Err(DecodeError::Truncated));
    }

    #[test]
    fn what_is_cut_off_is_an_error(command in any_command(), time_delta_us in number()) {
        let mut bytes = Vec::new();
        encode(&command, time_delta_us, &mut bytes);
        for length in 0..bytes.len() {
            let mut input = &bytes[..length];
            prop_assert_eq!(decode(&mut input), Err(DecodeError::Truncated));
            prop_assert_eq!(input.len(), length, "an error takes nothing");
        }
    }

    /// Whatever is decoded would be encoded to the same bytes: there is one encoding.
    #[test]
    fn any_bytes_are_a_command_or_an_error(
        kind in any::<u8>(),
        rest in prop::collection::vec(any::<u8>(), 0..150),
    ) {
        is_decoded_exactly_or_not_at_all(&[&[kind], rest.as_slice()].concat())?;
    }

    /// What is nearly a command comes further than any bytes do.
    #[test]
    fn damaged_commands_are_a_command_or_an_error(
        command in any_command(),
        at in any::<prop::sample::Index>(),
        damage in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        encode(&command, 0, &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= damage;
        is_decoded_exactly_or_not_at_all(&bytes)?;
    }
}

fn is_decoded_exactly_or_not_at_all(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut input = bytes;
    match decode(&mut input) {
        Ok((time_delta_us, command)) => {
            let mut again = Vec::new();
            encode(&command, time_delta_us, &mut again);
            prop_assert_eq!(&again, &bytes[..bytes.len() - input.len()]);
        }
        Err(error) => {
            prop_assert_eq!(input, bytes);
            prop_assert!(!error.to_string().is_empty());
        }
    }
    Ok(())
}

#[test]
fn numbers_have_one_encoding() {
    let end_session = |number: &[u8]| match decode(&mut [&[11, 0], number].concat().as_slice()) {
        Ok((0, Command::EndSession { session })) => Ok(session),
        Err(error) => Err(error),
        other => panic!("{other:?}"),
    };
    assert_eq!(end_session(&[0x7f]), Ok(127));
    assert_eq!(end_session(&[0x80, 1]), Ok(128));
    assert_eq!(end_session(&[0xff, 0]), Err(DecodeError::InvalidNumber));
    let largest = [&[0xff; 9][..], &[1]].concat();
    assert_eq!(end_session(&largest), Ok(u64::MAX));
    let too_large = [&[0xff; 9][..], &[2]].concat();
    assert_eq!(end_session(&too_large), Err(DecodeError::InvalidNumber));
    assert_eq!(end_session(&[0x80; 11]), Err(DecodeError::InvalidNumber));
    // An instrument id that is no u32.
    let place = [&[0x40, 0][..], &[0xff, 0xff, 0xff, 0xff, 0x10], &[1, 1, 1]].concat();
    assert_eq!(decode(&mut place.as_slice()), Err(DecodeError::InvalidNumber));
}

#[test]
fn money_has_one_encoding() {
    let transfer = |amount: &[u8]| match decode(&mut [&[20, 0, 1, 1], amount].concat().as_slice()) {
        Ok((0, Command::TransferCash { account: 1, currency: 1, amount })) => Ok(amount),
        Err(error) => Err(error),
        other => panic!("{other:?}"),
    };
    assert_eq!(transfer(&[0]), Ok(0));
    assert_eq!(transfer(&[1]), Ok(-1));
    assert_eq!(transfer(&[2]), Ok(1));
    assert_eq!(transfer(&[0x80, 0]), Err(DecodeError::InvalidNumber));
    let lowest = [&[0xff; 18][..], &[3]].concat();
    assert_eq!(transfer(&lowest), Ok(Money::MIN));
    let highest = [&[0xfe][..], &[0xff; 17], &[3]].concat();
    assert_eq!(transfer(&highest), Ok(Money::MAX));
    let too_large = [&[0xff; 18][..], &[4]].concat();
    assert_eq!(transfer(&too_large), Err(DecodeError::InvalidNumber));
    assert_eq!(transfer(&[0x80; 20]), Err(DecodeError::InvalidNumber));
}

#[test]
fn what_can_be_left_out_must_be() {
    let terms =
        |terms: &[u8]| match decode(&mut [&[0x80, 0, 1, 1, 1, 1], terms].concat().as_slice()) {
            Ok((0, Command::PlaceOrderWithTerms(_, terms))) => Ok(terms),
            Err(error) => Err(error),
            other => panic!("{other:?}"),
        };
    assert_eq!(terms(&[0]), Ok(Terms::PLAIN));
    assert_eq!(terms(&[2, 7]), Ok(Terms { session: 7, ..Terms::PLAIN }));
    assert_eq!(terms(&[2, 0]), Err(DecodeError::InvalidNumber), "no session, but said");
    assert_eq!(terms(&[4, 0]), Err(DecodeError::InvalidNumber), "a limit order, but said");
    assert_eq!(terms(&[4, 6]), Err(DecodeError::InvalidChoice), "no such order type");
    assert_eq!(terms(&[0x80, 0x80, 1]), Err(DecodeError::InvalidNumber), "no such term");

    let limits = |limits: &[u8]| match decode(&mut [&[24, 0, 1, 0], limits].concat().as_slice()) {
        Ok((0, Command::SetRiskLimits { limits, .. })) => Ok(limits),
        Err(error) => Err(error),
        other => panic!("{other:?}"),
    };
    assert_eq!(limits(&[0]), Ok(RiskLimits::NONE));
    assert_eq!(limits(&[0x40, 9]), Ok(RiskLimits { open_orders: 9, ..RiskLimits::NONE }));
    let none_but_said = limits(&[0x40, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(none_but_said, Err(DecodeError::InvalidNumber));
    let too_large = limits(&[0x40, 0x80, 0x80, 0x80, 0x80, 0x10]);
    assert_eq!(too_large, Err(DecodeError::InvalidNumber));
    assert_eq!(limits(&[0x80, 9]), Err(DecodeError::InvalidChoice), "no such limit");
}

#[test]
fn bad_kinds_choices_and_texts() {
    for kind in [0, 30, 0x3f, 0x72, 0x7f, 0xb2, 0xff] {
        assert_eq!(decode(&mut &[kind, 0][..]), Err(DecodeError::UnknownKind(kind)));
    }
    assert_eq!(decode(&mut &[10, 0, 1, 1, 1, 3][..]), Err(DecodeError::InvalidChoice));
    assert_eq!(decode(&mut &[16, 0, 1, 4][..]), Err(DecodeError::InvalidChoice));
    assert_eq!(decode(&mut &[17, 0, 1, 1, 2][..]), Err(DecodeError::InvalidChoice));
    assert_eq!(decode(&mut &[4, 0, 0][..]), Err(DecodeError::InvalidText));
    assert_eq!(decode(&mut &[4, 0, 1, 0xff][..]), Err(DecodeError::InvalidText));
    let too_long = [&[4, 0, 64][..], &[b'a'; 64]].concat();
    assert_eq!(decode(&mut too_long.as_slice()), Err(DecodeError::InvalidText));
}

/// The journal holds a billion of these a day.
#[test]
fn an_order_is_short() {
    let order = NewOrder {
        instrument: 100,
        account: 1000,
        side: Side::Sell,
        time_in_force: TimeInForce::GoodTillCancel,
        self_trade_prevention: SelfTradePrevention::CancelNewest,
        price_ticks: 15_000,
        quantity: 100,
    };
    let is = |command: Command, expected: &[u8]| {
        let mut bytes = Vec::new();
        encode(&command, 5, &mut bytes);
        assert_eq!(bytes, expected);
    };
    is(Command::PlaceOrder(order), &[0x41, 5, 100, 0xe8, 7, 0x98, 0x75, 100]);
    let market = Terms { order_type: OrderType::Market, ..Terms::PLAIN };
    let at_once =
        NewOrder { time_in_force: TimeInForce::ImmediateOrCancel, price_ticks: 0, ..order };
    is(Command::PlaceOrderWithTerms(at_once, market), &[0x83, 5, 100, 0xe8, 7, 0, 100, 4, 1]);
}

/// Journals outlive the program that wrote them.
#[test]
fn the_encoding_does_not_change() {
    let order = NewOrder {
        instrument: 2,
        account: 3,
        price_ticks: 4,
        quantity: 5,
        side: Side::Sell,
        time_in_force: TimeInForce::GoodTillDate,
        self_trade_prevention: SelfTradePrevention::Allow,
    };
    let terms = Terms {
        minimum_quantity: 8,
        display_quantity: 5,
        stop_price_ticks: 4,
        trail_ticks: 9,
        expire_at_us: 6,
        linked_order: 7,
        session: 1,
        client_order_id: ClientOrderId::new("A"),
        order_type: OrderType::StopLimit,
        post_only: PostOnly::Slide,
        peg: Peg::Midpoint,
        trigger: Trigger::BestQuote,
        hidden: true,
        all_or_none: true,
    };
    let limits = RiskLimits {
        order_quantity: 1,
        order_value: 2,
        daily_bought_quantity: 3,
        daily_sold_quantity: 4,
        daily_bought_value: 5,
        daily_sold_value: 6,
        open_orders: 7,
    };
    let name = |text: &str| RoleName::new(text).unwrap();
    let instrument = Instrument {
        symbol: Symbol::new("ACME").unwrap(),
        currency: CurrencyCode::new("USD").unwrap(),
        tick_digits: 1,
        tick_scale: 2,
        lot_size: 3,
        maximum_price_ticks: 4,
    };
    let rules = PriceRules { collar_ppm: 2, band_ppm: 3, volatility_halt_us: 4, protection_ppm: 5 };
    let schedule = FeeSchedule {
        name: ScheduleName::new("X").unwrap(),
        maker_ppm: -1,
        taker_ppm: 1,
        auction_ppm: 2,
    };
    let day = TradingDay {
        trade_date: 1,
        pre_open_us: 2,
        open_us: 3,
        closing_auction_us: 4,
        close_us: 5,
    };
    let trade = BustedTrade {
        trade_id: 1,
        instrument: 2,
        price_ticks: 3,
        quantity: 4,
        buyer: 5,
        seller: 6,
        buyer_fee: 7,
        seller_fee: -7,
    };
    let client_order_id = ClientOrderId::new("A").unwrap();
    let cases: [(Command, &[u8]); 31] = [
        (Command::PlaceOrder(order), &[0x71, 2, 3, 4, 5]),
        (
            Command::PlaceOrderWithTerms(order, terms),
            &[0xb1, 2, 3, 4, 5, 0xff, 0x7f, 1, b'A', 1, 3, 2, 4, 5, 6, 7, 8, 9, 3],
        ),
        (Command::CancelOrder { order_id: 2, participant: 1 }, &[1, 2, 1]),
        (Command::ReduceOrder { order_id: 2, participant: 1, by: 3 }, &[2, 2, 1, 3]),
        (Command::CreateInstrument(instrument), b"\x03\x04ACME\x03USD\x01\x02\x03\x04"),
        (Command::OpenAccount { owner: name("anna") }, b"\x04\x04anna"),
        (Command::OpenMarket { trade_date: -2 }, &[5, 3]),
        (Command::CloseMarket, &[6]),
        (Command::AdvanceClock, &[7]),
        (
            Command::ReplaceOrder { order_id: 1, participant: 2, price_ticks: 3, quantity: 4 },
            &[8, 1, 2, 3, 4],
        ),
        (
            Command::CancelClientOrder { account: 2, client_order_id, participant: 3 },
            &[9, 2, 1, b'A', 3],
        ),
        (
            Command::CancelOrders {
                participant: 1,
                account: 2,
                instrument: 3,
                side: Some(Side::Sell),
            },
            &[10, 1, 2, 3, 2],
        ),
        (Command::EndSession { session: 300 }, &[11, 0xac, 2]),
        (Command::SetPriceRules { instrument: 1, rules }, &[12, 1, 2, 3, 4, 5]),
        (Command::SetReferencePrice { instrument: 1, price_ticks: 2 }, &[13, 1, 2]),
        (Command::RegisterParticipant { role: name("boris") }, b"\x0e\x05boris"),
        (Command::SetRateLimit { participant: 1, orders_per_second: 2, burst: 3 }, &[15, 1, 2, 3]),
        (Command::SetAccountStatus { account: 1, status: AccountStatus::Suspended }, &[16, 1, 2]),
        (Command::SetKillSwitch { account: 1, participant: 2, killed: true }, &[17, 1, 2, 1]),
        (Command::CreateFeeSchedule(schedule), &[18, 1, b'X', 1, 2, 4]),
        (Command::SetFeeSchedule { account: 1, schedule: 2 }, &[19, 1, 2]),
        (Command::TransferCash { account: 1, currency: 2, amount: -3 }, &[20, 1, 2, 5]),
        (Command::TransferShares { account: 1, instrument: 2, quantity: -3 }, &[21, 1, 2, 5]),
        (Command::SetCreditLimit { account: 1, currency: 2, limit: 3 }, &[22, 1, 2, 3]),
        (Command::SetShortLimit { account: 1, instrument: 2, limit: 3 }, &[23, 1, 2, 3]),
        (
            Command::SetRiskLimits { account: 1, instrument: 2, limits },
            &[24, 1, 2, 0x7f, 1, 2, 3, 4, 5, 6, 7],
        ),
        (Command::ScheduleDay(day), &[25, 2, 2, 3, 4, 5]),
        (Command::ClearSchedule, &[26]),
        (Command::HaltInstrument { instrument: 1 }, &[27, 1]),
        (Command::ResumeInstrument { instrument: 1 }, &[28, 1]),
        (Command::BustTrade(trade), &[29, 1, 2, 3, 4, 5, 6, 14, 13]),
    ];
    for (command, expected) in &cases {
        let mut bytes = Vec::new();
        encode(command, 9, &mut bytes);
        // The time stands after the kind.
        assert_eq!(bytes, [&expected[..1], &[9], &expected[1..]].concat(), "{command:?}");
    }
    let kinds: BTreeSet<u8> = cases.iter().map(|(_, bytes)| bytes[0]).collect();
    assert_eq!(kinds.len(), cases.len(), "each kind once");
}
