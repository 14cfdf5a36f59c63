//! When answers come, what they promise, and what a transaction has to do with it.

use std::sync::MutexGuard;
use std::thread::JoinHandle;

use tests::processes::Stopped;
use tests::waiting::assert_stays_away;
use tests::{Failure, Session, SharedVenue, Venue, wait_until};

/// The venue of this theme. Its tests stop workers, so they take turns.
fn venue() -> (&'static Venue, MutexGuard<'static, ()>) {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.alone()
}

/// A call that runs in a thread: ends with the session and what it returned.
struct Call {
    pid: i32,
    thread: JoinHandle<(Session, Result<Vec<String>, Failure>)>,
}

impl Call {
    fn start(mut session: Session, sql: &str) -> Self {
        let (pid, sql) = (session.pid(), sql.to_owned());
        let thread = std::thread::spawn(move || {
            let result = session.try_rows(&sql);
            (session, result)
        });
        Self { pid, thread }
    }

    /// Waits until it runs, and asserts that it does not return.
    #[track_caller]
    fn assert_waits(&self, venue: &Venue) {
        let mut observer = venue.superuser();
        let active = format!(
            "SELECT count(*) = 1 FROM pg_stat_activity
             WHERE pid = {} AND state = 'active' AND query LIKE '%exchange.%'",
            self.pid
        );
        wait_until("the call runs", || self.thread.is_finished() || observer.is_true(&active));
        assert_stays_away("the call returns", || self.thread.is_finished());
    }

    /// Cancels it. Not by a cancel request: for that the postmaster signals twice, and the
    /// second signal may come late and hit another statement.
    fn cancel(&self, venue: &Venue) {
        venue.superuser().run(&format!("SELECT pg_cancel_backend({})", self.pid));
    }

    fn end(self) -> (Session, Result<Vec<String>, Failure>) {
        self.thread.join().expect("a call does not panic")
    }
}

fn place(symbol: &str, quantity: i64) -> String {
    format!("SELECT order_id FROM exchange.place_order('{symbol}', 'buy', 1, {quantity})")
}

fn quantities(session: &mut Session, symbol: &str) -> Vec<String> {
    session.wait_for_tables();
    session.rows(&format!(
        "SELECT quantity FROM exchange.orders WHERE symbol = '{symbol}' ORDER BY order_id"
    ))
}

#[test]
fn a_rollback_does_not_undo_orders() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.run("BEGIN");
    let first = session.number(&place(&symbol, 1));
    session.run("SAVEPOINT before");
    session.run(&place(&symbol, 2));
    session.run("ROLLBACK TO before");
    session.run(&format!("SELECT exchange.cancel_order({first})"));
    session.run("ROLLBACK");
    assert_eq!(quantities(&mut session, &symbol), ["1", "2"]);
    let status = format!("SELECT status FROM exchange.orders WHERE order_id = {first}");
    assert_eq!(session.one(&status), "cancelled");
    // An error after the order, in the same statement.
    let failure = session.failure(&format!("SELECT ({}) / 0", place(&symbol, 3)));
    assert_eq!(failure.code, "22012");
    // An exception that is caught.
    session.run(&format!(
        "DO $$ BEGIN
             PERFORM exchange.place_order('{symbol}', 'buy', 1, 4);
             PERFORM exchange.place_order('{symbol}', 'buy', 0, 5);
         EXCEPTION WHEN invalid_parameter_value THEN
             PERFORM exchange.place_order('{symbol}', 'buy', 1, 6);
         END $$"
    ));
    assert_eq!(quantities(&mut session, &symbol), ["1", "2", "3", "4", "6"]);
}

#[test]
fn listing_and_opening_are_not_undone_either() {
    let (venue, _turn) = venue();
    let mut session = venue.superuser();
    session.run("BEGIN");
    session.run("SELECT exchange.create_instrument('ROLLED_BACK', 1)");
    let account = session.number("SELECT exchange.open_account()");
    // The tables show it when the call returns, to this very transaction too.
    let listed = "SELECT count(*) FROM exchange.instruments WHERE symbol = 'ROLLED_BACK'";
    assert_eq!(session.number(listed), 1);
    session.run("ROLLBACK");
    assert_eq!(session.number(listed), 1);
    let owner = format!("SELECT owner FROM exchange.accounts WHERE account_id = {account}");
    assert_eq!(session.one(&owner), "postgres");
}

#[test]
fn order_entry_assigns_no_transaction_id() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    for commit in ["on", "off"] {
        session.run(&format!("SET synchronous_commit = {commit}; BEGIN"));
        let order = session.number(&place(&symbol, 10));
        session.run(&format!("SELECT exchange.reduce_order({order}, 4)"));
        session.run(&format!("SELECT exchange.cancel_order({order})"));
        session.run(&format!("SELECT exchange.cancel_order({order})"));
        session.run(&format!(
            "SELECT exchange.place_orders(ARRAY['{symbol}'], ARRAY['buy']::exchange.side[], ARRAY[1],
                 ARRAY[1])"
        ));
        session.run(&format!("SELECT exchange.cancel_orders(ARRAY[{order}])"));
        assert!(session.is_true("SELECT pg_current_xact_id_if_assigned() IS NULL"));
        session.run("SELECT txid_current(); COMMIT");
    }
}

#[test]
fn order_entry_writes_no_wal() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.run("SET synchronous_commit = off");
    session.run(&place(&symbol, 1));
    session.wait_for_tables();
    let _journaler = venue.stop_worker("journaler");
    session.run("CHECKPOINT");
    // The server writes some of its own now and then: a list of running transactions.
    let position = "SELECT pg_current_wal_insert_lsn()";
    wait_until("nobody writes WAL while a hundred orders are entered", || {
        session.run("BEGIN");
        let before = session.one(position);
        for _ in 0..100 {
            session.run(&place(&symbol, 1));
        }
        session.run("COMMIT");
        session.one(position) == before
    });
}

#[test]
fn without_synchronous_commit_an_order_is_answered_when_it_is_matched() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.run("SET synchronous_commit = off");
    let journaler = venue.stop_worker("journaler");
    session.run(&place(&symbol, 1));
    let answer = session.one(&format!(
        "SELECT status, filled_quantity FROM exchange.place_order('{symbol}', 'sell', 1, 1, self_trade_prevention => 'allow')"
    ));
    assert_eq!(answer, "filled|1");
    let cursors = "SELECT matched - durable, matched - published, matched - projected
                   FROM exchange.pg_stat_exchange";
    assert_eq!(session.one(cursors), "2|2|2");
    journaler.resume();
    session.wait_for_tables();
    session.wait_for_books();
    assert_eq!(session.one(cursors), "0|0|0");
    assert_eq!(quantities(&mut session, &symbol), ["1", "1"]);
}

#[test]
fn with_synchronous_commit_an_order_is_answered_when_it_is_durable() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    for level in ["on", "local", "remote_write", "remote_apply"] {
        let journaler = venue.stop_worker("journaler");
        let mut session = venue.superuser();
        session.run(&format!("SET synchronous_commit = {level}"));
        let call = Call::start(session, &place(&symbol, 1));
        call.assert_waits(venue);
        journaler.resume();
        let (mut session, result) = call.end();
        let order = result.unwrap().remove(0);
        // It is in the journal now.
        assert!(
            session.is_true(&format!("SELECT max(last_sequence) >= {order} FROM exchange.journal"))
        );
    }
}

#[test]
fn a_wait_for_durability_can_be_cancelled_and_the_order_stands() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let journaler = venue.stop_worker("journaler");
    let call = Call::start(venue.superuser(), &place(&symbol, 1));
    call.assert_waits(venue);
    call.cancel(venue);
    let (mut session, result) = call.end();
    assert_eq!(result.unwrap_err().code, "57014");
    let [warning] = session.take_notices().try_into().expect("there is one warning");
    assert_eq!(warning.severity, "WARNING", "{warning}");
    assert!(warning.detail.contains("stands"), "{warning}");
    assert!(!warning.hint.is_empty(), "{warning}");
    // The session can go on, though its order is still under way.
    session.run("SET synchronous_commit = off");
    session.run(&place(&symbol, 2));
    journaler.resume();
    assert_eq!(quantities(&mut session, &symbol), ["1", "2"]);
}

#[test]
fn a_statement_timeout_ends_the_wait_as_a_cancel_does() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let journaler = venue.stop_worker("journaler");
    let mut session = venue.superuser();
    session.run("SET statement_timeout = '100ms'");
    assert_eq!(session.failure(&place(&symbol, 1)).code, "57014");
    assert_eq!(session.take_notices().len(), 1);
    journaler.resume();
    session.run("SET statement_timeout = '60s'");
    assert_eq!(quantities(&mut session, &symbol), ["1"]);
}

#[test]
fn a_session_that_is_terminated_while_it_waits_leaves_its_order() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut observer = venue.superuser();
    let journaler = venue.stop_worker("journaler");
    let call = Call::start(venue.superuser(), &place(&symbol, 1));
    call.assert_waits(venue);
    observer.run(&format!("SELECT pg_terminate_backend({})", call.pid));
    let failure = call.end().1.unwrap_err();
    assert!(failure.is_end_of_session(), "{failure}");
    // The next session may get the same place in shared memory.
    let calls: Vec<Call> =
        (2..6).map(|quantity| Call::start(venue.superuser(), &place(&symbol, quantity))).collect();
    for call in &calls {
        call.assert_waits(venue);
    }
    journaler.resume();
    for call in calls {
        call.end().1.unwrap();
    }
    let mut found = quantities(&mut observer, &symbol);
    assert_eq!(found.remove(0), "1");
    found.sort();
    assert_eq!(found, ["2", "3", "4", "5"]);
}

#[test]
fn nothing_is_seen_before_it_is_durable() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.run("SET synchronous_commit = off");
    session.place(&format!("'{symbol}', 'buy', 5, 10"));
    session.wait_for_tables();
    session.wait_for_books();
    let seen = |session: &mut Session| {
        [
            format!("SELECT * FROM exchange.order_book('{symbol}')"),
            format!("SELECT * FROM exchange.best_quotes WHERE symbol = '{symbol}'"),
            format!("SELECT * FROM exchange.order_book_l3('{symbol}')"),
            format!("SELECT * FROM exchange.orders WHERE symbol = '{symbol}' ORDER BY order_id"),
            format!("SELECT * FROM exchange.trades WHERE symbol = '{symbol}'"),
            format!("SELECT * FROM exchange.executions WHERE symbol = '{symbol}'"),
            format!("SELECT * FROM exchange.candles WHERE symbol = '{symbol}'"),
            "SELECT * FROM exchange.engine_state".to_owned(),
            "SELECT max(last_sequence) FROM exchange.journal".to_owned(),
        ]
        .map(|sql| session.rows(&sql))
    };
    let before = seen(&mut session);
    let journaler = venue.stop_worker("journaler");
    let matched = session.number(&place(&symbol, 1));
    session.run(&format!(
        "SELECT exchange.place_order('{symbol}', 'sell', 1, 7, self_trade_prevention => 'allow')"
    ));
    // The followers have had their chance when the matcher has been asked once more.
    session.run(&format!("SELECT exchange.wait_for('matched', {matched})"));
    assert_stays_away("the order is seen", || seen(&mut session) != before);
    journaler.resume();
    session.wait_for_tables();
    session.wait_for_books();
    let after = seen(&mut session);
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{after:?}");
}

#[test]
fn wait_for_waits_for_each_cursor() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.run("SET synchronous_commit = off");
    session.wait_for_tables();
    let stopped: Vec<Stopped> =
        ["journaler", "publisher", "projector"].map(|name| venue.stop_worker(name)).into();
    let order = session.number(&place(&symbol, 1));
    assert_eq!(session.number("SELECT exchange.wait_for('matched')"), order);
    assert_eq!(session.number(&format!("SELECT exchange.wait_for('matched', {order})")), order);
    let behind = session.number("SELECT exchange.wait_for('projected', 1)");
    assert!(behind < order);
    let calls = ["durable", "published", "projected"].map(|cursor| {
        Call::start(venue.superuser(), &format!("SELECT exchange.wait_for('{cursor}')"))
    });
    // One after the other, each is let go by its own worker.
    for (worker, call) in stopped.into_iter().zip(calls) {
        call.assert_waits(venue);
        worker.resume();
        let reached: i64 = call.end().1.unwrap()[0].parse().unwrap();
        assert_eq!(reached, order);
    }
}

#[test]
fn wait_for_can_be_cancelled() {
    let (venue, _turn) = venue();
    let call = Call::start(venue.superuser(), "SELECT exchange.wait_for('projected', 1000000000)");
    call.assert_waits(venue);
    call.cancel(venue);
    let (mut session, result) = call.end();
    assert_eq!(result.unwrap_err().code, "57014");
    session.wait_for_tables();
}

#[test]
fn the_isolation_level_does_not_matter() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        session.run(&format!("BEGIN ISOLATION LEVEL {level}"));
        let order = session.number(&place(&symbol, 5));
        let trade = session
            .one(&format!("SELECT status FROM exchange.place_order('{symbol}', 'sell', 1, 5, self_trade_prevention => 'allow')"));
        assert_eq!(trade, "filled", "{level}");
        // How an order ended is told by a look at the table, past this snapshot.
        let ended = session
            .one(&format!("SELECT status, reject_reason FROM exchange.cancel_order({order})"));
        assert_eq!(ended, "filled|order_not_open", "{level}");
        session.run("COMMIT");
    }
}

#[test]
fn answers_wait_for_a_synchronous_standby_where_there_is_one() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut superuser = venue.superuser();
    let set = |session: &mut Session, names: &str| {
        session.run(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        session.run("SELECT pg_reload_conf()");
        let applied = format!(
            "SELECT setting = '{names}' FROM pg_settings
                               WHERE name = 'synchronous_standby_names'"
        );
        wait_until("the setting is there", || session.is_true(&applied));
    };
    set(&mut superuser, "nobody");
    // The checkpointer tells the others that there is one to wait for.
    let mut hasty = venue.superuser();
    hasty.run("SET synchronous_commit = off");
    wait_until("the journaler waits for the standby", || {
        hasty.run(&place(&symbol, 1));
        hasty.is_true(
            "SELECT count(*) = 1 FROM pg_stat_activity
             WHERE backend_type = 'exchange journaler' AND wait_event = 'SyncRep'",
        )
    });
    let patient = venue.superuser();
    let call = Call::start(patient, &place(&symbol, 2));
    call.assert_waits(&venue);
    assert_eq!(hasty.rows(&place(&symbol, 3)).len(), 1);
    set(&mut superuser, "");
    call.end().1.unwrap();
    assert!(quantities(&mut superuser, &symbol).ends_with(&["2".to_owned(), "3".to_owned()]));
}

#[test]
fn statistics_count_what_happens() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.run("SELECT exchange.reset_statistics()");
    let counters = "SELECT commands, trades, matched_answers, durable_answers
                    FROM exchange.pg_stat_exchange";
    assert_eq!(session.one(counters), "0|0|0|0");
    session.run(&place(&symbol, 5));
    session.run("SET synchronous_commit = off");
    session.run(&format!(
        "SELECT exchange.place_order('{symbol}', 'sell', 1, 2, self_trade_prevention => 'allow')"
    ));
    session.run(&format!(
        "SELECT exchange.place_order('{symbol}', 'sell', 1, 2, self_trade_prevention => 'allow')"
    ));
    assert_eq!(session.one(counters), "3|2|2|1");
    assert!(session.is_true(
        "SELECT matched_latency_us_p50 > 0 AND matched_latency_us_p50 <= matched_latency_us_p99
            AND matched_latency_us_p99 <= matched_latency_us_p999
            AND matched_latency_us_p999 <= matched_latency_us_max
            AND durable_latency_us_p50 = durable_latency_us_max AND stats_reset < now()
         FROM exchange.pg_stat_exchange"
    ));
    let status = session.rows("SELECT item FROM exchange.status");
    for item in ["market", "workers", "matched", "durable", "ring", "latency, matched"] {
        assert!(status.contains(&item.to_owned()), "{item} is missing in {status:?}");
    }
}
