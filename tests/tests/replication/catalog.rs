//! The tables of a reporting database are those of the venue.

use tests::{Session, SharedVenue, Venue};

use super::subscriber::Subscriber;
use venue::cluster::{DATABASE, SUPERUSER};

/// Tables that reporting databases do not get.
const NOT_FOR_REPORTS: [&str; 11] = [
    // Where the files are of what the venue has dropped, and the last trades in them: what a reporting
    // database keeps.
    "archived_days",
    "archived_files",
    "archived_last_trades",
    // Every command: what it did is in the tables. It has a publication of its own.
    "journal",
    // Every public event, the same.
    "market_data",
    // Where a replay of the journal can begin.
    "replay_mark_parts",
    "replay_marks",
    // What retries are answered, for a while.
    "client_orders",
    // Where those who read the public events of this server are.
    "consumer_partitions",
    "consumer_sessions",
    "consumer_settings",
];

fn tables_of(session: &mut Session, publication: &str) -> Vec<String> {
    session.rows(&format!(
        "SELECT tablename FROM pg_publication_tables
         WHERE pubname = '{publication}' AND schemaname = 'exchange' ORDER BY 1"
    ))
}

#[test]
fn every_table_is_published() {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    let mut superuser = VENUE.get().superuser();
    superuser.run("SELECT exchange.create_publications()");
    // The table of all orders is published as the open and the finished ones, and partitions of days as
    // the table that they are of.
    let mut tables = superuser.rows(
        "SELECT relname FROM pg_class
         WHERE relnamespace = 'exchange'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'orders'
           AND NOT (relispartition AND relname ~ '_[0-9]{8}$') ORDER BY 1",
    );
    tables.retain(|table| !NOT_FOR_REPORTS.contains(&table.as_str()));
    assert_eq!(tables_of(&mut superuser, "exchange_reports"), tables);
    let expected = ["candles", "instruments", "market_data", "trades"];
    assert_eq!(tables_of(&mut superuser, "exchange_market_data"), expected);
    assert_eq!(tables_of(&mut superuser, "exchange_journal"), ["journal"]);

    // A second call adds what is missing, and leaves what the venue changed.
    superuser.run(
        "CREATE TABLE public.own_notes (note text PRIMARY KEY);
         ALTER PUBLICATION exchange_market_data ADD TABLE public.own_notes;
         ALTER PUBLICATION exchange_market_data DROP TABLE exchange.candles;
         SELECT exchange.create_publications()",
    );
    assert_eq!(tables_of(&mut superuser, "exchange_market_data"), expected);
    assert!(superuser.is_true(
        "SELECT EXISTS (SELECT FROM pg_publication_tables
                        WHERE pubname = 'exchange_market_data' AND tablename = 'own_notes')"
    ));
}

/// Columns with their types, types with their labels, keys and comments of the published tables.
const SHAPE: &str = "
    SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           co.collname, col_description(c.oid, a.attnum), obj_description(c.oid, 'pg_class'),
           (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
            FROM pg_enum AS e WHERE e.enumtypid = a.atttypid),
           CASE WHEN t.typtype = 'e' THEN obj_description(t.oid, 'pg_type') END
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN pg_collation AS co ON co.oid = a.attcollation
    WHERE c.relnamespace = 'exchange'::regnamespace AND c.relname = ANY ('{TABLES}')
    ORDER BY 1, 2";

/// What a row is found by: the primary key, or what stands in for it. Tables that are partitioned by
/// day have none at the venue, where their partitions do.
const KEYS: &str = "
    SELECT c.relname, string_agg(a.attname, ',' ORDER BY array_position(i.indkey::int[], a.attnum::int))
    FROM pg_class AS c
    JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE c.relnamespace = 'exchange'::regnamespace AND c.relname = ANY ('{TABLES}')
      AND c.relname NOT IN ('trades', 'executions')
    GROUP BY c.relname ORDER BY 1";

#[test]
fn a_reporting_database_has_the_tables_of_the_venue() {
    let venue = Venue::empty(&[]);
    venue.cluster().create_database(DATABASE).expect("the database can be created");
    let mut publisher = venue.superuser();
    publisher.run("CREATE EXTENSION pg_exchange; SELECT exchange.create_publications()");
    let reports = Subscriber::reports(&venue.cluster().connection(DATABASE, SUPERUSER));
    let mut subscriber = reports.session();
    let tables = tables_of(&mut publisher, "exchange_reports").join(",") + ",orders";
    for (what, query) in [("shape", SHAPE), ("key", KEYS)] {
        let query = query.replace("{TABLES}", &format!("{{{tables}}}"));
        let (published, mut received) = (publisher.rows(&query), subscriber.rows(&query));
        // The venue needs none there: it knows where its rows are.
        received.retain(|row| !row.ends_with("_orders|order_id"));
        assert_eq!(published, received, "{what}");
    }
    assert!(
        subscriber.rows("SELECT extname FROM pg_extension").iter().all(|name| name == "plpgsql")
    );
    // The views of the venue are there as well.
    let views = "SELECT viewname, definition FROM pg_views
                 WHERE schemaname = 'exchange' AND viewname IN ('balances', 'holdings', 'conservation')
                 ORDER BY 1";
    assert_eq!(publisher.rows(views), subscriber.rows(views));
    // Nothing in it is silent.
    let silent = subscriber.rows(
        "SELECT c.relname FROM pg_class AS c
         WHERE c.relnamespace = 'exchange'::regnamespace AND c.relkind IN ('r', 'v', 'i')
           AND obj_description(c.oid, 'pg_class') IS NULL
           AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid)",
    );
    assert!(silent.is_empty(), "without a comment: {silent:?}");
}
