-- What is worked out of candles, books and executions: candles of any length, the figures of a day,
-- the books of all instruments, and how a broker follows its own executions.

CREATE FUNCTION exchange.candle_start(at timestamptz, resolution interval)
RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    months CONSTANT integer := extract(year FROM resolution) * 12 + extract(month FROM resolution);
    days   CONSTANT integer := extract(day FROM resolution);
    rest   CONSTANT interval := resolution - make_interval(months => months, days => days);
    zone   text;
    local  timestamp;
BEGIN
    IF (months <> 0)::integer + (days <> 0)::integer + (rest <> interval '0')::integer > 1 THEN
        RAISE EXCEPTION 'a resolution is a number of months, of days, or of hours and less'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s: a mixture, and neither has every month as many days nor every day 24 hours.', resolution),
                  HINT = 'Give it in one of them, such as interval ''36 hours''.';
    ELSIF resolution <= interval '0' THEN
        RAISE EXCEPTION 'resolution must be above 0'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', resolution),
                  HINT = 'Give an interval such as interval ''15 minutes''.';
    ELSIF NOT isfinite(at) THEN
        RETURN at;
    -- Hours and less are as long in every time zone.
    ELSIF months = 0 AND days = 0 THEN
        RETURN date_bin(resolution, at, '2000-01-01 00:00Z');
    END IF;
    -- Days and months are those of the clock on the wall. The first Monday of 2000 was the 3rd.
    zone := current_setting('exchange.time_zone');
    local := at AT TIME ZONE zone;
    IF months = 0 THEN
        RETURN date_bin(resolution, local, '2000-01-03') AT TIME ZONE zone;
    END IF;
    RETURN (timestamp '2000-01-01' + make_interval(months => floor(
            ((extract(year FROM local) - 2000) * 12 + extract(month FROM local) - 1) / months)::integer * months))
        AT TIME ZONE zone;
END
$$;
COMMENT ON FUNCTION exchange.candle_start(timestamptz, interval) IS
    'Where the candle begins that a time is in, as exchange.candles and exchange.candles_for() have it; NULL for NULL. resolution: above 0; a number of months (and years), of days (and weeks), or of hours and less, not a mixture. Months begin at midnight in exchange.time_zone, counted from January 2000, so that 3 months are quarters and 12 are years. Days begin at midnight there, counted from Monday, 3 January 2000, so that 7 days are weeks; on two days a year a day has 23 or 25 hours. Hours and less have one length, counted from 2000-01-01 00:00 UTC: 24 hours begin at midnight UTC. Errors: 22023 (resolution not above 0, or a mixture), 42704 (pg_exchange is not in shared_preload_libraries).';

CREATE FUNCTION exchange.candles_for(
    symbol     text,
    resolution interval,
    "from"     timestamptz,
    "to"       timestamptz,
    fill_empty boolean DEFAULT false)
RETURNS SETOF exchange.candles
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most_intervals CONSTANT integer := 1000000;
    months     integer;
    days       integer;
    zone       text;
    -- The stored candles that these are made of; NULL: trades.
    source     interval;
    -- Where the first interval begins, and the first after those that are asked for.
    first      timestamptz;
    beyond     timestamptz;
    last_close numeric;
BEGIN
    IF $1 IS NULL OR $2 IS NULL OR $3 IS NULL OR $4 IS NULL OR $5 IS NULL THEN
        RAISE EXCEPTION '% must not be NULL',
            CASE WHEN $1 IS NULL THEN 'symbol' WHEN $2 IS NULL THEN 'resolution'
                 WHEN $3 IS NULL THEN '"from"' WHEN $4 IS NULL THEN '"to"' ELSE 'fill_empty' END
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known, and there are no candles of one.',
                  HINT = 'For all candles that there are, "from" is ''-infinity'' and "to" is ''infinity''.';
    ELSIF $3 > $4 THEN
        RAISE EXCEPTION '"to" must not be before "from"'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('"from" is %s, "to" is %s.', $3, $4),
                  HINT = 'Exchange the two.';
    ELSIF NOT EXISTS (SELECT FROM exchange.instruments AS i WHERE i.symbol = $1) THEN
        RAISE EXCEPTION 'no such instrument'
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('There is no symbol "%s".', $1),
                  HINT = 'SELECT symbol FROM exchange.instruments; lists them.';
    END IF;
    -- Of stored candles none are archived.
    IF isfinite($3) AND extract(epoch FROM $2) % 60 <> 0 THEN
        PERFORM exchange.is_kept($3);
    END IF;
    first := exchange.candle_start($3, $2);
    beyond := exchange.candle_start($4, $2);
    months := extract(year FROM $2) * 12 + extract(month FROM $2);
    days := extract(day FROM $2);
    zone := CASE WHEN months + days > 0 THEN current_setting('exchange.time_zone') ELSE 'UTC' END;
    -- An interval that has begun before is not asked for.
    IF first < $3 THEN
        first := exchange.candle_start(((first AT TIME ZONE zone) + $2) AT TIME ZONE zone, $2);
    END IF;
    IF beyond < $4 THEN
        beyond := exchange.candle_start(((beyond AT TIME ZONE zone) + $2) AT TIME ZONE zone, $2);
    END IF;
    source := CASE
        WHEN months > 0 THEN interval '1 month'
        WHEN days > 0 AND days % 7 = 0 THEN interval '1 week'
        WHEN days > 0 THEN interval '1 day'
        WHEN extract(epoch FROM $2) % 3600 = 0 THEN interval '1 hour'
        WHEN extract(epoch FROM $2) % 300 = 0 THEN interval '5 minutes'
        WHEN extract(epoch FROM $2) % 60 = 0 THEN interval '1 minute'
    END;
    IF $5 THEN
        IF NOT isfinite(first) OR NOT isfinite(beyond) THEN
            RAISE EXCEPTION 'there is no end to the intervals that are to be filled'
                USING ERRCODE = 'invalid_parameter_value',
                      DETAIL = format('"from" is %s, "to" is %s.', $3, $4),
                      HINT = 'Give times, or leave fill_empty out.';
        ELSIF extract(epoch FROM beyond - first) / extract(epoch FROM $2) > most_intervals THEN
            RAISE EXCEPTION 'too many intervals are to be filled'
                USING ERRCODE = 'program_limit_exceeded',
                      DETAIL = format('From %s to %s there are more than %s of %s.', $3, $4, most_intervals, $2),
                      HINT = 'Ask for a part of the time, or leave fill_empty out.';
        END IF;
        IF source IS NULL THEN
            SELECT t.price INTO last_close FROM exchange.trades AS t
            WHERE t.symbol = $1 AND t.executed_at < first AND t.busted_at IS NULL
            ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1;
        ELSE
            SELECT c.close INTO last_close FROM exchange.candles AS c
            WHERE c.symbol = $1 AND c.resolution = source AND c.opened_at < first
            ORDER BY c.opened_at DESC LIMIT 1;
        END IF;
    END IF;
    RETURN QUERY
    WITH parts AS (
        SELECT exchange.candle_start(c.opened_at, $2) AS start, c.opened_at AS at, 0::bigint AS trade_id,
               c.open, c.high, c.low, c.close, c.volume, c.turnover, c.trade_count
        FROM exchange.candles AS c
        WHERE c.symbol = $1 AND c.resolution = source AND c.opened_at >= first AND c.opened_at < beyond
        UNION ALL
        -- As exchange.candle_start() has it.
        SELECT date_bin($2, t.executed_at, '2000-01-01 00:00Z'), t.executed_at, t.trade_id,
               t.price, t.price, t.price, t.price, t.quantity, t.price * t.quantity, 1
        FROM exchange.trades AS t
        WHERE source IS NULL
          AND t.symbol = $1 AND t.executed_at >= first AND t.executed_at < beyond AND t.busted_at IS NULL
    ), traded AS (
        SELECT p.start, (array_agg(p.open ORDER BY p.at, p.trade_id))[1] AS open,
               max(p.high) AS high, min(p.low) AS low,
               (array_agg(p.close ORDER BY p.at DESC, p.trade_id DESC))[1] AS close,
               least(sum(p.volume), 9223372036854775807)::bigint AS volume,
               sum(p.turnover) AS turnover, sum(p.trade_count)::bigint AS trade_count
        FROM parts AS p
        GROUP BY p.start
    ), intervals AS (
        SELECT g.local AT TIME ZONE zone AS start
        FROM generate_series(first AT TIME ZONE zone, (beyond AT TIME ZONE zone) - interval '1 us', $2) AS g (local)
        WHERE $5
    ), filled AS (
        -- Each interval belongs to the last one before, or itself, in which something traded.
        SELECT start, t.open, t.high, t.low, t.close, t.volume, t.turnover, t.trade_count,
               count(t.close) OVER (ORDER BY start) AS run
        FROM traded AS t FULL JOIN intervals USING (start)
    ), carried AS (
        SELECT f.*, coalesce(first_value(f.close) OVER (PARTITION BY f.run ORDER BY f.start), last_close) AS carried
        FROM filled AS f
    )
    SELECT $1, $2, c.start, coalesce(c.open, c.carried), coalesce(c.high, c.carried),
           coalesce(c.low, c.carried), coalesce(c.close, c.carried), coalesce(c.volume, 0),
           coalesce(c.turnover, 0), coalesce(c.trade_count, 0)
    FROM carried AS c
    ORDER BY c.start;
END
$$;
COMMENT ON FUNCTION exchange.candles_for(text, interval, timestamptz, timestamptz, boolean) IS
    'Candles of any resolution, as rows of exchange.candles, oldest first: every interval that begins from "from" on and before "to", with all that traded in it, also past "to". They are made of the longest stored candles that fit into the resolution, and of the tape where none does (below a minute, or not in whole minutes); trades that were busted are in neither. Where intervals begin is what exchange.candle_start() says: months, weeks and days at midnight in exchange.time_zone, the shorter ones counted from 2000-01-01 00:00 UTC. "from" may be -infinity, and "to" infinity. fill_empty: intervals without a trade, which are left out else, have volume 0 and for all four prices the close of the last one before that traded (NULL before the first trade); at most 1,000,000 intervals. Errors: 22004 (NULL), 22023 (resolution not above 0, or a mixture of months, days and hours; "to" before "from"; infinity with fill_empty), 42704 (unknown symbol, or pg_exchange is not in shared_preload_libraries), 54000 (too many intervals to fill).';

CREATE FUNCTION exchange.day_statistics_for(trade_date date)
RETURNS TABLE (
    symbol         text,
    open           numeric,
    high           numeric,
    low            numeric,
    last           numeric,
    previous_close numeric,
    change         numeric,
    change_percent numeric,
    volume         bigint,
    turnover       numeric,
    vwap           numeric,
    trade_count    bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.symbol, d.open, d.high, d.low, d.close, b.close, d.close - b.close,
           round((d.close - b.close) * 100 / b.close, 2),
           coalesce(d.volume, 0), coalesce(d.turnover, 0),
           round(d.turnover / d.volume, scale(i.tick_size) + 4), coalesce(d.trade_count, 0)
    FROM exchange.instruments AS i
    CROSS JOIN (SELECT $1::timestamp AT TIME ZONE current_setting('exchange.time_zone')) AS m (midnight)
    LEFT JOIN exchange.candles AS d
        ON d.symbol = i.symbol AND d.resolution = '1 day' AND d.opened_at = m.midnight
    LEFT JOIN LATERAL (
        SELECT c.close FROM exchange.candles AS c
        WHERE c.symbol = i.symbol AND c.resolution = '1 day' AND c.opened_at < m.midnight
        ORDER BY c.opened_at DESC LIMIT 1
    ) AS b ON true
    WHERE $1 IS NOT NULL
    ORDER BY i.instrument_id
$$;
COMMENT ON FUNCTION exchange.day_statistics_for(date) IS
    'The rows of exchange.day_statistics for any date: one an instrument, whether it traded then or not. The day is that of the calendar, from midnight to midnight in exchange.time_zone, as in the candles of a day. NULL returns no rows. Errors: 42704 (pg_exchange is not in shared_preload_libraries).';

CREATE VIEW exchange.day_statistics AS
    SELECT d.trade_date, s.symbol, s.open, s.high, s.low, s.last, s.previous_close, s.change, s.change_percent,
           s.volume, s.turnover, s.vwap, s.trade_count
    FROM (
        SELECT greatest(
            (SELECT e.trade_date FROM exchange.engine_state AS e),
            (SELECT max((c.opened_at AT TIME ZONE current_setting('exchange.time_zone'))::date)
             FROM exchange.instruments AS i
             CROSS JOIN LATERAL (
                 SELECT c.opened_at FROM exchange.candles AS c
                 WHERE c.symbol = i.symbol AND c.resolution = '1 day'
                 ORDER BY c.opened_at DESC LIMIT 1
             ) AS c)) AS trade_date
    ) AS d
    CROSS JOIN LATERAL exchange.day_statistics_for(d.trade_date) AS s;
COMMENT ON VIEW exchange.day_statistics IS
    'What every instrument has done on the latest trade date, live: that of the last day that the market opened on, or, where a market that is opened and closed by hand has stayed open past midnight, the day of the last trade. Before the first trade of the day only previous_close has a price. exchange.day_statistics_for() has the same for other dates. Trades that were busted are left out, those of the day before too.';
COMMENT ON COLUMN exchange.day_statistics.trade_date IS 'The day, from midnight to midnight in exchange.time_zone.';
COMMENT ON COLUMN exchange.day_statistics.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.day_statistics.open IS 'Price of the first trade of the day, usually of the opening auction; NULL before one.';
COMMENT ON COLUMN exchange.day_statistics.high IS 'Highest price; NULL before a trade.';
COMMENT ON COLUMN exchange.day_statistics.low IS 'Lowest price; NULL before a trade.';
COMMENT ON COLUMN exchange.day_statistics.last IS 'Price of the last trade of the day, after the close that of the closing auction if it traded; NULL before a trade.';
COMMENT ON COLUMN exchange.day_statistics.previous_close IS 'Price of the last trade on an earlier day; NULL where there is none.';
COMMENT ON COLUMN exchange.day_statistics.change IS 'last - previous_close; NULL without one of them.';
COMMENT ON COLUMN exchange.day_statistics.change_percent IS 'The same in per cent of previous_close, to 2 decimals.';
COMMENT ON COLUMN exchange.day_statistics.volume IS 'Sum of quantity.';
COMMENT ON COLUMN exchange.day_statistics.turnover IS 'Sum of price × quantity, in the currency of the instrument.';
COMMENT ON COLUMN exchange.day_statistics.vwap IS 'The volume-weighted average price, turnover / volume, to 4 decimals more than the tick; NULL before a trade.';
COMMENT ON COLUMN exchange.day_statistics.trade_count IS 'Number of trades.';

CREATE VIEW exchange.order_books AS
    SELECT i.symbol, b.level, b.bid_orders, b.bid_quantity, b.bid_price, b.ask_price, b.ask_quantity, b.ask_orders
    FROM exchange.instruments AS i
    CROSS JOIN LATERAL exchange.order_book(i.symbol, current_setting('exchange.book_depth')::integer) AS b;
COMMENT ON VIEW exchange.order_books IS
    'The books of all instruments by price (L2), as they stand now, from shared memory: exchange.order_book() of each, exchange.book_depth levels a side. Each book is of one moment; two of them may be of two. An instrument that nobody bids for and nobody offers has no row.';
COMMENT ON COLUMN exchange.order_books.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.order_books.level IS '1 is the best price of each side.';
COMMENT ON COLUMN exchange.order_books.bid_orders IS 'How many orders bid at that price; NULL where there is no such level, as in the columns below.';
COMMENT ON COLUMN exchange.order_books.bid_quantity IS 'What they display together.';
COMMENT ON COLUMN exchange.order_books.bid_price IS 'The price.';
COMMENT ON COLUMN exchange.order_books.ask_price IS 'The price on the other side.';
COMMENT ON COLUMN exchange.order_books.ask_quantity IS 'What the orders there display together.';
COMMENT ON COLUMN exchange.order_books.ask_orders IS 'How many they are.';

-- As its owner reads them: the book is public, the owners of its orders are not.
CREATE VIEW exchange.order_books_l3 AS
    SELECT o.symbol, o.side, o.price,
           row_number() OVER (PARTITION BY o.symbol, o.side, o.price ORDER BY o.priority) AS queue_position,
           o.order_id, d.quantity AS remaining_quantity, o.created_at
    FROM exchange.open_orders AS o
    CROSS JOIN LATERAL (SELECT coalesce(o.displayed_quantity, o.remaining_quantity) AS quantity) AS d
    WHERE d.quantity > 0;
COMMENT ON VIEW exchange.order_books_l3 IS
    'The books of all instruments order by order (L3), in no order: the rows of exchange.order_book_l3(), all of one moment of the tables; see exchange.wait_for(''projected'').';
COMMENT ON COLUMN exchange.order_books_l3.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.order_books_l3.side IS 'Whether the order buys or sells.';
COMMENT ON COLUMN exchange.order_books_l3.price IS 'Its price.';
COMMENT ON COLUMN exchange.order_books_l3.queue_position IS 'Its place among the displayed orders of that side and price; 1 trades first.';
COMMENT ON COLUMN exchange.order_books_l3.order_id IS 'The order.';
COMMENT ON COLUMN exchange.order_books_l3.remaining_quantity IS 'What it displays.';
COMMENT ON COLUMN exchange.order_books_l3.created_at IS 'When the matcher took it.';

CREATE FUNCTION exchange.book_snapshot(of_symbol text DEFAULT NULL)
RETURNS TABLE (
    sequence      bigint,
    instrument_id integer,
    symbol        text,
    side          exchange.side,
    price         numeric,
    price_ticks   bigint,
    quantity      bigint,
    orders        bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
-- The book is public, the owners of its orders are not.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    -- One statement sees one moment of the tables, which are written together with their position.
    SELECT e.sequence, i.instrument_id, i.symbol, l.side, l.price, (l.price / i.tick_size)::bigint,
           l.quantity, l.orders
    FROM exchange.engine_state AS e
    LEFT JOIN exchange.instruments AS i ON $1 IS NULL OR i.symbol = $1
    LEFT JOIN (
        SELECT o.symbol, o.side, o.price, sum(d.quantity)::bigint AS quantity, count(*) AS orders
        FROM exchange.open_orders AS o
        CROSS JOIN LATERAL (SELECT coalesce(o.displayed_quantity, o.remaining_quantity) AS quantity) AS d
        WHERE d.quantity > 0 AND ($1 IS NULL OR o.symbol = $1)
        GROUP BY o.symbol, o.side, o.price
    ) AS l ON l.symbol = i.symbol
    ORDER BY i.instrument_id, l.side, CASE WHEN l.side = 'buy' THEN -l.price ELSE l.price END
$$;
COMMENT ON FUNCTION exchange.book_snapshot(text) IS
    'What a follower of the feed, or of exchange.events_after(), starts from: every displayed level of the book of an instrument (NULL: of all) at full depth, bids before asks and best price first, as they stand after the command of the first column, which is exact: forget what was, take these levels, and go on with the events after that sequence. An instrument without levels has one row in which the columns from side on are NULL; where there is no such instrument, or none at all, one row has the sequence alone. price_ticks: price / tick_size. orders: how many displayed orders. It reads exchange.open_orders, a few milliseconds behind the matcher. Errors: none.';

CREATE FUNCTION exchange.executions_after(after bigint, maximum integer DEFAULT 1000)
RETURNS SETOF exchange.executions
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sees_all  CONSTANT boolean := NOT row_security_active('exchange.executions')
        OR pg_has_role('exchange_admin', 'USAGE')
        OR pg_has_role('exchange_analyst', 'USAGE')
        OR pg_has_role('exchange_reporter', 'USAGE');
    from_time timestamptz;
    to_time   timestamptz;
    to_trade  bigint;
    width     bigint := maximum;
    batch     exchange.executions[];
BEGIN
    IF after IS NULL OR maximum IS NULL THEN
        RAISE EXCEPTION '% must not be NULL', CASE WHEN after IS NULL THEN 'after' ELSE 'maximum' END
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known, and nothing comes after one.',
                  HINT = 'For all executions, after is 0.';
    -- The bound keeps the sums below from an overflow.
    ELSIF maximum < 1 OR after NOT BETWEEN 0 AND 4611686018427387904 THEN
        RAISE EXCEPTION '% is out of range', CASE WHEN maximum < 1 THEN 'maximum' ELSE 'after' END
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', CASE WHEN maximum < 1 THEN maximum ELSE after END),
                  HINT = 'after is 0 or a trade_id, maximum at least 1.';
    END IF;
    PERFORM exchange.executions_are_kept(after);
    -- Executions are indexed by account and time, which the tape knows of a trade. It is most likely of the
    -- last days: then the others are not looked at.
    SELECT t.executed_at INTO from_time FROM exchange.trades AS t
    WHERE t.trade_id <= after AND t.executed_at >= now() - interval '4 days' ORDER BY t.trade_id DESC LIMIT 1;
    IF NOT FOUND THEN
        SELECT t.executed_at INTO from_time FROM exchange.trades AS t
        WHERE t.trade_id <= after ORDER BY t.trade_id DESC LIMIT 1;
    END IF;
    from_time := coalesce(from_time, '-infinity');
    -- Trade ids are dense, so a stretch of the tape has at most two executions a trade. It is
    -- made longer until enough of them are the caller's: however much there is after it, what is
    -- read is what is returned, a few times over.
    LOOP
        SELECT t.trade_id, t.executed_at INTO to_trade, to_time FROM exchange.trades AS t
        WHERE t.trade_id >= after + width AND t.executed_at >= from_time ORDER BY t.trade_id LIMIT 1;
        to_trade := coalesce(to_trade, 9223372036854775807);
        to_time := coalesce(to_time, 'infinity');
        IF sees_all THEN
            SELECT array_agg(e ORDER BY e.trade_id, e.side) INTO batch
            FROM exchange.trades AS t
            JOIN exchange.executions AS e
                ON e.symbol = t.symbol AND e.executed_at = t.executed_at AND e.trade_id = t.trade_id
            WHERE t.trade_id > after AND t.trade_id <= to_trade
              AND t.executed_at >= from_time AND t.executed_at <= to_time
              AND e.executed_at >= from_time AND e.executed_at <= to_time;
        ELSE
            -- Row-level security adds the accounts.
            SELECT array_agg(e ORDER BY e.trade_id, e.side) INTO batch
            FROM exchange.executions AS e
            WHERE (e.executed_at, e.trade_id) > (from_time, after)
              AND (e.executed_at, e.trade_id) <= (to_time, to_trade)
              AND e.executed_at >= from_time AND e.executed_at <= to_time;
        END IF;
        EXIT WHEN cardinality(batch) >= maximum OR to_time = 'infinity';
        width := width * 4;
    END LOOP;
    RETURN QUERY
    SELECT e.* FROM unnest(batch) AS e
    WHERE cardinality(batch) <= maximum OR e.trade_id <= batch[maximum].trade_id;
END
$$;
COMMENT ON FUNCTION exchange.executions_after(bigint, integer) IS
    'The executions after a trade that row-level security lets the caller see, a broker its own, in the order of trade_id: at most so many, and then the rest of the last trade (a broker may be both sides of one), so the trade_id of the last row is where to go on. Trades become visible in the order of their ids, so whoever goes on like this gets each execution exactly once. after: 0 for all that there are. An execution that is busted after it was returned does not come again: exchange.busts_since() has it. Errors: 22004 (NULL), 22023 (after below 0, maximum below 1), 55000 (some of them were archived, see exchange.archive_day()).';

CREATE FUNCTION exchange.busts_since(since timestamptz)
RETURNS SETOF exchange.executions
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.*
    FROM exchange.busted_trades AS b
    JOIN exchange.trades AS t USING (trade_id)
    JOIN exchange.executions AS e
        ON e.symbol = t.symbol AND e.executed_at = t.executed_at AND e.trade_id = t.trade_id
    WHERE b.busted_at >= $1 AND ($1 = '-infinity' OR exchange.busts_are_kept($1, 'infinity'))
    ORDER BY b.busted_at, e.trade_id, e.side
$$;
COMMENT ON FUNCTION exchange.busts_since(timestamptz) IS
    'The executions whose trades were busted at a time or later, those that row-level security lets the caller see, a broker its own, in the order of busted_at. To follow them, go on from the busted_at of the last row: those of that very moment come again, and a trade is busted once, so leave out what is known. since: -infinity for all whose executions are in the tables; NULL returns no rows. Error: 55000 (a trade that was busted since then was archived, see exchange.archive_day()).';
