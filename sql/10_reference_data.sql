-- Instruments, accounts, and whether the market is open.

CREATE TABLE exchange.instruments (
    instrument_id integer PRIMARY KEY,
    symbol        text COLLATE "C" NOT NULL UNIQUE,
    tick_size     numeric NOT NULL,
    lot_size      bigint NOT NULL,
    maximum_price numeric NOT NULL,
    created_at    timestamptz NOT NULL
);
COMMENT ON TABLE exchange.instruments IS
    'What can be traded. Written by the exchange; use exchange.create_instrument().';
COMMENT ON COLUMN exchange.instruments.instrument_id IS 'Dense, from 1, in the order of creation.';
COMMENT ON COLUMN exchange.instruments.symbol IS 'Its name in every call and table, 1 to 15 bytes.';
COMMENT ON COLUMN exchange.instruments.tick_size IS 'Every price is a multiple of it.';
COMMENT ON COLUMN exchange.instruments.lot_size IS 'Every quantity is a multiple of it.';
COMMENT ON COLUMN exchange.instruments.maximum_price IS 'The highest limit price.';
COMMENT ON COLUMN exchange.instruments.created_at IS 'When it was listed.';

CREATE TABLE exchange.accounts (
    account_id integer PRIMARY KEY,
    owner      text COLLATE "C" NOT NULL,
    opened_at  timestamptz NOT NULL
);
COMMENT ON TABLE exchange.accounts IS
    'Whom orders are for. Written by the exchange; use exchange.open_account().';
COMMENT ON COLUMN exchange.accounts.account_id IS 'Dense, from 1, in the order of opening.';
COMMENT ON COLUMN exchange.accounts.owner IS 'The role that may trade for it, as may its members.';
COMMENT ON COLUMN exchange.accounts.opened_at IS 'When it was opened.';

CREATE TABLE exchange.engine_state (
    only_row             boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sequence             bigint NOT NULL,
    time_us              bigint NOT NULL,
    last_trade_id        bigint NOT NULL,
    event_hash           bigint NOT NULL,
    market_open          boolean NOT NULL,
    maximum_open_orders  integer NOT NULL,
    maximum_price_levels integer NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE exchange.engine_state IS
    'What the matching engine knows beside instruments, accounts and open orders. The tables and this row change in one transaction: together they are the engine after the command named here, and recovery starts from them.';
COMMENT ON COLUMN exchange.engine_state.only_row IS 'There is one row, or none before the workers have first run.';
COMMENT ON COLUMN exchange.engine_state.sequence IS 'The last command that the tables show.';
COMMENT ON COLUMN exchange.engine_state.time_us IS 'Its time, in microseconds since 2000-01-01 UTC.';
COMMENT ON COLUMN exchange.engine_state.last_trade_id IS 'The last trade id that was given out.';
COMMENT ON COLUMN exchange.engine_state.event_hash IS 'The running hash over all events up to there.';
COMMENT ON COLUMN exchange.engine_state.market_open IS 'Whether orders are accepted.';
COMMENT ON COLUMN exchange.engine_state.maximum_open_orders IS 'The bound under which the commands after it are executed: the setting of that name.';
COMMENT ON COLUMN exchange.engine_state.maximum_price_levels IS 'The bound under which the commands after it are executed: the setting of that name.';

CREATE FUNCTION exchange.create_instrument(
    symbol        text,
    tick_size     numeric,
    lot_size      bigint DEFAULT 1,
    maximum_price numeric DEFAULT NULL)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'create_instrument_wrapper';
COMMENT ON FUNCTION exchange.create_instrument(text, numeric, bigint, numeric) IS
    'Lists an instrument and returns its id. symbol: 1 to 15 bytes. tick_size: above 0, at most 9 decimals. lot_size: at least 1. maximum_price: by default ten million ticks, at most 134,217,727. The instrument is there, durably and in exchange.instruments, when the call returns, and a ROLLBACK does not undo it. Errors: 22004 (NULL), 22023 (out of range), 42710 (the symbol exists), 54000 (exchange.maximum_instruments reached).';

CREATE FUNCTION exchange.open_account(owner name DEFAULT current_user)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'open_account_wrapper';
COMMENT ON FUNCTION exchange.open_account(name) IS
    'Opens an account for a role and returns its id. Members of the role may trade for it too. The account is there when the call returns, and a ROLLBACK does not undo it. Errors: 22004 (NULL), 42704 (no such role), 54000 (exchange.maximum_accounts reached).';

CREATE FUNCTION exchange.open_market()
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'open_market_wrapper';
COMMENT ON FUNCTION exchange.open_market() IS
    'Accepts orders from here on, and returns since when. Not undone by ROLLBACK. Error: 55000 (open already).';

CREATE FUNCTION exchange.close_market()
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'close_market_wrapper';
COMMENT ON FUNCTION exchange.close_market() IS
    'Rejects new orders from here on, and returns since when. Resting orders stay, and may be cancelled. Not undone by ROLLBACK. Error: 55000 (closed already).';

CREATE FUNCTION exchange.advance_clock(until timestamptz)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'advance_clock_wrapper';
COMMENT ON FUNCTION exchange.advance_clock(timestamptz) IS
    'Moves the clock of a simulated exchange (exchange.simulated_clock = on) forward, and returns its time. There, the clock moves in no other way, so that a day can be traded again to the microsecond. Errors: 22004 (NULL), 22023 (before the time of the exchange, or not in the years 2000 to 9999), 55000 (the clock is the real one).';
