-- The end of a trade date: its checks, its closing, its files, and the settlement of what it left.

CREATE FUNCTION exchange.check_journal(after_sequence bigint)
RETURNS TABLE (check_name text, expected numeric, found numeric, difference numeric, detail text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 3
BEGIN ATOMIC
    WITH batches AS MATERIALIZED (
        SELECT j.first_sequence, j.last_sequence, j.event_hash, exchange.checksum(j.commands) = j.checksum AS is_whole,
               lag(j.last_sequence) OVER (ORDER BY j.first_sequence) AS before
        FROM exchange.journal AS j
        WHERE j.first_sequence >= (SELECT coalesce(max(f.first_sequence), 1) FROM exchange.journal AS f
                                   WHERE f.first_sequence <= $1 + 1)
    ), engine AS MATERIALIZED (
        SELECT e.sequence, e.event_hash FROM exchange.engine_state AS e
    )
    SELECT c.check_name, c.expected, c.found, c.found - c.expected, c.detail
    FROM (
        -- From the row that has the command after, or the first one ever, to the last that the
        -- tables show, or that is there.
        SELECT 'journal: commands' AS check_name,
               greatest(max(b.last_sequence), (SELECT e.sequence FROM engine AS e))
                   - least(min(b.first_sequence), $1 + 1) + 1 AS expected,
               coalesce(sum(b.last_sequence - b.first_sequence + 1), 0) AS found,
               'missing before command ' || array_to_string(
                   (array_agg(b.first_sequence ORDER BY b.first_sequence)
                        FILTER (WHERE b.first_sequence <> b.before + 1))[1:5], ', ') AS detail
        FROM batches AS b
        UNION ALL
        SELECT 'journal: checksums', count(*), count(*) FILTER (WHERE b.is_whole),
               'damaged: the row of command ' || array_to_string(
                   (array_agg(b.first_sequence ORDER BY b.first_sequence) FILTER (WHERE NOT b.is_whole))[1:5], ', ')
        FROM batches AS b
        UNION ALL
        -- The hash of all events so far, as the matcher had it and as the tables have it.
        SELECT 'journal: event hash', b.event_hash, e.event_hash,
               CASE WHEN b.event_hash <> e.event_hash THEN format('after command %s', e.sequence) END
        FROM engine AS e JOIN batches AS b ON b.last_sequence = e.sequence
    ) AS c;
END;
COMMENT ON FUNCTION exchange.check_journal(bigint) IS
    'Whether the journal is complete and undamaged from a command on, to its end; the first checks of exchange.check_day(). The event hash is compared where a row of the journal ends with the last command that the tables show.';

CREATE FUNCTION exchange.check_period(begins_at timestamptz, ends_at timestamptz, before date, of_date date)
RETURNS TABLE (check_name text, expected numeric, found numeric, difference numeric, detail text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    previous exchange.closed_days;
    first_of_day bigint;
    last_of_day bigint;
    remembered bigint;
    archived CONSTANT bigint := coalesce((SELECT max(d.last_sequence) FROM exchange.archived_days AS d), 0);
    last_trade_id bigint;
    next_sequence bigint;
    chunk record;
    event_trades numeric := 0;
    event_quantity numeric := 0;
    event_turnover numeric := 0;
BEGIN
    SELECT d.* INTO previous FROM exchange.closed_days AS d WHERE d.trade_date = before;

    RETURN QUERY SELECT * FROM exchange.check_journal(coalesce(previous.last_sequence, 0));
    -- What is damaged cannot be compared with.
    IF EXISTS (SELECT FROM exchange.check_journal(coalesce(previous.last_sequence, 0)) AS j
               WHERE j.difference IS DISTINCT FROM 0) THEN
        RETURN;
    END IF;
    first_of_day := coalesce(previous.last_sequence, exchange.last_sequence_before(begins_at)) + 1;
    last_of_day := exchange.last_sequence_before(ends_at);
    SELECT e.client_order_window INTO remembered FROM exchange.engine_state AS e;
    last_trade_id := coalesce(previous.last_trade_id, (
        SELECT max(t.trade_id)
        FROM exchange.instruments AS i
        CROSS JOIN LATERAL (SELECT t.trade_id FROM exchange.trades AS t
                            WHERE t.symbol = i.symbol AND t.executed_at < begins_at
                            ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1) AS t), 0);

    -- The commands of the journal, and what is in the tables.
    RETURN QUERY
    WITH commands AS MATERIALIZED (
        SELECT c.sequence, c.at, c.command, c.account_id, i.symbol, c.side, c.quantity, c.details
        FROM exchange.journal AS j
        CROSS JOIN LATERAL exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS c
        LEFT JOIN exchange.instruments AS i ON i.instrument_id = c.instrument_id
        WHERE j.first_sequence >= (SELECT max(f.first_sequence) FROM exchange.journal AS f
                                   WHERE f.first_sequence <= first_of_day)
          AND j.first_sequence <= last_of_day
          AND c.sequence BETWEEN first_of_day AND last_of_day
          AND c.command IN ('place_order', 'transfer_cash', 'transfer_shares', 'bust_trade')
    ), names AS (
        SELECT o.account_id, o.client_order_id, min(o.order_id) AS order_id
        FROM exchange.orders AS o
        WHERE o.order_id BETWEEN first_of_day - remembered AND last_of_day
          AND o.client_order_id IS NOT NULL
        GROUP BY o.account_id, o.client_order_id
    )
    SELECT k.check_name, k.expected, k.found, k.found - k.expected, k.detail
    FROM (
        SELECT 'journal: orders' AS check_name, count(*)::numeric AS expected,
               count(*) FILTER (WHERE m.is_same)::numeric AS found,
               'order ' || array_to_string(
                   (array_agg(m.order_id ORDER BY m.order_id) FILTER (WHERE NOT m.is_same))[1:5], ', ') AS detail
        FROM (
            SELECT coalesce(c.sequence, o.order_id) AS order_id,
                   (c.at, c.account_id, c.symbol, c.side)
                       IS NOT DISTINCT FROM (o.created_at, o.account_id, o.symbol, o.side::text) AS is_same
            FROM (
                SELECT c.* FROM commands AS c
                LEFT JOIN names AS n
                       ON n.account_id = c.account_id AND n.client_order_id = c.details ->> 'client_order_id'
                -- A name that was used before: no order, but the first answer again.
                WHERE c.command = 'place_order' AND (n.order_id < c.sequence) IS NOT TRUE
                      -- Where it may have been used on an archived date, that cannot be told.
                      AND NOT (c.details ? 'client_order_id' AND c.sequence - remembered <= archived)
                   OR c.command = 'place_order' AND EXISTS (
                       SELECT FROM exchange.orders AS o WHERE o.order_id = c.sequence)
            ) AS c
            FULL JOIN (
                SELECT o.* FROM exchange.orders AS o
                WHERE o.order_id BETWEEN first_of_day AND last_of_day
            ) AS o ON o.order_id = c.sequence
        ) AS m
        UNION ALL
        SELECT 'journal: transfers', count(*), count(*) FILTER (WHERE m.is_same),
               'transfer ' || array_to_string(
                   (array_agg(m.sequence ORDER BY m.sequence) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(c.sequence, t.sequence) AS sequence,
                   (c.at, c.account_id, c.currency, c.symbol, c.amount)
                       IS NOT DISTINCT FROM (t.transferred_at, t.account_id, t.currency, t.symbol, t.amount) AS is_same
            FROM (
                SELECT c.sequence, c.at, c.account_id, c.symbol, u.currency,
                       coalesce((c.details ->> 'amount')::numeric, c.quantity) AS amount
                FROM commands AS c
                LEFT JOIN exchange.currencies AS u ON u.currency_id = (c.details ->> 'currency_id')::integer
                WHERE c.command IN ('transfer_cash', 'transfer_shares')
            ) AS c
            FULL JOIN (
                SELECT t.* FROM exchange.transfers AS t
                WHERE t.sequence BETWEEN first_of_day AND last_of_day
            ) AS t ON t.sequence = c.sequence
        ) AS m
        UNION ALL
        SELECT 'journal: busts', count(*), count(*) FILTER (WHERE m.is_same),
               'trade ' || array_to_string(
                   (array_agg(m.trade_id ORDER BY m.trade_id) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(c.trade_id, b.trade_id) AS trade_id,
                   coalesce(c.at = b.busted_at AND c.at = b.shown_at AND b.executions = 2, false) AS is_same
            FROM (
                SELECT (c.details ->> 'trade_id')::bigint AS trade_id, c.at
                FROM commands AS c WHERE c.command = 'bust_trade'
            ) AS c
            FULL JOIN (
                SELECT b.trade_id, b.busted_at, t.busted_at AS shown_at,
                       (SELECT count(*) FROM exchange.executions AS e
                        WHERE e.symbol = t.symbol AND e.executed_at = t.executed_at
                          AND e.trade_id = t.trade_id AND e.busted_at = b.busted_at) AS executions
                FROM exchange.busted_trades AS b
                LEFT JOIN exchange.trades AS t ON t.trade_id = b.trade_id
                WHERE b.busted_at >= begins_at AND b.busted_at < ends_at
            ) AS b ON b.trade_id = c.trade_id
        ) AS m
    ) AS k;

    -- Trades, executions and orders among each other.
    RETURN QUERY
    WITH day_trades AS MATERIALIZED (
        SELECT t.trade_id, t.symbol, t.price, t.quantity, t.executed_at, t.busted_at
        FROM exchange.instruments AS i
        JOIN exchange.trades AS t
          ON t.symbol = i.symbol AND t.executed_at >= begins_at AND t.executed_at < ends_at
    ), day_executions AS MATERIALIZED (
        SELECT e.trade_id, e.order_id, e.account_id, e.symbol, e.side, e.price, e.quantity, e.executed_at, e.busted_at
        FROM exchange.instruments AS i
        JOIN exchange.executions AS e
          ON e.symbol = i.symbol AND e.executed_at >= begins_at AND e.executed_at < ends_at
    )
    SELECT k.check_name, k.expected, k.found, k.found - k.expected, k.detail
    FROM (
        -- The engine counts them; those of later dates, if there are any, are in both.
        SELECT 'trades: ids without a gap' AS check_name,
               (SELECT e.last_trade_id FROM exchange.engine_state AS e)::numeric - last_trade_id AS expected,
               (SELECT count(*) FROM exchange.trades AS t WHERE t.trade_id > last_trade_id)::numeric AS found,
               NULL::text AS detail
        UNION ALL
        SELECT 'trades: two executions each', count(*), count(*) FILTER (WHERE m.is_same),
               'trade ' || array_to_string(
                   (array_agg(m.trade_id ORDER BY m.trade_id) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(t.trade_id, e.trade_id) AS trade_id,
                   (t.symbol, t.executed_at, t.price, t.price, t.quantity, t.quantity, t.busted_at, 1::bigint, 1::bigint,
                    (t.busted_at IS NOT NULL)::integer * 2::bigint)
                       IS NOT DISTINCT FROM
                   (e.symbol, e.executed_at, e.lowest, e.highest, e.least, e.most, e.busted_at, e.buys, e.sells,
                    e.busted) AS is_same
            FROM day_trades AS t
            FULL JOIN (
                SELECT e.trade_id, min(e.symbol) AS symbol, min(e.executed_at) AS executed_at,
                       min(e.price) AS lowest, max(e.price) AS highest, min(e.quantity) AS least,
                       max(e.quantity) AS most, min(e.busted_at) AS busted_at, count(e.busted_at) AS busted,
                       count(*) FILTER (WHERE e.side = 'buy') AS buys,
                       count(*) FILTER (WHERE e.side = 'sell') AS sells
                FROM day_executions AS e
                GROUP BY e.trade_id
            ) AS e ON e.trade_id = t.trade_id
        ) AS m
        UNION ALL
        SELECT 'orders: what their executions say', count(*), count(*) FILTER (WHERE m.is_same),
               'order ' || array_to_string(
                   (array_agg(m.order_id ORDER BY m.order_id) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT d.order_id,
                   CASE WHEN d.order_id > archived
                        THEN (o.account_id, o.symbol, o.side, o.filled_quantity::numeric, o.turnover)
                             IS NOT DISTINCT FROM (d.account_id, d.symbol, d.side, s.quantity, s.turnover)
                        -- It may have traded on a date that was archived, too.
                        ELSE (o.account_id, o.symbol, o.side) IS NOT DISTINCT FROM (d.account_id, d.symbol, d.side)
                             AND o.filled_quantity >= s.quantity AND o.turnover >= s.turnover END AS is_same
            FROM (SELECT e.order_id, min(e.account_id) AS account_id, min(e.symbol) AS symbol, min(e.side) AS side
                  FROM day_executions AS e GROUP BY e.order_id) AS d
            LEFT JOIN exchange.orders AS o ON o.order_id = d.order_id
            -- Those of other dates too.
            CROSS JOIN LATERAL (
                SELECT sum(e.quantity) AS quantity, sum(e.price * e.quantity) AS turnover
                FROM exchange.executions AS e WHERE e.order_id = d.order_id
            ) AS s
        ) AS m
        UNION ALL
        -- The candles are the engine's own count, by date of the calendar.
        SELECT 'trades: volume of the candles', c.volume, t.volume, NULL
        FROM (SELECT coalesce(sum(c.volume), 0) AS volume
              FROM exchange.instruments AS i
              JOIN exchange.candles AS c
                ON c.symbol = i.symbol AND c.resolution = '1 day' AND c.opened_at = exchange.midnight(of_date)) AS c
        CROSS JOIN (SELECT coalesce(sum(t.quantity), 0) AS volume
                    FROM exchange.instruments AS i
                    JOIN exchange.trades AS t
                      ON t.symbol = i.symbol AND t.executed_at >= exchange.midnight(of_date)
                     AND t.executed_at < exchange.midnight(of_date + 1)
                    WHERE t.busted_at IS NULL) AS t
    ) AS k;

    -- What everybody was told.
    next_sequence := first_of_day - 1;
    WHILE next_sequence < last_of_day LOOP
        SELECT count(*) FILTER (WHERE e.event = 'trade' AND e.sequence <= last_of_day) AS trades,
               sum(e.quantity) FILTER (WHERE e.event = 'trade' AND e.sequence <= last_of_day) AS quantity,
               sum(e.price * e.quantity) FILTER (WHERE e.event = 'trade' AND e.sequence <= last_of_day) AS turnover,
               max(e.sequence) AS sequence
        INTO chunk
        FROM exchange.events_after(next_sequence, NULL, 100000) AS e;
        EXIT WHEN chunk.sequence IS NULL;
        event_trades := event_trades + chunk.trades;
        event_quantity := event_quantity + coalesce(chunk.quantity, 0);
        event_turnover := event_turnover + coalesce(chunk.turnover, 0);
        next_sequence := chunk.sequence;
    END LOOP;
    RETURN QUERY
    SELECT v.check_name, v.expected, v.found, v.found - v.expected, NULL::text
    FROM (
        SELECT count(*)::numeric AS trades, coalesce(sum(t.quantity), 0) AS quantity,
               coalesce(sum(t.price * t.quantity), 0) AS turnover
        FROM exchange.instruments AS i
        JOIN exchange.trades AS t
          ON t.symbol = i.symbol AND t.executed_at >= begins_at AND t.executed_at < ends_at
    ) AS t
    CROSS JOIN LATERAL (VALUES
        ('public events: trades', event_trades, t.trades),
        ('public events: quantity', event_quantity, t.quantity),
        ('public events: turnover', event_turnover, t.turnover)
    ) AS v (check_name, expected, found);

    -- Money and shares: what the engine has is what began the date and what happened since.
    RETURN QUERY
    SELECT k.check_name, k.expected, k.found, k.found - k.expected, k.detail
    FROM (
        SELECT 'accounts: opening' AS check_name, count(*)::numeric AS expected,
               count(*) FILTER (WHERE m.expected = m.found)::numeric AS found,
               array_to_string((array_agg(
                   format('account %s: %s %s instead of %s', m.account_id, m.found, m.asset, m.expected)
                   ORDER BY m.account_id, m.asset) FILTER (WHERE m.expected <> m.found))[1:5], '; ') AS detail
        FROM (
            SELECT coalesce(b.account_id, e.account_id) AS account_id, coalesce(b.asset, e.asset) AS asset,
                   trim_scale(coalesce(e.amount, 0)) AS expected,
                   trim_scale(coalesce(b.balance, 0) - coalesce(s.total, 0)) AS found
            FROM (
                SELECT c.account_id, 'currency' AS asset_kind, c.currency AS asset, c.balance
                FROM exchange.cash AS c
                UNION ALL
                SELECT p.account_id, 'instrument', p.symbol, p.quantity
                FROM exchange.positions AS p
            ) AS b
            FULL JOIN (
                SELECT t.account_id, t.asset_kind, t.asset, t.closing AS amount
                FROM exchange.end_of_day_statements AS t WHERE t.trade_date = before
                UNION ALL
                SELECT m.account_id, m.asset_kind, m.asset, sum(m.amount)
                FROM exchange.movements_between('-infinity', begins_at) AS m
                WHERE before IS NULL
                GROUP BY m.account_id, m.asset_kind, m.asset
            ) AS e ON e.account_id = b.account_id AND e.asset_kind = b.asset_kind AND e.asset = b.asset
            LEFT JOIN (
                SELECT m.account_id, m.asset_kind, m.asset, sum(m.amount) AS total
                FROM exchange.movements_between(begins_at, 'infinity') AS m
                GROUP BY m.account_id, m.asset_kind, m.asset
            ) AS s ON s.account_id = b.account_id AND s.asset_kind = b.asset_kind AND s.asset = b.asset
        ) AS m
        UNION ALL
        SELECT 'accounts: nothing made or lost', count(*), count(*) FILTER (WHERE c.difference = 0),
               array_to_string((array_agg(format('%s %s too much', c.difference, c.what) ORDER BY c.what)
                                    FILTER (WHERE c.difference <> 0))[1:5], '; ')
        FROM exchange.conservation AS c
        UNION ALL
        SELECT 'settlement: shares to receive are shares to deliver',
               coalesce(sum(-s.quantity) FILTER (WHERE s.quantity < 0), 0),
               coalesce(sum(s.quantity) FILTER (WHERE s.quantity > 0), 0), NULL
        FROM (SELECT CASE m.asset_kind WHEN 'instrument' THEN m.amount END AS quantity
              FROM exchange.movements_between(begins_at, ends_at) AS m WHERE m.symbol IS NOT NULL) AS s
        UNION ALL
        SELECT 'settlement: money to pay is money to receive, and fees',
               coalesce(sum(m.amount) FILTER (WHERE m.movement IN ('fee', 'fee returned')), 0),
               coalesce(sum(m.amount), 0), NULL
        FROM exchange.movements_between(begins_at, ends_at) AS m
        WHERE m.symbol IS NOT NULL AND m.asset_kind = 'currency'
        UNION ALL
        SELECT 'settlement: a date to settle on', 1, count(exchange.settlement_date(of_date)),
               CASE WHEN exchange.settlement_date(of_date) IS NULL
                    THEN 'no trading day in the 31 days after; see exchange.calendar_exceptions' END
    ) AS k;

    -- A date that is closed still says what it said.
    RETURN QUERY
    SELECT k.check_name, k.expected, k.found, k.found - k.expected, k.detail
    FROM (
        SELECT 'closed: statements' AS check_name, count(*)::numeric AS expected,
               count(*) FILTER (WHERE m.is_same)::numeric AS found,
               'account ' || array_to_string(
                   (array_agg(m.account_id ORDER BY m.account_id) FILTER (WHERE NOT m.is_same))[1:5], ', ') AS detail
        FROM (
            SELECT coalesce(f.account_id, a.account_id) AS account_id,
                   (f.opening, f.deposited, f.withdrawn, f.bought, f.sold, f.fees, f.busted, f.closing)
                       IS NOT DISTINCT FROM
                   (a.opening, a.deposited, a.withdrawn, a.bought, a.sold, a.fees, a.busted, a.closing) AS is_same
            FROM (SELECT f.* FROM exchange.end_of_day_statements AS f WHERE f.trade_date = of_date) AS f
            FULL JOIN (
                SELECT a.* FROM exchange.account_activity(of_date, of_date) AS a
                WHERE (a.opening, a.deposited, a.withdrawn, a.bought, a.sold, a.fees, a.busted)
                      IS DISTINCT FROM (0, 0, 0, 0, 0, 0, 0)
            ) AS a ON a.account_id = f.account_id AND a.asset_kind = f.asset_kind AND a.asset = f.asset
        ) AS m
        UNION ALL
        SELECT 'closed: prices', count(*), count(*) FILTER (WHERE m.is_same),
               array_to_string((array_agg(m.symbol ORDER BY m.symbol) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(f.symbol, s.symbol) AS symbol,
                   (f.open, f.high, f.low, f.close, f.previous_close, f.volume, f.turnover, f.trades, f.auction_volume)
                       IS NOT DISTINCT FROM
                   (s.open, s.high, s.low, s.close, s.previous_close, s.volume, s.turnover, s.trades, s.auction_volume) AS is_same
            FROM (SELECT f.* FROM exchange.end_of_day_prices AS f WHERE f.trade_date = of_date) AS f
            FULL JOIN exchange.trade_summary(of_date, of_date) AS s ON s.symbol = f.symbol
        ) AS m
        UNION ALL
        SELECT 'closed: obligations', count(*), count(*) FILTER (WHERE m.is_same),
               'account ' || array_to_string(
                   (array_agg(m.account_id ORDER BY m.account_id) FILTER (WHERE NOT m.is_same))[1:5], ', ')
        FROM (
            SELECT coalesce(f.account_id, o.account_id) AS account_id,
                   (f.currency, f.quantity, f.amount, f.fees)
                       IS NOT DISTINCT FROM (o.currency, o.quantity, o.amount, o.fees) AS is_same
            FROM (SELECT f.* FROM exchange.settlement_obligations AS f WHERE f.trade_date = of_date) AS f
            FULL JOIN exchange.net_obligations(of_date, of_date) AS o
                   ON o.account_id = f.account_id AND o.symbol = f.symbol
        ) AS m
    ) AS k
    WHERE EXISTS (SELECT FROM exchange.closed_days AS d WHERE d.trade_date = of_date);
END
$$;
COMMENT ON FUNCTION exchange.check_period(timestamptz, timestamptz, date, date) IS
    'The rows of exchange.check_day(): for the trade date of_date, which begins at a moment and ends before another, after the closed date before (NULL for none).';

CREATE FUNCTION exchange.check_day(trade_date date)
RETURNS TABLE (check_name text, expected numeric, found numeric, difference numeric, detail text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 20
BEGIN ATOMIC
    SELECT k.check_name, trim_scale(k.expected), trim_scale(k.found), trim_scale(k.difference), k.detail
    FROM exchange.period($1, $1) AS p
    CROSS JOIN LATERAL exchange.check_period(
        p.begins_at, p.ends_at,
        (SELECT max(c.trade_date) FROM exchange.closed_days AS c WHERE c.trade_date < $1), $1) AS k;
END;
COMMENT ON FUNCTION exchange.check_day(date) IS
    'Compares a trade date with the journal, and the tables among each other: a row a check, difference 0 where all is well. expected, found: counts of rows that there are and that are as they should be, or sums; detail: the first of those that are not, NULL if there are none. docs/reports.md says what each check is. Where the journal itself is damaged only that is told. Of a date that is not over, so far; of one that is closed, also whether the tables still say what they said then. It reads everything of the date, and changes nothing.';

CREATE FUNCTION exchange.close_day(trade_date date)
RETURNS TABLE (check_name text, expected numeric, found numeric, difference numeric)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 20
-- The tables of closed days are written by nobody else.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    day CONSTANT date := trade_date;
    is_simulated CONSTANT boolean := current_setting('exchange.simulated_clock')::boolean;
    at timestamptz := clock_timestamp();
    engine_at timestamptz;
    stands_still boolean;
    engine exchange.engine_state;
    last exchange.closed_days;
    begins_at timestamptz;
    ends_at timestamptz;
    missed date;
    made exchange.end_of_day_checks[];
    failed text[];
BEGIN
    IF day IS NULL THEN
        RAISE EXCEPTION 'trade_date is NULL'
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'A day is closed by its date.',
                  HINT = 'Give the trade date, as in exchange.close_day(DATE ''2026-11-25'').';
    END IF;
    -- Each statement is to see what happened before it.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the transaction is %', current_setting('transaction_isolation')
            USING ERRCODE = 'active_sql_transaction', DETAIL = 'It sees the tables as they were when it began.',
                  HINT = 'Close the day in a transaction of ISOLATION LEVEL READ COMMITTED.';
    END IF;
    -- One at a time; who only reads is not held up.
    LOCK TABLE exchange.closed_days IN SHARE ROW EXCLUSIVE MODE;

    -- When this request is answered, which is of no order and changes nothing, all that came to the
    -- matcher before is executed; what comes now has a later time than `at`.
    PERFORM FROM exchange.cancel_orders(ARRAY[9223372036854775807]);
    PERFORM exchange.wait_for('projected');
    SELECT e.* INTO engine FROM exchange.engine_state AS e;
    engine_at := timestamptz '2000-01-01 00:00Z' + engine.time_us * interval '1 microsecond';
    -- The clock of the exchange may stand still: a simulated one, or where that on the wall is behind it.
    stands_still := is_simulated OR engine_at > clock_timestamp();
    IF stands_still THEN
        at := engine_at;
    END IF;

    SELECT d.* INTO last FROM exchange.closed_days AS d WHERE d.trade_date = day;
    IF FOUND THEN
        RAISE EXCEPTION 'the day is closed already'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('Trade date %s was closed at %s by %s, and ended at %s.', day, last.closed_at, last.closed_by, last.ends_at),
                  HINT = format('What came after is of a later date. SELECT * FROM exchange.check_day(%L) shows whether it is still what it was.', day);
    END IF;
    SELECT d.* INTO last FROM exchange.closed_days AS d ORDER BY d.trade_date DESC LIMIT 1;
    IF day < last.trade_date THEN
        RAISE EXCEPTION 'the day is before one that is closed'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('Trade date %s is closed; what happened on %s is a part of it, or of one before.', last.trade_date, day),
                  HINT = 'Days are closed in their order; see exchange.closed_days.';
    END IF;
    IF at < exchange.midnight(day) THEN
        RAISE EXCEPTION 'the day has not come yet'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('Trade date %s begins at %s, and it is %s.', day, exchange.midnight(day), at),
                  HINT = 'Close it when its market is closed.';
    END IF;
    IF engine.market_phase <> 'closed' AND engine.trade_date <= day THEN
        RAISE EXCEPTION 'the day is still trading'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('The market is in phase %s of trade date %s.', engine.market_phase, engine.trade_date),
                  HINT = 'Wait until the calendar closes the market, or close it with SELECT exchange.close_market().';
    END IF;
    IF at < exchange.midnight(day + 1)
       AND (engine.trade_date < day OR EXISTS (SELECT FROM exchange.trading_days AS d WHERE d.trade_date = day)) THEN
        RAISE EXCEPTION 'the day is not over'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = CASE WHEN engine.trade_date < day THEN format('The market has not opened on %s; the last trade date is %s.', day, engine.trade_date)
                                ELSE format('The calendar has not closed the market of %s; see exchange.trading_days.', day) END,
                  HINT = format('Close it after its market has closed, or, where that does not open, after %s.', exchange.midnight(day + 1));
    END IF;
    IF last.trade_date IS NOT NULL THEN
        SELECT (t.executed_at AT TIME ZONE current_setting('exchange.time_zone'))::date INTO missed
        FROM exchange.trades AS t WHERE t.trade_id > last.last_trade_id ORDER BY t.trade_id LIMIT 1;
        -- What came after the last date was closed is of the date after it.
        IF missed IS NOT NULL AND greatest(missed, last.trade_date + 1) < day THEN
            missed := greatest(missed, last.trade_date + 1);
            RAISE EXCEPTION 'another day is to be closed first'
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = format('There were trades on %s, and the last date that is closed is %s.', missed, last.trade_date),
                      HINT = format('SELECT * FROM exchange.close_day(%L);', missed);
        END IF;
    END IF;

    begins_at := coalesce(last.ends_at, exchange.midnight(day));
    ends_at := least(at, exchange.midnight(day + 1));
    -- Then what comes next may have the time of what was before.
    IF stands_still AND EXISTS (SELECT FROM exchange.movements_between(at, at + interval '1 microsecond')) THEN
        RAISE EXCEPTION 'the clock has not moved since the last trade, transfer or bust'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It is %s.', at),
                  HINT = CASE WHEN is_simulated
                              THEN format('SELECT exchange.advance_clock(%L);', at + interval '1 second')
                              ELSE 'Wait until the clock of the server is past that.' END;
    END IF;

    SELECT array_agg(ROW(day, k.check_name, trim_scale(k.expected), trim_scale(k.found), trim_scale(k.difference))
                         ::exchange.end_of_day_checks),
           array_agg(format('%s: %s expected, %s found%s', k.check_name, trim_scale(k.expected), trim_scale(k.found),
                            coalesce(' (' || k.detail || ')', ''))) FILTER (WHERE k.difference IS DISTINCT FROM 0)
    INTO made, failed
    FROM exchange.check_period(begins_at, ends_at, last.trade_date, day) AS k;
    IF failed IS NOT NULL THEN
        RAISE EXCEPTION 'the day does not reconcile'
            USING ERRCODE = 'data_exception', DETAIL = array_to_string(failed, E'\n'),
                  HINT = format('Nothing was closed. SELECT * FROM exchange.check_day(%L) WHERE difference <> 0 shows this again.', day);
    END IF;

    INSERT INTO exchange.closed_days
    SELECT day, begins_at, ends_at,
           coalesce(last.last_sequence, exchange.last_sequence_before(begins_at)) + 1,
           exchange.last_sequence_before(ends_at),
           coalesce(max(t.last_trade_id), last.last_trade_id, 0), o.orders, coalesce(sum(t.trades), 0),
           clock_timestamp(), session_user
    FROM (
        SELECT count(*) AS orders
        FROM exchange.instruments AS i
        JOIN exchange.orders AS o
          ON o.symbol = i.symbol AND o.created_at >= begins_at AND o.created_at < ends_at
    ) AS o
    LEFT JOIN exchange.instruments AS i ON true
    LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE t.executed_at >= begins_at) AS trades, max(t.trade_id) AS last_trade_id
        FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at < ends_at
          AND (last.ends_at IS NULL OR t.executed_at >= begins_at)
    ) AS t ON true
    GROUP BY o.orders;

    INSERT INTO exchange.end_of_day_checks SELECT m.* FROM unnest(made) AS m;
    INSERT INTO exchange.end_of_day_statements
    SELECT day, a.* FROM exchange.account_activity(day, day) AS a
    WHERE (a.opening, a.deposited, a.withdrawn, a.bought, a.sold, a.fees, a.busted)
          IS DISTINCT FROM (0, 0, 0, 0, 0, 0, 0);
    INSERT INTO exchange.end_of_day_prices SELECT s.* FROM exchange.trade_summary(day, day) AS s;
    INSERT INTO exchange.settlement_obligations
    SELECT o.*, 'pending', clock_timestamp() FROM exchange.net_obligations(day, day) AS o;
    RETURN QUERY SELECT m.check_name, m.expected, m.found, m.difference FROM unnest(made) AS m;
END
$$;
COMMENT ON FUNCTION exchange.close_day(date) IS
    'Closes a trade date: makes the checks of exchange.check_day(), which are returned, and writes what is then true of the date into exchange.closed_days, end_of_day_checks, end_of_day_statements, end_of_day_prices and settlement_obligations, all in one transaction. It may be called once the market has closed: what happens after, on the same day of the calendar too, is of the date after; also the bust of a trade of this one. Days are closed in their order; those on which nobody could trade are left out, and are a part of the next. It reads beside the workers and holds up none of them. Errors: 22004 (NULL), 25001 (the transaction is not READ COMMITTED), 22000 (a check failed; the detail says which, and nothing was closed), 55000 (closed already, before one that is closed, not over, still trading, another is to be closed first, or a clock that has not moved since the last trade), 57P03 (the workers are not running).';

-- Files -------------------------------------------------------------------------------------------

CREATE FUNCTION exchange.day_reports(trade_date date)
RETURNS TABLE (report text, query text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 15
BEGIN ATOMIC
    SELECT v.report, format(v.query, $1)
    FROM (VALUES
        ('checks', 'SELECT * FROM exchange.end_of_day_checks WHERE trade_date = %1$L ORDER BY check_name'),
        ('statements', 'SELECT * FROM exchange.end_of_day_statements WHERE trade_date = %1$L ORDER BY account_id, asset_kind, asset'),
        ('movements', 'SELECT * FROM exchange.account_movements(%1$L, %1$L) ORDER BY occurred_at, reference, account_id, asset_kind, movement, amount'),
        ('prices', 'SELECT * FROM exchange.end_of_day_prices WHERE trade_date = %1$L ORDER BY symbol'),
        ('obligations', 'SELECT * FROM exchange.settlement_obligations WHERE trade_date = %1$L ORDER BY account_id, symbol'),
        ('trades', 'SELECT * FROM exchange.trade_history(%1$L, %1$L) ORDER BY trade_id, side'),
        ('orders_and_executions', 'SELECT * FROM exchange.orders_and_executions(%1$L, %1$L) ORDER BY order_id, trade_id NULLS FIRST'),
        ('realised_gains', 'SELECT * FROM exchange.realised_gains(%1$L, %1$L) ORDER BY account_id, symbol'),
        ('audit_trail', 'SELECT * FROM exchange.audit_trails(%1$L, %1$L) ORDER BY order_id, occurred_at, sequence, trade_id, action'),
        ('order_to_trade_ratios', 'SELECT * FROM exchange.order_to_trade_ratios(%1$L, %1$L) ORDER BY account_id, symbol'),
        ('wash_trade_candidates', 'SELECT * FROM exchange.wash_trade_candidates(%1$L, %1$L) ORDER BY trade_id'),
        ('layering_candidates', 'SELECT * FROM exchange.layering_candidates(%1$L, %1$L) ORDER BY order_id'),
        ('large_positions', 'SELECT * FROM exchange.large_positions(%1$L) ORDER BY symbol, owner'),
        ('execution_quality', 'SELECT * FROM exchange.execution_quality(%1$L, %1$L) ORDER BY account_id, symbol')
    ) AS v (report, query)
    -- Gains are reckoned from all that was ever bought.
    WHERE v.report <> 'realised_gains' OR NOT EXISTS (SELECT FROM exchange.archived_days);
END;
COMMENT ON FUNCTION exchange.day_reports(date) IS
    'The reports of a trade date, by name, each with the query that makes it, its rows in one order: what exchange.export_day() writes. For a file on the machine of the client give one of the queries to \copy of psql. Without realised_gains once a date was archived: then a reporting database has it.';

CREATE FUNCTION exchange.export_day(trade_date date, folder text)
RETURNS TABLE (file text, lines bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 15
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    day CONSTANT date := trade_date;
    written record;
BEGIN
    IF day IS NULL OR folder IS NULL THEN
        RAISE EXCEPTION '% is NULL', CASE WHEN day IS NULL THEN 'trade_date' ELSE 'folder' END
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'A closed date is written into a folder of the server.',
                  HINT = 'Give both, as in exchange.export_day(DATE ''2026-11-25'', ''/var/lib/postgresql/reports'').';
    END IF;
    IF NOT EXISTS (SELECT FROM exchange.closed_days AS d WHERE d.trade_date = day) THEN
        RAISE EXCEPTION 'the day is not closed'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('The reports of %s may still change.', day),
                  HINT = format('SELECT * FROM exchange.close_day(%L);', day);
    END IF;
    FOR written IN SELECT r.report, r.query FROM exchange.day_reports(day) AS r
    LOOP
        file := format('%s/%s_%s.csv', rtrim(folder, '/'), day, written.report);
        EXECUTE format('COPY (%s) TO %L WITH (FORMAT csv, HEADER)', written.query, file);
        GET DIAGNOSTICS lines = ROW_COUNT;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION exchange.export_day(date, text) IS
    'Writes the reports of a closed trade date as CSV with a header into a folder of the server, DATE_REPORT.csv each, and returns the files with the number of rows in them. Files of that name are replaced. folder: an absolute path that the server may write to. The caller needs the role pg_write_server_files and the right to read the reports. Errors: 22004 (NULL), 42501 (a missing role), 42602 (a relative path), 55000 (the date is not closed), 58P01 (no such folder).';

-- Settlement --------------------------------------------------------------------------------------

CREATE FUNCTION exchange.settle_obligations(
    until      date,
    account_id integer DEFAULT NULL,
    symbol     text DEFAULT NULL,
    failed_too boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
-- The tables of closed days are written by nobody else.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment CONSTANT timestamptz := clock_timestamp();
    of_account CONSTANT integer := account_id;
    of_symbol CONSTANT text := symbol;
    settled bigint;
BEGIN
    IF until IS NULL OR failed_too IS NULL THEN
        RAISE EXCEPTION '% is NULL', CASE WHEN until IS NULL THEN 'until' ELSE 'failed_too' END
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'Obligations settle that are due by a date.',
                  HINT = 'Give the settlement date, as in exchange.settle_obligations(DATE ''2026-11-27'').';
    END IF;
    WITH changed AS (
        UPDATE exchange.settlement_obligations AS o
        SET status = 'settled', status_since = moment
        WHERE o.settlement_date <= until
          AND (o.status = 'pending' OR o.status = 'failed' AND failed_too)
          AND (o.account_id = of_account) IS NOT FALSE AND (o.symbol = of_symbol) IS NOT FALSE
        RETURNING o.trade_date, o.account_id, o.symbol
    )
    INSERT INTO exchange.settlement_changes
    SELECT c.trade_date, c.account_id, c.symbol, moment, session_user, 'settled', NULL FROM changed AS c;
    GET DIAGNOSTICS settled = ROW_COUNT;
    RETURN settled;
END
$$;
COMMENT ON FUNCTION exchange.settle_obligations(date, integer, text, boolean) IS
    'Notes that obligations settled, shares and money both, and returns how many: all that are due on a date or before (until) and pending, of one account and one instrument where those are given; those that failed only with failed_too. Each is a row in exchange.settlement_changes. It moves nothing in the exchange, where shares and money change hands when they trade. Error: 22004 (NULL).';

CREATE FUNCTION exchange.fail_obligation(trade_date date, account_id integer, symbol text, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
-- The tables of closed days are written by nobody else.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment CONSTANT timestamptz := clock_timestamp();
    of_date CONSTANT date := trade_date;
    of_account CONSTANT integer := account_id;
    of_symbol CONSTANT text := symbol;
    why CONSTANT text := reason;
    obligation exchange.settlement_obligations;
BEGIN
    IF of_date IS NULL OR of_account IS NULL OR of_symbol IS NULL OR why IS NULL OR why = '' THEN
        RAISE EXCEPTION 'trade_date, account_id, symbol or reason is missing'
            USING ERRCODE = 'null_value_not_allowed', DETAIL = 'An obligation fails for a reason.',
                  HINT = 'Give all four, as in exchange.fail_obligation(DATE ''2026-11-25'', 7, ''ACME'', ''shares not delivered'').';
    END IF;
    SELECT o.* INTO obligation FROM exchange.settlement_obligations AS o
    WHERE o.trade_date = of_date AND o.account_id = of_account AND o.symbol = of_symbol
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no such obligation'
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('Account %s has none in %s for trade date %s.', of_account, of_symbol, of_date),
                  HINT = 'See exchange.settlement_obligations.';
    END IF;
    IF obligation.status <> 'pending' THEN
        RAISE EXCEPTION 'the obligation is % already', obligation.status
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It is so since %s.', obligation.status_since),
                  HINT = 'Only what is pending can fail.';
    END IF;
    UPDATE exchange.settlement_obligations AS o
    SET status = 'failed', status_since = moment, reason = why
    WHERE o.trade_date = of_date AND o.account_id = of_account AND o.symbol = of_symbol;
    INSERT INTO exchange.settlement_changes
    VALUES (of_date, of_account, of_symbol, moment, session_user, 'failed', why);
END
$$;
COMMENT ON FUNCTION exchange.fail_obligation(date, integer, text, text) IS
    'Notes that a pending obligation did not settle, and why; it can still settle, late: exchange.settle_obligations() with failed_too. Each is a row in exchange.settlement_changes. Errors: 22004 (NULL, or an empty reason), 42704 (no such obligation), 55000 (it is settled or failed already).';
