//! A database that follows a venue.

use std::collections::HashSet;

use tests::{Session, Venue, audit, wait_until};
use venue::cluster::{Cluster, SUPERUSER};
use venue::connection::Connection;
use venue::{migrate, reporting};

/// What a subscriber logs as an error when the connection to its venue is lost, or the venue is: it
/// tries again, and nothing else is wrong.
pub const DISCONNECTED: &[&str] = &[
    "could not connect to the publisher",
    "could not receive data from WAL stream",
    "could not send data to WAL stream",
    "could not send end-of-streaming message to primary",
    "terminating logical replication worker due to timeout",
    "could not receive list of replicated tables",
    "could not start WAL streaming",
    // The worker that was cut off has not ended yet when the next one begins, which tries again.
    "is already active for PID",
];

/// What the venue answers the copy of a table now and then, where its catalog changes at that moment:
/// the copy begins anew by itself.
const COPY_BEGINS_ANEW: &str = "cannot build an initial slot snapshot";

/// A cluster without the extension, with a database whose tables follow those of a venue.
pub struct Subscriber {
    cluster: Cluster,
    /// Its subscription, and so the name of its replication slot.
    subscription: String,
}

impl Subscriber {
    /// The reporting database, as its migrations make it. `via` is how it reaches the venue.
    pub fn reports(via: &Connection) -> Self {
        let cluster = new_cluster();
        reporting::start(&cluster, via).expect("the migrations of a reporting database run");
        Self { cluster, subscription: "exchange_reports".to_owned() }
    }

    /// A database with the same tables that subscribes to another publication.
    pub fn to(publication: &str, via: &Connection) -> Self {
        let cluster = new_cluster();
        cluster.define_service(reporting::SERVICE, via).expect("its folder can be written to");
        cluster.start().expect("the cluster starts");
        cluster.create_database(reporting::DATABASE).expect("the database can be created");
        let subscriber = Self { cluster, subscription: publication.to_owned() };
        let mut session = subscriber.session();
        let tables = migrate::reporting_migrations().join("0001_tables.sql");
        session.run(&std::fs::read_to_string(tables).expect("the migration can be read"));
        session.run(&format!(
            "CREATE SUBSCRIPTION {publication} CONNECTION 'service={}' PUBLICATION {publication}
             WITH (binary = true)",
            reporting::SERVICE
        ));
        subscriber
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub fn session(&self) -> Session {
        Session::connect(&self.cluster.connection(reporting::DATABASE, SUPERUSER))
    }

    /// Waits until every table is copied.
    #[track_caller]
    pub fn wait_until_copied(&self, expected: &[&str]) {
        let mut session = self.session();
        wait_until("the subscriber has copied the tables", || {
            self.assert_no_errors(expected);
            session.is_true(
                "SELECT count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel",
            )
        });
    }

    /// Waits until it has confirmed all that was committed, and has copied every table. `expected`
    /// are the errors that it may have logged.
    #[track_caller]
    pub fn wait_until_caught_up(&self, venue: &Venue, expected: &[&str]) {
        audit::settle(venue);
        self.wait_until_copied(expected);
        let mut publisher = venue.superuser();
        // A commit that is flushed flushes what the workers committed before it.
        publisher.run("SELECT pg_logical_emit_message(true, 'tests', 'all is traded')");
        let end = publisher.one("SELECT pg_current_wal_lsn()");
        wait_until("the subscriber has caught up", || {
            self.assert_no_errors(expected);
            publisher.is_true(&format!(
                "SELECT count(*) = 1 AND bool_and(confirmed_flush_lsn >= '{end}' AND active)
                 FROM pg_replication_slots WHERE slot_name = '{}'",
                self.subscription
            ))
        });
    }

    /// A subscriber that cannot apply a change tries for ever: its log says why.
    #[track_caller]
    pub fn assert_no_errors(&self, expected: &[&str]) {
        let log = self.cluster.log();
        let is_error = |line: &&str| {
            let mut harmless = expected.iter().chain([&COPY_BEGINS_ANEW]);
            line.contains(" ERROR:  ") && !harmless.any(|error| line.contains(error))
        };
        assert_eq!(log.lines().find(is_error), None);
    }

    /// Compares every table of a publication, row by row.
    #[track_caller]
    pub fn assert_equal(&self, venue: &Venue, publication: &str) {
        let (mut publisher, mut subscriber) = (venue.superuser(), self.session());
        let tables = publisher.rows(&format!(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_publication_tables
             WHERE pubname = '{publication}' ORDER BY 1"
        ));
        assert!(!tables.is_empty(), "there is no {publication}");
        let mut rows = 0;
        for table in &tables {
            let query = format!("SELECT * FROM {table}");
            rows += assert_same_rows(table, publisher.rows(&query), subscriber.rows(&query));
        }
        println!("{publication}: {rows} rows in {} tables are equal", tables.len());
    }
}

/// Compares rows, whatever their order, and returns how many there are.
#[track_caller]
pub fn assert_same_rows(table: &str, published: Vec<String>, received: Vec<String>) -> usize {
    let set = |rows: &[String]| rows.iter().cloned().collect::<HashSet<_>>();
    let (left, right) = (set(&published), set(&received));
    let missing: Vec<_> = left.difference(&right).take(5).collect();
    let surplus: Vec<_> = right.difference(&left).take(5).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{table}: {} rows were published and {} received; missing {missing:#?}, surplus {surplus:#?}",
        published.len(),
        received.len()
    );
    assert_eq!(published.len(), received.len(), "rows of {table}");
    published.len()
}

fn new_cluster() -> Cluster {
    let mut settings = reporting::SETTINGS.to_vec();
    settings.extend([
        ("shared_buffers", "64MB"),
        ("max_wal_size", "1GB"),
        // A connection that is cut without a word is noticed soon.
        ("wal_receiver_timeout", "2s"),
        // It tries again soon, too.
        ("wal_retrieve_retry_interval", "200ms"),
    ]);
    Cluster::temporary(&settings).expect("a cluster can be made")
}
