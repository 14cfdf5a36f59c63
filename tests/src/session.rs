//! A client of an exchange.

use std::fmt;
use std::sync::{Arc, Mutex};

use postgres::error::{DbError, SqlState};
use postgres::{Client, NoTls, SimpleQueryMessage};
use venue::connection::Connection;

/// How NULL is written in the answers of [`Session::rows`].
pub const NULL: &str = "-";

/// The argument that makes an order trade with those of its own account.
pub const WITH_ITSELF: &str = "self_trade_prevention => 'allow'";

/// Nothing that works takes so long: what hangs is to fail its test, not to hold up the run.
const LONGEST_STATEMENT: &str = "SET statement_timeout = '60s'";

/// An error or notice of the server, in its parts.
#[derive(Clone, Debug)]
pub struct Failure {
    /// ERROR, WARNING, …
    pub severity: String,
    /// The SQLSTATE; empty where the connection was lost without one.
    pub code: String,
    /// What happened.
    pub message: String,
    /// With what value.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
}

impl Failure {
    fn of(error: &DbError) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            severity: error.severity().to_owned(),
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: text(error.detail()),
            hint: text(error.hint()),
        }
    }

    /// From an error of the client library.
    pub fn from_error(error: &postgres::Error) -> Self {
        error.as_db_error().map_or_else(
            || Self {
                severity: "FATAL".to_owned(),
                code: String::new(),
                message: error.to_string(),
                detail: String::new(),
                hint: String::new(),
            },
            Self::of,
        )
    }

    /// Whether it is of this SQLSTATE.
    pub fn is(&self, state: &SqlState) -> bool {
        self.code == state.code()
    }

    /// Whether it tells that the server ended the session. The client library does not always
    /// hand out the last words of the server, if it sees the end of the connection with them.
    pub fn is_end_of_session(&self) -> bool {
        ["", "57P01", "57P02"].contains(&self.code.as_str())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, code, message, detail, hint } = self;
        write!(f, "{severity} {code}: {message}\nDETAIL: {detail}\nHINT: {hint}")
    }
}

/// A connection whose failures panic, or are looked at closely.
pub struct Session {
    client: Client,
    notices: Arc<Mutex<Vec<Failure>>>,
    pid: i32,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session {{ pid: {} }}", self.pid)
    }
}

impl Session {
    /// Connects.
    pub fn try_connect(connection: &Connection) -> Result<Self, Failure> {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&notices);
        let mut config: postgres::Config = connection.url().parse().expect("the URL is one");
        config.notice_callback(move |notice| {
            heard.lock().expect("no other user panicked").push(Failure::of(&notice));
        });
        let failed = |error: postgres::Error| Failure::from_error(&error);
        let mut client = config.connect(NoTls).map_err(failed)?;
        client.batch_execute(LONGEST_STATEMENT).map_err(failed)?;
        let pid = client.query_one("SELECT pg_backend_pid()", &[]).map_err(failed)?.get(0);
        Ok(Self { client, notices, pid })
    }

    /// Connects.
    #[track_caller]
    pub fn connect(connection: &Connection) -> Self {
        Self::try_connect(connection).unwrap_or_else(|failure| panic!("cannot connect: {failure}"))
    }

    /// The server process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The client library's own client.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Notices and warnings that came since the last call.
    pub fn take_notices(&mut self) -> Vec<Failure> {
        std::mem::take(&mut *self.notices.lock().expect("no other user panicked"))
    }

    /// Runs statements.
    pub fn try_run(&mut self, sql: &str) -> Result<(), Failure> {
        self.client.batch_execute(sql).map_err(|error| Failure::from_error(&error))
    }

    /// Runs statements.
    #[track_caller]
    pub fn run(&mut self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|failure| panic!("{sql}\n{failure}"));
    }

    /// Runs statements and returns their rows as `psql -A -t` prints them, NULL as [`NULL`].
    pub fn try_rows(&mut self, sql: &str) -> Result<Vec<String>, Failure> {
        let messages =
            self.client.simple_query(sql).map_err(|error| Failure::from_error(&error))?;
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                let values: Vec<&str> =
                    (0..row.len()).map(|column| row.get(column).unwrap_or(NULL)).collect();
                Some(values.join("|"))
            }
            _ => None,
        };
        Ok(messages.iter().filter_map(row).collect())
    }

    /// Runs statements and returns their rows as `psql -A -t` prints them, NULL as [`NULL`].
    #[track_caller]
    pub fn rows(&mut self, sql: &str) -> Vec<String> {
        self.try_rows(sql).unwrap_or_else(|failure| panic!("{sql}\n{failure}"))
    }

    /// The only row.
    #[track_caller]
    pub fn one(&mut self, sql: &str) -> String {
        let mut rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql}\nreturned {rows:?}");
        rows.remove(0)
    }

    /// The only number.
    #[track_caller]
    pub fn number(&mut self, sql: &str) -> i64 {
        let text = self.one(sql);
        text.parse().unwrap_or_else(|_| panic!("{sql}\nreturned {text}"))
    }

    /// Whether a query's only value is true.
    #[track_caller]
    pub fn is_true(&mut self, sql: &str) -> bool {
        self.one(sql) == "t"
    }

    /// Runs what must fail.
    #[track_caller]
    pub fn failure(&mut self, sql: &str) -> Failure {
        match self.try_rows(sql) {
            Err(failure) => failure,
            Ok(rows) => panic!("{sql}\nshould fail, and returned {rows:?}"),
        }
    }

    /// Enters an order that rests or trades, with those of its own account too, by
    /// `exchange.place_order()`'s arguments, and returns its id.
    #[track_caller]
    pub fn place(&mut self, arguments: &str) -> i64 {
        let sql = format!(
            "SELECT order_id, status FROM exchange.place_order({arguments}, {WITH_ITSELF})"
        );
        let answer = self.one(&sql);
        match answer.split_once('|') {
            Some((id, status)) if status != "rejected" => id.parse().expect("an id is a number"),
            _ => panic!("{sql}\nreturned {answer}"),
        }
    }

    /// Makes the tables show every order answered so far.
    #[track_caller]
    pub fn wait_for_tables(&mut self) {
        self.run("SELECT exchange.wait_for('projected')");
    }

    /// Makes the books show every order answered so far.
    #[track_caller]
    pub fn wait_for_books(&mut self) {
        self.run("SELECT exchange.wait_for('published')");
    }
}
