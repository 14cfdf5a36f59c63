-- Whether the tables are all there: pg_restore fills them one by one, and the exchange must not take a
-- part for the whole.
--
-- pg_restore fills materialized views when everything else is done, also where it works in parallel.
-- So there is one that says that all is there. It is no member of the extension, so that a dump has it.

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
