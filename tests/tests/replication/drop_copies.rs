//! Drop copies: the orders and executions of one participant, for a subscriber.

use tests::random::seed;
use tests::traders::{Floor, Memory, ROLE_PREFIX, Trading, WhenDisconnected};
use tests::{SharedVenue, Venue, audit};
use venue::cluster::{DATABASE, SUPERUSER};

use super::subscriber::{Subscriber, assert_same_rows};

fn trade(venue: &Venue, floor: &Floor, memories: Vec<Memory>, seed: u64) -> Vec<Memory> {
    let trading = Trading::start(venue, floor, memories, WhenDisconnected::Reconnect, seed);
    trading.wait_for_calls(1_500);
    trading.finish()
}

/// Busts the last trades of a participant.
fn bust(venue: &Venue, participant: &str) {
    let mut superuser = venue.superuser();
    superuser.wait_for_tables();
    let busted = superuser.rows(&format!(
        "SELECT exchange.bust_trade(trade_id) FROM (
             SELECT DISTINCT trade_id FROM exchange.executions JOIN exchange.accounts USING (account_id)
             WHERE owner = '{participant}' AND busted_at IS NULL ORDER BY 1 DESC LIMIT 3) AS t"
    ));
    assert_eq!(busted.len(), 3, "there are trades to bust");
}

/// Compares what the subscriber has with the rows of a participant.
fn assert_copied(venue: &Venue, copy: &Subscriber, participant: &str) {
    let (mut publisher, mut subscriber) = (venue.superuser(), copy.session());
    for table in ["orders", "executions"] {
        let published = publisher.rows(&format!(
            "SELECT t.* FROM exchange.{table} AS t JOIN exchange.accounts USING (account_id)
             WHERE owner = '{participant}'"
        ));
        let received = subscriber.rows(&format!("SELECT * FROM exchange.{table}"));
        let rows = assert_same_rows(table, published, received);
        assert!(rows > 100, "{rows} rows of {table} are too few to tell");
    }
}

#[test]
fn a_drop_copy_has_the_rows_of_its_participant_and_no_others() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, 4);
    let participant = format!("{ROLE_PREFIX}0");
    let seed = seed();
    let mut superuser = venue.superuser();

    // Some rows are there before it is made, some come while it is followed.
    let memories = trade(&venue, &floor, floor.newcomers(), seed);
    superuser.wait_for_tables();
    let publication = superuser.one(&format!("SELECT exchange.create_drop_copy('{participant}')"));
    assert_eq!(publication, format!("exchange_drop_copy_{participant}"));
    let copy = Subscriber::to(&publication, &venue.cluster().connection(DATABASE, SUPERUSER));
    let memories = trade(&venue, &floor, memories, seed + 1);
    bust(&venue, &participant);
    copy.wait_until_caught_up(&venue, &[]);
    assert_copied(&venue, &copy, &participant);
    let busted = copy.session().number(
        "SELECT count(DISTINCT trade_id) FROM exchange.executions WHERE busted_at IS NOT NULL",
    );
    assert_eq!(busted, 3, "busts arrive");

    // A new account of the participant, and of another one, trade as soon as they may.
    let open =
        |role: &str| superuser_number(&venue, &format!("SELECT exchange.open_account('{role}')"));
    let (own, other) = (open(&participant), open(&format!("{ROLE_PREFIX}1")));
    let missing = "SELECT missing_account_ids FROM exchange.drop_copies";
    superuser.wait_for_tables();
    assert_eq!(superuser.one(missing), format!("{{{own}}}"));
    superuser.run(&format!("SELECT exchange.create_drop_copy('{participant}')"));
    assert_eq!(superuser.one(missing), "{}");
    for account in [own, other] {
        superuser.run(&format!("SELECT exchange.verify_account({account})"));
        tests::venues::fund(&mut superuser, &format!("account_id = {account}"), "true");
    }
    let order = |account: i64, side: &str| {
        format!("SELECT exchange.place_order('ALFA', '{side}', 5000, 10, account_id => {account})")
    };
    superuser.run(&format!("{}; {}", order(own, "buy"), order(other, "sell")));
    let memories = trade(&venue, &floor, memories, seed + 2);
    copy.wait_until_caught_up(&venue, &[]);
    assert_copied(&venue, &copy, &participant);
    let of_new_account =
        format!("SELECT count(*) > 0 FROM exchange.orders WHERE account_id = {own}");
    assert!(copy.session().is_true(&of_new_account));

    // The filters cost the exchange nothing that it needs: rows can be changed and removed.
    superuser.run(
        "BEGIN;
         UPDATE exchange.executions SET fee = fee;
         UPDATE exchange.open_orders SET priority = priority;
         DELETE FROM exchange.executions;
         DELETE FROM exchange.orders;
         ROLLBACK",
    );
    audit::assert_sound(&venue, &memories);
    assert_eq!(venue.worker_complaints_since(0), [""; 0]);

    copy.session().run(&format!("DROP SUBSCRIPTION {publication}"));
    superuser.run(&format!("SELECT exchange.remove_drop_copy('{participant}')"));
    assert_eq!(superuser.rows("SELECT * FROM exchange.drop_copies"), [""; 0]);
}

fn superuser_number(venue: &Venue, sql: &str) -> i64 {
    venue.superuser().number(sql)
}

#[test]
fn who_makes_a_drop_copy_of_whom_is_checked() {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    let venue = VENUE.get();
    let mut superuser = venue.superuser();
    let (broker, _) = venue.broker();
    superuser.run("CREATE ROLE manager LOGIN IN ROLE exchange_admin");
    let mut manager = venue.session("manager");

    let failure = manager.failure("SELECT exchange.create_drop_copy(NULL)");
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("22004", "the participant must not be NULL")
    );
    let failure = manager.failure("SELECT exchange.create_drop_copy('nobody')");
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("42704", "nobody is no participant")
    );
    assert_eq!(failure.hint, "SELECT exchange.open_account('nobody');");
    let failure = manager.failure(&format!("SELECT exchange.remove_drop_copy('{broker}')"));
    assert_eq!(
        (failure.code.as_str(), failure.message),
        ("42704", format!("{broker} has no drop copy"))
    );
    let long = "l".repeat(45);
    superuser
        .run(&format!("CREATE ROLE {long} LOGIN; SELECT exchange.register_participant('{long}')"));
    let failure = manager.failure(&format!("SELECT exchange.create_drop_copy('{long}')"));
    assert_eq!(failure.code, "42622");
    assert_eq!(
        failure.detail,
        format!("exchange_drop_copy_{long} has 64 bytes, and a name may have 63.")
    );

    // An admin who owns nothing makes one; a broker does not, nor can it change that of an admin.
    manager.run(&format!("SELECT exchange.create_drop_copy('{broker}')"));
    // Names that need quotes.
    superuser
        .run("CREATE ROLE \"odd'\"\"name\" LOGIN; SELECT exchange.open_account('odd''\"name')");
    assert_eq!(
        manager.one("SELECT exchange.create_drop_copy('odd''\"name')"),
        "exchange_drop_copy_odd'\"name"
    );
    let copies = "SELECT participant, missing_account_ids FROM exchange.drop_copies ORDER BY 1";
    let mut expected = vec![format!("{broker}|{{}}"), "odd'\"name|{}".to_owned()];
    expected.sort();
    assert_eq!(manager.rows(copies), expected);
    let mut session = venue.session(&broker);
    for call in [
        "exchange.create_drop_copy('%')",
        "exchange.remove_drop_copy('%')",
        "exchange.create_publications()",
    ] {
        let failure = session.failure(&format!("SELECT {}", call.replace('%', &broker)));
        assert_eq!(failure.code, "42501");
    }
    assert_eq!(
        session.failure(&format!("DROP PUBLICATION exchange_drop_copy_{broker}")).code,
        "42501"
    );
    manager.run("SELECT exchange.remove_drop_copy('odd''\"name')");
    manager.run(&format!("SELECT exchange.remove_drop_copy('{broker}')"));
}
