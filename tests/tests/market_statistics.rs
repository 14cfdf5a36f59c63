//! What is worked out of candles, books and executions, against plain queries of the tape.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use tests::random::{Random, seed};
use tests::session::NULL;
use tests::traders::{Floor, Trading, WhenDisconnected};
use tests::{Session, SharedVenue, Venue, without_days};

/// A zone with daylight saving, and the time between two changes of its clocks.
const ZONE: &str = "America/New_York";

const SYMBOLS: [&str; 2] = ["ALPHA", "BETA"];

/// A venue with the trades of ten months, from before one change of the clocks to after the next,
/// some of them busted. The tests only read it.
fn traded() -> &'static Venue {
    static VENUE: SharedVenue =
        SharedVenue::new(&[("exchange.simulated_clock", "on"), ("exchange.time_zone", ZONE)]);
    static TRADED: OnceLock<()> = OnceLock::new();
    let venue = VENUE.get();
    TRADED.get_or_init(|| trade(venue, Random::new(seed(), 41)));
    venue
}

fn trade(venue: &Venue, mut random: Random) {
    let mut session = venue.superuser();
    session.run(&format!("SELECT exchange.advance_clock('2024-03-07 15:59:00 {ZONE}')"));
    // This one never trades.
    for symbol in SYMBOLS.into_iter().chain(["IDLE"]) {
        venue.list(&format!("'{symbol}', 0.01"));
    }
    let mut time_us: i64 = session.number(
        "SELECT (extract(epoch FROM max(created_at)) * 1e6)::bigint FROM exchange.instruments",
    );
    for _ in 0..700 {
        // Mostly moments, at times a night or some weeks.
        time_us += match random.between(0, 99) {
            // At the same time.
            0..10 => 0,
            10..60 => random.between(1, 3_000_000),
            60..90 => random.between(1, 600_000_000),
            90..98 => random.between(1, 40 * 3_600) * 1_000_000,
            _ => random.between(1, 35 * 24) * 3_600_000_000,
        };
        session.run(&format!(
            "SELECT exchange.advance_clock('epoch'::timestamptz + {time_us} * interval '1 us')"
        ));
        let symbol = random.pick(&SYMBOLS);
        let price = random.between(9_000, 11_000);
        let quantity = random.between(1, 500);
        session.place(&format!("'{symbol}', 'sell', {price} * 0.01, {quantity}"));
        session.place(&format!("'{symbol}', 'buy', {price} * 0.01, {quantity}"));
    }
    let trades = session.number("SELECT last_trade_id FROM exchange.engine_state");
    let mut busted = BTreeSet::from([1, trades]);
    busted.extend((0..60).map(|_| random.between(1, trades)));
    for trade in busted {
        session.run(&format!("SELECT exchange.bust_trade({trade})"));
    }
    session.wait_for_tables();
    let spans = "SELECT count(DISTINCT executed_at AT TIME ZONE 'America/New_York' - executed_at AT TIME ZONE 'UTC')
                 FROM exchange.trades";
    assert_eq!(session.number(spans), 2, "the trades are of summer and of winter");
}

/// Resolutions, and where the interval begins that a time `t` is in, by arithmetic.
fn starts() -> Vec<(&'static str, String)> {
    let fixed = |seconds: &str| {
        format!(
            "to_timestamp(946684800 + floor((extract(epoch FROM t) - 946684800) / {seconds}) * {seconds})"
        )
    };
    let days = |days: i32| {
        format!(
            "(date '2000-01-03' + ((t AT TIME ZONE '{ZONE}')::date - date '2000-01-03') / {days} * {days})
             ::timestamp AT TIME ZONE '{ZONE}'"
        )
    };
    let months = |months: i32| {
        format!(
            "make_date(2000 + m.number / {months} * {months} / 12, m.number / {months} * {months} % 12 + 1, 1)
             ::timestamp AT TIME ZONE '{ZONE}'"
        )
    };
    vec![
        ("250 milliseconds", fixed("0.25")),
        ("1 second", fixed("1")),
        ("7 seconds", fixed("7")),
        ("90 seconds", fixed("90")),
        ("1 minute", fixed("60")),
        ("3 minutes", fixed("180")),
        ("5 minutes", fixed("300")),
        ("15 minutes", fixed("900")),
        ("1 hour", fixed("3600")),
        ("4 hours", fixed("14400")),
        ("100 minutes", fixed("6000")),
        ("24 hours", fixed("86400")),
        ("1 day", days(1)),
        ("3 days", days(3)),
        ("1 week", days(7)),
        ("10 days", days(10)),
        ("2 weeks", days(14)),
        ("1 month", months(1)),
        ("3 months", months(3)),
        ("5 months", months(5)),
        ("1 year", months(12)),
    ]
}

/// What candles are, written as plainly as can be.
fn plain_candles(symbol: &str, start: &str) -> String {
    format!(
        "SELECT start, (array_agg(price ORDER BY trade_id))[1], max(price), min(price),
                (array_agg(price ORDER BY trade_id DESC))[1], sum(quantity), sum(price * quantity), count(*)
         FROM (SELECT {start} AS start, trade_id, price, quantity
               FROM (SELECT executed_at AS t, * FROM exchange.trades) AS t
               CROSS JOIN LATERAL (SELECT ((extract(year FROM t AT TIME ZONE '{ZONE}') - 2000) * 12
                                           + extract(month FROM t AT TIME ZONE '{ZONE}') - 1)::integer) AS m (number)
               WHERE symbol = '{symbol}' AND busted_at IS NULL) AS t
         GROUP BY start"
    )
}

const COLUMNS: &str = "opened_at, open, high, low, close, volume, turnover, trade_count";

#[test]
fn candles_of_any_resolution_are_those_of_the_tape() {
    let mut session = traded().superuser();
    for symbol in SYMBOLS.into_iter().chain(["IDLE"]) {
        for (resolution, start) in starts() {
            let found = session.rows(&format!(
                "SELECT {COLUMNS} FROM exchange.candles_for('{symbol}', '{resolution}', '-infinity', 'infinity')"
            ));
            let expected =
                session.rows(&format!("{} ORDER BY start", plain_candles(symbol, &start)));
            assert_eq!(found, expected, "{symbol} {resolution}");
            assert_eq!(found.is_empty(), symbol == "IDLE");
        }
    }
}

#[test]
fn stored_resolutions_are_returned_as_they_are_stored() {
    let mut session = traded().superuser();
    for resolution in ["1 minute", "5 minutes", "1 hour", "1 day", "1 week", "1 month"] {
        let differences = session.rows(&format!(
            "WITH found AS (SELECT * FROM exchange.candles_for('ALPHA', '{resolution}', '-infinity', 'infinity')),
                  stored AS (SELECT * FROM exchange.candles WHERE symbol = 'ALPHA' AND resolution = '{resolution}')
             (TABLE found EXCEPT ALL TABLE stored) UNION ALL (TABLE stored EXCEPT ALL TABLE found)"
        ));
        assert!(differences.is_empty(), "{resolution}: {differences:?}");
    }
}

#[test]
fn intervals_that_begin_in_the_time_asked_for_are_returned_whole() {
    let mut session = traded().superuser();
    let mut random = Random::new(seed(), 42);
    let first = session
        .number("SELECT floor(extract(epoch FROM min(executed_at)))::bigint FROM exchange.trades");
    let last = session
        .number("SELECT ceil(extract(epoch FROM max(executed_at)))::bigint FROM exchange.trades");
    let mut returned = 0;
    for round in 0..60 {
        let (resolution, start) = random.pick(&starts()).clone();
        let [one, other] = [0; 2].map(|_| random.between(first - 90_000, last + 90_000));
        let (from, to) = (one.min(other), one.max(other));
        let window = format!("to_timestamp({from}), to_timestamp({to})");
        let found = session.rows(&format!(
            "SELECT {COLUMNS} FROM exchange.candles_for('ALPHA', '{resolution}', {window})"
        ));
        let expected = session.rows(&format!(
            "SELECT * FROM ({}) AS c WHERE start >= to_timestamp({from}) AND start < to_timestamp({to})
             ORDER BY start",
            plain_candles("ALPHA", &start)
        ));
        assert_eq!(found, expected, "round {round}: {resolution} from {from} to {to}");
        returned += found.len();
    }
    assert!(returned > 100, "{returned}");
    // From where one begins to where another does: the first is in it, the second is not.
    for (from, to) in [("2024-03-10", "2024-03-11"), ("2024-11-03", "2024-11-04")] {
        let begins = session.rows(&format!(
            "SELECT opened_at AT TIME ZONE '{ZONE}' FROM exchange.candles_for(
                 'ALPHA', '1 day', '{from} 00:00 {ZONE}', '{to} 00:00 {ZONE}', fill_empty => true)"
        ));
        assert_eq!(begins, [format!("{from} 00:00:00")]);
        let hours = session.number(&format!(
            "SELECT count(*) FROM exchange.candles_for(
                 'ALPHA', '1 hour', '{from} 00:00 {ZONE}', '{to} 00:00 {ZONE}', fill_empty => true)"
        ));
        assert_eq!(hours, if from == "2024-03-10" { 23 } else { 25 });
    }
}

#[test]
fn empty_intervals_carry_the_last_close() {
    let mut session = traded().superuser();
    let mut with_price = 0;
    for (resolution, from, to) in [
        ("1 day", "2024-02-25", "2025-01-05"),
        ("1 week", "2024-02-25", "2025-01-05"),
        ("1 month", "2023-11-01", "2025-03-01"),
        ("4 hours", "2024-03-05", "2024-06-01"),
        ("45 minutes", "2024-03-06", "2024-03-20"),
        ("7 minutes", "2024-03-07 12:00", "2024-03-09"),
        ("30 seconds", "2024-03-07 15:50", "2024-03-07 22:00"),
    ] {
        for symbol in SYMBOLS.into_iter().chain(["IDLE"]) {
            let found = session.rows(&format!(
                "SELECT {COLUMNS} FROM exchange.candles_for('{symbol}', '{resolution}',
                     '{from} {ZONE}', '{to} {ZONE}', fill_empty => true)"
            ));
            let expected = session.rows(&format!(
                "WITH starts AS (
                     SELECT start, exchange.candle_start(start + '{resolution}'::interval * 1.5, '{resolution}') AS next
                     FROM (SELECT DISTINCT exchange.candle_start(t, '{resolution}') AS start
                           FROM generate_series(timestamptz '{from} {ZONE}', '{to} {ZONE}',
                                                '{resolution}'::interval / 4) AS t) AS s
                     WHERE start >= '{from} {ZONE}' AND start < '{to} {ZONE}'),
                 tape AS (SELECT * FROM exchange.trades WHERE symbol = '{symbol}' AND busted_at IS NULL)
                 SELECT s.start, coalesce(i.open, b.close), coalesce(i.high, b.close), coalesce(i.low, b.close),
                        coalesce(i.close, b.close), coalesce(i.volume, 0), coalesce(i.turnover, 0), i.trades
                 FROM starts AS s
                 CROSS JOIN LATERAL (
                     SELECT (array_agg(price ORDER BY trade_id))[1] AS open, max(price) AS high, min(price) AS low,
                            (array_agg(price ORDER BY trade_id DESC))[1] AS close, sum(quantity) AS volume,
                            sum(price * quantity) AS turnover, count(*) AS trades
                     FROM tape WHERE executed_at >= s.start AND executed_at < s.next) AS i
                 LEFT JOIN LATERAL (
                     SELECT price AS close FROM tape WHERE executed_at < s.start
                     ORDER BY trade_id DESC LIMIT 1) AS b ON true
                 ORDER BY s.start"
            ));
            assert_eq!(found, expected, "{symbol} {resolution}");
            assert!(found.len() > 10, "{found:?}");
            let has_gap = found.iter().any(|row| row.ends_with("|0|0|0"));
            assert!(has_gap, "{symbol} {resolution} has no empty interval");
            // Before the first trade there is no price.
            let prices = found.iter().filter(|row| !row.contains(&format!("|{NULL}|"))).count();
            assert!(symbol != "IDLE" || prices == 0, "{found:?}");
            with_price += prices;
        }
    }
    assert!(with_price > 1_000, "{with_price}");
}

#[test]
fn candles_are_read_by_index() {
    let mut session = traded().superuser();
    session.run("LOAD 'auto_explain'");
    session.run(
        "SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
         SET client_min_messages = log; SET enable_seqscan = off",
    );
    session.take_notices();
    for (resolution, index) in [("3 minutes", "candles_pkey"), ("10 seconds", "trades_symbol")] {
        session.run(&format!(
            "SELECT * FROM exchange.candles_for('ALPHA', '{resolution}', '2024-04-01', '2024-05-01', true)"
        ));
        let plans: String = session
            .take_notices()
            .into_iter()
            .map(|notice| without_days(&notice.message))
            .collect();
        assert!(plans.contains(&format!("using {index}")), "{resolution}\n{plans}");
        assert!(
            !plans.contains("Seq Scan on candles") && !plans.contains("Seq Scan on trades"),
            "{plans}"
        );
    }
}

#[test]
fn misuse_of_candles_is_told() {
    let mut session = traded().superuser();
    for (arguments, code, message) in [
        ("NULL, '1 day', now(), now()", "22004", "symbol must not be NULL"),
        ("'ALPHA', NULL, now(), now()", "22004", "resolution must not be NULL"),
        ("'ALPHA', '1 day', NULL, now()", "22004", "\"from\" must not be NULL"),
        ("'ALPHA', '1 day', now(), NULL", "22004", "\"to\" must not be NULL"),
        ("'ALPHA', '1 day', now(), now(), NULL", "22004", "fill_empty must not be NULL"),
        ("'ALPHA', '0', now(), now()", "22023", "resolution must be above 0"),
        ("'ALPHA', '-1 day', now(), now()", "22023", "resolution must be above 0"),
        ("'ALPHA', '-3 months', now(), now()", "22023", "resolution must be above 0"),
        ("'ALPHA', '1 month 1 day', now(), now()", "22023", "a resolution is a number of"),
        ("'ALPHA', '1 month -1 day', now(), now()", "22023", "a resolution is a number of"),
        ("'ALPHA', '1 day 12:00', now(), now()", "22023", "a resolution is a number of"),
        (
            "'ALPHA', '1 day', '2024-01-02', '2024-01-01'",
            "22023",
            "\"to\" must not be before \"from\"",
        ),
        ("'ALPHA', '1 day', '-infinity', now(), true", "22023", "there is no end to the intervals"),
        ("'ALPHA', '1 second', '2024-01-01', '2024-02-01', true", "54000", "too many intervals"),
        ("'NONE', '1 day', now(), now()", "42704", "no such instrument"),
    ] {
        let failure = session.failure(&format!("SELECT exchange.candles_for({arguments})"));
        assert_eq!(failure.code, code, "{arguments}\n{failure}");
        assert!(failure.message.starts_with(message), "{arguments}\n{failure}");
        assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{arguments}\n{failure}");
    }
    let nothing = "SELECT exchange.candles_for('ALPHA', '1 day', '2024-04-01', '2024-04-01', true)";
    assert_eq!(session.rows(nothing), [""; 0]);
}

/// What a day was, written as plainly as can be.
fn plain_day(date: &str) -> String {
    format!(
        "WITH tape AS (SELECT *, (executed_at AT TIME ZONE '{ZONE}')::date AS date FROM exchange.trades
                       WHERE busted_at IS NULL),
         days AS (
             SELECT symbol,
                    (array_agg(price ORDER BY trade_id) FILTER (WHERE date = '{date}'))[1] AS open,
                    max(price) FILTER (WHERE date = '{date}') AS high,
                    min(price) FILTER (WHERE date = '{date}') AS low,
                    (array_agg(price ORDER BY trade_id DESC) FILTER (WHERE date = '{date}'))[1] AS last,
                    (array_agg(price ORDER BY trade_id DESC) FILTER (WHERE date < '{date}'))[1] AS before,
                    coalesce(sum(quantity) FILTER (WHERE date = '{date}'), 0) AS volume,
                    coalesce(sum(price * quantity) FILTER (WHERE date = '{date}'), 0) AS turnover,
                    count(*) FILTER (WHERE date = '{date}') AS trades
             FROM tape GROUP BY symbol)
         SELECT i.symbol, open, high, low, last, before, last - before,
                round((last - before) / before * 100, 2),
                coalesce(volume, 0), coalesce(turnover, 0), round(turnover / nullif(volume, 0), 6),
                coalesce(trades, 0)
         FROM exchange.instruments AS i LEFT JOIN days AS d USING (symbol) ORDER BY instrument_id"
    )
}

#[test]
fn a_day_is_told_as_the_tape_has_it() {
    let mut session = traded().superuser();
    let mut dates = session.rows(&format!(
        "SELECT DISTINCT (executed_at AT TIME ZONE '{ZONE}')::date FROM exchange.trades ORDER BY 1"
    ));
    assert!(dates.len() > 30, "{dates:?}");
    // Before the first trade, a Sunday, and after the last one.
    dates.extend(["2024-03-01", "2024-03-10", "2030-01-01"].map(str::to_owned));
    let is_traded = |row: &String| !row.ends_with("|0");
    let mut traded_rows = 0;
    for date in &dates {
        let found = session.rows(&format!("SELECT * FROM exchange.day_statistics_for('{date}')"));
        assert_eq!(found, session.rows(&plain_day(date)), "{date}");
        traded_rows += found.iter().filter(|row| is_traded(row)).count();
    }
    assert!(traded_rows > 30);
    assert_eq!(session.rows("SELECT exchange.day_statistics_for(NULL)"), [""; 0]);
}

#[test]
fn the_statistics_of_the_day_follow_trades_and_busts() {
    let venue = Venue::start(&[("exchange.simulated_clock", "on"), ("exchange.time_zone", ZONE)]);
    let mut session = venue.superuser();
    let symbol = venue.instrument();
    let day = |session: &mut Session| {
        session.wait_for_tables();
        session.one(&format!(
            "SELECT trade_date, open, high, low, last, previous_close, change, change_percent,
                    volume, turnover, vwap, trade_count
             FROM exchange.day_statistics WHERE symbol = '{symbol}'"
        ))
    };
    let trade = |session: &mut Session, price: &str, quantity: i64| {
        session.place(&format!("'{symbol}', 'sell', {price}, {quantity}"));
        session.place(&format!("'{symbol}', 'buy', {price}, {quantity}"));
        session.wait_for_tables();
        session.number("SELECT max(trade_id) FROM exchange.trades")
    };
    let close_until = |session: &mut Session, until: &str| {
        session.run(&format!(
            "SELECT exchange.close_market(); SELECT exchange.advance_clock('{until} {ZONE}');
             SELECT exchange.open_market()"
        ));
    };
    close_until(&mut session, "2024-03-08 09:30");
    assert_eq!(day(&mut session), "2024-03-08|-|-|-|-|-|-|-|0|0|-|0");
    trade(&mut session, "10", 100);
    let outlier = trade(&mut session, "12", 50);
    assert_eq!(
        day(&mut session),
        "2024-03-08|10.00|12.00|10.00|12.00|-|-|-|150|1600.00|10.666667|2"
    );
    session.run(&format!("SELECT exchange.bust_trade({outlier})"));
    assert_eq!(
        day(&mut session),
        "2024-03-08|10.00|10.00|10.00|10.00|-|-|-|100|1000.00|10.000000|1"
    );
    // A session on a Saturday is a day of its own.
    close_until(&mut session, "2024-03-09 10:00");
    assert_eq!(day(&mut session), "2024-03-09|-|-|-|-|10.00|-|-|0|0|-|0");
    let weekend = trade(&mut session, "11", 10);
    assert_eq!(
        day(&mut session),
        "2024-03-09|11.00|11.00|11.00|11.00|10.00|1.00|10.00|10|110.00|11.000000|1"
    );
    close_until(&mut session, "2024-03-11 09:30");
    trade(&mut session, "9", 20);
    assert_eq!(
        day(&mut session),
        "2024-03-11|9.00|9.00|9.00|9.00|11.00|-2.00|-18.18|20|180.00|9.000000|1"
    );
    // A bust of the day before is a correction of the previous close.
    session.run(&format!("SELECT exchange.bust_trade({weekend})"));
    assert_eq!(
        day(&mut session),
        "2024-03-11|9.00|9.00|9.00|9.00|10.00|-1.00|-10.00|20|180.00|9.000000|1"
    );
    // A market that stays open past midnight: the day is that of the clock.
    session.run(&format!("SELECT exchange.advance_clock('2024-03-12 00:30 {ZONE}')"));
    trade(&mut session, "8", 1);
    assert_eq!(
        day(&mut session),
        "2024-03-12|8.00|8.00|8.00|8.00|9.00|-1.00|-11.11|1|8.00|8.000000|1"
    );
    assert_eq!(session.one("SELECT trade_date FROM exchange.engine_state"), "2024-03-11");
}

/// An order of every kind that rests, displayed or not, in two instruments; a third has none.
fn books(venue: &Venue) -> [String; 3] {
    let symbols = [venue.instrument(), venue.instrument(), venue.instrument()];
    let mut session = venue.superuser();
    for symbol in &symbols[..2] {
        for order in [
            "'buy', 9.90, 10",
            "'buy', 9.90, 20",
            "'buy', 9.80, 30",
            "'sell', 10.10, 40",
            "'sell', 10.20, 500, display_quantity => 100",
            "'sell', 10.20, 5",
            "'sell', 10.20, 70, hidden => true",
            "'sell', 10.30, 80, hidden => true",
            "'buy', 9.70, 90, all_or_none => true",
            "'sell', NULL, 10, order_type => 'stop', stop_price => 5",
            "'buy', 9.95, 10, order_type => 'pegged', peg => 'best_bid'",
        ] {
            session.place(&format!("'{symbol}', {order}"));
        }
    }
    session.wait_for_tables();
    session.wait_for_books();
    symbols
}

#[test]
fn all_books_are_those_of_each_instrument() {
    static VENUE: SharedVenue = SharedVenue::new(&[("exchange.book_depth", "3")]);
    let venue = VENUE.get();
    let symbols = books(venue);
    let mut session = venue.superuser();
    for symbol in &symbols {
        let expected =
            session.rows(&format!("SELECT '{symbol}', * FROM exchange.order_book('{symbol}', 3)"));
        let found =
            session.rows(&format!("SELECT * FROM exchange.order_books WHERE symbol = '{symbol}'"));
        assert_eq!(found, expected);
        assert_eq!(found.is_empty(), *symbol == symbols[2]);
        let by_order = format!(
            "SELECT '{symbol}', * FROM exchange.order_book_l3('{symbol}') ORDER BY order_id"
        );
        let of_all = format!(
            "SELECT * FROM exchange.order_books_l3 WHERE symbol = '{symbol}' ORDER BY order_id"
        );
        assert_eq!(session.rows(&of_all), session.rows(&by_order));
    }
    let [first, second, _] = &symbols;
    assert_eq!(
        session.rows("SELECT symbol, level, bid_price, ask_price FROM exchange.order_books"),
        [first, first, second, second]
            .iter()
            .zip(["1|9.90|10.10", "2|9.80|10.20"].iter().cycle())
            .map(|(symbol, level)| format!("{symbol}|{level}"))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_snapshot_has_every_displayed_level_and_its_sequence() {
    let venue = Venue::start(&[]);
    let symbols = books(&venue);
    let role = venue.role();
    let mut visitor = venue.session(&role);
    let [first, second, third] = &symbols;
    let sequence = visitor.number("SELECT projected FROM exchange.pg_stat_exchange");
    let of_one = |symbol: &str, id: i32| {
        ["buy|9.90|990|30|2", "buy|9.80|980|30|1", "sell|10.10|1010|40|1", "sell|10.20|1020|105|2"]
            .map(|level| format!("{sequence}|{id}|{symbol}|{level}"))
    };
    assert_eq!(
        visitor.rows(&format!("SELECT * FROM exchange.book_snapshot('{second}')")),
        of_one(second, 2)
    );
    let mut all = [of_one(first, 1), of_one(second, 2)].concat();
    all.push(format!("{sequence}|3|{third}|-|-|-|-|-"));
    assert_eq!(visitor.rows("SELECT * FROM exchange.book_snapshot()"), all);
    assert_eq!(
        visitor.rows("SELECT * FROM exchange.book_snapshot('NONE')"),
        [format!("{sequence}|-|-|-|-|-|-|-")]
    );
}

/// A snapshot and the events after it are the next snapshot, while traders do what they can.
#[test]
fn a_snapshot_and_the_events_after_it_are_the_next_one() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, 4);
    let trading =
        Trading::start(&venue, &floor, floor.newcomers(), WhenDisconnected::Leave, seed());
    let mut session = venue.superuser();
    let mut levels = 0;
    session.run("CREATE TEMP TABLE before AS SELECT * FROM exchange.book_snapshot()");
    for _ in 0..20 {
        trading.wait_for_calls(150);
        session.run("CREATE TEMP TABLE after AS SELECT * FROM exchange.book_snapshot()");
        let [from, to] = ["before", "after"]
            .map(|table| session.number(&format!("SELECT max(sequence) FROM {table}")));
        assert!(from < to);
        let differences = session.rows(&format!(
            "WITH events AS (
                 SELECT * FROM exchange.events_after({from}, NULL, 10000000) WITH ORDINALITY
                 WHERE sequence <= {to}),
             -- What was before a refresh is forgotten.
             refreshed AS (SELECT symbol, max(ordinality) AS place FROM events WHERE event = 'refresh' GROUP BY symbol),
             told AS (
                 SELECT DISTINCT ON (symbol, side, price) symbol, side, price, quantity, orders
                 FROM (SELECT symbol, side, price, quantity, orders, 0 AS place FROM before WHERE side IS NOT NULL
                       UNION ALL
                       SELECT symbol, side, price, quantity, orders, ordinality FROM events WHERE event = 'level') AS t
                 LEFT JOIN refreshed AS r USING (symbol)
                 WHERE t.place >= coalesce(r.place, 0)
                 ORDER BY symbol, side, price, t.place DESC),
             expected AS (SELECT symbol, side, price, quantity, orders FROM after WHERE side IS NOT NULL),
             found AS (SELECT * FROM told WHERE quantity > 0)
             (SELECT 'missing', * FROM (TABLE expected EXCEPT ALL TABLE found) AS m)
             UNION ALL (SELECT 'wrong', * FROM (TABLE found EXCEPT ALL TABLE expected) AS w)"
        ));
        assert!(differences.is_empty(), "from {from} to {to}: {differences:#?}");
        levels += session.number("SELECT count(side) FROM after");
        session.run("DROP TABLE before; ALTER TABLE after RENAME TO before");
    }
    trading.finish();
    assert!(levels > 100, "{levels}");
}

/// A broker that follows its executions and what becomes of them.
struct Follower {
    session: Session,
    role: String,
    last: i64,
    /// Rows as they were returned.
    executions: Vec<String>,
    busts: BTreeSet<String>,
    busted_until: String,
}

impl Follower {
    fn new(venue: &Venue, role: &str) -> Self {
        Self {
            session: venue.session(role),
            role: role.to_owned(),
            last: 0,
            executions: Vec::new(),
            busts: BTreeSet::new(),
            busted_until: "-infinity".to_owned(),
        }
    }

    /// Fetches once, and returns whether there was anything.
    fn follow(&mut self, maximum: i64) -> bool {
        let rows = self.session.rows(&format!(
            "SELECT trade_id, side, order_id FROM exchange.executions_after({}, {maximum})",
            self.last
        ));
        // The rest of the last trade may come on top.
        assert!(rows.len() as i64 <= maximum + 1, "{} of {maximum}", rows.len());
        if let Some(row) = rows.last() {
            self.last = row.split('|').next().expect("a trade id").parse().expect("a number");
        }
        self.executions.extend(rows.iter().cloned());
        for row in self.session.rows(&format!(
            "SELECT busted_at, trade_id || '|' || side || '|' || order_id
             FROM exchange.busts_since('{}')",
            self.busted_until
        )) {
            let (busted_at, bust) = row.split_once('|').expect("two columns");
            self.busted_until = busted_at.to_owned();
            self.busts.insert(bust.to_owned());
        }
        !rows.is_empty()
    }
}

#[test]
fn brokers_follow_their_executions_exactly_once() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, 4);
    let trading =
        Trading::start(&venue, &floor, floor.newcomers(), WhenDisconnected::Leave, seed());
    let mut random = Random::new(seed(), 43);
    let mut superuser = venue.superuser();
    let mut followers = [Follower::new(&venue, "trader_0"), Follower::new(&venue, "trader_1")];
    let mut busted = BTreeSet::new();
    for _ in 0..25 {
        trading.wait_for_calls(60);
        for follower in &mut followers {
            follower.follow(random.between(1, 40));
        }
        let trades = superuser.number("SELECT coalesce(max(trade_id), 0) FROM exchange.trades");
        if trades > 0 {
            let trade = random.between(1, trades);
            if busted.insert(trade) {
                superuser.run(&format!("SELECT exchange.bust_trade({trade})"));
            }
        }
    }
    trading.finish();
    superuser.wait_for_tables();
    for follower in &mut followers {
        while follower.follow(random.between(1, 100)) {}
        let own = format!(
            "FROM exchange.executions AS e JOIN exchange.accounts AS a USING (account_id)
             WHERE a.owner = '{}'",
            follower.role
        );
        let expected = superuser
            .rows(&format!("SELECT trade_id, side, order_id {own} ORDER BY trade_id, side"));
        assert!(expected.len() > 50, "{}", expected.len());
        assert_eq!(follower.executions, expected, "{}", follower.role);
        let expected: BTreeSet<_> = superuser
            .rows(&format!("SELECT trade_id, side, order_id {own} AND busted_at IS NOT NULL"))
            .into_iter()
            .collect();
        assert!(!expected.is_empty());
        assert_eq!(follower.busts, expected, "{}", follower.role);
    }
    // Who watches follows everybody's.
    let everything = superuser
        .rows("SELECT trade_id, side, order_id FROM exchange.executions ORDER BY trade_id, side");
    let role = venue.role();
    superuser.run(&format!("GRANT exchange_analyst TO {role}"));
    for role in [role.as_str(), "postgres"] {
        let mut watcher = Follower::new(&venue, role);
        while watcher.follow(random.between(50, 500)) {}
        assert_eq!(watcher.executions, everything, "{role}");
    }
}

#[test]
fn executions_after_a_trade_are_found_by_index() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let (broker, account) = venue.broker();
    venue.account(&broker);
    let mut session = venue.session(&broker);
    for _ in 0..5 {
        session.place(&format!("'{symbol}', 'sell', 100, 1, account_id => {account}"));
        session.place(&format!("'{symbol}', 'buy', 100, 1"));
    }
    session.wait_for_tables();
    let mut superuser = venue.superuser();
    superuser.run("LOAD 'auto_explain'");
    superuser.run(&format!(
        "SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
         SET client_min_messages = log; SET enable_seqscan = off; SET enable_bitmapscan = off;
         SET ROLE {broker}"
    ));
    superuser.take_notices();
    assert_eq!(superuser.rows("SELECT exchange.executions_after(0)").len(), 10);
    let plans: String =
        superuser.take_notices().into_iter().map(|notice| without_days(&notice.message)).collect();
    let index_condition = "(account_id = ANY ($1)) AND (executed_at >= ";
    assert!(
        plans.contains("using executions_account") && plans.contains(index_condition),
        "{plans}"
    );
    for (arguments, code) in [
        ("NULL", "22004"),
        ("0, NULL", "22004"),
        ("-1", "22023"),
        ("0, 0", "22023"),
        ("9223372036854775807", "22023"),
    ] {
        let failure = session.failure(&format!("SELECT exchange.executions_after({arguments})"));
        assert_eq!(failure.code, code, "{arguments}\n{failure}");
        assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{arguments}\n{failure}");
    }
    assert_eq!(session.rows("SELECT exchange.executions_after(4000000000000000000)"), [""; 0]);
}
