"""One counter-based random stream for each patient and purpose.

Patient *i* of seed *s* draws the same numbers whatever the batch, the process, the thread count or the
cluster: the stream depends on (seed, patient, purpose) alone, and drawing more for one purpose does not
move another :cite:`salmon2011`.
"""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, patient: int, purpose: str) -> np.random.Generator:
    """A Philox generator for one purpose ("anatomy", "disease", "counts") of one patient.

    >>> a, b = stream(7, 3, "counts"), stream(7, 3, "counts")
    >>> bool(a.random() == b.random())
    True
    >>> bool(stream(7, 3, "anatomy").random() == stream(7, 4, "anatomy").random())
    False
    """
    key = np.random.SeedSequence(entropy=seed, spawn_key=(patient, zlib.crc32(purpose.encode())))
    return np.random.Generator(np.random.Philox(key))
