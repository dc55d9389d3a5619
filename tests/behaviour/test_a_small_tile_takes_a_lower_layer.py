"""Whoever makes a tile small gets a smaller layer within a second, and pays for the large one no longer."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.call import LARGE, Sender, Watcher

# The picture is some 380 pixels wide.
SMALL = {"width": 420, "height": 340}
# Three browsers share two cores; a change counts that is quick once in so many.
ATTEMPTS = 3

# Resolves to the seconds from the window's change of size to the first smaller frame that is presented.
SHRUNK = """() => {
  const video = document.querySelector("[data-testid='tile'][data-name='Ana'] video");
  const large = video.videoWidth;
  window.shrunk = new Promise((resolve) => addEventListener('resize', () => {
    const began = performance.now();
    const look = (now, frame) => {
      if (frame.width < large) resolve((performance.now() - began) / 1000);
      else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  }, {once: true}));
}"""


def test_a_small_tile_takes_a_lower_layer(watchers: Callable[..., Watcher], sender: Sender) -> None:
    watcher = watchers(2, viewport=LARGE)
    watcher.sees_layer(960)
    watcher.begin()
    sent = sender.sends(3)
    large = watcher.end()
    assert 0.7 * sent["f"] < large.video_bps < 1.3 * sent["f"], (sent, large)

    took: list[float] = []
    while not took or min(took) >= 1:
        assert len(took) < ATTEMPTS, took
        if took:
            watcher.page.playwright.set_viewport_size(LARGE)  # type: ignore[attr-defined]
            watcher.sees_layer(960)
        watcher.page.evaluate(SHRUNK)
        watcher.page.playwright.set_viewport_size(SMALL)  # type: ignore[attr-defined]
        took.append(watcher.page.evaluate("() => window.shrunk"))

    watcher.pause(1)
    watcher.begin()
    sent = sender.sends(3)
    small = watcher.end()
    layer = {240: "q", 480: "h"}[small.width]
    assert 0.7 * sent[layer] < small.video_bps < 1.3 * sent[layer], (sent, small)
    assert small.video_bps < 0.7 * large.video_bps  # a busy machine's sender makes less of its largest layer
