//! Backups by PostgreSQL's own means: dumps, base backups, and the way back to a moment.

use std::path::PathBuf;
use std::process::Command;

use tests::consistency::assert_consistent;
use tests::programs::{client, run, try_run};
use tests::random::seed;
use tests::traders::{Floor, Trading, WhenDisconnected};
use tests::{Session, Venue, audit, content, wait_until};
use venue::cluster::{ARCHIVED, DATABASE, SUPERUSER};

const CLIENTS: usize = 4;

/// A file that the owner of a server writes, removed at the end.
struct Dump(PathBuf);

impl Dump {
    fn at(venue: &Venue, name: &str) -> Self {
        Self(venue.cluster().data_directory().with_file_name(name))
    }

    /// A dump of a venue in the format that can be restored in parts and in parallel.
    fn of(venue: &Venue) -> Self {
        let dump = Self::at(venue, "exchange.dump");
        run(client(venue, "pg_dump")
            .args(["--format", "custom", "--dbname", DATABASE, "--file"])
            .arg(&dump.0));
        dump
    }

    fn restore(&self, venue: &Venue, options: &[&str]) -> Command {
        let mut restore = client(venue, "pg_restore");
        restore.args(["--exit-on-error", "--dbname", DATABASE]).arg(&self.0).args(options);
        restore
    }

    /// What can be restored in parallel, and what comes after that, in order: as docs/backups.md says.
    fn parts(&self, venue: &Venue) -> (Self, Self) {
        let (first, last) = (Self::at(venue, "first.list"), Self::at(venue, "last.list"));
        let list = run(client(venue, "pg_restore").arg("--list").arg(&self.0));
        let is_last = |line: &&str| {
            line.contains("MATERIALIZED VIEW DATA")
                || ["consumer_partitions", "consumer_sessions", "end_of_day_", "settlement_"]
                    .iter()
                    .any(|name| line.contains(&format!("TABLE DATA exchange {name}")))
        };
        let (after, before): (Vec<&str>, Vec<&str>) = list.lines().partition(is_last);
        assert!(after.len() > 5, "{list}");
        for (part, lines) in [(&first, before), (&last, after)] {
            std::fs::write(&part.0, lines.join("\n")).expect("the list can be written");
        }
        (first, last)
    }
}

/// What the journal has up to a command.
fn journal_until(session: &mut Session, sequence: i64) -> String {
    session.one(&format!(
        "SELECT count(*), sum(hashtextextended(j::text, 0)::numeric), max(last_sequence)
         FROM exchange.journal AS j WHERE last_sequence <= {sequence}"
    ))
}

fn last_in_journal(session: &mut Session) -> i64 {
    session.number("SELECT max(last_sequence) FROM exchange.journal")
}

/// That an exchange goes on after a command with the next one, and is sound after that.
#[track_caller]
fn assert_trades_on(venue: &Venue, last: i64) {
    let mut superuser = venue.superuser();
    // The workers may still be those of the new exchange that was there before.
    wait_until("the exchange is what was restored", || {
        superuser.number("SELECT matched FROM exchange.pg_stat_exchange") == last
    });
    venue.wait_until_running();
    superuser.run("SELECT exchange.deposit(1, 'USD', 1000000)");
    assert_eq!(superuser.place("'ALFA', 'buy', 0.01, 1, account_id => 1"), last + 2);
    audit::assert_sound(venue, &[]);
}

#[test]
fn a_dump_made_under_load_is_an_exchange_again() {
    let venue = Venue::start(&[]);
    let floor = Floor::open(&venue, CLIENTS);
    let mut superuser = venue.superuser();
    superuser.run(
        "SELECT exchange.create_publications(); SELECT exchange.create_drop_copy('trader_0');
         SELECT exchange.create_consumer('auditor', 0); SELECT exchange.fetch_events('auditor', 7);
         SELECT exchange.acknowledge('auditor', 3)",
    );
    let trading =
        Trading::start(&venue, &floor, floor.newcomers(), WhenDisconnected::Leave, seed());
    trading.wait_for_calls(1_000);
    let roles = Dump::at(&venue, "roles.sql");
    run(client(&venue, "pg_dumpall").args(["--roles-only", "--file"]).arg(&roles.0));
    let dump = Dump::of(&venue);
    trading.wait_for_calls(200);
    let memories = trading.finish();
    audit::assert_sound(&venue, &memories);

    // Beside the venue, as an archive that can be looked at.
    venue.cluster().create_database("archive").expect("the database can be created");
    run(client(&venue, "pg_restore").args(["--exit-on-error", "--dbname", "archive"]).arg(&dump.0));
    let mut archive = venue.session_in("archive", SUPERUSER);
    let (expected, last) = (content::of(&mut archive), last_in_journal(&mut archive));
    assert_eq!(journal_until(&mut archive, last), journal_until(&mut superuser, last));
    assert!(last < last_in_journal(&mut superuser), "it was not dumped under load");

    // As a venue of its own, under the eyes of its workers: in parallel, or as one statement after
    // the other.
    let script = Dump::at(&venue, "exchange.sql");
    run(client(&venue, "pg_restore").arg("--file").arg(&script.0).arg(&dump.0));
    for is_parallel in [true, false] {
        let other = Venue::empty(&[]);
        other.cluster().create_database(DATABASE).expect("the database can be created");
        // The superuser is there already.
        run(client(&other, "psql")
            .args(["--quiet", "--dbname", "postgres", "--file"])
            .arg(&roles.0));
        if is_parallel {
            // In parallel PostgreSQL minds no foreign keys of an extension's tables.
            let (first, last) = dump.parts(&venue);
            run(dump.restore(&other, &["--jobs", "4", "--use-list"]).arg(&first.0));
            run(dump.restore(&other, &["--use-list"]).arg(&last.0));
        } else {
            run(client(&other, "psql")
                .args([
                    "--no-psqlrc",
                    "--quiet",
                    "--set=ON_ERROR_STOP=1",
                    "--dbname",
                    DATABASE,
                    "--file",
                ])
                .arg(&script.0));
        }
        let mut restored = other.superuser();
        let tables = content::of(&mut restored);
        assert_eq!(tables.len(), expected.len());
        // The tables may have been brought up to the journal meanwhile.
        let journal =
            |lines: &[String]| lines.iter().find(|line| line.contains(".journal|")).cloned();
        assert_eq!(journal(&tables), journal(&expected));
        assert_trades_on(&other, last);
        // PostgreSQL's dumps leave tables of an extension out of publications.
        restored.run(
            "SELECT exchange.create_publications();
             SELECT exchange.create_drop_copy(participant) FROM exchange.drop_copies",
        );
        let published = "SELECT pubname, tablename, rowfilter FROM pg_publication_tables
                         WHERE tablename !~ '[0-9]{8}' ORDER BY 1, 2";
        assert_eq!(restored.rows(published), superuser.rows(published));
        let first = "SELECT min(sequence) FROM exchange.fetch_events('auditor')";
        assert_eq!(restored.one(first), superuser.one(first));
        assert_eq!(other.worker_complaints_since(0), [""; 0]);
    }
}

#[test]
fn an_exchange_is_closed_until_it_is_restored() {
    let venue = Venue::start(&[]);
    venue.list("'ALFA', 0.01");
    let mut session = venue.superuser();
    for price in 1..=30 {
        session.place(&format!(
            "'ALFA', '{}', {price}, 10",
            if price % 3 == 0 { "sell" } else { "buy" }
        ));
    }
    session.wait_for_tables();
    let (expected, last) = (content::of(&mut session), last_in_journal(&mut session));
    let dump = Dump::of(&venue);

    let other = Venue::empty(&[]);
    other.cluster().create_database(DATABASE).expect("the database can be created");
    run(&mut dump.restore(&other, &["--section", "pre-data"]));
    // For all that anybody can tell, it is a new one.
    other.wait_until_running();
    run(&mut dump.restore(&other, &["--section", "data"]));
    let mut restored = other.superuser();
    let closed = "SELECT * FROM exchange.place_order('ALFA', 'buy', 1, 1)";
    for is_restarted in [false, true] {
        if is_restarted {
            other.restart();
            restored = other.superuser();
        }
        let state = "SELECT state FROM exchange.workers WHERE worker = 'matcher'";
        wait_until("the matcher waits", || restored.one(state) == "waiting");
        let failure = restored.failure(closed);
        assert_eq!(failure.code, "55000", "{failure}");
        assert_eq!(failure.message, "the tables of the exchange are being restored");
        assert!(
            failure.hint.contains("REFRESH MATERIALIZED VIEW exchange.complete_since"),
            "{failure}"
        );
        let because = "SELECT value FROM exchange.status WHERE item = 'halted because'";
        assert_eq!(restored.one(because), failure.message);
    }
    assert_eq!(content::of(&mut restored), expected);

    run(&mut dump.restore(&other, &["--section", "post-data"]));
    assert_trades_on(&other, last);
    assert_eq!(other.worker_complaints_since(0), [""; 0]);
}

#[test]
fn nothing_is_restored_over_an_exchange() {
    let venue = Venue::start(&[]);
    venue.list("'ALFA', 0.01");
    venue.superuser().place("'ALFA', 'buy', 1, 10");
    venue.superuser().wait_for_tables();
    let dump = Dump::of(&venue);

    let other = Venue::start(&[]);
    let mut session = other.superuser();
    session.wait_for_tables();
    let before = content::of(&mut session);
    let (succeeded, complaint) = try_run(&mut dump.restore(&other, &["--section", "data"]));
    assert!(!succeeded);
    assert!(complaint.contains("is written by the exchange alone"), "{complaint}");
    let failure = session.failure("COPY exchange.cash FROM STDIN");
    assert_eq!(failure.code, "55000", "{failure}");
    assert!(failure.hint.contains("a database of its own"), "{failure}");
    assert_eq!(content::of(&mut session), before);
    assert_consistent(&mut session);
    // What is the operator's can be filled.
    let calendar = "COPY exchange.calendar_exceptions (trade_date, name) FROM STDIN";
    drop(session.client().copy_in(calendar).expect("it may be copied into"));
}

/// What was at a moment.
struct Moment {
    target: (&'static str, String),
    sequence: i64,
    tables: Vec<String>,
    books: Vec<String>,
}

fn books(session: &mut Session) -> Vec<String> {
    session.wait_for_books();
    session.rows(
        "SELECT s.symbol, b.* FROM unnest('{ALFA,BRAVO}'::text[]) AS s (symbol)
         CROSS JOIN exchange.order_book(s.symbol, 10) AS b",
    )
}

#[test]
fn an_exchange_goes_back_to_a_moment() {
    let venue = Venue::start(ARCHIVED);
    let floor = Floor::open(&venue, CLIENTS);
    let mut superuser = venue.superuser();
    let trade =
        |memories| Trading::start(&venue, &floor, memories, WhenDisconnected::Leave, seed());
    let trading = trade(floor.newcomers());
    trading.wait_for_calls(300);
    let backup = venue.cluster().back_up("backup").expect("a backup can be made");
    run(venue.cluster().server_command("pg_verifybackup").arg(&backup));
    trading.wait_for_calls(300);

    // Under load it is known only what was on disk before, and what after.
    let before = last_in_journal(&mut superuser);
    superuser.run("SELECT pg_create_restore_point('under load')");
    let after = superuser.number("SELECT matched FROM exchange.pg_stat_exchange");
    trading.wait_for_calls(300);
    let mut memories = trading.finish();
    let mut moments = Vec::new();
    for (target, now) in [
        ("recovery_target_time", "clock_timestamp()"),
        ("recovery_target_lsn", "pg_current_wal_insert_lsn()"),
    ] {
        audit::settle(&venue);
        let books = books(&mut superuser);
        moments.push(Moment {
            target: (target, superuser.one(&format!("SELECT {now}"))),
            sequence: last_in_journal(&mut superuser),
            tables: content::of(&mut superuser),
            books,
        });
        let trading = trade(memories);
        trading.wait_for_calls(300);
        memories = trading.finish();
    }
    audit::assert_sound(&venue, &memories);
    let last = last_in_journal(&mut superuser);
    let file = superuser.one("SELECT pg_walfile_name(pg_switch_wal())");
    wait_until("the WAL is in the archive", || venue.cluster().archive().join(&file).exists());

    let restore = |target: (&str, &str)| {
        let restored = Venue::restored(&backup, &venue.cluster().archive(), target);
        let mut session = restored.superuser();
        wait_until("it is there", || !session.is_true("SELECT pg_is_in_recovery()"));
        restored.wait_until_running();
        assert!(session.is_true("SELECT pg_walfile_name(pg_current_wal_lsn()) LIKE '00000002%'"));
        (restored, session)
    };
    for moment in moments {
        assert!(moment.sequence < last);
        let (target, value) = &moment.target;
        let (restored, mut session) = restore((target, value));
        assert_eq!(last_in_journal(&mut session), moment.sequence, "{target}");
        assert_eq!(content::of(&mut session), moment.tables, "{target}");
        assert_eq!(books(&mut session), moment.books, "{target}");
        assert_trades_on(&restored, moment.sequence);
    }
    let (restored, mut session) = restore(("recovery_target_name", "under load"));
    let sequence = last_in_journal(&mut session);
    assert!((before..=after).contains(&sequence), "{before} to {after}: {sequence}");
    assert_eq!(journal_until(&mut session, last), journal_until(&mut superuser, sequence));
    assert_trades_on(&restored, sequence);
}
