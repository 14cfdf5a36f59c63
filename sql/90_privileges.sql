-- Who may do what. Everybody sees the market, and nobody in it; what else a role may do it has
-- from the four groups below. For which accounts a role may act is checked at each call.

-- Roles are of the cluster: another database, or the operator, may have made them before.
DO $$
DECLARE
    groups CONSTANT text[] := ARRAY[
        ['exchange_admin',
         'Runs the stock exchange pg_exchange: may call every function and read every row, and edits the calendar.'],
        ['exchange_trader',
         'Trades on the stock exchange pg_exchange: enters orders for the accounts that it owns or whose owner it is a member of, and reads what is theirs.'],
        ['exchange_analyst',
         'Reads every order, execution, balance and position of the stock exchange pg_exchange, and changes nothing.'],
        ['exchange_reporter',
         'Reads every table of the stock exchange pg_exchange, its journal too, and changes nothing: for reports and replicas.']];
    entry text[];
BEGIN
    FOREACH entry SLICE 1 IN ARRAY groups LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = entry[1]);
        EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', entry[1]);
        EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', entry[1], entry[2]);
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA exchange TO PUBLIC;

-- Functions are closed unless they are opened here. A view calls its functions with the rights
-- of its reader, so those of public views are public.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA exchange FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    exchange.order_book(text, integer),
    exchange.order_book_at(text, timestamptz, integer),
    exchange.order_book_at(text, bigint, integer),
    exchange.order_book_l3(text),
    exchange.quotes(),
    exchange.events_after(bigint, text, integer),
    exchange.quote_history(text, timestamptz, timestamptz),
    exchange.depth_history(text, timestamptz, timestamptz, interval, integer),
    exchange.checksum(bytea),
    exchange.book_snapshot(text),
    exchange.candle_start(timestamptz, interval),
    exchange.candles_for(text, interval, timestamptz, timestamptz, boolean),
    exchange.day_statistics_for(date),
    exchange.statistics(),
    exchange.worker_states(),
    exchange.halt_hint(),
    exchange.recoveries(),
    exchange.trading_day_times(date, date),
    exchange.wait_for(exchange.cursor, bigint)
TO PUBLIC;

-- Reports read the tables with the rights of their reader.
GRANT EXECUTE ON FUNCTION
    exchange.is_kept(timestamptz),
    exchange.events_are_kept(bigint),
    exchange.commands_are_kept(bigint),
    exchange.executions_are_kept(bigint),
    exchange.busts_are_kept(timestamptz, timestamptz),
    exchange.midnight(date),
    exchange.days(date, date),
    exchange.period(date, date),
    exchange.settlement_date(date),
    exchange.trade_summary(date, date)
TO PUBLIC;

GRANT EXECUTE ON FUNCTION
    exchange.movements_between(timestamptz, timestamptz),
    exchange.account_movements(date, date),
    exchange.account_activity(date, date),
    exchange.account_statement(integer, date, date),
    exchange.trade_history(date, date),
    exchange.orders_and_executions(date, date),
    exchange.net_obligations(date, date),
    exchange.tax_lots(integer),
    exchange.realised_gains(date, date),
    exchange.tax_report(integer),
    exchange.order_to_trade_ratios(date, date),
    exchange.effective_spreads(date, date, text),
    exchange.execution_quality(date, date, text)
TO exchange_trader, exchange_analyst, exchange_reporter;

GRANT EXECUTE ON FUNCTION
    exchange.wash_trade_candidates(date, date, interval),
    exchange.layering_candidates(date, date, interval, numeric),
    exchange.large_positions(date, numeric)
TO exchange_analyst, exchange_reporter;

GRANT EXECUTE ON FUNCTION
    exchange.day_bounds(regclass),
    exchange.day_partitions(),
    exchange.archive_refusal(date),
    exchange.last_sequence_before(timestamptz),
    exchange.audit_trail(bigint),
    exchange.audit_trails(date, date),
    exchange.check_journal(bigint),
    exchange.check_period(timestamptz, timestamptz, date, date),
    exchange.check_day(date),
    exchange.day_reports(date),
    exchange.export_day(date, text)
TO exchange_reporter;

GRANT EXECUTE ON FUNCTION
    exchange.place_order,
    exchange.place_orders,
    exchange.cancel_order,
    exchange.cancel_orders,
    exchange.cancel_client_order,
    exchange.reduce_order,
    exchange.replace_order,
    exchange.mass_cancel,
    exchange.kill_switch,
    exchange.cancel_on_disconnect
TO exchange_trader;

-- What they return is the journal's, and the journal is closed to others anyway.
GRANT EXECUTE ON FUNCTION
    exchange.decode_journal(bytea, bigint, bigint),
    exchange.journal_commands(bigint, bigint, bigint),
    exchange.replay_check(bigint, bigint)
TO exchange_reporter;

GRANT EXECUTE ON FUNCTION
    exchange.executions_after(bigint, integer),
    exchange.busts_since(timestamptz),
    exchange.order_history(bigint)
TO exchange_trader, exchange_analyst, exchange_reporter;

-- A consumer belongs to the role that makes it, and its functions run as their caller.
GRANT EXECUTE ON FUNCTION
    exchange.find_consumer(text),
    exchange.create_consumer(text, bigint, text[], integer, interval),
    exchange.drop_consumer(text),
    exchange.fetch_events(text, integer),
    exchange.acknowledge(text, bigint),
    exchange.leave_consumer(text)
TO exchange_trader, exchange_analyst, exchange_reporter;
GRANT SELECT ON exchange.consumers, exchange.consumer_members TO exchange_trader, exchange_analyst;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    exchange.consumer_settings, exchange.consumer_partitions, exchange.consumer_sessions
TO exchange_trader, exchange_analyst, exchange_reporter, exchange_admin;

GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA exchange TO exchange_admin;

-- What the venue has earned (currencies) is not public, and neither is who owns what.
GRANT SELECT ON
    exchange.instruments, exchange.instrument_states,
    exchange.trades, exchange.candles, exchange.best_quotes, exchange.auctions, exchange.market_data,
    exchange.busted_trades, exchange.day_statistics, exchange.order_books, exchange.order_books_l3,
    exchange.trading_hours, exchange.calendar_exceptions, exchange.trading_days,
    exchange.closed_days, exchange.end_of_day_prices, exchange.archived_days,
    exchange.status, exchange.pg_stat_exchange, exchange.workers, exchange.recovery, exchange.replication_slots
TO PUBLIC;

-- Of all these but the fee schedules, which are the price list, it sees its own rows.
GRANT SELECT ON
    exchange.participants, exchange.accounts, exchange.fee_schedules, exchange.risk_limits,
    exchange.cash, exchange.positions, exchange.transfers, exchange.balances, exchange.holdings,
    exchange.orders, exchange.open_orders, exchange.finished_orders, exchange.client_orders,
    exchange.executions,
    exchange.end_of_day_statements, exchange.settlement_obligations, exchange.settlement_changes
TO exchange_trader;

GRANT SELECT ON
    exchange.participants, exchange.accounts, exchange.fee_schedules, exchange.risk_limits,
    exchange.cash, exchange.positions, exchange.transfers, exchange.balances, exchange.holdings,
    exchange.orders, exchange.open_orders, exchange.finished_orders, exchange.client_orders,
    exchange.executions, exchange.currencies, exchange.conservation,
    exchange.end_of_day_statements, exchange.end_of_day_checks, exchange.settlement_obligations,
    exchange.settlement_changes
TO exchange_analyst;

GRANT SELECT ON ALL TABLES IN SCHEMA exchange TO exchange_reporter, exchange_admin;

-- The other tables are the engine's: a row written by hand would make them differ from it.
GRANT INSERT, UPDATE, DELETE ON exchange.trading_hours, exchange.calendar_exceptions
TO exchange_admin;

-- Row-level security: on the table of all orders, and on each of its partitions, which can be read
-- by themselves. Superusers, and so the workers, are not bound by it.
ALTER TABLE exchange.participants ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.risk_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.cash ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.positions ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.transfers ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.open_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.finished_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.client_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.executions ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.consumer_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.consumer_partitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.consumer_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.end_of_day_statements ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.settlement_obligations ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.settlement_changes ENABLE ROW LEVEL SECURITY;

CREATE INDEX accounts_owner ON exchange.accounts (owner);
COMMENT ON INDEX exchange.accounts_owner IS 'The accounts of a role, for row-level security.';

DO $$
DECLARE
    -- Both are worked out once a query, and an index finds their rows.
    own_roles CONSTANT text :=
        'ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles AS r
               WHERE pg_catalog.pg_has_role(r.oid, ''USAGE''))';
    -- These are the accounts that the policy of exchange.accounts lets through.
    own_accounts CONSTANT text := 'ARRAY(SELECT a.account_id FROM exchange.accounts AS a)';
    own_consumers CONSTANT text := 'pg_catalog.pg_has_role(owner, ''USAGE'')';
    secured record;
BEGIN
    FOR secured IN
        SELECT c.oid::regclass AS name, c.relname
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = 'exchange'::regnamespace::oid AND c.relrowsecurity
    LOOP
        EXECUTE pg_catalog.format(
            'CREATE POLICY own_rows ON %s FOR SELECT TO exchange_trader USING (%s)', secured.name,
            CASE secured.relname
                WHEN 'participants' THEN 'role = ANY (' || own_roles || ')'
                WHEN 'accounts' THEN 'owner = ANY (' || own_roles || ')'
                WHEN 'consumer_settings' THEN own_consumers
                WHEN 'consumer_partitions' THEN own_consumers
                WHEN 'consumer_sessions' THEN own_consumers
                -- Those of account 0 are everybody's.
                WHEN 'risk_limits' THEN 'account_id = 0 OR account_id = ANY (' || own_accounts || ')'
                ELSE 'account_id = ANY (' || own_accounts || ')'
            END);
        EXECUTE pg_catalog.format(
            'COMMENT ON POLICY own_rows ON %s IS %L', secured.name,
            'What concerns the roles that the reader is, or is a member of with inheritance.');
        EXECUTE pg_catalog.format(
            'CREATE POLICY all_rows ON %s FOR SELECT
             TO exchange_admin, exchange_analyst, exchange_reporter USING (true)', secured.name);
        EXECUTE pg_catalog.format(
            'COMMENT ON POLICY all_rows ON %s IS %L', secured.name,
            'The venue, and those who watch it, see everything.');
        -- These are not written by the engine alone, but by the functions that their owners call.
        IF secured.relname LIKE 'consumer\_%' THEN
            EXECUTE pg_catalog.format(
                'CREATE POLICY own_consumers ON %s
                 TO exchange_trader, exchange_admin, exchange_analyst, exchange_reporter USING (%s)',
                secured.name, own_consumers);
            EXECUTE pg_catalog.format(
                'COMMENT ON POLICY own_consumers ON %s IS %L', secured.name,
                'A consumer is used by the role that made it, and by its members with inheritance.');
        END IF;
    END LOOP;
END
$$;

-- The rows of users go into a dump. The calendar's are marked beside their tables; partitions of days are no
-- members of the extension, and go into it as any table does.
SELECT pg_catalog.pg_extension_config_dump('exchange.participants', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.accounts', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.currencies', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.fee_schedules', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.instruments', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.instrument_states', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.engine_state', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.cash', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.positions', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.risk_limits', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.trading_days', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.transfers', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.busted_trades', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.closed_days', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_checks', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_statements', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_prices', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.settlement_obligations', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.settlement_changes', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.open_orders', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.client_orders', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.candles', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.replay_marks', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.replay_mark_parts', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.closed_days', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_checks', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_statements', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_prices', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.settlement_obligations', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.settlement_changes', '');
