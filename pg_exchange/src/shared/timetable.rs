//! The engine's calendar as everybody may see it: written by the matcher, read by any
//! process without a lock, as the boards are.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use matcher::{MAXIMUM_SCHEDULE, MarketPhase, TradingDay};

const DAY_WORDS: usize = 6;

/// The days, under a sequence lock: the version is odd while they are written.
#[repr(C, align(128))]
pub struct Timetable {
    version: AtomicU64,
    count: AtomicU64,
    days: [[AtomicU64; DAY_WORDS]; MAXIMUM_SCHEDULE],
}

impl Timetable {
    /// Shows the days, each with how many of its four steps were taken. For the matcher
    /// alone.
    pub fn write(&self, days: &[(TradingDay, u8)]) {
        let version = self.version.load(Ordering::Relaxed) | 1;
        self.version.store(version, Ordering::Relaxed);
        fence(Ordering::Release);
        for (words, (day, steps_taken)) in self.days.iter().zip(days) {
            let values = [
                i64::from(day.trade_date),
                day.pre_open_us,
                day.open_us,
                day.closing_auction_us,
                day.close_us,
                i64::from(*steps_taken),
            ];
            for (word, value) in words.iter().zip(values) {
                word.store(value as u64, Ordering::Relaxed);
            }
        }
        self.count.store(days.len().min(MAXIMUM_SCHEDULE) as u64, Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Release);
    }

    /// The days, the next one first.
    pub fn read(&self) -> Vec<(TradingDay, u8)> {
        loop {
            let version = self.version.load(Ordering::Acquire);
            if version & 1 == 0 {
                let count = self.count.load(Ordering::Relaxed) as usize;
                let days = self.days.iter().take(count).map(|words| {
                    let value = |index: usize| words[index].load(Ordering::Relaxed) as i64;
                    let day = TradingDay {
                        trade_date: value(0) as i32,
                        pre_open_us: value(1),
                        open_us: value(2),
                        closing_auction_us: value(3),
                        close_us: value(4),
                    };
                    (day, value(5) as u8)
                });
                let days: Vec<_> = days.collect();
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == version {
                    return days;
                }
            }
            std::thread::yield_now();
        }
    }

    /// The next step of the calendar: the phase that begins, and when, microseconds since
    /// 2000-01-01 UTC.
    pub fn next_step(&self) -> Option<(MarketPhase, i64)> {
        let (day, steps_taken) = self.read().into_iter().next()?;
        let steps = [
            (MarketPhase::PreOpen, day.pre_open_us),
            (MarketPhase::Continuous, day.open_us),
            (MarketPhase::ClosingAuction, day.closing_auction_us),
            (MarketPhase::Closed, day.close_us),
        ];
        steps.get(usize::from(steps_taken)).copied()
    }
}
