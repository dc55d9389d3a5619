"""Tables of windows, as people read them and as RESULTS.md keeps them: Markdown with aligned columns."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from tests.load.generator.figures import Window, counted, median_window
from tests.load.generator.scenarios import JunkPair, is_saturated

Row = tuple[str, ...]

COLUMNS: Row = (
    "load", "cipher", "server", "rounds", "kpps", "received", "CPU-s/M", "range", "core", "p50 ms", "p99", "p99.9",
    "join p50 ms", "p99", "kB/peer", "generator", "void because",
)  # fmt: skip


def show(title: str, columns: Row, rows: Iterable[Row]) -> None:
    """Prints one."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    print(f"\n{title}\n")
    for number, line in enumerate(lines):
        print("| " + " | ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")


def window_row(windows: Sequence[Window]) -> Row:
    """The median window of several of one load, cipher and server; their range of CPU."""
    w, chosen = median_window(windows), counted(windows)
    costs = [window.cpu_s_per_million for window in chosen]
    return (
        w.load.name,
        w.cipher,
        w.server,
        f"{len(chosen)} of {len(windows)}",
        f"{w.received_pps / 1000:.1f}",
        f"{w.received_share:.3%}",
        f"{w.cpu_s_per_million:.2f}",
        f"{min(costs):.2f}–{max(costs):.2f}",
        f"{w.server_cpu_share:.0%}",
        *(f"{w.latency[name]:.1f}" for name in ("p50_ms", "p99_ms", "p999_ms")),
        *(f"{w.join[name]:.0f}" if w.join["count"] else "" for name in ("p50_ms", "p99_ms")),
        f"{w.rss_per_peer_bytes / 1024:.0f}",
        f"{w.generator_cpu_share:.0%}",
        "; ".join(w.void),
    )


def show_windows(title: str, groups: Iterable[Sequence[Window]], missing: dict[str, str]) -> None:
    """Groups of rounds, a row each; who is missing has a row too."""
    rows = [window_row(group) for group in groups]
    rows += [("", "", name, *[""] * (len(COLUMNS) - 4), f"NOT COMPARED: {why}") for name, why in missing.items()]
    show(title, COLUMNS, rows)


def show_sweep(title: str, sweeps: Iterable[Sequence[Window]], missing: dict[str, str]) -> None:
    """A row for each step; then where each sweep ended, and why."""
    sweeps = list(sweeps)
    columns = ("subscribers", "cipher", "server", "kpps", "received", "CPU-s/M", "core", "p50 ms", "p99", "p99.9",
               "join p50 ms", "p99", "kB/peer", "generator", "void because")  # fmt: skip
    rows = []
    for window in (window for windows in sweeps for window in windows):
        row = window_row([window])
        rows.append((str(window.subscribers), row[1], row[2], *row[4:7], *row[8:]))
    rows += [("", "", name, *[""] * (len(columns) - 4), f"NOT COMPARED: {why}") for name, why in missing.items()]
    show(title, columns, rows)
    print()
    for windows in sweeps:
        print(f"- {windows[0].server}, {windows[0].cipher}: {limit(windows)}; {memory(windows)}")


def limit(windows: Sequence[Window]) -> str:
    """The largest number of subscribers that was served well, and what stood in the way of more."""
    good = [window for window in windows if not is_saturated(window)]
    last = windows[-1]
    most = good[-1].subscribers if good else 0
    if last.machine:
        return f"at least {most} subscribers; then the machine was the limit: {last.machine[0]}"
    if is_saturated(last):
        loss, p99 = 1 - last.received_share, last.latency["p99_ms"]
        return f"{most} subscribers; {last.subscribers} had {loss:.2%} loss and a p99 of {p99:.1f} ms"
    return f"at least {most} subscribers; more were not tried"


def memory(windows: Sequence[Window]) -> str:
    """What a further subscriber takes: least squares."""
    if len(windows) < 2:
        return "memory of a subscriber: too few steps"
    sizes = [float(window.rss_bytes) for window in windows]
    slope = statistics.linear_regression([window.clients for window in windows], sizes).slope
    return f"{slope / 1024:.0f} KiB for each further subscriber"


def show_loss(title: str, groups: Iterable[Sequence[Window]]) -> None:
    """What repair costs and achieves."""
    rows = []
    for group in groups:
        w = median_window(group)
        if w.repaired_share is not None:
            cells = (f"{w.video_share:.3%}", f"{w.repaired_share:.1%}", f"{w.cpu_s_per_million:.2f}")
            delays = tuple(f"{w.latency[name]:.0f}" for name in ("p50_ms", "p99_ms"))
            rows.append((w.load.name, w.cipher, w.server, *cells, *delays))
    columns = ("load", "cipher", "server", "video received", "repaired of lost", "CPU-s/M", "p50 ms", "p99")
    show(title, columns, rows)


def show_junk(title: str, pairs: Sequence[JunkPair]) -> None:
    """Pair by pair; then the median."""
    rows = []
    for pair in pairs:
        without, beside, strangers = pair.without, pair.beside, pair.strangers
        rows.append(
            (
                f"{strangers.sent / strangers.seconds / 1000:.1f}",
                f"{strangers.replies} ({strangers.reply_bytes} B)",
                f"{without.latency['p99_ms']:.2f}",
                f"{beside.latency['p99_ms']:.2f}",
                f"{pair.p99_ratio:.2f}",
                f"{without.server_cpu_share:.0%}",
                f"{beside.server_cpu_share:.0%}",
                f"{beside.received_share:.3%}",
                "; ".join((*without.void, *beside.void)),
            )
        )
    columns = ("junk kpps", "replies", "p99 ms without", "p99 ms beside", "ratio", "core without", "beside", "received",
               "void because")  # fmt: skip
    show(title, columns, rows)
    if pairs:
        print(f"\nmedian ratio of p99: {statistics.median(pair.p99_ratio for pair in pairs):.2f}")
