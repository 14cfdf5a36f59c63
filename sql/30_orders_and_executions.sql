-- What became of the orders. Written by the projector worker, in batches, a few
-- milliseconds behind the matcher; see exchange.wait_for().

CREATE TABLE exchange.orders (
    order_id           bigint NOT NULL,
    account_id         integer NOT NULL,
    symbol             text COLLATE "C" NOT NULL,
    side               exchange.side NOT NULL,
    time_in_force      exchange.time_in_force NOT NULL,
    status             exchange.order_status NOT NULL,
    reject_reason      exchange.reject_reason,
    price              numeric NOT NULL,
    quantity           bigint NOT NULL,
    filled_quantity    bigint NOT NULL,
    remaining_quantity bigint NOT NULL,
    turnover           numeric NOT NULL,
    priority           bigint NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL
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
COMMENT ON COLUMN exchange.orders.price IS 'The limit price.';
COMMENT ON COLUMN exchange.orders.quantity IS 'What was ordered, less reductions.';
COMMENT ON COLUMN exchange.orders.filled_quantity IS 'What has traded.';
COMMENT ON COLUMN exchange.orders.remaining_quantity IS 'What waits in the book; 0 once the order is finished.';
COMMENT ON COLUMN exchange.orders.turnover IS 'Sum of price × quantity over its executions. The average price is turnover / filled_quantity.';
COMMENT ON COLUMN exchange.orders.priority IS 'Orders of one side and price trade in this order.';
COMMENT ON COLUMN exchange.orders.created_at IS 'When the matcher took it.';
COMMENT ON COLUMN exchange.orders.updated_at IS 'When it last changed.';

-- A partitioned table cannot have a primary key without its partition key, so subscribers to
-- the whole would not know which rows an update is of. This says so; the partitions, which
-- are what is written, keep their own identity below, and the WAL does not grow.
ALTER TABLE exchange.orders REPLICA IDENTITY FULL;

-- Small, and changed all the time: the book, and the engine's part of the snapshot.
CREATE TABLE exchange.open_orders PARTITION OF exchange.orders
    FOR VALUES IN ('open', 'partially_filled') WITH (fillfactor = 70);
COMMENT ON TABLE exchange.open_orders IS 'The orders that are in the book.';
CREATE UNIQUE INDEX open_orders_order_id ON exchange.open_orders (order_id);
CREATE INDEX open_orders_symbol ON exchange.open_orders (symbol, created_at);
CREATE INDEX open_orders_account ON exchange.open_orders (account_id, created_at);
ALTER TABLE exchange.open_orders REPLICA IDENTITY USING INDEX open_orders_order_id;
ALTER TABLE exchange.open_orders SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON INDEX exchange.open_orders_order_id IS 'Finds one order, for users and for replication.';
COMMENT ON INDEX exchange.open_orders_symbol IS 'Orders by symbol and time, and exchange.order_book_l3().';
COMMENT ON INDEX exchange.open_orders_account IS 'Orders by account and time.';

-- Large, and only ever appended to.
CREATE TABLE exchange.finished_orders PARTITION OF exchange.orders
    FOR VALUES IN ('filled', 'cancelled', 'rejected');
COMMENT ON TABLE exchange.finished_orders IS 'The orders that are filled, cancelled or rejected.';
CREATE UNIQUE INDEX finished_orders_order_id ON exchange.finished_orders (order_id);
CREATE INDEX finished_orders_symbol ON exchange.finished_orders (symbol, created_at);
CREATE INDEX finished_orders_account ON exchange.finished_orders (account_id, created_at);
ALTER TABLE exchange.finished_orders REPLICA IDENTITY USING INDEX finished_orders_order_id;
COMMENT ON INDEX exchange.finished_orders_order_id IS 'Finds one order, for users and for replication.';
COMMENT ON INDEX exchange.finished_orders_symbol IS 'Orders by symbol and time.';
COMMENT ON INDEX exchange.finished_orders_account IS 'Orders by account and time.';

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
    PRIMARY KEY (order_id, trade_id)
);
CREATE INDEX executions_symbol ON exchange.executions (symbol, executed_at);
CREATE INDEX executions_account ON exchange.executions (account_id, executed_at);
COMMENT ON INDEX exchange.executions_symbol IS 'Executions by symbol and time.';
COMMENT ON INDEX exchange.executions_account IS 'Executions by account and time.';
COMMENT ON TABLE exchange.executions IS
    'Every execution (fill): two rows a trade, one for the buying and one for the selling order.';
COMMENT ON COLUMN exchange.executions.trade_id IS 'The trade; see exchange.trades.';
COMMENT ON COLUMN exchange.executions.order_id IS 'The order that was executed.';
COMMENT ON COLUMN exchange.executions.account_id IS 'Whose order it is.';
COMMENT ON COLUMN exchange.executions.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.executions.side IS 'The side of the order.';
COMMENT ON COLUMN exchange.executions.liquidity IS 'Whether the order rested (maker) or came in (taker).';
COMMENT ON COLUMN exchange.executions.price IS 'The maker''s limit price.';
COMMENT ON COLUMN exchange.executions.quantity IS 'How much.';
COMMENT ON COLUMN exchange.executions.executed_at IS 'When the matcher executed it.';

CREATE TABLE exchange.trades (
    trade_id    bigint PRIMARY KEY,
    symbol      text COLLATE "C" NOT NULL,
    price       numeric NOT NULL,
    quantity    bigint NOT NULL,
    taker_side  exchange.side NOT NULL,
    executed_at timestamptz NOT NULL
);
CREATE INDEX trades_symbol ON exchange.trades (symbol, executed_at);
COMMENT ON INDEX exchange.trades_symbol IS 'Trades by symbol and time.';
COMMENT ON TABLE exchange.trades IS 'The public tape: every trade once, without the accounts.';
COMMENT ON COLUMN exchange.trades.trade_id IS 'Dense, from 1, over all instruments.';
COMMENT ON COLUMN exchange.trades.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.trades.price IS 'The maker''s limit price.';
COMMENT ON COLUMN exchange.trades.quantity IS 'How much.';
COMMENT ON COLUMN exchange.trades.taker_side IS 'The side of the incoming order: buy is an uptick''s, sell a downtick''s pressure.';
COMMENT ON COLUMN exchange.trades.executed_at IS 'When the matcher executed it.';
