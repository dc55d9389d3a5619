"""How right an answer is: error rates of texts, ratios of sounds and pictures. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from appliance.ai.pictures import Pixels
from appliance.ai.sound import Samples


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Levenshtein's: replacements, insertions and deletions."""
    row = list(range(len(heard) + 1))
    for i, one in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]


def words(text: str) -> list[str]:
    """Without case and punctuation; a hyphen parts words."""
    return re.sub(r"[^\w\s']", "", text.lower().replace("-", " ").replace("—", " ")).split()


def characters(text: str) -> list[str]:
    """Letters and digits alone, for scripts without spaces."""
    return [c for c in unicodedata.normalize("NFKC", text) if c.isalnum()]


def word_error_rate(said: str, heard: str) -> float:
    """0 is right; above 1 when more is wrong than was said."""
    return distance(words(said), words(heard)) / max(len(words(said)), 1)


def character_error_rate(said: str, heard: str) -> float:
    """The same of characters."""
    return distance(characters(said), characters(heard)) / max(len(characters(said)), 1)


def si_sdr_db(clean: Samples, estimate: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019)."""
    true, got = clean.astype(np.float64), estimate.astype(np.float64)
    target = (true @ got) / max(float(true @ true), 1e-20) * true
    wrong = got - target
    return float(10 * np.log10(max(float(target @ target), 1e-20) / max(float(wrong @ wrong), 1e-20)))


def psnr_db(true: Pixels, got: Pixels) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures of one size."""
    error = float(np.mean((true.astype(np.float64) - got) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-10)))


def sharpness(pixels: Pixels) -> float:
    """Mean step from a pixel to the next, in levels of 255."""
    values = pixels.astype(np.float64)
    return float(np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean()) / 2


def with_noise(clean: Samples, ratio_db: float, seed: int = 1) -> Samples:
    """White noise added, so far below the sound."""
    drawn = np.random.default_rng(seed).normal(0, 1, len(clean))
    level = np.sqrt(np.mean(np.square(clean, dtype=np.float64))) * 10 ** (-ratio_db / 20)
    noisy: Samples = (clean + drawn * level / np.sqrt(np.mean(drawn**2))).astype(np.float32)
    return noisy
