//! Placing, cancelling and reducing orders.

use tests::{Session, SharedVenue, Venue, WITH_ITSELF};

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[("exchange.maximum_batch", "64")]);
    VENUE.get()
}

/// What most tests look at in an answer.
const STANDING: &str = "status, filled_quantity, remaining_quantity, average_price, reject_reason";

/// How an order stands after a call.
#[track_caller]
fn standing(session: &mut Session, call: &str) -> String {
    session.one(&format!("SELECT {STANDING} FROM exchange.{call}"))
}

/// How an order stands that may trade with those of its own account.
#[track_caller]
fn placed(session: &mut Session, arguments: &str) -> String {
    standing(session, &format!("place_order({arguments}, {WITH_ITSELF})"))
}

#[test]
fn the_answer_tells_everything_about_the_order() {
    let (role, account) = venue().broker();
    let symbol = venue().instrument();
    let mut session = venue().session(&role);
    let call = format!("exchange.place_order('{symbol}', 'buy', 10.25, 300)");
    let answer = session.one(&format!("SELECT * FROM {call}"));
    let (id, rest) = answer.split_once('|').unwrap();
    let (created_at, rest) = rest.split_once('|').unwrap();
    let expected = format!("open|0|300|-|{symbol}|buy|10.25|300|GTC|{account}|-|-|limit|-|-");
    assert_eq!(rest, expected);
    assert!(session.is_true(&format!(
        "SELECT '{created_at}' BETWEEN now() - interval '1 minute' AND clock_timestamp()"
    )));
    let cancelled = session.one(&format!("SELECT * FROM exchange.cancel_order({id})"));
    let expected = format!(
        "{id}|{created_at}|cancelled|0|0|-|{symbol}|buy|10.25|300|GTC|{account}|-|-|limit|-|requested"
    );
    assert_eq!(cancelled, expected);
}

#[test]
fn the_answer_can_be_had_as_one_value() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    let status = superuser.one(&format!(
        "SELECT (a).status FROM exchange.place_order('{symbol}', 'sell', 1, 1) AS a"
    ));
    assert_eq!(status, "open");
    let shape =
        superuser.one(&format!("SELECT pg_typeof(exchange.place_order('{symbol}', 'sell', 2, 1))"));
    assert_eq!(shape, "exchange.order_ack");
}

#[test]
fn orders_trade_at_the_resting_price_and_the_rest_rests() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    superuser.place(&format!("'{symbol}', 'sell', 10.00, 100"));
    superuser.place(&format!("'{symbol}', 'sell', 10.02, 100"));
    let taker = placed(&mut superuser, &format!("'{symbol}', 'buy', 10.05, 250"));
    assert_eq!(taker, "partially_filled|200|50|10.01|-");
    superuser.wait_for_books();
    let book = superuser.rows(&format!("SELECT * FROM exchange.order_book('{symbol}')"));
    assert_eq!(book, ["1|1|50|10.05|-|-|-"]);
    let seller = placed(&mut superuser, &format!("'{symbol}', 'sell', 10.05, 50"));
    assert_eq!(seller, "filled|50|0|10.05|-");
}

#[test]
fn immediate_or_cancel_never_rests() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    let ioc = |price: &str| format!("'{symbol}', 'buy', {price}, 100, 'IOC'");
    assert_eq!(placed(&mut superuser, &ioc("5.00")), "cancelled|0|0|-|-");
    superuser.place(&format!("'{symbol}', 'sell', 5.00, 30"));
    assert_eq!(placed(&mut superuser, &ioc("4.99")), "cancelled|0|0|-|-");
    assert_eq!(placed(&mut superuser, &ioc("5.01")), "cancelled|30|0|5.00|-");
    superuser.place(&format!("'{symbol}', 'sell', 5.00, 100"));
    assert_eq!(placed(&mut superuser, &ioc("5.00")), "filled|100|0|5.00|-");
    superuser.wait_for_tables();
    let open = format!("SELECT count(*) FROM exchange.open_orders WHERE symbol = '{symbol}'");
    assert_eq!(superuser.number(&open), 0);
}

#[test]
fn the_better_price_trades_first_and_then_who_came_first() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    let mut bid = |price| superuser.place(&format!("'{symbol}', 'buy', {price}, 10"));
    let (second, third, first, fourth) = (bid("7.01"), bid("7.01"), bid("7.02"), bid("7.00"));
    let taker = superuser.place(&format!("'{symbol}', 'sell', 7.00, 35, 'IOC'"));
    superuser.wait_for_tables();
    let makers = superuser.rows(&format!(
        "SELECT m.order_id, m.price, m.quantity
         FROM exchange.executions AS t JOIN exchange.executions AS m USING (trade_id)
         WHERE t.order_id = {taker} AND m.liquidity = 'maker' ORDER BY trade_id"
    ));
    let expected = [
        format!("{first}|7.02|10"),
        format!("{second}|7.01|10"),
        format!("{third}|7.01|10"),
        format!("{fourth}|7.00|5"),
    ];
    assert_eq!(makers, expected);
}

#[test]
fn a_reduced_order_keeps_its_place() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    let first = superuser.place(&format!("'{symbol}', 'buy', 3.00, 100"));
    let second = superuser.place(&format!("'{symbol}', 'buy', 3.00, 100"));
    let reduced = superuser.one(&format!(
        "SELECT order_id, {STANDING}, quantity FROM exchange.reduce_order({first}, 60)"
    ));
    assert_eq!(reduced, format!("{first}|open|0|40|-|-|40"));
    let taker = superuser.place(&format!("'{symbol}', 'sell', 3.00, 50"));
    superuser.wait_for_tables();
    let fills = superuser.rows(&format!(
        "SELECT order_id, quantity FROM exchange.executions
         WHERE symbol = '{symbol}' AND order_id <> {taker} ORDER BY trade_id"
    ));
    assert_eq!(fills, [format!("{first}|40"), format!("{second}|10")]);
    let standing = standing(&mut superuser, &format!("reduce_order({second}, 89)"));
    assert_eq!(standing, "partially_filled|10|1|3.00|-");
    let quantity =
        superuser.number(&format!("SELECT quantity FROM exchange.cancel_order({second})"));
    assert_eq!(quantity, 11);
}

#[test]
fn a_finished_order_is_answered_as_it_ended() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    let filled = superuser.place(&format!("'{symbol}', 'buy', 3.00, 7"));
    superuser.place(&format!("'{symbol}', 'sell', 3.00, 7"));
    let cancelled = superuser.place(&format!("'{symbol}', 'buy', 2.50, 5"));
    superuser.run(&format!("SELECT exchange.cancel_order({cancelled})"));
    for call in [format!("cancel_order({filled})"), format!("reduce_order({filled}, 1)")] {
        let answer = superuser.one(&format!(
            "SELECT order_id, {STANDING}, symbol, side, price, quantity, time_in_force, account_id
             FROM exchange.{call}"
        ));
        let expected = format!("{filled}|filled|7|0|3.00|order_not_open|{symbol}|buy|3.00|7|GTC|1");
        assert_eq!(answer, expected, "{call}");
    }
    let again = standing(&mut superuser, &format!("cancel_order({cancelled})"));
    assert_eq!(again, "cancelled|0|0|-|order_not_open");
    // A finished order leaves no command behind when it is asked for again.
    superuser.wait_for_tables();
    let journaled = superuser.rows(&format!(
        "SELECT status, filled_quantity FROM exchange.orders
         WHERE order_id IN ({filled}, {cancelled}) ORDER BY order_id"
    ));
    assert_eq!(journaled, ["filled|7", "cancelled|0"]);
}

#[test]
fn the_average_price_is_exact() {
    let mut superuser = venue().superuser();
    venue().list("'QUARTER', 0.25, 10, 1000");
    superuser.place("'QUARTER', 'sell', 100.25, 10");
    superuser.place("'QUARTER', 'sell', 100.75, 20");
    let answer = placed(&mut superuser, "'QUARTER', 'buy', 1000, 30");
    let expected = superuser.one("SELECT (100.25 * 10 + 100.75 * 20) / 30");
    assert_eq!(answer, format!("filled|30|0|{expected}|-"));
}

#[test]
fn prices_are_taken_in_every_spelling() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    for spelling in ["12.5", "12.50000", "1.25e1", "125e-1", "012.5", "25.0 / 2"] {
        let price = superuser.one(&format!(
            "SELECT price FROM exchange.place_order('{symbol}', 'buy', {spelling}, 1)"
        ));
        assert_eq!(price, "12.50", "{spelling}");
    }
}

#[test]
fn ticks_of_every_size_work_to_their_bounds() {
    let mut superuser = venue().superuser();
    venue().instrument();
    let money =
        superuser.one("SELECT max(exchange.deposit(1, 'USD', 1e18)) FROM generate_series(1, 10)");
    for (symbol, tick, lowest, highest) in [
        ("TICK_NANO", "0.000000001", "0.000000001", "0.010000000"),
        ("TICK_THREE", "0.003", "0.003", "30000.000"),
        ("TICK_ONE", "1", "1", "10000000"),
        ("TICK_HUNDRED", "100", "100", "1000000000"),
        ("TICK_MILLION", "1000000", "1000000", "10000000000000"),
    ] {
        venue().list(&format!("'{symbol}', {tick}"));
        let listed = superuser.one(&format!(
            "SELECT tick_size, maximum_price FROM exchange.instruments WHERE symbol = '{symbol}'"
        ));
        assert_eq!(listed, format!("{tick}|{highest}"));
        // The largest quantity whose value still fits and can be paid, traded at the highest price.
        let most: i64 = superuser.number(&format!(
            "SELECT least({}, div({money}, 2 * {highest}))",
            matcher::maximum_quantity(10_000_000)
        ));
        let buy = format!("'{symbol}', 'buy', {lowest}, {most}");
        assert_eq!(placed(&mut superuser, &buy), format!("open|0|{most}|-|-"));
        let sell = format!("'{symbol}', 'sell', {highest}, {most}");
        assert_eq!(placed(&mut superuser, &sell), format!("open|0|{most}|-|-"));
        let buy = superuser.place(&format!("'{symbol}', 'buy', {highest}, {most}"));
        superuser.wait_for_tables();
        let turnover = superuser.one(&format!(
            "SELECT turnover = {highest}::numeric * {most}, turnover / filled_quantity = {highest}
             FROM exchange.orders WHERE order_id = {buy}"
        ));
        assert_eq!(turnover, "t|t", "{symbol}");
        let candle = superuser.rows(&format!(
            "SELECT DISTINCT close = {highest} AND volume = {most} AND turnover = close * volume
             FROM exchange.candles WHERE symbol = '{symbol}'"
        ));
        assert_eq!(candle, ["t"], "{symbol}");
    }
}

#[test]
fn an_array_is_answered_in_its_order() {
    let (first, second) = (venue().instrument(), venue().instrument());
    let other = venue().account("postgres");
    let mut superuser = venue().superuser();
    let answers = superuser.rows(&format!(
        "SELECT symbol, side, price, quantity, time_in_force, {STANDING} FROM exchange.place_orders(
             ARRAY['{first}', '{second}', '{first}', '{first}'],
             ARRAY['buy', 'sell', 'sell', 'buy']::exchange.side[],
             ARRAY[10, 20, 9.99, 11], ARRAY[5, 6, 3, 4],
             ARRAY['GTC', 'GTC', 'IOC', 'IOC']::exchange.time_in_force[],
             ARRAY[1, 1, {other}, 1])"
    ));
    let expected = [
        format!("{first}|buy|10.00|5|GTC|open|0|5|-|-"),
        format!("{second}|sell|20.00|6|GTC|open|0|6|-|-"),
        format!("{first}|sell|9.99|3|IOC|filled|3|0|10.00|-"),
        format!("{first}|buy|11.00|4|IOC|cancelled|0|0|-|-"),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn arrays_longer_than_a_batch_are_answered_whole() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    // Just below, at and above multiples of exchange.maximum_batch = 64.
    for length in [1, 63, 64, 65, 127, 128, 129, 1000] {
        let call = format!(
            "exchange.place_orders(
                 array_fill('{symbol}'::text, ARRAY[{length}]),
                 array_fill('buy'::exchange.side, ARRAY[{length}]),
                 (SELECT array_agg(1 + n * 0.01) FROM generate_series(1, {length}) AS n),
                 array_fill(10::bigint, ARRAY[{length}]))"
        );
        let answers = superuser.one(&format!(
            "SELECT count(*), count(DISTINCT order_id), bool_and(price = 1 + n * 0.01),
                    bool_and(status = 'open'), array_agg(order_id ORDER BY n)
             FROM {call} WITH ORDINALITY AS a
                  (order_id, created_at, status, filled, remaining, average, symbol, side, price,
                   quantity, tif, account, reason, name, type, stop, cancelled, n)"
        ));
        let (summary, ids) = answers.rsplit_once('|').unwrap();
        assert_eq!(summary, format!("{length}|{length}|t|t"));
        let cancelled = superuser.one(&format!(
            "SELECT count(*), bool_and(status = 'cancelled'), array_agg(order_id) = '{ids}'
             FROM exchange.cancel_orders('{ids}')"
        ));
        assert_eq!(cancelled, format!("{length}|t|t"));
    }
}

#[test]
fn empty_arrays_are_answered_by_nothing() {
    let mut superuser = venue().superuser();
    assert!(
        superuser.rows("SELECT * FROM exchange.place_orders('{}', '{}', '{}', '{}')").is_empty()
    );
    assert!(superuser.rows("SELECT * FROM exchange.cancel_orders('{}')").is_empty());
}

#[test]
fn cancelling_an_array_goes_on_past_what_cannot_be_cancelled() {
    let (alice, bob) = (venue().broker().0, venue().broker().0);
    let symbol = venue().instrument();
    let (mut alice, mut bob) = (venue().session(&alice), venue().session(&bob));
    let place =
        |session: &mut Session, side| session.place(&format!("'{symbol}', '{side}', 4.00, 2"));
    let finished = place(&mut alice, "buy");
    place(&mut alice, "sell");
    let (own, others, last) =
        (place(&mut alice, "buy"), place(&mut bob, "buy"), place(&mut alice, "buy"));
    let unknown = i64::MAX;
    let answers = alice.rows(&format!(
        "SELECT order_id, status, reject_reason FROM exchange.cancel_orders(
             ARRAY[{own}, {finished}, {others}, {unknown}, -1, {own}, {last}])"
    ));
    let expected = [
        format!("{own}|cancelled|-"),
        format!("{finished}|rejected|order_not_open"),
        format!("{others}|rejected|not_owner"),
        format!("{unknown}|rejected|order_not_open"),
        "-1|rejected|order_not_open".to_owned(),
        format!("{own}|rejected|order_not_open"),
        format!("{last}|cancelled|-"),
    ];
    assert_eq!(answers, expected);
    assert_eq!(standing(&mut bob, &format!("cancel_order({others})")), "cancelled|0|0|-|-");
}

#[test]
fn an_order_is_for_the_first_account_by_default() {
    let (role, first) = venue().broker();
    let mut superuser = venue().superuser();
    let second = venue().account(&role);
    let symbol = venue().instrument();
    let mut session = venue().session(&role);
    let mut account_of = |account: &str| {
        session.number(&format!(
            "SELECT account_id FROM exchange.place_order('{symbol}', 'buy', 1, 1, 'GTC', {account})"
        ))
    };
    assert_eq!(account_of("NULL"), first);
    assert_eq!(account_of(&second.to_string()), second);
    assert_eq!(account_of(&first.to_string()), first);
    // SET ROLE changes who asks, with the session's knowledge of the role before.
    let (other, others_account) = venue().broker();
    let query = format!("SELECT account_id FROM exchange.place_order('{symbol}', 'buy', 1, 1)");
    superuser.run(&format!("SET ROLE {role}"));
    assert_eq!(superuser.number(&query), first);
    superuser.run(&format!("SET ROLE {other}"));
    assert_eq!(superuser.number(&query), others_account);
}

#[test]
fn members_of_a_role_trade_for_its_accounts() {
    let (firm, account) = venue().broker();
    let (trader, intern) = (venue().role(), venue().trader());
    venue().superuser().run(&format!("GRANT {firm} TO {trader}"));
    let symbol = venue().instrument();
    let mut trader = venue().session(&trader);
    let id = trader.place(&format!("'{symbol}', 'buy', 1, 10, 'GTC', {account}"));
    assert_eq!(standing(&mut trader, &format!("reduce_order({id}, 4)")), "open|0|6|-|-");
    assert_eq!(standing(&mut trader, &format!("cancel_order({id})")), "cancelled|0|0|-|-");
    assert_eq!(
        standing(&mut trader, &format!("cancel_order({id})")),
        "cancelled|0|0|-|order_not_open"
    );
    let id = trader.place(&format!("'{symbol}', 'buy', 1, 10, 'GTC', {account}"));
    let answer = trader
        .one(&format!("SELECT status, reject_reason FROM exchange.cancel_orders(ARRAY[{id}])"));
    assert_eq!(answer, "cancelled|-");
    let mut intern = venue().session(&intern);
    let failure = intern.failure(&format!(
        "SELECT exchange.place_order('{symbol}', 'buy', 1, 10, 'GTC', {account})"
    ));
    assert_eq!(failure.code, "42501");
}

#[test]
fn a_member_of_two_roles_cancels_the_orders_of_both() {
    let (first, first_account) = venue().broker();
    let (second, second_account) = venue().broker();
    let (both, _) = venue().broker();
    venue().superuser().run(&format!("GRANT {first}, {second} TO {both}"));
    let symbol = venue().instrument();
    let mut both = venue().session(&both);
    let mut place =
        |account: &str| both.place(&format!("'{symbol}', 'buy', 1, 10, 'GTC', {account}"));
    let ids =
        [place(&first_account.to_string()), place(&second_account.to_string()), place("NULL")];
    let mut together = venue().session(&first);
    drop(together.failure(&format!("SELECT exchange.cancel_order({})", ids[1])));
    let answers = both.rows(&format!(
        "SELECT order_id, status, reject_reason FROM exchange.cancel_orders(ARRAY{ids:?}::bigint[])"
    ));
    assert_eq!(answers, ids.map(|id| format!("{id}|cancelled|-")));
}

#[test]
fn two_roles_trade_with_each_other() {
    let (alice, alices_account) = venue().broker();
    let (bob, bobs_account) = venue().broker();
    let symbol = venue().instrument();
    let (mut alice, mut bob) = (venue().session(&alice), venue().session(&bob));
    let bid = alice.place(&format!("'{symbol}', 'buy', 8.00, 10"));
    let offer = bob.place(&format!("'{symbol}', 'sell', 7.90, 4"));
    let mut superuser = venue().superuser();
    superuser.wait_for_tables();
    let executions = superuser.rows(&format!(
        "SELECT order_id, account_id, side, liquidity, price, quantity FROM exchange.executions
         WHERE symbol = '{symbol}' ORDER BY liquidity"
    ));
    let expected = [
        format!("{bid}|{alices_account}|buy|maker|8.00|4"),
        format!("{offer}|{bobs_account}|sell|taker|8.00|4"),
    ];
    assert_eq!(executions, expected);
    assert_eq!(standing(&mut alice, &format!("cancel_order({bid})")), "cancelled|4|0|8.00|-");
    // The venue's superuser may act for everyone.
    let id = bob.place(&format!("'{symbol}', 'buy', 1.00, 1"));
    assert_eq!(standing(&mut superuser, &format!("cancel_order({id})")), "cancelled|0|0|-|-");
}

#[test]
fn prepared_statements_work() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    superuser.run(
        "PREPARE enter (text, exchange.side, numeric, bigint) AS
             SELECT order_id FROM exchange.place_order($1, $2, $3, $4);
         PREPARE leave (bigint) AS SELECT status FROM exchange.cancel_order($1)",
    );
    // Beyond the five runs after which PostgreSQL makes a generic plan.
    for quantity in 1..=20 {
        let id = superuser.number(&format!("EXECUTE enter ('{symbol}', 'buy', 1.5, {quantity})"));
        assert_eq!(superuser.one(&format!("EXECUTE leave ({id})")), "cancelled");
    }
    // The same through the protocol, as drivers do, and with values in binary.
    let client = superuser.client();
    let statement = client
        .prepare(
            "SELECT order_id, status::text FROM exchange.place_order($1, 'sell', $2, $3::bigint)",
        )
        .unwrap();
    let mut last = 0;
    for price in 1..=20 {
        let price = rust_decimal::Decimal::new(price * 25, 2);
        let row = client.query_one(&statement, &[&symbol, &price, &5_i64]).unwrap();
        let (id, status): (i64, String) = (row.get(0), row.get(1));
        assert_eq!(status, "open");
        assert!(id > last);
        last = id;
    }
}

#[test]
fn functions_may_be_called_from_functions_and_from_tables() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    superuser.run(&format!(
        "CREATE FUNCTION pg_temp.quote(price numeric) RETURNS bigint LANGUAGE plpgsql AS $$
         DECLARE ack exchange.order_ack;
         BEGIN
             ack := exchange.place_order('{symbol}', 'buy', price, 10);
             RETURN ack.order_id;
         END $$"
    ));
    let entered = superuser
        .number("SELECT count(pg_temp.quote(1 + n * 0.01)) FROM generate_series(1, 50) AS n");
    assert_eq!(entered, 50);
    let entered = superuser.one(&format!(
        "SELECT count(*), sum((a).remaining_quantity)
         FROM (VALUES (1), (2), (3)) AS wanted (quantity)
         CROSS JOIN LATERAL exchange.place_order('{symbol}', 'buy', 0.5, quantity) AS a"
    ));
    assert_eq!(entered, "3|6");
}

/// These change the market for all, so they have a venue of their own.
#[test]
fn a_closed_market_rejects_with_a_reason_and_lets_orders_out() {
    let venue = Venue::start(&[
        ("exchange.maximum_open_orders", "5"),
        ("exchange.maximum_price_levels", "64"),
    ]);
    let symbol = venue.instrument();
    let mut superuser = venue.superuser();
    let resting = superuser.place(&format!("'{symbol}', 'sell', 5, 10"));
    let other = superuser.place(&format!("'{symbol}', 'sell', 6, 10"));
    superuser.run("SELECT exchange.close_market()");
    assert_eq!(superuser.one("SELECT market FROM exchange.pg_stat_exchange"), "closed");
    let buy = format!("'{symbol}', 'buy', 5, 10");
    assert_eq!(placed(&mut superuser, &buy), "rejected|0|0|-|market_closed");
    let answers = superuser.rows(&format!(
        "SELECT status, reject_reason FROM exchange.place_orders(
             ARRAY['{symbol}'], ARRAY['buy']::exchange.side[], ARRAY[5], ARRAY[10],
             ARRAY['IOC']::exchange.time_in_force[])"
    ));
    assert_eq!(answers, ["rejected|market_closed"]);
    assert_eq!(standing(&mut superuser, &format!("reduce_order({other}, 3)")), "open|0|7|-|-");
    assert_eq!(standing(&mut superuser, &format!("cancel_order({other})")), "cancelled|0|0|-|-");
    superuser.wait_for_tables();
    let rejected = "SELECT count(*), min(reject_reason), max(updated_at - created_at)
                    FROM exchange.finished_orders WHERE status = 'rejected'";
    assert_eq!(superuser.one(rejected), "2|market_closed|00:00:00");
    superuser.run("SELECT exchange.open_market()");
    assert_eq!(placed(&mut superuser, &buy), "filled|10|0|5.00|-");
    let ended = standing(&mut superuser, &format!("cancel_order({resting})"));
    assert_eq!(ended, "filled|10|0|5.00|order_not_open");

    // The bounds of the venue are answers too.
    for _ in 0..5 {
        superuser.place(&format!("'{symbol}', 'buy', 1, 10"));
    }
    let sixth = format!("'{symbol}', 'buy', 1, 10");
    assert_eq!(placed(&mut superuser, &sixth), "rejected|0|0|-|too_many_open_orders");
    let ioc = format!("'{symbol}', 'sell', 1, 10, 'IOC'");
    assert_eq!(placed(&mut superuser, &ioc), "filled|10|0|1.00|-");
    assert_eq!(placed(&mut superuser, &sixth), "open|0|10|-|-");
}

#[test]
fn too_many_price_levels_are_rejected() {
    let venue = Venue::start(&[("exchange.maximum_price_levels", "64")]);
    let symbol = venue.instrument();
    let mut superuser = venue.superuser();
    let entered = superuser.rows(&format!(
        "SELECT status, reject_reason, count(*), min(n), max(n)
         FROM generate_series(1, 70) AS n
         CROSS JOIN LATERAL exchange.place_order('{symbol}', 'buy', n, 1) AS a
         GROUP BY 1, 2 ORDER BY 1"
    ));
    assert_eq!(entered, ["open|-|64|1|64", "rejected|too_many_price_levels|6|65|70"]);
    // At a level that exists there is room.
    superuser.place(&format!("'{symbol}', 'buy', 64, 1"));
}
