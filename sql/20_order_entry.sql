-- Placing, changing and cancelling orders.

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
    reject_reason      exchange.reject_reason,
    client_order_id    text,
    order_type         exchange.order_type,
    stop_price         numeric,
    cancel_reason      exchange.cancel_reason
);
COMMENT ON TYPE exchange.order_ack IS
    'The answer to a request about an order: the order as it stands after it.';
COMMENT ON COLUMN exchange.order_ack.order_id IS 'The order, named by its place in the sequence of all commands.';
COMMENT ON COLUMN exchange.order_ack.created_at IS 'When the matcher took it.';
COMMENT ON COLUMN exchange.order_ack.status IS 'Where it stands.';
COMMENT ON COLUMN exchange.order_ack.filled_quantity IS 'What has traded.';
COMMENT ON COLUMN exchange.order_ack.remaining_quantity IS 'What waits; 0 once the order is finished.';
COMMENT ON COLUMN exchange.order_ack.average_price IS 'Turnover divided by filled quantity; NULL while nothing has traded.';
COMMENT ON COLUMN exchange.order_ack.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.order_ack.side IS 'Buy or sell.';
COMMENT ON COLUMN exchange.order_ack.price IS
    'The worst price that it accepts: what was given, or worked out where it was left out. NULL if it was rejected because there was nothing to work it out from.';
COMMENT ON COLUMN exchange.order_ack.quantity IS 'What was ordered, less reductions.';
COMMENT ON COLUMN exchange.order_ack.time_in_force IS 'How long it stays.';
COMMENT ON COLUMN exchange.order_ack.account_id IS 'For whom.';
COMMENT ON COLUMN exchange.order_ack.reject_reason IS 'Why the request was declined; NULL if it was not.';
COMMENT ON COLUMN exchange.order_ack.client_order_id IS 'What its sender calls it; NULL if nothing.';
COMMENT ON COLUMN exchange.order_ack.order_type IS 'What makes it trade.';
COMMENT ON COLUMN exchange.order_ack.stop_price IS
    'Where a stop order is triggered, that of a trailing stop where it is now; NULL for other orders.';
COMMENT ON COLUMN exchange.order_ack.cancel_reason IS
    'Why it is finished without having traded completely; NULL if it is not.';

CREATE FUNCTION exchange.place_order(
    symbol                text,
    side                  exchange.side,
    price                 numeric,
    quantity              bigint,
    time_in_force         exchange.time_in_force DEFAULT 'GTC',
    account_id            integer DEFAULT NULL,
    client_order_id       text DEFAULT NULL,
    order_type            exchange.order_type DEFAULT 'limit',
    stop_price            numeric DEFAULT NULL,
    trail                 numeric DEFAULT NULL,
    post_only             exchange.post_only DEFAULT 'no',
    all_or_none           boolean DEFAULT false,
    minimum_quantity      bigint DEFAULT NULL,
    display_quantity      bigint DEFAULT NULL,
    hidden                boolean DEFAULT false,
    peg                   exchange.peg DEFAULT NULL,
    stop_trigger          exchange.stop_trigger DEFAULT 'last_trade',
    expire_at             timestamptz DEFAULT NULL,
    one_cancels_other     bigint DEFAULT NULL,
    self_trade_prevention exchange.self_trade_prevention DEFAULT 'cancel_newest')
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'place_order_wrapper';
COMMENT ON FUNCTION exchange.place_order(text, exchange.side, numeric, bigint, exchange.time_in_force, integer, text, exchange.order_type, numeric, numeric, exchange.post_only, boolean, bigint, bigint, boolean, exchange.peg, exchange.stop_trigger, timestamptz, bigint, exchange.self_trade_prevention) IS
    'Enters an order and returns how it fared. While the instrument trades continuously it trades at once with the best orders of the other side, first come first served at a price, always at the resting order''s price; what is left rests, or is cancelled, as time_in_force says. docs/orders.md explains each kind with an example.

price: the worst price that it accepts, a multiple of the tick size. NULL only for market, stop and trailing_stop orders, for which a protection price is worked out. quantity: above 0, in lots. A market order with the default time_in_force is sent as IOC. account_id: by default the first account of the current role. client_order_id: 1 to 20 bytes; a second order of the account under the same name, within the last exchange.client_order_window commands, is no order but returns the first answer, so a call whose answer was lost can be repeated. stop_price: of stop and stop_limit orders. trail: how far the stop price of a trailing_stop is from the market, a multiple of the tick size. post_only: it does not take; see the type. all_or_none: it trades as a whole or not at all, and is not displayed. minimum_quantity: so much must trade at once, else it is cancelled. display_quantity: it displays so much at a time (iceberg). hidden: it rests, and is not displayed. peg: what a pegged order follows. stop_trigger: what a stop_price is compared with. expire_at: when a GTD order ends. one_cancels_other: an open order of the same account; as soon as one of the two trades, the other is cancelled. self_trade_prevention: see the type.

When the answer comes follows synchronous_commit of the session: with off, when the order is matched; else when it is in the journal, on disk, and on the synchronous standby where there is one.

NOT UNDONE BY ROLLBACK, as nextval() is not: an order that was sent was sent. It writes nothing through the caller''s transaction.

What the venue declines (a closed market, too little money, a limit) is an answer: status rejected, with a reason. These are errors, and leave nothing behind: 22004 (NULL, or no price where one is needed), 22003 (quantity too large), 22023 (price or quantity not above 0, above the maximum, or off the tick or lot; terms that do not go together), 42704 (unknown symbol or account), 42501 (another''s account), 53400 (more orders than exchange.set_rate_limit() allows), 25006 (read-only transaction or standby), 53000 (the exchange did not take the order within exchange.order_timeout), 57P03 (its workers are not running), 55000 (pg_exchange is not preloaded, or the market is halted).';

CREATE FUNCTION exchange.place_orders(
    symbols          text[],
    sides            exchange.side[],
    prices           numeric[],
    quantities       bigint[],
    times_in_force   exchange.time_in_force[] DEFAULT NULL,
    account_ids      integer[] DEFAULT NULL,
    client_order_ids text[] DEFAULT NULL)
RETURNS SETOF exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'place_orders_wrapper';
COMMENT ON FUNCTION exchange.place_orders(text[], exchange.side[], numeric[], bigint[], exchange.time_in_force[], integer[], text[]) IS
    'Enters many limit orders in one call, in the order of the arrays, and returns one answer an order, in the same order. The arrays have the same length; times_in_force is by default GTC for all (GTD needs exchange.place_order()), account_ids the caller''s first account for all, client_order_ids none; of the last, elements may be NULL. Every order is checked before the first is sent: an error sends none of them. Else like exchange.place_order(). Other orders may come between those of one call. Errors: those of exchange.place_order(), and 2202E (arrays of different lengths).';

CREATE FUNCTION exchange.cancel_order(order_id bigint)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'cancel_order_wrapper';
COMMENT ON FUNCTION exchange.cancel_order(bigint) IS
    'Takes out an open order and returns how it ended; in every phase of the market. An order that is finished already is returned as it ended, with reject_reason order_not_open. The venue (superusers and members of exchange_admin) may cancel every order. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such order), 42501 (another''s order), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.cancel_orders(order_ids bigint[])
RETURNS SETOF exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'cancel_orders_wrapper';
COMMENT ON FUNCTION exchange.cancel_orders(bigint[]) IS
    'Cancels many orders in one call and returns one answer an order, in the order of the array. Where exchange.cancel_order() would raise an error about one order, or that order is finished, the answer is status rejected with reject_reason order_not_open or not_owner, and the others go on.';

CREATE FUNCTION exchange.cancel_client_order(client_order_id text, account_id integer DEFAULT NULL)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'cancel_client_order_wrapper';
COMMENT ON FUNCTION exchange.cancel_client_order(text, integer) IS
    'Takes out the open order that an account (by default the first one of the current role) has under a client order id, and returns how it ended. Not undone by ROLLBACK. Errors: 22004 (client_order_id is NULL), 22023 (it has not 1 to 20 bytes), 42704 (no such account, or no open order of this name: it is finished, or was never accepted), 42501 (another''s account), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.reduce_order(order_id bigint, by bigint)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'reduce_order_wrapper';
COMMENT ON FUNCTION exchange.reduce_order(bigint, bigint) IS
    'Takes a part of an open order''s remaining quantity away, and returns the order. It keeps its place in the queue. by: a multiple of the lot size, at least 1 lot, less than what remains (use exchange.cancel_order() for all of it). Not undone by ROLLBACK. Errors: those of exchange.cancel_order(), and 22023 (by out of range or off the lot).';

CREATE FUNCTION exchange.replace_order(
    order_id bigint,
    price    numeric DEFAULT NULL,
    quantity bigint DEFAULT NULL)
RETURNS exchange.order_ack
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'replace_order_wrapper';
COMMENT ON FUNCTION exchange.replace_order(bigint, numeric, bigint) IS
    'Changes limit price and quantity of an open limit, stop_limit or pegged order, and returns the order; NULL keeps what it has. quantity: of the whole order, what has traded included; not above that, the order is cancelled. A smaller quantity at the same price keeps its place in the queue; anything else enters the order anew, last in its queue, under its id, and it may trade at once. It is checked as a new order would be; declined, it stays as it was, and the answer is the order with a reject_reason. An order that is finished already is returned as it ended, with reject_reason order_not_open. Not undone by ROLLBACK. Errors: those of exchange.cancel_order(), 22004 (neither price nor quantity), 22003 (quantity too large), 22023 (price or quantity not above 0, above the maximum, or off the tick or lot), 53400 (more orders than exchange.set_rate_limit() allows), 55000 (an order of this type cannot be replaced, or it waits for its stop price).';

CREATE FUNCTION exchange.mass_cancel(
    account_id integer DEFAULT NULL,
    symbol     text DEFAULT NULL,
    side       exchange.side DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'mass_cancel_wrapper';
COMMENT ON FUNCTION exchange.mass_cancel(integer, text, exchange.side) IS
    'Cancels all open orders that fit, and returns how many those were: of an account (NULL: of all accounts that the current role may act for, which for superusers and members of exchange_admin are ALL ACCOUNTS), in an instrument (NULL: in all), of a side (NULL: of both). In every phase of the market. Not undone by ROLLBACK. Errors: 42704 (no such account or symbol, or the role has no account), 42501 (another''s account), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.kill_switch(account_id integer DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'kill_switch_wrapper';
COMMENT ON FUNCTION exchange.kill_switch(integer) IS
    'Cancels all open orders of an account, rejects its new ones from here on, and returns how many were cancelled; where it is pulled already, 0. account_id NULL: of all accounts that the current role may act for, which for superusers and members of exchange_admin are ALL ACCOUNTS. Only the venue can undo it: exchange.release_kill_switch(). Not undone by ROLLBACK. Errors: 42704 (no such account, or the role has no account), 42501 (another''s account), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.cancel_on_disconnect(enabled boolean DEFAULT true)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cancel_on_disconnect_wrapper';
COMMENT ON FUNCTION exchange.cancel_on_disconnect(boolean) IS
    'From here on binds the orders that this session places to it: those that are still open when it ends, however it ends, are cancelled with cancel_reason session_ended. false: orders are not bound from here on; those that are stay so. Not for connections of a pool that are shared with others. Errors: 22004 (NULL), and those of exchange.place_order() about the exchange itself.';

CREATE FUNCTION exchange.wait_for(reached exchange.cursor, sequence bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'wait_for_wrapper';
COMMENT ON FUNCTION exchange.wait_for(exchange.cursor, bigint) IS
    'Waits until the exchange has come as far as a command (by default the last one that is matched now), and returns how far it has come. exchange.wait_for(''projected'') before a query makes the tables show every order answered so far. It ends with an error only by query cancel, statement_timeout, or a stop of the workers (57P03).';
