-- Four brokers. A migration of its own: the exchange opens accounts only for roles that it can see,
-- and it sees what is committed.
--
-- Roles are shared by all databases of the cluster: those of another venue may be there already.

DO $$
DECLARE
    broker text;
BEGIN
    FOREACH broker IN ARRAY ARRAY['broker_alpha', 'broker_bravo', 'broker_charlie', 'broker_delta']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = broker) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', broker);
        END IF;
        EXECUTE format('GRANT exchange_trader TO %I', broker);
    END LOOP;
END
$$;
