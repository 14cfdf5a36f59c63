//! The journaler: writes what was executed into `exchange.journal`, everything that has
//! come up to then in one commit, and wakes those who wait for it.

use std::time::{Duration, Instant};

use pgrx::pg_sys;

use super::patience::Patience;
use super::{Post, end, journal, transaction};
use crate::shared::control::{Role, WorkerState};
use crate::shared::ring::Entry;

/// Commands of one commit, at most.
const LIMIT: u64 = 32_768;
/// Where nobody waits for their durability, commands gather so long before the next
/// commit: what `synchronous_commit = off` may lose in a crash of the server.
const PAUSE: Duration = Duration::from_millis(2);

/// The work of the journaler.
pub fn run(post: Post) -> ! {
    ignore_cancels();
    post.wait_for_venue();
    let control = post.shared.control;
    // The journaler before may have ended between its commit and saying so, or while its commit
    // waited for a standby.
    let last = transaction(journal::last_sequence);
    let before = control.durable.get();
    if last > before {
        wait_for_standby();
        control.durable.advance(last);
        let entries: Vec<_> =
            (before + 1..=last).filter_map(|sequence| post.shared.ring.read(sequence)).collect();
        wake(post, &entries);
    }
    post.set_state(WorkerState::Running);
    let mut entries = Vec::new();
    let mut patience = Patience::default();
    loop {
        if is_terminated() && is_server_stopping() {
            finish(post, control.durable.get());
        }
        post.check();
        let (durable, matched) = (control.durable.get(), control.matched.get());
        if matched == durable {
            patience.wait(post, || control.matched.get() > durable || is_terminated());
            continue;
        }
        let last = write(post, durable, matched, &mut entries);
        // A commit that was to wait for a synchronous standby, and was terminated there, is on this
        // disk only: say nothing; the next journaler finds it, and waits.
        if is_terminated() {
            if is_server_stopping() {
                finish(post, last);
            }
            end();
        }
        control.durable.advance(last);
        wake(post, &entries);
        if !entries.iter().any(|entry| entry.origin.wake_when_durable) {
            let is_full = || control.matched.get() - last >= post.shared.ring.capacity() / 4;
            post.nap(PAUSE, || is_full() || control.durable.is_awaited());
        }
    }
}

/// Writes what was executed after a command, up to another one or [`LIMIT`], and commits it; up to
/// which that was.
fn write(post: Post, after: u64, matched: u64, entries: &mut Vec<Entry>) -> u64 {
    let last = matched.min(after + LIMIT);
    flush_commits();
    entries.clear();
    entries.extend((after + 1..=last).map(|sequence| {
        post.shared.ring.read(sequence).expect("a slot is not used again before it is durable")
    }));
    let is_there = transaction(|| {
        // Whoever is terminated in the middle of it might have no successor, see finish().
        // SAFETY: a counter of this process; an error ends it.
        unsafe { pg_sys::InterruptHoldoffCount += 1 };
        journal::write(entries).is_some()
    });
    if !is_there {
        post.close_venue();
    }
    // SAFETY: as above.
    unsafe { pg_sys::InterruptHoldoffCount -= 1 };
    last
}

/// The server is stopped in good order, and no other journaler comes: writes what was executed, all
/// that the matcher has still done, and ends. Nobody is told any more, but those whose orders were
/// answered early, or of whom it was said that they stand, find them after the next start.
fn finish(post: Post, mut written: u64) -> ! {
    /// The matcher ends between two calls.
    const LONGEST: Duration = Duration::from_secs(5);
    let control = post.shared.control;
    let began = Instant::now();
    let mut entries = Vec::new();
    loop {
        let is_over = control.worker(Role::Matcher).pid() == 0 || began.elapsed() > LONGEST;
        let matched = control.matched.get();
        while written < matched {
            written = write(post, written, matched, &mut entries);
        }
        if is_over {
            end();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_terminated() -> bool {
    // SAFETY: a flag of this process, set by its signal handler.
    unsafe { pg_sys::ProcDiePending != 0 }
}

/// Whether the postmaster has begun to stop the server: it says so in its file, in the data folder,
/// before it signals anybody.
fn is_server_stopping() -> bool {
    std::fs::read_to_string("postmaster.pid").is_ok_and(|text| text.contains("stopping"))
}

/// A commit that waits for a synchronous standby ends its wait where it is cancelled, and looks
/// like any other then.
fn ignore_cancels() {
    // SAFETY: a signal of this process, which nothing else uses.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}

/// `synchronous_commit = off` is for sessions to choose, each for its own orders: who waits for a
/// commit waits for the disk. All other levels are as the server is set.
fn flush_commits() {
    let off = pg_sys::SyncCommitLevel::SYNCHRONOUS_COMMIT_OFF as i32;
    // SAFETY: a setting of this process, by C strings.
    unsafe {
        if pg_sys::synchronous_commit == off {
            pg_sys::SetConfigOption(
                c"synchronous_commit".as_ptr(),
                c"on".as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

/// Waits until what this disk has is on the synchronous standbys too, where there are any.
fn wait_for_standby() {
    flush_commits();
    // SAFETY: as a commit does it, with interrupts held off: it looks for them itself.
    unsafe {
        let end = pg_sys::GetFlushRecPtr(std::ptr::null_mut());
        pg_sys::InterruptHoldoffCount += 1;
        pg_sys::SyncRepWaitForLSN(end, true);
        pg_sys::InterruptHoldoffCount -= 1;
    }
    if is_terminated() {
        end();
    }
}

/// Wakes everybody who waited for these commands to be durable.
fn wake(post: Post, entries: &[Entry]) {
    for (index, entry) in entries.iter().enumerate() {
        let origin = entry.origin;
        let is_last_of_call =
            entries.get(index + 1).is_none_or(|next| next.origin.backend != origin.backend);
        if origin.wake_when_durable && is_last_of_call {
            post.shared.mailbox(origin.backend).bell().ring();
        }
    }
    for role in [Role::Publisher, Role::Projector] {
        post.shared.control.worker(role).bell.ring();
    }
}
