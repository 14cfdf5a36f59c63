//! Any bytes are either a command, which has no other encoding, or an error.
#![no_main]

use fuzz::switches::{CANARY, SHOW_COMMANDS};
use libfuzzer_sys::fuzz_target;
use matcher::Command;
use matcher::codec::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let mut input = bytes;
    loop {
        let before = input;
        let Ok((time_delta_us, command)) = decode(&mut input) else {
            assert_eq!(input, before, "an error takes nothing");
            return;
        };
        if *SHOW_COMMANDS {
            eprintln!("{time_delta_us} us later: {command:?}");
        }
        let taken = &before[..before.len() - input.len()];
        let mut again = Vec::new();
        encode(&command, time_delta_us, &mut again);
        if *CANARY && matches!(command, Command::SetRiskLimits { .. }) {
            again.pop();
        }
        assert_eq!(again, taken, "another encoding of {command:?}");
    }
});
