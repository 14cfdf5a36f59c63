//! The journaler: writes what was executed into `exchange.journal`, everything that has
//! come up to then in one commit, and wakes those who wait for it.

use std::time::Duration;

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
    post.wait_for_venue();
    let control = post.shared.control;
    // The journaler before may have ended between its commit and saying so.
    let last = transaction(journal::last_sequence);
    let before = control.durable.get();
    if last > before {
        control.durable.advance(last);
        let entries: Vec<_> =
            (before + 1..=last).filter_map(|sequence| post.shared.ring.read(sequence)).collect();
        wake(post, &entries);
    }
    post.set_state(WorkerState::Running);
    let mut entries = Vec::new();
    let mut patience = Patience::default();
    loop {
        post.check();
        let (durable, matched) = (control.durable.get(), control.matched.get());
        if matched == durable {
            patience.wait(post, || control.matched.get() > durable);
            continue;
        }
        let last = matched.min(durable + LIMIT);
        entries.clear();
        entries.extend((durable + 1..=last).map(|sequence| {
            post.shared.ring.read(sequence).expect("a slot is not used again before it is durable")
        }));
        if transaction(|| journal::write(&entries)).is_none() {
            post.close_venue();
        }
        // A commit that was to wait for a synchronous standby, and was terminated there,
        // is on this disk only: say nothing; the next journaler finds it.
        // SAFETY: a flag of this process.
        if unsafe { pg_sys::ProcDiePending } != 0 {
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
