"""Work that must happen and need not happen now: durable, retried, visible. Knows no table; `store` keeps the rows.

::

    a change  ──┐ one transaction
    its order ──┘      │ commit wakes
                       ▼
    runner ── one turn, one transaction: how attempts ended ↑, leases ↑, new claims ↓ ── database
       │ one task for each claimed job
       ├─ task      async function in trio
       ├─ thread    plain function
       └─ process   plain function of a module, in a worker process with low priority

**Promise.** An order that was committed is carried out *at least once*: its row leaves ``waiting`` only for a lease,
and a lease that runs out gives it back. It may be carried out more than once, when the process dies after the work
and before the turn that says so. So a handler's effect is keyed by `JobContext.key` (the idempotency key, or the
job's id): whatever it writes under that key with ``ON CONFLICT DO NOTHING``, or sends to somebody who knows the key,
takes effect once. One row for each (type, idempotency key): a second order with the same key is the first one, as
long as the row is kept (``jobs.keep_done_days``).

**Order.** The smallest rank goes first, and a rank is the time from which the job may run plus a handicap: critical
0 s, high 10 s, normal 60 s, low 600 s. So nothing starves: a job that is due at *t* is passed only by jobs that fall
due before *t* + its handicap, however many come later and however urgent they are (`types.HANDICAP_S`).

**Failure.** An exception, a deadline missed, a worker process or a whole server that dies: each is one attempt; the
next one waits longer (`types.retry_delay_s`). After the last one the job is a dead letter with its traceback, which an
administrator reads, requeues or drops. A payload that does not fit its type is one at once. A server that dies counts
as an attempt because the job may be what killed it.

**Sleep.** The runner is woken by a commit that notifies, by what falls due next, and else looks each
`runner.LOOK_EACH_S`, which is how a change by another process on SQLite is found. It asks for nothing in between.

**Stop.** `drain` takes nothing new and waits; `release` cancels what still runs and gives it back, as if the attempt
had not been.

**Node.** A job may need what is on one server's disk: its order names the node, and only that one takes it.

**Recurring** jobs: a schedule's row holds its next time; the worker that moves it on writes the order in the same
transaction, so each time yields one job, however many servers look. Times that passed while nobody ran are one.

`types`, `recording_orders` and `schedule` are pure. `registry` binds handlers to types, `places` runs them, `runner`
has the loop, `ports` says what it needs of the store.

Rejected: a lease for each type. The runner renews the leases of all that it has, so a lease measures whether the
server lives and not how long a job takes; that is the deadline's. One statement a turn for each job: at 500 jobs/s
two commits each were most of the work. A thread that polls: measured beside this in ``tests/load/jobs.py``.
"""
