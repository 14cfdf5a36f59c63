-- Consumers with offsets: programs that speak nothing but SQL follow the public events, several of
-- them sharing the work, and the database remembers how far they have come.
--
-- A consumer's instruments are dealt out to partitions, one after the other. A session that fetches is
-- a member, and holds its part of the partitions until it ends. How far a partition was
-- acknowledged is a row, as durable as any other; who holds it is a row too, but whether a member is
-- still there is told by an advisory lock of its session, which PostgreSQL lets go when the session
-- ends, however it ends. Nobody ever waits for a lock of another member: what is locked is passed by.

CREATE TABLE exchange.consumer_settings (
    name         text COLLATE "C" PRIMARY KEY,
    owner        regrole NOT NULL,
    symbols      text[] COLLATE "C",
    partitions   integer NOT NULL,
    idle_timeout interval,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE exchange.consumer_settings IS
    'The consumers of public events. Use exchange.create_consumer() and exchange.drop_consumer(); exchange.consumers shows how far each has come.';
COMMENT ON COLUMN exchange.consumer_settings.name IS 'Its name in every call, 1 to 63 bytes.';
COMMENT ON COLUMN exchange.consumer_settings.owner IS 'The role that made it; its members may use it. A number where the role was dropped.';
COMMENT ON COLUMN exchange.consumer_settings.symbols IS
    'The instruments whose events it gets; NULL for all, those that are listed later too.';
COMMENT ON COLUMN exchange.consumer_settings.partitions IS
    'Into how many parts its instruments are dealt, and so how many members can share the work: the partition is instrument_id - 1, or the place in symbols - 1, modulo this.';
COMMENT ON COLUMN exchange.consumer_settings.idle_timeout IS
    'How long a member may be connected without a call before others may have its partitions; NULL for any time.';
COMMENT ON COLUMN exchange.consumer_settings.created_at IS 'When it was made.';

CREATE TABLE exchange.consumer_partitions (
    name            text COLLATE "C" NOT NULL REFERENCES exchange.consumer_settings ON DELETE CASCADE,
    partition       integer NOT NULL,
    owner           regrole NOT NULL,
    acknowledged    bigint NOT NULL,
    acknowledged_at timestamptz,
    pid             integer,
    PRIMARY KEY (name, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE exchange.consumer_partitions IS
    'How far each partition of a consumer is acknowledged, and which member has it. Use exchange.fetch_events() and exchange.acknowledge().';
COMMENT ON COLUMN exchange.consumer_partitions.name IS 'The consumer.';
COMMENT ON COLUMN exchange.consumer_partitions.partition IS 'From 0; see exchange.consumer_settings.partitions.';
COMMENT ON COLUMN exchange.consumer_partitions.owner IS 'The owner of the consumer.';
COMMENT ON COLUMN exchange.consumer_partitions.acknowledged IS
    'The events of its instruments are processed up to this command, and do not come again.';
COMMENT ON COLUMN exchange.consumer_partitions.acknowledged_at IS 'When that last changed; NULL if it never did.';
COMMENT ON COLUMN exchange.consumer_partitions.pid IS
    'The server process of the member that has it, or had it when it ended; NULL where none has it.';

CREATE TABLE exchange.consumer_sessions (
    name      text COLLATE "C" NOT NULL REFERENCES exchange.consumer_settings ON DELETE CASCADE,
    pid       integer NOT NULL,
    owner     regrole NOT NULL,
    role      text COLLATE "C" NOT NULL,
    held      integer NOT NULL,
    fetched   bigint NOT NULL,
    scanned   bigint NOT NULL,
    joined_at timestamptz NOT NULL,
    seen_at   timestamptz NOT NULL,
    PRIMARY KEY (name, pid)
) WITH (fillfactor = 10);
COMMENT ON TABLE exchange.consumer_sessions IS
    'The sessions that fetched from a consumer; those that have ended stay until others have taken over from them. exchange.consumer_members shows who is there.';
COMMENT ON COLUMN exchange.consumer_sessions.name IS 'The consumer.';
COMMENT ON COLUMN exchange.consumer_sessions.pid IS 'The server process of the session.';
COMMENT ON COLUMN exchange.consumer_sessions.owner IS 'The owner of the consumer.';
COMMENT ON COLUMN exchange.consumer_sessions.role IS 'The role that fetches.';
COMMENT ON COLUMN exchange.consumer_sessions.held IS 'How many partitions it had at its last fetch.';
COMMENT ON COLUMN exchange.consumer_sessions.fetched IS 'The command of the last event that its last fetch returned.';
COMMENT ON COLUMN exchange.consumer_sessions.scanned IS
    'The last command that its last fetch looked at: after fetched nothing up to here is for this session.';
COMMENT ON COLUMN exchange.consumer_sessions.joined_at IS 'When it fetched for the first time.';
COMMENT ON COLUMN exchange.consumer_sessions.seen_at IS 'When it last fetched or acknowledged.';

CREATE FUNCTION exchange.find_consumer(name text)
RETURNS exchange.consumer_settings
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    consumer exchange.consumer_settings;
BEGIN
    -- Whoever asks is about to write.
    IF pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'a read-only transaction cannot keep the position of a consumer'
            USING ERRCODE = 'read_only_sql_transaction',
                  DETAIL = CASE WHEN pg_is_in_recovery() THEN 'This server is a standby.'
                                ELSE 'This transaction is read-only.' END,
                  HINT = 'Fetch on the primary; or call exchange.events_after() here, and keep the position yourself.';
    ELSIF $1 IS NULL THEN
        RAISE EXCEPTION 'name must not be NULL'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known, and no consumer has it for a name.',
                  HINT = 'SELECT name FROM exchange.consumers; lists them.';
    END IF;
    -- Row-level security leaves those that the caller may see, which may be more than it may use.
    SELECT c.* INTO consumer FROM exchange.consumer_settings AS c WHERE c.name = $1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such consumer'
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('The role %I has no consumer "%s".', current_user, $1),
                  HINT = format('SELECT exchange.create_consumer(%L); makes it.', $1);
    ELSIF NOT pg_has_role(consumer.owner, 'USAGE') THEN
        RAISE EXCEPTION 'the consumer belongs to another role'
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('"%s" belongs to %s.', $1, consumer.owner),
                  HINT = format('Make one of another name, or have it granted: GRANT %s TO %I;', consumer.owner, current_user);
    END IF;
    RETURN consumer;
END
$$;
COMMENT ON FUNCTION exchange.find_consumer(text) IS
    'The settings of a consumer that the caller may use, for the functions that use it. Errors: 22004 (NULL), 25006 (read-only transaction or standby), 42704 (unknown consumer, or another role''s), 42501 (another role''s, where the caller may see it).';

CREATE FUNCTION exchange.create_consumer(
    name          text,
    from_sequence bigint DEFAULT NULL,
    symbols       text[] DEFAULT NULL,
    partitions    integer DEFAULT 16,
    idle_timeout  interval DEFAULT '5 minutes')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    me      CONSTANT regrole := quote_ident(current_user)::regrole;
    start   bigint := $2;
    unknown text;
BEGIN
    IF $1 IS NULL OR $4 IS NULL OR array_position($3, NULL) IS NOT NULL THEN
        RAISE EXCEPTION '% must not be NULL',
            CASE WHEN $1 IS NULL THEN 'name' WHEN $4 IS NULL THEN 'partitions' ELSE 'an element of symbols' END
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known.',
                  HINT = 'Leave symbols out for all instruments, and partitions for 16.';
    ELSIF octet_length($1) NOT BETWEEN 1 AND 63 THEN
        RAISE EXCEPTION 'the name of a consumer must have 1 to 63 bytes'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It has %s.', octet_length($1)),
                  HINT = 'Give another name.';
    ELSIF $2 < 0 THEN
        RAISE EXCEPTION 'from_sequence must not be below 0'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', $2),
                  HINT = 'Give 0 for every event that there is, or leave it out for those from now on.';
    ELSIF $4 NOT BETWEEN 1 AND 256 THEN
        RAISE EXCEPTION 'partitions must be from 1 to 256'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', $4),
                  HINT = 'Give at least as many as there will be members.';
    ELSIF $5 <= interval '0' THEN
        RAISE EXCEPTION 'idle_timeout must be above 0'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', $5),
                  HINT = 'Give NULL for members that may be idle for any time.';
    ELSIF cardinality($3) = 0 THEN
        RAISE EXCEPTION 'symbols must not be empty'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'A consumer of no instrument would get nothing.',
                  HINT = 'Leave it out for all instruments.';
    END IF;
    SELECT s.symbol INTO unknown FROM unnest($3) AS s (symbol)
    WHERE NOT EXISTS (SELECT FROM exchange.instruments AS i WHERE i.symbol = s.symbol) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'no such instrument'
            USING ERRCODE = 'undefined_object',
                  DETAIL = format('There is no symbol "%s".', unknown),
                  HINT = 'SELECT symbol FROM exchange.instruments; lists them.';
    END IF;
    IF start IS NULL THEN
        SELECT coalesce(max(l.last_sequence), 0) INTO start FROM (
            SELECT m.last_sequence FROM exchange.market_data AS m ORDER BY m.first_sequence DESC LIMIT 1) AS l;
    END IF;
    INSERT INTO exchange.consumer_settings (name, owner, symbols, partitions, idle_timeout)
    VALUES ($1, me, $3, $4, $5) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the consumer exists'
            USING ERRCODE = 'duplicate_object',
                  DETAIL = format('There is a consumer "%s", of this or another role.', $1),
                  HINT = 'Give another name, or go on with it as it is: exchange.fetch_events() needs no more.';
    END IF;
    INSERT INTO exchange.consumer_partitions (name, partition, owner, acknowledged)
    SELECT $1, n, me, start FROM generate_series(0, $4 - 1) AS n;
    RETURN start;
END
$$;
COMMENT ON FUNCTION exchange.create_consumer(text, bigint, text[], integer, interval) IS
    'Makes a consumer of the public events, those of exchange.events_after(), that belongs to the current role, and returns the sequence after which it begins. name: 1 to 63 bytes, one of its kind in the venue. from_sequence: it gets the events after this command, 0 for all that there are; by default those from now on. symbols: its instruments; by default all, those that are listed later too; it gets the events of the whole market (symbol NULL) in any case. partitions: 1 to 256, how many members at the most can share the work. idle_timeout: a member that is connected and has made no call for so long may lose its partitions to others; above 0, NULL for never. Undone by ROLLBACK. Errors: 22004 (NULL), 22023 (out of range, or no symbols), 25006 (read-only transaction or standby), 42704 (unknown symbol), 42710 (the name is taken).';

CREATE FUNCTION exchange.drop_consumer(name text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM exchange.find_consumer($1);
    DELETE FROM exchange.consumer_settings AS c WHERE c.name = $1;
END
$$;
COMMENT ON FUNCTION exchange.drop_consumer(text) IS
    'Removes a consumer, and with it how far it had come. It waits for transactions in which a member has fetched or acknowledged. Undone by ROLLBACK. Errors: those of exchange.find_consumer().';

CREATE FUNCTION exchange.fetch_events(name text, maximum integer DEFAULT 1000)
RETURNS TABLE (
    sequence     bigint,
    at           timestamptz,
    symbol       text,
    event        exchange.market_event,
    side         exchange.side,
    price        numeric,
    quantity     bigint,
    orders       integer,
    trade_id     bigint,
    in_auction   boolean,
    bid_price    numeric,
    bid_quantity bigint,
    ask_price    numeric,
    ask_quantity bigint,
    phase        exchange.instrument_phase,
    trade_date   date)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 10000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    me          CONSTANT integer := pg_backend_pid();
    most_events CONSTANT integer := 1000000;
    recent      CONSTANT timestamptz := clock_timestamp() - interval '4 days';
    consumer    exchange.consumer_settings;
    lock_class  integer;
    -- The members that are there, and those that are not any more.
    present     integer[];
    gone        integer[];
    part        integer;
    -- My partitions.
    mine        integer[];
    -- By partition, from 1: how far it is acknowledged; NULL for those of others.
    progress    bigint[];
    -- Up to which command I have looked, and which was the last that I returned something of.
    looked      bigint;
    last        bigint;
    chunk       integer := 1000;
    of_chunk    bigint;
    looked_at   integer := 0;
    returned    integer := 0;
    newest      bigint;
    seen        bigint;
    is_mine     boolean;
BEGIN
    IF $2 IS NULL THEN
        RAISE EXCEPTION 'maximum must not be NULL'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known.',
                  HINT = 'Leave it out for 1000.';
    ELSIF $2 < 1 THEN
        RAISE EXCEPTION 'maximum must be at least 1'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', $2),
                  HINT = 'Leave it out for 1000.';
    END IF;
    consumer := exchange.find_consumer($1);

    -- 1. Who is there? A member's lock is its session's until that ends; another can have it, for the
    -- moment of this question, only then.
    lock_class := hashtext('exchange.consumer ' || $1);
    PERFORM pg_advisory_lock(lock_class, me);
    PERFORM FROM exchange.consumer_sessions AS s WHERE s.name = $1 AND s.pid = me FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        IF EXISTS (SELECT FROM exchange.consumer_sessions AS s WHERE s.name = $1 AND s.pid = me) THEN
            -- I was idle for too long, and another member is taking over at this moment.
            RETURN;
        END IF;
        INSERT INTO exchange.consumer_sessions
            (name, pid, owner, role, held, fetched, scanned, joined_at, seen_at)
        VALUES ($1, me, consumer.owner, current_user, 0, 0, 0, clock_timestamp(), clock_timestamp());
    END IF;
    SELECT coalesce(array_agg(o.pid) FILTER (WHERE o.is_there), '{}'),
           coalesce(array_agg(o.pid) FILTER (WHERE NOT o.is_there), '{}')
    INTO present, gone
    FROM (
        SELECT s.pid, s.pid = me
            OR coalesce(s.seen_at > clock_timestamp() - consumer.idle_timeout, true)
               AND NOT (pg_try_advisory_lock(lock_class, s.pid) AND pg_advisory_unlock(lock_class, s.pid)) AS is_there
        FROM exchange.consumer_sessions AS s WHERE s.name = $1
    ) AS o;

    -- 2. Which partitions are mine? As many as make it the same for all members, or one more. What
    -- is too much goes back; what is free, or was left behind, is taken.
    part := ceil(consumer.partitions::numeric / cardinality(present));
    mine := ARRAY(
        SELECT p.partition FROM exchange.consumer_partitions AS p
        WHERE p.name = $1 AND p.pid = me ORDER BY p.partition FOR UPDATE SKIP LOCKED);
    IF cardinality(mine) > part THEN
        UPDATE exchange.consumer_partitions AS p SET pid = NULL
        WHERE p.name = $1 AND p.partition = ANY (mine[part + 1:]);
        mine := mine[:part];
    ELSIF cardinality(mine) < part THEN
        WITH taken AS (
            UPDATE exchange.consumer_partitions AS p SET pid = me
            WHERE p.name = $1 AND p.partition = ANY (ARRAY(
                SELECT free.partition FROM exchange.consumer_partitions AS free
                WHERE free.name = $1 AND (
                    free.pid IS NULL OR free.pid = ANY (gone)
                    -- Of a member that is not known here: it was of another server, before a dump.
                    OR free.pid <> me
                       AND pg_try_advisory_lock(lock_class, free.pid) AND pg_advisory_unlock(lock_class, free.pid))
                ORDER BY free.partition LIMIT part - cardinality(mine) FOR UPDATE SKIP LOCKED))
            RETURNING p.partition)
        SELECT mine || coalesce(array_agg(t.partition), '{}') INTO mine FROM taken AS t;
    END IF;
    -- Who is gone is forgotten when nothing is left of it.
    DELETE FROM exchange.consumer_sessions AS s
    WHERE s.name = $1 AND s.pid = ANY (ARRAY(
        SELECT g.pid FROM exchange.consumer_sessions AS g
        WHERE g.name = $1 AND g.pid = ANY (gone)
          AND NOT EXISTS (SELECT FROM exchange.consumer_partitions AS p WHERE p.name = $1 AND p.pid = g.pid)
        FOR UPDATE SKIP LOCKED));

    -- 3. The events of their instruments, whole commands, from where the one that is least far is.
    SELECT array_agg(CASE WHEN p.partition = ANY (mine) THEN p.acknowledged END ORDER BY p.partition),
           coalesce(min(p.acknowledged) FILTER (WHERE p.partition = ANY (mine)), 0)
    INTO progress, looked
    FROM exchange.consumer_partitions AS p WHERE p.name = $1;
    <<reading>>
    WHILE cardinality(mine) > 0 AND returned < $2 AND looked_at < most_events LOOP
        -- It is most likely of the last days: then the others are not looked at.
        SELECT b.last_sequence INTO newest FROM exchange.market_data AS b
        WHERE b.first_at >= recent ORDER BY b.first_sequence DESC LIMIT 1;
        IF NOT FOUND THEN
            SELECT b.last_sequence INTO newest FROM exchange.market_data AS b
            ORDER BY b.first_sequence DESC LIMIT 1;
        END IF;
        seen := looked;
        -- In the order in which they come: no join, which might change it. The last one of the chunk
        -- comes in any case, to tell how far it goes.
        FOR sequence, at, symbol, event, side, price, quantity, orders, trade_id, in_auction,
            bid_price, bid_quantity, ask_price, ask_quantity, phase, trade_date, of_chunk, is_mine IN
            SELECT v.sequence, v.at, v.symbol, v.event, v.side, v.price, v.quantity, v.orders, v.trade_id,
                   v.in_auction, v.bid_price, v.bid_quantity, v.ask_price, v.ask_quantity, v.phase, v.trade_date,
                   v.of_chunk,
                   v.symbol IS NULL OR (
                       SELECT v.sequence > progress[(d.place - 1) % consumer.partitions + 1]
                       FROM exchange.instruments AS i
                       CROSS JOIN LATERAL (
                           SELECT CASE WHEN consumer.symbols IS NULL THEN i.instrument_id
                                       ELSE array_position(consumer.symbols, i.symbol) END) AS d (place)
                       WHERE i.symbol = v.symbol)
            FROM (
                SELECT e.*, count(*) OVER () AS of_chunk
                FROM exchange.events_after(
                    looked, CASE WHEN cardinality(consumer.symbols) = 1 THEN consumer.symbols[1] END, chunk)
                    WITH ORDINALITY AS e (sequence, at, symbol, event, side, price, quantity, orders, trade_id,
                        in_auction, bid_price, bid_quantity, ask_price, ask_quantity, phase, trade_date, place)
            ) AS v
            WHERE v.symbol IS NULL
               OR v.symbol IN (
                   SELECT i.symbol
                   FROM exchange.instruments AS i
                   CROSS JOIN LATERAL (
                       SELECT CASE WHEN consumer.symbols IS NULL THEN i.instrument_id
                                   ELSE array_position(consumer.symbols, i.symbol) END) AS d (place)
                   WHERE progress[(d.place - 1) % consumer.partitions + 1] IS NOT NULL)
               OR v.place = v.of_chunk
        LOOP
            IF is_mine THEN
                IF returned >= $2 AND sequence > last THEN
                    looked := sequence - 1;
                    EXIT reading;
                END IF;
                returned := returned + 1;
                last := sequence;
                RETURN NEXT;
            END IF;
            seen := sequence;
        END LOOP;
        looked := seen;
        IF coalesce(of_chunk, 0) < chunk THEN
            -- What was there before this chunk was read was in it.
            looked := greatest(looked, newest);
            EXIT;
        END IF;
        looked_at := looked_at + of_chunk;
        chunk := least(chunk * 2, 16000);
    END LOOP;

    -- 4. What may be acknowledged now. Where nothing is to be processed, nothing needs to be.
    IF returned = 0 THEN
        UPDATE exchange.consumer_partitions AS p SET acknowledged = looked, acknowledged_at = clock_timestamp()
        WHERE p.name = $1 AND p.partition = ANY (mine) AND p.acknowledged < looked;
    END IF;
    UPDATE exchange.consumer_sessions AS s
    SET held = cardinality(mine), fetched = coalesce(last, looked), scanned = looked, seen_at = clock_timestamp()
    WHERE s.name = $1 AND s.pid = me;
END
$$;
COMMENT ON FUNCTION exchange.fetch_events(text, integer) IS
    'The next events of a consumer for this session, which becomes a member of it: those of its part of the instruments, and those of the whole market (symbol NULL), after what was acknowledged, in their order; at most so many, and then the rest of the last command. The columns are those of exchange.events_after(). Until exchange.acknowledge() the same come again: each at least once, those of one symbol in their order.

Members share the instruments: each gets as many partitions as the others, or one more; one that comes in gets its part when the others have fetched next. A partition stays with its session until that ends (however it ends), runs DISCARD ALL, calls exchange.leave_consumer(), or has made no call for idle_timeout; then the next fetch of another member has it. So a member is a session: a pool that gives each transaction another one, such as PgBouncer''s in transaction mode, does not go with it. No member waits for another: what one holds in an open transaction the others leave alone.

A call looks at 1,000,000 events at the most, so it may return none, or few, before it has come to the end; exchange.consumers shows how far it is. Use READ COMMITTED; under REPEATABLE READ it may fail with 40001, and can be repeated. Errors: 22004 (NULL), 22023 (maximum below 1), and those of exchange.find_consumer().';

CREATE FUNCTION exchange.acknowledge(name text, sequence bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    me       CONSTANT integer := pg_backend_pid();
    session  exchange.consumer_sessions;
    is_there boolean;
    mine     integer[];
BEGIN
    PERFORM exchange.find_consumer($1);
    IF $2 IS NULL THEN
        RAISE EXCEPTION 'sequence must not be NULL'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'NULL stands for a value that is not known.',
                  HINT = 'Give the sequence of the last event that was processed.';
    END IF;
    SELECT s.* INTO session FROM exchange.consumer_sessions AS s
    WHERE s.name = $1 AND s.pid = me FOR UPDATE SKIP LOCKED;
    is_there := FOUND;
    mine := ARRAY(
        SELECT p.partition FROM exchange.consumer_partitions AS p
        WHERE p.name = $1 AND p.pid = me FOR UPDATE SKIP LOCKED);
    IF NOT is_there OR cardinality(mine) < session.held THEN
        RAISE EXCEPTION 'this session does not have what it would acknowledge'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = CASE WHEN is_there
                      THEN format('Of the %s partitions of "%s" of its last fetch it has %s; others have taken over, and get their events again.', session.held, $1, cardinality(mine))
                      ELSE format('It has fetched nothing from "%s", or has been idle for so long that others have taken over.', $1) END,
                  HINT = format('SELECT * FROM exchange.fetch_events(%L); fetches what is to be processed.', $1);
    ELSIF $2 > session.scanned THEN
        RAISE EXCEPTION 'what was not fetched cannot be acknowledged'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('The last fetch of this session came to %s, and not to %s.', session.scanned, $2),
                  HINT = 'Give the sequence of the last event that was processed.';
    END IF;
    UPDATE exchange.consumer_partitions AS p
    SET acknowledged = CASE WHEN $2 >= session.fetched THEN session.scanned ELSE $2 END,
        acknowledged_at = clock_timestamp()
    WHERE p.name = $1 AND p.partition = ANY (mine)
      AND p.acknowledged < CASE WHEN $2 >= session.fetched THEN session.scanned ELSE $2 END;
    UPDATE exchange.consumer_sessions AS s SET seen_at = clock_timestamp() WHERE s.name = $1 AND s.pid = me;
END
$$;
COMMENT ON FUNCTION exchange.acknowledge(text, bigint) IS
    'Says that the events that the last exchange.fetch_events() of this session returned are processed, up to and with those of a command: they do not come again. It goes forward only: a command before the position changes nothing. It is a row of the transaction: with ROLLBACK it did not happen, and in one transaction with what the program writes of the events both are done or neither, so that each has its effect exactly once. It survives a crash as any COMMIT does; under synchronous_commit = off the position may fall back in a crash, and events come again. If the session has lost a partition since its last fetch, because it was idle for too long, it is refused: what it processed belongs to others now. Errors: 22004 (NULL), 22023 (beyond what was fetched), 55000 (the session has fetched nothing, or has lost some of it), and those of exchange.find_consumer().';

CREATE FUNCTION exchange.leave_consumer(name text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM exchange.find_consumer($1);
    -- What others are taking over at this moment they have.
    UPDATE exchange.consumer_partitions AS p SET pid = NULL
    WHERE p.name = $1 AND p.partition = ANY (ARRAY(
        SELECT m.partition FROM exchange.consumer_partitions AS m
        WHERE m.name = $1 AND m.pid = pg_backend_pid() FOR UPDATE SKIP LOCKED));
    DELETE FROM exchange.consumer_sessions AS s
    WHERE s.name = $1 AND s.pid = ANY (ARRAY(
        SELECT m.pid FROM exchange.consumer_sessions AS m
        WHERE m.name = $1 AND m.pid = pg_backend_pid() FOR UPDATE SKIP LOCKED));
END
$$;
COMMENT ON FUNCTION exchange.leave_consumer(text) IS
    'Gives the partitions of this session back, for the other members to take, as its end does. The next fetch makes it a member again. Undone by ROLLBACK. Errors: those of exchange.find_consumer().';

CREATE VIEW exchange.consumer_members WITH (security_invoker = true) AS
    SELECT s.name, s.pid, s.role, s.joined_at, s.seen_at, p.partitions, p.acknowledged,
           greatest(m.last_sequence - p.acknowledged, 0) AS lag
    FROM exchange.consumer_sessions AS s
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(p.partition ORDER BY p.partition), '{}') AS partitions,
               min(p.acknowledged) AS acknowledged
        FROM exchange.consumer_partitions AS p WHERE p.name = s.name AND p.pid = s.pid
    ) AS p
    LEFT JOIN (
        SELECT b.last_sequence FROM exchange.market_data AS b ORDER BY b.first_sequence DESC LIMIT 1
    ) AS m ON true
    WHERE EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted AND l.pid = s.pid
          AND l.classid = hashtext('exchange.consumer ' || s.name)::bit(32)::bigint::oid
          AND l.objid = s.pid::oid);
COMMENT ON VIEW exchange.consumer_members IS
    'The sessions that share the work of consumers, and are connected: those that the reader may see.';
COMMENT ON COLUMN exchange.consumer_members.name IS 'The consumer.';
COMMENT ON COLUMN exchange.consumer_members.pid IS
    'The server process of the session. pg_terminate_backend() ends one that hangs, and others get its part.';
COMMENT ON COLUMN exchange.consumer_members.role IS 'The role that fetches.';
COMMENT ON COLUMN exchange.consumer_members.joined_at IS 'When it fetched for the first time.';
COMMENT ON COLUMN exchange.consumer_members.seen_at IS 'When it last fetched or acknowledged.';
COMMENT ON COLUMN exchange.consumer_members.partitions IS
    'The partitions that it has; empty while the others have not made room, or are as many as there are partitions.';
COMMENT ON COLUMN exchange.consumer_members.acknowledged IS 'Up to which command all of them are acknowledged; NULL without one.';
COMMENT ON COLUMN exchange.consumer_members.lag IS
    'How many commands that is behind the last public event; NULL without a partition.';

CREATE VIEW exchange.consumers WITH (security_invoker = true) AS
    SELECT c.name, c.owner::text AS owner, c.symbols, c.partitions, c.idle_timeout, c.created_at,
           (SELECT count(*) FROM exchange.consumer_members AS s WHERE s.name = c.name) AS members,
           p.acknowledged, p.acknowledged_at, greatest(m.last_sequence - p.acknowledged, 0) AS lag
    FROM exchange.consumer_settings AS c
    CROSS JOIN LATERAL (
        SELECT min(p.acknowledged) AS acknowledged, max(p.acknowledged_at) AS acknowledged_at
        FROM exchange.consumer_partitions AS p WHERE p.name = c.name
    ) AS p
    LEFT JOIN (
        SELECT b.last_sequence FROM exchange.market_data AS b ORDER BY b.first_sequence DESC LIMIT 1
    ) AS m ON true;
COMMENT ON VIEW exchange.consumers IS
    'The consumers of public events and how far each has come: those that the reader may see.';
COMMENT ON COLUMN exchange.consumers.name IS 'Its name in every call.';
COMMENT ON COLUMN exchange.consumers.owner IS 'The role that made it; its members may use it.';
COMMENT ON COLUMN exchange.consumers.symbols IS 'The instruments whose events it gets; NULL for all.';
COMMENT ON COLUMN exchange.consumers.partitions IS 'Into how many parts its instruments are dealt.';
COMMENT ON COLUMN exchange.consumers.idle_timeout IS
    'How long a member may be connected without a call before others may have its partitions; NULL for any time.';
COMMENT ON COLUMN exchange.consumers.created_at IS 'When it was made.';
COMMENT ON COLUMN exchange.consumers.members IS 'How many sessions share the work now.';
COMMENT ON COLUMN exchange.consumers.acknowledged IS 'Up to which command everything is acknowledged: that of the partition that is least far.';
COMMENT ON COLUMN exchange.consumers.acknowledged_at IS 'When a partition last got further; NULL if none ever did.';
COMMENT ON COLUMN exchange.consumers.lag IS
    'How many commands that is behind the last public event: 0 where everything is processed; NULL before the first event.';

-- Who is a member does not go into a dump.
SELECT pg_catalog.pg_extension_config_dump('exchange.consumer_settings', '');
SELECT pg_catalog.pg_extension_config_dump('exchange.consumer_partitions', '');
