//! How many orders a participant may send: a token bucket, kept in one word as the time at
//! which it will be full again (the generic cell rate algorithm).
//!
//! It is kept before the mailbox, so what is too much costs the matcher nothing and gets no
//! sequence number. It counts by the computer's monotonic clock, whatever the clock of the
//! exchange is.

use std::sync::atomic::{AtomicU64, Ordering};

use matcher::ParticipantId;

/// The bucket of one participant.
#[repr(C)]
pub struct Bucket {
    /// Orders a second in the upper half, orders at once in the lower; 0 for no limit.
    limit: AtomicU64,
    /// When it is full again, monotonic nanoseconds.
    full_at_ns: AtomicU64,
}

/// The buckets of all participants.
#[derive(Clone, Copy)]
pub struct RateLimiter {
    buckets: &'static [Bucket],
}

/// That a participant sent too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// What it may send a second.
    pub orders_per_second: u32,
    /// What it may send at once.
    pub burst: u32,
    /// When so many would be admitted, in microseconds from now; `None` for never: it is
    /// more than may be sent at once.
    pub retry_after_us: Option<u64>,
}

impl RateLimiter {
    /// Over zeroed memory.
    pub fn new(buckets: &'static [Bucket]) -> Self {
        Self { buckets }
    }

    fn bucket(&self, participant: ParticipantId) -> Option<&'static Bucket> {
        self.buckets.get((participant as usize).checked_sub(1)?)
    }

    /// Sets what a participant may send; 0 orders a second for any number.
    pub fn set(&self, participant: ParticipantId, orders_per_second: u32, burst: u32) {
        if let Some(bucket) = self.bucket(participant) {
            let limit = u64::from(orders_per_second) << 32 | u64::from(burst.max(1));
            let limit = if orders_per_second == 0 { 0 } else { limit };
            if bucket.limit.swap(limit, Ordering::Relaxed) != limit {
                // Under another limit the fill of the bucket means something else.
                bucket.full_at_ns.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Lifts all limits: for a fresh start.
    pub fn reset(&self) {
        for bucket in self.buckets {
            bucket.limit.store(0, Ordering::Relaxed);
            bucket.full_at_ns.store(0, Ordering::Relaxed);
        }
    }

    /// Lets `count` orders of a participant in, all of them or none.
    #[inline]
    pub fn admit(&self, participant: ParticipantId, count: usize) -> Result<(), Throttled> {
        let Some(bucket) = self.bucket(participant) else { return Ok(()) };
        let limit = bucket.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return Ok(());
        }
        let (orders_per_second, burst) = ((limit >> 32) as u32, limit as u32);
        let now_ns = monotonic_ns();
        let mut full_at_ns = bucket.full_at_ns.load(Ordering::Relaxed);
        loop {
            let full_then_ns = take(full_at_ns, now_ns, count as u64, orders_per_second, burst)
                .map_err(|wait_ns| Throttled {
                    orders_per_second,
                    burst,
                    retry_after_us: wait_ns.map(|ns| ns.div_ceil(1_000)),
                })?;
            match bucket.full_at_ns.compare_exchange_weak(
                full_at_ns,
                full_then_ns,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(other) => full_at_ns = other,
            }
        }
    }
}

/// Takes `count` tokens out of a bucket that is full at `full_at_ns` and gets `rate` tokens
/// a second up to `burst`: when it is full then. If it has too few: in how many nanoseconds
/// it has enough, `None` for never.
fn take(
    full_at_ns: u64,
    now_ns: u64,
    count: u64,
    rate: u32,
    burst: u32,
) -> Result<u64, Option<u64>> {
    if count > u64::from(burst) {
        return Err(None);
    }
    // Cannot overflow: less than 2³² tokens of at most a second each.
    let worth_ns = |tokens: u64| (tokens * 1_000_000_000).div_ceil(u64::from(rate));
    let full_then_ns = full_at_ns.max(now_ns).saturating_add(worth_ns(count));
    let latest_ns = now_ns.saturating_add(worth_ns(u64::from(burst)));
    match full_then_ns.checked_sub(latest_ns) {
        None | Some(0) => Ok(full_then_ns),
        Some(missing_ns) => Err(Some(missing_ns)),
    }
}

/// Nanoseconds of a clock that all processes of this computer share, and that never goes
/// back.
fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written to a value on the stack; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
