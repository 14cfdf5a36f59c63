//! A hot standby: what it shows, what it refuses, and how it takes over.

use tests::audit;
use tests::processes::Stopped;
use tests::random::seed;
use tests::traders::{Floor, Trading, WhenDisconnected};
use tests::{Session, Venue, wait_until};
use venue::cluster::REPLICATED;

const CLIENTS: usize = 4;

/// A venue and its standby, which both go where the test ends.
struct Servers {
    primary: Venue,
    standby: Venue,
}

impl Servers {
    fn start(settings: &[(&str, &str)]) -> Self {
        let primary = Venue::start(&[REPLICATED, settings].concat());
        let standby = primary.standby("standby", &[REPLICATED, settings].concat());
        Self { primary, standby }
    }

    /// Waits until the standby's books and tables are those of the primary, which is at rest.
    fn catch_up(&self) {
        let mut primary = self.primary.superuser();
        primary.wait_for_books();
        primary.wait_for_tables();
        let sequence = primary.number("SELECT matched FROM exchange.pg_stat_exchange");
        let mut standby = self.standby.superuser();
        for cursor in ["published", "projected"] {
            wait_until(&format!("the standby has {cursor} command {sequence}"), || {
                standby.is_true(&format!(
                    "SELECT {cursor} >= {sequence} FROM exchange.pg_stat_exchange"
                ))
            });
        }
    }

    fn promote(&self) {
        self.standby.superuser().run("SELECT pg_promote()");
        self.standby.wait_until_running();
    }
}

/// Everything that everybody may ask about the books, and the tables.
const QUESTIONS: [&str; 12] = [
    "SELECT * FROM exchange.order_books ORDER BY symbol, level",
    "SELECT * FROM exchange.order_books_l3 ORDER BY order_id",
    // Not the command that last changed what is shown: whoever begins shows all of it at once.
    "SELECT symbol, bid_quantity, bid_price, ask_price, ask_quantity, last_price, last_quantity,
            phase, reference_price
     FROM exchange.best_quotes ORDER BY symbol",
    "SELECT * FROM exchange.auctions ORDER BY symbol",
    "SELECT b.* FROM exchange.instruments AS i,
                     LATERAL exchange.order_book(i.symbol, 5) AS b ORDER BY i.symbol, b.level",
    "SELECT * FROM exchange.day_statistics ORDER BY symbol",
    "SELECT * FROM exchange.events_after(0) ORDER BY sequence LIMIT 500",
    "SELECT * FROM exchange.balances ORDER BY account_id, currency",
    "SELECT * FROM exchange.holdings ORDER BY account_id, symbol",
    "SELECT * FROM exchange.orders ORDER BY order_id",
    "SELECT * FROM exchange.executions ORDER BY trade_id, side",
    "SELECT market, matched, durable, published, projected, trade_date
     FROM exchange.pg_stat_exchange",
];

#[track_caller]
fn assert_same(servers: &Servers) {
    let (mut primary, mut standby) = (servers.primary.superuser(), servers.standby.superuser());
    for question in QUESTIONS {
        let expected = primary.rows(question);
        assert!(
            !expected.is_empty() || question.contains("auctions"),
            "nothing to see: {question}"
        );
        assert_eq!(standby.rows(question), expected, "{question}");
    }
}

/// The states of the workers; `None` where there is no extension that could tell.
fn workers(session: &mut Session) -> Option<String> {
    let states = "SELECT string_agg(state, ' ' ORDER BY worker) FROM exchange.workers";
    Some(session.try_rows(states).ok()?.concat())
}

const FOLLOWING: &str = "stopped running following stopped running stopped";

#[test]
fn a_standby_shows_what_the_primary_shows_and_takes_over() {
    let servers = Servers::start(&[]);
    let floor = Floor::open(&servers.primary, CLIENTS);
    let trading = Trading::start(
        &servers.primary,
        &floor,
        floor.newcomers(),
        WhenDisconnected::Leave,
        seed(),
    );
    trading.wait_for_calls(500);
    // What a worker of the standby was at is lost with it, and looked for again.
    let mut standby = servers.standby.superuser();
    for worker in ["matcher", "publisher", "matcher"] {
        standby.run(&format!(
            "SELECT pg_terminate_backend(pid) FROM exchange.workers WHERE worker = '{worker}'"
        ));
        trading.wait_for_calls(200);
    }
    let memories = trading.finish();
    servers.catch_up();
    assert_eq!(workers(&mut standby).as_deref(), Some(FOLLOWING));
    assert_same(&servers);
    let server = standby.one("SELECT value FROM exchange.status WHERE item = 'server'");
    assert!(server.starts_with("a standby"), "{server}");

    let matcher = "SELECT pid FROM exchange.workers WHERE worker = 'matcher'";
    let follower = standby.one(matcher);
    drop(servers.primary);
    servers.standby.superuser().run("SELECT pg_promote()");
    servers.standby.wait_until_running();
    assert_eq!(standby.one(matcher), follower, "the engine was warm");
    audit::assert_sound(&servers.standby, &memories);
    // And the market goes on.
    let trading =
        Trading::start(&servers.standby, &floor, memories, WhenDisconnected::Leave, seed() + 1);
    trading.wait_for_calls(300);
    audit::assert_sound(&servers.standby, &trading.finish());
}

#[test]
fn a_standby_takes_no_orders_and_says_where_to_go() {
    let servers = Servers::start(&[]);
    let symbol = servers.primary.instrument();
    servers.catch_up();
    let port = servers.primary.cluster().port();
    let mut standby = servers.standby.superuser();
    for call in [
        format!("exchange.place_order('{symbol}', 'buy', 10, 1)"),
        "exchange.cancel_order(1)".to_owned(),
        "exchange.open_account()".to_owned(),
        "exchange.close_market()".to_owned(),
        format!("exchange.halt_instrument('{symbol}')"),
    ] {
        let failure = standby.failure(&format!("SELECT {call}"));
        assert_eq!(failure.code, "25006", "{call}: {failure}");
        assert_eq!(failure.message, "orders cannot be entered on a standby");
        assert!(failure.detail.ends_with(&format!("port {port}.")), "{failure}");
        assert!(failure.hint.contains("target_session_attrs=read-write"), "{failure}");
    }
}

/// Orders of sessions that a promotion ends are cancelled, as after a restart.
#[test]
fn a_promotion_ends_the_sessions_of_the_old_primary() {
    let servers = Servers::start(&[]);
    let symbol = servers.primary.instrument();
    let mut session = servers.primary.superuser();
    session.run("SELECT exchange.cancel_on_disconnect(true)");
    let bound = session.place(&format!("'{symbol}', 'buy', 10, 100"));
    let free = servers.primary.superuser().place(&format!("'{symbol}', 'buy', 9, 100"));
    servers.catch_up();
    servers.primary.cluster().kill9().expect("the primary can be killed");
    servers.promote();
    let mut promoted = servers.standby.superuser();
    promoted.wait_for_tables();
    let orders = promoted.rows(&format!(
        "SELECT order_id, status, cancel_reason FROM exchange.orders
         WHERE symbol = '{symbol}' ORDER BY order_id"
    ));
    assert_eq!(orders, [format!("{bound}|cancelled|session_ended"), format!("{free}|open|-")]);
    audit::assert_sound(&servers.standby, &[]);
}

/// What is replayed and not executed yet when the server is promoted comes first.
#[test]
fn a_matcher_that_was_away_during_the_promotion_catches_up_before_it_takes_orders() {
    for killed in [false, true] {
        let servers = Servers::start(&[]);
        let symbol = servers.primary.instrument();
        servers.catch_up();
        let mut standby = servers.standby.superuser();
        let pid = standby.number("SELECT pid FROM exchange.workers WHERE worker = 'matcher'");
        let away = Stopped::new(pid as i32);
        let mut session = servers.primary.superuser();
        let last =
            (1..=40).map(|price| session.place(&format!("'{symbol}', 'buy', {price}, 100"))).last();
        session.wait_for_tables();
        let end = session.one("SELECT pg_current_wal_insert_lsn()");
        wait_until("the standby has replayed it", || {
            standby.is_true(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'"))
        });
        drop(session);
        servers.primary.cluster().kill9().expect("the primary can be killed");
        standby.run("SELECT pg_promote()");
        if killed {
            standby.run(&format!("SELECT pg_terminate_backend({pid})"));
        }
        away.resume();
        servers.standby.wait_until_running();
        let next = standby.place(&format!("'{symbol}', 'buy', 0.5, 100"));
        assert_eq!(Some(next - 1), last);
        audit::assert_sound(&servers.standby, &[]);
    }
}

/// Other bounds make another engine, on the standby as on the primary.
#[test]
fn a_standby_follows_a_primary_whose_bounds_change() {
    const NAME: &str = "exchange.maximum_price_levels";
    // The least that it can be.
    const LEVELS: usize = 64;
    let servers = Servers::start(&[]);
    let symbol = servers.primary.instrument();
    servers.catch_up();
    let mut session = servers.primary.superuser();
    session.run(&format!("ALTER SYSTEM SET {NAME} = {LEVELS}"));
    drop(session);
    servers.primary.restart();
    servers.primary.wait_until_running();
    let mut session = servers.primary.superuser();
    let statuses = session.rows(&format!(
        "SELECT status FROM generate_series(1, {LEVELS} + 3) AS price,
                LATERAL exchange.place_order('{symbol}', 'buy', price, 100)"
    ));
    assert_eq!(statuses.iter().filter(|status| *status == "open").count(), LEVELS);
    servers.catch_up();
    assert_same_books(&servers);
    // Its own settings are others: it has to begin anew, and then they hold.
    servers.promote();
    let mut promoted = servers.standby.superuser();
    let order = format!("SELECT status FROM exchange.place_order('{symbol}', 'buy', 99, 100)");
    assert_eq!(promoted.one(&order), "open");
    // Each worker comes to the same events, or it would halt the market.
    audit::settle(&servers.standby);
}

fn assert_same_books(servers: &Servers) {
    let books = "SELECT * FROM exchange.order_books ORDER BY symbol, level";
    let expected = servers.primary.superuser().rows(books);
    assert!(!expected.is_empty());
    assert_eq!(servers.standby.superuser().rows(books), expected);
}

#[test]
fn a_standby_follows_an_extension_that_is_created_anew() {
    let servers = Servers::start(&[]);
    let symbol = servers.primary.instrument();
    servers.primary.superuser().place(&format!("'{symbol}', 'buy', 10, 100"));
    servers.catch_up();
    servers.primary.superuser().run("DROP EXTENSION pg_exchange");
    let mut standby = servers.standby.superuser();
    wait_until("the standby has noticed", || workers(&mut standby).is_none());
    let mut session = servers.primary.superuser();
    session.run("CREATE EXTENSION pg_exchange");
    tests::venues::open(&mut session);
    servers.primary.wait_until_running();
    let symbol = servers.primary.instrument();
    session.place(&format!("'{symbol}', 'buy', 11, 100"));
    servers.catch_up();
    assert_same_books(&servers);
    assert_eq!(workers(&mut standby).as_deref(), Some(FOLLOWING));
}
