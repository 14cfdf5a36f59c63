-- The days that are closed, and what was true at their end: written once, by exchange.close_day(),
-- and never changed after; only the settlement of obligations goes on. Reporting databases have these
-- tables too, by this very file.

CREATE TABLE exchange.closed_days (
    trade_date     date PRIMARY KEY,
    begins_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence  bigint NOT NULL,
    last_trade_id  bigint NOT NULL,
    orders         bigint NOT NULL,
    trades         bigint NOT NULL,
    closed_at      timestamptz NOT NULL,
    closed_by      text COLLATE "C" NOT NULL
);
COMMENT ON TABLE exchange.closed_days IS
    'The trade dates that are closed, and which part of the journal each of them is. Written by exchange.close_day(), a row a date, and never changed.';
COMMENT ON COLUMN exchange.closed_days.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.closed_days.begins_at IS 'What happened from here on, and before ends_at, is of this date.';
COMMENT ON COLUMN exchange.closed_days.ends_at IS 'What happened from here on is of a later date: where the date was closed, or midnight in exchange.time_zone if that was before.';
COMMENT ON COLUMN exchange.closed_days.first_sequence IS 'The first command of the date in exchange.journal.';
COMMENT ON COLUMN exchange.closed_days.last_sequence IS 'The last command of the date; less than first_sequence if there is none.';
COMMENT ON COLUMN exchange.closed_days.last_trade_id IS 'The last trade id that was given out by its end.';
COMMENT ON COLUMN exchange.closed_days.orders IS 'Orders that were entered on it, rejected ones too.';
COMMENT ON COLUMN exchange.closed_days.trades IS 'Trades that were made on it, busted ones too.';
COMMENT ON COLUMN exchange.closed_days.closed_at IS 'When it was closed, by the clock of the server.';
COMMENT ON COLUMN exchange.closed_days.closed_by IS 'The role that closed it, as it logged in.';

CREATE TABLE exchange.end_of_day_checks (
    trade_date date NOT NULL REFERENCES exchange.closed_days,
    check_name text COLLATE "C" NOT NULL,
    expected   numeric NOT NULL,
    found      numeric NOT NULL,
    difference numeric NOT NULL,
    PRIMARY KEY (trade_date, check_name)
);
COMMENT ON TABLE exchange.end_of_day_checks IS
    'What was compared when a date was closed: the rows of exchange.check_day() as they were then.';
COMMENT ON COLUMN exchange.end_of_day_checks.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.end_of_day_checks.check_name IS 'What was compared; docs/reports.md says what each check is.';
COMMENT ON COLUMN exchange.end_of_day_checks.expected IS 'What it has to be.';
COMMENT ON COLUMN exchange.end_of_day_checks.found IS 'What it was.';
COMMENT ON COLUMN exchange.end_of_day_checks.difference IS 'found - expected: 0, or the date would not be closed.';

CREATE TABLE exchange.end_of_day_statements (
    trade_date date NOT NULL REFERENCES exchange.closed_days,
    account_id integer NOT NULL,
    asset_kind text COLLATE "C" NOT NULL,
    asset      text COLLATE "C" NOT NULL,
    opening    numeric NOT NULL,
    deposited  numeric NOT NULL,
    withdrawn  numeric NOT NULL,
    bought     numeric NOT NULL,
    sold       numeric NOT NULL,
    fees       numeric NOT NULL,
    busted     numeric NOT NULL,
    closing    numeric NOT NULL,
    PRIMARY KEY (account_id, asset_kind, asset, trade_date)
);
COMMENT ON TABLE exchange.end_of_day_statements IS
    'What every account had, by currency and instrument, when a date began and ended, and what changed it: the rows of exchange.account_activity() of every date that is closed, but for those that are 0 throughout. opening + deposited + withdrawn + bought + sold + fees + busted = closing.';
COMMENT ON COLUMN exchange.end_of_day_statements.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.end_of_day_statements.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.end_of_day_statements.asset_kind IS 'currency or instrument.';
COMMENT ON COLUMN exchange.end_of_day_statements.asset IS 'Which: its code, or its symbol.';
COMMENT ON COLUMN exchange.end_of_day_statements.opening IS 'What it had at the beginning: the closing of the date before. In units of the currency, or shares.';
COMMENT ON COLUMN exchange.end_of_day_statements.deposited IS 'What came in.';
COMMENT ON COLUMN exchange.end_of_day_statements.withdrawn IS 'What went out; 0 or below.';
COMMENT ON COLUMN exchange.end_of_day_statements.bought IS 'By buying: of shares what came, of money what was paid (below 0).';
COMMENT ON COLUMN exchange.end_of_day_statements.sold IS 'By selling: of shares what went (below 0), of money what was received.';
COMMENT ON COLUMN exchange.end_of_day_statements.fees IS 'Fees: below 0 what was paid, above 0 what the venue paid; 0 of shares.';
COMMENT ON COLUMN exchange.end_of_day_statements.busted IS 'What trades that were busted on this date, whenever they were made, brought back: value, fees or shares.';
COMMENT ON COLUMN exchange.end_of_day_statements.closing IS 'What it had at the end.';

CREATE TABLE exchange.end_of_day_prices (
    trade_date     date NOT NULL REFERENCES exchange.closed_days,
    symbol         text COLLATE "C" NOT NULL,
    currency       text COLLATE "C" NOT NULL,
    open           numeric,
    high           numeric,
    low            numeric,
    close          numeric,
    previous_close numeric,
    volume         bigint NOT NULL,
    turnover       numeric NOT NULL,
    trades         bigint NOT NULL,
    auction_volume bigint NOT NULL,
    PRIMARY KEY (symbol, trade_date)
);
COMMENT ON TABLE exchange.end_of_day_prices IS
    'The prices of every instrument on every date that is closed: the rows of exchange.trade_summary() at that time. What was busted by the end of the date does not count.';
COMMENT ON COLUMN exchange.end_of_day_prices.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.end_of_day_prices.symbol IS 'The instrument.';
COMMENT ON COLUMN exchange.end_of_day_prices.currency IS 'What prices and turnover are in.';
COMMENT ON COLUMN exchange.end_of_day_prices.open IS 'Price of the first trade; NULL without one.';
COMMENT ON COLUMN exchange.end_of_day_prices.high IS 'Highest price; NULL without a trade.';
COMMENT ON COLUMN exchange.end_of_day_prices.low IS 'Lowest price; NULL without a trade.';
COMMENT ON COLUMN exchange.end_of_day_prices.close IS
    'The closing price: of the last trade, which is the closing auction''s if there was one; without a trade the one before. NULL before the first trade.';
COMMENT ON COLUMN exchange.end_of_day_prices.previous_close IS 'The closing price before; NULL before the first trade.';
COMMENT ON COLUMN exchange.end_of_day_prices.volume IS 'Sum of quantity.';
COMMENT ON COLUMN exchange.end_of_day_prices.turnover IS 'Sum of price × quantity. The volume-weighted average price is turnover / volume.';
COMMENT ON COLUMN exchange.end_of_day_prices.trades IS 'Number of trades.';
COMMENT ON COLUMN exchange.end_of_day_prices.auction_volume IS 'What of volume was in auctions.';

CREATE TYPE exchange.settlement_status AS ENUM ('pending', 'settled', 'failed');
COMMENT ON TYPE exchange.settlement_status IS
    'Where an obligation stands. pending: not due, or not reported yet. settled: shares and money changed hands, and it never changes again. failed: it was due, and one of the two was missing; it can still settle, late.';

CREATE TABLE exchange.settlement_obligations (
    trade_date      date NOT NULL REFERENCES exchange.closed_days,
    account_id      integer NOT NULL,
    symbol          text COLLATE "C" NOT NULL,
    currency        text COLLATE "C" NOT NULL,
    settlement_date date NOT NULL,
    quantity        bigint NOT NULL,
    amount          numeric NOT NULL,
    fees            numeric NOT NULL,
    status          exchange.settlement_status NOT NULL DEFAULT 'pending',
    status_since    timestamptz NOT NULL,
    reason          text,
    PRIMARY KEY (trade_date, account_id, symbol),
    CONSTRAINT failed_for_a_reason CHECK (status <> 'failed' OR reason IS NOT NULL)
);
CREATE INDEX settlement_obligations_due ON exchange.settlement_obligations (settlement_date) WHERE status <> 'settled';
CREATE INDEX settlement_obligations_account ON exchange.settlement_obligations (account_id, trade_date);
COMMENT ON INDEX exchange.settlement_obligations_due IS 'What is due and not settled.';
COMMENT ON INDEX exchange.settlement_obligations_account IS 'The obligations of an account.';
COMMENT ON TABLE exchange.settlement_obligations IS
    'What every account delivers and receives for the trades of a date, netted by account, instrument and currency, against the venue as the central counterparty, delivery versus payment: the rows of exchange.net_obligations() when the date was closed. Only status, status_since and reason change after, by exchange.settle_obligations() and exchange.fail_obligation().';
COMMENT ON COLUMN exchange.settlement_obligations.trade_date IS 'The trade date.';
COMMENT ON COLUMN exchange.settlement_obligations.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.settlement_obligations.symbol IS 'Which shares.';
COMMENT ON COLUMN exchange.settlement_obligations.currency IS 'Which money.';
COMMENT ON COLUMN exchange.settlement_obligations.settlement_date IS 'When it is due: the next trading day (T+1).';
COMMENT ON COLUMN exchange.settlement_obligations.quantity IS 'Shares that it receives; below 0 it delivers them.';
COMMENT ON COLUMN exchange.settlement_obligations.amount IS 'Money that it receives, fees paid; below 0 it pays it.';
COMMENT ON COLUMN exchange.settlement_obligations.fees IS 'What of it are fees: below 0 paid, above 0 received.';
COMMENT ON COLUMN exchange.settlement_obligations.status IS 'Where it stands.';
COMMENT ON COLUMN exchange.settlement_obligations.status_since IS 'Since when, by the clock of the server.';
COMMENT ON COLUMN exchange.settlement_obligations.reason IS 'Why it failed, also where it settled late; NULL if it never did.';
COMMENT ON CONSTRAINT failed_for_a_reason ON exchange.settlement_obligations IS 'A failure has a reason.';

CREATE TABLE exchange.settlement_changes (
    trade_date date NOT NULL,
    account_id integer NOT NULL,
    symbol     text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text COLLATE "C" NOT NULL,
    status     exchange.settlement_status NOT NULL,
    reason     text,
    PRIMARY KEY (trade_date, account_id, symbol, changed_at),
    FOREIGN KEY (trade_date, account_id, symbol) REFERENCES exchange.settlement_obligations
);
COMMENT ON TABLE exchange.settlement_changes IS
    'The history of every obligation after it was made: each change of status, when and by whom.';
COMMENT ON COLUMN exchange.settlement_changes.trade_date IS 'The trade date of the obligation.';
COMMENT ON COLUMN exchange.settlement_changes.account_id IS 'Whose.';
COMMENT ON COLUMN exchange.settlement_changes.symbol IS 'Which shares.';
COMMENT ON COLUMN exchange.settlement_changes.changed_at IS 'When, by the clock of the server.';
COMMENT ON COLUMN exchange.settlement_changes.changed_by IS 'The role that did it, as it logged in.';
COMMENT ON COLUMN exchange.settlement_changes.status IS 'What it was from here on.';
COMMENT ON COLUMN exchange.settlement_changes.reason IS 'Why it failed; NULL if it settled.';

CREATE INDEX transfers_account ON exchange.transfers (account_id, transferred_at);
COMMENT ON INDEX exchange.transfers_account IS 'Transfers by account and time, for its statement.';
