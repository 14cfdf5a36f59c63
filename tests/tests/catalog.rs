//! The extension as the catalog shows it: comments, signatures, privileges, bounds, and a dump.

use std::process::Stdio;

use tests::consistency::assert_consistent;
use tests::{Session, SharedVenue, Venue};
use venue::cluster::{DATABASE, SUPERUSER};

fn venue() -> &'static Venue {
    static VENUE: SharedVenue = SharedVenue::new(&[]);
    VENUE.get()
}

/// Objects without a comment: of all that belongs to the extension or lies in its schema.
const SILENT: &str = "WITH objects AS (
             SELECT classid, objid FROM pg_depend
             WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
               AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_exchange')
             UNION
             SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relnamespace = 'exchange'::regnamespace
             UNION
             SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'exchange'::regnamespace
         )
         SELECT pg_describe_object(classid, objid, 0) FROM objects
         WHERE obj_description(objid, classid::regclass::name) IS NULL
           -- Row types and arrays of tables and types; the indexes behind constraints.
           AND NOT EXISTS (SELECT FROM pg_type AS t WHERE classid = 'pg_type'::regclass AND t.oid = objid
                           AND (t.typelem <> 0 OR t.typrelid <> 0
                                AND (SELECT relkind FROM pg_class WHERE oid = t.typrelid) <> 'c'))
           AND NOT EXISTS (SELECT FROM pg_constraint AS c
                           WHERE classid = 'pg_class'::regclass AND c.conindid = objid)
           -- The columns' own, and what a type's comment covers.
           AND NOT EXISTS (SELECT FROM pg_class AS c WHERE classid = 'pg_class'::regclass
                           AND c.oid = objid AND c.relkind = 'c')
         ORDER BY 1";

#[test]
fn every_object_has_a_comment() {
    let mut superuser = venue().superuser();
    let silent = superuser.rows(SILENT);
    assert!(silent.is_empty(), "without a comment: {silent:#?}");
    // The query would find one.
    superuser.run(
        "BEGIN; COMMENT ON FUNCTION exchange.open_market() IS NULL;
         COMMENT ON TYPE exchange.side IS NULL; COMMENT ON VIEW exchange.status IS NULL;
         COMMENT ON TYPE exchange.order_ack IS NULL; COMMENT ON INDEX exchange.open_orders_symbol IS NULL",
    );
    assert_eq!(superuser.rows(SILENT).len(), 5);
    superuser.run("ROLLBACK");
}

#[test]
fn every_column_has_a_comment() {
    let silent = venue().superuser().rows(
        "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'exchange'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
           AND c.relkind IN ('r', 'p', 'v', 'm', 'c')
           -- A partition's columns are those of its table.
           AND NOT c.relispartition
           AND col_description(c.oid, a.attnum) IS NULL
         ORDER BY 1, 2",
    );
    assert!(silent.is_empty(), "without a comment: {silent:#?}");
}

#[test]
fn the_comments_of_functions_name_their_errors() {
    let vague = venue().superuser().rows(
        r"SELECT p.oid::regprocedure FROM pg_proc AS p
          WHERE p.pronamespace = 'exchange'::regnamespace AND p.prolang =
                    (SELECT oid FROM pg_language WHERE lanname = 'c')
            AND p.pronargs > 0
            AND obj_description(p.oid, 'pg_proc') !~ '(Error|22004|57P03|raise an error)'
          ORDER BY 1",
    );
    assert!(vague.is_empty(), "no word about errors: {vague:#?}");
}

#[test]
fn the_library_has_the_functions_that_sql_declares() {
    let differences = venue().superuser().rows(
        "WITH declared AS (
             SELECT prosrc::text AS symbol, oidvectortypes(proargtypes) AS signature
             FROM pg_proc WHERE pronamespace = 'exchange'::regnamespace
               AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')),
         built AS (SELECT symbol, signature FROM exchange.function_signatures())
         (SELECT 'not built', * FROM (TABLE declared EXCEPT TABLE built) AS d)
         UNION ALL
         (SELECT 'not declared', * FROM (TABLE built EXCEPT TABLE declared) AS b)",
    );
    assert!(differences.is_empty(), "{differences:#?}");
    let declared_twice = venue().superuser().rows(
        "SELECT prosrc, count(*) FROM pg_proc WHERE pronamespace = 'exchange'::regnamespace
           AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
         GROUP BY 1 HAVING count(*) > 1",
    );
    assert!(declared_twice.is_empty(), "{declared_twice:?}");
}

#[test]
fn functions_are_not_marked_as_what_they_are_not() {
    // What enters orders must not run in parallel workers, nor be folded or skipped. These read
    // tables as any query does, or nothing at all.
    let wrong = venue().superuser().rows(
        "SELECT oid::regprocedure, provolatile, proparallel, proisstrict FROM pg_proc
         WHERE pronamespace = 'exchange'::regnamespace
           AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
           AND proname NOT IN ('function_signatures', 'checksum', 'decode_journal', 'journal_commands',
                               'events_after', 'quote_history', 'depth_history', 'order_book_at',
                               'order_history', 'replay_check', 'keep_mark')
           AND (provolatile <> 'v' OR proparallel <> 'u' OR proisstrict OR prosecdef)",
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn functions_that_run_as_their_owner_have_a_fixed_search_path() {
    let loose = venue().superuser().rows(
        "SELECT oid::regprocedure FROM pg_proc
         WHERE pronamespace = 'exchange'::regnamespace AND prosecdef
           AND NOT coalesce(proconfig::text LIKE '%search_path=pg_catalog, pg_temp%', false)",
    );
    assert!(loose.is_empty(), "{loose:?}");
}

#[test]
fn bounds_of_settings_are_those_of_the_engine() {
    let mut superuser = venue().superuser();
    let mut most = |setting: &str| {
        superuser
            .number(&format!("SELECT max_val FROM pg_settings WHERE name = 'exchange.{setting}'"))
    };
    assert!(most("maximum_instruments") <= matcher::MAXIMUM_INSTRUMENTS.into());
    assert!(most("maximum_open_orders") <= matcher::MAXIMUM_OPEN_ORDERS.into());
    assert!(most("maximum_price_levels") <= matcher::MAXIMUM_PRICE_LEVELS.into());
}

#[test]
fn the_server_can_feed_replicas() {
    assert_eq!(venue().superuser().one("SHOW wal_level"), "logical");
}

#[test]
fn settings_are_described() {
    let silent = venue().superuser().rows(
        "SELECT name FROM pg_settings WHERE name LIKE 'exchange.%'
           AND (short_desc = '' OR (vartype = 'integer' AND min_val = max_val))",
    );
    assert!(silent.is_empty(), "{silent:?}");
}

/// Runs a client program against a venue.
fn run(
    venue: &Venue,
    program: &str,
    arguments: &[&str],
    input: Option<&std::path::Path>,
) -> Vec<u8> {
    let mut command = venue.cluster().server_command(program);
    command.arg("--host").arg(venue.cluster().socket_directory()).args([
        "--port",
        &venue.cluster().port().to_string(),
        "--username",
        SUPERUSER,
    ]);
    command.args(arguments);
    if let Some(path) = input {
        command.stdin(Stdio::from(std::fs::File::open(path).unwrap()));
    }
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{complaint}");
    output.stdout
}

const CONTENT: &str = "SELECT (SELECT sum(hashtext(o::text)) FROM exchange.orders AS o),
    (SELECT sum(hashtext(e::text)) FROM exchange.executions AS e),
    (SELECT sum(hashtext(t::text)) FROM exchange.trades AS t),
    (SELECT sum(hashtext(c::text)) FROM exchange.candles AS c),
    (SELECT sum(hashtext(j::text)) FROM exchange.journal AS j),
    (SELECT sum(hashtext(s::text)) FROM exchange.engine_state AS s),
    (SELECT sum(hashtext(c::text)) FROM exchange.cash AS c),
    (SELECT sum(hashtext(p::text)) FROM exchange.positions AS p),
    (SELECT sum(hashtext(c::text)) FROM exchange.consumer_settings AS c),
    (SELECT sum(hashtext(c::text)) FROM exchange.consumer_partitions AS c),
    (SELECT count(*) FROM pg_policies WHERE schemaname = 'exchange'),
    (SELECT count(*) FROM exchange.instruments), (SELECT count(*) FROM exchange.accounts)";

fn trade(session: &mut Session, symbol: &str) {
    session.run(&format!(
        "SELECT exchange.place_order('{symbol}',
                    CASE WHEN n % 3 = 0 THEN 'sell' ELSE 'buy' END::exchange.side, 50 + n % 7, 10,
                    self_trade_prevention => 'allow')
         FROM generate_series(1, 200) AS n"
    ));
    session.wait_for_tables();
}

#[test]
fn a_dump_can_be_restored() {
    let venue = Venue::start(&[]);
    let symbol = venue.instrument();
    let mut session = venue.superuser();
    trade(&mut session, &symbol);
    session.run(
        "SELECT exchange.create_consumer('auditor', 0); SELECT exchange.fetch_events('auditor', 7);
         SELECT exchange.acknowledge('auditor', 3)",
    );
    let content = session.one(CONTENT);
    let dump = run(&venue, "pg_dump", &[DATABASE], None);
    let path = std::env::temp_dir().join(format!("pg_exchange-dump-{}.sql", std::process::id()));
    std::fs::write(&path, dump).unwrap();
    // Beside the venue, as an archive that can be looked at.
    venue.cluster().create_database("archive").unwrap();
    let psql = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction"];
    run(&venue, "psql", &[&psql[..], &["archive"]].concat(), Some(&path));
    let mut archive = venue.session_in("archive", SUPERUSER);
    assert_eq!(archive.one(CONTENT), content);
    // As a venue of its own, which goes on from there: all at once under its workers, or bit by
    // bit before there are any.
    for is_one_transaction in [true, false] {
        let elsewhere: &[_] = &[("exchange.database", "elsewhere")];
        let other = Venue::empty(if is_one_transaction { &[] } else { elsewhere });
        other.cluster().create_database(DATABASE).unwrap();
        let options = if is_one_transaction { &psql[..] } else { &psql[..3] };
        run(&other, "psql", &[options, &[DATABASE]].concat(), Some(&path));
        if !is_one_transaction {
            let setting = format!("ALTER SYSTEM SET exchange.database = '{DATABASE}'");
            other.session_in("postgres", SUPERUSER).run(&setting);
            other.restart();
        }
        other.wait_until_running();
        let mut restored = other.superuser();
        assert_eq!(restored.one(CONTENT), content);
        let next = session.number("SELECT matched + 1 FROM exchange.pg_stat_exchange");
        assert_eq!(restored.place(&format!("'{symbol}', 'buy', 1, 10")), next);
        trade(&mut restored, &symbol);
        assert_consistent(&mut restored);
        let first = "SELECT min(sequence) FROM exchange.fetch_events('auditor')";
        assert_eq!(restored.one(first), session.one(first));
        assert_eq!(other.complaints_since(0), [""; 0]);
    }
    std::fs::remove_file(path).unwrap();
}
