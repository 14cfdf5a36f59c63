-- Placing, cancelling and reducing orders.

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
    reject_reason      exchange.reject_reason
);
COMMENT ON TYPE exchange.order_ack IS
    'The answer to a request about an order: the order as it stands after it.';
COMMENT ON COLUMN exchange.order_ack.order_id IS 'The order, named by its place in the sequence of all commands.';
COMMENT ON COLUMN exchange.order_ack.created_at IS 'When the matcher took it.';
COMMENT ON COLUMN exchange.order_ack.status IS 'Where it stands.';
COMMENT ON COLUMN exchange.order_ack.filled_quantity IS 'What has traded.';
COMMENT ON COLUMN exchange.order_ack.remaining_quantity IS 'What waits in the book; 0 once the order is finished.';
COMMENT ON COLUMN exchange.order_ack.average_price IS 'Turnover divided by filled quantity; NULL while nothing has traded.';
COMMENT ON COLUMN exchange.order_ack.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.order_ack.side IS 'Buy or sell.';
COMMENT ON COLUMN exchange.order_ack.price IS 'The limit price.';
COMMENT ON COLUMN exchange.order_ack.quantity IS 'What was ordered, less reductions.';
COMMENT ON COLUMN exchange.order_ack.time_in_force IS 'How long it stays.';
COMMENT ON COLUMN exchange.order_ack.account_id IS 'For whom.';
COMMENT ON COLUMN exchange.order_ack.reject_reason IS 'Why the request was declined; NULL if it was not.';

CREATE FUNCTION exchange.place_order(
    symbol        text,
    side          exchange.side,
    price         numeric,
    quantity      bigint,
    time_in_force exchange.time_in_force DEFAULT 'GTC',
    account_id    integer DEFAULT NULL)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'place_order_wrapper';
COMMENT ON FUNCTION exchange.place_order(text, exchange.side, numeric, bigint, exchange.time_in_force, integer) IS
    'Enters a limit order and returns how it fared. It trades at once with the best orders of the other side, first come first served at a price, always at the resting order''s price; what is left rests in the book (GTC) or is cancelled (IOC). account_id: by default the first account of the current role.

When the answer comes follows synchronous_commit of the session: with off, when the order is matched; else when it is in the journal, on disk, and on the synchronous standby where there is one.

NOT UNDONE BY ROLLBACK, as nextval() is not: an order that was sent was sent. It writes nothing through the caller''s transaction.

A closed market or a full book is an answer (status rejected, with a reason). These are errors, and leave nothing behind: 22004 (NULL), 22003 (quantity too large), 22023 (price or quantity not above 0, above the maximum, or off the tick or lot), 42704 (unknown symbol or account), 42501 (another''s account), 25006 (read-only transaction or standby), 53000 (the exchange did not take the order within exchange.order_timeout), 57P03 (its workers are not running), 55000 (pg_exchange is not preloaded, or the market is halted).';

CREATE FUNCTION exchange.place_orders(
    symbols        text[],
    sides          exchange.side[],
    prices         numeric[],
    quantities     bigint[],
    times_in_force exchange.time_in_force[] DEFAULT NULL,
    account_ids    integer[] DEFAULT NULL)
RETURNS SETOF exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'place_orders_wrapper';
COMMENT ON FUNCTION exchange.place_orders(text[], exchange.side[], numeric[], bigint[], exchange.time_in_force[], integer[]) IS
    'Enters many orders in one call, in the order of the arrays, and returns one answer an order, in the same order. The arrays have the same length; times_in_force is by default GTC for all, account_ids the caller''s first account for all. Every order is checked before the first is sent: an error sends none of them. Else like exchange.place_order(). Other orders may come between those of one call. Error: 2202E (arrays of different lengths).';

CREATE FUNCTION exchange.cancel_order(order_id bigint)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'cancel_order_wrapper';
COMMENT ON FUNCTION exchange.cancel_order(bigint) IS
    'Takes an open order out of the book and returns how it ended. An order that is filled or cancelled already is returned as it ended, with reject_reason order_not_open. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such order), 42501 (another''s order), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.cancel_orders(order_ids bigint[])
RETURNS SETOF exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'cancel_orders_wrapper';
COMMENT ON FUNCTION exchange.cancel_orders(bigint[]) IS
    'Cancels many orders in one call and returns one answer an order, in the order of the array. Where exchange.cancel_order() would raise an error about one order, or that order is finished, the answer is status rejected with reject_reason order_not_open or not_owner, and the others go on.';

CREATE FUNCTION exchange.reduce_order(order_id bigint, by bigint)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'reduce_order_wrapper';
COMMENT ON FUNCTION exchange.reduce_order(bigint, bigint) IS
    'Takes a part of an open order''s remaining quantity away, and returns the order. It keeps its place in the queue. by: a multiple of the lot size, at least 1 lot, less than what remains (use exchange.cancel_order() for all of it). Not undone by ROLLBACK. Errors: those of exchange.cancel_order(), and 22023 (by out of range or off the lot).';

CREATE FUNCTION exchange.wait_for(reached exchange.cursor, sequence bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'wait_for_wrapper';
COMMENT ON FUNCTION exchange.wait_for(exchange.cursor, bigint) IS
    'Waits until the exchange has come as far as a command (by default the last one that is matched now), and returns how far it has come. exchange.wait_for(''projected'') before a query makes the tables show every order answered so far. It ends with an error only by query cancel, statement_timeout, or a stop of the workers (57P03).';
