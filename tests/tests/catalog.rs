//! The extension as the catalog shows it: comments, signatures, privileges and bounds.

use tests::{SharedVenue, Venue};

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
