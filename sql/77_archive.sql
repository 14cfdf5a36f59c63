-- A closed date leaves: into files, and then out of the tables.
--
-- A partition has a day of the calendar, and a trade date ends where it was closed, so what came after that is
-- of the next date and in the same partition. A partition is therefore dropped with the date that its last row
-- is of: usually its own, or the one after.

CREATE FUNCTION exchange.archive_refusal(trade_date date)
RETURNS TABLE (message text, detail text, hint text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    day CONSTANT date := trade_date;
    closed exchange.closed_days;
    last exchange.closed_days;
    earlier date;
    obstacle record;
BEGIN
    SELECT d.* INTO closed FROM exchange.closed_days AS d WHERE d.trade_date = day;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'the day is not closed', format('What happened on %s may still change, or is a part of the date after.', day),
            format('SELECT * FROM exchange.close_day(%L); closes it, and exchange.closed_days shows those that are.', day);
        RETURN;
    END IF;
    SELECT format('Trade date %s was archived at %s by %s, into %s.', d.trade_date, d.archived_at, d.archived_by, d.folder) AS detail
    INTO obstacle FROM exchange.archived_days AS d WHERE d.trade_date = day;
    IF FOUND THEN
        RETURN QUERY SELECT 'the day is archived already', obstacle.detail, format('SELECT * FROM exchange.archived_files WHERE trade_date = %L;', day);
        RETURN;
    END IF;
    SELECT min(d.trade_date) INTO earlier FROM exchange.closed_days AS d
    WHERE NOT EXISTS (SELECT FROM exchange.archived_days AS a WHERE a.trade_date = d.trade_date);
    IF earlier < day THEN
        RETURN QUERY SELECT 'another day is to be archived first', format('Trade date %s is closed and in the tables, which go on from one moment.', earlier),
            format('SELECT * FROM exchange.archive_day(%L, …);', earlier);
        RETURN;
    END IF;

    SELECT format('%s of its obligations are %s, the first of account %s in %s, due on %s.', count(*),
                  string_agg(DISTINCT o.status::text, ' or '), (array_agg(o.account_id ORDER BY o.account_id, o.symbol))[1],
                  (array_agg(o.symbol ORDER BY o.account_id, o.symbol))[1], min(o.settlement_date)) AS detail
    INTO obstacle FROM exchange.settlement_obligations AS o
    WHERE o.trade_date = day AND o.status <> 'settled' HAVING count(*) > 0;
    IF FOUND THEN
        RETURN QUERY SELECT 'the day is not settled', obstacle.detail,
            'exchange.settle_obligations() notes what has settled, failed obligations too.';
    END IF;

    SELECT d.* INTO last FROM exchange.closed_days AS d ORDER BY d.trade_date DESC LIMIT 1;
    SELECT b.trade_id, b.busted_at INTO obstacle FROM exchange.busted_trades AS b
    WHERE b.trade_id <= closed.last_trade_id AND b.busted_at >= last.ends_at ORDER BY b.trade_id LIMIT 1;
    IF FOUND THEN
        RETURN QUERY SELECT 'a bust of the day is of a date that is not closed',
            format('Trade %s was busted at %s, and the last date that is closed is %s.', obstacle.trade_id, obstacle.busted_at, last.trade_date),
            'Close the date of the bust first: its movements are reckoned from the executions.';
    END IF;

    SELECT s.published, s.projected, s.durable INTO obstacle FROM exchange.statistics() AS s
    WHERE least(s.published, s.projected, s.durable) < closed.last_sequence;
    IF FOUND THEN
        RETURN QUERY SELECT 'the workers are not past the day',
            format('The day ends with command %s; durable is %s, projected %s, published %s.', closed.last_sequence, obstacle.durable, obstacle.projected, obstacle.published),
            'Wait until they are, or look at exchange.status for why they are not.';
    END IF;

    SELECT format('Partition %s of the consumer "%s" of %s is acknowledged up to command %s, and there are events up to %s.',
                  p.partition, p.name, p.owner, p.acknowledged, e.last_sequence) AS detail, p.name INTO obstacle
    FROM (SELECT max(m.last_sequence) AS last_sequence FROM exchange.market_data AS m
          WHERE m.first_at < closed.ends_at) AS e
    JOIN exchange.consumer_partitions AS p ON p.acknowledged < e.last_sequence
    ORDER BY p.acknowledged, p.name, p.partition LIMIT 1;
    IF FOUND THEN
        RETURN QUERY SELECT 'a consumer has not acknowledged the day', obstacle.detail,
            format('Wait for it, or give it up with SELECT exchange.drop_consumer(%L); by its owner.', obstacle.name);
    END IF;
END
$$;
COMMENT ON FUNCTION exchange.archive_refusal(date) IS
    'Why exchange.archive_day() would refuse a trade date, a row a reason: message, detail and hint of its error. Nothing where it would not, but for subscribers that have to confirm what was written before it is called.';

CREATE FUNCTION exchange.archive_day(trade_date date, folder text)
RETURNS TABLE (file text, rows bigint, bytes bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 20
-- It drops partitions, and nobody else writes the tables of archived days.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    day CONSTANT date := trade_date;
    into_folder CONSTANT text := rtrim(folder, '/');
    -- Who calls: this function runs as its owner.
    caller CONSTANT text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    lock_timeout CONSTANT text := current_setting('lock_timeout');
    -- How long a subscriber may take to confirm, and others to let go of the tables.
    patience CONSTANT interval := coalesce(nullif(lock_timeout::interval, interval '0'), interval '30 seconds');
    began_lsn CONSTANT pg_lsn := pg_current_wal_lsn();
    closed exchange.closed_days;
    last exchange.archived_days;
    begins_at timestamptz;
    busts bigint;
    refusal record;
    content record;
    sealed record;
    written exchange.archived_files;
    files exchange.archived_files[] := '{}';
    moment timestamptz;
    refresh_at timestamptz;
    partition record;
    is_over boolean;
    dropped text[] := '{}';
    of_tables text[] := '{}';
    slot record;
    give_up_at timestamptz;
BEGIN
    IF day IS NULL OR folder IS NULL THEN
        RAISE EXCEPTION '% is NULL', CASE WHEN day IS NULL THEN 'trade_date' ELSE 'folder' END
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'A closed date is written into a folder of the server.',
                  HINT = 'Give both, as in exchange.archive_day(DATE ''2026-11-25'', ''/var/lib/postgresql/archive'').';
    END IF;
    IF NOT pg_has_role(caller, 'pg_write_server_files', 'USAGE') THEN
        RAISE EXCEPTION 'permission denied to write files of the server'
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('%I has not the privileges of the role pg_write_server_files.', caller),
                  HINT = format('GRANT pg_write_server_files TO %I;', caller);
    END IF;
    -- Each statement is to see what happened before it.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the transaction is %', current_setting('transaction_isolation')
            USING ERRCODE = 'active_sql_transaction', DETAIL = 'It sees the tables as they were when it began.',
                  HINT = 'Archive the day in a transaction of ISOLATION LEVEL READ COMMITTED.';
    END IF;
    -- One at a time, and none while a day is being closed; who only reads is not held up.
    LOCK TABLE exchange.closed_days, exchange.archived_days IN SHARE ROW EXCLUSIVE MODE;

    FOR refusal IN SELECT r.* FROM exchange.archive_refusal(day) AS r LOOP
        RAISE EXCEPTION '%', refusal.message
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = refusal.detail, HINT = refusal.hint;
    END LOOP;
    SELECT d.* INTO closed FROM exchange.closed_days AS d WHERE d.trade_date = day;
    SELECT d.* INTO last FROM exchange.archived_days AS d ORDER BY d.trade_date DESC LIMIT 1;
    -- The first one has all that was before it.
    begins_at := coalesce(last.ends_at, '-infinity');
    SELECT count(*) INTO busts FROM exchange.busted_trades AS b WHERE b.trade_id <= closed.last_trade_id;

    -- 1. The files. Nothing of a closed date changes any more but by a bust, which is looked for below.
    FOR content IN
        SELECT t.name, format('SELECT * FROM %s WHERE %s ORDER BY %s', t.name, t.condition, t.order) AS query
        FROM (VALUES
            ('exchange.journal', format('first_time_us < %s AND first_sequence <= %s AND first_sequence > %s',
                 ceil(extract(epoch FROM closed.ends_at) * 1000000 - 946684800000000), closed.last_sequence, coalesce(last.last_sequence, 0)), 'first_sequence'),
            ('exchange.market_data', format('first_at < %L AND first_at >= %L', closed.ends_at, begins_at), 'first_sequence'),
            ('exchange.trades', format('executed_at < %L AND executed_at >= %L', closed.ends_at, begins_at), 'trade_id'),
            ('exchange.executions', format('executed_at < %L AND executed_at >= %L', closed.ends_at, begins_at), 'trade_id, side'),
            ('exchange.finished_orders', format('updated_at < %L AND updated_at >= %L', closed.ends_at, begins_at), 'order_id')
        ) AS t (name, condition, "order")
        UNION ALL
        SELECT r.report, r.query FROM exchange.day_reports(day) AS r
    LOOP
        file := format('%s/%s_%s.csv', into_folder, day, content.name);
        EXECUTE format('COPY (%s) TO %L WITH (FORMAT csv, HEADER)', content.query, file);
        GET DIAGNOSTICS rows = ROW_COUNT;
        SELECT c.* INTO sealed FROM exchange.compress_file(file) AS c;
        written := ROW(day, content.name, substr(sealed.file, length(into_folder) + 2), rows, sealed.bytes, sealed.sha256);
        files := files || written;
        file := sealed.file;
        bytes := sealed.bytes;
        RETURN NEXT;
    END LOOP;
    file := format('%s/%s_manifest.csv', into_folder, day);
    EXECUTE format(
        'COPY (SELECT f.trade_date, f.content, f.file, f.rows, f.bytes, f.sha256, %L::bigint AS first_sequence,
                      %L::bigint AS last_sequence, %L::timestamptz AS begins_at, %L::timestamptz AS ends_at
               FROM unnest(%L::exchange.archived_files[]) AS f) TO %L WITH (FORMAT csv, HEADER)',
        coalesce(last.last_sequence, 0) + 1, closed.last_sequence, begins_at, closed.ends_at, files, file);
    SELECT c.file, cardinality(files), c.bytes INTO file, rows, bytes FROM exchange.compress_file(file) AS c;
    RETURN NEXT;

    -- 2. Subscribers must have confirmed what was written before: one that is lost has to copy the tables anew.
    give_up_at := clock_timestamp() + patience;
    LOOP
        SELECT s.slot_name, s.confirmed_flush_lsn, s.active INTO slot
        FROM pg_replication_slots AS s
        WHERE s.slot_type = 'logical' AND s.database = current_database() AND s.wal_status <> 'lost'
          AND s.confirmed_flush_lsn < began_lsn
        ORDER BY s.confirmed_flush_lsn LIMIT 1;
        EXIT WHEN NOT FOUND;
        IF clock_timestamp() >= give_up_at THEN
            RAISE EXCEPTION 'a subscriber has not confirmed the day'
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = format('The slot %s, which is %s, has confirmed up to %s, and not %s.', slot.slot_name,
                                      CASE WHEN slot.active THEN 'active' ELSE 'inactive' END, slot.confirmed_flush_lsn, began_lsn),
                      HINT = format('Wait for it (exchange.replication_slots); or, if it is gone for ever: SELECT pg_drop_replication_slot(%L);', slot.slot_name);
        END IF;
        PERFORM pg_sleep(0.1);
    END LOOP;

    -- 3. What can go: partitions that end before the time of the exchange, with nothing of a later date in them.
    -- Books of a later date must be followed from a refresh, which the last one before it may have.
    SELECT greatest(timestamptz '2000-01-01 00:00Z' + e.time_us * interval '1 microsecond',
                    CASE WHEN NOT current_setting('exchange.simulated_clock')::boolean THEN clock_timestamp() END)
    INTO moment FROM exchange.engine_state AS e;
    SELECT max(m.first_at) INTO refresh_at FROM exchange.market_data AS m
    WHERE m.has_refresh AND m.first_at < closed.ends_at;
    FOR partition IN
        SELECT p.* FROM exchange.day_partitions() AS p
        WHERE p.begins_at < closed.ends_at
          AND p.ends_at <= moment
    LOOP
        EXECUTE format(CASE partition.table_name
            WHEN 'journal' THEN 'SELECT last_sequence <= $2 FROM exchange.%I ORDER BY first_sequence DESC LIMIT 1'
            WHEN 'market_data' THEN 'SELECT last_at < $1 FROM exchange.%I ORDER BY first_sequence DESC LIMIT 1'
            WHEN 'trades' THEN 'SELECT executed_at < $1 FROM exchange.%I ORDER BY trade_id DESC LIMIT 1'
            WHEN 'executions' THEN 'SELECT max(executed_at) < $1 FROM exchange.%I'
            WHEN 'finished_orders' THEN 'SELECT max(updated_at) < $1 FROM exchange.%I'
            END, partition.partition)
        INTO is_over USING closed.ends_at, closed.last_sequence;
        -- NULL where it is empty.
        IF is_over IS NOT FALSE AND (partition.table_name <> 'market_data' OR partition.ends_at <= refresh_at) THEN
            dropped := dropped || format('exchange.%I', partition.partition);
            of_tables := of_tables || format('exchange.%I', partition.table_name);
        END IF;
    END LOOP;

    -- So that what comes after can be replayed from there.
    IF closed.last_sequence > 0 THEN
        PERFORM exchange.keep_mark(closed.last_sequence);
    END IF;
    INSERT INTO exchange.archived_last_trades
    SELECT t.symbol, t.trade_id, t.price, t.quantity, t.executed_at
    FROM exchange.instruments AS i
    CROSS JOIN LATERAL (SELECT t.* FROM exchange.trades AS t
                        WHERE t.symbol = i.symbol AND t.executed_at >= begins_at AND t.executed_at < closed.ends_at
                        ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1) AS t
    ON CONFLICT (symbol) DO UPDATE
    SET trade_id = excluded.trade_id, price = excluded.price, quantity = excluded.quantity, executed_at = excluded.executed_at;
    INSERT INTO exchange.archived_days
    VALUES (day, begins_at, closed.ends_at, coalesce(last.last_sequence, 0) + 1, closed.last_sequence,
            coalesce((SELECT max(m.last_sequence) FROM exchange.market_data AS m WHERE m.first_at < closed.ends_at),
                     last.last_event_sequence, 0),
            closed.last_trade_id, into_folder, clock_timestamp(), session_user);
    INSERT INTO exchange.archived_files SELECT f.* FROM unnest(files) AS f;

    -- 4. Readers of the tables wait from here on until the transaction ends; the workers write into partitions of
    -- other days, and do not. Nobody is to wait long for who reads long, so it is tried again and again.
    IF cardinality(dropped) > 0 THEN
        SELECT array_agg(DISTINCT t.name) INTO of_tables FROM unnest(of_tables) AS t (name);
        give_up_at := clock_timestamp() + patience;
        PERFORM set_config('lock_timeout', '200ms', true);
        LOOP
            BEGIN
                EXECUTE (SELECT format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', string_agg('ONLY ' || t.name, ', '))
                         FROM unnest(of_tables) AS t (name));
                EXIT;
            EXCEPTION WHEN lock_not_available THEN
                IF clock_timestamp() >= give_up_at THEN
                    RAISE EXCEPTION 'the tables are being read'
                        USING ERRCODE = 'lock_not_available',
                              DETAIL = format('For %s other transactions have not let go of %s.', patience, array_to_string(of_tables, ', ')),
                              HINT = 'Nothing was dropped. Call it again when they have ended; pg_locks shows who they are.';
                END IF;
                PERFORM pg_sleep(0.1);
            END;
        END LOOP;
        PERFORM set_config('lock_timeout', lock_timeout, true);
    END IF;
    IF busts <> (SELECT count(*) FROM exchange.busted_trades AS b WHERE b.trade_id <= closed.last_trade_id) THEN
        RAISE EXCEPTION 'a trade of the day was busted while it was written'
            USING ERRCODE = 'object_in_use', DETAIL = 'The files do not have that.', HINT = 'Nothing was dropped. Call it again.';
    END IF;
    IF cardinality(dropped) > 0 THEN
        EXECUTE format('DROP TABLE %s', array_to_string(dropped, ', '));
    END IF;
END
$$;
COMMENT ON FUNCTION exchange.archive_day(date, text) IS
    'Writes everything of a closed trade date into files of the server, and drops it: the rows of exchange.journal, market_data, trades, executions and finished_orders, and the reports that exchange.export_day() writes, as CSV with a header, compressed by gzip, DATE_CONTENT.csv.gz each, and a manifest. Returns the files with their rows and bytes; exchange.archived_days and archived_files keep that, with checksums. Files are on disk before anything is dropped; files of that name are replaced. Dates go oldest first. A partition is dropped with the date that its last row is of, so what came after the close of the market goes with the next date, and so does a partition that books of that date are followed from. folder: an absolute path that the server may write to. The caller needs the role pg_write_server_files. It holds up nobody who trades; who reads the tables waits from when the partitions are dropped until the transaction ends, so let it be one of its own. How long it waits for others, at most, is lock_timeout, or 30 seconds where that is 0. Undone by ROLLBACK, but for the files. Errors: 22004 (NULL), 25001 (the transaction is not READ COMMITTED), 42501 (a missing role), 42602 (a relative path), 55000 (something needs the date still: see exchange.archive_refusal(); or a subscriber has not confirmed it), 55006 (a trade of it was busted meanwhile), 55P03 (others read the tables for too long), 58P01 (no such folder).';

CREATE FUNCTION exchange.compress_file(path text)
RETURNS TABLE (file text, bytes bigint, sha256 text)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1
AS 'MODULE_PATHNAME', 'compress_file_wrapper';
COMMENT ON FUNCTION exchange.compress_file(text) IS
    'Replaces a file of the server by what gzip makes of it, PATH.gz, and returns that when it is on disk, with its size and its SHA-256 in hexadecimal digits. path: absolute. The caller needs the role pg_write_server_files. Not undone by ROLLBACK. Errors: 22004 (NULL), 42501 (a missing role, or the server may not write there), 42602 (a relative path), 53100 (the disk is full), 58P01 (no such file), 58030 (any other error of the file system).';
