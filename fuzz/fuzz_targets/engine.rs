//! The engine and its oracle agree after every command, whatever the bytes make of them, and
//! what must hold in any case does.
#![no_main]

use fuzz::bytes::Bytes;
use fuzz::generator::{LIMITS, Step, next, opening};
use fuzz::recovery::rebuilt;
use fuzz::support::pair::Pair;
use fuzz::switches::{CANARY, SHOW_COMMANDS};
use libfuzzer_sys::fuzz_target;
use matcher::{Command, Stamp, View};

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes(bytes);
    let mut pair = Pair::new(LIMITS);
    if bytes.byte() != 0xff {
        opening().iter().for_each(|command| run(&mut pair, command, 0));
    }
    while !bytes.0.is_empty() {
        match next(&mut bytes, &pair.engine) {
            Step::Command(time_delta_us, command) => run(&mut pair, &command, time_delta_us),
            Step::Rebuild => {
                pair.engine = rebuilt(&pair.engine, LIMITS).expect("it was an engine's state");
                pair.compare();
            }
            Step::Nothing => {}
        }
    }
    if *CANARY && pair.counts.contains_key("Triggered") {
        give_to_the_engine_alone(&mut pair, &Command::AdvanceClock);
    }
    pair.compare();
});

fn run(pair: &mut Pair, command: &Command, time_delta_us: i64) {
    if *SHOW_COMMANDS {
        eprintln!("{time_delta_us} us later: {command:?}");
    }
    pair.run(command, time_delta_us);
}

/// The mistake of the canary, after a stop order was triggered: which takes a stop order that
/// was accepted, and a trade at its price.
fn give_to_the_engine_alone(pair: &mut Pair, command: &Command) {
    let counters = pair.engine.counters();
    let stamp = Stamp { sequence: counters.sequence + 1, time_us: counters.time_us };
    pair.engine.apply(stamp, command, &mut Vec::new());
}
