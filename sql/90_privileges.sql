-- Who may do what. Everybody sees the market; running it is the owner's.
-- Which account a role may trade for is checked at each call.

GRANT USAGE ON SCHEMA exchange TO PUBLIC;

GRANT SELECT ON
    exchange.instruments, exchange.trades, exchange.candles, exchange.best_quotes,
    exchange.status, exchange.pg_stat_exchange, exchange.workers
TO PUBLIC;

REVOKE EXECUTE ON FUNCTION
    exchange.create_instrument(text, numeric, bigint, numeric),
    exchange.open_account(name),
    exchange.open_market(),
    exchange.close_market(),
    exchange.advance_clock(timestamptz),
    exchange.reset_statistics()
FROM PUBLIC;

-- The rows of users go into a dump.
SELECT pg_catalog.pg_extension_config_dump('exchange.instruments', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.accounts', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.engine_state', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.open_orders', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.finished_orders', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.executions', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.trades', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.candles', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.journal', '');
