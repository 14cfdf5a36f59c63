//! The colocated feed: from one process to another, and into the blocks of tables.
//!
//! ```text
//! cargo run --release -p bench --bin feed [-- --quick]
//! ```
//!
//! A writer and a reader, each a process and each on a core of its own. Latency is from before the
//! writer writes an event to after the reader has it, by the clock that both read (one reading is
//! in it, about as much as shown). What other load on the two cores does shows in it too: one that is
//! not running cannot read.

use anyhow::{Context, Result, bail, ensure};
use bench::figures::{at_least, at_most, median};
use feed::ring::Settings;
use feed::{BestPrice, Change, Event, Kind, ReadError, Reader, Writer, codec};
use matcher::Side;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use std::hint::{black_box, spin_loop};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

const SETTINGS: Settings = Settings { capacity: 1 << 20, mode: 0o600, group: None, exchange: 0 };

const LATENCY_REACH_NS: f64 = 1_000.0;
const RATE_REACH: f64 = 5e6;
const DECODE_REACH: f64 = 60e6;

/// What a turn takes.
#[derive(Clone, Copy)]
struct Plan {
    turns: usize,
    single_events: u64,
    second: Duration,
    /// Of the writer.
    core: usize,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (turns, single_events, second) = match arguments.as_slice() {
        [] => (9, 200_000, Duration::from_secs(1)),
        ["--quick"] => (3, 20_000, Duration::from_millis(200)),
        // The other process.
        ["write", way, core, path] => return write(way, core.parse()?, Path::new(path)),
        _ => bail!("usage: feed [--quick]"),
    };
    let (core, reader_core) = cores()?;
    let plan = Plan { turns, single_events, second, core };
    pin(reader_core)?;
    println!(
        "writer on core {core}, reader on core {reader_core}; a reading of the clock takes {:.0} ns; \
         {turns} turns, best / median",
        clock_cost(),
    );
    println!(
        "{:34}{:>20}{:>13}{:>22}{:>22}",
        "from publish to read, ns", "p50", "reach", "p99", "p99.9"
    );
    let memory = Path::new("/dev/shm");
    let mut folders = vec![("a file on disk", env::temp_dir())];
    if memory.is_dir() {
        folders.push(("a file in memory", memory.to_owned()));
    }
    for (place, folder) in &folders {
        latency(&format!("{place}, one at a time"), &Ring::new(folder), "single", plan)?;
        latency(&format!("{place}, 5 M events/s"), &Ring::new(folder), "paced", plan)?;
    }
    println!("\n{:34}{:>12}{:>16}{:>12}", "as fast as it goes", "events/s", "reach", "lost");
    for (place, folder) in &folders {
        rate(place, &Ring::new(folder), plan)?;
    }
    println!("lost: the part that this reader, which looks at each event, missed by overruns");
    println!("\n{:34}{:>12}{:>16}", "one thread, of its own time", "ns/event", "events/s");
    alone(&Ring::new(&folders[folders.len() - 1].1), plan)
}

/// A file for a ring, removed in the end.
struct Ring(PathBuf);

impl Ring {
    fn new(folder: &Path) -> Self {
        Self(folder.join(format!("feed-bench-{}", std::process::id())))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // There is none if it could not be made.
        let _ = fs::remove_file(&self.0);
    }
}

fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// What this thread has used: other load on its core does not count.
fn cpu_ns() -> i64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec * 1_000_000_000 + used.tv_nsec
}

fn clock_cost() -> f64 {
    const READINGS: i64 = 1_000_000;
    let began = now_ns();
    for _ in 0..READINGS {
        black_box(now_ns());
    }
    (now_ns() - began) as f64 / READINGS as f64
}

/// The two last cores that this process may use.
fn cores() -> Result<(usize, usize)> {
    let allowed = sched_getaffinity(None).context("which cores there are")?;
    let mut cores = (0..CpuSet::MAX_CPU).rev().filter(|&core| allowed.is_set(core));
    match (cores.next(), cores.next()) {
        (Some(writer), Some(reader)) => Ok((writer, reader)),
        _ => bail!("it takes two cores"),
    }
}

fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("to be pinned to core {core}"))
}

/// Events as they come on a busy day, again and again: levels of 100 symbols, every tenth command a
/// trade, every fourth another best quote.
fn events(count: usize) -> Vec<Event> {
    let mut bits = 88_172_645_463_325_252_u64;
    let mut random = move |below: u64| {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        bits % below
    };
    let mut events = Vec::new();
    let (mut sequence, mut time_us, mut trade_id) = (0, 0, 0);
    while events.len() < count {
        sequence += 1 + random(2);
        time_us += random(10) as i64;
        let instrument = 1 + random(100) as u32;
        let side = Side::ALL[random(2) as usize];
        let price_ticks = 20_000 + random(200) as i64;
        let mut push = |change| events.push(Event { sequence, time_us, instrument, change });
        if random(10) == 0 {
            trade_id += 1;
            let quantity = 1 + random(1_000) as i64;
            let taker_side = side.opposite();
            let in_auction = false;
            push(Change::Trade { trade_id, price_ticks, quantity, taker_side, in_auction });
        }
        let orders = random(5) as u32;
        let quantity = if orders == 0 { 0 } else { 1 + random(3_000) as i64 };
        push(Change::Level { side, price_ticks, quantity, orders });
        if random(4) == 0 {
            let mut best =
                |price_ticks| Some(BestPrice { price_ticks, quantity: 1 + random(3_000) as i64 });
            push(Change::BestQuote { bid: best(price_ticks), ask: best(price_ticks + 1) });
        }
    }
    events.truncate(count);
    events
}

/// How many events are published at once where they come as fast as they go.
const BATCH: u64 = 128;
/// And where they come at [`RATE_REACH`]: what some commands say.
const PACED_BATCH: u64 = 16;

/// What the other process does, when the first line on its input says for how many events or
/// nanoseconds.
fn write(way: &str, core: usize, path: &Path) -> Result<()> {
    pin(core)?;
    let mut writer = Writer::create(path, &SETTINGS, 0)?;
    println!("ready");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let amount: i64 = line.trim().parse()?;

    let events = events(1 << 14);
    let mut all = events.iter().cycle();
    let mut sequence = 0;
    let mut write_batch = |writer: &mut Writer, count: u64| {
        let time_us = now_ns();
        for event in all.by_ref().take(count as usize) {
            sequence += 1;
            writer.write(&Event { sequence, time_us, ..*event });
        }
        writer.publish(sequence);
    };
    let began = now_ns();
    match way {
        "single" => {
            let mut next = began;
            for event in 0..amount {
                // Some microseconds apart, never in step with the reader.
                next += 2_000 + event.wrapping_mul(7_919) % 3_000;
                while now_ns() < next {
                    spin_loop();
                }
                write_batch(&mut writer, 1);
            }
        }
        "paced" => {
            let mut next = began;
            while next < began + amount {
                next += (PACED_BATCH as f64 / RATE_REACH * 1e9) as i64;
                while now_ns() < next {
                    spin_loop();
                }
                write_batch(&mut writer, PACED_BATCH);
            }
        }
        "fast" => {
            while now_ns() < began + amount {
                write_batch(&mut writer, BATCH);
            }
        }
        _ => bail!("{way}"),
    }
    let elapsed = now_ns() - began;
    println!("{}", writer.published() as f64 / elapsed as f64 * 1e9);
    writer.close();
    Ok(())
}

/// Starts the writer of a ring. It is told to go by [`go`].
fn start(way: &str, ring: &Ring, plan: Plan) -> Result<(Child, Reader)> {
    let mut child = Command::new(env::current_exe()?)
        .args(["write", way, &plan.core.to_string()])
        .arg(&ring.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the writer cannot be started")?;
    let mut line = String::new();
    let output = child.stdout.as_mut().context("no output")?;
    // One byte at a time, so that nothing of the next line is taken.
    BufReader::with_capacity(1, output).read_line(&mut line)?;
    ensure!(line == "ready\n", "the writer said {line:?}");
    Ok((child, Reader::open(&ring.0)?))
}

fn go(child: &mut Child, amount: u64) -> Result<()> {
    let input = child.stdin.as_mut().context("no input")?;
    writeln!(input, "{amount}").context("the writer does not listen")
}

fn latency(name: &str, ring: &Ring, way: &str, plan: Plan) -> Result<()> {
    let mut percentiles = [const { Vec::new() }; 3];
    let mut lost_events = 0;
    for _ in 0..plan.turns {
        let (mut child, mut reader) = start(way, ring, plan)?;
        let amount = match way {
            "single" => plan.single_events,
            _ => plan.second.as_nanos() as u64,
        };
        let mut latencies: Vec<u32> = Vec::with_capacity(8 << 20);
        go(&mut child, amount)?;
        loop {
            match reader.read() {
                Ok(Some(event)) => {
                    latencies.push(u32::try_from(now_ns() - event.time_us).unwrap_or(u32::MAX));
                }
                Ok(None) => spin_loop(),
                Err(ReadError::Overrun { lost }) => lost_events += lost,
                Err(ReadError::Closed) => break,
                Err(error) => return Err(error.into()),
            }
        }
        ensure!(child.wait()?.success(), "the writer failed");
        latencies.sort_unstable();
        for (turns, part) in percentiles.iter_mut().zip([0.5, 0.99, 0.999]) {
            turns.push(f64::from(latencies[(latencies.len() as f64 * part) as usize]));
        }
    }
    let [(p50, median_p50), p99, p999] = percentiles.map(|turns: Vec<f64>| {
        (turns.iter().copied().fold(f64::INFINITY, f64::min), median(turns))
    });
    let show = |(best, median): (f64, f64)| format!("{best:.0} / {median:.0}");
    println!(
        "{name:34}{:>20}{:>13}{:>22}{:>22}",
        show((p50, median_p50)),
        at_most(median_p50, LATENCY_REACH_NS),
        show(p99),
        show(p999)
    );
    if lost_events > 0 {
        println!("{:34}{lost_events} events lost", "");
    }
    Ok(())
}

fn rate(name: &str, ring: &Ring, plan: Plan) -> Result<()> {
    let (mut rates, mut written, mut lost_parts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.turns {
        let (mut child, mut reader) = start("fast", ring, plan)?;
        let (mut read, mut lost_events, mut sum) = (0_u64, 0, 0);
        go(&mut child, plan.second.as_nanos() as u64)?;
        let mut began = None;
        loop {
            match reader.read() {
                Ok(Some(event)) => {
                    began.get_or_insert_with(Instant::now);
                    read += 1;
                    // Every event is looked at.
                    sum ^= event.sequence ^ quantity_of(&event.change) as u64;
                }
                Ok(None) => spin_loop(),
                Err(ReadError::Overrun { lost }) => lost_events += lost,
                Err(ReadError::Closed) => break,
                Err(error) => return Err(error.into()),
            }
        }
        black_box(sum);
        let elapsed = began.context("nothing was read")?.elapsed();
        ensure!(child.wait()?.success(), "the writer failed");
        let mut line = String::new();
        BufReader::new(child.stdout.context("no output")?).read_line(&mut line)?;
        written.push(line.trim().parse()?);
        rates.push(read as f64 / elapsed.as_secs_f64());
        lost_parts.push(lost_events as f64 / (read + lost_events) as f64);
    }
    let (rate, written) = (median(rates), median(written));
    println!("{:34}{written:>12.0}", format!("{name}, written"));
    println!(
        "{:34}{rate:>12.0}{:>16}{:>10.0} %",
        format!("{name}, read"),
        at_least(rate, RATE_REACH),
        median(lost_parts) * 100.0
    );
    Ok(())
}

fn quantity_of(change: &Change) -> i64 {
    match *change {
        Change::Level { quantity, .. } | Change::Trade { quantity, .. } => quantity,
        Change::BestQuote { bid: Some(bid), .. } => bid.quantity,
        _ => 0,
    }
}

/// What it costs to write a ring nobody reads, and to write and read blocks.
fn alone(ring: &Ring, plan: Plan) -> Result<()> {
    let events = events(1 << 20);
    let count = events.len() as f64;
    let (first, mut block) = (events[0], Vec::new());
    let mut writer = Writer::create(&ring.0, &SETTINGS, 0)?;
    let mut times = [const { Vec::new() }; 4];
    for turn in 0..plan.turns as u64 {
        let began = cpu_ns();
        let mut sequence = turn * events.len() as u64;
        for batch in events.chunks(BATCH as usize) {
            for event in batch {
                sequence += 1;
                writer.write(&Event { sequence, ..*event });
            }
            writer.publish(sequence);
        }
        times[0].push(cpu_ns() - began);

        block.clear();
        let began = cpu_ns();
        codec::encode(&events, &mut block);
        times[1].push(cpu_ns() - began);

        let began = cpu_ns();
        let mut sum = 0;
        for event in codec::decode(first.sequence, first.time_us, &block) {
            sum ^= quantity_of(&event?.change);
        }
        black_box(sum);
        times[2].push(cpu_ns() - began);

        let began = cpu_ns();
        let mut quotes = codec::decode(first.sequence, first.time_us, &block);
        let mut found = 0;
        while let Some(event) =
            quotes.next_where(|head| head.instrument == 7 && head.kind == Kind::BestQuote)
        {
            black_box(event?);
            found += 1;
        }
        ensure!(found > 0, "symbol 7 has no quotes");
        times[3].push(cpu_ns() - began);
    }
    let names = [
        "written into a ring",
        "encoded into a block",
        "decoded from a block",
        "skipped in a block",
    ];
    for (name, times) in names.into_iter().zip(times) {
        let ns = median(times.iter().map(|&time| time as f64).collect()) / count;
        let reach = match name {
            "decoded from a block" => format!("   reach {}", at_least(1e9 / ns, DECODE_REACH)),
            _ => String::new(),
        };
        println!("{name:34}{ns:>12.1}{:>16.0}{reach}", 1e9 / ns);
    }
    println!("a block has {:.1} bytes an event, a ring 64", block.len() as f64 / count);
    Ok(())
}
