//! The shared memory: its parts, where they lie, and how they come to be.
//!
//! Everything in it is valid when zeroed (but the arrival queue and the sessions, which are
//! initialised), holds no pointer, and is reached through [`get`].

pub mod arrivals;
pub mod bell;
pub mod boards;
pub mod calendar;
pub mod control;
pub mod directory;
mod futex;
pub mod mailbox;
pub mod rate_limiter;
pub mod recovery;
pub mod ring;
pub mod sessions;
pub mod statistics;
mod sync;
pub mod timetable;

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use matcher::{CurrencyCode, Instrument, MAXIMUM_CURRENCIES, MAXIMUM_FEE_SCHEDULES, ScheduleName};
use pgrx::pg_sys;

use self::arrivals::{Arrivals, Positions};
use self::boards::Boards;
use self::calendar::Calendar;
use self::control::{Control, Role};
use self::directory::Directory;
use self::mailbox::Mailbox;
use self::rate_limiter::RateLimiter;
use self::recovery::Recovery;
use self::ring::{Ring, Slot};
use self::sessions::Sessions;
use self::statistics::Statistics;
use self::timetable::Timetable;
use crate::settings;

/// The parts of the shared memory, as this process sees them.
pub struct Shared {
    /// Who runs, and how far they have come.
    pub control: &'static Control,
    /// Where calls arrive.
    pub arrivals: Arrivals,
    /// The commands in their order.
    pub ring: Ring,
    /// Counters and latencies.
    pub statistics: &'static Statistics,
    /// Instruments, participants, accounts, currencies and fee schedules.
    pub directory: Directory,
    /// What participants may send.
    pub rate_limiter: RateLimiter,
    /// Sessions whose orders end with them.
    pub sessions: Sessions,
    /// The engine's calendar.
    pub timetable: &'static Timetable,
    /// What the scheduler is asked.
    pub calendar: &'static Calendar,
    /// The books.
    pub boards: Boards,
    recoveries: &'static [Recovery],
    mailboxes: &'static [mailbox::Header],
    exchanges: &'static [mailbox::Exchange],
}

static SHARED: AtomicPtr<Shared> = AtomicPtr::new(std::ptr::null_mut());

/// The shared memory; `None` where the library is not in `shared_preload_libraries`.
pub fn get() -> Option<&'static Shared> {
    // SAFETY: null, or leaked by `start_up`.
    unsafe { SHARED.load(Ordering::Relaxed).as_ref() }
}

impl Shared {
    /// The mailbox of a backend, by [`own_backend_number`].
    pub fn mailbox(&self, backend: u32) -> Mailbox {
        let capacity = self.exchanges.len() / self.mailboxes.len();
        let backend = backend as usize;
        Mailbox::new(
            &self.mailboxes[backend],
            &self.exchanges[backend * capacity..(backend + 1) * capacity],
        )
    }

    /// How far a worker has come with making its engine.
    pub fn recovery(&self, role: Role) -> &'static Recovery {
        &self.recoveries[role as usize]
    }

    /// How many mailboxes there are.
    pub fn backends(&self) -> u32 {
        self.mailboxes.len() as u32
    }
}

/// The number of this process among all that may have a mailbox.
pub fn own_backend_number() -> u32 {
    // SAFETY: this process is attached to the shared memory, so it has a PGPROC.
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    let number = unsafe { (*pg_sys::MyProc).pgprocno };
    // SAFETY: as above.
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    let number = unsafe { pg_sys::MyProcNumber };
    number as u32
}

/// Lays one array after the other; once to learn the size, once over the real memory.
struct Layout {
    base: *mut u8,
    size: usize,
}

impl Layout {
    fn array<T>(&mut self, length: usize) -> &'static [T] {
        self.size = self.size.next_multiple_of(align_of::<T>().max(128));
        let offset = self.size;
        self.size += length * size_of::<T>();
        if self.base.is_null() {
            return &[];
        }
        // SAFETY: the memory was requested with the size that the same calls came to,
        // lives as long as the process, is aligned (checked in `lay_out`), was zeroed,
        // and every `T` here is valid when zeroed and shared only through atomics or
        // the protocols that its module describes.
        unsafe { std::slice::from_raw_parts(self.base.add(offset).cast(), length) }
    }

    fn one<T>(&mut self) -> Option<&'static T> {
        self.array::<T>(1).first()
    }
}

/// The size, and the parts where `base` is not null.
fn lay_out(base: *mut u8) -> (usize, Option<Shared>) {
    assert!(base.addr().is_multiple_of(128), "shared memory is not aligned");
    // SAFETY: set before the hooks run, and never after.
    let backends = unsafe { pg_sys::MaxBackends } as usize;
    let limits = settings::limits();
    let instruments = limits.maximum_instruments as usize;
    let mut layout = Layout { base, size: 0 };
    let control = layout.one::<Control>();
    let statistics = layout.one::<Statistics>();
    let recoveries = layout.array::<Recovery>(Role::ALL.len());
    let positions = layout.one::<Positions>();
    // A backend has one submission under way, and may leave withdrawn ones behind.
    let cells = layout.array::<AtomicU64>((4 * backends).next_power_of_two());
    let slots = layout.array::<Slot>(settings::ring_slots());
    let counts = layout.one::<directory::Counts>();
    let accounts = limits.maximum_accounts as usize;
    let lists = directory::Lists {
        instruments: layout.array::<directory::Cell<Instrument>>(instruments),
        accounts: layout.array::<AtomicU64>(accounts),
        participants: layout.array::<AtomicU32>(accounts),
        currencies: layout.array::<directory::Cell<CurrencyCode>>(MAXIMUM_CURRENCIES),
        fee_schedules: layout.array::<directory::Cell<ScheduleName>>(MAXIMUM_FEE_SCHEDULES),
    };
    // Participants cannot be more than accounts.
    let rate_limiter = RateLimiter::new(layout.array::<rate_limiter::Bucket>(accounts));
    let ends = layout.one::<sessions::Ends>();
    let places = layout.array::<sessions::Place>(backends);
    let timetable = layout.one::<Timetable>();
    let calendar = layout.one::<Calendar>();
    let depth = settings::book_depth();
    let words = layout.array::<AtomicU64>(instruments * boards::board_words(depth));
    let mailboxes = layout.array::<mailbox::Header>(backends);
    let exchanges = layout.array::<mailbox::Exchange>(backends * settings::maximum_batch());
    let size = layout.size;
    let shared = || {
        Some(Shared {
            control: control?,
            arrivals: Arrivals::new(positions?, cells),
            ring: Ring::new(slots),
            statistics: statistics?,
            directory: Directory::new(counts?, lists, rate_limiter),
            rate_limiter,
            sessions: Sessions::new(ends?, places),
            timetable: timetable?,
            calendar: calendar?,
            boards: Boards::new(words, depth),
            recoveries,
            mailboxes,
            exchanges,
        })
    };
    (size, shared())
}

const ALIGNMENT: usize = 128;

// Three cache lines.
const _: () = assert!(size_of::<Slot>() == 192);

/// Asks for the memory; from `shmem_request_hook`.
pub fn request() {
    let (size, _) = lay_out(std::ptr::null_mut());
    // SAFETY: called from the hook that is made for it.
    unsafe { pg_sys::RequestAddinShmemSpace(size + ALIGNMENT) };
}

/// Creates the memory; from `shmem_startup_hook`. Runs again, over a new memory, after a
/// crash of any backend.
pub fn start_up() {
    let (size, _) = lay_out(std::ptr::null_mut());
    let mut found = false;
    // SAFETY: the hook is called where these structures may be made, and the lock is the
    // one that guards them.
    let base = unsafe {
        let lock = &raw mut (*pg_sys::MainLWLockArray.add(ADDIN_SHMEM_INIT_LOCK)).lock;
        pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let base =
            pg_sys::ShmemInitStruct(c"pg_exchange".as_ptr(), size + ALIGNMENT, &raw mut found);
        if !found {
            std::ptr::write_bytes(base.cast::<u8>(), 0, size + ALIGNMENT);
        }
        pg_sys::LWLockRelease(lock);
        base.cast::<u8>()
    };
    let base = base.wrapping_add(base.align_offset(ALIGNMENT));
    let (_, shared) = lay_out(base);
    let shared = shared.expect("the memory is there");
    if !found {
        // SAFETY: the clock may be read anywhere.
        let now_us = unsafe { pg_sys::GetCurrentTimestamp() };
        shared.arrivals.initialise();
        shared.sessions.initialise(now_us);
        shared.statistics.reset(now_us);
    }
    // Leaked: once a server start or crash, and the processes hold references to it.
    SHARED.store(Box::leak(Box::new(shared)), Ordering::Relaxed);
}

// `AddinShmemInitLock` of lwlocknames.h, the same number in PostgreSQL 15 to 18.
const ADDIN_SHMEM_INIT_LOCK: usize = 21;
