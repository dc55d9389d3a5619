-- The servers that run on this database, and which of them holds a meeting or a connection. One that does not count up
-- its beat any more has crashed, and what it held is lost.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,                        -- of its data folder
    name TEXT NOT NULL,                         -- for people
    beat BIGINT NOT NULL,
    started_at_ms BIGINT NOT NULL
);
ALTER TABLE meetings ADD COLUMN node TEXT;      -- where its room is, while it is active; null before somebody is in it
ALTER TABLE participants ADD COLUMN node TEXT;
CREATE INDEX participants_open ON participants (node) WHERE left_at_ms IS NULL;
