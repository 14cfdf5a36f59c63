//! What the tables must say of each other, whatever the journal says.

use postgres::GenericClient;

/// Every rule that is broken, with some of the rows that break it.
pub fn violations(client: &mut impl GenericClient) -> Result<Vec<String>, postgres::Error> {
    let mut broken = Vec::new();
    for (rule, query) in RULES {
        let rows = client.query(&format!("SELECT q::text FROM ({query}) AS q LIMIT 5"), &[])?;
        if !rows.is_empty() {
            let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            broken.push(format!("{rule}; not so: {}", rows.join(", ")));
        }
    }
    Ok(broken)
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
    (
        "the time of the journal never goes back",
        "SELECT first_sequence, first_time_us FROM (
             SELECT *, lag(first_time_us) OVER (ORDER BY first_sequence) AS before
             FROM exchange.journal) AS j
         WHERE first_time_us < before",
    ),
    (
        "the money of an account came in, or was traded for",
        "WITH traded AS (
             SELECT e.account_id, i.currency,
                    sum(CASE side WHEN 'buy' THEN -price * quantity ELSE price * quantity END - fee)
                        AS amount
             FROM exchange.executions AS e JOIN exchange.instruments AS i USING (symbol)
             WHERE busted_at IS NULL GROUP BY e.account_id, i.currency
         ), transferred AS (
             SELECT account_id, currency, sum(amount) AS amount
             FROM exchange.transfers WHERE currency IS NOT NULL GROUP BY account_id, currency
         )
         SELECT account_id, currency, c.balance, t.amount AS transferred, d.amount AS traded
         FROM exchange.cash AS c
         FULL JOIN transferred AS t USING (account_id, currency)
         FULL JOIN traded AS d USING (account_id, currency)
         WHERE coalesce(c.balance, 0) <> coalesce(t.amount, 0) + coalesce(d.amount, 0)",
    ),
    (
        "what came into the exchange came into its accounts",
        "SELECT currency, c.transferred, t.amount FROM exchange.currencies AS c
         CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS amount FROM exchange.transfers AS t
                             WHERE t.currency = c.currency) AS t
         WHERE c.transferred <> t.amount
         UNION ALL
         SELECT symbol, s.transferred, t.amount FROM exchange.instrument_states AS s
         CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS amount FROM exchange.transfers AS t
                             WHERE t.symbol = s.symbol) AS t
         WHERE s.transferred <> t.amount",
    ),
    (
        "a fee is what the schedule of the order says, to a billionth",
        "SELECT e.order_id, e.trade_id, e.fee, f.name, e.liquidity
         FROM exchange.executions AS e
         JOIN exchange.orders AS o USING (order_id)
         LEFT JOIN exchange.fee_schedules AS f USING (fee_schedule_id)
         WHERE abs(e.fee - e.price * e.quantity * CASE e.liquidity
                       WHEN 'maker' THEN coalesce(f.maker_rate, 0)
                       WHEN 'taker' THEN coalesce(f.taker_rate, 0)
                       ELSE coalesce(f.auction_rate, 0) END) >= 0.000000001",
    ),
    (
        "an account whose trades all stand owes no more than it may",
        "SELECT account_id, c.currency AS what, c.balance, c.credit_limit FROM exchange.cash AS c
         WHERE c.balance + c.credit_limit < 0 AND NOT EXISTS (
             SELECT FROM exchange.executions AS e
             WHERE e.account_id = c.account_id AND busted_at IS NOT NULL)
         UNION ALL
         SELECT account_id, symbol, quantity, short_limit FROM exchange.positions AS p
         WHERE p.quantity + p.short_limit < 0 AND NOT EXISTS (
             SELECT FROM exchange.executions AS e
             WHERE e.account_id = p.account_id AND busted_at IS NOT NULL)",
    ),
    (
        "busted trades are marked, and no others",
        "SELECT trade_id, t.busted_at, b.busted_at AS listed FROM exchange.trades AS t
         FULL JOIN exchange.busted_trades AS b USING (trade_id)
         WHERE t.busted_at IS DISTINCT FROM b.busted_at",
    ),
    (
        "the public events tell every trade of the tape once, and no other",
        "SELECT trade_id, t.symbol, t.price, t.quantity, e.symbol AS told_symbol, e.price AS told,
                e.quantity AS told_quantity
         FROM exchange.trades AS t
         FULL JOIN (SELECT * FROM exchange.events_after(0, NULL, 100000000)
                    WHERE event = 'trade') AS e USING (trade_id)
         WHERE (t.symbol, t.price, t.quantity, t.in_auction)
               IS DISTINCT FROM (e.symbol, e.price, e.quantity, e.in_auction)
         UNION ALL
         SELECT trade_id, symbol, price, quantity, symbol, price, count(*)
         FROM exchange.events_after(0, NULL, 100000000)
         WHERE event = 'trade' GROUP BY trade_id, symbol, price, quantity HAVING count(*) > 1",
    ),
    (
        "a level of the book is what its orders display",
        "WITH displayed AS (
             SELECT symbol, side, price, sum(coalesce(displayed_quantity, remaining_quantity)) AS quantity
             FROM exchange.open_orders
             WHERE coalesce(displayed_quantity, remaining_quantity) > 0
             GROUP BY symbol, side, price
         ), shown AS (
             SELECT symbol, side, price, quantity::numeric FROM exchange.instruments
             CROSS JOIN LATERAL exchange.order_book(symbol, current_setting('exchange.book_depth')::integer)
             CROSS JOIN LATERAL (VALUES ('buy'::exchange.side, bid_price, bid_quantity),
                                        ('sell', ask_price, ask_quantity)) AS s (side, price, quantity)
             WHERE price IS NOT NULL
         ), best AS (
             SELECT * FROM (
                 SELECT *, row_number() OVER (PARTITION BY symbol, side ORDER BY
                               CASE side WHEN 'buy' THEN -price ELSE price END) AS level
                 FROM displayed) AS d
             WHERE level <= current_setting('exchange.book_depth')::integer
         )
         SELECT symbol, side, price, b.quantity, s.quantity AS shown
         FROM best AS b FULL JOIN shown AS s USING (symbol, side, price)
         WHERE b.quantity IS DISTINCT FROM s.quantity",
    ),
];
