"""Text of any script as a mask, from the fonts that are here.

Owns the choice of a font for each character. The package brings Noto Sans for Latin, Greek, Cyrillic, Arabic, Hebrew,
Devanagari, Thai, and Noto Sans SC for Chinese and Japanese (``fonts/``, with their licence); for what they do not have,
as Korean, it looks among the system's fonts, as Debian's fonts-noto-cjk and fonts-noto-core install them. What nobody
has is drawn as a box and remembered.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_FONTS = Path(__file__).parent / "fonts"
# In the order of looking: the last one is large, and has Latin letters of its own that go less well with the others.
_SCRIPTS = (
    "latin", "latin-ext", "vietnamese", "cyrillic", "cyrillic-ext", "greek", "greek-ext",
    "arabic", "hebrew", "devanagari", "thai", "sc",
)  # fmt: skip
_SYSTEM_FONTS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
# Families that cover a script each, or many; others are symbols, or typewriters.
_FAMILIES = ("notosanscjk", "notosans", "droidsansfallback", "wqy", "dejavusans", "freesans")
_STYLES = ("bold", "italic", "oblique", "mono", "condensed", "black", "thin", "light", "extra", "serif", "semi")
# A system with every Noto font has some 200 scripts, of which each is opened once for a character that is missing.
_MOST_SYSTEM_FONTS = 300
# Marks, joiners and spaces have no picture of their own and go with the character before them.
_INVISIBLE = {"Mn", "Me", "Cf", "Cc", "Zs", "Zl", "Zp"}
_NOBODYS = "\U0010fffd"  # private use: what a font draws for it, it draws for whatever it does not have
_ELLIPSIS = "…"

_Font = ImageFont.FreeTypeFont


class Typeface:
    """Draws text at one size."""

    def __init__(self, size_px: int) -> None:
        """Opens fonts when they are needed."""
        self._size = size_px
        self._ours = [_FONTS / f"noto-sans-{script}.woff2" for script in _SCRIPTS]
        self._system: list[Path] | None = None
        self._opened: dict[Path, _Font | None] = {}
        self._missing_picture: dict[Path, bytes] = {}
        self._chosen: dict[str, _Font] = {}
        self.missing: set[str] = set()
        """Characters that no font here has."""
        latin = self._open(self._ours[0])
        assert latin is not None  # it is in the package
        self._latin = latin
        self.ascent, self.descent = latin.getmetrics()

    def mask(self, text: str, most_px: int) -> Image.Image:
        """The text, cut to ``most_px`` with an ellipsis: an "L" picture as high as the font, white on black."""
        text = clean(text)
        runs = list(self._runs(text))
        if self._length(runs) > most_px:
            while text and self._length(runs) > most_px:
                text = text[:-1]
                runs = list(self._runs(text.rstrip() + _ELLIPSIS))
        width = max(1, min(round(self._length(runs)) + 1, max(most_px, 1)))
        picture = Image.new("L", (width, self.ascent + self.descent))
        draw = ImageDraw.Draw(picture)
        x = 0.0
        for font, run in runs:
            draw.text((x, self.ascent), run, font=font, fill=255, anchor="ls")
            x += font.getlength(run)
        return picture

    def _length(self, runs: list[tuple[_Font, str]]) -> float:
        return sum(font.getlength(run) for font, run in runs)

    def _runs(self, text: str) -> Iterator[tuple[_Font, str]]:
        """Pieces that one font draws."""
        font: _Font | None = None
        run = ""
        for character in text:
            invisible = unicodedata.category(character) in _INVISIBLE
            wanted = font if invisible and font is not None else self._font_of(character)
            if wanted is not font:
                if run and font is not None:
                    yield font, run
                font, run = wanted, ""
            run += character
        if run and font is not None:
            yield font, run

    def _font_of(self, character: str) -> _Font:
        chosen = self._chosen.get(character)
        if chosen is None:
            chosen = self._find(character)
            if chosen is None:
                chosen = self._latin
                if unicodedata.category(character) not in _INVISIBLE:
                    self.missing.add(character)
            self._chosen[character] = chosen
        return chosen

    def _find(self, character: str) -> _Font | None:
        for path in self._ours:
            if self._has(path, character):
                return self._opened[path]
        if self._system is None:
            self._system = _system_fonts()
        for path in self._system:
            if self._has(path, character):
                return self._opened[path]
        return None

    def _has(self, path: Path, character: str) -> bool:
        font = self._open(path)
        if font is None:
            return False
        if path not in self._missing_picture:
            self._missing_picture[path] = bytes(font.getmask(_NOBODYS))
        drawn = bytes(font.getmask(character))
        return drawn != self._missing_picture[path] and any(drawn)

    def _open(self, path: Path) -> _Font | None:
        if path not in self._opened:
            try:
                self._opened[path] = ImageFont.truetype(str(path), self._size)
            except OSError:  # of a format that FreeType does not read
                self._opened[path] = None
        return self._opened[path]


def clean(text: str) -> str:
    """One line, without characters that move others."""
    return " ".join("".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn")).split())


def _system_fonts() -> list[Path]:
    found: list[tuple[int, str, Path]] = []
    for folder in _SYSTEM_FONTS:
        for path in folder.rglob("*"):
            name = path.stem.lower().replace("-", "").replace("_", "")
            family = next((n for n, family in enumerate(_FAMILIES) if name.startswith(family)), None)
            style = name.removeprefix(_FAMILIES[family]) if family is not None else ""
            if family is not None and path.suffix in (".ttf", ".otf", ".ttc") and not any(s in style for s in _STYLES):
                found.append((family, path.name, path))
    return [path for _, _, path in sorted(found)][:_MOST_SYSTEM_FONTS]
