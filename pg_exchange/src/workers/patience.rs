//! How a worker waits for work: awake as long as that has paid off lately, then asleep.
//!
//! To be woken costs as much as many orders do, so a worker that is about to get work
//! had better stay awake; one that is not takes a core from those who would send it.

use std::time::{Duration, Instant};

use super::{IDLE, Post};
use crate::settings;

/// Polls between two looks at the clock: about a microsecond.
const POLLS: u32 = 32;

/// What the last waits brought.
#[derive(Default)]
pub struct Patience {
    budget: Duration,
}

impl Patience {
    /// Waits for work, or for anything that the caller has to look at (a signal, a
    /// second gone by); it checks again in a loop.
    pub fn wait(&mut self, post: Post, ready: impl Fn() -> bool) {
        self.wait_for(post, IDLE, ready);
    }

    /// Like [`Patience::wait`], for about `timeout` at most.
    pub fn wait_for(&mut self, post: Post, timeout: Duration, ready: impl Fn() -> bool) {
        let longest = settings::spin();
        let began = Instant::now();
        if !self.poll(began, &ready) {
            post.sleep_for(timeout.saturating_sub(began.elapsed()), &ready);
        }
        self.budget = if began.elapsed() <= longest { longest } else { self.budget / 2 };
    }

    fn poll(&self, began: Instant, ready: impl Fn() -> bool) -> bool {
        while began.elapsed() < self.budget {
            for _ in 0..POLLS {
                if ready() {
                    return true;
                }
                std::hint::spin_loop();
            }
            // Whoever else wants this core may be about to bring the work.
            std::thread::yield_now();
        }
        false
    }
}
