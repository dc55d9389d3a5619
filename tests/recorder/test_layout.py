"""Scenes show who was there, and change as little as they can."""

from __future__ import annotations

from itertools import pairwise

from appliance.recorder.boxes import STRIP_TILES
from appliance.recorder.cast import Cast, Person, Picture
from appliance.recorder.composed import Layout
from appliance.recorder.layout import Scene, scenes_of

S = 1_000_000
END = 60


def _span(start: float, end: float = END) -> tuple[int, int]:
    return round(start * S), round(end * S)


def _person(
    name: str,
    start: float = 0,
    end: float = END,
    *,
    camera: bool = True,
    heard: bool = True,
    screen: tuple[float, float] | None = None,
) -> Person:
    return Person(
        name.lower(),
        name,
        (_span(start, end),),
        (_span(start, end),) if heard else (),
        (Picture(f"{name}-camera", (_span(start, end),)),) if camera else (),
        (Picture(f"{name}-screen", (_span(*screen),)),) if screen else (),
    )


def _scenes(
    *people: Person, speakers: list[tuple[float, str]] | None = None, layout: Layout = "speaker"
) -> list[Scene]:
    cast = Cast(
        people,
        tuple((round(at * S), who) for at, who in speakers or []),
        ((0, "Title"),),
        END * S,
    )
    return scenes_of(cast, layout, 1280, 720)


def _who(scene: Scene) -> list[str]:
    return [f"+{tile.more}" if tile.more else tile.track or tile.name for tile in scene.tiles]


def _seen(scenes: list[Scene]) -> list[tuple[float, list[str]]]:
    return [(scene.from_us / S, _who(scene)) for scene in scenes]


def test_the_speaker_is_large_and_the_others_keep_their_order() -> None:
    scenes = _scenes(_person("A"), _person("B"), _person("C", 10, 40), speakers=[(0, "a"), (20, "b")])
    assert _seen(scenes) == [
        (0, ["A-camera", "B-camera"]),
        (10, ["A-camera", "B-camera", "C-camera"]),
        (20, ["B-camera", "A-camera", "C-camera"]),
        (40, ["B-camera", "A-camera"]),
    ]
    assert scenes[0].tiles[0].box.width > 4 * scenes[0].tiles[1].box.width


def test_somebody_alone_fills_the_picture_and_nobody_leaves_it_empty() -> None:
    scenes = _scenes(_person("A", 0, 30))
    assert _seen(scenes) == [(0, ["A-camera"]), (30, [])]
    assert scenes[0].tiles[0].box.width > 1200


def test_who_spoke_last_stays_large_until_they_go() -> None:
    scenes = _scenes(_person("A"), _person("B", 0, 30), _person("C", camera=False), speakers=[(5, "b")])
    assert _seen(scenes) == [
        (0, ["A-camera", "B-camera", "C"]),
        (5, ["B-camera", "A-camera", "C"]),
        (30, ["A-camera", "C"]),
    ]


def test_a_shared_screen_goes_first_and_the_newest_of_two() -> None:
    a, b = _person("A", screen=(10, 50)), _person("B", screen=(20, 30))
    assert _seen(_scenes(a, b, speakers=[(0, "b")])) == [
        (0, ["B-camera", "A-camera"]),
        (10, ["A-screen", "A-camera", "B-camera"]),
        (20, ["B-screen", "A-screen", "A-camera", "B-camera"]),
        (30, ["A-screen", "A-camera", "B-camera"]),
        (50, ["B-camera", "A-camera"]),
    ]
    scenes = _scenes(a, b, speakers=[(0, "b")])
    assert [tile.speaking for tile in scenes[1].tiles] == [False, False, True]
    only = _scenes(a, b, _person("C"), speakers=[(0, "b")], layout="screen")
    assert _seen(only)[1] == (10, ["A-screen", "B-camera"])


def test_a_grid_marks_who_speaks() -> None:
    scenes = _scenes(_person("A"), _person("B"), _person("C"), speakers=[(5, "b")], layout="grid")
    assert _who(scenes[0]) == ["A-camera", "B-camera", "C-camera"]
    assert [tile.speaking for tile in scenes[1].tiles] == [False, True, False]
    assert len({(tile.box.width, tile.box.height) for tile in scenes[0].tiles}) == 1


def test_a_full_strip_says_how_many_more_and_gives_a_place_to_who_speaks() -> None:
    people = [_person(chr(ord("A") + n), camera=n != 1) for n in range(9)]
    scenes = _scenes(*people, speakers=[(0, "a"), (10, "h"), (20, "a")])
    assert _who(scenes[0]) == ["A-camera", "C-camera", "D-camera", "E-camera", "F-camera", "+4"]
    assert len(scenes[0].tiles) == STRIP_TILES + 1
    # A keeps a place as the one who spoke before, H keeps one afterwards.
    assert "A-camera" in _who(scenes[1])[1:]
    assert "H-camera" in _who(scenes[2])[1:]
    kept = set(_who(scenes[1])[1:]) & set(_who(scenes[2])[1:])
    assert len(kept) >= 4


def test_a_crowd_fills_a_grid_of_twenty_five() -> None:
    scenes = _scenes(*(_person(f"P{n}") for n in range(40)), layout="grid")
    assert len(scenes[0].tiles) == 25
    assert scenes[0].tiles[-1].more == 16


def test_mutes_and_initials() -> None:
    (scene,) = _scenes(_person("A", heard=False), _person("B", camera=False))
    assert [(tile.muted, tile.track) for tile in scene.tiles] == [(True, "A-camera"), (False, None)]


def test_nothing_flickers() -> None:
    a = Person(
        "a",
        "A",
        (_span(0),),
        tuple(_span(n * 0.1, n * 0.1 + 0.05) for n in range(100, 200)),
        (Picture("x", (_span(0, 30), _span(30.2))),),
    )
    scenes = _scenes(a)
    assert all(following.from_us - scene.from_us >= 400_000 for scene, following in pairwise(scenes))
    assert {tile.track for scene in scenes for tile in scene.tiles} == {"x"}
    assert scenes[0].from_us == 0


def test_a_meeting_without_anybody_has_a_title() -> None:
    assert [(scene.from_us, scene.title, scene.tiles) for scene in _scenes()] == [(0, "Title", ())]
