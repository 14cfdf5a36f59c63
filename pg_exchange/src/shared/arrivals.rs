//! Where calls arrive: a queue of words, each naming a backend whose mailbox holds a
//! submission.
//!
//! Many producers, one consumer (the matcher). A word is put into the queue by a single
//! compare-and-swap; moving the tail on is left to whoever comes next. So there is no
//! moment between claiming a place and filling it: a backend that is stopped or killed
//! at any instruction never stalls the others.

use super::sync::{AtomicU64, Ordering};

/// A submission, named by the backend and its running number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Whose mailbox.
    pub backend: u32,
    /// Which of its submissions, modulo 2²².
    pub number: u32,
}

const NUMBER_BITS: u32 = 22;
const BACKEND_BITS: u32 = 18;
const FULL: u64 = 1 << (NUMBER_BITS + BACKEND_BITS);
const TAG_SHIFT: u32 = NUMBER_BITS + BACKEND_BITS + 1;
const TAG_MASK: u64 = (1 << (64 - TAG_SHIFT)) - 1;

/// Submission numbers wrap here.
pub const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

fn empty(position: u64) -> u64 {
    (position & TAG_MASK) << TAG_SHIFT
}

fn full(position: u64, arrival: Arrival) -> u64 {
    debug_assert!(arrival.backend < 1 << BACKEND_BITS);
    empty(position)
        | FULL
        | u64::from(arrival.backend) << NUMBER_BITS
        | u64::from(arrival.number) & NUMBER_MASK
}

/// The head and tail of the queue, apart from each other's cache lines.
#[derive(Default)]
#[repr(C)]
pub struct Positions {
    head: Line,
    tail: Line,
}

#[derive(Default)]
#[repr(C, align(128))]
struct Line(AtomicU64);

/// The queue, over memory that was filled by [`Arrivals::initialise`].
pub struct Arrivals {
    positions: &'static Positions,
    cells: &'static [AtomicU64],
}

impl Arrivals {
    /// `cells` must be a power of two long.
    pub fn new(positions: &'static Positions, cells: &'static [AtomicU64]) -> Self {
        assert!(cells.len().is_power_of_two());
        Self { positions, cells }
    }

    /// Makes it an empty queue; before anybody else knows of it.
    pub fn initialise(&self) {
        for (position, cell) in self.cells.iter().enumerate() {
            cell.store(empty(position as u64), Ordering::Relaxed);
        }
    }

    fn cell(&self, position: u64) -> &AtomicU64 {
        &self.cells[position as usize & (self.cells.len() - 1)]
    }

    /// Adds an arrival; `false` if the queue is full.
    pub fn push(&self, arrival: Arrival) -> bool {
        let tail = &self.positions.tail.0;
        loop {
            let position = tail.load(Ordering::Acquire);
            let cell = self.cell(position);
            let seen = cell.load(Ordering::Acquire);
            if seen == empty(position) {
                let pushed = cell
                    .compare_exchange(
                        seen,
                        full(position, arrival),
                        Ordering::SeqCst,
                        Ordering::Relaxed,
                    )
                    .is_ok();
                self.pass(position);
                if pushed {
                    return true;
                }
            } else if seen & !(FULL - 1) == empty(position) | FULL {
                self.pass(position);
            } else if tail.load(Ordering::Acquire) == position {
                // Neither empty nor full for this lap: it still holds the lap before.
                return false;
            }
        }
    }

    /// Moves the tail past a filled place, unless somebody did.
    fn pass(&self, position: u64) {
        let _ = self.positions.tail.0.compare_exchange(
            position,
            position + 1,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }

    /// Takes the oldest arrival. For the matcher alone.
    pub fn pop(&self) -> Option<Arrival> {
        let head = &self.positions.head.0;
        let position = head.load(Ordering::Relaxed);
        let cell = self.cell(position);
        let seen = cell.load(Ordering::Acquire);
        if seen & FULL == 0 {
            return None;
        }
        assert_eq!(seen >> TAG_SHIFT, position & TAG_MASK, "the arrival queue is damaged");
        self.pass(position);
        cell.store(empty(position + self.cells.len() as u64), Ordering::Release);
        head.store(position + 1, Ordering::Release);
        Some(Arrival {
            backend: (seen >> NUMBER_BITS) as u32 & ((1 << BACKEND_BITS) - 1),
            number: (seen & NUMBER_MASK) as u32,
        })
    }

    /// Whether nothing has arrived.
    pub fn is_empty(&self) -> bool {
        let position = self.positions.head.0.load(Ordering::Relaxed);
        self.cell(position).load(Ordering::Acquire) & FULL == 0
    }

    /// How many wait.
    pub fn len(&self) -> u64 {
        let tail = self.positions.tail.0.load(Ordering::Acquire);
        tail.saturating_sub(self.positions.head.0.load(Ordering::Acquire))
    }
}
