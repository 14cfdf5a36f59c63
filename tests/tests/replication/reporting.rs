//! A reporting database follows a trading day through all that can come between.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tests::{Venue, audit, wait_until};
use venue::cluster::{DATABASE, SUPERUSER, StopMode};
use venue::day::{self, Options, Outcome};

use super::migrated_venue_with;
use super::network::Network;
use super::subscriber::{DISCONNECTED, Subscriber, assert_same_rows};

const DATE: &str = "2026-11-20";

/// About so many commands are sent on the day.
const COMMANDS: u64 = 60_000;

/// The day, traded in the background.
struct Day {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Outcome, String>>,
}

impl Day {
    fn begin(venue: &Venue) -> Self {
        let connection = venue.cluster().connection(DATABASE, SUPERUSER);
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let options =
            Options { date: Some(DATE.to_owned()), commands: COMMANDS, seed: 11, quiet: true };
        let thread = std::thread::spawn(move || {
            day::trade(&connection, &options, &asked).map_err(|error| format!("{error:#}"))
        });
        Self { stop, thread }
    }

    /// Waits until the exchange has executed so many commands of the day, which goes on.
    #[track_caller]
    fn wait_until(&self, venue: &Venue, commands: u64) {
        let mut superuser = venue.superuser();
        let query = "SELECT count(*) FROM exchange.orders";
        wait_until("the day goes on", || {
            assert!(!self.thread.is_finished(), "the day is over too early");
            superuser.number(query) >= commands as i64
        });
    }

    /// Interrupts the day.
    fn pause(self) {
        self.stop.store(true, Ordering::Relaxed);
        let outcome = self.thread.join().expect("the traders do not panic");
        assert!(matches!(outcome, Ok(Outcome::Interrupted(..))), "{outcome:?}");
    }

    /// Waits until the traders have noticed that the exchange is gone.
    fn end_of_exchange(self) {
        let outcome = self.thread.join().expect("the traders do not panic");
        assert!(outcome.is_err(), "{outcome:?}");
    }

    /// Waits for the close.
    fn close(self) {
        let outcome = self.thread.join().expect("the traders do not panic");
        assert!(matches!(outcome, Ok(Outcome::Traded(_))), "{outcome:?}");
    }
}

#[test]
fn a_trading_day_arrives_through_restart_cut_crash_and_update() {
    let settings = [
        ("exchange.calendar", "off"),
        ("exchange.maximum_instruments", "256"),
        ("wal_sender_timeout", "2s"),
    ];
    let venue = migrated_venue_with(&settings, Some(DATE));
    let network = Network::to(venue.cluster());
    let reports = Subscriber::reports(&network.connection());
    // As `venue report` does: PostgreSQL can lose track of a first copy that is cut off at its end.
    reports.wait_until_copied(&[]);

    // The subscriber stops while it follows, misses some, and comes back while more come.
    let trading = Day::begin(&venue);
    trading.wait_until(&venue, 4_000);
    reports.cluster().stop(StopMode::Fast).expect("the subscriber stops");
    trading.wait_until(&venue, 8_000);
    reports.cluster().start().expect("the subscriber starts");
    trading.wait_until(&venue, 11_000);

    // The network is cut: neither side is told, and both notice.
    network.cut();
    let before = network.connections();
    trading.pause();
    wait_until("the venue has given up the connection", || {
        venue.superuser().is_true(
            "SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'exchange_reports'",
        )
    });
    wait_until("the subscriber tries again", || network.connections() > before);
    let trading = Day::begin(&venue);
    trading.wait_until(&venue, 15_000);
    network.repair();
    trading.wait_until(&venue, 18_000);

    // The venue loses its power.
    venue.cluster().kill9().expect("the server can be killed");
    trading.end_of_exchange();
    venue.cluster().start().expect("the server starts again");
    venue.wait_until_running();
    audit::settle(&venue);
    let trading = Day::begin(&venue);
    trading.wait_until(&venue, 22_000);
    bust_some(&venue);

    // The venue gets a new version: first the subscriber, as the documentation says.
    let update = Update::install(&venue);
    if let Some(update) = &update {
        reports.session().run(&format!(
            "ALTER TABLE exchange.calendar_exceptions ADD COLUMN note text; {TABLE_OF_UPDATE}"
        ));
        update.run(&venue);
        reports.session().run("ALTER SUBSCRIPTION exchange_reports REFRESH PUBLICATION");
        venue.superuser().run(ROWS_OF_UPDATE);
    }
    trading.close();
    bust_some(&venue);

    reports.wait_until_caught_up(&venue, DISCONNECTED);
    reports.assert_equal(&venue, "exchange_reports");
    assert_is_a_day(&reports, update.is_some());
    audit::assert_sound(&venue, &[]);

    // The day is closed, and both report the same of it.
    venue.superuser().run(&format!("SELECT * FROM exchange.close_day('{DATE}')"));
    reports.wait_until_caught_up(&venue, DISCONNECTED);
    reports.assert_equal(&venue, "exchange_reports");
    let (mut at_venue, mut at_reports) = (venue.superuser(), reports.session());
    for report in REPORTS {
        let query = format!(
            "SELECT * FROM exchange.{}",
            report.replace("{range}", &format!("'{DATE}', '{DATE}'"))
        );
        let rows = assert_same_rows(report, at_venue.rows(&query), at_reports.rows(&query));
        assert!(rows > 0 || report.contains("candidates"), "{report}");
    }
}

/// Reports that a reporting database can make.
const REPORTS: [&str; 14] = [
    "account_movements({range})",
    "account_activity({range})",
    "account_statement(2, {range})",
    "trade_history({range})",
    "orders_and_executions({range})",
    "trade_summary({range})",
    "net_obligations({range})",
    "realised_gains({range})",
    "order_to_trade_ratios({range})",
    "wash_trade_candidates({range})",
    "layering_candidates({range})",
    "large_positions('2026-11-20')",
    "tax_report(2026)",
    "settlement_obligations",
];

fn bust_some(venue: &Venue) {
    let mut superuser = venue.superuser();
    superuser.wait_for_tables();
    superuser.run(
        "SELECT exchange.bust_trade(trade_id) FROM (
             SELECT trade_id FROM exchange.trades WHERE busted_at IS NULL ORDER BY 1 DESC LIMIT 5) AS t",
    );
}

/// Whether the reporting database shows a day with all that a day has.
fn assert_is_a_day(reports: &Subscriber, is_updated: bool) {
    let mut session = reports.session();
    for what in [
        "SELECT count(*) > 10000 FROM exchange.orders",
        "SELECT count(DISTINCT order_type) > 2 FROM exchange.orders",
        "SELECT count(*) > 100 FROM exchange.trades WHERE in_auction",
        "SELECT count(*) = 10 FROM exchange.trades WHERE busted_at IS NOT NULL",
        "SELECT count(*) = 20 FROM exchange.executions WHERE busted_at IS NOT NULL",
        "SELECT sum(fee) > 0 FROM exchange.executions",
        "SELECT fees > 0 FROM exchange.currencies",
        "SELECT bool_and(difference = 0) FROM exchange.conservation",
        "SELECT count(*) > 100 FROM exchange.balances JOIN exchange.holdings USING (account_id)",
    ] {
        assert!(session.is_true(what), "{what}");
    }
    if is_updated {
        assert_eq!(
            session.rows("SELECT * FROM exchange.venue_notes ORDER BY 1"),
            ["after", "before"]
        );
        let noted = "SELECT trade_date FROM exchange.calendar_exceptions WHERE note = 'noted'";
        assert_eq!(session.rows(noted), ["2026-12-25"]);
    }
}

/// What the version of the test adds.
const TABLE_OF_UPDATE: &str = "CREATE TABLE exchange.venue_notes (note text PRIMARY KEY);";

const ROWS_OF_UPDATE: &str =
    "UPDATE exchange.calendar_exceptions SET note = 'noted' WHERE trade_date = '2026-12-25';
     INSERT INTO exchange.venue_notes VALUES ('after');";

/// A version of the extension that adds a column to a published table, and a published table.
struct Update {
    script: PathBuf,
}

impl Update {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "+replication-test");

    /// Puts it where the server looks for it; `None` where we may not.
    fn install(venue: &Venue) -> Option<Self> {
        let pg_config = std::env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_owned());
        let shared = Command::new(pg_config).arg("--sharedir").output().expect("pg_config runs");
        let folder = Path::new(String::from_utf8_lossy(&shared.stdout).trim()).join("extension");
        let installed = "SELECT extversion FROM pg_extension WHERE extname = 'pg_exchange'";
        let installed = venue.superuser().one(installed);
        let script = folder.join(format!("pg_exchange--{installed}--{}.sql", Self::VERSION));
        let text = format!(
            "ALTER TABLE exchange.calendar_exceptions ADD COLUMN note text;
             {TABLE_OF_UPDATE}
             INSERT INTO exchange.venue_notes VALUES ('before');
             ALTER PUBLICATION exchange_reports ADD TABLE exchange.venue_notes;"
        );
        match fs::write(&script, text) {
            Ok(()) => Some(Self { script }),
            Err(error) => {
                println!(
                    "NOT TESTED: the update, since {} cannot be written: {error}",
                    script.display()
                );
                None
            }
        }
    }

    fn run(&self, venue: &Venue) {
        venue
            .superuser()
            .run(&format!("ALTER EXTENSION pg_exchange UPDATE TO '{}'", Self::VERSION));
    }
}

impl Drop for Update {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.script);
    }
}

#[test]
fn a_subscriber_that_is_updated_too_late_goes_on_where_it_was() {
    let venue = super::migrated_venue();
    let mut publisher = venue.superuser();
    let reports = Subscriber::reports(&venue.cluster().connection(DATABASE, SUPERUSER));
    reports.wait_until_copied(&[]);
    publisher.run("ALTER TABLE exchange.calendar_exceptions ADD COLUMN note text");
    publisher.run(
        "UPDATE exchange.calendar_exceptions SET note = 'noted' WHERE trade_date = '2026-12-25'",
    );
    wait_until("the subscriber complains", || {
        reports.cluster().log().contains("missing replicated column: \"note\"")
    });
    // The venue does not mind.
    publisher.run("SELECT exchange.open_market()");
    publisher.place("'AAPL', 'buy', 230, 100, account_id => 2");
    reports.session().run("ALTER TABLE exchange.calendar_exceptions ADD COLUMN note text");
    reports.wait_until_caught_up(&venue, &["missing replicated column: \"note\""]);
    reports.assert_equal(&venue, "exchange_reports");
}
