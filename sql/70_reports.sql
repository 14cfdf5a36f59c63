-- Reports over the tables, in plain SQL: docs/reports.md shows each with an example. Reporting databases
-- have them too: they need the tables, exchange.trading_day_times() and the setting exchange.time_zone. A
-- change of them is also a file in migrations/reporting/.
--
-- A row belongs to one trade date, see exchange.days(). What a trade date says does not change
-- after it, not by a bust either: that is of the date on which it is made. The one exception is tax,
-- which goes by what stands now.
--
-- Functions whose body is SQL proper are planned as a part of the query that calls them: a WHERE of
-- it reaches the indexes of the tables. Names in them are bound when they are created, so
-- they need no search_path of their own, and a path set would keep them from being planned so.

CREATE FUNCTION exchange.midnight(trade_date date)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN ($1::timestamp AT TIME ZONE current_setting('exchange.time_zone'));
COMMENT ON FUNCTION exchange.midnight(date) IS
    'Where a date begins in exchange.time_zone. NULL of NULL.';

CREATE FUNCTION exchange.days("from" date, "to" date)
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

CREATE FUNCTION exchange.period("from" date, "to" date)
RETURNS TABLE (begins_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    -- Where no date is left there is nothing between these two moments, which are then one.
    SELECT coalesce(min(d.begins_at), c.ends_at), coalesce(max(d.ends_at), c.ends_at)
    FROM (SELECT max(c.ends_at) AS ends_at FROM exchange.closed_days AS c
          WHERE c.trade_date < $1) AS c
    LEFT JOIN exchange.days($1, $2) AS d ON true
    GROUP BY c.ends_at;
END;
COMMENT ON FUNCTION exchange.period(date, date) IS
    'From when to before when the trade dates from one to another last, both included: see exchange.days(). One row.';

CREATE FUNCTION exchange.settlement_date(trade_date date)
RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT min(d.trade_date) FROM exchange.trading_day_times($1 + 1, $1 + 31) AS d;
END;
COMMENT ON FUNCTION exchange.settlement_date(date) IS
    'When trades of a trade date settle: the next trading day of the calendar (T+1). NULL if it has none within 31 days. Errors: those of exchange.trading_day_times().';

-- Money and shares --------------------------------------------------------------------------------

CREATE FUNCTION exchange.movements_between("from" timestamptz, "to" timestamptz)
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

CREATE FUNCTION exchange.account_movements("from" date, "to" date)
RETURNS TABLE (
    trade_date  date,
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
    SELECT d.trade_date, m.account_id, m.asset_kind, m.asset, m.movement, m.symbol, m.amount,
           m.occurred_at, m.reference
    FROM exchange.days($1, $2) AS d
    CROSS JOIN LATERAL exchange.movements_between(d.begins_at, d.ends_at) AS m;
END;
COMMENT ON FUNCTION exchange.account_movements(date, date) IS
    'Everything that changed what an account has, over trade dates, both included: as far as the reader may see the accounts. asset_kind, asset: currency and its code, or instrument and its symbol. movement: deposit, withdrawal; buy, sell (of the shares, and of the money without the fee); fee; bust, fee returned (of a trade that was busted then, whenever it was made). symbol: the instrument that was traded; NULL for deposits and withdrawals. amount: what came, below 0 what went, in units of the currency or shares. reference: the trade id; of deposits and withdrawals the sequence of exchange.transfers. Nothing that is 0 is shown.';

CREATE FUNCTION exchange.account_activity("from" date, "to" date)
RETURNS TABLE (
    account_id integer,
    asset_kind text,
    asset      text,
    opening    numeric,
    deposited  numeric,
    withdrawn  numeric,
    bought     numeric,
    sold       numeric,
    fees       numeric,
    busted     numeric,
    closing    numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT b.account_id, b.asset_kind, b.asset,
           trim_scale(b.balance - coalesce(l.total, 0) - coalesce(m.total, 0)),
           coalesce(m.deposited, 0), coalesce(m.withdrawn, 0), coalesce(m.bought, 0),
           coalesce(m.sold, 0), coalesce(m.fees, 0), coalesce(m.busted, 0),
           trim_scale(b.balance - coalesce(l.total, 0))
    FROM (
        SELECT c.account_id, 'currency' AS asset_kind, c.currency AS asset, c.balance
        FROM exchange.cash AS c
        UNION ALL
        SELECT p.account_id, 'instrument', p.symbol, p.quantity
        FROM exchange.positions AS p
    ) AS b
    LEFT JOIN (
        SELECT m.account_id, m.asset_kind, m.asset, sum(m.amount) AS total,
               sum(m.amount) FILTER (WHERE m.movement = 'deposit') AS deposited,
               sum(m.amount) FILTER (WHERE m.movement = 'withdrawal') AS withdrawn,
               sum(m.amount) FILTER (WHERE m.movement = 'buy') AS bought,
               sum(m.amount) FILTER (WHERE m.movement = 'sell') AS sold,
               sum(m.amount) FILTER (WHERE m.movement = 'fee') AS fees,
               sum(m.amount) FILTER (WHERE m.movement IN ('bust', 'fee returned')) AS busted
        FROM exchange.period($1, $2) AS p
        CROSS JOIN LATERAL exchange.movements_between(p.begins_at, p.ends_at) AS m
        GROUP BY m.account_id, m.asset_kind, m.asset
    ) AS m ON m.account_id = b.account_id AND m.asset_kind = b.asset_kind AND m.asset = b.asset
    -- What is of later dates is already in the balances.
    LEFT JOIN (
        SELECT m.account_id, m.asset_kind, m.asset, sum(m.amount) AS total
        FROM exchange.period($1, $2) AS p
        CROSS JOIN LATERAL exchange.movements_between(p.ends_at, 'infinity') AS m
        GROUP BY m.account_id, m.asset_kind, m.asset
    ) AS l ON l.account_id = b.account_id AND l.asset_kind = b.asset_kind AND l.asset = b.asset;
END;
COMMENT ON FUNCTION exchange.account_activity(date, date) IS
    'What every account had when the first of some trade dates began and the last one ended, and what changed it, a row an account and asset: as far as the reader may see the accounts. The columns are those of exchange.end_of_day_statements, which has what it said of each date that is closed. closing is the balance of now less what happened after; opening is that less what happened on these dates.';

CREATE FUNCTION exchange.account_statement(account_id integer, "from" date, "to" date)
RETURNS TABLE (
    asset_kind  text,
    asset       text,
    line        bigint,
    movement    text,
    occurred_at timestamptz,
    symbol      text,
    reference   bigint,
    amount      numeric,
    balance     numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT s.asset_kind, s.asset, row_number() OVER w, s.movement, s.occurred_at, s.symbol,
           s.reference, CASE WHEN s.step = 1 THEN trim_scale(s.amount) END, trim_scale(sum(s.amount) OVER w)
    FROM (
        SELECT a.asset_kind, a.asset, v.step, v.movement, NULL::timestamptz AS occurred_at,
               NULL::text AS symbol, NULL::bigint AS reference, v.amount
        FROM exchange.account_activity($2, $3) AS a
        -- The closing line is what the lines before come to.
        CROSS JOIN LATERAL (VALUES (0, 'opening', a.opening), (2, 'closing', 0)) AS v (step, movement, amount)
        WHERE a.account_id = $1
        UNION ALL
        SELECT m.asset_kind, m.asset, 1, m.movement, m.occurred_at, m.symbol, m.reference, m.amount
        FROM exchange.account_movements($2, $3) AS m
        WHERE m.account_id = $1
    ) AS s
    WINDOW w AS (PARTITION BY s.asset_kind, s.asset
                 ORDER BY s.step, s.occurred_at, s.reference, s.movement LIKE 'fee%', s.movement, s.amount
                 ROWS UNBOUNDED PRECEDING)
    ORDER BY s.asset_kind, s.asset, row_number() OVER w;
END;
COMMENT ON FUNCTION exchange.account_statement(integer, date, date) IS
    'The statement of an account over trade dates, both included: for each currency and each instrument the opening balance, every movement with the balance after it, and the closing balance. line counts from 1 in each. The other columns are those of exchange.account_movements(). Nothing for an account that there is not, or that the reader may not see.';

-- Orders and trades ------------------------------------------------------------------------------

CREATE FUNCTION exchange.trade_history("from" date, "to" date)
RETURNS TABLE (
    trade_date      date,
    trade_id        bigint,
    order_id        bigint,
    account_id      integer,
    symbol          text,
    side            exchange.side,
    liquidity       exchange.liquidity,
    quantity        bigint,
    price           numeric,
    currency        text,
    value           numeric,
    fee             numeric,
    amount          numeric,
    executed_at     timestamptz,
    settlement_date date,
    busted_at       timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT d.trade_date, e.trade_id, e.order_id, e.account_id, e.symbol, e.side, e.liquidity, e.quantity,
           e.price, i.currency, e.price * e.quantity, e.fee,
           CASE e.side WHEN 'buy' THEN -e.price * e.quantity ELSE e.price * e.quantity END - e.fee,
           e.executed_at, d.settlement_date, e.busted_at
    FROM (SELECT d.trade_date, d.begins_at, d.ends_at, exchange.settlement_date(d.trade_date)
          FROM exchange.days($1, $2) AS d
          OFFSET 0) AS d (trade_date, begins_at, ends_at, settlement_date)
    CROSS JOIN exchange.instruments AS i
    JOIN exchange.executions AS e
      ON e.symbol = i.symbol AND e.executed_at >= d.begins_at AND e.executed_at < d.ends_at;
END;
COMMENT ON FUNCTION exchange.trade_history(date, date) IS
    'The trades of accounts over trade dates, both included, a row an execution: as far as the reader may see the accounts. value: price × quantity. amount: the money that the account received, fee paid; below 0 it paid. settlement_date: see exchange.settlement_date(). busted_at: when the trade was cancelled, on whatever date; NULL if it was not. The others are those of exchange.executions. exchange.trades is the public tape, without accounts.';

CREATE FUNCTION exchange.orders_and_executions("from" date, "to" date)
RETURNS TABLE (
    trade_date      date,
    occurred_at     timestamptz,
    line            text,
    order_id        bigint,
    trade_id        bigint,
    account_id      integer,
    client_order_id text,
    symbol          text,
    side            exchange.side,
    order_type      exchange.order_type,
    time_in_force   exchange.time_in_force,
    quantity        bigint,
    price           numeric,
    filled_quantity bigint,
    average_price   numeric,
    status          exchange.order_status,
    reject_reason   exchange.reject_reason,
    cancel_reason   exchange.cancel_reason,
    liquidity       exchange.liquidity,
    fee             numeric,
    busted_at       timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT d.trade_date, o.created_at, 'order', o.order_id, NULL::bigint, o.account_id,
           o.client_order_id, o.symbol, o.side, o.order_type, o.time_in_force, o.quantity, o.price,
           o.filled_quantity, o.turnover / nullif(o.filled_quantity, 0), o.status, o.reject_reason,
           o.cancel_reason, NULL::exchange.liquidity, NULL::numeric, NULL::timestamptz
    FROM exchange.days($1, $2) AS d
    CROSS JOIN exchange.instruments AS i
    JOIN exchange.orders AS o
      ON o.symbol = i.symbol AND o.created_at >= d.begins_at AND o.created_at < d.ends_at
    UNION ALL
    SELECT d.trade_date, e.executed_at, 'execution', e.order_id, e.trade_id, e.account_id,
           o.client_order_id, e.symbol, e.side, o.order_type, o.time_in_force, e.quantity, e.price,
           NULL, NULL, NULL, NULL, NULL, e.liquidity, e.fee, e.busted_at
    FROM exchange.days($1, $2) AS d
    CROSS JOIN exchange.instruments AS i
    JOIN exchange.executions AS e
      ON e.symbol = i.symbol AND e.executed_at >= d.begins_at AND e.executed_at < d.ends_at
    LEFT JOIN exchange.orders AS o ON o.order_id = e.order_id;
END;
COMMENT ON FUNCTION exchange.orders_and_executions(date, date) IS
    'The consolidated report of orders and executions over trade dates, both included: a line for every order that was entered on them, rejected ones too, and a line for every execution on them, also of orders entered before; as far as the reader may see the accounts. ORDER BY order_id, trade_id NULLS FIRST puts executions under their order. line: order or execution. quantity, price: ordered and limit price, or executed and at which price. filled_quantity to cancel_reason: of the order as it stands now; NULL for executions. trade_id, liquidity, fee, busted_at: of the execution; NULL for orders.';

CREATE FUNCTION exchange.trade_summary("from" date, "to" date)
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

-- Settlement --------------------------------------------------------------------------------------

CREATE FUNCTION exchange.net_obligations("from" date, "to" date)
RETURNS TABLE (
    trade_date      date,
    account_id      integer,
    symbol          text,
    currency        text,
    settlement_date date,
    quantity        bigint,
    amount          numeric,
    fees            numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT n.trade_date, n.account_id, n.symbol, i.currency, exchange.settlement_date(n.trade_date),
           n.quantity::bigint, n.amount, n.fees
    FROM (
        SELECT m.trade_date, m.account_id, m.symbol,
               coalesce(sum(m.amount) FILTER (WHERE m.asset_kind = 'instrument'), 0) AS quantity,
               coalesce(sum(m.amount) FILTER (WHERE m.asset_kind = 'currency'), 0) AS amount,
               coalesce(sum(m.amount) FILTER (WHERE m.movement IN ('fee', 'fee returned')), 0) AS fees
        FROM exchange.account_movements($1, $2) AS m
        WHERE m.symbol IS NOT NULL
        GROUP BY m.trade_date, m.account_id, m.symbol
    ) AS n
    JOIN exchange.instruments AS i ON i.symbol = n.symbol
    WHERE n.quantity <> 0 OR n.amount <> 0;
END;
COMMENT ON FUNCTION exchange.net_obligations(date, date) IS
    'What every account has to deliver and to receive for the trades of each trade date from one to another, both included, netted by account, instrument and currency, with fees: as far as the reader may see the accounts. A trade that is busted on a later date is taken back in the net of that date. The columns are those of exchange.settlement_obligations, which has what it said of each date that is closed. Of each instrument the quantities add up to 0, of each currency the amounts to what the venue earned, with the sign changed.';

-- Tax ---------------------------------------------------------------------------------------------

CREATE FUNCTION exchange.tax_lots(account_id integer)
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

CREATE FUNCTION exchange.realised_gains("from" date, "to" date)
RETURNS TABLE (
    account_id             integer,
    symbol                 text,
    currency               text,
    quantity               bigint,
    proceeds               numeric,
    cost                   numeric,
    gain                   numeric,
    quantity_without_cost  bigint,
    proceeds_without_cost  numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT a.account_id, l.symbol, l.currency,
           coalesce(sum(l.quantity) FILTER (WHERE l.cost IS NOT NULL), 0)::bigint,
           coalesce(sum(l.proceeds) FILTER (WHERE l.cost IS NOT NULL), 0),
           coalesce(sum(l.cost), 0), coalesce(sum(l.gain), 0),
           coalesce(sum(l.quantity) FILTER (WHERE l.cost IS NULL), 0)::bigint,
           coalesce(sum(l.proceeds) FILTER (WHERE l.cost IS NULL), 0)
    FROM exchange.period($1, $2) AS p
    CROSS JOIN exchange.accounts AS a
    CROSS JOIN LATERAL exchange.tax_lots(a.account_id) AS l
    WHERE l.closed_at >= p.begins_at AND l.closed_at < p.ends_at AND l.disposed_by = 'sell'
    GROUP BY a.account_id, l.symbol, l.currency;
END;
COMMENT ON FUNCTION exchange.realised_gains(date, date) IS
    'What every account gained by selling over trade dates, both included, by instrument: the lots of exchange.tax_lots() that were closed then, as far as the reader may see the accounts. quantity, proceeds, cost, gain: of shares whose cost is known; gain = proceeds - cost. quantity_without_cost, proceeds_without_cost: of shares that were deposited. It goes by what is busted now.';

CREATE FUNCTION exchange.tax_report("year" integer)
RETURNS TABLE (
    account_id             integer,
    symbol                 text,
    currency               text,
    quantity               bigint,
    proceeds               numeric,
    cost                   numeric,
    gain                   numeric,
    quantity_without_cost  bigint,
    proceeds_without_cost  numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT g.account_id, g.symbol, g.currency, g.quantity, g.proceeds, g.cost, g.gain,
           g.quantity_without_cost, g.proceeds_without_cost
    FROM exchange.realised_gains(make_date($1, 1, 1), make_date($1, 12, 31)) AS g;
END;
COMMENT ON FUNCTION exchange.tax_report(integer) IS
    'exchange.realised_gains() of the trade dates of a year. Error: 22008 (no such year).';

-- Surveillance ------------------------------------------------------------------------------------

CREATE FUNCTION exchange.order_to_trade_ratios("from" date, "to" date)
RETURNS TABLE (
    account_id       integer,
    symbol           text,
    orders           bigint,
    rejected         bigint,
    cancelled        bigint,
    ordered_quantity numeric,
    executions       bigint,
    traded_quantity  numeric,
    order_ratio      numeric,
    quantity_ratio   numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT coalesce(o.account_id, e.account_id), coalesce(o.symbol, e.symbol),
           coalesce(o.orders, 0), coalesce(o.rejected, 0), coalesce(o.cancelled, 0), coalesce(o.quantity, 0),
           coalesce(e.executions, 0), coalesce(e.quantity, 0),
           round(coalesce(o.orders, 0)::numeric / e.executions, 4),
           round(coalesce(o.quantity, 0) / e.quantity, 4)
    FROM (
        SELECT o.account_id, o.symbol, count(*) AS orders,
               count(*) FILTER (WHERE o.status = 'rejected') AS rejected,
               count(*) FILTER (WHERE o.status = 'cancelled') AS cancelled,
               sum(o.quantity) AS quantity
        FROM exchange.period($1, $2) AS p
        CROSS JOIN exchange.instruments AS i
        JOIN exchange.orders AS o
          ON o.symbol = i.symbol AND o.created_at >= p.begins_at AND o.created_at < p.ends_at
        GROUP BY o.account_id, o.symbol
    ) AS o
    FULL JOIN (
        SELECT e.account_id, e.symbol, count(*) AS executions, sum(e.quantity) AS quantity
        FROM exchange.period($1, $2) AS p
        CROSS JOIN exchange.instruments AS i
        JOIN exchange.executions AS e
          ON e.symbol = i.symbol AND e.executed_at >= p.begins_at AND e.executed_at < p.ends_at
        GROUP BY e.account_id, e.symbol
    ) AS e ON e.account_id = o.account_id AND e.symbol = o.symbol;
END;
COMMENT ON FUNCTION exchange.order_to_trade_ratios(date, date) IS
    'How much every account ordered and how much it traded over trade dates, both included, by instrument: as far as the reader may see the accounts. orders: entered on these dates, rejected ones too. cancelled: those of them that ended so by now, for whatever reason. executions, traded_quantity: on these dates, busted ones too. order_ratio: orders / executions; quantity_ratio: ordered_quantity / traded_quantity; to 4 decimals, NULL where nothing traded.';

CREATE FUNCTION exchange.wash_trade_candidates("from" date, "to" date, "within" interval DEFAULT '5 minutes')
RETURNS TABLE (
    pattern             text,
    trade_id            bigint,
    executed_at         timestamptz,
    symbol              text,
    price               numeric,
    quantity            bigint,
    buyer_account_id    integer,
    buyer               text,
    seller_account_id   integer,
    seller              text,
    previous_trade_id   bigint,
    previous_price      numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
BEGIN ATOMIC
    SELECT CASE WHEN t.buyer = t.seller THEN 'same owner' ELSE 'round trip' END,
           t.trade_id, t.executed_at, t.symbol, t.price, t.quantity, t.buyer_account_id, t.buyer,
           t.seller_account_id, t.seller,
           CASE WHEN t.buyer <> t.seller THEN t.previous_trade_id END,
           CASE WHEN t.buyer <> t.seller THEN t.previous_price END
    FROM (
        SELECT t.trade_id, t.executed_at, t.symbol, t.price, t.quantity,
               t.buyer_account_id, b.owner AS buyer, t.seller_account_id, s.owner AS seller,
               -- The last trade of the same quantity between these two.
               lag(t.trade_id) OVER w AS previous_trade_id,
               lag(t.price) OVER w AS previous_price,
               lag(t.executed_at) OVER w AS previous_at,
               lag(s.owner) OVER w AS previous_seller
        FROM (
            SELECT e.trade_id, e.executed_at, e.symbol, e.price, e.quantity,
                   max(e.account_id) FILTER (WHERE e.side = 'buy') AS buyer_account_id,
                   max(e.account_id) FILTER (WHERE e.side = 'sell') AS seller_account_id
            FROM exchange.period($1, $2) AS p
            CROSS JOIN exchange.instruments AS i
            JOIN exchange.executions AS e
              ON e.symbol = i.symbol AND e.executed_at >= p.begins_at AND e.executed_at < p.ends_at
            WHERE e.busted_at IS NULL
            GROUP BY e.trade_id, e.executed_at, e.symbol, e.price, e.quantity
        ) AS t
        JOIN exchange.accounts AS b ON b.account_id = t.buyer_account_id
        JOIN exchange.accounts AS s ON s.account_id = t.seller_account_id
        WINDOW w AS (PARTITION BY t.symbol, t.quantity, least(b.owner, s.owner), greatest(b.owner, s.owner)
                     ORDER BY t.trade_id)
    ) AS t
    WHERE t.buyer = t.seller
       OR t.previous_seller = t.buyer AND t.executed_at - t.previous_at <= $3;
END;
COMMENT ON FUNCTION exchange.wash_trade_candidates(date, date, interval) IS
    'Trades over trade dates, both included, after which nobody has more or less than before. same owner: both accounts are of one owner. round trip: the two owners traded the same quantity of the instrument the other way round, previous_trade_id at previous_price, at most so long before; between them they made no other trade of it of this quantity in the meantime. Busted trades are left out. For those who may see all accounts: candidates are where to look, no proof.';

CREATE FUNCTION exchange.layering_candidates(
    "from"   date,
    "to"     date,
    lifetime interval DEFAULT '5 seconds',
    size     numeric DEFAULT 5)
RETURNS TABLE (
    owner               text,
    account_id          integer,
    order_id            bigint,
    symbol              text,
    side                exchange.side,
    price               numeric,
    quantity            bigint,
    filled_quantity     bigint,
    placed_at           timestamptz,
    cancelled_at        timestamptz,
    times_average_trade numeric,
    executions          bigint,
    executed_quantity   numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
BEGIN ATOMIC
    SELECT o.owner, o.account_id, o.order_id, o.symbol, o.side, o.price, o.quantity, o.filled_quantity,
           o.created_at, o.updated_at, round(o.quantity * o.trades / o.traded, 2), e.executions, e.quantity
    FROM (
        SELECT a.owner, o.account_id, o.order_id, o.symbol, o.side, o.price, o.quantity, o.filled_quantity,
               o.created_at, o.updated_at, v.trades, v.traded
        FROM exchange.period($1, $2) AS p
        CROSS JOIN exchange.instruments AS i
        CROSS JOIN LATERAL (
            SELECT count(*) AS trades, sum(t.quantity) AS traded FROM exchange.trades AS t
            WHERE t.symbol = i.symbol AND t.executed_at >= p.begins_at AND t.executed_at < p.ends_at
        ) AS v
        JOIN exchange.finished_orders AS o
          ON o.symbol = i.symbol AND o.created_at >= p.begins_at AND o.created_at < p.ends_at
        JOIN exchange.accounts AS a ON a.account_id = o.account_id
        WHERE o.cancel_reason = 'requested' AND o.updated_at - o.created_at <= $3
          -- At least so many times the average, without rounding that.
          AND o.quantity * v.trades >= $4 * v.traded
    ) AS o
    CROSS JOIN LATERAL (
        SELECT count(*) AS executions, sum(e.quantity) AS quantity
        FROM exchange.executions AS e
        JOIN exchange.accounts AS a ON a.account_id = e.account_id AND a.owner = o.owner
        WHERE e.symbol = o.symbol AND e.side <> o.side
          AND e.executed_at BETWEEN o.created_at AND o.updated_at
    ) AS e
    WHERE e.executions > 0;
END;
COMMENT ON FUNCTION exchange.layering_candidates(date, date, interval, numeric) IS
    'Large orders entered over trade dates, both included, that were cancelled on request within lifetime, and while which their owner traded on the other side, by whatever account: what it looks like when a book is made to look deeper than it is. Large: at least size times the average trade of the instrument on these dates. executions, executed_quantity: of the owner on the other side while the order was there. For those who may see all accounts: candidates are where to look, no proof.';

CREATE FUNCTION exchange.large_positions(trade_date date, share numeric DEFAULT 0.1)
RETURNS TABLE (symbol text, owner text, quantity numeric, total numeric, part numeric)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
BEGIN ATOMIC
    SELECT h.symbol, h.owner, h.quantity, h.total, round(abs(h.quantity) / h.total, 6)
    FROM (
        SELECT b.asset AS symbol, a.owner, sum(b.closing) AS quantity,
               sum(sum(greatest(b.closing, 0))) OVER (PARTITION BY b.asset) AS total
        FROM exchange.account_activity($1, $1) AS b
        JOIN exchange.accounts AS a ON a.account_id = b.account_id
        WHERE b.asset_kind = 'instrument'
        GROUP BY b.asset, a.owner
    ) AS h
    WHERE h.total > 0 AND abs(h.quantity) >= $2 * h.total AND h.quantity <> 0;
END;
COMMENT ON FUNCTION exchange.large_positions(date, numeric) IS
    'Owners who, at the end of a trade date, have in all their accounts together at least a share (0.1 is 10 %) of what all accounts have of an instrument, or owe as much. total: what all accounts have that do not owe. part: how much of it, to 6 decimals. For those who may see all accounts.';
