"""The rules of a running meeting, pure: who is in it, who may do what, who sees whom.

`meeting` holds the state and its transitions, each of which returns the `events` that happened; `permissions` is the
one table of role and action; `subscriptions` decides who sits on a client's receive seats. Nothing here knows
sockets, databases, media packets or the time of day: what a rule needs is an argument.
"""
