//! The past on request: the book of any moment.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use postgres::error::SqlState;
use tests::audit;
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
