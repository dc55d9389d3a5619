"""Mel spectrograms as the models were trained with. Pure.

Owns the filter bank (Slaney's, as librosa's default: linear below 1 kHz, logarithmic above, each filter's area one)
and the framing. Whisper's is checked in the tests against a tone's known place.
"""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from appliance.ai.graphs import Floats
from appliance.ai.sound import RATE_HZ, Samples

N_FFT = 400
HOP = 160
"""25 ms windows each 10 ms at 16 kHz."""

_LINEAR_HZ = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27
"""Slaney's Auditory Toolbox (1998): 27 steps from 1 to 6.4 kHz."""


def _to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    high = _BREAK_MEL + np.log(np.maximum(hz, 1e-9) / _BREAK_HZ) / _LOG_STEP
    return cast("NDArray[np.float64]", np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ, high))


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    high = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return cast("NDArray[np.float64]", np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, high))


@cache
def filter_bank(bands: int) -> Floats:
    """Of shape (bands, 201): from 0 to 8 kHz."""
    bins = np.fft.rfftfreq(N_FFT, 1 / RATE_HZ)
    edges = _to_hz(np.linspace(0.0, float(_to_mel(np.array(RATE_HZ / 2))), bands + 2))
    widths = np.diff(edges)
    ramps = edges[:, None] - bins
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    weights = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return cast(Floats, weights.astype(np.float32))


def power_mel(samples: Samples, bands: int) -> Floats:
    """Power in each band, of shape (frames, bands); frames are centred, the ends mirrored."""
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    padded = np.pad(samples, N_FFT // 2, mode="reflect" if len(samples) > N_FFT // 2 else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    return cast(Floats, (power.astype(np.float32) @ filter_bank(bands).T).astype(np.float32))


WHISPER_S = 30
WHISPER_BANDS = 80


def whisper_mel(samples: Samples) -> Floats:
    """What Whisper's encoder takes: of shape (1, 80, 3000), 30 s whatever came in; more is cut off.

    Radford et al. 2022 §2.2: the logarithm, of 8 decades at most, scaled to about -1 to 1.
    """
    whole = np.zeros(WHISPER_S * RATE_HZ, np.float32)
    whole[: len(samples)] = samples[: len(whole)]
    power = power_mel(whole, WHISPER_BANDS)[:-1].T
    log = np.log10(np.maximum(power, 1e-10))
    log = np.maximum(log, log.max() - 8)
    return cast(Floats, ((log + 4) / 4)[None].astype(np.float32))
