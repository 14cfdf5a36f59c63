-- Participants and their accounts: what they have, what trades cost them, and what they may do.
-- All of it is the venue's to run. Each call answers when the tables show what it did, and a
-- ROLLBACK does not undo it.

CREATE FUNCTION exchange.register_participant(role name)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'register_participant_wrapper';
COMMENT ON FUNCTION exchange.register_participant(name) IS
    'Makes a role a participant and returns its id. A role also becomes one with its first account; to register it before lets exchange.set_rate_limit() bound it from its first order. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such role), 42710 (it is one already), 54000 (exchange.maximum_accounts reached).';

CREATE FUNCTION exchange.set_rate_limit(
    participant       name,
    orders_per_second integer,
    burst             integer DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_rate_limit_wrapper';
COMMENT ON FUNCTION exchange.set_rate_limit(name, integer, integer) IS
    'Bounds how many orders a participant may send: on average orders_per_second, and burst at once (by default as many as in a second), each 1 to a billion; an order of an array counts as one, and so does a replace. orders_per_second NULL: no bound. What is above fails with SQLSTATE 53400. Cancels are never bounded. Not undone by ROLLBACK. Errors: 22004 (participant is NULL), 22023 (out of range), 42704 (no such role, or it is no participant).';

CREATE FUNCTION exchange.open_account(owner name DEFAULT current_user)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'open_account_wrapper';
COMMENT ON FUNCTION exchange.open_account(name) IS
    'Opens an account for a role and returns its id. Members of the role may trade for it too, once exchange.verify_account() let it trade. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such role), 54000 (exchange.maximum_accounts reached).';

CREATE FUNCTION exchange.verify_account(account_id integer)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'verify_account_wrapper';
COMMENT ON FUNCTION exchange.verify_account(integer) IS
    'Lets an account trade: one that was just opened, or that was suspended. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such account), 55000 (verified already, or closed).';

CREATE FUNCTION exchange.suspend_account(account_id integer)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'suspend_account_wrapper';
COMMENT ON FUNCTION exchange.suspend_account(integer) IS
    'Keeps an account from trading until exchange.verify_account(): its new orders are rejected with account_suspended. Orders that wait stay, and can trade; exchange.kill_switch() takes them out. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such account), 55000 (suspended already, or closed).';

CREATE FUNCTION exchange.close_account(account_id integer)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'close_account_wrapper';
COMMENT ON FUNCTION exchange.close_account(integer) IS
    'Closes an account for ever. It must have no open order, no money and no shares, and owe none. Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such account), 55000 (closed already, or not empty).';

CREATE FUNCTION exchange.deposit(account_id integer, currency text, amount numeric)
RETURNS numeric
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'deposit_wrapper';
COMMENT ON FUNCTION exchange.deposit(integer, text, numeric) IS
    'Money comes into an account; returns its balance after that. amount: above 0, at most 10^18, at most 9 decimals, in units of the currency. Not undone by ROLLBACK. Errors: 22004 (NULL), 22003 (too large), 22023 (not above 0, too many decimals, or more than 10^21 would be in the exchange), 42704 (no such account or currency), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.withdraw(account_id integer, currency text, amount numeric)
RETURNS numeric
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'withdraw_wrapper';
COMMENT ON FUNCTION exchange.withdraw(integer, text, numeric) IS
    'Money leaves an account: at most what it has and its open orders do not hold; credit is not paid out. Returns its balance after that. amount: above 0, at most 10^18, at most 9 decimals, in units of the currency. Not undone by ROLLBACK. Errors: 22004 (NULL), 22003 (too large), 22023 (not above 0, or too many decimals), 23514 (more than there is), 42704 (no such account or currency), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.deposit_shares(account_id integer, symbol text, quantity bigint)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'deposit_shares_wrapper';
COMMENT ON FUNCTION exchange.deposit_shares(integer, text, bigint) IS
    'Shares come into an account; returns its position after that. quantity: above 0, whether or not in lots. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (not above 0, or more than 2^60 would be in the exchange), 42704 (no such account or symbol), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.withdraw_shares(account_id integer, symbol text, quantity bigint)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'withdraw_shares_wrapper';
COMMENT ON FUNCTION exchange.withdraw_shares(integer, text, bigint) IS
    'Shares leave an account: at most what it has and its open sell orders do not hold. Returns its position after that. quantity: above 0, whether or not in lots. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (not above 0, or above 2^60), 23514 (more than there is), 42704 (no such account or symbol), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.create_fee_schedule(
    name         text,
    maker_rate   numeric,
    taker_rate   numeric,
    auction_rate numeric DEFAULT NULL)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'create_fee_schedule_wrapper';
COMMENT ON FUNCTION exchange.create_fee_schedule(text, numeric, numeric, numeric) IS
    'Adds a fee schedule, which never changes after, and returns its id. name: 1 to 23 bytes. The rates are parts of the traded value, -0.1 to 0.1 with at most 6 decimals: 0.0005 is 5 basis points, and below 0 the venue pays. maker_rate: for an order that rested. taker_rate: for one that came in and met it. auction_rate: for both sides of a trade in an auction, by default the taker_rate. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (out of range), 42710 (the name exists), 54000 (250 schedules).';

CREATE FUNCTION exchange.set_fee_schedule(account_id integer, name text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_fee_schedule_wrapper';
COMMENT ON FUNCTION exchange.set_fee_schedule(integer, text) IS
    'Sets what the orders cost that an account sends from here on; NULL: nothing. Open orders keep the schedule that they were sent under. Not undone by ROLLBACK. Errors: 22004 (account_id is NULL), 42704 (no such account or schedule), 55000 (the account is closed).';

CREATE FUNCTION exchange.set_credit_limit(account_id integer, currency text, amount numeric)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_credit_limit_wrapper';
COMMENT ON FUNCTION exchange.set_credit_limit(integer, text, numeric) IS
    'Lets an account owe so much of a currency at the most (margin); 0 ends that for new orders. amount: 0 to 10^18, at most 9 decimals. Not undone by ROLLBACK. Errors: 22004 (NULL), 22003 (too large), 22023 (below 0, or too many decimals), 42704 (no such account or currency), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.set_short_limit(account_id integer, symbol text, quantity bigint)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_short_limit_wrapper';
COMMENT ON FUNCTION exchange.set_short_limit(integer, text, bigint) IS
    'Lets an account owe so many of an instrument at the most (short selling); 0 ends that for new orders. quantity: 0 to 68,719,476,736. Not undone by ROLLBACK. Errors: 22004 (NULL), 22023 (out of range), 42704 (no such account or symbol), 54000 (exchange.maximum_positions reached), 55000 (the account is closed).';

CREATE FUNCTION exchange.set_risk_limits(
    account_id            integer DEFAULT NULL,
    symbol                text DEFAULT NULL,
    order_quantity        bigint DEFAULT NULL,
    order_value           numeric DEFAULT NULL,
    daily_bought_quantity bigint DEFAULT NULL,
    daily_sold_quantity   bigint DEFAULT NULL,
    daily_bought_value    numeric DEFAULT NULL,
    daily_sold_value      numeric DEFAULT NULL,
    open_orders           integer DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'set_risk_limits_wrapper';
COMMENT ON FUNCTION exchange.set_risk_limits(integer, text, bigint, numeric, bigint, bigint, numeric, numeric, integer) IS
    'Sets the risk limits of an account, of an instrument (for every account), or of an account in an instrument, whichever of account_id and symbol is given; all seven at once. Each order must keep within all that apply, else it is rejected. order_quantity, order_value: of one order, the value at its limit price. daily_…: what an account trades of an instrument on a trade date, what its open orders could trade included; values without fees. open_orders: of an account at a time; those in all instruments count for the limit of an account, else those in the one. Each 0 or above, values at most 10^18 with at most 9 decimals, in the currency of the instrument. NULL: no limit. Not undone by ROLLBACK. Errors: 22003 (too large), 22023 (below 0, too many decimals, or neither account_id nor symbol given), 42704 (no such account or symbol), 54000 (exchange.maximum_positions reached).';

CREATE FUNCTION exchange.release_kill_switch(account_id integer)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'release_kill_switch_wrapper';
COMMENT ON FUNCTION exchange.release_kill_switch(integer) IS
    'Lets an account trade again after exchange.kill_switch(). Not undone by ROLLBACK. Errors: 22004 (NULL), 42704 (no such account), 55000 (its kill switch is not pulled, or it is closed).';
