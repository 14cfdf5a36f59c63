-- What reports look for: by instrument and time, and by account and time, as in the venue. The copy of a
-- large venue would be faster without them: then run this by hand after the copy, and mark it as done.

CREATE INDEX orders_symbol ON exchange.orders (symbol, created_at);
CREATE INDEX orders_account ON exchange.orders (account_id, created_at);
CREATE INDEX orders_open ON exchange.orders (account_id, symbol)
    WHERE status IN ('open', 'partially_filled');
COMMENT ON INDEX exchange.orders_symbol IS 'Orders by symbol and time.';
COMMENT ON INDEX exchange.orders_account IS 'Orders by account and time.';
COMMENT ON INDEX exchange.orders_open IS 'Open orders by account, and what they hold.';

CREATE INDEX executions_symbol ON exchange.executions (symbol, executed_at);
CREATE INDEX executions_account ON exchange.executions (account_id, executed_at);
COMMENT ON INDEX exchange.executions_symbol IS 'Executions by symbol and time.';
COMMENT ON INDEX exchange.executions_account IS 'Executions by account and time.';

CREATE INDEX trades_symbol ON exchange.trades (symbol, executed_at);
COMMENT ON INDEX exchange.trades_symbol IS 'Trades by symbol and time.';
