-- What people are told, how it reached them, and what they do not want to be told.
CREATE TABLE notifications (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,                         -- as meeting.invited
    cause TEXT NOT NULL,                        -- event or job that it comes from: with kind and recipient told once
    recipient TEXT NOT NULL,                    -- user id, or the address of somebody without an account
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    meeting_id TEXT REFERENCES meetings (id) ON DELETE CASCADE,
    url TEXT,
    message TEXT NOT NULL,                      -- JSON, what notifiers are given
    created_at_ms BIGINT NOT NULL,
    UNIQUE (cause, kind, recipient)
);
CREATE INDEX notifications_by_user ON notifications (user_id, created_at_ms, id);
CREATE INDEX notifications_by_meeting ON notifications (meeting_id, created_at_ms);
CREATE INDEX notifications_by_recipient ON notifications (recipient, created_at_ms);
CREATE INDEX notifications_by_time ON notifications (created_at_ms);

CREATE TABLE notification_deliveries (
    notification_id TEXT NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    notifier TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'skipped')),
    attempts BIGINT NOT NULL,
    reason TEXT,                                -- of the last attempt that failed, or why none is made
    changed_at_ms BIGINT NOT NULL,
    PRIMARY KEY (notification_id, notifier)
);

CREATE TABLE notification_profiles (
    user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    locale TEXT NOT NULL CHECK (locale IN ('en', 'zh-CN')),
    time_zone TEXT NOT NULL
);

CREATE TABLE notification_refusals (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    notifier TEXT NOT NULL,
    PRIMARY KEY (user_id, kind, notifier)
);
