//! Misuse: each is an error with a SQLSTATE, a detail and a hint that can be followed, and leaves
//! nothing behind.

use std::sync::MutexGuard;

use tests::processes::Stopped;
use tests::waiting::wait_for;
use tests::{Failure, Session, SharedVenue, Venue, wait_until};
use venue::cluster::{Cluster, DATABASE, SUPERUSER};

/// The venue of this theme. Its tests look at the cursors, so they take turns.
fn venue() -> (&'static Venue, MutexGuard<'static, ()>) {
    static VENUE: SharedVenue =
        SharedVenue::new(&[("exchange.ring_slots", "64"), ("exchange.book_depth", "20")]);
    VENUE.alone()
}

/// Everything that a call could leave behind.
fn traces(venue: &Venue) -> String {
    let mut superuser = venue.superuser();
    superuser.wait_for_tables();
    superuser.one(
        "SELECT matched, open_orders,
                (SELECT max(last_sequence) FROM exchange.journal),
                (SELECT count(*) FROM exchange.orders),
                (SELECT count(*) FROM exchange.instruments),
                (SELECT count(*) FROM exchange.accounts),
                (SELECT market_phase::text FROM exchange.engine_state)
         FROM exchange.pg_stat_exchange",
    )
}

/// An error must say what to do, with what the caller gave, and in the words of SQL: what is
/// wrong with it, if anything is.
fn unhelpful(failure: &Failure) -> Option<&'static str> {
    let texts = [&failure.message, &failure.detail, &failure.hint];
    if failure.detail.trim().is_empty() {
        Some("there is no detail")
    } else if failure.hint.trim().is_empty() {
        Some("there is no hint")
    } else if texts.iter().any(|text| text.contains(" { ") || text.contains("Some(")) {
        Some("it is not in the words of SQL")
    } else {
        None
    }
}

#[track_caller]
fn assert_helpful(what: &str, failure: &Failure) {
    if let Some(wrong) = unhelpful(failure) {
        panic!("{wrong}: {what}\n{failure}");
    }
}

/// The query at the begin of a hint, if it is one that can be pasted.
fn query_of(hint: &str) -> Option<&str> {
    let end = hint.rfind(';')?;
    let query = hint[..end].trim();
    query.starts_with("SELECT").then_some(query)
}

/// Runs misuse, which should fail with `code`, help, and leave nothing behind: what is wrong.
fn fault(venue: &Venue, session: &mut Session, code: &str, sql: &str) -> Option<String> {
    let before = traces(venue);
    let failure = match session.try_rows(sql) {
        Ok(rows) => return Some(format!("{sql}\ndoes not fail: {rows:?}")),
        Err(failure) => failure,
    };
    let told = format!("{sql}\n{failure}");
    if failure.code != code {
        return Some(format!("the SQLSTATE should be {code}: {told}"));
    }
    if traces(venue) != before {
        return Some(format!("something is left behind: {told}"));
    }
    if let Some(wrong) = unhelpful(&failure) {
        return Some(format!("{wrong}: {told}"));
    }
    let query = query_of(&failure.hint)?;
    let mut superuser = venue.superuser();
    superuser.run("BEGIN");
    let wrong = superuser.try_rows(query).err()?;
    Some(format!("the hint cannot be pasted: {told}\n{query}\n{wrong}"))
}

/// Every misuse in a list of SQLSTATEs and statements; all faults are told together.
#[track_caller]
fn assert_misuses(venue: &Venue, session: &mut Session, misuses: &[(&str, String)]) {
    let faults: Vec<String> =
        misuses.iter().filter_map(|(code, sql)| fault(venue, session, code, sql)).collect();
    assert!(faults.is_empty(), "{} of {}:\n\n{}", faults.len(), misuses.len(), faults.join("\n\n"));
}

fn calls(code: &'static str, calls: &[&str]) -> Vec<(&'static str, String)> {
    calls.iter().map(|call| (code, format!("SELECT exchange.{call}"))).collect()
}

#[test]
fn null_arguments() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let misuses = calls(
        "22004",
        &[
            "place_order(NULL, 'buy', 1, 1)",
            &format!("place_order('{symbol}', NULL, 1, 1)"),
            &format!("place_order('{symbol}', 'buy', NULL, 1)"),
            &format!("place_order('{symbol}', 'buy', 1, NULL)"),
            &format!("place_order('{symbol}', 'buy', 1, 1, NULL)"),
            "cancel_order(NULL)",
            "reduce_order(NULL, 1)",
            "reduce_order(1, NULL)",
            "cancel_orders(NULL)",
            "cancel_orders(ARRAY[1, NULL]::bigint[])",
            "create_instrument(NULL, 1)",
            "create_instrument('NULLED', NULL)",
            "create_instrument('NULLED', 1, NULL)",
            "open_account(NULL)",
            "wait_for(NULL)",
            "order_book(NULL)",
            &format!("order_book('{symbol}', NULL)"),
        ],
    );
    assert_misuses(venue, &mut venue.superuser(), &misuses);
}

#[test]
fn null_arguments_of_arrays() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let whole = [
        format!("ARRAY['{symbol}', '{symbol}']"),
        "ARRAY['buy', 'buy']::exchange.side[]".to_owned(),
        "ARRAY[1, 2]".to_owned(),
        "ARRAY[1, 2]::bigint[]".to_owned(),
        "ARRAY['GTC', 'GTC']::exchange.time_in_force[]".to_owned(),
        "ARRAY[1, 1]".to_owned(),
    ];
    let holed = [
        format!("ARRAY['{symbol}', NULL]"),
        "ARRAY['buy', NULL]::exchange.side[]".to_owned(),
        "ARRAY[1, NULL]::numeric[]".to_owned(),
        "ARRAY[1, NULL]::bigint[]".to_owned(),
        "ARRAY['GTC', NULL]::exchange.time_in_force[]".to_owned(),
        "ARRAY[1, NULL]::integer[]".to_owned(),
    ];
    let call = |argument: usize, value: &str| {
        let mut arguments = whole.clone();
        value.clone_into(&mut arguments[argument]);
        format!("SELECT exchange.place_orders({})", arguments.join(", "))
    };
    let mut misuses: Vec<(&str, String)> =
        holed.iter().enumerate().map(|(at, value)| ("22004", call(at, value))).collect();
    misuses.extend((0..4).map(|argument| ("22004", call(argument, "NULL"))));
    assert_misuses(venue, &mut venue.superuser(), &misuses);
}

#[test]
fn arrays_of_different_lengths() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut misuses = Vec::new();
    for lengths in [
        [1, 2, 2, 2, 2, 2],
        [2, 1, 2, 2, 2, 2],
        [2, 2, 3, 2, 2, 2],
        [2, 2, 2, 0, 2, 2],
        [2, 2, 2, 2, 1, 2],
        [2, 2, 2, 2, 2, 5],
    ] {
        let [symbols, sides, prices, quantities, times, accounts] = lengths;
        misuses.push((
            "2202E",
            format!(
                "SELECT exchange.place_orders(
                     array_fill('{symbol}'::text, ARRAY[{symbols}]),
                     array_fill('buy'::exchange.side, ARRAY[{sides}]),
                     array_fill(1::numeric, ARRAY[{prices}]),
                     array_fill(1::bigint, ARRAY[{quantities}]),
                     array_fill('GTC'::exchange.time_in_force, ARRAY[{times}]),
                     array_fill(1, ARRAY[{accounts}]))"
            ),
        ));
    }
    assert_misuses(venue, &mut venue.superuser(), &misuses);
}

#[test]
fn quantities_out_of_range() {
    let (venue, _turn) = venue();
    let mut superuser = venue.superuser();
    superuser.run("SELECT exchange.create_instrument('LOTS', 0.05, 100, 1000)");
    let order = superuser.place("'LOTS', 'buy', 1, 1000");
    let too_much = matcher::maximum_quantity(20_000) / 100 * 100 + 100;
    let place = |quantity: i64| format!("place_order('LOTS', 'buy', 1, {quantity})");
    let out_of_range = [
        place(0),
        place(-100),
        place(i64::MIN),
        format!("reduce_order({order}, 0)"),
        format!("reduce_order({order}, -100)"),
        format!("reduce_order({order}, 1000)"),
        format!("reduce_order({order}, {})", i64::MAX),
        place(150),
        place(1),
        format!("reduce_order({order}, 50)"),
    ];
    let mut misuses = calls("22023", &out_of_range.each_ref().map(String::as_str));
    let overflowing = [place(i64::MAX), place(i64::MAX / 100 * 100), place(too_much)];
    misuses.extend(calls("22003", &overflowing.each_ref().map(String::as_str)));
    assert_misuses(venue, &mut superuser, &misuses);
    // Beyond bigint PostgreSQL itself says so.
    let before = traces(venue);
    let failure = superuser.failure(
        "SELECT exchange.place_order('LOTS', 'buy', 1, 9223372036854775808::numeric::bigint)",
    );
    assert_eq!((failure.code.as_str(), traces(venue)), ("22003", before));
}

#[test]
fn prices_out_of_range() {
    let (venue, _turn) = venue();
    let mut superuser = venue.superuser();
    venue.list("'PRICES', 0.05, 1, 1000");
    let place = |price: &str| {
        ("22023", format!("SELECT exchange.place_order('PRICES', 'sell', {price}, 1)"))
    };
    let misuses = [
        "0",
        "-1",
        "-0.05",
        "1000.05",
        "1e30",
        "1e1000",
        "-1e1000",
        "1e131071",
        "'NaN'",
        "'Infinity'",
        "'-Infinity'",
        "1.01",
        "0.051",
        "0.04",
        "1e-9",
        "1e-10",
        "1e-1000",
        "0.05000000000000000000000001",
        "999.999999999999999999999999",
    ]
    .map(place);
    assert_misuses(venue, &mut superuser, &misuses);
    // The bounds themselves are prices.
    for price in ["0.05", "1000", "1000.000", "5e-2"] {
        superuser.place(&format!("'PRICES', 'sell', {price}, 1"));
    }
}

#[test]
fn unknown_names() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let order = venue.superuser().place(&format!("'{symbol}', 'buy', 1, 1"));
    let misuses = calls(
        "42704",
        &[
            "place_order('NOWHERE', 'buy', 1, 1)",
            "place_order('', 'buy', 1, 1)",
            "place_order('a symbol longer than any', 'buy', 1, 1)",
            "place_order('O''NEIL', 'buy', 1, 1)",
            &format!("place_order('{}', 'buy', 1, 1)", symbol.to_lowercase()),
            &format!("place_order('{symbol}', 'buy', 1, 1, 'GTC', 0)"),
            &format!("place_order('{symbol}', 'buy', 1, 1, 'GTC', -1)"),
            &format!("place_order('{symbol}', 'buy', 1, 1, 'GTC', 60000)"),
            &format!("cancel_order({})", order + 1_000_000),
            "cancel_order(0)",
            "cancel_order(-1)",
            &format!("cancel_order({})", i64::MAX),
            &format!("cancel_order({})", i64::MIN),
            // A command, but none that placed an order.
            "cancel_order(1)",
            &format!("reduce_order({}, 1)", order + 1_000_000),
            "order_book('NOWHERE')",
            "open_account('nobody_of_this_name')",
            &format!(
                "place_orders(ARRAY['{symbol}', 'NOWHERE'], ARRAY['buy', 'buy']::exchange.side[],
                 ARRAY[1, 1], ARRAY[1, 1])"
            ),
        ],
    );
    assert_misuses(venue, &mut venue.superuser(), &misuses);
}

#[test]
fn the_depth_of_a_book_out_of_range() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let depths =
        ["0", "-1", "21", "2147483647"].map(|depth| format!("order_book('{symbol}', {depth})"));
    let misuses = calls("22023", &depths.each_ref().map(String::as_str));
    assert_misuses(venue, &mut venue.superuser(), &misuses);
    venue.superuser().run(&format!("SELECT exchange.order_book('{symbol}', 20)"));
}

#[test]
fn instruments_out_of_range() {
    let (venue, _turn) = venue();
    let mut superuser = venue.superuser();
    superuser.run("SELECT exchange.create_instrument('TAKEN', 1)");
    let mut misuses = calls(
        "22023",
        &[
            "create_instrument('', 1)",
            "create_instrument('SIXTEEN_BYTES_XY', 1)",
            "create_instrument('ÄÄÄÄÄÄÄÄ', 1)",
            "create_instrument('ODD', 0)",
            "create_instrument('ODD', -1)",
            "create_instrument('ODD', 'NaN')",
            "create_instrument('ODD', 'Infinity')",
            "create_instrument('ODD', 0.0000000001)",
            "create_instrument('ODD', 5000000000)",
            "create_instrument('ODD', 1, 0)",
            "create_instrument('ODD', 1, -1)",
            "create_instrument('ODD', 1, 9223372036854775807)",
            "create_instrument('ODD', 1, 1, 0)",
            "create_instrument('ODD', 1, 1, -1)",
            "create_instrument('ODD', 1, 1, 1.5)",
            "create_instrument('ODD', 1, 1, 'NaN')",
            "create_instrument('ODD', 1, 1, 'Infinity')",
            "create_instrument('ODD', 1, 1, 134217728)",
        ],
    );
    misuses.extend(calls("42710", &["create_instrument('TAKEN', 2)"]));
    assert_misuses(venue, &mut superuser, &misuses);
    superuser
        .run("SELECT exchange.create_instrument('FIFTEEN_BYTES_X', 0.000000001, 3, 0.000000002)");
    superuser.run("SELECT exchange.create_instrument('taken', 1)");
}

#[test]
fn hints_can_be_pasted_for_every_symbol() {
    let (venue, _turn) = venue();
    let mut superuser = venue.superuser();
    superuser.run("SELECT exchange.create_instrument('O''NEIL \"x\"; --', 1)");
    let misuses = calls(
        "22023",
        &[
            "place_order('O''NEIL \"x\"; --', 'buy', 0, 1)",
            "place_order('O''NEIL \"x\"; --', 'buy', 1.5, 1)",
            "place_order('O''NEIL \"x\"; --', 'buy', 1, 0)",
        ],
    );
    assert_misuses(venue, &mut superuser, &misuses);
}

#[test]
fn what_belongs_to_others() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let (alice, alices_account) = venue.broker();
    let (bob, _) = venue.broker();
    let mut alice = venue.session(&alice);
    let order = alice.place(&format!("'{symbol}', 'buy', 1, 10"));
    let finished = alice.place(&format!("'{symbol}', 'buy', 1, 10"));
    alice.run(&format!("SELECT exchange.cancel_order({finished})"));
    let misuses = calls(
        "42501",
        &[
            &format!("place_order('{symbol}', 'buy', 1, 1, 'GTC', {alices_account})"),
            &format!(
                "place_orders(ARRAY['{symbol}'], ARRAY['buy']::exchange.side[], ARRAY[1], ARRAY[1],
                 NULL, ARRAY[{alices_account}])"
            ),
            &format!("cancel_order({order})"),
            &format!("cancel_order({finished})"),
            &format!("reduce_order({order}, 1)"),
            &format!("reduce_order({finished}, 1)"),
        ],
    );
    assert_misuses(venue, &mut venue.session(&bob), &misuses);
    // Whether there is an account to act with makes no difference.
    let visitor = venue.trader();
    assert_misuses(venue, &mut venue.session(&visitor), &misuses);
}

#[test]
fn a_role_without_an_account() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let visitor = venue.trader();
    let call = format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1)");
    let before = traces(venue);
    let failure = venue.session(&visitor).failure(&call);
    assert_eq!(failure.code, "42704", "{failure}");
    assert_helpful(&call, &failure);
    assert_eq!(traces(venue), before);
    // Whoever runs the venue pastes the hint, and the order gets a reject: the account is new.
    let hint = query_of(&failure.hint).expect("the hint is a query");
    venue.superuser().run(hint);
    let reason = venue
        .session(&visitor)
        .one(&format!("SELECT reject_reason FROM exchange.place_order('{symbol}', 'buy', 1, 1)"));
    assert_eq!(reason, "account_not_verified");
}

#[test]
fn running_the_venue_is_the_owners() {
    let (venue, _turn) = venue();
    let (broker, _) = venue.broker();
    let mut broker = venue.session(&broker);
    let before = traces(venue);
    for call in [
        "create_instrument('MINE', 1)",
        "open_account()",
        "open_market()",
        "close_market()",
        "advance_clock(now())",
        "reset_statistics()",
    ] {
        let failure = broker.failure(&format!("SELECT exchange.{call}"));
        assert_eq!(failure.code, "42501", "{call}\n{failure}");
    }
    for table in ["orders", "open_orders", "instruments", "journal", "trades", "engine_state"] {
        for statement in
            [format!("DELETE FROM exchange.{table}"), format!("TRUNCATE exchange.{table}")]
        {
            let failure = broker.failure(&statement);
            assert_eq!(failure.code, "42501", "{statement}\n{failure}");
        }
    }
    assert_eq!(traces(venue), before);
}

#[test]
fn the_market_is_in_that_phase_already() {
    let (venue, _turn) = venue();
    let mut superuser = venue.superuser();
    let open = fault(venue, &mut superuser, "55000", "SELECT exchange.open_market()");
    superuser.run("SELECT exchange.close_market()");
    let closed = fault(venue, &mut superuser, "55000", "SELECT exchange.close_market()");
    superuser.run("SELECT exchange.open_market()");
    assert_eq!([open, closed], [None, None]);
}

#[test]
fn the_real_clock_cannot_be_moved() {
    let (venue, _turn) = venue();
    let misuses = calls("55000", &["advance_clock(now() + interval '1 day')"]);
    assert_misuses(venue, &mut venue.superuser(), &misuses);
}

#[test]
fn read_only_transactions() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut superuser = venue.superuser();
    let order = superuser.place(&format!("'{symbol}', 'buy', 1, 10"));
    superuser.run("SET default_transaction_read_only = on");
    let misuses = calls(
        "25006",
        &[
            &format!("place_order('{symbol}', 'buy', 1, 1)"),
            &format!(
                "place_orders(ARRAY['{symbol}'], ARRAY['buy']::exchange.side[], ARRAY[1], ARRAY[1])"
            ),
            &format!("cancel_order({order})"),
            &format!("cancel_orders(ARRAY[{order}])"),
            &format!("reduce_order({order}, 1)"),
            "create_instrument('READ_ONLY', 1)",
            "open_account()",
            "close_market()",
        ],
    );
    assert_misuses(venue, &mut superuser, &misuses);
    // Looking is allowed.
    superuser.run(&format!("SELECT * FROM exchange.order_book('{symbol}')"));
    superuser.run("SELECT * FROM exchange.status; SELECT exchange.wait_for('projected')");
}

#[test]
fn a_full_ring() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.wait_for_tables();
    let before: i64 = session.number("SELECT count(*) FROM exchange.orders");
    session.run("SET synchronous_commit = off; SET exchange.order_timeout = '200ms'");
    session.run("SET statement_timeout = '10s'");
    let journaler = venue.stop_worker("journaler");
    let place = format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1)");
    for _ in 0..64 {
        session.run(&place);
    }
    assert_eq!(session.one("SELECT ring_slots, ring_used FROM exchange.pg_stat_exchange"), "64|64");
    // Whoever comes next waits in vain, and so does who comes after that.
    let mut others = venue.superuser();
    others.run("SET synchronous_commit = off; SET exchange.order_timeout = '200ms'");
    for session in [&mut session, &mut others] {
        let failure = session.failure(&place);
        assert_eq!(failure.code, "53000", "{failure}");
        assert_helpful(&place, &failure);
        assert!(failure.detail.contains("64"), "{failure}");
    }
    journaler.resume();
    session.run(&place);
    session.wait_for_tables();
    assert_eq!(session.number("SELECT count(*) FROM exchange.orders") - before, 65);
}

/// An array that is longer than the ring has room for is entered as the ring empties.
#[test]
fn an_array_that_does_not_fit_into_the_ring() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let call = format!(
        "SELECT count(*) FROM exchange.place_orders(array_fill('{symbol}'::text, ARRAY[500]),
             array_fill('buy'::exchange.side, ARRAY[500]), array_fill(1::numeric, ARRAY[500]),
             array_fill(1::bigint, ARRAY[500]))"
    );
    let mut superuser = venue.superuser();
    assert_eq!(superuser.number(&call), 500);
    superuser.run("SET synchronous_commit = off");
    assert_eq!(superuser.number(&call), 500);
}

#[test]
fn a_matcher_that_does_not_answer() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.run("SET exchange.order_timeout = '100ms'");
    let before = traces(venue);
    let matcher = venue.stop_worker("matcher");
    let calls = [
        format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1)"),
        "SELECT exchange.cancel_order(1)".to_owned(),
        "SELECT exchange.create_instrument('LATE', 1)".to_owned(),
        format!(
            "SELECT exchange.place_orders(array_fill('{symbol}'::text, ARRAY[3000]),
                 array_fill('buy'::exchange.side, ARRAY[3000]),
                 array_fill(1::numeric, ARRAY[3000]), array_fill(1::bigint, ARRAY[3000]))"
        ),
    ];
    // More than the queue of arrivals has room for: what was withdrawn stays in it.
    for round in 0..100 {
        for call in &calls[..if round < 2 { calls.len() } else { 1 }] {
            let failure = session.failure(call);
            assert_eq!(failure.code, "53000", "{call}\n{failure}");
            assert_helpful(call, &failure);
            assert!(failure.detail.contains("Nothing was entered"), "{failure}");
        }
        session.run("SET exchange.order_timeout = '1ms'");
    }
    matcher.resume();
    assert_eq!(traces(venue), before, "a withdrawn order was entered");
    session.run("SET exchange.order_timeout = '5s'");
    session.place(&format!("'{symbol}', 'buy', 1, 1"));
}

#[test]
fn many_withdrawn_orders_do_not_lock_others_out() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let mut impatient = venue.superuser();
    impatient.run("SET exchange.order_timeout = '1ms'");
    let matcher = venue.stop_worker("matcher");
    // The queue of arrivals has four places a backend.
    let places =
        4 * impatient.number("SELECT setting FROM pg_settings WHERE name = 'max_connections'");
    for _ in 0..2 * places {
        impatient.failure(&format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1)"));
    }
    // Somebody who is willing to wait is served when the matcher is back.
    let mut patient = venue.superuser();
    let pid = patient.pid();
    let call = format!("'{symbol}', 'buy', 2, 1");
    let waiting = std::thread::spawn(move || patient.place(&call));
    let mut observer = venue.superuser();
    wait_until("the order is under way", || {
        observer
            .is_true(&format!("SELECT state = 'active' FROM pg_stat_activity WHERE pid = {pid}"))
    });
    matcher.resume();
    waiting.join().expect("the patient order is entered");
}

#[test]
fn what_can_not_be_waited_for() {
    let (venue, _turn) = venue();
    let mut superuser = venue.superuser();
    superuser.run("SET statement_timeout = '50ms'");
    let failure =
        superuser.failure(&format!("SELECT exchange.wait_for('projected', {})", i64::MAX));
    assert_eq!(failure.code, "57014", "{failure}");
    // What has been reached is not waited for.
    superuser.run("SELECT exchange.wait_for('projected', 1), exchange.wait_for('durable', -1)");
}

#[test]
fn too_many_instruments_and_accounts() {
    let venue =
        Venue::start(&[("exchange.maximum_instruments", "2"), ("exchange.maximum_accounts", "2")]);
    let mut superuser = venue.superuser();
    superuser.run("SELECT exchange.create_instrument('ONE', 1)");
    superuser.run("SELECT exchange.create_instrument('TWO', 1), exchange.open_account()");
    let misuses = calls("54000", &["create_instrument('THREE', 1)", "open_account()"]);
    assert_misuses(&venue, &mut superuser, &misuses);
}

#[test]
fn the_library_is_not_preloaded() {
    let venue = Venue::empty(&[("shared_preload_libraries", "")]);
    venue.cluster().create_database(DATABASE).unwrap();
    let mut superuser = venue.superuser();
    superuser.run("CREATE EXTENSION pg_exchange");
    for call in [
        "SELECT exchange.place_order('ANY', 'buy', 1, 1)",
        "SELECT exchange.place_orders('{}', '{}', '{}', '{}')",
        "SELECT exchange.cancel_order(1)",
        "SELECT exchange.cancel_orders('{}')",
        "SELECT exchange.reduce_order(1, 1)",
        "SELECT exchange.create_instrument('ANY', 1)",
        "SELECT exchange.open_account()",
        "SELECT exchange.open_market()",
        "SELECT exchange.close_market()",
        "SELECT exchange.advance_clock(now())",
        "SELECT exchange.wait_for('matched')",
        "SELECT exchange.order_book('ANY')",
        "SELECT exchange.reset_statistics()",
        "SELECT * FROM exchange.best_quotes",
        "SELECT * FROM exchange.status",
        "SELECT * FROM exchange.workers",
    ] {
        let failure = superuser.failure(call);
        assert_eq!(failure.code, "55000", "{call}\n{failure}");
        assert_helpful(call, &failure);
        assert!(failure.hint.contains("shared_preload_libraries = 'pg_exchange'"), "{failure}");
    }
    superuser.run("SELECT * FROM exchange.orders; SELECT * FROM exchange.order_book_l3('ANY')");
    // The hint is the way out.
    let failure = superuser.failure("SELECT exchange.open_market()");
    let start = failure.hint.find("ALTER").unwrap();
    let end = failure.hint.find(';').unwrap();
    superuser.run(&failure.hint[start..end]);
    // Our own settings file wins over ALTER SYSTEM no more than the user's.
    let settings = venue.cluster().data_directory().join("venue.conf");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("shared_preload_libraries = ''\n", "")).unwrap();
    venue.restart();
    venue.superuser().run("SELECT exchange.open_market()");
}

#[test]
fn another_database_than_the_venue() {
    let (venue, _turn) = venue();
    venue.cluster().create_database("elsewhere").unwrap();
    let mut session = venue.session_in("elsewhere", SUPERUSER);
    session.run("CREATE EXTENSION pg_exchange");
    let misuses = [
        "SELECT exchange.place_order('ANY', 'buy', 1, 1)",
        "SELECT exchange.cancel_order(1)",
        "SELECT exchange.open_account()",
        "SELECT exchange.order_book('ANY')",
        "SELECT exchange.wait_for('projected')",
        "SELECT * FROM exchange.best_quotes",
    ]
    .map(|sql| ("55000", sql.to_owned()));
    assert_misuses(venue, &mut session, &misuses);
    let failure = session.failure("SELECT exchange.open_market()");
    assert!(failure.detail.contains(DATABASE), "{failure}");
    // Its DROP is no matter of the venue.
    session.run("DROP EXTENSION pg_exchange");
    venue.superuser().run("SELECT exchange.wait_for('projected')");
}

#[test]
fn the_workers_are_not_running() {
    // They wait for a database that is never created.
    let venue = Venue::empty(&[("exchange.database", "not_there")]);
    venue.cluster().create_database(DATABASE).unwrap();
    let mut superuser = venue.superuser();
    superuser.run("CREATE EXTENSION pg_exchange; SET exchange.order_timeout = '100ms'");
    for call in [
        "SELECT exchange.place_order('ANY', 'buy', 1, 1)",
        "SELECT exchange.cancel_order(1)",
        "SELECT exchange.open_market()",
        "SELECT exchange.order_book('ANY')",
        "SELECT exchange.wait_for('projected')",
    ] {
        let failure = superuser.failure(call);
        assert_eq!(failure.code, "57P03", "{call}\n{failure}");
        assert_helpful(call, &failure);
        assert!(failure.detail.contains("matcher stopped"), "{failure}");
        assert!(failure.detail.contains("not_there"), "{failure}");
    }
    let states = superuser.rows("SELECT worker, state, starts FROM exchange.workers ORDER BY 1");
    let expected = [
        "journaler|stopped|0",
        "launcher|running|1",
        "matcher|stopped|0",
        "projector|stopped|0",
        "publisher|stopped|0",
        "scheduler|stopped|0",
    ];
    assert_eq!(states, expected);
}

/// A standby of a venue, made as people make one.
struct Standby<'venue> {
    primary: &'venue Cluster,
    directory: std::path::PathBuf,
    log: std::path::PathBuf,
}

const STANDBY_PORT: &str = "54322";

impl<'venue> Standby<'venue> {
    fn of(primary: &'venue Cluster) -> Self {
        let home = primary.data_directory().parent().unwrap().to_owned();
        let standby =
            Self { primary, directory: home.join("standby"), log: home.join("standby.log") };
        let socket = primary.socket_directory();
        standby.run(
            primary
                .server_command("pg_basebackup")
                .arg("--host")
                .arg(socket)
                .args(["--port", &primary.port().to_string(), "--username", SUPERUSER])
                .args(["--write-recovery-conf", "--checkpoint=fast", "--pgdata"])
                .arg(&standby.directory),
        );
        let options = format!("-c port={STANDBY_PORT}");
        standby.run(
            primary
                .server_command("pg_ctl")
                .args(["start", "--wait", "--pgdata"])
                .arg(&standby.directory)
                .arg("--log")
                .arg(&standby.log)
                .args(["--options", &options]),
        );
        standby
    }

    #[track_caller]
    fn run(&self, command: &mut std::process::Command) {
        let output = command.stdout(std::process::Stdio::null()).output().unwrap();
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}\n{complaint}\n{log}");
    }

    fn session(&self) -> Session {
        let port = STANDBY_PORT.parse().unwrap();
        let socket = self.primary.socket_directory();
        Session::connect(&venue::connection::Connection::local(socket, port, SUPERUSER, DATABASE))
    }
}

impl Drop for Standby<'_> {
    fn drop(&mut self) {
        let mut stop = self.primary.server_command("pg_ctl");
        let stop = stop.args(["stop", "--mode", "immediate", "--pgdata"]).arg(&self.directory);
        // It may not have started; nothing can be done about the rest.
        let _ = stop.output();
    }
}

#[test]
fn a_standby() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut superuser = venue.superuser();
    let order = superuser.place(&format!("'{symbol}', 'buy', 1, 10"));
    superuser.wait_for_tables();
    superuser.run("SELECT exchange.create_consumer('reader', 0)");
    let standby = Standby::of(venue.cluster());
    let mut session = standby.session();
    let count = format!("SELECT count(*) FROM exchange.orders WHERE order_id = {order}");
    wait_until("the standby has the order", || session.number(&count) == 1);
    session.run("SET exchange.order_timeout = '100ms'");
    for call in [
        format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1)"),
        format!("SELECT exchange.cancel_order({order})"),
        format!("SELECT exchange.cancel_orders(ARRAY[{order}])"),
        format!("SELECT exchange.reduce_order({order}, 1)"),
        "SELECT exchange.create_instrument('STANDBY', 1)".to_owned(),
        "SELECT exchange.open_account()".to_owned(),
        "SELECT exchange.open_market()".to_owned(),
        "SELECT exchange.fetch_events('reader')".to_owned(),
        "SELECT exchange.acknowledge('reader', 1)".to_owned(),
        "SELECT exchange.leave_consumer('reader')".to_owned(),
        "SELECT exchange.drop_consumer('reader')".to_owned(),
    ] {
        let failure = session.failure(&call);
        assert_eq!(failure.code, "25006", "{call}\n{failure}");
        assert_helpful(&call, &failure);
    }
    // What reads tables alone works there as well.
    assert!(session.number("SELECT lag FROM exchange.consumers WHERE name = 'reader'") > 0);
    for query in [
        "SELECT * FROM exchange.events_after(0)",
        "SELECT * FROM exchange.book_snapshot() WHERE side = 'buy'",
        "SELECT * FROM exchange.day_statistics",
        "SELECT * FROM exchange.order_books_l3",
    ] {
        assert!(!session.rows(query).is_empty(), "{query}");
    }
    // The tables can be read there, and trading goes on here.
    let book = format!("SELECT order_id FROM exchange.order_book_l3('{symbol}')");
    assert_eq!(session.number(&book), order);
    let next = superuser.place(&format!("'{symbol}', 'buy', 2, 10"));
    wait_for("the next order is on the standby", || {
        session.rows(&book).contains(&next.to_string()).then_some(())
    });
}

#[test]
fn settings_that_do_not_exist_or_fit() {
    let (venue, _turn) = venue();
    let mut superuser = venue.superuser();
    assert_eq!(superuser.failure("SET exchange.no_such_setting = 1").code, "42602");
    assert_eq!(superuser.failure("SET exchange.order_timeout = 0").code, "22023");
    assert_eq!(superuser.failure("SET exchange.ring_slots = 128").code, "55P02");
    let (broker, _) = venue.broker();
    venue.session(&broker).run("SET exchange.order_timeout = '1s'");
}

/// Signals to a backend that has just been answered must not hurt the next one of its place.
#[test]
fn a_call_that_is_cancelled_before_the_matcher_takes_it() {
    let (venue, _turn) = venue();
    let symbol = venue.instrument();
    let before = traces(venue);
    let mut session = venue.superuser();
    let pid = session.pid();
    let matcher = Stopped::new(venue.worker("matcher"));
    let call = format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1)");
    let waiting = std::thread::spawn(move || {
        let failure = session.failure(&call);
        (session, failure)
    });
    let mut observer = venue.superuser();
    wait_until("the order is under way", || {
        observer.is_true(&format!(
            "SELECT state = 'active' AND query LIKE '%place_order%' FROM pg_stat_activity WHERE pid = {pid}"
        ))
    });
    observer.run(&format!("SELECT pg_cancel_backend({pid})"));
    let (mut session, failure) = waiting.join().unwrap();
    assert_eq!(failure.code, "57014", "{failure}");
    assert!(
        session.take_notices().is_empty(),
        "nothing was entered, so there is nothing to warn of"
    );
    matcher.resume();
    assert_eq!(traces(venue), before);
    session.place(&format!("'{symbol}', 'buy', 1, 1"));
}
