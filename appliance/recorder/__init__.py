"""Recordings: from the frames that were forwarded anyway to files that people open.

While a meeting is recorded, ``writer`` appends what the data plane's taps hand over to one ``journal`` a track, and
keeps the folder's ``manifest``. Afterwards ``compose_process`` makes files of the folder in a worker process, in the
stages of ``making``, which a killed process takes up again:

* ``material`` reads the journals once: what is in them (``survey``, ``notes``, ``cast``) and when each frame was
  (``timeline``); ``frames`` reads them again in that order, as often as it takes.
* ``tracks``: each journal as a WebM or Matroska file, not re-encoded.
* ``mix``: one voice of all, at the loudness of broadcasting.
* ``layout``, ``chapters``: who is seen where and when; ``painter`` with ``pictures`` and ``labels``: how.
* ``composition``: pictures, in ``footage``'s ``segments``; ``film``: one film of all.

Nobody here knows meetings, accounts or the database: a folder goes in, files come out.
"""
