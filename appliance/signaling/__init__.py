"""The signaling protocol, without I/O: typed messages, one connection's framing and replay, when to negotiate.

`messages` names every message; `connection` turns frames into messages and numbers what goes out; PROTOCOL.md is the
reference for people. Sockets are `api.websocket`'s, rooms are `live`'s.
"""
