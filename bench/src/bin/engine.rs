use bench::commands::Commands;
use bench::stream::{generate, trade_checksum, Stream};
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
fn main() {
    let batch: usize = std::env::args().nth(1).unwrap_or("64".into()).parse().unwrap();
    let runs: usize = std::env::args().nth(2).unwrap_or("7".into()).parse().unwrap();
    let which: u32 = std::env::args().nth(3).unwrap_or("3".into()).parse().unwrap();
    println!("command {} event {} outcome {}", size_of::<Command>(), size_of::<Event>(), size_of::<Outcome>());
    for (bit, name, s) in [(1u32, "S1", (1u16, 10000u64)), (2, "S100", (100, 1000))] {
        if which & bit == 0 { continue; }
        let stream: Stream = generate(s.0, 5_000_000, s.1, 42);
        let c = Commands::new(&stream);
        drop(stream);
        let mut ns = vec![];
        for _ in 0..runs {
            let mut e = prepared(&c);
            let mut ev = Vec::with_capacity(4096);
            let mut trades = 0u64;
            let t = Instant::now();
            let mut seq = e.sequence();
            for b in c.timed.chunks(batch.max(1)) {
                if batch > 1 { for cmd in b { e.prefetch(cmd); } }
                for cmd in b {
                    seq += 1;
                    std::hint::black_box(&e.apply(Stamp { sequence: seq, time_us: 1 }, cmd, &mut ev));
                }
                trades += ev.len() as u64;
                ev.clear();
            }
            let d = t.elapsed().as_nanos() as f64 / c.timed.len() as f64;
            std::hint::black_box(trades);
            ns.push(d);
        }
        ns.sort_by(f64::total_cmp);
        println!("{name} batch {batch}: best {:.1} ns median {:.1} ns  {:.2} / {:.2} M/s", ns[0], ns[runs / 2], 1e3 / ns[0], 1e3 / ns[runs / 2]);
        let mut e = prepared(&c);
        let (mut sum, mut n) = (0u64, e.counters().last_trade_id);
        let mut ev = vec![];
        for cmd in &c.timed {
            e.apply(Stamp { sequence: e.sequence() + 1, time_us: 1 }, cmd, &mut ev);
            for x in ev.drain(..) {
                if let Event::Trade(t) = x { n += 1; sum = sum.wrapping_add(trade_checksum(c.stream_id(t.maker_order_id), c.stream_id(t.taker_order_id), t.price_ticks, t.quantity as u64)); }
            }
        }
        println!("{n} {sum:016x}");
    }
}
