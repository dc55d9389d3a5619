"""Seats: examples that read as rules, and properties over seeded histories."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from appliance.meeting.participant import Participant, Track
from appliance.meeting.subscriptions import (
    HEARD_AT_LEAST,
    Pair,
    Placement,
    Seat,
    Wanted,
    bind,
    pairs_of,
)


def camera(name: str, *, audio: bool = True, video: bool = True, muted: bool = False) -> Pair:
    return Pair(name, "camera", has_audio=audio, has_video=video, video_muted=muted)


def screen(name: str, *, audio: bool = False) -> Pair:
    return Pair(name, "screen", has_audio=audio, has_video=True)


def seats(video: int, audio: int = 0) -> list[Seat]:
    return [Seat(n, True) for n in range(video)] + [Seat(n, False) for n in range(video, video + audio)]


def bound(
    pairs: list[Pair],
    places: list[Seat],
    *,
    wanted: list[Wanted] | None = None,
    speaking: tuple[str, ...] = (),
    recent: tuple[str, ...] = (),
    current: dict[int, Placement] | None = None,
) -> dict[int, Placement]:
    return bind(pairs=pairs, wanted=wanted, seats=places, speaking=speaking, recent=recent, current=current or {})


def shown(binding: dict[int, Placement]) -> dict[int, str]:
    return {n: f"{p.participant_id}{'' if p.source == 'camera' else '/screen'}" for n, p in binding.items() if p.video}


def heard(binding: dict[int, Placement]) -> set[str]:
    return {p.participant_id for p in binding.values() if p.audio}


def wanted(*names: str, **changes: object) -> list[Wanted]:
    return [Wanted(name, width=320, height=180, **changes) for name in names]  # type: ignore[arg-type]


def test_everybody_gets_a_seat_in_the_order_of_joining() -> None:
    assert shown(bound([camera("a"), camera("b")], seats(3))) == {0: "a", 1: "b"}


def test_importance_is_pinned_then_screen_then_speakers_then_wanted_then_joining() -> None:
    pairs = [camera(name) for name in "abcdef"] + [screen("f")]
    list_of = [*wanted("e", "d", "c"), *wanted("b", pinned=True), Wanted("f", "screen", width=9, height=9)]
    for count, names in [(1, {"b"}), (2, {"b", "f/screen"}), (3, {"b", "f/screen", "c"}),
                         (4, {"b", "f/screen", "c", "e"}), (5, {"b", "f/screen", "c", "e", "d"})]:  # fmt: skip
        binding = bound(pairs, seats(count, 9), wanted=list_of, recent=("c",))
        assert set(shown(binding).values()) == names
    everything = bound(pairs, seats(3, 9), recent=("d", "c"))
    assert set(shown(everything).values()) == {"f/screen", "d", "c"}


def test_priority_comes_before_place_in_the_list() -> None:
    list_of = [*wanted("a", "b"), *wanted("c", priority=9)]
    assert shown(bound([camera(n) for n in "abc"], seats(1, 3), wanted=list_of)) == {0: "c"}


def test_whoever_stays_important_keeps_the_seat() -> None:
    pairs = [camera(n) for n in "abc"]
    first = bound(pairs, seats(3))
    without_a = bound(pairs[1:], seats(3), current=first)
    assert shown(without_a) == {1: "b", 2: "c"}
    newcomer = bound([*pairs[1:], camera("d")], seats(3), current=without_a)
    assert shown(newcomer) == {0: "d", 1: "b", 2: "c"}


def test_a_new_speaker_takes_the_seat_of_who_spoke_longest_ago() -> None:
    pairs = [camera(n) for n in "abcd"]
    current = bound(pairs, seats(2), recent=("b", "a"))
    assert shown(current) == {0: "b", 1: "a"}
    assert shown(bound(pairs, seats(2), recent=("c", "b", "a"), current=current)) == {0: "b", 1: "c"}


def test_a_muted_camera_gives_way_but_stays_where_there_is_room() -> None:
    pairs = [camera("a", muted=True), camera("b"), camera("c")]
    assert set(shown(bound(pairs, seats(2, 1))).values()) == {"b", "c"}
    assert shown(bound(pairs, seats(3))) == {0: "b", 1: "c", 2: "a"}


def test_sound_only_takes_audio_seats_first_and_moves_there_when_a_picture_needs_the_seat() -> None:
    voice = camera("v", video=False)
    assert bound([voice], seats(1, 1)) == {1: Placement("v", "camera", audio=True, video=False)}
    sits = {0: Placement("v", "camera", audio=True, video=False)}
    assert bound([voice], seats(1, 1), current=sits) == sits
    moved = bound([voice, camera("p")], seats(1, 1), current=sits)
    assert moved == {0: Placement("p", "camera", True, True), 1: Placement("v", "camera", True, False)}


def test_a_picture_of_size_zero_is_sound_only() -> None:
    binding = bound([camera("a")], seats(2), wanted=[Wanted("a")])
    assert binding == {0: Placement("a", "camera", audio=True, video=False)}


def test_a_speaker_without_a_tile_is_heard_even_when_every_seat_is_taken() -> None:
    pairs = [camera(n) for n in "abc"]
    list_of = wanted("a", "b")
    full = bound(pairs, seats(2), wanted=list_of)
    assert shown(full) == {0: "a", 1: "b"}
    speaks = bound(pairs, seats(2), wanted=list_of, speaking=("c",), recent=("c",), current=full)
    assert speaks == {0: Placement("a", "camera", True, True), 1: Placement("c", "camera", True, False)}


def test_pairs_are_read_from_participants() -> None:
    def somebody(name: str, *tracks: Track) -> Participant:
        return Participant(name, name, name, name, None, "participant", 0, tracks=tracks)

    people = [
        somebody("me", Track("1", "camera")),
        somebody("a", Track("2", "microphone"), Track("3", "camera", muted=True)),
        somebody("b", Track("4", "screen"), Track("5", "screen_audio")),
        somebody("c"),
    ]
    assert pairs_of(people, but="me") == [
        Pair("a", "camera", has_audio=True, has_video=True, video_muted=True),
        Pair("b", "screen", has_audio=True, has_video=True),
    ]


class _History:
    """A meeting and one listener, changed at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pairs: list[Pair] = []
        self.seats = seats(self.random.randint(0, 4), self.random.randint(0, 3))
        self.wanted: list[Wanted] | None = None
        self.speaking: tuple[str, ...] = ()
        self.recent: tuple[str, ...] = ()
        self.binding: dict[int, Placement] = {}
        self._joined = 0

    def change(self) -> None:
        r = self.random
        match r.randrange(6):
            case 0 | 1:
                self._joined += 1
                audio, video = r.choice([(True, True), (True, True), (True, False), (False, True)])
                name = f"p{self._joined}"
                self.pairs.append(Pair(name, "camera", audio, video, video and r.random() < 0.3))
                if r.random() < 0.2:
                    self.pairs.append(screen(name, audio=r.random() < 0.5))
            case 2:
                if self.pairs:
                    gone = r.choice(self.pairs).participant_id
                    self.pairs = [p for p in self.pairs if p.participant_id != gone]
            case 3:
                names = [p.participant_id for p in self.pairs]
                self.speaking = tuple(r.sample(names, r.randint(0, min(5, len(names)))))
                self.recent = tuple(dict.fromkeys([*self.speaking, *self.recent]))
            case 4:
                chosen = [p for p in self.pairs if r.random() < 0.6]
                r.shuffle(chosen)
                self.wanted = [self._want(pair) for pair in chosen] if r.random() < 0.8 else None
            case _:
                video = sum(s.has_video for s in self.seats) + r.randint(0, 1)
                audio = sum(not s.has_video for s in self.seats) + r.randint(0, 1)
                kinds = [True] * min(video, 5) + [False] * min(audio, 3)
                r.shuffle(kinds)
                self.seats = [Seat(n, kind) for n, kind in enumerate(kinds)]

    def _want(self, pair: Pair) -> Wanted:
        r = self.random
        width, height = r.choice([(320, 180), (0, 0)])
        return Wanted(pair.participant_id, pair.source, width, height, 30, r.randint(0, 2), r.random() < 0.2)

    def bind(self) -> dict[int, Placement]:
        return bind(
            pairs=self.pairs,
            wanted=self.wanted,
            seats=self.seats,
            speaking=self.speaking,
            recent=self.recent,
            current=self.binding,
        )


def _fewest_moves(before: dict[int, Placement], after: dict[int, Placement], places: list[Seat]) -> int:
    """By trying every way to seat the same pairs: how many of those who had a seat must change it, at least."""
    chosen = list(after.values())
    sat = {p.key: number for number, p in before.items()}
    best = len(chosen)
    for order in permutations(places, len(chosen)):
        if all(seat.has_video or not p.video for seat, p in zip(order, chosen, strict=True)):
            moves = sum(p.key in sat and sat[p.key] != s.number for s, p in zip(order, chosen, strict=True))
            best = min(best, moves)
    return best


@pytest.mark.parametrize("seed", range(25))
def test_properties_hold_over_any_history(seed: int) -> None:
    history = _History(seed)
    for _ in range(40):
        history.change()
        after = history.bind()
        assert after == history.bind(), "deterministic"
        by_key = {p.key: p for p in history.pairs}
        places = {s.number: s for s in history.seats}
        assert len({p.key for p in after.values()}) == len(after), "nobody sits twice"
        for number, placement in after.items():
            pair = by_key[placement.key]
            assert placement.audio == pair.has_audio
            assert not placement.video or (pair.has_video and places[number].has_video)
            if placement.video and history.wanted is not None:
                assert any(w.key == placement.key and w.shown for w in history.wanted)
            assert placement.audio or placement.video
        loud = [n for n in history.speaking if any(p.key == (n, "camera") and p.has_audio for p in history.pairs)]
        must = loud[: min(HEARD_AT_LEAST, len(history.seats))]
        listening = {p.participant_id for p in after.values() if p.source == "camera" and p.audio}
        assert set(must) <= listening, "whoever speaks is heard"
        if len(after) < len(history.seats):
            left = [p for p in history.pairs if p.has_audio and p.key not in {q.key for q in after.values()}]
            assert not left, "no seat stays empty while somebody cannot be heard"
        sat = {p.key: number for number, p in history.binding.items()}
        moves = sum(p.key in sat and sat[p.key] != number for number, p in after.items())
        if len(history.seats) <= 6:
            assert moves == _fewest_moves(history.binding, after, history.seats)
        history.binding = after
        again = history.bind()
        assert again == after, "without a change nobody moves"
