//! Sleeping and waking between processes: a futex word in shared memory.
//!
//! A latch costs several system calls a sleep; this costs one, and a wake-up of somebody
//! who is not asleep costs none. Signals end a sleep (`EINTR`), so interrupts are seen.

use std::time::Duration;

use super::futex;
use super::sync::{AtomicU32, AtomicU64, Ordering, fence};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const NAPPING: u32 = 2;

/// Where one process sleeps and others wake it.
#[derive(Default)]
#[repr(C)]
pub struct Bell {
    word: AtomicU32,
}

impl Bell {
    /// Sleeps until rung, until a signal comes, or for `timeout`; not at all if `ready()`
    /// holds once this process is seen to be asleep. The caller checks again in a loop.
    pub fn sleep(&self, timeout: Duration, ready: impl Fn() -> bool) {
        self.rest(ASLEEP, timeout, ready);
    }

    /// Like [`Bell::sleep`], but only [`Bell::rouse`] ends it before the time: for a
    /// worker that lets work gather.
    pub fn nap(&self, timeout: Duration, ready: impl Fn() -> bool) {
        self.rest(NAPPING, timeout, ready);
    }

    fn rest(&self, how: u32, timeout: Duration, ready: impl Fn() -> bool) {
        self.word.store(how, Ordering::SeqCst);
        // Pairs with the fence in `wake`: either the waker sees us asleep, or we see
        // what it did before.
        fence(Ordering::SeqCst);
        if !ready() {
            futex::wait(&self.word, how, timeout);
        }
        self.word.store(AWAKE, Ordering::SeqCst);
    }

    /// Wakes the process that sleeps here, if it does: there is work.
    pub fn ring(&self) {
        self.wake(|word| word == ASLEEP);
    }

    /// Wakes the process that sleeps or naps here: somebody waits for it.
    pub fn rouse(&self) {
        self.wake(|word| word != AWAKE);
    }

    fn wake(&self, wakes: impl Fn(u32) -> bool) {
        fence(Ordering::SeqCst);
        if wakes(self.word.load(Ordering::Relaxed))
            && self.word.swap(AWAKE, Ordering::SeqCst) != AWAKE
        {
            futex::wake(&self.word, 1);
        }
    }
}

/// A sequence number that only grows, and that processes may wait for.
#[derive(Default)]
#[repr(C, align(128))]
pub struct Cursor {
    value: AtomicU64,
    epoch: AtomicU32,
    waiters: AtomicU32,
}

impl Cursor {
    /// How far it has come.
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Acquire)
    }

    /// Moves it and wakes those who wait for it.
    pub fn advance(&self, value: u64) {
        debug_assert!(value >= self.value.load(Ordering::Relaxed));
        self.set(value);
    }

    /// Moves it in any direction: for a fresh start.
    pub fn set(&self, value: u64) {
        self.value.store(value, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::Relaxed) > 0 {
            self.epoch.fetch_add(1, Ordering::SeqCst);
            futex::wake(&self.epoch, i32::MAX);
        }
    }

    /// Whether anybody waits.
    pub fn is_awaited(&self) -> bool {
        self.waiters.load(Ordering::Relaxed) > 0
    }

    /// Waits until it has come to `target`, a signal comes, or `timeout` is over. The
    /// caller checks again in a loop. `hurry` is called once the wait can be seen.
    pub fn wait(&self, target: u64, timeout: Duration, hurry: impl FnOnce()) {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let epoch = self.epoch.load(Ordering::SeqCst);
        hurry();
        if self.get() < target {
            futex::wait(&self.epoch, epoch, timeout);
        }
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}
