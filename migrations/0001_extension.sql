-- The extension. A migration of its own: the workers of the exchange see it, and the venue comes
-- to life, only when this is committed; all that follows talks to them.

CREATE EXTENSION pg_exchange;
