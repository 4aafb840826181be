"""How large a file may be, how deep, how long: beyond these nothing is parsed or decoded.

The numbers leave real examinations room (a gated whole-body PET is a few hundred megabytes) and keep a
hostile file within 2 s and 512 MB: small files cannot ask for much, and large ones have to bring their bytes.
"""

from __future__ import annotations

from typing import Final

MIB: Final = 2**20

MAX_FILE_BYTES: Final = 1024 * MIB
"""Largest file, and largest member of a zip, that is read."""

MAX_HEADER_ELEMENTS: Final = 20_000
"""Most data elements and items of one file, nested ones included."""

BYTES_PER_ZIPPED_ELEMENT: Final = 4
"""A zip may hold as many elements beyond that as it has bytes, over this: packed headers take about eight."""

MAX_DEPTH: Final = 16
"""Deepest nesting of sequences; radiation dose reports reach 8."""

MAX_ZIP_MEMBERS: Final = 100_000
"""Most members of one zip."""

MAX_ZIP_BYTES: Final = 8192 * MIB
"""Most bytes all members of a zip expand to; they are read one by one."""

FREE_EXPANSION_BYTES: Final = 32 * MIB
"""What anything compressed may expand to, whatever its size."""

MAX_EXPANSION: Final = 200
"""How many times its own size anything compressed may expand to beyond that."""

MAX_DECODED_BYTES: Final = 1024 * MIB
"""Most bytes the pixels of one file expand to."""

MAX_FRAME_BYTES: Final = 64 * MIB
"""Most bytes one compressed frame expands to."""


def expansion_allowed(packed_bytes: int, unpacked_bytes: int) -> bool:
    """True where the ratio is one that real images reach.

    >>> expansion_allowed(1_000, 1_000_000), expansion_allowed(1_000_000, 2**30)
    (True, False)
    """
    return unpacked_bytes <= max(FREE_EXPANSION_BYTES, MAX_EXPANSION * packed_bytes)
