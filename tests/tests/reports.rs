//! Reports and the end of a day: days of every kind of order against an accountant who has the
//! journal alone, and what can be worked out by hand.

use std::fs;
use std::io::Read as _;

use crate::mixed::traded_venue;
use tests::audit::Replay;
use tests::audit::reports::{Day, findings};
use tests::{Session, Venue, audit};

/// How many commands the seeded days have.
const COMMANDS: u64 = 15_000;

/// A moment as microseconds since 2000-01-01 UTC.
fn us(session: &mut Session, moment: &str) -> i64 {
    session.number(&format!(
        "SELECT (extract(epoch FROM {moment}) * 1000000)::bigint - 946684800000000"
    ))
}

/// Midnight in New York, by PostgreSQL's own calendar.
fn midnight_us(session: &mut Session, date: &str, days_later: u32) -> i64 {
    us(
        session,
        &format!("((date '{date}' + {days_later})::timestamp AT TIME ZONE 'America/New_York')"),
    )
}

/// Moves the clock on until a day of the calendar is over, and then some.
fn come_to_a_close(session: &mut Session) -> String {
    loop {
        session.run("SELECT exchange.advance_clock(next_phase_at) FROM exchange.pg_stat_exchange");
        session.wait_for_tables();
        let is_over = session.is_true(
            "SELECT market_phase = 'closed'
                    AND NOT EXISTS (SELECT FROM exchange.trading_days WHERE steps_taken > 0)
             FROM exchange.engine_state",
        );
        if is_over {
            session.run(
                "SELECT exchange.advance_clock(timestamptz '2000-01-01 00:00Z' + (time_us + 3600000000)
                                                   * interval '1 us')
                 FROM exchange.engine_state",
            );
            session.wait_for_tables();
            return session.one("SELECT trade_date FROM exchange.engine_state");
        }
    }
}

/// Closes a date; nothing of its checks may differ.
#[track_caller]
fn close(session: &mut Session, date: &str) {
    let checks =
        session.rows(&format!("SELECT check_name, difference FROM exchange.close_day('{date}')"));
    assert!(checks.len() >= 17, "{checks:?}");
    assert!(checks.iter().all(|check| check.ends_with("|0")), "{checks:?}");
}

/// What a closed date says differently by now.
fn differences_since(session: &mut Session, date: &str) -> Vec<String> {
    let checks = session.rows(&format!("SELECT * FROM exchange.check_day('{date}')"));
    assert!(checks.iter().filter(|check| check.starts_with("closed: ")).count() == 3, "{checks:?}");
    session.rows(&format!("SELECT * FROM exchange.check_day('{date}') WHERE difference <> 0"))
}

/// Changes of the tables that nobody may make, each with the checks that notice.
const TAMPERING: [(&str, &[&str]); 16] = [
    (
        "UPDATE exchange.executions SET fee = fee + 0.000000001
         WHERE (trade_id, side) = (SELECT min(trade_id), 'buy'::exchange.side FROM exchange.trades WHERE busted_at IS NULL)",
        &["accounts: opening"],
    ),
    (
        "DELETE FROM exchange.executions
         WHERE (trade_id, side) = (SELECT min(trade_id), 'sell'::exchange.side FROM exchange.trades WHERE busted_at IS NULL)",
        &["trades: two executions each", "accounts: opening", "settlement: shares to receive are shares to deliver"],
    ),
    (
        "UPDATE exchange.executions SET side = 'buy'
         WHERE (trade_id, side) = (SELECT min(trade_id), 'sell'::exchange.side FROM exchange.trades)",
        &["trades: two executions each", "orders: what their executions say"],
    ),
    (
        "UPDATE exchange.executions SET price = price * 2
             WHERE trade_id = (SELECT min(trade_id) FROM exchange.trades);
         UPDATE exchange.trades SET price = price * 2
             WHERE trade_id = (SELECT min(trade_id) FROM exchange.trades)",
        &["public events: turnover", "orders: what their executions say"],
    ),
    (
        "DELETE FROM exchange.trades WHERE trade_id = 1; DELETE FROM exchange.executions WHERE trade_id = 1",
        &["trades: ids without a gap", "public events: trades", "public events: quantity"],
    ),
    (
        "UPDATE exchange.transfers SET amount = amount + 1
         WHERE sequence = (SELECT min(sequence) FROM exchange.transfers)",
        &["accounts: opening"],
    ),
    (
        "UPDATE exchange.transfers SET account_id = 3 - account_id
         WHERE sequence = (SELECT max(sequence) FROM exchange.transfers WHERE account_id IN (1, 2)
                           AND transferred_at < exchange.midnight('{date}'::date + 1)
                           AND transferred_at >= exchange.midnight('{date}'))",
        &["journal: transfers"],
    ),
    (
        "DELETE FROM exchange.finished_orders
         WHERE order_id = (SELECT min(order_id) FROM exchange.finished_orders)",
        &["journal: orders"],
    ),
    (
        "UPDATE exchange.finished_orders SET account_id = account_id + 1
         WHERE order_id = (SELECT min(order_id) FROM exchange.finished_orders WHERE status = 'filled')",
        &["journal: orders", "orders: what their executions say"],
    ),
    (
        "UPDATE exchange.finished_orders SET filled_quantity = filled_quantity - 1
         WHERE order_id = (SELECT min(order_id) FROM exchange.finished_orders WHERE status = 'filled')",
        &["orders: what their executions say"],
    ),
    (
        "UPDATE exchange.cash SET balance = balance + 0.01
         WHERE (account_id, currency) = (SELECT account_id, currency FROM exchange.cash ORDER BY 1, 2 LIMIT 1)",
        &["accounts: opening", "accounts: nothing made or lost"],
    ),
    (
        "UPDATE exchange.candles SET volume = volume + 1 WHERE resolution = '1 day'",
        &["trades: volume of the candles"],
    ),
    (
        "UPDATE exchange.journal SET commands = set_byte(commands, 0, get_byte(commands, 0) # 1)
         WHERE first_sequence = (SELECT max(first_sequence) FROM exchange.journal WHERE first_sequence < 2000)",
        &["journal: checksums"],
    ),
    (
        "DELETE FROM exchange.journal
         WHERE first_sequence = (SELECT max(first_sequence) FROM exchange.journal WHERE first_sequence < 2000)",
        &["journal: commands"],
    ),
    (
        "UPDATE exchange.journal SET event_hash = event_hash # 1
         WHERE last_sequence = (SELECT sequence FROM exchange.engine_state)",
        &["journal: event hash"],
    ),
    (
        "INSERT INTO exchange.calendar_exceptions
         SELECT date '{date}' + n, 'closed for good' FROM generate_series(1, 31) AS n",
        &["settlement: a date to settle on"],
    ),
];

#[test]
fn days_of_every_kind_of_order_are_what_the_accountant_says() {
    let venue = traded_venue(COMMANDS);
    let mut session = venue.superuser();
    let last = come_to_a_close(&mut session);
    audit::settle(&venue);
    let mut dates = session.rows(
        "SELECT DISTINCT (executed_at AT TIME ZONE 'America/New_York')::date FROM exchange.trades
         ORDER BY 1",
    );
    if !dates.contains(&last) {
        dates.push(last.clone());
    }
    assert!(dates.len() >= 2, "only {dates:?}");
    let is_mixed = session.one(
        "SELECT bool_or(in_auction), bool_or(busted_at IS NOT NULL),
                (SELECT count(DISTINCT order_type) = 6 FROM exchange.orders),
                (SELECT bool_or(fee < 0) AND bool_or(fee > 0) FROM exchange.executions)
         FROM exchange.trades",
    );
    assert_eq!(is_mixed, "t|t|t|t", "auctions, busts, every order type, fees and rebates");

    tamper(&mut session, &dates[0]);

    let mut days = Vec::new();
    for (place, date) in dates.iter().enumerate() {
        if place > 0
            && let Some(later) = dates.get(place + 1)
        {
            let failure = session.failure(&format!("SELECT * FROM exchange.close_day('{later}')"));
            assert_eq!(failure.code, "55000", "{failure}");
            assert_eq!(failure.message, "another day is to be closed first");
            assert!(failure.hint.contains(&format!("close_day('{date}')")), "{failure}");
        }
        close(&mut session, date);
        days.push(Day {
            date: date.clone(),
            begins_us: match days.last() {
                None => midnight_us(&mut session, date, 0),
                Some(Day { ends_us, .. }) => *ends_us,
            },
            ends_us: if *date == last {
                session.number("SELECT time_us FROM exchange.engine_state")
            } else {
                midnight_us(&mut session, date, 1)
            },
        });
    }
    compare(&mut session, &days);
    export(&venue, &mut session, &dates[0]);
    brokers_see_their_own(&venue, &mut session, &dates);

    // Trades of closed days are busted; they still say what they said, and the next one shows it.
    let busted = session.rows(
        "SELECT trade_id FROM exchange.trades AS t
         WHERE busted_at IS NULL AND NOT EXISTS (
             SELECT FROM exchange.executions AS e JOIN exchange.accounts AS a USING (account_id)
             WHERE e.trade_id = t.trade_id AND a.status = 'closed')
         ORDER BY trade_id LIMIT 3",
    );
    for trade_id in &busted {
        session.run(&format!("SELECT exchange.bust_trade({trade_id})"));
    }
    session.run("SELECT exchange.deposit(1, 'USD', 0.000000001)");
    session.wait_for_tables();
    for date in &dates {
        assert_eq!(differences_since(&mut session, date), [""; 0], "{date}");
    }
    let next = come_to_a_close(&mut session);
    audit::settle(&venue);
    close(&mut session, &next);
    days.push(Day {
        begins_us: days[days.len() - 1].ends_us,
        ends_us: session.number("SELECT time_us FROM exchange.engine_state"),
        date: next.clone(),
    });
    compare(&mut session, &days);
    assert!(session.is_true(&format!(
        "SELECT count(*) >= 3 FROM exchange.end_of_day_statements
         WHERE trade_date = '{next}' AND busted <> 0"
    )));
}

/// Whatever is changed behind the back of the exchange, the date cannot be closed, and it says why.
fn tamper(session: &mut Session, date: &str) {
    for (change, checks) in TAMPERING {
        session.run("BEGIN");
        session.run(&change.replace("{date}", date));
        let failure = session.failure(&format!("SELECT * FROM exchange.close_day('{date}')"));
        session.run("ROLLBACK");
        assert_eq!(failure.code, "22000", "{change}\n{failure}");
        assert_eq!(failure.message, "the day does not reconcile");
        for check in checks {
            let is_told =
                failure.detail.lines().any(|line| line.starts_with(&format!("{check}: ")));
            assert!(is_told, "{change}\nshould fail {check}:\n{failure}");
        }
    }
    assert_eq!(session.number("SELECT count(*) FROM exchange.closed_days"), 0);
}

#[track_caller]
fn compare(session: &mut Session, days: &[Day]) {
    let replay = Replay::of_journal(session).expect("the journal is sound");
    let findings = findings(session, &replay, days);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    // What orders did one by one.
    let orders = session.rows(
        "SELECT order_id FROM exchange.orders AS o
         WHERE order_id % 29 = 0 OR cancel_reason IN ('kill_switch', 'session_ended') ORDER BY 1",
    );
    assert!(orders.len() > 100, "{}", orders.len());
    let wrong = session.rows(&format!(
        "SELECT o.order_id, o.status, o.cancel_reason, t.*
         FROM exchange.orders AS o
         JOIN exchange.accounts AS a USING (account_id)
         CROSS JOIN LATERAL (
             SELECT (array_agg(action || ' by ' || actor))[1] AS first,
                    count(*) FILTER (WHERE action = 'execution') AS executions,
                    coalesce(sum(quantity) FILTER (WHERE action = 'execution'), 0) AS quantity,
                    max(action) FILTER (WHERE action = o.status::text) AS ended,
                    max(reason) FILTER (WHERE action = o.status::text) AS reason,
                    max(actor) FILTER (WHERE action = o.status::text) AS actor
             FROM exchange.audit_trail(o.order_id)) AS t
         WHERE o.order_id IN ({})
           AND NOT (t.first = 'place by ' || a.owner
                    AND t.quantity = o.filled_quantity
                    AND t.executions = (SELECT count(*) FROM exchange.executions AS e
                                        WHERE e.order_id = o.order_id)
                    AND (o.remaining_quantity > 0) = (t.ended IS NULL)
                    AND (o.remaining_quantity > 0 OR t.actor IS NOT NULL)
                    AND t.reason IS NOT DISTINCT FROM coalesce(o.reject_reason::text, o.cancel_reason::text))
         LIMIT 5",
        orders.join(", ")
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every file has, byte for byte, what its query gives a client.
fn export(venue: &Venue, session: &mut Session, date: &str) {
    let folder = venue.cluster().data_directory().parent().expect("it is in a folder").to_owned();
    let files = session.rows(&format!(
        "SELECT file, lines FROM exchange.export_day('{date}', '{}/')",
        folder.display()
    ));
    let reports =
        session.rows(&format!("SELECT report, query FROM exchange.day_reports('{date}')"));
    assert_eq!(files.len(), reports.len());
    for (file, report) in files.iter().zip(&reports) {
        let (path, lines) = file.split_once('|').expect("two columns");
        let (name, query) = report.split_once('|').expect("two columns");
        assert_eq!(path, format!("{}/{date}_{name}.csv", folder.display()));
        let written = fs::read_to_string(path).expect("the file is there");
        let mut expected = String::new();
        session
            .client()
            .copy_out(&format!("COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)"))
            .map(|mut rows| rows.read_to_string(&mut expected))
            .expect("the query runs")
            .expect("the rows come");
        assert_eq!(written, expected, "{name}");
        assert_eq!(
            written.lines().count().to_string(),
            (lines.parse::<u64>().unwrap() + 1).to_string()
        );
        if !name.contains("candidates") {
            assert_ne!(lines, "0", "{name} is empty");
        }
    }
}

/// Functions that return rows of accounts.
const OF_ACCOUNTS: [&str; 9] = [
    "account_movements({range})",
    "account_activity({range})",
    "trade_history({range})",
    "orders_and_executions({range})",
    "net_obligations({range})",
    "realised_gains({range})",
    "order_to_trade_ratios({range})",
    "effective_spreads({range})",
    "execution_quality({range})",
];

fn brokers_see_their_own(venue: &Venue, session: &mut Session, dates: &[String]) {
    let range = format!("'{}', '{}'", dates[0], dates[dates.len() - 1]);
    let accounts =
        "account_id IN (SELECT account_id FROM exchange.accounts WHERE owner = 'mixed_1')";
    let mut broker = venue.session("mixed_1");
    for function in OF_ACCOUNTS {
        let call = function.replace("{range}", &range);
        let digest = |condition: &str| {
            format!(
                "SELECT count(*), sum(hashtext(r::text)::numeric) FROM exchange.{call} AS r
                 WHERE {condition}"
            )
        };
        let own = session.one(&digest(accounts));
        assert!(!own.starts_with("0|"), "{call}");
        assert_eq!(broker.one(&digest("true")), own, "{call}");
    }
    let others = session.rows(
        "SELECT account_id FROM exchange.accounts WHERE owner = 'mixed_2' ORDER BY 1 LIMIT 1",
    );
    for query in [
        format!("SELECT * FROM exchange.account_statement({}, {range})", others[0]),
        format!("SELECT * FROM exchange.tax_lots({})", others[0]),
    ] {
        assert_eq!(broker.rows(&query), [""; 0]);
        assert!(!session.rows(&query).is_empty());
    }
    for call in ["close_day('2026-11-24')", "check_day('2026-11-24')", "audit_trail(1)"] {
        let failure = broker.failure(&format!("SELECT * FROM exchange.{call}"));
        assert_eq!(failure.code, "42501", "{failure}");
    }
}

/// A venue by a simulated clock and the calendar, on the morning of 2026-11-24: two accounts with
/// money and shares, of different owners. Fees are one in a thousand for who comes in.
fn morning() -> (Venue, Session, [i64; 2]) {
    let venue = Venue::start(&[("exchange.simulated_clock", "on"), ("exchange.calendar", "on")]);
    let mut session = venue.superuser();
    session.run(
        "CREATE ROLE alice LOGIN IN ROLE exchange_trader; CREATE ROLE bob LOGIN IN ROLE exchange_trader;
         SELECT exchange.close_market();
         SELECT exchange.advance_clock('2026-11-24 07:00 America/New_York');
         SELECT exchange.create_instrument('ACME', 0.01);
         SELECT exchange.create_fee_schedule('fees', 0, 0.001)",
    );
    let accounts = ["alice", "bob"].map(|owner| {
        let account = session.number(&format!("SELECT exchange.open_account('{owner}')"));
        session.run(&format!(
            "SELECT exchange.verify_account({account}), exchange.set_fee_schedule({account}, 'fees'),
                    exchange.deposit({account}, 'USD', 10000),
                    exchange.deposit_shares({account}, 'ACME', 100),
                    exchange.set_short_limit({account}, 'ACME', 1000)"
        ));
        account
    });
    (venue, session, accounts)
}

fn advance(session: &mut Session, until: &str) {
    session.run(&format!("SELECT exchange.advance_clock('{until} America/New_York')"));
    session.wait_for_tables();
}

/// Places an order for an account, by the rest of `exchange.place_order()`'s arguments, a second
/// after what was before.
fn place(session: &mut Session, account: i64, arguments: &str) -> i64 {
    session.run(
        "SELECT exchange.wait_for('projected');
         SELECT exchange.advance_clock(timestamptz '2000-01-01 00:00Z' + (time_us + 1000000) * interval '1 us')
         FROM exchange.engine_state",
    );
    session.place(&format!("'ACME', {arguments}, account_id => {account}"))
}

#[test]
fn a_day_is_closed_once_when_it_is_over() {
    let (venue, mut session, [alice, bob]) = morning();
    let refused = |session: &mut Session, date: &str, message: &str, hint: &str| {
        let failure = session.failure(&format!("SELECT * FROM exchange.close_day({date})"));
        assert_eq!(failure.message, message, "{failure}");
        assert!(failure.hint.contains(hint), "{failure}");
        failure.code
    };
    let code = refused(&mut session, "NULL", "trade_date is NULL", "exchange.close_day(DATE");
    assert_eq!(code, "22004");
    // In the morning, while it trades, and on the days around.
    let today = "'2026-11-24'";
    refused(&mut session, today, "the day is not over", "after its market has closed");
    advance(&mut session, "2026-11-24 10:00");
    let code = refused(&mut session, today, "the day is still trading", "close_market()");
    assert_eq!(code, "55000");
    refused(&mut session, "'2026-11-25'", "the day has not come yet", "its market");
    // Closed by hand at noon, it may be opened again by the calendar's close.
    place(&mut session, alice, "'sell', 10, 10");
    place(&mut session, bob, "'buy', 10, 10");
    session.run("SELECT exchange.close_market()");
    session.wait_for_tables();
    refused(&mut session, today, "the day is not over", "after its market has closed");
    session.run("SELECT exchange.open_market()");
    advance(&mut session, "2026-11-24 16:00");
    session.run(&format!("SELECT exchange.deposit({alice}, 'USD', 1)"));
    let failure = refused(
        &mut session,
        today,
        "the clock has not moved since the last trade, transfer or bust",
        "SELECT exchange.advance_clock(",
    );
    assert_eq!(failure, "55000");
    advance(&mut session, "2026-11-24 17:00");
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    let code = refused(&mut session, today, "the transaction is repeatable read", "READ COMMITTED");
    assert_eq!(code, "25001");
    session.run("ROLLBACK");

    // Who closes it holds up neither the exchange nor who reads, and nobody else can close it.
    session.run("BEGIN");
    close(&mut session, "2026-11-24");
    let mut other = venue.superuser();
    other.run("SELECT exchange.set_reference_price('ACME', 10)");
    other.wait_for_tables();
    assert_eq!(other.number("SELECT count(*) FROM exchange.closed_days"), 0);
    other.run("SET lock_timeout = '10ms'");
    assert_eq!(other.failure("SELECT exchange.close_day('2026-11-24')").code, "55P03");
    session.run("COMMIT");
    refused(&mut session, today, "the day is closed already", "check_day('2026-11-24')");
    refused(&mut session, "'2026-11-23'", "the day is before one that is closed", "order");
    let failure = session.failure("SELECT * FROM exchange.export_day('2026-11-23', '/tmp')");
    assert_eq!((&*failure.code, &*failure.message), ("55000", "the day is not closed"));
    assert_eq!(
        session.one("SELECT trade_date, orders, trades, closed_by FROM exchange.closed_days"),
        "2026-11-24|2|1|postgres"
    );

    // The same evening is of the next date: a deposit, and the bust of the trade.
    session
        .run(&format!("SELECT exchange.deposit({alice}, 'USD', 5); SELECT exchange.bust_trade(1)"));
    session.wait_for_tables();
    assert_eq!(differences_since(&mut session, "2026-11-24"), [""; 0]);
    let activity = |date: &str, account: i64| {
        format!(
            "SELECT asset, opening, trim_scale(deposited), withdrawn, bought, trim_scale(sold), fees,
                    trim_scale(busted), closing
             FROM exchange.account_activity('{date}', '{date}') WHERE account_id = {account} ORDER BY 1"
        )
    };
    assert_eq!(
        session.rows(&activity("2026-11-24", alice)),
        ["ACME|0|100|0|0|-10|0|0|90", "USD|0|10001|0|0|100|0|0|10101"]
    );
    let tomorrow = [
        ["ACME|90|0|0|0|0|0|10|100", "USD|10101|5|0|0|0|0|-100|10006"],
        // The fee of 0.1 comes back too.
        ["ACME|110|0|0|0|0|0|-10|100", "USD|9899.9|0|0|0|0|0|100.1|10000"],
    ];
    for (account, expected) in [alice, bob].into_iter().zip(tomorrow) {
        assert_eq!(session.rows(&activity("2026-11-25", account)), expected);
    }
    // It takes back what was to be delivered.
    let obligations = "SELECT trade_date, account_id - {alice}, settlement_date, quantity,
                              trim_scale(amount), trim_scale(fees)
                       FROM exchange.{} ORDER BY 1, 2"
        .replace("{alice}", &alice.to_string());
    assert_eq!(
        session.rows(&obligations.replace("{}", "settlement_obligations")),
        ["2026-11-24|0|2026-11-25|-10|100|0", "2026-11-24|1|2026-11-25|10|-100.1|-0.1"]
    );
    assert_eq!(
        session.rows(&obligations.replace("{}", "net_obligations('2026-11-25', '2026-11-25')")),
        ["2026-11-25|0|2026-11-27|10|-100|0", "2026-11-25|1|2026-11-27|-10|100.1|0.1"]
    );
    // After midnight the day before can be closed too, by midnight. Thanksgiving and what follows is
    // of the Friday.
    advance(&mut session, "2026-11-27 13:30");
    session.run(&format!("SELECT exchange.withdraw({alice}, 'USD', 6)"));
    advance(&mut session, "2026-11-27 14:00");
    close(&mut session, "2026-11-25");
    close(&mut session, "2026-11-27");
    assert_eq!(
        session.rows(
            "SELECT trade_date, to_char(begins_at AT TIME ZONE 'America/New_York', 'DD HH24:MI'),
                    to_char(ends_at AT TIME ZONE 'America/New_York', 'DD HH24:MI'), last_trade_id
             FROM exchange.closed_days ORDER BY 1"
        ),
        [
            "2026-11-24|24 00:00|24 17:00|1",
            "2026-11-25|24 17:00|26 00:00|1",
            "2026-11-27|26 00:00|27 14:00|1"
        ]
    );
    assert_eq!(
        session.rows("SELECT trade_date FROM exchange.days('2026-11-23', '2026-11-28') ORDER BY 1"),
        ["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-27", "2026-11-28"]
    );
    for date in ["2026-11-24", "2026-11-25", "2026-11-27"] {
        assert_eq!(differences_since(&mut session, date), [""; 0]);
    }
    // A frozen row that was changed is found.
    session.run(
        "BEGIN; UPDATE exchange.end_of_day_statements SET closing = closing + 1
                WHERE trade_date = '2026-11-25' AND asset = 'USD';
         UPDATE exchange.end_of_day_prices SET close = 11 WHERE trade_date = '2026-11-25';
         UPDATE exchange.settlement_obligations SET amount = 1 WHERE trade_date = '2026-11-25'",
    );
    let told = session.rows(
        "SELECT check_name, difference FROM exchange.check_day('2026-11-25') WHERE difference <> 0 ORDER BY 1",
    );
    assert_eq!(told, ["closed: obligations|-2", "closed: prices|-1", "closed: statements|-2"]);
    session.run("ROLLBACK");
}

#[test]
fn obligations_settle_or_fail() {
    let (_venue, mut session, [alice, bob]) = morning();
    advance(&mut session, "2026-11-24 10:00");
    place(&mut session, alice, "'sell', 10, 10");
    place(&mut session, bob, "'buy', 10, 10");
    // Bought and sold again: of the shares nothing is left to deliver.
    place(&mut session, alice, "'buy', 11, 10");
    place(&mut session, bob, "'sell', 11, 10");
    place(&mut session, alice, "'sell', 10, 3");
    place(&mut session, bob, "'buy', 10, 3");
    advance(&mut session, "2026-11-24 17:00");
    close(&mut session, "2026-11-24");
    let obligations = "SELECT account_id, quantity, amount, status, reason
                       FROM exchange.settlement_obligations ORDER BY 1";
    assert_eq!(
        session.rows(obligations),
        [format!("{alice}|-3|20.00|pending|-"), format!("{bob}|3|-20.24|pending|-"),]
    );
    assert_eq!(session.number("SELECT exchange.settle_obligations('2026-11-24')"), 0);
    let fail = |account: i64, reason: &str| {
        format!("SELECT exchange.fail_obligation('2026-11-24', {account}, 'ACME', {reason})")
    };
    for (call, code) in [
        (fail(alice, "NULL"), "22004"),
        (fail(alice, "''"), "22004"),
        (fail(1_000, "'late'"), "42704"),
        ("SELECT exchange.settle_obligations(NULL)".to_owned(), "22004"),
    ] {
        assert_eq!(session.failure(&call).code, code, "{call}");
    }
    session.run(&fail(alice, "'shares not delivered'"));
    let failure = session.failure(&fail(alice, "'late'"));
    assert_eq!((&*failure.code, &*failure.message), ("55000", "the obligation is failed already"));
    assert_eq!(session.number("SELECT exchange.settle_obligations('2026-11-25')"), 1);
    assert_eq!(
        session.rows(obligations),
        [
            format!("{alice}|-3|20.00|failed|shares not delivered"),
            format!("{bob}|3|-20.24|settled|-"),
        ]
    );
    assert_eq!(session.failure(&fail(bob, "'late'")).message, "the obligation is settled already");
    let late = format!("SELECT exchange.settle_obligations('2026-11-25', {alice}, 'ACME', true)");
    assert_eq!(session.number(&late), 1);
    assert_eq!(
        session.rows(
            "SELECT account_id, status, reason, changed_by FROM exchange.settlement_changes
             ORDER BY changed_at"
        ),
        [
            format!("{alice}|failed|shares not delivered|postgres"),
            format!("{bob}|settled|-|postgres"),
            format!("{alice}|settled|-|postgres"),
        ]
    );
    // It changed nothing that the date says.
    assert_eq!(differences_since(&mut session, "2026-11-24"), [""; 0]);
    let failure = session.failure("DELETE FROM exchange.closed_days");
    assert_eq!(failure.code, "23503", "what is closed is not forgotten by mistake: {failure}");
}

#[test]
fn gains_are_first_in_first_out() {
    let (_venue, mut session, [alice, bob]) = morning();
    advance(&mut session, "2026-11-24 10:00");
    let mut trade = |buyer: i64, seller: i64, price: &str, quantity: i64| {
        place(&mut session, seller, &format!("'sell', {price}, {quantity}"));
        place(&mut session, buyer, &format!("'buy', {price}, {quantity}"));
    };
    // Alice has 100 that were deposited; she buys 30 and 20 with a fee, and sells 110, then 50: of the
    // last 10 are sold short, and bought back.
    trade(alice, bob, "10", 30);
    trade(alice, bob, "11", 20);
    trade(bob, alice, "12", 110);
    trade(bob, alice, "13", 50);
    trade(alice, bob, "14", 10);
    session.wait_for_tables();
    assert_eq!(
        session.rows(&format!(
            "SELECT quantity, acquired_by, acquired_with, disposed_by, disposed_with, is_short, cost, proceeds, gain
             FROM exchange.tax_lots({alice}) ORDER BY closed_at, acquired_with DESC, disposed_with"
        )),
        [
            // The sequence of the deposit.
            format!("100|deposit|{}|sell|3|f|-|1200|-", deposit_of(&mut session, alice)),
            // 300.30 for 30.
            "10|buy|1|sell|3|f|100.1|120|19.9".to_owned(),
            "20|buy|2|sell|4|f|220.22|260|39.78".to_owned(),
            "20|buy|1|sell|4|f|200.2|260|59.8".to_owned(),
            "10|buy|5|sell|4|t|140.14|130|-10.14".to_owned(),
        ]
    );
    let report = |year: i32| {
        format!(
            "SELECT symbol, currency, quantity, proceeds, cost, gain, quantity_without_cost, proceeds_without_cost
             FROM exchange.tax_report({year}) WHERE account_id = {alice}"
        )
    };
    assert_eq!(session.one(&report(2026)), "ACME|USD|60|770|660.66|109.34|100|1200");
    assert_eq!(session.rows(&report(2025)), [""; 0]);
    // Without the first buy: 20 for 11 are sold, and 40 short, 10 of them bought back by now.
    session.run("SELECT exchange.bust_trade(1)");
    session.wait_for_tables();
    assert_eq!(session.one(&report(2026)), "ACME|USD|30|380|360.36|19.64|100|1200");
    assert_eq!(
        session.one(&format!(
            "SELECT quantity, disposed_with, is_short, proceeds FROM exchange.tax_lots({alice})
             WHERE closed_at IS NULL"
        )),
        "30|4|t|390"
    );
}

fn deposit_of(session: &mut Session, account: i64) -> i64 {
    session.number(&format!(
        "SELECT sequence FROM exchange.transfers WHERE account_id = {account} AND symbol = 'ACME'"
    ))
}

#[test]
fn what_looks_wrong_is_found_and_what_does_not_is_not() {
    let (_venue, mut session, [alice, bob]) = morning();
    let carol = session.number("SELECT exchange.open_account('bob')");
    session.run(&format!(
        "SELECT exchange.verify_account({carol}), exchange.deposit({carol}, 'USD', 10000)"
    ));
    advance(&mut session, "2026-11-24 10:00");
    // Between two accounts of bob; then from alice to bob and back within 5 minutes, and once more
    // too late.
    let trade = |session: &mut Session, buyer: i64, seller: i64, price: &str| {
        place(session, seller, &format!("'sell', {price}, 10"));
        place(session, buyer, &format!("'buy', {price}, 10"));
    };
    trade(&mut session, carol, bob, "10");
    trade(&mut session, bob, alice, "11");
    trade(&mut session, alice, bob, "12");
    advance(&mut session, "2026-11-24 10:30");
    trade(&mut session, bob, alice, "10");
    session.wait_for_tables();
    let range = "'2026-11-24', '2026-11-24'";
    assert_eq!(
        session.rows(&format!(
            "SELECT pattern, trade_id, buyer, seller, previous_trade_id, previous_price
             FROM exchange.wash_trade_candidates({range}) ORDER BY trade_id"
        )),
        ["same owner|1|bob|bob|-|-", "round trip|3|alice|bob|2|11.00"]
    );
    assert_eq!(
        session.number(&format!(
            "SELECT count(*) FROM exchange.wash_trade_candidates({range}, '1 hour')"
        )),
        3
    );

    // A wall of 90 that is taken down after a sale behind it; one that stays longer; one without a
    // sale; one on the side of the sale.
    let cancel = |session: &mut Session, order: i64| {
        session.run(&format!("SELECT exchange.cancel_order({order})"));
    };
    let wall = place(&mut session, alice, "'buy', 9, 90");
    trade(&mut session, bob, alice, "10");
    cancel(&mut session, wall);
    let long = place(&mut session, alice, "'buy', 9, 90");
    trade(&mut session, bob, alice, "10");
    for _ in 0..4 {
        let other = place(&mut session, bob, "'buy', 5, 10");
        cancel(&mut session, other);
    }
    cancel(&mut session, long);
    let alone = place(&mut session, alice, "'buy', 9, 90");
    cancel(&mut session, alone);
    let other_side = place(&mut session, alice, "'sell', 20, 60");
    trade(&mut session, bob, alice, "10");
    cancel(&mut session, other_side);
    session.wait_for_tables();
    let layering = format!(
        "SELECT order_id, owner, times_average_trade, executions, executed_quantity
         FROM exchange.layering_candidates({range})"
    );
    assert_eq!(session.rows(&layering), [format!("{wall}|alice|9.00|1|10")]);

    // Alice has 100 - 10 + 10 - 10 - 30 = 60, bob and carol 140 of 200.
    let large = |part: &str| {
        format!(
            "SELECT owner, quantity, total, part FROM exchange.large_positions('2026-11-24', {part})
             ORDER BY 1"
        )
    };
    assert_eq!(session.rows(&large("0.5")), ["bob|140|200|0.700000"]);
    assert_eq!(session.rows(&large("0.3")).len(), 2);
    assert_eq!(
        session.one(&format!(
            "SELECT orders, cancelled, executions, order_ratio, quantity_ratio
             FROM exchange.order_to_trade_ratios({range}) WHERE account_id = {alice}"
        )),
        // 6 that traded 10 each, and 90, 90, 90 and 60 that were cancelled.
        "10|4|6|1.6667|6.5000"
    );
    // None of it is for those who trade.
    assert_eq!(
        session.one(
            "SELECT bool_or(has_function_privilege('alice', oid, 'EXECUTE')) FROM pg_proc
             WHERE proname IN ('wash_trade_candidates', 'layering_candidates', 'large_positions')"
        ),
        "f"
    );
}

#[test]
fn execution_is_measured_against_the_quote_at_entry() {
    let (_venue, mut session, [alice, bob]) = morning();
    advance(&mut session, "2026-11-24 10:00");
    let bid = place(&mut session, alice, "'buy', 9.90, 10");
    place(&mut session, alice, "'sell', 10.00, 10");
    let second = place(&mut session, alice, "'sell', 10.10, 10");
    // Against a midpoint of 9.95: 10 at 10.00, 10 at 10.10; 5 rest, and are filled 1 second later.
    let taker = place(&mut session, bob, "'buy', 10.10, 25");
    let last = place(&mut session, alice, "'sell', 10.10, 5");
    session.wait_for_tables();
    let range = "'2026-11-24', '2026-11-24'";
    assert_eq!(
        session.rows(&format!(
            "SELECT order_id, price, quantity, bid_price, ask_price, quoted_spread, trim_scale(effective_spread)
             FROM exchange.effective_spreads({range}) ORDER BY trade_id"
        )),
        [
            format!("{taker}|10.00|10|9.90|10.00|0.10|0.1"),
            format!("{taker}|10.10|10|9.90|10.00|0.10|0.3"),
            // Who sold against 10.10 had no offer beside.
            format!("{last}|10.10|5|10.10|-|-|-"),
        ]
    );
    let quality = |account: i64| {
        format!(
            "SELECT orders, orders_with_execution, orders_filled, ordered_quantity, filled_quantity,
                    trim_scale(fill_rate), time_to_first_fill, time_to_fill, measured_quantity,
                    trim_scale(quoted_spread), trim_scale(effective_spread)
             FROM exchange.execution_quality({range}, 'ACME') WHERE account_id = {account}"
        )
    };
    assert_eq!(session.one(&quality(bob)), "1|1|1|25|25|1|00:00:00|00:00:01|20|0.1|0.2");
    // 2 seconds, 1 second and none.
    assert_eq!(session.one(&quality(alice)), "4|3|3|35|25|0.714286|00:00:01|00:00:01|0|-|-");
    // The life of an order, and who had a hand in it.
    session.run(&format!("SELECT exchange.reduce_order({bid}, 4)"));
    session.run(&format!("SELECT exchange.mass_cancel({alice})"));
    session.wait_for_tables();
    let trail = |order: i64| {
        format!(
            "SELECT action, actor, price, quantity, trade_id, reason FROM exchange.audit_trail({order})"
        )
    };
    assert_eq!(
        session.rows(&trail(second)),
        ["place|alice|10.10|10|-|-", "execution|-|10.10|10|2|maker", "filled|exchange|-|10|-|-",]
    );
    assert_eq!(
        session.rows(&trail(bid)),
        ["place|alice|9.90|10|-|-", "reduce|venue|-|4|-|-", "cancelled|venue|-|0|-|requested",]
    );
    assert_eq!(session.rows(&trail(1)), [""; 0]);
    assert_eq!(
        session.rows(
            "SELECT action, actor FROM exchange.audit_trails('2026-11-24', '2026-11-24')
             WHERE action IN ('cancel_orders', 'reduce') ORDER BY sequence"
        ),
        ["reduce|venue", "cancel_orders|venue"]
    );
}
