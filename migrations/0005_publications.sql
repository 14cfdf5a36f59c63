-- What subscribers may follow by logical replication: market data, the journal, and all that a
-- reporting database needs (migrations/reporting/ makes one). exchange_reports, which is there
-- already, gets the tables that it lacks, and publishes orders as their two partitions: in one table
-- of a subscriber, every order would leave a dead row that vacuum has to find among all of them.

ALTER PUBLICATION exchange_reports SET (publish_via_partition_root = false);
SELECT exchange.create_publications();
