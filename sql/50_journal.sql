-- The durable truth.

CREATE TABLE exchange.journal (
    first_sequence bigint PRIMARY KEY,
    last_sequence  bigint NOT NULL,
    first_time_us  bigint NOT NULL,
    event_hash     bigint NOT NULL,
    checksum       bigint NOT NULL,
    commands       bytea NOT NULL
) WITH (toast_tuple_target = 8160);
-- The commands are compact already: do not spend time on compressing them.
ALTER TABLE exchange.journal ALTER COLUMN commands SET STORAGE EXTERNAL;
COMMENT ON TABLE exchange.journal IS
    'Every command, in order, a batch a row. An order is answered (but under synchronous_commit = off) when its batch is committed here. Everything else in this schema can be made again from it.';
COMMENT ON COLUMN exchange.journal.first_sequence IS 'The first command of the batch: one more than the last of the batch before.';
COMMENT ON COLUMN exchange.journal.last_sequence IS 'The last command of the batch.';
COMMENT ON COLUMN exchange.journal.first_time_us IS 'The time of the first command, in microseconds since 2000-01-01 UTC.';
COMMENT ON COLUMN exchange.journal.event_hash IS 'The engine''s running hash over all events up to the end of the batch.';
COMMENT ON COLUMN exchange.journal.checksum IS 'CRC-32C of commands.';
COMMENT ON COLUMN exchange.journal.commands IS 'The commands, encoded one after the other: see matcher/src/codec.rs.';
