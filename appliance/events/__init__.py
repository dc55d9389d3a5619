"""What happened, for everybody who reacts: typed events by topic, and the envelope in which they travel.

``catalogue`` has one frozen struct per event of SPEC.md §4, ``envelope`` puts an id, a time and the order around it.
Pure: no database, bus or clock. `store.outbox` keeps envelopes in the transaction of the change that they tell of,
`bus` carries them afterwards, `hooks` hands them to plugins.

An event says what happened, in the past tense, with ids to look things up by; never what should be done about it, and
no secret. Fields are only ever added, with a default: envelopes of an older version stay in the outbox over an update,
and plugins are built against one. What happens inside a room from moment to moment (hands, mutes) is `meeting.events`.
"""
