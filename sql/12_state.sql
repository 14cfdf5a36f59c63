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
