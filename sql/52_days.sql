-- The tables that only grow are partitioned by day, so that a day can leave as a whole, see
-- exchange.archive_day(). A day is that of exchange.time_zone, from midnight to midnight.
--
-- The workers, who write past SQL, find the partition of a row by its time, and have one made where there
-- is none; the scheduler makes those of the next days before they come. Partitions are no members of the
-- extension, so that a dump has them with their rows. Their indexes are their own: one of the whole
-- table would need the time in every key, and would be there twice after a dump was restored.

CREATE FUNCTION exchange.day_bounds(of_table regclass)
RETURNS TABLE (partition regclass, begins_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
-- Bounds are read as they are written.
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET timezone = 'UTC'
AS $$
    SELECT p.oid,
           CASE WHEN b.bounds[1] = 'MINVALUE' THEN timestamptz '-infinity'
                WHEN b.bounds[1] ~ '^-?[0-9]+$' THEN e.epoch + b.bounds[1]::bigint * e.unit
                ELSE b.bounds[1]::timestamptz END,
           CASE WHEN b.bounds[2] ~ '^-?[0-9]+$' THEN e.epoch + b.bounds[2]::bigint * e.unit
                ELSE b.bounds[2]::timestamptz END
    FROM pg_inherits AS i
    JOIN pg_class AS p ON p.oid = i.inhrelid
    CROSS JOIN LATERAL regexp_match(
        pg_get_expr(p.relpartbound, p.oid), 'FROM \(''?([^'')]+)''?\) TO \(''?([^'')]+)''?\)$') AS b (bounds)
    CROSS JOIN (SELECT timestamptz '2000-01-01 00:00Z' AS epoch, interval '1 microsecond' AS unit) AS e
    WHERE i.inhparent = of_table AND b.bounds IS NOT NULL
$$;
COMMENT ON FUNCTION exchange.day_bounds(regclass) IS
    'The partitions by day of a table, and from when to before when each of them goes: what exchange.day_partitions() shows of all. Nothing for another table.';

CREATE FUNCTION exchange.day_partitions()
RETURNS TABLE (
    table_name text,
    partition  text,
    begins_at  timestamptz,
    ends_at    timestamptz,
    rows       bigint,
    bytes      bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.relname, p.relname, b.begins_at, b.ends_at, greatest(p.reltuples, 0)::bigint, pg_total_relation_size(p.oid)
    FROM pg_class AS t
    CROSS JOIN LATERAL exchange.day_bounds(t.oid) AS b
    JOIN pg_class AS p ON p.oid = b.partition
    WHERE t.relnamespace = 'exchange'::regnamespace
      AND t.relname IN ('journal', 'market_data', 'trades', 'executions', 'finished_orders')
    ORDER BY b.begins_at, t.relname
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
    there regclass;
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
    SELECT p.partition INTO there FROM exchange.day_bounds(of_table) AS p
    WHERE p.begins_at <= at AND at < p.ends_at;
    IF FOUND THEN
        RETURN there;
    END IF;
    -- Where exchange.time_zone was another one, a day may be there in part.
    SELECT greatest(exchange.midnight(day), max(p.ends_at) FILTER (WHERE p.ends_at <= at)),
           least(exchange.midnight(day + 1), min(p.begins_at) FILTER (WHERE p.begins_at > at))
    INTO begins_at, ends_at
    FROM exchange.day_bounds(of_table) AS p;
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
