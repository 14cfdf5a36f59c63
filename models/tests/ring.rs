//! The ring: who reads a slot has what it asked for, whole, or nothing.

use loom::thread;
use matcher::{Command, Stamp};
use models::shared::ring::{Origin, Ring, Slot};
use models::{Mistake, assert_found, check};

fn write(ring: &Ring, sequence: u64) {
    let command = Command::CancelOrder { order_id: sequence, participant: 0 };
    let origin = Origin { backend: 1, number: 2, index: sequence as u32, wake_when_durable: true };
    ring.write(Stamp { sequence, time_us: 0 }, &command, sequence * 1000, origin);
}

/// Whether the command is there; if so it must be whole.
fn read(ring: &Ring, sequence: u64) -> bool {
    let Some(entry) = ring.read(sequence) else { return false };
    assert_eq!(entry.stamp.sequence, sequence);
    assert_eq!(entry.event_hash, sequence * 1000);
    assert_eq!(entry.origin.index, sequence as u32);
    assert_eq!(entry.command, Command::CancelOrder { order_id: sequence, participant: 0 });
    true
}

/// The matcher writes over what a slow reader is at.
fn one_writes_while_one_reads() {
    let slots = Box::leak((0..2).map(|_| Slot::default()).collect::<Box<[Slot]>>());
    let ring: &'static Ring = Box::leak(Box::new(Ring::new(slots)));
    write(ring, 1);
    let reader = thread::spawn(move || [1, 3].map(|sequence| read(ring, sequence)));
    write(ring, 2);
    write(ring, 3);
    assert!(!read(ring, 1) && read(ring, 2) && read(ring, 3));
    reader.join().unwrap();
}

#[test]
fn an_overwritten_slot_is_never_half_read() {
    check(one_writes_while_one_reads);
    assert_found(Mistake::NoFence, "an_overwritten_slot_is_never_half_read");
    assert_found(Mistake::NoOrdering, "an_overwritten_slot_is_never_half_read");
}
