//! An order with a name is entered once, whatever becomes of it and of the server meanwhile.

use tests::{Session, SharedVenue, Venue, audit};
use venue::cluster::StopMode;

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.get()
}

/// An order to buy 10 at 2 by its name, and the whole answer.
#[track_caller]
fn enter(session: &mut Session, symbol: &str, name: &str) -> String {
    session.one(&format!(
        "SELECT * FROM exchange.place_order('{symbol}', 'buy', 2, 10, client_order_id => '{name}')"
    ))
}

fn id(answer: &str) -> &str {
    answer.split('|').next().expect("an answer begins with the order")
}

/// Orders that were changed in every way since they were answered, each with its first answer.
fn changed(session: &mut Session, symbol: &str) -> Vec<(String, String)> {
    // The last one is the first to trade.
    let names = ["reduced", "replaced", "cancelled", "filled"];
    let answers = names.map(|name| enter(session, symbol, name));
    let [reduced, replaced, cancelled, filled] = answers.each_ref().map(|answer| id(answer));
    session.run(&format!("SELECT exchange.reduce_order({reduced}, 4)"));
    session.run(&format!("SELECT exchange.replace_order({replaced}, price => 1, quantity => 30)"));
    session.run(&format!("SELECT exchange.cancel_order({cancelled})"));
    session.run(&format!("SELECT exchange.replace_order({filled}, price => 3)"));
    session.place(&format!("'{symbol}', 'sell', 3, 10"));
    names.map(str::to_owned).into_iter().zip(answers.clone()).collect()
}

const STANDING: &str = "SELECT client_order_id, status, price, quantity, filled_quantity
                        FROM exchange.orders WHERE client_order_id IS NOT NULL
                        ORDER BY order_id";

#[test]
fn a_retry_changes_nothing_of_an_order_that_was_changed_whatever_the_server_does() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let (role, _) = venue.broker();
    let told = changed(&mut venue.session(&role), &symbol);
    for stop in [None, Some(StopMode::Fast), Some(StopMode::Immediate)] {
        if let Some(mode) = stop {
            venue.cluster().stop(mode).expect("the server stops");
            venue.cluster().start().expect("the server starts again");
            venue.wait_until_running();
        }
        let mut session = venue.session(&role);
        for (name, answer) in &told {
            assert_eq!(enter(&mut session, &symbol, name), *answer, "{name}, after {stop:?}");
        }
        session.wait_for_tables();
        let expected = [
            "reduced|open|2.00|6|0",
            "replaced|open|1.00|30|0",
            "cancelled|cancelled|2.00|10|0",
            "filled|filled|3.00|10|10",
        ];
        assert_eq!(session.rows(STANDING), expected, "after {stop:?}");
    }
    audit::assert_sound(&venue, &[]);
}

#[test]
fn a_name_that_an_array_has_twice_is_one_order() {
    let symbol = venue().instrument();
    let (role, _) = venue().broker();
    let mut session = venue().session(&role);
    let answers = session.rows(&format!(
        "SELECT order_id, quantity, client_order_id FROM exchange.place_orders(
             array_fill('{symbol}'::text, ARRAY[4]), array_fill('buy'::exchange.side, ARRAY[4]),
             ARRAY[1, 1, 1, 1], ARRAY[5, 6, 7, 8], client_order_ids => ARRAY['A', 'B', 'A', NULL])"
    ));
    assert_eq!(answers[0], answers[2]);
    session.wait_for_tables();
    let entered = session.rows(&format!(
        "SELECT quantity, client_order_id FROM exchange.orders WHERE symbol = '{symbol}'
         ORDER BY order_id"
    ));
    assert_eq!(entered, ["5|A", "6|B", "8|-"]);
}

#[test]
fn an_order_is_cancelled_by_its_name_as_long_as_it_is_open() {
    let symbol = venue().instrument();
    let (role, _) = venue().broker();
    let (stranger, _) = venue().broker();
    let second = venue().account(&role);
    let mut session = venue().session(&role);
    let order = enter(&mut session, &symbol, "mine");
    let cancel = "SELECT order_id, status, cancel_reason, client_order_id
                  FROM exchange.cancel_client_order('mine'";
    // A name is of an account.
    for (session, arguments) in
        [(&mut venue().session(&stranger), ""), (&mut session, &*format!(", {second}"))]
    {
        let failure = session.failure(&format!("{cancel}{arguments})"));
        assert_eq!(failure.code, "42704", "{failure}");
        assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{failure}");
    }
    let cancel = format!("{cancel})");
    assert_eq!(session.one(&cancel), format!("{}|cancelled|requested|mine", id(&order)));
    assert_eq!(session.failure(&cancel).code, "42704");
    // The name is used up, though the order is gone.
    assert_eq!(enter(&mut session, &symbol, "mine"), order);
    assert_eq!(session.failure(&cancel).code, "42704");
}

#[test]
fn a_retry_counts_for_the_rate_limit_and_can_be_made_later() {
    let symbol = venue().instrument();
    let (role, _) = venue().broker();
    let mut session = venue().session(&role);
    let mut superuser = venue().superuser();
    let order = enter(&mut session, &symbol, "first");
    let mut limit = |limit: &str| {
        superuser.run(&format!("SELECT exchange.set_rate_limit('{role}', {limit})"));
    };
    let call = format!(
        "SELECT exchange.place_order('{symbol}', 'buy', 2, 10, client_order_id => 'first')"
    );
    limit("1, 1");
    let failure =
        tests::waiting::wait_for("the limit is reached", || session.try_rows(&call).err());
    assert_eq!(failure.code, "53400", "{failure}");
    session.run("SELECT exchange.cancel_client_order('first')");
    limit("NULL");
    assert_eq!(enter(&mut session, &symbol, "first"), order);
}
