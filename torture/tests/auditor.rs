//! That the auditor finds what there is to find: tables that were tampered with, and clients that
//! remember wrongly.

use std::time::Duration;

use auditor::testimony::{Ack, Attempt, Entry, Order, Outcome, TapeLine};
use auditor::{Incarnations, Testimony, Verdict};
use tests::random::seed;
use tests::{Session, Venue, wait_until};
use torture::clients::Clients;
use venue::cluster::DATABASE;

const TRADERS: usize = 6;
const CALLS: u64 = 3_000;

/// A venue at rest on which some thousand calls were made, and what the clients say of it.
struct Traded {
    venue: Venue,
    lives: Incarnations,
    testimonies: Vec<Testimony>,
    /// They wait, connected: orders that are bound to a connection end with it.
    _clients: Clients,
}

impl Traded {
    fn new() -> Self {
        let venue = Venue::empty(&[]);
        venue.cluster().create_database(DATABASE).expect("the database can be created");
        let mut superuser = venue.superuser();
        superuser.run("CREATE EXTENSION pg_exchange");
        venue.wait_until_running();
        let connection = |role: &str| venue.cluster().connection(DATABASE, role);
        let clients = Clients::begin(&mut superuser, connection, TRADERS, seed())
            .expect("the clients can begin");
        wait_until("the clients trade", || clients.shared.calls() > CALLS);
        clients.pause(Duration::from_secs(60)).expect("every call is answered");
        torture::campaign::come_to_rest(&mut superuser).expect("it comes to rest");
        torture::campaign::settle(&mut superuser, &clients).expect("it settles");
        let lives = clients.shared.incarnations().clone();
        let testimonies =
            clients.testimonies().iter().map(|testimony| (**testimony).clone()).collect();
        Self { venue, lives, testimonies, _clients: clients }
    }

    fn audit(&self, session: &mut Session, testimonies: &[Testimony]) -> Verdict {
        let testimonies: Vec<&Testimony> = testimonies.iter().collect();
        auditor::audit(session.client(), &self.lives, &testimonies).expect("the tables can be read")
    }

    fn assert_sound(&self) {
        let verdict = self.audit(&mut self.venue.superuser(), &self.testimonies);
        println!("{verdict}");
        assert!(verdict.findings.is_empty(), "{verdict}");
        assert!(verdict.trades > 100 && verdict.durable > 500 && verdict.early > 100, "{verdict}");
    }
}

/// Changes that the auditor must not overlook, and a part of a finding.
const TAMPERED: &[(&str, &str)] = &[
    (
        "DELETE FROM exchange.finished_orders WHERE order_id = (
             SELECT min(order_id) FROM exchange.finished_orders WHERE status = 'rejected')",
        "is lost",
    ),
    (
        "UPDATE exchange.finished_orders SET created_at = created_at + interval '1 us'
         WHERE order_id = (SELECT min(order_id) FROM exchange.finished_orders)",
        "is lost",
    ),
    (
        "UPDATE exchange.finished_orders SET hidden = NOT hidden
         WHERE order_id = (SELECT min(order_id) FROM exchange.finished_orders)",
        "hidden was sent as",
    ),
    (
        "UPDATE exchange.finished_orders SET quantity = quantity - 10
         WHERE order_id = (SELECT min(order_id) FROM exchange.finished_orders
                           WHERE status = 'rejected')",
        "was said to be",
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
        "is there more than once",
    ),
    (
        "INSERT INTO exchange.finished_orders
         SELECT (jsonb_populate_record(o, jsonb_build_object('order_id', order_id + 1000000000))).*
         FROM exchange.finished_orders AS o WHERE client_order_id IS NOT NULL LIMIT 1",
        "named",
    ),
    (
        "UPDATE exchange.executions SET price = price + 1
         WHERE (order_id, trade_id) = (SELECT order_id, trade_id FROM exchange.executions LIMIT 1)",
        "a trade has two executions",
    ),
    (
        "UPDATE exchange.cash SET balance = balance + 0.000000001
         WHERE account_id = 2 AND currency = 'USD'",
        "the books are balanced",
    ),
    (
        "UPDATE exchange.cash SET balance = balance
             + CASE account_id WHEN 1 THEN 1 ELSE -1 END
         WHERE account_id IN (1, 2) AND currency = 'USD'",
        "the money of an account came in, or was traded for",
    ),
    (
        "UPDATE exchange.positions SET quantity = quantity
             + CASE account_id WHEN 1 THEN 10 ELSE -10 END
         WHERE account_id IN (1, 2) AND symbol = 'ALFA'",
        "what an account has of an instrument came in, or was bought",
    ),
    (
        "DELETE FROM exchange.transfers
         WHERE sequence = (SELECT max(sequence) FROM exchange.transfers)",
        "is there 0 times",
    ),
    ("INSERT INTO exchange.busted_trades VALUES (1, now())", "nobody asked for the end of trade 1"),
    (
        "UPDATE exchange.executions SET fee = fee + 0.01 WHERE trade_id = 1",
        "a fee is what the schedule of the order says",
    ),
    ("DELETE FROM exchange.trades WHERE trade_id = 1", "an execution is of a trade"),
    (
        "DELETE FROM exchange.market_data WHERE first_sequence = (
             SELECT first_sequence FROM exchange.market_data ORDER BY event_count DESC LIMIT 1)",
        "the public events tell every trade",
    ),
    (
        "UPDATE exchange.open_orders
         SET displayed_quantity = coalesce(displayed_quantity, remaining_quantity) - 10
         WHERE order_id = (SELECT max(order_id) FROM exchange.open_orders
                           WHERE coalesce(displayed_quantity, remaining_quantity) > 0)",
        "a level of the book is what its orders display",
    ),
    (
        "DELETE FROM exchange.journal WHERE first_sequence = (
             SELECT min(last_sequence) + 1 FROM exchange.journal)",
        "the journal has every command once",
    ),
];

/// Makes a client remember something wrongly; whether it could.
type Misremember = fn(&mut Vec<Entry>) -> bool;

/// What a client may be made to believe, and a part of the finding.
const MISREMEMBERED: &[(Misremember, &str)] = &[
    (|entries| with_placed(entries, |_, ack| ack.order_id += 1_000_000_000), "is lost"),
    (|entries| with_placed(entries, |_, ack| ack.filled += 10), "was said to be"),
    (|entries| with_placed(entries, |_, ack| ack.symbol = "DELTA".to_owned()), "is lost"),
    (|entries| with_placed(entries, |order, _| order.quantity -= 1), "was answered by"),
    (|entries| with_placed(entries, |order, _| order.trail = Some(1.into())), "trail was sent as"),
    (
        |entries| {
            let placed = entries.iter().position(|entry| matches!(entry, Entry::Placed { .. }));
            placed.map(|place| entries.remove(place)).is_some()
        },
        "nobody sent this",
    ),
    (
        |entries| {
            with_placed_attempts(entries, |_, attempts| {
                attempts[0].outcome = Outcome::NotEntered;
            })
        },
        "nobody sent this",
    ),
    (
        |entries| {
            let Some(Entry::Placed { order, attempts }) =
                entries.iter().find(|entry| matches!(entry, Entry::Placed { .. })).cloned()
            else {
                return false;
            };
            let (order, first) = (Order { quantity: 12_340, ..order }, &attempts[0]);
            let outcome = Outcome::Stands { received: first.sent };
            let attempts = vec![Attempt { outcome, ..first.clone() }];
            let client_order_id = Some("never sent".to_owned());
            entries.push(Entry::Placed { order: Order { client_order_id, ..order }, attempts });
            true
        },
        "it stands, they said",
    ),
    (
        |entries| {
            with_placed_attempts(entries, |_, attempts| {
                let mut again = attempts[0].clone();
                if let Outcome::Answered { answer, .. } = &mut again.outcome {
                    answer.remaining += 1;
                }
                attempts.push(again);
            })
        },
        "asked again, the answer was another",
    ),
    (
        |entries| {
            let line = "ALFA 1 1 buy f 0".to_owned();
            entries.push(Entry::Read(vec![TapeLine { trade_id: 1, line }]));
            true
        },
        "trade 1 was ALFA",
    ),
    (
        |entries| {
            let line = String::new();
            entries.push(Entry::Read(vec![TapeLine { trade_id: 1_000_000_000, line }]));
            true
        },
        "was there, and is not",
    ),
];

fn with_placed_attempts(
    entries: &mut [Entry],
    change: impl FnOnce(&mut Order, &mut Vec<Attempt<Ack>>),
) -> bool {
    let durable = |attempts: &[Attempt<Ack>]| {
        matches!(attempts, [Attempt { outcome: Outcome::Answered { durable: true, .. }, .. }])
    };
    for entry in entries {
        if let Entry::Placed { order, attempts } = entry
            && durable(attempts)
            && attempts[0].answer().is_some_and(|ack| !ack.is_open())
        {
            change(order, attempts);
            return true;
        }
    }
    false
}

fn with_placed(entries: &mut [Entry], change: impl FnOnce(&mut Order, &mut Ack)) -> bool {
    with_placed_attempts(entries, |order, attempts| {
        if let Outcome::Answered { answer, .. } = &mut attempts[0].outcome {
            change(order, answer);
        }
    })
}

#[test]
fn the_auditor_finds_what_was_tampered_with_and_what_is_remembered_wrongly() {
    let traded = Traded::new();
    traded.assert_sound();
    let mut session = traded.venue.superuser();
    for (tampering, expected) in TAMPERED {
        let mut transaction = session.client().transaction().expect("a transaction begins");
        transaction.batch_execute(tampering).expect("the tables can be tampered with");
        let testimonies: Vec<&Testimony> = traded.testimonies.iter().collect();
        let verdict = auditor::audit_snapshot(&mut transaction, &traded.lives, &testimonies)
            .expect("the tables can be read");
        let is_found = verdict.findings.iter().any(|finding| finding.contains(expected));
        assert!(is_found, "{tampering}\nshould be found as: {expected}\n{verdict}");
    }
    for (number, (misremember, expected)) in MISREMEMBERED.iter().enumerate() {
        let mut testimonies = traded.testimonies.clone();
        assert!(misremember(testimonies[3].entries_mut()), "case {number}");
        let verdict = traded.audit(&mut session, &testimonies);
        let is_found = verdict.findings.iter().any(|finding| finding.contains(expected));
        assert!(is_found, "case {number}: {expected}\n{verdict}");
    }
    // Two clients who were given the same order.
    let mut testimonies = traded.testimonies.clone();
    let placed = |entry: &&Entry| matches!(entry, Entry::Placed { attempts, .. } if attempts[0].answer().is_some());
    let entry = testimonies[0].entries().iter().find(placed).expect("it has placed orders").clone();
    testimonies[1].add(entry);
    let verdict = traded.audit(&mut session, &testimonies);
    let is_found = verdict.findings.iter().any(|finding| finding.contains("was given to client"));
    assert!(is_found, "{verdict}");
    traded.assert_sound();
}
