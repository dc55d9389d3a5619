"""Speech: where it is (`vad`, `phrases`), what is said (`moonshine`, `whisper`, `captions`), who says it (`speaker`),
how it sounds (`quality`) and how it sounds better (`denoise`). Samples are float32 mono at 16 kHz throughout.
"""
