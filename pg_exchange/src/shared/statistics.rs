//! Counters, rates and latencies.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

const SUB_BITS: u32 = 5;
const SUBS: usize = 1 << SUB_BITS;
// Up to 2⁴⁰ ns, a quarter of an hour.
const BUCKETS: usize = (40 - SUB_BITS as usize + 1) * SUBS;

/// How long calls took: buckets that grow with the value, each within 3 % of it.
#[repr(C)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    max_ns: AtomicU64,
}

/// Quantiles of a histogram, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantiles {
    /// How many calls.
    pub count: u64,
    /// 50 %, 99 % and 99.9 % took at most so long.
    pub at: [f64; 3],
    /// The slowest.
    pub max: f64,
}

fn bucket(ns: u64) -> usize {
    if ns < SUBS as u64 {
        return ns as usize;
    }
    let exponent = 63 - ns.leading_zeros();
    let sub = (ns >> (exponent - SUB_BITS)) as usize & (SUBS - 1);
    ((exponent - SUB_BITS + 1) as usize * SUBS + sub).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn bucket_end_ns(bucket: usize) -> u64 {
    if bucket < SUBS {
        return bucket as u64;
    }
    let exponent = (bucket / SUBS) as u32 + SUB_BITS - 1;
    let sub = (bucket % SUBS) as u64;
    ((SUBS as u64 + sub + 1) << (exponent - SUB_BITS)) - 1
}

impl Histogram {
    /// Counts one call.
    pub fn record(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(ns)].fetch_add(1, Ordering::Relaxed);
        self.max_ns.fetch_max(ns, Ordering::Relaxed);
    }

    /// What was counted.
    pub fn quantiles(&self) -> Quantiles {
        let counts = self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed));
        let count: u64 = counts.iter().sum();
        if count == 0 {
            return Quantiles::default();
        }
        let max_ns = self.max_ns.load(Ordering::Relaxed);
        let at = [0.5, 0.99, 0.999].map(|quantile| {
            let wanted = (count as f64 * quantile).ceil() as u64;
            let mut seen = 0;
            let found = counts.iter().position(|bucket| {
                seen += bucket;
                seen >= wanted
            });
            bucket_end_ns(found.unwrap_or(BUCKETS - 1)).min(max_ns) as f64 / 1e3
        });
        Quantiles { count, at, max: max_ns as f64 / 1e3 }
    }

    fn reset(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
        self.max_ns.store(0, Ordering::Relaxed);
    }
}

const SECONDS: usize = 16;

/// All of it. Counters are the matcher's, histograms every backend's.
#[repr(C, align(128))]
pub struct Statistics {
    /// Calls answered when matched.
    pub matched: Histogram,
    /// Calls answered when durable.
    pub durable: Histogram,
    commands: AtomicU64,
    trades: AtomicU64,
    open_orders: AtomicU64,
    reset_at_us: AtomicI64,
    per_second: [(AtomicI64, AtomicU64); SECONDS],
}

impl Statistics {
    /// Counts executed commands; by the matcher alone.
    pub fn count(&self, now_us: i64, commands: u64, trades: u64, open_orders: u64) {
        self.commands.fetch_add(commands, Ordering::Relaxed);
        self.trades.fetch_add(trades, Ordering::Relaxed);
        self.open_orders.store(open_orders, Ordering::Relaxed);
        let second = now_us.div_euclid(1_000_000);
        let (of, count) = &self.per_second[second.rem_euclid(SECONDS as i64) as usize];
        if of.load(Ordering::Relaxed) != second {
            count.store(0, Ordering::Relaxed);
            of.store(second, Ordering::Relaxed);
        }
        count.fetch_add(commands, Ordering::Relaxed);
    }

    /// Commands executed since the last reset.
    pub fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    /// Trades since the last reset.
    pub fn trades(&self) -> u64 {
        self.trades.load(Ordering::Relaxed)
    }

    /// Orders in the books.
    pub fn open_orders(&self) -> u64 {
        self.open_orders.load(Ordering::Relaxed)
    }

    /// Commands a second over the last ten full seconds.
    pub fn commands_per_second(&self, now_us: i64) -> f64 {
        let second = now_us.div_euclid(1_000_000);
        let commands: u64 = self
            .per_second
            .iter()
            .filter(|(of, _)| (second - 10..second).contains(&of.load(Ordering::Relaxed)))
            .map(|(_, count)| count.load(Ordering::Relaxed))
            .sum();
        commands as f64 / 10.0
    }

    /// When the last reset was, microseconds since 2000-01-01 UTC.
    pub fn reset_at_us(&self) -> i64 {
        self.reset_at_us.load(Ordering::Relaxed)
    }

    /// Starts counting anew.
    pub fn reset(&self, now_us: i64) {
        self.matched.reset();
        self.durable.reset();
        self.commands.store(0, Ordering::Relaxed);
        self.trades.store(0, Ordering::Relaxed);
        self.reset_at_us.store(now_us, Ordering::Relaxed);
    }
}
