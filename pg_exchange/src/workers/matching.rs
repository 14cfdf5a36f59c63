//! The matcher: takes submissions, gives each command its number and its time, executes
//! it, and answers. It touches no table while the market runs.

use matcher::engine::PREFETCH_BATCH;
use matcher::{Command, Engine, Event, Outcome, Stamp};
use pgrx::pg_sys;

use super::follower::Follower;
use super::patience::Patience;
use super::projection::Projection;
use super::recovery::{self, Bounds};
use super::{IDLE, Post, end, journal, now_us, one_moment, reload_settings, transaction};
use crate::relation;
use crate::settings;
use crate::shared::arrivals::Arrival;
use crate::shared::control::{Role, WorkerState};
use crate::shared::mailbox::Answer;
use crate::shared::ring::{Entry, Origin};

/// So many commands of a submission share a look at the clock, become visible to the
/// journaler together, and are announced to the engine together.
const STRIDE: usize = PREFETCH_BATCH;

/// The work of the matcher.
pub fn run(post: Post) -> ! {
    pin();
    let extension = post.wait_for_extension().to_u32();
    // SAFETY: reading an OID of this process.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    if post.shared.control.venue() != Some((database, extension)) {
        begin_venue(post, database, extension);
    }
    post.set_state(WorkerState::Recovering);
    let failed_at = post.shared.control.executing();
    if failed_at != 0 {
        post.halt(&format!("the matcher failed while it executed command {failed_at}"));
    }
    let mut matching = recover(post);
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

/// Makes the shared memory that of a venue which it was not of: after a start of the
/// server, or when the extension was created anew.
fn begin_venue(post: Post, database: u32, extension: u32) {
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
    settle_bounds(post);
    let last = transaction(journal::last_sequence);
    shared.ring.clear();
    shared.directory.reset();
    shared.boards.clear(settings::limits().maximum_instruments);
    control.matched.set(last);
    control.durable.set(last);
    control.published.set(0);
    control.projected.set(0);
    control.set_executing(0);
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
    let Some(tables) = one_moment(|| recovery::load(bounds)) else { post.close_venue() };
    let mut projection = Projection::new(post.or_halt(tables), bounds);
    let end = transaction(journal::last_sequence);
    while projection.follower.sequence() < end {
        let batches = transaction(|| journal::read_after(projection.follower.sequence()));
        for batch in &post.or_halt(batches) {
            post.or_halt(projection.collect(batch));
        }
        transaction(|| projection.write()).unwrap_or_else(|| post.close_venue());
    }
    // Open orders that do not fit the new bounds halt the market; the old ones stay on
    // record, so that other ones can be set.
    let Some(fits) = one_moment(|| recovery::load(settings)) else { post.close_venue() };
    post.or_halt(fits.map(|_| ()));
    projection.bounds = settings;
    transaction(|| projection.write()).unwrap_or_else(|| post.close_venue());
}

/// The engine as it was after the last command that was executed: from the tables, the
/// journal, and what of the ring is not durable yet.
fn recover(post: Post) -> Matching {
    let started_us = now_us();
    let Some(tables) = one_moment(|| recovery::load(Bounds::of_settings())) else {
        post.close_venue()
    };
    let mut follower = Follower::new(post.or_halt(tables).engine);
    let from = follower.sequence();
    let end = post.shared.control.matched.get();
    let mut last = None;
    while follower.sequence() < end {
        post.check();
        for batch in post.or_halt(follower.read(post.shared, end, 65_536)) {
            let executed = follower.execute(&batch, |_, stamp, _, outcome, _| {
                last = Some((stamp, *outcome));
            });
            post.or_halt(executed);
        }
    }
    pgrx::log!(
        "exchange matcher: ready at command {end}, {} of them replayed in {} ms",
        end - from,
        (now_us() - started_us) / 1000
    );
    let mut matching = Matching::new(post, follower.engine);
    matching.resume(last);
    matching
}

struct Matching {
    post: Post,
    engine: Engine,
    events: Vec<Event>,
    /// How often settings had been read when the clock was moved by a command.
    advanced_at: Option<u64>,
}

impl Matching {
    fn new(post: Post, engine: Engine) -> Self {
        let shared = post.shared;
        shared.control.set_market_open(engine.market_is_open());
        shared.statistics.count(now_us(), 0, 0, engine.open_orders().into());
        Self { post, engine, events: Vec::with_capacity(1024), advanced_at: None }
    }

    /// Finishes the submission that the matcher before was at, if there is one: from
    /// the command after the last one that was executed.
    fn resume(&mut self, last: Option<(Stamp, Outcome)>) {
        let shared = self.post.shared;
        for backend in 0..shared.backends() {
            let mailbox = shared.mailbox(backend);
            let Some(number) = mailbox.unfinished() else { continue };
            let last_entry = shared.ring.read(self.engine.sequence());
            let next = match last_entry.map(|entry| entry.origin) {
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

    fn serve_all(&mut self) -> ! {
        let arrivals = &self.post.shared.arrivals;
        let mut served = 0_u32;
        let mut patience = Patience::default();
        loop {
            // Before anything is taken, so that its sender may still withdraw it.
            self.wait_for_room();
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
                    patience.wait(self.post, || !arrivals.is_empty());
                }
            }
        }
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
        let control = shared.control;
        let mailbox = shared.mailbox(arrival.backend);
        let wake_when_durable = mailbox.is_durable_wanted();
        let (before, trades_before) =
            (self.engine.sequence(), self.engine.counters().last_trade_id);
        // One call, one command: the clock is moved by a function of its own.
        if count == 1 && mailbox.command(0) == Command::AdvanceClock {
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
            if let Err(refusal) = self.engine.check(&command) {
                let answer = Answer { sequence: 0, time_us, result: Err(refusal) };
                mailbox.put_answer(index, answer);
                continue;
            }
            let stamp = Stamp { sequence: self.engine.sequence() + 1, time_us };
            self.wait_for_room();
            control.set_executing(stamp.sequence);
            self.events.clear();
            let outcome = self.engine.apply(stamp, &command, &mut self.events);
            shared.ring.write(&Entry {
                stamp,
                command,
                event_hash: self.engine.event_hash(),
                origin: Origin {
                    backend: arrival.backend,
                    number: arrival.number,
                    index: index as u32,
                    wake_when_durable,
                },
            });
            control.set_executing(0);
            let answer = Answer { sequence: stamp.sequence, time_us, result: Ok(outcome) };
            mailbox.put_answer(index, answer);
        }
        self.show(wake_when_durable);
        let last = mailbox.last_sequence();
        mailbox.finish();
        // Who waits for durability is woken by the journaler, unless it was faster.
        if !wake_when_durable || control.durable.get() >= last {
            mailbox.bell().ring();
        }
        control.set_market_open(self.engine.market_is_open());
        shared.statistics.count(
            now_us(),
            self.engine.sequence() - before,
            self.engine.counters().last_trade_id - trades_before,
            self.engine.open_orders().into(),
        );
    }

    /// Lets the journaler see what was executed, and hurries it where the sender waits.
    fn show(&self, is_awaited: bool) {
        let control = self.post.shared.control;
        if self.engine.sequence() > control.matched.get() {
            control.matched.advance(self.engine.sequence());
            let journaler = &control.worker(Role::Journaler).bell;
            if is_awaited { journaler.rouse() } else { journaler.ring() }
        }
    }

    /// Waits until the ring has room for the next command. As long as it is full of
    /// commands that are not durable yet, nobody can be served.
    fn wait_for_room(&self) {
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
