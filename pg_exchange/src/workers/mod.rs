//! The background workers, and what they have in common: how one begins, sleeps, runs
//! transactions, and ends.

mod busts;
mod candles;
mod colocated_feed;
mod directory;
pub mod fault;
mod follower;
pub mod journal;
mod journaler;
mod kept;
mod launcher;
pub mod market_data;
pub mod marks;
mod matching;
mod notifications;
mod patience;
pub mod progress;
mod projection;
mod projector;
mod publisher;
pub mod recovery;
pub mod replay;
mod rows;
mod scheduler;
mod standby;
mod tracked_orders;

use std::cell::Cell;
use std::ffi::CString;
use std::time::{Duration, Instant};

use pgrx::pg_sys::{self, Datum};

use fault::Fault;

use crate::extension::{self, Extension};
use crate::relation;
use crate::settings;
use crate::shared::control::{Role, Worker, WorkerState};
use crate::shared::{self, Shared};

pub use launcher::register as register_launcher;

// As function pointers, which the bindings of pgrx do not give: they wrap them.
unsafe extern "C-unwind" {
    fn die(signal: std::ffi::c_int);
    fn SignalHandlerForConfigReload(signal: std::ffi::c_int);
}

/// How long an idle worker sleeps at most: after so long it looks whether it should end.
/// Wake-ups do not depend on it.
const IDLE: Duration = Duration::from_secs(1);

/// A worker at work.
#[derive(Clone, Copy)]
pub struct Post {
    role: Role,
    /// The shared memory.
    pub shared: &'static Shared,
}

impl Post {
    /// Begins the work of a role in this process: signals, the connection to the
    /// database (`None`: to none), and the place in the shared memory.
    fn take(role: Role, database: Option<CString>) -> Self {
        // SAFETY: the first things that a background worker does, in the order that the
        // manual gives. `die` and the reload handler only set flags.
        unsafe {
            pg_sys::pqsignal(libc::SIGTERM, Some(die));
            pg_sys::pqsignal(libc::SIGHUP, Some(SignalHandlerForConfigReload));
            pg_sys::BackgroundWorkerUnblockSignals();
            pg_sys::BackgroundWorkerInitializeConnection(
                database.as_ref().map_or(std::ptr::null(), |name| name.as_ptr()),
                std::ptr::null(),
                0,
            );
        }
        let shared = shared::get().expect("workers are registered where the memory is");
        let post = Self { role, shared };
        if !post.worker().claim(std::process::id() as i32, now_us()) {
            // The process before has not quite ended; the launcher tries again.
            end();
        }
        // SAFETY: the callback only touches shared memory.
        unsafe { pg_sys::before_shmem_exit(Some(leave), Datum::from(role as usize)) };
        post
    }

    fn worker(&self) -> &'static Worker {
        self.shared.control.worker(self.role)
    }

    /// Says what this worker is at.
    fn set_state(&self, state: WorkerState) {
        self.worker().set_state(state);
    }

    /// Handles what signals asked for, and ends where it must. Called between units of
    /// work, where ending loses nothing.
    fn check(&self) {
        reload_settings();
        pgrx::check_for_interrupts!();
        let control = self.shared.control;
        if self.role != Role::Launcher && (control.is_closing() || control.is_detached(now_us())) {
            end();
        }
    }

    /// Sleeps until rung or for [`IDLE`], unless `ready()`.
    fn sleep(&self, ready: impl Fn() -> bool) {
        self.sleep_for(IDLE, ready);
    }

    /// Sleeps until rung or for `longest`, unless `ready()`.
    fn sleep_for(&self, longest: Duration, ready: impl Fn() -> bool) {
        let began = Instant::now();
        self.worker().bell.sleep(longest, ready);
        if !is_postmaster_alive() {
            end();
        }
        if began.elapsed() >= IDLE / 2 {
            report_statistics(true);
        }
    }

    /// Lets work gather for `longest`, unless somebody waits for it.
    fn nap(&self, longest: Duration, is_awaited: impl Fn() -> bool) {
        self.worker().bell.nap(longest, is_awaited);
    }

    /// Waits until the extension exists in this database, in the version of this library; its OID.
    fn wait_for_extension(&self) -> pg_sys::Oid {
        self.set_state(WorkerState::Waiting);
        let mut said = false;
        loop {
            self.check_waiting();
            match transaction(extension::find) {
                Some(extension) if extension.is_served() => return extension.oid,
                // One of them says it, once.
                Some(extension) if self.role == Role::Matcher && !said => {
                    pgrx::warning!("exchange {}: {}", self.role.name(), extension.mismatch());
                    said = true;
                }
                _ => {}
            }
            self.sleep(|| false);
        }
    }

    /// Waits until the matcher has made the shared memory that of this venue.
    fn wait_for_venue(&self) {
        // SAFETY: reading an OID of this process.
        let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
        loop {
            // Anew each time: it may be dropped and created again meanwhile.
            let extension = self.wait_for_extension().to_u32();
            match self.shared.control.venue() {
                Some(venue) if venue == (database, extension) => break,
                // The matcher serves one that is not there any more, and has not noticed.
                Some(_) if transaction(find_extension).to_u32() == extension => {
                    self.shared.control.close_venue();
                }
                _ => {}
            }
            self.sleep_for(Duration::from_millis(20), || false);
        }
        // The tables first: if the extension is still there after, they are its own.
        let is_there = transaction(|| {
            relation::look_up_for_life();
            self.is_venue_there()
        });
        if !is_there {
            self.close_venue();
        }
        self.set_state(WorkerState::Recovering);
    }

    /// Waits until the matcher has its engine, for which all orders wait: who makes another one at
    /// the same time takes processor and disk from it. Where the matcher finds that something is
    /// wrong with tables or journal, nothing is written any more.
    fn wait_for_matcher(&self) {
        let control = self.shared.control;
        let is_recovering = || control.worker(Role::Matcher).state() == WorkerState::Recovering;
        while is_recovering() {
            self.check();
            self.sleep_for(Duration::from_millis(20), || !is_recovering());
        }
    }

    /// Whether the extension of this venue is still there. In a transaction.
    fn is_venue_there(&self) -> bool {
        let venue = self.shared.control.venue();
        venue.is_some_and(|(_, extension)| find_extension().to_u32() == extension)
    }

    /// Like [`Post::check`], for a worker that waits for a venue to begin, and so does
    /// not mind that one is being closed.
    fn check_waiting(&self) {
        pgrx::check_for_interrupts!();
        if self.shared.control.is_detached(now_us()) {
            end();
        }
    }

    /// Stops the market and this worker, saying why.
    fn halt(&self, fault: &Fault) -> ! {
        let Fault { reason, remedy } = fault;
        self.shared.control.halt(reason, remedy);
        pgrx::warning!("exchange {}: the market is halted: {reason} {remedy}", self.role.name());
        // Only a person can go on from here, so do not end and begin again and again.
        loop {
            self.check();
            self.sleep(|| false);
        }
    }

    /// The extension is gone, or its tables are another exchange's: everybody ends, and waits for the
    /// next one.
    fn close_venue(&self) -> ! {
        pgrx::log!("exchange {}: pg_exchange was dropped, or is restored", self.role.name());
        self.shared.control.close_venue();
        end();
    }
}

thread_local! {
    static RELOADS: Cell<u64> = const { Cell::new(0) };
}

/// Reads the settings again, if that was asked for; how often that was so far.
fn reload_settings() -> u64 {
    // SAFETY: flags of this process; called outside of any transaction.
    unsafe {
        if pg_sys::ConfigReloadPending != 0 {
            pg_sys::ConfigReloadPending = 0;
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
            RELOADS.set(RELOADS.get() + 1);
        }
    }
    RELOADS.get()
}

/// The OID of the extension of this database, if this library serves it. In a transaction.
fn find_extension() -> pg_sys::Oid {
    extension::find()
        .filter(Extension::is_served)
        .map_or(pg_sys::InvalidOid, |extension| extension.oid)
}

/// Ends this process so that the launcher starts it again: code 0 would be final.
fn end() -> ! {
    // SAFETY: a worker may end itself at any time.
    unsafe { pg_sys::proc_exit(1) }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, role: Datum) {
    let role = Role::ALL[role.value()];
    if let Some(shared) = shared::get() {
        shared.control.worker(role).release(std::process::id() as i32);
        shared.control.worker(Role::Launcher).bell.ring();
    }
}

fn is_postmaster_alive() -> bool {
    // SAFETY: reading a variable of this process, and asking who its parent is.
    unsafe { libc::getppid() == pg_sys::PostmasterPid }
}

/// Microseconds since 2000-01-01 UTC, by the clock on the wall.
fn now_us() -> i64 {
    // SAFETY: reading the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Runs `work` in a transaction, and commits it.
fn transaction<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: not in a transaction; an error in `work` ends the process, which aborts it.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let result = work();
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        report_statistics(false);
        result
    }
}

/// Tells the server's statistics what was written, for clients are done so by the server, and
/// workers are not: without it autovacuum would not know the tables of the exchange. At most once
/// a second, unless `now`.
fn report_statistics(now: bool) {
    // SAFETY: not in a transaction.
    unsafe { pg_sys::pgstat_report_stat(now) };
}

/// Runs `work` in a read-only transaction that sees one moment of all tables.
fn one_moment<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: as in `transaction`; the isolation level is set before the first snapshot.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::XactIsoLevel = pg_sys::XACT_REPEATABLE_READ as i32;
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let result = work();
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        result
    }
}

/// Where every launched worker begins; `argument` is its [`Role`].
#[unsafe(no_mangle)]
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn exchange_worker_main(argument: Datum) {
    let role = Role::ALL[argument.value()];
    let post = Post::take(role, Some(settings::database()));
    match role {
        Role::Matcher => matching::run(post),
        Role::Journaler => journaler::run(post),
        Role::Publisher => publisher::run(post),
        Role::Projector => projector::run(post),
        Role::Scheduler => scheduler::run(post),
        Role::Launcher => unreachable!("the launcher is not launched"),
    }
}
