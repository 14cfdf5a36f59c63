//! Any bytes are public events, which have no other encoding, and then maybe an error.
#![no_main]

use feed::Change;
use feed::codec::{decode, encode};
use fuzz::switches::{CANARY, SHOW_COMMANDS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Where a block begins is told beside it: at both ends of what there is, and between.
    let (sequence, time_us) = match bytes.len() % 3 {
        0 => (1, i64::MIN),
        1 => (1 << 40, 0),
        _ => (u64::MAX - 1, i64::MAX - 1),
    };
    let mut block = decode(sequence, time_us, bytes);
    let events: Vec<_> = block.by_ref().map_while(Result::ok).collect();
    assert_eq!(block.next(), None, "there is something after an error");
    if *SHOW_COMMANDS {
        eprintln!("{events:#?}");
    }
    let mut again = Vec::new();
    encode(&events, &mut again);
    if *CANARY && events.iter().any(|event| matches!(event.change, Change::Listed { .. })) {
        again.pop();
    }
    assert!(bytes.starts_with(&again), "another encoding of {events:?}");
    assert!(again.len() == bytes.len() || decode(sequence, time_us, bytes).any(|e| e.is_err()));

    // What is not wanted is passed over, and what is wanted is what it was.
    let is_wanted = |instrument: u32| instrument % 2 == 0;
    let mut block = decode(sequence, time_us, bytes);
    let mut wanted = events.iter().filter(|event| is_wanted(event.instrument));
    while let Some(Ok(event)) = block.next_where(|head| is_wanted(head.instrument)) {
        match wanted.next() {
            Some(expected) => assert_eq!(event, *expected),
            // What is skipped is checked less, so there may be more events behind the error.
            None => break,
        }
    }
    assert_eq!(wanted.next(), None, "an event that is wanted was skipped");
});
