-- The days that have left: what of them is where, and an error for whoever asks for them.

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
