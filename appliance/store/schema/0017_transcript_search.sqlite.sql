-- What is said is found by its trigrams. FTS5 knows rows by a number that must stay as it is; VACUUM may change the rowid
-- of a table without a numeric key, hence a table of numbers. The space at the end lets the last two letters begin one.
-- Kept by `store.transcripts`: triggers may not write to FTS5 where the schema is not trusted.
CREATE TABLE transcript_numbers (
    number INTEGER PRIMARY KEY,
    segment_id TEXT NOT NULL UNIQUE
);
CREATE VIRTUAL TABLE transcript_grams USING fts5 (search_key, content = '', detail = none, tokenize = 'trigram case_sensitive 1');
CREATE VIRTUAL TABLE transcript_gram_terms USING fts5vocab (transcript_grams, row);
INSERT INTO transcript_numbers (segment_id) SELECT id FROM transcript_segments;
INSERT INTO transcript_grams (rowid, search_key)
    SELECT n.number, s.search_key || ' ' FROM transcript_numbers n JOIN transcript_segments s ON s.id = n.segment_id;
