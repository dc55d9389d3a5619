-- What was said in meetings, as their live captions had it: one row for each phrase.
CREATE TABLE transcript_segments (
    id TEXT PRIMARY KEY,                        -- of the caption
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    participant_id TEXT NOT NULL,               -- who said it
    name TEXT NOT NULL,                         -- as it was then
    start_ms BIGINT NOT NULL,                   -- when it was said
    end_ms BIGINT NOT NULL,
    text TEXT NOT NULL,
    language TEXT NOT NULL,                     -- ISO 639-1
    search_key TEXT NOT NULL                    -- the text, folded
);
CREATE INDEX transcript_segments_by_meeting ON transcript_segments (meeting_id, start_ms, id);
