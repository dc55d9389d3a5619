-- What is left of a meeting: its report, made by a job of what was said. One for each meeting, made again when asked.
CREATE TABLE reports (
    meeting_id TEXT PRIMARY KEY REFERENCES meetings (id),
    run BIGINT NOT NULL,                        -- counts how often one was asked for
    asked_at_ms BIGINT NOT NULL,
    made_run BIGINT,                            -- which of them the content is of
    made_at_ms BIGINT,
    content TEXT                                -- JSON
);
