-- What subscribers may follow by logical replication (wal_level = logical): reporting and
-- analytics databases keep a live copy of these tables with
--
--     CREATE SUBSCRIPTION reports CONNECTION '…' PUBLICATION exchange_reports;
--
-- exchange.orders is partitioned by whether an order is finished. It is published as one table, so
-- that a subscriber may keep it in whatever shape it likes; there it needs a primary key on order_id.

CREATE PUBLICATION exchange_reports
    FOR TABLE exchange.executions, exchange.orders, exchange.candles
    WITH (publish_via_partition_root = true);
COMMENT ON PUBLICATION exchange_reports IS
    'Executions, orders and candles, for reporting and analytics databases.';
