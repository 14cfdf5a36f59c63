-- What reports look for: by instrument and time, and by account and time, as in the venue. The copy of a
-- large venue would be faster without them: then run this by hand after the copy, and mark it as done.

CREATE INDEX open_orders_account ON exchange.open_orders (account_id);
COMMENT ON INDEX exchange.open_orders_account IS 'Open orders by account, and what they hold.';

CREATE INDEX finished_orders_symbol ON exchange.finished_orders (symbol, created_at);
CREATE INDEX finished_orders_account ON exchange.finished_orders (account_id, created_at);
COMMENT ON INDEX exchange.finished_orders_symbol IS 'Orders by symbol and time.';
COMMENT ON INDEX exchange.finished_orders_account IS 'Orders by account and time.';

CREATE INDEX executions_symbol ON exchange.executions (symbol, executed_at);
CREATE INDEX executions_account ON exchange.executions (account_id, executed_at);
COMMENT ON INDEX exchange.executions_symbol IS 'Executions by symbol and time.';
COMMENT ON INDEX exchange.executions_account IS 'Executions by account and time.';

CREATE INDEX trades_symbol ON exchange.trades (symbol, executed_at);
COMMENT ON INDEX exchange.trades_symbol IS 'Trades by symbol and time.';
