"""What becomes of a recording after its end: files are made of its journals, kept, and deleted when it is time.

::

    live ──(row, order)──▶ ahead: the film's first minutes, while the meeting goes on and when that was asked for
    live ──(row, order)──▶ processing ──▶ recorder.compose_process, in a worker process of low priority
                              │               journals → film, tracks, picture, captions
                              ▼
                           storage of files, row "ready" ──▶ journals deleted
    api  ──(row, order)──▶ removal: objects, journals, row
    clock ───────────────▶ retention: too old, too many; what an earlier failure left over

`shelf` is where recordings lie: rows, objects, this node's journals. Journals stay until their files are stored, so a
failure costs time and never a meeting. Everything is a job (`jobs`): it survives the server, and may happen twice, so
each step may. Refuses to know media (`recorder`) and who may do what (`api`).
"""
