-- What accounts have, hold and can use. A hold is not stored: it follows from the open orders, so
-- it cannot differ from them. The views show what their reader may read of the tables.

CREATE VIEW exchange.balances WITH (security_invoker = true) AS
    SELECT c.account_id, c.currency, c.balance, h.held, c.credit_limit,
           c.balance - h.held + c.credit_limit AS available
    FROM exchange.cash AS c
    CROSS JOIN LATERAL (
        SELECT coalesce(trim_scale(sum(v.value + trunc(v.value * v.highest_rate, 9))), 0) AS held
        FROM exchange.open_orders AS o
        JOIN exchange.instruments AS i USING (symbol)
        LEFT JOIN exchange.fee_schedules AS f USING (fee_schedule_id)
        CROSS JOIN LATERAL (
            SELECT o.price * o.remaining_quantity AS value,
                   greatest(f.maker_rate, f.taker_rate, f.auction_rate, 0) AS highest_rate
        ) AS v
        WHERE o.account_id = c.account_id AND o.side = 'buy' AND i.currency = c.currency
    ) AS h;
COMMENT ON VIEW exchange.balances IS
    'The money of every account: what it has, what its open buy orders hold, and what it can spend. In units of the currency, to 9 decimals.';
COMMENT ON COLUMN exchange.balances.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.balances.currency IS 'Of what.';
COMMENT ON COLUMN exchange.balances.balance IS 'What it has; below 0 it owes.';
COMMENT ON COLUMN exchange.balances.held IS
    'What its open buy orders would cost at their limit prices, with the highest fee that their fee schedules can ask for.';
COMMENT ON COLUMN exchange.balances.credit_limit IS 'What it may owe.';
COMMENT ON COLUMN exchange.balances.available IS
    'What it can spend: balance - held + credit_limit. What it can withdraw is balance - held.';

CREATE VIEW exchange.holdings WITH (security_invoker = true) AS
    SELECT p.account_id, p.symbol, p.quantity, h.held, p.short_limit,
           p.quantity - h.held + p.short_limit AS available
    FROM exchange.positions AS p
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(o.remaining_quantity), 0)::bigint AS held
        FROM exchange.open_orders AS o
        WHERE o.account_id = p.account_id AND o.side = 'sell' AND o.symbol = p.symbol
    ) AS h;
COMMENT ON VIEW exchange.holdings IS
    'The shares of every account: what it has, what its open sell orders hold, and what it can sell.';
COMMENT ON COLUMN exchange.holdings.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.holdings.symbol IS 'Of what.';
COMMENT ON COLUMN exchange.holdings.quantity IS 'How much it has; below 0 it owes.';
COMMENT ON COLUMN exchange.holdings.held IS 'What remains of its open sell orders.';
COMMENT ON COLUMN exchange.holdings.short_limit IS 'What it may owe.';
COMMENT ON COLUMN exchange.holdings.available IS
    'What it can sell: quantity - held + short_limit. What it can withdraw is quantity - held.';

CREATE VIEW exchange.conservation WITH (security_invoker = true) AS
    SELECT kind, what, sum_of_balances, fees, transferred,
           sum_of_balances + fees - transferred AS difference
    FROM (
        SELECT 'currency' AS kind, c.currency AS what, coalesce(b.sum, 0) AS sum_of_balances,
               c.fees, c.transferred
        FROM exchange.currencies AS c
        LEFT JOIN (
            SELECT currency, sum(balance) FROM exchange.cash GROUP BY currency
        ) AS b USING (currency)
        UNION ALL
        SELECT 'instrument', s.symbol, coalesce(p.sum, 0), 0, s.transferred
        FROM exchange.instrument_states AS s
        LEFT JOIN (
            SELECT symbol, sum(quantity) FROM exchange.positions GROUP BY symbol
        ) AS p USING (symbol)
    ) AS books;
COMMENT ON VIEW exchange.conservation IS
    'Whether the books are balanced: for each currency and each instrument, what all accounts have and the venue has earned is what came in less what left. It reads every balance and position.';
COMMENT ON COLUMN exchange.conservation.kind IS 'currency or instrument.';
COMMENT ON COLUMN exchange.conservation.what IS 'Which: its code, or its symbol.';
COMMENT ON COLUMN exchange.conservation.sum_of_balances IS 'Over all accounts: money, or shares.';
COMMENT ON COLUMN exchange.conservation.fees IS 'What the venue has earned; 0 for shares.';
COMMENT ON COLUMN exchange.conservation.transferred IS 'What was deposited less what was withdrawn.';
COMMENT ON COLUMN exchange.conservation.difference IS 'sum_of_balances + fees - transferred: always 0.';
