//! Consumers with offsets: what members get, keep and lose, through every kind of end.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::JoinHandle;

use tests::random::{Random, seed};
use tests::session::NULL;
use tests::waiting::wait_for;
use tests::{Session, SharedVenue, Venue, WITH_ITSELF, processes, wait_until};
use venue::cluster::{DATABASE, StopMode};
use venue::connection::Connection;

const INSTRUMENTS: usize = 20;

/// A venue with twenty instruments, some of which have traded.
fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    static LISTED: std::sync::OnceLock<()> = std::sync::OnceLock::new();
    let venue = VENUE.get();
    LISTED.get_or_init(|| {
        list(venue);
        trade(&mut venue.superuser(), &mut Random::new(seed(), 55), 300);
    });
    venue
}

fn list(venue: &Venue) {
    for number in 1..=INSTRUMENTS {
        venue.list(&format!("'S{number}', 0.01"));
    }
}

/// Enters so many orders, at random, and waits until their events can be fetched.
fn trade(session: &mut Session, random: &mut Random, orders: usize) {
    for _ in 0..orders {
        session.run(&order(random));
    }
    session.wait_for_tables();
}

fn order(random: &mut Random) -> String {
    format!(
        "SELECT exchange.place_order('S{}', '{}', {} * 0.01, {}, {WITH_ITSELF})",
        random.between(1, INSTRUMENTS as i64),
        random.pick(&["buy", "sell"]),
        random.between(990, 1_010),
        random.between(1, 9),
    )
}

/// A role that may have consumers.
fn reader(venue: &Venue) -> String {
    let role = venue.role();
    venue.superuser().run(&format!("GRANT exchange_trader TO {role}"));
    role
}

/// A name that no other test has.
fn name() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    format!("consumer {}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A session of a new role, and a consumer of it, by what comes after the name in
/// `exchange.create_consumer()`.
fn consumer(arguments: &str) -> (String, String, Session) {
    let (role, name) = (reader(venue()), name());
    let mut session = venue().session(&role);
    session.run(&format!("SELECT exchange.create_consumer('{name}'{arguments})"));
    (role, name, session)
}

fn fetch(session: &mut Session, name: &str, maximum: usize) -> Vec<String> {
    session.rows(&format!("SELECT * FROM exchange.fetch_events('{name}', {maximum})"))
}

fn acknowledge(session: &mut Session, name: &str, sequence: i64) {
    session.run(&format!("SELECT exchange.acknowledge('{name}', {sequence})"));
}

/// Ends a session, and returns when the server has seen it.
fn end(session: Session) {
    let pid = session.pid();
    drop(session);
    wait_until("the session is gone", || !processes::is_alive(pid));
}

/// The command of an event.
fn sequence(event: &str) -> i64 {
    event.split('|').next().expect("a column").parse().expect("a number")
}

/// The symbol of an event; `-` for the whole market.
fn symbol(event: &str) -> &str {
    event.split('|').nth(2).expect("a column")
}

fn symbols(events: &[String]) -> BTreeSet<String> {
    events.iter().map(|event| symbol(event).to_owned()).filter(|symbol| symbol != NULL).collect()
}

fn events_after(session: &mut Session, sequence: i64) -> Vec<String> {
    session.rows(&format!("SELECT * FROM exchange.events_after({sequence}, NULL, 100000000)"))
}

/// How many partitions each session of a consumer has, the most first.
fn held(session: &mut Session, name: &str) -> Vec<String> {
    session.rows(&format!(
        "SELECT cardinality(partitions) FROM exchange.consumer_members WHERE name = '{name}' ORDER BY 1 DESC"
    ))
}

#[test]
fn one_member_gets_every_event_in_order() {
    let (_, name, mut session) = consumer(", from_sequence => 0");
    let expected = events_after(&mut session, 0);
    let mut random = Random::new(seed(), 56);
    let mut got = Vec::new();
    loop {
        let maximum = random.between(1, 200) as usize;
        let events = fetch(&mut session, &name, maximum);
        let Some(last) = events.last().map(|event| sequence(event)) else { break };
        // The rest of a command comes on top.
        let whole = events.iter().filter(|event| sequence(event) < last).count();
        assert!(whole < maximum, "{whole} of {maximum}");
        got.extend(events);
        acknowledge(&mut session, &name, last);
    }
    assert!(got.len() > 500, "{}", got.len());
    assert_eq!(got, expected[..got.len()]);
    // Others go on trading: what came since comes next.
    let position = sequence(got.last().expect("there are events"));
    let next = expected.get(got.len()).map_or(i64::MAX, |event| sequence(event));
    assert!(next > position);
}

#[test]
fn a_consumer_begins_where_it_is_told() {
    let mut superuser = venue().superuser();
    let events = events_after(&mut superuser, 0);
    let middle = sequence(&events[events.len() / 2]);
    for start in [0, middle - 1, middle, 1_000_000_000] {
        let (_, name, mut session) = consumer(&format!(", {start}"));
        let expected: Vec<_> =
            events.iter().filter(|event| sequence(event) > start).take(10).collect();
        let found = fetch(&mut session, &name, 10);
        assert_eq!(found.iter().take(10).collect::<Vec<_>>(), expected, "after {start}");
    }
    // From now on: not what there is, but what comes.
    let (role, name) = (reader(venue()), name());
    let mut session = venue().session(&role);
    let start = session.number(&format!("SELECT exchange.create_consumer('{name}')"));
    assert!(start >= sequence(events.last().expect("there are events")));
    let before = superuser.number("SELECT matched FROM exchange.pg_stat_exchange");
    let placed = superuser.place("'S1', 'buy', 0.07, 7");
    superuser.wait_for_tables();
    let found = fetch(&mut session, &name, 100_000);
    assert!(found.iter().all(|event| sequence(event) > start), "{found:?}");
    assert!(before < placed && found.iter().any(|event| sequence(event) == placed), "{found:?}");
}

#[test]
fn what_is_not_acknowledged_comes_again() {
    let (_, name, mut session) = consumer(", 0");
    let first = fetch(&mut session, &name, 50);
    assert_eq!(fetch(&mut session, &name, 50), first);
    // Up to and with a command in the middle.
    let middle = sequence(&first[20]);
    acknowledge(&mut session, &name, middle);
    let expected: Vec<_> = events_after(&mut session, 0)
        .into_iter()
        .filter(|event| sequence(event) > middle)
        .collect();
    let second = fetch(&mut session, &name, 50);
    assert_eq!(second, expected[..second.len()]);
    // It goes forward only.
    acknowledge(&mut session, &name, middle - 1);
    acknowledge(&mut session, &name, 0);
    assert_eq!(fetch(&mut session, &name, 50), second);
    // And not beyond what was fetched.
    let last = sequence(second.last().expect("there are events"));
    let failure = session.failure(&format!("SELECT exchange.acknowledge('{name}', {})", last + 1));
    assert_eq!(failure.code, "22023", "{failure}");
    assert_eq!(failure.message, "what was not fetched cannot be acknowledged");
    assert_eq!(fetch(&mut session, &name, 50), second);
    // The position is a row: it is there for the session that comes next.
    acknowledge(&mut session, &name, last);
    end(session);
    let mut superuser = venue().superuser();
    let position = superuser
        .number(&format!("SELECT acknowledged FROM exchange.consumers WHERE name = '{name}'"));
    assert_eq!(position, last);
    let third = fetch(&mut superuser, &name, 50);
    assert!(third.iter().all(|event| sequence(event) > last));
    assert_eq!(third, expected[second.len()..][..third.len()]);
}

#[test]
fn what_is_done_with_the_events_is_done_once_in_one_transaction() {
    let (_, name, mut session) = consumer(", 0");
    session.run("CREATE TEMP TABLE done (place bigserial, sequence bigint, event text)");
    let work = format!(
        "INSERT INTO done (sequence, event) SELECT sequence, v::text FROM exchange.fetch_events('{name}', 40) AS v;
         SELECT exchange.acknowledge('{name}', (SELECT max(sequence) FROM done))"
    );
    session.run(&format!("BEGIN; {work}; ROLLBACK"));
    assert_eq!(session.one("SELECT count(*) FROM done"), "0");
    let failure = session.failure(&format!("SELECT exchange.acknowledge('{name}', 1)"));
    assert_eq!(failure.code, "55000", "{failure}");
    for _ in 0..5 {
        session.run(&format!("BEGIN; {work}; COMMIT"));
        session.run(&format!("BEGIN; {work}; ROLLBACK"));
    }
    let done = session.rows("SELECT event FROM done ORDER BY place");
    assert!(done.len() >= 200);
    let expected =
        session.rows("SELECT v::text FROM exchange.events_after(0, NULL, 100000000) AS v");
    assert_eq!(done, expected[..done.len()]);
}

#[test]
fn members_share_the_instruments_and_give_them_back() {
    let (role, name, mut first) = consumer(", 0");
    let mut superuser = venue().superuser();
    let all = events_after(&mut superuser, 0).len();
    assert!(symbols(&fetch(&mut first, &name, all)).len() >= INSTRUMENTS);
    assert_eq!(held(&mut superuser, &name), ["16"]);
    // A second one waits until the first has made room at its next fetch.
    let mut second = venue().session(&role);
    assert_eq!(fetch(&mut second, &name, all), [""; 0]);
    assert_eq!(held(&mut superuser, &name), ["16", "0"]);
    let [of_first, of_second] =
        [&mut first, &mut second].map(|session| symbols(&fetch(session, &name, all)));
    assert_eq!(held(&mut superuser, &name), ["8", "8"]);
    assert!(of_first.is_disjoint(&of_second), "{of_first:?} {of_second:?}");
    assert!(of_first.len() + of_second.len() >= INSTRUMENTS);
    // A third one, which leaves by each of the ways to leave.
    for leave in ["DISCARD ALL", "SELECT pg_advisory_unlock_all()", "leave", "end", "terminate"] {
        let mut third = venue().session(&role);
        fetch(&mut third, &name, 1);
        fetch(&mut first, &name, 1);
        fetch(&mut second, &name, 1);
        let of_third = symbols(&fetch(&mut third, &name, all));
        assert!(!of_third.is_empty());
        let of_others =
            [&mut first, &mut second].map(|session| symbols(&fetch(session, &name, all)));
        assert!(of_others.iter().all(|others| others.is_disjoint(&of_third)));
        assert_eq!(held(&mut superuser, &name).len(), 3);
        match leave {
            "leave" => third.run(&format!("SELECT exchange.leave_consumer('{name}')")),
            "end" => end(third),
            "terminate" => {
                superuser.run(&format!("SELECT pg_terminate_backend({}, 60000)", third.pid()));
            }
            statement => third.run(statement),
        }
        let [of_first, of_second] =
            [&mut first, &mut second].map(|session| symbols(&fetch(session, &name, all)));
        assert_eq!(held(&mut superuser, &name), ["8", "8"], "after {leave}");
        assert!(of_first.is_disjoint(&of_second));
        assert!(of_first.len() + of_second.len() >= INSTRUMENTS, "after {leave}");
    }
}

#[test]
fn members_that_come_at_once_get_different_instruments() {
    const MEMBERS: usize = 6;
    let (role, name, mut owner) = consumer(", 0");
    let all = events_after(&mut owner, 0).len();
    let start = Arc::new(Barrier::new(MEMBERS));
    let threads: Vec<JoinHandle<(Session, BTreeSet<String>)>> = (0..MEMBERS)
        .map(|_| {
            let (start, name) = (Arc::clone(&start), name.clone());
            let mut session = venue().session(&role);
            std::thread::spawn(move || {
                start.wait();
                let got = symbols(&fetch(&mut session, &name, all));
                (session, got)
            })
        })
        .collect();
    let mut members: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let mut seen = BTreeSet::new();
    for (_, got) in &members {
        assert!(got.is_disjoint(&seen), "two members have {got:?} of {seen:?}");
        seen.extend(got.iter().cloned());
    }
    // Some fetches later everything is in equal parts with somebody.
    for _ in 0..2 {
        for (session, got) in &mut members {
            *got = symbols(&fetch(session, &name, all));
        }
    }
    let counts = held(&mut owner, &name);
    assert_eq!(counts, ["3", "3", "3", "3", "3", "1"]);
    let seen: BTreeSet<_> = members.iter().flat_map(|(_, got)| got).collect();
    assert!(seen.len() >= INSTRUMENTS, "{seen:?}");
}

#[test]
fn a_member_in_a_long_transaction_stalls_nobody() {
    let (role, name, mut slow) = consumer(", 0");
    let all = events_after(&mut slow, 0).len();
    slow.run("BEGIN");
    let of_slow = fetch(&mut slow, &name, 10);
    assert!(!of_slow.is_empty());
    // It has everything, and the others nothing, but they do not wait for it.
    let mut others = [venue().session(&role), venue().session(&role)];
    for other in &mut others {
        other.run("SET statement_timeout = '10s'");
        assert_eq!(fetch(other, &name, all), [""; 0]);
    }
    slow.run("ROLLBACK");
    let of_others: Vec<_> =
        others.iter_mut().map(|other| symbols(&fetch(other, &name, all))).collect();
    assert!(of_others[0].len() > 2 && of_others[0].is_disjoint(&of_others[1]), "{of_others:?}");
    // Now it has a third of it, in a transaction, and dies there.
    for session in [&mut slow].into_iter().chain(&mut others) {
        fetch(session, &name, all);
    }
    slow.run("BEGIN");
    let of_slow = symbols(&fetch(&mut slow, &name, all));
    assert!(!of_slow.is_empty());
    for other in &mut others {
        let got = symbols(&fetch(other, &name, all));
        assert!(!got.is_empty() && got.is_disjoint(&of_slow), "{got:?} {of_slow:?}");
    }
    venue().superuser().run(&format!("SELECT pg_terminate_backend({}, 60000)", slow.pid()));
    let got: Vec<_> = others.iter_mut().map(|other| symbols(&fetch(other, &name, all))).collect();
    assert!(got[0].len() + got[1].len() >= INSTRUMENTS, "{got:?}");
}

#[test]
fn who_has_lost_its_part_cannot_acknowledge_it() {
    // A member that was idle for a moment may be taken over from.
    let (role, name, mut first) = consumer(", 0, idle_timeout => '1 microsecond'");
    let all = events_after(&mut first, 0).len();
    let events = fetch(&mut first, &name, all);
    let last = sequence(events.last().expect("there are events"));
    let mut second = venue().session(&role);
    let taken = fetch(&mut second, &name, all);
    assert_eq!(taken[..events.len()], events);
    let failure = first.failure(&format!("SELECT exchange.acknowledge('{name}', {last})"));
    assert_eq!(failure.code, "55000", "{failure}");
    assert!(failure.hint.contains("exchange.fetch_events("), "{failure}");
    acknowledge(&mut second, &name, last);
    // It is as anybody else from then on.
    assert!(fetch(&mut first, &name, all).iter().all(|event| sequence(event) > last));
    // While another takes over, and has not said so yet, it gets nothing and waits for nothing.
    fetch(&mut first, &name, all);
    second.run("BEGIN");
    fetch(&mut second, &name, all);
    first.run("SET statement_timeout = '10s'");
    assert_eq!(fetch(&mut first, &name, all), [""; 0]);
    let failure = first.failure(&format!("SELECT exchange.acknowledge('{name}', {last})"));
    assert_eq!(failure.code, "55000", "{failure}");
    second.run("COMMIT");
}

#[test]
fn a_fetch_that_is_cancelled_leaves_nothing_behind() {
    let (role, name, mut session) = consumer(", 0");
    let expected = fetch(&mut session, &name, 100_000);
    end(session);
    let mut session = venue().session(&role);
    let mut cancelled = 0;
    for timeout_ms in 1..40 {
        session.run(&format!("SET statement_timeout = {timeout_ms}"));
        match session.try_rows(&format!("SELECT * FROM exchange.fetch_events('{name}', 100000)")) {
            Ok(events) => assert_eq!(events[..expected.len()], expected),
            Err(failure) => {
                assert_eq!(failure.code, "57014", "{failure}");
                cancelled += 1;
            }
        }
    }
    assert!(cancelled > 0);
    session.run("SET statement_timeout = '60s'");
    assert_eq!(fetch(&mut session, &name, 100_000)[..expected.len()], expected);
    assert_eq!(held(&mut session, &name), ["16"]);
}

#[test]
fn a_consumer_may_be_of_some_instruments() {
    let (_, name, mut session) = consumer(", 0, ARRAY['S3', 'S7', 'S8']");
    let (_, of_one, mut other) = consumer(", 0, ARRAY['S5']");
    let all = events_after(&mut session, 0);
    for (session, name, wanted) in
        [(&mut session, &name, &["S3", "S7", "S8", NULL][..]), (&mut other, &of_one, &["S5", NULL])]
    {
        let expected: Vec<_> =
            all.iter().filter(|event| wanted.contains(&symbol(event))).cloned().collect();
        let mut got = Vec::new();
        // In small steps: those between of other instruments are passed by.
        while got.len() < expected.len() {
            let events = fetch(session, name, 7);
            acknowledge(session, name, sequence(events.last().expect("there are more")));
            got.extend(events);
        }
        assert_eq!(got[..expected.len()], expected);
        assert_eq!(symbols(&got).len(), wanted.len() - 1);
    }
}

#[test]
fn what_is_of_no_interest_is_not_looked_at_again() {
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    let (_, name, mut session) = consumer(&format!(", 0, ARRAY['{symbol}', 'S1'], 2"));
    let (_, idle, mut idler) = consumer(&format!(", NULL, ARRAY['{symbol}']"));
    while let Some(last) = fetch(&mut session, &name, 1_000).last() {
        acknowledge(&mut session, &name, sequence(last));
    }
    trade(&mut superuser, &mut Random::new(seed(), 57), 50);
    // Nothing is to be acknowledged where nothing was got, and still it is as far as can be.
    for (session, name) in [(&mut session, &name), (&mut idler, &idle)] {
        let behind = format!(
            "SELECT (SELECT max(last_sequence) FROM exchange.market_data) - acknowledged, lag
             FROM exchange.consumers WHERE name = '{name}'"
        );
        wait_until("the consumer has seen everything", || {
            while let Some(last) = fetch(session, name, 1_000).last() {
                acknowledge(session, name, sequence(last));
            }
            session.one(&behind) == "0|0"
        });
    }
}

#[test]
fn small_steps_do_not_read_the_history() {
    let mut superuser = venue().superuser();
    let mut random = Random::new(seed(), 58);
    // A block each.
    for _ in 0..700 {
        trade(&mut superuser, &mut random, 1);
    }
    let (_, name, mut session) = consumer(", 0");
    // As in a table that is large.
    superuser.run("ANALYZE exchange.market_data");
    session.run("SET enable_seqscan = off");
    let last = superuser.number("SELECT max(first_sequence) FROM exchange.market_data") - 1;
    for start in [0, last / 2, last] {
        let name = format!("{name} {start}");
        session.run(&format!("SELECT exchange.create_consumer('{name}', {start})"));
        fetch(&mut session, &name, 1);
        // Counted by this session, and not handed to the statistics of all while it is in here.
        let read = |session: &mut Session| {
            session.one(
                "SELECT coalesce(sum(idx_tup_fetch), 0) || ' ' || coalesce(sum(seq_scan), 0)
                 FROM pg_stat_xact_user_tables
                 WHERE schemaname = 'exchange' AND relname LIKE 'market\\_data\\_%'",
            )
        };
        let counts = |text: String| -> (i64, i64) {
            let (rows, scans) = text.split_once(' ').expect("two numbers");
            (rows.parse().expect("a number"), scans.parse().expect("a number"))
        };
        session.run("BEGIN");
        let before = counts(read(&mut session));
        fetch(&mut session, &name, 1);
        let after = counts(read(&mut session));
        session.run("COMMIT");
        let rows = after.0 - before.0;
        assert_eq!(after.1, before.1, "the table was scanned after {start}");
        assert!(rows > 0);
        // A step looks ahead of what it returns: by a thousand events, and up to 64 blocks.
        let ahead = superuser.one(&format!(
            "SELECT count(*) FILTER (WHERE before < 1000), count(*) FROM (
                 SELECT sum(event_count) OVER (ORDER BY first_sequence) - event_count AS before
                 FROM exchange.market_data WHERE last_sequence > {start}) AS b"
        ));
        let (ahead, all) = ahead.split_once('|').expect("two columns");
        let number = |text: &str| text.parse::<i64>().expect("a number");
        assert!(rows <= number(ahead) + 70, "{rows} of {ahead} blocks after {start}");
        assert!(start > 0 || number(ahead) + 70 < number(all), "{ahead} of {all}");
    }
}

#[test]
fn instruments_that_are_listed_later_come_too() {
    let (_, name, mut session) = consumer("");
    let symbol = venue().instrument();
    let mut superuser = venue().superuser();
    superuser.place(&format!("'{symbol}', 'buy', 1, 1"));
    superuser.wait_for_tables();
    let events = fetch(&mut session, &name, 100_000);
    let of_it: Vec<_> = events
        .iter()
        .filter(|event| self::symbol(event) == symbol)
        .map(|event| event.split('|').nth(3))
        .collect();
    assert_eq!(of_it[0], Some("listed"));
    assert!(of_it.contains(&Some("level")), "{of_it:?}");
}

#[test]
fn a_consumer_is_its_owners_and_their_members() {
    let (role, name, mut owner) = consumer(", 0");
    let mut superuser = venue().superuser();
    let [deputy, guest] = [venue().role(), venue().role()];
    superuser.run(&format!(
        "GRANT {role} TO {deputy}; GRANT {role} TO {guest}; ALTER ROLE {guest} NOINHERIT"
    ));
    let events = fetch(&mut owner, &name, 10);
    end(owner);
    let mut session = venue().session(&deputy);
    assert_eq!(fetch(&mut session, &name, 10), events);
    let shown = format!("SELECT owner, members FROM exchange.consumers WHERE name = '{name}'");
    assert_eq!(session.one(&shown), format!("{role}|1"));
    let mut session = venue().session(&guest);
    assert_eq!(session.failure(&shown).code, "42501");
    session.run(&format!("SET ROLE {role}"));
    assert_eq!(session.one(&shown), format!("{role}|1"));
    // Other traders do not even see it.
    let stranger = reader(venue());
    let mut session = venue().session(&stranger);
    assert_eq!(session.rows(&shown), [""; 0]);
    let calls = [
        format!("fetch_events('{name}')"),
        format!("acknowledge('{name}', 1)"),
        format!("leave_consumer('{name}')"),
        format!("drop_consumer('{name}')"),
    ];
    for call in &calls {
        let failure = session.failure(&format!("SELECT exchange.{call}"));
        assert_eq!(failure.code, "42704", "{call}\n{failure}");
    }
    let failure = session.failure(&format!("SELECT exchange.create_consumer('{name}')"));
    assert_eq!(failure.code, "42710", "{failure}");
    assert!(!failure.to_string().contains(&role), "{failure}");
    // Who watches the venue sees it, and cannot use it.
    for group in ["exchange_analyst", "exchange_reporter", "exchange_admin"] {
        let watcher = venue().role();
        superuser.run(&format!("GRANT {group} TO {watcher}"));
        let mut session = venue().session(&watcher);
        assert_eq!(session.one(&shown), format!("{role}|1"));
        for call in &calls {
            let failure = session.failure(&format!("SELECT exchange.{call}"));
            assert_eq!(failure.code, "42501", "{group} {call}\n{failure}");
            assert!(!failure.hint.is_empty());
        }
        // Nor by hand.
        for table in ["consumer_settings", "consumer_partitions", "consumer_sessions"] {
            let touched = session
                .rows(&format!("DELETE FROM exchange.{table} WHERE name = '{name}' RETURNING 1"));
            assert_eq!(touched, [""; 0], "{group} {table}");
        }
        let failure = session.failure(&format!(
            "INSERT INTO exchange.consumer_settings (name, owner, partitions) VALUES ('of {group}', '{role}', 1)"
        ));
        assert_eq!(failure.code, "42501", "{failure}");
        // It has its own.
        session.run(&format!(
            "SELECT exchange.create_consumer('of {group}', 0); SELECT exchange.fetch_events('of {group}', 1);
             SELECT exchange.drop_consumer('of {group}')"
        ));
    }
    let mut owner = venue().session(&role);
    owner.run(&format!("SELECT exchange.drop_consumer('{name}')"));
    let left = "SELECT (SELECT count(*) FROM exchange.consumer_partitions WHERE name = $$N$$)
                     + (SELECT count(*) FROM exchange.consumer_sessions WHERE name = $$N$$)";
    assert_eq!(superuser.number(&left.replace('N', &name)), 0);
}

#[test]
fn misuse_of_consumers_is_told() {
    let (_, name, mut session) = consumer("");
    let long = "x".repeat(64);
    for (call, code) in [
        ("create_consumer(NULL)".to_owned(), "22004"),
        ("create_consumer('')".to_owned(), "22023"),
        (format!("create_consumer('{long}')"), "22023"),
        (format!("create_consumer('{name}')"), "42710"),
        ("create_consumer('new', -1)".to_owned(), "22023"),
        ("create_consumer('new', 0, ARRAY['S1', NULL])".to_owned(), "22004"),
        ("create_consumer('new', 0, ARRAY[]::text[])".to_owned(), "22023"),
        ("create_consumer('new', 0, ARRAY['S1', 'NONE'])".to_owned(), "42704"),
        ("create_consumer('new', 0, NULL, 0)".to_owned(), "22023"),
        ("create_consumer('new', 0, NULL, 257)".to_owned(), "22023"),
        ("create_consumer('new', 0, NULL, NULL)".to_owned(), "22004"),
        ("create_consumer('new', 0, NULL, 1, '0')".to_owned(), "22023"),
        ("fetch_events(NULL)".to_owned(), "22004"),
        ("fetch_events('unknown')".to_owned(), "42704"),
        (format!("fetch_events('{name}', 0)"), "22023"),
        (format!("fetch_events('{name}', -1)"), "22023"),
        (format!("fetch_events('{name}', NULL)"), "22004"),
        ("acknowledge(NULL, 1)".to_owned(), "22004"),
        (format!("acknowledge('{name}', NULL)"), "22004"),
        ("acknowledge('unknown', 1)".to_owned(), "42704"),
        // Nothing was fetched.
        (format!("acknowledge('{name}', 1)"), "55000"),
        ("leave_consumer('unknown')".to_owned(), "42704"),
        ("drop_consumer('unknown')".to_owned(), "42704"),
        ("drop_consumer(NULL)".to_owned(), "22004"),
    ] {
        let failure = session.failure(&format!("SELECT exchange.{call}"));
        assert_eq!(failure.code, code, "{call}\n{failure}");
        assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{call}\n{failure}");
    }
    session.run("BEGIN READ ONLY");
    let failure = session.failure(&format!("SELECT exchange.fetch_events('{name}')"));
    assert_eq!(failure.code, "25006", "{failure}");
    assert!(failure.hint.contains("exchange.events_after()"), "{failure}");
    session.run("ROLLBACK");
    let visitor = venue().role();
    let mut visitor = venue().session(&visitor);
    for call in [format!("fetch_events('{name}')"), "create_consumer('new')".to_owned()] {
        assert_eq!(visitor.failure(&format!("SELECT exchange.{call}")).code, "42501");
    }
}

/// What a member did.
enum Deed {
    Processed {
        member: usize,
        event: String,
    },
    /// These do not come again.
    Acknowledged(Vec<String>),
}

/// What all members and traders of the long test share.
#[derive(Default)]
struct Shared {
    /// In the order in which it happened.
    deeds: Mutex<Vec<Deed>>,
    trading_ends: AtomicBool,
    working_ends: AtomicBool,
}

const CONSUMER: &str = "the long one";

/// A session; waits as long as the server is down. `None` when the work is over.
fn connect(connection: &Connection, is_over: &AtomicBool) -> Option<Session> {
    loop {
        if is_over.load(Ordering::Relaxed) {
            return None;
        }
        match Session::try_connect(connection) {
            Ok(session) => return Some(session),
            Err(failure) => {
                let is_expected = failure.is_end_of_session() || failure.code == "57P03";
                assert!(is_expected, "connecting: {failure}");
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
    }
}

/// A member that is connected again whenever its session ends.
fn member(number: usize, connection: &Connection, mut random: Random, shared: &Shared) {
    while let Some(mut session) = connect(connection, &shared.working_ends) {
        while !shared.working_ends.load(Ordering::Relaxed) {
            let fetch = format!(
                "SELECT * FROM exchange.fetch_events('{CONSUMER}', {})",
                random.between(1, 150)
            );
            let events = match session.try_rows(&fetch) {
                Ok(events) => events,
                Err(failure) if failure.is_end_of_session() => break,
                Err(failure) => panic!("{fetch}\n{failure}"),
            };
            if events.is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(2));
                continue;
            }
            shared.deeds.lock().unwrap().extend(
                events.iter().map(|event| Deed::Processed { member: number, event: event.clone() }),
            );
            // Mostly all of it, at times a part, and at times it forgets.
            let up_to = match random.between(0, 9) {
                0..7 => sequence(events.last().expect("there are some")),
                7..9 => sequence(random.pick::<String>(&events)),
                _ => continue,
            };
            let acknowledge = format!("SELECT exchange.acknowledge('{CONSUMER}', {up_to})");
            match session.try_run(&acknowledge) {
                Ok(()) => {
                    let done =
                        events.into_iter().filter(|event| sequence(event) <= up_to).collect();
                    shared.deeds.lock().unwrap().push(Deed::Acknowledged(done));
                }
                Err(failure) if failure.is_end_of_session() => break,
                Err(failure) => panic!("{acknowledge}\n{failure}"),
            }
        }
    }
}

/// Somebody who trades whenever the exchange is there.
fn trader(connection: &Connection, mut random: Random, shared: &Shared) {
    while let Some(mut session) = connect(connection, &shared.trading_ends) {
        while !shared.trading_ends.load(Ordering::Relaxed) {
            match session.try_run(&order(&mut random)) {
                Ok(()) => {}
                Err(failure) if failure.is_end_of_session() => break,
                // The workers have not come up again.
                Err(failure) if ["57P03", "53000"].contains(&failure.code.as_str()) => {}
                Err(failure) => panic!("{failure}"),
            }
        }
    }
}

/// Three members share twenty instruments while others trade; one is terminated, one is killed,
/// which takes the server down, and then the server stops without a word. Every event is processed,
/// those of each instrument in their order, and none again that was acknowledged.
#[test]
fn every_event_is_processed_whatever_ends() {
    let venue = Venue::start(&[]);
    list(&venue);
    let role = reader(&venue);
    let deputy = venue.role();
    venue.superuser().run(&format!("GRANT {role} TO {deputy}"));
    let start = venue
        .session(&role)
        .number(&format!("SELECT exchange.create_consumer('{CONSUMER}', symbols => NULL)"));
    let shared = Arc::new(Shared::default());
    let members: Vec<_> = [&role, &role, &deputy]
        .into_iter()
        .enumerate()
        .map(|(number, role)| {
            let connection = venue.cluster().connection(DATABASE, role);
            let (random, shared) = (Random::new(seed(), 60 + number as u64), Arc::clone(&shared));
            std::thread::spawn(move || member(number, &connection, random, &shared))
        })
        .collect();
    let traders: Vec<_> = (0..2)
        .map(|number| {
            let connection = venue.cluster().connection(DATABASE, "postgres");
            let (random, shared) = (Random::new(seed(), 70 + number), Arc::clone(&shared));
            std::thread::spawn(move || trader(&connection, random, &shared))
        })
        .collect();
    let superuser = || {
        let connection = venue.cluster().connection(DATABASE, "postgres");
        wait_for("the server is up", || Session::try_connect(&connection).ok())
    };
    // All three have a part, and get on with it.
    let work = |more: usize| {
        let mut session = superuser();
        let working = format!(
            "SELECT count(*) = 3 FROM exchange.consumer_members
             WHERE name = '{CONSUMER}' AND partitions <> '{{}}'"
        );
        wait_until("three members work", || session.is_true(&working));
        let enough = shared.deeds.lock().unwrap().len() + more;
        wait_until("events are processed", || {
            assert!(!members.iter().any(JoinHandle::is_finished), "a member has failed");
            assert!(!traders.iter().any(JoinHandle::is_finished), "a trader has failed");
            shared.deeds.lock().unwrap().len() >= enough
        });
        session
    };
    let pid = |session: &mut Session| -> i32 {
        let any = format!(
            "SELECT pid FROM exchange.consumer_members WHERE name = '{CONSUMER}' ORDER BY random() LIMIT 1"
        );
        session.number(&any) as i32
    };
    for _ in 0..3 {
        let mut session = work(2_000);
        let victim = pid(&mut session);
        session.run(&format!("SELECT pg_terminate_backend({victim}, 60000)"));
    }
    let mut session = work(2_000);
    processes::kill(pid(&mut session));
    drop(session);
    drop(work(2_000));
    venue.cluster().stop(StopMode::Immediate).expect("the server stops");
    venue.cluster().start().expect("the server starts again");
    drop(work(2_000));

    shared.trading_ends.store(true, Ordering::Relaxed);
    traders.into_iter().for_each(|trader| trader.join().expect("a trader did not fail"));
    let mut session = superuser();
    venue.wait_until_running();
    session.wait_for_tables();
    let lag = format!("SELECT lag FROM exchange.consumers WHERE name = '{CONSUMER}'");
    wait_until("everything is processed", || session.number(&lag) == 0);
    shared.working_ends.store(true, Ordering::Relaxed);
    members.into_iter().for_each(|member| member.join().expect("a member did not fail"));

    let events = events_after(&mut session, start);
    let mut of_symbol: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in &events {
        of_symbol.entry(symbol(event)).or_default().push(event);
    }
    assert!(of_symbol.len() > INSTRUMENTS - 1, "{}", of_symbol.len());
    let place: HashMap<&str, usize> =
        of_symbol.values().flat_map(|events| events.iter().copied().zip(0..)).collect();
    let mut next: HashMap<&str, usize> = HashMap::new();
    let mut done: HashSet<&str> = HashSet::new();
    let mut by_member = [0; 3];
    let mut again = 0;
    let deeds = shared.deeds.lock().unwrap();
    for deed in deeds.iter() {
        match deed {
            Deed::Processed { member, event } => {
                let of = symbol(event);
                let place =
                    *place.get(event.as_str()).unwrap_or_else(|| panic!("there is no {event}"));
                let next = next.entry(of).or_default();
                assert!(place <= *next, "{event} came before the one before it");
                if place == *next {
                    *next += 1;
                } else {
                    again += 1;
                }
                // Those of the whole market come to every member.
                let is_done = of != NULL && done.contains(event.as_str());
                assert!(!is_done, "{event} was acknowledged, and came again");
                by_member[*member] += 1;
            }
            Deed::Acknowledged(events) => done.extend(events.iter().map(String::as_str)),
        }
    }
    for (symbol, events) in &of_symbol {
        assert_eq!(next.get(symbol).copied().unwrap_or_default(), events.len(), "{symbol}");
    }
    println!("{} events, {again} again; by member: {by_member:?}", events.len());
    assert!(by_member.iter().all(|count| *count > 500), "{by_member:?}");
}
