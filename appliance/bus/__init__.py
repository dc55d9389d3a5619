"""From the outbox to whoever reacts: what happened is told after the commit, in order, until it was heard.

::

    change + event, one transaction ── outbox ── relay ┬─ deliveries ── subscribers   each at least once, in order
                                                       └─ live bus ──── listeners     who runs now, at most once

A *subscriber* has a name and is owed each event of its types, over restarts; one that fails is tried again apart from
the others, with growing pauses, and holds back only later events of the same meeting. A *reaction* is a subscriber that
is a repository function: what it writes and that it was told are one transaction, so it happens exactly once. A
*listener* of the live bus hears what happens while it runs, as a node that must close a banned person's sockets; with
Redis attached it hears what happens on every node.

Rejected: telling subscribers over Redis streams. The database is the truth already, and an event that is written twice
can be lost between the two. Rejected: a cursor per subscriber into one sequence; PostgreSQL's sequences are not in the
order of commits, and an event that commits late would be passed over.
"""
