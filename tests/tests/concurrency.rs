//! Many clients at once, who are cancelled and terminated as are the workers; and the auditor,
//! whom nothing may escape.

use std::time::{Duration, Instant};

use tests::audit::{self, Verdict};
use tests::random::{Random, seed};
use tests::traders::{Ack, Floor, Memory, ROLE_PREFIX, Request, Told, Trading, WhenDisconnected};
use tests::{Session, Venue};

const CLIENTS: usize = 8;

/// The environment variable that says for how long to trade, in seconds.
const SECONDS_VARIABLE: &str = "PG_EXCHANGE_TORTURE_SECONDS";
const SECONDS: u64 = 8;

fn duration() -> Duration {
    let seconds = std::env::var(SECONDS_VARIABLE).map_or(SECONDS, |text| {
        text.parse().unwrap_or_else(|_| panic!("{SECONDS_VARIABLE} is no number: {text}"))
    });
    Duration::from_secs(seconds)
}

#[test]
fn eight_clients_trade_while_clients_and_workers_are_shot_at() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, CLIENTS);
    let seed = seed();
    let start = |when| Trading::start(&venue, &floor, floor.newcomers(), when, seed);
    let trading = start(WhenDisconnected::Reconnect);
    let shots = Shooter::new(&venue, seed).shoot(Instant::now() + duration());
    // What was shot last has come back.
    trading.wait_for_calls(1_000);
    let clients = trading.finish();
    let verdict = audit::assert_sound(&venue, &clients);
    let [ended, stood] = [false, true].map(|stands| lost_calls(&clients, stands));
    println!("{shots:?}; {ended} calls ended unanswered, {stood} more with orders that stand");
    assert!(shots.workers > 0 && shots.terminated > 0 && shots.cancelled > 0, "{shots:?}");
    assert!(verdict.trades > 100, "little was traded: {verdict}");
}

/// Calls that ended with an error, with or without a warning that their orders stand.
fn lost_calls(clients: &[Memory], with_warning: bool) -> usize {
    let is_one =
        |told: &&Told| matches!(told, Told::Lost { stands, .. } if *stands == with_warning);
    clients.iter().flat_map(Memory::log).filter(is_one).count()
}

/// The ninth client.
struct Shooter {
    session: Session,
    random: Random,
    shots: Shots,
}

/// What was hit how often.
#[derive(Clone, Copy, Debug, Default)]
struct Shots {
    cancelled: u32,
    terminated: u32,
    workers: u32,
}

impl Shooter {
    fn new(venue: &Venue, seed: u64) -> Self {
        let random = Random::new(seed, CLIENTS as u64);
        Self { session: venue.superuser(), random, shots: Shots::default() }
    }

    fn shoot(mut self, until: Instant) -> Shots {
        while Instant::now() < until {
            match self.random.between(0, 99) {
                0..70 => self.shots.cancelled += self.shoot_at_client("pg_cancel_backend"),
                70..90 => self.shots.terminated += self.shoot_at_client("pg_terminate_backend"),
                _ => self.shots.workers += self.shoot_at_worker(),
            }
            std::thread::sleep(Duration::from_millis(self.random.between(0, 40).unsigned_abs()));
        }
        self.shots
    }

    /// How many were hit.
    fn shoot_at_client(&mut self, weapon: &str) -> u32 {
        let clients = self.session.rows(&format!(
            "SELECT pid FROM pg_stat_activity WHERE usename LIKE '{ROLE_PREFIX}%' ORDER BY pid"
        ));
        if clients.is_empty() {
            return 0;
        }
        let pid = self.random.pick(&clients);
        let hit = self.session.one(&format!("SELECT {weapon}({pid})"));
        u32::from(hit == "t")
    }

    fn shoot_at_worker(&mut self) -> u32 {
        let worker =
            *self.random.pick(&["launcher", "matcher", "journaler", "publisher", "projector"]);
        let hit = self.session.rows(&format!(
            "SELECT pg_terminate_backend(pid) FROM exchange.workers
             WHERE worker = '{worker}' AND pid IS NOT NULL"
        ));
        u32::from(hit == ["t"])
    }
}

/// A venue at rest on which some hundred trades were made, and what the clients were told.
fn traded() -> (Venue, Vec<Memory>) {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, CLIENTS);
    let memories = floor.newcomers();
    let trading = Trading::start(&venue, &floor, memories, WhenDisconnected::Reconnect, seed());
    trading.wait_for_calls(2_000);
    let clients = trading.finish();
    (venue, clients)
}

/// Changes that the auditor must not overlook, and what the first finding is about.
const TAMPERED: &[(&str, &str)] = &[
    (
        "UPDATE exchange.finished_orders SET filled_quantity = filled_quantity + 1
         WHERE order_id = (SELECT min(order_id) FROM exchange.finished_orders)",
        "exchange.orders",
    ),
    (
        "UPDATE exchange.open_orders SET remaining_quantity = remaining_quantity - 1
         WHERE order_id = (SELECT max(order_id) FROM exchange.open_orders)",
        "exchange.orders",
    ),
    (
        "DELETE FROM exchange.open_orders
         WHERE order_id = (SELECT max(order_id) FROM exchange.open_orders)",
        "exchange.orders",
    ),
    (
        // On another day, where its key is none yet.
        "DO $$
         DECLARE
             twice exchange.finished_orders;
         BEGIN
             SELECT * INTO twice FROM exchange.finished_orders LIMIT 1;
             twice.updated_at := twice.updated_at + interval '1 day';
             PERFORM exchange.add_day('exchange.finished_orders', twice.updated_at);
             INSERT INTO exchange.finished_orders SELECT twice.*;
         END
         $$",
        "exchange.orders",
    ),
    (
        "DELETE FROM exchange.executions
         WHERE (order_id, trade_id) = (SELECT order_id, trade_id FROM exchange.executions LIMIT 1)",
        "exchange.executions",
    ),
    (
        "UPDATE exchange.executions SET liquidity = 'maker'
         WHERE liquidity = 'taker' AND trade_id = 1",
        "exchange.executions",
    ),
    ("UPDATE exchange.trades SET price = price + 0.01 WHERE trade_id = 2", "exchange.trades"),
    (
        "UPDATE exchange.candles SET volume = volume + 1 WHERE resolution = '1 month'",
        "exchange.candles",
    ),
    (
        "UPDATE exchange.candles SET opened_at = opened_at - resolution WHERE resolution = '1 day'",
        "exchange.candles",
    ),
    ("UPDATE exchange.engine_state SET last_trade_id = 1", "exchange.engine_state"),
    ("UPDATE exchange.accounts SET owner = 'postgres'", "exchange.accounts"),
    ("UPDATE exchange.accounts SET kill_switch = true WHERE account_id = 3", "exchange.accounts"),
    (
        "UPDATE exchange.participants SET burst = 5 WHERE participant_id = 2",
        "exchange.participants",
    ),
    ("UPDATE exchange.currencies SET fees = fees + 0.000000001", "exchange.currencies"),
    (
        "INSERT INTO exchange.fee_schedules VALUES (1, 'free', 0, 0, 0, now())",
        "exchange.fee_schedules",
    ),
    ("UPDATE exchange.instrument_states SET last_price = 1", "exchange.instrument_states"),
    (
        "UPDATE exchange.cash SET balance = balance + 0.000000001 WHERE account_id = 2",
        "exchange.cash",
    ),
    (
        "UPDATE exchange.positions SET sold_value = sold_value + 1
         WHERE (account_id, symbol) = (3, 'ALFA')",
        "exchange.positions",
    ),
    (
        "INSERT INTO exchange.risk_limits (account_id, symbol, open_orders) VALUES (2, '', 1)",
        "exchange.risk_limits",
    ),
    (
        "INSERT INTO exchange.trading_days
         SELECT day, now(), now(), now(), now(), 0 FROM current_date AS day",
        "exchange.trading_days",
    ),
    (
        "DELETE FROM exchange.transfers
         WHERE sequence = (SELECT max(sequence) FROM exchange.transfers)",
        "exchange.transfers",
    ),
    ("INSERT INTO exchange.busted_trades VALUES (1, now())", "exchange.busted_trades"),
    (
        "INSERT INTO exchange.client_orders SELECT * FROM exchange.finished_orders LIMIT 1",
        "exchange.client_orders",
    ),
    ("UPDATE exchange.executions SET fee = 0.01 WHERE trade_id = 3", "exchange.executions"),
    (
        "UPDATE exchange.finished_orders SET self_trade_prevention = 'allow'
         WHERE order_id = (SELECT min(order_id) FROM exchange.finished_orders)",
        "exchange.orders",
    ),
    ("UPDATE exchange.trades SET in_auction = true WHERE trade_id = 2", "exchange.trades"),
    (
        "UPDATE exchange.engine_state SET client_order_window = client_order_window + 1",
        "exchange.engine_state",
    ),
    ("UPDATE exchange.instruments SET tick_size = 1", "exchange.instruments"),
    (
        "UPDATE exchange.journal SET commands = set_byte(commands, 1, 255 - get_byte(commands, 1))
         WHERE first_sequence = 1",
        "checksum",
    ),
    (
        "UPDATE exchange.journal SET event_hash = event_hash + 1
         WHERE first_sequence = (SELECT max(first_sequence) FROM exchange.journal)",
        "event hash",
    ),
    (
        "DELETE FROM exchange.journal
         WHERE first_sequence = (SELECT min(last_sequence) + 1 FROM exchange.journal)",
        "should come next",
    ),
    (
        "DELETE FROM exchange.journal
         WHERE first_sequence = (SELECT max(first_sequence) FROM exchange.journal)",
        "exchange.engine_state",
    ),
];

#[test]
fn the_auditor_finds_what_was_tampered_with() {
    let (venue, clients) = traded();
    audit::assert_sound(&venue, &clients);
    let mut session = venue.superuser();
    for (tampering, expected) in TAMPERED {
        session.run("BEGIN");
        session.run(tampering);
        let verdict = audit::audit(&mut session, &clients);
        session.run("ROLLBACK");
        let first = verdict.findings.first();
        assert!(first.is_some_and(|first| first.contains(expected)), "{tampering}\n{verdict}");
    }
    audit::assert_sound(&venue, &clients);
}

type Misremember = fn(&mut Vec<Told>);

/// What a client may be made to believe, and the finding.
const MISREMEMBERED: &[(Misremember, &str)] = &[
    (|log| with_first_placed(log, |_, ack| ack.order_id += 1_000_000_000), "and is order"),
    (|log| with_first_placed(log, |_, ack| ack.inputs.quantity += 1), "was acknowledged as"),
    (|log| with_first_placed(log, |request, _| request.quantity += 500_000), "is lost"),
    (|log| drop(log.remove(first_placed(log))), "is there twice, or was not sent"),
    (
        |log| {
            let Told::Placed { mut request, .. } = log[first_placed(log)].clone() else { return };
            request.quantity += 500_000;
            log.push(Told::Lost { requests: vec![request], stands: true });
        },
        "stands, they said",
    ),
    (|log| log.push(Told::NotOpen { order_id: 1 }), "was said to be finished"),
    (
        |log| {
            let index = log.iter().rposition(|told| matches!(told, Told::Changed { .. }));
            if let Some(Told::Changed { ack, .. }) = index.map(|index| &mut log[index]) {
                ack.standing.filled += 1;
                ack.standing.remaining = 0;
            }
        },
        "and then",
    ),
];

fn first_placed(log: &[Told]) -> usize {
    log.iter().position(|told| matches!(told, Told::Placed { .. })).expect("orders were placed")
}

fn with_first_placed(log: &mut [Told], change: impl FnOnce(&mut Request, &mut Ack)) {
    let first = first_placed(log);
    if let Told::Placed { request, ack, .. } = &mut log[first] {
        change(request, ack);
    }
}

#[test]
fn the_auditor_finds_what_clients_were_told_wrongly() {
    let (venue, clients) = traded();
    audit::assert_sound(&venue, &clients);
    let mut session = venue.superuser();
    for (number, (misremember, expected)) in MISREMEMBERED.iter().enumerate() {
        let mut clients = clients.clone();
        misremember(clients[3].log_mut());
        let Verdict { findings, .. } = audit::audit(&mut session, &clients);
        let is_found = findings.iter().any(|finding| finding.contains(expected));
        assert!(is_found, "case {number}: {findings:?}");
    }
    // Two clients who were given the same order.
    let mut doubled = clients.clone();
    let entry = clients[0].log()[first_placed(clients[0].log())].clone();
    doubled[1].log_mut().push(entry);
    let Verdict { findings, .. } = audit::audit(&mut session, &doubled);
    assert!(
        findings.iter().any(|finding| finding.contains("was given to account")),
        "{findings:?}"
    );
}
