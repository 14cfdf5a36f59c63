//! Who runs, for which database, how far they have come, and whether they had to stop.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering, fence};

use matcher::MarketPhase;

use super::bell::{Bell, Cursor};
use super::sync::Torn;

/// The background workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Starts the others.
    Launcher = 0,
    /// Gives commands their number and executes them.
    Matcher = 1,
    /// Makes them durable.
    Journaler = 2,
    /// Shows the books.
    Publisher = 3,
    /// Writes the tables.
    Projector = 4,
    /// Keeps the engine's calendar filled.
    Scheduler = 5,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 6] = [
        Role::Launcher,
        Role::Matcher,
        Role::Journaler,
        Role::Publisher,
        Role::Projector,
        Role::Scheduler,
    ];
    /// Those that the launcher starts.
    pub const LAUNCHED: [Role; 5] =
        [Role::Matcher, Role::Journaler, Role::Publisher, Role::Projector, Role::Scheduler];
    /// Those of them that have work on a standby: the others write.
    pub const ON_STANDBY: [Role; 2] = [Role::Matcher, Role::Publisher];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Launcher => "launcher",
            Role::Matcher => "matcher",
            Role::Journaler => "journaler",
            Role::Publisher => "publisher",
            Role::Projector => "projector",
            Role::Scheduler => "scheduler",
        }
    }
}

/// What a worker is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum WorkerState {
    /// There is no process.
    Stopped = 0,
    /// For the extension to exist.
    Waiting = 1,
    /// Rebuilding its engine.
    Recovering = 2,
    /// At work.
    Running = 3,
    /// On a standby: executing what the primary server has executed.
    Following = 4,
}

impl WorkerState {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            WorkerState::Stopped => "stopped",
            WorkerState::Waiting => "waiting",
            WorkerState::Recovering => "recovering",
            WorkerState::Running => "running",
            WorkerState::Following => "following",
        }
    }
}

/// One worker.
#[repr(C, align(128))]
pub struct Worker {
    pid: AtomicI32,
    state: AtomicU32,
    started_at_us: AtomicI64,
    starts: AtomicU64,
    /// Where it sleeps.
    pub bell: Bell,
}

impl Worker {
    /// A process takes this role; `false` if another has it.
    pub fn claim(&self, pid: i32, now_us: i64) -> bool {
        if self.pid.compare_exchange(0, pid, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        self.state.store(WorkerState::Waiting as u32, Ordering::Release);
        self.started_at_us.store(now_us, Ordering::Relaxed);
        self.starts.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// The process gives the role back.
    pub fn release(&self, pid: i32) {
        if self.pid.load(Ordering::Acquire) == pid {
            self.state.store(WorkerState::Stopped as u32, Ordering::Release);
            self.pid.store(0, Ordering::Release);
        }
    }

    /// Its process; 0 for none.
    pub fn pid(&self) -> i32 {
        self.pid.load(Ordering::Acquire)
    }

    /// What it is at.
    pub fn state(&self) -> WorkerState {
        match self.state.load(Ordering::Acquire) {
            0 => WorkerState::Stopped,
            1 => WorkerState::Waiting,
            2 => WorkerState::Recovering,
            4 => WorkerState::Following,
            _ => WorkerState::Running,
        }
    }

    /// Says what it is at.
    pub fn set_state(&self, state: WorkerState) {
        self.state.store(state as u32, Ordering::Release);
    }

    /// When the process started, microseconds since 2000-01-01 UTC.
    pub fn started_at_us(&self) -> i64 {
        self.started_at_us.load(Ordering::Relaxed)
    }

    /// How often it was started.
    pub fn starts(&self) -> u64 {
        self.starts.load(Ordering::Relaxed)
    }
}

const TEXT_BYTES: usize = 1000;

/// A text of some length.
#[derive(Clone, Copy)]
struct Text {
    length: u32,
    bytes: [u8; TEXT_BYTES],
}

impl Text {
    fn of(text: &str) -> Self {
        let length = text.floor_char_boundary(TEXT_BYTES);
        let mut bytes = [0; TEXT_BYTES];
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self { length: length as u32, bytes }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.length as usize]).into_owned()
    }
}

/// Why the market is stopped, and what can be done.
#[repr(C)]
struct Halt {
    /// By its remainder: 0, none; 1, being written; 2, there. It only grows.
    state: AtomicU32,
    texts: [Torn<Text>; 2],
}

impl Halt {
    const STATES: u32 = 3;
    const NONE: u32 = 0;
    const THERE: u32 = 2;
}

// SAFETY: written by the one process that moved `state` to 1; what is read is looked at only if
// `state` has not moved since it was 2.
unsafe impl Sync for Halt {}

/// The head of the shared memory.
#[repr(C, align(128))]
pub struct Control {
    workers: [Worker; Role::ALL.len()],
    /// The last command that the matcher executed.
    pub matched: Cursor,
    /// The last command in the journal, on disk.
    pub durable: Cursor,
    /// The last command that the boards show.
    pub published: Cursor,
    /// The last command that the tables show.
    pub projected: Cursor,
    /// OIDs of the database and of the extension that the state is of; 0 for none.
    venue: AtomicU64,
    /// Set when the extension is gone: every worker ends.
    closing: AtomicU32,
    market_phase: AtomicU32,
    trade_date: AtomicI32,
    /// The time of the last command, microseconds since 2000-01-01.
    time_us: AtomicI64,
    /// Set as long as the commands come from the journal, which the server replays, and the
    /// matcher has not taken over.
    following: AtomicU32,
    /// Set where the server was restarted: the sessions of all open orders are over.
    sessions_lost: AtomicU32,
    /// The command that the matcher is executing; 0 between commands. Not 0 at a start
    /// means that the last matcher failed there.
    executing: AtomicU64,
    /// Until then no worker may connect to the database, microseconds since 2000-01-01.
    detached_until_us: AtomicI64,
    simulated_time_us: AtomicI64,
    halt: Halt,
}

impl Control {
    /// The place of a worker.
    pub fn worker(&self, role: Role) -> &Worker {
        &self.workers[role as usize]
    }

    /// Wakes all workers.
    pub fn ring_all(&self) {
        for worker in &self.workers {
            worker.bell.rouse();
        }
    }

    /// OIDs of the database and of the extension whose state this is.
    pub fn venue(&self) -> Option<(u32, u32)> {
        let venue = self.venue.load(Ordering::Acquire);
        (venue != 0).then_some(((venue >> 32) as u32, venue as u32))
    }

    /// From here on the state is of this venue.
    pub fn set_venue(&self, database: u32, extension: u32) {
        self.venue.store(u64::from(database) << 32 | u64::from(extension), Ordering::Release);
        self.closing.store(0, Ordering::Release);
    }

    /// The extension is gone: nobody may enter orders, and all workers end.
    pub fn close_venue(&self) {
        self.closing.store(1, Ordering::Release);
        self.venue.store(0, Ordering::Release);
        self.ring_all();
    }

    /// Whether all workers should end.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire) != 0
    }

    /// What the market is in, and on which day: days since 2000-01-01; 0 before the first.
    pub fn market(&self) -> (MarketPhase, i32) {
        let phase = match self.market_phase.load(Ordering::Relaxed) {
            0 => MarketPhase::Closed,
            1 => MarketPhase::PreOpen,
            2 => MarketPhase::Continuous,
            _ => MarketPhase::ClosingAuction,
        };
        (phase, self.trade_date.load(Ordering::Relaxed))
    }

    /// Says so. For the matcher alone.
    pub fn set_market(&self, phase: MarketPhase, trade_date: i32) {
        self.market_phase.store(phase as u32, Ordering::Relaxed);
        self.trade_date.store(trade_date, Ordering::Relaxed);
    }

    /// The time of the last command, microseconds since 2000-01-01 UTC.
    pub fn time_us(&self) -> i64 {
        self.time_us.load(Ordering::Acquire)
    }

    /// Says so. For the matcher alone.
    pub fn set_time(&self, time_us: i64) {
        self.time_us.store(time_us, Ordering::Release);
    }

    /// Whether the commands come from the journal: those that it has after `matched` have still
    /// to be executed, whatever this server is by now.
    pub fn is_following(&self) -> bool {
        self.following.load(Ordering::Acquire) != 0
    }

    /// Says so. For the matcher alone.
    pub fn set_following(&self, following: bool) {
        self.following.store(following.into(), Ordering::Release);
    }

    /// Whether the sessions of all open orders are over, and the matcher has not cancelled
    /// these orders yet.
    pub fn are_sessions_lost(&self) -> bool {
        self.sessions_lost.load(Ordering::Acquire) != 0
    }

    /// Says so.
    pub fn set_sessions_lost(&self, lost: bool) {
        self.sessions_lost.store(lost.into(), Ordering::Release);
    }

    /// The command that the matcher is executing; 0 between commands.
    pub fn executing(&self) -> u64 {
        self.executing.load(Ordering::Acquire)
    }

    /// Says which command the matcher is executing.
    pub fn set_executing(&self, sequence: u64) {
        self.executing.store(sequence, Ordering::Release);
    }

    /// The clock of a simulated exchange, microseconds since 2000-01-01 UTC.
    pub fn simulated_time_us(&self) -> i64 {
        self.simulated_time_us.load(Ordering::Acquire)
    }

    /// Moves the clock of a simulated exchange; it never goes back.
    pub fn advance_simulated_time(&self, time_us: i64) {
        self.simulated_time_us.fetch_max(time_us, Ordering::AcqRel);
    }

    /// Sets the clock of a simulated exchange back: for a fresh start.
    pub fn reset_simulated_time(&self) {
        self.simulated_time_us.store(0, Ordering::Release);
    }

    /// Keeps the workers away from the database until then.
    pub fn detach_until(&self, time_us: i64) {
        self.detached_until_us.store(time_us, Ordering::Release);
        self.ring_all();
    }

    /// Whether workers must keep away from the database.
    pub fn is_detached(&self, now_us: i64) -> bool {
        now_us < self.detached_until_us.load(Ordering::Acquire)
    }

    /// Stops the market: something is wrong that only a person can judge. The first reason stays,
    /// until the workers are restarted.
    pub fn halt(&self, reason: &str, remedy: &str) {
        let state = self.halt.state.load(Ordering::Acquire);
        if state % Halt::STATES == Halt::NONE
            && self
                .halt
                .state
                .compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            for (place, text) in self.halt.texts.iter().zip([reason, remedy]) {
                // SAFETY: this process alone moved the state to 1.
                place.write(|place| unsafe { place.write_volatile(Text::of(text)) });
            }
            self.halt.state.store(state + 2, Ordering::Release);
        }
    }

    /// Why the market is stopped, if it is, and what can be done.
    pub fn halted(&self) -> Option<(String, String)> {
        let state = self.halt.state.load(Ordering::Acquire);
        if state % Halt::STATES != Halt::THERE {
            return None;
        }
        let texts = self.halt.texts.each_ref().map(Torn::read);
        fence(Ordering::Acquire);
        if self.halt.state.load(Ordering::Relaxed) != state {
            return None;
        }
        // SAFETY: written before the state became 2, and not again before it moved on.
        let [reason, remedy] = texts.map(|text| unsafe { text.assume_init() }.text());
        Some((reason, remedy))
    }

    /// Whether the market is stopped.
    pub fn is_halted(&self) -> bool {
        self.halt.state.load(Ordering::Acquire) % Halt::STATES == Halt::THERE
    }

    /// What stopped the market is mended, says a person.
    pub fn end_halt(&self) {
        let state = self.halt.state.load(Ordering::Acquire);
        if state % Halt::STATES == Halt::THERE {
            // Another one may have said so first.
            let _ = self.halt.state.compare_exchange(
                state,
                state.wrapping_add(1),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }
}
