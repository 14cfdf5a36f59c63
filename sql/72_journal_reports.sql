-- Reports that need the library: they read the journal, and the blocks of public events.

CREATE FUNCTION exchange.last_sequence_before(at timestamptz)
RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    time_us CONSTANT numeric := extract(epoch FROM at) * 1000000 - 946684800000000;
    -- Every row that begins with `low` or before begins before that time, none that begins with
    -- `high` or after does.
    low  bigint := 0;
    high bigint := coalesce((SELECT max(j.last_sequence) FROM exchange.journal AS j), 0) + 1;
    middle bigint;
    found_row record;
BEGIN
    PERFORM exchange.is_kept(at);
    WHILE low + 1 < high LOOP
        middle := (low + high) / 2;
        SELECT j.first_sequence, j.first_time_us INTO found_row
        FROM exchange.journal AS j
        WHERE j.first_sequence BETWEEN low + 1 AND middle
        ORDER BY j.first_sequence DESC
        LIMIT 1;
        IF NOT FOUND OR found_row.first_time_us < time_us THEN
            low := middle;
        ELSE
            high := found_row.first_sequence;
        END IF;
    END LOOP;
    RETURN coalesce((
        SELECT max(c.sequence)
        FROM (SELECT j.commands, j.first_sequence, j.first_time_us
              FROM exchange.journal AS j
              WHERE j.first_sequence <= low
              ORDER BY j.first_sequence DESC
              LIMIT 1) AS j
        CROSS JOIN LATERAL exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS c
        WHERE c.at < last_sequence_before.at),
        -- What was before all that is in the tables.
        (SELECT max(d.last_sequence) FROM exchange.archived_days AS d), 0);
END
$$;
COMMENT ON FUNCTION exchange.last_sequence_before(timestamptz) IS
    'The last command of the journal before a moment; 0 if there is none. It looks at a few rows, whatever the size of the journal. Errors: 55000 (that was archived), XX001 (the row that has it is damaged).';

CREATE FUNCTION exchange.audit_trail(order_id bigint)
RETURNS TABLE (
    occurred_at timestamptz,
    sequence    bigint,
    action      text,
    actor       text,
    price       numeric,
    quantity    bigint,
    trade_id    bigint,
    reason      text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10
BEGIN ATOMIC
    WITH subject AS (
        SELECT o.order_id, o.account_id, o.symbol, o.side, o.status, o.reject_reason, o.cancel_reason, o.client_order_id,
               o.filled_quantity, o.updated_at, a.owner, i.instrument_id, i.tick_size,
               o.remaining_quantity > 0 AS is_open,
               exchange.last_sequence_before(o.updated_at) AS sequence_before,
               exchange.last_sequence_before(o.updated_at + interval '1 microsecond') AS sequence_after
        FROM exchange.orders AS o
        JOIN exchange.accounts AS a ON a.account_id = o.account_id
        JOIN exchange.instruments AS i ON i.symbol = o.symbol
        WHERE o.order_id = $1
    )
    SELECT t.occurred_at, t.sequence, t.action, t.actor, t.price, t.quantity, t.trade_id, t.reason
    FROM (
        -- What was asked of it.
        SELECT 0 AS step, c.at AS occurred_at, c.sequence, replace(c.command, '_order', '') AS action,
               CASE WHEN c.command = 'place_order' THEN s.owner
                    WHEN c.participant_id = 0 THEN 'venue' ELSE p.role END AS actor,
               nullif(c.price_ticks, 0) * s.tick_size AS price, nullif(c.quantity, 0) AS quantity,
               NULL::bigint AS trade_id, NULL::text AS reason
        FROM subject AS s
        CROSS JOIN LATERAL exchange.journal_commands(
            s.order_id, CASE WHEN s.is_open THEN 9223372036854775806 ELSE greatest(s.order_id, s.sequence_after) END,
            s.order_id) AS c
        LEFT JOIN exchange.participants AS p ON p.participant_id = c.participant_id
        UNION ALL
        SELECT 1, e.executed_at, NULL, 'execution', NULL, e.price, e.quantity, e.trade_id, e.liquidity::text
        FROM exchange.executions AS e WHERE e.order_id = $1
        UNION ALL
        SELECT 3, e.busted_at, NULL, 'bust', 'venue', e.price, e.quantity, e.trade_id, NULL
        FROM exchange.executions AS e WHERE e.order_id = $1 AND e.busted_at IS NOT NULL
        UNION ALL
        -- How it ended, and who asked for that, by whatever command.
        SELECT 2, s.updated_at, NULL, s.status::text,
               CASE WHEN s.cancel_reason = 'session_ended' THEN s.owner
                    WHEN s.cancel_reason IN ('requested', 'kill_switch') THEN e.actor
                    ELSE 'exchange' END,
               NULL, s.filled_quantity, NULL, coalesce(s.reject_reason::text, s.cancel_reason::text)
        FROM subject AS s
        LEFT JOIN LATERAL (
            SELECT CASE WHEN c.participant_id = 0 THEN 'venue' ELSE p.role END AS actor
            FROM exchange.journal_commands(
                least(s.sequence_before + 1, s.sequence_after), s.sequence_after) AS c
            LEFT JOIN exchange.participants AS p ON p.participant_id = c.participant_id
            WHERE CASE c.command
                WHEN 'cancel_order' THEN c.order_id = s.order_id
                WHEN 'replace_order' THEN c.order_id = s.order_id
                WHEN 'cancel_client_order' THEN c.account_id = s.account_id
                    AND c.details ->> 'client_order_id' = s.client_order_id
                WHEN 'cancel_orders' THEN (c.account_id = s.account_id) IS NOT FALSE
                    AND (c.instrument_id = s.instrument_id) IS NOT FALSE
                    AND (c.side = s.side::text) IS NOT FALSE
                    AND (c.participant_id = 0 OR p.role = s.owner)
                WHEN 'set_kill_switch' THEN c.account_id = s.account_id
                    AND s.cancel_reason = 'kill_switch'
                ELSE false END
              AND c.at = s.updated_at
            ORDER BY c.sequence DESC
            LIMIT 1
        ) AS e ON s.cancel_reason IN ('requested', 'kill_switch')
        WHERE NOT s.is_open
    ) AS t
    ORDER BY t.occurred_at, t.step, t.sequence, t.trade_id;
END;
COMMENT ON FUNCTION exchange.audit_trail(bigint) IS
    'The life of one order, oldest first: what was asked of it (place, reduce, replace, cancel; from the journal), what it traded (execution, bust), and how it ended (filled, cancelled, rejected or expired). sequence: of the command. actor: who asked, a role, or venue; the owner of the account where the journal does not say it (placing, the end of a session); exchange for what happened by the rules. price: as asked or traded; NULL where it was left out. quantity: as asked or traded; of the end, what had traded. reason: the reject or cancel reason of the end; liquidity of an execution. A request that was declined is there and changed nothing. Nothing for an unknown order. Error: XX001 (the journal is damaged).';

CREATE FUNCTION exchange.audit_trails("from" date, "to" date)
RETURNS TABLE (
    occurred_at timestamptz,
    sequence    bigint,
    order_id    bigint,
    account_id  integer,
    symbol      text,
    action      text,
    actor       text,
    price       numeric,
    quantity    bigint,
    trade_id    bigint,
    reason      text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1000
BEGIN ATOMIC
    WITH bounds AS MATERIALIZED (
        SELECT p.begins_at, p.ends_at, exchange.last_sequence_before(p.begins_at) + 1 AS first_sequence,
               exchange.last_sequence_before(p.ends_at) AS last_sequence
        FROM exchange.period($1, $2) AS p
    ), commands AS MATERIALIZED (
        SELECT c.at, c.sequence, c.command, c.participant_id, c.account_id, c.order_id, c.instrument_id,
               c.side, c.price_ticks, c.quantity, c.details
        -- Row by row, so that the planner sees that there are many.
        FROM bounds AS b
        JOIN exchange.journal AS j
          ON j.first_sequence >= (SELECT max(f.first_sequence) FROM exchange.journal AS f
                                  WHERE f.first_sequence <= b.first_sequence)
         AND j.first_sequence <= b.last_sequence
        CROSS JOIN LATERAL exchange.decode_journal(j.commands, j.first_sequence, j.first_time_us) AS c
        WHERE c.sequence BETWEEN b.first_sequence AND b.last_sequence
          AND c.command IN ('place_order', 'reduce_order', 'replace_order', 'cancel_order',
                            'cancel_client_order', 'cancel_orders', 'set_kill_switch')
    )
    SELECT c.at, c.sequence, c.order_id, coalesce(o.account_id, c.account_id), coalesce(s.symbol, n.symbol),
           CASE WHEN c.command = 'place_order' AND o.order_id IS NULL THEN 'retry'
                ELSE regexp_replace(c.command, '_order$', '') END,
           CASE WHEN c.command = 'place_order' THEN a.owner
                WHEN c.participant_id = 0 THEN 'venue' ELSE p.role END,
           nullif(c.price_ticks, 0) * coalesce(s.tick_size, n.tick_size), nullif(c.quantity, 0), NULL::bigint,
           c.details ->> 'client_order_id'
    FROM commands AS c
    LEFT JOIN exchange.orders AS o ON o.order_id = c.order_id
    LEFT JOIN exchange.instruments AS s ON s.symbol = o.symbol
    LEFT JOIN exchange.instruments AS n ON n.instrument_id = c.instrument_id
    LEFT JOIN exchange.accounts AS a ON a.account_id = coalesce(o.account_id, c.account_id)
    LEFT JOIN exchange.participants AS p ON p.participant_id = c.participant_id
    UNION ALL
    SELECT e.executed_at, NULL, e.order_id, e.account_id, e.symbol, 'execution', NULL, e.price, e.quantity,
           e.trade_id, e.liquidity::text
    FROM bounds AS b
    CROSS JOIN exchange.instruments AS i
    JOIN exchange.executions AS e
      ON e.symbol = i.symbol AND e.executed_at >= b.begins_at AND e.executed_at < b.ends_at
    UNION ALL
    SELECT t.busted_at, NULL, e.order_id, e.account_id, e.symbol, 'bust', 'venue', e.price, e.quantity,
           e.trade_id, NULL
    FROM bounds AS b
    JOIN exchange.busted_trades AS t ON t.busted_at >= b.begins_at AND t.busted_at < b.ends_at
    JOIN exchange.trades AS r ON r.trade_id = t.trade_id
    JOIN exchange.executions AS e
      ON e.symbol = r.symbol AND e.executed_at = r.executed_at AND e.trade_id = r.trade_id
    UNION ALL
    SELECT o.updated_at, NULL, o.order_id, o.account_id, o.symbol, o.status::text, NULL, NULL, o.filled_quantity,
           NULL, coalesce(o.reject_reason::text, o.cancel_reason::text)
    FROM bounds AS b
    JOIN exchange.finished_orders AS o ON o.updated_at >= b.begins_at AND o.updated_at < b.ends_at;
END;
COMMENT ON FUNCTION exchange.audit_trails(date, date) IS
    'The audit trail of all orders over trade dates, both included: every request that is in the journal, every execution and bust, and how orders ended. The columns are those of exchange.audit_trail(), with the order, its account and symbol. Requests that name no order (cancel_orders, cancel_client, set_kill_switch) are lines of their own, with the client order id as reason; the ends that they caused have the same occurred_at. retry: a place with a client_order_id that was used already, of which no order came. ORDER BY order_id, occurred_at puts each life together. Error: XX001 (the journal is damaged).';

CREATE FUNCTION exchange.effective_spreads("from" date, "to" date, of_symbol text DEFAULT NULL)
RETURNS TABLE (
    trade_id         bigint,
    order_id         bigint,
    account_id       integer,
    symbol           text,
    side             exchange.side,
    executed_at      timestamptz,
    price            numeric,
    quantity         bigint,
    bid_price        numeric,
    ask_price        numeric,
    midpoint         numeric,
    quoted_spread    numeric,
    effective_spread numeric)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1000
BEGIN ATOMIC
    SELECT m.trade_id, m.order_id, m.account_id, m.symbol, m.side, m.executed_at, m.price, m.quantity,
           m.bid, m.ask, trim_scale((m.bid + m.ask) / 2), m.ask - m.bid,
           trim_scale(2 * abs(m.price - (m.bid + m.ask) / 2))
    FROM (
        SELECT m.trade_id, m.order_id, m.account_id, m.symbol, m.side, m.executed_at, m.price, m.quantity,
               first_value(m.bid_price) OVER w AS bid, first_value(m.ask_price) OVER w AS ask
        FROM (
            -- Behind each quote, and with its number, what was entered while it was in force.
            SELECT m.*, count(*) FILTER (WHERE m.order_id IS NULL) OVER w AS quote
            FROM (
                SELECT q.symbol, q.sequence, q.bid_price, q.ask_price, NULL::bigint AS trade_id,
                       NULL::bigint AS order_id, NULL::integer AS account_id, NULL::exchange.side AS side,
                       NULL::timestamptz AS executed_at, NULL::numeric AS price, NULL::bigint AS quantity
                FROM exchange.period($1, $2) AS p
                CROSS JOIN LATERAL exchange.quote_history($3, p.begins_at, p.ends_at) AS q
                UNION ALL
                SELECT e.symbol, e.order_id, NULL, NULL, e.trade_id, e.order_id, e.account_id, e.side,
                       e.executed_at, e.price, e.quantity
                FROM exchange.period($1, $2) AS p
                CROSS JOIN exchange.instruments AS i
                JOIN exchange.executions AS e
                  ON e.symbol = i.symbol AND e.executed_at >= p.begins_at AND e.executed_at < p.ends_at
                WHERE (e.symbol = $3) IS NOT FALSE AND e.liquidity = 'taker' AND e.busted_at IS NULL
            ) AS m
            -- An order did not see the quote that it made.
            WINDOW w AS (PARTITION BY m.symbol ORDER BY m.sequence, m.trade_id NULLS LAST
                         ROWS UNBOUNDED PRECEDING)
        ) AS m
        WINDOW w AS (PARTITION BY m.symbol, m.quote ORDER BY m.sequence, m.trade_id NULLS FIRST
                     ROWS UNBOUNDED PRECEDING)
    ) AS m
    WHERE m.order_id IS NOT NULL;
END;
COMMENT ON FUNCTION exchange.effective_spreads(date, date, text) IS
    'What every execution of an incoming order (taker) cost against the quote at its entry, over trade dates, both included, for one symbol or, by default, for all: as far as the reader may see the accounts. bid_price, ask_price: the best displayed quote just before the order came in. midpoint: between them. quoted_spread: ask - bid. effective_spread: 2 × |price - midpoint|; for a stop order too it goes by its entry. NULL where one side was empty, and for orders that were entered on an earlier date. Busted trades are left out. Errors: 42704 (unknown symbol), XX001 (a damaged block of events).';

CREATE FUNCTION exchange.execution_quality("from" date, "to" date, of_symbol text DEFAULT NULL)
RETURNS TABLE (
    account_id            integer,
    symbol                text,
    orders                bigint,
    orders_with_execution bigint,
    orders_filled         bigint,
    ordered_quantity      numeric,
    filled_quantity       numeric,
    fill_rate             numeric,
    time_to_first_fill    interval,
    time_to_fill          interval,
    measured_quantity     numeric,
    quoted_spread         numeric,
    effective_spread      numeric)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1000
BEGIN ATOMIC
    SELECT coalesce(o.account_id, s.account_id), coalesce(o.symbol, s.symbol),
           coalesce(o.orders, 0), coalesce(o.with_execution, 0), coalesce(o.filled, 0),
           coalesce(o.ordered_quantity, 0), coalesce(o.filled_quantity, 0),
           round(o.filled_quantity / o.ordered_quantity, 6),
           o.to_first_fill, o.to_fill, coalesce(s.quantity, 0), trim_scale(round(s.quoted_spread, 9)),
           trim_scale(round(s.effective_spread, 9))
    FROM (
        SELECT o.account_id, o.symbol, count(*) AS orders,
               count(*) FILTER (WHERE o.filled_quantity > 0) AS with_execution,
               count(*) FILTER (WHERE o.status = 'filled') AS filled,
               sum(o.quantity) AS ordered_quantity, sum(o.filled_quantity) AS filled_quantity,
               avg(f.first_at - o.created_at) AS to_first_fill,
               avg(o.updated_at - o.created_at) FILTER (WHERE o.status = 'filled') AS to_fill
        FROM exchange.period($1, $2) AS p
        CROSS JOIN exchange.instruments AS i
        JOIN exchange.orders AS o
          ON o.symbol = i.symbol AND o.created_at >= p.begins_at AND o.created_at < p.ends_at
        LEFT JOIN LATERAL (
            SELECT min(e.executed_at) AS first_at FROM exchange.executions AS e WHERE e.order_id = o.order_id
        ) AS f ON o.filled_quantity > 0
        WHERE (i.symbol = $3) IS NOT FALSE AND o.status <> 'rejected'
        GROUP BY o.account_id, o.symbol
    ) AS o
    FULL JOIN (
        SELECT s.account_id, s.symbol, sum(s.quantity) AS quantity,
               sum(s.quoted_spread * s.quantity) / sum(s.quantity) AS quoted_spread,
               sum(s.effective_spread * s.quantity) / sum(s.quantity) AS effective_spread
        FROM exchange.effective_spreads($1, $2, $3) AS s
        WHERE s.effective_spread IS NOT NULL
        GROUP BY s.account_id, s.symbol
    ) AS s ON s.account_id = o.account_id AND s.symbol = o.symbol;
END;
COMMENT ON FUNCTION exchange.execution_quality(date, date, text) IS
    'How well the orders of every account were executed that were entered over trade dates, both included, by instrument; for one symbol or, by default, for all: as far as the reader may see the accounts. orders: without rejected ones. filled_quantity: what of them has traded by now; fill_rate: that / ordered_quantity, to 6 decimals. time_to_first_fill, time_to_fill: from entry to the first execution, and to the last one of orders that are filled, on average; NULL where there is none. measured_quantity: what exchange.effective_spreads() knows; quoted_spread, effective_spread: its averages by quantity, to 9 decimals; NULL where it is 0. Errors: those of exchange.effective_spreads().';
