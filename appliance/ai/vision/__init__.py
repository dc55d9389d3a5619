"""Pictures: where faces are (`faces`), what they express (`emotion`), whether they are real (`spoof`), whether the
whole picture was made by a generator (`generated`), and better ones (`low_light`, `upscale`). `seen` is what a request
shows: a picture, or the next frame of a track.
"""
