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
    'The book of one symbol by price (L2) as it was at a moment: after the last command whose time is not after it. The columns are those of exchange.order_book(): price, quantity and number of orders of each level, of what is displayed, best prices first. No rows where nothing was displayed. depth: at least 1. It follows the public events in exchange.market_data from the last place before that moment where all books are told anew, at most 1,048,576 commands earlier. Write a literal as timestamptz ''...'', or name the argument: at => ''...''. Errors: 22004 (NULL), 22023 (depth below 1; a moment in the future, or before all that exchange.market_data has), 42704 (unknown symbol), 55000 (a moment that was archived; one that the tables do not show yet: on a standby every one after the last command that they show), XX001 (a damaged block).';

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

-- Where a replay can begin.

CREATE TABLE exchange.replay_marks (
    sequence             bigint PRIMARY KEY,
    at                   timestamptz NOT NULL,
    event_hash           bigint NOT NULL,
    maximum_open_orders  integer NOT NULL,
    maximum_price_levels integer NOT NULL,
    maximum_positions    integer NOT NULL,
    client_order_window  integer NOT NULL,
    parts                integer NOT NULL
);
COMMENT ON TABLE exchange.replay_marks IS
    'The engine as it was after some commands, for replays of the journal to begin there: where exchange.keep_mark() was called, where a day was archived, and where the bounds were set to others. No worker reads it: recovery begins with the tables of the state, and only a replay of the past with this.';
COMMENT ON COLUMN exchange.replay_marks.sequence IS 'The command; 0 for the engine before the first one.';
COMMENT ON COLUMN exchange.replay_marks.at IS 'Its time.';
COMMENT ON COLUMN exchange.replay_marks.event_hash IS 'The engine''s running hash over all events up to there.';
COMMENT ON COLUMN exchange.replay_marks.maximum_open_orders IS 'The bound under which the commands after it are executed.';
COMMENT ON COLUMN exchange.replay_marks.maximum_price_levels IS 'The bound under which the commands after it are executed.';
COMMENT ON COLUMN exchange.replay_marks.maximum_positions IS 'The bound under which the commands after it are executed.';
COMMENT ON COLUMN exchange.replay_marks.client_order_window IS 'For how many commands a client order id is remembered by the engine after it.';
COMMENT ON COLUMN exchange.replay_marks.parts IS 'How many rows of exchange.replay_mark_parts it has.';

CREATE TABLE exchange.replay_mark_parts (
    sequence bigint NOT NULL REFERENCES exchange.replay_marks ON DELETE CASCADE,
    part     integer NOT NULL,
    checksum bigint NOT NULL,
    records  bytea NOT NULL,
    PRIMARY KEY (sequence, part)
);
-- They are compact already: do not spend time on compressing them.
ALTER TABLE exchange.replay_mark_parts ALTER COLUMN records SET STORAGE EXTERNAL;
COMMENT ON TABLE exchange.replay_mark_parts IS 'The records that the engines of exchange.replay_marks are made of.';
COMMENT ON COLUMN exchange.replay_mark_parts.sequence IS 'Of which mark.';
COMMENT ON COLUMN exchange.replay_mark_parts.part IS 'Its place among the parts, from 0.';
COMMENT ON COLUMN exchange.replay_mark_parts.checksum IS 'CRC-32C of records.';
COMMENT ON COLUMN exchange.replay_mark_parts.records IS 'Records, encoded one after the other: see matcher/src/record.rs.';

CREATE FUNCTION exchange.keep_mark(sequence bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100000
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'keep_mark_wrapper';
COMMENT ON FUNCTION exchange.keep_mark(bigint) IS
    'Keeps the engine as it was after a command, by default the last one that the tables show, in exchange.replay_marks, so that exchange.order_history() and exchange.replay_check() can begin there; returns the command. It executes the journal from the mark before, and compares the hashes of all rows on the way; where there is a mark already it does nothing. A ROLLBACK undoes it. Errors: 22023 (below 1), 25006 (on a standby), 55000 (not in the journal yet, or archived), XX001 (the journal, or the mark before, is damaged).';

CREATE FUNCTION exchange.replay_check(from_sequence bigint DEFAULT NULL, to_sequence bigint DEFAULT NULL)
RETURNS TABLE (
    checked        text,
    first_sequence bigint,
    last_sequence  bigint,
    commands       bigint,
    checksum_ok    boolean,
    recorded_hash  bigint,
    computed_hash  bigint,
    is_sound       boolean,
    problem        text)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 1000
AS 'MODULE_PATHNAME', 'replay_check_wrapper';
COMMENT ON FUNCTION exchange.replay_check(bigint, bigint) IS
    'Executes the journal again, in an engine of its own, and compares: a row for each row of the journal that has commands from from_sequence (by default the first that is not archived) to to_sequence (by default the last one), both included, in their order. checked: ''journal'', for a row of it, or for commands that no row has; ''mark'', for a mark of exchange.replay_marks on the way, compared record by record; ''tables'', where the replay comes to the command that the tables show: accounts, money, positions, limits, orders and all else that the engine knows, compared record by record. first_sequence, last_sequence: the commands that it is about. commands: how many the row has. checksum_ok: whether the checksum is that of the commands. recorded_hash: the running hash of events as the row (mark, tables) says; computed_hash: as the replay came to it, NULL where it was not executed. is_sound: whether all agrees; else problem says what does not. It begins at the last mark before from_sequence, and reports rows before that only where they are not sound. Where it cannot go on (a row is missing, damaged or cannot be executed), it looks at checksums alone until there is a mark to go on from. Errors: 22023 (from_sequence below 1, or after to_sequence), 55000 (to_sequence is not in the journal yet, or from_sequence is archived).';

-- The life of an order.

CREATE TYPE exchange.order_event AS ENUM
    ('placed', 'rejected', 'rested', 'trade', 'reduced', 'replaced', 'replace_rejected', 'refilled', 'triggered',
     'stop_moved', 'cancelled', 'expired', 'bust');
COMMENT ON TYPE exchange.order_event IS
    'What can happen to an order. placed: it was sent. rejected: it was declined. rested: it, or what was left of it, waits from here on. trade: it traded. reduced: it became smaller, and kept its place. replaced: it was taken out to be entered anew; what comes of it follows. replace_rejected: it stays as it was, because what it was to be replaced by was declined. refilled: an iceberg order shows its next part. triggered: a stop order was reached; what comes of it follows. stop_moved: the stop price of a trailing stop followed the market. cancelled, expired: it, or what was left of it, is finished. bust: a trade of it was cancelled.';

CREATE FUNCTION exchange.order_history(order_id bigint)
RETURNS TABLE (
    sequence           bigint,
    at                 timestamptz,
    event              exchange.order_event,
    price              numeric,
    quantity           bigint,
    remaining_quantity bigint,
    stop_price         numeric,
    trade_id           bigint,
    liquidity          exchange.liquidity,
    reason             text)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000000 ROWS 10
AS 'MODULE_PATHNAME', 'order_history_wrapper';
COMMENT ON FUNCTION exchange.order_history(bigint) IS
    'Everything that happened to an order, in its order, with the command and the time of each: what the tables show of an order is where it came to, this is how. price: as it was sent (NULL where it was left open), the limit price that it rests or rested at, the price of a trade. quantity: of placed and replaced the whole, what has traded included; of a trade or bust, what traded; of reduced, by how much; of refilled, what it displays now; of cancelled and expired, what was taken out. remaining_quantity: what still waits after it. stop_price: of stop_moved. trade_id: see exchange.trades. liquidity: of a trade. reason: the reject or cancel reason. It executes the journal again from the last mark (exchange.keep_mark()) before the order was placed to its end, or to what the tables show while it is open. Rows for an order that the caller may see in exchange.orders; none for any other. Errors: 22004 (NULL), 55000 (the order was placed in what is archived), XX001 (the journal is damaged).';

-- Under which bounds the journal was written is not known from before: under those in force, as long
-- as nobody set others.
INSERT INTO exchange.replay_marks
SELECT 0, timestamptz '2000-01-01 00:00Z', 0, maximum_open_orders, maximum_price_levels, maximum_positions,
       client_order_window, 0
FROM exchange.engine_state;

REVOKE EXECUTE ON FUNCTION
    exchange.order_book_at(text, timestamptz, integer),
    exchange.order_book_at(text, bigint, integer),
    exchange.keep_mark(bigint),
    exchange.replay_check(bigint, bigint),
    exchange.order_history(bigint)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    exchange.order_book_at(text, timestamptz, integer),
    exchange.order_book_at(text, bigint, integer)
TO PUBLIC, exchange_admin;
GRANT EXECUTE ON FUNCTION exchange.order_history(bigint)
TO exchange_trader, exchange_analyst, exchange_reporter, exchange_admin;
GRANT EXECUTE ON FUNCTION exchange.replay_check(bigint, bigint) TO exchange_reporter, exchange_admin;
GRANT EXECUTE ON FUNCTION exchange.keep_mark(bigint) TO exchange_admin;
GRANT SELECT ON exchange.replay_marks, exchange.replay_mark_parts TO exchange_reporter, exchange_admin;
SELECT pg_catalog.pg_extension_config_dump('exchange.replay_marks', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.replay_mark_parts', '');
-- the past on request: end

-- Retention: the tables that only grow are partitioned by day. Those of before are the first partition of
-- each, with all that was until now: no row is moved. What names them is made anew, of the new ones.

CREATE TABLE exchange.archived_days (
    trade_date          date PRIMARY KEY REFERENCES exchange.closed_days,
    begins_at           timestamptz NOT NULL,
    ends_at             timestamptz NOT NULL,
    first_sequence      bigint NOT NULL,
    last_sequence       bigint NOT NULL,
    last_event_sequence bigint NOT NULL,
    last_trade_id       bigint NOT NULL,
    folder              text NOT NULL,
    archived_at         timestamptz NOT NULL,
    archived_by         text COLLATE "C" NOT NULL
);
COMMENT ON TABLE exchange.archived_days IS
    'The trade dates whose rows were written into files and dropped, oldest first without a gap. Written by exchange.archive_day(), a row a date.';
COMMENT ON COLUMN exchange.archived_days.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.archived_days.begins_at IS
    'What happened from here on, and before ends_at, is in its files: the ends_at of the date before; -infinity for the first, which has all that was before it.';
COMMENT ON COLUMN exchange.archived_days.ends_at IS 'What happened from here on is of a later date.';
COMMENT ON COLUMN exchange.archived_days.first_sequence IS 'The first command in its files.';
COMMENT ON COLUMN exchange.archived_days.last_sequence IS
    'The last command of the date. The row of the journal that has it is in its files as a whole, even where that row has the first commands of the date after.';
COMMENT ON COLUMN exchange.archived_days.last_event_sequence IS
    'The last command of which there is a public event in the files of this date, or of one before; 0 for none.';
COMMENT ON COLUMN exchange.archived_days.last_trade_id IS 'The last trade id that was given out by its end.';
COMMENT ON COLUMN exchange.archived_days.folder IS 'The folder of the server that the files were written into.';
COMMENT ON COLUMN exchange.archived_days.archived_at IS 'When, by the clock of the server.';
COMMENT ON COLUMN exchange.archived_days.archived_by IS 'The role that did it, as it logged in.';

CREATE TABLE exchange.archived_files (
    trade_date date NOT NULL REFERENCES exchange.archived_days,
    content    text COLLATE "C" NOT NULL,
    file       text COLLATE "C" NOT NULL,
    rows       bigint NOT NULL,
    bytes      bigint NOT NULL,
    sha256     text COLLATE "C" NOT NULL,
    PRIMARY KEY (trade_date, content)
);
COMMENT ON TABLE exchange.archived_files IS
    'The files that exchange.archive_day() wrote: CSV with a header, compressed by gzip. docs/retention.md shows how to read them.';
COMMENT ON COLUMN exchange.archived_files.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.archived_files.content IS
    'What is in it: rows of a table, such as exchange.trades, with its columns; or a report of exchange.day_reports().';
COMMENT ON COLUMN exchange.archived_files.file IS 'Its name in the folder that exchange.archived_days names.';
COMMENT ON COLUMN exchange.archived_files.rows IS 'How many rows it has, without the header.';
COMMENT ON COLUMN exchange.archived_files.bytes IS 'How large it is.';
COMMENT ON COLUMN exchange.archived_files.sha256 IS 'SHA-256 of the file, in hexadecimal digits, as sha256sum prints it.';

CREATE TABLE exchange.archived_last_trades (
    symbol      text COLLATE "C" PRIMARY KEY,
    trade_id    bigint NOT NULL,
    price       numeric NOT NULL,
    quantity    bigint NOT NULL,
    executed_at timestamptz NOT NULL
);
COMMENT ON TABLE exchange.archived_last_trades IS
    'The last trade of every instrument among those that were archived, for instruments that have not traded since: what exchange.best_quotes shows of them after a restart.';
COMMENT ON COLUMN exchange.archived_last_trades.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.archived_last_trades.trade_id IS 'The trade.';
COMMENT ON COLUMN exchange.archived_last_trades.price IS 'Its price.';
COMMENT ON COLUMN exchange.archived_last_trades.quantity IS 'How much.';
COMMENT ON COLUMN exchange.archived_last_trades.executed_at IS 'When.';

CREATE FUNCTION exchange.is_kept(at timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last exchange.archived_days;
BEGIN
    SELECT d.* INTO last FROM exchange.archived_days AS d ORDER BY d.trade_date DESC LIMIT 1;
    IF at < last.ends_at THEN
        RAISE EXCEPTION 'what is asked for was archived'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It begins at %s; rows of before %s are in the files of %s.', at, last.ends_at, last.folder),
                  HINT = 'Ask from then on; take what is frozen in exchange.end_of_day_statements and end_of_day_prices; ask a reporting database; or load the files of exchange.archived_files, as docs/retention.md shows.';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION exchange.is_kept(timestamptz) IS
    'True where all that happened from a moment on is in the tables; functions of the past ask it first. NULL is kept. Error: 55000 (some of it was archived; the detail says until when).';

CREATE FUNCTION exchange.events_are_kept(after bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last exchange.archived_days;
BEGIN
    SELECT d.* INTO last FROM exchange.archived_days AS d ORDER BY d.trade_date DESC LIMIT 1;
    IF after > 0 AND after < last.last_event_sequence THEN
        RAISE EXCEPTION 'what is asked for was archived'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It begins after command %s; events up to command %s are in the files of %s.', after, last.last_event_sequence, last.folder),
                  HINT = 'Ask for all that there are (0); or load the files of exchange.archived_files, as docs/retention.md shows.';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION exchange.events_are_kept(bigint) IS
    'True where all public events after a command are in exchange.market_data; or where it is 0, which stands for all that there are. exchange.events_after() asks it first. Error: 55000 (some were archived; the detail says up to which command).';

CREATE FUNCTION exchange.commands_are_kept(after bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last exchange.archived_days;
BEGIN
    SELECT d.* INTO last FROM exchange.archived_days AS d ORDER BY d.trade_date DESC LIMIT 1;
    IF after < last.last_sequence THEN
        RAISE EXCEPTION 'what is asked for was archived'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It begins after command %s; all up to command %s is in the files of %s.', after, last.last_sequence, last.folder),
                  HINT = format('Ask for what is after command %s; or load the files of exchange.archived_files, as docs/retention.md shows.', last.last_sequence);
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION exchange.commands_are_kept(bigint) IS
    'True where all commands after one are in exchange.journal; exchange.journal_commands() asks it first. Error: 55000 (some were archived; the detail says up to which).';

CREATE FUNCTION exchange.executions_are_kept(after bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last exchange.archived_days;
BEGIN
    SELECT d.* INTO last FROM exchange.archived_days AS d ORDER BY d.trade_date DESC LIMIT 1;
    IF after > 0 AND after < last.last_trade_id THEN
        RAISE EXCEPTION 'what is asked for was archived'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It begins after trade %s; trades up to %s are in the files of %s.', after, last.last_trade_id, last.folder),
                  HINT = 'Ask for all that there are (0); or load the files of exchange.archived_files, as docs/retention.md shows.';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION exchange.executions_are_kept(bigint) IS
    'True where all executions after a trade are in exchange.executions; or where it is 0, which stands for all that there are. exchange.executions_after() asks it first. Error: 55000 (some were archived; the detail says up to which trade).';

CREATE FUNCTION exchange.busts_are_kept("from" timestamptz, "to" timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last exchange.archived_days;
    bust exchange.busted_trades;
BEGIN
    SELECT d.* INTO last FROM exchange.archived_days AS d ORDER BY d.trade_date DESC LIMIT 1;
    SELECT b.* INTO bust FROM exchange.busted_trades AS b
    WHERE b.trade_id <= last.last_trade_id AND b.busted_at >= $1 AND b.busted_at < $2
    ORDER BY b.busted_at LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'what is asked for was archived'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('Trade %s was busted at %s, and its executions are in the files of %s.', bust.trade_id, bust.busted_at, last.folder),
                  HINT = 'Ask for what was after that; take what is frozen in exchange.end_of_day_statements; ask a reporting database; or load the files of exchange.archived_files, as docs/retention.md shows.';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION exchange.busts_are_kept(timestamptz, timestamptz) IS
    'True where the executions of all trades that were busted from a moment to before another are in the tables; reports of what was moved ask it first. Error: 55000 (some were archived; the detail says which).';

SELECT pg_catalog.pg_extension_config_dump('exchange.archived_days', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.archived_files', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.archived_last_trades', '');

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
COMMENT ON FUNCTION exchange.create_publications() IS
    'Creates the publications exchange_market_data, exchange_reports and exchange_journal, or adds the tables to them that they lack: after ALTER EXTENSION pg_exchange UPDATE, and after a dump was restored. Subscribers get new tables with ALTER SUBSCRIPTION … REFRESH PUBLICATION. They belong to the owner of the extension.';

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
COMMENT ON FUNCTION exchange.create_drop_copy(name) IS
    'Makes the drop copy of a participant, and returns its name: a publication of exchange.open_orders, finished_orders and executions with the rows of the accounts that it owns now. Call it again after exchange.open_account() and before exchange.verify_account(), and no row of the new account is missed; exchange.drop_copies shows which accounts are missing. PostgreSQL lets a role with REPLICATION read every publication: this is for subscribers that the venue trusts. Errors: 22004 (NULL), 42622 (the name of the role has more than 44 bytes), 42704 (no such participant).';

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

CREATE OR REPLACE FUNCTION exchange.days("from" date, "to" date)
RETURNS TABLE (trade_date date, begins_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT c.trade_date, c.begins_at, c.ends_at
    FROM exchange.closed_days AS c
    WHERE c.trade_date BETWEEN $1 AND $2 AND exchange.is_kept(c.begins_at)
    UNION ALL
    SELECT d.day,
           CASE WHEN d.day = l.trade_date + 1 THEN l.ends_at ELSE exchange.midnight(d.day) END,
           exchange.midnight(d.day + 1)
    FROM generate_series(0, $2 - $1) AS n (days)
    CROSS JOIN LATERAL (SELECT $1 + n.days AS day) AS d
    LEFT JOIN (SELECT c.trade_date, c.ends_at FROM exchange.closed_days AS c
               ORDER BY c.trade_date DESC LIMIT 1) AS l ON true
    WHERE ((d.day > l.trade_date) IS NOT FALSE
           OR d.day < (SELECT min(c.trade_date) FROM exchange.closed_days AS c))
      AND (l.trade_date IS NULL OR d.day > l.trade_date OR exchange.is_kept(exchange.midnight(d.day)));
END;
COMMENT ON FUNCTION exchange.days(date, date) IS
    'The trade dates from one to another, both included, and from when to before when each of them lasts: from midnight to midnight in exchange.time_zone, or to where exchange.close_day() closed it, if that was before; what comes then is of the next date. Dates between two that are closed and that were not closed themselves, such as weekends, are a part of the later one, and left out. Every report goes by it. Errors: 42704 (exchange.time_zone is not set), 55000 (one of them was archived, see exchange.archive_day()).';

CREATE OR REPLACE FUNCTION exchange.movements_between("from" timestamptz, "to" timestamptz)
RETURNS TABLE (
    account_id  integer,
    asset_kind  text,
    asset       text,
    movement    text,
    symbol      text,
    amount      numeric,
    occurred_at timestamptz,
    reference   bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT t.account_id,
           CASE WHEN t.symbol IS NULL THEN 'currency' ELSE 'instrument' END,
           coalesce(t.currency, t.symbol),
           CASE WHEN t.amount < 0 THEN 'withdrawal' ELSE 'deposit' END,
           NULL::text, t.amount, t.transferred_at, t.sequence
    FROM exchange.transfers AS t
    WHERE t.transferred_at >= $1 AND t.transferred_at < $2
    UNION ALL
    SELECT e.account_id, v.asset_kind, v.asset, v.movement, e.symbol, v.amount, e.executed_at, e.trade_id
    FROM exchange.instruments AS i
    JOIN exchange.executions AS e ON e.symbol = i.symbol
    CROSS JOIN LATERAL (VALUES
        ('instrument', i.symbol, e.side::text,
         CASE e.side WHEN 'buy' THEN e.quantity ELSE -e.quantity END),
        ('currency', i.currency, e.side::text,
         CASE e.side WHEN 'buy' THEN -e.price * e.quantity ELSE e.price * e.quantity END),
        ('currency', i.currency, 'fee', -e.fee)
    ) AS v (asset_kind, asset, movement, amount)
    WHERE e.executed_at >= $1 AND e.executed_at < $2 AND v.amount <> 0
    UNION ALL
    SELECT e.account_id, v.asset_kind, v.asset, v.movement, e.symbol, v.amount, b.busted_at, e.trade_id
    FROM exchange.busted_trades AS b
    JOIN exchange.trades AS t ON t.trade_id = b.trade_id
    -- By the index of symbol and time.
    JOIN exchange.executions AS e
      ON e.symbol = t.symbol AND e.executed_at = t.executed_at AND e.trade_id = t.trade_id
    JOIN exchange.instruments AS i ON i.symbol = t.symbol
    CROSS JOIN LATERAL (VALUES
        ('instrument', i.symbol, 'bust',
         CASE e.side WHEN 'buy' THEN -e.quantity ELSE e.quantity END),
        ('currency', i.currency, 'bust',
         CASE e.side WHEN 'buy' THEN e.price * e.quantity ELSE -e.price * e.quantity END),
        ('currency', i.currency, 'fee returned', e.fee)
    ) AS v (asset_kind, asset, movement, amount)
    WHERE b.busted_at >= $1 AND b.busted_at < $2 AND v.amount <> 0 AND exchange.busts_are_kept($1, $2);
END;
COMMENT ON FUNCTION exchange.movements_between(timestamptz, timestamptz) IS
    'Everything that changed what an account has, from one moment to before another: what exchange.account_movements() shows by date. Error: 55000 (a trade that was busted then was archived).';

CREATE OR REPLACE FUNCTION exchange.trade_summary("from" date, "to" date)
RETURNS TABLE (
    trade_date     date,
    symbol         text,
    currency       text,
    open           numeric,
    high           numeric,
    low            numeric,
    close          numeric,
    previous_close numeric,
    volume         bigint,
    turnover       numeric,
    trades         bigint,
    auction_volume bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT d.trade_date, i.symbol, i.currency, f.price, s.high, s.low, coalesce(l.price, z.close),
           coalesce(p.price, z.close), s.volume, s.turnover, s.trades, s.auction_volume
    FROM exchange.days($1, $2) AS d
    CROSS JOIN exchange.instruments AS i
    CROSS JOIN LATERAL (
        SELECT max(t.price) AS high, min(t.price) AS low, coalesce(sum(t.quantity), 0)::bigint AS volume,
               coalesce(sum(t.price * t.quantity), 0) AS turnover, count(*) AS trades,
               coalesce(sum(t.quantity) FILTER (WHERE t.in_auction), 0)::bigint AS auction_volume
        FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at >= d.begins_at AND t.executed_at < d.ends_at
          AND (t.busted_at >= d.ends_at) IS NOT FALSE
    ) AS s
    LEFT JOIN LATERAL (
        SELECT t.price FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at >= d.begins_at AND t.executed_at < d.ends_at
          AND (t.busted_at >= d.ends_at) IS NOT FALSE
        ORDER BY t.executed_at, t.trade_id LIMIT 1
    ) AS f ON true
    LEFT JOIN LATERAL (
        SELECT t.price FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at < d.ends_at
          AND (t.busted_at >= d.ends_at) IS NOT FALSE
        ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1
    ) AS l ON true
    LEFT JOIN LATERAL (
        SELECT t.price FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at < d.begins_at
          AND (t.busted_at >= d.begins_at) IS NOT FALSE
        ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1
    ) AS p ON true
    -- What last traded before all that is in the tables had that price when the date before was closed.
    LEFT JOIN LATERAL (
        SELECT z.close FROM exchange.closed_days AS c
        JOIN exchange.end_of_day_prices AS z ON z.trade_date = c.trade_date AND z.symbol = i.symbol
        WHERE c.ends_at <= d.begins_at
        ORDER BY c.trade_date DESC LIMIT 1
    ) AS z ON true
    -- Nothing is said of the time before it was listed.
    WHERE i.created_at < d.ends_at;
END;
COMMENT ON FUNCTION exchange.trade_summary(date, date) IS
    'The prices of every instrument on every trade date from one to another, both included. The columns are those of exchange.end_of_day_prices, which has what it said of each date that is closed. A trade that was busted by the end of its date does not count; one that was busted after it does.';

CREATE OR REPLACE FUNCTION exchange.tax_lots(account_id integer)
RETURNS TABLE (
    symbol        text,
    currency      text,
    quantity      bigint,
    acquired_by   text,
    acquired_at   timestamptz,
    acquired_with bigint,
    disposed_by   text,
    disposed_at   timestamptz,
    disposed_with bigint,
    closed_at     timestamptz,
    is_short      boolean,
    cost          numeric,
    proceeds      numeric,
    gain          numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    -- First in, first out: the n-th share that came goes with the n-th that went. Where that one
    -- went first it was sold short. `upto` counts them.
    WITH moves AS (
        SELECT m.symbol, m.how, m.comes, m.at, m.reference, m.quantity, m.money,
               sum(m.quantity) OVER (PARTITION BY m.symbol, m.comes
                                     ORDER BY m.at, m.is_trade, m.reference
                                     ROWS UNBOUNDED PRECEDING) AS upto
        FROM (
            SELECT e.symbol, e.side::text AS how, e.side = 'buy' AS comes, e.executed_at AS at,
                   true AS is_trade, e.trade_id AS reference, e.quantity::numeric AS quantity,
                   e.price * e.quantity + CASE e.side WHEN 'buy' THEN e.fee ELSE -e.fee END AS money
            FROM exchange.executions AS e
            WHERE e.account_id = $1 AND e.busted_at IS NULL AND exchange.is_kept('-infinity')
            UNION ALL
            SELECT t.symbol, CASE WHEN t.amount < 0 THEN 'withdrawal' ELSE 'deposit' END,
                   t.amount > 0, t.transferred_at, false, t.sequence, abs(t.amount), NULL
            FROM exchange.transfers AS t
            WHERE t.account_id = $1 AND t.symbol IS NOT NULL
        ) AS m
    ), steps AS (
        -- Wherever one of the two sides goes on to its next row; and which rows those are.
        SELECT DISTINCT m.symbol, m.upto,
               min(m.upto) FILTER (WHERE m.comes) OVER w AS comes_upto,
               min(m.upto) FILTER (WHERE NOT m.comes) OVER w AS goes_upto
        FROM moves AS m
        WINDOW w AS (PARTITION BY m.symbol ORDER BY m.upto DESC)
    ), pieces AS (
        SELECT s.symbol, s.comes_upto, s.goes_upto, s.upto,
               lag(s.upto, 1, 0) OVER (PARTITION BY s.symbol ORDER BY s.upto) AS since
        FROM steps AS s
    )
    SELECT p.symbol, i.currency, (p.upto - p.since)::bigint, c.how, c.at, c.reference,
           g.how, g.at, g.reference, CASE WHEN c.at IS NOT NULL AND g.at IS NOT NULL THEN greatest(c.at, g.at) END,
           CASE WHEN c.at IS NULL THEN true WHEN g.at IS NULL THEN false ELSE g.at < c.at END,
           trim_scale(v.cost), trim_scale(v.proceeds), trim_scale(v.proceeds - v.cost)
    FROM pieces AS p
    JOIN exchange.instruments AS i ON i.symbol = p.symbol
    LEFT JOIN moves AS c ON c.symbol = p.symbol AND c.comes AND c.upto = p.comes_upto
    LEFT JOIN moves AS g ON g.symbol = p.symbol AND NOT g.comes AND g.upto = p.goes_upto
    -- The parts of an amount add up to it: each ends where the next begins.
    CROSS JOIN LATERAL (
        SELECT div(c.money * 1000000000 * (c.quantity - c.upto + p.upto), c.quantity) * 0.000000001
             - div(c.money * 1000000000 * (c.quantity - c.upto + p.since), c.quantity) * 0.000000001,
               div(g.money * 1000000000 * (g.quantity - g.upto + p.upto), g.quantity) * 0.000000001
             - div(g.money * 1000000000 * (g.quantity - g.upto + p.since), g.quantity) * 0.000000001
    ) AS v (cost, proceeds);
END;
COMMENT ON FUNCTION exchange.tax_lots(integer) IS
    'The shares that came into an account and those that went out of it, matched first in, first out: a row a lot. acquired_by: buy or deposit; disposed_by: sell or withdrawal; …_with: the trade id, or the sequence of exchange.transfers. Lots that are still open have no disposal, open short sales no acquisition; of both closed_at is NULL. is_short: it was sold before it was bought. cost: what was paid with the fee, proceeds: what was received less the fee, each of the part of a trade that the lot is, to 9 decimals and adding up to the whole; NULL of deposits (their cost is not known to the venue) and withdrawals (which are no sale), and so is then gain, which is proceeds - cost. Trades that are busted now are left out, as if they had never been made. At the same microsecond deposits and withdrawals come before trades. Nothing for an account that there is not, or that the reader may not see. Error: 55000 (a trade date was archived: lots go back to the first share. A reporting database has all).';

CREATE OR REPLACE FUNCTION exchange.last_sequence_before(at timestamptz)
RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    time_us CONSTANT numeric := extract(epoch FROM at) * 1000000 - 946684800000000;
    -- Every row that begins with `low` or before begins before that time, none that begins with
    -- `high` or after does.
    low  bigint := 0;
    high bigint := coalesce((SELECT max(j.last_sequence) FROM exchange.journal AS j), 0) + 1;
    middle bigint;
    found_row record;
BEGIN
    PERFORM exchange.is_kept(at);
    WHILE low + 1 < high LOOP
        middle := (low + high) / 2;
        SELECT j.first_sequence, j.first_time_us INTO found_row
        FROM exchange.journal AS j
        WHERE j.first_sequence BETWEEN low + 1 AND middle
        ORDER BY j.first_sequence DESC
        LIMIT 1;
        IF NOT FOUND OR found_row.first_time_us < time_us THEN
            low := middle;
        ELSE
            high := found_row.first_sequence;
        END IF;
    END LOOP;
    RETURN coalesce((
        SELECT max(c.sequence)
        FROM (SELECT j.commands, j.first_sequence, j.first_time_us
              FROM exchange.journal AS j
              WHERE j.first_sequence <= low
              ORDER BY j.first_sequence DESC
              LIMIT 1) AS j
        CROSS JOIN LATERAL exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS c
        WHERE c.at < last_sequence_before.at),
        -- What was before all that is in the tables.
        (SELECT max(d.last_sequence) FROM exchange.archived_days AS d), 0);
END
$$;
COMMENT ON FUNCTION exchange.last_sequence_before(timestamptz) IS
    'The last command of the journal before a moment; 0 if there is none. It looks at a few rows, whatever the size of the journal. Errors: 55000 (that was archived), XX001 (the row that has it is damaged).';

CREATE OR REPLACE FUNCTION exchange.check_period(begins_at timestamptz, ends_at timestamptz, before date, of_date date)
RETURNS TABLE (check_name text, expected numeric, found numeric, difference numeric, detail text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    previous exchange.closed_days;
    first_of_day bigint;
    last_of_day bigint;
    remembered bigint;
    archived CONSTANT bigint := coalesce((SELECT max(d.last_sequence) FROM exchange.archived_days AS d), 0);
    last_trade_id bigint;
    next_sequence bigint;
    chunk record;
    event_trades numeric := 0;
    event_quantity numeric := 0;
    event_turnover numeric := 0;
BEGIN
    SELECT d.* INTO previous FROM exchange.closed_days AS d WHERE d.trade_date = before;

    RETURN QUERY SELECT * FROM exchange.check_journal(coalesce(previous.last_sequence, 0));
    -- What is damaged cannot be compared with.
    IF EXISTS (SELECT FROM exchange.check_journal(coalesce(previous.last_sequence, 0)) AS j
               WHERE j.difference IS DISTINCT FROM 0) THEN
        RETURN;
    END IF;
    first_of_day := coalesce(previous.last_sequence, exchange.last_sequence_before(begins_at)) + 1;
    last_of_day := exchange.last_sequence_before(ends_at);
    SELECT e.client_order_window INTO remembered FROM exchange.engine_state AS e;
    last_trade_id := coalesce(previous.last_trade_id, (
        SELECT max(t.trade_id)
        FROM exchange.instruments AS i
        CROSS JOIN LATERAL (SELECT t.trade_id FROM exchange.trades AS t
                            WHERE t.symbol = i.symbol AND t.executed_at < begins_at
                            ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1) AS t), 0);

    -- The commands of the journal, and what is in the tables.
    RETURN QUERY
    WITH commands AS MATERIALIZED (
        SELECT c.sequence, c.at, c.command, c.account_id, i.symbol, c.side, c.quantity, c.details
        FROM exchange.journal AS j
        CROSS JOIN LATERAL exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS c
        LEFT JOIN exchange.instruments AS i ON i.instrument_id = c.instrument_id
        WHERE j.first_sequence >= (SELECT max(f.first_sequence) FROM exchange.journal AS f
                                   WHERE f.first_sequence <= first_of_day)
          AND j.first_sequence <= last_of_day
          AND c.sequence BETWEEN first_of_day AND last_of_day
          AND c.command IN ('place_order', 'transfer_cash', 'transfer_shares', 'bust_trade')
    ), names AS (
        SELECT o.account_id, o.client_order_id, min(o.order_id) AS order_id
        FROM exchange.orders AS o
        WHERE o.order_id BETWEEN first_of_day - remembered AND last_of_day
          AND o.client_order_id IS NOT NULL
        GROUP BY o.account_id, o.client_order_id
    )
    SELECT k.check_name, k.expected, k.found, k.found - k.expected, k.detail
    FROM (
        SELECT 'journal: orders' AS check_name, count(*)::numeric AS expected,
               count(*) FILTER (WHERE m.is_same)::numeric AS found,
               'order ' || array_to_string(
                   (array_agg(m.order_id ORDER BY m.order_id) FILTER (WHERE NOT m.is_same))[1:5], ', ') AS detail
        FROM (
            SELECT coalesce(c.sequence, o.order_id) AS order_id,
                   (c.at, c.account_id, c.symbol, c.side)
                       IS NOT DISTINCT FROM (o.created_at, o.account_id, o.symbol, o.side::text) AS is_same
            FROM (
                SELECT c.* FROM commands AS c
                LEFT JOIN names AS n
                       ON n.account_id = c.account_id AND n.client_order_id = c.details ->> 'client_order_id'
                -- A name that was used before: no order, but the first answer again.
                WHERE c.command = 'place_order' AND (n.order_id < c.sequence) IS NOT TRUE
                      -- Where it may have been used on an archived date, that cannot be told.
                      AND NOT (c.details ? 'client_order_id' AND c.sequence - remembered <= archived)
                   OR c.command = 'place_order' AND EXISTS (
                       SELECT FROM exchange.orders AS o WHERE o.order_id = c.sequence)
            ) AS c
            FULL JOIN (
                SELECT o.* FROM exchange.orders AS o
                WHERE o.order_id BETWEEN first_of_day AND last_of_day
            ) AS o ON o.order_id = c.sequence
        ) AS m
        UNION ALL
        SELECT 'journal: transfers', count(*), count(*) FILTER (WHERE m.is_same),
               'transfer ' || array_to_string(
                   (array_agg(m.sequence ORDER BY m.sequence) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(c.sequence, t.sequence) AS sequence,
                   (c.at, c.account_id, c.currency, c.symbol, c.amount)
                       IS NOT DISTINCT FROM (t.transferred_at, t.account_id, t.currency, t.symbol, t.amount) AS is_same
            FROM (
                SELECT c.sequence, c.at, c.account_id, c.symbol, u.currency,
                       coalesce((c.details ->> 'amount')::numeric, c.quantity) AS amount
                FROM commands AS c
                LEFT JOIN exchange.currencies AS u ON u.currency_id = (c.details ->> 'currency_id')::integer
                WHERE c.command IN ('transfer_cash', 'transfer_shares')
            ) AS c
            FULL JOIN (
                SELECT t.* FROM exchange.transfers AS t
                WHERE t.sequence BETWEEN first_of_day AND last_of_day
            ) AS t ON t.sequence = c.sequence
        ) AS m
        UNION ALL
        SELECT 'journal: busts', count(*), count(*) FILTER (WHERE m.is_same),
               'trade ' || array_to_string(
                   (array_agg(m.trade_id ORDER BY m.trade_id) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(c.trade_id, b.trade_id) AS trade_id,
                   coalesce(c.at = b.busted_at AND c.at = b.shown_at AND b.executions = 2, false) AS is_same
            FROM (
                SELECT (c.details ->> 'trade_id')::bigint AS trade_id, c.at
                FROM commands AS c WHERE c.command = 'bust_trade'
            ) AS c
            FULL JOIN (
                SELECT b.trade_id, b.busted_at, t.busted_at AS shown_at,
                       (SELECT count(*) FROM exchange.executions AS e
                        WHERE e.symbol = t.symbol AND e.executed_at = t.executed_at
                          AND e.trade_id = t.trade_id AND e.busted_at = b.busted_at) AS executions
                FROM exchange.busted_trades AS b
                LEFT JOIN exchange.trades AS t ON t.trade_id = b.trade_id
                WHERE b.busted_at >= begins_at AND b.busted_at < ends_at
            ) AS b ON b.trade_id = c.trade_id
        ) AS m
    ) AS k;

    -- Trades, executions and orders among each other.
    RETURN QUERY
    WITH day_trades AS MATERIALIZED (
        SELECT t.trade_id, t.symbol, t.price, t.quantity, t.executed_at, t.busted_at
        FROM exchange.instruments AS i
        JOIN exchange.trades AS t
          ON t.symbol = i.symbol AND t.executed_at >= begins_at AND t.executed_at < ends_at
    ), day_executions AS MATERIALIZED (
        SELECT e.trade_id, e.order_id, e.account_id, e.symbol, e.side, e.price, e.quantity, e.executed_at, e.busted_at
        FROM exchange.instruments AS i
        JOIN exchange.executions AS e
          ON e.symbol = i.symbol AND e.executed_at >= begins_at AND e.executed_at < ends_at
    )
    SELECT k.check_name, k.expected, k.found, k.found - k.expected, k.detail
    FROM (
        -- The engine counts them; those of later dates, if there are any, are in both.
        SELECT 'trades: ids without a gap' AS check_name,
               (SELECT e.last_trade_id FROM exchange.engine_state AS e)::numeric - last_trade_id AS expected,
               (SELECT count(*) FROM exchange.trades AS t WHERE t.trade_id > last_trade_id)::numeric AS found,
               NULL::text AS detail
        UNION ALL
        SELECT 'trades: two executions each', count(*), count(*) FILTER (WHERE m.is_same),
               'trade ' || array_to_string(
                   (array_agg(m.trade_id ORDER BY m.trade_id) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(t.trade_id, e.trade_id) AS trade_id,
                   (t.symbol, t.executed_at, t.price, t.price, t.quantity, t.quantity, t.busted_at, 1::bigint, 1::bigint,
                    (t.busted_at IS NOT NULL)::integer * 2::bigint)
                       IS NOT DISTINCT FROM
                   (e.symbol, e.executed_at, e.lowest, e.highest, e.least, e.most, e.busted_at, e.buys, e.sells,
                    e.busted) AS is_same
            FROM day_trades AS t
            FULL JOIN (
                SELECT e.trade_id, min(e.symbol) AS symbol, min(e.executed_at) AS executed_at,
                       min(e.price) AS lowest, max(e.price) AS highest, min(e.quantity) AS least,
                       max(e.quantity) AS most, min(e.busted_at) AS busted_at, count(e.busted_at) AS busted,
                       count(*) FILTER (WHERE e.side = 'buy') AS buys,
                       count(*) FILTER (WHERE e.side = 'sell') AS sells
                FROM day_executions AS e
                GROUP BY e.trade_id
            ) AS e ON e.trade_id = t.trade_id
        ) AS m
        UNION ALL
        SELECT 'orders: what their executions say', count(*), count(*) FILTER (WHERE m.is_same),
               'order ' || array_to_string(
                   (array_agg(m.order_id ORDER BY m.order_id) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT d.order_id,
                   CASE WHEN d.order_id > archived
                        THEN (o.account_id, o.symbol, o.side, o.filled_quantity::numeric, o.turnover)
                             IS NOT DISTINCT FROM (d.account_id, d.symbol, d.side, s.quantity, s.turnover)
                        -- It may have traded on a date that was archived, too.
                        ELSE (o.account_id, o.symbol, o.side) IS NOT DISTINCT FROM (d.account_id, d.symbol, d.side)
                             AND o.filled_quantity >= s.quantity AND o.turnover >= s.turnover END AS is_same
            FROM (SELECT e.order_id, min(e.account_id) AS account_id, min(e.symbol) AS symbol, min(e.side) AS side
                  FROM day_executions AS e GROUP BY e.order_id) AS d
            LEFT JOIN exchange.orders AS o ON o.order_id = d.order_id
            -- Those of other dates too.
            CROSS JOIN LATERAL (
                SELECT sum(e.quantity) AS quantity, sum(e.price * e.quantity) AS turnover
                FROM exchange.executions AS e WHERE e.order_id = d.order_id
            ) AS s
        ) AS m
        UNION ALL
        -- The candles are the engine's own count, by date of the calendar.
        SELECT 'trades: volume of the candles', c.volume, t.volume, NULL
        FROM (SELECT coalesce(sum(c.volume), 0) AS volume
              FROM exchange.instruments AS i
              JOIN exchange.candles AS c
                ON c.symbol = i.symbol AND c.resolution = '1 day' AND c.opened_at = exchange.midnight(of_date)) AS c
        CROSS JOIN (SELECT coalesce(sum(t.quantity), 0) AS volume
                    FROM exchange.instruments AS i
                    JOIN exchange.trades AS t
                      ON t.symbol = i.symbol AND t.executed_at >= exchange.midnight(of_date)
                     AND t.executed_at < exchange.midnight(of_date + 1)
                    WHERE t.busted_at IS NULL) AS t
    ) AS k;

    -- What everybody was told.
    next_sequence := first_of_day - 1;
    WHILE next_sequence < last_of_day LOOP
        SELECT count(*) FILTER (WHERE e.event = 'trade' AND e.sequence <= last_of_day) AS trades,
               sum(e.quantity) FILTER (WHERE e.event = 'trade' AND e.sequence <= last_of_day) AS quantity,
               sum(e.price * e.quantity) FILTER (WHERE e.event = 'trade' AND e.sequence <= last_of_day) AS turnover,
               max(e.sequence) AS sequence
        INTO chunk
        FROM exchange.events_after(next_sequence, NULL, 100000) AS e;
        EXIT WHEN chunk.sequence IS NULL;
        event_trades := event_trades + chunk.trades;
        event_quantity := event_quantity + coalesce(chunk.quantity, 0);
        event_turnover := event_turnover + coalesce(chunk.turnover, 0);
        next_sequence := chunk.sequence;
    END LOOP;
    RETURN QUERY
    SELECT v.check_name, v.expected, v.found, v.found - v.expected, NULL::text
    FROM (
        SELECT count(*)::numeric AS trades, coalesce(sum(t.quantity), 0) AS quantity,
               coalesce(sum(t.price * t.quantity), 0) AS turnover
        FROM exchange.instruments AS i
        JOIN exchange.trades AS t
          ON t.symbol = i.symbol AND t.executed_at >= begins_at AND t.executed_at < ends_at
    ) AS t
    CROSS JOIN LATERAL (VALUES
        ('public events: trades', event_trades, t.trades),
        ('public events: quantity', event_quantity, t.quantity),
        ('public events: turnover', event_turnover, t.turnover)
    ) AS v (check_name, expected, found);

    -- Money and shares: what the engine has is what began the date and what happened since.
    RETURN QUERY
    SELECT k.check_name, k.expected, k.found, k.found - k.expected, k.detail
    FROM (
        SELECT 'accounts: opening' AS check_name, count(*)::numeric AS expected,
               count(*) FILTER (WHERE m.expected = m.found)::numeric AS found,
               array_to_string((array_agg(
                   format('account %s: %s %s instead of %s', m.account_id, m.found, m.asset, m.expected)
                   ORDER BY m.account_id, m.asset) FILTER (WHERE m.expected <> m.found))[1:5], '; ') AS detail
        FROM (
            SELECT coalesce(b.account_id, e.account_id) AS account_id, coalesce(b.asset, e.asset) AS asset,
                   trim_scale(coalesce(e.amount, 0)) AS expected,
                   trim_scale(coalesce(b.balance, 0) - coalesce(s.total, 0)) AS found
            FROM (
                SELECT c.account_id, 'currency' AS asset_kind, c.currency AS asset, c.balance
                FROM exchange.cash AS c
                UNION ALL
                SELECT p.account_id, 'instrument', p.symbol, p.quantity
                FROM exchange.positions AS p
            ) AS b
            FULL JOIN (
                SELECT t.account_id, t.asset_kind, t.asset, t.closing AS amount
                FROM exchange.end_of_day_statements AS t WHERE t.trade_date = before
                UNION ALL
                SELECT m.account_id, m.asset_kind, m.asset, sum(m.amount)
                FROM exchange.movements_between('-infinity', begins_at) AS m
                WHERE before IS NULL
                GROUP BY m.account_id, m.asset_kind, m.asset
            ) AS e ON e.account_id = b.account_id AND e.asset_kind = b.asset_kind AND e.asset = b.asset
            LEFT JOIN (
                SELECT m.account_id, m.asset_kind, m.asset, sum(m.amount) AS total
                FROM exchange.movements_between(begins_at, 'infinity') AS m
                GROUP BY m.account_id, m.asset_kind, m.asset
            ) AS s ON s.account_id = b.account_id AND s.asset_kind = b.asset_kind AND s.asset = b.asset
        ) AS m
        UNION ALL
        SELECT 'accounts: nothing made or lost', count(*), count(*) FILTER (WHERE c.difference = 0),
               array_to_string((array_agg(format('%s %s too much', c.difference, c.what) ORDER BY c.what)
                                    FILTER (WHERE c.difference <> 0))[1:5], '; ')
        FROM exchange.conservation AS c
        UNION ALL
        SELECT 'settlement: shares to receive are shares to deliver',
               coalesce(sum(-s.quantity) FILTER (WHERE s.quantity < 0), 0),
               coalesce(sum(s.quantity) FILTER (WHERE s.quantity > 0), 0), NULL
        FROM (SELECT CASE m.asset_kind WHEN 'instrument' THEN m.amount END AS quantity
              FROM exchange.movements_between(begins_at, ends_at) AS m WHERE m.symbol IS NOT NULL) AS s
        UNION ALL
        SELECT 'settlement: money to pay is money to receive, and fees',
               coalesce(sum(m.amount) FILTER (WHERE m.movement IN ('fee', 'fee returned')), 0),
               coalesce(sum(m.amount), 0), NULL
        FROM exchange.movements_between(begins_at, ends_at) AS m
        WHERE m.symbol IS NOT NULL AND m.asset_kind = 'currency'
        UNION ALL
        SELECT 'settlement: a date to settle on', 1, count(exchange.settlement_date(of_date)),
               CASE WHEN exchange.settlement_date(of_date) IS NULL
                    THEN 'no trading day in the 31 days after; see exchange.calendar_exceptions' END
    ) AS k;

    -- A date that is closed still says what it said.
    RETURN QUERY
    SELECT k.check_name, k.expected, k.found, k.found - k.expected, k.detail
    FROM (
        SELECT 'closed: statements' AS check_name, count(*)::numeric AS expected,
               count(*) FILTER (WHERE m.is_same)::numeric AS found,
               'account ' || array_to_string(
                   (array_agg(m.account_id ORDER BY m.account_id) FILTER (WHERE NOT m.is_same))[1:5], ', ') AS detail
        FROM (
            SELECT coalesce(f.account_id, a.account_id) AS account_id,
                   (f.opening, f.deposited, f.withdrawn, f.bought, f.sold, f.fees, f.busted, f.closing)
                       IS NOT DISTINCT FROM
                   (a.opening, a.deposited, a.withdrawn, a.bought, a.sold, a.fees, a.busted, a.closing) AS is_same
            FROM (SELECT f.* FROM exchange.end_of_day_statements AS f WHERE f.trade_date = of_date) AS f
            FULL JOIN (
                SELECT a.* FROM exchange.account_activity(of_date, of_date) AS a
                WHERE (a.opening, a.deposited, a.withdrawn, a.bought, a.sold, a.fees, a.busted)
                      IS DISTINCT FROM (0, 0, 0, 0, 0, 0, 0)
            ) AS a ON a.account_id = f.account_id AND a.asset_kind = f.asset_kind AND a.asset = f.asset
        ) AS m
        UNION ALL
        SELECT 'closed: prices', count(*), count(*) FILTER (WHERE m.is_same),
               array_to_string((array_agg(m.symbol ORDER BY m.symbol) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(f.symbol, s.symbol) AS symbol,
                   (f.open, f.high, f.low, f.close, f.previous_close, f.volume, f.turnover, f.trades, f.auction_volume)
                       IS NOT DISTINCT FROM
                   (s.open, s.high, s.low, s.close, s.previous_close, s.volume, s.turnover, s.trades, s.auction_volume) AS is_same
            FROM (SELECT f.* FROM exchange.end_of_day_prices AS f WHERE f.trade_date = of_date) AS f
            FULL JOIN exchange.trade_summary(of_date, of_date) AS s ON s.symbol = f.symbol
        ) AS m
        UNION ALL
        SELECT 'closed: obligations', count(*), count(*) FILTER (WHERE m.is_same),
               'account ' || array_to_string(
                   (array_agg(m.account_id ORDER BY m.account_id) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(f.account_id, o.account_id) AS account_id,
                   (f.currency, f.quantity, f.amount, f.fees)
                       IS NOT DISTINCT FROM (o.currency, o.quantity, o.amount, o.fees) AS is_same
            FROM (SELECT f.* FROM exchange.settlement_obligations AS f WHERE f.trade_date = of_date) AS f
            FULL JOIN exchange.net_obligations(of_date, of_date) AS o
                   ON o.account_id = f.account_id AND o.symbol = f.symbol
        ) AS m
    ) AS k
    WHERE EXISTS (SELECT FROM exchange.closed_days AS d WHERE d.trade_date = of_date);
END
$$;
COMMENT ON FUNCTION exchange.check_period(timestamptz, timestamptz, date, date) IS
    'The rows of exchange.check_day(): for the trade date of_date, which begins at a moment and ends before another, after the closed date before (NULL for none).';

CREATE OR REPLACE FUNCTION exchange.day_reports(trade_date date)
RETURNS TABLE (report text, query text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 15
BEGIN ATOMIC
    SELECT v.report, format(v.query, $1)
    FROM (VALUES
        ('checks', 'SELECT * FROM exchange.end_of_day_checks WHERE trade_date = %1$L ORDER BY check_name'),
        ('statements', 'SELECT * FROM exchange.end_of_day_statements WHERE trade_date = %1$L ORDER BY account_id, asset_kind, asset'),
        ('movements', 'SELECT * FROM exchange.account_movements(%1$L, %1$L) ORDER BY occurred_at, reference, account_id, asset_kind, movement, amount'),
        ('prices', 'SELECT * FROM exchange.end_of_day_prices WHERE trade_date = %1$L ORDER BY symbol'),
        ('obligations', 'SELECT * FROM exchange.settlement_obligations WHERE trade_date = %1$L ORDER BY account_id, symbol'),
        ('trades', 'SELECT * FROM exchange.trade_history(%1$L, %1$L) ORDER BY trade_id, side'),
        ('orders_and_executions', 'SELECT * FROM exchange.orders_and_executions(%1$L, %1$L) ORDER BY order_id, trade_id NULLS FIRST'),
        ('realised_gains', 'SELECT * FROM exchange.realised_gains(%1$L, %1$L) ORDER BY account_id, symbol'),
        ('audit_trail', 'SELECT * FROM exchange.audit_trails(%1$L, %1$L) ORDER BY order_id, occurred_at, sequence, trade_id, action'),
        ('order_to_trade_ratios', 'SELECT * FROM exchange.order_to_trade_ratios(%1$L, %1$L) ORDER BY account_id, symbol'),
        ('wash_trade_candidates', 'SELECT * FROM exchange.wash_trade_candidates(%1$L, %1$L) ORDER BY trade_id'),
        ('layering_candidates', 'SELECT * FROM exchange.layering_candidates(%1$L, %1$L) ORDER BY order_id'),
        ('large_positions', 'SELECT * FROM exchange.large_positions(%1$L) ORDER BY symbol, owner'),
        ('execution_quality', 'SELECT * FROM exchange.execution_quality(%1$L, %1$L) ORDER BY account_id, symbol')
    ) AS v (report, query)
    -- Gains are reckoned from all that was ever bought.
    WHERE v.report <> 'realised_gains' OR NOT EXISTS (SELECT FROM exchange.archived_days);
END;
COMMENT ON FUNCTION exchange.day_reports(date) IS
    'The reports of a trade date, by name, each with the query that makes it, its rows in one order: what exchange.export_day() writes. For a file on the machine of the client give one of the queries to \copy of psql. Without realised_gains once a date was archived: then a reporting database has it.';

CREATE OR REPLACE FUNCTION exchange.candles_for(
    symbol     text,
    resolution interval,
    "from"     timestamptz,
    "to"       timestamptz,
    fill_empty boolean DEFAULT false)
RETURNS SETOF exchange.candles
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most_intervals CONSTANT integer := 1000000;
    months     integer;
    days       integer;
    zone       text;
    -- The stored candles that these are made of; NULL: trades.
    source     interval;
    -- Where the first interval begins, and the first after those that are asked for.
    first      timestamptz;
    beyond     timestamptz;
    last_close numeric;
BEGIN
    IF $1 IS NULL OR $2 IS NULL OR $3 IS NULL OR $4 IS NULL OR $5 IS NULL THEN
        RAISE EXCEPTION '% must not be NULL',
            CASE WHEN $1 IS NULL THEN 'symbol' WHEN $2 IS NULL THEN 'resolution'
                 WHEN $3 IS NULL THEN '"from"' WHEN $4 IS NULL THEN '"to"' ELSE 'fill_empty' END
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known, and there are no candles of one.',
                  HINT = 'For all candles that there are, "from" is ''-infinity'' and "to" is ''infinity''.';
    ELSIF $3 > $4 THEN
        RAISE EXCEPTION '"to" must not be before "from"'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('"from" is %s, "to" is %s.', $3, $4),
                  HINT = 'Exchange the two.';
    ELSIF NOT EXISTS (SELECT FROM exchange.instruments AS i WHERE i.symbol = $1) THEN
        RAISE EXCEPTION 'no such instrument'
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('There is no symbol "%s".', $1),
                  HINT = 'SELECT symbol FROM exchange.instruments; lists them.';
    END IF;
    -- Of stored candles none are archived.
    IF isfinite($3) AND extract(epoch FROM $2) % 60 <> 0 THEN
        PERFORM exchange.is_kept($3);
    END IF;
    first := exchange.candle_start($3, $2);
    beyond := exchange.candle_start($4, $2);
    months := extract(year FROM $2) * 12 + extract(month FROM $2);
    days := extract(day FROM $2);
    zone := CASE WHEN months + days > 0 THEN current_setting('exchange.time_zone') ELSE 'UTC' END;
    -- An interval that has begun before is not asked for.
    IF first < $3 THEN
        first := exchange.candle_start(((first AT TIME ZONE zone) + $2) AT TIME ZONE zone, $2);
    END IF;
    IF beyond < $4 THEN
        beyond := exchange.candle_start(((beyond AT TIME ZONE zone) + $2) AT TIME ZONE zone, $2);
    END IF;
    source := CASE
        WHEN months > 0 THEN interval '1 month'
        WHEN days > 0 AND days % 7 = 0 THEN interval '1 week'
        WHEN days > 0 THEN interval '1 day'
        WHEN extract(epoch FROM $2) % 3600 = 0 THEN interval '1 hour'
        WHEN extract(epoch FROM $2) % 300 = 0 THEN interval '5 minutes'
        WHEN extract(epoch FROM $2) % 60 = 0 THEN interval '1 minute'
    END;
    IF $5 THEN
        IF NOT isfinite(first) OR NOT isfinite(beyond) THEN
            RAISE EXCEPTION 'there is no end to the intervals that are to be filled'
                USING ERRCODE = 'invalid_parameter_value',
                      DETAIL = format('"from" is %s, "to" is %s.', $3, $4),
                      HINT = 'Give times, or leave fill_empty out.';
        ELSIF extract(epoch FROM beyond - first) / extract(epoch FROM $2) > most_intervals THEN
            RAISE EXCEPTION 'too many intervals are to be filled'
                USING ERRCODE = 'program_limit_exceeded',
                      DETAIL = format('From %s to %s there are more than %s of %s.', $3, $4, most_intervals, $2),
                      HINT = 'Ask for a part of the time, or leave fill_empty out.';
        END IF;
        IF source IS NULL THEN
            SELECT t.price INTO last_close FROM exchange.trades AS t
            WHERE t.symbol = $1 AND t.executed_at < first AND t.busted_at IS NULL
            ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1;
        ELSE
            SELECT c.close INTO last_close FROM exchange.candles AS c
            WHERE c.symbol = $1 AND c.resolution = source AND c.opened_at < first
            ORDER BY c.opened_at DESC LIMIT 1;
        END IF;
    END IF;
    RETURN QUERY
    WITH parts AS (
        SELECT exchange.candle_start(c.opened_at, $2) AS start, c.opened_at AS at, 0::bigint AS trade_id,
               c.open, c.high, c.low, c.close, c.volume, c.turnover, c.trade_count
        FROM exchange.candles AS c
        WHERE c.symbol = $1 AND c.resolution = source AND c.opened_at >= first AND c.opened_at < beyond
        UNION ALL
        -- As exchange.candle_start() has it.
        SELECT date_bin($2, t.executed_at, '2000-01-01 00:00Z'), t.executed_at, t.trade_id,
               t.price, t.price, t.price, t.price, t.quantity, t.price * t.quantity, 1
        FROM exchange.trades AS t
        WHERE source IS NULL
          AND t.symbol = $1 AND t.executed_at >= first AND t.executed_at < beyond AND t.busted_at IS NULL
    ), traded AS (
        SELECT p.start, (array_agg(p.open ORDER BY p.at, p.trade_id))[1] AS open,
               max(p.high) AS high, min(p.low) AS low,
               (array_agg(p.close ORDER BY p.at DESC, p.trade_id DESC))[1] AS close,
               least(sum(p.volume), 9223372036854775807)::bigint AS volume,
               sum(p.turnover) AS turnover, sum(p.trade_count)::bigint AS trade_count
        FROM parts AS p
        GROUP BY p.start
    ), intervals AS (
        SELECT g.local AT TIME ZONE zone AS start
        FROM generate_series(first AT TIME ZONE zone, (beyond AT TIME ZONE zone) - interval '1 us', $2) AS g (local)
        WHERE $5
    ), filled AS (
        -- Each interval belongs to the last one before, or itself, in which something traded.
        SELECT start, t.open, t.high, t.low, t.close, t.volume, t.turnover, t.trade_count,
               count(t.close) OVER (ORDER BY start) AS run
        FROM traded AS t FULL JOIN intervals USING (start)
    ), carried AS (
        SELECT f.*, coalesce(first_value(f.close) OVER (PARTITION BY f.run ORDER BY f.start), last_close) AS carried
        FROM filled AS f
    )
    SELECT $1, $2, c.start, coalesce(c.open, c.carried), coalesce(c.high, c.carried),
           coalesce(c.low, c.carried), coalesce(c.close, c.carried), coalesce(c.volume, 0),
           coalesce(c.turnover, 0), coalesce(c.trade_count, 0)
    FROM carried AS c
    ORDER BY c.start;
END
$$;
COMMENT ON FUNCTION exchange.candles_for(text, interval, timestamptz, timestamptz, boolean) IS
    'Candles of any resolution, as rows of exchange.candles, oldest first: every interval that begins from "from" on and before "to", with all that traded in it, also past "to". They are made of the longest stored candles that fit into the resolution, and of the tape where none does (below a minute, or not in whole minutes); trades that were busted are in neither. Where intervals begin is what exchange.candle_start() says: months, weeks and days at midnight in exchange.time_zone, the shorter ones counted from 2000-01-01 00:00 UTC. "from" may be -infinity, and "to" infinity. fill_empty: intervals without a trade, which are left out else, have volume 0 and for all four prices the close of the last one before that traded (NULL before the first trade); at most 1,000,000 intervals. Errors: 22004 (NULL), 22023 (resolution not above 0, or a mixture of months, days and hours; "to" before "from"; infinity with fill_empty), 42704 (unknown symbol, or pg_exchange is not in shared_preload_libraries), 54000 (too many intervals to fill).';

CREATE OR REPLACE FUNCTION exchange.fetch_events(name text, maximum integer DEFAULT 1000)
RETURNS TABLE (
    sequence     bigint,
    at           timestamptz,
    symbol       text,
    event        exchange.market_event,
    side         exchange.side,
    price        numeric,
    quantity     bigint,
    orders       integer,
    trade_id     bigint,
    in_auction   boolean,
    bid_price    numeric,
    bid_quantity bigint,
    ask_price    numeric,
    ask_quantity bigint,
    phase        exchange.instrument_phase,
    trade_date   date)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 10000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    me          CONSTANT integer := pg_backend_pid();
    most_events CONSTANT integer := 1000000;
    recent      CONSTANT timestamptz := clock_timestamp() - interval '4 days';
    consumer    exchange.consumer_settings;
    lock_class  integer;
    -- The members that are there, and those that are not any more.
    present     integer[];
    gone        integer[];
    part        integer;
    -- My partitions.
    mine        integer[];
    -- By partition, from 1: how far it is acknowledged; NULL for those of others.
    progress    bigint[];
    -- Up to which command I have looked, and which was the last that I returned something of.
    looked      bigint;
    last        bigint;
    chunk       integer := 1000;
    of_chunk    bigint;
    looked_at   integer := 0;
    returned    integer := 0;
    newest      bigint;
    seen        bigint;
    is_mine     boolean;
BEGIN
    IF $2 IS NULL THEN
        RAISE EXCEPTION 'maximum must not be NULL'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known.',
                  HINT = 'Leave it out for 1000.';
    ELSIF $2 < 1 THEN
        RAISE EXCEPTION 'maximum must be at least 1'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', $2),
                  HINT = 'Leave it out for 1000.';
    END IF;
    consumer := exchange.find_consumer($1);

    -- 1. Who is there? A member's lock is its session's until that ends; another can have it, for the
    -- moment of this question, only then.
    lock_class := hashtext('exchange.consumer ' || $1);
    PERFORM pg_advisory_lock(lock_class, me);
    PERFORM FROM exchange.consumer_sessions AS s WHERE s.name = $1 AND s.pid = me FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        IF EXISTS (SELECT FROM exchange.consumer_sessions AS s WHERE s.name = $1 AND s.pid = me) THEN
            -- I was idle for too long, and another member is taking over at this moment.
            RETURN;
        END IF;
        INSERT INTO exchange.consumer_sessions
            (name, pid, owner, role, held, fetched, scanned, joined_at, seen_at)
        VALUES ($1, me, consumer.owner, current_user, 0, 0, 0, clock_timestamp(), clock_timestamp());
    END IF;
    SELECT coalesce(array_agg(o.pid) FILTER (WHERE o.is_there), '{}'),
           coalesce(array_agg(o.pid) FILTER (WHERE NOT o.is_there), '{}')
    INTO present, gone
    FROM (
        SELECT s.pid, s.pid = me
            OR coalesce(s.seen_at > clock_timestamp() - consumer.idle_timeout, true)
               AND NOT (pg_try_advisory_lock(lock_class, s.pid) AND pg_advisory_unlock(lock_class, s.pid)) AS is_there
        FROM exchange.consumer_sessions AS s WHERE s.name = $1
    ) AS o;

    -- 2. Which partitions are mine? As many as make it the same for all members, or one more. What
    -- is too much goes back; what is free, or was left behind, is taken.
    part := ceil(consumer.partitions::numeric / cardinality(present));
    mine := ARRAY(
        SELECT p.partition FROM exchange.consumer_partitions AS p
        WHERE p.name = $1 AND p.pid = me ORDER BY p.partition FOR UPDATE SKIP LOCKED);
    IF cardinality(mine) > part THEN
        UPDATE exchange.consumer_partitions AS p SET pid = NULL
        WHERE p.name = $1 AND p.partition = ANY (mine[part + 1:]);
        mine := mine[:part];
    ELSIF cardinality(mine) < part THEN
        WITH taken AS (
            UPDATE exchange.consumer_partitions AS p SET pid = me
            WHERE p.name = $1 AND p.partition = ANY (ARRAY(
                SELECT free.partition FROM exchange.consumer_partitions AS free
                WHERE free.name = $1 AND (
                    free.pid IS NULL OR free.pid = ANY (gone)
                    -- Of a member that is not known here: it was of another server, before a dump.
                    OR free.pid <> me
                       AND pg_try_advisory_lock(lock_class, free.pid) AND pg_advisory_unlock(lock_class, free.pid))
                ORDER BY free.partition LIMIT part - cardinality(mine) FOR UPDATE SKIP LOCKED))
            RETURNING p.partition)
        SELECT mine || coalesce(array_agg(t.partition), '{}') INTO mine FROM taken AS t;
    END IF;
    -- Who is gone is forgotten when nothing is left of it.
    DELETE FROM exchange.consumer_sessions AS s
    WHERE s.name = $1 AND s.pid = ANY (ARRAY(
        SELECT g.pid FROM exchange.consumer_sessions AS g
        WHERE g.name = $1 AND g.pid = ANY (gone)
          AND NOT EXISTS (SELECT FROM exchange.consumer_partitions AS p WHERE p.name = $1 AND p.pid = g.pid)
        FOR UPDATE SKIP LOCKED));

    -- 3. The events of their instruments, whole commands, from where the one that is least far is.
    SELECT array_agg(CASE WHEN p.partition = ANY (mine) THEN p.acknowledged END ORDER BY p.partition),
           coalesce(min(p.acknowledged) FILTER (WHERE p.partition = ANY (mine)), 0)
    INTO progress, looked
    FROM exchange.consumer_partitions AS p WHERE p.name = $1;
    <<reading>>
    WHILE cardinality(mine) > 0 AND returned < $2 AND looked_at < most_events LOOP
        -- It is most likely of the last days: then the others are not looked at.
        SELECT b.last_sequence INTO newest FROM exchange.market_data AS b
        WHERE b.first_at >= recent ORDER BY b.first_sequence DESC LIMIT 1;
        IF NOT FOUND THEN
            SELECT b.last_sequence INTO newest FROM exchange.market_data AS b
            ORDER BY b.first_sequence DESC LIMIT 1;
        END IF;
        seen := looked;
        -- In the order in which they come: no join, which might change it. The last one of the chunk
        -- comes in any case, to tell how far it goes.
        FOR sequence, at, symbol, event, side, price, quantity, orders, trade_id, in_auction,
            bid_price, bid_quantity, ask_price, ask_quantity, phase, trade_date, of_chunk, is_mine IN
            SELECT v.sequence, v.at, v.symbol, v.event, v.side, v.price, v.quantity, v.orders, v.trade_id,
                   v.in_auction, v.bid_price, v.bid_quantity, v.ask_price, v.ask_quantity, v.phase, v.trade_date,
                   v.of_chunk,
                   v.symbol IS NULL OR (
                       SELECT v.sequence > progress[(d.place - 1) % consumer.partitions + 1]
                       FROM exchange.instruments AS i
                       CROSS JOIN LATERAL (
                           SELECT CASE WHEN consumer.symbols IS NULL THEN i.instrument_id
                                       ELSE array_position(consumer.symbols, i.symbol) END) AS d (place)
                       WHERE i.symbol = v.symbol)
            FROM (
                SELECT e.*, count(*) OVER () AS of_chunk
                FROM exchange.events_after(
                    looked, CASE WHEN cardinality(consumer.symbols) = 1 THEN consumer.symbols[1] END, chunk)
                    WITH ORDINALITY AS e (sequence, at, symbol, event, side, price, quantity, orders, trade_id,
                        in_auction, bid_price, bid_quantity, ask_price, ask_quantity, phase, trade_date, place)
            ) AS v
            WHERE v.symbol IS NULL
               OR v.symbol IN (
                   SELECT i.symbol
                   FROM exchange.instruments AS i
                   CROSS JOIN LATERAL (
                       SELECT CASE WHEN consumer.symbols IS NULL THEN i.instrument_id
                                   ELSE array_position(consumer.symbols, i.symbol) END) AS d (place)
                   WHERE progress[(d.place - 1) % consumer.partitions + 1] IS NOT NULL)
               OR v.place = v.of_chunk
        LOOP
            IF is_mine THEN
                IF returned >= $2 AND sequence > last THEN
                    looked := sequence - 1;
                    EXIT reading;
                END IF;
                returned := returned + 1;
                last := sequence;
                RETURN NEXT;
            END IF;
            seen := sequence;
        END LOOP;
        looked := seen;
        IF coalesce(of_chunk, 0) < chunk THEN
            -- What was there before this chunk was read was in it.
            looked := greatest(looked, newest);
            EXIT;
        END IF;
        looked_at := looked_at + of_chunk;
        chunk := least(chunk * 2, 16000);
    END LOOP;

    -- 4. What may be acknowledged now. Where nothing is to be processed, nothing needs to be.
    IF returned = 0 THEN
        UPDATE exchange.consumer_partitions AS p SET acknowledged = looked, acknowledged_at = clock_timestamp()
        WHERE p.name = $1 AND p.partition = ANY (mine) AND p.acknowledged < looked;
    END IF;
    UPDATE exchange.consumer_sessions AS s
    SET held = cardinality(mine), fetched = coalesce(last, looked), scanned = looked, seen_at = clock_timestamp()
    WHERE s.name = $1 AND s.pid = me;
END
$$;
COMMENT ON FUNCTION exchange.fetch_events(text, integer) IS
    'The next events of a consumer for this session, which becomes a member of it: those of its part of the instruments, and those of the whole market (symbol NULL), after what was acknowledged, in their order; at most so many, and then the rest of the last command. The columns are those of exchange.events_after(). Until exchange.acknowledge() the same come again: each at least once, those of one symbol in their order.

Members share the instruments: each gets as many partitions as the others, or one more; one that comes in gets its part when the others have fetched next. A partition stays with its session until that ends (however it ends), runs DISCARD ALL, calls exchange.leave_consumer(), or has made no call for idle_timeout; then the next fetch of another member has it. So a member is a session: a pool that gives each transaction another one, such as PgBouncer''s in transaction mode, does not go with it. No member waits for another: what one holds in an open transaction the others leave alone.

A call looks at 1,000,000 events at the most, so it may return none, or few, before it has come to the end; exchange.consumers shows how far it is. Use READ COMMITTED; under REPEATABLE READ it may fail with 40001, and can be repeated. Errors: 22004 (NULL), 22023 (maximum below 1), and those of exchange.find_consumer().';

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
    PERFORM exchange.executions_are_kept(after);
    -- Executions are indexed by account and time, which the tape knows of a trade. It is most likely of the
    -- last days: then the others are not looked at.
    SELECT t.executed_at INTO from_time FROM exchange.trades AS t
    WHERE t.trade_id <= after AND t.executed_at >= now() - interval '4 days' ORDER BY t.trade_id DESC LIMIT 1;
    IF NOT FOUND THEN
        SELECT t.executed_at INTO from_time FROM exchange.trades AS t
        WHERE t.trade_id <= after ORDER BY t.trade_id DESC LIMIT 1;
    END IF;
    from_time := coalesce(from_time, '-infinity');
    -- Trade ids are dense, so a stretch of the tape has at most two executions a trade. It is
    -- made longer until enough of them are the caller's: however much there is after it, what is
    -- read is what is returned, a few times over.
    LOOP
        SELECT t.trade_id, t.executed_at INTO to_trade, to_time FROM exchange.trades AS t
        WHERE t.trade_id >= after + width AND t.executed_at >= from_time ORDER BY t.trade_id LIMIT 1;
        to_trade := coalesce(to_trade, 9223372036854775807);
        to_time := coalesce(to_time, 'infinity');
        IF sees_all THEN
            SELECT array_agg(e ORDER BY e.trade_id, e.side) INTO batch
            FROM exchange.trades AS t
            JOIN exchange.executions AS e
                ON e.symbol = t.symbol AND e.executed_at = t.executed_at AND e.trade_id = t.trade_id
            WHERE t.trade_id > after AND t.trade_id <= to_trade
              AND t.executed_at >= from_time AND t.executed_at <= to_time
              AND e.executed_at >= from_time AND e.executed_at <= to_time;
        ELSE
            -- Row-level security adds the accounts.
            SELECT array_agg(e ORDER BY e.trade_id, e.side) INTO batch
            FROM exchange.executions AS e
            WHERE (e.executed_at, e.trade_id) > (from_time, after)
              AND (e.executed_at, e.trade_id) <= (to_time, to_trade)
              AND e.executed_at >= from_time AND e.executed_at <= to_time;
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
    'The executions after a trade that row-level security lets the caller see, a broker its own, in the order of trade_id: at most so many, and then the rest of the last trade (a broker may be both sides of one), so the trade_id of the last row is where to go on. Trades become visible in the order of their ids, so whoever goes on like this gets each execution exactly once. after: 0 for all that there are. An execution that is busted after it was returned does not come again: exchange.busts_since() has it. Errors: 22004 (NULL), 22023 (after below 0, maximum below 1), 55000 (some of them were archived, see exchange.archive_day()).';

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
    WHERE b.busted_at >= $1 AND ($1 = '-infinity' OR exchange.busts_are_kept($1, 'infinity'))
    ORDER BY b.busted_at, e.trade_id, e.side
$$;
COMMENT ON FUNCTION exchange.busts_since(timestamptz) IS
    'The executions whose trades were busted at a time or later, those that row-level security lets the caller see, a broker its own, in the order of busted_at. To follow them, go on from the busted_at of the last row: those of that very moment come again, and a trade is busted once, so leave out what is known. since: -infinity for all whose executions are in the tables; NULL returns no rows. Error: 55000 (a trade that was busted since then was archived, see exchange.archive_day()).';

COMMENT ON FUNCTION exchange.events_after(bigint, text, integer) IS
    'The public events after a command, in their order, at most so many, and then the rest of the last command: a command is never returned in part, so the sequence of the last row is where to go on. Of one symbol, and those of the whole market (symbol NULL), or of all. Columns that an event does not have are NULL: side, price and quantity are of trades (side is the taker''s), auctions (no side) and levels; orders of levels; trade_id of trades and busts; phase and trade_date of phases. It reads exchange.market_data, a few milliseconds behind the matcher; see exchange.wait_for(''projected''). after: 0 for all. Errors: 22004 (NULL), 22023 (after below 0, maximum below 1), 42704 (unknown symbol), 55000 (some of them were archived, see exchange.archive_day()), XX001 (a damaged block).';
COMMENT ON FUNCTION exchange.quote_history(text, timestamptz, timestamptz) IS
    'The best displayed bid and offer of a symbol (NULL: of every symbol) over time, one row a change: first the quote in force at "from", with that as its time, then those from "from" on and before "to", in their order. Prices and quantities are NULL where nobody bids or offers. Errors: 22004 ("from" or "to" is NULL), 22023 ("to" is before "from"), 42704 (unknown symbol), 55000 (what was at "from" was archived), XX001 (a damaged block).';
COMMENT ON FUNCTION exchange.depth_history(text, timestamptz, timestamptz, interval, integer) IS
    'The displayed book of a symbol at "from" and every step after it, up to "to": the best prices, and what the best so many levels of each side display together; as it stood after all that had happened by then. A price is NULL and sums are 0 where a side is empty. step: above 0, at most 1,000,000 of them. levels: at least 1. Errors: 22004 (NULL), 22023 ("to" is before "from"; step or levels out of range), 42704 (unknown symbol), 55000 (what was at "from" was archived), XX001 (a damaged block).';
COMMENT ON FUNCTION exchange.journal_commands(bigint, bigint, bigint) IS
    'The commands of the journal from one sequence to another, both included, as exchange.decode_journal() returns them; with of_order only those that name that order: that placed, changed or cancelled it. Commands that concern it without naming it (a mass cancel, the end of a session or of a day) are not among them. Errors: 22004 (a sequence is NULL), 22023 (to_sequence is before from_sequence), 55000 (some of them were archived, see exchange.archive_day()), XX001 (a damaged or missing row).';

REVOKE EXECUTE ON FUNCTION
    exchange.day_bounds(regclass), exchange.day_partitions(), exchange.add_day(regclass, timestamptz), exchange.archive_refusal(date),
    exchange.archive_day(date, text), exchange.compress_file(text),
    exchange.is_kept(timestamptz), exchange.events_are_kept(bigint), exchange.commands_are_kept(bigint),
    exchange.executions_are_kept(bigint), exchange.busts_are_kept(timestamptz, timestamptz),
    exchange.executions_after(bigint, integer), exchange.busts_since(timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    exchange.is_kept(timestamptz), exchange.events_are_kept(bigint), exchange.commands_are_kept(bigint),
    exchange.executions_are_kept(bigint), exchange.busts_are_kept(timestamptz, timestamptz)
TO PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.day_bounds(regclass), exchange.day_partitions(), exchange.archive_refusal(date) TO exchange_reporter;
GRANT EXECUTE ON FUNCTION exchange.executions_after(bigint, integer), exchange.busts_since(timestamptz)
TO exchange_trader, exchange_analyst, exchange_reporter;
GRANT EXECUTE ON FUNCTION
    exchange.day_bounds(regclass), exchange.day_partitions(), exchange.add_day(regclass, timestamptz), exchange.archive_refusal(date),
    exchange.archive_day(date, text), exchange.compress_file(text),
    exchange.is_kept(timestamptz), exchange.events_are_kept(bigint), exchange.commands_are_kept(bigint),
    exchange.executions_are_kept(bigint), exchange.busts_are_kept(timestamptz, timestamptz),
    exchange.executions_after(bigint, integer), exchange.busts_since(timestamptz)
TO exchange_admin;
GRANT SELECT ON exchange.archived_days TO PUBLIC;
GRANT SELECT ON exchange.archived_days, exchange.archived_files, exchange.archived_last_trades
TO exchange_reporter, exchange_admin;

-- Recovery: how far it is, and what ends a halt.
CREATE FUNCTION exchange.halt_hint()
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'halt_hint_wrapper';
COMMENT ON FUNCTION exchange.halt_hint() IS
    'What an operator can do about halted_because of exchange.pg_stat_exchange; NULL where the market is not halted.';

CREATE FUNCTION exchange.restart_workers()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'restart_workers_wrapper';
COMMENT ON FUNCTION exchange.restart_workers() IS
    'Ends the halt of an exchange that stopped by itself: the workers read tables and journal anew, as after a start of the server, and orders of sessions that asked for exchange.cancel_on_disconnect() are cancelled. It returns when orders are taken again. Commit what was mended first: the workers do not see it before. Errors: 55000 (the market is not halted; it is halted again, with the reason; what was executed does not become durable within exchange.order_timeout).';

CREATE FUNCTION exchange.recoveries()
RETURNS TABLE (
    worker              text,
    step                text,
    open_orders         bigint,
    from_sequence       bigint,
    sequence            bigint,
    to_sequence         bigint,
    commands_per_second double precision,
    began_at            timestamptz,
    loaded_at           timestamptz,
    ended_at            timestamptz)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 3
AS 'MODULE_PATHNAME', 'recoveries_wrapper';
COMMENT ON FUNCTION exchange.recoveries() IS 'The rows of exchange.recovery.';

CREATE VIEW exchange.recovery AS SELECT * FROM exchange.recoveries();
COMMENT ON VIEW exchange.recovery IS
    'How the workers that have an engine of their own (matcher, publisher, projector) last came to it: they read the tables, and execute again what the journal has after them. Orders are taken once the matcher is done. See docs/recovery.md.';
COMMENT ON COLUMN exchange.recovery.worker IS 'matcher, publisher or projector.';
COMMENT ON COLUMN exchange.recovery.step IS
    'loading: it reads the tables; replaying: it executes the journal; done: it has its engine.';
COMMENT ON COLUMN exchange.recovery.open_orders IS 'How many open orders it has read from the tables.';
COMMENT ON COLUMN exchange.recovery.from_sequence IS 'The last command that the tables show; NULL while it reads them.';
COMMENT ON COLUMN exchange.recovery.sequence IS 'The last command that it has executed again; NULL as above.';
COMMENT ON COLUMN exchange.recovery.to_sequence IS 'The last command that it has to; NULL as above.';
COMMENT ON COLUMN exchange.recovery.commands_per_second IS 'How many commands a second it executes again, or did; NULL for none.';
COMMENT ON COLUMN exchange.recovery.began_at IS 'When it began to read the tables.';
COMMENT ON COLUMN exchange.recovery.loaded_at IS 'When it had read them; NULL before.';
COMMENT ON COLUMN exchange.recovery.ended_at IS 'When it had its engine; NULL before.';

COMMENT ON COLUMN exchange.workers.state IS 'stopped, waiting (for the extension to be created), recovering, running, or following (the matcher of a standby).';

CREATE OR REPLACE VIEW exchange.status AS
    SELECT item, value
    FROM exchange.statistics() AS s
    CROSS JOIN LATERAL (
        SELECT string_agg(format('%s %s', w.worker, w.state), ', ') AS states FROM exchange.worker_states() AS w
    ) AS w
    CROSS JOIN LATERAL (
        SELECT string_agg(
                   CASE r.step
                       WHEN 'loading' THEN format('%s is reading the tables: %s open orders so far', r.worker, r.open_orders)
                       ELSE format('%s is replaying the journal: command %s of %s, %s commands a second',
                                   r.worker, r.sequence, r.to_sequence, coalesce(round(r.commands_per_second), 0))
                   END, '; ') AS steps
        FROM exchange.recoveries() AS r WHERE r.step <> 'done'
    ) AS r
    CROSS JOIN LATERAL (VALUES
        ('server', CASE WHEN pg_is_in_recovery()
            THEN 'a standby, with all that was committed until ' || coalesce(pg_last_xact_replay_timestamp()::text, 'its copy was made')
            ELSE 'takes orders' END),
        ('market', s.market),
        ('halted because', s.halted_because),
        ('what to do', exchange.halt_hint()),
        ('trade date', s.trade_date::text),
        ('next phase', s.next_phase || ' at ' || s.next_phase_at),
        ('workers', w.states),
        ('recovery', r.steps),
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

REVOKE EXECUTE ON FUNCTION exchange.halt_hint(), exchange.restart_workers(), exchange.recoveries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.halt_hint(), exchange.recoveries() TO PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.halt_hint(), exchange.restart_workers(), exchange.recoveries() TO exchange_admin;
GRANT SELECT ON exchange.recovery TO PUBLIC, exchange_reporter, exchange_admin;
