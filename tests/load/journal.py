"""Writing a long recording: memory, files and every frame, over hours of a clock that does not wait.

The product's `RecordingWriter` on a real disk, with its real turns and syncs; the clock jumps to the next turn as soon
as the last one is written. Four people's cameras (30 frames/s) and microphones (50 packets/s) are taps that give
what was due since the last look, in frames of 60 to 160 bytes, so that hours fit on the disk. Every ten minutes each of
them leaves and comes back: tracks end and begin.

    python tests/load/journal.py [--quick] [--hours 4]

Exits with 0 when, after the first third, memory grew by no more than a tenth, no file stayed open, and the journals
hold each frame that was given, once and in order. Taps of the data plane keep a bounded number of bytes by themselves
(`tests/sfu/test_taps.py`); how journals become a film over hours is `compose.py --hours`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import trio  # noqa: E402
import trio.testing  # noqa: E402

from appliance.recorder.journal import KEY_FRAME, Codec, Kind, Record, encode, scan  # noqa: E402
from appliance.recorder.manifest import Manifest, TrackFile, read_manifest  # noqa: E402
from appliance.recorder.writer import RecordingWriter, create  # noqa: E402
from tests.load.generator import table  # noqa: E402

HOURS, QUICK_HOURS = 4.0, 0.25
PEOPLE = 4
STAYS_S = 600.0
SPEAKER_EACH_S = 7.0
# As the writer's turns.
STEP_S = 0.2
MOST_GROWTH = 1.1
# Per second, codec, bytes of a frame, clock rate.
VIDEO = (30, Codec.VP8, 160, 90_000)
AUDIO = (50, Codec.OPUS, 60, 48_000)
PAGE = os.sysconf("SC_PAGE_SIZE")


class DueTap:
    """Gives the frames that are due by trio's clock."""

    def __init__(self, media: tuple[int, Codec, int, int]) -> None:
        self.lost = 0
        self.ended = False
        self.given = 0
        self._per_s, self._codec, size, self._rate = media
        self._payload = bytes(size)
        self._since = self._now = trio.current_time()

    def look(self) -> None:
        """In trio's thread: the clock is at a new time. What is due is given until `close`."""
        if not self.ended:
            self._now = trio.current_time()

    def take(self) -> bytes:
        due = int((self._now - self._since) * self._per_s)
        frames = [self._frame(number) for number in range(self.given, due)]
        self.given = max(self.given, due)
        return b"".join(frames)

    def _frame(self, number: int) -> bytes:
        return encode(
            Record(
                kind=Kind.FRAME,
                codec=self._codec,
                flags=KEY_FRAME if number == 0 else 0,
                at_us=int((self._since + number / self._per_s) * 1e6),
                rtp=number * self._rate // self._per_s & 0xFFFFFFFF,
                clock_rate=self._rate,
                payload=self._payload,
            )
        )

    def close(self) -> None:
        self.ended = True


def resident_mb() -> float:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


class Recording:
    """One that is written, and who is in it."""

    def __init__(self, root: Path, clock: trio.testing.MockClock) -> None:
        manifest = Manifest(recording_id="rec_long", meeting_id="mtg_long", title="Long", started_at_ms=0)
        self.folder = create(root, manifest, min_free_bytes=0)
        self.taps: dict[str, DueTap] = {}
        self.memory_mb: list[float] = []
        self._clock = clock
        self._here: list[str] = []
        self._lives = 0
        self._limiter = trio.CapacityLimiter(1)
        self.writer = RecordingWriter(
            self.folder,
            manifest,
            clock_us=lambda: int(trio.current_time() * 1e6),
            min_free_bytes=0,
            limiter=self._limiter,
        )

    def come(self) -> None:
        """Everybody joins, with camera and microphone."""
        self._lives += 1
        for person in range(PEOPLE):
            for source, media in (("camera", VIDEO), ("microphone", AUDIO)):
                name = f"trk_{self._lives}{'abcd'[person]}{source}"
                tap = self.taps[name] = DueTap(media)
                self._here.append(name)
                track = TrackFile(
                    track=name,
                    file=f"tracks/{name}.journal",
                    participant_id=f"prt_{person}",
                    name=f"Person {person}",
                    source=source,
                    kind="video" if source == "camera" else "audio",
                )
                self.writer.add(track, tap)

    def go(self) -> None:
        """Everybody leaves; what was due until now is still to be written."""
        for name in self._here:
            self.writer.end(name)
        self._here.clear()

    async def meet(self, hours: float) -> None:
        """For so long."""
        turns, per_stay, per_speaker = (round(span / STEP_S) for span in (hours * 3600, STAYS_S, SPEAKER_EACH_S))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.writer.serve)
            for turn in range(turns):
                if turn % per_stay == 0:
                    self.go()
                    self.come()
                if turn % per_speaker == 0:
                    self.writer.note({"kind": "speaker", "participant_id": f"prt_{turn % PEOPLE}"})
                    self.memory_mb.append(resident_mb())
                await self._step()
            nursery.cancel_scope.cancel()
        await self.writer.finish(stopped_at_ms=int(hours * 3_600_000), reason="stopped")

    async def _step(self) -> None:
        """One turn later, and it is written."""
        await trio.testing.wait_all_tasks_blocked()
        self._clock.jump(STEP_S)
        for name in self._here:
            self.taps[name].look()
        await trio.testing.wait_all_tasks_blocked()
        while self._limiter.borrowed_tokens:
            await trio.to_thread.run_sync(time.sleep, 0.0005)
            await trio.testing.wait_all_tasks_blocked()


def kept(folder: Path) -> Iterator[tuple[str, Counter[str]]]:
    """Of each track: frames, and those out of order."""
    for track in read_manifest(folder).tracks:
        counts: Counter[str] = Counter()
        last = -1
        with (folder / track.file).open("rb") as file:
            for record in scan(file):
                counts["frames"] += record.kind == Kind.FRAME
                counts["disorder"] += record.at_us <= last
                last = record.at_us
        yield track.track, counts


def main() -> None:
    """Measure and say whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of an hour of the meeting")
    parser.add_argument("--hours", type=float, default=HOURS)
    arguments = parser.parse_args()
    hours = QUICK_HOURS if arguments.quick else arguments.hours
    with tempfile.TemporaryDirectory() as root:
        began, cpu = time.monotonic(), time.process_time()
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        recordings: list[Recording] = []
        clock = trio.testing.MockClock()

        async def run() -> None:
            recordings.append(Recording(Path(root), clock))
            await recordings[0].meet(hours)

        trio.run(run, clock=clock)
        wall_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
        recording = recordings[0]
        still_open = len(list(Path("/proc/self/fd").iterdir())) - descriptors
        found = dict(kept(recording.folder))
        size_mb = recording.writer.bytes_written / 1e6
    given = {name: tap.given for name, tap in recording.taps.items()}
    wrong = {name: found.get(name, Counter()) for name, frames in given.items()
             if found.get(name, Counter())["frames"] != frames or found[name]["disorder"]}  # fmt: skip
    memory = recording.memory_mb
    tenths = [memory[min(len(memory) * n // 10, len(memory) - 1)] for n in range(1, 11)]
    grows = max(tenths[3:]) > MOST_GROWTH * tenths[2]
    table.show(
        f"{hours:g} hours, {wall_s:.0f} s on the clock, {cpu_s:.0f} s of a core, {size_mb:.0f} MB",
        ("tracks", "frames", "tracks with a frame missing or out of order", "files left open", "lost"),
        [(str(len(found)), str(sum(c["frames"] for c in found.values())), str(len(wrong)), str(still_open),
          str(recording.writer.lost))],
    )  # fmt: skip
    print("MB after each tenth:", " ".join(f"{mb:.0f}" for mb in tenths), "GROWS" if grows else "flat")
    for name, counts in list(wrong.items())[:5]:
        print(f"{name}: given {given[name]}, kept {counts}")
    passed = not (grows or wrong or still_open or recording.writer.lost or len(found) != len(given))
    print("passed" if passed else "FAILED")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
