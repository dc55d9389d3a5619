"""Parley: a video-meeting server in one process, with the AI on the same box."""
