-- What the exchange knows: participants, accounts, currencies, fees, instruments, and the phase
-- that the market is in. The tables are written by the projector worker, a few milliseconds behind
-- the engine; the functions below and in the next files change what is in them, and answer when
-- the tables show it.

CREATE TABLE exchange.participants (
    participant_id    integer PRIMARY KEY,
    role              text COLLATE "C" NOT NULL UNIQUE,
    orders_per_second integer,
    burst             integer,
    registered_at     timestamptz NOT NULL
);
COMMENT ON TABLE exchange.participants IS
    'The owners of accounts. Written by the exchange; use exchange.register_participant().';
COMMENT ON COLUMN exchange.participants.participant_id IS 'Dense, from 1, in the order of registration.';
COMMENT ON COLUMN exchange.participants.role IS 'The role that it is.';
COMMENT ON COLUMN exchange.participants.orders_per_second IS
    'Orders that it may send a second, on average; NULL for any number. See exchange.set_rate_limit().';
COMMENT ON COLUMN exchange.participants.burst IS 'Orders that it may send at once; NULL for any number.';
COMMENT ON COLUMN exchange.participants.registered_at IS 'When it was registered.';

CREATE TABLE exchange.accounts (
    account_id      integer PRIMARY KEY,
    owner           text COLLATE "C" NOT NULL,
    status          exchange.account_status NOT NULL,
    kill_switch     boolean NOT NULL,
    fee_schedule_id integer,
    opened_at       timestamptz NOT NULL
);
COMMENT ON TABLE exchange.accounts IS
    'Whom orders are for. Written by the exchange; use exchange.open_account().';
COMMENT ON COLUMN exchange.accounts.account_id IS 'Dense, from 1, in the order of opening.';
COMMENT ON COLUMN exchange.accounts.owner IS 'The role that may trade for it, as may its members.';
COMMENT ON COLUMN exchange.accounts.status IS 'Whether it may trade.';
COMMENT ON COLUMN exchange.accounts.kill_switch IS
    'Whether its kill switch is pulled: its orders are rejected. See exchange.kill_switch().';
COMMENT ON COLUMN exchange.accounts.fee_schedule_id IS
    'What its next orders cost; NULL for nothing. See exchange.fee_schedules.';
COMMENT ON COLUMN exchange.accounts.opened_at IS 'When it was opened.';

CREATE TABLE exchange.currencies (
    currency_id integer PRIMARY KEY,
    currency    text COLLATE "C" NOT NULL UNIQUE,
    fees        numeric NOT NULL,
    transferred numeric NOT NULL
);
COMMENT ON TABLE exchange.currencies IS
    'What instruments are paid in. Written by the exchange: a currency comes with the first instrument that names it.';
COMMENT ON COLUMN exchange.currencies.currency_id IS 'Dense, from 1, in the order in which instruments first named them.';
COMMENT ON COLUMN exchange.currencies.currency IS 'Its code, 1 to 7 bytes.';
COMMENT ON COLUMN exchange.currencies.fees IS 'What the venue has earned by fees, in units of the currency; below 0 it has paid more than it took.';
COMMENT ON COLUMN exchange.currencies.transferred IS
    'What was deposited less what was withdrawn, in units of the currency: always the sum of all balances and the fees.';

CREATE TABLE exchange.fee_schedules (
    fee_schedule_id integer PRIMARY KEY,
    name            text COLLATE "C" NOT NULL UNIQUE,
    maker_rate      numeric NOT NULL,
    taker_rate      numeric NOT NULL,
    auction_rate    numeric NOT NULL,
    created_at      timestamptz NOT NULL
);
COMMENT ON TABLE exchange.fee_schedules IS
    'What trades cost, as parts of their value: 0.0005 is 5 basis points. A rate below 0 is paid by the venue. Written by the exchange; use exchange.create_fee_schedule(). A schedule never changes.';
COMMENT ON COLUMN exchange.fee_schedules.fee_schedule_id IS 'Dense, from 1, in the order of creation.';
COMMENT ON COLUMN exchange.fee_schedules.name IS 'Its name in every call, 1 to 23 bytes.';
COMMENT ON COLUMN exchange.fee_schedules.maker_rate IS 'For an order that rested; -0.1 to 0.1, at most 6 decimals.';
COMMENT ON COLUMN exchange.fee_schedules.taker_rate IS 'For an order that came in and met it; -0.1 to 0.1, at most 6 decimals.';
COMMENT ON COLUMN exchange.fee_schedules.auction_rate IS 'For both sides of a trade in an auction; -0.1 to 0.1, at most 6 decimals.';
COMMENT ON COLUMN exchange.fee_schedules.created_at IS 'When it was added.';

CREATE TABLE exchange.instruments (
    instrument_id integer PRIMARY KEY,
    symbol        text COLLATE "C" NOT NULL UNIQUE,
    tick_size     numeric NOT NULL,
    lot_size      bigint NOT NULL,
    maximum_price numeric NOT NULL,
    created_at    timestamptz NOT NULL,
    currency      text COLLATE "C" NOT NULL
);
COMMENT ON TABLE exchange.instruments IS
    'What can be traded. Written by the exchange; use exchange.create_instrument(). What changes of them is in exchange.instrument_states.';
COMMENT ON COLUMN exchange.instruments.instrument_id IS 'Dense, from 1, in the order of creation.';
COMMENT ON COLUMN exchange.instruments.symbol IS 'Its name in every call and table, 1 to 15 bytes.';
COMMENT ON COLUMN exchange.instruments.tick_size IS 'Every price is a multiple of it.';
COMMENT ON COLUMN exchange.instruments.lot_size IS 'Every quantity is a multiple of it.';
COMMENT ON COLUMN exchange.instruments.maximum_price IS 'The highest limit price.';
COMMENT ON COLUMN exchange.instruments.created_at IS 'When it was listed.';
COMMENT ON COLUMN exchange.instruments.currency IS 'What its prices are in, and what it is paid in.';

CREATE TABLE exchange.instrument_states (
    symbol          text COLLATE "C" PRIMARY KEY,
    phase           exchange.instrument_phase NOT NULL,
    halted          boolean NOT NULL,
    halt_until      timestamptz,
    reference_price numeric,
    last_price      numeric,
    collar          numeric,
    band            numeric,
    volatility_halt interval NOT NULL,
    protection      numeric NOT NULL,
    transferred     bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE exchange.instrument_states IS
    'What changes of an instrument: its phase, its prices, and what protects them. Written by the exchange.';
COMMENT ON COLUMN exchange.instrument_states.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.instrument_states.phase IS 'What it is in.';
COMMENT ON COLUMN exchange.instrument_states.halted IS 'Whether the venue stopped it; see exchange.halt_instrument().';
COMMENT ON COLUMN exchange.instrument_states.halt_until IS 'When its volatility halt ends; NULL without one.';
COMMENT ON COLUMN exchange.instrument_states.reference_price IS
    'What price bands and auctions start from: the price of the last auction, else the last trade of the day before, else what exchange.set_reference_price() set. NULL before there is one.';
COMMENT ON COLUMN exchange.instrument_states.last_price IS 'The price of the last trade; NULL before the first one.';
COMMENT ON COLUMN exchange.instrument_states.collar IS
    'How far a limit price may be from the last trade (before the first one: from the reference price), as a part of that; NULL for any.';
COMMENT ON COLUMN exchange.instrument_states.band IS
    'How far a trade may be from the reference price, as a part of that, before a volatility halt begins instead; NULL for any.';
COMMENT ON COLUMN exchange.instrument_states.volatility_halt IS 'How long a volatility halt lasts.';
COMMENT ON COLUMN exchange.instrument_states.protection IS
    'How far from the best opposite price a market order may trade, as a part of that.';
COMMENT ON COLUMN exchange.instrument_states.transferred IS
    'What was deposited less what was withdrawn: always the sum of all positions.';

CREATE TABLE exchange.engine_state (
    only_row             boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sequence             bigint NOT NULL,
    time_us              bigint NOT NULL,
    last_trade_id        bigint NOT NULL,
    event_hash           bigint NOT NULL,
    market_phase         exchange.market_phase NOT NULL,
    trade_date           date NOT NULL,
    maximum_open_orders  integer NOT NULL,
    maximum_price_levels integer NOT NULL,
    maximum_positions    integer NOT NULL,
    client_order_window  integer NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE exchange.engine_state IS
    'What the matching engine knows beside the other tables. They and this row change in one transaction: together they are the engine after the command named here, and recovery starts from them.';
COMMENT ON COLUMN exchange.engine_state.only_row IS 'There is one row, or none before the workers have first run.';
COMMENT ON COLUMN exchange.engine_state.sequence IS 'The last command that the tables show.';
COMMENT ON COLUMN exchange.engine_state.time_us IS 'Its time, in microseconds since 2000-01-01 UTC.';
COMMENT ON COLUMN exchange.engine_state.last_trade_id IS 'The last trade id that was given out.';
COMMENT ON COLUMN exchange.engine_state.event_hash IS 'The running hash over all events up to there.';
COMMENT ON COLUMN exchange.engine_state.market_phase IS 'What the market is in.';
COMMENT ON COLUMN exchange.engine_state.trade_date IS 'The trade date; 2000-01-01 before the market first opened.';
COMMENT ON COLUMN exchange.engine_state.maximum_open_orders IS 'The bound under which the commands after it are executed: the setting of that name.';
COMMENT ON COLUMN exchange.engine_state.maximum_price_levels IS 'The bound under which the commands after it are executed: the setting of that name.';
COMMENT ON COLUMN exchange.engine_state.maximum_positions IS 'The bound under which the commands after it are executed: the setting of that name.';
COMMENT ON COLUMN exchange.engine_state.client_order_window IS 'For how many commands a client order id is remembered: the setting of that name.';

CREATE FUNCTION exchange.create_instrument(
    symbol        text,
    tick_size     numeric,
    lot_size      bigint DEFAULT 1,
    maximum_price numeric DEFAULT NULL,
    currency      text DEFAULT 'USD')
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'create_instrument_wrapper';
COMMENT ON FUNCTION exchange.create_instrument(text, numeric, bigint, numeric, text) IS
    'Lists an instrument and returns its id. symbol: 1 to 15 bytes. tick_size: above 0, at most a million, at most 9 decimals. lot_size: at least 1. maximum_price: by default ten million ticks, at most 134,217,727. currency: 1 to 7 bytes; one that is new exists from here on. The instrument is there, durably and in exchange.instruments, when the call returns, and a ROLLBACK does not undo it. Errors: 22004 (NULL), 22023 (out of range), 42710 (the symbol exists), 54000 (exchange.maximum_instruments reached, or 250 currencies).';

CREATE FUNCTION exchange.set_price_rules(
    symbol          text,
    collar          numeric DEFAULT NULL,
    band            numeric DEFAULT NULL,
    volatility_halt interval DEFAULT '5 minutes',
    protection      numeric DEFAULT 0.1)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_price_rules_wrapper';
COMMENT ON FUNCTION exchange.set_price_rules(text, numeric, numeric, interval, numeric) IS
    'Sets what protects the price of an instrument; all of it at once. collar: limit prices farther from the last trade (before the first one: from the reference price) are rejected with price_collar. band: a trade farther from the reference price does not happen; a volatility halt begins, in which orders are collected for the auction that ends it. volatility_halt: how long, 1 microsecond to 1 day. protection: how far from the best opposite price (without one: from the last trade, the reference price) a market order, or a stop order from its stop price, may trade. collar, band and protection are parts of the price, above 0 (protection: at least 0) and at most 1, with at most 6 decimals: 0.05 is 5 %. NULL: no collar, no band. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (out of range), 42704 (unknown symbol).';

CREATE FUNCTION exchange.set_reference_price(symbol text, price numeric)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_reference_price_wrapper';
COMMENT ON FUNCTION exchange.set_reference_price(text, numeric) IS
    'Sets what price bands and auctions of an instrument start from, until the next auction or the close of a day with trades sets it. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (price out of range or off the tick), 42704 (unknown symbol).';

CREATE FUNCTION exchange.open_market()
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'open_market_wrapper';
COMMENT ON FUNCTION exchange.open_market() IS
    'Trades continuously from here on, after an auction of what was collected, and returns since when. The trade date is today''s, in exchange.time_zone. Where exchange.calendar is on, the market opens and closes by itself. Not undone by ROLLBACK. Error: 55000 (open already, or today is before the last trade date).';

CREATE FUNCTION exchange.close_market()
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'close_market_wrapper';
COMMENT ON FUNCTION exchange.close_market() IS
    'Ends trading for the day, after an auction of what was collected for the closing one, and returns since when. New orders are rejected from here on, day orders expire, others stay and may be cancelled. Not undone by ROLLBACK. Error: 55000 (closed already).';

CREATE FUNCTION exchange.halt_instrument(symbol text DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'halt_instrument_wrapper';
COMMENT ON FUNCTION exchange.halt_instrument(text) IS
    'Stops trading in an instrument (NULL: in all that are not halted), and returns since when. Orders are rejected with instrument_halted; those that wait stay, and may be cancelled. Not undone by ROLLBACK. Errors: 42704 (unknown symbol), 55000 (halted already).';

CREATE FUNCTION exchange.resume_instrument(symbol text DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'resume_instrument_wrapper';
COMMENT ON FUNCTION exchange.resume_instrument(text) IS
    'Goes on with an instrument that exchange.halt_instrument() stopped (NULL: with all), after an auction of what waits where the market trades continuously, and returns since when. Not undone by ROLLBACK. Errors: 42704 (unknown symbol), 55000 (not halted).';

CREATE FUNCTION exchange.bust_trade(trade_id bigint)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'bust_trade_wrapper';
COMMENT ON FUNCTION exchange.bust_trade(bigint) IS
    'Cancels a trade that was a mistake, and returns when: the buyer gets the money and the fee back, the seller the shares, the venue returns the fees. Orders, prices and what counts for daily limits stay. Balances and positions may fall below 0 by it. exchange.executions and exchange.trades show it in busted_at. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such trade, or busted already), 55000 (an account of it is closed).';

CREATE FUNCTION exchange.advance_clock(until timestamptz)
RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'advance_clock_wrapper';
COMMENT ON FUNCTION exchange.advance_clock(timestamptz) IS
    'Moves the clock of a simulated exchange (exchange.simulated_clock = on) forward, and returns its time. What is due on the way happens: good-till-date orders and volatility halts end, the calendar goes on. There, the clock moves in no other way, so that a day can be traded again to the microsecond. Errors: 22004 (NULL), 22023 (before the time of the exchange, or not in the years 2000 to 9999), 55000 (the clock is the real one).';
