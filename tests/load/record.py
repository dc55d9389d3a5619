"""What recording costs a call: four people's cameras and microphones, without and with a recording, in turns.

One `parley serve`, alone on core 0, and the load generator of forward.py on core 1. Each of the four sends VP8 of
1.5 Mbit/s (30 frames a second, 5 packets of 1250 bytes each) and Opus at 50 packets a second, and receives the others.
A round is a window without a recording and one with it, every other round the other way round; the recording is started
and stopped over HTTP, and the making of its film is called off, so that no window has it beside it.

    python tests/load/record.py [--quick] [--rounds N] [--seconds S] [--rooms N]

What is shown of a round is the difference of its two windows: processor time of all threads of the server, from tap to
disk. A round is void when one of its windows is (figures.void_because). Latency is compared within each round: the p99
with recording over that without, and the median of these ratios counts. The journals are read afterwards: every frame
that was sent from a track's first to its last must be in them.

The exit code is 1 when a target is missed; when no round is valid nothing is said of processor time and latency.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from appliance.recorder.journal import Kind, scan  # noqa: E402
from appliance.recorder.manifest import read_manifest  # noqa: E402
from tests.load.generator import driver, procfs, servers, table  # noqa: E402
from tests.load.generator.driver import Player  # noqa: E402
from tests.load.generator.figures import Load, Window, parse_load  # noqa: E402
from tests.support.http_client import PASSWORD, HttpClient  # noqa: E402
from tests.support.server import Server  # noqa: E402

PEOPLE, TRACKS = 4, 8
# 30 × 5 × 1250 bytes: a browser's 720p camera; Opus at 40 kbit/s.
MEDIA = {"fps": 30, "packets_per_frame": 5, "video_bytes": 1250, "audio_pps": 50, "audio_bytes": 100}
# Processor time is counted in steps of 10 ms: 0.1 % of a core in the long window.
WINDOW_S, QUICK_WINDOW_S = 10.0, 4.0
ROUNDS, QUICK_ROUNDS = 11, 3
# Behind the start of a recording: taps ask for key frames, files are made.
SETTLE_S = 0.7
# A film that is called off ends its process within a moment; one that did nothing for so long is idle.
CALLED_OFF_WITHIN_S, REST_S = 10.0, 0.4
# The promise: recording eight tracks takes less than this of a core.
TARGET = 0.05
# "Unchanged": the same call's p99 varies by so much from run to run (RESULTS.md).
P99_RATIO_MOST = 1.3


@dataclass(frozen=True)
class Journals:
    """What the journals of some recordings hold."""

    tracks: int = 0
    frames: int = 0
    missing: int = 0
    """Frames between a track's first and last, by their timestamps, that are not there."""
    gaps: int = 0
    """Told by the tap."""
    undecodable: int = 0
    """Frames of pictures before the first key frame."""
    size: int = 0
    bytes_per_s: float = 0.0
    """Summed over the tracks."""

    def __add__(self, other: Journals) -> Journals:
        both = [getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__]
        return Journals(*both)


@dataclass(frozen=True)
class Round:
    """Two windows, one behind the other, of the same call."""

    without: Window
    recorded: Window
    journals: Journals

    @property
    def void(self) -> list[str]:
        return [*self.without.void, *self.recorded.void]

    @property
    def added(self) -> float:
        """Share of a core."""
        return self.recorded.server_cpu_share - self.without.server_cpu_share

    @property
    def p99_ratio(self) -> float:
        """Recorded over without."""
        return self.recorded.latency["p99_ms"] / self.without.latency["p99_ms"]

    def added_by_thread(self) -> Counter[str]:
        """Seconds."""
        added = Counter(self.recorded.cpu_s_by_thread)
        added.subtract(self.without.cpu_s_by_thread)
        return added


def read_journals(folder: Path) -> Journals:
    """Of one recording that is closed. ManifestError, OSError."""
    found = Journals()
    for track in read_manifest(folder).tracks:
        path = folder / track.file
        step = 90_000 // MEDIA["fps"] if track.kind == "video" else 48_000 // MEDIA["audio_pps"]
        times: list[int] = []
        at_us: list[int] = []
        gaps = undecodable = 0
        has_key = False
        with path.open("rb") as journal:
            for record in scan(journal):
                gaps += record.kind == Kind.GAP
                if record.kind == Kind.FRAME:
                    has_key = has_key or bool(record.flags & 1)
                    undecodable += not has_key
                    times.append(record.rtp)
                    at_us.append(record.at_us)
        size, span_s = path.stat().st_size, (max(at_us) - min(at_us)) / 1e6 if at_us else 0.0
        due = (max(times) - min(times)) // step + 1 if times else 0
        rate = size / span_s if span_s else 0.0
        found += Journals(1, len(times), due - len(set(times)), gaps, undecodable, size, rate)
    return found


class Recordings:
    """Of every room of the call, started and stopped together as its host does."""

    def __init__(self, server: Server, meetings: Sequence[str]) -> None:
        self._server, self._meetings = server, meetings
        signed_in = server.client().post("/auth/login", {"login": "ana", "password": PASSWORD})
        self._host = HttpClient(server.url, signed_in["access_token"])
        self._ids: list[str] = []

    def start(self) -> None:
        self._ids = [self._host.post("/recordings", {"meeting_id": meeting})["id"] for meeting in self._meetings]

    def stop(self) -> Journals:
        """Ends them, calls their films off, and reads what was written."""
        for recording_id in self._ids:
            self._host.post(f"/recordings/{recording_id}/stop")
        for recording_id in self._ids:
            self._host.post(f"/recordings/{recording_id}/cancel")
        folders = [self._server.data_folder / "recordings" / recording_id for recording_id in self._ids]
        journals = sum((read_journals(folder) for folder in folders), Journals())
        self._await_rest()
        return journals

    def _await_rest(self) -> None:
        """Until the worker process that was about to make films is gone or idle."""
        deadline, spent, before = time.monotonic() + CALLED_OFF_WITHIN_S, self._children_cpu_s(), None
        while spent != before:
            if time.monotonic() > deadline:
                raise RuntimeError("a film was called off and is still being made")
            time.sleep(REST_S)
            spent, before = self._children_cpu_s(), spent

    def _children_cpu_s(self) -> dict[int, float]:
        found = {}
        for pid in procfs.children(self._server.pid):
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                found[pid] = procfs.cpu_s(pid)
        return found


def measure(load: Load, rounds: int, seconds: float) -> tuple[list[Round], int]:
    """The rounds, and frames that waited for the disk for too long."""
    found: list[Round] = []
    with (
        servers.parley_server(load.rooms) as (server, target),
        driver.playing(load, target, "gcm") as player,
    ):
        recordings = Recordings(server, target.meetings)
        player.window(1.0, 1.0)  # everybody comes; caches and memory warm up
        for number in range(rounds):
            if number % 2:
                recorded, journals = record(player, recordings, seconds)
                without = player.window(seconds, SETTLE_S)
            else:
                without = player.window(seconds, SETTLE_S)
                recorded, journals = record(player, recordings, seconds)
            found.append(Round(without, recorded, journals))
        lost = int(server.metric("recordings_records_lost_total"))
    return found, lost


def record(player: Player, recordings: Recordings, seconds: float) -> tuple[Window, Journals]:
    recordings.start()
    window = player.window(seconds, SETTLE_S)
    return window, recordings.stop()


def counted(rounds: Sequence[Round]) -> list[Round]:
    """The valid ones; all if none is."""
    return [one for one in rounds if not one.void] or list(rounds)


def show(rounds: Sequence[Round], load: Load) -> None:
    rows = []
    for number, one in enumerate(rounds, 1):
        w, r, j = one.without, one.recorded, one.journals
        rows.append(
            (
                str(number),
                *(f"{window.server_cpu_share:.1%}" for window in (w, r)),
                f"{one.added:.1%}",
                *(f"{window.latency[name]:.2f}" for name in ("p50_ms", "p99_ms") for window in (w, r)),
                f"{min(w.received_share, r.received_share):.3%}",
                f"{j.bytes_per_s / 1000:.0f}",
                str(j.frames),
                str(j.missing + j.gaps + j.undecodable),
                f"{max(w.foreign_cpu_share, r.foreign_cpu_share):.0%}",
                "; ".join(one.void),
            )
        )
    columns = ("round", "core without", "recorded", "added", "p50 ms without", "recorded", "p99 ms without",
               "recorded", "received", "journals kB/s", "frames", "missing", "others", "void because")  # fmt: skip
    table.show(f"Recording {load.rooms * TRACKS} tracks of {load.rooms * PEOPLE} people", columns, rows)


def result(rounds: Sequence[Round], load: Load, lost: int, load_before: float) -> dict[str, Any]:
    """For the last line; printed above it for people."""
    fair = counted(rounds)
    seconds, tracks = fair[0].recorded.seconds, load.rooms * TRACKS
    added = [one.added for one in fair]
    median = statistics.median(added)
    threads: Counter[str] = Counter()
    for one in fair:
        threads.update(one.added_by_thread())
    p99_ratios = sorted(one.p99_ratio for one in fair)
    p99_ratio = statistics.median(p99_ratios)
    every = sum((one.journals for one in rounds), Journals())
    valid = sum(not one.void for one in rounds)
    detail = {
        "tracks": tracks,
        "rounds": len(rounds),
        "valid_rounds": valid,
        "core_without": round(statistics.median(one.without.server_cpu_share for one in fair), 4),
        "core_recorded": round(statistics.median(one.recorded.server_cpu_share for one in fair), 4),
        "added_range": [round(min(added), 4), round(max(added), 4)],
        "target_of_8_tracks": TARGET,
        "target_met": median / load.rooms < TARGET if valid else None,
        "cpu_s_per_track_hour": round(median * 3600 / tracks, 2),
        "added_by_thread": {
            name: round(spent / seconds / len(fair), 4) for name, spent in threads.most_common() if abs(spent) >= 0.01
        },
        "p99_ratio": round(p99_ratio, 3),
        "p99_ratios": [round(ratio, 3) for ratio in p99_ratios],
        "p99_unchanged": p99_ratio < P99_RATIO_MOST if valid else None,
        "journal_bytes_per_s": round(statistics.median(one.journals.bytes_per_s for one in fair)),
        "media_bytes_per_s": media_bytes_per_s(load),
        "frames": every.frames,
        "frames_missing": every.missing,
        "gaps": every.gaps,
        "frames_before_a_key_frame": every.undecodable,
        "records_lost": lost,
        "load_average": round(load_before, 2),
        "machine": procfs.machine(),
    }
    unit = f"share of a core added by recording {tracks} tracks"
    return {"bench": "record", "unit": unit, "ours": round(median, 4), "peer": None, "ratio": None, "detail": detail}


def missed(detail: dict[str, Any]) -> list[str]:
    """Targets of `result` that were not met; what is not known is not among them."""
    lost = ("frames_missing", "gaps", "frames_before_a_key_frame", "records_lost")
    return [name for name in ("target_met", "p99_unchanged") if detail[name] is False] + [
        name for name in lost if detail[name]
    ]


def media_bytes_per_s(load: Load) -> int:
    """Payloads that all publishers send."""
    video = MEDIA["fps"] * MEDIA["packets_per_frame"] * MEDIA["video_bytes"]
    return load.rooms * PEOPLE * (video + MEDIA["audio_pps"] * MEDIA["audio_bytes"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} short rounds, within 50 s")
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS} if not told")
    parser.add_argument("--seconds", type=float, help=f"of a window, {WINDOW_S:.0f} if not told")
    parser.add_argument("--rooms", type=int, default=1, help="of four people each, all recorded")
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    driver.build()
    load = replace(parse_load(f"{arguments.rooms}*{PEOPLE}+0"), media=MEDIA)
    rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    seconds = arguments.seconds or (QUICK_WINDOW_S if arguments.quick else WINDOW_S)
    found, lost = measure(load, rounds, seconds)
    show(found, load)
    line = result(found, load, lost, load_before)
    print()
    for name, value in (("added", line["ours"]), *line["detail"].items()):
        print(f"- {name}: {value}")
    print(f"\n{json.dumps(line)}")
    if failed := missed(line["detail"]):
        sys.exit(f"missed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
