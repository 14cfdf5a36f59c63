//! What is left when a server loses its power, or a worker is killed.

use tests::audit;
use tests::processes;
use tests::random::seed;
use tests::traders::{Floor, Memory, Trading, WhenDisconnected};
use tests::{Session, Venue, wait_until};
use venue::cluster::{DATABASE, SUPERUSER};

const CLIENTS: usize = 6;
const ROUNDS: u64 = 3;

/// Trades for a while, has the server crash under the load, and returns what is to hold of what
/// the clients were told once it is up again.
pub fn crash_under_load(
    venue: &Venue,
    floor: &Floor,
    memories: Vec<Memory>,
    round: u64,
    crash: impl FnOnce(&Trading),
) -> Vec<Memory> {
    let seed = seed().wrapping_add(round);
    let trading = Trading::start(venue, floor, memories, WhenDisconnected::Leave, seed);
    trading.wait_for_calls(1_000);
    crash(&trading);
    let mut memories = trading.wait_until_left();
    venue.cluster().start().expect("the server starts again");
    let last_sequence = last_sequence(venue);
    let lost: usize =
        memories.iter_mut().map(|memory| memory.forget_what_was_not_durable(last_sequence)).sum();
    println!("the journal goes to {last_sequence}, {lost} orders answered early are gone");
    memories
}

/// The end of the journal, as soon as the server lets us in.
fn last_sequence(venue: &Venue) -> i64 {
    let connection = venue.cluster().connection(DATABASE, SUPERUSER);
    wait_until("the server is up again", || Session::try_connect(&connection).is_ok());
    Session::connect(&connection).number("SELECT max(last_sequence) FROM exchange.journal")
}

#[test]
fn nothing_durable_is_lost_when_the_power_is() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, CLIENTS);
    let mut memories = floor.newcomers();
    for round in 0..ROUNDS {
        let kill = |_: &Trading| venue.cluster().kill9().expect("the server can be killed");
        memories = crash_under_load(&venue, &floor, memories, round, kill);
        audit::assert_sound(&venue, &memories);
    }
}

#[test]
fn nothing_durable_is_lost_when_a_worker_is_killed() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, CLIENTS);
    let mut memories = floor.newcomers();
    for (round, worker) in (ROUNDS..).zip(tests::venues::WORKERS) {
        let pid = venue.worker(worker);
        let kill = |_: &Trading| processes::kill(pid);
        memories = crash_under_load(&venue, &floor, memories, round, kill);
        audit::assert_sound(&venue, &memories);
    }
}

#[test]
fn what_was_answered_early_is_lost_from_the_end_alone() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    let mut place = |price: i64| session.place(&format!("'{symbol}', 'buy', {price}, 100"));
    let durable = [place(10), place(11), place(12)];
    let journaler = venue.stop_worker("journaler");
    session.run("SET synchronous_commit = off");
    let mut place = |price: i64| session.place(&format!("'{symbol}', 'buy', {price}, 100"));
    let early = [place(13), place(14)];
    assert_eq!(early, [durable[2] + 1, durable[2] + 2]);

    venue.cluster().kill9().expect("the server can be killed");
    drop(journaler);
    venue.cluster().start().expect("the server starts again");
    assert_eq!(last_sequence(&venue), durable[2]);
    audit::assert_sound(&venue, &[]);
    let mut session = venue.superuser();
    let ids = session.rows("SELECT order_id FROM exchange.orders ORDER BY order_id");
    assert_eq!(ids, durable.map(|id| id.to_string()));
    // The exchange goes on where the journal ends.
    assert_eq!(session.place(&format!("'{symbol}', 'sell', 12, 40")), early[0]);
    audit::assert_sound(&venue, &[]);
}
