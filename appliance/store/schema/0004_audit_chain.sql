-- Each row of the audit log is sealed with the one before it. Rows from before this step have no seal.
ALTER TABLE audit ADD COLUMN seq BIGINT;
ALTER TABLE audit ADD COLUMN seal TEXT;
CREATE UNIQUE INDEX audit_by_seq ON audit (seq);
