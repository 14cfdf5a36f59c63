//! The matcher: takes submissions, gives each command its number and its time, executes
//! it, and answers. What is due in time and the ends of sessions it enters itself. It touches
//! no table while the market runs. On a standby it follows first: see [`standby`].

use std::time::Duration;

use matcher::{
    Command, Counters, Engine, Event, InstrumentId, Outcome, PREFETCH_BATCH, ParticipantId, Side,
    Stamp, View,
};
use pgrx::pg_sys;

use super::directory::{self, Roles};
use super::fault::Fault;
use super::follower::Follower;
use super::marks::Records;
use super::patience::Patience;
use super::progress::Progress;
use super::projection::Projection;
use super::recovery::{self, Bounds};
use super::{IDLE, Post, end, journal, now_us, one_moment, reload_settings, standby, transaction};
use crate::completeness::{self, Completeness};
use crate::recovery_mode::is_standby;
use crate::relation;
use crate::settings;
use crate::shared::Shared;
use crate::shared::arrivals::Arrival;
use crate::shared::control::{Role, WorkerState};
use crate::shared::mailbox::Answer;
use crate::shared::ring::Origin;

/// So many commands of a submission share a look at the clock, become visible to the
/// journaler together, and are announced to the engine together.
const STRIDE: usize = PREFETCH_BATCH;

/// The work of the matcher.
pub fn run(post: Post) -> ! {
    pin();
    let (extension, is_new) = wait_for_tables(post);
    // SAFETY: reading an OID of this process.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    if post.shared.control.venue() != Some((database, extension)) {
        begin_venue(post, database, extension, is_new);
    }
    post.set_state(WorkerState::Recovering);
    let failed_at = post.shared.control.executing();
    if failed_at != 0 {
        post.halt(&Fault::from(format!(
            "the matcher failed while it executed command {failed_at}"
        )));
    }
    let mut matching = if post.shared.control.is_following() {
        Matching::new(post, standby::follow(post))
    } else {
        recover(post)
    };
    matching.is_new = is_new;
    matching.end_lost_sessions();
    post.set_state(WorkerState::Running);
    post.shared.control.ring_all();
    matching.serve_all()
}

/// Pins this process to the core that the setting names.
fn pin() {
    let Some(core) = settings::matcher_core() else { return };
    // SAFETY: a set of cores on the stack, for this process.
    let result = unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut cores);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores)
    };
    if result != 0 {
        pgrx::warning!(
            "exchange matcher: it cannot be pinned to core {core}: {}; see exchange.matcher_core",
            std::io::Error::last_os_error()
        );
    }
}

/// Waits until the extension is there with tables that are not just being restored: its OID, and
/// whether it is a new exchange.
fn wait_for_tables(post: Post) -> (u32, bool) {
    let mut said = false;
    loop {
        let extension = post.wait_for_extension().to_u32();
        match transaction(completeness::look) {
            Some(Completeness::Complete) => return (extension, false),
            // A standby begins with the primary.
            Some(Completeness::New) if !is_standby() => return (extension, true),
            Some(Completeness::Partial) if !said => {
                pgrx::log!("exchange matcher: {}", completeness::PARTIAL);
                said = true;
            }
            _ => {}
        }
        post.sleep(|| false);
    }
}

/// Makes the shared memory that of a venue which it was not of: after a start of the
/// server, or when the extension was created anew.
fn begin_venue(post: Post, database: u32, extension: u32, is_new: bool) {
    let shared = post.shared;
    let control = shared.control;
    if control.venue().is_some() {
        control.close_venue();
        end();
    }
    let is_busy = |role: &Role| {
        *role != Role::Matcher
            && matches!(
                control.worker(*role).state(),
                WorkerState::Recovering | WorkerState::Running
            )
    };
    while Role::LAUNCHED.iter().any(is_busy) {
        post.check_waiting();
        control.ring_all();
        post.sleep_for(std::time::Duration::from_millis(10), || false);
    }
    transaction(relation::look_up_for_life);
    let follows = is_standby();
    if !follows && !is_new {
        settle_bounds(post);
    }
    let last = transaction(journal::last_sequence);
    shared.ring.clear();
    shared.directory.reset();
    shared.boards.clear(settings::limits().maximum_instruments);
    control.matched.set(last);
    control.durable.set(last);
    control.published.set(0);
    control.projected.set(0);
    control.set_executing(0);
    control.set_following(follows);
    // The clients of before are gone, and those of an earlier venue have no orders here.
    control.set_sessions_lost(true);
    shared.sessions.forget_ended();
    shared.timetable.write(&[]);
    shared.calendar.set_covered_until(0);
    control.reset_simulated_time();
    // What an earlier venue's matcher took and did not finish is of that venue.
    for backend in 0..shared.backends() {
        let mailbox = shared.mailbox(backend);
        if mailbox.unfinished().is_some() {
            for index in mailbox.answered()..mailbox.count() {
                let result = Err(matcher::Refusal::UnknownInstrument);
                mailbox.put_answer(index, Answer { sequence: 0, time_us: 0, result });
            }
            mailbox.finish();
            mailbox.bell().ring();
        }
    }
    control.set_venue(database, extension);
}

/// Where the bounds are set to others than those under which the journal was written:
/// brings the tables up to the journal under the old ones. From there on the new ones
/// hold, for every engine that begins with these tables.
fn settle_bounds(post: Post) {
    let settings = Bounds::of_settings();
    let recorded = transaction(Bounds::of_tables);
    if recorded == Some(settings) {
        return;
    }
    let bounds = recorded.unwrap_or(settings);
    let mut progress = Progress::begin(post);
    let tables = one_moment(|| recovery::load(bounds, &mut progress));
    let Some(tables) = tables else { post.close_venue() };
    let mut projection = Projection::new(post.or_halt(tables), bounds);
    let end = transaction(journal::last_sequence);
    progress.replay(projection.follower.sequence(), end);
    while projection.follower.sequence() < end {
        let batches = transaction(|| journal::read_after(projection.follower.sequence()));
        for batch in post.or_halt(batches) {
            post.or_halt(batch.and_then(|batch| projection.collect(&batch)));
        }
        progress.set_sequence(projection.follower.sequence());
        transaction(|| projection.write()).unwrap_or_else(|| post.close_venue());
    }
    // Open orders that do not fit the new bounds halt the market; the old ones stay on
    // record, so that other ones can be set.
    let fits = one_moment(|| recovery::load(settings, &mut Progress::begin(post)));
    let Some(fits) = fits else { post.close_venue() };
    let records = Records::of(&post.or_halt(fits).engine);
    projection.bounds = settings;
    let written = transaction(|| {
        projection.write()?;
        // Who replays the journal has to know from where on they hold.
        records.keep(settings);
        Some(())
    });
    written.unwrap_or_else(|| post.close_venue());
}

/// The engine as it was after the last command that was executed: from the tables, the
/// journal, and what of the ring is not durable yet.
fn recover(post: Post) -> Matching {
    let mut progress = Progress::begin(post);
    let tables = one_moment(|| recovery::load(Bounds::of_settings(), &mut progress));
    let Some(tables) = tables else { post.close_venue() };
    let mut follower = Follower::new(post.or_halt(tables).engine);
    fill_directory(post, &follower.engine);
    let end = post.shared.control.matched.get();
    if follower.sequence() > end {
        let what = format!("exchange.engine_state is of command {}", follower.sequence());
        post.halt(&Fault::of_missing_row(end + 1, what));
    }
    progress.replay(follower.sequence(), end);
    let mut last = None;
    while follower.sequence() < end {
        post.check();
        for batch in post.or_halt(follower.read(post.shared, end, 65_536)) {
            let batch = post.or_halt(batch);
            let executed = follower.execute(&batch, |_, stamp, _, outcome, _| {
                // What is not in the ring any more is answered.
                let entry = (stamp.sequence + post.shared.ring.capacity() > end)
                    .then(|| post.shared.ring.read(stamp.sequence))
                    .flatten();
                if entry.is_some_and(|entry| entry.origin != Origin::NONE) {
                    last = Some((stamp, *outcome));
                }
            });
            post.or_halt(executed);
        }
        progress.set_sequence(follower.sequence());
    }
    progress.end();
    let mut matching = Matching::new(post, follower.engine);
    matching.resume(last);
    matching
}

/// Shows backends what the tables have, so that no order waits for the projector to read them too.
/// From there on the directory is the projector's.
fn fill_directory(post: Post, engine: &Engine) {
    let directory = &post.shared.directory;
    if directory.is_complete() {
        return;
    }
    let roles = transaction(|| Roles::look_up(post, engine));
    directory::show(post, engine, 1..=engine.participants().len() as ParticipantId, roles);
    post.shared.control.projected.set(engine.sequence());
    directory.set_complete();
}

/// Whether a command may change the engine's calendar.
pub fn changes_calendar(command: &Command) -> bool {
    matches!(command, Command::AdvanceClock | Command::ScheduleDay(_) | Command::ClearSchedule)
}

/// Lets everybody see the phase and the clock of the market, and the calendar where it changed.
pub fn show_market(shared: &Shared, engine: &Engine, calendar_changed: bool) {
    let counters = engine.counters();
    shared.control.set_market(counters.market_phase, counters.trade_date);
    if calendar_changed {
        shared.timetable.write(&engine.schedule());
    }
    shared.control.set_time(counters.time_us);
}

/// Adds what was executed to the statistics; `counted` is what they have.
pub fn count(shared: &Shared, engine: &Engine, counted: &mut Counters) {
    let counters = engine.counters();
    shared.statistics.count(
        now_us(),
        counters.sequence - counted.sequence,
        counters.last_trade_id - counted.last_trade_id,
        engine.open_orders().into(),
    );
    *counted = counters;
}

struct Matching {
    post: Post,
    engine: Engine,
    events: Vec<Event>,
    /// How often settings had been read when the clock was moved by a command.
    advanced_at: Option<u64>,
    /// How many ends of sessions had been looked at; `None` before the first look.
    ends_seen: Option<u64>,
    /// Whether the calendar changed since it was last shown.
    calendar_changed: bool,
    /// What the statistics have counted.
    counted: Counters,
    /// Whether no command was ever entered, so that the tables may become another's: they may be
    /// those of a dump that is restored.
    is_new: bool,
}

impl Matching {
    fn new(post: Post, engine: Engine) -> Self {
        let counted = engine.counters();
        let mut matching = Self {
            post,
            engine,
            events: Vec::with_capacity(1024),
            advanced_at: None,
            ends_seen: None,
            calendar_changed: true,
            counted,
            is_new: false,
        };
        matching.show(false);
        matching.count();
        matching
    }

    /// Finishes the submission that the matcher before was at, if there is one: from
    /// the command after the last one that was executed. `last` is the last command that
    /// somebody sent, if it was replayed.
    fn resume(&mut self, last: Option<(Stamp, Outcome)>) {
        let shared = self.post.shared;
        for backend in 0..shared.backends() {
            let mailbox = shared.mailbox(backend);
            let Some(number) = mailbox.unfinished() else { continue };
            let last_sent = (1..=self.engine.sequence())
                .rev()
                .map_while(|sequence| shared.ring.read(sequence))
                .find(|entry| entry.origin != Origin::NONE);
            let next = match last_sent.map(|entry| entry.origin) {
                Some(origin) if (origin.backend, origin.number) == (backend, number) => {
                    if let Some((stamp, outcome)) = last {
                        let answer = Answer {
                            sequence: stamp.sequence,
                            time_us: stamp.time_us,
                            result: Ok(outcome),
                        };
                        mailbox.put_answer(origin.index as usize, answer);
                    }
                    origin.index as usize + 1
                }
                _ => 0,
            };
            self.serve(Arrival { backend, number }, next, mailbox.count());
        }
    }

    /// After a restart of the server: cancels the orders that were bound to sessions, all of
    /// which are over. At the time of the last command: they ended before anything that has
    /// become due since.
    fn end_lost_sessions(&mut self) {
        let control = self.post.shared.control;
        if !control.are_sessions_lost() {
            return;
        }
        if self.has_bound_orders() {
            let time_us = self.engine.counters().time_us;
            self.execute_own(time_us, &Command::EndSession { session: 0 });
            self.show(false);
        }
        control.set_sessions_lost(false);
    }

    /// Whether any open order is bound to a session.
    fn has_bound_orders(&self) -> bool {
        let engine = &self.engine;
        (1..=engine.instruments().len() as InstrumentId).any(|instrument| {
            let bids = engine.queue(instrument, Side::Buy);
            let asks = engine.queue(instrument, Side::Sell);
            bids.chain(asks).chain(engine.waiting(instrument)).any(|order| order.terms.session != 0)
        })
    }

    fn serve_all(&mut self) -> ! {
        let arrivals = &self.post.shared.arrivals;
        let mut served = 0_u32;
        let mut patience = Patience::default();
        loop {
            // Before anything is taken, so that its sender may still withdraw it.
            self.wait_for_room();
            self.end_sessions();
            match arrivals.pop() {
                Some(arrival) => {
                    let mailbox = self.post.shared.mailbox(arrival.backend);
                    // Not there any more: it was withdrawn, or taken by an earlier word.
                    if let Some(count) = mailbox.take(arrival.number) {
                        self.serve(arrival, 0, count);
                    }
                    served = served.wrapping_add(1);
                    if served.is_multiple_of(256) {
                        self.post.check();
                    }
                }
                None => {
                    self.post.check();
                    if self.is_new && transaction(completeness::look) != Some(Completeness::New) {
                        self.post.close_venue();
                    }
                    let timeout = self.idle();
                    let sessions = &self.post.shared.sessions;
                    patience.wait_for(self.post, timeout, || {
                        !arrivals.is_empty() || Some(sessions.ends()) != self.ends_seen
                    });
                }
            }
        }
    }

    /// Does what is due by the real clock; how long nothing else is, [`IDLE`] at most. A
    /// simulated clock moves with the command that moves it, so nothing is due in between.
    fn idle(&mut self) -> Duration {
        if self.is_simulated() {
            return IDLE;
        }
        let now_us = self.now_us();
        if self.engine.next_due_us() <= now_us {
            self.do_due(now_us);
            self.show(false);
            self.count();
        }
        let rest_us = self.engine.next_due_us().saturating_sub(now_us);
        Duration::from_micros(rest_us as u64).min(IDLE)
    }

    /// Cancels the orders of the sessions that ended.
    fn end_sessions(&mut self) {
        let sessions = &self.post.shared.sessions;
        // Before looking, so that one that ends meanwhile is looked for again.
        let ends = Some(sessions.ends());
        if ends == self.ends_seen {
            return;
        }
        sessions.handle_ended(|session| {
            let time_us = self.now_us();
            self.execute_own(time_us, &Command::EndSession { session });
        });
        self.ends_seen = ends;
        self.show(false);
        self.count();
    }

    /// Whether `exchange.simulated_clock` is on. The news may come a moment later here than
    /// to the session that has it switched on and moves the clock.
    fn is_simulated(&self) -> bool {
        settings::simulated_clock() || self.advanced_at == Some(reload_settings())
    }

    fn now_us(&self) -> i64 {
        let clock_us = if self.is_simulated() {
            self.post.shared.control.simulated_time_us()
        } else {
            now_us()
        };
        // The clock on the wall may be set back; the exchange's never goes back.
        clock_us.max(self.engine.counters().time_us)
    }

    /// Executes the commands of a taken submission from `start` on, and answers them.
    fn serve(&mut self, arrival: Arrival, start: usize, count: usize) {
        let shared = self.post.shared;
        let mailbox = shared.mailbox(arrival.backend);
        let wake_when_durable = mailbox.is_durable_wanted();
        // One call, one command: the clock is moved by a function of its own.
        if count == 1 && matches!(mailbox.command(0), Command::AdvanceClock) {
            self.advanced_at = Some(reload_settings());
        }
        let mut time_us = self.now_us();
        for index in start..count {
            if index.is_multiple_of(STRIDE) {
                if index > start {
                    time_us = self.now_us();
                    self.show(false);
                }
                let coming = index..count.min(index + STRIDE);
                self.engine.prefetch_batch(coming.map(|index| mailbox.command(index)));
            }
            let command = mailbox.command(index);
            if !matches!(command, Command::AdvanceClock) {
                self.do_due(time_us);
            }
            if let Err(refusal) = self.engine.check(command) {
                let answer = Answer { sequence: 0, time_us, result: Err(refusal) };
                mailbox.put_answer(index, answer);
                continue;
            }
            let origin = Origin {
                backend: arrival.backend,
                number: arrival.number,
                index: index as u32,
                wake_when_durable,
            };
            let outcome = self.execute(time_us, command, origin);
            let sequence = self.engine.sequence();
            mailbox.put_answer(index, Answer { sequence, time_us, result: Ok(outcome) });
        }
        // A day that has begun already may have been entered.
        self.do_due(time_us);
        self.show(wake_when_durable);
        let last = mailbox.last_sequence();
        mailbox.finish();
        // Who waits for durability is woken by the journaler, unless it was faster.
        if !wake_when_durable || shared.control.durable.get() >= last {
            mailbox.bell().ring();
        }
        self.count();
    }

    /// Executes a command that is not refused, and writes it into the ring.
    #[inline]
    fn execute(&mut self, time_us: i64, command: &Command, origin: Origin) -> Outcome {
        self.wait_for_room();
        if self.is_new {
            self.begin();
        }
        let shared = self.post.shared;
        let stamp = Stamp { sequence: self.engine.sequence() + 1, time_us };
        shared.control.set_executing(stamp.sequence);
        self.events.clear();
        let outcome = self.engine.apply(stamp, command, &mut self.events);
        shared.ring.write(stamp, command, self.engine.event_hash(), origin);
        shared.control.set_executing(0);
        self.calendar_changed |= changes_calendar(command);
        outcome
    }

    /// The first command of a new exchange: from here on the tables are its own.
    #[cold]
    fn begin(&mut self) {
        if transaction(completeness::begin) != Some(true) {
            self.post.close_venue();
        }
        self.is_new = false;
    }

    /// Does what is due at a time, in a command of its own before any other that carries
    /// this time: rule 1.3 of `docs/rules.md`.
    #[inline]
    fn do_due(&mut self, time_us: i64) {
        if self.engine.next_due_us() <= time_us {
            self.execute(time_us, &Command::AdvanceClock, Origin::NONE);
        }
    }

    /// Executes a command of the exchange itself, one that is never refused.
    fn execute_own(&mut self, time_us: i64, command: &Command) {
        self.do_due(time_us);
        self.execute(time_us, command, Origin::NONE);
    }

    /// Lets everybody see what was executed: the phase, the calendar, the clock, and the
    /// journaler the commands. It is hurried where their sender waits.
    fn show(&mut self, is_awaited: bool) {
        let shared = self.post.shared;
        let control = shared.control;
        let counters = self.engine.counters();
        show_market(shared, &self.engine, std::mem::take(&mut self.calendar_changed));
        if counters.sequence > control.matched.get() {
            control.matched.advance(counters.sequence);
            let journaler = &control.worker(Role::Journaler).bell;
            if is_awaited { journaler.rouse() } else { journaler.ring() }
        }
    }

    /// Adds what was executed to the statistics.
    fn count(&mut self) {
        count(self.post.shared, &self.engine, &mut self.counted);
    }

    /// Waits until the ring has room for the next command. As long as it is full of
    /// commands that are not durable yet, nobody can be served.
    #[inline]
    fn wait_for_room(&mut self) {
        let shared = self.post.shared;
        let durable = &shared.control.durable;
        let journaler = &shared.control.worker(Role::Journaler).bell;
        let target = (self.engine.sequence() + 1).saturating_sub(shared.ring.capacity());
        while durable.get() < target {
            self.show(true);
            self.post.check();
            durable.wait(target, IDLE, || journaler.rouse());
        }
    }
}
