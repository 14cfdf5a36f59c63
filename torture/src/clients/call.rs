//! The connection of a client, which may end at any moment, and its calls.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use auditor::testimony::{Attempt, Outcome};
use auditor::{Incarnations, Testimony};
use tests::{Failure, Session};
use venue::connection::Connection;

use super::Shared;

/// The words of a warning that an order stands although its call ended.
const STANDS: &str = "The matcher has taken the order: it stands";

/// The beginnings of the words that say that nothing was entered.
const NOT_ENTERED: [&str; 3] = [
    "Nothing was entered.",
    "the order was withdrawn before the matcher took it",
    "the workers of the exchange are not running",
];

/// The SQLSTATEs of what clients may ask for that is refused: a value out of range, no such thing,
/// another's, more than there is, not in this state.
const REFUSED: [&str; 7] = ["22023", "42704", "42501", "23514", "53400", "54000", "55000"];

/// The SQLSTATEs of calls and connections that are ended from outside, and of a full disk.
const ENDED: [&str; 10] =
    ["", "57014", "57P01", "57P02", "57P03", "53000", "53100", "53300", "58030", "08006"];

/// Where a client calls from.
pub(super) struct Desk {
    connection: Connection,
    shared: Arc<Shared>,
    testimony: Arc<Mutex<Testimony>>,
    session: Option<Session>,
    incarnation: usize,
    is_durable: bool,
}

impl Desk {
    pub fn new(connection: Connection, shared: Arc<Shared>) -> Self {
        Self {
            connection,
            shared,
            testimony: Arc::default(),
            session: None,
            incarnation: 0,
            is_durable: true,
        }
    }

    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    pub fn share_testimony(&self) -> Arc<Mutex<Testimony>> {
        Arc::clone(&self.testimony)
    }

    pub fn testimony(&self) -> MutexGuard<'_, Testimony> {
        self.testimony.lock().expect("no other user panicked")
    }

    /// Connects, if it is not connected. `None` while that cannot be had; else whether the
    /// connection is a new one.
    pub fn connect(&mut self) -> Option<bool> {
        if self.session.is_some() {
            return Some(false);
        }
        let mut session = match Session::try_connect(&self.connection) {
            Ok(session) => session,
            Err(failure) => {
                self.expect_end(&failure, "connecting");
                std::thread::sleep(Duration::from_millis(5));
                return None;
            }
        };
        let name = session.try_rows(Incarnations::QUERY).ok()?;
        self.incarnation = self.shared.incarnations().number(name.first()?);
        self.session = Some(session);
        self.is_durable = true;
        self.testimony().begin_connection();
        Some(true)
    }

    /// Sets when calls are answered. Where that fails nothing is promised.
    pub fn set_durable(&mut self, durable: bool) {
        let value = if durable { "on" } else { "off" };
        self.is_durable = false;
        let attempt = self.call(&format!("SET synchronous_commit = {value}"));
        self.is_durable = durable && matches!(attempt.outcome, Outcome::Answered { .. });
    }

    /// Makes a call that places orders; its rows. These are what shows whether the exchange serves.
    pub fn place(&mut self, sql: &str) -> Attempt<Vec<String>> {
        let started = Instant::now();
        let attempt = self.call(sql);
        if matches!(attempt.outcome, Outcome::Answered { durable: true, .. }) {
            self.shared.note_durable_answer(started);
        }
        attempt
    }

    /// Makes a call; its rows.
    pub fn call(&mut self, sql: &str) -> Attempt<Vec<String>> {
        let sent = self.shared.tick();
        let incarnation = self.incarnation;
        let outcome = match self.session.as_mut().map(|session| session.try_rows(sql)) {
            None => Outcome::NotEntered,
            Some(Ok(answer)) => {
                let received = self.shared.tick();
                Outcome::Answered { answer, durable: self.is_durable, received }
            }
            Some(Err(failure)) => self.outcome_of(&failure, sql),
        };
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
        Attempt { incarnation, sent, outcome }
    }

    fn outcome_of(&mut self, failure: &Failure, sql: &str) -> Outcome<Vec<String>> {
        let notices = self.session.as_mut().map(Session::take_notices).unwrap_or_default();
        if self.session.as_mut().is_some_and(|session| session.client().is_closed()) {
            self.session = None;
        }
        let says_so =
            |words: &str| failure.detail.starts_with(words) || failure.message.starts_with(words);
        if notices.iter().any(|notice| notice.detail.starts_with(STANDS)) {
            return Outcome::Stands { received: self.shared.tick() };
        }
        if NOT_ENTERED.into_iter().any(says_so) {
            return Outcome::NotEntered;
        }
        let is_halted = failure.message.contains("the market is halted");
        if REFUSED.contains(&failure.code.as_str()) && !is_halted {
            return Outcome::NotEntered;
        }
        self.expect_end(failure, sql);
        Outcome::InDoubt
    }

    /// Complains if something else happened than that a call or a connection was ended.
    fn expect_end(&mut self, failure: &Failure, doing: &str) {
        let is_hanging = failure.message.contains("statement timeout");
        if !ENDED.contains(&failure.code.as_str()) || is_hanging {
            self.testimony().complain(format!("{doing}\n{failure}"));
        }
    }
}
