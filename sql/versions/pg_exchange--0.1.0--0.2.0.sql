-- Makes of pg_exchange 0.1.0 what a new 0.2.0 is, and keeps every row.
--
-- Whatever is changed in sql/*.sql is changed here too: tests/tests/upgrades.rs compares a database
-- that was updated with one that was created anew, object by object.

\echo Use "ALTER EXTENSION pg_exchange UPDATE" to load this file. \quit

-- Completeness
CREATE FUNCTION exchange.mark_complete()
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    CREATE MATERIALIZED VIEW exchange.complete_since AS
        SELECT statement_timestamp() AS complete_since;
    COMMENT ON MATERIALIZED VIEW exchange.complete_since IS
        'Since when the tables of the exchange are all there: since its first command, or since the end of pg_restore. As long as there are rows in the tables and this is not filled, the exchange is closed: see docs/backups.md.';
    COMMENT ON COLUMN exchange.complete_since.complete_since IS 'Since when.';
    GRANT SELECT ON exchange.complete_since TO exchange_reporter, exchange_admin;
    -- It goes with the extension.
    ALTER MATERIALIZED VIEW exchange.complete_since DEPENDS ON EXTENSION pg_exchange;
END
$$;
COMMENT ON FUNCTION exchange.mark_complete() IS
    'Makes exchange.complete_since, which says that all tables of the exchange are there. The exchange calls it with its first command. Error: 42P07 (it is there already; to fill it, REFRESH it).';
REVOKE EXECUTE ON FUNCTION exchange.mark_complete() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.mark_complete() TO exchange_admin;
DO $$
BEGIN
    -- Nothing is being restored here: what there is, is all.
    IF EXISTS (SELECT FROM exchange.engine_state) THEN
        PERFORM exchange.mark_complete();
        ALTER EXTENSION pg_exchange DROP MATERIALIZED VIEW exchange.complete_since;
    END IF;
END
$$;

-- The past on request


CREATE FUNCTION exchange.order_book_at(symbol text, at timestamptz, depth integer DEFAULT 10)
RETURNS TABLE (
    level        integer,
    bid_orders   integer,
    bid_quantity bigint,
    bid_price    numeric,
    ask_price    numeric,
    ask_quantity bigint,
    ask_orders   integer)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 10
-- The book is public; how far the tables are, which it has to know, is in one that is not.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'order_book_at_time_wrapper';
COMMENT ON FUNCTION exchange.order_book_at(text, timestamptz, integer) IS
    'The book of one symbol by price (L2) as it was at a moment: after the last command whose time is not after it. The columns are those of exchange.order_book(): price, quantity and number of orders of each level, of what is displayed, best prices first. No rows where nothing was displayed. depth: at least 1. It follows the public events in exchange.market_data from the last place before that moment where all books are told anew, at most 1,048,576 commands earlier. Write a literal as timestamptz ''...'', or name the argument: at => ''...''. Errors: 22004 (NULL), 22023 (depth below 1; a moment in the future, or before all that exchange.market_data has), 42704 (unknown symbol), 55000 (a moment that the tables do not show yet: on a standby every one after the last command that they show), XX001 (a damaged block).';

CREATE FUNCTION exchange.order_book_at(symbol text, sequence bigint, depth integer DEFAULT 10)
RETURNS TABLE (
    level        integer,
    bid_orders   integer,
    bid_quantity bigint,
    bid_price    numeric,
    ask_price    numeric,
    ask_quantity bigint,
    ask_orders   integer)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 10
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'order_book_at_sequence_wrapper';
COMMENT ON FUNCTION exchange.order_book_at(text, bigint, integer) IS
    'The same after a command. sequence: from 1 to the last command that the tables show, see exchange.wait_for(''projected''). Errors: those of exchange.order_book_at(text, timestamptz, integer).';
REVOKE EXECUTE ON FUNCTION
    exchange.order_book_at(text, timestamptz, integer),
    exchange.order_book_at(text, bigint, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    exchange.order_book_at(text, timestamptz, integer),
    exchange.order_book_at(text, bigint, integer)
TO PUBLIC, exchange_admin;

-- Monitoring
COMMENT ON COLUMN exchange.workers.state IS 'stopped, waiting (for the extension to be created), recovering, running, or following (the matcher of a standby).';

CREATE OR REPLACE VIEW exchange.status AS
    SELECT item, value
    FROM exchange.statistics() AS s
    CROSS JOIN LATERAL (
        SELECT string_agg(format('%s %s', w.worker, w.state), ', ') AS states FROM exchange.worker_states() AS w
    ) AS w
    CROSS JOIN LATERAL (VALUES
        ('server', CASE WHEN pg_is_in_recovery()
            THEN 'a standby, with all that was committed until ' || coalesce(pg_last_xact_replay_timestamp()::text, 'its copy was made')
            ELSE 'takes orders' END),
        ('market', s.market),
        ('halted because', s.halted_because),
        ('trade date', s.trade_date::text),
        ('next phase', s.next_phase || ' at ' || s.next_phase_at),
        ('workers', w.states),
        ('matched', s.matched::text),
        ('durable', format('%s (%s behind)', s.durable, s.matched - s.durable)),
        ('published', format('%s (%s behind)', s.published, s.matched - s.published)),
        ('projected', format('%s (%s behind)', s.projected, s.matched - s.projected)),
        ('ring', format('%s of %s slots used', s.ring_used, s.ring_slots)),
        ('open orders', s.open_orders::text),
        ('commands', format('%s (%s a second)', s.commands, round(s.commands_per_second))),
        ('trades', s.trades::text),
        ('latency, matched', CASE WHEN s.matched_answers > 0 THEN
            format('p50 %s µs, p99 %s µs, p99.9 %s µs, max %s µs over %s calls',
                   round(s.matched_latency_us_p50), round(s.matched_latency_us_p99),
                   round(s.matched_latency_us_p999), round(s.matched_latency_us_max), s.matched_answers) END),
        ('latency, durable', CASE WHEN s.durable_answers > 0 THEN
            format('p50 %s µs, p99 %s µs, p99.9 %s µs, max %s µs over %s calls',
                   round(s.durable_latency_us_p50), round(s.durable_latency_us_p99),
                   round(s.durable_latency_us_p999), round(s.durable_latency_us_max), s.durable_answers) END)
    ) AS v (item, value)
    WHERE value IS NOT NULL
    UNION ALL
    (SELECT 'slot ' || r.slot_name,
            CASE
                WHEN r.wal_status = 'lost' THEN 'lost: the subscriber must copy the tables anew, see docs/replication.md'
                ELSE format('%s, %s behind, keeps %s of WAL', CASE WHEN r.active THEN 'active' ELSE 'inactive' END,
                            pg_size_pretty(coalesce(r.behind_bytes, r.retained_bytes)), pg_size_pretty(r.retained_bytes))
                     || CASE WHEN r.wal_status = 'unreserved' THEN ', is lost at the next checkpoint'
                             ELSE coalesce(format(', is lost after %s more', pg_size_pretty(r.bytes_until_lost)), '') END
            END
     FROM exchange.replication_slots AS r
     ORDER BY r.slot_name);
