"""Who somebody is: passwords, tokens, session rotation, CSRF and rate limits.

Owns the cryptography and the rules of identity. Refuses to know HTTP, the database and meetings: the stored side
(users, sessions) is `store`, the cookies and headers are `api`. Everything here except `passwords` is pure and takes
the time as an argument.
"""
