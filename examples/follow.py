#!/usr/bin/env python3
"""Prints every execution of a venue as it happens, by psycopg2 and the output plug-in wal2json.

    python3 examples/follow.py "host=… dbname=exchange user=…" SLOT [HOW_MANY]

The slot must be there: SELECT pg_create_logical_replication_slot('SLOT', 'wal2json'). What was printed is
confirmed transaction by transaction; a run that ended goes on where the last one had confirmed, so every
execution is printed at least once.
"""
import json
import sys
from decimal import Decimal

import psycopg2
import psycopg2.extras


def main(dsn, slot, how_many=None):
    connection = psycopg2.connect(dsn, connection_factory=psycopg2.extras.LogicalReplicationConnection)
    cursor = connection.cursor()
    cursor.start_replication(
        slot_name=slot,
        decode=True,
        # Executions are in a table a day, and wal2json knows no patterns of names.
        options={"format-version": "2", "add-tables": "exchange.*"},
    )
    printed = 0

    def consume(message):
        nonlocal printed
        # Prices and fees are exact.
        change = json.loads(message.payload, parse_float=Decimal)
        if change["action"] in ("I", "U") and change["table"].startswith("executions_"):
            row = {column["name"]: column["value"] for column in change["columns"]}
            what = "busted" if row["busted_at"] else "executed"
            print(what, row["trade_id"], row["order_id"], row["symbol"], row["side"],
                  row["quantity"], "at", row["price"], flush=True)
            printed += 1
        elif change["action"] == "C":
            is_enough = how_many is not None and printed >= int(how_many)
            # Otherwise it is sent with the next message to the server, within ten seconds.
            message.cursor.send_feedback(flush_lsn=message.data_start, force=is_enough)
            if is_enough:
                raise StopIteration

    try:
        cursor.consume_stream(consume)
    except StopIteration:
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
