//! How far a worker has come with making its engine: for everybody to see, while it does.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use matcher::Sequence;

/// What it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    /// It has not begun since the server started.
    None = 0,
    /// Reads the tables.
    Loading = 1,
    /// Executes the commands of the journal that the tables do not show.
    Replaying = 2,
    /// It has its engine.
    Done = 3,
}

impl Step {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Step::None => "none",
            Step::Loading => "loading",
            Step::Replaying => "replaying",
            Step::Done => "done",
        }
    }
}

/// The last recovery of one worker; times are microseconds since 2000-01-01 UTC, 0 for not yet.
#[repr(C, align(128))]
pub struct Recovery {
    step: AtomicU32,
    began_at_us: AtomicI64,
    loaded_at_us: AtomicI64,
    ended_at_us: AtomicI64,
    /// Open orders that were read from the tables.
    open_orders: AtomicU64,
    /// The command that the tables show.
    from: AtomicU64,
    /// The last command that was executed again.
    sequence: AtomicU64,
    /// The last one that has to be.
    end: AtomicU64,
}

/// As it stands.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What the worker is at.
    pub step: Step,
    /// When it began.
    pub began_at_us: i64,
    /// When it had read the tables.
    pub loaded_at_us: i64,
    /// When it had its engine.
    pub ended_at_us: i64,
    /// Open orders that were read.
    pub open_orders: u64,
    /// The command that the tables show.
    pub from: Sequence,
    /// The last command that was executed again.
    pub sequence: Sequence,
    /// The last one that has to be.
    pub end: Sequence,
}

impl Recovery {
    /// It begins to read the tables.
    pub fn begin(&self, now_us: i64) {
        for of_before in [&self.open_orders, &self.from, &self.sequence, &self.end] {
            of_before.store(0, Ordering::Relaxed);
        }
        self.began_at_us.store(now_us, Ordering::Relaxed);
        self.loaded_at_us.store(0, Ordering::Relaxed);
        self.ended_at_us.store(0, Ordering::Relaxed);
        self.step.store(Step::Loading as u32, Ordering::Release);
    }

    /// So many open orders are read.
    pub fn set_open_orders(&self, count: u64) {
        self.open_orders.store(count, Ordering::Relaxed);
    }

    /// The tables are read, and what is after them is executed up to `end`.
    pub fn replay(&self, from: Sequence, end: Sequence, now_us: i64) {
        self.from.store(from, Ordering::Relaxed);
        self.sequence.store(from, Ordering::Relaxed);
        self.end.store(end.max(from), Ordering::Relaxed);
        self.loaded_at_us.store(now_us, Ordering::Relaxed);
        self.step.store(Step::Replaying as u32, Ordering::Release);
    }

    /// It has come so far.
    pub fn set_sequence(&self, sequence: Sequence) {
        self.sequence.store(sequence, Ordering::Relaxed);
    }

    /// The engine is made.
    pub fn end(&self, now_us: i64) {
        self.ended_at_us.store(now_us, Ordering::Relaxed);
        self.step.store(Step::Done as u32, Ordering::Release);
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let step = match self.step.load(Ordering::Acquire) {
            0 => Step::None,
            1 => Step::Loading,
            2 => Step::Replaying,
            _ => Step::Done,
        };
        Progress {
            step,
            began_at_us: self.began_at_us.load(Ordering::Relaxed),
            loaded_at_us: self.loaded_at_us.load(Ordering::Relaxed),
            ended_at_us: self.ended_at_us.load(Ordering::Relaxed),
            open_orders: self.open_orders.load(Ordering::Relaxed),
            from: self.from.load(Ordering::Relaxed),
            sequence: self.sequence.load(Ordering::Relaxed),
            end: self.end.load(Ordering::Relaxed),
        }
    }
}
