//! The scheduler: keeps the engine's calendar filled with the trading days of the tables
//! `exchange.trading_hours` and `exchange.calendar_exceptions`, some days ahead; and has the partitions
//! of the next days made before anything is written into them.
//!
//! It enters days as a backend enters orders, through its own mailbox. The engine's calendar
//! is where it looks what is still to do, so it may end between any two steps.

use std::collections::BTreeSet;
use std::ffi::CStr;

use matcher::{Command, MAXIMUM_SCHEDULE, TradingDay};
use pgrx::{Spi, pg_sys};

use super::{IDLE, Post, now_us, transaction};
use crate::days;
use crate::settings;
use crate::shared::arrivals::Arrival;
use crate::shared::calendar::{AHEAD_US, Calendar};
use crate::shared::control::{Role, WorkerState};
use crate::shared::mailbox::{Answer, Phase};
use crate::shared::own_backend_number;

const DAY_US: i64 = 86_400_000_000;
/// For so many days from today on there are partitions.
const PARTITIONED_DAYS: i64 = 3;
/// How often that is looked after.
const PARTITIONS_EVERY_US: i64 = DAY_US / 4;

/// The work of the scheduler.
pub fn run(post: Post) -> ! {
    post.wait_for_venue();
    post.set_state(WorkerState::Running);
    let calendar = post.shared.calendar;
    let mut scheduling = Scheduling { post, refused: BTreeSet::new(), partitions_due_us: i64::MIN };
    loop {
        post.check();
        scheduling.answer();
        scheduling.add_partitions();
        post.sleep(|| calendar.is_asked());
    }
}

struct Scheduling {
    post: Post,
    /// Trade dates that the engine refused, so that each is reported once.
    refused: BTreeSet<i32>,
    /// When partitions are looked after next.
    partitions_due_us: i64,
}

impl Scheduling {
    fn calendar(&self) -> &'static Calendar {
        self.post.shared.calendar
    }

    /// Does what was asked, and what time asks for.
    fn answer(&mut self) {
        let calendar = self.calendar();
        let reload = calendar.reload_asked();
        let (cover, wanted_until_us) = calendar.cover_asked();
        let is_reload = reload > calendar.reloads_done.get();
        // Only a simulation with a calendar asks for this. The news of these settings may
        // come a moment later here than to the session that changed them.
        let is_cover = cover > calendar.covers_done.get();
        let is_on = is_cover || settings::calendar();
        let is_simulated = is_cover || settings::simulated_clock();

        if is_reload || !is_on {
            calendar.set_covered_until(0);
            self.clear();
            self.refused.clear();
        }
        // The clock on the wall may be behind that of the exchange.
        let time_us = self.post.shared.control.time_us();
        let now_us = if is_simulated { time_us } else { now_us().max(time_us) };
        // In a simulation days are entered only where the clock is moved, so that the same
        // calls give the same sequence of commands.
        let is_time = !is_simulated && !calendar.is_filled_ahead_of(now_us);
        let mut allowed_until_us = i64::MAX;
        if is_on && (is_time || is_cover || is_reload) && self.has_market(now_us) {
            let wanted_until_us = if is_cover { wanted_until_us } else { now_us };
            allowed_until_us = self.fill(now_us, wanted_until_us);
            calendar.set_covered_until(allowed_until_us);
        }
        if is_cover {
            calendar.answer_covers(cover, allowed_until_us);
        }
        if is_reload {
            calendar.reloads_done.advance(reload);
        }
    }

    /// Has the partitions made that the next days are written into. The workers who write do so where
    /// one is missing; where it is there, they need not even look at the table as a whole.
    fn add_partitions(&mut self) {
        let time_us = now_us().max(self.post.shared.control.time_us());
        // The days of a simulation come when they come.
        if settings::simulated_clock() || time_us < self.partitions_due_us {
            return;
        }
        // Into a new exchange a dump may still be restored, with partitions of its own.
        if self.post.shared.control.durable.get() == 0 {
            return;
        }
        for table in days::TABLES {
            for day in 0..PARTITIONED_DAYS {
                // One at a time: each holds up who would make another one of the table.
                if transaction(|| days::add(table, time_us + day * DAY_US)).is_none() {
                    self.post.close_venue();
                }
                self.post.check();
            }
        }
        self.partitions_due_us = time_us + PARTITIONS_EVERY_US;
    }

    /// Whether there is anything that a day could open for. An exchange without instruments
    /// needs no calendar, and neither does a simulation whose clock was never set: it begins
    /// at the time that it is first moved to, not with all days since the year 2000.
    fn has_market(&self, now_us: i64) -> bool {
        now_us > 0 && self.post.shared.directory.instrument_count() > 0
    }

    /// Takes the days out of the engine's calendar that have not begun.
    fn clear(&self) {
        let days = self.post.shared.timetable.read();
        if days.iter().any(|(_, steps_taken)| *steps_taken == 0) {
            self.submit(&Command::ClearSchedule);
        }
    }

    /// Enters the days that are missing: those that begin by `wanted_until_us` or within
    /// [`AHEAD_US`] after, as far as the engine has room for them. Every day that begins by
    /// the returned time, which is after `now_us`, is in the calendar then.
    fn fill(&mut self, now_us: i64, wanted_until_us: i64) -> i64 {
        let known = self.post.shared.timetable.read();
        let (_, trade_date) = self.post.shared.control.market();
        let last_date = known.last().map(|(day, _)| day.trade_date);
        let mut room = MAXIMUM_SCHEDULE - known.len();
        // A simulation may want to go to the year 9999: a year of days at a time is looked
        // at, far more than there is room for.
        let farthest_us = now_us + 366 * DAY_US;
        let until_us = wanted_until_us.clamp(now_us, farthest_us) + AHEAD_US;
        for day in self.trading_days(now_us, until_us) {
            let is_known = last_date.is_some_and(|last| day.trade_date <= last);
            let is_over = day.close_us <= now_us || day.trade_date < trade_date;
            if is_known || is_over || self.refused.contains(&day.trade_date) {
                continue;
            }
            if day.pre_open_us > until_us {
                break;
            }
            if room == 0 {
                return day.pre_open_us - 1;
            }
            if let Err(refusal) = self.submit(&Command::ScheduleDay(day)).result {
                pgrx::warning!(
                    "exchange scheduler: {} cannot be a trading day: {refusal:?}; see exchange.trading_hours and exchange.calendar_exceptions",
                    date_text(day.trade_date)
                );
                self.refused.insert(day.trade_date);
                continue;
            }
            room -= 1;
        }
        until_us
    }

    /// The trading days of the tables, from some time to some other, and a little more on
    /// both sides.
    fn trading_days(&self, from_us: i64, to_us: i64) -> Vec<TradingDay> {
        let date = |time_us: i64| time_us.div_euclid(DAY_US) as i32;
        let (from, to) = (date(from_us) - 2, date(to_us) + 2);
        // The tables are dropped with the extension.
        let days = transaction(|| self.post.is_venue_there().then(|| read_trading_days(from, to)));
        match days {
            Some(Ok(days)) => days,
            Some(Err(error)) => panic!("the calendar cannot be read: {error}"),
            None => self.post.close_venue(),
        }
    }

    /// Enters a command, as a backend does, and waits for its answer.
    fn submit(&self, command: &Command) -> Answer {
        let shared = self.post.shared;
        let mailbox = shared.mailbox(own_backend_number());
        loop {
            // What the process before left in this mailbox.
            while !mailbox.withdraw() && !matches!(mailbox.phase(), Phase::Idle | Phase::Answered) {
                self.wait(|| mailbox.phase() == Phase::Answered);
            }
            let number = mailbox.submit(std::slice::from_ref(command), false);
            let arrival = Arrival { backend: own_backend_number(), number: number as u32 };
            if shared.arrivals.push(arrival) {
                break;
            }
            self.wait(|| false);
        }
        while mailbox.phase() != Phase::Answered {
            shared.control.worker(Role::Matcher).bell.ring();
            self.wait(|| mailbox.phase() == Phase::Answered);
        }
        mailbox.answer(0)
    }

    /// Sleeps where the matcher wakes this process with an answer.
    fn wait(&self, ready: impl Fn() -> bool) {
        self.post.check();
        let mailbox = self.post.shared.mailbox(own_backend_number());
        mailbox.bell().sleep(IDLE, ready);
    }
}

/// A date, given in days since 2000-01-01, as Postgres writes it.
fn date_text(date: i32) -> String {
    // SAFETY: `date_out` of a date makes a C string.
    unsafe {
        let text = pgrx::direct_function_call_as_datum(
            pg_sys::date_out,
            &[Some(pg_sys::Datum::from(date))],
        )
        .expect("date_out returns no NULL");
        CStr::from_ptr(text.cast_mut_ptr()).to_string_lossy().into_owned()
    }
}

/// Days and times as the engine counts them, by the exact `numeric` of `extract`.
const TRADING_DAYS: &str = "
    SELECT t.trade_date - date '2000-01-01', us.*
    FROM exchange.trading_day_times(date '2000-01-01' + $1, date '2000-01-01' + $2) AS t
    CROSS JOIN LATERAL (
        SELECT (extract(epoch FROM t.pre_open_at) * 1000000)::bigint - 946684800000000,
               (extract(epoch FROM t.open_at) * 1000000)::bigint - 946684800000000,
               (extract(epoch FROM t.closing_auction_at) * 1000000)::bigint - 946684800000000,
               (extract(epoch FROM t.close_at) * 1000000)::bigint - 946684800000000) AS us
    ORDER BY 1";

/// The trading days from one date to another, both in days since 2000-01-01.
fn read_trading_days(from: i32, to: i32) -> Result<Vec<TradingDay>, pgrx::spi::SpiError> {
    Spi::connect(|client| {
        client
            .select(TRADING_DAYS, None, &[from.into(), to.into()])?
            .map(|row| {
                let time_us = |column| row.get::<i64>(column).map(Option::unwrap_or_default);
                Ok(TradingDay {
                    trade_date: row.get::<i32>(1)?.unwrap_or_default(),
                    pre_open_us: time_us(2)?,
                    open_us: time_us(3)?,
                    closing_auction_us: time_us(4)?,
                    close_us: time_us(5)?,
                })
            })
            .collect()
    })
}
