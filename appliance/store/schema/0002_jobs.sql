-- The durable queue. No reference to meetings: a job may outlive what it speaks of.

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    priority TEXT NOT NULL CHECK (priority IN ('critical', 'high', 'normal', 'low')),
    payload TEXT NOT NULL,                      -- JSON
    idempotency_key TEXT,
    meeting_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'dead', 'cancelled')),
    attempts BIGINT NOT NULL DEFAULT 0,         -- begun
    max_attempts BIGINT NOT NULL,
    run_at_ms BIGINT NOT NULL,                  -- not before
    rank_ms BIGINT NOT NULL,                    -- the smallest goes first: run_at_ms and the priority's handicap
    lease_until_ms BIGINT,                      -- of a running one: when others may take it for lost
    worker TEXT,                                -- of a running one
    progress_share DOUBLE PRECISION,            -- 0 to 1
    progress_note TEXT,
    cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
    result TEXT,                                -- JSON
    error TEXT,                                 -- of the last failure, with its traceback
    created_at_ms BIGINT NOT NULL,
    started_at_ms BIGINT,                       -- the last attempt
    finished_at_ms BIGINT,
    UNIQUE (type, idempotency_key)
);
-- Each serves one statement of store/job_runs.py; partial, so that what is finished costs nothing.
CREATE INDEX jobs_to_claim ON jobs (rank_ms, id) WHERE state = 'waiting';
CREATE INDEX jobs_to_come ON jobs (run_at_ms) WHERE state = 'waiting';
CREATE INDEX jobs_under_way ON jobs (lease_until_ms) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
CREATE INDEX jobs_by_age ON jobs (created_at_ms, id);

CREATE TABLE job_schedules (
    name TEXT PRIMARY KEY,
    rule TEXT NOT NULL,                         -- as 'every 3600 s'
    next_at_ms BIGINT NOT NULL
);
