-- The schema and the words of the trade.

\echo Use "CREATE EXTENSION pg_exchange" to load this file. \quit

CREATE SCHEMA exchange;
COMMENT ON SCHEMA exchange IS
    'pg_exchange: a stock exchange. Orders go in through exchange.place_order(); orders, executions, trades and candles are tables.';

CREATE TYPE exchange.side AS ENUM ('buy', 'sell');
COMMENT ON TYPE exchange.side IS 'Whether an order buys or sells.';

CREATE TYPE exchange.time_in_force AS ENUM ('GTC', 'IOC', 'FOK', 'DAY', 'GTD');
COMMENT ON TYPE exchange.time_in_force IS
    'How long an order stays. GTC: until it is filled or cancelled. IOC: what cannot trade at once is cancelled. FOK: it trades at once and as a whole, or is cancelled. DAY: until the market closes. GTD: until expire_at.';

CREATE TYPE exchange.order_type AS ENUM ('limit', 'market', 'stop', 'stop_limit', 'trailing_stop', 'pegged');
COMMENT ON TYPE exchange.order_type IS
    'What makes an order trade. limit: its limit price or a better one. market: trades at once, down to a protection price; what is left is cancelled. stop: becomes a market order when its stop price is reached. stop_limit: becomes a limit order then. trailing_stop: a stop order whose stop price follows the market at a distance. pegged: its price follows the best bid, the best ask or their middle; it is not displayed.';

CREATE TYPE exchange.post_only AS ENUM ('no', 'reject', 'slide');
COMMENT ON TYPE exchange.post_only IS
    'What becomes of an order that must not take. no: it may take. reject: if it would trade at once, it is rejected. slide: if it would trade at once, its price becomes the best one at which it does not.';

CREATE TYPE exchange.peg AS ENUM ('best_bid', 'best_ask', 'midpoint');
COMMENT ON TYPE exchange.peg IS
    'What the price of a pegged order follows: the best displayed bid, the best displayed ask, or the middle between the two, rounded to the tick that is worse for the other side.';

CREATE TYPE exchange.stop_trigger AS ENUM ('last_trade', 'best_quote');
COMMENT ON TYPE exchange.stop_trigger IS
    'What a stop price is compared with. last_trade: the last trade. best_quote: the last trade, and the best displayed quote, which is the ask for a buy and the bid for a sell.';

CREATE TYPE exchange.self_trade_prevention AS ENUM
    ('cancel_newest', 'cancel_oldest', 'cancel_both', 'decrement', 'allow');
COMMENT ON TYPE exchange.self_trade_prevention IS
    'What happens instead of a trade between two orders of one account; the incoming order decides. cancel_newest: the incoming order is cancelled. cancel_oldest: the resting order is. cancel_both: both are. decrement: both become smaller by what would have traded, and what has nothing left is cancelled. allow: they trade. In auctions it does not apply.';

CREATE TYPE exchange.order_status AS ENUM
    ('open', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired');
COMMENT ON TYPE exchange.order_status IS
    'Where an order stands. open, partially_filled: it waits, in the book or for its stop price, its peg or its whole quantity. filled, cancelled, rejected, expired: finished, and never changes again.';

CREATE TYPE exchange.reject_reason AS ENUM (
    'market_closed', 'instrument_halted', 'account_not_verified', 'account_suspended', 'account_closed',
    'kill_switch', 'auction_phase', 'too_many_open_orders', 'too_many_price_levels', 'too_many_positions',
    'no_reference_price', 'linked_order_not_open', 'already_expired', 'price_collar', 'order_quantity_limit',
    'order_value_limit', 'daily_quantity_limit', 'daily_value_limit', 'open_orders_limit',
    'insufficient_funds', 'insufficient_shares', 'post_only_would_cross', 'order_not_open', 'not_owner');
COMMENT ON TYPE exchange.reject_reason IS
    'Why the venue declined a well-formed request; where several reasons apply it is the first in the order of the labels. docs/orders.md says what each means and what to do. All up to post_only_would_cross are of orders. order_not_open: the order to change is finished or unknown. not_owner: it belongs to another participant.';

CREATE TYPE exchange.cancel_reason AS ENUM (
    'requested', 'immediate', 'fill_or_kill', 'minimum_quantity', 'self_trade', 'expired', 'linked_order',
    'kill_switch', 'session_ended', 'auction_ended', 'volatility_halt', 'no_room');
COMMENT ON TYPE exchange.cancel_reason IS
    'Why an order is finished without having traded completely; docs/orders.md says what to do. requested: its sender, or the venue, cancelled it. immediate: an IOC, market or triggered stop order could not trade (on) at once. fill_or_kill, minimum_quantity: it could not trade as much at once. self_trade: it met an order of its own account. expired: the market closed, or its time came. linked_order: the order that it is linked with traded. kill_switch: the kill switch of its account was pulled. session_ended: see exchange.cancel_on_disconnect(). auction_ended: what a market order could not trade in the auction. volatility_halt: it must trade at once, and would have left the price bands. no_room: a stop order was triggered, and a bound of the venue left no room for it to rest.';

CREATE TYPE exchange.liquidity AS ENUM ('maker', 'taker', 'auction');
COMMENT ON TYPE exchange.liquidity IS
    'Which part an order had in a trade. maker: it rested. taker: it came in and met it. auction: both traded in an auction.';

CREATE TYPE exchange.account_status AS ENUM ('unverified', 'verified', 'suspended', 'closed');
COMMENT ON TYPE exchange.account_status IS
    'Whether an account may trade. unverified: opened, and may not trade yet. verified: may trade. suspended: may cancel, and enter nothing. closed: empty, and for ever.';

CREATE TYPE exchange.market_phase AS ENUM ('closed', 'pre_open', 'continuous', 'closing_auction');
COMMENT ON TYPE exchange.market_phase IS
    'What the market is in. closed: orders are rejected, and may be cancelled. pre_open: orders are collected for the opening auction. continuous: orders trade as they come. closing_auction: orders are collected for the closing auction.';

CREATE TYPE exchange.instrument_phase AS ENUM
    ('closed', 'pre_open', 'continuous', 'closing_auction', 'volatility_halt', 'halted');
COMMENT ON TYPE exchange.instrument_phase IS
    'What an instrument is in: the phase of the market, unless it is halted. volatility_halt: a trade would have left the price bands, and orders are collected for the auction that ends the halt. halted: the venue stopped it; orders are rejected, and may be cancelled.';

CREATE TYPE exchange.cursor AS ENUM ('matched', 'durable', 'published', 'projected');
COMMENT ON TYPE exchange.cursor IS
    'How far the exchange has come with its commands. matched: executed by the matcher. durable: in exchange.journal, on disk. published: in the order book boards. projected: in the tables.';
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
-- Money, shares, limits and the calendar, as the engine has them: with the tables before and the
-- open orders they are what recovery starts from. Written by the projector worker, each row once
-- a batch. What open orders hold follows from the open orders: see exchange.balances and
-- exchange.holdings.

CREATE TABLE exchange.cash (
    account_id   integer NOT NULL,
    currency     text COLLATE "C" NOT NULL,
    balance      numeric NOT NULL,
    credit_limit numeric NOT NULL,
    PRIMARY KEY (account_id, currency)
) WITH (fillfactor = 50);
COMMENT ON TABLE exchange.cash IS
    'The money of every account, by currency, from the first time on that it had or could have had any. exchange.balances also shows what of it is held. Written by the exchange; use exchange.deposit() and exchange.withdraw().';
COMMENT ON COLUMN exchange.cash.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.cash.currency IS 'Of what.';
COMMENT ON COLUMN exchange.cash.balance IS 'What it has, in units of the currency, to 9 decimals; below 0 it owes.';
COMMENT ON COLUMN exchange.cash.credit_limit IS 'What it may owe, in units of the currency; see exchange.set_credit_limit().';

CREATE TABLE exchange.positions (
    account_id      integer NOT NULL,
    symbol          text COLLATE "C" NOT NULL,
    quantity        bigint NOT NULL,
    short_limit     bigint NOT NULL,
    trade_date      date NOT NULL,
    bought_quantity bigint NOT NULL,
    sold_quantity   bigint NOT NULL,
    bought_value    numeric NOT NULL,
    sold_value      numeric NOT NULL,
    PRIMARY KEY (account_id, symbol)
) WITH (fillfactor = 50);
COMMENT ON TABLE exchange.positions IS
    'What every account has of an instrument, from its first order, share or limit there on. exchange.holdings also shows what of it is held. Written by the exchange; use exchange.deposit_shares() and exchange.withdraw_shares().';
COMMENT ON COLUMN exchange.positions.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.positions.symbol IS 'Of what.';
COMMENT ON COLUMN exchange.positions.quantity IS 'How much it has; below 0 it owes.';
COMMENT ON COLUMN exchange.positions.short_limit IS 'What it may owe; see exchange.set_short_limit().';
COMMENT ON COLUMN exchange.positions.trade_date IS
    'The trade date that the next four are of: where it has passed, nothing has traded on the current one. 2000-01-01 before the first trade.';
COMMENT ON COLUMN exchange.positions.bought_quantity IS 'What it bought on that date.';
COMMENT ON COLUMN exchange.positions.sold_quantity IS 'What it sold on that date.';
COMMENT ON COLUMN exchange.positions.bought_value IS 'What it paid for it, without fees, in units of the instrument''s currency.';
COMMENT ON COLUMN exchange.positions.sold_value IS 'What it received for it, without fees, in units of the instrument''s currency.';

CREATE TABLE exchange.risk_limits (
    account_id            integer NOT NULL,
    symbol                text COLLATE "C" NOT NULL,
    order_quantity        bigint,
    order_value           numeric,
    daily_bought_quantity bigint,
    daily_sold_quantity   bigint,
    daily_bought_value    numeric,
    daily_sold_value      numeric,
    open_orders           bigint,
    PRIMARY KEY (account_id, symbol)
);
COMMENT ON TABLE exchange.risk_limits IS
    'The limits of an account, of an instrument, and of an account in an instrument; where several apply to an order, each is kept. NULL is no limit; where there is none at all there is no row. Written by the exchange; use exchange.set_risk_limits().';
COMMENT ON COLUMN exchange.risk_limits.account_id IS 'Of which account; 0 for each.';
COMMENT ON COLUMN exchange.risk_limits.symbol IS 'In which instrument; empty for each.';
COMMENT ON COLUMN exchange.risk_limits.order_quantity IS 'The most that one order may be for.';
COMMENT ON COLUMN exchange.risk_limits.order_value IS 'The most that one order may be worth: its limit price × its quantity, in units of the currency.';
COMMENT ON COLUMN exchange.risk_limits.daily_bought_quantity IS 'The most that an account may buy of an instrument on a trade date, open orders included.';
COMMENT ON COLUMN exchange.risk_limits.daily_sold_quantity IS 'The most that an account may sell of an instrument on a trade date, open orders included.';
COMMENT ON COLUMN exchange.risk_limits.daily_bought_value IS 'The most that an account may pay for an instrument on a trade date, open orders included, fees not.';
COMMENT ON COLUMN exchange.risk_limits.daily_sold_value IS 'The most that an account may receive for an instrument on a trade date, open orders included, fees not.';
COMMENT ON COLUMN exchange.risk_limits.open_orders IS 'The most orders that an account may have open: over all instruments where the limit is for each instrument, else in that one.';

CREATE TABLE exchange.trading_days (
    trade_date         date PRIMARY KEY,
    pre_open_at        timestamptz NOT NULL,
    open_at            timestamptz NOT NULL,
    closing_auction_at timestamptz NOT NULL,
    close_at           timestamptz NOT NULL,
    steps_taken        integer NOT NULL
);
COMMENT ON TABLE exchange.trading_days IS
    'The days that the engine opens and closes the market by, until they are over: at most 32. Written by the exchange, out of the calendar.';
COMMENT ON COLUMN exchange.trading_days.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.trading_days.pre_open_at IS 'From here on orders are collected.';
COMMENT ON COLUMN exchange.trading_days.open_at IS 'The opening auction; continuous trading from here on.';
COMMENT ON COLUMN exchange.trading_days.closing_auction_at IS 'From here on orders are collected for the closing auction.';
COMMENT ON COLUMN exchange.trading_days.close_at IS 'The closing auction; from here on the market is closed.';
COMMENT ON COLUMN exchange.trading_days.steps_taken IS 'How many of these four have come, 0 to 3; at the fourth the day leaves the table.';

CREATE TABLE exchange.transfers (
    sequence       bigint PRIMARY KEY,
    account_id     integer NOT NULL,
    currency       text COLLATE "C",
    symbol         text COLLATE "C",
    amount         numeric NOT NULL,
    transferred_at timestamptz NOT NULL
);
COMMENT ON TABLE exchange.transfers IS
    'Every deposit and withdrawal, of money (currency) or of shares (symbol).';
COMMENT ON COLUMN exchange.transfers.sequence IS 'Its place in the sequence of all commands.';
COMMENT ON COLUMN exchange.transfers.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.transfers.currency IS 'Of which money; NULL for shares.';
COMMENT ON COLUMN exchange.transfers.symbol IS 'Of which shares; NULL for money.';
COMMENT ON COLUMN exchange.transfers.amount IS 'How much came, in units of the currency, or how many shares; below 0 they left.';
COMMENT ON COLUMN exchange.transfers.transferred_at IS 'When.';

CREATE TABLE exchange.busted_trades (
    trade_id  bigint PRIMARY KEY,
    busted_at timestamptz NOT NULL
);
COMMENT ON TABLE exchange.busted_trades IS 'The trades that were cancelled. Written by the exchange; use exchange.bust_trade().';
COMMENT ON COLUMN exchange.busted_trades.trade_id IS 'Which; see exchange.trades.';
COMMENT ON COLUMN exchange.busted_trades.busted_at IS 'When it was cancelled.';
-- Participants and their accounts: what they have, what trades cost them, and what they may do.
-- All of it is the venue's to run. Each call answers when the tables show what it did, and a
-- ROLLBACK does not undo it.

CREATE FUNCTION exchange.register_participant(role name)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'register_participant_wrapper';
COMMENT ON FUNCTION exchange.register_participant(name) IS
    'Makes a role a participant and returns its id. A role also becomes one with its first account; to register it before lets exchange.set_rate_limit() bound it from its first order. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such role), 42710 (it is one already), 54000 (exchange.maximum_accounts reached).';

CREATE FUNCTION exchange.set_rate_limit(
    participant       name,
    orders_per_second integer,
    burst             integer DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_rate_limit_wrapper';
COMMENT ON FUNCTION exchange.set_rate_limit(name, integer, integer) IS
    'Bounds how many orders a participant may send: on average orders_per_second, and burst at once (by default as many as in a second), each 1 to a billion; an order of an array counts as one, and so does a replace. orders_per_second NULL: no bound. What is above fails with SQLSTATE 53400. Cancels are never bounded. Not undone by ROLLBACK. Errors: 22004 (participant is NULL), 22023 (out of range), 42704 (no such role, or it is no participant).';

CREATE FUNCTION exchange.open_account(owner name DEFAULT current_user)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'open_account_wrapper';
COMMENT ON FUNCTION exchange.open_account(name) IS
    'Opens an account for a role and returns its id. Members of the role may trade for it too, once exchange.verify_account() let it trade. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such role), 54000 (exchange.maximum_accounts reached).';

CREATE FUNCTION exchange.verify_account(account_id integer)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'verify_account_wrapper';
COMMENT ON FUNCTION exchange.verify_account(integer) IS
    'Lets an account trade: one that was just opened, or that was suspended. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such account), 55000 (verified already, or closed).';

CREATE FUNCTION exchange.suspend_account(account_id integer)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'suspend_account_wrapper';
COMMENT ON FUNCTION exchange.suspend_account(integer) IS
    'Keeps an account from trading until exchange.verify_account(): its new orders are rejected with account_suspended. Orders that wait stay, and can trade; exchange.kill_switch() takes them out. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such account), 55000 (suspended already, or closed).';

CREATE FUNCTION exchange.close_account(account_id integer)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'close_account_wrapper';
COMMENT ON FUNCTION exchange.close_account(integer) IS
    'Closes an account for ever. It must have no open order, no money and no shares, and owe none. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such account), 55000 (closed already, or not empty).';

CREATE FUNCTION exchange.deposit(account_id integer, currency text, amount numeric)
RETURNS numeric
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'deposit_wrapper';
COMMENT ON FUNCTION exchange.deposit(integer, text, numeric) IS
    'Money comes into an account; returns its balance after that. amount: above 0, at most 10^18, at most 9 decimals, in units of the currency. Not undone by ROLLBACK. Errors: 22004 (NULL), 22003 (too large), 22023 (not above 0, too many decimals, or more than 10^21 would be in the exchange), 42704 (no such account or currency), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.withdraw(account_id integer, currency text, amount numeric)
RETURNS numeric
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'withdraw_wrapper';
COMMENT ON FUNCTION exchange.withdraw(integer, text, numeric) IS
    'Money leaves an account: at most what it has and its open orders do not hold; credit is not paid out. Returns its balance after that. amount: above 0, at most 10^18, at most 9 decimals, in units of the currency. Not undone by ROLLBACK. Errors: 22004 (NULL), 22003 (too large), 22023 (not above 0, or too many decimals), 23514 (more than there is), 42704 (no such account or currency), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.deposit_shares(account_id integer, symbol text, quantity bigint)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'deposit_shares_wrapper';
COMMENT ON FUNCTION exchange.deposit_shares(integer, text, bigint) IS
    'Shares come into an account; returns its position after that. quantity: above 0, whether or not in lots. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (not above 0, or more than 2^60 would be in the exchange), 42704 (no such account or symbol), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.withdraw_shares(account_id integer, symbol text, quantity bigint)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'withdraw_shares_wrapper';
COMMENT ON FUNCTION exchange.withdraw_shares(integer, text, bigint) IS
    'Shares leave an account: at most what it has and its open sell orders do not hold. Returns its position after that. quantity: above 0, whether or not in lots. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (not above 0, or above 2^60), 23514 (more than there is), 42704 (no such account or symbol), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.create_fee_schedule(
    name         text,
    maker_rate   numeric,
    taker_rate   numeric,
    auction_rate numeric DEFAULT NULL)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'create_fee_schedule_wrapper';
COMMENT ON FUNCTION exchange.create_fee_schedule(text, numeric, numeric, numeric) IS
    'Adds a fee schedule, which never changes after, and returns its id. name: 1 to 23 bytes. The rates are parts of the traded value, -0.1 to 0.1 with at most 6 decimals: 0.0005 is 5 basis points, and below 0 the venue pays. maker_rate: for an order that rested. taker_rate: for one that came in and met it. auction_rate: for both sides of a trade in an auction, by default the taker_rate. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (out of range), 42710 (the name exists), 54000 (250 schedules).';

CREATE FUNCTION exchange.set_fee_schedule(account_id integer, name text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_fee_schedule_wrapper';
COMMENT ON FUNCTION exchange.set_fee_schedule(integer, text) IS
    'Sets what the orders cost that an account sends from here on; NULL: nothing. Open orders keep the schedule that they were sent under. Not undone by ROLLBACK. Errors: 22004 (account_id is NULL), 42704 (no such account or schedule), 55000 (the account is closed).';

CREATE FUNCTION exchange.set_credit_limit(account_id integer, currency text, amount numeric)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_credit_limit_wrapper';
COMMENT ON FUNCTION exchange.set_credit_limit(integer, text, numeric) IS
    'Lets an account owe so much of a currency at the most (margin); 0 ends that for new orders. amount: 0 to 10^18, at most 9 decimals. Not undone by ROLLBACK. Errors: 22004 (NULL), 22003 (too large), 22023 (below 0, or too many decimals), 42704 (no such account or currency), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.set_short_limit(account_id integer, symbol text, quantity bigint)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_short_limit_wrapper';
COMMENT ON FUNCTION exchange.set_short_limit(integer, text, bigint) IS
    'Lets an account owe so many of an instrument at the most (short selling); 0 ends that for new orders. quantity: 0 to 68,719,476,736. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (out of range), 42704 (no such account or symbol), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.set_risk_limits(
    account_id            integer DEFAULT NULL,
    symbol                text DEFAULT NULL,
    order_quantity        bigint DEFAULT NULL,
    order_value           numeric DEFAULT NULL,
    daily_bought_quantity bigint DEFAULT NULL,
    daily_sold_quantity   bigint DEFAULT NULL,
    daily_bought_value    numeric DEFAULT NULL,
    daily_sold_value      numeric DEFAULT NULL,
    open_orders           integer DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_risk_limits_wrapper';
COMMENT ON FUNCTION exchange.set_risk_limits(integer, text, bigint, numeric, bigint, bigint, numeric, numeric, integer) IS
    'Sets the risk limits of an account, of an instrument (for every account), or of an account in an instrument, whichever of account_id and symbol is given; all seven at once. Each order must keep within all that apply, else it is rejected. order_quantity, order_value: of one order, the value at its limit price. daily_…: what an account trades of an instrument on a trade date, what its open orders could trade included; values without fees. open_orders: of an account at a time; those in all instruments count for the limit of an account, else those in the one. Each 0 or above, values at most 10^18 with at most 9 decimals, in the currency of the instrument. NULL: no limit. Not undone by ROLLBACK. Errors: 22003 (too large), 22023 (below 0, too many decimals, or neither account_id nor symbol given), 42704 (no such account or symbol), 54000 (exchange.maximum_positions reached).';

CREATE FUNCTION exchange.release_kill_switch(account_id integer)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'release_kill_switch_wrapper';
COMMENT ON FUNCTION exchange.release_kill_switch(integer) IS
    'Lets an account trade again after exchange.kill_switch(). Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such account), 55000 (its kill switch is not pulled, or it is closed).';
-- Placing, changing and cancelling orders.

CREATE TYPE exchange.order_ack AS (
    order_id           bigint,
    created_at         timestamptz,
    status             exchange.order_status,
    filled_quantity    bigint,
    remaining_quantity bigint,
    average_price      numeric,
    symbol             text,
    side               exchange.side,
    price              numeric,
    quantity           bigint,
    time_in_force      exchange.time_in_force,
    account_id         integer,
    reject_reason      exchange.reject_reason,
    client_order_id    text,
    order_type         exchange.order_type,
    stop_price         numeric,
    cancel_reason      exchange.cancel_reason
);
COMMENT ON TYPE exchange.order_ack IS
    'The answer to a request about an order: the order as it stands after it.';
COMMENT ON COLUMN exchange.order_ack.order_id IS 'The order, named by its place in the sequence of all commands.';
COMMENT ON COLUMN exchange.order_ack.created_at IS 'When the matcher took it.';
COMMENT ON COLUMN exchange.order_ack.status IS 'Where it stands.';
COMMENT ON COLUMN exchange.order_ack.filled_quantity IS 'What has traded.';
COMMENT ON COLUMN exchange.order_ack.remaining_quantity IS 'What waits; 0 once the order is finished.';
COMMENT ON COLUMN exchange.order_ack.average_price IS 'Turnover divided by filled quantity; NULL while nothing has traded.';
COMMENT ON COLUMN exchange.order_ack.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.order_ack.side IS 'Buy or sell.';
COMMENT ON COLUMN exchange.order_ack.price IS
    'The worst price that it accepts: what was given, or worked out where it was left out. NULL if it was rejected because there was nothing to work it out from.';
COMMENT ON COLUMN exchange.order_ack.quantity IS 'What was ordered, less reductions.';
COMMENT ON COLUMN exchange.order_ack.time_in_force IS 'How long it stays.';
COMMENT ON COLUMN exchange.order_ack.account_id IS 'For whom.';
COMMENT ON COLUMN exchange.order_ack.reject_reason IS 'Why the request was declined; NULL if it was not.';
COMMENT ON COLUMN exchange.order_ack.client_order_id IS 'What its sender calls it; NULL if nothing.';
COMMENT ON COLUMN exchange.order_ack.order_type IS 'What makes it trade.';
COMMENT ON COLUMN exchange.order_ack.stop_price IS
    'Where a stop order is triggered, that of a trailing stop where it is now; NULL for other orders.';
COMMENT ON COLUMN exchange.order_ack.cancel_reason IS
    'Why it is finished without having traded completely; NULL if it is not.';

CREATE FUNCTION exchange.place_order(
    symbol                text,
    side                  exchange.side,
    price                 numeric,
    quantity              bigint,
    time_in_force         exchange.time_in_force DEFAULT 'GTC',
    account_id            integer DEFAULT NULL,
    client_order_id       text DEFAULT NULL,
    order_type            exchange.order_type DEFAULT 'limit',
    stop_price            numeric DEFAULT NULL,
    trail                 numeric DEFAULT NULL,
    post_only             exchange.post_only DEFAULT 'no',
    all_or_none           boolean DEFAULT false,
    minimum_quantity      bigint DEFAULT NULL,
    display_quantity      bigint DEFAULT NULL,
    hidden                boolean DEFAULT false,
    peg                   exchange.peg DEFAULT NULL,
    stop_trigger          exchange.stop_trigger DEFAULT 'last_trade',
    expire_at             timestamptz DEFAULT NULL,
    one_cancels_other     bigint DEFAULT NULL,
    self_trade_prevention exchange.self_trade_prevention DEFAULT 'cancel_newest')
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'place_order_wrapper';
COMMENT ON FUNCTION exchange.place_order(text, exchange.side, numeric, bigint, exchange.time_in_force, integer, text, exchange.order_type, numeric, numeric, exchange.post_only, boolean, bigint, bigint, boolean, exchange.peg, exchange.stop_trigger, timestamptz, bigint, exchange.self_trade_prevention) IS
    'Enters an order and returns how it fared. While the instrument trades continuously it trades at once with the best orders of the other side, first come first served at a price, always at the resting order''s price; what is left rests, or is cancelled, as time_in_force says. docs/orders.md explains each kind with an example.

price: the worst price that it accepts, a multiple of the tick size. NULL only for market, stop and trailing_stop orders, for which a protection price is worked out. quantity: above 0, in lots. A market order with the default time_in_force is sent as IOC. account_id: by default the first account of the current role. client_order_id: 1 to 20 bytes; a second order of the account under the same name, within the last exchange.client_order_window commands, is no order but returns the first answer, so a call whose answer was lost can be repeated. stop_price: of stop and stop_limit orders. trail: how far the stop price of a trailing_stop is from the market, a multiple of the tick size. post_only: it does not take; see the type. all_or_none: it trades as a whole or not at all, and is not displayed. minimum_quantity: so much must trade at once, else it is cancelled. display_quantity: it displays so much at a time (iceberg). hidden: it rests, and is not displayed. peg: what a pegged order follows. stop_trigger: what a stop_price is compared with. expire_at: when a GTD order ends. one_cancels_other: an open order of the same account; as soon as one of the two trades, the other is cancelled. self_trade_prevention: see the type.

When the answer comes follows synchronous_commit of the session: with off, when the order is matched; else when it is in the journal, on disk, and on the synchronous standby where there is one.

NOT UNDONE BY ROLLBACK, as nextval() is not: an order that was sent was sent. It writes nothing through the caller''s transaction.

What the venue declines (a closed market, too little money, a limit) is an answer: status rejected, with a reason. These are errors, and leave nothing behind: 22004 (NULL, or no price where one is needed), 22003 (quantity too large), 22023 (price or quantity not above 0, above the maximum, or off the tick or lot; terms that do not go together), 42704 (unknown symbol or account), 42501 (another''s account), 53400 (more orders than exchange.set_rate_limit() allows), 25006 (read-only transaction or standby), 53000 (the exchange did not take the order within exchange.order_timeout), 57P03 (its workers are not running), 55000 (pg_exchange is not preloaded, or the market is halted).';

CREATE FUNCTION exchange.place_orders(
    symbols          text[],
    sides            exchange.side[],
    prices           numeric[],
    quantities       bigint[],
    times_in_force   exchange.time_in_force[] DEFAULT NULL,
    account_ids      integer[] DEFAULT NULL,
    client_order_ids text[] DEFAULT NULL)
RETURNS SETOF exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'place_orders_wrapper';
COMMENT ON FUNCTION exchange.place_orders(text[], exchange.side[], numeric[], bigint[], exchange.time_in_force[], integer[], text[]) IS
    'Enters many limit orders in one call, in the order of the arrays, and returns one answer an order, in the same order. The arrays have the same length; times_in_force is by default GTC for all (GTD needs exchange.place_order()), account_ids the caller''s first account for all, client_order_ids none; of the last, elements may be NULL. Every order is checked before the first is sent: an error sends none of them. Else like exchange.place_order(). Other orders may come between those of one call. Errors: those of exchange.place_order(), and 2202E (arrays of different lengths).';

CREATE FUNCTION exchange.cancel_order(order_id bigint)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'cancel_order_wrapper';
COMMENT ON FUNCTION exchange.cancel_order(bigint) IS
    'Takes out an open order and returns how it ended; in every phase of the market. An order that is finished already is returned as it ended, with reject_reason order_not_open. The venue (superusers and members of exchange_admin) may cancel every order. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such order), 42501 (another''s order), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.cancel_orders(order_ids bigint[])
RETURNS SETOF exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'cancel_orders_wrapper';
COMMENT ON FUNCTION exchange.cancel_orders(bigint[]) IS
    'Cancels many orders in one call and returns one answer an order, in the order of the array. Where exchange.cancel_order() would raise an error about one order, or that order is finished, the answer is status rejected with reject_reason order_not_open or not_owner, and the others go on.';

CREATE FUNCTION exchange.cancel_client_order(client_order_id text, account_id integer DEFAULT NULL)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'cancel_client_order_wrapper';
COMMENT ON FUNCTION exchange.cancel_client_order(text, integer) IS
    'Takes out the open order that an account (by default the first one of the current role) has under a client order id, and returns how it ended. Not undone by ROLLBACK. Errors: 22004 (client_order_id is NULL), 22023 (it has not 1 to 20 bytes), 42704 (no such account, or no open order of this name: it is finished, or was never accepted), 42501 (another''s account), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.reduce_order(order_id bigint, by bigint)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'reduce_order_wrapper';
COMMENT ON FUNCTION exchange.reduce_order(bigint, bigint) IS
    'Takes a part of an open order''s remaining quantity away, and returns the order. It keeps its place in the queue. by: a multiple of the lot size, at least 1 lot, less than what remains (use exchange.cancel_order() for all of it). Not undone by ROLLBACK. Errors: those of exchange.cancel_order(), and 22023 (by out of range or off the lot).';

CREATE FUNCTION exchange.replace_order(
    order_id bigint,
    price    numeric DEFAULT NULL,
    quantity bigint DEFAULT NULL)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'replace_order_wrapper';
COMMENT ON FUNCTION exchange.replace_order(bigint, numeric, bigint) IS
    'Changes limit price and quantity of an open limit, stop_limit or pegged order, and returns the order; NULL keeps what it has. quantity: of the whole order, what has traded included; not above that, the order is cancelled. A smaller quantity at the same price keeps its place in the queue; anything else enters the order anew, last in its queue, under its id, and it may trade at once. It is checked as a new order would be; declined, it stays as it was, and the answer is the order with a reject_reason. An order that is finished already is returned as it ended, with reject_reason order_not_open. Not undone by ROLLBACK. Errors: those of exchange.cancel_order(), 22004 (neither price nor quantity), 22003 (quantity too large), 22023 (price or quantity not above 0, above the maximum, or off the tick or lot), 53400 (more orders than exchange.set_rate_limit() allows), 55000 (an order of this type cannot be replaced, or it waits for its stop price).';

CREATE FUNCTION exchange.mass_cancel(
    account_id integer DEFAULT NULL,
    symbol     text DEFAULT NULL,
    side       exchange.side DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'mass_cancel_wrapper';
COMMENT ON FUNCTION exchange.mass_cancel(integer, text, exchange.side) IS
    'Cancels all open orders that fit, and returns how many those were: of an account (NULL: of all accounts that the current role may act for, which for superusers and members of exchange_admin are ALL ACCOUNTS), in an instrument (NULL: in all), of a side (NULL: of both). In every phase of the market. Not undone by ROLLBACK. Errors: 42704 (no such account or symbol, or the role has no account), 42501 (another''s account), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.kill_switch(account_id integer DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'kill_switch_wrapper';
COMMENT ON FUNCTION exchange.kill_switch(integer) IS
    'Cancels all open orders of an account, rejects its new ones from here on, and returns how many were cancelled; where it is pulled already, 0. account_id NULL: of all accounts that the current role may act for, which for superusers and members of exchange_admin are ALL ACCOUNTS. Only the venue can undo it: exchange.release_kill_switch(). Not undone by ROLLBACK. Errors: 42704 (no such account, or the role has no account), 42501 (another''s account), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.cancel_on_disconnect(enabled boolean DEFAULT true)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cancel_on_disconnect_wrapper';
COMMENT ON FUNCTION exchange.cancel_on_disconnect(boolean) IS
    'From here on binds the orders that this session places to it: those that are still open when it ends, however it ends, are cancelled with cancel_reason session_ended. false: orders are not bound from here on; those that are stay so. Not for connections of a pool that are shared with others. Errors: 22004 (NULL), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.wait_for(reached exchange.cursor, sequence bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'wait_for_wrapper';
COMMENT ON FUNCTION exchange.wait_for(exchange.cursor, bigint) IS
    'Waits until the exchange has come as far as a command (by default the last one that is matched now), and returns how far it has come. exchange.wait_for(''projected'') before a query makes the tables show every order answered so far. It ends with an error only by query cancel, statement_timeout, or a stop of the workers (57P03).';
-- What became of the orders. Written by the projector worker, in batches, a few
-- milliseconds behind the matcher; see exchange.wait_for().

CREATE TABLE exchange.orders (
    order_id              bigint NOT NULL,
    account_id            integer NOT NULL,
    symbol                text COLLATE "C" NOT NULL,
    side                  exchange.side NOT NULL,
    time_in_force         exchange.time_in_force NOT NULL,
    status                exchange.order_status NOT NULL,
    reject_reason         exchange.reject_reason,
    price                 numeric,
    quantity              bigint NOT NULL,
    filled_quantity       bigint NOT NULL,
    remaining_quantity    bigint NOT NULL,
    turnover              numeric NOT NULL,
    priority              bigint NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    order_type            exchange.order_type NOT NULL,
    stop_price            numeric,
    trail                 numeric,
    minimum_quantity      bigint,
    display_quantity      bigint,
    displayed_quantity    bigint,
    hidden                boolean NOT NULL,
    all_or_none           boolean NOT NULL,
    post_only             exchange.post_only,
    peg                   exchange.peg,
    stop_trigger          exchange.stop_trigger,
    expire_at             timestamptz,
    linked_order_id       bigint,
    client_order_id       text COLLATE "C",
    session_id            bigint,
    self_trade_prevention exchange.self_trade_prevention NOT NULL,
    fee_schedule_id       integer,
    triggered             boolean NOT NULL,
    cancel_reason         exchange.cancel_reason
) PARTITION BY LIST (status);
COMMENT ON TABLE exchange.orders IS
    'Every order, open or finished, as it stands now. An order moves from exchange.open_orders to exchange.finished_orders once.';
COMMENT ON COLUMN exchange.orders.order_id IS 'The order, named by its place in the sequence of all commands.';
COMMENT ON COLUMN exchange.orders.account_id IS 'For whom.';
COMMENT ON COLUMN exchange.orders.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.orders.side IS 'Buy or sell.';
COMMENT ON COLUMN exchange.orders.time_in_force IS 'How long it stays.';
COMMENT ON COLUMN exchange.orders.status IS 'Where it stands.';
COMMENT ON COLUMN exchange.orders.reject_reason IS 'Why it was rejected; NULL if it was not.';
COMMENT ON COLUMN exchange.orders.price IS
    'The limit price: as sent, or as the engine worked it out for a market or stop order (its protection price). NULL if it was rejected before there was one.';
COMMENT ON COLUMN exchange.orders.quantity IS 'What was ordered, less reductions.';
COMMENT ON COLUMN exchange.orders.filled_quantity IS 'What has traded.';
COMMENT ON COLUMN exchange.orders.remaining_quantity IS 'What waits; 0 once the order is finished.';
COMMENT ON COLUMN exchange.orders.turnover IS 'Sum of price × quantity over its executions. The average price is turnover / filled_quantity.';
COMMENT ON COLUMN exchange.orders.priority IS
    'Orders of one side and price trade in this order, displayed ones before hidden ones; 0 once the order is finished.';
COMMENT ON COLUMN exchange.orders.created_at IS 'When the matcher took it.';
COMMENT ON COLUMN exchange.orders.updated_at IS 'When it last changed.';
COMMENT ON COLUMN exchange.orders.order_type IS 'What makes it trade.';
COMMENT ON COLUMN exchange.orders.stop_price IS 'Where a stop order is triggered; that of a trailing stop follows the market. Else NULL.';
COMMENT ON COLUMN exchange.orders.trail IS 'How far the stop price of a trailing stop is from the market, as a price; else NULL.';
COMMENT ON COLUMN exchange.orders.minimum_quantity IS 'What had to trade at once; NULL for no minimum.';
COMMENT ON COLUMN exchange.orders.display_quantity IS 'What an iceberg order displays at a time; else NULL.';
COMMENT ON COLUMN exchange.orders.displayed_quantity IS
    'What is displayed in the book: 0 for orders that are hidden or wait outside of it. NULL where it is all that remains.';
COMMENT ON COLUMN exchange.orders.hidden IS 'Whether it is never displayed.';
COMMENT ON COLUMN exchange.orders.all_or_none IS 'Whether it trades as a whole or not at all.';
COMMENT ON COLUMN exchange.orders.post_only IS 'What became of it if it would have taken; NULL where it may take.';
COMMENT ON COLUMN exchange.orders.peg IS 'What the price of a pegged order follows; else NULL.';
COMMENT ON COLUMN exchange.orders.stop_trigger IS 'What the stop price is compared with; NULL without one.';
COMMENT ON COLUMN exchange.orders.expire_at IS 'When a GTD order ends; else NULL.';
COMMENT ON COLUMN exchange.orders.linked_order_id IS
    'The order that it is linked with, one of the two cancelling the other; NULL where there is none any more. A finished order keeps the link that it had to the end.';
COMMENT ON COLUMN exchange.orders.client_order_id IS 'What its sender calls it; NULL without a name.';
COMMENT ON COLUMN exchange.orders.session_id IS
    'The session with which it is cancelled, see exchange.cancel_on_disconnect(); NULL for none.';
COMMENT ON COLUMN exchange.orders.self_trade_prevention IS 'What happens where it would trade with an order of its own account.';
COMMENT ON COLUMN exchange.orders.fee_schedule_id IS
    'What its trades cost: that of its account when it was sent; NULL for nothing. See exchange.fee_schedules.';
COMMENT ON COLUMN exchange.orders.triggered IS 'Whether it is a stop order that was reached.';
COMMENT ON COLUMN exchange.orders.cancel_reason IS 'Why it is finished without having traded completely; NULL if it is not.';

-- A partitioned table cannot have a primary key without its partition key, so subscribers to
-- the whole would not know which rows an update is of. This says so; the partitions, which
-- are what is written, keep their own identity below, and the WAL does not grow.
ALTER TABLE exchange.orders REPLICA IDENTITY FULL;

-- Small, and changed all the time: the book, and the engine's part of the snapshot.
CREATE TABLE exchange.open_orders PARTITION OF exchange.orders
    FOR VALUES IN ('open', 'partially_filled') WITH (fillfactor = 70);
COMMENT ON TABLE exchange.open_orders IS
    'The orders that wait: in the book, or for their stop price, their peg or their whole quantity.';
CREATE UNIQUE INDEX open_orders_order_id ON exchange.open_orders (order_id, account_id);
CREATE INDEX open_orders_symbol ON exchange.open_orders (symbol, created_at);
CREATE INDEX open_orders_account ON exchange.open_orders (account_id, created_at);
ALTER TABLE exchange.open_orders REPLICA IDENTITY USING INDEX open_orders_order_id;
ALTER TABLE exchange.open_orders SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_cost_delay = 0);
-- PostgreSQL filters a change by the row's identity: a drop copy, which is filtered by account_id,
-- needs it in there.
COMMENT ON INDEX exchange.open_orders_order_id IS
    'Finds one order, for users and for replication. With its account, so that drop copies can be filtered by it.';
COMMENT ON INDEX exchange.open_orders_symbol IS 'Orders by symbol and time, and exchange.order_book_l3().';
COMMENT ON INDEX exchange.open_orders_account IS 'Orders by account and time, and what they hold.';

-- Large, and only ever appended to.
CREATE TABLE exchange.finished_orders PARTITION OF exchange.orders
    FOR VALUES IN ('filled', 'cancelled', 'rejected', 'expired');
COMMENT ON TABLE exchange.finished_orders IS 'The orders that are filled, cancelled, rejected or expired.';
CREATE UNIQUE INDEX finished_orders_order_id ON exchange.finished_orders (order_id);
CREATE INDEX finished_orders_symbol ON exchange.finished_orders (symbol, created_at);
CREATE INDEX finished_orders_account ON exchange.finished_orders (account_id, created_at);
-- Rows that never change cost nothing by a full identity, and any filter may be put on them.
ALTER TABLE exchange.finished_orders REPLICA IDENTITY FULL;
COMMENT ON INDEX exchange.finished_orders_order_id IS 'Finds one order.';
COMMENT ON INDEX exchange.finished_orders_symbol IS 'Orders by symbol and time.';
COMMENT ON INDEX exchange.finished_orders_account IS 'Orders by account and time.';

CREATE TABLE exchange.client_orders (
    LIKE exchange.orders INCLUDING COMMENTS,
    PRIMARY KEY (order_id)
);
COMMENT ON TABLE exchange.client_orders IS
    'The first answer to every order with a client_order_id, as long as the engine remembers it (exchange.client_order_window commands): what a retry with the same name is answered. How the order stands now is in exchange.orders.';

CREATE TABLE exchange.executions (
    trade_id    bigint NOT NULL,
    order_id    bigint NOT NULL,
    account_id  integer NOT NULL,
    symbol      text COLLATE "C" NOT NULL,
    side        exchange.side NOT NULL,
    liquidity   exchange.liquidity NOT NULL,
    price       numeric NOT NULL,
    quantity    bigint NOT NULL,
    executed_at timestamptz NOT NULL,
    fee         numeric NOT NULL,
    busted_at   timestamptz,
    PRIMARY KEY (order_id, trade_id)
);
-- Only a bust changes a row: to log it as a whole then costs nothing otherwise, and drop copies can be
-- filtered by account_id.
ALTER TABLE exchange.executions REPLICA IDENTITY FULL;
CREATE INDEX executions_symbol ON exchange.executions (symbol, executed_at);
CREATE INDEX executions_account ON exchange.executions (account_id, executed_at);
COMMENT ON INDEX exchange.executions_symbol IS 'Executions by symbol and time.';
COMMENT ON INDEX exchange.executions_account IS 'Executions by account and time, and so those of a broker after a trade: exchange.executions_after().';
COMMENT ON TABLE exchange.executions IS
    'Every execution (fill): two rows a trade, one for the buying and one for the selling order.';
COMMENT ON COLUMN exchange.executions.trade_id IS 'The trade; see exchange.trades.';
COMMENT ON COLUMN exchange.executions.order_id IS 'The order that was executed.';
COMMENT ON COLUMN exchange.executions.account_id IS 'Whose order it is.';
COMMENT ON COLUMN exchange.executions.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.executions.side IS 'The side of the order.';
COMMENT ON COLUMN exchange.executions.liquidity IS 'Whether the order rested (maker) or came in (taker), or both met in an auction.';
COMMENT ON COLUMN exchange.executions.price IS 'The price of the trade.';
COMMENT ON COLUMN exchange.executions.quantity IS 'How much.';
COMMENT ON COLUMN exchange.executions.executed_at IS 'When the matcher executed it.';
COMMENT ON COLUMN exchange.executions.fee IS
    'What the account paid the venue for it, in units of the instrument''s currency; below 0 the venue paid.';
COMMENT ON COLUMN exchange.executions.busted_at IS 'When the trade was cancelled; NULL if it was not.';

CREATE TABLE exchange.trades (
    trade_id    bigint PRIMARY KEY,
    symbol      text COLLATE "C" NOT NULL,
    price       numeric NOT NULL,
    quantity    bigint NOT NULL,
    taker_side  exchange.side NOT NULL,
    executed_at timestamptz NOT NULL,
    in_auction  boolean NOT NULL,
    busted_at   timestamptz
);
CREATE INDEX trades_symbol ON exchange.trades (symbol, executed_at);
COMMENT ON INDEX exchange.trades_symbol IS 'Trades by symbol and time.';
COMMENT ON TABLE exchange.trades IS 'The public tape: every trade once, without the accounts.';
COMMENT ON COLUMN exchange.trades.trade_id IS 'Dense, from 1, over all instruments.';
COMMENT ON COLUMN exchange.trades.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.trades.price IS 'The maker''s limit price, or that of the auction.';
COMMENT ON COLUMN exchange.trades.quantity IS 'How much.';
COMMENT ON COLUMN exchange.trades.taker_side IS
    'The side of the incoming order: buy is an uptick''s, sell a downtick''s pressure. In an auction, of the order that came later.';
COMMENT ON COLUMN exchange.trades.executed_at IS 'When the matcher executed it.';
COMMENT ON COLUMN exchange.trades.in_auction IS 'Whether it was in an auction.';
COMMENT ON COLUMN exchange.trades.busted_at IS
    'When it was cancelled, see exchange.bust_trade(); NULL if it was not. Candles leave out what was.';
-- What accounts have, hold and can use. A hold is not stored: it follows from the open orders, so
-- it cannot differ from them. The views show what their reader may read of the tables.

CREATE VIEW exchange.balances WITH (security_invoker = true) AS
    SELECT c.account_id, c.currency, c.balance, h.held, c.credit_limit,
           c.balance - h.held + c.credit_limit AS available
    FROM exchange.cash AS c
    CROSS JOIN LATERAL (
        SELECT coalesce(trim_scale(sum(v.value + trunc(v.value * v.highest_rate, 9))), 0) AS held
        FROM exchange.open_orders AS o
        JOIN exchange.instruments AS i USING (symbol)
        LEFT JOIN exchange.fee_schedules AS f USING (fee_schedule_id)
        CROSS JOIN LATERAL (
            SELECT o.price * o.remaining_quantity AS value,
                   greatest(f.maker_rate, f.taker_rate, f.auction_rate, 0) AS highest_rate
        ) AS v
        WHERE o.account_id = c.account_id AND o.side = 'buy' AND i.currency = c.currency
    ) AS h;
COMMENT ON VIEW exchange.balances IS
    'The money of every account: what it has, what its open buy orders hold, and what it can spend. In units of the currency, to 9 decimals.';
COMMENT ON COLUMN exchange.balances.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.balances.currency IS 'Of what.';
COMMENT ON COLUMN exchange.balances.balance IS 'What it has; below 0 it owes.';
COMMENT ON COLUMN exchange.balances.held IS
    'What its open buy orders would cost at their limit prices, with the highest fee that their fee schedules can ask for.';
COMMENT ON COLUMN exchange.balances.credit_limit IS 'What it may owe.';
COMMENT ON COLUMN exchange.balances.available IS
    'What it can spend: balance - held + credit_limit. What it can withdraw is balance - held.';

CREATE VIEW exchange.holdings WITH (security_invoker = true) AS
    SELECT p.account_id, p.symbol, p.quantity, h.held, p.short_limit,
           p.quantity - h.held + p.short_limit AS available
    FROM exchange.positions AS p
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(o.remaining_quantity), 0)::bigint AS held
        FROM exchange.open_orders AS o
        WHERE o.account_id = p.account_id AND o.side = 'sell' AND o.symbol = p.symbol
    ) AS h;
COMMENT ON VIEW exchange.holdings IS
    'The shares of every account: what it has, what its open sell orders hold, and what it can sell.';
COMMENT ON COLUMN exchange.holdings.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.holdings.symbol IS 'Of what.';
COMMENT ON COLUMN exchange.holdings.quantity IS 'How much it has; below 0 it owes.';
COMMENT ON COLUMN exchange.holdings.held IS 'What remains of its open sell orders.';
COMMENT ON COLUMN exchange.holdings.short_limit IS 'What it may owe.';
COMMENT ON COLUMN exchange.holdings.available IS
    'What it can sell: quantity - held + short_limit. What it can withdraw is quantity - held.';

CREATE VIEW exchange.conservation WITH (security_invoker = true) AS
    SELECT kind, what, sum_of_balances, fees, transferred,
           sum_of_balances + fees - transferred AS difference
    FROM (
        SELECT 'currency' AS kind, c.currency AS what, coalesce(b.sum, 0) AS sum_of_balances,
               c.fees, c.transferred
        FROM exchange.currencies AS c
        LEFT JOIN (
            SELECT currency, sum(balance) FROM exchange.cash GROUP BY currency
        ) AS b USING (currency)
        UNION ALL
        SELECT 'instrument', s.symbol, coalesce(p.sum, 0), 0, s.transferred
        FROM exchange.instrument_states AS s
        LEFT JOIN (
            SELECT symbol, sum(quantity) FROM exchange.positions GROUP BY symbol
        ) AS p USING (symbol)
    ) AS books;
COMMENT ON VIEW exchange.conservation IS
    'Whether the books are balanced: for each currency and each instrument, what all accounts have and the venue has earned is what came in less what left. It reads every balance and position.';
COMMENT ON COLUMN exchange.conservation.kind IS 'currency or instrument.';
COMMENT ON COLUMN exchange.conservation.what IS 'Which: its code, or its symbol.';
COMMENT ON COLUMN exchange.conservation.sum_of_balances IS 'Over all accounts: money, or shares.';
COMMENT ON COLUMN exchange.conservation.fees IS 'What the venue has earned; 0 for shares.';
COMMENT ON COLUMN exchange.conservation.transferred IS 'What was deposited less what was withdrawn.';
COMMENT ON COLUMN exchange.conservation.difference IS 'sum_of_balances + fees - transferred: always 0.';
-- The book and the candles.

CREATE FUNCTION exchange.order_book(symbol text, depth integer DEFAULT 10)
RETURNS TABLE (
    level        integer,
    bid_orders   integer,
    bid_quantity bigint,
    bid_price    numeric,
    ask_price    numeric,
    ask_quantity bigint,
    ask_orders   integer)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10 ROWS 10
AS 'MODULE_PATHNAME', 'order_book_wrapper';
COMMENT ON FUNCTION exchange.order_book(text, integer) IS
    'The book of one symbol by price (L2), best prices first, as it stands now: price, quantity and number of orders of each level, of what is displayed. While orders are collected for an auction the two sides may overlap; see exchange.auctions. depth: 1 to exchange.book_depth. It reads shared memory and no table, shows only what is durable, and is one consistent moment. Errors: 22004 (NULL), 22023 (depth out of range), 42704 (unknown symbol).';

CREATE FUNCTION exchange.quotes()
RETURNS TABLE (
    symbol              text,
    bid_quantity        bigint,
    bid_price           numeric,
    ask_price           numeric,
    ask_quantity        bigint,
    last_price          numeric,
    last_quantity       bigint,
    sequence            bigint,
    phase               exchange.instrument_phase,
    reference_price     numeric,
    indicative_price    numeric,
    indicative_quantity bigint,
    imbalance_side      exchange.side,
    imbalance_quantity  bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10 ROWS 100
AS 'MODULE_PATHNAME', 'quotes_wrapper';
COMMENT ON FUNCTION exchange.quotes() IS
    'The rows of exchange.best_quotes, with what exchange.auctions shows beside.';

CREATE VIEW exchange.best_quotes AS
    SELECT symbol, bid_quantity, bid_price, ask_price, ask_quantity, last_price, last_quantity, sequence,
           phase, reference_price
    FROM exchange.quotes();
COMMENT ON VIEW exchange.best_quotes IS
    'Best displayed bid and offer of every symbol (L1), its last trade and its phase, as they stand now, from shared memory.';
COMMENT ON COLUMN exchange.best_quotes.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.best_quotes.bid_quantity IS 'What is bid for at the best bid.';
COMMENT ON COLUMN exchange.best_quotes.bid_price IS 'The best bid; NULL where nobody bids.';
COMMENT ON COLUMN exchange.best_quotes.ask_price IS 'The best offer; NULL where nobody offers.';
COMMENT ON COLUMN exchange.best_quotes.ask_quantity IS 'What is offered at the best offer.';
COMMENT ON COLUMN exchange.best_quotes.last_price IS 'The price of the last trade, busted or not; NULL before the first.';
COMMENT ON COLUMN exchange.best_quotes.last_quantity IS 'The quantity of the last trade.';
COMMENT ON COLUMN exchange.best_quotes.sequence IS 'The last command that changed what is shown of this symbol.';
COMMENT ON COLUMN exchange.best_quotes.phase IS 'What the instrument is in: whether it takes orders, and when they trade.';
COMMENT ON COLUMN exchange.best_quotes.reference_price IS
    'What price bands and auctions start from; NULL before there is one. See exchange.set_reference_price().';

CREATE VIEW exchange.auctions AS
    SELECT symbol, phase, indicative_price, indicative_quantity, imbalance_side, imbalance_quantity, reference_price
    FROM exchange.quotes()
    WHERE phase IN ('pre_open', 'closing_auction', 'volatility_halt');
COMMENT ON VIEW exchange.auctions IS
    'The instruments that collect orders for an auction, and what it would do if it were now, from shared memory.';
COMMENT ON COLUMN exchange.auctions.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.auctions.phase IS 'pre_open, closing_auction or volatility_halt.';
COMMENT ON COLUMN exchange.auctions.indicative_price IS 'The one price of all its trades; NULL where nothing would trade.';
COMMENT ON COLUMN exchange.auctions.indicative_quantity IS 'What would trade; NULL where nothing would.';
COMMENT ON COLUMN exchange.auctions.imbalance_side IS
    'The side that could not trade completely at the indicative price; NULL where both could, or nothing would trade.';
COMMENT ON COLUMN exchange.auctions.imbalance_quantity IS 'What of that side could not; NULL where there is no such side.';
COMMENT ON COLUMN exchange.auctions.reference_price IS 'Where several prices would do, the one closest to it is taken; NULL before there is one.';

CREATE FUNCTION exchange.order_book_l3(symbol text)
RETURNS TABLE (
    side               exchange.side,
    price              numeric,
    queue_position     bigint,
    order_id           bigint,
    remaining_quantity bigint,
    created_at         timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
-- The book is public, the owners of its orders are not.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.side, o.price,
           row_number() OVER (PARTITION BY o.side, o.price ORDER BY o.priority),
           o.order_id, d.quantity, o.created_at
    FROM exchange.open_orders AS o
    CROSS JOIN LATERAL (SELECT coalesce(o.displayed_quantity, o.remaining_quantity) AS quantity) AS d
    WHERE o.symbol = $1 AND d.quantity > 0
    ORDER BY o.side,
             CASE WHEN o.side = 'buy' THEN -o.price ELSE o.price END,
             o.priority
$$;
COMMENT ON FUNCTION exchange.order_book_l3(text) IS
    'The book of one symbol order by order (L3): bids, then asks, best price first, first in the queue first, without the accounts. Only what is displayed: of an iceberg order, remaining_quantity is what it shows. It reads exchange.open_orders; see exchange.wait_for(''projected'').';

CREATE TABLE exchange.candles (
    symbol      text COLLATE "C" NOT NULL,
    resolution  interval NOT NULL,
    opened_at   timestamptz NOT NULL,
    open        numeric NOT NULL,
    high        numeric NOT NULL,
    low         numeric NOT NULL,
    close       numeric NOT NULL,
    volume      bigint NOT NULL,
    turnover    numeric NOT NULL,
    trade_count bigint NOT NULL,
    PRIMARY KEY (symbol, resolution, opened_at)
) WITH (fillfactor = 50);
COMMENT ON TABLE exchange.candles IS
    'Open, high, low and close of every symbol at six resolutions, live: 1 minute, 5 minutes, 1 hour, 1 day, 1 week, 1 month. Intervals without a trade have no row. Days, weeks (from Monday) and months begin at midnight in exchange.time_zone.';
COMMENT ON COLUMN exchange.candles.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.candles.resolution IS 'The length of the interval.';
COMMENT ON COLUMN exchange.candles.opened_at IS 'Where the interval begins; it ends before opened_at + resolution.';
COMMENT ON COLUMN exchange.candles.open IS 'Price of the first trade.';
COMMENT ON COLUMN exchange.candles.high IS 'Highest price.';
COMMENT ON COLUMN exchange.candles.low IS 'Lowest price.';
COMMENT ON COLUMN exchange.candles.close IS 'Price of the last trade.';
COMMENT ON COLUMN exchange.candles.volume IS 'Sum of quantity.';
COMMENT ON COLUMN exchange.candles.turnover IS 'Sum of price × quantity. The volume-weighted average price is turnover / volume.';
COMMENT ON COLUMN exchange.candles.trade_count IS 'Number of trades.';
-- What is worked out of candles, books and executions: candles of any length, the figures of a day,
-- the books of all instruments, and how a broker follows its own executions.

CREATE FUNCTION exchange.candle_start(at timestamptz, resolution interval)
RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    months CONSTANT integer := extract(year FROM resolution) * 12 + extract(month FROM resolution);
    days   CONSTANT integer := extract(day FROM resolution);
    rest   CONSTANT interval := resolution - make_interval(months => months, days => days);
    zone   text;
    local  timestamp;
BEGIN
    IF (months <> 0)::integer + (days <> 0)::integer + (rest <> interval '0')::integer > 1 THEN
        RAISE EXCEPTION 'a resolution is a number of months, of days, or of hours and less'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s: a mixture, and neither has every month as many days nor every day 24 hours.', resolution),
                  HINT = 'Give it in one of them, such as interval ''36 hours''.';
    ELSIF resolution <= interval '0' THEN
        RAISE EXCEPTION 'resolution must be above 0'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', resolution),
                  HINT = 'Give an interval such as interval ''15 minutes''.';
    ELSIF NOT isfinite(at) THEN
        RETURN at;
    -- Hours and less are as long in every time zone.
    ELSIF months = 0 AND days = 0 THEN
        RETURN date_bin(resolution, at, '2000-01-01 00:00Z');
    END IF;
    -- Days and months are those of the clock on the wall. The first Monday of 2000 was the 3rd.
    zone := current_setting('exchange.time_zone');
    local := at AT TIME ZONE zone;
    IF months = 0 THEN
        RETURN date_bin(resolution, local, '2000-01-03') AT TIME ZONE zone;
    END IF;
    RETURN (timestamp '2000-01-01' + make_interval(months => floor(
            ((extract(year FROM local) - 2000) * 12 + extract(month FROM local) - 1) / months)::integer * months))
        AT TIME ZONE zone;
END
$$;
COMMENT ON FUNCTION exchange.candle_start(timestamptz, interval) IS
    'Where the candle begins that a time is in, as exchange.candles and exchange.candles_for() have it; NULL for NULL. resolution: above 0; a number of months (and years), of days (and weeks), or of hours and less, not a mixture. Months begin at midnight in exchange.time_zone, counted from January 2000, so that 3 months are quarters and 12 are years. Days begin at midnight there, counted from Monday, 3 January 2000, so that 7 days are weeks; on two days a year a day has 23 or 25 hours. Hours and less have one length, counted from 2000-01-01 00:00 UTC: 24 hours begin at midnight UTC. Errors: 22023 (resolution not above 0, or a mixture), 42704 (pg_exchange is not in shared_preload_libraries).';

CREATE FUNCTION exchange.candles_for(
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

CREATE FUNCTION exchange.day_statistics_for(trade_date date)
RETURNS TABLE (
    symbol         text,
    open           numeric,
    high           numeric,
    low            numeric,
    last           numeric,
    previous_close numeric,
    change         numeric,
    change_percent numeric,
    volume         bigint,
    turnover       numeric,
    vwap           numeric,
    trade_count    bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.symbol, d.open, d.high, d.low, d.close, b.close, d.close - b.close,
           round((d.close - b.close) * 100 / b.close, 2),
           coalesce(d.volume, 0), coalesce(d.turnover, 0),
           round(d.turnover / d.volume, scale(i.tick_size) + 4), coalesce(d.trade_count, 0)
    FROM exchange.instruments AS i
    CROSS JOIN (SELECT $1::timestamp AT TIME ZONE current_setting('exchange.time_zone')) AS m (midnight)
    LEFT JOIN exchange.candles AS d
        ON d.symbol = i.symbol AND d.resolution = '1 day' AND d.opened_at = m.midnight
    LEFT JOIN LATERAL (
        SELECT c.close FROM exchange.candles AS c
        WHERE c.symbol = i.symbol AND c.resolution = '1 day' AND c.opened_at < m.midnight
        ORDER BY c.opened_at DESC LIMIT 1
    ) AS b ON true
    WHERE $1 IS NOT NULL
    ORDER BY i.instrument_id
$$;
COMMENT ON FUNCTION exchange.day_statistics_for(date) IS
    'The rows of exchange.day_statistics for any date: one an instrument, whether it traded then or not. The day is that of the calendar, from midnight to midnight in exchange.time_zone, as in the candles of a day. NULL returns no rows. Errors: 42704 (pg_exchange is not in shared_preload_libraries).';

CREATE VIEW exchange.day_statistics AS
    SELECT d.trade_date, s.symbol, s.open, s.high, s.low, s.last, s.previous_close, s.change, s.change_percent,
           s.volume, s.turnover, s.vwap, s.trade_count
    FROM (
        SELECT greatest(
            (SELECT e.trade_date FROM exchange.engine_state AS e),
            (SELECT max((c.opened_at AT TIME ZONE current_setting('exchange.time_zone'))::date)
             FROM exchange.instruments AS i
             CROSS JOIN LATERAL (
                 SELECT c.opened_at FROM exchange.candles AS c
                 WHERE c.symbol = i.symbol AND c.resolution = '1 day'
                 ORDER BY c.opened_at DESC LIMIT 1
             ) AS c)) AS trade_date
    ) AS d
    CROSS JOIN LATERAL exchange.day_statistics_for(d.trade_date) AS s;
COMMENT ON VIEW exchange.day_statistics IS
    'What every instrument has done on the latest trade date, live: that of the last day that the market opened on, or, where a market that is opened and closed by hand has stayed open past midnight, the day of the last trade. Before the first trade of the day only previous_close has a price. exchange.day_statistics_for() has the same for other dates. Trades that were busted are left out, those of the day before too.';
COMMENT ON COLUMN exchange.day_statistics.trade_date IS 'The day, from midnight to midnight in exchange.time_zone.';
COMMENT ON COLUMN exchange.day_statistics.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.day_statistics.open IS 'Price of the first trade of the day, usually of the opening auction; NULL before one.';
COMMENT ON COLUMN exchange.day_statistics.high IS 'Highest price; NULL before a trade.';
COMMENT ON COLUMN exchange.day_statistics.low IS 'Lowest price; NULL before a trade.';
COMMENT ON COLUMN exchange.day_statistics.last IS 'Price of the last trade of the day, after the close that of the closing auction if it traded; NULL before a trade.';
COMMENT ON COLUMN exchange.day_statistics.previous_close IS 'Price of the last trade on an earlier day; NULL where there is none.';
COMMENT ON COLUMN exchange.day_statistics.change IS 'last - previous_close; NULL without one of them.';
COMMENT ON COLUMN exchange.day_statistics.change_percent IS 'The same in per cent of previous_close, to 2 decimals.';
COMMENT ON COLUMN exchange.day_statistics.volume IS 'Sum of quantity.';
COMMENT ON COLUMN exchange.day_statistics.turnover IS 'Sum of price × quantity, in the currency of the instrument.';
COMMENT ON COLUMN exchange.day_statistics.vwap IS 'The volume-weighted average price, turnover / volume, to 4 decimals more than the tick; NULL before a trade.';
COMMENT ON COLUMN exchange.day_statistics.trade_count IS 'Number of trades.';

CREATE VIEW exchange.order_books AS
    SELECT i.symbol, b.level, b.bid_orders, b.bid_quantity, b.bid_price, b.ask_price, b.ask_quantity, b.ask_orders
    FROM exchange.instruments AS i
    CROSS JOIN LATERAL exchange.order_book(i.symbol, current_setting('exchange.book_depth')::integer) AS b;
COMMENT ON VIEW exchange.order_books IS
    'The books of all instruments by price (L2), as they stand now, from shared memory: exchange.order_book() of each, exchange.book_depth levels a side. Each book is of one moment; two of them may be of two. An instrument that nobody bids for and nobody offers has no row.';
COMMENT ON COLUMN exchange.order_books.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.order_books.level IS '1 is the best price of each side.';
COMMENT ON COLUMN exchange.order_books.bid_orders IS 'How many orders bid at that price; NULL where there is no such level, as in the columns below.';
COMMENT ON COLUMN exchange.order_books.bid_quantity IS 'What they display together.';
COMMENT ON COLUMN exchange.order_books.bid_price IS 'The price.';
COMMENT ON COLUMN exchange.order_books.ask_price IS 'The price on the other side.';
COMMENT ON COLUMN exchange.order_books.ask_quantity IS 'What the orders there display together.';
COMMENT ON COLUMN exchange.order_books.ask_orders IS 'How many they are.';

-- As its owner reads them: the book is public, the owners of its orders are not.
CREATE VIEW exchange.order_books_l3 AS
    SELECT o.symbol, o.side, o.price,
           row_number() OVER (PARTITION BY o.symbol, o.side, o.price ORDER BY o.priority) AS queue_position,
           o.order_id, d.quantity AS remaining_quantity, o.created_at
    FROM exchange.open_orders AS o
    CROSS JOIN LATERAL (SELECT coalesce(o.displayed_quantity, o.remaining_quantity) AS quantity) AS d
    WHERE d.quantity > 0;
COMMENT ON VIEW exchange.order_books_l3 IS
    'The books of all instruments order by order (L3), in no order: the rows of exchange.order_book_l3(), all of one moment of the tables; see exchange.wait_for(''projected'').';
COMMENT ON COLUMN exchange.order_books_l3.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.order_books_l3.side IS 'Whether the order buys or sells.';
COMMENT ON COLUMN exchange.order_books_l3.price IS 'Its price.';
COMMENT ON COLUMN exchange.order_books_l3.queue_position IS 'Its place among the displayed orders of that side and price; 1 trades first.';
COMMENT ON COLUMN exchange.order_books_l3.order_id IS 'The order.';
COMMENT ON COLUMN exchange.order_books_l3.remaining_quantity IS 'What it displays.';
COMMENT ON COLUMN exchange.order_books_l3.created_at IS 'When the matcher took it.';

CREATE FUNCTION exchange.book_snapshot(of_symbol text DEFAULT NULL)
RETURNS TABLE (
    sequence      bigint,
    instrument_id integer,
    symbol        text,
    side          exchange.side,
    price         numeric,
    price_ticks   bigint,
    quantity      bigint,
    orders        bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
-- The book is public, the owners of its orders are not.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    -- One statement sees one moment of the tables, which are written together with their position.
    SELECT e.sequence, i.instrument_id, i.symbol, l.side, l.price, (l.price / i.tick_size)::bigint,
           l.quantity, l.orders
    FROM exchange.engine_state AS e
    LEFT JOIN exchange.instruments AS i ON $1 IS NULL OR i.symbol = $1
    LEFT JOIN (
        SELECT o.symbol, o.side, o.price, sum(d.quantity)::bigint AS quantity, count(*) AS orders
        FROM exchange.open_orders AS o
        CROSS JOIN LATERAL (SELECT coalesce(o.displayed_quantity, o.remaining_quantity) AS quantity) AS d
        WHERE d.quantity > 0 AND ($1 IS NULL OR o.symbol = $1)
        GROUP BY o.symbol, o.side, o.price
    ) AS l ON l.symbol = i.symbol
    ORDER BY i.instrument_id, l.side, CASE WHEN l.side = 'buy' THEN -l.price ELSE l.price END
$$;
COMMENT ON FUNCTION exchange.book_snapshot(text) IS
    'What a follower of the feed, or of exchange.events_after(), starts from: every displayed level of the book of an instrument (NULL: of all) at full depth, bids before asks and best price first, as they stand after the command of the first column, which is exact: forget what was, take these levels, and go on with the events after that sequence. An instrument without levels has one row in which the columns from side on are NULL; where there is no such instrument, or none at all, one row has the sequence alone. price_ticks: price / tick_size. orders: how many displayed orders. It reads exchange.open_orders, a few milliseconds behind the matcher. Errors: none.';

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
    -- Executions are indexed by account and time, which the tape knows of a trade.
    SELECT t.executed_at INTO from_time FROM exchange.trades AS t
    WHERE t.trade_id <= after ORDER BY t.trade_id DESC LIMIT 1;
    from_time := coalesce(from_time, '-infinity');
    -- Trade ids are dense, so a stretch of the tape has at most two executions a trade. It is
    -- made longer until enough of them are the caller's: however much there is after it, what is
    -- read is what is returned, a few times over.
    LOOP
        SELECT t.trade_id, t.executed_at INTO to_trade, to_time FROM exchange.trades AS t
        WHERE t.trade_id >= after + width ORDER BY t.trade_id LIMIT 1;
        to_trade := coalesce(to_trade, 9223372036854775807);
        to_time := coalesce(to_time, 'infinity');
        IF sees_all THEN
            SELECT array_agg(e ORDER BY e.trade_id, e.side) INTO batch
            FROM exchange.trades AS t
            JOIN exchange.executions AS e
                ON e.symbol = t.symbol AND e.executed_at = t.executed_at AND e.trade_id = t.trade_id
            WHERE t.trade_id > after AND t.trade_id <= to_trade;
        ELSE
            -- Row-level security adds the accounts.
            SELECT array_agg(e ORDER BY e.trade_id, e.side) INTO batch
            FROM exchange.executions AS e
            WHERE (e.executed_at, e.trade_id) > (from_time, after)
              AND (e.executed_at, e.trade_id) <= (to_time, to_trade);
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
    'The executions after a trade that row-level security lets the caller see, a broker its own, in the order of trade_id: at most so many, and then the rest of the last trade (a broker may be both sides of one), so the trade_id of the last row is where to go on. Trades become visible in the order of their ids, so whoever goes on like this gets each execution exactly once. after: 0 for all. An execution that is busted after it was returned does not come again: exchange.busts_since() has it. Errors: 22004 (NULL), 22023 (after below 0, maximum below 1).';

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
    WHERE b.busted_at >= $1
    ORDER BY b.busted_at, e.trade_id, e.side
$$;
COMMENT ON FUNCTION exchange.busts_since(timestamptz) IS
    'The executions whose trades were busted at a time or later, those that row-level security lets the caller see, a broker its own, in the order of busted_at. To follow them, go on from the busted_at of the last row: those of that very moment come again, and a trade is busted once, so leave out what is known. since: -infinity for all; NULL returns no rows. Errors: none.';
-- Everything that everybody may see, event by event: trades, levels, best quotes, phases. The same
-- events are in the colocated feed (docs/feed.md).

CREATE TYPE exchange.market_event AS ENUM
    ('listed', 'trade', 'bust', 'auction', 'instrument_phase', 'market_phase', 'refresh', 'level', 'quote');
COMMENT ON TYPE exchange.market_event IS
    'What everybody can see happen. listed: an instrument was added. trade: two orders met. bust: a trade of before was cancelled. auction: an auction traded what could trade, all at one price. instrument_phase, market_phase: it entered a phase. refresh: the displayed book of the instrument is told anew, all of its levels follow; at each phase of the market and every 1,048,576 commands. level: what is displayed at a price now, quantity 0 for nothing any more. quote: the best displayed bid and offer now.';

CREATE TABLE exchange.market_data (
    first_sequence bigint PRIMARY KEY,
    last_sequence  bigint NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,
    event_count    integer NOT NULL,
    has_refresh    boolean NOT NULL,
    checksum       bigint NOT NULL,
    events         bytea NOT NULL
) WITH (toast_tuple_target = 8160);
-- The events are compact already: do not spend time on compressing them.
ALTER TABLE exchange.market_data ALTER COLUMN events SET STORAGE EXTERNAL;
CREATE INDEX market_data_refreshes ON exchange.market_data (first_at, first_sequence) WHERE has_refresh;
COMMENT ON TABLE exchange.market_data IS
    'The public events in blocks, written with the other tables. Read them with exchange.events_after(), exchange.quote_history() and exchange.depth_history(); a replica that needs all of them copies the blocks.';
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
COMMENT ON INDEX exchange.market_data_refreshes IS 'Where a book of some time can be followed from.';

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
    'The public events after a command, in their order, at most so many, and then the rest of the last command: a command is never returned in part, so the sequence of the last row is where to go on. Of one symbol, and those of the whole market (symbol NULL), or of all. Columns that an event does not have are NULL: side, price and quantity are of trades (side is the taker''s), auctions (no side) and levels; orders of levels; trade_id of trades and busts; phase and trade_date of phases. It reads exchange.market_data, a few milliseconds behind the matcher; see exchange.wait_for(''projected''). after: 0 for all. Errors: 22004 (NULL), 22023 (after below 0, maximum below 1), 42704 (unknown symbol), XX001 (a damaged block).';

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
    'The best displayed bid and offer of a symbol (NULL: of every symbol) over time, one row a change: first the quote in force at "from", with that as its time, then those from "from" on and before "to", in their order. Prices and quantities are NULL where nobody bids or offers. Errors: 22004 ("from" or "to" is NULL), 22023 ("to" is before "from"), 42704 (unknown symbol), XX001 (a damaged block).';

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
    'The displayed book of a symbol at "from" and every step after it, up to "to": the best prices, and what the best so many levels of each side display together; as it stood after all that had happened by then. A price is NULL and sums are 0 where a side is empty. step: above 0, at most 1,000,000 of them. levels: at least 1. Errors: 22004 (NULL), 22023 ("to" is before "from"; step or levels out of range), 42704 (unknown symbol), XX001 (a damaged block).';
-- When the market opens and closes. These tables are the operator's: edit them, and call
-- exchange.reload_calendar(). What the engine has of them is in exchange.trading_days.

CREATE TABLE exchange.trading_hours (
    only_row        boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    pre_open        time NOT NULL DEFAULT '08:00',
    open            time NOT NULL DEFAULT '09:30',
    closing_auction time NOT NULL DEFAULT '15:50',
    close           time NOT NULL DEFAULT '16:00',
    CONSTRAINT in_order CHECK (pre_open < open AND open < closing_auction AND closing_auction < close)
);
COMMENT ON TABLE exchange.trading_hours IS
    'The phases of a usual trading day, as times of day in exchange.time_zone. Edit it with UPDATE, and call exchange.reload_calendar() after the COMMIT.';
COMMENT ON COLUMN exchange.trading_hours.only_row IS 'There is one row.';
COMMENT ON COLUMN exchange.trading_hours.pre_open IS 'From here on orders are collected for the opening auction.';
COMMENT ON COLUMN exchange.trading_hours.open IS 'The opening auction; continuous trading from here on.';
COMMENT ON COLUMN exchange.trading_hours.closing_auction IS 'From here on orders are collected for the closing auction.';
COMMENT ON COLUMN exchange.trading_hours.close IS 'The closing auction; the market is closed from here on.';
COMMENT ON CONSTRAINT in_order ON exchange.trading_hours IS 'Each phase begins after the one before, on one day.';

CREATE TABLE exchange.calendar_exceptions (
    trade_date date PRIMARY KEY,
    name       text NOT NULL,
    is_closed  boolean NOT NULL DEFAULT true,
    close      time,
    CONSTRAINT closed_or_early CHECK (is_closed = (close IS NULL))
);
COMMENT ON TABLE exchange.calendar_exceptions IS
    'Weekdays that are no usual trading days: holidays, and days that close early. An INSERT of a date that is there replaces it. To trade on a holiday as usual, set is_closed to false and close to the usual time. Call exchange.reload_calendar() after the COMMIT.';
COMMENT ON COLUMN exchange.calendar_exceptions.trade_date IS 'The day.';
COMMENT ON COLUMN exchange.calendar_exceptions.name IS 'Why.';
COMMENT ON COLUMN exchange.calendar_exceptions.is_closed IS 'Whether the market stays closed all day.';
COMMENT ON COLUMN exchange.calendar_exceptions.close IS
    'When it closes, as a time of day in exchange.time_zone; the closing auction begins as long before as on other days. It must be after exchange.trading_hours.open by more than that, else the day is left out, with a warning in the server log. NULL where it stays closed.';
COMMENT ON CONSTRAINT closed_or_early ON exchange.calendar_exceptions IS 'Closed, or closing at some time: not both.';

-- pg_dump writes all rows of these tables, and CREATE EXTENSION in the new database fills them
-- before they are read in: so what comes in replaces what is there.
CREATE FUNCTION exchange.replace_trading_hours()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM exchange.trading_hours;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION exchange.replace_trading_hours() IS 'Makes an INSERT into exchange.trading_hours replace its row.';

CREATE TRIGGER replace BEFORE INSERT ON exchange.trading_hours
    FOR EACH ROW EXECUTE FUNCTION exchange.replace_trading_hours();
COMMENT ON TRIGGER replace ON exchange.trading_hours IS 'An INSERT replaces the row.';

CREATE FUNCTION exchange.replace_calendar_exception()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM exchange.calendar_exceptions AS e WHERE e.trade_date = NEW.trade_date;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION exchange.replace_calendar_exception() IS
    'Makes an INSERT into exchange.calendar_exceptions replace the row of that date.';

CREATE TRIGGER replace BEFORE INSERT ON exchange.calendar_exceptions
    FOR EACH ROW EXECUTE FUNCTION exchange.replace_calendar_exception();
COMMENT ON TRIGGER replace ON exchange.calendar_exceptions IS 'An INSERT replaces the row of that date.';

INSERT INTO exchange.trading_hours DEFAULT VALUES;

-- The New York Stock Exchange. A holiday on a Saturday is kept on the Friday before, one on a
-- Sunday on the Monday after; New Year's Day on a Saturday (2028) is not kept at all.
INSERT INTO exchange.calendar_exceptions (trade_date, name) VALUES
    ('2026-01-01', 'New Year''s Day'),
    ('2026-01-19', 'Martin Luther King, Jr. Day'),
    ('2026-02-16', 'Washington''s Birthday'),
    ('2026-04-03', 'Good Friday'),
    ('2026-05-25', 'Memorial Day'),
    ('2026-06-19', 'Juneteenth'),
    ('2026-07-03', 'Independence Day (observed)'),
    ('2026-09-07', 'Labor Day'),
    ('2026-11-26', 'Thanksgiving Day'),
    ('2026-12-25', 'Christmas Day'),
    ('2027-01-01', 'New Year''s Day'),
    ('2027-01-18', 'Martin Luther King, Jr. Day'),
    ('2027-02-15', 'Washington''s Birthday'),
    ('2027-03-26', 'Good Friday'),
    ('2027-05-31', 'Memorial Day'),
    ('2027-06-18', 'Juneteenth (observed)'),
    ('2027-07-05', 'Independence Day (observed)'),
    ('2027-09-06', 'Labor Day'),
    ('2027-11-25', 'Thanksgiving Day'),
    ('2027-12-24', 'Christmas Day (observed)'),
    ('2028-01-17', 'Martin Luther King, Jr. Day'),
    ('2028-02-21', 'Washington''s Birthday'),
    ('2028-04-14', 'Good Friday'),
    ('2028-05-29', 'Memorial Day'),
    ('2028-06-19', 'Juneteenth'),
    ('2028-07-04', 'Independence Day'),
    ('2028-09-04', 'Labor Day'),
    ('2028-11-23', 'Thanksgiving Day'),
    ('2028-12-25', 'Christmas Day');
INSERT INTO exchange.calendar_exceptions (trade_date, name, is_closed, close) VALUES
    ('2026-11-27', 'Day after Thanksgiving', false, '13:00'),
    ('2026-12-24', 'Christmas Eve', false, '13:00'),
    ('2027-11-26', 'Day after Thanksgiving', false, '13:00'),
    ('2028-07-03', 'Day before Independence Day', false, '13:00'),
    ('2028-11-24', 'Day after Thanksgiving', false, '13:00');

CREATE FUNCTION exchange.reload_calendar()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'reload_calendar_wrapper';
COMMENT ON FUNCTION exchange.reload_calendar() IS
    'Makes the engine open and close the market by exchange.trading_hours and exchange.calendar_exceptions as they are now, and returns when it knows the days of the next ten. A day that has begun goes on as it was; exchange.close_market() ends it. Call it after the COMMIT of the change. Errors: 25001 (this transaction has written something), 55000 (the market is halted), 57P03 (the workers are not running).';

SELECT pg_catalog.pg_extension_config_dump('exchange.trading_hours', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.calendar_exceptions', '');
-- The calendar as days. Reporting databases have this function too, by this very file.

CREATE FUNCTION exchange.trading_day_times("from" date, "to" date)
RETURNS TABLE (
    trade_date         date,
    pre_open_at        timestamptz,
    open_at            timestamptz,
    closing_auction_at timestamptz,
    close_at           timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.day,
           (d.day + h.pre_open) AT TIME ZONE z.name,
           (d.day + h.open) AT TIME ZONE z.name,
           (d.day + c.close - (h.close - h.closing_auction)) AT TIME ZONE z.name,
           (d.day + c.close) AT TIME ZONE z.name
    FROM exchange.trading_hours AS h
    CROSS JOIN current_setting('exchange.time_zone') AS z (name)
    CROSS JOIN generate_series(0, $2 - $1) AS n (days)
    CROSS JOIN LATERAL (SELECT $1 + n.days AS day) AS d
    LEFT JOIN exchange.calendar_exceptions AS e ON e.trade_date = d.day
    CROSS JOIN LATERAL (SELECT coalesce(e.close, h.close) AS close) AS c
    WHERE extract(isodow FROM d.day) <= 5
      AND e.is_closed IS NOT TRUE
    ORDER BY d.day
$$;
COMMENT ON FUNCTION exchange.trading_day_times(date, date) IS
    'The trading days from one date to another, both included, by exchange.trading_hours and exchange.calendar_exceptions, in exchange.time_zone: daylight saving is in the times. Weekends and holidays are left out. Error: 42704 (exchange.time_zone is no time zone, or pg_exchange is not in shared_preload_libraries), 22023 (the same).';
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
    'The commands of the journal from one sequence to another, both included, as exchange.decode_journal() returns them; with of_order only those that name that order: that placed, changed or cancelled it. Commands that concern it without naming it (a mass cancel, the end of a session or of a day) are not among them. Errors: 22004 (a sequence is NULL), 22023 (to_sequence is before from_sequence), XX001 (a damaged or missing row).';
-- Consumers with offsets: programs that speak nothing but SQL follow the public events, several of
-- them sharing the work, and the database remembers how far they have come.
--
-- A consumer's instruments are dealt out to partitions, one after the other. A session that fetches is
-- a member, and holds its part of the partitions until it ends. How far a partition was
-- acknowledged is a row, as durable as any other; who holds it is a row too, but whether a member is
-- still there is told by an advisory lock of its session, which PostgreSQL lets go when the session
-- ends, however it ends. Nobody ever waits for a lock of another member: what is locked is passed by.

CREATE TABLE exchange.consumer_settings (
    name         text COLLATE "C" PRIMARY KEY,
    owner        regrole NOT NULL,
    symbols      text[] COLLATE "C",
    partitions   integer NOT NULL,
    idle_timeout interval,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE exchange.consumer_settings IS
    'The consumers of public events. Use exchange.create_consumer() and exchange.drop_consumer(); exchange.consumers shows how far each has come.';
COMMENT ON COLUMN exchange.consumer_settings.name IS 'Its name in every call, 1 to 63 bytes.';
COMMENT ON COLUMN exchange.consumer_settings.owner IS 'The role that made it; its members may use it. A number where the role was dropped.';
COMMENT ON COLUMN exchange.consumer_settings.symbols IS
    'The instruments whose events it gets; NULL for all, those that are listed later too.';
COMMENT ON COLUMN exchange.consumer_settings.partitions IS
    'Into how many parts its instruments are dealt, and so how many members can share the work: the partition is instrument_id - 1, or the place in symbols - 1, modulo this.';
COMMENT ON COLUMN exchange.consumer_settings.idle_timeout IS
    'How long a member may be connected without a call before others may have its partitions; NULL for any time.';
COMMENT ON COLUMN exchange.consumer_settings.created_at IS 'When it was made.';

CREATE TABLE exchange.consumer_partitions (
    name            text COLLATE "C" NOT NULL REFERENCES exchange.consumer_settings ON DELETE CASCADE,
    partition       integer NOT NULL,
    owner           regrole NOT NULL,
    acknowledged    bigint NOT NULL,
    acknowledged_at timestamptz,
    pid             integer,
    PRIMARY KEY (name, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE exchange.consumer_partitions IS
    'How far each partition of a consumer is acknowledged, and which member has it. Use exchange.fetch_events() and exchange.acknowledge().';
COMMENT ON COLUMN exchange.consumer_partitions.name IS 'The consumer.';
COMMENT ON COLUMN exchange.consumer_partitions.partition IS 'From 0; see exchange.consumer_settings.partitions.';
COMMENT ON COLUMN exchange.consumer_partitions.owner IS 'The owner of the consumer.';
COMMENT ON COLUMN exchange.consumer_partitions.acknowledged IS
    'The events of its instruments are processed up to this command, and do not come again.';
COMMENT ON COLUMN exchange.consumer_partitions.acknowledged_at IS 'When that last changed; NULL if it never did.';
COMMENT ON COLUMN exchange.consumer_partitions.pid IS
    'The server process of the member that has it, or had it when it ended; NULL where none has it.';

CREATE TABLE exchange.consumer_sessions (
    name      text COLLATE "C" NOT NULL REFERENCES exchange.consumer_settings ON DELETE CASCADE,
    pid       integer NOT NULL,
    owner     regrole NOT NULL,
    role      text COLLATE "C" NOT NULL,
    held      integer NOT NULL,
    fetched   bigint NOT NULL,
    scanned   bigint NOT NULL,
    joined_at timestamptz NOT NULL,
    seen_at   timestamptz NOT NULL,
    PRIMARY KEY (name, pid)
) WITH (fillfactor = 10);
COMMENT ON TABLE exchange.consumer_sessions IS
    'The sessions that fetched from a consumer; those that have ended stay until others have taken over from them. exchange.consumer_members shows who is there.';
COMMENT ON COLUMN exchange.consumer_sessions.name IS 'The consumer.';
COMMENT ON COLUMN exchange.consumer_sessions.pid IS 'The server process of the session.';
COMMENT ON COLUMN exchange.consumer_sessions.owner IS 'The owner of the consumer.';
COMMENT ON COLUMN exchange.consumer_sessions.role IS 'The role that fetches.';
COMMENT ON COLUMN exchange.consumer_sessions.held IS 'How many partitions it had at its last fetch.';
COMMENT ON COLUMN exchange.consumer_sessions.fetched IS 'The command of the last event that its last fetch returned.';
COMMENT ON COLUMN exchange.consumer_sessions.scanned IS
    'The last command that its last fetch looked at: after fetched nothing up to here is for this session.';
COMMENT ON COLUMN exchange.consumer_sessions.joined_at IS 'When it fetched for the first time.';
COMMENT ON COLUMN exchange.consumer_sessions.seen_at IS 'When it last fetched or acknowledged.';

CREATE FUNCTION exchange.find_consumer(name text)
RETURNS exchange.consumer_settings
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    consumer exchange.consumer_settings;
BEGIN
    -- Whoever asks is about to write.
    IF pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'a read-only transaction cannot keep the position of a consumer'
            USING ERRCODE = 'read_only_sql_transaction',
                  DETAIL = CASE WHEN pg_is_in_recovery() THEN 'This server is a standby.'
                                ELSE 'This transaction is read-only.' END,
                  HINT = 'Fetch on the primary; or call exchange.events_after() here, and keep the position yourself.';
    ELSIF $1 IS NULL THEN
        RAISE EXCEPTION 'name must not be NULL'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known, and no consumer has it for a name.',
                  HINT = 'SELECT name FROM exchange.consumers; lists them.';
    END IF;
    -- Row-level security leaves those that the caller may see, which may be more than it may use.
    SELECT c.* INTO consumer FROM exchange.consumer_settings AS c WHERE c.name = $1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such consumer'
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('The role %I has no consumer "%s".', current_user, $1),
                  HINT = format('SELECT exchange.create_consumer(%L); makes it.', $1);
    ELSIF NOT pg_has_role(consumer.owner, 'USAGE') THEN
        RAISE EXCEPTION 'the consumer belongs to another role'
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('"%s" belongs to %s.', $1, consumer.owner),
                  HINT = format('Make one of another name, or have it granted: GRANT %s TO %I;', consumer.owner, current_user);
    END IF;
    RETURN consumer;
END
$$;
COMMENT ON FUNCTION exchange.find_consumer(text) IS
    'The settings of a consumer that the caller may use, for the functions that use it. Errors: 22004 (NULL), 25006 (read-only transaction or standby), 42704 (unknown consumer, or another role''s), 42501 (another role''s, where the caller may see it).';

CREATE FUNCTION exchange.create_consumer(
    name          text,
    from_sequence bigint DEFAULT NULL,
    symbols       text[] DEFAULT NULL,
    partitions    integer DEFAULT 16,
    idle_timeout  interval DEFAULT '5 minutes')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    me      CONSTANT regrole := quote_ident(current_user)::regrole;
    start   bigint := $2;
    unknown text;
BEGIN
    IF $1 IS NULL OR $4 IS NULL OR array_position($3, NULL) IS NOT NULL THEN
        RAISE EXCEPTION '% must not be NULL',
            CASE WHEN $1 IS NULL THEN 'name' WHEN $4 IS NULL THEN 'partitions' ELSE 'an element of symbols' END
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known.',
                  HINT = 'Leave symbols out for all instruments, and partitions for 16.';
    ELSIF octet_length($1) NOT BETWEEN 1 AND 63 THEN
        RAISE EXCEPTION 'the name of a consumer must have 1 to 63 bytes'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It has %s.', octet_length($1)),
                  HINT = 'Give another name.';
    ELSIF $2 < 0 THEN
        RAISE EXCEPTION 'from_sequence must not be below 0'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', $2),
                  HINT = 'Give 0 for every event that there is, or leave it out for those from now on.';
    ELSIF $4 NOT BETWEEN 1 AND 256 THEN
        RAISE EXCEPTION 'partitions must be from 1 to 256'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', $4),
                  HINT = 'Give at least as many as there will be members.';
    ELSIF $5 <= interval '0' THEN
        RAISE EXCEPTION 'idle_timeout must be above 0'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', $5),
                  HINT = 'Give NULL for members that may be idle for any time.';
    ELSIF cardinality($3) = 0 THEN
        RAISE EXCEPTION 'symbols must not be empty'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'A consumer of no instrument would get nothing.',
                  HINT = 'Leave it out for all instruments.';
    END IF;
    SELECT s.symbol INTO unknown FROM unnest($3) AS s (symbol)
    WHERE NOT EXISTS (SELECT FROM exchange.instruments AS i WHERE i.symbol = s.symbol) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'no such instrument'
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('There is no symbol "%s".', unknown),
                  HINT = 'SELECT symbol FROM exchange.instruments; lists them.';
    END IF;
    IF start IS NULL THEN
        SELECT coalesce(max(l.last_sequence), 0) INTO start FROM (
            SELECT m.last_sequence FROM exchange.market_data AS m ORDER BY m.first_sequence DESC LIMIT 1) AS l;
    END IF;
    INSERT INTO exchange.consumer_settings (name, owner, symbols, partitions, idle_timeout)
    VALUES ($1, me, $3, $4, $5) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the consumer exists'
            USING ERRCODE = 'duplicate_object',
                  DETAIL = format('There is a consumer "%s", of this or another role.', $1),
                  HINT = 'Give another name, or go on with it as it is: exchange.fetch_events() needs no more.';
    END IF;
    INSERT INTO exchange.consumer_partitions (name, partition, owner, acknowledged)
    SELECT $1, n, me, start FROM generate_series(0, $4 - 1) AS n;
    RETURN start;
END
$$;
COMMENT ON FUNCTION exchange.create_consumer(text, bigint, text[], integer, interval) IS
    'Makes a consumer of the public events, those of exchange.events_after(), that belongs to the current role, and returns the sequence after which it begins. name: 1 to 63 bytes, one of its kind in the venue. from_sequence: it gets the events after this command, 0 for all that there are; by default those from now on. symbols: its instruments; by default all, those that are listed later too; it gets the events of the whole market (symbol NULL) in any case. partitions: 1 to 256, how many members at the most can share the work. idle_timeout: a member that is connected and has made no call for so long may lose its partitions to others; above 0, NULL for never. Undone by ROLLBACK. Errors: 22004 (NULL), 22023 (out of range, or no symbols), 25006 (read-only transaction or standby), 42704 (unknown symbol), 42710 (the name is taken).';

CREATE FUNCTION exchange.drop_consumer(name text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM exchange.find_consumer($1);
    DELETE FROM exchange.consumer_settings AS c WHERE c.name = $1;
END
$$;
COMMENT ON FUNCTION exchange.drop_consumer(text) IS
    'Removes a consumer, and with it how far it had come. It waits for transactions in which a member has fetched or acknowledged. Undone by ROLLBACK. Errors: those of exchange.find_consumer().';

CREATE FUNCTION exchange.fetch_events(name text, maximum integer DEFAULT 1000)
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
        SELECT b.last_sequence INTO newest FROM exchange.market_data AS b
        ORDER BY b.first_sequence DESC LIMIT 1;
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

CREATE FUNCTION exchange.acknowledge(name text, sequence bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    me       CONSTANT integer := pg_backend_pid();
    session  exchange.consumer_sessions;
    is_there boolean;
    mine     integer[];
BEGIN
    PERFORM exchange.find_consumer($1);
    IF $2 IS NULL THEN
        RAISE EXCEPTION 'sequence must not be NULL'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known.',
                  HINT = 'Give the sequence of the last event that was processed.';
    END IF;
    SELECT s.* INTO session FROM exchange.consumer_sessions AS s
    WHERE s.name = $1 AND s.pid = me FOR UPDATE SKIP LOCKED;
    is_there := FOUND;
    mine := ARRAY(
        SELECT p.partition FROM exchange.consumer_partitions AS p
        WHERE p.name = $1 AND p.pid = me FOR UPDATE SKIP LOCKED);
    IF NOT is_there OR cardinality(mine) < session.held THEN
        RAISE EXCEPTION 'this session does not have what it would acknowledge'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = CASE WHEN is_there
                      THEN format('Of the %s partitions of "%s" of its last fetch it has %s; others have taken over, and get their events again.', session.held, $1, cardinality(mine))
                      ELSE format('It has fetched nothing from "%s", or has been idle for so long that others have taken over.', $1) END,
                  HINT = format('SELECT * FROM exchange.fetch_events(%L); fetches what is to be processed.', $1);
    ELSIF $2 > session.scanned THEN
        RAISE EXCEPTION 'what was not fetched cannot be acknowledged'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('The last fetch of this session came to %s, and not to %s.', session.scanned, $2),
                  HINT = 'Give the sequence of the last event that was processed.';
    END IF;
    UPDATE exchange.consumer_partitions AS p
    SET acknowledged = CASE WHEN $2 >= session.fetched THEN session.scanned ELSE $2 END,
        acknowledged_at = clock_timestamp()
    WHERE p.name = $1 AND p.partition = ANY (mine)
      AND p.acknowledged < CASE WHEN $2 >= session.fetched THEN session.scanned ELSE $2 END;
    UPDATE exchange.consumer_sessions AS s SET seen_at = clock_timestamp() WHERE s.name = $1 AND s.pid = me;
END
$$;
COMMENT ON FUNCTION exchange.acknowledge(text, bigint) IS
    'Says that the events that the last exchange.fetch_events() of this session returned are processed, up to and with those of a command: they do not come again. It goes forward only: a command before the position changes nothing. It is a row of the transaction: with ROLLBACK it did not happen, and in one transaction with what the program writes of the events both are done or neither, so that each has its effect exactly once. It survives a crash as any COMMIT does; under synchronous_commit = off the position may fall back in a crash, and events come again. If the session has lost a partition since its last fetch, because it was idle for too long, it is refused: what it processed belongs to others now. Errors: 22004 (NULL), 22023 (beyond what was fetched), 55000 (the session has fetched nothing, or has lost some of it), and those of exchange.find_consumer().';

CREATE FUNCTION exchange.leave_consumer(name text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM exchange.find_consumer($1);
    -- What others are taking over at this moment they have.
    UPDATE exchange.consumer_partitions AS p SET pid = NULL
    WHERE p.name = $1 AND p.partition = ANY (ARRAY(
        SELECT m.partition FROM exchange.consumer_partitions AS m
        WHERE m.name = $1 AND m.pid = pg_backend_pid() FOR UPDATE SKIP LOCKED));
    DELETE FROM exchange.consumer_sessions AS s
    WHERE s.name = $1 AND s.pid = ANY (ARRAY(
        SELECT m.pid FROM exchange.consumer_sessions AS m
        WHERE m.name = $1 AND m.pid = pg_backend_pid() FOR UPDATE SKIP LOCKED));
END
$$;
COMMENT ON FUNCTION exchange.leave_consumer(text) IS
    'Gives the partitions of this session back, for the other members to take, as its end does. The next fetch makes it a member again. Undone by ROLLBACK. Errors: those of exchange.find_consumer().';

CREATE VIEW exchange.consumer_members WITH (security_invoker = true) AS
    SELECT s.name, s.pid, s.role, s.joined_at, s.seen_at, p.partitions, p.acknowledged,
           greatest(m.last_sequence - p.acknowledged, 0) AS lag
    FROM exchange.consumer_sessions AS s
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(p.partition ORDER BY p.partition), '{}') AS partitions,
               min(p.acknowledged) AS acknowledged
        FROM exchange.consumer_partitions AS p WHERE p.name = s.name AND p.pid = s.pid
    ) AS p
    LEFT JOIN (
        SELECT b.last_sequence FROM exchange.market_data AS b ORDER BY b.first_sequence DESC LIMIT 1
    ) AS m ON true
    WHERE EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted AND l.pid = s.pid
          AND l.classid = hashtext('exchange.consumer ' || s.name)::bit(32)::bigint::oid
          AND l.objid = s.pid::oid);
COMMENT ON VIEW exchange.consumer_members IS
    'The sessions that share the work of consumers, and are connected: those that the reader may see.';
COMMENT ON COLUMN exchange.consumer_members.name IS 'The consumer.';
COMMENT ON COLUMN exchange.consumer_members.pid IS
    'The server process of the session. pg_terminate_backend() ends one that hangs, and others get its part.';
COMMENT ON COLUMN exchange.consumer_members.role IS 'The role that fetches.';
COMMENT ON COLUMN exchange.consumer_members.joined_at IS 'When it fetched for the first time.';
COMMENT ON COLUMN exchange.consumer_members.seen_at IS 'When it last fetched or acknowledged.';
COMMENT ON COLUMN exchange.consumer_members.partitions IS
    'The partitions that it has; empty while the others have not made room, or are as many as there are partitions.';
COMMENT ON COLUMN exchange.consumer_members.acknowledged IS 'Up to which command all of them are acknowledged; NULL without one.';
COMMENT ON COLUMN exchange.consumer_members.lag IS
    'How many commands that is behind the last public event; NULL without a partition.';

CREATE VIEW exchange.consumers WITH (security_invoker = true) AS
    SELECT c.name, c.owner::text AS owner, c.symbols, c.partitions, c.idle_timeout, c.created_at,
           (SELECT count(*) FROM exchange.consumer_members AS s WHERE s.name = c.name) AS members,
           p.acknowledged, p.acknowledged_at, greatest(m.last_sequence - p.acknowledged, 0) AS lag
    FROM exchange.consumer_settings AS c
    CROSS JOIN LATERAL (
        SELECT min(p.acknowledged) AS acknowledged, max(p.acknowledged_at) AS acknowledged_at
        FROM exchange.consumer_partitions AS p WHERE p.name = c.name
    ) AS p
    LEFT JOIN (
        SELECT b.last_sequence FROM exchange.market_data AS b ORDER BY b.first_sequence DESC LIMIT 1
    ) AS m ON true;
COMMENT ON VIEW exchange.consumers IS
    'The consumers of public events and how far each has come: those that the reader may see.';
COMMENT ON COLUMN exchange.consumers.name IS 'Its name in every call.';
COMMENT ON COLUMN exchange.consumers.owner IS 'The role that made it; its members may use it.';
COMMENT ON COLUMN exchange.consumers.symbols IS 'The instruments whose events it gets; NULL for all.';
COMMENT ON COLUMN exchange.consumers.partitions IS 'Into how many parts its instruments are dealt.';
COMMENT ON COLUMN exchange.consumers.idle_timeout IS
    'How long a member may be connected without a call before others may have its partitions; NULL for any time.';
COMMENT ON COLUMN exchange.consumers.created_at IS 'When it was made.';
COMMENT ON COLUMN exchange.consumers.members IS 'How many sessions share the work now.';
COMMENT ON COLUMN exchange.consumers.acknowledged IS 'Up to which command everything is acknowledged: that of the partition that is least far.';
COMMENT ON COLUMN exchange.consumers.acknowledged_at IS 'When a partition last got further; NULL if none ever did.';
COMMENT ON COLUMN exchange.consumers.lag IS
    'How many commands that is behind the last public event: 0 where everything is processed; NULL before the first event.';

-- Who is a member does not go into a dump.
SELECT pg_catalog.pg_extension_config_dump('exchange.consumer_settings', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.consumer_partitions', '');
-- How the exchange is doing.

CREATE FUNCTION exchange.statistics()
RETURNS TABLE (
    market                   text,
    halted_because           text,
    matched                  bigint,
    durable                  bigint,
    published                bigint,
    projected                bigint,
    ring_slots               bigint,
    ring_used                bigint,
    submissions_waiting      bigint,
    commands                 bigint,
    trades                   bigint,
    open_orders              bigint,
    commands_per_second      double precision,
    matched_answers          bigint,
    matched_latency_us_p50   double precision,
    matched_latency_us_p99   double precision,
    matched_latency_us_p999  double precision,
    matched_latency_us_max   double precision,
    durable_answers          bigint,
    durable_latency_us_p50   double precision,
    durable_latency_us_p99   double precision,
    durable_latency_us_p999  double precision,
    durable_latency_us_max   double precision,
    stats_reset              timestamptz,
    trade_date               date,
    next_phase               text,
    next_phase_at            timestamptz)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1
AS 'MODULE_PATHNAME', 'statistics_wrapper';
COMMENT ON FUNCTION exchange.statistics() IS 'The row of exchange.pg_stat_exchange.';

CREATE VIEW exchange.pg_stat_exchange AS SELECT * FROM exchange.statistics();
COMMENT ON VIEW exchange.pg_stat_exchange IS
    'One row of figures about the exchange, for monitoring tools; exchange.status shows the same for people. Counters and latencies are since stats_reset; see exchange.reset_statistics().';
COMMENT ON COLUMN exchange.pg_stat_exchange.market IS
    'The phase of the market: closed, pre_open, continuous or closing_auction; or halted, if the exchange stopped by itself.';
COMMENT ON COLUMN exchange.pg_stat_exchange.halted_because IS 'Why the exchange stopped by itself; NULL if it did not.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched IS 'The last command that the matcher executed.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable IS 'The last command that is in the journal, on disk.';
COMMENT ON COLUMN exchange.pg_stat_exchange.published IS 'The last command that the order books show.';
COMMENT ON COLUMN exchange.pg_stat_exchange.projected IS 'The last command that the tables show.';
COMMENT ON COLUMN exchange.pg_stat_exchange.ring_slots IS 'How many commands the sequencer ring holds.';
COMMENT ON COLUMN exchange.pg_stat_exchange.ring_used IS 'How many of them are not durable yet; when all are, callers wait.';
COMMENT ON COLUMN exchange.pg_stat_exchange.submissions_waiting IS 'Calls that the matcher has not taken yet.';
COMMENT ON COLUMN exchange.pg_stat_exchange.commands IS 'Commands executed since stats_reset.';
COMMENT ON COLUMN exchange.pg_stat_exchange.trades IS 'Trades since stats_reset.';
COMMENT ON COLUMN exchange.pg_stat_exchange.open_orders IS 'Orders that are open now.';
COMMENT ON COLUMN exchange.pg_stat_exchange.commands_per_second IS 'Commands a second over the last ten full seconds.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_answers IS 'Calls answered when matched (synchronous_commit = off).';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_latency_us_p50 IS 'Half of these calls took at most so many microseconds, from submission to answer, within 3 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_latency_us_p99 IS 'The same for 99 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_latency_us_p999 IS 'The same for 99.9 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_latency_us_max IS 'The slowest of them.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_answers IS 'Calls answered when durable.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_latency_us_p50 IS 'Half of these calls took at most so many microseconds, within 3 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_latency_us_p99 IS 'The same for 99 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_latency_us_p999 IS 'The same for 99.9 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_latency_us_max IS 'The slowest of them.';
COMMENT ON COLUMN exchange.pg_stat_exchange.stats_reset IS 'Since when counters and latencies count.';
COMMENT ON COLUMN exchange.pg_stat_exchange.trade_date IS 'The trade date: that of the last day that the market opened on; NULL before the first.';
COMMENT ON COLUMN exchange.pg_stat_exchange.next_phase IS
    'What comes next by the calendar: pre_open, continuous, closing_auction or closed; NULL where the engine''s calendar is empty, see exchange.trading_days.';
COMMENT ON COLUMN exchange.pg_stat_exchange.next_phase_at IS 'When; NULL as above.';

CREATE FUNCTION exchange.reset_statistics()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'reset_statistics_wrapper';
COMMENT ON FUNCTION exchange.reset_statistics() IS
    'Sets the counters and latencies of exchange.pg_stat_exchange back to zero.';

CREATE FUNCTION exchange.worker_states()
RETURNS TABLE (
    worker     text,
    pid        integer,
    state      text,
    started_at timestamptz,
    starts     bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 6
AS 'MODULE_PATHNAME', 'worker_states_wrapper';
COMMENT ON FUNCTION exchange.worker_states() IS 'The rows of exchange.workers.';

CREATE VIEW exchange.workers AS SELECT * FROM exchange.worker_states();
COMMENT ON VIEW exchange.workers IS 'The background workers of the exchange.';
COMMENT ON COLUMN exchange.workers.worker IS 'launcher, matcher, journaler, publisher, projector or scheduler.';
COMMENT ON COLUMN exchange.workers.pid IS 'Its process; NULL while it is not running.';
COMMENT ON COLUMN exchange.workers.state IS 'stopped, waiting (for the extension to be created), recovering or running.';
COMMENT ON COLUMN exchange.workers.started_at IS 'When the process started.';
COMMENT ON COLUMN exchange.workers.starts IS 'How often it has started since the server did.';

CREATE VIEW exchange.replication_slots AS
    SELECT s.slot_name, s.slot_type, s.active, s.wal_status,
           pg_wal_lsn_diff(w.lsn, s.confirmed_flush_lsn)::bigint AS behind_bytes,
           pg_wal_lsn_diff(w.lsn, s.restart_lsn)::bigint AS retained_bytes,
           s.safe_wal_size AS bytes_until_lost
    FROM pg_catalog.pg_replication_slots AS s
    CROSS JOIN (
        SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
    ) AS w
    WHERE s.slot_type = 'physical' OR s.database = current_database();
COMMENT ON VIEW exchange.replication_slots IS
    'Who follows the exchange by replication, and what WAL the server keeps for them: a subscriber that is gone keeps it until its slot is dropped, or until there is more than max_slot_wal_keep_size and the slot is lost. docs/replication.md says what to do then.';
COMMENT ON COLUMN exchange.replication_slots.slot_name IS 'The replication slot; that of a subscription has its name.';
COMMENT ON COLUMN exchange.replication_slots.slot_type IS 'logical: tables; physical: a standby.';
COMMENT ON COLUMN exchange.replication_slots.active IS 'Whether the subscriber is connected.';
COMMENT ON COLUMN exchange.replication_slots.wal_status IS
    'reserved: all is well. extended: it keeps more WAL than max_wal_size. unreserved: it is lost at the next checkpoint, unless the subscriber catches up before. lost: what the subscriber needs is gone, and it must copy the tables anew.';
COMMENT ON COLUMN exchange.replication_slots.behind_bytes IS
    'How much WAL the subscriber has not confirmed yet; NULL for a standby.';
COMMENT ON COLUMN exchange.replication_slots.retained_bytes IS
    'How much WAL the server keeps for it; NULL where it keeps none, as for a lost slot.';
COMMENT ON COLUMN exchange.replication_slots.bytes_until_lost IS
    'How much more WAL can be written before it is lost; NULL where max_slot_wal_keep_size is -1 (no limit), or it is lost.';

CREATE VIEW exchange.status AS
    SELECT item, value
    FROM exchange.statistics() AS s
    CROSS JOIN LATERAL (
        SELECT string_agg(format('%s %s', w.worker, w.state), ', ') AS states FROM exchange.worker_states() AS w
    ) AS w
    CROSS JOIN LATERAL (VALUES
        ('market', s.market),
        ('halted because', s.halted_because),
        ('trade date', s.trade_date::text),
        ('next phase', s.next_phase || ' at ' || s.next_phase_at),
        ('workers', w.states),
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
COMMENT ON VIEW exchange.status IS 'How the exchange is doing, for people. exchange.pg_stat_exchange has the same as numbers.';
COMMENT ON COLUMN exchange.status.item IS 'What.';
COMMENT ON COLUMN exchange.status.value IS 'How much.';

CREATE FUNCTION exchange.function_signatures()
RETURNS TABLE (symbol text, signature text)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 20
AS 'MODULE_PATHNAME', 'function_signatures_wrapper';
COMMENT ON FUNCTION exchange.function_signatures() IS
    'The argument types that the library was built for, for a check against the SQL declarations.';
-- The days that are closed, and what was true at their end: written once, by exchange.close_day(),
-- and never changed after; only the settlement of obligations goes on. Reporting databases have these
-- tables too, by this very file.

CREATE TABLE exchange.closed_days (
    trade_date     date PRIMARY KEY,
    begins_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence  bigint NOT NULL,
    last_trade_id  bigint NOT NULL,
    orders         bigint NOT NULL,
    trades         bigint NOT NULL,
    closed_at      timestamptz NOT NULL,
    closed_by      text COLLATE "C" NOT NULL
);
COMMENT ON TABLE exchange.closed_days IS
    'The trade dates that are closed, and which part of the journal each of them is. Written by exchange.close_day(), a row a date, and never changed.';
COMMENT ON COLUMN exchange.closed_days.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.closed_days.begins_at IS 'What happened from here on, and before ends_at, is of this date.';
COMMENT ON COLUMN exchange.closed_days.ends_at IS 'What happened from here on is of a later date: where the date was closed, or midnight in exchange.time_zone if that was before.';
COMMENT ON COLUMN exchange.closed_days.first_sequence IS 'The first command of the date in exchange.journal.';
COMMENT ON COLUMN exchange.closed_days.last_sequence IS 'The last command of the date; less than first_sequence if there is none.';
COMMENT ON COLUMN exchange.closed_days.last_trade_id IS 'The last trade id that was given out by its end.';
COMMENT ON COLUMN exchange.closed_days.orders IS 'Orders that were entered on it, rejected ones too.';
COMMENT ON COLUMN exchange.closed_days.trades IS 'Trades that were made on it, busted ones too.';
COMMENT ON COLUMN exchange.closed_days.closed_at IS 'When it was closed, by the clock of the server.';
COMMENT ON COLUMN exchange.closed_days.closed_by IS 'The role that closed it, as it logged in.';

CREATE TABLE exchange.end_of_day_checks (
    trade_date date NOT NULL REFERENCES exchange.closed_days,
    check_name text COLLATE "C" NOT NULL,
    expected   numeric NOT NULL,
    found      numeric NOT NULL,
    difference numeric NOT NULL,
    PRIMARY KEY (trade_date, check_name)
);
COMMENT ON TABLE exchange.end_of_day_checks IS
    'What was compared when a date was closed: the rows of exchange.check_day() as they were then.';
COMMENT ON COLUMN exchange.end_of_day_checks.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.end_of_day_checks.check_name IS 'What was compared; docs/reports.md says what each check is.';
COMMENT ON COLUMN exchange.end_of_day_checks.expected IS 'What it has to be.';
COMMENT ON COLUMN exchange.end_of_day_checks.found IS 'What it was.';
COMMENT ON COLUMN exchange.end_of_day_checks.difference IS 'found - expected: 0, or the date would not be closed.';

CREATE TABLE exchange.end_of_day_statements (
    trade_date date NOT NULL REFERENCES exchange.closed_days,
    account_id integer NOT NULL,
    asset_kind text COLLATE "C" NOT NULL,
    asset      text COLLATE "C" NOT NULL,
    opening    numeric NOT NULL,
    deposited  numeric NOT NULL,
    withdrawn  numeric NOT NULL,
    bought     numeric NOT NULL,
    sold       numeric NOT NULL,
    fees       numeric NOT NULL,
    busted     numeric NOT NULL,
    closing    numeric NOT NULL,
    PRIMARY KEY (account_id, asset_kind, asset, trade_date)
);
COMMENT ON TABLE exchange.end_of_day_statements IS
    'What every account had, by currency and instrument, when a date began and ended, and what changed it: the rows of exchange.account_activity() of every date that is closed, but for those that are 0 throughout. opening + deposited + withdrawn + bought + sold + fees + busted = closing.';
COMMENT ON COLUMN exchange.end_of_day_statements.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.end_of_day_statements.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.end_of_day_statements.asset_kind IS 'currency or instrument.';
COMMENT ON COLUMN exchange.end_of_day_statements.asset IS 'Which: its code, or its symbol.';
COMMENT ON COLUMN exchange.end_of_day_statements.opening IS 'What it had at the beginning: the closing of the date before. In units of the currency, or shares.';
COMMENT ON COLUMN exchange.end_of_day_statements.deposited IS 'What came in.';
COMMENT ON COLUMN exchange.end_of_day_statements.withdrawn IS 'What went out; 0 or below.';
COMMENT ON COLUMN exchange.end_of_day_statements.bought IS 'By buying: of shares what came, of money what was paid (below 0).';
COMMENT ON COLUMN exchange.end_of_day_statements.sold IS 'By selling: of shares what went (below 0), of money what was received.';
COMMENT ON COLUMN exchange.end_of_day_statements.fees IS 'Fees: below 0 what was paid, above 0 what the venue paid; 0 of shares.';
COMMENT ON COLUMN exchange.end_of_day_statements.busted IS 'What trades that were busted on this date, whenever they were made, brought back: value, fees or shares.';
COMMENT ON COLUMN exchange.end_of_day_statements.closing IS 'What it had at the end.';

CREATE TABLE exchange.end_of_day_prices (
    trade_date     date NOT NULL REFERENCES exchange.closed_days,
    symbol         text COLLATE "C" NOT NULL,
    currency       text COLLATE "C" NOT NULL,
    open           numeric,
    high           numeric,
    low            numeric,
    close          numeric,
    previous_close numeric,
    volume         bigint NOT NULL,
    turnover       numeric NOT NULL,
    trades         bigint NOT NULL,
    auction_volume bigint NOT NULL,
    PRIMARY KEY (symbol, trade_date)
);
COMMENT ON TABLE exchange.end_of_day_prices IS
    'The prices of every instrument on every date that is closed: the rows of exchange.trade_summary() at that time. What was busted by the end of the date does not count.';
COMMENT ON COLUMN exchange.end_of_day_prices.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.end_of_day_prices.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.end_of_day_prices.currency IS 'What prices and turnover are in.';
COMMENT ON COLUMN exchange.end_of_day_prices.open IS 'Price of the first trade; NULL without one.';
COMMENT ON COLUMN exchange.end_of_day_prices.high IS 'Highest price; NULL without a trade.';
COMMENT ON COLUMN exchange.end_of_day_prices.low IS 'Lowest price; NULL without a trade.';
COMMENT ON COLUMN exchange.end_of_day_prices.close IS
    'The closing price: of the last trade, which is the closing auction''s if there was one; without a trade the one before. NULL before the first trade.';
COMMENT ON COLUMN exchange.end_of_day_prices.previous_close IS 'The closing price before; NULL before the first trade.';
COMMENT ON COLUMN exchange.end_of_day_prices.volume IS 'Sum of quantity.';
COMMENT ON COLUMN exchange.end_of_day_prices.turnover IS 'Sum of price × quantity. The volume-weighted average price is turnover / volume.';
COMMENT ON COLUMN exchange.end_of_day_prices.trades IS 'Number of trades.';
COMMENT ON COLUMN exchange.end_of_day_prices.auction_volume IS 'What of volume was in auctions.';

CREATE TYPE exchange.settlement_status AS ENUM ('pending', 'settled', 'failed');
COMMENT ON TYPE exchange.settlement_status IS
    'Where an obligation stands. pending: not due, or not reported yet. settled: shares and money changed hands, and it never changes again. failed: it was due, and one of the two was missing; it can still settle, late.';

CREATE TABLE exchange.settlement_obligations (
    trade_date      date NOT NULL REFERENCES exchange.closed_days,
    account_id      integer NOT NULL,
    symbol          text COLLATE "C" NOT NULL,
    currency        text COLLATE "C" NOT NULL,
    settlement_date date NOT NULL,
    quantity        bigint NOT NULL,
    amount          numeric NOT NULL,
    fees            numeric NOT NULL,
    status          exchange.settlement_status NOT NULL DEFAULT 'pending',
    status_since    timestamptz NOT NULL,
    reason          text,
    PRIMARY KEY (trade_date, account_id, symbol),
    CONSTRAINT failed_for_a_reason CHECK (status <> 'failed' OR reason IS NOT NULL)
);
CREATE INDEX settlement_obligations_due ON exchange.settlement_obligations (settlement_date) WHERE status <> 'settled';
CREATE INDEX settlement_obligations_account ON exchange.settlement_obligations (account_id, trade_date);
COMMENT ON INDEX exchange.settlement_obligations_due IS 'What is due and not settled.';
COMMENT ON INDEX exchange.settlement_obligations_account IS 'The obligations of an account.';
COMMENT ON TABLE exchange.settlement_obligations IS
    'What every account delivers and receives for the trades of a date, netted by account, instrument and currency, against the venue as the central counterparty, delivery versus payment: the rows of exchange.net_obligations() when the date was closed. Only status, status_since and reason change after, by exchange.settle_obligations() and exchange.fail_obligation().';
COMMENT ON COLUMN exchange.settlement_obligations.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.settlement_obligations.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.settlement_obligations.symbol IS 'Which shares.';
COMMENT ON COLUMN exchange.settlement_obligations.currency IS 'Which money.';
COMMENT ON COLUMN exchange.settlement_obligations.settlement_date IS 'When it is due: the next trading day (T+1).';
COMMENT ON COLUMN exchange.settlement_obligations.quantity IS 'Shares that it receives; below 0 it delivers them.';
COMMENT ON COLUMN exchange.settlement_obligations.amount IS 'Money that it receives, fees paid; below 0 it pays it.';
COMMENT ON COLUMN exchange.settlement_obligations.fees IS 'What of it are fees: below 0 paid, above 0 received.';
COMMENT ON COLUMN exchange.settlement_obligations.status IS 'Where it stands.';
COMMENT ON COLUMN exchange.settlement_obligations.status_since IS 'Since when, by the clock of the server.';
COMMENT ON COLUMN exchange.settlement_obligations.reason IS 'Why it failed, also where it settled late; NULL if it never did.';
COMMENT ON CONSTRAINT failed_for_a_reason ON exchange.settlement_obligations IS 'A failure has a reason.';

CREATE TABLE exchange.settlement_changes (
    trade_date date NOT NULL,
    account_id integer NOT NULL,
    symbol     text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text COLLATE "C" NOT NULL,
    status     exchange.settlement_status NOT NULL,
    reason     text,
    PRIMARY KEY (trade_date, account_id, symbol, changed_at),
    FOREIGN KEY (trade_date, account_id, symbol) REFERENCES exchange.settlement_obligations
);
COMMENT ON TABLE exchange.settlement_changes IS
    'The history of every obligation after it was made: each change of status, when and by whom.';
COMMENT ON COLUMN exchange.settlement_changes.trade_date IS 'The trade date of the obligation.';
COMMENT ON COLUMN exchange.settlement_changes.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.settlement_changes.symbol IS 'Which shares.';
COMMENT ON COLUMN exchange.settlement_changes.changed_at IS 'When, by the clock of the server.';
COMMENT ON COLUMN exchange.settlement_changes.changed_by IS 'The role that did it, as it logged in.';
COMMENT ON COLUMN exchange.settlement_changes.status IS 'What it was from here on.';
COMMENT ON COLUMN exchange.settlement_changes.reason IS 'Why it failed; NULL if it settled.';

CREATE INDEX transfers_account ON exchange.transfers (account_id, transferred_at);
COMMENT ON INDEX exchange.transfers_account IS 'Transfers by account and time, for its statement.';
-- Reports over the tables, in plain SQL: docs/reports.md shows each with an example. Reporting databases
-- have them too, by this very file, which needs the tables, exchange.trading_day_times() and the
-- setting exchange.time_zone.
--
-- A row belongs to one trade date, see exchange.days(). What a trade date says does not change
-- after it, not by a bust either: that is of the date on which it is made. The one exception is tax,
-- which goes by what stands now.
--
-- Functions whose body is SQL proper are planned as a part of the query that calls them: a WHERE of
-- it reaches the indexes of the tables. Names in them are bound when they are created, so
-- they need no search_path of their own, and a path set would keep them from being planned so.

CREATE FUNCTION exchange.midnight(trade_date date)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN ($1::timestamp AT TIME ZONE current_setting('exchange.time_zone'));
COMMENT ON FUNCTION exchange.midnight(date) IS
    'Where a date begins in exchange.time_zone. NULL of NULL.';

CREATE FUNCTION exchange.days("from" date, "to" date)
RETURNS TABLE (trade_date date, begins_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT c.trade_date, c.begins_at, c.ends_at
    FROM exchange.closed_days AS c
    WHERE c.trade_date BETWEEN $1 AND $2
    UNION ALL
    SELECT d.day,
           CASE WHEN d.day = l.trade_date + 1 THEN l.ends_at ELSE exchange.midnight(d.day) END,
           exchange.midnight(d.day + 1)
    FROM generate_series(0, $2 - $1) AS n (days)
    CROSS JOIN LATERAL (SELECT $1 + n.days AS day) AS d
    LEFT JOIN (SELECT c.trade_date, c.ends_at FROM exchange.closed_days AS c
               ORDER BY c.trade_date DESC LIMIT 1) AS l ON true
    WHERE (d.day > l.trade_date) IS NOT FALSE
       OR d.day < (SELECT min(c.trade_date) FROM exchange.closed_days AS c);
END;
COMMENT ON FUNCTION exchange.days(date, date) IS
    'The trade dates from one to another, both included, and from when to before when each of them lasts: from midnight to midnight in exchange.time_zone, or to where exchange.close_day() closed it, if that was before; what comes then is of the next date. Dates between two that are closed and that were not closed themselves, such as weekends, are a part of the later one, and left out. Every report goes by it. Error: 42704 (exchange.time_zone is not set).';

CREATE FUNCTION exchange.period("from" date, "to" date)
RETURNS TABLE (begins_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    -- Where no date is left there is nothing between these two moments, which are then one.
    SELECT coalesce(min(d.begins_at), c.ends_at), coalesce(max(d.ends_at), c.ends_at)
    FROM (SELECT max(c.ends_at) AS ends_at FROM exchange.closed_days AS c
          WHERE c.trade_date < $1) AS c
    LEFT JOIN exchange.days($1, $2) AS d ON true
    GROUP BY c.ends_at;
END;
COMMENT ON FUNCTION exchange.period(date, date) IS
    'From when to before when the trade dates from one to another last, both included: see exchange.days(). One row.';

CREATE FUNCTION exchange.settlement_date(trade_date date)
RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT min(d.trade_date) FROM exchange.trading_day_times($1 + 1, $1 + 31) AS d;
END;
COMMENT ON FUNCTION exchange.settlement_date(date) IS
    'When trades of a trade date settle: the next trading day of the calendar (T+1). NULL if it has none within 31 days. Errors: those of exchange.trading_day_times().';

-- Money and shares --------------------------------------------------------------------------------

CREATE FUNCTION exchange.movements_between("from" timestamptz, "to" timestamptz)
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
    WHERE b.busted_at >= $1 AND b.busted_at < $2 AND v.amount <> 0;
END;
COMMENT ON FUNCTION exchange.movements_between(timestamptz, timestamptz) IS
    'Everything that changed what an account has, from one moment to before another: what exchange.account_movements() shows by date.';

CREATE FUNCTION exchange.account_movements("from" date, "to" date)
RETURNS TABLE (
    trade_date  date,
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
    SELECT d.trade_date, m.account_id, m.asset_kind, m.asset, m.movement, m.symbol, m.amount,
           m.occurred_at, m.reference
    FROM exchange.days($1, $2) AS d
    CROSS JOIN LATERAL exchange.movements_between(d.begins_at, d.ends_at) AS m;
END;
COMMENT ON FUNCTION exchange.account_movements(date, date) IS
    'Everything that changed what an account has, over trade dates, both included: as far as the reader may see the accounts. asset_kind, asset: currency and its code, or instrument and its symbol. movement: deposit, withdrawal; buy, sell (of the shares, and of the money without the fee); fee; bust, fee returned (of a trade that was busted then, whenever it was made). symbol: the instrument that was traded; NULL for deposits and withdrawals. amount: what came, below 0 what went, in units of the currency or shares. reference: the trade id; of deposits and withdrawals the sequence of exchange.transfers. Nothing that is 0 is shown.';

CREATE FUNCTION exchange.account_activity("from" date, "to" date)
RETURNS TABLE (
    account_id integer,
    asset_kind text,
    asset      text,
    opening    numeric,
    deposited  numeric,
    withdrawn  numeric,
    bought     numeric,
    sold       numeric,
    fees       numeric,
    busted     numeric,
    closing    numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT b.account_id, b.asset_kind, b.asset,
           trim_scale(b.balance - coalesce(l.total, 0) - coalesce(m.total, 0)),
           coalesce(m.deposited, 0), coalesce(m.withdrawn, 0), coalesce(m.bought, 0),
           coalesce(m.sold, 0), coalesce(m.fees, 0), coalesce(m.busted, 0),
           trim_scale(b.balance - coalesce(l.total, 0))
    FROM (
        SELECT c.account_id, 'currency' AS asset_kind, c.currency AS asset, c.balance
        FROM exchange.cash AS c
        UNION ALL
        SELECT p.account_id, 'instrument', p.symbol, p.quantity
        FROM exchange.positions AS p
    ) AS b
    LEFT JOIN (
        SELECT m.account_id, m.asset_kind, m.asset, sum(m.amount) AS total,
               sum(m.amount) FILTER (WHERE m.movement = 'deposit') AS deposited,
               sum(m.amount) FILTER (WHERE m.movement = 'withdrawal') AS withdrawn,
               sum(m.amount) FILTER (WHERE m.movement = 'buy') AS bought,
               sum(m.amount) FILTER (WHERE m.movement = 'sell') AS sold,
               sum(m.amount) FILTER (WHERE m.movement = 'fee') AS fees,
               sum(m.amount) FILTER (WHERE m.movement IN ('bust', 'fee returned')) AS busted
        FROM exchange.period($1, $2) AS p
        CROSS JOIN LATERAL exchange.movements_between(p.begins_at, p.ends_at) AS m
        GROUP BY m.account_id, m.asset_kind, m.asset
    ) AS m ON m.account_id = b.account_id AND m.asset_kind = b.asset_kind AND m.asset = b.asset
    -- What is of later dates is already in the balances.
    LEFT JOIN (
        SELECT m.account_id, m.asset_kind, m.asset, sum(m.amount) AS total
        FROM exchange.period($1, $2) AS p
        CROSS JOIN LATERAL exchange.movements_between(p.ends_at, 'infinity') AS m
        GROUP BY m.account_id, m.asset_kind, m.asset
    ) AS l ON l.account_id = b.account_id AND l.asset_kind = b.asset_kind AND l.asset = b.asset;
END;
COMMENT ON FUNCTION exchange.account_activity(date, date) IS
    'What every account had when the first of some trade dates began and the last one ended, and what changed it, a row an account and asset: as far as the reader may see the accounts. The columns are those of exchange.end_of_day_statements, which has what it said of each date that is closed. closing is the balance of now less what happened after; opening is that less what happened on these dates.';

CREATE FUNCTION exchange.account_statement(account_id integer, "from" date, "to" date)
RETURNS TABLE (
    asset_kind  text,
    asset       text,
    line        bigint,
    movement    text,
    occurred_at timestamptz,
    symbol      text,
    reference   bigint,
    amount      numeric,
    balance     numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT s.asset_kind, s.asset, row_number() OVER w, s.movement, s.occurred_at, s.symbol,
           s.reference, CASE WHEN s.step = 1 THEN trim_scale(s.amount) END, trim_scale(sum(s.amount) OVER w)
    FROM (
        SELECT a.asset_kind, a.asset, v.step, v.movement, NULL::timestamptz AS occurred_at,
               NULL::text AS symbol, NULL::bigint AS reference, v.amount
        FROM exchange.account_activity($2, $3) AS a
        -- The closing line is what the lines before come to.
        CROSS JOIN LATERAL (VALUES (0, 'opening', a.opening), (2, 'closing', 0)) AS v (step, movement, amount)
        WHERE a.account_id = $1
        UNION ALL
        SELECT m.asset_kind, m.asset, 1, m.movement, m.occurred_at, m.symbol, m.reference, m.amount
        FROM exchange.account_movements($2, $3) AS m
        WHERE m.account_id = $1
    ) AS s
    WINDOW w AS (PARTITION BY s.asset_kind, s.asset
                 ORDER BY s.step, s.occurred_at, s.reference, s.movement LIKE 'fee%', s.movement, s.amount
                 ROWS UNBOUNDED PRECEDING)
    ORDER BY s.asset_kind, s.asset, row_number() OVER w;
END;
COMMENT ON FUNCTION exchange.account_statement(integer, date, date) IS
    'The statement of an account over trade dates, both included: for each currency and each instrument the opening balance, every movement with the balance after it, and the closing balance. line counts from 1 in each. The other columns are those of exchange.account_movements(). Nothing for an account that there is not, or that the reader may not see.';

-- Orders and trades ------------------------------------------------------------------------------

CREATE FUNCTION exchange.trade_history("from" date, "to" date)
RETURNS TABLE (
    trade_date      date,
    trade_id        bigint,
    order_id        bigint,
    account_id      integer,
    symbol          text,
    side            exchange.side,
    liquidity       exchange.liquidity,
    quantity        bigint,
    price           numeric,
    currency        text,
    value           numeric,
    fee             numeric,
    amount          numeric,
    executed_at     timestamptz,
    settlement_date date,
    busted_at       timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT d.trade_date, e.trade_id, e.order_id, e.account_id, e.symbol, e.side, e.liquidity, e.quantity,
           e.price, i.currency, e.price * e.quantity, e.fee,
           CASE e.side WHEN 'buy' THEN -e.price * e.quantity ELSE e.price * e.quantity END - e.fee,
           e.executed_at, d.settlement_date, e.busted_at
    FROM (SELECT d.trade_date, d.begins_at, d.ends_at, exchange.settlement_date(d.trade_date)
          FROM exchange.days($1, $2) AS d
          OFFSET 0) AS d (trade_date, begins_at, ends_at, settlement_date)
    CROSS JOIN exchange.instruments AS i
    JOIN exchange.executions AS e
      ON e.symbol = i.symbol AND e.executed_at >= d.begins_at AND e.executed_at < d.ends_at;
END;
COMMENT ON FUNCTION exchange.trade_history(date, date) IS
    'The trades of accounts over trade dates, both included, a row an execution: as far as the reader may see the accounts. value: price × quantity. amount: the money that the account received, fee paid; below 0 it paid. settlement_date: see exchange.settlement_date(). busted_at: when the trade was cancelled, on whatever date; NULL if it was not. The others are those of exchange.executions. exchange.trades is the public tape, without accounts.';

CREATE FUNCTION exchange.orders_and_executions("from" date, "to" date)
RETURNS TABLE (
    trade_date      date,
    occurred_at     timestamptz,
    line            text,
    order_id        bigint,
    trade_id        bigint,
    account_id      integer,
    client_order_id text,
    symbol          text,
    side            exchange.side,
    order_type      exchange.order_type,
    time_in_force   exchange.time_in_force,
    quantity        bigint,
    price           numeric,
    filled_quantity bigint,
    average_price   numeric,
    status          exchange.order_status,
    reject_reason   exchange.reject_reason,
    cancel_reason   exchange.cancel_reason,
    liquidity       exchange.liquidity,
    fee             numeric,
    busted_at       timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT d.trade_date, o.created_at, 'order', o.order_id, NULL::bigint, o.account_id,
           o.client_order_id, o.symbol, o.side, o.order_type, o.time_in_force, o.quantity, o.price,
           o.filled_quantity, o.turnover / nullif(o.filled_quantity, 0), o.status, o.reject_reason,
           o.cancel_reason, NULL::exchange.liquidity, NULL::numeric, NULL::timestamptz
    FROM exchange.days($1, $2) AS d
    CROSS JOIN exchange.instruments AS i
    JOIN exchange.orders AS o
      ON o.symbol = i.symbol AND o.created_at >= d.begins_at AND o.created_at < d.ends_at
    UNION ALL
    SELECT d.trade_date, e.executed_at, 'execution', e.order_id, e.trade_id, e.account_id,
           o.client_order_id, e.symbol, e.side, o.order_type, o.time_in_force, e.quantity, e.price,
           NULL, NULL, NULL, NULL, NULL, e.liquidity, e.fee, e.busted_at
    FROM exchange.days($1, $2) AS d
    CROSS JOIN exchange.instruments AS i
    JOIN exchange.executions AS e
      ON e.symbol = i.symbol AND e.executed_at >= d.begins_at AND e.executed_at < d.ends_at
    LEFT JOIN exchange.orders AS o ON o.order_id = e.order_id;
END;
COMMENT ON FUNCTION exchange.orders_and_executions(date, date) IS
    'The consolidated report of orders and executions over trade dates, both included: a line for every order that was entered on them, rejected ones too, and a line for every execution on them, also of orders entered before; as far as the reader may see the accounts. ORDER BY order_id, trade_id NULLS FIRST puts executions under their order. line: order or execution. quantity, price: ordered and limit price, or executed and at which price. filled_quantity to cancel_reason: of the order as it stands now; NULL for executions. trade_id, liquidity, fee, busted_at: of the execution; NULL for orders.';

CREATE FUNCTION exchange.trade_summary("from" date, "to" date)
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
    SELECT d.trade_date, i.symbol, i.currency, f.price, s.high, s.low, l.price, p.price,
           s.volume, s.turnover, s.trades, s.auction_volume
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
    -- Nothing is said of the time before it was listed.
    WHERE i.created_at < d.ends_at;
END;
COMMENT ON FUNCTION exchange.trade_summary(date, date) IS
    'The prices of every instrument on every trade date from one to another, both included. The columns are those of exchange.end_of_day_prices, which has what it said of each date that is closed. A trade that was busted by the end of its date does not count; one that was busted after it does.';

-- Settlement --------------------------------------------------------------------------------------

CREATE FUNCTION exchange.net_obligations("from" date, "to" date)
RETURNS TABLE (
    trade_date      date,
    account_id      integer,
    symbol          text,
    currency        text,
    settlement_date date,
    quantity        bigint,
    amount          numeric,
    fees            numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT n.trade_date, n.account_id, n.symbol, i.currency, exchange.settlement_date(n.trade_date),
           n.quantity::bigint, n.amount, n.fees
    FROM (
        SELECT m.trade_date, m.account_id, m.symbol,
               coalesce(sum(m.amount) FILTER (WHERE m.asset_kind = 'instrument'), 0) AS quantity,
               coalesce(sum(m.amount) FILTER (WHERE m.asset_kind = 'currency'), 0) AS amount,
               coalesce(sum(m.amount) FILTER (WHERE m.movement IN ('fee', 'fee returned')), 0) AS fees
        FROM exchange.account_movements($1, $2) AS m
        WHERE m.symbol IS NOT NULL
        GROUP BY m.trade_date, m.account_id, m.symbol
    ) AS n
    JOIN exchange.instruments AS i ON i.symbol = n.symbol
    WHERE n.quantity <> 0 OR n.amount <> 0;
END;
COMMENT ON FUNCTION exchange.net_obligations(date, date) IS
    'What every account has to deliver and to receive for the trades of each trade date from one to another, both included, netted by account, instrument and currency, with fees: as far as the reader may see the accounts. A trade that is busted on a later date is taken back in the net of that date. The columns are those of exchange.settlement_obligations, which has what it said of each date that is closed. Of each instrument the quantities add up to 0, of each currency the amounts to what the venue earned, with the sign changed.';

-- Tax ---------------------------------------------------------------------------------------------

CREATE FUNCTION exchange.tax_lots(account_id integer)
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
            WHERE e.account_id = $1 AND e.busted_at IS NULL
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
    'The shares that came into an account and those that went out of it, matched first in, first out: a row a lot. acquired_by: buy or deposit; disposed_by: sell or withdrawal; …_with: the trade id, or the sequence of exchange.transfers. Lots that are still open have no disposal, open short sales no acquisition; of both closed_at is NULL. is_short: it was sold before it was bought. cost: what was paid with the fee, proceeds: what was received less the fee, each of the part of a trade that the lot is, to 9 decimals and adding up to the whole; NULL of deposits (their cost is not known to the venue) and withdrawals (which are no sale), and so is then gain, which is proceeds - cost. Trades that are busted now are left out, as if they had never been made. At the same microsecond deposits and withdrawals come before trades. Nothing for an account that there is not, or that the reader may not see.';

CREATE FUNCTION exchange.realised_gains("from" date, "to" date)
RETURNS TABLE (
    account_id             integer,
    symbol                 text,
    currency               text,
    quantity               bigint,
    proceeds               numeric,
    cost                   numeric,
    gain                   numeric,
    quantity_without_cost  bigint,
    proceeds_without_cost  numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT a.account_id, l.symbol, l.currency,
           coalesce(sum(l.quantity) FILTER (WHERE l.cost IS NOT NULL), 0)::bigint,
           coalesce(sum(l.proceeds) FILTER (WHERE l.cost IS NOT NULL), 0),
           coalesce(sum(l.cost), 0), coalesce(sum(l.gain), 0),
           coalesce(sum(l.quantity) FILTER (WHERE l.cost IS NULL), 0)::bigint,
           coalesce(sum(l.proceeds) FILTER (WHERE l.cost IS NULL), 0)
    FROM exchange.period($1, $2) AS p
    CROSS JOIN exchange.accounts AS a
    CROSS JOIN LATERAL exchange.tax_lots(a.account_id) AS l
    WHERE l.closed_at >= p.begins_at AND l.closed_at < p.ends_at AND l.disposed_by = 'sell'
    GROUP BY a.account_id, l.symbol, l.currency;
END;
COMMENT ON FUNCTION exchange.realised_gains(date, date) IS
    'What every account gained by selling over trade dates, both included, by instrument: the lots of exchange.tax_lots() that were closed then, as far as the reader may see the accounts. quantity, proceeds, cost, gain: of shares whose cost is known; gain = proceeds - cost. quantity_without_cost, proceeds_without_cost: of shares that were deposited. It goes by what is busted now.';

CREATE FUNCTION exchange.tax_report("year" integer)
RETURNS TABLE (
    account_id             integer,
    symbol                 text,
    currency               text,
    quantity               bigint,
    proceeds               numeric,
    cost                   numeric,
    gain                   numeric,
    quantity_without_cost  bigint,
    proceeds_without_cost  numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT g.account_id, g.symbol, g.currency, g.quantity, g.proceeds, g.cost, g.gain,
           g.quantity_without_cost, g.proceeds_without_cost
    FROM exchange.realised_gains(make_date($1, 1, 1), make_date($1, 12, 31)) AS g;
END;
COMMENT ON FUNCTION exchange.tax_report(integer) IS
    'exchange.realised_gains() of the trade dates of a year. Error: 22008 (no such year).';

-- Surveillance ------------------------------------------------------------------------------------

CREATE FUNCTION exchange.order_to_trade_ratios("from" date, "to" date)
RETURNS TABLE (
    account_id       integer,
    symbol           text,
    orders           bigint,
    rejected         bigint,
    cancelled        bigint,
    ordered_quantity numeric,
    executions       bigint,
    traded_quantity  numeric,
    order_ratio      numeric,
    quantity_ratio   numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT coalesce(o.account_id, e.account_id), coalesce(o.symbol, e.symbol),
           coalesce(o.orders, 0), coalesce(o.rejected, 0), coalesce(o.cancelled, 0), coalesce(o.quantity, 0),
           coalesce(e.executions, 0), coalesce(e.quantity, 0),
           round(coalesce(o.orders, 0)::numeric / e.executions, 4),
           round(coalesce(o.quantity, 0) / e.quantity, 4)
    FROM (
        SELECT o.account_id, o.symbol, count(*) AS orders,
               count(*) FILTER (WHERE o.status = 'rejected') AS rejected,
               count(*) FILTER (WHERE o.status = 'cancelled') AS cancelled,
               sum(o.quantity) AS quantity
        FROM exchange.period($1, $2) AS p
        CROSS JOIN exchange.instruments AS i
        JOIN exchange.orders AS o
          ON o.symbol = i.symbol AND o.created_at >= p.begins_at AND o.created_at < p.ends_at
        GROUP BY o.account_id, o.symbol
    ) AS o
    FULL JOIN (
        SELECT e.account_id, e.symbol, count(*) AS executions, sum(e.quantity) AS quantity
        FROM exchange.period($1, $2) AS p
        CROSS JOIN exchange.instruments AS i
        JOIN exchange.executions AS e
          ON e.symbol = i.symbol AND e.executed_at >= p.begins_at AND e.executed_at < p.ends_at
        GROUP BY e.account_id, e.symbol
    ) AS e ON e.account_id = o.account_id AND e.symbol = o.symbol;
END;
COMMENT ON FUNCTION exchange.order_to_trade_ratios(date, date) IS
    'How much every account ordered and how much it traded over trade dates, both included, by instrument: as far as the reader may see the accounts. orders: entered on these dates, rejected ones too. cancelled: those of them that ended so by now, for whatever reason. executions, traded_quantity: on these dates, busted ones too. order_ratio: orders / executions; quantity_ratio: ordered_quantity / traded_quantity; to 4 decimals, NULL where nothing traded.';

CREATE FUNCTION exchange.wash_trade_candidates("from" date, "to" date, "within" interval DEFAULT '5 minutes')
RETURNS TABLE (
    pattern             text,
    trade_id            bigint,
    executed_at         timestamptz,
    symbol              text,
    price               numeric,
    quantity            bigint,
    buyer_account_id    integer,
    buyer               text,
    seller_account_id   integer,
    seller              text,
    previous_trade_id   bigint,
    previous_price      numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
BEGIN ATOMIC
    SELECT CASE WHEN t.buyer = t.seller THEN 'same owner' ELSE 'round trip' END,
           t.trade_id, t.executed_at, t.symbol, t.price, t.quantity, t.buyer_account_id, t.buyer,
           t.seller_account_id, t.seller,
           CASE WHEN t.buyer <> t.seller THEN t.previous_trade_id END,
           CASE WHEN t.buyer <> t.seller THEN t.previous_price END
    FROM (
        SELECT t.trade_id, t.executed_at, t.symbol, t.price, t.quantity,
               t.buyer_account_id, b.owner AS buyer, t.seller_account_id, s.owner AS seller,
               -- The last trade of the same quantity between these two.
               lag(t.trade_id) OVER w AS previous_trade_id,
               lag(t.price) OVER w AS previous_price,
               lag(t.executed_at) OVER w AS previous_at,
               lag(s.owner) OVER w AS previous_seller
        FROM (
            SELECT e.trade_id, e.executed_at, e.symbol, e.price, e.quantity,
                   max(e.account_id) FILTER (WHERE e.side = 'buy') AS buyer_account_id,
                   max(e.account_id) FILTER (WHERE e.side = 'sell') AS seller_account_id
            FROM exchange.period($1, $2) AS p
            CROSS JOIN exchange.instruments AS i
            JOIN exchange.executions AS e
              ON e.symbol = i.symbol AND e.executed_at >= p.begins_at AND e.executed_at < p.ends_at
            WHERE e.busted_at IS NULL
            GROUP BY e.trade_id, e.executed_at, e.symbol, e.price, e.quantity
        ) AS t
        JOIN exchange.accounts AS b ON b.account_id = t.buyer_account_id
        JOIN exchange.accounts AS s ON s.account_id = t.seller_account_id
        WINDOW w AS (PARTITION BY t.symbol, t.quantity, least(b.owner, s.owner), greatest(b.owner, s.owner)
                     ORDER BY t.trade_id)
    ) AS t
    WHERE t.buyer = t.seller
       OR t.previous_seller = t.buyer AND t.executed_at - t.previous_at <= $3;
END;
COMMENT ON FUNCTION exchange.wash_trade_candidates(date, date, interval) IS
    'Trades over trade dates, both included, after which nobody has more or less than before. same owner: both accounts are of one owner. round trip: the two owners traded the same quantity of the instrument the other way round, previous_trade_id at previous_price, at most so long before; between them they made no other trade of it of this quantity in the meantime. Busted trades are left out. For those who may see all accounts: candidates are where to look, no proof.';

CREATE FUNCTION exchange.layering_candidates(
    "from"   date,
    "to"     date,
    lifetime interval DEFAULT '5 seconds',
    size     numeric DEFAULT 5)
RETURNS TABLE (
    owner               text,
    account_id          integer,
    order_id            bigint,
    symbol              text,
    side                exchange.side,
    price               numeric,
    quantity            bigint,
    filled_quantity     bigint,
    placed_at           timestamptz,
    cancelled_at        timestamptz,
    times_average_trade numeric,
    executions          bigint,
    executed_quantity   numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
BEGIN ATOMIC
    SELECT o.owner, o.account_id, o.order_id, o.symbol, o.side, o.price, o.quantity, o.filled_quantity,
           o.created_at, o.updated_at, round(o.quantity * o.trades / o.traded, 2), e.executions, e.quantity
    FROM (
        SELECT a.owner, o.account_id, o.order_id, o.symbol, o.side, o.price, o.quantity, o.filled_quantity,
               o.created_at, o.updated_at, v.trades, v.traded
        FROM exchange.period($1, $2) AS p
        CROSS JOIN exchange.instruments AS i
        CROSS JOIN LATERAL (
            SELECT count(*) AS trades, sum(t.quantity) AS traded FROM exchange.trades AS t
            WHERE t.symbol = i.symbol AND t.executed_at >= p.begins_at AND t.executed_at < p.ends_at
        ) AS v
        JOIN exchange.finished_orders AS o
          ON o.symbol = i.symbol AND o.created_at >= p.begins_at AND o.created_at < p.ends_at
        JOIN exchange.accounts AS a ON a.account_id = o.account_id
        WHERE o.cancel_reason = 'requested' AND o.updated_at - o.created_at <= $3
          -- At least so many times the average, without rounding that.
          AND o.quantity * v.trades >= $4 * v.traded
    ) AS o
    CROSS JOIN LATERAL (
        SELECT count(*) AS executions, sum(e.quantity) AS quantity
        FROM exchange.executions AS e
        JOIN exchange.accounts AS a ON a.account_id = e.account_id AND a.owner = o.owner
        WHERE e.symbol = o.symbol AND e.side <> o.side
          AND e.executed_at BETWEEN o.created_at AND o.updated_at
    ) AS e
    WHERE e.executions > 0;
END;
COMMENT ON FUNCTION exchange.layering_candidates(date, date, interval, numeric) IS
    'Large orders entered over trade dates, both included, that were cancelled on request within lifetime, and while which their owner traded on the other side, by whatever account: what it looks like when a book is made to look deeper than it is. Large: at least size times the average trade of the instrument on these dates. executions, executed_quantity: of the owner on the other side while the order was there. For those who may see all accounts: candidates are where to look, no proof.';

CREATE FUNCTION exchange.large_positions(trade_date date, share numeric DEFAULT 0.1)
RETURNS TABLE (symbol text, owner text, quantity numeric, total numeric, part numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
BEGIN ATOMIC
    SELECT h.symbol, h.owner, h.quantity, h.total, round(abs(h.quantity) / h.total, 6)
    FROM (
        SELECT b.asset AS symbol, a.owner, sum(b.closing) AS quantity,
               sum(sum(greatest(b.closing, 0))) OVER (PARTITION BY b.asset) AS total
        FROM exchange.account_activity($1, $1) AS b
        JOIN exchange.accounts AS a ON a.account_id = b.account_id
        WHERE b.asset_kind = 'instrument'
        GROUP BY b.asset, a.owner
    ) AS h
    WHERE h.total > 0 AND abs(h.quantity) >= $2 * h.total AND h.quantity <> 0;
END;
COMMENT ON FUNCTION exchange.large_positions(date, numeric) IS
    'Owners who, at the end of a trade date, have in all their accounts together at least a share (0.1 is 10 %) of what all accounts have of an instrument, or owe as much. total: what all accounts have that do not owe. part: how much of it, to 6 decimals. For those who may see all accounts.';
-- Reports that need the library: they read the journal, and the blocks of public events.

CREATE FUNCTION exchange.last_sequence_before(at timestamptz)
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
        WHERE c.at < last_sequence_before.at), 0);
END
$$;
COMMENT ON FUNCTION exchange.last_sequence_before(timestamptz) IS
    'The last command of the journal before a moment; 0 if there is none. It looks at a few rows, whatever the size of the journal. Error: XX001 (the row that has it is damaged).';

CREATE FUNCTION exchange.audit_trail(order_id bigint)
RETURNS TABLE (
    occurred_at timestamptz,
    sequence    bigint,
    action      text,
    actor       text,
    price       numeric,
    quantity    bigint,
    trade_id    bigint,
    reason      text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10
BEGIN ATOMIC
    WITH subject AS (
        SELECT o.order_id, o.account_id, o.symbol, o.side, o.status, o.reject_reason, o.cancel_reason, o.client_order_id,
               o.filled_quantity, o.updated_at, a.owner, i.instrument_id, i.tick_size,
               o.remaining_quantity > 0 AS is_open,
               exchange.last_sequence_before(o.updated_at) AS sequence_before,
               exchange.last_sequence_before(o.updated_at + interval '1 microsecond') AS sequence_after
        FROM exchange.orders AS o
        JOIN exchange.accounts AS a ON a.account_id = o.account_id
        JOIN exchange.instruments AS i ON i.symbol = o.symbol
        WHERE o.order_id = $1
    )
    SELECT t.occurred_at, t.sequence, t.action, t.actor, t.price, t.quantity, t.trade_id, t.reason
    FROM (
        -- What was asked of it.
        SELECT 0 AS step, c.at AS occurred_at, c.sequence, replace(c.command, '_order', '') AS action,
               CASE WHEN c.command = 'place_order' THEN s.owner
                    WHEN c.participant_id = 0 THEN 'venue' ELSE p.role END AS actor,
               nullif(c.price_ticks, 0) * s.tick_size AS price, nullif(c.quantity, 0) AS quantity,
               NULL::bigint AS trade_id, NULL::text AS reason
        FROM subject AS s
        CROSS JOIN LATERAL exchange.journal_commands(
            s.order_id, CASE WHEN s.is_open THEN 9223372036854775806 ELSE greatest(s.order_id, s.sequence_after) END,
            s.order_id) AS c
        LEFT JOIN exchange.participants AS p ON p.participant_id = c.participant_id
        UNION ALL
        SELECT 1, e.executed_at, NULL, 'execution', NULL, e.price, e.quantity, e.trade_id, e.liquidity::text
        FROM exchange.executions AS e WHERE e.order_id = $1
        UNION ALL
        SELECT 3, e.busted_at, NULL, 'bust', 'venue', e.price, e.quantity, e.trade_id, NULL
        FROM exchange.executions AS e WHERE e.order_id = $1 AND e.busted_at IS NOT NULL
        UNION ALL
        -- How it ended, and who asked for that, by whatever command.
        SELECT 2, s.updated_at, NULL, s.status::text,
               CASE WHEN s.cancel_reason = 'session_ended' THEN s.owner
                    WHEN s.cancel_reason IN ('requested', 'kill_switch') THEN e.actor
                    ELSE 'exchange' END,
               NULL, s.filled_quantity, NULL, coalesce(s.reject_reason::text, s.cancel_reason::text)
        FROM subject AS s
        LEFT JOIN LATERAL (
            SELECT CASE WHEN c.participant_id = 0 THEN 'venue' ELSE p.role END AS actor
            FROM exchange.journal_commands(
                least(s.sequence_before + 1, s.sequence_after), s.sequence_after) AS c
            LEFT JOIN exchange.participants AS p ON p.participant_id = c.participant_id
            WHERE CASE c.command
                WHEN 'cancel_order' THEN c.order_id = s.order_id
                WHEN 'replace_order' THEN c.order_id = s.order_id
                WHEN 'cancel_client_order' THEN c.account_id = s.account_id
                    AND c.details ->> 'client_order_id' = s.client_order_id
                WHEN 'cancel_orders' THEN (c.account_id = s.account_id) IS NOT FALSE
                    AND (c.instrument_id = s.instrument_id) IS NOT FALSE
                    AND (c.side = s.side::text) IS NOT FALSE
                    AND (c.participant_id = 0 OR p.role = s.owner)
                WHEN 'set_kill_switch' THEN c.account_id = s.account_id
                    AND s.cancel_reason = 'kill_switch'
                ELSE false END
              AND c.at = s.updated_at
            ORDER BY c.sequence DESC
            LIMIT 1
        ) AS e ON s.cancel_reason IN ('requested', 'kill_switch')
        WHERE NOT s.is_open
    ) AS t
    ORDER BY t.occurred_at, t.step, t.sequence, t.trade_id;
END;
COMMENT ON FUNCTION exchange.audit_trail(bigint) IS
    'The life of one order, oldest first: what was asked of it (place, reduce, replace, cancel; from the journal), what it traded (execution, bust), and how it ended (filled, cancelled, rejected or expired). sequence: of the command. actor: who asked, a role, or venue; the owner of the account where the journal does not say it (placing, the end of a session); exchange for what happened by the rules. price: as asked or traded; NULL where it was left out. quantity: as asked or traded; of the end, what had traded. reason: the reject or cancel reason of the end; liquidity of an execution. A request that was declined is there and changed nothing. Nothing for an unknown order. Error: XX001 (the journal is damaged).';

CREATE FUNCTION exchange.audit_trails("from" date, "to" date)
RETURNS TABLE (
    occurred_at timestamptz,
    sequence    bigint,
    order_id    bigint,
    account_id  integer,
    symbol      text,
    action      text,
    actor       text,
    price       numeric,
    quantity    bigint,
    trade_id    bigint,
    reason      text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1000
BEGIN ATOMIC
    WITH bounds AS MATERIALIZED (
        SELECT p.begins_at, p.ends_at, exchange.last_sequence_before(p.begins_at) + 1 AS first_sequence,
               exchange.last_sequence_before(p.ends_at) AS last_sequence
        FROM exchange.period($1, $2) AS p
    ), commands AS MATERIALIZED (
        SELECT c.at, c.sequence, c.command, c.participant_id, c.account_id, c.order_id, c.instrument_id,
               c.side, c.price_ticks, c.quantity, c.details
        -- Row by row, so that the planner sees that there are many.
        FROM bounds AS b
        JOIN exchange.journal AS j
          ON j.first_sequence >= (SELECT max(f.first_sequence) FROM exchange.journal AS f
                                  WHERE f.first_sequence <= b.first_sequence)
         AND j.first_sequence <= b.last_sequence
        CROSS JOIN LATERAL exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS c
        WHERE c.sequence BETWEEN b.first_sequence AND b.last_sequence
          AND c.command IN ('place_order', 'reduce_order', 'replace_order', 'cancel_order',
                            'cancel_client_order', 'cancel_orders', 'set_kill_switch')
    )
    SELECT c.at, c.sequence, c.order_id, coalesce(o.account_id, c.account_id), coalesce(s.symbol, n.symbol),
           CASE WHEN c.command = 'place_order' AND o.order_id IS NULL THEN 'retry'
                ELSE regexp_replace(c.command, '_order$', '') END,
           CASE WHEN c.command = 'place_order' THEN a.owner
                WHEN c.participant_id = 0 THEN 'venue' ELSE p.role END,
           nullif(c.price_ticks, 0) * coalesce(s.tick_size, n.tick_size), nullif(c.quantity, 0), NULL::bigint,
           c.details ->> 'client_order_id'
    FROM commands AS c
    LEFT JOIN exchange.orders AS o ON o.order_id = c.order_id
    LEFT JOIN exchange.instruments AS s ON s.symbol = o.symbol
    LEFT JOIN exchange.instruments AS n ON n.instrument_id = c.instrument_id
    LEFT JOIN exchange.accounts AS a ON a.account_id = coalesce(o.account_id, c.account_id)
    LEFT JOIN exchange.participants AS p ON p.participant_id = c.participant_id
    UNION ALL
    SELECT e.executed_at, NULL, e.order_id, e.account_id, e.symbol, 'execution', NULL, e.price, e.quantity,
           e.trade_id, e.liquidity::text
    FROM bounds AS b
    CROSS JOIN exchange.instruments AS i
    JOIN exchange.executions AS e
      ON e.symbol = i.symbol AND e.executed_at >= b.begins_at AND e.executed_at < b.ends_at
    UNION ALL
    SELECT t.busted_at, NULL, e.order_id, e.account_id, e.symbol, 'bust', 'venue', e.price, e.quantity,
           e.trade_id, NULL
    FROM bounds AS b
    JOIN exchange.busted_trades AS t ON t.busted_at >= b.begins_at AND t.busted_at < b.ends_at
    JOIN exchange.trades AS r ON r.trade_id = t.trade_id
    JOIN exchange.executions AS e
      ON e.symbol = r.symbol AND e.executed_at = r.executed_at AND e.trade_id = r.trade_id
    UNION ALL
    SELECT o.updated_at, NULL, o.order_id, o.account_id, o.symbol, o.status::text, NULL, NULL, o.filled_quantity,
           NULL, coalesce(o.reject_reason::text, o.cancel_reason::text)
    FROM bounds AS b
    JOIN exchange.finished_orders AS o ON o.updated_at >= b.begins_at AND o.updated_at < b.ends_at;
END;
COMMENT ON FUNCTION exchange.audit_trails(date, date) IS
    'The audit trail of all orders over trade dates, both included: every request that is in the journal, every execution and bust, and how orders ended. The columns are those of exchange.audit_trail(), with the order, its account and symbol. Requests that name no order (cancel_orders, cancel_client, set_kill_switch) are lines of their own, with the client order id as reason; the ends that they caused have the same occurred_at. retry: a place with a client_order_id that was used already, of which no order came. ORDER BY order_id, occurred_at puts each life together. Error: XX001 (the journal is damaged).';

CREATE FUNCTION exchange.effective_spreads("from" date, "to" date, of_symbol text DEFAULT NULL)
RETURNS TABLE (
    trade_id         bigint,
    order_id         bigint,
    account_id       integer,
    symbol           text,
    side             exchange.side,
    executed_at      timestamptz,
    price            numeric,
    quantity         bigint,
    bid_price        numeric,
    ask_price        numeric,
    midpoint         numeric,
    quoted_spread    numeric,
    effective_spread numeric)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1000
BEGIN ATOMIC
    SELECT m.trade_id, m.order_id, m.account_id, m.symbol, m.side, m.executed_at, m.price, m.quantity,
           m.bid, m.ask, trim_scale((m.bid + m.ask) / 2), m.ask - m.bid,
           trim_scale(2 * abs(m.price - (m.bid + m.ask) / 2))
    FROM (
        SELECT m.trade_id, m.order_id, m.account_id, m.symbol, m.side, m.executed_at, m.price, m.quantity,
               first_value(m.bid_price) OVER w AS bid, first_value(m.ask_price) OVER w AS ask
        FROM (
            -- Behind each quote, and with its number, what was entered while it was in force.
            SELECT m.*, count(*) FILTER (WHERE m.order_id IS NULL) OVER w AS quote
            FROM (
                SELECT q.symbol, q.sequence, q.bid_price, q.ask_price, NULL::bigint AS trade_id,
                       NULL::bigint AS order_id, NULL::integer AS account_id, NULL::exchange.side AS side,
                       NULL::timestamptz AS executed_at, NULL::numeric AS price, NULL::bigint AS quantity
                FROM exchange.period($1, $2) AS p
                CROSS JOIN LATERAL exchange.quote_history($3, p.begins_at, p.ends_at) AS q
                UNION ALL
                SELECT e.symbol, e.order_id, NULL, NULL, e.trade_id, e.order_id, e.account_id, e.side,
                       e.executed_at, e.price, e.quantity
                FROM exchange.period($1, $2) AS p
                CROSS JOIN exchange.instruments AS i
                JOIN exchange.executions AS e
                  ON e.symbol = i.symbol AND e.executed_at >= p.begins_at AND e.executed_at < p.ends_at
                WHERE (e.symbol = $3) IS NOT FALSE AND e.liquidity = 'taker' AND e.busted_at IS NULL
            ) AS m
            -- An order did not see the quote that it made.
            WINDOW w AS (PARTITION BY m.symbol ORDER BY m.sequence, m.trade_id NULLS LAST
                         ROWS UNBOUNDED PRECEDING)
        ) AS m
        WINDOW w AS (PARTITION BY m.symbol, m.quote ORDER BY m.sequence, m.trade_id NULLS FIRST
                     ROWS UNBOUNDED PRECEDING)
    ) AS m
    WHERE m.order_id IS NOT NULL;
END;
COMMENT ON FUNCTION exchange.effective_spreads(date, date, text) IS
    'What every execution of an incoming order (taker) cost against the quote at its entry, over trade dates, both included, for one symbol or, by default, for all: as far as the reader may see the accounts. bid_price, ask_price: the best displayed quote just before the order came in. midpoint: between them. quoted_spread: ask - bid. effective_spread: 2 × |price - midpoint|; for a stop order too it goes by its entry. NULL where one side was empty, and for orders that were entered on an earlier date. Busted trades are left out. Errors: 42704 (unknown symbol), XX001 (a damaged block of events).';

CREATE FUNCTION exchange.execution_quality("from" date, "to" date, of_symbol text DEFAULT NULL)
RETURNS TABLE (
    account_id            integer,
    symbol                text,
    orders                bigint,
    orders_with_execution bigint,
    orders_filled         bigint,
    ordered_quantity      numeric,
    filled_quantity       numeric,
    fill_rate             numeric,
    time_to_first_fill    interval,
    time_to_fill          interval,
    measured_quantity     numeric,
    quoted_spread         numeric,
    effective_spread      numeric)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1000
BEGIN ATOMIC
    SELECT coalesce(o.account_id, s.account_id), coalesce(o.symbol, s.symbol),
           coalesce(o.orders, 0), coalesce(o.with_execution, 0), coalesce(o.filled, 0),
           coalesce(o.ordered_quantity, 0), coalesce(o.filled_quantity, 0),
           round(o.filled_quantity / o.ordered_quantity, 6),
           o.to_first_fill, o.to_fill, coalesce(s.quantity, 0), trim_scale(round(s.quoted_spread, 9)),
           trim_scale(round(s.effective_spread, 9))
    FROM (
        SELECT o.account_id, o.symbol, count(*) AS orders,
               count(*) FILTER (WHERE o.filled_quantity > 0) AS with_execution,
               count(*) FILTER (WHERE o.status = 'filled') AS filled,
               sum(o.quantity) AS ordered_quantity, sum(o.filled_quantity) AS filled_quantity,
               avg(f.first_at - o.created_at) AS to_first_fill,
               avg(o.updated_at - o.created_at) FILTER (WHERE o.status = 'filled') AS to_fill
        FROM exchange.period($1, $2) AS p
        CROSS JOIN exchange.instruments AS i
        JOIN exchange.orders AS o
          ON o.symbol = i.symbol AND o.created_at >= p.begins_at AND o.created_at < p.ends_at
        LEFT JOIN LATERAL (
            SELECT min(e.executed_at) AS first_at FROM exchange.executions AS e WHERE e.order_id = o.order_id
        ) AS f ON o.filled_quantity > 0
        WHERE (i.symbol = $3) IS NOT FALSE AND o.status <> 'rejected'
        GROUP BY o.account_id, o.symbol
    ) AS o
    FULL JOIN (
        SELECT s.account_id, s.symbol, sum(s.quantity) AS quantity,
               sum(s.quoted_spread * s.quantity) / sum(s.quantity) AS quoted_spread,
               sum(s.effective_spread * s.quantity) / sum(s.quantity) AS effective_spread
        FROM exchange.effective_spreads($1, $2, $3) AS s
        WHERE s.effective_spread IS NOT NULL
        GROUP BY s.account_id, s.symbol
    ) AS s ON s.account_id = o.account_id AND s.symbol = o.symbol;
END;
COMMENT ON FUNCTION exchange.execution_quality(date, date, text) IS
    'How well the orders of every account were executed that were entered over trade dates, both included, by instrument; for one symbol or, by default, for all: as far as the reader may see the accounts. orders: without rejected ones. filled_quantity: what of them has traded by now; fill_rate: that / ordered_quantity, to 6 decimals. time_to_first_fill, time_to_fill: from entry to the first execution, and to the last one of orders that are filled, on average; NULL where there is none. measured_quantity: what exchange.effective_spreads() knows; quoted_spread, effective_spread: its averages by quantity, to 9 decimals; NULL where it is 0. Errors: those of exchange.effective_spreads().';
-- The end of a trade date: its checks, its closing, its files, and the settlement of what it left.

CREATE FUNCTION exchange.check_journal(after_sequence bigint)
RETURNS TABLE (check_name text, expected numeric, found numeric, difference numeric, detail text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 3
BEGIN ATOMIC
    WITH batches AS MATERIALIZED (
        SELECT j.first_sequence, j.last_sequence, j.event_hash, exchange.checksum(j.commands) = j.checksum AS is_whole,
               lag(j.last_sequence) OVER (ORDER BY j.first_sequence) AS before
        FROM exchange.journal AS j
        WHERE j.first_sequence >= (SELECT coalesce(max(f.first_sequence), 1) FROM exchange.journal AS f
                                   WHERE f.first_sequence <= $1 + 1)
    ), engine AS MATERIALIZED (
        SELECT e.sequence, e.event_hash FROM exchange.engine_state AS e
    )
    SELECT c.check_name, c.expected, c.found, c.found - c.expected, c.detail
    FROM (
        -- From the row that has the command after, or the first one ever, to the last that the
        -- tables show, or that is there.
        SELECT 'journal: commands' AS check_name,
               greatest(max(b.last_sequence), (SELECT e.sequence FROM engine AS e))
                   - least(min(b.first_sequence), $1 + 1) + 1 AS expected,
               coalesce(sum(b.last_sequence - b.first_sequence + 1), 0) AS found,
               'missing before command ' || array_to_string(
                   (array_agg(b.first_sequence ORDER BY b.first_sequence)
                        FILTER (WHERE b.first_sequence <> b.before + 1))[1:5], ', ') AS detail
        FROM batches AS b
        UNION ALL
        SELECT 'journal: checksums', count(*), count(*) FILTER (WHERE b.is_whole),
               'damaged: the row of command ' || array_to_string(
                   (array_agg(b.first_sequence ORDER BY b.first_sequence) FILTER (WHERE NOT b.is_whole))[1:5], ', ')
        FROM batches AS b
        UNION ALL
        -- The hash of all events so far, as the matcher had it and as the tables have it.
        SELECT 'journal: event hash', b.event_hash, e.event_hash,
               CASE WHEN b.event_hash <> e.event_hash THEN format('after command %s', e.sequence) END
        FROM engine AS e JOIN batches AS b ON b.last_sequence = e.sequence
    ) AS c;
END;
COMMENT ON FUNCTION exchange.check_journal(bigint) IS
    'Whether the journal is complete and undamaged from a command on, to its end; the first checks of exchange.check_day(). The event hash is compared where a row of the journal ends with the last command that the tables show.';

CREATE FUNCTION exchange.check_period(begins_at timestamptz, ends_at timestamptz, before date, of_date date)
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
                   (o.account_id, o.symbol, o.side, o.filled_quantity::numeric, o.turnover)
                       IS NOT DISTINCT FROM (d.account_id, d.symbol, d.side, s.quantity, s.turnover) AS is_same
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

CREATE FUNCTION exchange.check_day(trade_date date)
RETURNS TABLE (check_name text, expected numeric, found numeric, difference numeric, detail text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 20
BEGIN ATOMIC
    SELECT k.check_name, trim_scale(k.expected), trim_scale(k.found), trim_scale(k.difference), k.detail
    FROM exchange.period($1, $1) AS p
    CROSS JOIN LATERAL exchange.check_period(
        p.begins_at, p.ends_at,
        (SELECT max(c.trade_date) FROM exchange.closed_days AS c WHERE c.trade_date < $1), $1) AS k;
END;
COMMENT ON FUNCTION exchange.check_day(date) IS
    'Compares a trade date with the journal, and the tables among each other: a row a check, difference 0 where all is well. expected, found: counts of rows that there are and that are as they should be, or sums; detail: the first of those that are not, NULL if there are none. docs/reports.md says what each check is. Where the journal itself is damaged only that is told. Of a date that is not over, so far; of one that is closed, also whether the tables still say what they said then. It reads everything of the date, and changes nothing.';

CREATE FUNCTION exchange.close_day(trade_date date)
RETURNS TABLE (check_name text, expected numeric, found numeric, difference numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 20
-- The tables of closed days are written by nobody else.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    day CONSTANT date := trade_date;
    is_simulated CONSTANT boolean := current_setting('exchange.simulated_clock')::boolean;
    at timestamptz := clock_timestamp();
    engine_at timestamptz;
    stands_still boolean;
    engine exchange.engine_state;
    last exchange.closed_days;
    begins_at timestamptz;
    ends_at timestamptz;
    missed date;
    made exchange.end_of_day_checks[];
    failed text[];
BEGIN
    IF day IS NULL THEN
        RAISE EXCEPTION 'trade_date is NULL'
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'A day is closed by its date.',
                  HINT = 'Give the trade date, as in exchange.close_day(DATE ''2026-11-25'').';
    END IF;
    -- Each statement is to see what happened before it.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the transaction is %', current_setting('transaction_isolation')
            USING ERRCODE = 'active_sql_transaction', DETAIL = 'It sees the tables as they were when it began.',
                  HINT = 'Close the day in a transaction of ISOLATION LEVEL READ COMMITTED.';
    END IF;
    -- One at a time; who only reads is not held up.
    LOCK TABLE exchange.closed_days IN SHARE ROW EXCLUSIVE MODE;

    -- When this request is answered, which is of no order and changes nothing, all that came to the
    -- matcher before is executed; what comes now has a later time than `at`.
    PERFORM FROM exchange.cancel_orders(ARRAY[9223372036854775807]);
    PERFORM exchange.wait_for('projected');
    SELECT e.* INTO engine FROM exchange.engine_state AS e;
    engine_at := timestamptz '2000-01-01 00:00Z' + engine.time_us * interval '1 microsecond';
    -- The clock of the exchange may stand still: a simulated one, or where that on the wall is behind it.
    stands_still := is_simulated OR engine_at > clock_timestamp();
    IF stands_still THEN
        at := engine_at;
    END IF;

    SELECT d.* INTO last FROM exchange.closed_days AS d WHERE d.trade_date = day;
    IF FOUND THEN
        RAISE EXCEPTION 'the day is closed already'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('Trade date %s was closed at %s by %s, and ended at %s.', day, last.closed_at, last.closed_by, last.ends_at),
                  HINT = format('What came after is of a later date. SELECT * FROM exchange.check_day(%L) shows whether it is still what it was.', day);
    END IF;
    SELECT d.* INTO last FROM exchange.closed_days AS d ORDER BY d.trade_date DESC LIMIT 1;
    IF day < last.trade_date THEN
        RAISE EXCEPTION 'the day is before one that is closed'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('Trade date %s is closed; what happened on %s is a part of it, or of one before.', last.trade_date, day),
                  HINT = 'Days are closed in their order; see exchange.closed_days.';
    END IF;
    IF at < exchange.midnight(day) THEN
        RAISE EXCEPTION 'the day has not come yet'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('Trade date %s begins at %s, and it is %s.', day, exchange.midnight(day), at),
                  HINT = 'Close it when its market is closed.';
    END IF;
    IF engine.market_phase <> 'closed' AND engine.trade_date <= day THEN
        RAISE EXCEPTION 'the day is still trading'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('The market is in phase %s of trade date %s.', engine.market_phase, engine.trade_date),
                  HINT = 'Wait until the calendar closes the market, or close it with SELECT exchange.close_market().';
    END IF;
    IF at < exchange.midnight(day + 1)
       AND (engine.trade_date < day OR EXISTS (SELECT FROM exchange.trading_days AS d WHERE d.trade_date = day)) THEN
        RAISE EXCEPTION 'the day is not over'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = CASE WHEN engine.trade_date < day THEN format('The market has not opened on %s; the last trade date is %s.', day, engine.trade_date)
                                ELSE format('The calendar has not closed the market of %s; see exchange.trading_days.', day) END,
                  HINT = format('Close it after its market has closed, or, where that does not open, after %s.', exchange.midnight(day + 1));
    END IF;
    IF last.trade_date IS NOT NULL THEN
        SELECT (t.executed_at AT TIME ZONE current_setting('exchange.time_zone'))::date INTO missed
        FROM exchange.trades AS t WHERE t.trade_id > last.last_trade_id ORDER BY t.trade_id LIMIT 1;
        -- What came after the last date was closed is of the date after it.
        IF missed IS NOT NULL AND greatest(missed, last.trade_date + 1) < day THEN
            missed := greatest(missed, last.trade_date + 1);
            RAISE EXCEPTION 'another day is to be closed first'
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = format('There were trades on %s, and the last date that is closed is %s.', missed, last.trade_date),
                      HINT = format('SELECT * FROM exchange.close_day(%L);', missed);
        END IF;
    END IF;

    begins_at := coalesce(last.ends_at, exchange.midnight(day));
    ends_at := least(at, exchange.midnight(day + 1));
    -- Then what comes next may have the time of what was before.
    IF stands_still AND EXISTS (SELECT FROM exchange.movements_between(at, at + interval '1 microsecond')) THEN
        RAISE EXCEPTION 'the clock has not moved since the last trade, transfer or bust'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It is %s.', at),
                  HINT = CASE WHEN is_simulated
                              THEN format('SELECT exchange.advance_clock(%L);', at + interval '1 second')
                              ELSE 'Wait until the clock of the server is past that.' END;
    END IF;

    SELECT array_agg(ROW(day, k.check_name, trim_scale(k.expected), trim_scale(k.found), trim_scale(k.difference))
                         ::exchange.end_of_day_checks),
           array_agg(format('%s: %s expected, %s found%s', k.check_name, trim_scale(k.expected), trim_scale(k.found),
                            coalesce(' (' || k.detail || ')', ''))) FILTER (WHERE k.difference IS DISTINCT FROM 0)
    INTO made, failed
    FROM exchange.check_period(begins_at, ends_at, last.trade_date, day) AS k;
    IF failed IS NOT NULL THEN
        RAISE EXCEPTION 'the day does not reconcile'
            USING ERRCODE = 'data_exception', DETAIL = array_to_string(failed, E'\n'),
                  HINT = format('Nothing was closed. SELECT * FROM exchange.check_day(%L) WHERE difference <> 0 shows this again.', day);
    END IF;

    INSERT INTO exchange.closed_days
    SELECT day, begins_at, ends_at,
           coalesce(last.last_sequence, exchange.last_sequence_before(begins_at)) + 1,
           exchange.last_sequence_before(ends_at),
           coalesce(max(t.last_trade_id), last.last_trade_id, 0), o.orders, coalesce(sum(t.trades), 0),
           clock_timestamp(), session_user
    FROM (
        SELECT count(*) AS orders
        FROM exchange.instruments AS i
        JOIN exchange.orders AS o
          ON o.symbol = i.symbol AND o.created_at >= begins_at AND o.created_at < ends_at
    ) AS o
    LEFT JOIN exchange.instruments AS i ON true
    LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE t.executed_at >= begins_at) AS trades, max(t.trade_id) AS last_trade_id
        FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at < ends_at
          AND (last.ends_at IS NULL OR t.executed_at >= begins_at)
    ) AS t ON true
    GROUP BY o.orders;

    INSERT INTO exchange.end_of_day_checks SELECT m.* FROM unnest(made) AS m;
    INSERT INTO exchange.end_of_day_statements
    SELECT day, a.* FROM exchange.account_activity(day, day) AS a
    WHERE (a.opening, a.deposited, a.withdrawn, a.bought, a.sold, a.fees, a.busted)
          IS DISTINCT FROM (0, 0, 0, 0, 0, 0, 0);
    INSERT INTO exchange.end_of_day_prices SELECT s.* FROM exchange.trade_summary(day, day) AS s;
    INSERT INTO exchange.settlement_obligations
    SELECT o.*, 'pending', clock_timestamp() FROM exchange.net_obligations(day, day) AS o;
    RETURN QUERY SELECT m.check_name, m.expected, m.found, m.difference FROM unnest(made) AS m;
END
$$;
COMMENT ON FUNCTION exchange.close_day(date) IS
    'Closes a trade date: makes the checks of exchange.check_day(), which are returned, and writes what is then true of the date into exchange.closed_days, end_of_day_checks, end_of_day_statements, end_of_day_prices and settlement_obligations, all in one transaction. It may be called once the market has closed: what happens after, on the same day of the calendar too, is of the date after; also the bust of a trade of this one. Days are closed in their order; those on which nobody could trade are left out, and are a part of the next. It reads beside the workers and holds up none of them. Errors: 22004 (NULL), 25001 (the transaction is not READ COMMITTED), 22000 (a check failed; the detail says which, and nothing was closed), 55000 (closed already, before one that is closed, not over, still trading, another is to be closed first, or a clock that has not moved since the last trade), 57P03 (the workers are not running).';

-- Files -------------------------------------------------------------------------------------------

CREATE FUNCTION exchange.day_reports(trade_date date)
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
    ) AS v (report, query);
END;
COMMENT ON FUNCTION exchange.day_reports(date) IS
    'The reports of a trade date, by name, each with the query that makes it, its rows in one order: what exchange.export_day() writes. For a file on the machine of the client give one of the queries to \copy of psql.';

CREATE FUNCTION exchange.export_day(trade_date date, folder text)
RETURNS TABLE (file text, lines bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 15
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    day CONSTANT date := trade_date;
    written record;
BEGIN
    IF day IS NULL OR folder IS NULL THEN
        RAISE EXCEPTION '% is NULL', CASE WHEN day IS NULL THEN 'trade_date' ELSE 'folder' END
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'A closed date is written into a folder of the server.',
                  HINT = 'Give both, as in exchange.export_day(DATE ''2026-11-25'', ''/var/lib/postgresql/reports'').';
    END IF;
    IF NOT EXISTS (SELECT FROM exchange.closed_days AS d WHERE d.trade_date = day) THEN
        RAISE EXCEPTION 'the day is not closed'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('The reports of %s may still change.', day),
                  HINT = format('SELECT * FROM exchange.close_day(%L);', day);
    END IF;
    FOR written IN SELECT r.report, r.query FROM exchange.day_reports(day) AS r
    LOOP
        file := format('%s/%s_%s.csv', rtrim(folder, '/'), day, written.report);
        EXECUTE format('COPY (%s) TO %L WITH (FORMAT csv, HEADER)', written.query, file);
        GET DIAGNOSTICS lines = ROW_COUNT;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION exchange.export_day(date, text) IS
    'Writes the reports of a closed trade date as CSV with a header into a folder of the server, DATE_REPORT.csv each, and returns the files with the number of rows in them. Files of that name are replaced. folder: an absolute path that the server may write to. The caller needs the role pg_write_server_files and the right to read the reports. Errors: 22004 (NULL), 42501 (a missing role), 42602 (a relative path), 55000 (the date is not closed), 58P01 (no such folder).';

-- Settlement --------------------------------------------------------------------------------------

CREATE FUNCTION exchange.settle_obligations(
    until      date,
    account_id integer DEFAULT NULL,
    symbol     text DEFAULT NULL,
    failed_too boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
-- The tables of closed days are written by nobody else.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment CONSTANT timestamptz := clock_timestamp();
    of_account CONSTANT integer := account_id;
    of_symbol CONSTANT text := symbol;
    settled bigint;
BEGIN
    IF until IS NULL OR failed_too IS NULL THEN
        RAISE EXCEPTION '% is NULL', CASE WHEN until IS NULL THEN 'until' ELSE 'failed_too' END
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'Obligations settle that are due by a date.',
                  HINT = 'Give the settlement date, as in exchange.settle_obligations(DATE ''2026-11-27'').';
    END IF;
    WITH changed AS (
        UPDATE exchange.settlement_obligations AS o
        SET status = 'settled', status_since = moment
        WHERE o.settlement_date <= until
          AND (o.status = 'pending' OR o.status = 'failed' AND failed_too)
          AND (o.account_id = of_account) IS NOT FALSE AND (o.symbol = of_symbol) IS NOT FALSE
        RETURNING o.trade_date, o.account_id, o.symbol
    )
    INSERT INTO exchange.settlement_changes
    SELECT c.trade_date, c.account_id, c.symbol, moment, session_user, 'settled', NULL FROM changed AS c;
    GET DIAGNOSTICS settled = ROW_COUNT;
    RETURN settled;
END
$$;
COMMENT ON FUNCTION exchange.settle_obligations(date, integer, text, boolean) IS
    'Notes that obligations settled, shares and money both, and returns how many: all that are due on a date or before (until) and pending, of one account and one instrument where those are given; those that failed only with failed_too. Each is a row in exchange.settlement_changes. It moves nothing in the exchange, where shares and money change hands when they trade. Error: 22004 (NULL).';

CREATE FUNCTION exchange.fail_obligation(trade_date date, account_id integer, symbol text, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
-- The tables of closed days are written by nobody else.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment CONSTANT timestamptz := clock_timestamp();
    of_date CONSTANT date := trade_date;
    of_account CONSTANT integer := account_id;
    of_symbol CONSTANT text := symbol;
    why CONSTANT text := reason;
    obligation exchange.settlement_obligations;
BEGIN
    IF of_date IS NULL OR of_account IS NULL OR of_symbol IS NULL OR why IS NULL OR why = '' THEN
        RAISE EXCEPTION 'trade_date, account_id, symbol or reason is missing'
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'An obligation fails for a reason.',
                  HINT = 'Give all four, as in exchange.fail_obligation(DATE ''2026-11-25'', 7, ''ACME'', ''shares not delivered'').';
    END IF;
    SELECT o.* INTO obligation FROM exchange.settlement_obligations AS o
    WHERE o.trade_date = of_date AND o.account_id = of_account AND o.symbol = of_symbol
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no such obligation'
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('Account %s has none in %s for trade date %s.', of_account, of_symbol, of_date),
                  HINT = 'See exchange.settlement_obligations.';
    END IF;
    IF obligation.status <> 'pending' THEN
        RAISE EXCEPTION 'the obligation is % already', obligation.status
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It is so since %s.', obligation.status_since),
                  HINT = 'Only what is pending can fail.';
    END IF;
    UPDATE exchange.settlement_obligations AS o
    SET status = 'failed', status_since = moment, reason = why
    WHERE o.trade_date = of_date AND o.account_id = of_account AND o.symbol = of_symbol;
    INSERT INTO exchange.settlement_changes
    VALUES (of_date, of_account, of_symbol, moment, session_user, 'failed', why);
END
$$;
COMMENT ON FUNCTION exchange.fail_obligation(date, integer, text, text) IS
    'Notes that a pending obligation did not settle, and why; it can still settle, late: exchange.settle_obligations() with failed_too. Each is a row in exchange.settlement_changes. Errors: 22004 (NULL, or an empty reason), 42704 (no such obligation), 55000 (it is settled or failed already).';
-- What leaves the exchange by logical replication (wal_level = logical): publications, which are
-- objects of the database and not of the extension. pg_dump leaves out which tables of an
-- extension a publication is of, so that a restored venue calls the functions below again.

CREATE FUNCTION exchange.create_publications()
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
         ARRAY['orders', 'executions', 'trades', 'busted_trades', 'candles',
               'participants', 'accounts', 'currencies', 'fee_schedules', 'risk_limits',
               'cash', 'positions', 'transfers',
               'instruments', 'instrument_states', 'engine_state',
               'trading_hours', 'calendar_exceptions', 'trading_days',
               'closed_days', 'end_of_day_checks', 'end_of_day_statements', 'end_of_day_prices',
               'settlement_obligations', 'settlement_changes'])
        ) AS e (publication, comment, tables)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = entry.publication) THEN
            -- exchange.orders comes as its partitions, which subscribers have too: a change of an open order
            -- is found among the open ones.
            EXECUTE format('CREATE PUBLICATION %I', entry.publication);
        END IF;
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
    END LOOP;
END
$$;
COMMENT ON FUNCTION exchange.create_publications() IS
    'Creates the publications exchange_market_data, exchange_reports and exchange_journal, or adds the tables to them that they lack: after ALTER EXTENSION pg_exchange UPDATE, and after a dump was restored. Subscribers get new tables with ALTER SUBSCRIPTION … REFRESH PUBLICATION. They belong to the owner of the extension.';

-- The name of the publication of a participant; an error if there is no such participant.
CREATE FUNCTION exchange.drop_copy_publication(participant name)
RETURNS name
LANGUAGE plpgsql STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    prefix CONSTANT text := 'exchange_drop_copy_';
BEGIN
    IF participant IS NULL THEN
        RAISE EXCEPTION 'the participant must not be NULL'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Name the role that owns the accounts.';
    END IF;
    IF NOT EXISTS (SELECT FROM exchange.participants AS p WHERE p.role = participant) THEN
        RAISE EXCEPTION '% is no participant', participant
            USING ERRCODE = 'undefined_object',
                  DETAIL = 'A role becomes one with its first account.',
                  HINT = format('SELECT exchange.open_account(%L);', participant);
    END IF;
    IF octet_length(prefix || participant) >= 64 THEN
        RAISE EXCEPTION 'the name % is too long for a publication', participant
            USING ERRCODE = 'name_too_long',
                  DETAIL = format('%s%s has %s bytes, and a name may have 63.', prefix, participant,
                                  octet_length(prefix || participant));
    END IF;
    RETURN prefix || participant;
END
$$;
COMMENT ON FUNCTION exchange.drop_copy_publication(name) IS
    'The name of the publication that exchange.create_drop_copy() makes for a participant. Errors: 22004 (NULL), 42622 (the name of the role has more than 44 bytes), 42704 (no such participant).';

CREATE FUNCTION exchange.create_drop_copy(participant name)
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
        EXECUTE format('CREATE PUBLICATION %I', publication);
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

CREATE FUNCTION exchange.remove_drop_copy(participant name)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    publication CONSTANT name := exchange.drop_copy_publication(participant);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = publication) THEN
        RAISE EXCEPTION '% has no drop copy', participant
            USING ERRCODE = 'undefined_object',
                  HINT = 'SELECT * FROM exchange.drop_copies;';
    END IF;
    EXECUTE format('DROP PUBLICATION %I', publication);
END
$$;
COMMENT ON FUNCTION exchange.remove_drop_copy(name) IS
    'Removes the drop copy of a participant. First drop the subscriptions to it: one that is left fails from here on, and its replication slot keeps WAL. Errors: 22004 (NULL), 42622 (the name of the role has more than 44 bytes), 42704 (no such participant, or it has no drop copy).';

CREATE VIEW exchange.drop_copies WITH (security_invoker = true) AS
    SELECT p.role AS participant, d.pubname AS publication, c.account_ids,
           ARRAY(SELECT a.account_id FROM exchange.accounts AS a
                 WHERE a.owner = p.role AND NOT a.account_id = ANY (c.account_ids)
                 ORDER BY a.account_id) AS missing_account_ids
    FROM exchange.participants AS p
    JOIN pg_catalog.pg_publication AS d ON d.pubname = 'exchange_drop_copy_' || p.role
    CROSS JOIN LATERAL (
        -- Those that are in the filters of all three tables.
        SELECT coalesce(array_agg(f.account_id ORDER BY f.account_id), '{}') AS account_ids
        FROM (
            SELECT f.account_id
            FROM pg_catalog.pg_publication_rel AS r
            CROSS JOIN LATERAL unnest(
                substring(pg_catalog.pg_get_expr(r.prqual, r.prrelid) FROM '{.*}')::integer[]
            ) AS f (account_id)
            WHERE r.prpubid = d.oid
            GROUP BY f.account_id
            HAVING count(*) = 3
        ) AS f
    ) AS c;
COMMENT ON VIEW exchange.drop_copies IS
    'The drop copies, see exchange.create_drop_copy(), and what they lack.';
COMMENT ON COLUMN exchange.drop_copies.participant IS 'Of whom.';
COMMENT ON COLUMN exchange.drop_copies.publication IS 'What to subscribe to.';
COMMENT ON COLUMN exchange.drop_copies.account_ids IS 'The accounts whose orders and executions are in it.';
COMMENT ON COLUMN exchange.drop_copies.missing_account_ids IS
    'Accounts that were opened since; call exchange.create_drop_copy() again. Empty where all are in it.';
-- Who may do what. Everybody sees the market, and nobody in it; what else a role may do it has
-- from the four groups below. For which accounts a role may act is checked at each call.

-- Roles are of the cluster: another database, or the operator, may have made them before.
DO $$
DECLARE
    groups CONSTANT text[] := ARRAY[
        ['exchange_admin',
         'Runs the stock exchange pg_exchange: may call every function and read every row, and edits the calendar.'],
        ['exchange_trader',
         'Trades on the stock exchange pg_exchange: enters orders for the accounts that it owns or whose owner it is a member of, and reads what is theirs.'],
        ['exchange_analyst',
         'Reads every order, execution, balance and position of the stock exchange pg_exchange, and changes nothing.'],
        ['exchange_reporter',
         'Reads every table of the stock exchange pg_exchange, its journal too, and changes nothing: for reports and replicas.']];
    entry text[];
BEGIN
    FOREACH entry SLICE 1 IN ARRAY groups LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = entry[1]);
        EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', entry[1]);
        EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', entry[1], entry[2]);
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA exchange TO PUBLIC;

-- Functions are closed unless they are opened here. A view calls its functions with the rights
-- of its reader, so those of public views are public.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA exchange FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    exchange.order_book(text, integer),
    exchange.order_book_l3(text),
    exchange.quotes(),
    exchange.events_after(bigint, text, integer),
    exchange.quote_history(text, timestamptz, timestamptz),
    exchange.depth_history(text, timestamptz, timestamptz, interval, integer),
    exchange.checksum(bytea),
    exchange.book_snapshot(text),
    exchange.candle_start(timestamptz, interval),
    exchange.candles_for(text, interval, timestamptz, timestamptz, boolean),
    exchange.day_statistics_for(date),
    exchange.statistics(),
    exchange.worker_states(),
    exchange.trading_day_times(date, date),
    exchange.wait_for(exchange.cursor, bigint)
TO PUBLIC;

-- Reports read the tables with the rights of their reader.
GRANT EXECUTE ON FUNCTION
    exchange.midnight(date),
    exchange.days(date, date),
    exchange.period(date, date),
    exchange.settlement_date(date),
    exchange.trade_summary(date, date)
TO PUBLIC;

GRANT EXECUTE ON FUNCTION
    exchange.movements_between(timestamptz, timestamptz),
    exchange.account_movements(date, date),
    exchange.account_activity(date, date),
    exchange.account_statement(integer, date, date),
    exchange.trade_history(date, date),
    exchange.orders_and_executions(date, date),
    exchange.net_obligations(date, date),
    exchange.tax_lots(integer),
    exchange.realised_gains(date, date),
    exchange.tax_report(integer),
    exchange.order_to_trade_ratios(date, date),
    exchange.effective_spreads(date, date, text),
    exchange.execution_quality(date, date, text)
TO exchange_trader, exchange_analyst, exchange_reporter;

GRANT EXECUTE ON FUNCTION
    exchange.wash_trade_candidates(date, date, interval),
    exchange.layering_candidates(date, date, interval, numeric),
    exchange.large_positions(date, numeric)
TO exchange_analyst, exchange_reporter;

GRANT EXECUTE ON FUNCTION
    exchange.last_sequence_before(timestamptz),
    exchange.audit_trail(bigint),
    exchange.audit_trails(date, date),
    exchange.check_journal(bigint),
    exchange.check_period(timestamptz, timestamptz, date, date),
    exchange.check_day(date),
    exchange.day_reports(date),
    exchange.export_day(date, text)
TO exchange_reporter;

GRANT EXECUTE ON FUNCTION
    exchange.place_order,
    exchange.place_orders,
    exchange.cancel_order,
    exchange.cancel_orders,
    exchange.cancel_client_order,
    exchange.reduce_order,
    exchange.replace_order,
    exchange.mass_cancel,
    exchange.kill_switch,
    exchange.cancel_on_disconnect
TO exchange_trader;

-- What they return is the journal's, and the journal is closed to others anyway.
GRANT EXECUTE ON FUNCTION
    exchange.decode_journal(bytea, bigint, bigint),
    exchange.journal_commands(bigint, bigint, bigint)
TO exchange_reporter;

GRANT EXECUTE ON FUNCTION
    exchange.executions_after(bigint, integer),
    exchange.busts_since(timestamptz)
TO exchange_trader, exchange_analyst, exchange_reporter;

-- A consumer belongs to the role that makes it, and its functions run as their caller.
GRANT EXECUTE ON FUNCTION
    exchange.find_consumer(text),
    exchange.create_consumer(text, bigint, text[], integer, interval),
    exchange.drop_consumer(text),
    exchange.fetch_events(text, integer),
    exchange.acknowledge(text, bigint),
    exchange.leave_consumer(text)
TO exchange_trader, exchange_analyst, exchange_reporter;
GRANT SELECT ON exchange.consumers, exchange.consumer_members TO exchange_trader, exchange_analyst;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    exchange.consumer_settings, exchange.consumer_partitions, exchange.consumer_sessions
TO exchange_trader, exchange_analyst, exchange_reporter, exchange_admin;

GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA exchange TO exchange_admin;

-- What the venue has earned (currencies) is not public, and neither is who owns what.
GRANT SELECT ON
    exchange.instruments, exchange.instrument_states,
    exchange.trades, exchange.candles, exchange.best_quotes, exchange.auctions, exchange.market_data,
    exchange.busted_trades, exchange.day_statistics, exchange.order_books, exchange.order_books_l3,
    exchange.trading_hours, exchange.calendar_exceptions, exchange.trading_days,
    exchange.closed_days, exchange.end_of_day_prices,
    exchange.status, exchange.pg_stat_exchange, exchange.workers, exchange.replication_slots
TO PUBLIC;

-- Of all these but the fee schedules, which are the price list, it sees its own rows.
GRANT SELECT ON
    exchange.participants, exchange.accounts, exchange.fee_schedules, exchange.risk_limits,
    exchange.cash, exchange.positions, exchange.transfers, exchange.balances, exchange.holdings,
    exchange.orders, exchange.open_orders, exchange.finished_orders, exchange.client_orders,
    exchange.executions,
    exchange.end_of_day_statements, exchange.settlement_obligations, exchange.settlement_changes
TO exchange_trader;

GRANT SELECT ON
    exchange.participants, exchange.accounts, exchange.fee_schedules, exchange.risk_limits,
    exchange.cash, exchange.positions, exchange.transfers, exchange.balances, exchange.holdings,
    exchange.orders, exchange.open_orders, exchange.finished_orders, exchange.client_orders,
    exchange.executions, exchange.currencies, exchange.conservation,
    exchange.end_of_day_statements, exchange.end_of_day_checks, exchange.settlement_obligations,
    exchange.settlement_changes
TO exchange_analyst;

GRANT SELECT ON ALL TABLES IN SCHEMA exchange TO exchange_reporter, exchange_admin;

-- The other tables are the engine's: a row written by hand would make them differ from it.
GRANT INSERT, UPDATE, DELETE ON exchange.trading_hours, exchange.calendar_exceptions
TO exchange_admin;

-- Row-level security: on the table of all orders, and on each of its partitions, which can be read
-- by themselves. Superusers, and so the workers, are not bound by it.
ALTER TABLE exchange.participants ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.risk_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.cash ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.positions ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.transfers ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.open_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.finished_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.client_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.executions ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.consumer_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.consumer_partitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.consumer_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.end_of_day_statements ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.settlement_obligations ENABLE ROW LEVEL SECURITY;
ALTER TABLE exchange.settlement_changes ENABLE ROW LEVEL SECURITY;

CREATE INDEX accounts_owner ON exchange.accounts (owner);
COMMENT ON INDEX exchange.accounts_owner IS 'The accounts of a role, for row-level security.';

DO $$
DECLARE
    -- Both are worked out once a query, and an index finds their rows.
    own_roles CONSTANT text :=
        'ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles AS r
               WHERE pg_catalog.pg_has_role(r.oid, ''USAGE''))';
    -- These are the accounts that the policy of exchange.accounts lets through.
    own_accounts CONSTANT text := 'ARRAY(SELECT a.account_id FROM exchange.accounts AS a)';
    own_consumers CONSTANT text := 'pg_catalog.pg_has_role(owner, ''USAGE'')';
    secured record;
BEGIN
    FOR secured IN
        SELECT c.oid::regclass AS name, c.relname
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = 'exchange'::regnamespace::oid AND c.relrowsecurity
    LOOP
        EXECUTE pg_catalog.format(
            'CREATE POLICY own_rows ON %s FOR SELECT TO exchange_trader USING (%s)', secured.name,
            CASE secured.relname
                WHEN 'participants' THEN 'role = ANY (' || own_roles || ')'
                WHEN 'accounts' THEN 'owner = ANY (' || own_roles || ')'
                WHEN 'consumer_settings' THEN own_consumers
                WHEN 'consumer_partitions' THEN own_consumers
                WHEN 'consumer_sessions' THEN own_consumers
                -- Those of account 0 are everybody's.
                WHEN 'risk_limits' THEN 'account_id = 0 OR account_id = ANY (' || own_accounts || ')'
                ELSE 'account_id = ANY (' || own_accounts || ')'
            END);
        EXECUTE pg_catalog.format(
            'COMMENT ON POLICY own_rows ON %s IS %L', secured.name,
            'What concerns the roles that the reader is, or is a member of with inheritance.');
        EXECUTE pg_catalog.format(
            'CREATE POLICY all_rows ON %s FOR SELECT
             TO exchange_admin, exchange_analyst, exchange_reporter USING (true)', secured.name);
        EXECUTE pg_catalog.format(
            'COMMENT ON POLICY all_rows ON %s IS %L', secured.name,
            'The venue, and those who watch it, see everything.');
        -- These are not written by the engine alone, but by the functions that their owners call.
        IF secured.relname LIKE 'consumer\_%' THEN
            EXECUTE pg_catalog.format(
                'CREATE POLICY own_consumers ON %s
                 TO exchange_trader, exchange_admin, exchange_analyst, exchange_reporter USING (%s)',
                secured.name, own_consumers);
            EXECUTE pg_catalog.format(
                'COMMENT ON POLICY own_consumers ON %s IS %L', secured.name,
                'A consumer is used by the role that made it, and by its members with inheritance.');
        END IF;
    END LOOP;
END
$$;

-- The rows of users go into a dump. The calendar's are marked beside their tables.
SELECT pg_catalog.pg_extension_config_dump('exchange.participants', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.accounts', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.currencies', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.fee_schedules', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.instruments', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.instrument_states', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.engine_state', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.cash', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.positions', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.risk_limits', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.trading_days', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.transfers', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.busted_trades', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.closed_days', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_checks', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_statements', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_prices', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.settlement_obligations', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.settlement_changes', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.open_orders', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.finished_orders', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.client_orders', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.executions', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.trades', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.candles', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.market_data', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.journal', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.closed_days', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_checks', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_statements', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.end_of_day_prices', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.settlement_obligations', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.settlement_changes', '');
