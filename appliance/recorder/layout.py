"""What is seen when: scenes over time, each with its tiles; pure.

Owns who gets which place. The same people keep the same places as long as they can: who comes or speaks changes as
little as possible, and no scene is shorter than an eye needs to notice it. Refuses to know how anything is drawn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.recorder import boxes
from appliance.recorder.boxes import Box
from appliance.recorder.cast import Cast, Person, Picture
from appliance.recorder.composed import Layout
from appliance.recorder.spans import span_at
from appliance.recorder.turns import Turn, turns_of

# People come in bursts, and a track that ends tends to be followed by one that begins.
_SHORTEST_US = 400_000
# Five by five: faces of 230 pixels at 720p.
_GRID_TILES = 25


@dataclass(frozen=True, slots=True)
class Tile:
    """Somebody's place."""

    box: Box
    participant_id: str
    name: str
    track: str | None
    """The video to show; None: the initials."""
    muted: bool
    speaking: bool
    """To be marked: others have the same size."""
    is_screen: bool = False
    more: int = 0
    """Not a person but so many for whom there was no place."""


@dataclass(frozen=True, slots=True)
class Scene:
    """From ``from_us`` until the next one."""

    from_us: int
    title: str
    tiles: tuple[Tile, ...]


def scenes_of(cast: Cast, layout: Layout, width: int, height: int) -> list[Scene]:
    """The scenes of a recording; the first begins at zero."""
    turns = turns_of(cast.speakers, cast.duration_us)
    director = _Director(cast, turns, layout, width, height)
    scenes: list[Scene] = []
    for at in _moments(cast, turns):
        title, tiles = director.look(at)
        if not scenes or (scenes[-1].title, scenes[-1].tiles) != (title, tiles):
            scenes.append(Scene(at, title, tiles))
    return _without_flicker(scenes)


def _moments(cast: Cast, turns: Sequence[Turn]) -> list[int]:
    """When anything changes."""
    moments = {0} | {at for at, _ in turns} | {at for at, _ in cast.titles}
    for person in cast.people:
        pictures = [span for picture in person.cameras + person.screens for span in picture.spans]
        for start, end in (*person.present, *person.heard, *pictures):
            moments |= {start, end}
    return sorted(at for at in moments if at == 0 or at < cast.duration_us)


def _without_flicker(scenes: list[Scene]) -> list[Scene]:
    """Scenes that are too short give their time to the one after them."""
    kept: list[Scene] = []
    begin: int | None = None
    for scene, following in zip(scenes, [*scenes[1:], None], strict=True):
        start = scene.from_us if begin is None else begin
        if following is not None and following.from_us - start < _SHORTEST_US:
            begin = start
            continue
        begin = None
        if kept and (kept[-1].title, kept[-1].tiles) == (scene.title, scene.tiles):
            continue
        kept.append(Scene(start, scene.title, scene.tiles))
    return kept


class _Director:
    """Looks at one moment after the other, and remembers who sat where."""

    def __init__(self, cast: Cast, turns: Sequence[Turn], layout: Layout, width: int, height: int) -> None:
        self._cast = cast
        self._turns = turns
        self._layout = layout
        self._width, self._height = width, height
        self._large: str | None = None
        self._seated: list[str] = []
        self._spoke_at: dict[str, int] = {}
        self._title_from = [at for at, _ in cast.titles]

    def look(self, at: int) -> tuple[str, tuple[Tile, ...]]:
        """The title and the tiles of a moment; moments in order."""
        title = self._cast.titles[max(bisect_right(self._title_from, at) - 1, 0)][1]
        present = [person for person in self._cast.people if span_at(person.present, at)]
        turn = bisect_right(self._turns, at, key=lambda turn: turn[0])
        speaker = self._turns[turn - 1][1] if turn else None
        if speaker is not None:
            self._spoke_at[speaker] = at
        screens = sorted(
            ((span[0], person, picture) for person in present for picture, span in _shown(person.screens, at)),
            key=lambda screen: screen[0],
        )
        shared = [self._screen_tile(person, picture) for _, person, picture in reversed(screens)]
        if self._layout == "grid":
            return title, self._grid(present, shared, speaker, at)
        return title, self._speaker(present, shared, speaker, at)

    def _speaker(self, present: list[Person], shared: list[Tile], speaker: str | None, at: int) -> tuple[Tile, ...]:
        ids = [person.participant_id for person in present]
        if speaker in ids:
            self._large = speaker
        elif self._large not in ids:
            pictured = [person.participant_id for person in present if _shown(person.cameras, at)]
            self._large = next(iter(pictured + ids), None)
        people = {person.participant_id: self._tile(person, at) for person in present}
        if shared:
            only_speaker = self._layout == "screen"
            beside = [self._large] if only_speaker and self._large else ids
            places = [*shared[1:], *self._seat([people[i] for i in beside], boxes.STRIP_TILES - len(shared[1:]))]
            marked = [_marked(tile, not tile.is_screen and tile.participant_id == speaker) for tile in places]
            return self._with_strip(shared[0], marked)
        if self._large is None:
            return ()
        others = [people[i] for i in ids if i != self._large]
        return self._with_strip(people[self._large], self._seat(others, boxes.STRIP_TILES))

    def _with_strip(self, large: Tile, places: list[Tile]) -> tuple[Tile, ...]:
        size = self._width, self._height
        places = places[: boxes.STRIP_TILES]
        if not places:
            return (_placed(large, boxes.single(*size)),)
        strip = boxes.strip(*size, len(places))
        return (_placed(large, boxes.stage(*size)), *map(_placed, places, strip))

    def _grid(self, present: list[Person], shared: list[Tile], speaker: str | None, at: int) -> tuple[Tile, ...]:
        seated = self._seat([self._tile(person, at) for person in present], _GRID_TILES - len(shared))
        marked = [_marked(tile, len(seated) > 1 and tile.participant_id == speaker) for tile in seated]
        tiles = [*shared, *marked]
        return tuple(map(_placed, tiles, boxes.grid(self._width, self._height, len(tiles)))) if tiles else ()

    def _seat(self, tiles: list[Tile], places: int) -> list[Tile]:
        """Those who get a place, in the order in which they came; a last place says how many more there are."""
        if len(tiles) <= places:
            self._seated = [tile.participant_id for tile in tiles]
            return tiles
        places = max(places - 1, 0)
        # Who has spoken last, who sat there already, who has a picture.
        ranked = sorted(
            tiles,
            key=lambda tile: (
                -self._spoke_at.get(tile.participant_id, -1),
                tile.participant_id not in self._seated,
                tile.track is None,
            ),
        )
        chosen = {tile.participant_id for tile in ranked[:places]}
        self._seated = [tile.participant_id for tile in tiles if tile.participant_id in chosen]
        rest = Tile(Box(0, 0, 0, 0), "", "", None, muted=False, speaking=False, more=len(tiles) - places)
        return [*(tile for tile in tiles if tile.participant_id in chosen), rest]

    def _tile(self, person: Person, at: int) -> Tile:
        shown = _shown(person.cameras, at)
        # Of two that overlap for a moment the newer one.
        track = max(shown, key=lambda found: found[1][0])[0].track if shown else None
        muted = span_at(person.heard, at) is None
        return Tile(Box(0, 0, 0, 0), person.participant_id, person.name, track, muted=muted, speaking=False)

    def _screen_tile(self, person: Person, picture: Picture) -> Tile:
        return Tile(
            Box(0, 0, 0, 0),
            person.participant_id,
            person.name,
            picture.track,
            muted=False,
            speaking=False,
            is_screen=True,
        )


def _shown(pictures: Sequence[Picture], at: int) -> list[tuple[Picture, tuple[int, int]]]:
    return [(picture, span) for picture in pictures if (span := span_at(picture.spans, at)) is not None]


def _placed(tile: Tile, box: Box) -> Tile:
    return Tile(box, tile.participant_id, tile.name, tile.track, tile.muted, tile.speaking, tile.is_screen, tile.more)


def _marked(tile: Tile, speaking: bool) -> Tile:
    return Tile(tile.box, tile.participant_id, tile.name, tile.track, tile.muted, speaking, tile.is_screen, tile.more)
