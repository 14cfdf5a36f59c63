//! Commands survive the journal, and nothing else passes for one.

use matcher::codec::{DecodeError, decode, encode};
use matcher::*;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn time_in_force() -> impl Strategy<Value = TimeInForce> {
    prop_oneof![Just(TimeInForce::GoodTillCancel), Just(TimeInForce::ImmediateOrCancel)]
}

/// Numbers of every size.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(bits, shift)| bits >> shift)
}

fn small() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32u32).prop_map(|(bits, shift)| bits >> shift)
}

fn amount() -> impl Strategy<Value = i64> {
    number().prop_map(|bits| bits as i64)
}

fn any_command() -> impl Strategy<Value = Command> {
    let place = (small(), small(), side(), time_in_force(), amount(), amount()).prop_map(
        |(instrument, account, side, time_in_force, price_ticks, quantity)| {
            Command::PlaceOrder(NewOrder {
                instrument,
                account,
                side,
                time_in_force,
                price_ticks,
                quantity,
            })
        },
    );
    let reduce = (number(), small(), amount())
        .prop_map(|(order_id, participant, by)| Command::ReduceOrder { order_id, participant, by });
    let create = ("\\PC{1,15}", small(), any::<u8>(), amount(), amount()).prop_filter_map(
        "the symbol is too long",
        |(symbol, tick_digits, tick_scale, lot_size, maximum_price_ticks)| {
            Some(Command::CreateInstrument(Instrument {
                symbol: Symbol::new(&symbol)?,
                tick_digits,
                tick_scale,
                lot_size,
                maximum_price_ticks,
            }))
        },
    );
    prop_oneof![
        place,
        (number(), small())
            .prop_map(|(order_id, participant)| Command::CancelOrder { order_id, participant }),
        reduce,
        create,
        "[a-zé_]{1,40}".prop_filter_map("the name is too long", |owner| {
            Some(Command::OpenAccount { owner: RoleName::new(&owner)? })
        }),
        Just(Command::OpenMarket),
        Just(Command::CloseMarket),
        Just(Command::AdvanceClock),
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
        commands in prop::collection::vec((any_command(), number()), 0..20),
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
        kind in 0..0x16u8,
        rest in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let bytes = [&[kind], rest.as_slice()].concat();
        let mut input = bytes.as_slice();
        match decode(&mut input) {
            Ok((time_delta_us, command)) => {
                let mut again = Vec::new();
                encode(&command, time_delta_us, &mut again);
                prop_assert_eq!(&again, &bytes[..bytes.len() - input.len()]);
            }
            Err(error) => {
                prop_assert_eq!(input, bytes.as_slice());
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}

#[test]
fn numbers_have_one_encoding() {
    let open_market = |time: &[u8]| decode(&mut [&[5], time].concat().as_slice());
    assert_eq!(open_market(&[0x7f]), Ok((127, Command::OpenMarket)));
    assert_eq!(open_market(&[0x80, 1]), Ok((128, Command::OpenMarket)));
    assert_eq!(open_market(&[0xff, 0]), Err(DecodeError::InvalidNumber));
    let largest = [&[0xff; 9][..], &[1]].concat();
    assert_eq!(open_market(&largest), Ok((u64::MAX, Command::OpenMarket)));
    let too_large = [&[0xff; 9][..], &[2]].concat();
    assert_eq!(open_market(&too_large), Err(DecodeError::InvalidNumber));
    assert_eq!(open_market(&[0x80; 11]), Err(DecodeError::InvalidNumber));
    // An instrument id that is no u32.
    let place = [&[0x10, 0][..], &[0xff, 0xff, 0xff, 0xff, 0x10], &[1, 1, 1]].concat();
    assert_eq!(decode(&mut place.as_slice()), Err(DecodeError::InvalidNumber));
}

#[test]
fn bad_kinds_and_texts() {
    assert_eq!(decode(&mut &[0, 0][..]), Err(DecodeError::UnknownKind(0)));
    assert_eq!(decode(&mut &[8, 0][..]), Err(DecodeError::UnknownKind(8)));
    assert_eq!(decode(&mut &[0x14, 0][..]), Err(DecodeError::UnknownKind(0x14)));
    assert_eq!(decode(&mut &[4, 0, 0][..]), Err(DecodeError::InvalidText));
    assert_eq!(decode(&mut &[4, 0, 1, 0xff][..]), Err(DecodeError::InvalidText));
    let too_long = [&[4, 0, 64][..], &[b'a'; 64]].concat();
    assert_eq!(decode(&mut too_long.as_slice()), Err(DecodeError::InvalidText));
}

/// The journal holds a billion of these a day.
#[test]
fn an_order_is_short() {
    let mut bytes = Vec::new();
    let order = NewOrder {
        instrument: 100,
        account: 1000,
        side: Side::Sell,
        time_in_force: TimeInForce::GoodTillCancel,
        price_ticks: 15_000,
        quantity: 100,
    };
    encode(&Command::PlaceOrder(order), 5, &mut bytes);
    assert_eq!(bytes, [0x11, 5, 100, 0xe8, 7, 0x98, 0x75, 100]);
}
