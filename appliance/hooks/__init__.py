"""Plugins: what they are given, how they are found, and why none of them can take the server down.

::

    entry points ── discovery ── Found ─┐
    [plugins.<name>] ── configuration ──┼─ running ── dispatch (one Runner each) ── plugin_thread (one thread each)
    contract: what a plugin is ─────────┘     │          │ breaker, deadline,         │ import, its own trio loop,
    yielded: are its hooks whole           administrator  │ outstanding calls, pulse   │ open … hooks … close
    calls: what may be asked and answered ────────────────┴────────────────────────────┘

`contract` is all that a plugin imports. One frozen type per hook; the entry-point group says which. A name is enabled
in ``plugins.enabled``; until then its package is listed by its metadata and never imported. What a hook answers is
looked at in the plugin's thread and made anew of our own types: rubbish is the plugin's failure.

**Each plugin lives in a thread with a trio loop of its own.** What blocks, spins or leaks tasks there stands still
alone: deadlines are kept on the server's side, and a loop that does not answer its pulse is given up, whatever it
does. A plugin is *switched off* with a reason and a time when it fails `max_failures` times in a row, when its loop
stands still, when it holds too many tasks, or when it ends by itself; an administrator or a restart starts it
anew. ``Undeliverable`` and ``TryLater`` are answers, not failures: a mail server that is away switches nothing off.

What this cannot stand against, because it is the same process: a plugin that crashes the interpreter, keeps the
interpreter's lock in C code, or eats all memory. Plugins are code that an administrator chose to install.

Rejected: plugins in the server's own loop with a watchdog, as Home Assistant has it: it can say who blocked, after
everybody's sound has stopped for that long. Rejected: a process for each, which costs memory and start-up time each,
and a protocol in place of a function call. Rejected: pluggy, whose calls are synchronous and whose hooks are found by
name; a type for each hook says more and is checked by mypy.
"""
