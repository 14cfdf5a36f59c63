-- The schema and the words of the trade.

\echo Use "CREATE EXTENSION pg_exchange" to load this file. \quit

CREATE SCHEMA exchange;
COMMENT ON SCHEMA exchange IS
    'pg_exchange: a stock exchange. Orders go in through exchange.place_order(); orders, executions, trades and candles are tables.';

CREATE TYPE exchange.side AS ENUM ('buy', 'sell');
COMMENT ON TYPE exchange.side IS 'Whether an order buys or sells.';

CREATE TYPE exchange.time_in_force AS ENUM ('GTC', 'IOC');
COMMENT ON TYPE exchange.time_in_force IS
    'How long an order stays. GTC: until it is filled or cancelled. IOC: what cannot trade at once is cancelled.';

CREATE TYPE exchange.order_status AS ENUM ('open', 'partially_filled', 'filled', 'cancelled', 'rejected');
COMMENT ON TYPE exchange.order_status IS
    'Where an order stands. open, partially_filled: in the book. filled, cancelled, rejected: finished, and never changes again.';

CREATE TYPE exchange.reject_reason AS ENUM
    ('market_closed', 'too_many_open_orders', 'too_many_price_levels', 'order_not_open', 'not_owner');
COMMENT ON TYPE exchange.reject_reason IS
    'Why the venue declined a well-formed request. market_closed: see exchange.open_market(). too_many_open_orders, too_many_price_levels: a bound of the venue (exchange.maximum_open_orders, exchange.maximum_price_levels) is reached. order_not_open: the order to cancel or reduce is filled, cancelled or unknown. not_owner: it belongs to another participant.';

CREATE TYPE exchange.liquidity AS ENUM ('maker', 'taker');
COMMENT ON TYPE exchange.liquidity IS
    'Which part an order had in a trade. maker: it rested in the book. taker: it came in and met it.';

CREATE TYPE exchange.cursor AS ENUM ('matched', 'durable', 'published', 'projected');
COMMENT ON TYPE exchange.cursor IS
    'How far the exchange has come with its commands. matched: executed by the matcher. durable: in exchange.journal, on disk. published: in the order book boards. projected: in the tables.';
