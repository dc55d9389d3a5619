"""The truth of the appliance: one database, SQLite in the data folder or PostgreSQL by configuration.

`database` runs a repository function, ``async def f(conn, …)``, whole in one transaction on the other side of a
thread border; `sqlite` and `postgresql` are the two engines; `schema/` holds the numbered SQL that `migrations`
applies; `wakeups` knows who waits for a commit (``conn.notify`` in a transaction, ``database.listen`` in a task). One
query module for each noun holds every statement about it and returns frozen structs.

SQL is written once for both engines:
- placeholders ``$1``, ``$2`` …; times are BIGINT milliseconds since the epoch, UTC (``…_ms``), made by the caller
- flags are BOOLEAN, bytes are BYTEA, JSON is TEXT; case is folded in Python into a ``…_key`` column, never by SQL
- upserts by ON CONFLICT and RETURNING; counters by ``UPDATE … SET n = n + 1 … RETURNING n``
- an expression has no declared type: ``EXISTS(…)`` gives 0/1 on SQLite, ``SUM(bigint)`` a Decimal on PostgreSQL:
  wrap them in ``bool()`` and ``CAST(… AS BIGINT)``
"""
