//! The example that follows a publication, on a real exchange. The extension must be installed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use postgres::Client;
use venue::cluster::{Cluster, DATABASE, SUPERUSER};
use venue::migrate;

/// The program, which cargo builds with the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples/follow")
}

fn follow(cluster: &Cluster, slot: &str, publication: &str) -> (Child, mpsc::Receiver<String>) {
    let mut child = Command::new(program())
        .args([&cluster.connection_string(DATABASE), slot, publication])
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo has built the example");
    let out = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|l| send.send(l)));
    (child, lines)
}

/// Reads executions until all that the exchange has are there.
fn read(lines: &mpsc::Receiver<String>, told: &mut BTreeSet<String>, client: &mut Client) {
    let executions = client
        .query(
            "SELECT format('insert exchange.executions trade_id=%s order_id=%s account_id=%s ',
                           trade_id, order_id, account_id)
             FROM exchange.executions JOIN exchange.accounts USING (account_id)
             WHERE owner = 'broker_alpha'",
            &[],
        )
        .unwrap();
    let expected: BTreeSet<String> = executions.iter().map(|row| row.get(0)).collect();
    let has_all = |told: &BTreeSet<String>| {
        expected.iter().all(|start| told.iter().any(|line| line.starts_with(start)))
    };
    while !has_all(told) {
        let line = lines.recv_timeout(Duration::from_secs(30)).expect("a line is still to come");
        if line.contains(" exchange.executions ") {
            told.insert(line);
        }
    }
    assert_eq!(told.len(), expected.len(), "nobody else's: {told:#?}");
}

fn trade(client: &mut Client) {
    client
        .batch_execute(
            "SELECT exchange.place_order('AAPL', 'buy', 230.5, 100, account_id => 2 + n, order_type => 'limit')
             FROM generate_series(0, 3) AS n;
             SELECT exchange.place_order('AAPL', 'sell', 230.5, 150, account_id => 12 + n)
             FROM generate_series(0, 1) AS n;
             SELECT exchange.wait_for('projected')",
        )
        .unwrap();
}

#[test]
fn a_program_that_is_killed_goes_on_where_it_had_confirmed() {
    let settings = [("shared_buffers", "32MB"), ("exchange.calendar", "off")];
    let cluster = Cluster::temporary(&settings).unwrap();
    cluster.start().unwrap();
    cluster.create_database(DATABASE).unwrap();
    migrate::run(&cluster.connection(DATABASE, SUPERUSER), &migrate::project_migrations()).unwrap();
    let mut client = cluster.connect(DATABASE, SUPERUSER).unwrap();
    for statement in [
        "SELECT exchange.open_market()",
        "SELECT exchange.create_drop_copy('broker_alpha')",
        "SELECT pg_create_logical_replication_slot('alpha', 'pgoutput')",
    ] {
        client.batch_execute(statement).unwrap();
    }

    let mut told = BTreeSet::new();
    for _ in 0..3 {
        let (mut child, lines) = follow(&cluster, "alpha", "exchange_drop_copy_broker_alpha");
        trade(&mut client);
        read(&lines, &mut told, &mut client);
        child.kill().unwrap();
        child.wait().unwrap();
        // The next one may not read the slot before the server has noticed.
        let active = "SELECT active FROM pg_replication_slots WHERE slot_name = 'alpha'";
        while client.query_one(active, &[]).unwrap().get(0) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // What comes while nobody reads.
        trade(&mut client);
    }
    let (mut child, lines) = follow(&cluster, "alpha", "exchange_drop_copy_broker_alpha");
    read(&lines, &mut told, &mut client);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told.len() >= 24, "{}", told.len());
}
