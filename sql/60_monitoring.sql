-- How the exchange is doing.

CREATE FUNCTION exchange.statistics()
RETURNS TABLE (
    market                   text,
    halted_because           text,
    matched                  bigint,
    durable                  bigint,
    published                bigint,
    projected                bigint,
    ring_slots               bigint,
    ring_used                bigint,
    submissions_waiting      bigint,
    commands                 bigint,
    trades                   bigint,
    open_orders              bigint,
    commands_per_second      double precision,
    matched_answers          bigint,
    matched_latency_us_p50   double precision,
    matched_latency_us_p99   double precision,
    matched_latency_us_p999  double precision,
    matched_latency_us_max   double precision,
    durable_answers          bigint,
    durable_latency_us_p50   double precision,
    durable_latency_us_p99   double precision,
    durable_latency_us_p999  double precision,
    durable_latency_us_max   double precision,
    stats_reset              timestamptz,
    trade_date               date,
    next_phase               text,
    next_phase_at            timestamptz)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1
AS 'MODULE_PATHNAME', 'statistics_wrapper';
COMMENT ON FUNCTION exchange.statistics() IS 'The row of exchange.pg_stat_exchange.';

CREATE VIEW exchange.pg_stat_exchange AS SELECT * FROM exchange.statistics();
COMMENT ON VIEW exchange.pg_stat_exchange IS
    'One row of figures about the exchange, for monitoring tools; exchange.status shows the same for people. Counters and latencies are since stats_reset; see exchange.reset_statistics().';
COMMENT ON COLUMN exchange.pg_stat_exchange.market IS
    'The phase of the market: closed, pre_open, continuous or closing_auction; or halted, if the exchange stopped by itself.';
COMMENT ON COLUMN exchange.pg_stat_exchange.halted_because IS 'Why the exchange stopped by itself; NULL if it did not.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched IS 'The last command that the matcher executed.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable IS 'The last command that is in the journal, on disk.';
COMMENT ON COLUMN exchange.pg_stat_exchange.published IS 'The last command that the order books show.';
COMMENT ON COLUMN exchange.pg_stat_exchange.projected IS 'The last command that the tables show.';
COMMENT ON COLUMN exchange.pg_stat_exchange.ring_slots IS 'How many commands the sequencer ring holds.';
COMMENT ON COLUMN exchange.pg_stat_exchange.ring_used IS 'How many of them are not durable yet; when all are, callers wait.';
COMMENT ON COLUMN exchange.pg_stat_exchange.submissions_waiting IS 'Calls that the matcher has not taken yet.';
COMMENT ON COLUMN exchange.pg_stat_exchange.commands IS 'Commands executed since stats_reset.';
COMMENT ON COLUMN exchange.pg_stat_exchange.trades IS 'Trades since stats_reset.';
COMMENT ON COLUMN exchange.pg_stat_exchange.open_orders IS 'Orders that are open now.';
COMMENT ON COLUMN exchange.pg_stat_exchange.commands_per_second IS 'Commands a second over the last ten full seconds.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_answers IS 'Calls answered when matched (synchronous_commit = off).';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_latency_us_p50 IS 'Half of these calls took at most so many microseconds, from submission to answer, within 3 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_latency_us_p99 IS 'The same for 99 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_latency_us_p999 IS 'The same for 99.9 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.matched_latency_us_max IS 'The slowest of them.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_answers IS 'Calls answered when durable.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_latency_us_p50 IS 'Half of these calls took at most so many microseconds, within 3 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_latency_us_p99 IS 'The same for 99 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_latency_us_p999 IS 'The same for 99.9 %.';
COMMENT ON COLUMN exchange.pg_stat_exchange.durable_latency_us_max IS 'The slowest of them.';
COMMENT ON COLUMN exchange.pg_stat_exchange.stats_reset IS 'Since when counters and latencies count.';
COMMENT ON COLUMN exchange.pg_stat_exchange.trade_date IS 'The trade date: that of the last day that the market opened on; NULL before the first.';
COMMENT ON COLUMN exchange.pg_stat_exchange.next_phase IS
    'What comes next by the calendar: pre_open, continuous, closing_auction or closed; NULL where the engine''s calendar is empty, see exchange.trading_days.';
COMMENT ON COLUMN exchange.pg_stat_exchange.next_phase_at IS 'When; NULL as above.';

CREATE FUNCTION exchange.reset_statistics()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'reset_statistics_wrapper';
COMMENT ON FUNCTION exchange.reset_statistics() IS
    'Sets the counters and latencies of exchange.pg_stat_exchange back to zero.';

CREATE FUNCTION exchange.worker_states()
RETURNS TABLE (
    worker     text,
    pid        integer,
    state      text,
    started_at timestamptz,
    starts     bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 6
AS 'MODULE_PATHNAME', 'worker_states_wrapper';
COMMENT ON FUNCTION exchange.worker_states() IS 'The rows of exchange.workers.';

CREATE VIEW exchange.workers AS SELECT * FROM exchange.worker_states();
COMMENT ON VIEW exchange.workers IS 'The background workers of the exchange.';
COMMENT ON COLUMN exchange.workers.worker IS 'launcher, matcher, journaler, publisher, projector or scheduler.';
COMMENT ON COLUMN exchange.workers.pid IS 'Its process; NULL while it is not running.';
COMMENT ON COLUMN exchange.workers.state IS 'stopped, waiting (for the extension to be created), recovering, running, or following (the matcher of a standby).';
COMMENT ON COLUMN exchange.workers.started_at IS 'When the process started.';
COMMENT ON COLUMN exchange.workers.starts IS 'How often it has started since the server did.';

CREATE FUNCTION exchange.halt_hint()
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'halt_hint_wrapper';
COMMENT ON FUNCTION exchange.halt_hint() IS
    'What an operator can do about halted_because of exchange.pg_stat_exchange; NULL where the market is not halted.';

CREATE FUNCTION exchange.restart_workers()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'restart_workers_wrapper';
COMMENT ON FUNCTION exchange.restart_workers() IS
    'Ends the halt of an exchange that stopped by itself: the workers read tables and journal anew, as after a start of the server, and orders of sessions that asked for exchange.cancel_on_disconnect() are cancelled. It returns when orders are taken again. Commit what was mended first: the workers do not see it before. Errors: 55000 (the market is not halted; it is halted again, with the reason; what was executed does not become durable within exchange.order_timeout).';

CREATE FUNCTION exchange.recoveries()
RETURNS TABLE (
    worker              text,
    step                text,
    open_orders         bigint,
    from_sequence       bigint,
    sequence            bigint,
    to_sequence         bigint,
    commands_per_second double precision,
    began_at            timestamptz,
    loaded_at           timestamptz,
    ended_at            timestamptz)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 3
AS 'MODULE_PATHNAME', 'recoveries_wrapper';
COMMENT ON FUNCTION exchange.recoveries() IS 'The rows of exchange.recovery.';

CREATE VIEW exchange.recovery AS SELECT * FROM exchange.recoveries();
COMMENT ON VIEW exchange.recovery IS
    'How the workers that have an engine of their own (matcher, publisher, projector) last came to it: they read the tables, and execute again what the journal has after them. Orders are taken once the matcher is done. See docs/recovery.md.';
COMMENT ON COLUMN exchange.recovery.worker IS 'matcher, publisher or projector.';
COMMENT ON COLUMN exchange.recovery.step IS
    'loading: it reads the tables; replaying: it executes the journal; done: it has its engine.';
COMMENT ON COLUMN exchange.recovery.open_orders IS 'How many open orders it has read from the tables.';
COMMENT ON COLUMN exchange.recovery.from_sequence IS 'The last command that the tables show; NULL while it reads them.';
COMMENT ON COLUMN exchange.recovery.sequence IS 'The last command that it has executed again; NULL as above.';
COMMENT ON COLUMN exchange.recovery.to_sequence IS 'The last command that it has to; NULL as above.';
COMMENT ON COLUMN exchange.recovery.commands_per_second IS 'How many commands a second it executes again, or did; NULL for none.';
COMMENT ON COLUMN exchange.recovery.began_at IS 'When it began to read the tables.';
COMMENT ON COLUMN exchange.recovery.loaded_at IS 'When it had read them; NULL before.';
COMMENT ON COLUMN exchange.recovery.ended_at IS 'When it had its engine; NULL before.';

CREATE VIEW exchange.replication_slots AS
    SELECT s.slot_name, s.slot_type, s.active, s.wal_status,
           pg_wal_lsn_diff(w.lsn, s.confirmed_flush_lsn)::bigint AS behind_bytes,
           pg_wal_lsn_diff(w.lsn, s.restart_lsn)::bigint AS retained_bytes,
           s.safe_wal_size AS bytes_until_lost
    FROM pg_catalog.pg_replication_slots AS s
    CROSS JOIN (
        SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
    ) AS w
    WHERE s.slot_type = 'physical' OR s.database = current_database();
COMMENT ON VIEW exchange.replication_slots IS
    'Who follows the exchange by replication, and what WAL the server keeps for them: a subscriber that is gone keeps it until its slot is dropped, or until there is more than max_slot_wal_keep_size and the slot is lost. docs/replication.md says what to do then.';
COMMENT ON COLUMN exchange.replication_slots.slot_name IS 'The replication slot; that of a subscription has its name.';
COMMENT ON COLUMN exchange.replication_slots.slot_type IS 'logical: tables; physical: a standby.';
COMMENT ON COLUMN exchange.replication_slots.active IS 'Whether the subscriber is connected.';
COMMENT ON COLUMN exchange.replication_slots.wal_status IS
    'reserved: all is well. extended: it keeps more WAL than max_wal_size. unreserved: it is lost at the next checkpoint, unless the subscriber catches up before. lost: what the subscriber needs is gone, and it must copy the tables anew.';
COMMENT ON COLUMN exchange.replication_slots.behind_bytes IS
    'How much WAL the subscriber has not confirmed yet; NULL for a standby.';
COMMENT ON COLUMN exchange.replication_slots.retained_bytes IS
    'How much WAL the server keeps for it; NULL where it keeps none, as for a lost slot.';
COMMENT ON COLUMN exchange.replication_slots.bytes_until_lost IS
    'How much more WAL can be written before it is lost; NULL where max_slot_wal_keep_size is -1 (no limit), or it is lost.';

CREATE VIEW exchange.status AS
    SELECT item, value
    FROM exchange.statistics() AS s
    CROSS JOIN LATERAL (
        SELECT string_agg(format('%s %s', w.worker, w.state), ', ') AS states FROM exchange.worker_states() AS w
    ) AS w
    CROSS JOIN LATERAL (
        SELECT string_agg(
                   CASE r.step
                       WHEN 'loading' THEN format('%s is reading the tables: %s open orders so far', r.worker, r.open_orders)
                       ELSE format('%s is replaying the journal: command %s of %s, %s commands a second',
                                   r.worker, r.sequence, r.to_sequence, coalesce(round(r.commands_per_second), 0))
                   END, '; ') AS steps
        FROM exchange.recoveries() AS r WHERE r.step <> 'done'
    ) AS r
    CROSS JOIN LATERAL (VALUES
        ('server', CASE WHEN pg_is_in_recovery()
            THEN 'a standby, with all that was committed until ' || coalesce(pg_last_xact_replay_timestamp()::text, 'its copy was made')
            ELSE 'takes orders' END),
        ('market', s.market),
        ('halted because', s.halted_because),
        ('what to do', exchange.halt_hint()),
        ('trade date', s.trade_date::text),
        ('next phase', s.next_phase || ' at ' || s.next_phase_at),
        ('workers', w.states),
        ('recovery', r.steps),
        ('matched', s.matched::text),
        ('durable', format('%s (%s behind)', s.durable, s.matched - s.durable)),
        ('published', format('%s (%s behind)', s.published, s.matched - s.published)),
        ('projected', format('%s (%s behind)', s.projected, s.matched - s.projected)),
        ('ring', format('%s of %s slots used', s.ring_used, s.ring_slots)),
        ('open orders', s.open_orders::text),
        ('commands', format('%s (%s a second)', s.commands, round(s.commands_per_second))),
        ('trades', s.trades::text),
        ('latency, matched', CASE WHEN s.matched_answers > 0 THEN
            format('p50 %s µs, p99 %s µs, p99.9 %s µs, max %s µs over %s calls',
                   round(s.matched_latency_us_p50), round(s.matched_latency_us_p99),
                   round(s.matched_latency_us_p999), round(s.matched_latency_us_max), s.matched_answers) END),
        ('latency, durable', CASE WHEN s.durable_answers > 0 THEN
            format('p50 %s µs, p99 %s µs, p99.9 %s µs, max %s µs over %s calls',
                   round(s.durable_latency_us_p50), round(s.durable_latency_us_p99),
                   round(s.durable_latency_us_p999), round(s.durable_latency_us_max), s.durable_answers) END)
    ) AS v (item, value)
    WHERE value IS NOT NULL
    UNION ALL
    (SELECT 'slot ' || r.slot_name,
            CASE
                WHEN r.wal_status = 'lost' THEN 'lost: the subscriber must copy the tables anew, see docs/replication.md'
                ELSE format('%s, %s behind, keeps %s of WAL', CASE WHEN r.active THEN 'active' ELSE 'inactive' END,
                            pg_size_pretty(coalesce(r.behind_bytes, r.retained_bytes)), pg_size_pretty(r.retained_bytes))
                     || CASE WHEN r.wal_status = 'unreserved' THEN ', is lost at the next checkpoint'
                             ELSE coalesce(format(', is lost after %s more', pg_size_pretty(r.bytes_until_lost)), '') END
            END
     FROM exchange.replication_slots AS r
     ORDER BY r.slot_name);
COMMENT ON VIEW exchange.status IS 'How the exchange is doing, for people. exchange.pg_stat_exchange has the same as numbers.';
COMMENT ON COLUMN exchange.status.item IS 'What.';
COMMENT ON COLUMN exchange.status.value IS 'How much.';

CREATE FUNCTION exchange.function_signatures()
RETURNS TABLE (symbol text, signature text)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 20
AS 'MODULE_PATHNAME', 'function_signatures_wrapper';
COMMENT ON FUNCTION exchange.function_signatures() IS
    'The argument types that the library was built for, for a check against the SQL declarations.';
