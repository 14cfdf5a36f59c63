//! The past on request: the book of any moment, the life of any order, and whether the journal gives
//! again what it gave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use matcher::{Command, Event, NaiveExchange, OrderId, OrderStatus, Stamp, codec};
use postgres::error::SqlState;
use tests::audit::{self, Replay};
use tests::random::seed;
use tests::session::NULL;
use tests::traders::{Floor, Trading, WhenDisconnected};
use tests::{Session, SharedVenue, Venue};

use crate::mixed;

/// How many commands the venue has traded.
const COMMANDS: u64 = 15_000;

/// The book of every instrument after a command, as it was shown then.
struct Recorded {
    sequence: i64,
    /// Symbol, side, price, quantity and orders of each level, best first; of an empty book the
    /// symbol alone.
    levels: Vec<String>,
}

static RECORDED: OnceLock<Vec<Recorded>> = OnceLock::new();

/// A venue that traded orders of every kind over days of a simulated clock, in which workers were
/// terminated and sessions ended. It was restarted at the end, and nobody trades in it any more.
fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::made_by(record, &[]);
    VENUE.get()
}

fn recorded() -> &'static [Recorded] {
    venue();
    RECORDED.get().expect("the venue was made")
}

fn record(_: &[(&str, &str)]) -> Venue {
    let mut records: Vec<Recorded> = Vec::new();
    let venue = mixed::watched_venue(COMMANDS, |session| {
        let rows = session.rows(
            "SELECT sequence, symbol, side, price, quantity, orders FROM exchange.book_snapshot()",
        );
        let parsed: Vec<_> = rows.iter().filter_map(|row| row.split_once('|')).collect();
        let sequence = parsed[0].0.parse().expect("a sequence is a number");
        if records.last().is_none_or(|last| last.sequence != sequence) {
            let levels = parsed.iter().map(|(_, level)| (*level).to_owned()).collect();
            records.push(Recorded { sequence, levels });
        }
    });
    venue.restart();
    audit::settle(&venue);
    assert!(RECORDED.set(records).is_ok(), "there is one such venue");
    venue
}

/// The books of all instruments in the form of [`Recorded::levels`], at a moment in SQL.
fn books_at(session: &mut Session, moment: &str) -> Vec<String> {
    session.rows(&format!(
        "SELECT i.symbol, l.side, l.price, l.quantity, l.orders
         FROM exchange.instruments AS i
         LEFT JOIN LATERAL (
             SELECT s.*, b.level
             FROM exchange.order_book_at(i.symbol, {moment}, 1000000) AS b
             CROSS JOIN LATERAL (VALUES ('buy', bid_price, bid_quantity, bid_orders),
                                        ('sell', ask_price, ask_quantity, ask_orders))
                 AS s (side, price, quantity, orders)
             WHERE s.price IS NOT NULL) AS l ON true
         ORDER BY i.instrument_id, l.side, l.level"
    ))
}

/// The time of every command, in microseconds since 2000-01-01 UTC.
fn times_us(session: &mut Session) -> BTreeMap<i64, i64> {
    let rows = session.rows(
        "SELECT sequence, (extract(epoch FROM at) * 1000000)::bigint - 946684800000000
         FROM exchange.journal_commands(1, 9000000000000000000)",
    );
    rows.iter()
        .filter_map(|row| row.split_once('|'))
        .map(|(sequence, time)| {
            (sequence.parse().expect("a number"), time.parse().expect("a number"))
        })
        .collect()
}

fn timestamp(time_us: i64) -> String {
    format!("timestamptz '2000-01-01 00:00Z' + {time_us} * interval '1 us'")
}

#[test]
fn a_book_of_the_past_is_the_one_that_was_shown_then() {
    let recorded = recorded();
    let mut session = venue().superuser();
    let times_us = times_us(&mut session);
    let (mut levels, mut moments) = (0, 0);
    for Recorded { sequence, levels: shown } in recorded {
        let after = books_at(&mut session, &sequence.to_string());
        assert_eq!(&after, shown, "after command {sequence}");
        levels += shown.len();
        // By time, where the next command came later: then, and until just before it.
        let Some((at_us, next_us)) = times_us.get(sequence).zip(times_us.get(&(sequence + 1)))
        else {
            continue;
        };
        if at_us < next_us {
            moments += 1;
            for time_us in [*at_us, next_us - 1] {
                let then = books_at(&mut session, &timestamp(time_us));
                assert_eq!(&then, shown, "at {time_us}, after command {sequence}");
            }
        }
    }
    println!("{} books, {levels} levels, {moments} of them by time too", recorded.len());
    assert!(recorded.len() >= 20 && levels > 200 && moments > 3, "too little was recorded");
}

#[test]
fn the_book_of_the_last_command_is_the_live_one() {
    let mut session = venue().superuser();
    let last = session.number("SELECT projected FROM exchange.pg_stat_exchange");
    let last_time = timestamp(session.number("SELECT time_us FROM exchange.engine_state"));
    for symbol in session.rows("SELECT symbol FROM exchange.instruments") {
        let live = session.rows(&format!("SELECT * FROM exchange.order_book('{symbol}')"));
        for moment in [last.to_string(), last_time.clone()] {
            let book = session
                .rows(&format!("SELECT * FROM exchange.order_book_at('{symbol}', {moment})"));
            assert_eq!(book, live, "{symbol} at {moment}");
        }
        let best =
            session.rows(&format!("SELECT * FROM exchange.order_book_at('{symbol}', {last}, 1)"));
        assert_eq!(best, live[..live.len().min(1)]);
    }
}

#[test]
fn a_moment_that_the_tables_do_not_show_is_an_error() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    let first = session.place(&format!("'{symbol}', 'buy', 10, 100"));
    session.wait_for_tables();
    let mut visitor = venue.session(&venue.role());
    let book = |moment: &str| format!("SELECT * FROM exchange.order_book_at('{symbol}', {moment})");
    let is_out_of_range = |session: &mut Session, moment: &str, message: &str| {
        let failure = session.failure(&book(moment));
        assert!(failure.is(&SqlState::INVALID_PARAMETER_VALUE), "{failure}");
        assert!(failure.message.contains(message), "{failure}");
    };
    // The market is public, and so is its past.
    let shown = ["1|1|100|10.00|-|-|-"];
    assert_eq!(visitor.rows(&book(&first.to_string())), shown);
    assert_eq!(visitor.rows(&book("clock_timestamp()")), shown);
    assert_eq!(visitor.rows(&book(&(first - 1).to_string())), [""; 0]);

    is_out_of_range(&mut visitor, "0", "the sequence is out of range");
    is_out_of_range(&mut visitor, "'-1'::bigint", "the sequence is out of range");
    is_out_of_range(&mut visitor, "now() + interval '1 hour'", "in the future");
    is_out_of_range(&mut visitor, "timestamptz 'infinity'", "in the future");
    is_out_of_range(&mut visitor, "now() - interval '1 year'", "before all that the tables know");
    is_out_of_range(&mut visitor, "timestamptz '-infinity'", "before all that the tables know");
    is_out_of_range(&mut visitor, "1, 0", "depth must be above 0");
    for arguments in ["NULL, now()", "'X', NULL::bigint", "'X', NULL::timestamptz", "'X', 1, NULL"]
    {
        let arguments = arguments.replace('X', &symbol);
        let failure =
            visitor.failure(&format!("SELECT * FROM exchange.order_book_at({arguments})"));
        assert!(failure.is(&SqlState::NULL_VALUE_NOT_ALLOWED), "{arguments}: {failure}");
    }
    let failure = visitor.failure("SELECT * FROM exchange.order_book_at('NONE', 1)");
    assert!(failure.is(&SqlState::UNDEFINED_OBJECT), "{failure}");

    // What is executed and not in the tables yet is said to be so.
    let projector = venue.stop_worker("projector");
    let second = session.place(&format!("'{symbol}', 'buy', 10, 100"));
    for moment in [&second.to_string(), "clock_timestamp()"] {
        let failure = visitor.failure(&book(moment));
        assert!(failure.is(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE), "{failure}");
        assert!(failure.detail.contains(&format!("They show command {first} of ")), "{failure}");
        assert!(failure.hint.contains("exchange.wait_for('projected')"), "{failure}");
    }
    assert_eq!(visitor.rows(&book(&first.to_string())), shown);
    projector.resume();
    session.wait_for_tables();
    let both = ["1|2|200|10.00|-|-|-"];
    assert_eq!(visitor.rows(&book(&second.to_string())), both);
    assert_eq!(visitor.rows(&book("clock_timestamp()")), both);
    // A statement and a transaction see one moment.
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM exchange.trades");
    let third = place_and_wait(&venue, &symbol);
    let failure = session.failure(&book(&third.to_string()));
    assert!(failure.is(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE), "{failure}");
}

/// Another session enters an order and waits until the tables show it.
fn place_and_wait(venue: &Venue, symbol: &str) -> i64 {
    let mut other = venue.superuser();
    let order = other.place(&format!("'{symbol}', 'buy', 10, 100"));
    other.wait_for_tables();
    order
}

/// Every row of a check: what was checked, its first and last command, whether it is sound, and
/// what is wrong.
fn check(session: &mut Session, arguments: &str) -> Vec<[String; 5]> {
    let rows = session.rows(&format!(
        "SELECT checked, first_sequence, last_sequence, is_sound, problem
         FROM exchange.replay_check({arguments})"
    ));
    let columns = |row: &String| {
        let columns: Vec<String> = row.splitn(5, '|').map(str::to_owned).collect();
        columns.try_into().expect("there are five columns")
    };
    rows.iter().map(columns).collect()
}

#[track_caller]
fn assert_all_sound(rows: &[[String; 5]]) {
    let bad: Vec<_> = rows.iter().filter(|row| row[3] != "t").collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

fn count(rows: &[[String; 5]], checked: &str) -> i64 {
    rows.iter().filter(|row| row[0] == checked).count() as i64
}

#[test]
fn the_journal_gives_again_what_it_gave() {
    let mut session = venue().superuser();
    let rows_of_journal = session.number("SELECT count(*) FROM exchange.journal");
    let last = session.number("SELECT max(last_sequence) FROM exchange.journal");
    session.run("BEGIN");
    let rows = check(&mut session, "");
    assert_all_sound(&rows);
    assert_eq!(count(&rows, "journal"), rows_of_journal);
    assert_eq!(count(&rows, "tables"), 1);
    let hashes = session.one(
        "SELECT bool_and(recorded_hash = computed_hash AND checksum_ok IS NOT FALSE), sum(commands)
         FROM exchange.replay_check()",
    );
    assert_eq!(hashes, format!("t|{last}"));

    // Marks: at the end of a row, in the middle of one, and at the last command.
    let (end, middle) = session
        .one(
            "SELECT max(last_sequence) FILTER (WHERE last_sequence < first + 4000),
                    max((first_sequence + last_sequence) / 2)
                        FILTER (WHERE last_sequence > first_sequence + 1)
             FROM exchange.journal, (SELECT max(last_sequence) / 3 AS first FROM exchange.journal) AS f",
        )
        .split_once('|')
        .map(|(end, middle)| (end.to_owned(), middle.to_owned()))
        .expect("there are two columns");
    for sequence in [&end, &middle, &"NULL".to_owned(), &middle] {
        let kept = session.one(&format!("SELECT exchange.keep_mark({sequence})"));
        assert_eq!(kept, if sequence == "NULL" { last.to_string() } else { sequence.clone() });
    }
    let rows = check(&mut session, "");
    assert_all_sound(&rows);
    let marks: Vec<_> = rows.iter().filter(|row| row[0] == "mark").map(|row| &row[1]).collect();
    assert_eq!(marks, [&end, &middle, &last.to_string()]);
    // What is after a mark needs nothing of what is before it.
    session.run(&format!("DELETE FROM exchange.journal WHERE last_sequence <= {end}"));
    let later = check(&mut session, &format!("{end} + 1"));
    assert_all_sound(&later);
    assert_eq!(count(&later, "tables"), 1);
    let from_middle = check(&mut session, &format!("{middle} + 1, {middle} + 1"));
    assert_all_sound(&from_middle);
    assert_eq!(count(&from_middle, "journal"), 1);
    session.run("ROLLBACK");
}

#[test]
fn what_is_wrong_with_the_journal_is_reported_row_by_row() {
    let mut session = venue().superuser();
    // Somewhere in the middle, a row with several commands, and the next one.
    let bad: i64 = session.number(
        "SELECT first_sequence FROM exchange.journal
         WHERE last_sequence > first_sequence + 3 AND first_sequence > (SELECT max(last_sequence) / 2 FROM exchange.journal)
         ORDER BY 1 LIMIT 1",
    );
    let last_of_bad = session.number(&format!(
        "SELECT last_sequence FROM exchange.journal WHERE first_sequence = {bad}"
    ));
    let next = last_of_bad + 1;
    let behind = session.number(&format!(
        "SELECT last_sequence FROM exchange.journal WHERE first_sequence > {next} ORDER BY 1 LIMIT 1"
    ));
    let after_tamper = |session: &mut Session, tamper: &str| {
        session.run(&format!("BEGIN; {tamper}"));
        let rows = check(session, "");
        session.run("ROLLBACK");
        let before: Vec<_> = rows
            .iter()
            .filter(|row| row[2].parse::<i64>().is_ok_and(|last| last < bad))
            .cloned()
            .collect();
        assert!(before.len() > 10, "{tamper}");
        assert_all_sound(&before);
        let unsound: Vec<_> = rows.into_iter().filter(|row| row[3] != "t").collect();
        assert_eq!(unsound[0][1], bad.to_string(), "{tamper}: {unsound:?}");
        unsound
    };
    let row = format!("WHERE first_sequence = {bad}");

    // A damaged row, one without its checksum, one that cannot be decoded.
    for (tamper, problem) in [
        ("commands = set_byte(commands, 3, get_byte(commands, 3) # 1)", "its checksum differs"),
        ("checksum = checksum + 1", "its checksum differs"),
        (
            "commands = '\\xffffff', checksum = exchange.checksum('\\xffffff')",
            "the bytes end too early",
        ),
        ("last_sequence = last_sequence - 1", "and says that they go to command"),
    ] {
        let unsound =
            after_tamper(&mut session, &format!("UPDATE exchange.journal SET {tamper} {row}"));
        assert!(unsound[0][4].contains(problem), "{tamper}: {unsound:?}");
        let rest = &unsound[unsound.len() - 2..];
        assert!(rest[0][4].contains("it was not executed"), "{tamper}: {rest:?}");
        assert_eq!((&*rest[1][0], &*rest[1][3]), ("tables", "f"), "{tamper}: {rest:?}");
    }
    // A missing row.
    let unsound = after_tamper(&mut session, &format!("DELETE FROM exchange.journal {row}"));
    assert_eq!(unsound[0][2], last_of_bad.to_string());
    assert!(unsound[0][4].contains("no row for these commands"), "{unsound:?}");
    // Two rows whose commands have changed places, with their checksums and hashes.
    let unsound = after_tamper(
        &mut session,
        &format!(
            "UPDATE exchange.journal AS j SET commands = o.commands, checksum = o.checksum, event_hash = o.event_hash
             FROM exchange.journal AS o
             WHERE (j.first_sequence, o.first_sequence) IN (({bad}, {next}), ({next}, {bad}))"
        ),
    );
    assert!(unsound.len() > 2, "{unsound:?}");
    // A hash that is not that of the events: nothing else is wrong.
    let unsound =
        after_tamper(&mut session, &format!("UPDATE exchange.journal SET event_hash = 1 {row}"));
    assert_eq!(unsound.len(), 1, "{unsound:?}");
    assert!(unsound[0][4].contains("are not those that it had"), "{unsound:?}");
    // A command that was another one: all that comes after is of another past.
    let unsound = after_tamper(
        &mut session,
        &format!("UPDATE exchange.journal SET first_time_us = first_time_us + 1 {row}"),
    );
    assert!(unsound.len() > 2, "{unsound:?}");

    // With a mark behind it, what is there is checked.
    let unsound = after_tamper(
        &mut session,
        &format!("SELECT exchange.keep_mark({behind}); DELETE FROM exchange.journal {row}"),
    );
    let are_not_executed = |row: &&[String; 5]| row[4].contains("it was not executed");
    assert!(unsound[1..].iter().all(|row| are_not_executed(&row)), "{unsound:?}");
    assert!(unsound.iter().all(|row| row[2].parse::<i64>().unwrap() <= behind), "{unsound:?}");
    // A damaged mark is one itself.
    session.run(&format!(
        "BEGIN; SELECT exchange.keep_mark({behind});
         UPDATE exchange.replay_mark_parts SET records = set_byte(records, 9, get_byte(records, 9) # 1)
         WHERE sequence = {behind}"
    ));
    for arguments in [String::new(), format!("{behind} + 1")] {
        let rows = check(&mut session, &arguments);
        let unsound: Vec<_> = rows.iter().filter(|row| row[3] != "t").collect();
        assert_eq!(unsound.len(), 1, "{unsound:?}");
        assert_eq!((&*unsound[0][0], &unsound[0][1]), ("mark", &behind.to_string()));
    }
    session.run("ROLLBACK");
}

#[test]
fn tables_that_are_not_what_the_journal_says_are_reported() {
    let mut session = venue().superuser();
    for tamper in [
        "UPDATE exchange.positions SET sold_quantity = sold_quantity + 1 WHERE ctid = (SELECT max(ctid) FROM exchange.positions)",
        "UPDATE exchange.instrument_states SET last_price = last_price + 1 WHERE symbol = 'ALFA'",
        "UPDATE exchange.accounts SET status = 'suspended' WHERE account_id = 1",
        "DELETE FROM exchange.client_orders WHERE order_id = (SELECT max(order_id) FROM exchange.client_orders)",
    ] {
        session.run("BEGIN");
        session.run(tamper);
        let rows = check(&mut session, "");
        session.run("ROLLBACK");
        let unsound: Vec<_> = rows.iter().filter(|row| row[3] != "t").collect();
        assert_eq!(unsound.len(), 1, "{tamper}: {unsound:?}");
        assert_eq!(unsound[0][0], "tables", "{tamper}: {unsound:?}");
        assert!(unsound[0][4].contains(", and the replay "), "{tamper}: {unsound:?}");
    }
}

#[test]
fn a_replay_knows_the_bounds_of_its_time() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, 4);
    let mut memories = floor.newcomers();
    let seed = seed();
    for (round, (setting, value)) in [
        ("maximum_open_orders", "5"),
        ("client_order_window", "100"),
        ("maximum_open_orders", "70000"),
        ("client_order_window", "5000"),
    ]
    .into_iter()
    .enumerate()
    {
        let trading = Trading::start(
            &venue,
            &floor,
            memories,
            WhenDisconnected::Reconnect,
            seed + round as u64,
        );
        trading.wait_for_calls(300);
        memories = trading.finish();
        // The orders that are open must fit the new bounds.
        let mut session = venue.superuser();
        session.run("SELECT exchange.mass_cancel(account_id) FROM exchange.accounts");
        session.run(&format!("ALTER SYSTEM SET exchange.{setting} = {value}"));
        drop(session);
        venue.restart();
        audit::settle(&venue);
    }
    let mut session = venue.superuser();
    let rows = check(&mut session, "");
    assert_all_sound(&rows);
    assert_eq!(count(&rows, "mark"), 4, "one for each change");
    assert_eq!(count(&rows, "tables"), 1);
    let reasons = session.rows(
        "SELECT DISTINCT reject_reason FROM exchange.orders WHERE reject_reason = 'too_many_open_orders'",
    );
    assert_eq!(reasons, ["too_many_open_orders"], "the bound was reached");
}

/// What every order went through by the events of the naive exchange: sequences and what happened.
fn lives(session: &mut Session, replay: &Replay) -> BTreeMap<OrderId, Vec<String>> {
    let rows = session
        .client()
        .query("SELECT first_time_us, commands FROM exchange.journal ORDER BY first_sequence", &[])
        .expect("the journal can be read");
    let mut exchange = NaiveExchange::new(replay.limits);
    let mut lives: BTreeMap<OrderId, Vec<String>> = BTreeMap::new();
    let mut of_trades: Vec<[OrderId; 2]> = Vec::new();
    let mut sequence = 0;
    for row in &rows {
        let mut time_us: i64 = row.get(0);
        let mut bytes: &[u8] = row.get(1);
        while !bytes.is_empty() {
            let (delta_us, command) = codec::decode(&mut bytes).expect("it was audited");
            time_us += delta_us as i64;
            sequence += 1;
            let mut events = Vec::new();
            exchange.apply(Stamp { sequence, time_us }, &command, &mut events);
            let mut tell = |order: OrderId, what: &str| {
                lives.entry(order).or_default().push(format!("{sequence}|{what}"));
            };
            let is_new = replay.orders.contains_key(&sequence);
            if let Command::PlaceOrder(_) | Command::PlaceOrderWithTerms(..) = command
                && is_new
            {
                tell(sequence, "placed");
            }
            for event in &events {
                match *event {
                    Event::Trade(trade) => {
                        let both = [trade.maker_order_id, trade.taker_order_id];
                        both.into_iter().for_each(|order| tell(order, "trade"));
                        of_trades.push(both);
                    }
                    Event::TradeBusted { trade_id, .. } => {
                        let both = of_trades[trade_id as usize - 1];
                        both.into_iter().for_each(|order| tell(order, "bust"));
                    }
                    Event::Rested { order_id, .. } => tell(order_id, "rested"),
                    Event::Cancelled { order_id, reason, .. } => {
                        match OrderStatus::of_cancelled(reason) {
                            OrderStatus::Expired => tell(order_id, "expired"),
                            _ => tell(order_id, "cancelled"),
                        }
                    }
                    Event::Reduced { order_id, .. } => tell(order_id, "reduced"),
                    Event::Replaced { order_id, .. } => tell(order_id, "replaced"),
                    Event::ReplaceRejected { order_id, .. } => tell(order_id, "replace_rejected"),
                    Event::Refilled { order_id, .. } => tell(order_id, "refilled"),
                    Event::Triggered { order_id, .. } => tell(order_id, "triggered"),
                    Event::StopMoved { order_id, .. } => tell(order_id, "stop_moved"),
                    Event::Rejected { order_id, .. } => tell(order_id, "rejected"),
                    _ => {}
                }
            }
        }
    }
    lives
}

#[test]
fn the_history_of_an_order_is_what_the_oracle_saw() {
    let mut session = venue().superuser();
    let replay = Replay::of_journal(&mut session).expect("the journal is sound");
    let lives = lives(&mut session, &replay);
    assert_eq!(lives.len(), replay.orders.len());
    session.run("BEGIN");
    // Some hundred commands from a mark to each order.
    let last = replay.orders.keys().last().expect("there are orders");
    session
        .run(&format!("SELECT exchange.keep_mark(s) FROM generate_series(500, {last}, 500) AS s"));
    let mut seen = BTreeSet::new();
    let mut compared = 0;
    // All of what is rare, and a part of the rest.
    let is_rare = |life: &&Vec<String>| {
        life.iter().any(|event| {
            ["bust", "stop_moved", "triggered", "refilled", "replace_rejected"]
                .iter()
                .any(|rare| event.ends_with(rare))
        })
    };
    for (order_id, life) in lives.iter().filter(|(id, life)| is_rare(life) || *id % 9 == 0) {
        let rows = session.rows(&format!(
            "SELECT sequence, event, remaining_quantity, quantity, price / i.tick_size, reason,
                    (extract(epoch FROM at) * 1000000)::bigint - 946684800000000
             FROM exchange.order_history({order_id}), exchange.instruments AS i
             WHERE i.instrument_id = {}",
            replay.orders[order_id].order.instrument
        ));
        let columns: Vec<Vec<&str>> = rows.iter().map(|row| row.split('|').collect()).collect();
        let told: Vec<String> =
            columns.iter().map(|row| format!("{}|{}", row[0], row[1])).collect();
        assert_eq!(&told, life, "order {order_id}: {rows:#?}");
        let replayed = &replay.orders[order_id];
        let (order, placed) = (&replayed.order, &replayed.placed);
        assert_eq!(columns[0][3], placed.quantity.to_string(), "{rows:?}");
        let end = columns.iter().rev().find(|row| row[1] != "bust").expect("it was placed");
        assert_eq!(end[2], order.remaining.to_string(), "order {order_id}: {rows:#?}");
        let traded: i64 = columns
            .iter()
            .filter(|row| row[1] == "trade")
            .map(|row| row[3].parse::<i64>().expect("a quantity is a number"))
            .sum();
        assert_eq!(traded, order.filled, "order {order_id}: {rows:#?}");
        let ends_with_reason = matches!(
            order.status,
            OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Expired
        );
        // The reason of a replace_rejected is that of a request, which changed nothing.
        let not_replaced = ["bust", "replace_rejected"];
        let ended = columns.iter().rev().find(|row| !not_replaced.contains(&row[1]));
        let has_reason = ended.expect("it was placed")[5] != NULL;
        assert_eq!(has_reason, ends_with_reason, "order {order_id}: {rows:#?}");
        assert_eq!(columns[0][6], order.created_at_us.to_string());
        seen.extend(columns.iter().map(|row| row[1].to_owned()));
        compared += 1;
    }
    session.run("ROLLBACK");
    println!("{compared} of {} orders; {seen:?}", lives.len());
    assert!(compared > 300 && seen.len() == 13, "{compared} orders went through {seen:?}");
}

#[test]
fn a_history_is_shown_to_those_who_may_see_the_order() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let ((owner, _), (other, _)) = (venue.broker(), venue.broker());
    let order = venue.session(&owner).place(&format!("'{symbol}', 'buy', 10, 100"));
    venue.session(&other).place(&format!("'{symbol}', 'sell', 10, 40"));
    let mut superuser = venue.superuser();
    superuser.wait_for_tables();
    let history = format!(
        "SELECT event, price, quantity, remaining_quantity, trade_id, liquidity, reason
         FROM exchange.order_history({order})"
    );
    let whole =
        ["placed|10.00|100|100|-|-|-", "rested|10.00|-|100|-|-|-", "trade|10.00|40|60|1|maker|-"];
    assert_eq!(venue.session(&owner).rows(&history), whole);
    assert_eq!(venue.session(&other).rows(&history), [""; 0]);
    let watcher = venue.role();
    superuser.run(&format!("GRANT exchange_analyst TO {watcher}"));
    assert_eq!(venue.session(&watcher).rows(&history), whole);
    // It was only lent the journal.
    let failure = venue.session(&owner).failure(&format!("{history}; TABLE exchange.journal"));
    assert!(failure.is(&SqlState::INSUFFICIENT_PRIVILEGE), "{failure}");
    assert_eq!(superuser.rows("SELECT * FROM exchange.order_history(1)"), [""; 0]);
    assert_eq!(superuser.rows("SELECT * FROM exchange.order_history(-1)"), [""; 0]);
    let failure = superuser.failure("SELECT * FROM exchange.order_history(NULL)");
    assert!(failure.is(&SqlState::NULL_VALUE_NOT_ALLOWED), "{failure}");

    // A trade that is cancelled when the order has long ended.
    superuser.run(&format!("SELECT exchange.cancel_order({order})"));
    superuser.place(&format!("'{symbol}', 'buy', 9, 100"));
    superuser.run("SELECT exchange.bust_trade(1)");
    let last = superuser.number("SELECT projected FROM exchange.pg_stat_exchange");
    let rows = venue.session(&owner).rows(&history);
    assert_eq!(rows[..3], whole);
    assert_eq!(rows[3..], ["cancelled|10.00|60|0|-|-|requested", "bust|10.00|40|0|1|-|-"]);
    let sequence =
        superuser.number(&format!("SELECT max(sequence) FROM exchange.order_history({order})"));
    assert_eq!(sequence, last);
}

#[test]
fn what_cannot_be_checked_or_kept_is_an_error() {
    let mut session = venue().superuser();
    let last = session.number("SELECT max(last_sequence) FROM exchange.journal");
    for (call, state) in [
        ("replay_check(0)", SqlState::INVALID_PARAMETER_VALUE),
        ("replay_check(2, 1)", SqlState::INVALID_PARAMETER_VALUE),
        ("replay_check(-1, 5)", SqlState::INVALID_PARAMETER_VALUE),
        (&format!("replay_check(1, {last} + 1)"), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
        (&format!("replay_check({last} + 1)"), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
        ("keep_mark(0)", SqlState::INVALID_PARAMETER_VALUE),
        ("keep_mark(-5)", SqlState::INVALID_PARAMETER_VALUE),
        (&format!("keep_mark({last} + 1)"), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
    ] {
        let failure = session.failure(&format!("SELECT * FROM exchange.{call}"));
        assert!(failure.is(&state), "{call}: {failure}");
        assert!(!failure.hint.is_empty(), "{call}: {failure}");
    }
    session.run("BEGIN; DELETE FROM exchange.journal WHERE first_sequence = 1");
    for call in ["keep_mark(5)", "order_history((SELECT min(order_id) FROM exchange.orders))"] {
        session.run("SAVEPOINT here");
        let failure = session.failure(&format!("SELECT * FROM exchange.{call}"));
        assert!(failure.is(&SqlState::DATA_CORRUPTED), "{call}: {failure}");
        assert!(failure.hint.contains("exchange.replay_check()"), "{call}: {failure}");
        session.run("ROLLBACK TO here");
    }
    session.run("ROLLBACK");
}

#[test]
fn what_was_archived_is_said_to_be_so_and_the_rest_is_as_ever() {
    let recorded = recorded();
    let mut session = venue().superuser();
    // Everything up to a book in the middle goes, and with it the places where books are told anew, as
    // far as a later book does not follow one.
    let last = recorded[recorded.len() / 2].sequence;
    session.run(&format!(
        "BEGIN; SELECT exchange.keep_mark({last});
         -- No day was closed, which is what it refers to.
         SET LOCAL session_replication_role = replica;
         INSERT INTO exchange.archived_days
         SELECT '2026-11-24', '-infinity', c.at + interval '1 us', 1, {last}, {last}, 0, '/none', now(), 'nobody'
         FROM exchange.journal_commands({last}, {last}) AS c;
         DELETE FROM exchange.market_data WHERE last_sequence <= {last};
         DELETE FROM exchange.journal WHERE last_sequence <= {last}"
    ));
    let mut compared = 0;
    for Recorded { sequence, levels: shown } in recorded.iter().filter(|book| book.sequence >= last)
    {
        assert_eq!(&books_at(&mut session, &sequence.to_string()), shown, "after {sequence}");
        compared += 1;
    }
    assert!(compared > 5, "{compared} books");
    assert_all_sound(&check(&mut session, ""));
    let order_after = |session: &mut Session, condition: &str| {
        session.number(&format!(
            "SELECT min(order_id) FROM exchange.orders WHERE order_id {condition}"
        ))
    };
    let (archived, kept) =
        (order_after(&mut session, "> 0"), order_after(&mut session, &format!("> {last}")));
    assert!(!session.rows(&format!("SELECT * FROM exchange.order_history({kept})")).is_empty());
    let before = last - 1;
    for call in [
        format!("order_book_at('ALFA', {before})"),
        "order_book_at('ALFA', (SELECT ends_at - interval '1 us' FROM exchange.archived_days))"
            .to_owned(),
        format!("order_history({archived})"),
        format!("replay_check({before})"),
        format!("keep_mark({before})"),
    ] {
        session.run("SAVEPOINT here");
        let failure = session.failure(&format!("SELECT * FROM exchange.{call}"));
        session.run("ROLLBACK TO here");
        assert!(failure.is(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE), "{call}: {failure}");
        assert!(failure.detail.contains("/none"), "{call}: {failure}");
    }
    session.run("ROLLBACK");
}
