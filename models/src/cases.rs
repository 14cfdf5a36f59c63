//! Running cases: as they are, with a mistake, with a thread that dies.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::OnceLock;

/// A mistake that is put into the atomics, so that a protocol that needs them whole breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Every ordering but that of fences is `Relaxed`.
    NoOrdering,
    /// There are no fences.
    NoFence,
    /// A compare-and-swap looks first and writes then.
    NotAtOnce,
}

const MISTAKES: [Mistake; 3] = [Mistake::NoOrdering, Mistake::NoFence, Mistake::NotAtOnce];

/// Which mistake the processes of this crate make.
const VARIABLE: &str = "MODELS_MISTAKE";

/// The mistake that this process makes.
fn made() -> Option<Mistake> {
    static MADE: OnceLock<Option<Mistake>> = OnceLock::new();
    *MADE.get_or_init(|| {
        let name = std::env::var(VARIABLE).ok()?;
        let named = MISTAKES.into_iter().find(|mistake| format!("{mistake:?}") == name);
        Some(named.unwrap_or_else(|| panic!("{VARIABLE} is none of {MISTAKES:?}: {name}")))
    })
}

/// Whether this mistake is in.
pub(crate) fn is_made(mistake: Mistake) -> bool {
    made() == Some(mistake)
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

/// Runs a case in every order that its threads can come in.
pub fn check(case: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // What goes wrong goes wrong with few switches: all mistakes that were put in are found so.
    builder.preemption_bound = Some(3);
    builder.max_branches = 10_000;
    builder.check(case);
}

/// That the test of this name fails where a mistake is made. In a process of its own, which the
/// model checker may abort.
#[track_caller]
pub fn assert_found(mistake: Mistake, test: &str) {
    if made().is_some() {
        return;
    }
    let binary = std::env::current_exe().expect("a test has a binary");
    let output = Command::new(binary)
        .args(["--exact", test, "--nocapture"])
        .env(VARIABLE, format!("{mistake:?}"))
        .output()
        .expect("a test can be run");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{mistake:?} makes no difference to {test}");
    assert!(text.contains("panicked at"), "{test} did not run: {text}");
}
