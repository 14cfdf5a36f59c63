//! A call whose answer was lost can be repeated: an order with a name is entered once.

use std::sync::{Arc, Barrier};

use tests::{Session, SharedVenue, Venue, audit, wait_until};

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.get()
}

/// An order by its name, and the whole answer.
fn enter(session: &mut Session, symbol: &str, name: &str, quantity: i64) -> String {
    session.one(&format!(
        "SELECT * FROM exchange.place_order('{symbol}', 'buy', 2, {quantity},
                                            client_order_id => '{name}')"
    ))
}

fn orders(session: &mut Session, symbol: &str) -> i64 {
    session.wait_for_tables();
    session.number(&format!("SELECT count(*) FROM exchange.orders WHERE symbol = '{symbol}'"))
}

#[test]
fn a_retry_has_the_first_answer_after_a_restart_too() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let (role, account) = venue.broker();
    let mut session = venue.session(&role);
    let resting = enter(&mut session, &symbol, "resting", 10);
    let cancelled = enter(&mut session, &symbol, "cancelled", 10);
    venue.superuser().run(&format!("SELECT exchange.kill_switch({account})"));
    let rejected = enter(&mut session, &symbol, "rejected", 10);
    venue.superuser().run(&format!("SELECT exchange.release_kill_switch({account})"));
    assert!(resting.contains("|open|") && rejected.contains("|kill_switch|"));
    // What has become of the orders since does not matter, nor what the retry says.
    let check = |venue: &Venue| {
        let mut session = venue.session(&role);
        assert_eq!(enter(&mut session, &symbol, "resting", 10), resting);
        assert_eq!(enter(&mut session, &symbol, "cancelled", 99), cancelled);
        assert_eq!(enter(&mut session, &symbol, "rejected", 10), rejected);
        assert_eq!(orders(&mut session, &symbol), 3);
    };
    check(&venue);
    venue.restart();
    check(&venue);
    venue.cluster().kill9().expect("the server can be killed");
    venue.cluster().start().expect("the server starts again");
    venue.wait_until_running();
    check(&venue);
    audit::assert_sound(&venue, &[]);
}

#[test]
fn two_sessions_that_race_with_the_same_names_enter_each_once() {
    const NAMES: usize = 300;
    let symbol = venue().instrument();
    let (role, _) = venue().broker();
    let start = Arc::new(Barrier::new(2));
    let race = |is_by_array: bool| {
        let (mut session, start) = (venue().session(&role), Arc::clone(&start));
        let symbol = symbol.clone();
        std::thread::spawn(move || {
            start.wait();
            if is_by_array {
                return session.rows(&format!(
                    "SELECT order_id, client_order_id FROM exchange.place_orders(
                         array_fill('{symbol}'::text, ARRAY[{NAMES}]),
                         array_fill('buy'::exchange.side, ARRAY[{NAMES}]),
                         array_fill(2::numeric, ARRAY[{NAMES}]),
                         array_fill(5::bigint, ARRAY[{NAMES}]),
                         client_order_ids => (SELECT array_agg('race ' || n)
                                              FROM generate_series(1, {NAMES}) AS n))"
                ));
            }
            // From the other end, so that they meet.
            let enter = |n| {
                session.one(&format!(
                    "SELECT order_id, client_order_id FROM exchange.place_order(
                         '{symbol}', 'buy', 2, 5, client_order_id => 'race {n}')"
                ))
            };
            let mut answers: Vec<String> = (1..=NAMES).rev().map(enter).collect();
            answers.reverse();
            answers
        })
    };
    let [first, second] =
        [race(true), race(false)].map(|thread| thread.join().expect("it does not panic"));
    assert_eq!(first, second);
    let mut superuser = venue().superuser();
    assert_eq!(orders(&mut superuser, &symbol), NAMES as i64);
}

/// The case that names are for: the connection is lost while the answer is on its way.
#[test]
fn a_call_whose_answer_was_lost_is_repeated() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let (role, _) = venue.broker();
    let mut observer = venue.superuser();
    let journaler = venue.stop_worker("journaler");
    let mut session = venue.session(&role);
    let (pid, of) = (session.pid(), symbol.clone());
    let before = observer.number("SELECT matched FROM exchange.pg_stat_exchange");
    let lost = std::thread::spawn(move || {
        session.failure(&format!(
            "SELECT exchange.place_order('{of}', 'buy', 2, 10, client_order_id => 'lost')"
        ))
    });
    wait_until("the order is matched", || {
        observer.number("SELECT matched FROM exchange.pg_stat_exchange") > before
    });
    observer.run(&format!("SELECT pg_terminate_backend({pid})"));
    assert!(lost.join().expect("it does not panic").is_end_of_session());
    journaler.resume();
    let mut session = venue.session(&role);
    let answer = enter(&mut session, &symbol, "lost", 10);
    assert!(answer.starts_with(&format!("{}|", before + 1)), "{answer}");
    assert_eq!(orders(&mut session, &symbol), 1);
    audit::assert_sound(&venue, &[]);
}

#[test]
fn a_name_is_of_an_account_and_forgotten_after_a_while() {
    const WINDOW: i64 = 200;
    let venue = Venue::start(&[("exchange.client_order_window", "200")]);
    let symbol = venue.instrument();
    let (role, first) = venue.broker();
    let second = venue.account(&role);
    let mut session = venue.session(&role);
    let mut place = |account: i64| {
        session.number(&format!(
            "SELECT order_id FROM exchange.place_order('{symbol}', 'buy', 2, 10, 'GTC', {account},
                                                       client_order_id => 'A')"
        ))
    };
    let (of_first, of_second) = (place(first), place(second));
    assert_ne!(of_first, of_second);
    assert_eq!((place(first), place(second)), (of_first, of_second));
    // Commands of others count too.
    let mut superuser = venue.superuser();
    superuser.run("SET synchronous_commit = off");
    while superuser.number("SELECT exchange.wait_for('matched')") < of_first + WINDOW - 1 {
        superuser.place(&format!("'{symbol}', 'buy', 1, 1, 'IOC'"));
    }
    // This is the first command that does not know it any more; the other name is a command younger.
    let anew = place(first);
    assert_eq!(anew, of_first + WINDOW);
    assert_eq!(place(first), anew);
    session.wait_for_tables();
    let names = "SELECT count(*), count(DISTINCT order_id) FROM exchange.orders
                 WHERE client_order_id = 'A'";
    assert_eq!(session.one(names), "3|3");
    audit::assert_sound(&venue, &[]);
    superuser.run("SELECT exchange.mass_cancel()");
    let failure = session.failure("SELECT exchange.cancel_client_order('A')");
    assert_eq!(failure.code, "42704", "{failure}");
    assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{failure}");
}
