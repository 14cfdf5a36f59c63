//! Events survive a block, and nothing else passes for some.

mod support;

use feed::codec::{DecodeError, decode, encode};
use feed::{BestPrice, Change, Event, Kind};
use matcher::{Side, Symbol};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

fn encoded(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(events, &mut bytes);
    bytes
}

fn first(events: &[Event]) -> (u64, i64) {
    events.first().map_or((0, 0), |first| (first.sequence, first.time_us))
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn events_survive(events in support::events()) {
        let bytes = encoded(&events);
        let (sequence, time_us) = first(&events);
        let decoded: Result<Vec<_>, _> = decode(sequence, time_us, &bytes).collect();
        prop_assert_eq!(decoded, Ok(events));
    }

    /// What is skipped is what is not wanted.
    #[test]
    fn a_filter_gives_what_it_lets_through(
        events in support::events(),
        instrument in 0..3u32,
        kinds in any::<u16>(),
    ) {
        let bytes = encoded(&events);
        let (sequence, time_us) = first(&events);
        let is_wanted =
            |of: u32, kind: Kind| of == instrument || kinds >> kind as u16 & 1 != 0;
        let mut block = decode(sequence, time_us, &bytes);
        let decoded: Result<Vec<_>, _> = std::iter::from_fn(|| {
            block.next_where(|head| is_wanted(head.instrument, head.kind))
        })
        .collect();
        let expected: Vec<_> = events
            .into_iter()
            .filter(|event| is_wanted(event.instrument, event.change.kind()))
            .collect();
        prop_assert_eq!(decoded, Ok(expected));
    }

    #[test]
    fn a_cut_block_gives_its_whole_events_and_an_error(events in support::events()) {
        let bytes = encoded(&events);
        let (sequence, time_us) = first(&events);
        let ends: Vec<usize> = (1..=events.len()).map(|count| encoded(&events[..count]).len()).collect();
        for cut in 0..bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            let mut expected: Vec<_> = events[..whole].iter().copied().map(Ok).collect();
            if cut != 0 && !ends.contains(&cut) {
                expected.push(Err(DecodeError::Truncated));
            }
            let decoded: Vec<_> = decode(sequence, time_us, &bytes[..cut]).collect();
            prop_assert_eq!(decoded, expected);
        }
    }
}

proptest! {
    #![proptest_config(config(200_000))]

    /// Any bytes: no panic, and what they say is said by no other bytes.
    #[test]
    fn everything_has_one_encoding(
        sequence in support::number(),
        time_us in any::<i64>(),
        // Half of them below 0x40, so that there are whole events among them.
        bytes in proptest::collection::vec(prop_oneof![0..0x40u8, any::<u8>()], 0..40),
    ) {
        let mut block = decode(sequence, time_us, &bytes);
        let events: Vec<Event> = block.by_ref().map_while(Result::ok).collect();
        prop_assert_eq!(block.next(), None, "there is something after an error");
        let again = encoded(&events);
        prop_assert_eq!(&bytes[..again.len()], &again);

        // To skip is as safe.
        let mut block = decode(sequence, time_us, &bytes);
        let skipped = block.next_where(|_| false);
        prop_assert!(matches!(skipped, None | Some(Err(_))));
        prop_assert_eq!(block.next(), None);
    }
}

fn event(sequence: u64, time_us: i64, instrument: u32, change: Change) -> Event {
    Event { sequence, time_us, instrument, change }
}

/// The bytes are written in tables, so they must not change.
#[test]
fn bytes_of_today_are_bytes_of_tomorrow() {
    let best = |price_ticks, quantity| Some(BestPrice { price_ticks, quantity });
    let events = [
        event(
            7,
            1_000,
            0,
            Change::MarketPhase { phase: matcher::MarketPhase::Continuous, trade_date: -1 },
        ),
        event(
            9,
            1_200,
            3,
            Change::Listed {
                symbol: Symbol::new("AB").unwrap(),
                tick_digits: 5,
                tick_scale: 2,
                lot_size: 10,
            },
        ),
        event(
            10,
            1_200,
            3,
            Change::Trade {
                trade_id: 300,
                price_ticks: 2,
                quantity: 4,
                taker_side: Side::Sell,
                in_auction: true,
            },
        ),
        event(
            10,
            1_200,
            3,
            Change::Level { side: Side::Sell, price_ticks: 2, quantity: 0, orders: 0 },
        ),
        event(
            10,
            1_200,
            3,
            Change::Level { side: Side::Buy, price_ticks: 1, quantity: 6, orders: 2 },
        ),
        event(10, 1_200, 3, Change::BestQuote { bid: best(1, 6), ask: None }),
        event(10, 1_200, 4, Change::Refresh),
    ];
    let bytes: &[u8] = &[
        0x0a, 0x01, // the market, -1
        0xc1, 0x01, 0xc8, 0x01, 0x03, 0x02, b'A', b'B', 0x05, 0x02, 0x0a, // listed
        0x9b, 0x00, 0x00, 0xac, 0x02, 0x02, 0x04, // trade
        0x23, 0x02, // level gone
        0x20, 0x01, 0x06, 0x02, // level
        0x1d, 0x01, 0x06, // quote
        0x44, 0x04, // refresh
    ];
    assert_eq!(encoded(&events), bytes);
    assert_eq!(decode(7, 1_000, bytes).collect::<Result<Vec<_>, _>>(), Ok(events.to_vec()));
}

#[test]
fn any_time_may_elapse() {
    let events = [i64::MIN, i64::MAX].into_iter().enumerate().map(|(sequence, time_us)| Event {
        sequence: sequence as u64,
        time_us,
        instrument: 0,
        change: Change::Refresh,
    });
    let events: Vec<Event> = events.collect();
    let bytes = encoded(&events);
    assert_eq!(decode(0, i64::MIN, &bytes).collect::<Result<Vec<_>, _>>(), Ok(events));
}

#[test]
fn what_is_not_an_event_is_refused() {
    let error = |bytes: &[u8]| decode(u64::MAX - 1, i64::MAX - 1, bytes).find_map(Result::err);
    // No form, and a form that is none.
    assert_eq!(error(&[0]), Some(DecodeError::InvalidForm(0)));
    assert_eq!(error(&[0x3f]), Some(DecodeError::InvalidForm(0x3f)));
    // The first event is of the first command.
    assert_eq!(error(&[0x84, 0, 0]), Some(DecodeError::InvalidForm(0x84)));
    // Sequence number and time run over.
    assert_eq!(error(&[0x04, 0x84, 1, 0]), Some(DecodeError::InvalidNumber));
    assert_eq!(error(&[0x04, 0x84, 0, 2]), Some(DecodeError::InvalidNumber));
    assert_eq!(error(&[0x04, 0x84, 0, 1]), None);
    // Another instrument that is not.
    assert_eq!(error(&[0x44, 0]), Some(DecodeError::InvalidNumber));
    // An instrument, and a number, out of range.
    assert_eq!(error(&[0x44, 0xff, 0xff, 0xff, 0xff, 0x10]), Some(DecodeError::InvalidNumber));
    let ten = [0xff; 9];
    assert_eq!(error(&[&[0x02], &ten[..], &[0x02]].concat()), Some(DecodeError::InvalidNumber));
    assert_eq!(error(&[&[0x02], &ten[..], &[0x01]].concat()), None);
    // Numbers that are longer than they must be.
    for padded in [&[0x02, 0x80, 0][..], &[0x02, 0x80, 0x80, 0], &[0x02, 0x80, 0x80, 0x80, 0]] {
        assert_eq!(error(padded), Some(DecodeError::InvalidNumber));
    }
    // A level with nothing is gone.
    assert_eq!(error(&[0x20, 1, 0, 0]), Some(DecodeError::InvalidNumber));
    // Symbols.
    assert_eq!(error(&[0x01, 0, 1, 1, 1]), Some(DecodeError::InvalidText));
    assert_eq!(error(&[0x01, 1, 0xff, 1, 1, 1]), Some(DecodeError::InvalidText));
    assert_eq!(error(&[&[0x01, 16], &[b'A'; 16][..]].concat()), Some(DecodeError::InvalidText));
    assert_eq!(error(&[0x01, 2, b'A']), Some(DecodeError::Truncated));
    // Tick scale.
    assert_eq!(error(&[0x01, 1, b'A', 1, 0x80, 2, 1]), Some(DecodeError::InvalidNumber));
}

#[test]
#[should_panic(expected = "cannot come after")]
fn a_sequence_that_goes_backwards_is_not_encoded() {
    encoded(&[event(2, 0, 0, Change::Refresh), event(1, 0, 0, Change::Refresh)]);
}

#[test]
#[should_panic(expected = "two times of command 2")]
fn a_command_has_one_time() {
    encoded(&[event(2, 0, 0, Change::Refresh), event(2, 1, 0, Change::Refresh)]);
}
