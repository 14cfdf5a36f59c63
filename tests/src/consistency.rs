//! What the tables must say of each other, whatever the journal says.

use crate::Session;

/// Waits until the tables show everything, and panics where they contradict each other.
#[track_caller]
pub fn assert_consistent(session: &mut Session) {
    session.wait_for_tables();
    let found = contradictions(session);
    assert!(found.is_empty(), "the tables contradict each other:\n{}", found.join("\n"));
}

/// Every rule that is broken, with some of the rows that break it.
pub fn contradictions(session: &mut Session) -> Vec<String> {
    let mut broken = |(rule, violations): &(&str, &str)| {
        let rows = session.rows(violations);
        (!rows.is_empty()).then(|| format!("{rule}; not so: {rows:?}"))
    };
    RULES.iter().filter_map(&mut broken).collect()
}

/// Rules, each with a query for what breaks it.
const RULES: &[(&str, &str)] = &[
    (
        "a trade has two executions, of a buying and a selling order, of a maker and a taker, or both
         in an auction; they are busted with it",
        "SELECT trade_id, count(e)
         FROM exchange.trades AS t LEFT JOIN exchange.executions AS e
              USING (trade_id, symbol, price, quantity, executed_at)
         GROUP BY trade_id, t.in_auction, t.taker_side
         HAVING count(e) <> 2 OR count(DISTINCT e.side) <> 2
             OR array_agg(e.liquidity ORDER BY e.liquidity) <>
                    CASE WHEN in_auction THEN '{auction,auction}' ELSE '{maker,taker}' END
                        ::exchange.liquidity[]
             OR min(e.side) FILTER (WHERE e.liquidity = 'taker') <> t.taker_side
             OR count(e.busted_at) <> 2 * count(DISTINCT t.busted_at)
         LIMIT 5",
    ),
    (
        "an execution is of a trade",
        "SELECT e.* FROM exchange.executions AS e
         WHERE NOT EXISTS (SELECT FROM exchange.trades AS t WHERE t.trade_id = e.trade_id) LIMIT 5",
    ),
    (
        "trade ids are dense and in the order of time",
        "SELECT trade_id FROM (
             SELECT trade_id, executed_at, lag(executed_at) OVER place AS before,
                    row_number() OVER place AS n
             FROM exchange.trades WINDOW place AS (ORDER BY trade_id)) AS t
         WHERE trade_id <> n OR executed_at < before LIMIT 5",
    ),
    (
        "what an order has filled is the sum of its executions",
        "SELECT o.order_id, o.filled_quantity, o.turnover, e.quantity, e.turnover
         FROM exchange.orders AS o
         LEFT JOIN (SELECT order_id, sum(quantity) AS quantity, sum(price * quantity) AS turnover
                    FROM exchange.executions GROUP BY order_id) AS e USING (order_id)
         WHERE (o.filled_quantity, o.turnover) <> (coalesce(e.quantity, 0), coalesce(e.turnover, 0))
         LIMIT 5",
    ),
    (
        "an execution is of its order",
        "SELECT e.* FROM exchange.executions AS e
         WHERE NOT EXISTS (
             SELECT FROM exchange.orders AS o
             WHERE o.order_id = e.order_id AND o.symbol = e.symbol AND o.side = e.side
               AND o.account_id = e.account_id
               AND e.executed_at BETWEEN o.created_at AND o.updated_at)
         LIMIT 5",
    ),
    (
        "a status goes with the quantities",
        "SELECT order_id, status, quantity, filled_quantity, remaining_quantity
         FROM exchange.orders
         WHERE NOT CASE status
             WHEN 'open' THEN filled_quantity = 0 AND remaining_quantity = quantity
             WHEN 'partially_filled' THEN filled_quantity > 0 AND remaining_quantity > 0
                                      AND filled_quantity + remaining_quantity = quantity
             WHEN 'filled' THEN filled_quantity = quantity AND remaining_quantity = 0
             WHEN 'cancelled' THEN filled_quantity < quantity AND remaining_quantity = 0
             WHEN 'expired' THEN filled_quantity < quantity AND remaining_quantity = 0
             WHEN 'rejected' THEN filled_quantity = 0 AND remaining_quantity = 0
         END OR (status = 'rejected') <> (reject_reason IS NOT NULL)
             OR (status IN ('cancelled', 'expired')) <> (cancel_reason IS NOT NULL)
             OR (status = 'expired') <> (cancel_reason IS NOT DISTINCT FROM 'expired')
             OR quantity <= 0 OR updated_at < created_at
             -- A market order waits for an auction that is collected.
             OR (time_in_force IN ('IOC', 'FOK') AND order_type <> 'market'
                 AND status IN ('open', 'partially_filled'))
         LIMIT 5",
    ),
    (
        "orders with a larger id were created later",
        "SELECT order_id FROM (
             SELECT order_id, created_at, lag(created_at) OVER (ORDER BY order_id) AS before
             FROM exchange.orders) AS o
         WHERE created_at < before LIMIT 5",
    ),
    (
        "the journal has every command once, up to the last that the tables show",
        "SELECT first_sequence, last_sequence FROM (
             SELECT *, lag(last_sequence, 1, 0::bigint) OVER (ORDER BY first_sequence) AS before
             FROM exchange.journal) AS j
         WHERE first_sequence <> before + 1 OR last_sequence < first_sequence
         UNION ALL
         SELECT sequence, last FROM exchange.engine_state
         CROSS JOIN (SELECT max(last_sequence) AS last FROM exchange.journal) AS j
         WHERE sequence <> last LIMIT 5",
    ),
    (
        "the engine's last trade is the tape's",
        "SELECT last_trade_id, last FROM exchange.engine_state
         CROSS JOIN (SELECT coalesce(max(trade_id), 0) AS last FROM exchange.trades) AS t
         WHERE last_trade_id <> last",
    ),
    (
        "no book is crossed where the instrument trades continuously",
        "SELECT symbol FROM exchange.open_orders JOIN exchange.instrument_states USING (symbol)
         WHERE phase = 'continuous' AND NOT all_or_none
           AND (order_type = 'limit' OR order_type = 'stop_limit' AND triggered)
         GROUP BY symbol
         HAVING max(price) FILTER (WHERE side = 'buy') >= min(price) FILTER (WHERE side = 'sell')",
    ),
    (
        "what an order displays is a part of what remains",
        "SELECT order_id FROM exchange.open_orders
         WHERE displayed_quantity NOT BETWEEN 0 AND remaining_quantity
            OR displayed_quantity > display_quantity
            OR hidden AND displayed_quantity IS DISTINCT FROM 0 LIMIT 5",
    ),
    (
        "of two orders that are linked both are open, and of one account",
        "SELECT o.order_id, o.linked_order_id FROM exchange.open_orders AS o
         WHERE linked_order_id IS NOT NULL AND NOT EXISTS (
             SELECT FROM exchange.open_orders AS l
             WHERE l.order_id = o.linked_order_id AND l.linked_order_id = o.order_id
               AND l.account_id = o.account_id)
         LIMIT 5",
    ),
    (
        "the books are balanced",
        "SELECT * FROM exchange.conservation WHERE difference <> 0",
    ),
    (
        "what the venue has earned are the fees of the executions that stand",
        "SELECT currency, c.fees, f.fees FROM exchange.currencies AS c
         CROSS JOIN LATERAL (
             SELECT coalesce(sum(e.fee), 0) AS fees
             FROM exchange.executions AS e JOIN exchange.instruments AS i USING (symbol)
             WHERE i.currency = c.currency AND e.busted_at IS NULL) AS f
         WHERE c.fees <> f.fees",
    ),
    (
        "what an account has of an instrument came in, or was bought",
        "SELECT account_id, symbol, p.quantity FROM exchange.positions AS p
         WHERE p.quantity <>
               (SELECT coalesce(sum(amount), 0) FROM exchange.transfers AS t
                WHERE t.account_id = p.account_id AND t.symbol = p.symbol)
             + (SELECT coalesce(sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END), 0)
                FROM exchange.executions AS e
                WHERE e.account_id = p.account_id AND e.symbol = p.symbol AND busted_at IS NULL)
         LIMIT 5",
    ),
    (
        "a first answer is about the order of its name",
        "SELECT order_id, client_order_id FROM exchange.client_orders AS c
         WHERE client_order_id IS NULL OR NOT EXISTS (
             SELECT FROM exchange.orders AS o
             WHERE (o.order_id, o.account_id, o.symbol, o.side, o.client_order_id)
                 = (c.order_id, c.account_id, c.symbol, c.side, c.client_order_id))
         LIMIT 5",
    ),
    (
        "prices and quantities are on tick and lot",
        "SELECT o.order_id FROM exchange.orders AS o JOIN exchange.instruments AS i USING (symbol)
         WHERE o.price % i.tick_size <> 0 OR o.quantity % i.lot_size <> 0 LIMIT 5",
    ),
    (
        "candles are those of the trades",
        "WITH expected AS (
             SELECT t.symbol, r.resolution, r.opened_at,
                    (array_agg(t.price ORDER BY t.trade_id))[1] AS open,
                    max(t.price) AS high, min(t.price) AS low,
                    (array_agg(t.price ORDER BY t.trade_id DESC))[1] AS close,
                    sum(t.quantity) AS volume, sum(t.price * t.quantity) AS turnover,
                    count(*) AS trade_count
             FROM exchange.trades AS t
             CROSS JOIN current_setting('exchange.time_zone') AS zone
             CROSS JOIN LATERAL (VALUES
                 (interval '1 minute', date_bin('1 minute', executed_at, '2000-01-01 00:00Z')),
                 ('5 minutes', date_bin('5 minutes', executed_at, '2000-01-01 00:00Z')),
                 ('1 hour', date_bin('1 hour', executed_at, '2000-01-01 00:00Z')),
                 ('1 day', date_trunc('day', executed_at, zone)),
                 ('1 week', date_trunc('week', executed_at, zone)),
                 ('1 month', date_trunc('month', executed_at, zone))
             ) AS r (resolution, opened_at)
             WHERE t.busted_at IS NULL
             GROUP BY t.symbol, r.resolution, r.opened_at
         ), found AS (
             SELECT symbol, resolution, opened_at, open, high, low, close, volume::numeric,
                    turnover, trade_count
             FROM exchange.candles
         )
         (SELECT 'missing', * FROM (TABLE expected EXCEPT ALL TABLE found) AS e LIMIT 5)
         UNION ALL
         (SELECT 'wrong', * FROM (TABLE found EXCEPT ALL TABLE expected) AS f LIMIT 5)",
    ),
];
