-- Any moment of the past: the journal is the truth, and the engine is deterministic.

CREATE FUNCTION exchange.order_book_at(symbol text, at timestamptz, depth integer DEFAULT 10)
RETURNS TABLE (
    level        integer,
    bid_orders   integer,
    bid_quantity bigint,
    bid_price    numeric,
    ask_price    numeric,
    ask_quantity bigint,
    ask_orders   integer)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 10
-- The book is public; how far the tables are, which it has to know, is in one that is not.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'order_book_at_time_wrapper';
COMMENT ON FUNCTION exchange.order_book_at(text, timestamptz, integer) IS
    'The book of one symbol by price (L2) as it was at a moment: after the last command whose time is not after it. The columns are those of exchange.order_book(): price, quantity and number of orders of each level, of what is displayed, best prices first. No rows where nothing was displayed. depth: at least 1. It follows the public events in exchange.market_data from the last place before that moment where all books are told anew, at most 1,048,576 commands earlier. Write a literal as timestamptz ''...'', or name the argument: at => ''...''. Errors: 22004 (NULL), 22023 (depth below 1; a moment in the future, or before all that exchange.market_data has), 42704 (unknown symbol), 55000 (a moment that the tables do not show yet: on a standby every one after the last command that they show), XX001 (a damaged block).';

CREATE FUNCTION exchange.order_book_at(symbol text, sequence bigint, depth integer DEFAULT 10)
RETURNS TABLE (
    level        integer,
    bid_orders   integer,
    bid_quantity bigint,
    bid_price    numeric,
    ask_price    numeric,
    ask_quantity bigint,
    ask_orders   integer)
LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 10
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'order_book_at_sequence_wrapper';
COMMENT ON FUNCTION exchange.order_book_at(text, bigint, integer) IS
    'The same after a command. sequence: from 1 to the last command that the tables show, see exchange.wait_for(''projected''). Errors: those of exchange.order_book_at(text, timestamptz, integer).';
