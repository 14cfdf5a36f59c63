-- Makes of pg_exchange 0.1.0 what a new 0.2.0 is, and keeps every row.
--
-- Whatever is changed in sql/*.sql is changed here too: tests/tests/upgrades.rs compares a database
-- that was updated with one that was created anew, object by object.

\echo Use "ALTER EXTENSION pg_exchange UPDATE" to load this file. \quit

-- Completeness
CREATE MATERIALIZED VIEW exchange.complete_since AS
    SELECT statement_timestamp() AS complete_since
WITH NO DATA;
COMMENT ON MATERIALIZED VIEW exchange.complete_since IS
    'Since when the tables of the exchange are all there: since the first command, or since the end of pg_restore. As long as it is not filled and there are rows in the tables, the exchange is closed: they are being restored.';
COMMENT ON COLUMN exchange.complete_since.complete_since IS 'Since when.';

SELECT pg_catalog.pg_extension_config_dump('exchange.complete_since', '');
DO $$
BEGIN
    -- Nothing is being restored here: what there is, is all.
    IF EXISTS (SELECT FROM exchange.engine_state) THEN
        REFRESH MATERIALIZED VIEW exchange.complete_since;
    END IF;
END
$$;
