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

-- Retention: the tables that only grow are partitioned by day. Those of before are the first partition of
-- each, with all that was until now: no row is moved. What names them is made anew, of the new ones.

CREATE FUNCTION exchange.day_partitions()
RETURNS TABLE (
    table_name text,
    partition  text,
    begins_at  timestamptz,
    ends_at    timestamptz,
    rows       bigint,
    bytes      bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
-- Bounds are read as they are written.
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET timezone = 'UTC'
AS $$
    SELECT t.relname, p.relname, v.begins_at, v.ends_at, greatest(p.reltuples, 0)::bigint, pg_total_relation_size(p.oid)
    FROM pg_class AS t
    JOIN pg_inherits AS i ON i.inhparent = t.oid
    JOIN pg_class AS p ON p.oid = i.inhrelid
    CROSS JOIN LATERAL regexp_match(
        pg_get_expr(p.relpartbound, p.oid), 'FROM \(''?([^'')]+)''?\) TO \(''?([^'')]+)''?\)$') AS b (bounds)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN b.bounds[1] = 'MINVALUE' THEN timestamptz '-infinity'
                    WHEN t.relname = 'journal' THEN e.epoch + b.bounds[1]::bigint * e.unit
                    ELSE b.bounds[1]::timestamptz END AS begins_at,
               CASE WHEN t.relname = 'journal' THEN e.epoch + b.bounds[2]::bigint * e.unit
                    ELSE b.bounds[2]::timestamptz END AS ends_at
        FROM (SELECT timestamptz '2000-01-01 00:00Z' AS epoch, interval '1 microsecond' AS unit) AS e
    ) AS v
    WHERE t.relnamespace = 'exchange'::regnamespace
      AND t.relname IN ('journal', 'market_data', 'trades', 'executions', 'finished_orders')
    ORDER BY v.begins_at, t.relname
$$;
COMMENT ON FUNCTION exchange.day_partitions() IS
    'The partitions by day of exchange.journal, market_data, trades, executions and finished_orders, oldest first: from when to before when each of them goes (that of the version without partitions from -infinity on), how many rows it has by the last ANALYZE or VACUUM (0 before), and how many bytes with its indexes.';

CREATE FUNCTION exchange.add_day(of_table regclass, at timestamptz)
RETURNS regclass
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Bounds are written as they are read.
SET datestyle = 'ISO'
SET timezone = 'UTC'
AS $$
DECLARE
    of_name CONSTANT text := (
        SELECT c.relname FROM pg_class AS c
        WHERE c.oid = of_table AND c.relnamespace = 'exchange'::regnamespace);
    day CONSTANT date := (at AT TIME ZONE current_setting('exchange.time_zone'))::date;
    there text;
    begins_at timestamptz;
    ends_at timestamptz;
    made text;
    of_day integer := 1;
    is_journal CONSTANT boolean := of_name = 'journal';
    -- Columns, keys and options; and what each has beside.
    definition text;
    index record;
BEGIN
    IF of_table IS NULL OR at IS NULL THEN
        RAISE EXCEPTION '% must not be NULL', CASE WHEN of_table IS NULL THEN 'of_table' ELSE 'at' END
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known, and no partition is of one.',
                  HINT = 'Give a table and a time, as in exchange.add_day(''exchange.trades'', now()).';
    END IF;
    definition := CASE of_name
        WHEN 'journal' THEN ', PRIMARY KEY (first_sequence)) USING heap WITH (toast_tuple_target = 8160)'
        WHEN 'market_data' THEN ', PRIMARY KEY (first_sequence)) USING heap WITH (toast_tuple_target = 8160)'
        WHEN 'trades' THEN ', PRIMARY KEY (trade_id)) USING heap'
        WHEN 'executions' THEN ', PRIMARY KEY (order_id, trade_id)) USING heap'
        WHEN 'finished_orders' THEN ') USING heap'
    END;
    IF definition IS NULL OR NOT isfinite(at) THEN
        RAISE EXCEPTION '%', CASE WHEN definition IS NULL THEN 'the table is not partitioned by day' ELSE 'at must be a moment' END
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', CASE WHEN definition IS NULL THEN of_table::text ELSE at::text END),
                  HINT = 'Give exchange.journal, market_data, trades, executions or finished_orders, and a time.';
    END IF;

    -- One at a time; who reads or writes is not held up.
    EXECUTE format('LOCK TABLE ONLY exchange.%I IN SHARE UPDATE EXCLUSIVE MODE', of_name);
    SELECT p.partition INTO there FROM exchange.day_partitions() AS p
    WHERE p.table_name = of_name AND p.begins_at <= at AND at < p.ends_at;
    IF FOUND THEN
        RETURN format('exchange.%I', there)::regclass;
    END IF;
    -- Where exchange.time_zone was another one, a day may be there in part.
    SELECT greatest(exchange.midnight(day), max(p.ends_at) FILTER (WHERE p.ends_at <= at)),
           least(exchange.midnight(day + 1), min(p.begins_at) FILTER (WHERE p.begins_at > at))
    INTO begins_at, ends_at
    FROM exchange.day_partitions() AS p WHERE p.table_name = of_name;
    LOOP
        made := format('%s_%s%s', of_name, to_char(day, 'YYYYMMDD'), CASE WHEN of_day > 1 THEN '_' || of_day END);
        EXIT WHEN to_regclass(format('exchange.%I', made)) IS NULL;
        of_day := of_day + 1;
    END LOOP;

    EXECUTE format('CREATE TABLE exchange.%I (LIKE exchange.%I INCLUDING ALL%s', made, of_name, definition);
    EXECUTE format('COMMENT ON TABLE exchange.%I IS %L', made, format('exchange.%s of %s.', of_name, day));
    FOR index IN
        SELECT i.* FROM (VALUES
            ('market_data', 'refreshes', '', '(first_at, first_sequence) WHERE has_refresh',
             'Where a book of some time can be followed from.'),
            ('trades', 'symbol', '', '(symbol, executed_at)', 'Trades by symbol and time.'),
            ('executions', 'symbol', '', '(symbol, executed_at)', 'Executions by symbol and time.'),
            ('executions', 'account', '', '(account_id, executed_at)',
             'Executions by account and time, and so those of a broker after a trade: exchange.executions_after().'),
            ('finished_orders', 'order_id', 'UNIQUE', '(order_id)', 'Finds one order.'),
            ('finished_orders', 'symbol', '', '(symbol, created_at)', 'Orders by symbol and time.'),
            ('finished_orders', 'account', '', '(account_id, created_at)', 'Orders by account and time.')
        ) AS i (parent, name, kind, definition, comment)
        WHERE i.parent = of_name
    LOOP
        EXECUTE format('CREATE %s INDEX %I ON exchange.%I %s', index.kind, made || '_' || index.name, made, index.definition);
        EXECUTE format('COMMENT ON INDEX exchange.%I IS %L', made || '_' || index.name, index.comment);
    END LOOP;
    IF of_name IN ('executions', 'finished_orders') THEN
        EXECUTE format('ALTER TABLE exchange.%I REPLICA IDENTITY FULL', made);
        -- Read by itself it has no policy, and so no rows.
        EXECUTE format('ALTER TABLE exchange.%I ENABLE ROW LEVEL SECURITY', made);
    END IF;
    -- Not as CREATE TABLE … PARTITION OF, which would wait for everybody who reads the table.
    EXECUTE format('ALTER TABLE exchange.%I ATTACH PARTITION exchange.%I FOR VALUES FROM (%L) TO (%L)', of_name, made,
                   CASE WHEN is_journal THEN (extract(epoch FROM begins_at) * 1000000 - 946684800000000)::bigint::text ELSE begins_at::text END,
                   CASE WHEN is_journal THEN (extract(epoch FROM ends_at) * 1000000 - 946684800000000)::bigint::text ELSE ends_at::text END);
    RETURN format('exchange.%I', made)::regclass;
END
$$;
COMMENT ON FUNCTION exchange.add_day(regclass, timestamptz) IS
    'Makes the partition by day of exchange.journal, market_data, trades, executions or finished_orders that a time is in, if it is not there, and returns it. The workers do so by themselves. It holds up nobody who reads or writes the table. Undone by ROLLBACK. Errors: 22004 (NULL), 22023 (another table, or an infinite time).';

REVOKE EXECUTE ON FUNCTION exchange.day_partitions(), exchange.add_day(regclass, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.day_partitions() TO exchange_reporter, exchange_admin;
GRANT EXECUTE ON FUNCTION exchange.add_day(regclass, timestamptz) TO exchange_admin;

CREATE OR REPLACE FUNCTION exchange.create_publications()
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Publication, comment, and its tables. A reporting database has the same tables: what is added
    -- here is added in migrations/reporting/ too.
    entry record;
    published text;
BEGIN
    FOR entry IN SELECT * FROM (VALUES
        ('exchange_market_data',
         'What everybody may see: instruments, trades, candles, and every public event in blocks.',
         ARRAY['instruments', 'trades', 'candles', 'market_data']),
        ('exchange_journal',
         'Every command, in blocks: see exchange.decode_journal().',
         ARRAY['journal']),
        ('exchange_reports',
         'What reporting and analytics databases need: all tables but the journal, the blocks of market data, the answers kept for retries and the positions of consumers.',
         ARRAY['open_orders', 'finished_orders', 'executions', 'trades', 'busted_trades', 'candles',
               'participants', 'accounts', 'currencies', 'fee_schedules', 'risk_limits',
               'cash', 'positions', 'transfers',
               'instruments', 'instrument_states', 'engine_state',
               'trading_hours', 'calendar_exceptions', 'trading_days',
               'closed_days', 'end_of_day_checks', 'end_of_day_statements', 'end_of_day_prices',
               'settlement_obligations', 'settlement_changes'])
        ) AS e (publication, comment, tables)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = entry.publication) THEN
            EXECUTE format('CREATE PUBLICATION %I', entry.publication);
        END IF;
        -- The partitions of a day come as the table that they are of. exchange.orders itself is not published: a
        -- change of an open order is found among the open ones.
        EXECUTE format('ALTER PUBLICATION %I SET (publish_via_partition_root = true)', entry.publication);
        EXECUTE format('COMMENT ON PUBLICATION %I IS %L', entry.publication, entry.comment);
        -- What the venue has added of its own stays.
        FOREACH published IN ARRAY entry.tables LOOP
            CONTINUE WHEN EXISTS (
                SELECT FROM pg_publication_rel AS r
                JOIN pg_publication AS p ON p.oid = r.prpubid
                WHERE p.pubname = entry.publication
                  AND r.prrelid = format('exchange.%I', published)::regclass);
            EXECUTE format('ALTER PUBLICATION %I ADD TABLE exchange.%I', entry.publication, published);
        END LOOP;
        -- As versions before had it. With it, all orders would come as one table.
        IF entry.publication = 'exchange_reports' AND EXISTS (
            SELECT FROM pg_publication_rel AS r
            JOIN pg_publication AS p ON p.oid = r.prpubid
            WHERE p.pubname = entry.publication AND r.prrelid = 'exchange.orders'::regclass)
        THEN
            EXECUTE format('ALTER PUBLICATION %I DROP TABLE exchange.orders', entry.publication);
        END IF;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION exchange.create_drop_copy(participant name)
RETURNS name
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    publication CONSTANT name := exchange.drop_copy_publication(participant);
    own_rows CONSTANT text := format(
        '(account_id = ANY (%L::integer[]))',
        ARRAY(SELECT a.account_id FROM exchange.accounts AS a
              WHERE a.owner = participant ORDER BY a.account_id));
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = publication) THEN
        EXECUTE format('CREATE PUBLICATION %I WITH (publish_via_partition_root = true)', publication);
        EXECUTE format('COMMENT ON PUBLICATION %I IS %L', publication,
                       format('The orders and executions of %s: see exchange.create_drop_copy().',
                              participant));
    END IF;
    EXECUTE format(
        'ALTER PUBLICATION %1$I SET TABLE exchange.open_orders WHERE %2$s,
                 exchange.finished_orders WHERE %2$s, exchange.executions WHERE %2$s',
        publication, own_rows);
    RETURN publication;
END
$$;

DO $retention$
DECLARE
    names CONSTANT text[] := ARRAY['journal', 'market_data', 'trades', 'executions', 'finished_orders'];
    tables CONSTANT oid[] := ARRAY(
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = 'exchange'::regnamespace AND c.relname = ANY (names));
    -- The clock of the exchange may be ahead of that on the wall.
    last_day CONSTANT date := (greatest(clock_timestamp(), (
            SELECT timestamptz '2000-01-01 00:00Z' + e.time_us * interval '1 microsecond' FROM exchange.engine_state AS e))
        AT TIME ZONE current_setting('exchange.time_zone'))::date;
    ends_at CONSTANT timestamptz := (last_day + 1)::timestamp AT TIME ZONE current_setting('exchange.time_zone');
    made text[];
    published jsonb;
    name text;
    was text;
    entry record;
BEGIN
    -- Functions whose bodies are bound to the tables, and views; what is published of them.
    SELECT array_agg(pg_get_functiondef(p.oid) ORDER BY p.oid) INTO made
    FROM pg_proc AS p
    WHERE p.prosqlbody IS NOT NULL AND EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY (tables));
    SELECT made || array_agg(format('CREATE OR REPLACE VIEW %s WITH (%s) AS %s', v.oid::regclass,
                                    array_to_string(v.reloptions, ', '), pg_get_viewdef(v.oid)) ORDER BY v.oid) INTO made
    FROM pg_class AS v
    WHERE v.relkind = 'v' AND EXISTS (
        SELECT FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = v.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY (tables));
    SELECT jsonb_agg(jsonb_build_object(
               'publication', p.pubname, 'name', c.relname, 'filter', pg_get_expr(r.prqual, r.prrelid))) INTO published
    FROM pg_publication_rel AS r
    JOIN pg_publication AS p ON p.oid = r.prpubid
    JOIN pg_class AS c ON c.oid = r.prrelid
    WHERE r.prrelid = ANY (tables);
    DROP FUNCTION exchange.executions_after(bigint, integer);
    DROP FUNCTION exchange.busts_since(timestamptz);

    ALTER TABLE exchange.orders DETACH PARTITION exchange.finished_orders;
    FOREACH name IN ARRAY names LOOP
        was := format('%s_until_%s', name, to_char(last_day, 'YYYYMMDD'));
        EXECUTE format('ALTER TABLE exchange.%I RENAME TO %I', name, was);
        FOR entry IN
            SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
            WHERE i.indrelid = format('exchange.%I', was)::regclass
        LOOP
            EXECUTE format('ALTER INDEX exchange.%I RENAME TO %I', entry.relname, replace(entry.relname, name, was));
        END LOOP;
        EXECUTE format('CREATE TABLE exchange.%I (LIKE exchange.%I INCLUDING COMMENTS INCLUDING STORAGE) PARTITION BY RANGE (%I)', name, was,
                       CASE name WHEN 'journal' THEN 'first_time_us' WHEN 'market_data' THEN 'first_at'
                                 WHEN 'finished_orders' THEN 'updated_at' ELSE 'executed_at' END);
        EXECUTE format('ALTER TABLE exchange.%I REPLICA IDENTITY FULL', name);
        EXECUTE format('COMMENT ON TABLE exchange.%I IS %L', name, obj_description(format('exchange.%I', was)::regclass));
        EXECUTE format('COMMENT ON TABLE exchange.%I IS %L', was, format('exchange.%s until %s.', name, last_day));
        IF name IN ('executions', 'finished_orders') THEN
            EXECUTE format('DROP POLICY own_rows ON exchange.%I', was);
            EXECUTE format('DROP POLICY all_rows ON exchange.%I', was);
            EXECUTE format('ALTER TABLE exchange.%I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('CREATE POLICY own_rows ON exchange.%I FOR SELECT TO exchange_trader
                            USING (account_id = ANY (ARRAY(SELECT a.account_id FROM exchange.accounts AS a)))', name);
            EXECUTE format('COMMENT ON POLICY own_rows ON exchange.%I IS %L', name,
                           'What concerns the roles that the reader is, or is a member of with inheritance.');
            EXECUTE format('CREATE POLICY all_rows ON exchange.%I FOR SELECT
                            TO exchange_admin, exchange_analyst, exchange_reporter USING (true)', name);
            EXECUTE format('COMMENT ON POLICY all_rows ON exchange.%I IS %L', name,
                           'The venue, and those who watch it, see everything.');
        END IF;
        EXECUTE format('GRANT SELECT ON exchange.%I TO exchange_reporter, exchange_admin', name);
        EXECUTE format('REVOKE ALL ON exchange.%I FROM PUBLIC, exchange_trader, exchange_analyst, exchange_reporter, exchange_admin', was);
        -- As the partitions that come after it: no members of the extension.
        EXECUTE format('ALTER EXTENSION pg_exchange DROP TABLE exchange.%I', was);
        EXECUTE format('ALTER TABLE exchange.%I ATTACH PARTITION exchange.%I FOR VALUES FROM (MINVALUE) TO (%L)', name, was,
                       CASE name WHEN 'journal' THEN (extract(epoch FROM ends_at) * 1000000 - 946684800000000)::bigint::text
                                 ELSE ends_at::text END);
    END LOOP;
    ALTER TABLE exchange.orders ATTACH PARTITION exchange.finished_orders
        FOR VALUES IN ('filled', 'cancelled', 'rejected', 'expired');
    GRANT SELECT ON exchange.trades, exchange.market_data TO PUBLIC;
    GRANT SELECT ON exchange.executions, exchange.finished_orders TO exchange_trader, exchange_analyst;

    FOREACH name IN ARRAY made LOOP
        EXECUTE name;
    END LOOP;

    -- Subscribers go on with the same names.
    FOR entry IN
        SELECT p.publication, p.name, p.filter
        FROM jsonb_to_recordset(published) AS p (publication text, name text, filter text)
    LOOP
        EXECUTE format('ALTER PUBLICATION %I DROP TABLE exchange.%I', entry.publication,
                       format('%s_until_%s', entry.name, to_char(last_day, 'YYYYMMDD')));
        EXECUTE format('ALTER PUBLICATION %I SET (publish_via_partition_root = true)', entry.publication);
        EXECUTE format('ALTER PUBLICATION %I ADD TABLE exchange.%I %s', entry.publication, entry.name,
                       'WHERE (' || entry.filter || ')');
    END LOOP;
    FOR entry IN
        SELECT p.pubname FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
        WHERE r.prrelid = 'exchange.orders'::regclass
    LOOP
        EXECUTE format('ALTER PUBLICATION %I DROP TABLE exchange.orders', entry.pubname);
        EXECUTE format('ALTER PUBLICATION %I ADD TABLE exchange.open_orders, exchange.finished_orders', entry.pubname);
    END LOOP;
END
$retention$;
COMMENT ON TABLE exchange.market_data IS
    'The public events in blocks, written with the other tables. Partitioned by day: a block is of one day. Read them with exchange.events_after(), exchange.quote_history() and exchange.depth_history(); a replica that needs all of them copies the blocks.';
COMMENT ON TABLE exchange.journal IS
    'Every command, in order, a batch a row; partitioned by day, and a batch is of one day. An order is answered (but under synchronous_commit = off) when its batch is committed here. Everything else in this schema can be made again from it.';

CREATE FUNCTION exchange.executions_after(after bigint, maximum integer DEFAULT 1000)
RETURNS SETOF exchange.executions
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sees_all  CONSTANT boolean := NOT row_security_active('exchange.executions')
        OR pg_has_role('exchange_admin', 'USAGE')
        OR pg_has_role('exchange_analyst', 'USAGE')
        OR pg_has_role('exchange_reporter', 'USAGE');
    from_time timestamptz;
    to_time   timestamptz;
    to_trade  bigint;
    width     bigint := maximum;
    batch     exchange.executions[];
BEGIN
    IF after IS NULL OR maximum IS NULL THEN
        RAISE EXCEPTION '% must not be NULL', CASE WHEN after IS NULL THEN 'after' ELSE 'maximum' END
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known, and nothing comes after one.',
                  HINT = 'For all executions, after is 0.';
    -- The bound keeps the sums below from an overflow.
    ELSIF maximum < 1 OR after NOT BETWEEN 0 AND 4611686018427387904 THEN
        RAISE EXCEPTION '% is out of range', CASE WHEN maximum < 1 THEN 'maximum' ELSE 'after' END
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', CASE WHEN maximum < 1 THEN maximum ELSE after END),
                  HINT = 'after is 0 or a trade_id, maximum at least 1.';
    END IF;
    -- Executions are indexed by account and time, which the tape knows of a trade.
    SELECT t.executed_at INTO from_time FROM exchange.trades AS t
    WHERE t.trade_id <= after ORDER BY t.trade_id DESC LIMIT 1;
    from_time := coalesce(from_time, '-infinity');
    -- Trade ids are dense, so a stretch of the tape has at most two executions a trade. It is
    -- made longer until enough of them are the caller's: however much there is after it, what is
    -- read is what is returned, a few times over.
    LOOP
        SELECT t.trade_id, t.executed_at INTO to_trade, to_time FROM exchange.trades AS t
        WHERE t.trade_id >= after + width ORDER BY t.trade_id LIMIT 1;
        to_trade := coalesce(to_trade, 9223372036854775807);
        to_time := coalesce(to_time, 'infinity');
        IF sees_all THEN
            SELECT array_agg(e ORDER BY e.trade_id, e.side) INTO batch
            FROM exchange.trades AS t
            JOIN exchange.executions AS e
                ON e.symbol = t.symbol AND e.executed_at = t.executed_at AND e.trade_id = t.trade_id
            WHERE t.trade_id > after AND t.trade_id <= to_trade;
        ELSE
            -- Row-level security adds the accounts.
            SELECT array_agg(e ORDER BY e.trade_id, e.side) INTO batch
            FROM exchange.executions AS e
            WHERE (e.executed_at, e.trade_id) > (from_time, after)
              AND (e.executed_at, e.trade_id) <= (to_time, to_trade);
        END IF;
        EXIT WHEN cardinality(batch) >= maximum OR to_time = 'infinity';
        width := width * 4;
    END LOOP;
    RETURN QUERY
    SELECT e.* FROM unnest(batch) AS e
    WHERE cardinality(batch) <= maximum OR e.trade_id <= batch[maximum].trade_id;
END
$$;
COMMENT ON FUNCTION exchange.executions_after(bigint, integer) IS
    'The executions after a trade that row-level security lets the caller see, a broker its own, in the order of trade_id: at most so many, and then the rest of the last trade (a broker may be both sides of one), so the trade_id of the last row is where to go on. Trades become visible in the order of their ids, so whoever goes on like this gets each execution exactly once. after: 0 for all. An execution that is busted after it was returned does not come again: exchange.busts_since() has it. Errors: 22004 (NULL), 22023 (after below 0, maximum below 1).';

CREATE FUNCTION exchange.busts_since(since timestamptz)
RETURNS SETOF exchange.executions
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.*
    FROM exchange.busted_trades AS b
    JOIN exchange.trades AS t USING (trade_id)
    JOIN exchange.executions AS e
        ON e.symbol = t.symbol AND e.executed_at = t.executed_at AND e.trade_id = t.trade_id
    WHERE b.busted_at >= $1
    ORDER BY b.busted_at, e.trade_id, e.side
$$;
COMMENT ON FUNCTION exchange.busts_since(timestamptz) IS
    'The executions whose trades were busted at a time or later, those that row-level security lets the caller see, a broker its own, in the order of busted_at. To follow them, go on from the busted_at of the last row: those of that very moment come again, and a trade is busted once, so leave out what is known. since: -infinity for all; NULL returns no rows. Errors: none.';
REVOKE EXECUTE ON FUNCTION exchange.executions_after(bigint, integer), exchange.busts_since(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.executions_after(bigint, integer), exchange.busts_since(timestamptz)
TO exchange_trader, exchange_analyst, exchange_reporter, exchange_admin;
