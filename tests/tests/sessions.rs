//! Orders that are bound to a session are cancelled when it ends, however it ends; others stay.

use tests::{Session, SharedVenue, Venue, audit, processes, wait_until};
use venue::cluster::SUPERUSER;

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.get()
}

/// Orders of a session: two that end with it, and two that stay.
struct Orders {
    bound: [i64; 2],
    free: [i64; 2],
}

impl Orders {
    fn place(session: &mut Session, symbol: &str) -> Self {
        let mut place = |bind: Option<bool>| {
            if let Some(enabled) = bind {
                session.run(&format!("SELECT exchange.cancel_on_disconnect({enabled})"));
            }
            session.place(&format!("'{symbol}', 'buy', 1, 10"))
        };
        let (before, first, second, after) =
            (place(None), place(Some(true)), place(None), place(Some(false)));
        Self { bound: [first, second], free: [before, after] }
    }

    /// Waits until those that are bound are cancelled, and asserts that the others are open.
    #[track_caller]
    fn assert_ended(&self, session: &mut Session) {
        let count = |orders: &[i64], condition: &str| {
            format!(
                "SELECT count(*) FROM exchange.orders
                 WHERE order_id = ANY (ARRAY{orders:?}) AND {condition}"
            )
        };
        let ended = "status = 'cancelled' AND cancel_reason = 'session_ended'
                     AND session_id IS NOT NULL";
        let ended = count(&self.bound, ended);
        wait_until("the orders of the session are cancelled", || session.number(&ended) == 2);
        let open = count(&self.free, "status = 'open' AND session_id IS NULL");
        assert_eq!(session.number(&open), 2);
    }
}

#[test]
fn a_client_disconnects() {
    let (symbol, broker) = (venue().instrument(), venue().broker().0);
    let mut observer = venue().superuser();
    let mut session = venue().session(&broker);
    let orders = Orders::place(&mut session, &symbol);
    // Other sessions of the role come and go.
    let mut other = venue().session(&broker);
    other.run("SELECT exchange.cancel_on_disconnect()");
    let others = other.place(&format!("'{symbol}', 'buy', 1, 10"));
    drop(other);
    let ended = format!("SELECT status FROM exchange.orders WHERE order_id = {others}");
    observer.wait_for_tables();
    wait_until("the order of the other session is cancelled", || {
        observer.one(&ended) == "cancelled"
    });
    let open = format!(
        "SELECT count(*) FROM exchange.open_orders WHERE order_id = ANY (ARRAY{:?})",
        orders.bound
    );
    assert_eq!(observer.number(&open), 2);
    drop(session);
    orders.assert_ended(&mut observer);
}

#[test]
fn a_session_is_terminated() {
    let symbol = venue().instrument();
    let mut observer = venue().superuser();
    let mut session = venue().session(&venue().broker().0);
    let orders = Orders::place(&mut session, &symbol);
    observer.run(&format!("SELECT pg_terminate_backend({})", session.pid()));
    orders.assert_ended(&mut observer);
}

/// An order that trades, or is cancelled, before the session ends is what it became.
#[test]
fn what_is_finished_before_stays_as_it_ended() {
    let symbol = venue().instrument();
    let mut observer = venue().superuser();
    let mut session = venue().session(&venue().broker().0);
    session.run("SELECT exchange.cancel_on_disconnect()");
    let filled = session.place(&format!("'{symbol}', 'buy', 2, 10"));
    let partly = session.place(&format!("'{symbol}', 'buy', 1, 10"));
    observer.place(&format!("'{symbol}', 'sell', 1, 14"));
    drop(session);
    let story = format!(
        "SELECT status, filled_quantity, cancel_reason FROM exchange.orders
         WHERE order_id IN ({filled}, {partly}) ORDER BY order_id"
    );
    wait_until("the session has ended", || {
        observer.rows(&story) == ["filled|10|-", "cancelled|4|session_ended"]
    });
}

/// Sessions end in every phase: nobody is there to cancel the orders later.
#[test]
fn a_session_ends_while_the_market_is_closed() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut observer = venue.superuser();
    let mut session = venue.session(&venue.broker().0);
    let orders = Orders::place(&mut session, &symbol);
    observer.run("SELECT exchange.close_market()");
    drop(session);
    orders.assert_ended(&mut observer);
    audit::assert_sound(&venue, &[]);
}

#[test]
fn the_matcher_is_away_when_a_session_ends() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut observer = venue.superuser();
    let mut session = venue.session(&venue.broker().0);
    let orders = Orders::place(&mut session, &symbol);
    let pid = session.pid();
    let matcher = venue.stop_worker("matcher");
    drop(session);
    wait_until("the session has ended", || {
        observer.number(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")) == 0
    });
    // It comes back as another process.
    observer.run("SELECT pg_terminate_backend(pid) FROM exchange.workers WHERE worker = 'matcher'");
    drop(matcher);
    orders.assert_ended(&mut observer);
    audit::assert_sound(&venue, &[]);
}

#[test]
fn every_session_ends_when_the_server_does() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let broker = venue.broker().0;
    let mut told = Vec::new();
    for end in ["a fast shutdown", "a crash", "a killed backend"] {
        let mut session = venue.session(&broker);
        told.push(Orders::place(&mut session, &symbol));
        match end {
            "a fast shutdown" => venue.restart(),
            "a crash" => {
                venue.cluster().kill9().expect("the server can be killed");
                venue.cluster().start().expect("the server starts again");
            }
            _ => {
                processes::kill(session.pid());
                let connection = venue.cluster().connection(venue::cluster::DATABASE, SUPERUSER);
                wait_until("the server has noticed", || session.try_run("SELECT 1").is_err());
                wait_until("the server has restarted its processes", || {
                    Session::try_connect(&connection).is_ok()
                });
            }
        }
        venue.wait_until_running();
        let mut observer = venue.superuser();
        told.iter().for_each(|orders| orders.assert_ended(&mut observer));
        audit::assert_sound(&venue, &[]);
    }
}
