//! Earlier versions of the extension, and the way from them to this one.

mod objects;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::programs::{client, run};
use tests::random::seed;
use tests::traders::{Floor, Trading, WhenDisconnected};
use tests::{Session, Venue, audit, content, wait_until};
use venue::cluster::{DATABASE, SUPERUSER, StopMode};

/// The versions that can be updated.
const EARLIER: [&str; 1] = ["0.1.0"];

/// This one.
const NEWEST: &str = env!("CARGO_PKG_VERSION");

fn create(session: &mut Session, version: &str) {
    session.run(&format!("CREATE EXTENSION pg_exchange VERSION '{version}'"));
}

fn version(session: &mut Session) -> String {
    session.one("SELECT extversion FROM pg_extension WHERE extname = 'pg_exchange'")
}

#[test]
fn an_updated_database_has_the_objects_of_a_new_one() {
    let venue = Venue::empty(&[]);
    let database = |name: &str, version: &str| {
        venue.cluster().create_database(name).expect("the database can be created");
        let mut session = venue.session_in(name, SUPERUSER);
        create(&mut session, version);
        session
    };
    let mut new = database("new", NEWEST);
    for earlier in EARLIER {
        let mut updated = database(&format!("updated from {earlier}"), earlier);
        let before = objects::of(&mut updated);
        updated.run("ALTER EXTENSION pg_exchange UPDATE");
        assert_eq!(version(&mut updated), NEWEST);
        let (expected, found) = (objects::of(&mut new), objects::of(&mut updated));
        let differences = objects::differences(&expected, &found);
        assert!(differences.is_empty(), "updated from {earlier}:\n{}", differences.join("\n"));
        // The comparison sees what an update changes.
        assert!(!objects::differences(&expected, &before).is_empty());
    }
}

/// Says that the library waits for an update.
#[track_caller]
fn assert_waits_for_update(session: &mut Session, earlier: &str) {
    let failure = session.failure("SELECT * FROM exchange.place_order('ALFA', 'buy', 10, 10)");
    assert_eq!(failure.code, "55000", "{failure}");
    let difference = format!("the extension is version {earlier}, the library is {NEWEST}");
    assert_eq!(failure.message, difference);
    assert!(failure.hint.contains("ALTER EXTENSION pg_exchange UPDATE"), "{failure}");
    let because = "SELECT value FROM exchange.status WHERE item = 'halted because'";
    assert_eq!(
        session.one(because),
        format!("{difference}: run ALTER EXTENSION pg_exchange UPDATE")
    );
    let states =
        session.rows("SELECT DISTINCT state FROM exchange.workers WHERE worker <> 'launcher'");
    assert_eq!(states, ["waiting"]);
}

#[test]
fn an_update_keeps_every_row() {
    for earlier in EARLIER {
        // The days of the fixture are over.
        let venue = Venue::empty(&[("exchange.simulated_clock", "on")]);
        venue.cluster().create_database(DATABASE).expect("the database can be created");
        let mut session = venue.superuser();
        session.run("CREATE ROLE broker_one LOGIN; CREATE ROLE broker_two LOGIN");
        create(&mut session, earlier);
        let fixture =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/venue-{earlier}.dump"));
        let mut restore = client(&venue, "pg_restore");
        restore.args(["--data-only", "--exit-on-error", "--dbname", DATABASE]);
        restore.stdin(File::open(&fixture).expect("the fixture is there"));
        run(&mut restore);
        wait_until("the matcher says what it waits for", || {
            venue.cluster().log().contains("run ALTER EXTENSION pg_exchange UPDATE")
        });
        assert_waits_for_update(&mut session, earlier);
        // The fixture is worth it.
        for kind in [
            "SELECT count(DISTINCT order_type) = 6 FROM exchange.orders",
            "SELECT count(DISTINCT status) = 6 FROM exchange.orders",
            "SELECT count(*) > 5 FROM exchange.trades WHERE in_auction",
            "SELECT count(*) > 3 FROM exchange.trades WHERE busted_at IS NOT NULL",
            "SELECT count(*) > 50 FROM exchange.client_orders",
            "SELECT count(*) = 1 FROM exchange.closed_days",
            "SELECT count(*) > 0 FROM exchange.settlement_obligations WHERE status = 'settled'",
            "SELECT count(*) = 2 FROM exchange.consumer_settings",
        ] {
            assert!(session.is_true(kind), "{kind}");
        }

        let tables = content::tables(&mut session);
        let before = content::of_tables(&mut session, &tables);
        session.run("BEGIN; ALTER EXTENSION pg_exchange UPDATE");
        assert_eq!(content::of_tables(&mut session, &tables), before);
        session.run("COMMIT");
        assert_eq!(version(&mut session), NEWEST);

        // Nobody restarts anything.
        venue.wait_until_running();
        let last = session.number("SELECT max(last_sequence) FROM exchange.journal");
        assert_eq!(session.number("SELECT matched FROM exchange.pg_stat_exchange"), last);
        assert_eq!(session.place("'ALFA', 'buy', 9.50, 10, account_id => 1"), last + 1);
        audit::assert_sound(&venue, &[]);
        let next = "SELECT min(sequence) > 0 FROM exchange.fetch_events('everything')";
        assert!(session.is_true(next));
        // The day that has begun goes on to its end, and can be closed.
        session.run("SELECT exchange.advance_clock('2026-11-23 12:00Z')");
        session.run("SELECT * FROM exchange.close_day('2026-11-20')");
        audit::assert_sound(&venue, &[]);
        assert_eq!(venue.worker_complaints_since(0), [""; 0]);
    }
}

/// An update script that another version would bring, where we may write it.
struct Script(PathBuf);

impl Script {
    fn install(to: &str, text: &str) -> Option<Self> {
        let pg_config = std::env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_owned());
        let shared = run(Command::new(pg_config).arg("--sharedir"));
        let name = format!("extension/pg_exchange--{NEWEST}--{to}.sql");
        let script = Self(Path::new(shared.trim()).join(name));
        match std::fs::write(&script.0, text) {
            Ok(()) => Some(script),
            Err(error) => {
                println!("NOT TESTED: {} cannot be written: {error}", script.0.display());
                None
            }
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn an_update_that_the_library_does_not_serve_is_undone() {
    let Some(_script) = Script::install("9.9.9", "CREATE TABLE exchange.of_the_future (n int);")
    else {
        return;
    };
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    let failure = session.failure("ALTER EXTENSION pg_exchange UPDATE TO '9.9.9'");
    assert_eq!(failure.code, "55000", "{failure}");
    assert_eq!(failure.message, "the library does not serve version 9.9.9 of the extension");
    assert!(failure.hint.contains("Restart the server"), "{failure}");
    assert_eq!(version(&mut session), NEWEST);
    assert!(session.is_true("SELECT to_regclass('exchange.of_the_future') IS NULL"));
    session.place(&format!("'{symbol}', 'buy', 1, 10"));
    audit::assert_sound(&venue, &[]);
}

#[test]
fn pg_upgrade_moves_an_exchange() {
    let old = Venue::start(&[]);
    let floor = Floor::open(&old, 4);
    old.superuser().run("SELECT exchange.create_publications()");
    let trading = Trading::start(&old, &floor, floor.newcomers(), WhenDisconnected::Leave, seed());
    trading.wait_for_calls(1_000);
    let memories = trading.finish();
    audit::assert_sound(&old, &memories);
    let mut session = old.superuser();
    let before = content::of(&mut session);
    let last = session.number("SELECT matched FROM exchange.pg_stat_exchange");
    drop(session);
    old.cluster().stop(StopMode::Fast).expect("the old server stops");

    let new = Venue::stopped(&[]);
    let programs =
        run(Command::new(std::env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_owned()))
            .arg("--bindir"));
    let (from, to) = (old.cluster().data_directory(), new.cluster().data_directory());
    let home = to.parent().expect("the data folder is in the cluster's");
    let mut upgrade = new.cluster().server_command("pg_upgrade");
    upgrade.current_dir(home).args(["--username", SUPERUSER, "--old-bindir", programs.trim()]);
    upgrade
        .args(["--new-bindir", programs.trim(), "--socketdir"])
        .arg(new.cluster().socket_directory());
    upgrade.arg("--old-datadir").arg(&from).arg("--new-datadir").arg(&to);
    run(&mut upgrade);
    new.cluster().start().expect("the new server starts");
    new.wait_until_running();
    let mut session = new.superuser();
    assert_eq!(session.number("SELECT matched FROM exchange.pg_stat_exchange"), last);
    assert_eq!(content::of(&mut session), before);
    session.run("SELECT exchange.deposit(1, 'USD', 1000000)");
    assert_eq!(session.place("'ALFA', 'buy', 0.01, 1, account_id => 1"), last + 2);
    audit::assert_sound(&new, &[]);
    assert_eq!(new.worker_complaints_since(0), [""; 0]);
}
