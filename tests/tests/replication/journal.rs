//! The journal as a stream of blocks, decoded on the other side.

use tests::random::seed;
use tests::traders::{Floor, Trading, WhenDisconnected};
use tests::{Venue, wait_until};
use venue::cluster::{Cluster, DATABASE, SUPERUSER};

use super::slots::documented;
use super::subscriber::assert_same_rows;

#[test]
fn a_subscriber_decodes_the_blocks_of_the_journal() {
    let venue = Venue::start(&[]);
    let mut publisher = venue.superuser();
    publisher.run("SELECT exchange.create_publications()");
    let floor = Floor::open(&venue, 4);

    // It has the library and the extension, but is no exchange: nothing is preloaded.
    let archive =
        Cluster::temporary(&[("shared_preload_libraries", ""), ("shared_buffers", "32MB")])
            .expect("a cluster can be made");
    archive
        .define_service("pg_exchange", &venue.cluster().connection(DATABASE, SUPERUSER))
        .unwrap();
    archive.start().expect("the cluster starts");
    archive.create_database("archive").expect("the database can be created");
    let mut subscriber = tests::Session::connect(&archive.connection("archive", SUPERUSER));
    for statement in documented("journal") {
        subscriber.run(&statement);
    }
    let trading =
        Trading::start(&venue, &floor, floor.newcomers(), WhenDisconnected::Reconnect, seed());
    trading.wait_for_calls(2_000);
    trading.finish();
    tests::audit::settle(&venue);
    let last = publisher.number("SELECT max(last_sequence) FROM exchange.journal");
    wait_until("the blocks have arrived", || {
        subscriber.number("SELECT coalesce(max(last_sequence), 0) FROM exchange.journal") == last
    });
    assert_same_rows(
        "exchange.journal",
        publisher.rows("SELECT * FROM exchange.journal"),
        subscriber.rows("SELECT * FROM exchange.journal"),
    );
    // As docs/replication.md shows.
    let decoded = subscriber.rows(
        "SELECT c.sequence, c.command, c.order_id, c.account_id
         FROM exchange.journal AS j
         CROSS JOIN LATERAL exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS c
         WHERE c.command = 'place_order' ORDER BY c.sequence",
    );
    let orders = publisher.rows("SELECT order_id FROM exchange.orders ORDER BY 1");
    assert!(orders.len() > 500, "{} orders are too few to tell", orders.len());
    let placed: Vec<&str> = decoded.iter().filter_map(|row| row.split('|').next()).collect();
    assert_eq!(placed, orders, "every order is a command of the journal");
}
