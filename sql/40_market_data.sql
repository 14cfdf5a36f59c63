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
