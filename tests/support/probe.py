"""The script that looks into pages; probe.js says what it offers there as ``parleyProbe``."""

from pathlib import Path

PROBE = (Path(__file__).parent / "probe.js").read_text()
