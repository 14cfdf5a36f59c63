//! The engine alone, one thread, on the streams that open engines are compared on.
//!
//! ```text
//! cargo run --release -p bench --bin engine [-- --quick]
//! ```
//!
//! Every command is checked and applied as the exchange does it, with its events, its
//! outcome and the running hash. The prefill is not timed. Trades and their checksum must
//! be those of the comparison, else the program fails.
//!
//! Beside it, in the same run and in turn with it, its books alone: what limit orders and
//! cancels cost without an exchange around them.
//!
//! The whole engine is measured twice: with nothing set but accounts that have money and
//! shares ("plain"), and with everything that it can check ("all on": fees, the limits of
//! account, instrument and position, a collar and bands).

use bench::commands::{Commands, SetUp};
use bench::machine::Machine;
use bench::stream::generate;
use bench::verify;
use matcher::{BareBooks, Command, Engine, Event, Limits, PREFETCH_BATCH, Stamp};
use std::hint::black_box;
use std::time::Instant;

/// How many times as long as its books alone the whole engine may take.
const HIGHEST_RATIO: f64 = 1.5;

/// The default settings of the exchange.
const LIMITS: Limits = Limits {
    maximum_instruments: 1024,
    maximum_accounts: 65_536,
    maximum_open_orders: 1 << 20,
    maximum_price_levels: 1 << 18,
    maximum_positions: 1 << 20,
    client_order_window: 1 << 20,
};

/// A stream, what a right engine makes of it, and what the fastest open one took, all as
/// published with the comparison (one core of a 2.0 GHz two-core machine).
struct Target {
    name: &'static str,
    symbols: u16,
    prefill: u64,
    fnv: u64,
    trades: u64,
    checksum: u64,
    best_mops: f64,
    median_mops: f64,
    latencies_ns: Option<[f64; 3]>,
    /// How many times as fast this engine wants to be with nothing to check.
    reach: f64,
    /// The fastest open engine with funds and risk.
    with_risk_best_mops: f64,
    with_risk_median_mops: f64,
}

/// How many times as fast the whole engine wants to be as the fastest open one that has
/// funds and risk.
const REACH_WITH_RISK: f64 = 3.0;

const COMMANDS: u64 = 5_000_000;
const SEED: u64 = 42;

const TARGETS: [Target; 2] = [
    Target {
        name: "S1",
        symbols: 1,
        prefill: 10_000,
        fnv: 0x9b97a21d5f95d6f8,
        trades: 495_665,
        checksum: 0x52738626f64184be,
        best_mops: 22.2,
        median_mops: 16.1,
        latencies_ns: Some([107.0, 319.0, 570.0]),
        reach: 1.0,
        with_risk_best_mops: 2.3,
        with_risk_median_mops: 1.4,
    },
    Target {
        name: "S100",
        symbols: 100,
        prefill: 1_000,
        fnv: 0x8ca1bf978de845d8,
        trades: 493_750,
        checksum: 0xa69fc30753151c09,
        best_mops: 5.6,
        median_mops: 4.6,
        latencies_ns: None,
        reach: 1.5,
        with_risk_best_mops: 1.1,
        with_risk_median_mops: 0.9,
    },
];

fn main() {
    let quick = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--quick" => true,
        _ => {
            eprintln!("usage: engine [--quick]");
            std::process::exit(2);
        }
    };
    let runs = if quick { 3 } else { 15 };
    println!("{runs} runs of {COMMANDS} commands, best / median; latencies p50 / p99 / p99.9");
    println!("{:8}{:38}{:>15}{:>15}{:>24}", "stream", "engine", "M ops/s", "ns/op", "latency ns");
    for target in &TARGETS {
        measure(target, runs);
    }
    println!("one by one: the time of each command alone, less that of reading the clock");
}

fn measure(target: &Target, runs: usize) {
    let stream = generate(target.symbols, COMMANDS, target.prefill, SEED);
    assert_eq!(stream.fnv(), target.fnv, "the generator is not that of the comparison");
    assert_eq!((stream.trades, stream.checksum), (target.trades, target.checksum));
    let print = |engine: &str, best: f64, median: f64, latencies: Option<[f64; 3]>| {
        let latencies =
            latencies.map_or(String::new(), |[a, b, c]| format!("{a:.0} / {b:.0} / {c:.0}"));
        println!(
            "{:8}{engine:38}{:>15}{:>15}{latencies:>24}",
            target.name,
            format!("{best:.1} / {median:.1}"),
            format!("{:.0} / {:.0}", 1e3 / best, 1e3 / median),
        );
    };
    let Target { best_mops, median_mops, reach, .. } = *target;
    print("fastest open book, as published", best_mops, median_mops, target.latencies_ns);
    print(&format!("to reach ({reach}x)"), best_mops * reach, median_mops * reach, None);
    let Target { with_risk_best_mops, with_risk_median_mops, .. } = *target;
    let published = "fastest open one with funds and risk";
    print(published, with_risk_best_mops, with_risk_median_mops, None);
    let reach = REACH_WITH_RISK;
    let wanted = [with_risk_best_mops * reach, with_risk_median_mops * reach];
    print(&format!("to reach ({reach}x)"), wanted[0], wanted[1], None);
    let [plain, all_on] = [SetUp::Plain, SetUp::AllOn].map(|set_up| Commands::new(&stream, set_up));
    let trades = (target.trades, target.checksum);
    assert_eq!(verify::trades::<BareBooks>(&plain, LIMITS), trades, "other trades");
    for commands in [&plain, &all_on] {
        assert_eq!(verify::trades::<Engine>(commands, LIMITS), trades, "other trades");
    }
    let set_ups = ["limits and cancels alone", "whole engine, plain", "whole engine, all on"];
    let latencies = [
        latencies_ns::<BareBooks>(&plain),
        latencies_ns::<Engine>(&plain),
        latencies_ns::<Engine>(&all_on),
    ];
    for (way, in_batches) in [("in batches", true), ("one by one", false)] {
        let mut mops = [const { Vec::new() }; 3];
        // In turn, so that a slow moment of the machine is everybody's.
        for _ in 0..runs {
            mops[0].push(run::<BareBooks>(&plain, in_batches));
            mops[1].push(run::<Engine>(&plain, in_batches));
            mops[2].push(run::<Engine>(&all_on, in_batches));
        }
        let mut medians = [0.0; 3];
        for (index, name) in set_ups.into_iter().enumerate() {
            mops[index].sort_by(f64::total_cmp);
            medians[index] = mops[index][runs / 2];
            let shown = (!in_batches).then_some(latencies[index]);
            print(&format!("{name}, {way}"), mops[index][runs - 1], medians[index], shown);
        }
        println!(
            "{:8}{way}: the whole engine takes {:.2}x as long as limits and cancels alone, {:.2}x with all on; to reach {HIGHEST_RATIO}x",
            target.name,
            medians[0] / medians[1],
            medians[0] / medians[2],
        );
    }
}

/// Instruments, accounts and the prefill.
fn prefilled<M: Machine>(commands: &Commands) -> M {
    let mut engine = M::new(LIMITS);
    let mut events = Vec::new();
    for command in &commands.before {
        apply_next(&mut engine, command, &mut events);
        events.clear();
    }
    engine
}

#[inline(always)]
fn apply_next<M: Machine>(engine: &mut M, command: &Command, events: &mut Vec<Event>) {
    let stamp = Stamp { sequence: engine.sequence() + 1, time_us: 0 };
    black_box(&engine.apply(stamp, command, events));
}

/// Millions of commands a second, as if each came alone, or taken in batches as the matcher of
/// the exchange does.
fn run<M: Machine>(commands: &Commands, in_batches: bool) -> f64 {
    let mut engine: M = prefilled(commands);
    let mut events = Vec::with_capacity(4096);
    let mut batch = Vec::with_capacity(PREFETCH_BATCH);
    let start = Instant::now();
    if in_batches {
        for compact in commands.timed.chunks(PREFETCH_BATCH) {
            batch.clear();
            batch.extend(compact.iter().map(|compact| compact.command()));
            engine.prefetch_batch(&batch);
            events.clear();
            for command in &batch {
                apply_next(&mut engine, command, &mut events);
            }
            black_box(&events);
        }
    } else {
        for compact in &commands.timed {
            events.clear();
            apply_next(&mut engine, &compact.command(), &mut events);
            black_box(&events);
        }
    }
    commands.timed.len() as f64 / start.elapsed().as_secs_f64() / 1e6
}

/// p50, p99 and p99.9 of the time of single commands.
fn latencies_ns<M: Machine>(commands: &Commands) -> [f64; 3] {
    let clock_ns = {
        let mut samples: Vec<u64> = (0..100_000)
            .map(|_| {
                let start = Instant::now();
                start.elapsed().as_nanos() as u64
            })
            .collect();
        samples.sort_unstable();
        samples[samples.len() / 2]
    };
    let mut engine: M = prefilled(commands);
    let mut events = Vec::with_capacity(4096);
    let mut samples: Vec<u64> = commands
        .timed
        .iter()
        .map(|compact| {
            let command = compact.command();
            events.clear();
            let start = Instant::now();
            apply_next(&mut engine, &command, &mut events);
            (start.elapsed().as_nanos() as u64).saturating_sub(clock_ns)
        })
        .collect();
    samples.sort_unstable();
    [0.5, 0.99, 0.999].map(|rank| samples[(samples.len() as f64 * rank) as usize] as f64)
}
