"""What a recogniser heard, and the guards against what it only thinks it heard. Pure.

Owns the judgement of a text by itself: repetition, and words that models make of noise. A recogniser is a language
model that would rather say something than nothing.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Transcript:
    """Of one phrase."""

    text: str
    language: str
    """ISO 639-1."""
    confidence: float
    """Geometric mean of the tokens' probabilities, 0 to 1."""
    language_confidence: float = 1.0
    """That it is this language; 1 when it was given."""


MAX_PERIOD = 12
"""Longest run of tokens that is looked at as something said again and again."""
_TIMES = 4
"""Said so often in a row it is the model, not the speaker: a triple "no, no, no" is speech."""


def repeats(tokens: Sequence[Hashable]) -> bool:
    """Whether the end of it is the same thing four times in a row."""
    for period in range(1, MAX_PERIOD + 1):
        if len(tokens) < period * _TIMES:
            return False
        last = tokens[-period:]
        if all(tokens[-(n + 1) * period : -n * period] == last for n in range(1, _TIMES)):
            return True
    return False


def without_repetition(text: str) -> str:
    """The text up to where it begins to repeat itself, with what is repeated said once.

    Words where there are spaces, else (Chinese, Japanese) characters.
    """
    spaced = 2 * sum(ord(character) > _DENSE for character in text) <= len(text)
    parts: Sequence[str] = text.split(" ") if spaced else list(text)
    for end in range(1, len(parts) + 1):
        for period in range(1, min(MAX_PERIOD, end // _TIMES) + 1):
            run = [_bare(part) for part in parts[end - period * _TIMES : end]]
            if any(run) and all(run[n : n + period] == run[:period] for n in range(period, len(run), period)):
                kept = parts[: end - period * (_TIMES - 1)]
                return (" " if spaced else "").join(kept).rstrip(" ,，、")
    return text


_DENSE = 0x2E80
"""From here on Unicode has the scripts of East Asia, which write syllables and no spaces."""


def _bare(word: str) -> str:
    return re.sub(r"\W", "", word.lower())


_PHANTOMS = frozenset(
    {
        "you", "thank you", "thanks", "thank you very much", "thanks for watching", "thank you for watching",
        "please subscribe", "bye", "bye bye", "okay", "oh", "the end", "subtitles by the amara org community",
        "谢谢", "谢谢观看", "谢谢大家", "请不吝点赞订阅转发打赏支持明镜与点点栏目", "字幕由amaraorg社区提供",
    }
)  # fmt: skip
"""What models of this kind, trained on films' subtitles, say to noise and silence."""
_PHANTOM_CONFIDENCE = 0.6
_LEAST_CONFIDENCE = 0.25
"""Of speech, even with an accent and noise, the mean is above 0.5; of babble and music it is mostly below this."""
_LEAST_SPEECH = 0.45
"""Mean probability of speech of a phrase; below it, what was heard is something else."""


def doubtful(transcript: Transcript, speech: float, length_s: float) -> str | None:
    """Why this is not to be shown: nobody said it. None: show it.

    ``speech`` is the phrase's mean probability of speech.
    """
    bare = " ".join(re.sub(r"[^\w\s]", "", transcript.text.lower()).split())
    if not bare:
        return "empty"
    if transcript.confidence < _LEAST_CONFIDENCE:
        return "confidence"
    if speech < _LEAST_SPEECH and transcript.confidence < _PHANTOM_CONFIDENCE:
        return "no_speech"
    if bare in _PHANTOMS and (transcript.confidence < _PHANTOM_CONFIDENCE or speech < _LEAST_SPEECH):
        return "phantom"
    # 25 characters a second is twice what the fastest speakers reach; 10 for the scripts that write syllables.
    dense = sum(ord(character) > _DENSE for character in bare)
    if dense / 10 + (len(bare) - dense) / 25 > max(length_s, 0.5):
        return "too_fast"
    return None
