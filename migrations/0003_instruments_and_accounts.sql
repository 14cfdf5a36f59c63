-- A venue to start with: one hundred instruments, accounts of the brokers, and one for whoever
-- runs these migrations.
--
-- Listing an instrument and opening an account are orders to the running exchange: they are not
-- undone when this migration fails half way. So each is guarded, and a second run completes the
-- first.

-- One after the other, so that the instrument ids follow this list: by how much each is traded.
DO $$
DECLARE
    listed text;
BEGIN
    FOREACH listed IN ARRAY ARRAY[
        'AAPL', 'NVDA', 'TSLA', 'MSFT', 'AMZN', 'META', 'AMD', 'GOOGL', 'NFLX', 'AVGO',
        'PLTR', 'INTC', 'JPM', 'BAC', 'XOM', 'UNH', 'LLY', 'COST', 'WMT', 'V',
        'MA', 'HD', 'CRM', 'ORCL', 'ADBE', 'MU', 'QCOM', 'COIN', 'DIS', 'BA',
        'PFE', 'JNJ', 'MRK', 'ABBV', 'CVX', 'KO', 'PEP', 'PG', 'MCD', 'NKE',
        'SBUX', 'T', 'VZ', 'CSCO', 'TXN', 'IBM', 'GE', 'CAT', 'F', 'GM',
        'UBER', 'PYPL', 'SHOP', 'NOW', 'INTU', 'AMAT', 'LRCX', 'KLAC', 'ADI', 'PANW',
        'CRWD', 'SNOW', 'ABNB', 'WFC', 'C', 'GS', 'MS', 'AXP', 'BLK', 'SCHW',
        'COF', 'USB', 'TMO', 'ABT', 'DHR', 'AMGN', 'GILD', 'BMY', 'CVS', 'ISRG',
        'MDT', 'LOW', 'TGT', 'TJX', 'LMT', 'RTX', 'HON', 'UPS', 'FDX', 'DE',
        'UNP', 'DAL', 'COP', 'SLB', 'OXY', 'FCX', 'NEE', 'DUK', 'CMCSA', 'TMUS']
    LOOP
        IF NOT EXISTS (SELECT FROM exchange.instruments WHERE symbol = listed) THEN
            PERFORM exchange.create_instrument(listed, tick_size => 0.01, lot_size => 1);
        END IF;
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
