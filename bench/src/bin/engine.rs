//! The engine alone, one thread, on the streams that open engines are compared on.
//!
//! ```text
//! cargo run --release -p bench --bin engine [-- --quick]
//! ```
//!
//! Every command is checked and applied as the exchange does it, with its events, its
//! outcome and the running hash. The prefill is not timed. Trades and their checksum must
//! be those of the comparison, else the program fails.

use bench::commands::Commands;
use bench::stream::{Stream, generate, trade_checksum};
use matcher::{Command, Engine, Event, Limits, PREFETCH_BATCH, Stamp};
use std::hint::black_box;
use std::time::Instant;

/// The default settings of the exchange.
const LIMITS: Limits = Limits {
    maximum_instruments: 1024,
    maximum_accounts: 65_536,
    maximum_open_orders: 1 << 20,
    maximum_price_levels: 1 << 18,
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
    /// How many times as fast this engine wants to be.
    reach: f64,
}

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
    println!("{:8}{:34}{:>15}{:>15}{:>24}", "stream", "engine", "M ops/s", "ns/op", "latency ns");
    for target in &TARGETS {
        measure(target, runs);
    }
    println!("one by one: the time of each command alone, less that of reading the clock");
}

fn measure(target: &Target, runs: usize) {
    let stream = generate(target.symbols, COMMANDS, target.prefill, SEED);
    assert_eq!(stream.fnv(), target.fnv, "the generator is not that of the comparison");
    let commands = Commands::new(&stream);
    verify(target, &stream, &commands);
    drop(stream);

    let print = |engine: &str, best: f64, median: f64, latencies: Option<[f64; 3]>| {
        let latencies =
            latencies.map_or(String::new(), |[a, b, c]| format!("{a:.0} / {b:.0} / {c:.0}"));
        println!(
            "{:8}{engine:34}{:>15}{:>15}{latencies:>24}",
            target.name,
            format!("{best:.1} / {median:.1}"),
            format!("{:.0} / {:.0}", 1e3 / best, 1e3 / median),
        );
    };
    let print_runs = |engine: &str, latencies, run: &dyn Fn(&Commands) -> f64| {
        let mut mops: Vec<f64> = (0..runs).map(|_| run(&commands)).collect();
        mops.sort_by(f64::total_cmp);
        print(engine, mops[runs - 1], mops[runs / 2], latencies);
    };
    let Target { best_mops, median_mops, reach, .. } = *target;
    print("fastest open book, as published", best_mops, median_mops, target.latencies_ns);
    let engine = format!("to reach ({reach}x)");
    print(&engine, best_mops * reach, median_mops * reach, None);
    print_runs("matcher, in batches", None, &run_in_batches);
    print_runs("matcher, one by one", Some(latencies_ns(&commands)), &run_one_by_one);
}

/// An engine with instruments, accounts and the prefill.
fn prefilled(commands: &Commands) -> Engine {
    let mut engine = Engine::new(LIMITS);
    let mut events = Vec::new();
    for command in &commands.before {
        apply_next(&mut engine, command, &mut events);
        events.clear();
    }
    engine
}

#[inline(always)]
fn apply_next(engine: &mut Engine, command: &Command, events: &mut Vec<Event>) {
    let stamp = Stamp { sequence: engine.sequence() + 1, time_us: 0 };
    black_box(&engine.apply(stamp, command, events));
}

/// Panics unless the trades are those of the comparison.
fn verify(target: &Target, stream: &Stream, commands: &Commands) {
    let mut engine = Engine::new(LIMITS);
    let mut events = Vec::new();
    let mut trades = 0;
    let mut checksum = 0u64;
    let timed = commands.timed.iter().map(|compact| compact.command());
    for command in commands.before.iter().copied().chain(timed) {
        engine.check(&command).expect("every command of the stream is valid");
        apply_next(&mut engine, &command, &mut events);
        for event in events.drain(..) {
            if let Event::Trade(trade) = event {
                trades += 1;
                checksum = checksum.wrapping_add(trade_checksum(
                    commands.stream_id(trade.maker_order_id),
                    commands.stream_id(trade.taker_order_id),
                    trade.price_ticks,
                    trade.quantity as u64,
                ));
            }
        }
    }
    engine.validate();
    assert_eq!((trades, checksum), (target.trades, target.checksum), "other trades");
    assert_eq!((stream.trades, stream.checksum), (target.trades, target.checksum));
}

/// Millions of commands a second, taken in batches as the matcher of the exchange does.
fn run_in_batches(commands: &Commands) -> f64 {
    let mut engine = prefilled(commands);
    let mut events = Vec::with_capacity(4096);
    let mut batch = Vec::with_capacity(PREFETCH_BATCH);
    let start = Instant::now();
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
    commands.timed.len() as f64 / start.elapsed().as_secs_f64() / 1e6
}

/// Millions of commands a second, as if each came alone.
fn run_one_by_one(commands: &Commands) -> f64 {
    let mut engine = prefilled(commands);
    let mut events = Vec::with_capacity(4096);
    let start = Instant::now();
    for compact in &commands.timed {
        events.clear();
        apply_next(&mut engine, &compact.command(), &mut events);
        black_box(&events);
    }
    commands.timed.len() as f64 / start.elapsed().as_secs_f64() / 1e6
}

/// p50, p99 and p99.9 of the time of single commands.
fn latencies_ns(commands: &Commands) -> [f64; 3] {
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
    let mut engine = prefilled(commands);
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
