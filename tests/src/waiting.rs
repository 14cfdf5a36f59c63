//! Waiting for conditions. No test sleeps for a time that it hopes to be long enough.

use std::time::{Duration, Instant};

/// How long a condition may take to come true: far longer than on any machine that works.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a condition holds; panics with `what` if it does not in time.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// Waits until there is a value; panics with `what` if there is none in time.
#[track_caller]
pub fn wait_for<T>(what: &str, mut value: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Panics if a condition comes true within a moment: for what must not happen.
#[track_caller]
pub fn assert_stays_away(what: &str, mut happens: impl FnMut() -> bool) {
    const MOMENT: Duration = Duration::from_millis(300);
    let deadline = Instant::now() + MOMENT;
    while Instant::now() < deadline {
        assert!(!happens(), "this should not happen: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
