-- Whether the tables are all there.
--
-- pg_restore fills materialized views when everything else is done, also where it works in parallel:
-- so this one says that the tables of a dump are complete. That of a new exchange is filled by the matcher,
-- with the first command, so that a dump can still be restored into the database until then.

CREATE MATERIALIZED VIEW exchange.complete_since AS
    SELECT statement_timestamp() AS complete_since
WITH NO DATA;
COMMENT ON MATERIALIZED VIEW exchange.complete_since IS
    'Since when the tables of the exchange are all there: since the first command, or since the end of pg_restore. As long as it is not filled and there are rows in the tables, the exchange is closed: they are being restored.';
COMMENT ON COLUMN exchange.complete_since.complete_since IS 'Since when.';

SELECT pg_catalog.pg_extension_config_dump('exchange.complete_since', '');
