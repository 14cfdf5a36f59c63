-- A venue to start with: one hundred instruments, accounts of the brokers, and one for whoever
-- runs these migrations, with money and shares in them.
--
-- All of this are commands to the running exchange: they are not undone when this migration fails
-- half way. So each is guarded, and a second run completes the first. Each answers when the tables
-- show what it did.

-- The guards read the tables: those must show what an earlier run did.
SELECT exchange.wait_for('projected');

-- One after the other, so that the instrument ids follow this list: by how much each is traded. The
-- price is where bands and the first auction start from.
DO $$
DECLARE
    listed record;
BEGIN
    FOR listed IN SELECT * FROM (VALUES
        ('AAPL', 231.50), ('NVDA', 138.70), ('TSLA', 342.60), ('MSFT', 425.20), ('AMZN', 207.80),
        ('META', 586.40), ('AMD', 137.90), ('GOOGL', 173.50), ('NFLX', 847.30), ('AVGO', 172.10),
        ('PLTR', 62.40), ('INTC', 24.50), ('JPM', 245.10), ('BAC', 46.60), ('XOM', 119.40),
        ('UNH', 589.10), ('LLY', 752.30), ('COST', 928.80), ('WMT', 84.50), ('V', 307.20),
        ('MA', 521.60), ('HD', 407.70), ('CRM', 332.40), ('ORCL', 188.30), ('ADBE', 504.90),
        ('MU', 98.70), ('QCOM', 156.40), ('COIN', 303.90), ('DIS', 114.60), ('BA', 144.10),
        ('PFE', 24.80), ('JNJ', 153.70), ('MRK', 97.30), ('ABBV', 166.20), ('CVX', 161.40),
        ('KO', 62.30), ('PEP', 158.70), ('PG', 170.60), ('MCD', 291.40), ('NKE', 74.60),
        ('SBUX', 98.90), ('T', 22.60), ('VZ', 42.30), ('CSCO', 57.60), ('TXN', 199.50),
        ('IBM', 206.90), ('GE', 178.10), ('CAT', 386.40), ('F', 11.10), ('GM', 54.80),
        ('UBER', 70.20), ('PYPL', 84.10), ('SHOP', 105.60), ('NOW', 1014.00), ('INTU', 642.10),
        ('AMAT', 174.30), ('LRCX', 71.80), ('KLAC', 627.30), ('ADI', 209.50), ('PANW', 385.80),
        ('CRWD', 351.40), ('SNOW', 129.20), ('ABNB', 133.40), ('WFC', 73.40), ('C', 68.90),
        ('GS', 583.30), ('MS', 131.50), ('AXP', 287.90), ('BLK', 1032.00), ('SCHW', 80.60),
        ('COF', 182.20), ('USB', 50.30), ('TMO', 524.70), ('ABT', 116.80), ('DHR', 238.40),
        ('AMGN', 286.60), ('GILD', 88.70), ('BMY', 57.20), ('CVS', 56.10), ('ISRG', 539.80),
        ('MDT', 86.10), ('LOW', 265.30), ('TGT', 128.80), ('TJX', 120.40), ('LMT', 532.50),
        ('RTX', 119.20), ('HON', 227.40), ('UPS', 133.90), ('FDX', 294.60), ('DE', 406.10),
        ('UNP', 235.20), ('DAL', 63.10), ('COP', 110.70), ('SLB', 43.10), ('OXY', 50.10),
        ('FCX', 43.50), ('NEE', 76.50), ('DUK', 113.90), ('CMCSA', 43.00), ('TMUS', 236.80)
        ) AS listed (symbol, price)
    LOOP
        IF NOT EXISTS (SELECT FROM exchange.instruments WHERE symbol = listed.symbol) THEN
            PERFORM exchange.create_instrument(listed.symbol, tick_size => 0.01, lot_size => 1);
        END IF;
        IF NOT EXISTS (SELECT FROM exchange.instrument_states
                       WHERE symbol = listed.symbol AND reference_price IS NOT NULL) THEN
            PERFORM exchange.set_reference_price(listed.symbol, listed.price);
        END IF;
    END LOOP;
END
$$;

-- An order may be at most 30 % away from the last trade. A trade that would be more than 30 % away
-- from the reference price is halted for five minutes and becomes an auction. A market order trades
-- at most 5 % away from the best quote.
DO $$
DECLARE
    listed text;
BEGIN
    FOR listed IN
        SELECT symbol FROM exchange.instrument_states WHERE band IS NULL ORDER BY symbol
    LOOP
        PERFORM exchange.set_price_rules(listed, collar => 0.3, band => 0.3, protection => 0.05);
    END LOOP;
END
$$;

-- The first account is ours, so that exchange.place_order() works at once for whoever set the
-- venue up.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM exchange.accounts WHERE owner = current_user) THEN
        PERFORM exchange.open_account();
    END IF;
END
$$;

-- Each broker has ten accounts of its customers.
DO $$
DECLARE
    broker text;
BEGIN
    FOREACH broker IN ARRAY ARRAY['broker_alpha', 'broker_bravo', 'broker_charlie', 'broker_delta']
    LOOP
        WHILE (SELECT count(*) FROM exchange.accounts WHERE owner = broker) < 10 LOOP
            PERFORM exchange.open_account(broker);
        END LOOP;
    END LOOP;
END
$$;

-- What trading costs: nothing for an order that rested, 0.03 % of the value for one that met it,
-- 0.01 % for both sides of an auction.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM exchange.fee_schedules WHERE name = 'standard') THEN
        PERFORM exchange.create_fee_schedule(
            'standard', maker_rate => 0, taker_rate => 0.0003, auction_rate => 0.0001);
    END IF;
END
$$;

-- An account may trade once its holder is known. Each pays fees, and begins with enough money and
-- shares for many days.
DO $$
DECLARE
    account record;
    listed text;
BEGIN
    FOR account IN SELECT account_id, status, fee_schedule_id FROM exchange.accounts ORDER BY 1
    LOOP
        IF account.status = 'unverified' THEN
            PERFORM exchange.verify_account(account.account_id);
        END IF;
        IF account.fee_schedule_id IS NULL THEN
            PERFORM exchange.set_fee_schedule(account.account_id, 'standard');
        END IF;
        IF NOT EXISTS (SELECT FROM exchange.cash AS c WHERE c.account_id = account.account_id) THEN
            PERFORM exchange.deposit(account.account_id, 'USD', 100000000000);
        END IF;
        FOR listed IN
            SELECT i.symbol FROM exchange.instruments AS i
            WHERE NOT EXISTS (SELECT FROM exchange.positions AS p
                              WHERE p.account_id = account.account_id AND p.symbol = i.symbol)
            ORDER BY i.instrument_id
        LOOP
            PERFORM exchange.deposit_shares(account.account_id, listed, 10000000);
        END LOOP;
    END LOOP;
END
$$;
