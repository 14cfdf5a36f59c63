//! Sleeping on a word, as the operating system does it: under a lock, it looks at the word once more
//! before it puts the caller to sleep. Nothing else ends a sleep here, so a wake-up that is lost is a
//! deadlock, which the model checker reports.

use std::collections::HashMap;
use std::time::Duration;

use loom::sync::{Arc, Condvar, Mutex};

use super::sync::{AtomicU32, Ordering};

loom::lazy_static! {
    static ref SLEEPERS: Mutex<HashMap<usize, Arc<Condvar>>> = Mutex::new(HashMap::new());
}

/// Sleeps as long as the word is as `expected`, until woken.
pub fn wait(word: &AtomicU32, expected: u32, _timeout: Duration) {
    let mut sleepers = SLEEPERS.lock().expect("no case panics in here");
    if word.load(Ordering::SeqCst) == expected {
        let condition =
            Arc::clone(sleepers.entry(word.address()).or_insert_with(|| Arc::new(Condvar::new())));
        drop(condition.wait(sleepers));
    }
}

/// Wakes as many as `count` that sleep on the word.
pub fn wake(word: &AtomicU32, count: i32) {
    let sleepers = SLEEPERS.lock().expect("no case panics in here");
    if let Some(condition) = sleepers.get(&word.address()) {
        if count == 1 { condition.notify_one() } else { condition.notify_all() }
    }
}
