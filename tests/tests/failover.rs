//! Two servers of one venue: what of it is on the standby when the primary is gone, and how they
//! change places.

mod pair;

use std::time::Duration;

use tests::audit;
use tests::random::seed;
use tests::traders::{Floor, Memory, Told, Trading, WhenDisconnected};
use tests::{Session, wait_until};

use pair::Pair;

const CLIENTS: usize = 6;
/// How often the primary is killed, where the environment does not say.
const FAILOVERS: usize = 5;
const FAILOVERS_VARIABLE: &str = "PG_EXCHANGE_FAILOVERS";
/// So often in a pair: the auditor replays its whole journal each time.
const FAILOVERS_OF_A_PAIR: usize = 25;

/// What the failovers of a test came to.
#[derive(Default)]
struct Figures {
    acknowledged: usize,
    /// Of these, on both servers when they were.
    durable: usize,
    answered_early_and_gone: usize,
    until_first_order: Vec<Duration>,
    until_rejoined: Vec<Duration>,
}

impl Figures {
    fn print(&mut self) {
        let in_ms = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            let [middle, last] = [times.len() / 2, times.len() - 1].map(|at| times[at].as_millis());
            format!("{middle} ms (longest {last} ms)")
        };
        println!(
            "{} failovers: {} orders acknowledged, {} of them as durable: of these none was lost, of \
             the others {}; from the promotion to the first order {}; the old primary was \
             rewound, started and synchronous after {}",
            self.until_first_order.len(),
            self.acknowledged,
            self.durable,
            self.answered_early_and_gone,
            in_ms(&mut self.until_first_order),
            in_ms(&mut self.until_rejoined),
        );
    }
}

/// How many orders were acknowledged, and as durable.
fn acknowledged(memories: &[Memory]) -> (usize, usize) {
    let told = memories.iter().flat_map(Memory::log);
    let durable = told.filter(|told| matches!(told, Told::Placed { durable: true, .. })).count();
    (memories.iter().map(Memory::placed).sum(), durable)
}

/// Trades, kills the primary under the load, and lets the standby take its place; what is to hold
/// of what the clients were told.
fn kill_and_promote(
    pair: &mut Pair,
    floor: &Floor,
    memories: Vec<Memory>,
    seed: u64,
    figures: &mut Figures,
) -> Vec<Memory> {
    let before = acknowledged(&memories);
    let trading = Trading::start(&pair.primary, floor, memories, WhenDisconnected::Leave, seed);
    trading.wait_for_calls(400);
    pair.primary.cluster().kill9().expect("the primary can be killed");
    let mut memories = trading.wait_until_left();
    let after = acknowledged(&memories);
    figures.acknowledged += after.0 - before.0;
    figures.durable += after.1 - before.1;
    // The promoted server numbers on from what it has.
    let killed_at = pair.standby.superuser().one("SELECT clock_timestamp()");
    figures.until_first_order.push(pair.promote());
    let last_sequence = pair.primary.superuser().number(&format!(
        "SELECT max(last_sequence) FROM exchange.journal
         WHERE timestamptz '2000-01-01 00:00Z' + first_time_us * interval '1 microsecond'
                   < '{killed_at}'"
    ));
    figures.answered_early_and_gone += memories
        .iter_mut()
        .map(|memory| memory.forget_what_was_not_durable(last_sequence))
        .sum::<usize>();
    memories
}

#[test]
fn what_was_acknowledged_is_on_the_standby_whenever_the_primary_is_killed() {
    let failovers = std::env::var(FAILOVERS_VARIABLE).map_or(FAILOVERS, |text| {
        text.parse().unwrap_or_else(|_| panic!("{FAILOVERS_VARIABLE} is no number: {text}"))
    });
    let seed = seed();
    let mut figures = Figures::default();
    for first in (0..failovers).step_by(FAILOVERS_OF_A_PAIR) {
        let mut pair = Pair::start();
        let floor = Floor::open(&pair.primary, CLIENTS);
        let mut memories = floor.newcomers();
        for round in first..failovers.min(first + FAILOVERS_OF_A_PAIR) {
            println!("failover {round}");
            let seed = seed.wrapping_add(round as u64);
            memories = kill_and_promote(&mut pair, &floor, memories, seed, &mut figures);
            audit::assert_sound(&pair.primary, &memories);
            figures.until_rejoined.push(pair.rejoin());
        }
        // The clients are there once more, and the one that was a standby last has it all, too.
        pair.wait_until_caught_up();
    }
    figures.print();
}

/// That the test above could fail.
#[test]
fn what_an_asynchronous_standby_does_not_have_is_found_to_be_lost() {
    let mut pair = Pair::start();
    let floor = Floor::open(&pair.primary, CLIENTS);
    pair.make_asynchronous();
    pair.detach();
    let memories = floor.newcomers();
    let memories = kill_and_promote(&mut pair, &floor, memories, seed(), &mut Figures::default());
    audit::settle(&pair.primary);
    let verdict = audit::audit(&mut pair.primary.superuser(), &memories);
    let lost = verdict.findings.iter().filter(|finding| finding.ends_with("is lost")).count();
    assert!(lost > 0, "orders were acknowledged that no standby had: {verdict}");
}

/// Enters an order in a session of its own, which waits for the standby.
struct Waiting {
    thread: std::thread::JoinHandle<Result<Vec<String>, tests::Failure>>,
    pid: i32,
}

impl Waiting {
    /// Returns when the journaler waits for the standby.
    fn start(pair: &Pair, symbol: &str) -> Self {
        let mut session = pair.primary.superuser();
        let pid = session.pid();
        let order = order(symbol);
        let thread = std::thread::spawn(move || {
            let answer = session.try_rows(&order);
            answer.inspect_err(|_| assert_stands(&mut session))
        });
        let waiting = Self { thread, pid };
        wait_until("the journaler waits for the standby", || {
            assert!(!waiting.thread.is_finished(), "the order did not wait for the standby");
            pair.primary.superuser().is_true(
                "SELECT EXISTS (SELECT FROM pg_stat_activity
                                WHERE backend_type = 'exchange journaler' AND wait_event = 'SyncRep')",
            )
        });
        waiting
    }

    /// What came of it.
    fn answer(self) -> Result<Vec<String>, tests::Failure> {
        self.thread.join().expect("the session does not panic")
    }
}

fn order(symbol: &str) -> String {
    format!("SELECT order_id FROM exchange.place_order('{symbol}', 'buy', 2, 10)")
}

/// Whoever is told that the call was cancelled is told, too, that the order was not.
fn assert_stands(session: &mut Session) {
    if session.client().is_closed() {
        return;
    }
    let notices = session.take_notices();
    let [notice] = notices.as_slice() else { panic!("another number of notices: {notices:?}") };
    assert_eq!(notice.message, "the wait for an answer ends, the order does not");
    assert!(notice.detail.contains("it stands"), "{notice}");
}

#[test]
fn an_order_waits_for_a_standby_that_is_away_and_a_cancel_says_that_it_stands() {
    let pair = Pair::start();
    let symbol = pair.primary.instrument();
    pair.detach();
    let cancelled = Waiting::start(&pair, &symbol);
    let waiting = Waiting::start(&pair, &symbol);
    let mut superuser = pair.primary.superuser();
    superuser.run(&format!("SELECT pg_cancel_backend({})", cancelled.pid));
    let failure = cancelled.answer().expect_err("the call was cancelled");
    assert_eq!(failure.code, "57014", "{failure}");
    // Who does not ask for durability does not wait.
    superuser.run("SET synchronous_commit = off");
    let [early] = superuser.rows(&order(&symbol)).try_into().expect("one answer");
    superuser.run("SET synchronous_commit = on");
    // It is in no table as long as it is on one server only.
    let orders =
        format!("SELECT count(*) FROM exchange.orders WHERE symbol = '{symbol}' AND price = 2");
    assert_eq!(superuser.number(&orders), 0);
    pair.attach();
    let [order_id] = waiting.answer().expect("it is answered").try_into().expect("one answer");
    assert_eq!(order_id.parse::<i64>().unwrap() + 1, early.parse().unwrap());
    superuser.wait_for_tables();
    assert_eq!(superuser.number(&orders), 3);
}

#[test]
fn an_order_waits_for_the_standby_whatever_becomes_of_the_journaler() {
    let mut pair = Pair::start();
    let symbol = pair.primary.instrument();
    pair.detach();
    let waiting = Waiting::start(&pair, &symbol);
    let mut superuser = pair.primary.superuser();
    let journaler = pair.primary.worker("journaler");
    superuser.run(&format!("SELECT pg_cancel_backend({journaler})"));
    superuser.run(&format!("SELECT pg_terminate_backend({journaler})"));
    wait_until("the next journaler waits for the standby", || {
        superuser.is_true(&format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity
                            WHERE backend_type = 'exchange journaler' AND wait_event = 'SyncRep'
                              AND pid <> {journaler})"
        ))
    });
    assert!(!waiting.thread.is_finished(), "the order is on one server only");
    pair.primary.cluster().kill9().expect("the primary can be killed");
    let failure = waiting.answer().expect_err("nobody could answer");
    assert!(failure.is_end_of_session(), "{failure}");
    pair.promote();
    let mut superuser = pair.primary.superuser();
    superuser.wait_for_tables();
    let orders =
        format!("SELECT count(*) FROM exchange.orders WHERE symbol = '{symbol}' AND price = 2");
    assert_eq!(superuser.number(&orders), 0);
}

#[test]
fn a_fenced_primary_takes_no_orders_and_loses_what_only_it_had() {
    let mut pair = Pair::start();
    let symbol = pair.primary.instrument();
    let both = pair.primary.superuser().one(&order(&symbol));
    pair.detach();
    let waiting = Waiting::start(&pair, &symbol);
    pair.primary.cluster().kill9().expect("the primary can be killed");
    waiting.answer().expect_err("nobody could answer");
    pair.promote();

    // Somebody starts it again, fenced as it is.
    let old = pair.standby.cluster();
    old.fence().expect("it can be fenced");
    old.start().expect("it starts as a standby");
    let mut session = pair.standby.superuser();
    assert_eq!(session.failure(&order(&symbol)).code, "25006");
    // The first order after a promotion is at another price.
    let orders =
        format!("SELECT order_id FROM exchange.orders WHERE symbol = '{symbol}' AND price = 2");
    let journal = "SELECT max(last_sequence) FROM exchange.journal";
    let only_there = session.number(journal);
    drop(session);
    old.stop(venue::cluster::StopMode::Fast).expect("it stops");

    let mut superuser = pair.primary.superuser();
    assert_eq!(only_there, both.parse::<i64>().unwrap() + 1, "it had an order of its own");
    superuser.wait_for_tables();
    pair.rejoin();
    pair.wait_until_caught_up();
    let expected = superuser.rows(&orders);
    assert_eq!(expected, [both]);
    let mut session = pair.standby.superuser();
    assert_eq!(session.rows(&orders), expected);
    assert_eq!(session.number(journal), superuser.number(journal));
    assert_eq!(session.failure(&order(&symbol)).code, "25006");
}
