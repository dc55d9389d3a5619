-- What is analysed of pictures in a meeting, and what was found.
ALTER TABLE meetings ADD COLUMN emotion_detection BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE meetings ADD COLUMN deepfake_detection BOOLEAN NOT NULL DEFAULT FALSE;

-- That a picture may not be real, with the frame that says so.
CREATE TABLE vision_alerts (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    participant_id TEXT NOT NULL,
    name TEXT NOT NULL,                         -- of the participant, then
    kind TEXT NOT NULL,                         -- face_spoof, generated_picture or synthetic_voice
    score DOUBLE PRECISION NOT NULL,            -- 0 to 1
    model TEXT NOT NULL,                        -- of the catalog
    box TEXT,                                   -- JSON: left, top, width, height of the face in pixels of the evidence
    at_ms BIGINT NOT NULL,
    evidence BYTEA                              -- JPEG; removed with the row
);
CREATE INDEX vision_alerts_meeting ON vision_alerts (meeting_id, at_ms);
CREATE INDEX vision_alerts_age ON vision_alerts (at_ms);

-- What the face of somebody who agreed expressed, and how long.
CREATE TABLE emotion_spans (
    id TEXT PRIMARY KEY,
    meeting_id TEXT NOT NULL REFERENCES meetings (id),
    participant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL
);
CREATE INDEX emotion_spans_meeting ON emotion_spans (meeting_id, start_ms);
CREATE INDEX emotion_spans_age ON emotion_spans (end_ms);
