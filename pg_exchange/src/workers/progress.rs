//! Says how far a recovery has come: in shared memory at once, in the server log once a second.

use std::time::{Duration, Instant};

use matcher::Sequence;

use super::{Post, now_us};
use crate::shared::recovery::Recovery;

const BETWEEN_LINES: Duration = Duration::from_secs(1);
/// So many rows, or commands, are read between two looks at the clock.
const STRIDE: u64 = 16_384;

/// The recovery of a worker.
pub struct Progress {
    worker: &'static str,
    /// `None` for nobody to see.
    shown: Option<&'static Recovery>,
    began: Instant,
    loaded: Instant,
    /// When a line was last written.
    logged: Instant,
    open_orders: u64,
    from: Sequence,
    end: Sequence,
}

impl Progress {
    /// The worker begins to read the tables.
    pub fn begin(post: Post) -> Self {
        let now = Instant::now();
        let shown = post.shared.recovery(post.role);
        shown.begin(now_us());
        let shown = Some(shown);
        let (worker, from, end) = (post.role.name(), 0, 0);
        Self { worker, shown, began: now, loaded: now, logged: now, open_orders: 0, from, end }
    }

    /// Somebody reads the tables who is no worker.
    pub fn unseen() -> Self {
        let now = Instant::now();
        let (worker, shown, from, end) = ("", None, 0, 0);
        Self { worker, shown, began: now, loaded: now, logged: now, open_orders: 0, from, end }
    }

    /// It has read another open order.
    #[inline]
    pub fn count_open_order(&mut self) {
        self.open_orders += 1;
        if self.open_orders.is_multiple_of(STRIDE)
            && let Some(shown) = self.shown
        {
            shown.set_open_orders(self.open_orders);
            let open_orders = self.open_orders;
            self.log(|| format!("reading the tables: {open_orders} open orders so far"));
        }
    }

    /// The tables show the command `from`, and the journal is executed again up to `end`.
    pub fn replay(&mut self, from: Sequence, end: Sequence) {
        self.loaded = Instant::now();
        (self.from, self.end) = (from, end);
        if let Some(shown) = self.shown {
            shown.set_open_orders(self.open_orders);
            shown.replay(from, end, now_us());
        }
    }

    /// The engine has come so far.
    pub fn set_sequence(&mut self, sequence: Sequence) {
        let Some(shown) = self.shown else { return };
        shown.set_sequence(sequence);
        let (end, rate) = (self.end, per_second(sequence - self.from, self.loaded.elapsed()));
        self.log(|| {
            format!("replaying the journal: command {sequence} of {end}, {rate:.0} commands/s")
        });
    }

    /// It has come to the end.
    pub fn end(self) {
        let Some(shown) = self.shown else { return };
        shown.end(now_us());
        let replayed = self.end.saturating_sub(self.from);
        pgrx::log!(
            "exchange {}: ready at command {}: {} open orders read in {} ms, {replayed} commands \
             replayed in {} ms",
            self.worker,
            self.from + replayed,
            self.open_orders,
            (self.loaded - self.began).as_millis(),
            self.loaded.elapsed().as_millis(),
        );
    }

    fn log(&mut self, line: impl FnOnce() -> String) {
        if self.logged.elapsed() >= BETWEEN_LINES {
            self.logged = Instant::now();
            pgrx::log!("exchange {}: {}", self.worker, line());
        }
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-6)
}
