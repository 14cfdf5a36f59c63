-- no-transaction
-- (A subscription makes its replication slot on the venue, which cannot be undone by a rollback.)
--
-- Follows the venue that the service pg_exchange is: the file pg_service.conf of the server of this
-- database says where that is and as whom to connect. It copies what is there, and then follows.
--
-- binary: values come as they are stored, which spares both sides their conversion to text and back.
-- streaming: a transaction too large for the venue's memory waits on this disk, not on the venue's.
CREATE SUBSCRIPTION exchange_reports
    CONNECTION 'service=pg_exchange'
    PUBLICATION exchange_reports
    WITH (binary = true, streaming = true);
