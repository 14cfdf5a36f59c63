use bench::commands::Commands;
use bench::stream::{generate, Stream};
use matcher::*;
use std::time::Instant;
const LIMITS: Limits = Limits { maximum_instruments: 1024, maximum_accounts: 65536, maximum_open_orders: 1 << 20, maximum_price_levels: 1 << 18 };
fn prepared(c: &Commands) -> Engine {
    let mut e = Engine::new(LIMITS);
    let mut ev = Vec::new();
    for cmd in &c.before {
        e.apply(Stamp { sequence: e.sequence() + 1, time_us: 0 }, cmd, &mut ev);
        ev.clear();
    }
    e
}
#[derive(Clone,Copy,Debug)]
enum Mode { None, Batch(usize), Slide(usize) }
fn run(c: &Commands, mode: Mode) -> f64 {
    let mut e = prepared(c);
    let mut ev = Vec::with_capacity(4096);
    let mut trades = 0u64;
    let t = Instant::now();
    let mut seq = e.sequence();
    match mode {
        Mode::None => for b in c.timed.chunks(64) {
            for cmd in b { seq += 1; std::hint::black_box(&e.apply(Stamp { sequence: seq, time_us: 1 }, cmd, &mut ev)); }
            trades += ev.len() as u64; ev.clear();
        },
        Mode::Batch(n) => for b in c.timed.chunks(n) {
            for cmd in b { e.prefetch(cmd); }
            for cmd in b { seq += 1; std::hint::black_box(&e.apply(Stamp { sequence: seq, time_us: 1 }, cmd, &mut ev)); }
            trades += ev.len() as u64; ev.clear();
        },
        Mode::Slide(k) => for b in c.timed.chunks(256) {
            for cmd in b.iter().take(k) { e.prefetch(cmd); }
            for (i, cmd) in b.iter().enumerate() {
                if let Some(next) = b.get(i + k) { e.prefetch(next); }
                seq += 1; std::hint::black_box(&e.apply(Stamp { sequence: seq, time_us: 1 }, cmd, &mut ev));
            }
            trades += ev.len() as u64; ev.clear();
        },
    }
    std::hint::black_box(trades);
    t.elapsed().as_nanos() as f64 / c.timed.len() as f64
}
fn main() {
    let runs: usize = std::env::args().nth(1).unwrap_or("7".into()).parse().unwrap();
    let modes = [Mode::None, Mode::Batch(16), Mode::Batch(32), Mode::Batch(64)];
    for (name, s) in [("S1", (1u16, 10000u64)), ("S100", (100, 1000))] {
        let stream: Stream = generate(s.0, 5_000_000, s.1, 42);
        let c = Commands::new(&stream);
        drop(stream);
        let mut all = vec![vec![]; modes.len()];
        for _ in 0..runs { for (m, v) in modes.iter().zip(&mut all) { v.push(run(&c, *m)); } }
        for (m, v) in modes.iter().zip(&mut all) {
            v.sort_by(f64::total_cmp);
            println!("{name:5} {:10} best {:6.1} median {:6.1}", format!("{m:?}"), v[0], v[runs / 2]);
        }
    }
}
