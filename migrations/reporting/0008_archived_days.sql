-- The venue may archive days (exchange.archive_day()). A reporting database keeps them: what is dropped there is
-- not deleted, and so not replicated. The reports are those of the venue, which ask first.

CREATE FUNCTION exchange.is_kept(at timestamptz)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN true;
COMMENT ON FUNCTION exchange.is_kept(timestamptz) IS
    'Whether all that happened from a moment on is in the tables: true, a reporting database keeps everything.';

CREATE FUNCTION exchange.busts_are_kept("from" timestamptz, "to" timestamptz)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN true;
COMMENT ON FUNCTION exchange.busts_are_kept(timestamptz, timestamptz) IS
    'Whether the executions of all trades that were busted from a moment to before another are in the tables: true, a reporting database keeps everything.';

CREATE OR REPLACE FUNCTION exchange.days("from" date, "to" date)
RETURNS TABLE (trade_date date, begins_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT c.trade_date, c.begins_at, c.ends_at
    FROM exchange.closed_days AS c
    WHERE c.trade_date BETWEEN $1 AND $2 AND exchange.is_kept(c.begins_at)
    UNION ALL
    SELECT d.day,
           CASE WHEN d.day = l.trade_date + 1 THEN l.ends_at ELSE exchange.midnight(d.day) END,
           exchange.midnight(d.day + 1)
    FROM generate_series(0, $2 - $1) AS n (days)
    CROSS JOIN LATERAL (SELECT $1 + n.days AS day) AS d
    LEFT JOIN (SELECT c.trade_date, c.ends_at FROM exchange.closed_days AS c
               ORDER BY c.trade_date DESC LIMIT 1) AS l ON true
    WHERE ((d.day > l.trade_date) IS NOT FALSE
           OR d.day < (SELECT min(c.trade_date) FROM exchange.closed_days AS c))
      AND (l.trade_date IS NULL OR d.day > l.trade_date OR exchange.is_kept(exchange.midnight(d.day)));
END;
COMMENT ON FUNCTION exchange.days(date, date) IS
    'The trade dates from one to another, both included, and from when to before when each of them lasts: from midnight to midnight in exchange.time_zone, or to where exchange.close_day() closed it, if that was before; what comes then is of the next date. Dates between two that are closed and that were not closed themselves, such as weekends, are a part of the later one, and left out. Every report goes by it. Errors: 42704 (exchange.time_zone is not set), 55000 (one of them was archived, see exchange.archive_day()).';

CREATE OR REPLACE FUNCTION exchange.movements_between("from" timestamptz, "to" timestamptz)
RETURNS TABLE (
    account_id  integer,
    asset_kind  text,
    asset       text,
    movement    text,
    symbol      text,
    amount      numeric,
    occurred_at timestamptz,
    reference   bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT t.account_id,
           CASE WHEN t.symbol IS NULL THEN 'currency' ELSE 'instrument' END,
           coalesce(t.currency, t.symbol),
           CASE WHEN t.amount < 0 THEN 'withdrawal' ELSE 'deposit' END,
           NULL::text, t.amount, t.transferred_at, t.sequence
    FROM exchange.transfers AS t
    WHERE t.transferred_at >= $1 AND t.transferred_at < $2
    UNION ALL
    SELECT e.account_id, v.asset_kind, v.asset, v.movement, e.symbol, v.amount, e.executed_at, e.trade_id
    FROM exchange.instruments AS i
    JOIN exchange.executions AS e ON e.symbol = i.symbol
    CROSS JOIN LATERAL (VALUES
        ('instrument', i.symbol, e.side::text,
         CASE e.side WHEN 'buy' THEN e.quantity ELSE -e.quantity END),
        ('currency', i.currency, e.side::text,
         CASE e.side WHEN 'buy' THEN -e.price * e.quantity ELSE e.price * e.quantity END),
        ('currency', i.currency, 'fee', -e.fee)
    ) AS v (asset_kind, asset, movement, amount)
    WHERE e.executed_at >= $1 AND e.executed_at < $2 AND v.amount <> 0
    UNION ALL
    SELECT e.account_id, v.asset_kind, v.asset, v.movement, e.symbol, v.amount, b.busted_at, e.trade_id
    FROM exchange.busted_trades AS b
    JOIN exchange.trades AS t ON t.trade_id = b.trade_id
    -- By the index of symbol and time.
    JOIN exchange.executions AS e
      ON e.symbol = t.symbol AND e.executed_at = t.executed_at AND e.trade_id = t.trade_id
    JOIN exchange.instruments AS i ON i.symbol = t.symbol
    CROSS JOIN LATERAL (VALUES
        ('instrument', i.symbol, 'bust',
         CASE e.side WHEN 'buy' THEN -e.quantity ELSE e.quantity END),
        ('currency', i.currency, 'bust',
         CASE e.side WHEN 'buy' THEN e.price * e.quantity ELSE -e.price * e.quantity END),
        ('currency', i.currency, 'fee returned', e.fee)
    ) AS v (asset_kind, asset, movement, amount)
    WHERE b.busted_at >= $1 AND b.busted_at < $2 AND v.amount <> 0 AND exchange.busts_are_kept($1, $2);
END;
COMMENT ON FUNCTION exchange.movements_between(timestamptz, timestamptz) IS
    'Everything that changed what an account has, from one moment to before another: what exchange.account_movements() shows by date. Error: 55000 (a trade that was busted then was archived).';

CREATE OR REPLACE FUNCTION exchange.trade_summary("from" date, "to" date)
RETURNS TABLE (
    trade_date     date,
    symbol         text,
    currency       text,
    open           numeric,
    high           numeric,
    low            numeric,
    close          numeric,
    previous_close numeric,
    volume         bigint,
    turnover       numeric,
    trades         bigint,
    auction_volume bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT d.trade_date, i.symbol, i.currency, f.price, s.high, s.low, coalesce(l.price, z.close),
           coalesce(p.price, z.close), s.volume, s.turnover, s.trades, s.auction_volume
    FROM exchange.days($1, $2) AS d
    CROSS JOIN exchange.instruments AS i
    CROSS JOIN LATERAL (
        SELECT max(t.price) AS high, min(t.price) AS low, coalesce(sum(t.quantity), 0)::bigint AS volume,
               coalesce(sum(t.price * t.quantity), 0) AS turnover, count(*) AS trades,
               coalesce(sum(t.quantity) FILTER (WHERE t.in_auction), 0)::bigint AS auction_volume
        FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at >= d.begins_at AND t.executed_at < d.ends_at
          AND (t.busted_at >= d.ends_at) IS NOT FALSE
    ) AS s
    LEFT JOIN LATERAL (
        SELECT t.price FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at >= d.begins_at AND t.executed_at < d.ends_at
          AND (t.busted_at >= d.ends_at) IS NOT FALSE
        ORDER BY t.executed_at, t.trade_id LIMIT 1
    ) AS f ON true
    LEFT JOIN LATERAL (
        SELECT t.price FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at < d.ends_at
          AND (t.busted_at >= d.ends_at) IS NOT FALSE
        ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1
    ) AS l ON true
    LEFT JOIN LATERAL (
        SELECT t.price FROM exchange.trades AS t
        WHERE t.symbol = i.symbol AND t.executed_at < d.begins_at
          AND (t.busted_at >= d.begins_at) IS NOT FALSE
        ORDER BY t.executed_at DESC, t.trade_id DESC LIMIT 1
    ) AS p ON true
    -- What last traded before all that is in the tables had that price when the date before was closed.
    LEFT JOIN LATERAL (
        SELECT z.close FROM exchange.closed_days AS c
        JOIN exchange.end_of_day_prices AS z ON z.trade_date = c.trade_date AND z.symbol = i.symbol
        WHERE c.ends_at <= d.begins_at
        ORDER BY c.trade_date DESC LIMIT 1
    ) AS z ON true
    -- Nothing is said of the time before it was listed.
    WHERE i.created_at < d.ends_at;
END;
COMMENT ON FUNCTION exchange.trade_summary(date, date) IS
    'The prices of every instrument on every trade date from one to another, both included. The columns are those of exchange.end_of_day_prices, which has what it said of each date that is closed. A trade that was busted by the end of its date does not count; one that was busted after it does.';

CREATE OR REPLACE FUNCTION exchange.tax_lots(account_id integer)
RETURNS TABLE (
    symbol        text,
    currency      text,
    quantity      bigint,
    acquired_by   text,
    acquired_at   timestamptz,
    acquired_with bigint,
    disposed_by   text,
    disposed_at   timestamptz,
    disposed_with bigint,
    closed_at     timestamptz,
    is_short      boolean,
    cost          numeric,
    proceeds      numeric,
    gain          numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    -- First in, first out: the n-th share that came goes with the n-th that went. Where that one
    -- went first it was sold short. `upto` counts them.
    WITH moves AS (
        SELECT m.symbol, m.how, m.comes, m.at, m.reference, m.quantity, m.money,
               sum(m.quantity) OVER (PARTITION BY m.symbol, m.comes
                                     ORDER BY m.at, m.is_trade, m.reference
                                     ROWS UNBOUNDED PRECEDING) AS upto
        FROM (
            SELECT e.symbol, e.side::text AS how, e.side = 'buy' AS comes, e.executed_at AS at,
                   true AS is_trade, e.trade_id AS reference, e.quantity::numeric AS quantity,
                   e.price * e.quantity + CASE e.side WHEN 'buy' THEN e.fee ELSE -e.fee END AS money
            FROM exchange.executions AS e
            WHERE e.account_id = $1 AND e.busted_at IS NULL AND exchange.is_kept('-infinity')
            UNION ALL
            SELECT t.symbol, CASE WHEN t.amount < 0 THEN 'withdrawal' ELSE 'deposit' END,
                   t.amount > 0, t.transferred_at, false, t.sequence, abs(t.amount), NULL
            FROM exchange.transfers AS t
            WHERE t.account_id = $1 AND t.symbol IS NOT NULL
        ) AS m
    ), steps AS (
        -- Wherever one of the two sides goes on to its next row; and which rows those are.
        SELECT DISTINCT m.symbol, m.upto,
               min(m.upto) FILTER (WHERE m.comes) OVER w AS comes_upto,
               min(m.upto) FILTER (WHERE NOT m.comes) OVER w AS goes_upto
        FROM moves AS m
        WINDOW w AS (PARTITION BY m.symbol ORDER BY m.upto DESC)
    ), pieces AS (
        SELECT s.symbol, s.comes_upto, s.goes_upto, s.upto,
               lag(s.upto, 1, 0) OVER (PARTITION BY s.symbol ORDER BY s.upto) AS since
        FROM steps AS s
    )
    SELECT p.symbol, i.currency, (p.upto - p.since)::bigint, c.how, c.at, c.reference,
           g.how, g.at, g.reference, CASE WHEN c.at IS NOT NULL AND g.at IS NOT NULL THEN greatest(c.at, g.at) END,
           CASE WHEN c.at IS NULL THEN true WHEN g.at IS NULL THEN false ELSE g.at < c.at END,
           trim_scale(v.cost), trim_scale(v.proceeds), trim_scale(v.proceeds - v.cost)
    FROM pieces AS p
    JOIN exchange.instruments AS i ON i.symbol = p.symbol
    LEFT JOIN moves AS c ON c.symbol = p.symbol AND c.comes AND c.upto = p.comes_upto
    LEFT JOIN moves AS g ON g.symbol = p.symbol AND NOT g.comes AND g.upto = p.goes_upto
    -- The parts of an amount add up to it: each ends where the next begins.
    CROSS JOIN LATERAL (
        SELECT div(c.money * 1000000000 * (c.quantity - c.upto + p.upto), c.quantity) * 0.000000001
             - div(c.money * 1000000000 * (c.quantity - c.upto + p.since), c.quantity) * 0.000000001,
               div(g.money * 1000000000 * (g.quantity - g.upto + p.upto), g.quantity) * 0.000000001
             - div(g.money * 1000000000 * (g.quantity - g.upto + p.since), g.quantity) * 0.000000001
    ) AS v (cost, proceeds);
END;
COMMENT ON FUNCTION exchange.tax_lots(integer) IS
    'The shares that came into an account and those that went out of it, matched first in, first out: a row a lot. acquired_by: buy or deposit; disposed_by: sell or withdrawal; …_with: the trade id, or the sequence of exchange.transfers. Lots that are still open have no disposal, open short sales no acquisition; of both closed_at is NULL. is_short: it was sold before it was bought. cost: what was paid with the fee, proceeds: what was received less the fee, each of the part of a trade that the lot is, to 9 decimals and adding up to the whole; NULL of deposits (their cost is not known to the venue) and withdrawals (which are no sale), and so is then gain, which is proceeds - cost. Trades that are busted now are left out, as if they had never been made. At the same microsecond deposits and withdrawals come before trades. Nothing for an account that there is not, or that the reader may not see. Error: 55000 (a trade date was archived: lots go back to the first share. A reporting database has all).';
