"""Text into sentences and sentences into the words that count, for English, Chinese and what is written like either.

Owns the split, the words that say nothing by themselves, and the terms: words between spaces, and pairs of neighbouring
characters where a script has no spaces (bigrams, which find Chinese text about as well as segmented words do: Nie et
al. 2000, "On the use of words and n-grams for Chinese information retrieval"). Pure.
"""

from __future__ import annotations

import re

# Han, kana and hangul: scripts that are written without spaces, or nearly.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TERM = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+(?:['’][^\W_{CJK}]+)*")
_IS_CJK = re.compile(rf"[{CJK}]")
# A full stop ends a sentence where a space and no small letter follow; a Chinese one wherever it stands.
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?![a-z])|(?<=[。！？；])[”’」』）]*\s*|(?<=…)\s+|\s*\n\s*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Inc|Ltd|Co|vs|etc|approx|No|Fig|e\.g|i\.e|a\.m|p\.m)|(?:^|\s)[A-Z])\.$"
)

_STOP_WORDS = frozenset(
    """a about above actually after again all also am an and any anyway are aren't as at back basically be because been
    before being but by can can't cannot come could couldn't did didn't do does doesn't doing don't done down each else
    even ever every few for from get gets getting go goes going gonna good got great had has hasn't have haven't having
    he he'd he'll he's hello her here hers hey hi him his how i i'd i'll i'm i've if in into is isn't it it'd it'll it's
    its just kind know let let's like little look lot made make many maybe me mean might more most much must my need no
    not now of off oh ok okay on one only or other our out over own please put quite really right said same say see she
    she'd she'll she's should shouldn't so some something sort still such sure take than thank thanks that that's the
    their them then there there's these they they'd they'll they're they've thing things think this those though through
    to too um uh under until up us very want was wasn't way we we'd we'll we're we've well went were weren't what what's
    when where which while who who's why will with won't would wouldn't yeah yep yes yet you you'd you'll you're you've
    your""".split()  # noqa: SIM905
)
# Pairs with one of these are grammar; so are pairs of which both are in the second set.
_EMPTY_CHARACTERS = frozenset("的了吗呢吧啊呀嘛哦嗯呃哎喂着")
_LIGHT_CHARACTERS = frozenset(
    "是在和也就都而及与或一个没有我你您他她它们这那哪很太还又再被把给让对从到去"
    "来上下里说要会能可以不好什么怎样为因所但如果然后现在已经觉得知道想看做人大家"
)


def sentences(text: str) -> list[str]:
    """In their order, without white space around them."""
    parts: list[str] = []
    start = 0
    for match in _END.finditer(text):
        before = text[start : match.end()].strip()
        if not before or _ABBREVIATION.search(before):
            continue
        parts.append(before)
        start = match.end()
    rest = text[start:].strip()
    return [*parts, rest] if rest else parts


def terms(text: str) -> list[str]:
    """The words that count, in small letters, one for each time that they occur."""
    found: list[str] = []
    for word in _TERM.findall(text):
        if _IS_CJK.match(word):
            found += [pair for pair in _pairs(word) if _says_something(pair)]
        else:
            plain = word.lower().replace("’", "'")
            if len(plain) > 1 and plain not in _STOP_WORDS:
                found.append(plain.removesuffix("'s"))
    return found


def is_cjk(text: str) -> bool:
    """Whether anything of it is written without spaces."""
    return _IS_CJK.search(text) is not None


def length(text: str) -> int:
    """In words; a character of a script without spaces is half of one."""
    return sum((len(word) + 1) // 2 if _IS_CJK.match(word) else 1 for word in _TERM.findall(text))


def _pairs(characters: str) -> list[str]:
    return [characters[at : at + 2] for at in range(len(characters) - 1)]


def _says_something(pair: str) -> bool:
    characters = set(pair)
    return not characters & _EMPTY_CHARACTERS and not characters <= _LIGHT_CHARACTERS
