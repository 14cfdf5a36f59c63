//! Those who use the exchange while it is tortured, each in a thread of its own: traders, and an
//! operator. Whatever happens to their calls, they remember it, and go on.

mod call;
mod operator;
mod orders;
mod trader;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use auditor::{Incarnations, Testimony};
use tests::Session;
use venue::connection::Connection;

use operator::Operator;
use trader::Trader;

/// Symbol, tick size, lot size, highest price and currency. The small range of prices is for the
/// replay, which looks at each of them in every auction.
pub const INSTRUMENTS: [(&str, &str, i64, &str, &str); 3] = [
    ("ALFA", "0.01", 1, "20", "USD"),
    ("BRAVO", "0.25", 10, "500", "USD"),
    ("CHARLIE", "0.005", 1, "10", "EUR"),
];

/// Clients log in as roles that begin with this.
pub const ROLE_PREFIX: &str = "client_";

/// What all clients of a venue share.
#[derive(Debug)]
pub struct Shared {
    /// Ticks whenever something is sent or received, so that all testimonies have one order.
    clock: AtomicU64,
    incarnations: Mutex<Incarnations>,
    gate: Mutex<Gate>,
    gate_moved: Condvar,
    waiting_at_gate: AtomicUsize,
    service: Mutex<Service>,
    calls: AtomicU64,
}

/// Whether clients may send requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
    /// For good.
    Over,
}

/// How well the clients are served.
#[derive(Clone, Copy, Debug)]
struct Service {
    /// When the last durable answer came.
    answered: Instant,
    /// When the latest request that was answered so was sent.
    sent: Instant,
    /// The longest time without a durable answer since [`Shared::watch_service`].
    longest_gap: Duration,
}

impl Shared {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            clock: AtomicU64::new(1),
            incarnations: Mutex::default(),
            gate: Mutex::new(Gate::Open),
            gate_moved: Condvar::new(),
            waiting_at_gate: AtomicUsize::new(0),
            service: Mutex::new(Service { answered: now, sent: now, longest_gap: Duration::ZERO }),
            calls: AtomicU64::new(0),
        }
    }

    /// The time by which testimonies are ordered.
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// The lives of the server.
    pub fn incarnations(&self) -> MutexGuard<'_, Incarnations> {
        self.incarnations.lock().expect("no other user panicked")
    }

    /// Waits while the gate is shut; whether to go on.
    fn pass_gate(&self) -> bool {
        let mut gate = self.gate.lock().expect("no other user panicked");
        if *gate == Gate::Shut {
            self.waiting_at_gate.fetch_add(1, Ordering::SeqCst);
            while *gate == Gate::Shut {
                gate = self.gate_moved.wait(gate).expect("no other user panicked");
            }
            self.waiting_at_gate.fetch_sub(1, Ordering::SeqCst);
        }
        *gate == Gate::Open
    }

    fn move_gate(&self, to: Gate) {
        *self.gate.lock().expect("no other user panicked") = to;
        self.gate_moved.notify_all();
    }

    fn note_durable_answer(&self, sent: Instant) {
        let mut service = self.service.lock().expect("no other user panicked");
        let now = Instant::now();
        service.longest_gap =
            service.longest_gap.max(now.saturating_duration_since(service.answered));
        service.answered = now;
        service.sent = service.sent.max(sent);
    }

    /// From here on the longest time without a durable answer counts.
    pub fn watch_service(&self) {
        let mut service = self.service.lock().expect("no other user panicked");
        service.answered = Instant::now();
        service.longest_gap = Duration::ZERO;
    }

    /// Whether a request that was sent after a moment has had a durable answer.
    pub fn has_answered_since(&self, moment: Instant) -> bool {
        self.service.lock().expect("no other user panicked").sent > moment
    }

    /// The longest time without a durable answer since [`Shared::watch_service`].
    pub fn longest_gap(&self) -> Duration {
        self.service.lock().expect("no other user panicked").longest_gap
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// The clients of a venue at work.
#[derive(Debug)]
pub struct Clients {
    /// What they share.
    pub shared: Arc<Shared>,
    testimonies: Vec<Arc<Mutex<Testimony>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Lists instruments and opens accounts for so many traders, opens the market, and lets
    /// everybody begin. What they ask for follows from the seed.
    pub fn begin(
        superuser: &mut Session,
        connection: impl Fn(&str) -> Connection,
        traders: usize,
        seed: u64,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new());
        let mut clients = Self { shared, testimonies: Vec::new(), threads: Vec::new() };
        for (symbol, tick, lot, highest, currency) in INSTRUMENTS {
            superuser.run(&format!(
                "SELECT exchange.create_instrument('{symbol}', {tick}, {lot}, {highest}, '{currency}')"
            ));
        }
        superuser.run(
            "SELECT exchange.create_fee_schedule('rebate', -0.0002, 0.0003);
             SELECT exchange.create_fee_schedule('dear', 0.01, 0.02, 0.005);
             SELECT exchange.create_fee_schedule('even', 0.000001, 0.000001);
             SELECT exchange.open_market();
             CREATE ROLE client_operator LOGIN;
             GRANT exchange_admin, pg_monitor TO client_operator",
        );
        let mut operator = Operator::new(
            connection("client_operator"),
            Arc::clone(&clients.shared),
            seed,
            traders,
        );
        operator.register(superuser)?;
        for number in 0..traders {
            let role = format!("{ROLE_PREFIX}{number}");
            superuser.run(&format!(
                "CREATE ROLE {role} LOGIN; GRANT exchange_trader, pg_monitor TO {role}"
            ));
            let mut trader = Trader::new(
                connection(&role),
                Arc::clone(&clients.shared),
                seed,
                number,
                [operator.open_account(superuser, &role), operator.open_account(superuser, &role)],
            );
            clients.add(trader.testimony(), move || trader.work())?;
        }
        clients.add(operator.testimony(), move || operator.work())?;
        Ok(clients)
    }

    fn add(
        &mut self,
        testimony: Arc<Mutex<Testimony>>,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        let thread = std::thread::Builder::new().name(format!("client {}", self.threads.len()));
        self.testimonies.push(testimony);
        self.threads.push(thread.spawn(work).context("a thread cannot be started")?);
        Ok(())
    }

    /// Has everybody stop once their call is answered; fails if that takes too long.
    pub fn pause(&self, patience: Duration) -> Result<()> {
        self.shared.move_gate(Gate::Shut);
        let deadline = Instant::now() + patience;
        while self.shared.waiting_at_gate.load(Ordering::SeqCst) < self.threads.len() {
            ensure!(
                !self.threads.iter().any(JoinHandle::is_finished),
                "a client has given up, see its complaint above"
            );
            ensure!(
                Instant::now() < deadline,
                "{} of {} clients still wait for an answer after {patience:?}",
                self.threads.len() - self.shared.waiting_at_gate.load(Ordering::SeqCst),
                self.threads.len()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Lets everybody go on.
    pub fn resume(&self) {
        self.shared.move_gate(Gate::Open);
    }

    /// What they say, while they wait.
    pub fn testimonies(&self) -> Vec<MutexGuard<'_, Testimony>> {
        let lock = |testimony| Mutex::lock(testimony).expect("no other user panicked");
        self.testimonies.iter().map(|testimony| lock(testimony)).collect()
    }

    /// Ends their work; what they say.
    pub fn end(self) -> Result<Vec<Testimony>> {
        self.shared.move_gate(Gate::Over);
        for thread in self.threads {
            ensure!(thread.join().is_ok(), "a client has given up, see its complaint above");
        }
        let testimony = |testimony: Arc<Mutex<Testimony>>| {
            testimony.lock().expect("no other user panicked").clone()
        };
        Ok(self.testimonies.into_iter().map(testimony).collect())
    }
}
