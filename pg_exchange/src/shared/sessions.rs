//! Client sessions whose orders are cancelled when they end.
//!
//! A session is named by its backend's place and a running number there. Its end is a
//! number that the backend leaves in its place on its way out, without waiting for
//! anybody; the matcher works off all numbers up to it. So a place may be taken by the
//! next backend, and the one after, before the matcher has looked: nothing is overwritten
//! that it still needs.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use matcher::SessionId;
use pgrx::pg_sys::{self, Datum};

use super::control::Role;
use super::own_backend_number;

/// Places need so many bits of a session's name.
const BACKEND_BITS: u32 = 18;

/// The place of one backend. Its numbers only grow.
#[repr(C)]
pub struct Place {
    /// The last session that was opened here.
    opened: AtomicU64,
    /// The last one that is over.
    ended: AtomicU64,
    /// The last one whose end the matcher has executed.
    handled: AtomicU64,
}

/// What the matcher looks at to learn that a session ended.
#[repr(C, align(128))]
pub struct Ends {
    count: AtomicU64,
}

/// The sessions of all backends.
pub struct Sessions {
    ends: &'static Ends,
    places: &'static [Place],
}

thread_local! {
    /// The session of this backend; 0 for none.
    static OWN: Cell<SessionId> = const { Cell::new(0) };
}

impl Sessions {
    /// Over zeroed memory, one place a backend.
    pub fn new(ends: &'static Ends, places: &'static [Place]) -> Self {
        assert!(places.len() < 1 << BACKEND_BITS);
        Self { ends, places }
    }

    /// Makes numbers start at the seconds of the clock: after a restart of the server they
    /// go on above those of before, unless one place had more than a session a second.
    /// (Even then no order is mistaken for another's: a restart ends all sessions.)
    pub fn initialise(&self, now_us: i64) {
        let start = u64::try_from(now_us / 1_000_000).unwrap_or(0);
        for place in self.places {
            for number in [&place.opened, &place.ended, &place.handled] {
                number.store(start, Ordering::Relaxed);
            }
        }
    }

    /// The session of this backend, which ends when the backend does: when its client
    /// disconnects, when it is terminated, after a FATAL error. The first call opens it.
    pub fn open(&self, backend: u32) -> SessionId {
        debug_assert_eq!(backend, own_backend_number());
        if OWN.get() == 0 {
            // First what ends it: from the next line on it is open.
            // SAFETY: the callback only touches shared memory, and waits for nobody.
            unsafe { pg_sys::before_shmem_exit(Some(end_own), Datum::from(0)) };
            let number = self.places[backend as usize].opened.fetch_add(1, Ordering::Relaxed) + 1;
            OWN.set(name(backend, number));
        }
        OWN.get()
    }

    /// The session that was opened last here is over. From its own backend.
    fn end(&self, backend: u32) {
        let place = &self.places[backend as usize];
        place.ended.store(place.opened.load(Ordering::Relaxed), Ordering::Release);
        self.ends.count.fetch_add(1, Ordering::Release);
    }

    /// How many sessions have ended. For the matcher, which looks for the rest only when
    /// this changes.
    #[inline]
    pub fn ends(&self) -> u64 {
        self.ends.count.load(Ordering::Acquire)
    }

    /// Hands out the sessions that ended and were not handled yet. For the matcher alone;
    /// it may be terminated within `handle`, and is handed the same again then.
    pub fn handle_ended(&self, mut handle: impl FnMut(SessionId)) {
        for (backend, place) in (0..).zip(self.places) {
            let ended = place.ended.load(Ordering::Acquire);
            let mut handled = place.handled.load(Ordering::Relaxed);
            while handled < ended {
                handled += 1;
                handle(name(backend, handled));
                place.handled.store(handled, Ordering::Release);
            }
        }
    }

    /// Forgets what has ended: for a fresh start, in which those sessions have no orders.
    pub fn forget_ended(&self) {
        self.handle_ended(|_| ());
    }
}

fn name(backend: u32, number: u64) -> SessionId {
    number << BACKEND_BITS | u64::from(backend)
}

/// The last thing that a backend with a session does.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn end_own(_code: i32, _argument: Datum) {
    let Some(shared) = super::get() else { return };
    let backend = own_backend_number();
    // What was submitted and not taken must not be entered after the end.
    shared.mailbox(backend).withdraw();
    shared.sessions.end(backend);
    shared.control.worker(Role::Matcher).bell.ring();
}
