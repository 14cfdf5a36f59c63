//! What a start makes of tables and journal: the engine as it was, or a halt that names what is
//! wrong and how it is mended.

use tests::audit;
use tests::consistency::assert_consistent;
use tests::processes::Stopped;
use tests::random::{Random, seed};
use tests::traders::{Floor, Trading};
use tests::{Session, Venue, wait_until};

use crate::crash::crash_under_load;

/// A row of the journal: its first command.
type Row = i64;

/// A venue whose tables lack the last rows of the journal: their projector is stopped.
struct Scene {
    venue: Venue,
    symbol: String,
    /// An order, three in one call, two more, and one that trades with all of them.
    rows: [Row; 5],
    /// The last command that the tables show.
    projected: i64,
    projector: Option<Stopped>,
}

impl Scene {
    fn set() -> Self {
        let venue = Venue::start(&[]);
        let symbol = venue.instrument();
        let mut session = venue.superuser();
        // Something that is open in the tables.
        session.place(&format!("'{symbol}', 'buy', 1, 10"));
        session.place(&format!("'{symbol}', 'buy', 2, 10"));
        session.wait_for_tables();
        let projected = session.number("SELECT projected FROM exchange.pg_stat_exchange");
        let projector = Some(venue.stop_worker("projector"));
        let mut place = |arguments: &str| session.place(&format!("'{symbol}', {arguments}"));
        let first = place("'buy', 3, 10");
        let many = session.number(&format!(
            "SELECT min(order_id) FROM exchange.place_orders(
                 array_fill('{symbol}'::text, ARRAY[3]), array_fill('buy'::exchange.side, ARRAY[3]),
                 ARRAY[4, 5, 6], array_fill(10::bigint, ARRAY[3]))"
        ));
        let mut place = |arguments: &str| session.place(&format!("'{symbol}', {arguments}"));
        let (one, other) = (place("'buy', 7, 10"), place("'buy', 8, 10"));
        let trade = place("'sell', 2, 65");
        let rows = [first, many, one, other, trade];
        let found = session.rows(&format!(
            "SELECT first_sequence FROM exchange.journal WHERE first_sequence > {projected} ORDER BY 1"
        ));
        assert_eq!(found, rows.map(|row| row.to_string()), "a row a call");
        // What an operator has of a standby or a backup.
        session.run("CREATE TABLE sound AS SELECT * FROM exchange.journal");
        Self { venue, symbol, rows, projected, projector }
    }

    /// Does this damage, has the power lost, and starts the server, whose market is halted then.
    fn start_with(&mut self, damage: &str) -> Session {
        self.venue.superuser().run(damage);
        self.venue.cluster().kill9().unwrap();
        self.projector = None;
        self.venue.cluster().start().unwrap();
        let mut session = self.venue.superuser();
        wait_until("the market is halted", || {
            session.one("SELECT market FROM exchange.pg_stat_exchange") == "halted"
        });
        session
    }

    /// Halts the market again with other damage.
    fn restart_with(session: &mut Session, damage: &str) {
        session.run(damage);
        let failure = session.failure("SELECT exchange.restart_workers()");
        assert_eq!(failure.message, "the market is halted", "{failure}");
    }

    /// All is mended: the market goes on where it was, and the server was not restarted.
    fn assert_goes_on(&self, session: &mut Session) {
        session.run("SELECT exchange.restart_workers()");
        let [.., trade] = self.rows;
        assert_eq!(session.place(&format!("'{}', 'buy', 1, 1", self.symbol)), trade + 1);
        assert_consistent(session);
        assert_eq!(session.number("SELECT count(*) FROM exchange.trades"), 7);
        audit::assert_sound(&self.venue, &[]);
        let failure = session.failure("SELECT exchange.restart_workers()");
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("55000", "the market is not halted")
        );
    }

    /// That the market is halted for this reason, with a hint that says so much, and that nothing
    /// but a mended cause ends that.
    #[track_caller]
    fn assert_halted(&self, session: &mut Session, reason: &str, hint: &str) {
        let halted = session.one("SELECT halted_because FROM exchange.pg_stat_exchange");
        assert!(halted.contains(reason), "{halted}\nis not: {reason}");
        let order = format!("SELECT exchange.place_order('{}', 'buy', 1, 1)", self.symbol);
        for call in [order.as_str(), "SELECT exchange.restart_workers()", order.as_str()] {
            let failure = session.failure(call);
            assert_eq!(failure.code, "55000", "{failure}");
            assert_eq!(failure.message, "the market is halted");
            assert_eq!(failure.detail, halted);
            assert!(failure.hint.contains(hint), "{failure}\nhas no hint: {hint}");
            assert!(failure.hint.ends_with("SELECT exchange.restart_workers();"), "{failure}");
        }
        let shown = session.rows(
            "SELECT value FROM exchange.status WHERE item IN ('market', 'halted because', 'what to do')",
        );
        assert_eq!(shown[..2], ["halted".to_owned(), halted]);
        assert!(shown[2].contains(hint), "{shown:?}");
        let projected = session.number("SELECT sequence FROM exchange.engine_state");
        assert_eq!(projected, self.projected, "nothing is written on doubt");
    }
}

/// Puts the row of a command back from a sound copy, in the words of `docs/recovery.md`.
fn put_back(session: &mut Session, condition: &str) {
    session.run(&format!(
        "BEGIN;
         DELETE FROM exchange.journal WHERE {condition};
         INSERT INTO exchange.journal SELECT * FROM sound WHERE {condition};
         COMMIT"
    ));
}

#[test]
fn a_journal_that_is_not_what_it_was_halts_the_market_until_it_is_mended() {
    let mut scene = Scene::set();
    let [first, many, one, other, trade] = scene.rows;
    let row = |row: Row| format!("WHERE first_sequence = {row}");
    let set =
        |changed: Row, what: &str| format!("UPDATE exchange.journal SET {what} {}", row(changed));
    let damaged =
        |row: Row, what: &str| format!("the journal row of command {row} is damaged: {what}");
    let differs = |row: Row, last: i64| {
        format!(
            "the journal row of command {row} cannot be executed again: its events up to command {last} \
             are not those that it had"
        )
    };
    // What is done to the journal, why the market is halted, and what the hint names.
    let cases: Vec<(String, String, String)> = vec![
        (set(many, "checksum = checksum # 1"), damaged(many, "its checksum differs"), row(many)),
        (
            set(one, "commands = set_byte(commands, 2, get_byte(commands, 2) # 64)"),
            damaged(one, "its checksum differs"),
            row(one),
        ),
        (
            set(one, r"commands = '\xff', checksum = exchange.checksum('\xff')"),
            damaged(one, ""),
            row(one),
        ),
        (
            set(many, "last_sequence = last_sequence + 1"),
            damaged(many, &format!("it has 3 commands, and says that they go to command {one}")),
            row(many),
        ),
        // Sound in themselves, and not what was executed.
        (set(trade, "event_hash = event_hash # 1"), differs(trade, trade), row(trade)),
        (
            format!(
                "UPDATE exchange.journal AS j SET (commands, checksum) =
                     (SELECT commands, checksum FROM sound WHERE first_sequence = {other}) {}",
                row(one)
            ),
            differs(one, one),
            row(one),
        ),
        // Reordered.
        (
            format!(
                "UPDATE exchange.journal AS j SET (event_hash, commands, checksum) =
                     (SELECT event_hash, commands, checksum FROM sound AS s
                      WHERE s.first_sequence = {one} + {other} - j.first_sequence)
                 WHERE first_sequence IN ({one}, {other})"
            ),
            differs(one, one),
            row(one),
        ),
        // Missing: between others, and before the first that is to be executed.
        (
            format!("DELETE FROM exchange.journal {}", row(other)),
            format!(
                "the journal has no row for command {other}: the next row begins with command {trade}"
            ),
            format!("WHERE last_sequence >= {other}"),
        ),
        (
            format!("DELETE FROM exchange.journal WHERE first_sequence IN ({first}, {many})"),
            format!("the journal has no row for command {first}: the next row begins with command {one}"),
            format!("WHERE last_sequence >= {first}"),
        ),
        // Shorter than the tables.
        (
            format!("DELETE FROM exchange.journal WHERE last_sequence >= {}", scene.projected),
            format!(
                "the journal has no row for command {0}: exchange.engine_state is of command {0}",
                scene.projected
            ),
            format!("WHERE last_sequence >= {}", scene.projected),
        ),
        // One too many, over the end of another.
        (
            format!(
                "INSERT INTO exchange.journal
                 SELECT first_sequence + 1, last_sequence + 1, first_time_us, event_hash, checksum, commands
                 FROM sound {}",
                row(many)
            ),
            damaged(many + 1, &format!("the row before it ends with command {}", many + 2)),
            row(many + 1),
        ),
    ];
    let mut session = scene.start_with(&cases[0].0);
    for (number, (damage, reason, hint)) in cases.iter().enumerate() {
        println!("{damage}");
        if number > 0 {
            Scene::restart_with(&mut session, damage);
        }
        scene.assert_halted(&mut session, reason, hint);
        put_back(&mut session, "true");
    }
    scene.assert_goes_on(&mut session);
}

#[test]
fn tables_that_were_changed_by_hand_halt_the_market_until_that_is_undone() {
    let mut scene = Scene::set();
    let [first, ..] = scene.rows;
    let open_order = scene.projected;
    let cases = [
        // What is done, what undoes it, and why the market is halted.
        (
            format!("UPDATE exchange.open_orders SET remaining_quantity = 11 WHERE order_id = {open_order}"),
            format!("UPDATE exchange.open_orders SET remaining_quantity = 10 WHERE order_id = {open_order}"),
            format!("exchange.open_orders cannot be loaded: order {open_order}: what remains of it does not go with its quantity"),
        ),
        (
            "UPDATE exchange.cash SET balance = balance + 1".to_owned(),
            "UPDATE exchange.cash SET balance = balance - 1".to_owned(),
            "the tables of the schema exchange do not go together: the money of currency 1 is not what was transferred".to_owned(),
        ),
        (
            "UPDATE exchange.instruments SET instrument_id = 7".to_owned(),
            "UPDATE exchange.instruments SET instrument_id = 1".to_owned(),
            "exchange.instruments cannot be loaded: the row with number 1 is missing".to_owned(),
        ),
        // As good as another state of another engine.
        (
            "UPDATE exchange.engine_state SET event_hash = event_hash # 1".to_owned(),
            "UPDATE exchange.engine_state SET event_hash = event_hash # 1".to_owned(),
            format!("the journal row of command {first} cannot be executed again: its events up to command {first} are not those that it had"),
        ),
        (
            format!("UPDATE exchange.open_orders SET order_id = 1, priority = 1::bigint << 20 WHERE order_id = {open_order}"),
            format!("UPDATE exchange.open_orders SET order_id = {open_order}, priority = {open_order}::bigint << 20 WHERE order_id = 1"),
            format!("the journal row of command {} cannot be executed again", scene.rows[4]),
        ),
    ];
    let mut session = scene.start_with(&cases[0].0);
    for (number, (damage, repair, reason)) in cases.iter().enumerate() {
        println!("{damage}");
        if number > 0 {
            Scene::restart_with(&mut session, damage);
        }
        scene.assert_halted(&mut session, reason, "docs/recovery.md");
        session.run(repair);
    }
    scene.assert_goes_on(&mut session);
}

#[test]
fn how_far_a_recovery_is_can_be_seen() {
    let mut scene = Scene::set();
    let [first, .., other, trade] = scene.rows;
    let damage = "UPDATE exchange.journal SET checksum = checksum # 1 WHERE first_sequence = ";
    let mut session = scene.start_with(&format!("{damage}{other}"));
    // It stands where it found the damage.
    let steps = session.rows(
        "SELECT worker, step, open_orders, from_sequence, sequence, to_sequence, began_at <= loaded_at, ended_at
         FROM exchange.recovery",
    );
    let (from, at) = (scene.projected, first - 1);
    assert_eq!(steps, [format!("matcher|replaying|2|{from}|{at}|{trade}|t|-")]);
    let shown = session.one("SELECT value FROM exchange.status WHERE item = 'recovery'");
    assert_eq!(
        shown,
        format!("matcher is replaying the journal: command {at} of {trade}, 0 commands a second")
    );
    assert_eq!(
        session.one("SELECT state FROM exchange.workers WHERE worker = 'matcher'"),
        "recovering"
    );
    session.run(&format!("{damage}{other}"));
    session.run("SELECT exchange.restart_workers()");
    scene.venue.wait_until_running();
    let steps = session.rows(
        "SELECT worker, step, open_orders, from_sequence, sequence, to_sequence,
                began_at <= loaded_at AND loaded_at <= ended_at
         FROM exchange.recovery ORDER BY worker",
    );
    assert_eq!(steps[0], format!("matcher|done|2|{from}|{trade}|{trade}|t"));
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert_eq!(
        session.rows("SELECT 1 FROM exchange.status WHERE item IN ('recovery', 'what to do')"),
        [""; 0]
    );
    let log = scene.venue.cluster().log();
    let line = format!("exchange matcher: ready at command {trade}: 2 open orders read in ");
    assert!(log.contains(&line), "{log}");
}

/// Whatever the moment, the tables and what the journal has after them are the engine.
#[test]
fn the_tables_are_the_snapshot_however_far_they_are_behind() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, 6);
    let mut memories = floor.newcomers();
    let mut random = Random::new(seed(), 11);
    let symbol = venue.instrument();
    for round in 0..3 {
        let more = random.between(0, 3_000);
        let mut projector = None;
        let crash = |_: &Trading| {
            // What comes from here on the tables do not have: of the traders as much as does not wait
            // for the tables, and these.
            projector = Some(venue.stop_worker("projector"));
            venue.superuser().run(&format!(
                "SELECT exchange.place_order('{symbol}', (ARRAY['buy', 'sell'])[1 + n % 2]::exchange.side,
                                             50 + n % 7, 1 + n % 5, self_trade_prevention => 'allow')
                 FROM generate_series(1, {more}) AS n"
            ));
            venue.cluster().kill9().expect("the server can be killed");
        };
        memories = crash_under_load(&venue, &floor, memories, 100 + round, crash);
        drop(projector);
        audit::assert_sound(&venue, &memories);
    }
}
