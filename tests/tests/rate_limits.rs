//! How many orders a participant may send.

use tests::waiting::wait_for;
use tests::{Session, SharedVenue, Venue, WITH_ITSELF};

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.get()
}

fn limit(role: &str, limit: &str) {
    venue().superuser().run(&format!("SELECT exchange.set_rate_limit('{role}', {limit})"));
}

/// A call with so many orders.
fn orders(symbol: &str, count: usize) -> String {
    format!(
        "SELECT order_id FROM exchange.place_orders(
             array_fill('{symbol}'::text, ARRAY[{count}]),
             array_fill('buy'::exchange.side, ARRAY[{count}]),
             array_fill(1::numeric, ARRAY[{count}]), array_fill(1::bigint, ARRAY[{count}]))"
    )
}

fn matched(session: &mut Session) -> i64 {
    session.number("SELECT exchange.wait_for('matched')")
}

#[test]
fn what_is_too_much_is_an_error_and_leaves_nothing_behind() {
    let symbol = venue().instrument();
    let (role, _) = venue().broker();
    let mut session = venue().session(&role);
    // A second brings one: no test takes as long as it would take to fill this again.
    limit(&role, "1, 1000");
    let placed = session.rows(&orders(&symbol, 1_000));
    assert_eq!(placed.len(), 1_000);
    let failure = session.failure(&orders(&symbol, 900));
    assert_eq!(failure.code, "53400", "{failure}");
    assert!(failure.detail.contains("1 orders a second and 1000 at once"), "{failure}");
    assert!(failure.detail.contains("Nothing was entered"), "{failure}");
    assert!(failure.hint.starts_with("Try again in "), "{failure}");
    // More than ever at once: waiting does not help.
    let failure = session.failure(&orders(&symbol, 1_001));
    assert_eq!(failure.code, "53400", "{failure}");
    assert!(failure.hint.contains("at most 1000 orders"), "{failure}");
    session.wait_for_tables();
    let entered = format!("SELECT count(*) FROM exchange.orders WHERE symbol = '{symbol}'");
    assert_eq!(session.number(&entered), 1_000);

    // Cancels are never bounded.
    let cancelled = session.number(&format!(
        "SELECT count(*) FROM exchange.cancel_orders('{{{}}}')",
        placed[..500].join(",")
    ));
    assert_eq!(cancelled, 500);
    assert_eq!(session.number(&format!("SELECT exchange.mass_cancel(symbol => '{symbol}')")), 500);
    // Without a limit all go in again.
    limit(&role, "NULL");
    assert_eq!(session.rows(&orders(&symbol, 1_001)).len(), 1_001);
}

#[test]
fn single_orders_and_replacements_count() {
    let symbol = venue().instrument();
    let (role, _) = venue().broker();
    let mut session = venue().session(&role);
    let order = session.place(&format!("'{symbol}', 'buy', 1, 10"));
    limit(&role, "1");
    // Some may pass while the seconds do; not all of so many.
    let calls = [
        format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 10, {WITH_ITSELF})"),
        format!("SELECT exchange.replace_order({order}, quantity => 9)"),
    ];
    for call in &calls {
        let failure = wait_for("the limit is reached", || session.try_rows(call).err());
        assert_eq!(failure.code, "53400", "{call}\n{failure}");
        assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{failure}");
    }
    // Reductions are for less, and pass.
    session.run(&format!("SELECT exchange.reduce_order({order}, 1)"));
    // Who waits is let in.
    limit(&role, "1000, 1");
    wait_for("the bucket is filled again", || session.try_rows(&calls[0]).ok());
}

#[test]
fn one_at_its_limit_costs_nobody_else_anything() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let (noisy, _) = venue.broker();
    let (other, _) = venue.broker();
    venue.superuser().run(&format!("SELECT exchange.set_rate_limit('{noisy}', 1, 100)"));
    let (mut noisy, mut other) = (venue.session(&noisy), venue.session(&other));
    noisy.run(&orders(&symbol, 100));
    let before = matched(&mut other);
    let mut last = before;
    for _ in 0..50 {
        for _ in 0..20 {
            assert_eq!(noisy.failure(&orders(&symbol, 100)).code, "53400");
        }
        // What is too much takes no place in the sequence, in the ring or in the journal.
        let next = other.place(&format!("'{symbol}', 'buy', 1, 10"));
        assert_eq!(next, last + 1);
        last = next;
    }
    assert_eq!(last, before + 50);
}

#[test]
fn a_limit_is_there_after_a_restart_and_before_the_first_order() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let role = venue.trader();
    let mut superuser = venue.superuser();
    superuser.run(&format!("SELECT exchange.register_participant('{role}')"));
    superuser.run(&format!("SELECT exchange.set_rate_limit('{role}', 1, 50)"));
    venue.account(&role);
    assert_eq!(venue.session(&role).failure(&orders(&symbol, 51)).code, "53400");
    let limits =
        format!("SELECT orders_per_second, burst FROM exchange.participants WHERE role = '{role}'");
    assert_eq!(venue.superuser().one(&limits), "1|50");
    venue.cluster().kill9().expect("the server can be killed");
    venue.cluster().start().expect("the server starts again");
    venue.wait_until_running();
    assert_eq!(venue.superuser().one(&limits), "1|50");
    let mut session = venue.session(&role);
    assert_eq!(session.failure(&orders(&symbol, 51)).code, "53400");
    assert_eq!(session.rows(&orders(&symbol, 50)).len(), 50);
    tests::audit::assert_sound(&venue, &[]);
}
