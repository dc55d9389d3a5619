"""Whoever makes a tile small gets a smaller layer within a second, and pays for the large one no longer."""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.support.call import LARGE, Sender, Watched, Watcher, first_good

# The picture is some 380 pixels wide.
SMALL = {"width": 420, "height": 340}
LAYERS = {240: "q", 480: "h", 960: "f"}
# Three browsers share two cores; a change counts that is quick once in so many.
ATTEMPTS = 5

# Resolves to the seconds from the window's change of size to the first smaller frame that is presented, and to 10 where
# none comes: a picture that was small already gets no smaller.
SHRUNK = """() => {
  const video = document.querySelector("[data-testid='tile'][data-name='Ana'] video");
  const large = video.videoWidth;
  window.shrunk = new Promise((resolve) => {
    setTimeout(() => resolve(10), 10_000);
    addEventListener('resize', () => {
      const began = performance.now();
      const look = (now, frame) => {
        if (frame.width < large) resolve((performance.now() - began) / 1000);
        else video.requestVideoFrameCallback(look);
      };
      video.requestVideoFrameCallback(look);
    }, {once: true});
  });
}"""


def test_a_small_tile_takes_a_lower_layer(watchers: Callable[..., Watcher], sender: Sender) -> None:
    watcher = watchers(2, viewport=LARGE)
    watcher.sees_layer(960)
    large = _pays_for_what_it_sees(watcher, sender)

    took: list[float] = []
    while not took or min(took) >= 1:
        assert len(took) < ATTEMPTS, took
        watcher.page.playwright.set_viewport_size(LARGE)  # type: ignore[attr-defined]
        watcher.sees_layer(960)
        watcher.page.evaluate(SHRUNK)
        watcher.page.playwright.set_viewport_size(SMALL)  # type: ignore[attr-defined]
        took.append(watcher.page.evaluate("() => window.shrunk"))

    watcher.pause(1)
    # a busy machine's sender makes less of its largest layer
    small = _pays_for_what_it_sees(watcher, sender, at_most_bps=0.7 * large.video_bps)
    assert small.width < large.width


def _pays_for_what_it_sees(watcher: Watcher, sender: Sender, *, at_most_bps: float = math.inf) -> Watched:
    """A span in which what arrived is what the sender made of the layer that is on the screen."""

    def span() -> tuple[Watched, dict[str, float]]:
        watcher.begin()
        sent = sender.sends(3)
        return watcher.end(), sent

    def good(span: tuple[Watched, dict[str, float]]) -> bool:
        seen, sent = span
        layer = LAYERS.get(seen.width)  # Chromium shrinks its layers for some seconds when it lacks a processor
        return layer is not None and 0.7 * sent[layer] < seen.video_bps < min(1.3 * sent[layer], at_most_bps)

    return first_good(span, good)[0]
