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
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_RECIPROCAL = 1.0 / np.maximum(np.arange(200.0), 1.0)
# Rounded, so that no C library's last bit reaches a count.
_RESTS = np.array([round(math.lgamma(n) - (n - 0.5) * math.log(n) + n, 12) for n in range(1, 11)])
_BLOCK = 128  # counters that are turned into words at once
SMALL_MEAN = 10.0
"""Below this mean counts are drawn by inversion."""


@kernel
def philox(key0: Any, key1: Any, c0: Any, c1: Any, c2: Any, c3: Any) -> tuple[Any, Any, Any, Any]:
    """Four 32-bit words, in 64-bit variables, for one counter and one key; ten rounds."""
    # Masked although they fit: only then does the compiler know, and turns products into vector operations.
    k0, k1 = np.uint64(key0) & _LOW, np.uint64(key1) & _LOW
    a, b, c, d = np.uint64(c0) & _LOW, np.uint64(c1) & _LOW, np.uint64(c2) & _LOW, np.uint64(c3) & _LOW
    for _ in range(10):
        p, q = _M0 * a, _M1 * c
        a, b, c, d = (q >> _SHIFT) ^ b ^ k0, q & _LOW, (p >> _SHIFT) ^ d ^ k1, p & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return a, b, c, d


@kernel
def _philox_block(key: Array, first: int, third: int, words: Array) -> None:
    """words[:, j] = philox of the counter (first + j, third), round by round so that a round is a vector operation."""
    a, b, c, d = words[0], words[1], words[2], words[3]
    for j in range(a.size):
        a[j] = np.uint64(first + j) & _LOW
        b[j] = np.uint64(first + j) >> _SHIFT
    c[:] = np.uint64(third)
    d[:] = np.uint64(key[2])
    k0, k1 = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(10):
        for j in range(a.size):
            p, q = _M0 * (a[j] & _LOW), _M1 * (c[j] & _LOW)
            a[j] = (q >> _SHIFT) ^ b[j] ^ k0
            b[j] = q & _LOW
            c[j] = (p >> _SHIFT) ^ d[j] ^ k1
            d[j] = p & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW


@kernel
def _uniform(high: int, low: int) -> float:
    """A double in (0, 1) from two words: 53 bits, half a step above zero."""
    bits = (np.uint64(high) << np.uint64(21)) ^ (np.uint64(low) >> np.uint64(11))
    return (np.float64(np.int64(bits)) + 0.5) * (1.0 / 9007199254740992.0)


@kernel
def _stirling_rest(k: float) -> float:
    """ln k! − [(n − ½) ln n − n], n = k + 1: the series from k = 10 on, a table below."""
    if k < 10.0:
        return float(_RESTS[int(k)])
    r = 1.0 / (k + 1.0)
    return 0.9189385332046727 + (1.0 / 12.0 - (1.0 / 360.0 - r * r / 1260.0) * r * r) * r


@kernel
def _by_inversion(mean: float, uniform: float) -> int:
    """The smallest count whose cumulative probability exceeds ``uniform``."""
    if uniform <= 1.0 - mean:  # e^{−m} ≥ 1 − m: 0 without an exponential, as most pixels outside the body are
        return 0
    p = exp(-mean)
    cumulative = p
    count = 0
    while uniform > cumulative and count < _RECIPROCAL.size - 1:
        count += 1
        p *= mean * _RECIPROCAL[count]
        cumulative += p
    return count


@kernel
def _by_rejection(mean: float, index: int, key: Array, u: float, v: float) -> int:
    """PTRS; the first try takes the uniforms u and v, later ones this element's next counters.

    The last test is ln(height) ≤ k ln m − m − ln k!, gathered into two logarithms with n = k + 1.
    """
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    attempt = 1
    while True:
        u -= 0.5
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= v_r:
            return int(k)
        if k >= 0 and (us >= 0.013 or v <= us):
            n = k + 1.0
            height = v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b)
            if log(height * math.sqrt(n)) <= k * log(mean / n) + (n - mean) - _stirling_rest(k):
                return int(k)
        attempt += 1
        w = philox(key[0], key[1], np.uint64(index) & _LOW, np.uint64(index) >> _SHIFT, attempt, key[2])
        u, v = _uniform(w[0], w[1]), _uniform(w[2], w[3])


@kernel
def poisson(mean: Array, key: Array, counts: Array) -> None:
    """counts[i] ~ Poisson(mean[i]), from the stream of (key, i).

    Small means need one uniform each: element 4j + l takes word l of counter (j, 0). Large ones take counters of
    their own, (i, 1), (i, 2), …
    """
    shared, own = np.empty((4, _BLOCK), np.uint64), np.empty((4, 4 * _BLOCK), np.uint64)
    for first in range(0, mean.size, 4 * _BLOCK):
        last = min(first + 4 * _BLOCK, mean.size)
        greatest = mean[first:last].max()
        counts[first:last] = 0
        if greatest <= 0.0:
            continue
        _philox_block(key, first // 4, 0, shared)
        if greatest >= SMALL_MEAN:
            _philox_block(key, first, 1, own)
        for i in range(first, last):
            m = np.float64(mean[i])
            if m >= SMALL_MEAN:
                j = i - first
                u, v = _uniform(own[0, j], own[1, j]), _uniform(own[2, j], own[3, j])
                counts[i] = _by_rejection(m, i, key, u, v)
            elif m > 0.0:
                uniform = (np.float64(np.int64(shared[i & 3, (i - first) >> 2])) + 0.5) * (1.0 / 4294967296.0)
                counts[i] = _by_inversion(m, uniform)
