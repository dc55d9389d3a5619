"""The running meetings of this process: one trio task each, fed by commands, owning all that can change.

::

    directory     open_live: which meetings run; what the HTTP API asks for            I/O
    sockets       one signaling WebSocket: a reader, a writer, the limits of both      I/O
    admission     may this join token enter that meeting: one look into the database
    commands      what is put into a meeting's channel                                 I/O
    meeting_task  the task: its channel, its timers, coming and going                  I/O
    verbs         what clients say, done to the meeting
    moderation    what the HTTP API says, done to the meeting
    streams       participants without a socket, over WHIP and WHEP;  stream: their shapes
    viewing       what a viewer over WHEP hears and sees
    audience      the sessions of a room; who is told of an event, and how
    session       one participant's numbered frames, seats and media
    seating       bindings carried out on media sessions; when more seats are needed
    speakers      who spoke last; quality: the score of a connection
    records       rows written in order, many in one transaction                       I/O
    wire          meeting's shapes as messages;  media: what is asked of the SFU

A socket's tasks never touch a meeting's state: they put commands into its bounded channel and take frames out of the
session's bounded queue. A client that does not read fills only its own queue and is cut off; it may resume. The task
itself waits for nothing but its channel and a negotiation: rows are written by `records` beside it.
"""
