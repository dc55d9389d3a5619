"""What is left of a meeting: who spoke how long, what was said that matters, what was decided, who undertook what.

::

    meeting.ended ── order (`reactions.reports`) ── job (`making`) ── transcript rows, joins
                                                      │
                        extractive: `sentences` → `ranking`, `chapters`, `rules`; `talk`
                                                      │
                        an endpoint is configured: `generated` ── `completions` ── POST …/chat/completions
                                                      │
                                                  `records`: the report, kept as JSON beside its meeting

**Nothing is invented.** A summary without a language model consists of sentences that somebody said, chosen by their
place in the whole (LexRank), and its decisions and actions are sentences that match stated rules. What a language model
writes must cite lines of the transcript; what cites none is dropped, and every point is shown with what it cites, who
said it and when. A model that fails in whatever way leaves the extractive report, with the reason.

All but `making` and `completions` are pure. Rejected: sumy (its tokenizers download NLTK's data when first used, and
know no Chinese without a further package); a summarisation model on ONNX Runtime (no weights of an acceptable licence
below 300 MB that know Chinese too, and none that cites).
"""
