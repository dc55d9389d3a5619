"""Who sits on a client's receive seats: from what is published and wanted to a binding, with the fewest moves.

Pure and deterministic: equal arguments give equal answers. Owns the order of importance and the placing; refuses to
know SSRCs, sizes in bits and how a binding is carried out.

A *pair* is what sits on one seat: a camera with its microphone, or a screen with its sound. A pair shown as a
picture is a *tile* and needs a seat with a video line; a pair that is only heard sits anywhere.

Importance, highest first: pinned, screen share, who speaks or spoke last, the order in which the client wants them
(``priority`` before place), the order of joining. Cameras that are muted come after all others: there is nothing to
see. A seat change is seen as a flicker, so whoever is still important enough keeps the seat.

Whoever speaks is heard: when the seats are too few, tiles of people who do not speak give way, the least important
first. That lasts until the client has offered the seats that ``need_media`` asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.meeting.participant import SOUND_OF, Participant, VideoSource

# Tiles give way to this many voices at most: the three loudest are forwarded in big rooms, more are not understood.
HEARD_AT_LEAST = 3

PairKey = tuple[str, VideoSource]
"""(participant id, which pair of that participant)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What a participant publishes that one seat can carry."""

    participant_id: str
    source: VideoSource
    has_audio: bool
    has_video: bool
    video_muted: bool = False

    @property
    def key(self) -> PairKey:
        """Identity of the pair."""
        return (self.participant_id, self.source)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One picture that a client wants. Width and height in device pixels; both 0: sound only."""

    participant_id: str
    source: VideoSource = "camera"
    width: int = 0
    height: int = 0
    max_fps: int = 30
    priority: int = 1
    pinned: bool = False

    @property
    def key(self) -> PairKey:
        """Identity of the pair that is wanted."""
        return (self.participant_id, self.source)

    @property
    def shown(self) -> bool:
        """Whether a picture is wanted and not the sound alone."""
        return self.width > 0 and self.height > 0


@dataclass(frozen=True, slots=True)
class Seat:
    """A receive seat of the client's peer connection."""

    number: int
    has_video: bool


@dataclass(frozen=True, slots=True)
class Placement:
    """Who sits on a seat, and what of the pair is bound."""

    participant_id: str
    source: VideoSource
    audio: bool
    video: bool

    @property
    def key(self) -> PairKey:
        """Identity of the pair that sits here."""
        return (self.participant_id, self.source)


Binding = Mapping[int, Placement]
"""By seat number; a seat that is not in it is empty."""


def pairs_of(participants: Sequence[Participant], *, but: str | None = None) -> list[Pair]:
    """What everybody publishes, except participant ``but``, in the order given (that of joining)."""
    pairs = []
    for participant in participants:
        if participant.participant_id == but:
            continue
        for picture, sound in SOUND_OF.items():
            video, audio = participant.track(picture), participant.track(sound)
            if video is not None or audio is not None:
                pairs.append(
                    Pair(
                        participant_id=participant.participant_id,
                        source=picture,
                        has_audio=audio is not None,
                        has_video=video is not None,
                        video_muted=video is not None and video.muted,
                    )
                )
    return pairs


def bind(
    *,
    pairs: Sequence[Pair],
    wanted: Sequence[Wanted] | None,
    seats: Sequence[Seat],
    speaking: Sequence[str],
    recent: Sequence[str],
    current: Binding,
) -> dict[int, Placement]:
    """The new binding of every occupied seat.

    ``pairs``: what others publish, in the order of joining. ``wanted``: the client's list, or None while it has not
    sent one: then everything is wanted. ``speaking``: participant ids heard now, loudest first. ``recent``: who spoke
    last, newest first, the dominant speaker in front. ``current``: the binding before.
    """
    ranked = _rank(pairs, wanted, [*speaking, *recent])
    shown = None if wanted is None else {w.key for w in wanted if w.shown}
    can_show = [p for p in ranked if p.has_video and (shown is None or p.key in shown)]
    with_video = sum(seat.has_video for seat in seats)
    tiles = can_show[:with_video]
    voices = _voices(ranked, speaking)
    tiles = _give_way(tiles, voices, with_video=with_video, seats=len(seats))
    tile_keys = {p.key for p in tiles}
    # Everybody else with a sound, as far as seats last: the first word of somebody must not be lost to a re-binding.
    heard = [p for p in [*voices, *ranked] if p.has_audio and p.key not in tile_keys]
    heard = list({p.key: p for p in heard}.values())[: len(seats) - len(tiles)]
    return _place(tiles, heard, seats, current)


def _rank(pairs: Sequence[Pair], wanted: Sequence[Wanted] | None, speakers: Sequence[str]) -> list[Pair]:
    by_key: dict[PairKey, tuple[int, Wanted]] = {}
    for place, want in enumerate(wanted or ()):
        by_key.setdefault(want.key, (place, want))
    spoke: dict[str, int] = {}
    for place, participant_id in enumerate(speakers):
        spoke.setdefault(participant_id, place)

    def importance(item: tuple[int, Pair]) -> tuple[int, ...]:
        joined, pair = item
        place, want = by_key.get(pair.key, (len(by_key), None))
        order = (-want.priority if want else 0, place, joined)
        if want is not None and want.pinned:
            return (0, 0, *order)
        if pair.video_muted:
            return (4, 0, *order)
        if pair.source == "screen":
            return (1, 0, *order)
        if pair.participant_id in spoke:
            return (2, spoke[pair.participant_id], *order)
        return (3, 0, *order)

    return [pair for _, pair in sorted(enumerate(pairs), key=importance)]


def _voices(ranked: Sequence[Pair], speaking: Sequence[str]) -> list[Pair]:
    """The pairs that must be heard, loudest first."""
    by_id = {p.participant_id: p for p in ranked if p.source == "camera" and p.has_audio}
    loudest = [by_id[participant_id] for participant_id in dict.fromkeys(speaking) if participant_id in by_id]
    return loudest[:HEARD_AT_LEAST]


def _give_way(tiles: list[Pair], voices: Sequence[Pair], *, with_video: int, seats: int) -> list[Pair]:
    """Drop the least important silent tiles until every voice that is no tile has a seat."""
    voice_keys = {p.key for p in voices}
    kept = list(tiles)
    while kept:
        need = len(voice_keys - {p.key for p in kept})
        if need <= seats - len(kept):
            break
        silent = [p for p in kept if p.key not in voice_keys]
        if not silent:
            break  # every seat speaks
        kept.remove(silent[-1])
    return kept


def _place(
    tiles: Sequence[Pair], heard: Sequence[Pair], seats: Sequence[Seat], current: Binding
) -> dict[int, Placement]:
    """Seats for the chosen: everybody stays who can, newcomers take the lowest free seat that does."""
    sits = {placement.key: number for number, placement in current.items()}
    has_video = {seat.number: seat.has_video for seat in seats}
    taken: dict[int, tuple[Pair, bool]] = {}
    for pair in tiles:
        number = sits.get(pair.key)
        if number is not None and has_video.get(number):
            taken[number] = (pair, True)
    homeless_tiles = [p for p in tiles if sits.get(p.key) not in taken or taken[sits[p.key]][0] is not p]
    staying = [p for p in heard if sits.get(p.key) in has_video]
    # Those who are only heard leave video seats that tiles need, the least important first, and no more of them.
    empty = sum(video and number not in taken for number, video in has_video.items())
    on_video = [p for p in staying if has_video[sits[p.key]]]
    surplus = len(homeless_tiles) - (empty - len(on_video))
    if surplus > 0:
        moved = {p.key for p in on_video[-surplus:]}
        staying = [p for p in staying if p.key not in moved]
    for pair in staying:
        taken[sits[pair.key]] = (pair, False)
    settled = {pair.key for pair, _ in taken.values()}
    free = sorted(number for number in has_video if number not in taken)
    for pair in homeless_tiles:
        number = next(n for n in free if has_video[n])
        free.remove(number)
        taken[number] = (pair, True)
    for pair in heard:
        if pair.key not in settled:
            number = min(free, key=lambda n: (has_video[n], n))
            free.remove(number)
            taken[number] = (pair, False)
    return {
        number: Placement(pair.participant_id, pair.source, audio=pair.has_audio, video=video)
        for number, (pair, video) in sorted(taken.items())
    }
