-- Any moment of the past: the journal is the truth, and the engine is deterministic.

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
