-- The tables of a venue, as a reporting database keeps them. They have the names and columns of the
-- venue's, so that a query is the same on both; a test compares them. There are no policies: whoever
-- may read here reads everything.

CREATE SCHEMA exchange;
COMMENT ON SCHEMA exchange IS 'A stock exchange that this database follows: see migrations/reporting/ of pg_exchange.';

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
    only_row             boolean PRIMARY KEY CHECK (only_row),
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

CREATE TABLE exchange.trading_hours (
    only_row        boolean PRIMARY KEY CHECK (only_row),
    pre_open        time NOT NULL,
    open            time NOT NULL,
    closing_auction time NOT NULL,
    close           time NOT NULL,
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
    is_closed  boolean NOT NULL,
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

-- As in the venue: one is small and changes all the time, the other is only appended to, and is never
-- vacuumed because of it.
CREATE TABLE exchange.open_orders PARTITION OF exchange.orders (PRIMARY KEY (order_id))
    FOR VALUES IN ('open', 'partially_filled') WITH (fillfactor = 70);
ALTER TABLE exchange.open_orders SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE exchange.open_orders IS
    'The orders that wait: in the book, or for their stop price, their peg or their whole quantity.';

CREATE TABLE exchange.finished_orders PARTITION OF exchange.orders (PRIMARY KEY (order_id))
    FOR VALUES IN ('filled', 'cancelled', 'rejected', 'expired');
COMMENT ON TABLE exchange.finished_orders IS 'The orders that are filled, cancelled, rejected or expired.';

-- Where the days of trade dates and candles begin: the setting exchange.time_zone of the venue, which
-- this server does not know. Change it here too where the venue has another one.
DO $$
BEGIN
    IF current_setting('exchange.time_zone', true) IS NULL THEN
        EXECUTE format('ALTER DATABASE %I SET exchange.time_zone = %L', current_database(), 'America/New_York');
    END IF;
END
$$;
