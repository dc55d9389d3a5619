"""The tasks of the models: what stands before a graph and behind it, each a `Task` for the inference worker.

::

    bytes ─ sound, opus / pictures, frames ─ NumPy ─ speech/…, vision/… ─ ONNX Runtime sessions ─ values

Pure: importable without a server, no event loop, clock, socket or randomness; sessions come with the model. Samples are
float32 mono at 16 kHz, pictures uint8 RGB of shape (height, width, 3), times milliseconds of the stream's own clock.

``speech/``: who speaks when (`vad`, `phrases`), what is said (`moonshine`, `whisper`, and `captions`, the stream around
them), with what voice (`speaker`), how well it sounds (`quality`) and how it sounds better (`denoise`).
``vision/``: `faces`, `emotion` over time, `spoof` and `generated` pictures with a band in which they say nothing,
`low_light` and `upscale`.
``conversion/``: makes ONNX graphs of weights that exist in other formats only; needs the package ``onnx``, at the time
of installing a model alone.
``bench``: quality and speed on data with known answers.

Every input comes from a stranger. What cannot be used is a `TaskError` with code ``bad_audio``, ``audio_too_long``,
``bad_picture``, ``picture_too_large``, ``bad_option`` or ``unknown_session``, before much memory is taken.
"""
