//! How the exchange begins, ends, and goes on after whatever happens to its processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use tests::consistency::assert_consistent;
use tests::processes::{self, Stopped};
use tests::random::{Random, seed};
use tests::venues::{self, WORKERS};
use tests::waiting::wait_for;
use tests::{Failure, Session, Venue, wait_until};
use venue::cluster::{DATABASE, SUPERUSER, StopMode};

/// The launcher too.
const ALL_WORKERS: [&str; 6] =
    ["launcher", "matcher", "journaler", "publisher", "projector", "scheduler"];

/// A database beside the venue, from which the workers can be watched.
fn observer(venue: &Venue) -> Session {
    let mut session = venue.session_in("postgres", SUPERUSER);
    session.run("CREATE EXTENSION IF NOT EXISTS pg_exchange");
    session
}

fn states(observer: &mut Session) -> String {
    observer.one("SELECT string_agg(state, ' ' ORDER BY worker) FROM exchange.workers")
}

#[track_caller]
fn wait_for_states(observer: &mut Session, expected: &str) {
    wait_until(&format!("the workers are {expected}"), || states(observer) == expected);
}

// In the order of their names: journaler, launcher, matcher, projector, publisher, scheduler.
const NONE: &str = "stopped running stopped stopped stopped stopped";
const WAITING: &str = "waiting running waiting waiting waiting waiting";
const RUNNING: &str = "running running running running running running";

fn starts(session: &mut Session, worker: &str) -> i64 {
    session.number(&format!("SELECT starts FROM exchange.workers WHERE worker = '{worker}'"))
}

/// Orders that are placed in a loop, until an error ends it or it is asked to end.
struct Loop {
    pid: i32,
    placed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Option<Failure>>,
}

impl Loop {
    fn start(mut session: Session, symbol: &str) -> Self {
        let pid = session.pid();
        let (placed, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&placed), Arc::clone(&stop));
        let call = format!(
            "SELECT exchange.cancel_order(order_id)
             FROM exchange.place_order('{symbol}', 'buy', 1, 1)"
        );
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                if let Err(failure) = session.try_run(&call) {
                    return Some(failure);
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            None
        });
        Self { pid, placed, stop, thread }
    }

    fn placed(&self) -> u64 {
        self.placed.load(Ordering::Relaxed)
    }

    /// Waits until it has placed some more.
    #[track_caller]
    fn assert_goes_on(&self) {
        let before = self.placed();
        wait_until("a loop of orders goes on", || {
            assert!(!self.thread.is_finished(), "a loop of orders has ended");
            self.placed() > before + 20
        });
    }

    /// Waits until it has placed some more, or has ended: whether it goes on.
    #[track_caller]
    fn goes_on(&self) -> bool {
        let before = self.placed();
        wait_until("a loop of orders goes on or ends", || {
            self.thread.is_finished() || self.placed() > before + 20
        });
        !self.thread.is_finished()
    }

    /// Ends it: the error that ended it before, if there was one.
    fn end(self) -> Option<Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a loop does not panic")
    }
}

#[test]
fn workers_wait_quietly_until_the_extension_is_there() {
    let venue = Venue::empty(&[]);
    let mut observer = observer(&venue);
    assert_eq!(states(&mut observer), NONE);
    venue.cluster().create_database(DATABASE).unwrap();
    wait_for_states(&mut observer, WAITING);
    let lines = venue.cluster().log().lines().count();
    // They look every second: after some seconds each must still be the process that it was.
    let mut session = venue.superuser();
    session.run("SELECT pg_sleep(2.5)");
    assert_eq!(states(&mut observer), WAITING);
    assert_eq!(venue.cluster().log().lines().count(), lines, "{}", venue.cluster().log());
    // An extension that is created and rolled back is none.
    session.run("BEGIN; CREATE EXTENSION pg_exchange; ROLLBACK");
    session.run("CREATE EXTENSION pg_exchange");
    wait_for_states(&mut observer, RUNNING);
    for worker in ALL_WORKERS {
        assert_eq!(starts(&mut observer, worker), 1, "{worker}");
    }
    venues::open(&mut session);
    venue.list("'FIRST', 1");
    session.place("'FIRST', 'buy', 1, 1");
    assert_eq!(venue.complaints_since(0), [""; 0]);
}

#[test]
fn a_dropped_extension_can_be_created_again() {
    let venue = Venue::start(&[]);
    let mut observer = observer(&venue);
    let mut session = venue.superuser();
    for round in 1..=3 {
        // The same symbol at another tick, so that nothing old can be taken for new.
        venue.list(&format!("'AGAIN', {round}"));
        session.place(&format!("'AGAIN', 'buy', {round}, 10"));
        session.run(&format!("SELECT exchange.place_order('AGAIN', 'sell', {round}, 4, self_trade_prevention => 'allow')"));
        session.wait_for_tables();
        assert_eq!(session.number("SELECT count(*) FROM exchange.orders"), 2);
        assert_eq!(session.number("SELECT max(trade_id) FROM exchange.trades"), 1);
        // What is rolled back has not happened.
        session.run("BEGIN; DROP EXTENSION pg_exchange; ROLLBACK");
        session.run("SELECT exchange.wait_for('projected')");
        session.run("DROP EXTENSION pg_exchange");
        wait_for_states(&mut observer, WAITING);
        session.run("CREATE EXTENSION pg_exchange");
        venues::open(&mut session);
        wait_for_states(&mut observer, RUNNING);
        let fresh = "SELECT matched, open_orders, (SELECT count(*) FROM exchange.instruments),
                            (SELECT count(*) FROM exchange.quotes()) FROM exchange.pg_stat_exchange";
        assert_eq!(session.one(fresh), "3|0|0|0");
        let gone = session.failure("SELECT exchange.place_order('AGAIN', 'buy', 1, 1)");
        assert_eq!(gone.code, "42704", "{gone}");
    }
    assert_consistent(&mut session);
    assert_eq!(venue.worker_complaints_since(0), [""; 0]);
}

#[test]
fn an_extension_can_be_dropped_under_load() {
    let venue = Venue::start(&[]);
    let mut observer = observer(&venue);
    for _ in 0..3 {
        let symbol = venue.instrument();
        let loops: Vec<Loop> = (0..3).map(|_| Loop::start(venue.superuser(), &symbol)).collect();
        loops.iter().for_each(Loop::assert_goes_on);
        venue.superuser().run("DROP EXTENSION pg_exchange");
        for order_loop in loops {
            wait_until("the loop ends", || order_loop.thread.is_finished());
            let failure = order_loop.end().expect("there is nothing to place orders with");
            // That there is no such schema, function, table or venue (any more).
            let codes = ["3F000", "42883", "42P01", "55000", "57P03"];
            assert!(codes.contains(&failure.code.as_str()), "{failure}");
        }
        wait_for_states(&mut observer, WAITING);
        let mut session = venue.superuser();
        session.run("CREATE EXTENSION pg_exchange");
        venues::open(&mut session);
        assert_eq!(session.number("SELECT exchange.wait_for('projected')"), 3);
    }
    assert_eq!(venue.worker_complaints_since(0), [""; 0]);
}

#[test]
fn the_database_of_the_venue_can_be_dropped() {
    let venue = Venue::start(&[]);
    let mut observer = observer(&venue);
    for _ in 0..3 {
        let symbol = venue.instrument();
        venue.superuser().place(&format!("'{symbol}', 'buy', 1, 10"));
        // The session above may take a moment to be gone; the workers may not.
        wait_until("no client is connected", || {
            observer.number(&format!(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = '{DATABASE}' AND backend_type = 'client backend'"
            )) == 0
        });
        observer.run(&format!("DROP DATABASE {DATABASE}"));
        assert_eq!(states(&mut observer), NONE);
        venue.create();
        let mut session = venue.superuser();
        assert_eq!(session.one("SELECT matched FROM exchange.pg_stat_exchange"), "3");
        assert_consistent(&mut session);
    }
    assert_eq!(venue.worker_complaints_since(0), [""; 0]);
}

#[test]
fn a_database_that_is_in_use_is_not_dropped_and_the_venue_goes_on() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    let before = session.place(&format!("'{symbol}', 'buy', 1, 10"));
    let mut observer = observer(&venue);
    let failure = observer.failure(&format!("DROP DATABASE {DATABASE}"));
    assert_eq!(failure.code, "55006", "{failure}");
    observer.run("DROP DATABASE IF EXISTS another_one");
    wait_until("orders are taken again", || {
        session.try_run(&format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 10)")).is_ok()
    });
    session.run(&format!("SELECT exchange.cancel_order({before})"));
    venue.wait_until_running();
    assert_consistent(&mut session);
}

#[test]
fn a_fast_shutdown_is_clean_and_the_next_start_goes_on() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    for price in 1..=50 {
        session.place(&format!("'{symbol}', 'buy', {price}, 10"));
    }
    session.run(&format!(
        "SELECT exchange.place_order('{symbol}', 'sell', 40, 105, self_trade_prevention => 'allow')"
    ));
    for round in 0..3 {
        let loops: Vec<Loop> = (0..3).map(|_| Loop::start(venue.superuser(), &symbol)).collect();
        loops.iter().for_each(Loop::assert_goes_on);
        let mut waiting = venue.superuser();
        let waiting = std::thread::spawn(move || {
            waiting.failure("SELECT exchange.wait_for('durable', 1000000000)")
        });
        let from = venue.log_position();
        venue.cluster().stop(StopMode::Fast).unwrap();
        assert_eq!(venue.worker_complaints_since(from), [""; 0]);
        for order_loop in loops {
            let failure = order_loop.end().expect("the server is gone");
            assert!(failure.is_end_of_session(), "{failure}");
        }
        assert!(waiting.join().unwrap().is_end_of_session());
        venue.cluster().start().unwrap();
        venue.wait_until_running();
        let log = venue.cluster().log();
        assert!(!log.contains("not properly shut down"), "round {round}: {}", &log[from..]);
        let mut session = venue.superuser();
        assert_consistent(&mut session);
        let next = session.number("SELECT matched + 1 FROM exchange.pg_stat_exchange");
        assert_eq!(session.place(&format!("'{symbol}', 'sell', 100, 1")), next);
        session.run(&format!("SELECT exchange.cancel_order({next})"));
    }
    let mut session = venue.superuser();
    session.wait_for_books();
    let book = session.rows(&format!(
        "SELECT bid_orders, bid_quantity, bid_price FROM exchange.order_book('{symbol}', 3)
         WHERE bid_price > 1"
    ));
    assert_eq!(book, ["1|5|40.00", "1|10|39.00", "1|10|38.00"]);
    let quote = session.one(&format!(
        "SELECT last_price, last_quantity FROM exchange.best_quotes WHERE symbol = '{symbol}'"
    ));
    assert_eq!(quote, "40.00|5");
    let answer = session.one(&format!(
        "SELECT status, filled_quantity, average_price
         FROM exchange.place_order('{symbol}', 'sell', 39, 15, self_trade_prevention => 'allow')"
    ));
    let average = session.one("SELECT (40.00 * 5 + 39.00 * 10) / 15");
    assert_eq!(answer, format!("filled|15|{average}"));
}

#[test]
fn a_smart_shutdown_does_not_wait_for_the_workers() {
    let venue = Venue::start(&[]);
    venue.cluster().stop(StopMode::Smart).unwrap();
    venue.cluster().start().unwrap();
    assert_consistent(&mut venue.superuser());
}

#[test]
fn every_worker_can_be_terminated() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let (mut durable, mut hasty) = (venue.superuser(), venue.superuser());
    hasty.run("SET synchronous_commit = off");
    let mut observer = observer(&venue);
    let mut orders = Vec::new();
    for _ in 0..2 {
        for worker in ALL_WORKERS {
            let before = starts(&mut observer, worker);
            for session in [&mut durable, &mut hasty] {
                orders.push(session.place(&format!("'{symbol}', 'buy', 2, 10")));
            }
            let pid = venue.worker(worker);
            observer.run(&format!("SELECT pg_terminate_backend({pid})"));
            for session in [&mut durable, &mut hasty] {
                orders.push(session.place(&format!("'{symbol}', 'buy', 1, 10")));
                let last = orders.len() - 3;
                session.run(&format!("SELECT exchange.reduce_order({}, 1)", orders[last]));
            }
            wait_until(&format!("the {worker} was started again"), || {
                starts(&mut observer, worker) > before
            });
            venue.wait_until_running();
        }
    }
    assert_consistent(&mut durable);
    let found = durable.rows("SELECT order_id FROM exchange.orders ORDER BY order_id");
    assert_eq!(found, orders.iter().map(i64::to_string).collect::<Vec<_>>());
    assert_eq!(venue.complaints_since(0), [""; 0]);
}

#[test]
fn workers_can_be_terminated_all_at_once_and_under_load() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let loops: Vec<Loop> = (0..3).map(|_| Loop::start(venue.superuser(), &symbol)).collect();
    let mut observer = observer(&venue);
    let mut random = Random::new(seed(), 5);
    for round in 0..8 {
        loops.iter().for_each(Loop::assert_goes_on);
        let chosen = if round == 0 {
            "true".to_owned()
        } else {
            format!("worker = '{}'", random.pick(&ALL_WORKERS))
        };
        observer
            .run(&format!("SELECT pg_terminate_backend(pid) FROM exchange.workers WHERE {chosen}"));
    }
    loops.iter().for_each(Loop::assert_goes_on);
    let placed: u64 = loops
        .into_iter()
        .map(|order_loop| {
            let placed = Arc::clone(&order_loop.placed);
            assert!(order_loop.end().is_none());
            placed.load(Ordering::Relaxed)
        })
        .sum();
    venue.wait_until_running();
    let mut session = venue.superuser();
    assert_consistent(&mut session);
    assert_eq!(session.number("SELECT count(*) FROM exchange.orders"), placed as i64);
    assert_eq!(session.number("SELECT count(*) FROM exchange.open_orders"), 0);
    assert_eq!(venue.worker_complaints_since(0), [""; 0]);
}

#[test]
fn a_worker_that_is_killed_loses_nothing_durable() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut orders = Vec::new();
    for worker in ALL_WORKERS {
        let mut session = venue.superuser();
        for price in 1..=20 {
            orders.push(session.place(&format!("'{symbol}', 'buy', {price}, 10")));
        }
        processes::kill(venue.worker(worker));
        wait_until("the server has noticed", || session.try_run("SELECT 1").is_err());
        let mut session = wait_for("the server has restarted its processes", || {
            Session::try_connect(&venue.cluster().connection(DATABASE, SUPERUSER)).ok()
        });
        venue.wait_until_running();
        assert_consistent(&mut session);
        let found = session.rows("SELECT order_id FROM exchange.orders ORDER BY order_id");
        assert_eq!(found, orders.iter().map(i64::to_string).collect::<Vec<_>>(), "{worker}");
        assert_eq!(
            session.number("SELECT matched FROM exchange.pg_stat_exchange"),
            orders[orders.len() - 1]
        );
        session.wait_for_books();
        let best = session.one(&format!(
            "SELECT bid_price, bid_quantity FROM exchange.best_quotes WHERE symbol = '{symbol}'"
        ));
        assert_eq!(best, format!("20.00|{}", orders.len() / 2), "{worker}");
    }
}

#[test]
fn a_client_in_trouble_stalls_nobody() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let bystanders: Vec<Loop> = (0..2).map(|_| Loop::start(venue.superuser(), &symbol)).collect();
    let mut superuser = venue.superuser();
    let mut random = Random::new(seed(), 6);
    let mut victim = Loop::start(venue.superuser(), &symbol);
    for _ in 0..18 {
        victim.assert_goes_on();
        match random.between(0, 2) {
            0 => {
                let stopped = Stopped::new(victim.pid);
                bystanders.iter().for_each(Loop::assert_goes_on);
                stopped.resume();
            }
            1 => {
                superuser.run(&format!("SELECT pg_cancel_backend({})", victim.pid));
                bystanders.iter().for_each(Loop::assert_goes_on);
                // A cancel that comes between two calls has no effect.
                if victim.goes_on() {
                    continue;
                }
                let failure = victim.end().expect("it has ended");
                assert_eq!(failure.code, "57014", "{failure}");
                victim = Loop::start(venue.superuser(), &symbol);
            }
            _ => {
                superuser.run(&format!("SELECT pg_terminate_backend({})", victim.pid));
                let failure = victim.end().expect("it was terminated");
                assert!(failure.is_end_of_session(), "{failure}");
                bystanders.iter().for_each(Loop::assert_goes_on);
                victim = Loop::start(venue.superuser(), &symbol);
            }
        }
    }
    assert!(victim.end().is_none_or(|failure| failure.code == "57014"));
    for bystander in bystanders {
        assert!(bystander.end().is_none());
    }
    assert_consistent(&mut superuser);
    assert_eq!(venue.worker_complaints_since(0), [""; 0]);
}

#[test]
fn followers_that_fell_behind_the_ring_read_the_journal() {
    let venue = Venue::start(&[("exchange.ring_slots", "64")]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    let stopped: Vec<Stopped> =
        ["publisher", "projector"].map(|name| venue.stop_worker(name)).into();
    let place = |session: &mut Session| {
        session.run(&format!(
            "SELECT exchange.place_order('{symbol}', CASE WHEN n % 3 = 0 THEN 'sell' ELSE 'buy' END::exchange.side,
                                         50 + n % 7, 10) FROM generate_series(1, 500) AS n"
        ));
    };
    place(&mut session);
    assert_eq!(session.number("SELECT matched - durable FROM exchange.pg_stat_exchange"), 0);
    assert!(session.number("SELECT matched - projected FROM exchange.pg_stat_exchange") >= 500);
    // One of them comes back as another process, the other as the same.
    let projector =
        venue.superuser().number("SELECT pid FROM exchange.workers WHERE worker = 'projector'");
    session.run(&format!("SELECT pg_terminate_backend({projector})"));
    drop(stopped);
    place(&mut session);
    venue.wait_until_running();
    session.wait_for_books();
    assert_consistent(&mut session);
    // And so it is when the matcher has to begin with tables that are far behind.
    let projector = venue.stop_worker("projector");
    place(&mut session);
    let matcher = venue.worker("matcher");
    session.run(&format!("SELECT pg_terminate_backend({matcher})"));
    place(&mut session);
    venue.cluster().kill9().unwrap();
    drop(projector);
    venue.cluster().start().unwrap();
    venue.wait_until_running();
    let mut session = venue.superuser();
    assert_consistent(&mut session);
    assert_eq!(session.number("SELECT count(*) FROM exchange.orders"), 2_000);
}

#[test]
fn a_damaged_journal_halts_the_market_and_says_where() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.wait_for_tables();
    let projector = venue.stop_worker("projector");
    let order = session.place(&format!("'{symbol}', 'buy', 1, 10"));
    let damage = format!(
        "UPDATE exchange.journal SET checksum = checksum # 1 WHERE first_sequence = {order}"
    );
    session.run(&damage);
    venue.cluster().kill9().unwrap();
    drop(projector);
    venue.cluster().start().unwrap();
    let mut session = venue.superuser();
    wait_until("the market is halted", || {
        session.one("SELECT market FROM exchange.pg_stat_exchange") == "halted"
    });
    let reason = session.one("SELECT halted_because FROM exchange.pg_stat_exchange");
    assert!(reason.contains(&order.to_string()) && reason.contains("checksum"), "{reason}");
    let failure = session.failure(&format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1)"));
    assert_eq!(failure.code, "55000", "{failure}");
    assert_eq!(failure.detail, reason);
    assert!(!failure.hint.is_empty(), "{failure}");
    // Repaired, it goes on.
    session.run(&damage);
    venue.restart();
    venue.wait_until_running();
    let mut session = venue.superuser();
    assert_eq!(session.place(&format!("'{symbol}', 'buy', 1, 10")), order + 1);
    assert_consistent(&mut session);
}

#[test]
fn bounds_that_are_set_too_low_halt_the_market_until_they_are_raised() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    for _ in 0..10 {
        session.place(&format!("'{symbol}', 'buy', 1, 10"));
    }
    session.wait_for_tables();
    for setting in ["maximum_open_orders = 5", "maximum_instruments = 1", "maximum_accounts = 1"] {
        let mut session = venue.superuser();
        if setting.contains("instruments") {
            venue.instrument();
        } else if setting.contains("accounts") {
            session.run("SELECT exchange.open_account()");
        }
        session.run(&format!("ALTER SYSTEM SET exchange.{setting}"));
        venue.restart();
        let mut session = venue.superuser();
        wait_until(&format!("the market is halted by {setting}"), || {
            session.one("SELECT market FROM exchange.pg_stat_exchange") == "halted"
        });
        let failure =
            session.failure(&format!("SELECT exchange.place_order('{symbol}', 'buy', 1, 1)"));
        assert_eq!(failure.code, "55000", "{failure}");
        session.run("ALTER SYSTEM RESET ALL");
        venue.restart();
        venue.wait_until_running();
        venue.superuser().place(&format!("'{symbol}', 'buy', 1, 10"));
    }
    assert_consistent(&mut venue.superuser());
}

/// What was rejected under one bound stays rejected when it is executed again under another.
#[test]
fn a_bound_that_is_changed_does_not_change_the_past() {
    let venue = Venue::start(&[("exchange.maximum_open_orders", "5")]);
    let symbol = venue.instrument();
    for bound in [100, 12] {
        let mut session = venue.superuser();
        session.wait_for_tables();
        // The tables stay behind, so the next start executes what follows from the journal.
        let projector = venue.stop_worker("projector");
        let place = format!("SELECT status FROM exchange.place_order('{symbol}', 'buy', 1, 10)");
        let answers: Vec<String> = (0..7).map(|_| session.one(&place)).collect();
        assert!(bound != 100 || answers.contains(&"rejected".to_owned()));
        session.run(&format!("ALTER SYSTEM SET exchange.maximum_open_orders = {bound}"));
        venue.cluster().kill9().unwrap();
        drop(projector);
        venue.cluster().start().unwrap();
        let mut session = venue.superuser();
        session.place(&format!("'{symbol}', 'sell', 1, 10, 'IOC'"));
        assert_consistent(&mut session);
        let found = session.rows(
            "SELECT count(*) FILTER (WHERE status = 'rejected'), count(*) FROM exchange.orders",
        );
        assert_eq!(found, [if bound == 100 { "2|8" } else { "2|16" }]);
    }
}

#[test]
fn workers_end_with_their_postmaster() {
    let venue = Venue::start(&[]);
    let pids = WORKERS.map(|worker| venue.worker(worker));
    let symbol = venue.instrument();
    let order_loop = Loop::start(venue.superuser(), &symbol);
    order_loop.assert_goes_on();
    let file = std::fs::read_to_string(venue.cluster().data_directory().join("postmaster.pid"));
    let postmaster: i32 = file.unwrap().lines().next().unwrap().parse().unwrap();
    processes::kill(postmaster);
    for pid in pids {
        wait_until("a worker ends", || !processes::is_alive(pid));
    }
    order_loop.end();
    venue.cluster().start().unwrap();
    venue.wait_until_running();
    assert_consistent(&mut venue.superuser());
}

#[test]
fn the_matcher_is_pinned_to_a_core() {
    let venue = Venue::start(&[("exchange.matcher_core", "0")]);
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", venue.worker("matcher"))).unwrap();
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    assert_eq!(cores.map(str::trim), Some("0"));
    // A core that there is not is a warning.
    let mut session = venue.superuser();
    session.run("ALTER SYSTEM SET exchange.matcher_core = 1000");
    venue.restart();
    venue.wait_until_running();
    assert!(venue.cluster().log().contains("cannot be pinned to core 1000"));
    let symbol = venue.instrument();
    venue.superuser().place(&format!("'{symbol}', 'buy', 1, 10"));
}

#[test]
fn an_idle_exchange_uses_no_processor() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    session.place(&format!("'{symbol}', 'buy', 1, 10"));
    session.wait_for_tables();
    let pids = ALL_WORKERS.map(|worker| venue.worker(worker));
    let used = || -> u64 {
        let ticks = |pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
            // Of the user and of the system, in hundredths of a second.
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        };
        pids.iter().map(ticks).sum()
    };
    let before = used();
    // Processor time does not depend on how busy the machine is.
    session.run("SELECT pg_sleep(3)");
    let spent = used() - before;
    assert!(spent <= 6, "five idle workers used {spent} hundredths of a second in three seconds");
}

#[test]
fn the_server_counts_what_the_exchange_writes() {
    // Autovacuum goes by it, and with it the plans of every query.
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    let written = "SELECT sum(n_tup_ins) FROM pg_stat_user_tables
                   WHERE schemaname = 'exchange' AND relname ~ '^(finished_orders|journal|executions)_[0-9]'";
    let before = session.number(written);
    session.place(&format!("'{symbol}', 'sell', 10, 100"));
    session.place(&format!("'{symbol}', 'buy', 10, 100"));
    session.wait_for_tables();
    // Two orders, two executions, and what the journal has of them.
    wait_until("the writes are counted", || session.number(written) >= before + 5);
}
