-- When the market opens and closes. These tables are the operator's: edit them, and call
-- exchange.reload_calendar(). What the engine has of them is in exchange.trading_days.

CREATE TABLE exchange.trading_hours (
    only_row        boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    pre_open        time NOT NULL DEFAULT '08:00',
    open            time NOT NULL DEFAULT '09:30',
    closing_auction time NOT NULL DEFAULT '15:50',
    close           time NOT NULL DEFAULT '16:00',
    CONSTRAINT in_order CHECK (pre_open < open AND open < closing_auction AND closing_auction < close)
);
COMMENT ON TABLE exchange.trading_hours IS
    'The phases of a usual trading day, as times of day in exchange.time_zone. Edit it with UPDATE, and call exchange.reload_calendar() after the COMMIT.';
COMMENT ON COLUMN exchange.trading_hours.only_row IS 'There is one row.';
COMMENT ON COLUMN exchange.trading_hours.pre_open IS 'From here on orders are collected for the opening auction.';
COMMENT ON COLUMN exchange.trading_hours.open IS 'The opening auction; continuous trading from here on.';
COMMENT ON COLUMN exchange.trading_hours.closing_auction IS 'From here on orders are collected for the closing auction.';
COMMENT ON COLUMN exchange.trading_hours.close IS 'The closing auction; the market is closed from here on.';
COMMENT ON CONSTRAINT in_order ON exchange.trading_hours IS 'Each phase begins after the one before, on one day.';

CREATE TABLE exchange.calendar_exceptions (
    trade_date date PRIMARY KEY,
    name       text NOT NULL,
    is_closed  boolean NOT NULL DEFAULT true,
    close      time,
    CONSTRAINT closed_or_early CHECK (is_closed = (close IS NULL))
);
COMMENT ON TABLE exchange.calendar_exceptions IS
    'Weekdays that are no usual trading days: holidays, and days that close early. An INSERT of a date that is there replaces it. To trade on a holiday as usual, set is_closed to false and close to the usual time. Call exchange.reload_calendar() after the COMMIT.';
COMMENT ON COLUMN exchange.calendar_exceptions.trade_date IS 'The day.';
COMMENT ON COLUMN exchange.calendar_exceptions.name IS 'Why.';
COMMENT ON COLUMN exchange.calendar_exceptions.is_closed IS 'Whether the market stays closed all day.';
COMMENT ON COLUMN exchange.calendar_exceptions.close IS
    'When it closes, as a time of day in exchange.time_zone; the closing auction begins as long before as on other days. It must be after exchange.trading_hours.open by more than that, else the day is left out, with a warning in the server log. NULL where it stays closed.';
COMMENT ON CONSTRAINT closed_or_early ON exchange.calendar_exceptions IS 'Closed, or closing at some time: not both.';

-- pg_dump writes all rows of these tables, and CREATE EXTENSION in the new database fills them
-- before they are read in: so what comes in replaces what is there.
CREATE FUNCTION exchange.replace_trading_hours()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM exchange.trading_hours;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION exchange.replace_trading_hours() IS 'Makes an INSERT into exchange.trading_hours replace its row.';

CREATE TRIGGER replace BEFORE INSERT ON exchange.trading_hours
    FOR EACH ROW EXECUTE FUNCTION exchange.replace_trading_hours();
COMMENT ON TRIGGER replace ON exchange.trading_hours IS 'An INSERT replaces the row.';

CREATE FUNCTION exchange.replace_calendar_exception()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM exchange.calendar_exceptions AS e WHERE e.trade_date = NEW.trade_date;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION exchange.replace_calendar_exception() IS
    'Makes an INSERT into exchange.calendar_exceptions replace the row of that date.';

CREATE TRIGGER replace BEFORE INSERT ON exchange.calendar_exceptions
    FOR EACH ROW EXECUTE FUNCTION exchange.replace_calendar_exception();
COMMENT ON TRIGGER replace ON exchange.calendar_exceptions IS 'An INSERT replaces the row of that date.';

INSERT INTO exchange.trading_hours DEFAULT VALUES;

-- The New York Stock Exchange. A holiday on a Saturday is kept on the Friday before, one on a
-- Sunday on the Monday after; New Year's Day on a Saturday (2028) is not kept at all.
INSERT INTO exchange.calendar_exceptions (trade_date, name) VALUES
    ('2026-01-01', 'New Year''s Day'),
    ('2026-01-19', 'Martin Luther King, Jr. Day'),
    ('2026-02-16', 'Washington''s Birthday'),
    ('2026-04-03', 'Good Friday'),
    ('2026-05-25', 'Memorial Day'),
    ('2026-06-19', 'Juneteenth'),
    ('2026-07-03', 'Independence Day (observed)'),
    ('2026-09-07', 'Labor Day'),
    ('2026-11-26', 'Thanksgiving Day'),
    ('2026-12-25', 'Christmas Day'),
    ('2027-01-01', 'New Year''s Day'),
    ('2027-01-18', 'Martin Luther King, Jr. Day'),
    ('2027-02-15', 'Washington''s Birthday'),
    ('2027-03-26', 'Good Friday'),
    ('2027-05-31', 'Memorial Day'),
    ('2027-06-18', 'Juneteenth (observed)'),
    ('2027-07-05', 'Independence Day (observed)'),
    ('2027-09-06', 'Labor Day'),
    ('2027-11-25', 'Thanksgiving Day'),
    ('2027-12-24', 'Christmas Day (observed)'),
    ('2028-01-17', 'Martin Luther King, Jr. Day'),
    ('2028-02-21', 'Washington''s Birthday'),
    ('2028-04-14', 'Good Friday'),
    ('2028-05-29', 'Memorial Day'),
    ('2028-06-19', 'Juneteenth'),
    ('2028-07-04', 'Independence Day'),
    ('2028-09-04', 'Labor Day'),
    ('2028-11-23', 'Thanksgiving Day'),
    ('2028-12-25', 'Christmas Day');
INSERT INTO exchange.calendar_exceptions (trade_date, name, is_closed, close) VALUES
    ('2026-11-27', 'Day after Thanksgiving', false, '13:00'),
    ('2026-12-24', 'Christmas Eve', false, '13:00'),
    ('2027-11-26', 'Day after Thanksgiving', false, '13:00'),
    ('2028-07-03', 'Day before Independence Day', false, '13:00'),
    ('2028-11-24', 'Day after Thanksgiving', false, '13:00');

CREATE FUNCTION exchange.reload_calendar()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'reload_calendar_wrapper';
COMMENT ON FUNCTION exchange.reload_calendar() IS
    'Makes the engine open and close the market by exchange.trading_hours and exchange.calendar_exceptions as they are now, and returns when it knows the days of the next ten. A day that has begun goes on as it was; exchange.close_market() ends it. Call it after the COMMIT of the change. Errors: 25001 (this transaction has written something), 55000 (the market is halted), 57P03 (the workers are not running).';

SELECT pg_catalog.pg_extension_config_dump('exchange.trading_hours', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.calendar_exceptions', '');
