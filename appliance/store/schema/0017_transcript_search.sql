-- Searches show what was said last first. How the words are found is each engine's own: see the files beside this one.
CREATE INDEX transcript_segments_by_time ON transcript_segments (start_ms, id);
