//! A venue that Patroni keeps, by the configuration that `docker/` installs: when the leader is gone
//! another node takes its place, and a client goes on.

mod client;
mod nodes;

use tests::{audit, wait_until};
use venue::cluster::SUPERUSER;

use client::Client;
use nodes::Nodes;

/// The account that trades is a broker's.
const BROKER: &str = "broker";

/// Kills the leader, or a part of it, while a client trades, and returns which one it was when the client
/// trades on.
fn fail_over(nodes: &Nodes, client: &Client, kill: impl FnOnce(&str)) -> String {
    client.wait_for_orders(200);
    let leader = nodes.leader().expect("there is one");
    client.longest_gap();
    kill(&leader);
    wait_until("another node leads", || nodes.leader().is_some_and(|found| found != leader));
    client.wait_for_orders(200);
    println!("{leader} was killed: {} ms without an answer", client.longest_gap().as_millis());
    leader
}

#[test]
fn a_client_trades_on_when_the_leader_is_gone_and_has_lost_nothing() {
    let nodes = Nodes::start(&["east", "west"]);
    nodes.wait_for_leader_and_standby();
    let mut superuser = nodes.session(SUPERUSER);
    tests::venues::open(&mut superuser);
    superuser.run(&format!(
        "CREATE ROLE {BROKER} LOGIN PASSWORD '{}'; GRANT exchange_trader TO {BROKER}",
        nodes::PASSWORD
    ));
    superuser.run("SELECT exchange.create_instrument('ACME', 0.01)");
    superuser.run(&format!("SELECT exchange.verify_account(exchange.open_account('{BROKER}'))"));
    tests::venues::fund(&mut superuser, "true", "true");

    let client = Client::start(nodes.connection(BROKER));
    // First a machine is lost, then a server alone.
    let lost = fail_over(&nodes, &client, |leader| nodes.kill(leader));
    nodes.start_again(&lost);
    nodes.wait_for_leader_and_standby();
    assert_ne!(nodes.leader().as_ref(), Some(&lost), "it comes back as a standby");
    let crashed = fail_over(&nodes, &client, |leader| nodes.kill_server(leader));
    nodes.wait_for_leader_and_standby();
    assert_ne!(nodes.leader().as_ref(), Some(&crashed), "it comes back as a standby");
    client.wait_for_orders(200);
    let told = client.finish();
    println!(
        "{} orders acknowledged by {} connections, {} calls repeated; rewinds: {} and {}",
        told.orders.len(),
        told.connections,
        told.repeated,
        nodes.rewinds(&lost),
        nodes.rewinds(&crashed),
    );

    let mut superuser = nodes.session(SUPERUSER);
    superuser.wait_for_tables();
    superuser.wait_for_books();
    let entered = superuser.rows(
        "SELECT client_order_id, order_id FROM exchange.orders WHERE client_order_id IS NOT NULL
         ORDER BY order_id",
    );
    let mut acknowledged: Vec<(String, i64)> = told.orders.into_iter().collect();
    acknowledged.sort_by_key(|(_, order_id)| *order_id);
    let acknowledged: Vec<String> =
        acknowledged.iter().map(|(name, order_id)| format!("{name}|{order_id}")).collect();
    assert_eq!(
        entered, acknowledged,
        "every order that was acknowledged is there once, and no other"
    );
    let verdict = audit::audit(&mut superuser, &[]);
    println!("audit: {verdict}");
    assert!(verdict.findings.is_empty(), "{verdict}");

    // What only one of them had is gone.
    let end = superuser.one("SELECT pg_current_wal_insert_lsn()");
    superuser.run("SELECT pg_logical_emit_message(true, 'tests', 'all is written')");
    let mut standby = nodes.session_on(&crashed, SUPERUSER);
    wait_until("the standby has caught up", || {
        standby.is_true(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'"))
    });
    let orders = "SELECT order_id, status, client_order_id FROM exchange.orders ORDER BY order_id";
    assert_eq!(standby.rows(orders), superuser.rows(orders));
}
