-- Objects that belong to a recording and that nobody is led to: about to be stored, left by a run that was killed, or
-- of an earlier run. JSON list of names in the object storage.
ALTER TABLE recordings ADD COLUMN loose_keys TEXT NOT NULL DEFAULT '[]';
