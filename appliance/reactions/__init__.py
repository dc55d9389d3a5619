"""What follows when something has happened: the events of `events.catalogue`, told by `bus`, answered with work.

``outbox`` puts the relay on the database. Owns who reacts to what; refuses to do the work itself: that is a job's, a
plugin's, or of the room that runs.
"""
