//! Programs of others that follow the venue: as docs/replication.md shows them.

use std::path::Path;
use std::process::Command;

use tests::Venue;
use venue::cluster::{DATABASE, SUPERUSER};

use super::migrated_venue;

/// Trades in one instrument: what each program must tell of.
fn trade(venue: &Venue) {
    let mut session = venue.superuser();
    session.place("'AAPL', 'buy', 230.5, 100, account_id => 2");
    session.place("'AAPL', 'sell', 230.5, 60, account_id => 3");
    session.place("'AAPL', 'sell', 230.5, 40, account_id => 4");
    session.wait_for_tables();
}

/// What is written to the WAL up to here is on disk, and a program that reads so far has it all.
fn end(venue: &Venue) -> String {
    let mut session = venue.superuser();
    session.run("SELECT pg_logical_emit_message(true, 'tests', 'all is traded')");
    session.one("SELECT pg_current_wal_lsn()")
}

/// Runs a program to its end.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("the program can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn recvlogical(venue: &Venue, slot: &str, arguments: &[&str]) -> String {
    let mut command = venue.cluster().server_command("pg_recvlogical");
    command.args(["--dbname", &venue.cluster().connection_string(DATABASE), "--slot", slot]);
    output(command.args(arguments))
}

/// Lets every role use an output plug-in, where PostgreSQL asks for that.
fn allow_plugin(venue: &Venue, plugin: &str) {
    let mut superuser = venue.superuser();
    for allowed in
        superuser.rows("SELECT setting FROM pg_settings WHERE name = 'output_plugin_libraries'")
    {
        superuser.run(&format!("ALTER SYSTEM SET output_plugin_libraries = {allowed}, {plugin}"));
        superuser.run("SELECT pg_reload_conf()");
        tests::wait_until("the setting is read", || {
            venue.superuser().one("SHOW output_plugin_libraries").contains(plugin)
        });
    }
}

/// Whether the PostgreSQL of the tests has wal2json.
fn has_wal2json(venue: &Venue) -> bool {
    let library = venue.cluster().installation().library("wal2json");
    if !library.exists() {
        println!("NOT TESTED: wal2json, since there is no {}", library.display());
    }
    library.exists()
}

#[test]
fn pg_recvlogical_reads_a_publication() {
    let venue = migrated_venue();
    venue.superuser().run("SELECT exchange.open_market()");
    recvlogical(&venue, "tape", &["--create-slot", "--plugin", "pgoutput"]);
    trade(&venue);
    let end = end(&venue);
    let options = ["proto_version=1", "publication_names=exchange_market_data"];
    let told = recvlogical(
        &venue,
        "tape",
        &[
            "--start", "--endpos", &end, "--option", options[0], "--option", options[1], "--file",
            "-",
        ],
    );
    // pgoutput is binary, but for the values in it.
    for text in
        ["exchange\0trades\0", "AAPL", "230.5", "exchange\0candles\0", "exchange\0market_data\0"]
    {
        assert!(told.contains(text), "{text} is not told of");
    }
    assert!(!told.contains("account_id"), "the public market names no account");
    recvlogical(&venue, "tape", &["--drop-slot"]);
}

#[test]
fn wal2json_tells_it_in_json() {
    let venue = migrated_venue();
    if !has_wal2json(&venue) {
        return;
    }
    venue.superuser().run("SELECT exchange.open_market()");
    allow_plugin(&venue, "wal2json");
    recvlogical(&venue, "json", &["--create-slot", "--plugin", "wal2json"]);
    trade(&venue);
    let end = end(&venue);
    let options = ["format-version=2", "add-tables=exchange.*"];
    let told = recvlogical(
        &venue,
        "json",
        &[
            "--start", "--endpos", &end, "--option", options[0], "--option", options[1], "--file",
            "-",
        ],
    );
    let rows = |table: &str| {
        let of_table = format!("\"table\":\"{table}_20");
        told.lines()
            .filter(|line| line.contains("\"action\":\"I\"") && line.contains(&of_table))
            .count()
    };
    assert_eq!((rows("trades"), rows("finished_orders"), rows("executions")), (2, 3, 4), "{told}");
    let trade = r#"{"name":"quantity","type":"bigint","value":60}"#;
    assert!(told.contains(trade), "{told}");
}

#[test]
fn psycopg_follows_executions_and_goes_on_where_it_was() {
    // Debian's, which has Debian's psycopg2.
    const PYTHON: &str = "/usr/bin/python3";
    let venue = migrated_venue();
    let has_psycopg = Command::new(PYTHON).args(["-c", "import psycopg2"]).output();
    if !has_psycopg.is_ok_and(|output| output.status.success()) {
        println!("NOT TESTED: psycopg, since {PYTHON} has no psycopg2");
        return;
    }
    if !has_wal2json(&venue) {
        return;
    }
    let mut superuser = venue.superuser();
    superuser.run("SELECT exchange.open_market()");
    superuser.run("CREATE ROLE follower LOGIN REPLICATION IN ROLE exchange_reporter");
    let mut follower = venue.session("follower");
    let create_slot = "SELECT pg_create_logical_replication_slot('psycopg', 'wal2json')";
    if superuser
        .is_true("SELECT count(*) > 0 FROM pg_settings WHERE name = 'output_plugin_libraries'")
    {
        follower.failure(create_slot);
    }
    allow_plugin(&venue, "wal2json");
    follower.run(create_slot);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/follow.py");
    let follow = |how_many: &str| {
        let dsn = venue.cluster().connection(DATABASE, "follower").url();
        output(Command::new(PYTHON).arg(&script).args([&dsn, "psycopg", how_many]))
    };
    trade(&venue);
    let told = follow("4");
    let executed = superuser.rows(
        "SELECT format('executed %s %s %s %s %s at %s', trade_id, order_id, symbol, side, quantity, price)
         FROM exchange.executions",
    );
    let sorted = |lines: Vec<String>| {
        let mut lines = lines;
        lines.sort();
        lines
    };
    let lines = |told: &str| sorted(told.lines().map(str::to_owned).collect());
    assert_eq!(lines(&told), sorted(executed));
    // What comes while it is away.
    superuser.run("SELECT exchange.bust_trade(1)");
    superuser.wait_for_tables();
    let told = follow("2");
    let busted = told.lines().filter(|line| line.starts_with("busted 1 ")).count();
    assert_eq!(busted, 2, "{told}");
}

/// The roles with REPLICATION are bound by nothing, as the documentation warns.
#[test]
fn a_role_with_replication_reads_every_publication() {
    let venue = migrated_venue();
    let mut superuser = venue.superuser();
    superuser.run("SELECT exchange.open_market(); CREATE ROLE outsider LOGIN REPLICATION");
    let mut outsider = venue.session("outsider");
    assert_eq!(outsider.failure("SELECT * FROM exchange.executions").code, "42501");
    outsider.run("SELECT pg_create_logical_replication_slot('outsider', 'pgoutput')");
    trade(&venue);
    // What is not on disk yet is not decoded.
    end(&venue);
    let told = outsider.one(
        "SELECT string_agg(encode(data, 'escape'), '') FROM pg_logical_slot_get_binary_changes(
             'outsider', NULL, NULL, 'proto_version', '1', 'publication_names', 'exchange_reports')",
    );
    assert!(told.contains("account_id") && told.contains("AAPL"), "it reads what it may not");
    // Without it, nobody does.
    let mut broker = venue.session("broker_alpha");
    let failure = broker.failure("SELECT pg_create_logical_replication_slot('broker', 'pgoutput')");
    assert_eq!(failure.code, "42501");
    assert_eq!(SUPERUSER, superuser.one("SELECT current_user"));
}
