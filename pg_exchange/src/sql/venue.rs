//! The exchange that a call is for: that of its database, and of the extension that its
//! function belongs to.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use pgrx::{PgSqlErrorCode, pg_sys};
use rustc_hash::FxHashMap;

use super::call::Call;
use crate::completeness::{self, Completeness};
use crate::errors::raise;
use crate::extension;
use crate::settings;
use crate::shared::bell::Cursor;
use crate::shared::control::{Role, WorkerState};
use crate::shared::{self, Shared};

/// How long a sleep lasts at most before everything is looked at again. Wake-ups do not
/// depend on it; it bounds what a missed signal costs.
pub const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// The shared memory, or an error that says how to get it.
pub fn shared() -> &'static Shared {
    shared::get().unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "pg_exchange is not in shared_preload_libraries",
            "The exchange needs shared memory and workers, which exist from the server's start.",
            "Run ALTER SYSTEM SET shared_preload_libraries = 'pg_exchange'; and restart the server.",
        )
    })
}

/// A venue whose workers serve it.
#[derive(Clone, Copy)]
pub struct Venue {
    /// The shared memory.
    pub shared: &'static Shared,
    /// OIDs of its database and its extension.
    id: (u32, u32),
}

impl PartialEq for Venue {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Venue {
    /// The venue of a call, once its workers have made the shared memory that of it.
    pub fn of(call: &Call) -> Self {
        let shared = shared();
        // SAFETY: reading an OID of this process.
        let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
        let venue = Self { shared, id: (database, extension_of(call.function())) };
        if venue.is_ready() {
            venue.check();
            return venue;
        }
        if let Some(extension) = extension::find().filter(|extension| !extension.is_served()) {
            extension.refuse();
        }
        if completeness::look() == Some(Completeness::Partial) {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                completeness::PARTIAL,
                "The exchange is closed until all of them are there.",
                completeness::PARTIAL_HINT,
            );
        }
        let deadline = Instant::now() + settings::order_timeout();
        while !venue.is_ready() {
            venue.check_database();
            venue.check_halted();
            if Instant::now() >= deadline {
                venue.not_running();
            }
            pgrx::check_for_interrupts!();
            // The workers come up within seconds of CREATE EXTENSION or a restart; there
            // is nobody yet who could wake us.
            std::thread::sleep(Duration::from_millis(5));
        }
        venue.check();
        venue
    }

    /// The shared memory, if it is of the venue of a call: for what goes without it too.
    pub fn memory_of(call: &Call) -> Option<&'static Shared> {
        let shared = shared::get()?;
        // SAFETY: reading an OID of this process.
        let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
        let id = (database, extension_of(call.function()));
        (shared.control.venue() == Some(id)).then_some(shared)
    }

    fn is_ready(&self) -> bool {
        self.shared.control.venue() == Some(self.id) && self.shared.directory.is_complete()
    }

    fn check_database(&self) {
        if self.shared.control.venue().is_some_and(|(database, _)| database != self.id.0) {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "this database is not the venue",
                format!(
                    "The exchange serves the database {}.",
                    settings::database().to_string_lossy()
                ),
                "Connect to that database, or change exchange.database and restart the server.",
            );
        }
    }

    fn check_halted(&self) {
        if let Some((reason, remedy)) = self.shared.control.halted() {
            raise_halted(reason, remedy);
        }
    }

    /// Ends a wait that nobody will end: the market is halted, or the venue is gone.
    pub fn check(&self) {
        self.check_halted();
        if self.shared.control.venue() != Some(self.id) {
            raise(
                PgSqlErrorCode::ERRCODE_CANNOT_CONNECT_NOW,
                "the exchange was closed during the call",
                "pg_exchange was dropped, its workers were restarted after a halt, or its tables are \
                 restored from a dump: what was not durable yet is gone.",
                "SELECT * FROM exchange.status; shows how the exchange is doing; CREATE EXTENSION \
                 pg_exchange; makes a new one, and one that is restored opens by itself.",
            );
        }
    }

    /// Has the workers of a market that is halted begin anew, as after a start of the server, and
    /// waits until they take orders.
    pub fn restart(call: &Call) {
        let shared = shared();
        let control = shared.control;
        if !control.is_halted() {
            raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the market is not halted",
                "The workers are restarted where they stopped by themselves.",
                "SELECT pg_terminate_backend(pid) FROM exchange.workers; restarts them one by one.",
            );
        }
        // What was answered early is not to be lost by this.
        let deadline = Instant::now() + settings::order_timeout();
        while control.durable.get() < control.matched.get() {
            if Instant::now() >= deadline {
                raise(
                    PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "not all that was executed is durable",
                    format!(
                        "The last command is {}, the last one in the journal {}.",
                        control.matched.get(),
                        control.durable.get()
                    ),
                    "Look at the journaler in exchange.workers and in the server log. A restart of the \
                     server loses what is not durable.",
                );
            }
            pgrx::check_for_interrupts!();
            control.ring_all();
            std::thread::sleep(Duration::from_millis(5));
        }
        control.end_halt();
        control.close_venue();
        let matcher = control.worker(Role::Matcher);
        while control.venue().is_none()
            || !matches!(matcher.state(), WorkerState::Running | WorkerState::Following)
        {
            if let Some((reason, remedy)) = control.halted() {
                raise_halted(reason, remedy);
            }
            pgrx::check_for_interrupts!();
            std::thread::sleep(Duration::from_millis(5));
        }
        Self::of(call);
    }

    /// The error for workers that are not there.
    pub fn not_running(&self) -> ! {
        let states: Vec<_> = Role::ALL
            .iter()
            .map(|role| {
                let state = self.shared.control.worker(*role).state();
                format!("{} {}", role.name(), state.name())
            })
            .collect();
        raise(
            PgSqlErrorCode::ERRCODE_CANNOT_CONNECT_NOW,
            "the workers of the exchange are not running",
            format!(
                "{}; exchange.database is {}.",
                states.join(", "),
                settings::database().to_string_lossy()
            ),
            "Look at exchange.workers and at the server log; try again when all are running.",
        )
    }

    /// Waits until the publisher has shown the books once: they are empty until then.
    pub fn wait_for_books(&self) {
        let control = self.shared.control;
        if control.published.get() == 0 && control.matched.get() > 0 {
            self.wait_for(&control.published, 1);
        }
    }

    /// Waits until a cursor has come to `target`.
    pub fn wait_for(&self, cursor: &Cursor, target: u64) {
        while cursor.get() < target {
            self.check();
            pgrx::check_for_interrupts!();
            // Whoever moves the cursor may be letting work gather, or may wait for
            // another who does.
            cursor.wait(target, LONGEST_SLEEP, || self.shared.control.ring_all());
        }
    }
}

/// The error for a market that stopped by itself.
pub fn raise_halted(reason: String, remedy: String) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "the market is halted",
        reason,
        remedy,
    )
}

/// The extension that a function belongs to. A function keeps it as long as it lives.
fn extension_of(function: pg_sys::Oid) -> u32 {
    thread_local! {
        static KNOWN: RefCell<FxHashMap<pg_sys::Oid, u32>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        *known.entry(function).or_insert_with(|| {
            // SAFETY: a look-up in the catalog, by the OID of the function that runs.
            unsafe { pg_sys::getExtensionOfObject(pg_sys::ProcedureRelationId, function) }.to_u32()
        })
    })
}
