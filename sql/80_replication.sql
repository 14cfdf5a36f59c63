-- What leaves the exchange by logical replication (wal_level = logical): publications, which are
-- objects of the database and not of the extension. pg_dump leaves out which tables of an
-- extension a publication is of, so that a restored venue calls the functions below again.

CREATE FUNCTION exchange.create_publications()
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Publication, comment, and its tables. A reporting database has the same tables: what is added
    -- here is added in migrations/reporting/ too.
    entry record;
    published text;
BEGIN
    FOR entry IN SELECT * FROM (VALUES
        ('exchange_market_data',
         'What everybody may see: instruments, trades, candles, and every public event in blocks.',
         ARRAY['instruments', 'trades', 'candles', 'market_data']),
        ('exchange_journal',
         'Every command, in blocks: see exchange.decode_journal().',
         ARRAY['journal']),
        ('exchange_reports',
         'What reporting and analytics databases need: all tables but the journal, the blocks of market data, the answers kept for retries and the positions of consumers.',
         ARRAY['open_orders', 'finished_orders', 'executions', 'trades', 'busted_trades', 'candles',
               'participants', 'accounts', 'currencies', 'fee_schedules', 'risk_limits',
               'cash', 'positions', 'transfers',
               'instruments', 'instrument_states', 'engine_state',
               'trading_hours', 'calendar_exceptions', 'trading_days',
               'closed_days', 'end_of_day_checks', 'end_of_day_statements', 'end_of_day_prices',
               'settlement_obligations', 'settlement_changes'])
        ) AS e (publication, comment, tables)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = entry.publication) THEN
            EXECUTE format('CREATE PUBLICATION %I', entry.publication);
        END IF;
        -- The partitions of a day come as the table that they are of. exchange.orders itself is not published: a
        -- change of an open order is found among the open ones.
        EXECUTE format('ALTER PUBLICATION %I SET (publish_via_partition_root = true)', entry.publication);
        EXECUTE format('COMMENT ON PUBLICATION %I IS %L', entry.publication, entry.comment);
        -- What the venue has added of its own stays.
        FOREACH published IN ARRAY entry.tables LOOP
            CONTINUE WHEN EXISTS (
                SELECT FROM pg_publication_rel AS r
                JOIN pg_publication AS p ON p.oid = r.prpubid
                WHERE p.pubname = entry.publication
                  AND r.prrelid = format('exchange.%I', published)::regclass);
            EXECUTE format('ALTER PUBLICATION %I ADD TABLE exchange.%I', entry.publication, published);
        END LOOP;
        -- As versions before had it. With it, all orders would come as one table.
        IF entry.publication = 'exchange_reports' AND EXISTS (
            SELECT FROM pg_publication_rel AS r
            JOIN pg_publication AS p ON p.oid = r.prpubid
            WHERE p.pubname = entry.publication AND r.prrelid = 'exchange.orders'::regclass)
        THEN
            EXECUTE format('ALTER PUBLICATION %I DROP TABLE exchange.orders', entry.publication);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION exchange.create_publications() IS
    'Creates the publications exchange_market_data, exchange_reports and exchange_journal, or adds the tables to them that they lack: after ALTER EXTENSION pg_exchange UPDATE, and after a dump was restored. Subscribers get new tables with ALTER SUBSCRIPTION … REFRESH PUBLICATION. They belong to the owner of the extension.';

-- The name of the publication of a participant; an error if there is no such participant.
CREATE FUNCTION exchange.drop_copy_publication(participant name)
RETURNS name
LANGUAGE plpgsql STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    prefix CONSTANT text := 'exchange_drop_copy_';
BEGIN
    IF participant IS NULL THEN
        RAISE EXCEPTION 'the participant must not be NULL'
            USING ERRCODE = 'null_value_not_allowed',
                  HINT = 'Name the role that owns the accounts.';
    END IF;
    IF NOT EXISTS (SELECT FROM exchange.participants AS p WHERE p.role = participant) THEN
        RAISE EXCEPTION '% is no participant', participant
            USING ERRCODE = 'undefined_object',
                  DETAIL = 'A role becomes one with its first account.',
                  HINT = format('SELECT exchange.open_account(%L);', participant);
    END IF;
    IF octet_length(prefix || participant) >= 64 THEN
        RAISE EXCEPTION 'the name % is too long for a publication', participant
            USING ERRCODE = 'name_too_long',
                  DETAIL = format('%s%s has %s bytes, and a name may have 63.', prefix, participant,
                                  octet_length(prefix || participant));
    END IF;
    RETURN prefix || participant;
END
$$;
COMMENT ON FUNCTION exchange.drop_copy_publication(name) IS
    'The name of the publication that exchange.create_drop_copy() makes for a participant. Errors: 22004 (NULL), 42622 (the name of the role has more than 44 bytes), 42704 (no such participant).';

CREATE FUNCTION exchange.create_drop_copy(participant name)
RETURNS name
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    publication CONSTANT name := exchange.drop_copy_publication(participant);
    own_rows CONSTANT text := format(
        '(account_id = ANY (%L::integer[]))',
        ARRAY(SELECT a.account_id FROM exchange.accounts AS a
              WHERE a.owner = participant ORDER BY a.account_id));
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = publication) THEN
        EXECUTE format('CREATE PUBLICATION %I WITH (publish_via_partition_root = true)', publication);
        EXECUTE format('COMMENT ON PUBLICATION %I IS %L', publication,
                       format('The orders and executions of %s: see exchange.create_drop_copy().',
                              participant));
    END IF;
    EXECUTE format(
        'ALTER PUBLICATION %1$I SET TABLE exchange.open_orders WHERE %2$s,
                 exchange.finished_orders WHERE %2$s, exchange.executions WHERE %2$s',
        publication, own_rows);
    RETURN publication;
END
$$;
COMMENT ON FUNCTION exchange.create_drop_copy(name) IS
    'Makes the drop copy of a participant, and returns its name: a publication of exchange.open_orders, finished_orders and executions with the rows of the accounts that it owns now. Call it again after exchange.open_account() and before exchange.verify_account(), and no row of the new account is missed; exchange.drop_copies shows which accounts are missing. PostgreSQL lets a role with REPLICATION read every publication: this is for subscribers that the venue trusts. Errors: 22004 (NULL), 42622 (the name of the role has more than 44 bytes), 42704 (no such participant).';

CREATE FUNCTION exchange.remove_drop_copy(participant name)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    publication CONSTANT name := exchange.drop_copy_publication(participant);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = publication) THEN
        RAISE EXCEPTION '% has no drop copy', participant
            USING ERRCODE = 'undefined_object',
                  HINT = 'SELECT * FROM exchange.drop_copies;';
    END IF;
    EXECUTE format('DROP PUBLICATION %I', publication);
END
$$;
COMMENT ON FUNCTION exchange.remove_drop_copy(name) IS
    'Removes the drop copy of a participant. First drop the subscriptions to it: one that is left fails from here on, and its replication slot keeps WAL. Errors: 22004 (NULL), 42622 (the name of the role has more than 44 bytes), 42704 (no such participant, or it has no drop copy).';

CREATE VIEW exchange.drop_copies WITH (security_invoker = true) AS
    SELECT p.role AS participant, d.pubname AS publication, c.account_ids,
           ARRAY(SELECT a.account_id FROM exchange.accounts AS a
                 WHERE a.owner = p.role AND NOT a.account_id = ANY (c.account_ids)
                 ORDER BY a.account_id) AS missing_account_ids
    FROM exchange.participants AS p
    JOIN pg_catalog.pg_publication AS d ON d.pubname = 'exchange_drop_copy_' || p.role
    CROSS JOIN LATERAL (
        -- Those that are in the filters of all three tables.
        SELECT coalesce(array_agg(f.account_id ORDER BY f.account_id), '{}') AS account_ids
        FROM (
            SELECT f.account_id
            FROM pg_catalog.pg_publication_rel AS r
            CROSS JOIN LATERAL unnest(
                substring(pg_catalog.pg_get_expr(r.prqual, r.prrelid) FROM '{.*}')::integer[]
            ) AS f (account_id)
            WHERE r.prpubid = d.oid
            GROUP BY f.account_id
            HAVING count(*) = 3
        ) AS f
    ) AS c;
COMMENT ON VIEW exchange.drop_copies IS
    'The drop copies, see exchange.create_drop_copy(), and what they lack.';
COMMENT ON COLUMN exchange.drop_copies.participant IS 'Of whom.';
COMMENT ON COLUMN exchange.drop_copies.publication IS 'What to subscribe to.';
COMMENT ON COLUMN exchange.drop_copies.account_ids IS 'The accounts whose orders and executions are in it.';
COMMENT ON COLUMN exchange.drop_copies.missing_account_ids IS
    'Accounts that were opened since; call exchange.create_drop_copy() again. Empty where all are in it.';
