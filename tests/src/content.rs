//! What is in the tables of an exchange, in few words that can be compared.

use crate::Session;

/// The tables that a dump has, each with its columns in their order.
pub fn tables(session: &mut Session) -> Vec<(String, String)> {
    let rows = session.rows(
        "SELECT c.oid::regclass, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
         FROM pg_class AS c
         JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.oid = ANY (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'pg_exchange')
           AND c.relkind = 'r'
            -- Those that are dumped by their partitions.
            OR c.relnamespace = 'exchange'::regnamespace AND c.relkind = 'p'
         GROUP BY c.oid ORDER BY 1",
    );
    assert!(rows.len() > 20, "an exchange has more than {} tables", rows.len());
    let split = |row: &String| {
        let (table, columns) = row.split_once('|').expect("there are two columns");
        (table.to_owned(), columns.to_owned())
    };
    rows.iter().map(split).collect()
}

/// Of each table how many rows it has, and a checksum of them.
pub fn of_tables(session: &mut Session, tables: &[(String, String)]) -> Vec<String> {
    let line = |(table, columns): &(String, String)| {
        session.one(&format!(
            "SELECT '{table}', count(*), coalesce(sum(hashtextextended(ROW({columns})::text, 0)::numeric), 0)
             FROM {table}"
        ))
    };
    tables.iter().map(line).collect()
}

/// Of each table of a dump how many rows it has, and a checksum of them.
pub fn of(session: &mut Session) -> Vec<String> {
    let tables = tables(session);
    of_tables(session, &tables)
}
