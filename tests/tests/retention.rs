//! What only grows is partitioned by day, and a day can leave.

use std::thread;

use tests::audit;
use tests::{Session, SharedVenue, Venue, wait_until};

const SIMULATED: &[(&str, &str)] =
    &[("exchange.simulated_clock", "on"), ("exchange.time_zone", "America/New_York")];

const TABLES: [&str; 5] = ["executions", "finished_orders", "journal", "market_data", "trades"];

fn advance(session: &mut Session, to: &str) {
    session.run(&format!("SELECT exchange.advance_clock('{to} America/New_York')"));
}

/// A trade, an order that is cancelled, and one that stays.
fn trade(session: &mut Session, symbol: &str) {
    session.run(&format!(
        "SELECT exchange.place_order('{symbol}', 'buy', 10, 5, self_trade_prevention => 'allow');
         SELECT exchange.place_order('{symbol}', 'sell', 10, 5, self_trade_prevention => 'allow');
         SELECT exchange.cancel_order(order_id) FROM exchange.place_order('{symbol}', 'buy', 9, 1);
         SELECT exchange.place_order('{symbol}', 'buy', 8, 1)"
    ));
}

/// Rows that are in another partition than that of the day of their time in New York, or reach into the
/// next day.
const MISPLACED: &str = "
    WITH placed AS (
        SELECT j.tableoid, c.at FROM exchange.journal AS j
        CROSS JOIN LATERAL exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS c
        UNION ALL SELECT tableoid, first_at FROM exchange.market_data
        UNION ALL SELECT tableoid, last_at FROM exchange.market_data
        UNION ALL SELECT tableoid, executed_at FROM exchange.trades
        UNION ALL SELECT tableoid, executed_at FROM exchange.executions
        UNION ALL SELECT tableoid, updated_at FROM exchange.finished_orders
    )
    SELECT DISTINCT tableoid::regclass, at FROM placed
    WHERE tableoid::regclass::text !~ ('_' || to_char(at AT TIME ZONE 'America/New_York', 'YYYYMMDD') || '$')";

/// The days that a table has partitions of.
fn days(session: &mut Session, table: &str) -> Vec<String> {
    session.rows(&format!(
        "SELECT partition FROM exchange.day_partitions() WHERE table_name = '{table}' ORDER BY begins_at"
    ))
}

#[test]
fn every_row_is_in_the_partition_of_its_day() {
    let venue = Venue::start(SIMULATED);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    advance(&mut session, "2026-11-24 23:59:59.5");
    trade(&mut session, &symbol);
    // These end on both sides of midnight.
    for at in ["2026-11-24 23:59:59.999999", "2026-11-25 00:00:00", "2026-11-25 00:00:00.000001"] {
        session.run(&format!(
            "SELECT exchange.place_order('{symbol}', 'buy', 7, 1, time_in_force => 'GTD',
                                         expire_at => '{at} America/New_York')"
        ));
    }
    for to in ["2026-11-24 23:59:59.999999", "2026-11-25 00:00:00", "2026-11-25 00:00:01"] {
        advance(&mut session, to);
    }
    trade(&mut session, &symbol);
    for to in ["2026-12-31 23:59:59", "2027-01-01 00:00:00", "2027-03-14 00:30", "2027-03-14 23:30"]
    {
        advance(&mut session, to);
        trade(&mut session, &symbol);
    }
    session.wait_for_tables();
    assert_eq!(session.rows(MISPLACED), [""; 0]);
    let expected = ["20261124", "20261125", "20261231", "20270101", "20270314"];
    for table in TABLES {
        let mut found = days(&mut session, table);
        // Before its clock was set, a simulation is in another century.
        found.retain(|partition| !partition.ends_with("_19991231"));
        assert_eq!(found, expected.map(|day| format!("{table}_{day}")));
    }
    let length = "SELECT ends_at - begins_at FROM exchange.day_partitions() WHERE partition = 'trades_20270314'";
    assert_eq!(session.one(length), "23:00:00");
    let finished = "SELECT array_agg(DISTINCT right(tableoid::regclass::text, 8)) FROM exchange.finished_orders
                    WHERE cancel_reason = 'expired'";
    assert_eq!(session.one(finished), "{20261124,20261125}");
    audit::assert_sound(&venue, &[]);
    assert_eq!(venue.complaints_since(0), [""; 0]);
}

#[test]
fn who_reads_a_table_holds_up_nobody_who_begins_a_day() {
    let venue = Venue::start(SIMULATED);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    advance(&mut session, "2026-11-24 12:00");
    trade(&mut session, &symbol);
    session.wait_for_tables();
    let mut reader = venue.superuser();
    reader.run("BEGIN");
    for table in TABLES {
        assert!(reader.number(&format!("SELECT count(*) FROM exchange.{table}")) > 0);
    }
    // Durable when the call returns, and in the tables, while the reader still has its locks.
    advance(&mut session, "2026-11-25 12:00");
    trade(&mut session, &symbol);
    session.wait_for_tables();
    for table in TABLES {
        assert!(days(&mut session, table).contains(&format!("{table}_20261125")));
    }
    reader.run("COMMIT");
}

#[test]
fn a_partition_is_made_once_whoever_asks_for_it() {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    let venue = VENUE.get();
    let mut superuser = venue.superuser();
    let wanted = |table: &str| {
        format!(
            "SELECT exchange.add_day('exchange.{table}', '2030-01-01 12:00Z'::timestamptz + n * interval '1 day')
             FROM generate_series(0, 19) AS n"
        )
    };
    for table in TABLES {
        let query = wanted(table);
        let made: Vec<Vec<String>> = thread::scope(|scope| {
            let sessions: Vec<_> =
                (0..4).map(|_| scope.spawn(|| venue.superuser().rows(&query))).collect();
            sessions.into_iter().map(|session| session.join().expect("no errors")).collect()
        });
        assert!(made.iter().all(|partitions| *partitions == made[0]), "{made:?}");
        assert_eq!(made[0].len(), 20);
        assert_eq!(made[0][0], format!("exchange.{table}_20300101"));
    }
    for (arguments, code, message) in [
        ("NULL, now()", "22004", "of_table must not be NULL"),
        ("'exchange.trades', NULL", "22004", "at must not be NULL"),
        ("'exchange.orders', now()", "22023", "the table is not partitioned by day"),
        ("'pg_class', now()", "22023", "the table is not partitioned by day"),
        ("'exchange.trades', 'infinity'", "22023", "at must be a moment"),
    ] {
        let failure = superuser.failure(&format!("SELECT exchange.add_day({arguments})"));
        assert_eq!((failure.code.as_str(), failure.message.as_str()), (code, message));
        assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{failure:?}");
    }
}

#[test]
fn the_next_days_are_there_before_they_come() {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    let mut superuser = VENUE.get().superuser();
    wait_until("the scheduler has made the partitions of three days", || {
        superuser.is_true(
            "SELECT count(*) = 15
             FROM exchange.day_partitions() AS p
             CROSS JOIN generate_series(0, 2) AS n
             WHERE p.begins_at <= now() + n * interval '1 day' AND now() + n * interval '1 day' < p.ends_at",
        )
    });
}

#[test]
fn another_time_zone_goes_on_where_the_days_of_the_first_end() {
    let venue = Venue::start(SIMULATED);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    advance(&mut session, "2026-11-24 12:00");
    trade(&mut session, &symbol);
    session.wait_for_tables();
    for (zone, to) in [
        (
            "Asia/Tokyo",
            ["2026-11-24 12:01", "2026-11-25 00:01", "2026-11-25 12:00", "2026-11-26 12:00"],
        ),
        (
            "America/New_York",
            ["2026-11-26 12:01", "2026-11-27 00:01", "2026-11-27 12:00", "2026-11-28 12:00"],
        ),
    ] {
        session.run(&format!("ALTER SYSTEM SET exchange.time_zone = '{zone}'"));
        venue.restart();
        venue.wait_until_running();
        session = venue.superuser();
        for to in to {
            advance(&mut session, to);
            trade(&mut session, &symbol);
        }
        session.wait_for_tables();
    }
    for table in TABLES {
        let gaps = session.rows(&format!(
            "SELECT p.partition FROM (
                 SELECT *, lag(ends_at) OVER (ORDER BY begins_at) AS before FROM exchange.day_partitions()
                 WHERE table_name = '{table}' AND begins_at > '2026-01-01') AS p
             WHERE p.before <> p.begins_at"
        ));
        assert_eq!(gaps, [""; 0]);
    }
    assert_eq!(venue.complaints_since(0), [""; 0]);
}

#[test]
fn a_crash_at_midnight_loses_nothing() {
    let venue = Venue::start(SIMULATED);
    let symbol = venue.instrument();
    for day in ["2026-11-24", "2026-11-25", "2026-11-26"] {
        let mut session = venue.superuser();
        advance(&mut session, &format!("{day} 23:59:59"));
        trade(&mut session, &symbol);
        session.run("SET synchronous_commit = off");
        trade(&mut session, &symbol);
        venue.cluster().kill9().expect("the server can be killed");
        venue.cluster().start().expect("the server starts again");
        venue.wait_until_running();
        audit::assert_sound(&venue, &[]);
    }
    assert_eq!(venue.superuser().rows(MISPLACED), [""; 0]);
}

/// A venue with a clock of its own, closed, and a folder that its server may write into.
struct Archive {
    venue: Venue,
    session: Session,
    symbol: String,
    folder: String,
}

/// Monday, Tuesday and Wednesday before Thanksgiving.
const DATES: [&str; 3] = ["2026-11-23", "2026-11-24", "2026-11-25"];

impl Archive {
    fn new(settings: &[(&str, &str)]) -> Self {
        let venue = Venue::start(&[SIMULATED, settings].concat());
        let symbol = venue.instrument();
        let mut session = venue.superuser();
        session.run("SET timezone = 'America/New_York'; SELECT exchange.close_market()");
        let folder = format!("{}/archive", venue.cluster().data_directory().display());
        session.run(&format!("COPY (SELECT 1) TO PROGRAM 'mkdir -p \"{folder}\"'"));
        Self { venue, session, symbol, folder }
    }

    /// Trades from the morning to the close of a date.
    fn trade(&mut self, date: &str) {
        advance(&mut self.session, &format!("{date} 10:00"));
        self.session.run("SELECT exchange.open_market()");
        trade(&mut self.session, &self.symbol);
        advance(&mut self.session, &format!("{date} 16:00"));
        self.session.run("SELECT exchange.close_market()");
        advance(&mut self.session, &format!("{date} 16:05"));
    }

    /// Closes a date, and notes that all that is due has settled.
    fn close(&mut self, date: &str) {
        let checks = self.session.rows(&format!("SELECT * FROM exchange.close_day('{date}')"));
        assert!(checks.len() > 10, "{checks:?}");
        self.session.run("SELECT exchange.settle_obligations('2027-01-01')");
    }

    fn archive(&mut self, date: &str) -> Vec<String> {
        let call =
            format!("SELECT file, rows FROM exchange.archive_day('{date}', '{}')", self.folder);
        self.session.rows(&call)
    }

    #[track_caller]
    fn refusal(&mut self, date: &str, code: &str, message: &str) -> String {
        let before = self.kept();
        let call = format!("SELECT * FROM exchange.archive_day('{date}', '{}')", self.folder);
        let failure = self.session.failure(&call);
        assert_eq!((failure.code.as_str(), failure.message.as_str()), (code, message));
        assert!(!failure.detail.is_empty() && !failure.hint.is_empty(), "{failure:?}");
        assert_eq!(self.kept(), before, "a refusal leaves everything");
        failure.detail
    }

    /// What of the days is in the tables.
    fn kept(&mut self) -> Vec<String> {
        let mut kept =
            self.session.rows("SELECT partition FROM exchange.day_partitions() ORDER BY 1");
        for table in TABLES {
            kept.extend(
                self.session.rows(&format!("SELECT '{table}', count(*) FROM exchange.{table}")),
            );
        }
        kept.extend(self.session.rows("SELECT trade_date FROM exchange.archived_days"));
        kept
    }
}

/// Reports about a date that is not archived are the same before and after others are.
const REPORTS: [&str; 12] = [
    "account_movements('{date}', '{date}')",
    "account_activity('{date}', '{date}')",
    "account_statement(1, '{date}', '{date}')",
    "trade_history('{date}', '{date}')",
    "orders_and_executions('{date}', '{date}')",
    "trade_summary('{date}', '{date}')",
    "net_obligations('{date}', '{date}')",
    "order_to_trade_ratios('{date}', '{date}')",
    "large_positions('{date}')",
    "audit_trails('{date}', '{date}')",
    "effective_spreads('{date}', '{date}')",
    "execution_quality('{date}', '{date}')",
];

fn reports(session: &mut Session, date: &str) -> Vec<Vec<String>> {
    let mut reports: Vec<_> = REPORTS
        .iter()
        .map(|report| {
            let mut rows =
                session.rows(&format!("SELECT * FROM exchange.{}", report.replace("{date}", date)));
            rows.sort();
            rows
        })
        .collect();
    reports.push(session.rows(&format!(
        "SELECT check_name FROM exchange.check_day('{date}') WHERE difference IS DISTINCT FROM 0"
    )));
    reports
}

#[test]
fn a_day_leaves_as_a_whole_and_can_be_read_again() {
    let mut archive = Archive::new(&[]);
    let rare = archive.venue.instrument();
    let symbol = archive.symbol.clone();
    for date in DATES {
        if date == DATES[0] {
            // It trades a part on each date, and another instrument on the first one alone.
            advance(&mut archive.session, &format!("{date} 09:00"));
            archive.session.run(&format!(
                "SELECT exchange.open_market();
                 SELECT exchange.place_order('{symbol}', 'buy', 12, 30);
                 SELECT exchange.place_order('{rare}', 'buy', 5, 7);
                 SELECT exchange.place_order('{rare}', 'sell', 5, 7, self_trade_prevention => 'allow');
                 SELECT exchange.close_market()"
            ));
        }
        archive.trade(date);
        archive.close(date);
        // Of the next date, in the partition of this one.
        advance(&mut archive.session, &format!("{date} 18:00"));
        archive.session.run(
            "SELECT exchange.deposit(1, 'USD', 5);
             SELECT exchange.cancel_order(max(order_id)) FROM exchange.open_orders",
        );
        archive.session.wait_for_tables();
    }
    let session = &mut archive.session;
    // As it is before.
    let day = DATES[0];
    let of_day = [
        (
            "journal",
            "first_sequence <= (SELECT last_sequence FROM exchange.closed_days WHERE trade_date = '2026-11-23')",
        ),
        ("market_data", "first_at < '2026-11-23 16:05'"),
        ("trades", "executed_at < '2026-11-23 16:05'"),
        ("executions", "executed_at < '2026-11-23 16:05'"),
        ("finished_orders", "updated_at < '2026-11-23 16:05'"),
    ];
    for (table, condition) in of_day {
        session.run(&format!(
            "CREATE TABLE public.was_{table} AS SELECT * FROM exchange.{table} WHERE {condition}"
        ));
    }
    let before = [reports(session, DATES[1]), reports(session, DATES[2])];
    let quote = format!(
        "SELECT last_price, last_quantity FROM exchange.best_quotes WHERE symbol = '{rare}'"
    );
    assert_eq!(session.one(&quote), "5.00|7");
    let rare_price = format!(
        "SELECT close, previous_close FROM exchange.trade_summary('{}', '{}') WHERE symbol = '{rare}'",
        DATES[2], DATES[2]
    );
    assert_eq!(session.one(&rare_price), "5.00|5.00");

    let written = archive.archive(day);
    let session = &mut archive.session;
    // Each file is what it says, and its rows come back.
    let folder = &archive.folder;
    let sums = session.rows(&format!(
        "SELECT sha256 || '  {folder}/' || file FROM exchange.archived_files WHERE trade_date = '{day}'"
    ));
    assert_eq!(sums.len() + 1, written.len(), "{written:?}");
    session.run("CREATE TABLE public.checked (line text); CREATE TABLE public.sums (line text)");
    for sum in &sums {
        session.run(&format!("INSERT INTO public.sums VALUES ('{sum}')"));
    }
    session.run(&format!(
        "COPY public.sums TO '{folder}/sums';
         COPY public.checked FROM PROGRAM 'sha256sum --check \"{folder}/sums\"'"
    ));
    let checked = format!(
        "SELECT count(*) = {} AND bool_and(line LIKE '%: OK') FROM public.checked",
        sums.len()
    );
    assert!(session.is_true(&checked));
    for (table, _) in of_day {
        session.run(&format!(
            "CREATE TABLE public.again_{table} (LIKE exchange.{table});
             COPY public.again_{table} FROM PROGRAM 'gunzip --stdout \"{folder}/{day}_exchange.{table}.csv.gz\"'
             WITH (FORMAT csv, HEADER)"
        ));
        let difference = format!(
            "SELECT (SELECT count(*) FROM (TABLE public.was_{table} EXCEPT TABLE public.again_{table}) AS a),
                    (SELECT count(*) FROM (TABLE public.again_{table} EXCEPT TABLE public.was_{table}) AS b),
                    (SELECT count(*) FROM public.was_{table}) > 0,
                    (SELECT count(*) FROM public.again_{table}) = (
                        SELECT rows FROM exchange.archived_files
                        WHERE trade_date = '{day}' AND content = 'exchange.{table}')"
        );
        assert_eq!(session.one(&difference), "0|0|t|t", "{table}");
    }
    session.run(&format!(
        "CREATE TABLE public.manifest (trade_date date, content text, file text, rows bigint, bytes bigint, sha256 text,
             first_sequence bigint, last_sequence bigint, begins_at timestamptz, ends_at timestamptz);
         COPY public.manifest FROM PROGRAM 'gunzip --stdout \"{folder}/{day}_manifest.csv.gz\"' WITH (FORMAT csv, HEADER)"
    ));
    let manifest = "SELECT count(*) FROM public.manifest NATURAL JOIN exchange.archived_files
                    NATURAL JOIN exchange.archived_days";
    assert_eq!(session.number(manifest), sums.len() as i64);
    let day_of = "SELECT trade_date, begins_at, first_sequence, archived_by,
                         last_sequence = (SELECT last_sequence FROM exchange.closed_days AS c WHERE c.trade_date = d.trade_date)
                  FROM exchange.archived_days AS d";
    assert_eq!(session.rows(day_of), [format!("{day}|-infinity|1|postgres|t")]);

    // What is of later dates alone is still there: the cancel of the evening is.
    let gone = |session: &mut Session, day: &str| {
        let there = format!(
            "SELECT table_name FROM exchange.day_partitions() WHERE partition LIKE '%\\_{day}' ORDER BY 1"
        );
        let there = session.rows(&there);
        TABLES.into_iter().filter(|table| !there.contains(&(*table).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(gone(session, "20261123"), ["executions", "trades"]);
    assert_eq!(gone(session, "19991231"), TABLES);
    for (date, before) in DATES[1..].iter().zip(&before) {
        assert_eq!(&reports(session, date), before, "{date}");
    }
    assert_eq!(session.one(&rare_price), "5.00|5.00");

    // Whoever asks for the day is told.
    let last = session.number("SELECT last_sequence FROM exchange.archived_days");
    let old_order = session.number("SELECT min(order_id) FROM exchange.open_orders");
    assert!(old_order <= last, "an order of the archived date is open still");
    for question in [
        format!("exchange.account_activity('{day}', '{day}')"),
        format!("exchange.trade_history('{day}', '{}')", DATES[2]),
        format!("exchange.check_day('{day}')"),
        "exchange.tax_report(2026)".to_owned(),
        "exchange.events_after(1)".to_owned(),
        format!("exchange.quote_history('{symbol}', '{day} 10:00', '{day} 11:00')"),
        format!("exchange.depth_history('{symbol}', '{day} 10:00', '{day} 11:00', '1 minute')"),
        format!("exchange.journal_commands({last}, {last})"),
        format!("exchange.replay_check(1, {last})"),
        format!("exchange.order_history({})", old_order),
        format!("exchange.order_book_at('{symbol}', timestamptz '{day} 10:00')"),
        format!("exchange.order_book_at('{symbol}', 5)"),
        "exchange.executions_after(1)".to_owned(),
        format!("exchange.candles_for('{symbol}', '1 second', '{day}', '{}')", DATES[1]),
    ] {
        let failure = session.failure(&format!("SELECT * FROM {question}"));
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("55000", "what is asked for was archived"),
            "{question}"
        );
        assert!(
            failure.detail.contains(folder.as_str()) && failure.hint.contains("docs/retention.md"),
            "{failure:?}"
        );
    }
    // All that there is begins with what is there.
    for question in [
        "exchange.events_after(0)".to_owned(),
        "exchange.executions_after(0)".to_owned(),
        "exchange.busts_since('-infinity')".to_owned(),
        format!("exchange.candles_for('{symbol}', '1 hour', '{day}', '{}')", DATES[1]),
        format!("exchange.quote_history('{symbol}', '{day} 16:05', '{} 11:00')", DATES[1]),
        format!("exchange.journal_commands({}, {})", last + 1, last + 10),
    ] {
        session.rows(&format!("SELECT * FROM {question}"));
    }
    let unsound = "SELECT checked, problem FROM exchange.replay_check() WHERE NOT is_sound";
    assert_eq!(session.rows(unsound), [""; 0]);
    let failure = session.failure("SELECT exchange.bust_trade(1)");
    assert_eq!(failure.code, "42704");

    // The exchange goes on, through a crash too, and closes a date on which an order trades that had
    // traded on the archived one.
    archive.venue.cluster().kill9().expect("the server can be killed");
    archive.venue.cluster().start().expect("the server starts again");
    archive.venue.wait_until_running();
    archive.session = archive.venue.superuser();
    archive.session.run("SET timezone = 'America/New_York'");
    assert_eq!(archive.session.one(&quote), "5.00|7");
    archive.trade("2026-11-27");
    archive.close("2026-11-27");
    let written = archive.archive(DATES[1]);
    assert!(written.len() > 15, "{written:?}");
    assert_eq!(gone(&mut archive.session, "20261123"), TABLES);
    assert_eq!(reports(&mut archive.session, DATES[2]).last(), before[1].last());
    assert_eq!(archive.venue.worker_complaints_since(0), [""; 0]);
}

#[test]
fn a_day_stays_as_long_as_anything_needs_it() {
    let mut archive = Archive::new(&[]);
    let folder = archive.folder.clone();
    let (_, other) = archive.venue.broker();
    advance(&mut archive.session, &format!("{} 09:30", DATES[0]));
    archive.session.run(&format!(
        "SELECT exchange.open_market();
         SELECT exchange.place_order('{0}', 'buy', 10, 5);
         SELECT exchange.place_order('{0}', 'sell', 10, 5, account_id => {other});
         SELECT exchange.close_market()",
        archive.symbol
    ));
    archive.trade(DATES[0]);
    let detail = archive.refusal(DATES[0], "55000", "the day is not closed");
    assert!(detail.contains(DATES[0]), "{detail}");
    archive.session.run(&format!("SELECT * FROM exchange.close_day('{}')", DATES[0]));
    let detail = archive.refusal(DATES[0], "55000", "the day is not settled");
    assert!(detail.contains("pending"), "{detail}");
    archive.session.run(
        "SELECT exchange.fail_obligation(trade_date, account_id, symbol, 'late')
         FROM exchange.settlement_obligations WHERE status = 'pending'",
    );
    let detail = archive.refusal(DATES[0], "55000", "the day is not settled");
    assert!(detail.contains("failed"), "{detail}");
    archive.session.run("SELECT exchange.settle_obligations('2027-01-01', failed_too => true)");

    archive.session.run("SELECT exchange.create_consumer('auditor', 0)");
    let detail = archive.refusal(DATES[0], "55000", "a consumer has not acknowledged the day");
    assert!(detail.contains("\"auditor\"") && detail.contains("command 0"), "{detail}");
    archive.session.run(
        "DO $$
         DECLARE
             last bigint;
         BEGIN
             LOOP
                 SELECT max(sequence) INTO last FROM exchange.fetch_events('auditor');
                 EXIT WHEN last IS NULL;
                 PERFORM exchange.acknowledge('auditor', last);
             END LOOP;
         END
         $$",
    );

    archive.trade(DATES[1]);
    archive.session.run("SELECT exchange.bust_trade(1)");
    let detail =
        archive.refusal(DATES[0], "55000", "a bust of the day is of a date that is not closed");
    assert!(detail.starts_with("Trade 1 "), "{detail}");
    advance(&mut archive.session, &format!("{} 16:06", DATES[1]));
    archive.close(DATES[1]);
    archive.refusal(DATES[1], "55000", "another day is to be archived first");

    let slot = "SELECT pg_create_logical_replication_slot('follower', 'pgoutput')";
    archive.session.run(slot);
    archive.session.run("SET lock_timeout = '500ms'; SELECT exchange.deposit(1, 'USD', 1)");
    archive.session.wait_for_tables();
    let detail = archive.refusal(DATES[0], "55000", "a subscriber has not confirmed the day");
    assert!(detail.contains("follower, which is inactive"), "{detail}");
    archive.session.run("SELECT pg_drop_replication_slot('follower')");

    let publisher = archive.venue.stop_worker("publisher");
    archive.session.run("SELECT exchange.deposit(1, 'USD', 1)");
    assert_eq!(
        archive
            .session
            .rows(&format!("SELECT message FROM exchange.archive_refusal('{}')", DATES[0])),
        [""; 0]
    );
    drop(publisher);

    let mut reader = archive.venue.superuser();
    reader.run("BEGIN; SELECT count(*) FROM exchange.trades");
    let detail = archive.refusal(DATES[0], "55P03", "the tables are being read");
    assert!(detail.contains("exchange.trades"), "{detail}");
    reader.run("ROLLBACK");

    for (date, folder, code) in [
        ("NULL", format!("'{folder}'"), "22004"),
        ("'2026-11-23'", "NULL".to_owned(), "22004"),
        ("'2026-11-23'", "'relative'".to_owned(), "42602"),
        ("'2026-11-23'", "'/there/is/none'".to_owned(), "58P01"),
    ] {
        let failure = archive
            .session
            .failure(&format!("SELECT * FROM exchange.archive_day({date}, {folder})"));
        assert_eq!(failure.code, code, "{failure:?}");
    }
    archive.session.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    let call = format!("SELECT * FROM exchange.archive_day('{}', '{folder}')", DATES[0]);
    assert_eq!(archive.session.failure(&call).code, "25001");
    archive.session.run("ROLLBACK");
    // An admin who may not write files of the server does not by this.
    archive.session.run("CREATE ROLE manager LOGIN IN ROLE exchange_admin");
    let mut manager = archive.venue.session("manager");
    for call in [
        format!("SELECT * FROM exchange.archive_day('{}', '{folder}')", DATES[0]),
        "SELECT * FROM exchange.compress_file('/etc/hostname')".to_owned(),
    ] {
        assert_eq!(manager.failure(&call).code, "42501");
    }
    archive.session.run("GRANT pg_write_server_files TO manager");
    let mut manager = archive.venue.session("manager");
    let written =
        manager.rows(&format!("SELECT * FROM exchange.archive_day('{}', '{folder}')", DATES[0]));
    assert!(written.len() > 15, "{written:?}");
    let by = "SELECT archived_by FROM exchange.archived_days";
    assert_eq!(archive.session.one(by), "manager");
    archive.refusal(DATES[0], "55000", "the day is archived already");
    // Reports that take back what is gone say so; those after do not.
    let report =
        |date: &str| format!("SELECT * FROM exchange.account_activity('{date}', '{date}')");
    assert_eq!(archive.session.failure(&report(DATES[1])).code, "55000");
    archive.session.rows(&report(DATES[2]));
}

#[test]
fn trading_goes_on_while_a_day_leaves() {
    let mut archive = Archive::new(&[]);
    for date in &DATES[..2] {
        archive.trade(date);
        archive.close(date);
    }
    let before = archive.kept();
    archive.session.run("BEGIN");
    let call =
        format!("SELECT count(*) FROM exchange.archive_day('{}', '{}')", DATES[0], archive.folder);
    assert!(archive.session.number(&call) > 15);
    // While it has not ended, orders are durable and in the tables, also on a day that begins.
    let mut trader = archive.venue.superuser();
    trader.run("SELECT exchange.open_market()");
    trade(&mut trader, &archive.symbol);
    trader.wait_for_tables();
    // Who asks for the past is not told a part of it, but waits.
    let failure = {
        trader.run("SET lock_timeout = '100ms'");
        trader.failure("SELECT count(*) FROM exchange.trades")
    };
    assert_eq!(failure.code, "55P03");
    archive.session.run("ROLLBACK");
    archive.session.wait_for_tables();
    let mut after = archive.kept();
    let partitions = |kept: &[String]| -> Vec<String> {
        kept.iter().filter(|line| line.contains("_20")).cloned().collect()
    };
    assert_eq!(partitions(&after), partitions(&before));
    assert_eq!(archive.session.rows("SELECT * FROM exchange.archived_days"), [""; 0]);
    audit::assert_sound(&archive.venue, &[]);
    // Again, over the files that stayed.
    archive.archive(DATES[0]);
    after = archive.kept();
    assert_ne!(partitions(&after), partitions(&before));
    trade(&mut trader, &archive.symbol);
    assert_eq!(archive.venue.worker_complaints_since(0), [""; 0]);
}
