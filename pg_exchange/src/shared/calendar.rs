//! What others ask of the scheduler, and how far ahead it has filled the engine's calendar.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::bell::Cursor;

const DAY_US: i64 = 86_400_000_000;
/// So far ahead of the clock the calendar is filled: over any holidays and a weekend.
pub const AHEAD_US: i64 = 10 * DAY_US;
/// It is filled again when less than this is left.
const ENOUGH_US: i64 = 9 * DAY_US;

/// Requests to the scheduler. Each kind has a number of the last one that was made, and a
/// cursor that says up to which number they are done.
#[repr(C, align(128))]
pub struct Calendar {
    covers_asked: AtomicU64,
    /// How far a simulation wants to go.
    wanted_until_us: AtomicI64,
    /// How far it may go, as the last request was answered.
    allowed_until_us: AtomicI64,
    /// Requests to fill the calendar that are done.
    pub covers_done: Cursor,
    reloads_asked: AtomicU64,
    /// Requests to read the calendar's tables again that are done.
    pub reloads_done: Cursor,
    /// Every trading day that begins by then is in the engine's calendar.
    covered_until_us: AtomicI64,
}

impl Calendar {
    /// Whether the calendar is filled far enough ahead of a time, microseconds since
    /// 2000-01-01 UTC.
    pub fn is_filled_ahead_of(&self, time_us: i64) -> bool {
        self.covered_until_us.load(Ordering::Acquire) >= time_us.saturating_add(ENOUGH_US)
    }

    /// Says until when every trading day that begins by then is in the engine's calendar; 0
    /// if nothing is known. For the scheduler alone.
    pub fn set_covered_until(&self, time_us: i64) {
        self.covered_until_us.store(time_us, Ordering::Release);
    }

    /// Asks for the calendar to be filled so that the clock can be moved to `until_us`: what
    /// [`Calendar::covers_done`] comes to when that is done, as far as it can be.
    pub fn ask_to_cover(&self, until_us: i64) -> u64 {
        self.wanted_until_us.store(until_us, Ordering::Relaxed);
        self.covers_asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The last request to fill the calendar, and until when.
    pub fn cover_asked(&self) -> (u64, i64) {
        let number = self.covers_asked.load(Ordering::Acquire);
        (number, self.wanted_until_us.load(Ordering::Relaxed))
    }

    /// How far the clock can be moved now, after a request was done.
    pub fn allowed_until_us(&self) -> i64 {
        self.allowed_until_us.load(Ordering::Acquire)
    }

    /// Answers all requests up to `number`. For the scheduler alone.
    pub fn answer_covers(&self, number: u64, allowed_until_us: i64) {
        self.allowed_until_us.store(allowed_until_us, Ordering::Release);
        self.covers_done.advance(number);
    }

    /// Asks for the calendar's tables to be read again: what [`Calendar::reloads_done`]
    /// comes to when they were.
    pub fn ask_to_reload(&self) -> u64 {
        self.reloads_asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The last request to read the tables again.
    pub fn reload_asked(&self) -> u64 {
        self.reloads_asked.load(Ordering::Acquire)
    }

    /// Whether a request is not done.
    pub fn is_asked(&self) -> bool {
        self.cover_asked().0 > self.covers_done.get()
            || self.reload_asked() > self.reloads_done.get()
    }
}
