//! A reporting database that follows the venue by logical replication.

use tests::random::seed;
use tests::traders::{Floor, Memory, Trading, WhenDisconnected};
use tests::{Session, Venue, audit, wait_until};
use venue::cluster::{Cluster, DATABASE, SUPERUSER, StopMode};
use venue::migrate;

/// A venue as the migrations make it, its market closed.
pub fn migrated_venue() -> Venue {
    let venue = Venue::empty(&[]);
    venue.cluster().create_database(DATABASE).expect("the database can be created");
    let connection = venue.cluster().connection(DATABASE, SUPERUSER);
    migrate::run(&connection, &migrate::project_migrations()).expect("the migrations run");
    venue.wait_until_running();
    venue
}

/// The published tables as a subscriber without the extension may keep them.
const TABLES: &str = "
    CREATE SCHEMA exchange;
    CREATE TABLE exchange.orders (
        order_id           bigint PRIMARY KEY,
        account_id         integer NOT NULL,
        symbol             text NOT NULL,
        side               text NOT NULL,
        time_in_force      text NOT NULL,
        status             text NOT NULL,
        reject_reason      text,
        price              numeric,
        quantity           bigint NOT NULL,
        filled_quantity    bigint NOT NULL,
        remaining_quantity bigint NOT NULL,
        turnover           numeric NOT NULL,
        priority           bigint NOT NULL,
        created_at         timestamptz NOT NULL,
        updated_at         timestamptz NOT NULL,
        order_type         text NOT NULL,
        stop_price         numeric,
        trail              numeric,
        minimum_quantity   bigint,
        display_quantity   bigint,
        displayed_quantity bigint,
        hidden             boolean NOT NULL,
        all_or_none        boolean NOT NULL,
        post_only          text,
        peg                text,
        stop_trigger       text,
        expire_at          timestamptz,
        linked_order_id    bigint,
        client_order_id    text,
        session_id         bigint,
        self_trade_prevention text NOT NULL,
        fee_schedule_id    integer,
        triggered          boolean NOT NULL,
        cancel_reason      text
    );
    CREATE TABLE exchange.executions (
        trade_id    bigint NOT NULL,
        order_id    bigint NOT NULL,
        account_id  integer NOT NULL,
        symbol      text NOT NULL,
        side        text NOT NULL,
        liquidity   text NOT NULL,
        price       numeric NOT NULL,
        quantity    bigint NOT NULL,
        executed_at timestamptz NOT NULL,
        fee         numeric NOT NULL,
        busted_at   timestamptz,
        PRIMARY KEY (order_id, trade_id)
    );
    CREATE TABLE exchange.candles (
        symbol      text NOT NULL,
        resolution  interval NOT NULL,
        opened_at   timestamptz NOT NULL,
        open        numeric NOT NULL,
        high        numeric NOT NULL,
        low         numeric NOT NULL,
        close       numeric NOT NULL,
        volume      bigint NOT NULL,
        turnover    numeric NOT NULL,
        trade_count bigint NOT NULL,
        PRIMARY KEY (symbol, resolution, opened_at)
    );";

/// The published tables and the order of their rows.
const PUBLISHED: [(&str, &str); 3] = [
    ("exchange.orders", "order_id"),
    ("exchange.executions", "order_id, trade_id"),
    ("exchange.candles", "symbol, resolution, opened_at"),
];

/// A cluster without the extension, in which the tables wait.
fn subscriber() -> Cluster {
    let settings = [("shared_preload_libraries", ""), ("shared_buffers", "32MB")];
    let cluster = Cluster::temporary(&settings).expect("a cluster can be made");
    cluster.start().expect("the cluster starts");
    cluster.create_database("reports").expect("the database can be created");
    reports(&cluster).run(TABLES);
    cluster
}

fn reports(subscriber: &Cluster) -> Session {
    Session::connect(&subscriber.connection("reports", SUPERUSER))
}

fn subscribe(subscriber: &Cluster, publisher: &Cluster) {
    let to = format!(
        "host={} port={} user={SUPERUSER} dbname={DATABASE}",
        publisher.socket_directory().display(),
        publisher.port(),
    );
    reports(subscriber).run(&format!(
        "CREATE SUBSCRIPTION reports CONNECTION '{to}' PUBLICATION exchange_reports"
    ));
}

fn trade(venue: &Venue, floor: &Floor, memories: Vec<Memory>, seed: u64) -> Vec<Memory> {
    let trading = Trading::start(venue, floor, memories, WhenDisconnected::Reconnect, seed);
    trading.wait_for_calls(1_500);
    trading.finish()
}

/// Waits until the subscriber has confirmed all that was committed, and has copied every table.
fn wait_until_caught_up(venue: &Venue, subscriber: &Cluster) {
    audit::settle(venue);
    let mut publisher = venue.superuser();
    // A commit that is flushed flushes what the workers committed before it.
    publisher.run("SELECT pg_logical_emit_message(true, 'tests', 'all is traded')");
    let end = publisher.one("SELECT pg_current_wal_lsn()");
    let mut reports = reports(subscriber);
    wait_until("the subscriber has copied the tables", || {
        assert_no_errors(subscriber);
        reports.is_true("SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel")
    });
    wait_until("the subscriber has caught up", || {
        assert_no_errors(subscriber);
        publisher.is_true(&format!(
            "SELECT count(*) = 1 AND bool_and(confirmed_flush_lsn >= '{end}' AND active)
             FROM pg_replication_slots WHERE slot_name = 'reports'"
        ))
    });
}

/// A subscriber that cannot apply a change tries for ever: its log says why.
#[track_caller]
fn assert_no_errors(subscriber: &Cluster) {
    let log = subscriber.log();
    assert_eq!(log.lines().find(|line| line.contains(" ERROR:  ")), None);
}

#[track_caller]
fn assert_equal(venue: &Venue, subscriber: &Cluster) {
    let (mut publisher, mut reports) = (venue.superuser(), reports(subscriber));
    for (table, order) in PUBLISHED {
        let query = format!("SELECT * FROM {table} ORDER BY {order}");
        let (published, received) = (publisher.rows(&query), reports.rows(&query));
        assert!(!published.is_empty(), "nothing was published of {table}");
        let differs = published.iter().zip(&received).find(|(left, right)| left != right);
        assert_eq!(differs, None, "{table}");
        assert_eq!(published.len(), received.len(), "rows of {table}");
    }
}

#[test]
fn a_subscriber_has_every_row_after_a_restart_too() {
    let venue = migrated_venue();
    venue.superuser().run("SELECT exchange.open_market()");
    let floor = Floor::open(&venue, 4);
    let subscriber = subscriber();
    let seed = seed();

    // Some rows are there before it subscribes, some come while it follows.
    let memories = trade(&venue, &floor, floor.newcomers(), seed);
    subscribe(&subscriber, venue.cluster());
    let memories = trade(&venue, &floor, memories, seed + 1);
    wait_until_caught_up(&venue, &subscriber);
    assert_equal(&venue, &subscriber);

    // It stops while it follows, misses some, and comes back while more come.
    let trading = Trading::start(&venue, &floor, memories, WhenDisconnected::Reconnect, seed + 2);
    trading.wait_for_calls(500);
    subscriber.stop(StopMode::Fast).expect("the subscriber stops");
    trading.wait_for_calls(1_000);
    subscriber.start().expect("the subscriber starts");
    trading.wait_for_calls(500);
    let memories = trading.finish();
    wait_until_caught_up(&venue, &subscriber);
    assert_equal(&venue, &subscriber);
    audit::assert_sound(&venue, &memories);
}

#[test]
fn the_publication_is_of_the_tables_that_the_subscriber_keeps() {
    let venue = migrated_venue();
    let mut published = venue.superuser().rows(
        "SELECT schemaname || '.' || tablename FROM pg_publication_tables
         WHERE pubname = 'exchange_reports'",
    );
    let mut expected = PUBLISHED.map(|(table, _)| table);
    published.sort_unstable();
    expected.sort_unstable();
    assert_eq!(published, expected);
}
