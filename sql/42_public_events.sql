-- Everything that everybody may see, event by event: trades, levels, best quotes, phases. The same
-- events are in the colocated feed (docs/feed.md).

CREATE TYPE exchange.market_event AS ENUM
    ('listed', 'trade', 'bust', 'auction', 'instrument_phase', 'market_phase', 'refresh', 'level', 'quote');
COMMENT ON TYPE exchange.market_event IS
    'What everybody can see happen. listed: an instrument was added. trade: two orders met. bust: a trade of before was cancelled. auction: an auction traded what could trade, all at one price. instrument_phase, market_phase: it entered a phase. refresh: the displayed book of the instrument is told anew, all of its levels follow; at each phase of the market and every 1,048,576 commands. level: what is displayed at a price now, quantity 0 for nothing any more. quote: the best displayed bid and offer now.';

CREATE TABLE exchange.market_data (
    first_sequence bigint NOT NULL,
    last_sequence  bigint NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,
    event_count    integer NOT NULL,
    has_refresh    boolean NOT NULL,
    checksum       bigint NOT NULL,
    events         bytea NOT NULL
) PARTITION BY RANGE (first_at);
ALTER TABLE exchange.market_data REPLICA IDENTITY FULL;
-- The events are compact already: do not spend time on compressing them.
ALTER TABLE exchange.market_data ALTER COLUMN events SET STORAGE EXTERNAL;
COMMENT ON TABLE exchange.market_data IS
    'The public events in blocks, written with the other tables. Partitioned by day: a block is of one day. Read them with exchange.events_after(), exchange.quote_history() and exchange.depth_history(); a replica that needs all of them copies the blocks.';
COMMENT ON COLUMN exchange.market_data.first_sequence IS
    'The command of the first event. All events of a command are in one block.';
COMMENT ON COLUMN exchange.market_data.last_sequence IS 'The command of the last event.';
COMMENT ON COLUMN exchange.market_data.first_at IS 'The time of the first event.';
COMMENT ON COLUMN exchange.market_data.last_at IS 'The time of the last event.';
COMMENT ON COLUMN exchange.market_data.event_count IS 'How many events there are.';
COMMENT ON COLUMN exchange.market_data.has_refresh IS
    'Whether the first command of the block told all books anew: from here on they can be followed without what was before.';
COMMENT ON COLUMN exchange.market_data.checksum IS 'CRC-32C of events.';
COMMENT ON COLUMN exchange.market_data.events IS 'The events, encoded one after the other: see feed/src/codec.rs.';

CREATE FUNCTION exchange.events_after(
    after     bigint,
    of_symbol text DEFAULT NULL,
    maximum   integer DEFAULT 1000)
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
LANGUAGE c STABLE PARALLEL RESTRICTED COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'events_after_wrapper';
COMMENT ON FUNCTION exchange.events_after(bigint, text, integer) IS
    'The public events after a command, in their order, at most so many, and then the rest of the last command: a command is never returned in part, so the sequence of the last row is where to go on. Of one symbol, and those of the whole market (symbol NULL), or of all. Columns that an event does not have are NULL: side, price and quantity are of trades (side is the taker''s), auctions (no side) and levels; orders of levels; trade_id of trades and busts; phase and trade_date of phases. It reads exchange.market_data, a few milliseconds behind the matcher; see exchange.wait_for(''projected''). after: 0 for all. Errors: 22004 (NULL), 22023 (after below 0, maximum below 1), 42704 (unknown symbol), 55000 (some of them were archived, see exchange.archive_day()), XX001 (a damaged block).';

CREATE FUNCTION exchange.quote_history(of_symbol text, "from" timestamptz, "to" timestamptz)
RETURNS TABLE (
    sequence     bigint,
    at           timestamptz,
    symbol       text,
    bid_price    numeric,
    bid_quantity bigint,
    ask_price    numeric,
    ask_quantity bigint)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 10000
AS 'MODULE_PATHNAME', 'quote_history_wrapper';
COMMENT ON FUNCTION exchange.quote_history(text, timestamptz, timestamptz) IS
    'The best displayed bid and offer of a symbol (NULL: of every symbol) over time, one row a change: first the quote in force at "from", with that as its time, then those from "from" on and before "to", in their order. Prices and quantities are NULL where nobody bids or offers. Errors: 22004 ("from" or "to" is NULL), 22023 ("to" is before "from"), 42704 (unknown symbol), 55000 (what was at "from" was archived), XX001 (a damaged block).';

CREATE FUNCTION exchange.depth_history(
    symbol text,
    "from" timestamptz,
    "to"   timestamptz,
    step   interval,
    levels integer DEFAULT 5)
RETURNS TABLE (
    at           timestamptz,
    bid_price    numeric,
    ask_price    numeric,
    bid_quantity bigint,
    ask_quantity bigint,
    bid_orders   bigint,
    ask_orders   bigint)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 1000
AS 'MODULE_PATHNAME', 'depth_history_wrapper';
COMMENT ON FUNCTION exchange.depth_history(text, timestamptz, timestamptz, interval, integer) IS
    'The displayed book of a symbol at "from" and every step after it, up to "to": the best prices, and what the best so many levels of each side display together; as it stood after all that had happened by then. A price is NULL and sums are 0 where a side is empty. step: above 0, at most 1,000,000 of them. levels: at least 1. Errors: 22004 (NULL), 22023 ("to" is before "from"; step or levels out of range), 42704 (unknown symbol), 55000 (what was at "from" was archived), XX001 (a damaged block).';
