//! Sleeping on a word of shared memory, and waking who sleeps there.

use std::time::Duration;

use super::sync::AtomicU32;

/// Sleeps as long as the word is as `expected`: until woken, until a signal comes, or for `timeout`.
/// The caller checks again in a loop.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the word and the timeout outlive the call; FUTEX_WAIT without the private
    // flag, because the word is shared between processes. Every result (woken, value
    // changed, timeout, signal) sends the caller back to its own check.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, &timeout);
    }
}

/// Wakes as many as `count` that sleep on the word.
pub fn wake(word: &AtomicU32, count: i32) {
    // SAFETY: FUTEX_WAKE only uses the address of the word.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count);
    }
}
