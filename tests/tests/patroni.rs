//! A venue that Patroni keeps, by the configuration that `docker/` installs: when the leader is gone
//! another node takes its place, and a client goes on.

mod client;
mod nodes;

use std::time::Duration;

use tests::{audit, wait_until};
use venue::cluster::SUPERUSER;

use client::Client;
use nodes::Nodes;

/// The account that trades is a broker's.
const BROKER: &str = "broker";

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
    client.wait_for_orders(200);
    let leader = nodes.leader().expect("there is one");
    println!("the leader was {leader}; it is killed");
    nodes.kill(&leader);
    // Its place is another's when the client gets an answer again.
    client.wait_for_orders(1);
    let new_leader = nodes.leader().expect("there is one");
    assert_ne!(new_leader, leader);
    client.wait_for_orders(200);
    nodes.start_again(&leader);
    nodes.wait_for_leader_and_standby();
    assert_eq!(nodes.leader().as_ref(), Some(&new_leader), "nothing has happened to it");
    client.wait_for_orders(200);
    let told = client.finish();
    println!(
        "{} orders acknowledged; the longest time without an answer was {} ms; {} connections, {} \
         calls that were repeated",
        told.orders.len(),
        told.longest_gap.as_millis(),
        told.connections,
        told.repeated,
    );
    assert!(told.connections > 1 && told.longest_gap > Duration::from_secs(1));

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

    // The one that was killed has what only it had no more, and all that the other one has.
    let end = superuser.one("SELECT pg_current_wal_insert_lsn()");
    superuser.run("SELECT pg_logical_emit_message(true, 'tests', 'all is written')");
    let mut standby = nodes.session_on(&leader, SUPERUSER);
    wait_until("the standby has caught up", || {
        standby.is_true(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'"))
    });
    let orders = "SELECT order_id, status, client_order_id FROM exchange.orders ORDER BY order_id";
    assert_eq!(standby.rows(orders), superuser.rows(orders));
}
