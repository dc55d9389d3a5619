-- Accounts whose password a plugin knows: users.password_hash is empty. What the plugin said of them last, so that only
-- what changes there is taken over, and not what was changed here.
CREATE TABLE external_accounts (
    user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    plugin TEXT NOT NULL,
    subject TEXT NOT NULL,                      -- the plugin's own name for the person, the same for ever
    username TEXT NOT NULL,
    email TEXT NOT NULL,
    display_name TEXT NOT NULL,
    UNIQUE (plugin, subject)
);
