-- What happened, kept in the transaction of the change itself until everybody was told, and some days more.
CREATE TABLE events (
    id TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    type TEXT NOT NULL,
    order_key TEXT NOT NULL,                    -- meeting or account: told in the order of n
    n BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    envelope TEXT NOT NULL,                     -- JSON, see events/envelope.py
    spread BOOLEAN NOT NULL,                    -- its deliveries are written
    UNIQUE (order_key, n)
);
CREATE INDEX events_to_spread ON events (spread, at_ms, n);
CREATE INDEX events_by_time ON events (at_ms);

-- Who is still to be told of what; gone once told.
CREATE TABLE deliveries (
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    subscriber TEXT NOT NULL,
    order_key TEXT NOT NULL,
    n BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at_ms BIGINT NOT NULL,                  -- not before; while it is being told, until the teller is given up
    error TEXT,                                 -- of the last attempt
    given_up_at_ms BIGINT,                      -- after the last attempt; later events of the same order go on
    PRIMARY KEY (subscriber, event_id)
);
CREATE INDEX deliveries_by_order ON deliveries (subscriber, order_key, n);
CREATE INDEX deliveries_by_event ON deliveries (event_id);
CREATE INDEX deliveries_by_due ON deliveries (subscriber, due_at_ms);
