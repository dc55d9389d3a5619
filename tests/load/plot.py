"""Draws the curves of a run of forward.py --results or --scenario sweep: processor and memory against subscribers.

    python tests/load/forward.py --results | tee build/results.txt
    python tests/load/plot.py build/results.txt        writes tests/load/sweep.svg

The picture is written by hand: two charts of lines and marks need no library. It carries its own colours for light and
dark pages, and tells servers apart by colour, ciphers by dashes, and both by a label at the end of each line.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

PICTURE = Path(__file__).with_name("sweep.svg")

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 56, 50
GAP = 45
TICKS = 5
LABEL_GAP = 15

STYLE = """
    svg { font: 13px system-ui, sans-serif; fill: #1f2328; background: #ffffff }
    .axis { stroke: #59636e; fill: none } .grid { stroke: #d1d9e0 }
    .parley { stroke: #0969da } text.parley { fill: #0969da; stroke: none }
    .janus { stroke: #bc4c00 } text.janus { fill: #bc4c00; stroke: none }
    path { fill: none; stroke-width: 2.2 } .cm { stroke-dasharray: 6 4 }
    circle { fill: #ffffff; stroke-width: 2 } .title { font-weight: 600; font-size: 15px }
    @media (prefers-color-scheme: dark) {
      svg { fill: #e6edf3; background: #0d1117 } .axis { stroke: #9198a1 } .grid { stroke: #30363d }
      .parley { stroke: #4493f8 } text.parley { fill: #4493f8 }
      .janus { stroke: #f0883e } text.janus { fill: #f0883e } circle { fill: #0d1117 }
    }
"""

CIPHERS = {"gcm": "AES-GCM", "cm": "AES-CM"}


@dataclass(frozen=True)
class Curve:
    """One line: (subscribers, value), rising in the first."""

    server: str
    cipher: str
    points: tuple[tuple[float, float], ...]

    @property
    def label(self) -> str:
        return f"{self.server.capitalize()}, {CIPHERS[self.cipher]}"


def curves(windows: Sequence[dict[str, Any]], read: Callable[[dict[str, Any]], float]) -> list[Curve]:
    """A curve for each server and cipher of a sweep's windows."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for window in windows:
        point = (float(window["clients"] - 1), read(window))
        found.setdefault((window["server"], window["cipher"]), []).append(point)
    return [Curve(server, cipher, tuple(sorted(points))) for (server, cipher), points in found.items()]


def ticks(most: float) -> list[float]:
    """Round numbers from 0 to what is at least ``most``."""
    rough = most / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return [step * number for number in range(math.ceil(most / step) + 1)]


class Chart:
    """One pair of axes; x is shared by its curves."""

    def __init__(self, left: float, width: float, title: str, unit: str, lines: Sequence[Curve]) -> None:
        self.left, self.width, self.title, self.unit, self.lines = left, width, title, unit, lines
        points = [point for line in lines for point in line.points]
        self.x_ticks = ticks(max(x for x, _ in points))
        self.y_ticks = ticks(max(y for _, y in points))

    def _at(self, x: float, y: float) -> tuple[float, float]:
        height = HEIGHT - TOP - BOTTOM
        return (
            round(self.left + x / self.x_ticks[-1] * self.width, 1),
            round(TOP + height - y / self.y_ticks[-1] * height, 1),
        )

    def _labels(self) -> list[str]:
        """Names at the ends of lines, pushed apart."""
        ends = [(self._at(*line.points[-1]), line) for line in self.lines]
        out, last = [], -math.inf
        for (x, y), line in sorted(ends, key=lambda end: end[0][1]):
            last = max(y + 4, last + LABEL_GAP)
            out.append(f'<text class="{line.server}" x="{x + 8}" y="{last}">{escape(line.label)}</text>')
        return out

    def svg(self) -> list[str]:
        bottom, right = HEIGHT - BOTTOM, self.left + self.width
        out = [f'<text class="title" x="{self.left}" y="{TOP - 18}">{escape(self.title)}</text>']
        for value in self.y_ticks:
            _, y = self._at(0, value)
            out.append(f'<path class="grid" style="stroke-width:1" d="M{self.left} {y}H{right}"/>')
            out.append(f'<text text-anchor="end" x="{self.left - 6}" y="{y + 4}">{value:g}{self.unit}</text>')
        for value in self.x_ticks:
            x, _ = self._at(value, 0)
            out.append(f'<text text-anchor="middle" x="{x}" y="{bottom + 18}">{value:g}</text>')
        out.append(f'<path class="axis" style="stroke-width:1" d="M{self.left} {TOP}V{bottom}H{right}"/>')
        middle = (self.left + right) / 2
        out.append(f'<text text-anchor="middle" x="{middle}" y="{bottom + 38}">subscribers</text>')
        for line in self.lines:
            places = [self._at(x, y) for x, y in line.points]
            path = "L".join(f"{x} {y}" for x, y in places)
            out.append(f'<path class="{line.server} {line.cipher}" d="M{path}"/>')
            out += [f'<circle class="{line.server}" cx="{x}" cy="{y}" r="2.5"/>' for x, y in places]
        return out + self._labels()


def picture(windows: Sequence[dict[str, Any]], subtitle: str) -> str:
    """The SVG of a sweep's windows (figures.Window.figures)."""
    width = (WIDTH - LEFT - GAP) / 2 - RIGHT
    processor = curves(windows, lambda window: 100 * window["cpu_s"] / window["seconds"])
    memory = curves(windows, lambda window: window["rss_bytes"] / 2**20)
    charts = [
        Chart(LEFT, width, "One core's processor time", " %", processor),
        Chart(LEFT + width + RIGHT + GAP, width, "Memory (resident), MiB", "", memory),
    ]
    title = "One publisher of 3 Mbit/s: what forwarding takes"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT + 20}" role="img">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        f'<text x="{LEFT}" y="18">{escape(title)}</text>',
        *(line for chart in charts for line in chart.svg()),
        f'<text x="{LEFT}" y="{HEIGHT + 10}" font-size="11">{escape(subtitle)}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="what forward.py printed")
    parser.add_argument("--remark", default="", help="for the line below: date, commit")
    parser.add_argument("--to", type=Path, default=PICTURE)
    arguments = parser.parse_args()
    detail = json.loads(arguments.output.read_text().splitlines()[-1])["detail"]
    if not detail.get("sweep"):
        sys.exit(f"plot: {arguments.output} has no sweep: run forward.py with --results or --scenario sweep")
    subtitle = ", ".join(filter(None, (detail["machine"], arguments.remark)))
    arguments.to.write_text(picture(detail["sweep"], subtitle))
    print(arguments.to)


if __name__ == "__main__":
    main()
