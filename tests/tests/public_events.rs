//! What everybody may see, event by event: the blocks, the functions that read them, the
//! colocated feed, and notifications. That the blocks tell what happened is audited wherever
//! the auditor is called.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use feed::{BestPrice, Change, Event, ReadError, Reader, codec};
use matcher::Side;
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator as _;
use tests::audit;
use tests::random::seed;
use tests::session::NULL;
use tests::traders::{Floor, Trading, WhenDisconnected};
use tests::waiting::wait_for;
use tests::{Session, SharedVenue, Venue, processes, wait_until};
use venue::cluster::{DATABASE, SUPERUSER};

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.get()
}

/// The events that the tables have.
fn in_tables(session: &mut Session) -> Vec<Event> {
    let query = "SELECT first_sequence, (extract(epoch FROM first_at) * 1000000)::bigint, events
                 FROM exchange.market_data ORDER BY first_sequence";
    let rows = session.client().query(query, &[]).expect("the blocks can be read");
    let mut events = Vec::new();
    for row in &rows {
        let first_sequence = row.get::<_, i64>(0).cast_unsigned();
        let first_us = row.get::<_, i64>(1) - 946_684_800_000_000;
        for event in codec::decode(first_sequence, first_us, row.get(2)) {
            events.push(event.expect("a block has events"));
        }
    }
    events
}

fn reader(venue: &Venue) -> Reader {
    let path = venue.cluster().data_directory().join("pg_stat_tmp/exchange.feed");
    Reader::open(&path).expect("the feed can be opened")
}

/// All that is there to be read now.
fn read(reader: &mut Reader) -> Vec<Event> {
    std::iter::from_fn(|| reader.read().expect("the feed goes on")).collect()
}

fn wait_until_up(venue: &Venue) {
    let connection = venue.cluster().connection(DATABASE, SUPERUSER);
    wait_until("the server is up again", || Session::try_connect(&connection).is_ok());
    audit::settle(venue);
}

#[track_caller]
fn assert_told(told: &[Event], venue: &Venue) {
    let expected = in_tables(&mut venue.superuser());
    let differs = told.iter().zip(&expected).find(|(told, expected)| told != expected);
    assert_eq!(differs, None, "told, and in the tables");
    assert_eq!(told.len(), expected.len(), "events told, and in the tables");
}

#[test]
fn the_feed_tells_everything_once_whatever_ends_its_writer() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, 4);
    let mut reader = reader(&venue);
    reader.seek_oldest();
    let mut told = read(&mut reader);
    let mut memories = floor.newcomers();
    let seed = seed();

    // The publisher ends and begins again under the load.
    let trading = Trading::start(&venue, &floor, memories, WhenDisconnected::Reconnect, seed);
    for _ in 0..3 {
        trading.wait_for_calls(300);
        let pid = venue.worker("publisher");
        venue.superuser().run(&format!("SELECT pg_terminate_backend({pid})"));
        told.append(&mut read(&mut reader));
    }
    memories = trading.finish();
    audit::assert_sound(&venue, &memories);
    told.append(&mut read(&mut reader));
    assert_told(&told, &venue);

    // It stands still, and with it the feed; then it is killed, and the server with it.
    let publisher = venue.worker("publisher");
    let stopped = processes::Stopped::new(publisher);
    let trading = Trading::start(&venue, &floor, memories, WhenDisconnected::Leave, seed + 1);
    trading.wait_for_calls(500);
    venue.superuser().wait_for_tables();
    assert_eq!(read(&mut reader), [], "what a stopped publisher tells");
    processes::kill(publisher);
    drop(stopped);
    trading.wait_until_left();
    wait_until_up(&venue);
    told.append(&mut read(&mut reader));
    assert_told(&told, &venue);

    // The power fails.
    venue.cluster().kill9().expect("the server can be killed");
    venue.cluster().start().expect("the server starts");
    wait_until_up(&venue);
    let mut session = venue.superuser();
    let symbol = venue.instrument();
    session.place(&format!("'{symbol}', 'buy', 10, 100"));
    audit::settle(&venue);
    told.append(&mut read(&mut reader));
    assert_told(&told, &venue);

    // Another exchange is another feed.
    session.run("DROP EXTENSION pg_exchange");
    session.run("CREATE EXTENSION pg_exchange");
    tests::venues::open(&mut session);
    audit::settle(&venue);
    let closed = std::iter::repeat_with(|| reader.read()).find(|read| !matches!(read, Ok(Some(_))));
    assert_eq!(closed, Some(Err(ReadError::Closed)));
    let mut reader = self::reader(&venue);
    reader.seek_oldest();
    assert_told(&read(&mut reader), &venue);
}

#[test]
fn a_slow_reader_loses_events_and_holds_up_nobody() {
    let venue = Venue::start(&[("exchange.feed_slots", "64")]);
    let symbol = venue.instrument();
    let mut reader = reader(&venue);
    let mut session = venue.superuser();
    for _ in 0..100 {
        session.place(&format!("'{symbol}', 'buy', 10, 100"));
    }
    audit::settle(&venue);
    let Err(ReadError::Overrun { lost }) = reader.read() else { panic!("nothing was lost") };
    let there = read(&mut reader);
    assert!(!there.is_empty() && there.len() <= 64, "{} events in 64 slots", there.len());
    let all = in_tables(&mut session);
    assert!(all.ends_with(&there), "the newest events are there");
    assert!(lost > 0 && lost as usize + there.len() <= all.len(), "{lost} were lost");
}

#[test]
fn there_may_be_no_feed() {
    let venue = Venue::start(&[("exchange.feed_file", "")]);
    assert!(!venue.cluster().data_directory().join("pg_stat_tmp/exchange.feed").exists());
    let venue = Venue::start(&[("exchange.feed_file", "no/such/folder/feed")]);
    let symbol = venue.instrument();
    venue.superuser().place(&format!("'{symbol}', 'buy', 10, 100"));
    let log = venue.cluster().log();
    assert!(log.contains("there is no colocated feed"), "the log says why:\n{log}");
    audit::assert_sound(&venue, &[]);
}

#[test]
fn nobody_else_can_write_the_feed() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = venue().cluster().data_directory().join("pg_stat_tmp/exchange.feed");
    let mode = path.metadata().expect("the feed is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

/// A listener, and the notifications that it got: channels with their payloads.
fn notified(listener: &mut Session) -> Vec<(String, i64)> {
    let mut notifications = listener.client().notifications();
    let mut pending = notifications.timeout_iter(Duration::from_millis(1));
    let mut got = Vec::new();
    while let Some(next) = pending.next().expect("the connection holds") {
        let payload = next.payload().parse().expect("the payload is a sequence");
        got.push((next.channel().to_owned(), payload));
    }
    got
}

#[test]
fn listeners_are_told_once_a_transaction_and_only_of_what_they_listen_to() {
    let venue = venue();
    let (symbol, other) = (venue.instrument(), venue.instrument());
    let mut listener = venue.superuser();
    listener.run(&format!("LISTEN \"exchange.{symbol}\""));
    let mut session = venue.superuser();

    session.place(&format!("'{other}', 'buy', 10, 100"));
    let order = session.place(&format!("'{symbol}', 'buy', 10, 100"));
    session.wait_for_tables();
    let channel = format!("exchange.{symbol}");
    let first = wait_for("a notification", || notified(&mut listener).first().cloned());
    assert_eq!(first, (channel.clone(), order));
    let events = session.rows(&format!(
        "SELECT event, price, bid_price FROM exchange.events_after({order} - 1, '{symbol}')"
    ));
    assert_eq!(events, ["level|10.00|-", "quote|-|10.00"]);

    // Nothing of a deeper level; once for many commands that are written together.
    session.place(&format!("'{symbol}', 'buy', 9, 100"));
    session.wait_for_tables();
    let projector = venue.stop_worker("projector");
    for _ in 0..20 {
        session.place(&format!("'{symbol}', 'buy', 10, 100"));
    }
    projector.resume();
    session.wait_for_tables();
    let last = session.number("SELECT matched FROM exchange.pg_stat_exchange");
    let got = wait_for("the next notification", || {
        Some(notified(&mut listener)).filter(|got| !got.is_empty())
    });
    assert_eq!(got, [(channel, last)]);
}

/// The book that events make, by side; and what the best of it is.
#[derive(Default)]
struct Book([BTreeMap<i64, (i64, u32)>; 2]);

impl Book {
    fn hear(&mut self, change: &Change) {
        match *change {
            Change::Refresh => *self = Self::default(),
            Change::Level { side, price_ticks, quantity: 0, .. } => {
                self.0[side as usize].remove(&price_ticks);
            }
            Change::Level { side, price_ticks, quantity, orders } => {
                self.0[side as usize].insert(price_ticks, (quantity, orders));
            }
            _ => {}
        }
    }

    /// Best price, and sums over the best levels.
    fn best(&self, side: Side, levels: usize) -> (Option<i64>, i64, i64) {
        let mut all: Vec<_> = self.0[side as usize].iter().collect();
        if side == Side::Buy {
            all.reverse();
        }
        all.truncate(levels);
        let quantity = all.iter().map(|(_, level)| level.0).sum();
        let orders = all.iter().map(|(_, level)| i64::from(level.1)).sum();
        (all.first().map(|(price, _)| **price), quantity, orders)
    }
}

#[test]
fn the_past_is_what_the_events_say() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, 4);
    let trading =
        Trading::start(&venue, &floor, floor.newcomers(), WhenDisconnected::Reconnect, seed());
    trading.wait_for_calls(400);
    // Books are told anew in the middle of it.
    let mut session = venue.superuser();
    session.run("SELECT exchange.close_market()");
    session.run("SELECT exchange.open_market()");
    trading.wait_for_calls(800);
    trading.finish();
    audit::settle(&venue);

    let all = in_tables(&mut session);
    let refreshes = all.iter().filter(|event| event.change == Change::Refresh).count();
    assert!(refreshes > 0, "no book was told anew");
    let symbol =
        session.one("SELECT symbol FROM exchange.trades GROUP BY 1 ORDER BY count(*) DESC LIMIT 1");
    let id = session.number(&format!(
        "SELECT instrument_id FROM exchange.instruments WHERE symbol = '{symbol}'"
    )) as u32;
    let of_it: Vec<&Event> = all.iter().filter(|event| event.instrument == id).collect();
    let ticks =
        format!("(SELECT 1 / tick_size FROM exchange.instruments WHERE symbol = '{symbol}')");
    let at =
        |time_us: i64| format!("(timestamptz '2000-01-01 00:00Z' + {time_us} * interval '1 us')");

    for part in [0, 1, 2, 5, 9, 10] {
        let place = (of_it.len() - 1) * part / 10;
        let from_us = of_it[place].time_us;
        // The depth at that moment, all that happened in it included.
        let mut book = Book::default();
        of_it.iter().take_while(|event| event.time_us <= from_us).for_each(|event| {
            book.hear(&event.change);
        });
        for levels in [1, 3, 1_000] {
            let [bid, ask] = Side::ALL.map(|side| book.best(side, levels));
            let or_null =
                |price: Option<i64>| price.map_or(NULL.to_owned(), |price| price.to_string());
            let expected = format!(
                "{}|{}|{}|{}|{}|{}",
                or_null(bid.0),
                or_null(ask.0),
                bid.1,
                ask.1,
                bid.2,
                ask.2
            );
            let depth = session.rows(&format!(
                "SELECT (bid_price * {ticks})::bigint, (ask_price * {ticks})::bigint, bid_quantity,
                        ask_quantity, bid_orders, ask_orders
                 FROM exchange.depth_history('{symbol}', {0}, {0}, '1 second', {levels})",
                at(from_us)
            ));
            assert_eq!(depth, [expected], "depth of {levels} levels at {from_us}");
        }
        // Every quote from then on, after the one in force.
        let mut expected = Vec::new();
        let mut in_force: Option<(Option<BestPrice>, Option<BestPrice>)> = None;
        for event in &of_it {
            let Change::BestQuote { bid, ask } = event.change else { continue };
            let is_new = in_force != Some((bid, ask));
            in_force = Some((bid, ask));
            if event.time_us < from_us {
                expected = vec![(from_us, bid, ask)];
            } else if is_new {
                expected.push((event.time_us, bid, ask));
            }
        }
        let expected: Vec<String> = expected
            .into_iter()
            .map(|(time_us, bid, ask)| {
                let columns = |best: Option<BestPrice>| {
                    best.map_or("-|-".to_owned(), |best| {
                        format!("{}|{}", best.price_ticks, best.quantity)
                    })
                };
                format!("{time_us}|{}|{}", columns(bid), columns(ask))
            })
            .collect();
        let quotes = session.rows(&format!(
            "SELECT (extract(epoch FROM at - '2000-01-01 00:00Z') * 1000000)::bigint,
                    (bid_price * {ticks})::bigint, bid_quantity,
                    (ask_price * {ticks})::bigint, ask_quantity
             FROM exchange.quote_history('{symbol}', {}, 'infinity')",
            at(from_us)
        ));
        assert_eq!(quotes, expected, "quotes from {from_us} on");
    }

    // In steps, a command is never told in part.
    let mut after = 0;
    let mut count = 0;
    loop {
        let step =
            session.rows(&format!("SELECT sequence FROM exchange.events_after({after}, NULL, 7)"));
        let Some(last) = step.last() else { break };
        count += step.len();
        after = last.parse().expect("a sequence is a number");
    }
    assert_eq!(count, all.len(), "events in steps of seven");
}

#[test]
fn readers_of_the_past_see_all_of_it_while_it_grows() {
    let venue = venue();
    let symbol = venue.instrument();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut session = venue.superuser();
            for _ in 0..300 {
                session.place(&format!("'{symbol}', 'buy', 10, 100"));
            }
            session.wait_for_tables();
            is_over.store(true, Ordering::Release);
        });
        let mut session = venue.superuser();
        let (mut after, mut quantity) = (0, 0);
        loop {
            let was_over = is_over.load(Ordering::Acquire);
            let step = session.rows(&format!(
                "SELECT sequence, quantity FROM exchange.events_after({after}, '{symbol}')
                 WHERE event = 'level'"
            ));
            for row in &step {
                let (sequence, now) = row.split_once('|').expect("two columns");
                after = sequence.parse().expect("a sequence is a number");
                quantity += 100;
                assert_eq!(now, quantity.to_string(), "nothing is left out, or told twice");
            }
            if was_over && step.is_empty() {
                break;
            }
        }
        assert_eq!(quantity, 30_000);
    });
}

#[test]
fn a_damaged_block_is_named() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.place(&format!("'{symbol}', 'buy', 10, 100"));
    session.wait_for_tables();
    let block = session.number("SELECT max(first_sequence) FROM exchange.market_data");
    session.run(&format!(
        "UPDATE exchange.market_data SET events = set_byte(events, 0, get_byte(events, 0) # 1)
         WHERE first_sequence = {block}"
    ));
    let failure = session.failure("SELECT count(*) FROM exchange.events_after(0)");
    assert!(failure.is(&SqlState::DATA_CORRUPTED), "{failure}");
    assert!(failure.to_string().contains(&format!("command {block}")), "{failure}");
    // What is before it can be read.
    let before =
        format!("SELECT count(*) FROM exchange.events_after(0, NULL, 1) WHERE sequence < {block}");
    assert!(session.number(&before) > 0);
}

#[test]
fn mistakes_are_told() {
    let mut session = venue().superuser();
    for (call, state, words) in [
        ("events_after(NULL)", SqlState::NULL_VALUE_NOT_ALLOWED, "after must not be NULL"),
        ("events_after(-1)", SqlState::INVALID_PARAMETER_VALUE, "after must not be below 0"),
        ("events_after(0, 'NONE')", SqlState::UNDEFINED_OBJECT, "no such instrument"),
        ("events_after(0, NULL, 0)", SqlState::INVALID_PARAMETER_VALUE, "maximum must be above 0"),
        ("quote_history(NULL, NULL, now())", SqlState::NULL_VALUE_NOT_ALLOWED, "\"from\" must not"),
        (
            "quote_history(NULL, now(), now() - interval '1 s')",
            SqlState::INVALID_PARAMETER_VALUE,
            "\"to\" is before \"from\"",
        ),
        (
            "depth_history(NULL, now(), now(), '1 s')",
            SqlState::NULL_VALUE_NOT_ALLOWED,
            "symbol must not be NULL",
        ),
        ("decode_journal('\\x00')", SqlState::DATA_CORRUPTED, "no commands"),
        ("journal_commands(2, 1)", SqlState::INVALID_PARAMETER_VALUE, "before from_sequence"),
    ] {
        let failure = session.failure(&format!("SELECT * FROM exchange.{call}"));
        assert!(failure.is(&state), "{call}: {failure}");
        assert!(failure.to_string().contains(words), "{call}: {failure}");
    }
    let symbol = venue().instrument();
    for (step, words) in [("0 s", "not above 0"), ("-1 day", "not above 0"), ("1 us", "1,000,000")]
    {
        let failure = session.failure(&format!(
            "SELECT * FROM exchange.depth_history('{symbol}', now() - interval '1 h', now(), '{step}')"
        ));
        assert!(failure.is(&SqlState::INVALID_PARAMETER_VALUE), "{step}: {failure}");
        assert!(failure.to_string().contains(words), "{step}: {failure}");
    }
}

#[test]
fn the_journal_can_be_read() {
    let venue = venue();
    let (broker, account) = venue.broker();
    let symbol = venue.instrument();
    let id = venue
        .superuser()
        .one(&format!("SELECT instrument_id FROM exchange.instruments WHERE symbol = '{symbol}'"));
    let mut session = venue.session(&broker);
    let order = session.place(&format!(
        "'{symbol}', 'sell', 12.5, 100, time_in_force => 'DAY', client_order_id => 'mine \"1\"', \
         display_quantity => 10"
    ));
    session.run(&format!("SELECT exchange.reduce_order({order}, 10)"));
    session.run(&format!("SELECT exchange.replace_order({order}, 13, 80)"));
    let mut superuser = venue.superuser();
    superuser.run(&format!("SELECT exchange.cancel_order({order})"));
    superuser.wait_for_tables();
    let owner = superuser
        .one(&format!("SELECT participant_id FROM exchange.participants WHERE role = '{broker}'"));
    let last = superuser.number("SELECT matched FROM exchange.pg_stat_exchange");
    let columns = "command, participant_id, account_id, instrument_id, side, price_ticks, quantity";
    let commands = superuser
        .rows(&format!("SELECT {columns} FROM exchange.journal_commands(1, {last}, {order})"));
    assert_eq!(
        commands,
        [
            format!("place_order|-|{account}|{id}|sell|1250|100"),
            format!("reduce_order|{owner}|-|-|-|-|10"),
            format!("replace_order|{owner}|-|-|-|1300|80"),
            "cancel_order|0|-|-|-|-|-".to_owned(),
        ]
    );
    let details = superuser.one(&format!(
        "SELECT details ->> 'client_order_id', details ->> 'time_in_force',
                details ->> 'display_quantity'
         FROM exchange.journal_commands({order}, {order})"
    ));
    assert_eq!(details, "mine \"1\"|DAY|10");
    // All of it, row by row, is what the range says.
    assert!(superuser.is_true(&format!(
        "SELECT array_agg(d ORDER BY d.sequence) =
                (SELECT array_agg(c ORDER BY c.sequence) FROM exchange.journal_commands(1, {last}) AS c)
         FROM exchange.journal AS j
         CROSS JOIN exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS d
         WHERE d.sequence <= {last}"
    )));
    assert_eq!(superuser.number("SELECT exchange.checksum('123456789')"), 0xe306_9283);
}
