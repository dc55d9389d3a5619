-- Accounts, sign-ins, meetings, who was there, chat, invitations and the audit log.
-- The query module of each table is its only user. Times are milliseconds since the Unix epoch, UTC.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,          -- case folded
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,             -- case folded
    search_key TEXT NOT NULL,                   -- user name, address and nickname, case folded
    password_hash TEXT NOT NULL,                -- argon2id, encoded with its parameters
    nickname TEXT NOT NULL,
    avatar_id TEXT,                             -- name in the object storage
    role TEXT NOT NULL CHECK (role IN ('user', 'admin')),
    status TEXT NOT NULL CHECK (status IN ('active', 'banned')),
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    last_login_at_ms BIGINT
);
CREATE INDEX users_by_age ON users (created_at_ms, id);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('bearer', 'cookie')),
    refresh_id TEXT NOT NULL,                   -- jti of the one refresh token that works
    previous_refresh_id TEXT,
    created_at_ms BIGINT NOT NULL,
    rotated_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    revoked_at_ms BIGINT,
    revoked_reason TEXT,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at_ms);

CREATE TABLE meetings (
    id TEXT PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    creator_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    status TEXT NOT NULL CHECK (status IN ('scheduled', 'active', 'ended', 'cancelled')),
    start_at_ms BIGINT,                         -- planned
    end_at_ms BIGINT,                           -- planned
    started_at_ms BIGINT,
    ended_at_ms BIGINT,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    deleted_at_ms BIGINT,                       -- out of the lists; the row stays for what refers to it
    max_participants BIGINT NOT NULL,
    guests_allowed BOOLEAN NOT NULL,
    passcode_hash TEXT,                         -- argon2id
    locked BOOLEAN NOT NULL,
    last_chat_seq BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX meetings_by_creator ON meetings (creator_id, created_at_ms, id);
CREATE INDEX meetings_by_age ON meetings (created_at_ms, id);

-- One row for each connection, every join kept.
CREATE TABLE participants (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
    user_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    guest_id TEXT,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('host', 'cohost', 'participant')),
    joined_at_ms BIGINT NOT NULL,
    left_at_ms BIGINT,
    leave_reason TEXT
);
CREATE INDEX participants_by_meeting ON participants (meeting_id, joined_at_ms, id);
CREATE INDEX participants_by_user ON participants (user_id);

-- What an account or a guest is in a meeting, over all its connections.
CREATE TABLE members (
    meeting_id TEXT NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,                      -- user id or guest id
    role TEXT NOT NULL CHECK (role IN ('host', 'cohost', 'participant')),
    kicked_at_ms BIGINT,                        -- removed, and may not come back
    PRIMARY KEY (meeting_id, subject)
);

CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
    chat_seq BIGINT NOT NULL,                   -- from 1 within the meeting
    participant_id TEXT NOT NULL,
    user_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    sent_at_ms BIGINT NOT NULL,
    UNIQUE (meeting_id, chat_seq)
);

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id) ON DELETE CASCADE,
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    email TEXT,
    email_key TEXT,                             -- case folded
    invited_by TEXT REFERENCES users (id) ON DELETE SET NULL,
    created_at_ms BIGINT NOT NULL,
    UNIQUE (meeting_id, user_id),
    UNIQUE (meeting_id, email_key)
);
CREATE INDEX invitations_by_user ON invitations (user_id);

-- Only ever added to; no reference, so that a row outlives what it speaks of.
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor_id TEXT,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    target TEXT,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at_ms, id);
