//! What an extension consists of, as lines that can be compared.

use tests::Session;

/// Names what the lines of a query are about, and gives the lines. They name no OID, and are the
/// same whatever the order in which objects were made.
const QUERIES: &[(&str, &str)] = &[
    (
        "extension",
        "SELECT extname, extversion, extrelocatable, extnamespace::regnamespace, extowner::regrole
         FROM pg_extension WHERE extname = 'pg_exchange'",
    ),
    (
        "member",
        "SELECT i.type, i.identity
         FROM pg_depend AS d
         CROSS JOIN pg_identify_object(d.classid, d.objid, 0) AS i
         WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_exchange')",
    ),
    (
        "dumped with",
        "SELECT c.table_id::regclass, c.condition
         FROM pg_extension AS e
         CROSS JOIN unnest(e.extconfig, e.extcondition) AS c (table_id, condition)
         WHERE e.extname = 'pg_exchange'",
    ),
    (
        "privileges at the begin",
        "SELECT i.type, i.identity, p.objsubid, p.privtype,
                ARRAY(SELECT a::text FROM unnest(p.initprivs) AS a ORDER BY 1)
         FROM pg_init_privs AS p
         CROSS JOIN pg_identify_object(p.classoid, p.objoid, 0) AS i
         WHERE i.schema = 'exchange' OR i.identity = 'exchange'",
    ),
    (
        "schema",
        "SELECT nspname, nspowner::regrole, ARRAY(SELECT a::text FROM unnest(nspacl) AS a ORDER BY 1)
         FROM pg_namespace WHERE nspname = 'exchange'",
    ),
    (
        "relation",
        "SELECT c.relname, c.relkind, c.relpersistence, c.relowner::regrole, c.relam::regclass, c.relreplident,
                c.relrowsecurity, c.relforcerowsecurity, c.relispopulated, c.relispartition,
                pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid),
                (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = c.oid),
                c.reloptions, t.reloptions,
                ARRAY(SELECT a::text FROM unnest(c.relacl) AS a ORDER BY 1)
         FROM pg_class AS c LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
         WHERE c.relnamespace = 'exchange'::regnamespace",
    ),
    (
        // With those that were dropped: the workers count them too.
        "column",
        "SELECT a.attrelid::regclass, a.attnum, a.attname, a.attisdropped,
                format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, a.attcompression,
                a.attidentity, a.attgenerated, a.attstattarget,
                ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE o LIKE 'n_distinct%' ORDER BY 1),
                NULLIF(a.attcollation, 0)::regcollation, pg_get_expr(d.adbin, d.adrelid),
                ARRAY(SELECT p::text FROM unnest(a.attacl) AS p ORDER BY 1)
         FROM pg_attribute AS a
         JOIN pg_class AS c ON c.oid = a.attrelid
         LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE c.relnamespace = 'exchange'::regnamespace AND a.attnum > 0",
    ),
    (
        "constraint",
        "SELECT conrelid::regclass, contypid::regtype, conname, contype, convalidated, condeferrable,
                conislocal, coninhcount, pg_get_constraintdef(oid)
         FROM pg_constraint WHERE connamespace = 'exchange'::regnamespace",
    ),
    (
        "index",
        "SELECT i.indrelid::regclass, pg_get_indexdef(i.indexrelid), i.indisprimary, i.indisreplident,
                i.indisclustered, i.indisvalid, i.indisready
         FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
         WHERE c.relnamespace = 'exchange'::regnamespace",
    ),
    (
        "statistics",
        "SELECT stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
         WHERE stxnamespace = 'exchange'::regnamespace",
    ),
    (
        "view",
        "SELECT oid::regclass, pg_get_viewdef(oid) FROM pg_class
         WHERE relnamespace = 'exchange'::regnamespace AND relkind IN ('v', 'm')",
    ),
    (
        // The definition has volatility, parallel safety, cost, rows, settings and security.
        "function",
        "SELECT oid::regprocedure, proowner::regrole, pg_get_functiondef(oid),
                ARRAY(SELECT a::text FROM unnest(proacl) AS a ORDER BY 1)
         FROM pg_proc WHERE pronamespace = 'exchange'::regnamespace AND prokind IN ('f', 'p', 'w')",
    ),
    (
        "aggregate",
        "SELECT p.oid::regprocedure, aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggsortop, aggtranstype::regtype,
                agginitval, proparallel, ARRAY(SELECT a::text FROM unnest(proacl) AS a ORDER BY 1)
         FROM pg_proc AS p JOIN pg_aggregate AS a ON a.aggfnoid = p.oid
         WHERE pronamespace = 'exchange'::regnamespace",
    ),
    (
        "type",
        "SELECT t.oid::regtype, t.typtype, t.typowner::regrole, t.typnotnull, t.typdefault, t.typbasetype::regtype,
                ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
                ARRAY(SELECT a::text FROM unnest(t.typacl) AS a ORDER BY 1)
         FROM pg_type AS t WHERE t.typnamespace = 'exchange'::regnamespace",
    ),
    (
        "policy",
        "SELECT tablename, policyname, permissive, roles, cmd, qual, with_check
         FROM pg_policies WHERE schemaname = 'exchange'",
    ),
    (
        "trigger",
        "SELECT tgrelid::regclass, tgenabled, pg_get_triggerdef(t.oid)
         FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
         WHERE c.relnamespace = 'exchange'::regnamespace AND NOT tgisinternal",
    ),
    (
        "rule",
        "SELECT ev_class::regclass, rulename, pg_get_ruledef(r.oid)
         FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class
         WHERE c.relnamespace = 'exchange'::regnamespace",
    ),
    (
        "comment",
        "SELECT i.type, i.identity, d.objsubid, d.description
         FROM pg_description AS d
         CROSS JOIN pg_identify_object(d.classoid, d.objoid, 0) AS i
         WHERE i.schema = 'exchange' OR i.identity = 'exchange' OR i.identity LIKE '% on exchange.%'",
    ),
    (
        // What the functions make of them.
        "published",
        "SELECT p.pubname, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
                obj_description(p.oid, 'pg_publication'), r.prrelid::regclass, pg_get_expr(r.prqual, r.prrelid), r.prattrs
         FROM pg_publication AS p LEFT JOIN pg_publication_rel AS r ON r.prpubid = p.oid",
    ),
    ("calendar", "SELECT * FROM exchange.calendar_exceptions"),
    ("hours", "SELECT * FROM exchange.trading_hours"),
];

/// Everything that belongs to the extension in a database.
pub fn of(session: &mut Session) -> Vec<String> {
    // So that every name is written with its schema.
    session.run("SET search_path = ''; SELECT exchange.create_publications()");
    let mut lines = Vec::new();
    for (what, query) in QUERIES {
        lines.extend(session.rows(query).into_iter().map(|row| format!("{what}: {row}")));
    }
    session.run("DROP PUBLICATION exchange_market_data, exchange_reports, exchange_journal");
    assert!(lines.len() > 1000, "there is more in an extension than {} objects", lines.len());
    lines.sort_unstable();
    lines
}

/// The lines that only one of the two has.
pub fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let only = |these: &[String], those: &[String], side: &str| {
        let is_only = |line: &&String| those.binary_search(line).is_err();
        these.iter().filter(is_only).map(|line| format!("{side} {line}")).collect::<Vec<_>>()
    };
    let mut lines = only(expected, found, "missing");
    lines.extend(only(found, expected, "surplus"));
    lines
}
