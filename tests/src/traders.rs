//! Clients that trade at random, remember everything that they were told, and do not mind being
//! cancelled, terminated or cut off.

mod memory;
mod trader;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rust_decimal::Decimal;

pub use memory::{Ack, Memory, Request, Standing, Told};
use trader::{Shared, Trader};

use crate::random::Random;
use crate::{Venue, wait_until};

/// The roles of traders begin with this.
pub const ROLE_PREFIX: &str = "trader_";

/// What is traded, and who trades: two accounts a role.
#[derive(Clone, Debug)]
pub struct Floor {
    /// Symbols and their ticks.
    symbols: Vec<(String, Decimal)>,
    /// Roles and their accounts.
    seats: Vec<(String, i32)>,
}

impl Floor {
    /// Lists instruments and opens accounts for so many clients.
    pub fn open(venue: &Venue, clients: usize) -> Self {
        let mut superuser = venue.superuser();
        let symbols = [("ALFA", Decimal::new(1, 2)), ("BRAVO", Decimal::new(25, 2))]
            .map(|(symbol, tick)| {
                venue.list(&format!("'{symbol}', {tick}"));
                (symbol.to_owned(), tick)
            })
            .to_vec();
        let mut seats = Vec::new();
        for client in 0..clients {
            let role = format!("{ROLE_PREFIX}{}", client / 2);
            if client % 2 == 0 {
                superuser
                    .run(&format!("CREATE ROLE {role} LOGIN; GRANT exchange_trader TO {role}"));
            }
            let account = venue.account(&role) as i32;
            seats.push((role, account));
        }
        Self { symbols, seats }
    }

    /// The memories of clients that were told nothing yet.
    pub fn newcomers(&self) -> Vec<Memory> {
        self.seats.iter().map(|(_, account)| Memory::new(*account)).collect()
    }
}

/// What traders do when their connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenDisconnected {
    /// They come back.
    Reconnect,
    /// They go home.
    Leave,
}

/// Traders at work, a thread each.
#[derive(Debug)]
pub struct Trading {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Memory>>,
}

impl Trading {
    /// Begins, with a memory for each seat of the floor.
    pub fn start(
        venue: &Venue,
        floor: &Floor,
        memories: Vec<Memory>,
        when_disconnected: WhenDisconnected,
        seed: u64,
    ) -> Self {
        assert_eq!(memories.len(), floor.seats.len());
        let shared = Arc::new(Shared {
            symbols: floor.symbols.clone(),
            when_disconnected,
            stop: AtomicBool::new(false),
            calls: AtomicU64::new(0),
        });
        let threads = (0..)
            .zip(floor.seats.iter().zip(memories))
            .map(|(number, ((role, _), memory))| {
                let connection = venue.cluster().connection(venue::cluster::DATABASE, role);
                let random = Random::new(seed, number);
                let trader = Trader::new(connection, random, memory, Arc::clone(&shared));
                let thread = std::thread::Builder::new().name(format!("client {number}"));
                thread.spawn(move || trader.trade()).expect("a thread can be started")
            })
            .collect();
        Self { shared, threads }
    }

    /// How many calls were made so far.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// Waits until so many more calls were made.
    #[track_caller]
    pub fn wait_for_calls(&self, more: u64) {
        let enough = self.calls() + more;
        wait_until("the clients trade", || {
            assert!(!self.threads.iter().any(JoinHandle::is_finished), "a client has left");
            self.calls() >= enough
        });
    }

    /// Waits until all have left by themselves, and returns what they were told.
    #[track_caller]
    pub fn wait_until_left(self) -> Vec<Memory> {
        wait_until("the clients leave", || self.threads.iter().all(JoinHandle::is_finished));
        self.finish()
    }

    /// Ends the trading, and returns what the clients were told.
    #[track_caller]
    pub fn finish(self) -> Vec<Memory> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let join = |thread: JoinHandle<Memory>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        self.threads.into_iter().map(join).collect()
    }
}
