"""Memory that is given back: how a long-running server has its C library keep what was freed.

glibc serves each thread from an arena of its own, and once a large block was freed it serves blocks of that size from
the arenas too (its threshold for ``mmap`` follows the sizes freed, ``mallopt(3)``). The pixels of an image are a
megabyte that one of forty threads asks for and frees a moment later: every arena in turn grows by some of them and
gives nothing back. With the threshold held fixed such blocks are mapped and unmapped one by one.

And garbage that is looked for among what is new: a full collection goes through every object there is, all
modules' too, while all threads wait; pynetdicom asks for one every six seconds.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Final

M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Numbers of ``malloc.h``."""
MAPPED_BYTES: Final = 128 * 1024
"""What is larger is mapped by itself: glibc's own threshold to begin with."""
ARENAS: Final = 2


def give_back() -> bool:
    """Ask the C library for it, for this process from now on; whether it is one that can."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # not glibc: macOS and musl have no arenas of this kind
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES) and mallopt(M_ARENA_MAX, ARENAS))


def leave_alone() -> None:
    """Take what is here now, which stays as long as the process, out of every later collection of garbage."""
    gc.collect()
    gc.freeze()
