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

-- Large, and only ever appended to: by the day on which they finished, see exchange.add_day().
CREATE TABLE exchange.finished_orders PARTITION OF exchange.orders
    FOR VALUES IN ('filled', 'cancelled', 'rejected', 'expired')
    PARTITION BY RANGE (updated_at);
COMMENT ON TABLE exchange.finished_orders IS
    'The orders that are filled, cancelled, rejected or expired.';
-- Rows that never change cost nothing by a full identity, and any filter may be put on them.
ALTER TABLE exchange.finished_orders REPLICA IDENTITY FULL;

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
    busted_at   timestamptz
) PARTITION BY RANGE (executed_at);
-- Only a bust changes a row: to log it as a whole then costs nothing otherwise, and drop copies can be
-- filtered by account_id.
ALTER TABLE exchange.executions REPLICA IDENTITY FULL;
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
    trade_id    bigint NOT NULL,
    symbol      text COLLATE "C" NOT NULL,
    price       numeric NOT NULL,
    quantity    bigint NOT NULL,
    taker_side  exchange.side NOT NULL,
    executed_at timestamptz NOT NULL,
    in_auction  boolean NOT NULL,
    busted_at   timestamptz
) PARTITION BY RANGE (executed_at);
-- Subscribers to the whole are told so which columns find a row; its partitions, which are what is
-- written, have a key.
ALTER TABLE exchange.trades REPLICA IDENTITY FULL;
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
