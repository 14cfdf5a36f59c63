-- The calendar as days. Reporting databases have this function too, by this very file.

CREATE FUNCTION exchange.trading_day_times("from" date, "to" date)
RETURNS TABLE (
    trade_date         date,
    pre_open_at        timestamptz,
    open_at            timestamptz,
    closing_auction_at timestamptz,
    close_at           timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.day,
           (d.day + h.pre_open) AT TIME ZONE z.name,
           (d.day + h.open) AT TIME ZONE z.name,
           (d.day + c.close - (h.close - h.closing_auction)) AT TIME ZONE z.name,
           (d.day + c.close) AT TIME ZONE z.name
    FROM exchange.trading_hours AS h
    CROSS JOIN current_setting('exchange.time_zone') AS z (name)
    CROSS JOIN generate_series(0, $2 - $1) AS n (days)
    CROSS JOIN LATERAL (SELECT $1 + n.days AS day) AS d
    LEFT JOIN exchange.calendar_exceptions AS e ON e.trade_date = d.day
    CROSS JOIN LATERAL (SELECT coalesce(e.close, h.close) AS close) AS c
    WHERE extract(isodow FROM d.day) <= 5
      AND e.is_closed IS NOT TRUE
    ORDER BY d.day
$$;
COMMENT ON FUNCTION exchange.trading_day_times(date, date) IS
    'The trading days from one date to another, both included, by exchange.trading_hours and exchange.calendar_exceptions, in exchange.time_zone: daylight saving is in the times. Weekends and holidays are left out. Error: 42704 (exchange.time_zone is no time zone, or pg_exchange is not in shared_preload_libraries), 22023 (the same).';
