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
