//! What only grows is partitioned by day, and a day can leave.

use std::thread;

use tests::audit;
use tests::{Session, SharedVenue, Venue, wait_until};

const SIMULATED: &[(&str, &str)] =
    &[("exchange.simulated_clock", "on"), ("exchange.time_zone", "America/New_York")];

const TABLES: [&str; 5] = ["executions", "finished_orders", "journal", "market_data", "trades"];

fn advance(session: &mut Session, to: &str) {
    session.run(&format!("SELECT exchange.advance_clock('{to} America/New_York')"));
}

/// A trade, an order that is cancelled, and one that stays.
fn trade(session: &mut Session, symbol: &str) {
    session.run(&format!(
        "SELECT exchange.place_order('{symbol}', 'buy', 10, 5, self_trade_prevention => 'allow');
         SELECT exchange.place_order('{symbol}', 'sell', 10, 5, self_trade_prevention => 'allow');
         SELECT exchange.cancel_order(order_id) FROM exchange.place_order('{symbol}', 'buy', 9, 1);
         SELECT exchange.place_order('{symbol}', 'buy', 8, 1)"
    ));
}

/// Rows that are in another partition than that of the day of their time in New York, or reach into the
/// next day.
const MISPLACED: &str = "
    WITH placed AS (
        SELECT tableoid, timestamptz '2000-01-01 00:00Z' + c.us * interval '1 us' AS at
        FROM exchange.journal AS j
        CROSS JOIN LATERAL (
            SELECT (extract(epoch FROM c.at) * 1000000)::bigint - 946684800000000 AS us
            FROM exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS c) AS c
        UNION ALL SELECT tableoid, first_at FROM exchange.market_data
        UNION ALL SELECT tableoid, last_at FROM exchange.market_data
        UNION ALL SELECT tableoid, executed_at FROM exchange.trades
        UNION ALL SELECT tableoid, executed_at FROM exchange.executions
        UNION ALL SELECT tableoid, updated_at FROM exchange.finished_orders
    )
    SELECT DISTINCT tableoid::regclass, at FROM placed
    WHERE tableoid::regclass::text !~ ('_' || to_char(at AT TIME ZONE 'America/New_York', 'YYYYMMDD') || '$')";

/// The days that a table has partitions of.
fn days(session: &mut Session, table: &str) -> Vec<String> {
    session.rows(&format!(
        "SELECT partition FROM exchange.day_partitions() WHERE table_name = '{table}' ORDER BY begins_at"
    ))
}

#[test]
fn every_row_is_in_the_partition_of_its_day() {
    let venue = Venue::start(SIMULATED);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    advance(&mut session, "2026-11-24 23:59:59.5");
    trade(&mut session, &symbol);
    // These end on both sides of midnight, in one step of the clock; daylight saving has its own.
    for at in ["2026-11-24 23:59:59.999999", "2026-11-25 00:00:00", "2026-11-25 00:00:00.000001"] {
        session.run(&format!(
            "SELECT exchange.place_order('{symbol}', 'buy', 7, 1, time_in_force => 'GTD',
                                         expire_at => '{at} America/New_York')"
        ));
    }
    advance(&mut session, "2026-11-25 00:00:01");
    trade(&mut session, &symbol);
    for to in ["2026-12-31 23:59:59", "2027-01-01 00:00:00", "2027-03-14 00:30", "2027-03-14 23:30"]
    {
        advance(&mut session, to);
        trade(&mut session, &symbol);
    }
    session.wait_for_tables();
    assert_eq!(session.rows(MISPLACED), [""; 0]);
    let expected = ["20261124", "20261125", "20261231", "20270101", "20270314"];
    for table in TABLES {
        let mut found = days(&mut session, table);
        // Before its clock was set, a simulation is in another century.
        found.retain(|partition| !partition.ends_with("_19991231"));
        assert_eq!(found, expected.map(|day| format!("{table}_{day}")));
    }
    let length = "SELECT ends_at - begins_at FROM exchange.day_partitions() WHERE partition = 'trades_20270314'";
    assert_eq!(session.one(length), "23:00:00");
    let finished = "SELECT array_agg(DISTINCT right(tableoid::regclass::text, 8)) FROM exchange.finished_orders
                    WHERE cancel_reason = 'expired'";
    assert_eq!(session.one(finished), "{20261124,20261125}");
    audit::assert_sound(&venue, &[]);
    assert_eq!(venue.complaints_since(0), [""; 0]);
}

#[test]
fn who_reads_a_table_holds_up_nobody_who_begins_a_day() {
    let venue = Venue::start(SIMULATED);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    advance(&mut session, "2026-11-24 12:00");
    trade(&mut session, &symbol);
    session.wait_for_tables();
    let mut reader = venue.superuser();
    reader.run("BEGIN");
    for table in TABLES {
        assert!(reader.number(&format!("SELECT count(*) FROM exchange.{table}")) > 0);
    }
    // Durable when the call returns, and in the tables, while the reader still has its locks.
    advance(&mut session, "2026-11-25 12:00");
    trade(&mut session, &symbol);
    session.wait_for_tables();
    for table in TABLES {
        assert!(days(&mut session, table).contains(&format!("{table}_20261125")));
    }
    reader.run("COMMIT");
}

#[test]
fn a_partition_is_made_once_whoever_asks_for_it() {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    let venue = VENUE.get();
    let mut superuser = venue.superuser();
    let wanted = |table: &str| {
        format!(
            "SELECT exchange.add_day('exchange.{table}', '2030-01-01 12:00Z'::timestamptz + n * interval '1 day')
             FROM generate_series(0, 19) AS n"
        )
    };
    for table in TABLES {
        let query = wanted(table);
        let made: Vec<Vec<String>> = thread::scope(|scope| {
            let sessions: Vec<_> =
                (0..4).map(|_| scope.spawn(|| venue.superuser().rows(&query))).collect();
            sessions.into_iter().map(|session| session.join().expect("no errors")).collect()
        });
        assert!(made.iter().all(|partitions| *partitions == made[0]), "{made:?}");
        assert_eq!(made[0].len(), 20);
        assert_eq!(made[0][0], format!("exchange.{table}_20300101"));
    }
    for (arguments, code, message) in [
        ("NULL, now()", "22004", "of_table must not be NULL"),
        ("'exchange.trades', NULL", "22004", "at must not be NULL"),
        ("'exchange.orders', now()", "22023", "the table is not partitioned by day"),
        ("'pg_class', now()", "22023", "the table is not partitioned by day"),
        ("'exchange.trades', 'infinity'", "22023", "at must be a moment"),
    ] {
        let failure = superuser.failure(&format!("SELECT exchange.add_day({arguments})"));
        assert_eq!((failure.code.as_str(), failure.message.as_str()), (code, message));
        assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{failure:?}");
    }
}

#[test]
fn the_next_days_are_there_before_they_come() {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    let mut superuser = VENUE.get().superuser();
    wait_until("the scheduler has made the partitions of three days", || {
        superuser.is_true(
            "SELECT count(*) = 15
             FROM exchange.day_partitions() AS p
             CROSS JOIN generate_series(0, 2) AS n
             WHERE p.begins_at <= now() + n * interval '1 day' AND now() + n * interval '1 day' < p.ends_at",
        )
    });
}

#[test]
fn another_time_zone_goes_on_where_the_days_of_the_first_end() {
    let venue = Venue::start(SIMULATED);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    advance(&mut session, "2026-11-24 12:00");
    trade(&mut session, &symbol);
    session.wait_for_tables();
    for (zone, to) in [
        (
            "Asia/Tokyo",
            ["2026-11-24 12:01", "2026-11-25 00:01", "2026-11-25 12:00", "2026-11-26 12:00"],
        ),
        (
            "America/New_York",
            ["2026-11-26 12:01", "2026-11-27 00:01", "2026-11-27 12:00", "2026-11-28 12:00"],
        ),
    ] {
        session.run(&format!("ALTER SYSTEM SET exchange.time_zone = '{zone}'"));
        venue.restart();
        venue.wait_until_running();
        session = venue.superuser();
        for to in to {
            advance(&mut session, to);
            trade(&mut session, &symbol);
        }
        session.wait_for_tables();
    }
    for table in TABLES {
        let gaps = session.rows(&format!(
            "SELECT p.partition FROM (
                 SELECT *, lag(ends_at) OVER (ORDER BY begins_at) AS before FROM exchange.day_partitions()
                 WHERE table_name = '{table}' AND begins_at > '2026-01-01') AS p
             WHERE p.before <> p.begins_at"
        ));
        assert_eq!(gaps, [""; 0]);
    }
    assert_eq!(venue.complaints_since(0), [""; 0]);
}

#[test]
fn a_crash_at_midnight_loses_nothing() {
    let venue = Venue::start(SIMULATED);
    let symbol = venue.instrument();
    for day in ["2026-11-24", "2026-11-25", "2026-11-26"] {
        let mut session = venue.superuser();
        advance(&mut session, &format!("{day} 23:59:59"));
        trade(&mut session, &symbol);
        session.run("SET synchronous_commit = off");
        trade(&mut session, &symbol);
        venue.cluster().kill9().expect("the server can be killed");
        venue.cluster().start().expect("the server starts again");
        venue.wait_until_running();
        audit::assert_sound(&venue, &[]);
    }
    assert_eq!(venue.superuser().rows(MISPLACED), [""; 0]);
}
