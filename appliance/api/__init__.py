"""The HTTP face: every URL, who may call it, and how answers and refusals are written.

A request goes through one path: `server` accepts it (limits, request id, security headers, access line), `routes` names
its handler, `dispatch` authenticates, limits, reads the body into its struct, calls the handler and writes the
envelope, `problems` turns every error into one. A handler module per noun holds what an endpoint does: it takes a
`Call` and structs, returns structs, and meets the database through query functions of `store`, one transaction per
unit of work. `shapes` and `bodies` are the wire; `openapi` is generated from them and the routes.

Refuses to know media and signaling: `live_port` is all that it asks of the running meetings, and `websocket` hands
each socket over whole.
"""
