//! A client as `docs/failover.md` has it: one connection string for all nodes, a name for each order,
//! and the same order again where the answer did not come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tests::{Session, wait_until};
use venue::connection::Connection;

/// What it was told.
#[derive(Default)]
pub struct Told {
    /// Orders by the client's name for them.
    pub orders: BTreeMap<String, i64>,
    /// From one answer to the next.
    pub longest_gap: Duration,
    pub connections: usize,
    /// Calls that ended without an answer and were made again.
    pub repeated: usize,
}

/// A client at work.
pub struct Client {
    thread: JoinHandle<Told>,
    orders: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Client {
    pub fn start(connection: Connection) -> Self {
        let (orders, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (entered, stopped) = (Arc::clone(&orders), Arc::clone(&stop));
        let thread = std::thread::spawn(move || trade(&connection, &entered, &stopped));
        Self { thread, orders, stop }
    }

    /// Waits until so many more orders were acknowledged.
    #[track_caller]
    pub fn wait_for_orders(&self, more: usize) {
        let enough = self.orders.load(Ordering::Relaxed) + more;
        wait_until("the client gets its answers", || {
            assert!(!self.thread.is_finished(), "the client has left");
            self.orders.load(Ordering::Relaxed) >= enough
        });
    }

    /// Ends when the call that it is at is answered.
    #[track_caller]
    pub fn finish(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn trade(connection: &Connection, orders: &AtomicUsize, stop: &AtomicBool) -> Told {
    let mut told = Told::default();
    let mut session = None;
    let mut last_answer: Option<Instant> = None;
    while !stop.load(Ordering::Relaxed) {
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
            told.longest_gap = told.longest_gap.max(now - last_answer);
        }
        told.orders.insert(name, order_id);
        orders.fetch_add(1, Ordering::Relaxed);
    }
    told
}
