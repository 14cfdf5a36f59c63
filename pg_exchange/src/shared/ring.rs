//! The sequencer ring: the commands in their one total order, as the matcher executed
//! them, until they are durable.
//!
//! The matcher alone writes it. The journaler reads it up to `matched`, publisher and
//! projector up to `durable`. A slot is used again only once it is durable, so the
//! journaler never misses one; a consumer that fell behind finds another sequence number
//! in the slot and reads the journal instead.

use matcher::{Command, Sequence, Stamp};

use super::sync::{AtomicU64, Ordering, Torn, fence};

/// Which command of which submission a slot holds, so that its sender can be told when
/// it is durable, and a restarted matcher can go on where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whose mailbox; of none for [`Origin::NONE`].
    pub backend: u32,
    /// Which of its submissions.
    pub number: u32,
    /// Which command of it.
    pub index: u32,
    /// Whether the sender waits for this command to be durable.
    pub wake_when_durable: bool,
}

impl Origin {
    /// Of a command that nobody sent: what is due, the end of a session. Nobody is woken
    /// for it.
    pub const NONE: Self =
        Self { backend: u32::MAX, number: 0, index: 0, wake_when_durable: false };
}

/// What a slot holds.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its place in the order, and its time.
    pub stamp: Stamp,
    /// The command.
    pub command: Command,
    /// The engine's running hash after it.
    pub event_hash: u64,
    /// Who sent it.
    pub origin: Origin,
}

/// One place of the ring: three cache lines.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Slot {
    /// The sequence number of what `entry` holds; 0 while it is written.
    sequence: AtomicU64,
    entry: Torn<Entry>,
}

// SAFETY: `entry` is written by the matcher alone, and read through `Ring::read`, which
// checks with `sequence` that no write came in between.
unsafe impl Sync for Slot {}

/// The ring.
pub struct Ring {
    slots: &'static [Slot],
}

impl Ring {
    /// Over zeroed memory, a power of two long.
    pub fn new(slots: &'static [Slot]) -> Self {
        assert!(slots.len().is_power_of_two());
        Self { slots }
    }

    /// How many commands it holds.
    pub fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    fn slot(&self, sequence: Sequence) -> &Slot {
        &self.slots[sequence as usize & (self.slots.len() - 1)]
    }

    /// Writes a command, straight to its place. For the matcher alone, and only where what
    /// the slot held before is durable.
    pub fn write(&self, stamp: Stamp, command: &Command, event_hash: u64, origin: Origin) {
        let slot = self.slot(stamp.sequence);
        slot.sequence.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        // SAFETY: the pointers are to the fields of the slot, and there is one writer. A
        // reader that copies at the same time notices by the sequence number and throws
        // its copy away.
        slot.entry.write(|entry| unsafe {
            (&raw mut (*entry).stamp).write_volatile(stamp);
            (&raw mut (*entry).command).write_volatile(*command);
            (&raw mut (*entry).event_hash).write_volatile(event_hash);
            (&raw mut (*entry).origin).write_volatile(origin);
        });
        slot.sequence.store(stamp.sequence, Ordering::Release);
    }

    /// The command with this sequence number, if the ring still holds it.
    pub fn read(&self, sequence: Sequence) -> Option<Entry> {
        let slot = self.slot(sequence);
        if slot.sequence.load(Ordering::Acquire) != sequence {
            return None;
        }
        // Whether the copy is whole is checked below, before it is looked at.
        let copy = slot.entry.read();
        fence(Ordering::Acquire);
        if slot.sequence.load(Ordering::Relaxed) != sequence {
            return None;
        }
        // SAFETY: the same sequence number before and after: nobody wrote in between.
        Some(unsafe { copy.assume_init() })
    }

    /// Forgets everything: for a fresh start, when nobody reads.
    pub fn clear(&self) {
        for slot in self.slots {
            slot.sequence.store(0, Ordering::Release);
        }
    }
}
