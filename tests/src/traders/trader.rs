//! One client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use postgres::error::SqlState;
use rust_decimal::Decimal;
use venue::connection::Connection;

use super::WhenDisconnected;
use super::memory::{Ack, Memory, Request, Told};
use crate::random::Random;
use crate::{Failure, Session};

/// What the clients of a venue share.
#[derive(Debug)]
pub(super) struct Shared {
    pub symbols: Vec<(String, Decimal)>,
    pub when_disconnected: WhenDisconnected,
    pub stop: AtomicBool,
    pub calls: AtomicU64,
}

/// Open orders above which a client rather cancels: the replay looks through the whole book for
/// every command.
const MANY_OPEN_ORDERS: usize = 12;

/// The prices lie this many ticks around [`MIDDLE`].
const SPREAD: i64 = 6;
const MIDDLE: i64 = 1_000;

/// The words of a warning that an order stands although its call ended.
const STANDS: &str = "The matcher has taken the order: it stands";

pub(super) struct Trader {
    connection: Connection,
    random: Random,
    memory: Memory,
    shared: Arc<Shared>,
    session: Option<Session>,
    is_durable: bool,
    /// Orders that are open, for all that the client knows.
    open: Vec<i64>,
}

/// What came of a call.
enum Answer {
    Rows(Vec<String>),
    /// A mistake that clients make: nothing happened.
    Refused,
    /// The call was ended, or the connection.
    Ended {
        /// Whether a warning said that its orders stand.
        stands: bool,
    },
}

impl Trader {
    pub(super) fn new(
        connection: Connection,
        random: Random,
        memory: Memory,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            connection,
            random,
            memory,
            shared,
            session: None,
            is_durable: true,
            open: Vec::new(),
        }
    }

    /// Trades until the trading ends, and returns what it was told.
    pub(super) fn trade(mut self) -> Memory {
        let mut was_connected = false;
        while !self.shared.stop.load(Ordering::Relaxed) {
            if self.session.is_none() {
                if was_connected && self.shared.when_disconnected == WhenDisconnected::Leave {
                    break;
                }
                self.connect();
                was_connected |= self.session.is_some();
                continue;
            }
            self.act();
            self.shared.calls.fetch_add(1, Ordering::Relaxed);
        }
        self.memory
    }

    fn connect(&mut self) {
        match Session::try_connect(&self.connection) {
            Ok(session) => {
                self.session = Some(session);
                self.set_durability();
                self.clear_up();
            }
            Err(failure) => {
                expect_end(&failure, "connecting");
                std::thread::yield_now();
            }
        }
    }

    fn set_durability(&mut self) {
        let durable = self.random.per_cent(50);
        let value = if durable { "on" } else { "off" };
        // Where it fails nothing is promised.
        self.is_durable = false;
        if let Answer::Rows(_) = self.call(&format!("SET synchronous_commit = {value}"), &[]) {
            self.is_durable = durable;
        }
    }

    /// Cancels what is left of the session before.
    fn clear_up(&mut self) {
        let query = format!(
            "SELECT order_id FROM exchange.open_orders WHERE account_id = {}",
            self.memory.account()
        );
        if let Answer::Rows(left) = self.call(&query, &[]) {
            let left = left.iter().map(|id| id.parse().expect("an id is a number"));
            let known = self.open.drain(..).chain(left).collect();
            self.cancel_many(known);
        }
    }

    fn act(&mut self) {
        if self.random.per_cent(2) {
            self.set_durability();
        } else if self.open.len() > MANY_OPEN_ORDERS {
            let half = self.open.drain(..MANY_OPEN_ORDERS / 2).collect();
            self.cancel_many(half);
        } else {
            match self.random.between(0, 99) {
                0..50 => self.place(),
                50..55 => self.place_many(),
                55..80 => self.cancel(),
                80..95 => self.reduce(),
                _ => self.meddle(),
            }
        }
    }

    fn request(&mut self) -> Request {
        let random = &mut self.random;
        let (symbol, tick) = random.pick(&self.shared.symbols);
        let side = *random.pick(&["buy", "sell"]);
        let price = tick * Decimal::from(MIDDLE + random.between(-SPREAD, SPREAD));
        let time_in_force = if random.per_cent(20) { "IOC" } else { "GTC" };
        let lots = random.between(1, 9);
        self.memory.request(symbol, side, price, lots, time_in_force)
    }

    fn place(&mut self) {
        let request = self.request();
        let Request { account, symbol, side, price, quantity, time_in_force } = &request;
        let call = format!(
            "SELECT {} FROM exchange.place_order('{symbol}', '{side}', {price}, {quantity},
                                                 '{time_in_force}', {account})",
            Ack::COLUMNS
        );
        let answer = self.call(&call, &[]);
        self.remember_placed(vec![request], answer);
    }

    fn place_many(&mut self) {
        let requests: Vec<Request> =
            (0..self.random.between(2, 30)).map(|_| self.request()).collect();
        let array = |column: fn(&Request) -> String| {
            let values: Vec<String> = requests.iter().map(column).collect();
            format!("'{{{}}}'", values.join(","))
        };
        let call = format!(
            "SELECT {} FROM exchange.place_orders({}, {}, {}, {}, {}, {})",
            Ack::COLUMNS,
            array(|request| request.symbol.clone()),
            array(|request| request.side.clone()),
            array(|request| request.price.clone()),
            array(|request| request.quantity.to_string()),
            array(|request| request.time_in_force.clone()),
            array(|request| request.account.to_string()),
        );
        let answer = self.call(&call, &[]);
        self.remember_placed(requests, answer);
    }

    fn remember_placed(&mut self, requests: Vec<Request>, answer: Answer) {
        match answer {
            Answer::Rows(rows) => {
                assert_eq!(rows.len(), requests.len(), "an answer an order");
                for (request, row) in requests.into_iter().zip(rows) {
                    let ack = Ack::parse(&row);
                    if ack.standing.status.is_open() {
                        self.open.push(ack.order_id);
                    }
                    self.memory.add(Told::Placed { request, ack, durable: self.is_durable });
                }
            }
            Answer::Refused => unreachable!("no order is a mistake"),
            Answer::Ended { stands } => self.memory.add(Told::Lost { requests, stands }),
        }
    }

    /// Takes one of the open orders off the list.
    fn take_open(&mut self) -> Option<i64> {
        let last = i64::try_from(self.open.len()).expect("few").checked_sub(1)?;
        (last >= 0).then(|| self.open.swap_remove(self.random.between(0, last) as usize))
    }

    fn cancel(&mut self) {
        let Some(id) = self.take_open() else { return };
        let columns = Ack::COLUMNS;
        self.change(&format!("SELECT {columns} FROM exchange.cancel_order({id})"), &[]);
    }

    fn reduce(&mut self) {
        let Some(id) = self.take_open() else { return };
        let by = self.random.between(1, 3_000_000);
        let columns = Ack::COLUMNS;
        let call = format!("SELECT {columns} FROM exchange.reduce_order({id}, {by})");
        // It may be smaller by now than we think.
        let too_much = [SqlState::INVALID_PARAMETER_VALUE];
        if !self.change(&call, &too_much) {
            self.open.push(id);
        }
    }

    /// Whether the order is known not to be open any more, or is still on the list.
    fn change(&mut self, call: &str, harmless: &[SqlState]) -> bool {
        let Answer::Rows(rows) = self.call(call, harmless) else { return false };
        let [row] = rows.as_slice() else { panic!("{call}\nreturned {rows:?}") };
        let ack = Ack::parse(row);
        if ack.standing.status.is_open() {
            self.open.push(ack.order_id);
        }
        self.memory.add(Told::Changed { ack, durable: self.is_durable });
        true
    }

    fn cancel_many(&mut self, mut ids: Vec<i64>) {
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return;
        }
        let list: Vec<String> = ids.iter().map(i64::to_string).collect();
        let call = format!(
            "SELECT {} FROM exchange.cancel_orders('{{{}}}')",
            Ack::COLUMNS,
            list.join(",")
        );
        let Answer::Rows(rows) = self.call(&call, &[]) else { return };
        assert_eq!(rows.len(), ids.len(), "an answer an order");
        for (order_id, row) in ids.into_iter().zip(rows) {
            let told = if row.ends_with("|order_not_open") {
                Told::NotOpen { order_id }
            } else {
                let ack = Ack::parse(&row);
                assert_eq!(ack.order_id, order_id, "answers come in the order of the array");
                Told::Changed { ack, durable: self.is_durable }
            };
            self.memory.add(told);
        }
    }

    /// Tries to cancel an order of somebody else.
    fn meddle(&mut self) {
        let Some(id) = self.open.last().map(|id| id + self.random.between(1, 20)) else { return };
        if self.open.contains(&id) {
            return;
        }
        let call =
            format!("SELECT order_id, account_id FROM exchange.reduce_order({id}, 1000000000)");
        let refused = [
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::UNDEFINED_OBJECT,
            // It is another one of ours, or of our role's.
            SqlState::INVALID_PARAMETER_VALUE,
        ];
        let _ = self.call(&call, &refused);
    }

    fn call(&mut self, sql: &str, harmless: &[SqlState]) -> Answer {
        let Some(session) = self.session.as_mut() else { return Answer::Ended { stands: false } };
        let failure = match session.try_rows(sql) {
            Ok(rows) => return Answer::Rows(rows),
            Err(failure) => failure,
        };
        if harmless.iter().any(|state| failure.is(state)) {
            return Answer::Refused;
        }
        expect_end(&failure, sql);
        let stands = session.take_notices().iter().any(|notice| notice.detail.starts_with(STANDS));
        if session.client().is_closed() {
            self.session = None;
        }
        Answer::Ended { stands }
    }
}

/// Panics if something else happened than that a call or a connection was ended from outside.
fn expect_end(failure: &Failure, doing: &str) {
    let ends = [
        // The connection was lost without a word.
        "",
        SqlState::QUERY_CANCELED.code(),
        SqlState::ADMIN_SHUTDOWN.code(),
        SqlState::CRASH_SHUTDOWN.code(),
        SqlState::CANNOT_CONNECT_NOW.code(),
        // The exchange did not take the order in time.
        SqlState::INSUFFICIENT_RESOURCES.code(),
    ];
    let is_hanging = failure.message.contains("statement timeout");
    assert!(ends.contains(&failure.code.as_str()) && !is_hanging, "{doing}\n{failure}");
}
