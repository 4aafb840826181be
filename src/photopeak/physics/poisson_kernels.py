"""Poisson counts from counter-based random numbers: one stream for every element.

Philox4x32-10 :cite:`salmon2011` turns a key and a counter into four 32-bit words; no state passes from one
element to the next. Means below 10 are drawn by inversion, others by transformed rejection with squeeze
(PTRS) :cite:`hormann1993`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from photopeak.physics.elementary_kernels import exp, log
from photopeak.physics.engines import Array, kernel

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
SMALL_MEAN = 10.0
"""Below this mean counts are drawn by inversion."""


@kernel
def philox(key0: int, key1: int, c0: int, c1: int, c2: int, c3: int) -> tuple[Any, Any, Any, Any]:
    """Four 32-bit words for one counter and one key, ten rounds."""
    k0, k1 = np.uint32(key0), np.uint32(key1)
    a, b, c, d = np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)
    for _ in range(10):
        p, q = _M0 * np.uint64(a), _M1 * np.uint64(c)
        a, b, c, d = (
            np.uint32(np.uint32(q >> _SHIFT) ^ b ^ k0),
            np.uint32(q & _LOW),
            np.uint32(np.uint32(p >> _SHIFT) ^ d ^ k1),
            np.uint32(p & _LOW),
        )
        k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    return a, b, c, d


@kernel
def _uniform(high: int, low: int) -> float:
    """A double in (0, 1) from two words: 53 bits, half a step above zero."""
    bits = (np.uint64(high) << np.uint64(21)) ^ (np.uint64(low) >> np.uint64(11))
    return (np.float64(np.int64(bits)) + 0.5) * (1.0 / 9007199254740992.0)


@kernel
def _log_factorial(k: float) -> float:
    """ln k! by Stirling's series from k = 10 on, by product below."""
    if k < 10.0:
        product = 1.0
        for factor in range(2, int(k) + 1):
            product *= factor
        return log(product)
    n = k + 1.0
    tail = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * n * n)) / (n * n)) / n
    return (n - 0.5) * log(n) - n + 0.9189385332046727 + tail


@kernel
def _by_inversion(mean: float, uniform: float) -> int:
    """The smallest count whose cumulative probability exceeds ``uniform``."""
    p = exp(-mean)
    cumulative = p
    count = 0
    while uniform > cumulative and count < 200:
        count += 1
        p *= mean / count
        cumulative += p
    return count


@kernel
def _by_rejection(mean: float, index: int, key: Array) -> int:
    """PTRS; each try takes the next counter of this element."""
    root = math.sqrt(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    attempt = 1
    while True:
        w = philox(key[0], key[1], index & 0xFFFFFFFF, index >> 32, attempt, key[2])
        u, v = _uniform(w[0], w[1]) - 0.5, _uniform(w[2], w[3])
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= v_r:
            return int(k)
        attempt += 1
        if k < 0 or (us < 0.013 and v > us):
            continue
        if log(v * inverse_alpha / (a / (us * us) + b)) <= k * log(mean) - mean - _log_factorial(k):
            return int(k)


@kernel
def poisson(mean: Array, key: Array, counts: Array) -> None:
    """counts[i] ~ Poisson(mean[i]), from the stream of (key, i).

    Small means need one uniform each: four neighbours share the words of one counter. Large ones take
    counters of their own, set apart by a third counter word that small ones leave at 0.
    """
    for block in range(0, mean.size, 4):
        low, high = block & 0xFFFFFFFF, block >> 32
        words = philox(key[0], key[1], low, high, 0, key[2])
        for lane in range(min(4, mean.size - block)):
            i = block + lane
            m = np.float64(mean[i])
            if m <= 0.0:
                counts[i] = 0
            elif m < SMALL_MEAN:
                counts[i] = _by_inversion(m, (np.float64(words[lane]) + 0.5) * (1.0 / 4294967296.0))
            else:
                counts[i] = _by_rejection(m, i, key)
