//! The tables, the books and the candles after a session of random trading, and the clock of a
//! simulated exchange.

use std::sync::OnceLock;

use tests::consistency::{assert_consistent, contradictions};
use tests::random::{Random, seed};
use tests::{Session, SharedVenue, Venue, without_days};

const SYMBOLS: [&str; 3] = ["ALPHA", "BETA", "GAMMA"];

/// A venue on which a random session of some months was traded.
fn traded() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[
        ("exchange.simulated_clock", "on"),
        ("exchange.time_zone", "America/New_York"),
    ]);
    static TRADED: OnceLock<()> = OnceLock::new();
    let venue = VENUE.get();
    TRADED.get_or_init(|| trade_for_months(venue, seed()));
    venue
}

/// Trades at random, from before one change of New York's clocks to after the next, with a few
/// microseconds to a few weeks between the orders.
fn trade_for_months(venue: &Venue, seed: u64) {
    let mut clock = venue.superuser();
    clock.run("SELECT exchange.advance_clock('2024-03-08 15:59:00 America/New_York')");
    for symbol in SYMBOLS {
        clock.run(&format!("SELECT exchange.create_instrument('{symbol}', 0.01, 10)"));
    }
    let mut traders: Vec<Trader> =
        (0..3).map(|number| Trader::new(venue, Random::new(seed, number))).collect();
    let mut random = Random::new(seed, 99);
    let mut time_us: i64 = clock.number(
        "SELECT (extract(epoch FROM created_at) * 1000000)::bigint FROM exchange.instruments LIMIT 1",
    );
    for _ in 0..2_500 {
        let at = random.between(0, traders.len() as i64 - 1) as usize;
        traders[at].act();
        // Mostly moments, at times a night or a week.
        time_us += match random.between(0, 999) {
            0..700 => random.between(1, 2_000_000),
            700..985 => random.between(1, 120_000_000),
            985..997 => random.between(1, 24 * 3_600) * 1_000_000,
            _ => random.between(1, 21 * 24) * 3_600_000_000,
        };
        clock.run(&format!(
            "SELECT exchange.advance_clock('epoch'::timestamptz + {time_us} * interval '1 us')"
        ));
    }
    clock.wait_for_tables();
    clock.wait_for_books();
}

/// Somebody who enters, reduces and cancels orders.
struct Trader {
    session: Session,
    random: Random,
    orders: Vec<i64>,
}

impl Trader {
    fn new(venue: &Venue, random: Random) -> Self {
        let mut session = venue.session(&venue.broker().0);
        session.run("SET synchronous_commit = off");
        Self { session, random, orders: Vec::new() }
    }

    fn act(&mut self) {
        match self.random.between(0, 9) {
            0..6 => self.place(),
            6..9 => self.change("cancel_order({})"),
            _ => self.change("reduce_order({}, 10)"),
        }
    }

    fn place(&mut self) {
        let side = *self.random.pick(&["buy", "sell"]);
        let away = self.random.between(-2, 15);
        let price = if side == "buy" { 10_000 - away } else { 10_000 + away };
        let quantity = self.random.between(1, 30) * 10;
        let symbol = self.random.pick(&SYMBOLS);
        let time_in_force = if self.random.per_cent(15) { "IOC" } else { "GTC" };
        let order = self
            .session
            .place(&format!("'{symbol}', '{side}', {price} * 0.01, {quantity}, '{time_in_force}'"));
        self.orders.push(order);
    }

    /// Changes one of the last orders, which may be finished, or be too small to be reduced.
    fn change(&mut self, call: &str) {
        let recent = &self.orders[self.orders.len().saturating_sub(30)..];
        if recent.is_empty() {
            return;
        }
        let call = call.replace("{}", &self.random.pick(recent).to_string());
        match self.session.try_rows(&format!("SELECT exchange.{call}")) {
            Err(failure) if failure.code != "22023" => panic!("{call}\n{failure}"),
            _ => {}
        }
    }
}

#[test]
fn the_tables_agree() {
    let venue = traded();
    let mut superuser = venue.superuser();
    assert_consistent(&mut superuser);
    // It was a session worth looking at.
    assert!(superuser.number("SELECT count(*) FROM exchange.trades") > 100);
    assert!(superuser.number("SELECT count(*) FROM exchange.open_orders") > 10);
    let resolutions = superuser.rows(
        "SELECT resolution, count(*) > 1 FROM exchange.candles WHERE symbol = 'ALPHA'
         GROUP BY 1 ORDER BY 1",
    );
    let all = ["00:01:00|t", "00:05:00|t", "01:00:00|t", "1 day|t", "7 days|t", "1 mon|t"];
    assert_eq!(resolutions, all);
}

#[test]
fn a_session_can_be_traded_again_to_the_microsecond() {
    // In a zone whose days begin at odd times; that is no matter of the engine.
    let again = Venue::start(&[
        ("exchange.simulated_clock", "on"),
        ("exchange.time_zone", "Australia/Lord_Howe"),
        ("exchange.projection_interval", "0"),
    ]);
    trade_for_months(&again, seed());
    let mut superuser = again.superuser();
    assert_consistent(&mut superuser);
    for table in ["orders", "executions", "trades"] {
        let rows = format!("SELECT count(*), sum(hashtext(t::text)) FROM exchange.{table} AS t");
        assert_eq!(superuser.one(&rows), traded().superuser().one(&rows), "{table}");
    }
}

#[test]
fn the_book_is_the_same_by_level_and_by_order() {
    let venue = traded();
    let mut superuser = venue.superuser();
    for symbol in ["ALPHA", "BETA", "GAMMA"] {
        let by_level = superuser.rows(&format!(
            "SELECT level, bid_orders, bid_quantity, bid_price, ask_price, ask_quantity, ask_orders
             FROM exchange.order_book('{symbol}', 32)"
        ));
        let by_order = superuser.rows(&format!(
            "WITH levels AS (
                 SELECT side, price, count(*) AS orders, sum(remaining_quantity) AS quantity,
                        row_number() OVER (PARTITION BY side ORDER BY
                            CASE side WHEN 'buy' THEN -price ELSE price END) AS level
                 FROM exchange.order_book_l3('{symbol}') GROUP BY side, price),
             bids AS (SELECT * FROM levels WHERE side = 'buy'),
             asks AS (SELECT * FROM levels WHERE side = 'sell')
             SELECT level, b.orders, b.quantity, b.price, a.price, a.quantity, a.orders
             FROM bids AS b FULL JOIN asks AS a USING (level) WHERE level <= 32 ORDER BY level"
        ));
        assert_eq!(by_level, by_order, "{symbol}");
        let top = superuser.rows(&format!(
            "SELECT bid_quantity, bid_price, ask_price, ask_quantity
             FROM exchange.order_book('{symbol}', 1)"
        ));
        let quote = superuser.rows(&format!(
            "SELECT bid_quantity, bid_price, ask_price, ask_quantity
             FROM exchange.best_quotes WHERE symbol = '{symbol}'"
        ));
        assert_eq!(top, quote, "{symbol}");
        let shallow = superuser.rows(&format!("SELECT * FROM exchange.order_book('{symbol}', 3)"));
        let deep = superuser.rows(&format!("SELECT * FROM exchange.order_book('{symbol}', 32)"));
        assert_eq!(shallow, deep[..deep.len().min(3)], "{symbol}");
    }
}

#[test]
fn the_order_by_order_book_tells_the_queue() {
    let venue = traded();
    let mut superuser = venue.superuser();
    let wrong = superuser.rows(
        "SELECT b.* FROM exchange.instruments AS i
         CROSS JOIN LATERAL (
             SELECT *, row_number() OVER (PARTITION BY side, price ORDER BY order_id) AS place,
                    row_number() OVER (ORDER BY side,
                        CASE side WHEN 'buy' THEN -price ELSE price END, order_id) AS right_line
             FROM exchange.order_book_l3(i.symbol) WITH ORDINALITY AS l3
                  (side, price, queue_position, order_id, remaining, created_at, line)) AS b
         WHERE queue_position <> place OR line <> right_line LIMIT 5",
    );
    assert!(wrong.is_empty(), "{wrong:?}");
    let count =
        "SELECT count(*) FROM exchange.instruments CROSS JOIN exchange.order_book_l3(symbol)";
    let open = superuser.number("SELECT open_orders FROM exchange.pg_stat_exchange");
    assert_eq!(superuser.number(count), open);
    assert!(open > 0);
}

#[test]
fn the_last_trade_is_quoted() {
    let venue = traded();
    let wrong = venue.superuser().rows(
        "SELECT q.symbol, q.last_price, t.price, q.last_quantity, t.quantity
         FROM exchange.best_quotes AS q
         LEFT JOIN LATERAL (SELECT price, quantity FROM exchange.trades AS t
                            WHERE t.symbol = q.symbol ORDER BY trade_id DESC LIMIT 1) AS t ON true
         WHERE (q.last_price, q.last_quantity) IS DISTINCT FROM (t.price, t.quantity)",
    );
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The plan of a query where tables are large: these are not.
fn plan(session: &mut Session, query: &str) -> String {
    session.run("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off");
    session.rows(&format!("EXPLAIN (COSTS OFF) {query}")).join("\n")
}

#[test]
fn the_questions_that_people_ask_are_indexed() {
    let venue = traded();
    let mut superuser = venue.superuser();
    for (query, indexes) in [
        (
            "SELECT * FROM exchange.orders WHERE order_id = 100",
            &["open_orders_order_id", "finished_orders_order_id"][..],
        ),
        (
            "SELECT * FROM exchange.orders WHERE symbol = 'ALPHA'
                 AND created_at >= '2024-03-08' AND created_at < '2024-03-09' ORDER BY created_at",
            &["open_orders_symbol", "finished_orders_symbol"],
        ),
        (
            "SELECT * FROM exchange.orders WHERE account_id = 2
                 AND created_at >= '2024-03-08' AND created_at < '2024-03-09' ORDER BY created_at",
            &["open_orders_account", "finished_orders_account"],
        ),
        (
            "SELECT * FROM exchange.orders WHERE account_id = 2 AND status = 'open'",
            &["open_orders_account"],
        ),
        ("SELECT * FROM exchange.executions WHERE order_id = 100", &["executions_pkey"]),
        (
            "SELECT * FROM exchange.executions WHERE symbol = 'ALPHA'
                 AND executed_at >= '2024-03-08' AND executed_at < '2024-06-08' ORDER BY executed_at",
            &["executions_symbol"],
        ),
        (
            "SELECT * FROM exchange.executions WHERE account_id = 2
                 AND executed_at >= '2024-03-08' AND executed_at < '2024-06-08' ORDER BY executed_at",
            &["executions_account"],
        ),
        ("SELECT * FROM exchange.trades WHERE trade_id = 7", &["trades_pkey"]),
        (
            "SELECT * FROM exchange.trades WHERE symbol = 'ALPHA' ORDER BY executed_at DESC LIMIT 10",
            &["trades_symbol"],
        ),
        (
            "SELECT * FROM exchange.candles WHERE symbol = 'ALPHA' AND resolution = '1 minute'
                 AND opened_at >= '2024-03-08' AND opened_at < '2024-03-09' ORDER BY opened_at",
            &["candles_pkey"],
        ),
        (
            "SELECT * FROM exchange.journal WHERE first_sequence <= 100
                 ORDER BY first_sequence DESC LIMIT 1",
            &["journal_pkey"],
        ),
    ] {
        let plan = without_days(&plan(&mut superuser, query));
        for index in indexes {
            assert!(plan.contains(index), "{query}\ndoes not use {index}:\n{plan}");
        }
        let sorts = plan.lines().any(|line| line.trim_start_matches([' ', '-', '>']).starts_with("Sort"));
        assert!(plan.contains("Index Cond") && !plan.contains("Seq Scan"), "{query}\n{plan}");
        assert!(!sorts || plan.contains("Merge Append"), "{query}\n{plan}");
    }
}

#[test]
fn an_order_moves_from_the_open_to_the_finished_ones_once() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    let order = session.place(&format!("'{symbol}', 'buy', 1, 30"));
    let place = |session: &mut Session| {
        session.wait_for_tables();
        session.rows(&format!(
            "SELECT regexp_replace(tableoid::regclass::text, '_[0-9]{{8}}$', ''), status, filled_quantity, turnover, updated_at > created_at
             FROM exchange.orders WHERE order_id = {order}"
        ))
    };
    assert_eq!(place(&mut session), ["exchange.open_orders|open|0|0.00|f"]);
    session.run(&format!(
        "SELECT exchange.place_order('{symbol}', 'sell', 1, 10, self_trade_prevention => 'allow')"
    ));
    assert_eq!(place(&mut session), ["exchange.open_orders|partially_filled|10|10.00|t"]);
    session.run(&format!("SELECT exchange.reduce_order({order}, 5)"));
    assert_eq!(place(&mut session), ["exchange.open_orders|partially_filled|10|10.00|t"]);
    session.run(&format!(
        "SELECT exchange.place_order('{symbol}', 'sell', 1, 15, self_trade_prevention => 'allow')"
    ));
    assert_eq!(place(&mut session), ["exchange.finished_orders|filled|25|25.00|t"]);
    assert_consistent(&mut session);
}

/// What administrators do to tables does not harm them.
#[test]
fn maintenance_of_the_tables_is_noticed() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    for statement in [
        "VACUUM exchange.open_orders",
        "VACUUM FULL exchange.open_orders",
        "VACUUM FULL exchange.engine_state",
        "CLUSTER exchange.candles USING candles_pkey",
        "REINDEX SCHEMA exchange",
        "VACUUM FULL exchange.finished_orders",
        "VACUUM FULL exchange.journal",
        "CREATE INDEX ON exchange.executions (executed_at)",
        "VACUUM (FULL, ANALYZE)",
    ] {
        let first = session.place(&format!("'{symbol}', 'buy', 2, 10"));
        session.place(&format!("'{symbol}', 'buy', 1, 10"));
        session.wait_for_tables();
        session.run(statement);
        session.run(&format!("SELECT exchange.place_order('{symbol}', 'sell', 2, 5, self_trade_prevention => 'allow')"));
        session.run(&format!("SELECT exchange.cancel_order({first})"));
        venue.wait_until_running();
        session.wait_for_tables();
        let found = contradictions(&mut session);
        assert!(found.is_empty(), "after {statement}: {found:?}");
    }
}

mod clock {
    use super::*;
    use tests::wait_until;

    fn venue() -> &'static Venue {
        static VENUE: SharedVenue = SharedVenue::new(&[("exchange.simulated_clock", "on")]);
        VENUE.get()
    }

    #[test]
    fn a_simulated_clock_moves_by_command_alone() {
        let venue = venue();
        let symbol = venue.instrument();
        let mut session = venue.superuser();
        session.run("SET timezone = 'UTC'");
        let place = format!("SELECT created_at FROM exchange.place_order('{symbol}', 'buy', 1, 1)");
        let next = "SELECT exchange.advance_clock(max(created_at) + interval '1 day 0.000001 s')
                    FROM exchange.orders";
        session.run(&place);
        session.wait_for_tables();
        let time = session.one(next);
        for _ in 0..3 {
            assert_eq!(session.one(&place), time);
        }
        session.wait_for_tables();
        let later = session.one(next);
        assert!(session.is_true(&format!(
            "SELECT '{later}'::timestamptz - '{time}' = interval '1 day 0.000001 s'"
        )));
        assert_eq!(session.one(&place), later);
        session.wait_for_tables();
        // To where it is already is no harm; back, or out of time, it does not go.
        assert_eq!(session.one(&format!("SELECT exchange.advance_clock('{later}')")), later);
        for (until, code) in [
            ("'2000-01-01'", "22023"),
            (&*format!("timestamptz '{later}' - interval '1 microsecond'"), "22023"),
            ("'-infinity'", "22023"),
            ("'infinity'", "22023"),
            ("NULL", "22004"),
        ] {
            let failure = session.failure(&format!("SELECT exchange.advance_clock({until})"));
            assert_eq!(failure.code, code, "{until}\n{failure}");
            assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{until}\n{failure}");
            assert_eq!(session.one(&place), later, "{until} has moved the clock");
        }
    }

    #[test]
    fn the_clock_stands_where_it_was_after_a_restart() {
        let venue = Venue::start(&[("exchange.simulated_clock", "on")]);
        let symbol = venue.instrument();
        let mut session = venue.superuser();
        let time = session.one("SELECT exchange.advance_clock('2031-05-06 07:08:09.101112Z')");
        let place = format!("SELECT created_at FROM exchange.place_order('{symbol}', 'buy', 1, 1)");
        assert_eq!(session.one(&place), time);
        venue.restart();
        let mut session = venue.superuser();
        assert_eq!(session.one(&place), time);
        // Switched to the real clock, which is years behind, it stands still rather than go back.
        session.run("ALTER SYSTEM SET exchange.simulated_clock = off; ");
        session.run("SELECT pg_reload_conf()");
        wait_until("the setting is there", || {
            session.is_true("SELECT NOT current_setting('exchange.simulated_clock')::boolean")
        });
        assert_eq!(session.one(&place), time);
        assert_consistent(&mut session);
    }

    #[test]
    fn the_end_of_time_does_no_harm() {
        let venue = Venue::start(&[("exchange.simulated_clock", "on")]);
        let symbol = venue.instrument();
        let mut session = venue.superuser();
        // Either it is too late to trade, or trades and their candles are as always.
        let moved = session.try_rows("SELECT exchange.advance_clock('294276-12-31 12:00Z')");
        if let Err(failure) = &moved {
            assert_eq!(failure.code, "22023", "{failure}");
        }
        session.run(&format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1)"));
        session.run(&format!("SELECT exchange.place_order('{symbol}', 'sell', 1, 1, self_trade_prevention => 'allow')"));
        session.run("SET statement_timeout = '10s'");
        session.wait_for_tables();
    }
}
