-- Recordings, the links by which strangers see them, and what a meeting says of being recorded.
ALTER TABLE meetings ADD COLUMN auto_record BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE meetings ADD COLUMN recording_consent BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE meetings ADD COLUMN recording_access TEXT NOT NULL DEFAULT 'hosts'
    CHECK (recording_access IN ('hosts', 'participants'));

CREATE TABLE recordings (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    title TEXT NOT NULL,                        -- of the meeting when it began
    status TEXT NOT NULL CHECK (status IN ('recording', 'paused', 'processing', 'ready', 'failed', 'cancelled')),
    layout TEXT NOT NULL,
    started_by_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    started_by_name TEXT,                       -- NULL: the meeting records itself
    started_at_ms BIGINT NOT NULL,
    stopped_at_ms BIGINT,
    stop_reason TEXT,
    recovered BOOLEAN NOT NULL,                 -- a killed server left it open
    duration_ms BIGINT,
    bytes BIGINT,                               -- of all its files; before they are made, of its journals
    video_key TEXT,                             -- names in the object storage
    video_type TEXT,                            -- media type
    thumbnail_key TEXT,
    captions_key TEXT,
    tracks TEXT NOT NULL,                       -- JSON
    chapters TEXT NOT NULL,                     -- JSON
    error TEXT,                                 -- why no files could be made, for people
    node TEXT NOT NULL,                         -- whose disk holds the journals
    has_journals BOOLEAN NOT NULL,
    run BIGINT NOT NULL,                        -- how often processing was ordered
    progress TEXT,                              -- JSON, while it is processed
    deleted_at_ms BIGINT                        -- gone for people; the row goes when its files have gone
);
CREATE INDEX recordings_by_age ON recordings (started_at_ms, id);
CREATE INDEX recordings_by_meeting ON recordings (meeting_id, started_at_ms, id);
CREATE INDEX recordings_by_starter ON recordings (started_by_id);
CREATE INDEX recordings_deleted ON recordings (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL;

-- Which meetings somebody is host of, for the list of recordings.
CREATE INDEX members_by_subject ON members (subject);

CREATE TABLE recording_shares (
    token_hash TEXT PRIMARY KEY,                -- SHA-256 of what the link holds
    recording_id TEXT NOT NULL REFERENCES recordings (id) ON DELETE CASCADE,
    created_by TEXT REFERENCES users (id) ON DELETE SET NULL,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL
);
CREATE INDEX recording_shares_by_recording ON recording_shares (recording_id);

-- A job that needs what is on one node's disk; NULL: any node does it.
ALTER TABLE jobs ADD COLUMN node TEXT;
