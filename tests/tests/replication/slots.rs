//! A subscriber that does not come back in time: the venue keeps a bounded part of the WAL for it.

use std::fs;
use std::path::Path;

use tests::{Session, audit, wait_until};
use venue::cluster::{DATABASE, SUPERUSER, StopMode};

use super::migrated_venue_with;
use super::subscriber::{DISCONNECTED, Subscriber};

/// The statements of a block of docs/replication.md, each on its own as psql sends them.
pub fn documented(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/replication.md");
    let markdown = fs::read_to_string(path).expect("the documentation is there");
    let begin = format!("```sql {language}\n");
    let mut statements = Vec::new();
    for block in markdown.split(&begin).skip(1) {
        let (block, _) = block.split_once("```").expect("a block ends");
        let mut statement = String::new();
        for line in block.lines().map(str::trim) {
            statement.push_str(line);
            statement.push('\n');
            if line.ends_with(';') && statement.matches("$$").count() != 1 {
                statements.push(std::mem::take(&mut statement));
            }
        }
        assert_eq!(statement.trim(), "", "a statement ends with its block");
    }
    assert!(!statements.is_empty(), "{begin} is documented");
    statements
}

fn status(session: &mut Session) -> String {
    session.one("SELECT value FROM exchange.status WHERE item = 'slot exchange_reports'")
}

fn slot(session: &mut Session, column: &str) -> String {
    session.one(&format!(
        "SELECT {column} FROM exchange.replication_slots WHERE slot_name = 'exchange_reports'"
    ))
}

#[test]
fn a_dead_subscriber_loses_its_slot_and_comes_back() {
    let settings = [
        ("max_slot_wal_keep_size", "16MB"),
        ("min_wal_size", "32MB"),
        ("max_wal_size", "64MB"),
        ("exchange.calendar", "off"),
    ];
    let venue = migrated_venue_with(&settings, None);
    let mut publisher = venue.superuser();
    publisher.run("SELECT exchange.open_market()");
    let mut account = 1;
    let mut trade = |publisher: &mut Session| {
        account = account % 40 + 1;
        publisher.place(&format!("'AAPL', 'buy', 230.5, 100, account_id => {account}"));
        publisher.place(&format!("'AAPL', 'sell', 230.5, 60, account_id => {}", account + 1));
        publisher.wait_for_tables();
    };
    trade(&mut publisher);
    let reports = Subscriber::reports(&venue.cluster().connection(DATABASE, SUPERUSER));
    reports.wait_until_caught_up(&venue, &[]);
    reports.assert_equal(&venue, "exchange_reports");
    assert!(status(&mut publisher).starts_with("active, "), "{}", status(&mut publisher));
    for statement in documented("reports") {
        reports.session().run(&statement);
    }

    // It is gone, and the exchange goes on.
    reports.cluster().stop(StopMode::Fast).expect("the subscriber stops");
    wait_until("the venue has noticed", || slot(&mut publisher, "active") == "f");
    assert!(status(&mut publisher).starts_with("inactive, "), "{}", status(&mut publisher));
    let before = slot(&mut publisher, "bytes_until_lost").parse::<i64>().expect("a number");
    for _ in 0..10 {
        trade(&mut publisher);
        // As much as a few thousand orders write.
        publisher.run(
            "SELECT pg_logical_emit_message(false, 'tests', repeat('x', 1000000)) FROM generate_series(1, 8)",
        );
    }
    let after = slot(&mut publisher, "bytes_until_lost").parse::<i64>().expect("a number");
    assert!(after < before, "{after} bytes are left, after {before}");
    publisher.run("CHECKPOINT");
    wait_until("the slot is lost", || slot(&mut publisher, "wal_status") == "lost");
    assert_eq!(slot(&mut publisher, "retained_bytes"), "-");
    assert!(status(&mut publisher).starts_with("lost: "), "{}", status(&mut publisher));
    // Everybody sees it.
    let broker = venue.session("broker_alpha").one(
        "SELECT wal_status FROM exchange.replication_slots WHERE slot_name = 'exchange_reports'",
    );
    assert_eq!(broker, "lost");
    let kept = publisher.number("SELECT sum(size) FROM pg_ls_waldir()");
    assert!(kept <= 96 << 20, "{kept} bytes of WAL are kept");
    trade(&mut publisher);

    // The subscriber comes back, and cannot go on.
    reports.cluster().start().expect("the subscriber starts");
    const LOST: &str = "cannot read from logical replication slot";
    wait_until("the subscriber is told", || reports.cluster().log().contains(LOST));
    trade(&mut publisher);

    // The way back that is documented.
    for statement in documented("reports-again") {
        reports.session().run(&statement);
    }
    trade(&mut publisher);
    let mut expected = DISCONNECTED.to_vec();
    expected.push(LOST);
    reports.wait_until_caught_up(&venue, &expected);
    reports.assert_equal(&venue, "exchange_reports");
    assert!(status(&mut publisher).starts_with("active, "), "{}", status(&mut publisher));
    audit::assert_sound(&venue, &[]);
}
