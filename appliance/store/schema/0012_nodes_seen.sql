-- For people who look which servers share the database; nothing is decided by these.
ALTER TABLE nodes ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN seen_at_ms BIGINT NOT NULL DEFAULT 0;
