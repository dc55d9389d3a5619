-- Files that people uploaded, and those on their way in.
CREATE TABLE media_files (
    id TEXT PRIMARY KEY,                        -- name in the object storage, too: media/<id>, thumbnails/<id>.webp
    user_id TEXT REFERENCES users (id) ON DELETE SET NULL,        -- null: its owner is gone, it is removed soon
    meeting_id TEXT REFERENCES meetings (id) ON DELETE SET NULL,  -- whose members may see it
    name TEXT NOT NULL,                         -- as its owner called it, for people only
    media_type TEXT NOT NULL,                   -- by its content
    kind TEXT NOT NULL CHECK (kind IN ('image', 'audio', 'video', 'document', 'other')),
    bytes BIGINT NOT NULL,
    width BIGINT,
    height BIGINT,
    duration_ms BIGINT,
    has_thumbnail BOOLEAN NOT NULL,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX media_files_by_user ON media_files (user_id, created_at_ms, id);
CREATE INDEX media_files_by_meeting ON media_files (meeting_id, created_at_ms, id);

CREATE TABLE media_uploads (
    id TEXT PRIMARY KEY,                        -- of the file that it becomes; also its name in the folder of uploads
    user_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    meeting_id TEXT REFERENCES meetings (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    metadata TEXT NOT NULL,                     -- Upload-Metadata, as it came
    length BIGINT NOT NULL,                     -- bytes that are announced; they count for the quota
    checking_from BIGINT,                       -- what is beyond it has a checksum that was not compared yet
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL
);
CREATE INDEX media_uploads_by_user ON media_uploads (user_id);
CREATE INDEX media_uploads_by_expiry ON media_uploads (expires_at_ms);
