-- Who of those that may see recordings may save them too, and whether a link's visitors may. Links from before: they could.
ALTER TABLE meetings ADD COLUMN recording_download TEXT NOT NULL DEFAULT 'everyone'
    CHECK (recording_download IN ('everyone', 'hosts'));
ALTER TABLE recording_shares ADD COLUMN download BOOLEAN NOT NULL DEFAULT TRUE;
