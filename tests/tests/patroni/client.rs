//! A client as `docs/failover.md` has it: one connection string for all nodes, a name for each order,
//! and the same order again where the answer did not come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tests::{Session, wait_until};
use venue::connection::Connection;

/// What it was told.
#[derive(Default)]
pub struct Told {
    /// Orders by the client's name for them.
    pub orders: BTreeMap<String, i64>,
    pub connections: usize,
    /// Calls that ended without an answer and were made again.
    pub repeated: usize,
}

/// A client at work.
pub struct Client {
    thread: JoinHandle<Told>,
    shared: Arc<Shared>,
}

/// What is known of it meanwhile.
#[derive(Default)]
struct Shared {
    orders: AtomicUsize,
    /// From one answer to the next.
    longest_gap_ms: AtomicU64,
    stop: AtomicBool,
}

impl Client {
    pub fn start(connection: Connection) -> Self {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = std::thread::spawn(move || trade(&connection, &its));
        Self { thread, shared }
    }

    /// Waits until so many more orders were acknowledged.
    #[track_caller]
    pub fn wait_for_orders(&self, more: usize) {
        let enough = self.shared.orders.load(Ordering::Relaxed) + more;
        wait_until("the client gets its answers", || {
            assert!(!self.thread.is_finished(), "the client has left");
            self.shared.orders.load(Ordering::Relaxed) >= enough
        });
    }

    /// The longest time from one answer to the next, since this was last asked.
    pub fn longest_gap(&self) -> Duration {
        Duration::from_millis(self.shared.longest_gap_ms.swap(0, Ordering::Relaxed))
    }

    /// Ends when the call that it is at is answered.
    #[track_caller]
    pub fn finish(self) -> Told {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn trade(connection: &Connection, shared: &Shared) -> Told {
    let mut told = Told::default();
    let mut session = None;
    let mut last_answer: Option<Instant> = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let name = format!("N{}", told.orders.len());
        // Each buys what the one before sold, or the other way round.
        let side = if told.orders.len().is_multiple_of(2) { "sell" } else { "buy" };
        let call = format!(
            "SELECT order_id FROM exchange.place_order('ACME', '{side}', 10, 1, \
             self_trade_prevention => 'allow', client_order_id => '{name}')"
        );
        let order_id = loop {
            let Some(connected) = session.as_mut() else {
                // No node that is up may be written to, for the moment.
                match Session::try_connect(connection) {
                    Ok(connected) => {
                        told.connections += 1;
                        session = Some(connected);
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
                continue;
            };
            match connected.try_rows(&call) {
                Ok(rows) => break rows[0].parse().expect("an id is a number"),
                Err(failure) => {
                    // It may have been entered: by its name it is so once, however often it is sent.
                    let may_be_repeated = failure.is_end_of_session()
                        || ["25006", "57P03", "53000"].contains(&&*failure.code);
                    assert!(may_be_repeated, "{failure}");
                    told.repeated += 1;
                    session = None;
                }
            }
        };
        let now = Instant::now();
        if let Some(last_answer) = last_answer.replace(now) {
            let gap = (now - last_answer).as_millis() as u64;
            shared.longest_gap_ms.fetch_max(gap, Ordering::Relaxed);
        }
        told.orders.insert(name, order_id);
        shared.orders.fetch_add(1, Ordering::Relaxed);
    }
    told
}
