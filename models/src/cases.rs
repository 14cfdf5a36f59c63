//! Running cases: as they are, with a mistake, with a thread that dies.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU8, Ordering};

/// A mistake that is put into the atomics, so that a protocol that needs them whole breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mistake {
    /// None.
    None = 0,
    /// Every ordering but that of fences is `Relaxed`.
    NoOrdering = 1,
    /// There are no fences.
    NoFence = 2,
    /// A compare-and-swap looks first and writes then.
    NotAtOnce = 3,
}

static MADE: AtomicU8 = AtomicU8::new(Mistake::None as u8);
/// Held while a case runs: mistakes are of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// Whether this mistake is in.
pub(crate) fn is_made(mistake: Mistake) -> bool {
    MADE.load(Ordering::Relaxed) == mistake as u8
}

loom::thread_local! {
    /// Steps after which this thread dies.
    static LEFT: std::cell::Cell<u32> = std::cell::Cell::new(u32::MAX);
}

/// How a thread dies: not by a panic, which would fail the case.
struct Death;

/// The thread is about to change or to read what others see.
pub(crate) fn step() {
    LEFT.with(|left| match left.get() {
        u32::MAX => {}
        0 => resume_unwind(Box::new(Death)),
        some => left.set(some - 1),
    });
}

/// Runs `work`, and ends it for good after so many steps of atomics; whether it came to its end.
pub fn dies_after(steps: u32, work: impl FnOnce()) -> bool {
    LEFT.with(|left| left.set(steps));
    let ended = catch_unwind(AssertUnwindSafe(work));
    LEFT.with(|left| left.set(u32::MAX));
    match ended {
        Ok(()) => true,
        Err(cause) if cause.is::<Death>() => false,
        Err(cause) => resume_unwind(cause),
    }
}

/// Runs a case in every order.
pub fn check(case: impl Fn() + Sync + Send + 'static) {
    run(Mistake::None, case);
}

/// Runs a case with a mistake in it, which must be found.
pub fn assert_found(mistake: Mistake, case: impl Fn() + Sync + Send + 'static) {
    let found = catch_unwind(AssertUnwindSafe(|| run(mistake, case)));
    assert!(found.is_err(), "{mistake:?} makes no difference");
}

fn run(mistake: Mistake, case: impl Fn() + Sync + Send + 'static) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            MADE.store(Mistake::None as u8, Ordering::Relaxed);
        }
    }
    let _reset = Reset;
    MADE.store(mistake as u8, Ordering::Relaxed);
    let mut builder = loom::model::Builder::new();
    // What goes wrong goes wrong with few switches; three find all mistakes that were put in.
    builder.preemption_bound = Some(3);
    builder.max_branches = 10_000;
    builder.check(case);
}
