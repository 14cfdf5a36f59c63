-- The durable truth.

CREATE TABLE exchange.journal (
    first_sequence bigint NOT NULL,
    last_sequence  bigint NOT NULL,
    first_time_us  bigint NOT NULL,
    event_hash     bigint NOT NULL,
    checksum       bigint NOT NULL,
    commands       bytea NOT NULL
) PARTITION BY RANGE (first_time_us);
ALTER TABLE exchange.journal REPLICA IDENTITY FULL;
-- The commands are compact already: do not spend time on compressing them.
ALTER TABLE exchange.journal ALTER COLUMN commands SET STORAGE EXTERNAL;
COMMENT ON TABLE exchange.journal IS
    'Every command, in order, a batch a row; partitioned by day, and a batch is of one day. An order is answered (but under synchronous_commit = off) when its batch is committed here. Everything else in this schema can be made again from it.';
COMMENT ON COLUMN exchange.journal.first_sequence IS 'The first command of the batch: one more than the last of the batch before.';
COMMENT ON COLUMN exchange.journal.last_sequence IS 'The last command of the batch.';
COMMENT ON COLUMN exchange.journal.first_time_us IS 'The time of the first command, in microseconds since 2000-01-01 UTC.';
COMMENT ON COLUMN exchange.journal.event_hash IS 'The engine''s running hash over all events up to the end of the batch.';
COMMENT ON COLUMN exchange.journal.checksum IS 'CRC-32C of commands.';
COMMENT ON COLUMN exchange.journal.commands IS 'The commands, encoded one after the other: see matcher/src/codec.rs.';

CREATE FUNCTION exchange.checksum(bytes bytea)
RETURNS bigint
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'checksum_wrapper';
COMMENT ON FUNCTION exchange.checksum(bytea) IS
    'CRC-32C of some bytes, as in the column checksum of exchange.journal and exchange.market_data. Error: 22004 (NULL).';

CREATE FUNCTION exchange.decode_journal(
    commands       bytea,
    first_sequence bigint DEFAULT 1,
    first_time_us  bigint DEFAULT 0)
RETURNS TABLE (
    sequence       bigint,
    at             timestamptz,
    command        text,
    participant_id integer,
    account_id     integer,
    order_id       bigint,
    instrument_id  integer,
    side           text,
    price_ticks    bigint,
    quantity       bigint,
    details        jsonb)
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'decode_journal_wrapper';
COMMENT ON FUNCTION exchange.decode_journal(bytea, bigint, bigint) IS
    'The commands of a row of exchange.journal, given its columns commands, first_sequence and first_time_us. It needs nothing but the library, so it works in every database that has a copy of the journal. command is the kind: place_order, cancel_order, reduce_order, replace_order, cancel_client_order, cancel_orders, end_session, create_instrument, and so on. participant_id is who asked for it, 0 the venue; NULL where the command does not say, as when an order is placed: whoever may act for account_id. order_id is the order that it is about; a placed order has the sequence of its command. price_ticks times the tick size of the instrument is the price: the limit price, 0 where the engine works it out, or keeps it. quantity: of a placed or replaced order, the whole; of a reduced one, by how much; of a transfer of shares, how many came. details has what is left, NULL where nothing is: the terms of an order, the rules of an instrument, amounts of money (as text, in units of the currency). Errors: 22004 (NULL), XX001 (bytes that are no commands).';

CREATE FUNCTION exchange.journal_commands(
    from_sequence bigint,
    to_sequence   bigint,
    of_order      bigint DEFAULT NULL)
RETURNS TABLE (
    sequence       bigint,
    at             timestamptz,
    command        text,
    participant_id integer,
    account_id     integer,
    order_id       bigint,
    instrument_id  integer,
    side           text,
    price_ticks    bigint,
    quantity       bigint,
    details        jsonb)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 1000
AS 'MODULE_PATHNAME', 'journal_commands_wrapper';
COMMENT ON FUNCTION exchange.journal_commands(bigint, bigint, bigint) IS
    'The commands of the journal from one sequence to another, both included, as exchange.decode_journal() returns them; with of_order only those that name that order: that placed, changed or cancelled it. Commands that concern it without naming it (a mass cancel, the end of a session or of a day) are not among them. Errors: 22004 (a sequence is NULL), 22023 (to_sequence is before from_sequence), 55000 (some of them were archived, see exchange.archive_day()), XX001 (a damaged or missing row).';
