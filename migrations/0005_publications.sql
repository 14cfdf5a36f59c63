-- What subscribers may follow by logical replication: market data, the journal, and all that a
-- reporting database needs (migrations/reporting/ makes one). exchange_reports, which is there
-- already, gets the tables that it lacks.

SELECT exchange.create_publications();
