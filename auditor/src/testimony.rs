//! What one client sent, and what it was told.

use rust_decimal::Decimal;

/// An order as it was sent. Words are those of SQL.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// For whom.
    pub account: i32,
    /// The instrument.
    pub symbol: String,
    /// `buy` or `sell`.
    pub side: &'static str,
    /// The limit; `None` where the exchange was to work it out.
    pub price: Option<Decimal>,
    /// How much.
    pub quantity: i64,
    /// `GTC`, `IOC`, …
    pub time_in_force: &'static str,
    /// `limit`, `market`, …
    pub order_type: &'static str,
    /// What its sender calls it: no two orders of an account are called the same.
    pub client_order_id: Option<String>,
    /// Of stop orders.
    pub stop_price: Option<Decimal>,
    /// Of trailing stops.
    pub trail: Option<Decimal>,
    /// `no`, `reject` or `slide`.
    pub post_only: &'static str,
    /// Whether it trades as a whole or not at all.
    pub all_or_none: bool,
    /// What must trade at once.
    pub minimum_quantity: Option<i64>,
    /// What it displays at a time.
    pub display_quantity: Option<i64>,
    /// Whether it is not displayed.
    pub hidden: bool,
    /// What a pegged order follows.
    pub peg: Option<&'static str>,
    /// What a stop price is compared with.
    pub stop_trigger: &'static str,
    /// When it ends, in microseconds since 2000-01-01 UTC.
    pub expire_at_us: Option<i64>,
    /// The order that it is linked with.
    pub one_cancels_other: Option<i64>,
    /// `cancel_newest`, …
    pub self_trade_prevention: &'static str,
    /// The connection with which it ends, if it does.
    pub bound_to: Option<u64>,
}

impl Order {
    /// A plain limit order.
    pub fn limit(
        account: i32,
        symbol: &str,
        side: &'static str,
        price: Decimal,
        quantity: i64,
    ) -> Self {
        Self {
            account,
            symbol: symbol.to_owned(),
            side,
            price: Some(price),
            quantity,
            time_in_force: "GTC",
            order_type: "limit",
            client_order_id: None,
            stop_price: None,
            trail: None,
            post_only: "no",
            all_or_none: false,
            minimum_quantity: None,
            display_quantity: None,
            hidden: false,
            peg: None,
            stop_trigger: "last_trade",
            expire_at_us: None,
            one_cancels_other: None,
            self_trade_prevention: "cancel_newest",
            bound_to: None,
        }
    }

    /// Its time in force as the exchange understands it.
    pub(crate) fn understood_time_in_force(&self) -> &'static str {
        match (self.order_type, self.time_in_force) {
            ("market", "GTC") => "IOC",
            (_, other) => other,
        }
    }

    /// Whether the exchange may change its limit by itself.
    pub(crate) fn has_own_price(&self) -> bool {
        self.price.is_none() || self.post_only == "slide" || self.order_type == "trailing_stop"
    }
}

/// An `exchange.order_ack`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    /// Which order.
    pub order_id: i64,
    /// When it was taken, in microseconds since 2000-01-01 UTC.
    pub created_at_us: i64,
    /// Where it stands.
    pub status: String,
    /// What has traded.
    pub filled: i64,
    /// What waits.
    pub remaining: i64,
    /// At which price it has traded.
    pub average_price: Option<Decimal>,
    /// The instrument.
    pub symbol: String,
    /// `buy` or `sell`.
    pub side: String,
    /// The limit.
    pub price: Option<Decimal>,
    /// What was ordered, less reductions.
    pub quantity: i64,
    /// `GTC`, …
    pub time_in_force: String,
    /// For whom.
    pub account: i32,
    /// Why the request was declined.
    pub reject_reason: Option<String>,
    /// What its sender calls it.
    pub client_order_id: Option<String>,
    /// `limit`, …
    pub order_type: String,
    /// Why it is finished without having traded completely.
    pub cancel_reason: Option<String>,
}

impl Ack {
    /// The columns that [`Ack::parse`] wants, of a row of that type.
    pub const COLUMNS: &str = "
        order_id, (extract(epoch FROM created_at) * 1000000)::bigint - 946684800000000, status,
        filled_quantity, remaining_quantity, round(average_price, 12), symbol, side, price, quantity,
        time_in_force, account_id, reject_reason, client_order_id, order_type, cancel_reason";

    /// From a row as psql prints it, with `-` for NULL. `None` where it is no such row.
    pub fn parse(row: &str) -> Option<Self> {
        let columns: Vec<&str> = row.split('|').collect();
        let &[
            order_id,
            created_at,
            status,
            filled,
            remaining,
            average_price,
            symbol,
            side,
            price,
            quantity,
            time_in_force,
            account,
            reject_reason,
            client_order_id,
            order_type,
            cancel_reason,
        ] = columns.as_slice()
        else {
            return None;
        };
        let text = |text: &str| (text != "-").then(|| text.to_owned());
        let decimal = |text: &str| match text {
            "-" => Some(None),
            text => text.parse().ok().map(|number: Decimal| Some(number.normalize())),
        };
        Some(Self {
            order_id: order_id.parse().ok()?,
            created_at_us: created_at.parse().ok()?,
            status: text(status)?,
            filled: filled.parse().ok()?,
            remaining: remaining.parse().ok()?,
            average_price: decimal(average_price)?,
            symbol: text(symbol)?,
            side: text(side)?,
            price: decimal(price)?,
            quantity: quantity.parse().ok()?,
            time_in_force: text(time_in_force)?,
            account: account.parse().ok()?,
            reject_reason: text(reject_reason),
            client_order_id: text(client_order_id),
            order_type: text(order_type)?,
            cancel_reason: text(cancel_reason),
        })
    }

    /// Whether the order waits.
    pub fn is_open(&self) -> bool {
        ["open", "partially_filled"].contains(&self.status.as_str())
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// An answer.
    Answered {
        /// It.
        answer: T,
        /// Whether it was to be on disk (`synchronous_commit` was on).
        durable: bool,
        /// When it came, by the clock that all testimonies share.
        received: u64,
    },
    /// An error that says that the order stands although the call ended.
    Stands {
        /// When it came.
        received: u64,
    },
    /// An error that says that nothing was entered.
    NotEntered,
    /// An error or the end of the connection, after which nobody knows.
    InDoubt,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt<T> {
    /// In which life of the server its connection was made.
    pub incarnation: usize,
    /// When it was sent, by the clock that all testimonies share.
    pub sent: u64,
    /// What came of it.
    pub outcome: Outcome<T>,
}

impl<T> Attempt<T> {
    /// The same attempt, with something made of its answer, if it has one.
    pub fn with<U>(&self, make: impl FnOnce(&T) -> U) -> Attempt<U> {
        let outcome = match &self.outcome {
            Outcome::Answered { answer, durable, received } => {
                Outcome::Answered { answer: make(answer), durable: *durable, received: *received }
            }
            Outcome::Stands { received } => Outcome::Stands { received: *received },
            Outcome::NotEntered => Outcome::NotEntered,
            Outcome::InDoubt => Outcome::InDoubt,
        };
        Attempt { incarnation: self.incarnation, sent: self.sent, outcome }
    }

    /// Its answer, if it has one.
    pub fn answer(&self) -> Option<&T> {
        match &self.outcome {
            Outcome::Answered { answer, .. } => Some(answer),
            _ => None,
        }
    }

    /// Whether nobody knows what came of it, or what was answered.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.outcome, Outcome::InDoubt | Outcome::Stands { .. })
    }
}

/// How a client wanted an order changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// No more of it.
    Cancel,
    /// Less of it.
    Reduce(i64),
    /// Another price, another quantity.
    Replace(Option<Decimal>, Option<i64>),
}

/// An order to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By its id.
    Id(i64),
    /// By the name that its account gave it.
    Name(i32, String),
}

/// What moved money or shares into an account, or out of it where the amount is below 0. No two
/// of one client have the same amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Whose.
    pub account: i32,
    /// A currency, or a symbol.
    pub what: String,
    /// Whether that is a symbol.
    pub shares: bool,
    /// How much.
    pub amount: Decimal,
}

/// A trade as the tape showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeLine {
    /// Which.
    pub trade_id: i64,
    /// The line, in the words of [`TapeLine::QUERY`].
    pub line: String,
}

impl TapeLine {
    /// The lines of the tape, as text; what a bust changes is not among it.
    pub const QUERY: &str = "SELECT trade_id, concat_ws(' ', symbol, trim_scale(price), quantity,
                                    taker_side, in_auction, extract(epoch FROM executed_at))
                             FROM exchange.trades";
}

/// Something that a client did, or was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// It placed an order; again if the answer did not come, or to hear it again.
    Placed {
        /// What it sent.
        order: Order,
        /// How often it tried, and what came of it.
        attempts: Vec<Attempt<Ack>>,
    },
    /// It changed an order. `None` for an answer: the order is not open.
    Changed {
        /// Which.
        target: Target,
        /// How.
        change: Change,
        /// What came of it.
        attempt: Attempt<Option<Ack>>,
    },
    /// It asked for orders of an account to be cancelled, whichever these were.
    CancelledAll {
        /// Of which account; `None` for all.
        account: Option<i32>,
    },
    /// It moved money or shares.
    Transferred {
        /// What.
        transfer: Transfer,
        /// What came of it.
        attempt: Attempt<()>,
    },
    /// It had a trade cancelled.
    Busted {
        /// Which.
        trade_id: i64,
        /// What came of it.
        attempt: Attempt<()>,
    },
    /// It read the tape.
    Read(Vec<TapeLine>),
}

/// All that one client did and was told, in its order.
#[derive(Clone, Debug, Default)]
pub struct Testimony {
    entries: Vec<Entry>,
    complaints: Vec<String>,
    connection: u64,
}

impl Testimony {
    /// Adds an entry; its place.
    pub fn add(&mut self, entry: Entry) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// Adds an attempt to place the order of an entry.
    pub fn add_attempt(&mut self, place: usize, attempt: Attempt<Ack>) {
        match &mut self.entries[place] {
            Entry::Placed { attempts, .. } => attempts.push(attempt),
            other => panic!("{other:?} is no order"),
        }
    }

    /// Adds what should not have happened to it, whatever the tables say.
    pub fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    /// It begins a connection: the ones before are gone. Its number.
    pub fn begin_connection(&mut self) -> u64 {
        self.connection += 1;
        self.connection
    }

    /// The number of its connection.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// The orders that were bound to connections that are gone, as far as it knows their ids.
    pub fn orders_of_lost_connections(&self) -> Vec<i64> {
        let mut ids = Vec::new();
        for entry in &self.entries {
            let Entry::Placed { order, attempts } = entry else { continue };
            if order.bound_to.is_some_and(|connection| connection != self.connection) {
                // What came of a second attempt may be of another connection.
                let first = attempts.first().and_then(Attempt::answer);
                ids.extend(first.map(|answer| answer.order_id));
            }
        }
        ids
    }

    /// What it did and was told.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The same, for tests of the auditor: what it remembers wrongly is to be found.
    pub fn entries_mut(&mut self) -> &mut Vec<Entry> {
        &mut self.entries
    }

    /// What should not have happened to it.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}
