-- Makes of pg_exchange 0.1.0 what a new 0.2.0 is, and keeps every row.
--
-- Whatever is changed in sql/*.sql is changed here too: tests/tests/upgrades.rs compares a database
-- that was updated with one that was created anew, object by object.

\echo Use "ALTER EXTENSION pg_exchange UPDATE" to load this file. \quit
