-- What each plugin was when it last ran: it is owed events and messages while it cannot start.
CREATE TABLE known_plugins (
    name TEXT PRIMARY KEY,
    groups TEXT NOT NULL,                       -- JSON, names of entry-point groups
    events TEXT NOT NULL                        -- JSON, types of events that it listens to
);
