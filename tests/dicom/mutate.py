"""Hostile files: what truncation, faulty disks, careless programs and malice make of good ones.

``mutated(data, rng)`` applies one of ``MUTATORS``, and now and then a second one. All of it is a function of
the generator alone, so that a file that breaks something can be made again from its number.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np

Rng = np.random.Generator
LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
VRS = (*LONG, *(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()))
PIXELS = 0x7FE00010
VECTORS = (0x00540010, 0x00540020, 0x00540030, 0x00540050, 0x00540060, 0x00540070, 0x00540080, 0x00540090, 0x00540100)
COUNTS = (0x00540011, 0x00540021, 0x00540031, 0x00540051, 0x00540061, 0x00540071, 0x00540081, 0x00280008)
SHAPE = (0x00280002, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103)

Element = tuple[int, bytes, int, int, int]  # tag, VR, start, start of the value, end


def elements(data: bytes) -> list[Element]:
    """The top-level elements of a file in explicit little endian, as far as they can be followed."""
    found: list[Element] = []
    at = 132
    while at + 8 <= len(data):
        group, element, vr, length = struct.unpack_from("<HH2sH", data, at)
        value = at + 8
        if vr in LONG and at + 12 <= len(data):
            length, value = struct.unpack_from("<I", data, at + 8)[0], at + 12
        elif vr not in VRS:
            break
        end = len(data) if length == 0xFFFFFFFF else value + length
        found.append((group << 16 | element, vr, at, value, min(end, len(data))))
        at = end
    return found


def _some(data: bytes, rng: Rng) -> Element | None:
    found = elements(data)
    return found[rng.integers(len(found))] if found else None


def _cut(data: bytes, rng: Rng) -> bytes:
    return data[: int(rng.integers(0, len(data)))]


def _flip_bits(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    # Headers are where flipped bits hurt; half of the time they alone are hit.
    reach = len(data) if rng.random() < 0.5 else min(len(data), 2500)
    for _ in range(int(rng.integers(1, 24))):
        changed[int(rng.integers(0, reach))] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def _shift(data: bytes, rng: Rng) -> bytes:
    at, size = int(rng.integers(0, len(data))), int(rng.integers(1, 64))
    if rng.random() < 0.5:
        return data[:at] + data[at + size :]
    return data[:at] + rng.bytes(size) + data[at:]


def _garbage(data: bytes, rng: Rng) -> bytes:
    at, size = int(rng.integers(0, len(data))), int(rng.integers(1, 512))
    return data[:at] + rng.bytes(size) + data[at + size :]


def _absurd_length(data: bytes, rng: Rng) -> bytes:
    one = _some(data, rng)
    if one is None:
        return data
    _, vr, start, _, _ = one
    length = int(rng.choice([0, 1, 3, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, len(data)]))
    if vr in LONG:
        return data[: start + 8] + struct.pack("<I", length) + data[start + 12 :]
    return data[: start + 6] + struct.pack("<H", length & 0xFFFF) + data[start + 8 :]


def _wrong_vr(data: bytes, rng: Rng) -> bytes:
    one = _some(data, rng)
    if one is None:
        return data
    tag, _vr, start, value, end = one
    new = VRS[rng.integers(len(VRS))] if rng.random() < 0.9 else rng.bytes(2)
    if rng.random() < 0.3:
        return data[: start + 4] + new + data[start + 6 :]
    return data[:start] + element(tag, new, data[value:end]) + data[end:]


def _absurd_value(data: bytes, rng: Rng) -> bytes:
    """A number of the image's layout replaced by one that cannot be."""
    wanted = [e for e in elements(data) if e[0] in (*SHAPE, *COUNTS)]
    if not wanted:
        return data
    tag, vr, start, _, end = wanted[rng.integers(len(wanted))]
    number = int(rng.choice([0, 1, 2, 3, 7, 12, 64, 255, 4096, 32768, 65535]))
    body = str(rng.choice([number, -1, 10**9, 2**31])).encode() if vr == b"IS" else struct.pack("<H", number)
    return data[:start] + element(tag, vr, body) + data[end:]


def _nonsense_text(data: bytes, rng: Rng) -> bytes:
    one = _some(data, rng)
    if one is None or one[1] in LONG:
        return data
    tag, vr, start, _, end = one
    texts = (
        b"",
        b"nan",
        b"inf",
        b"-1e999",
        b"1\\2\\3",
        b"\\\\\\",
        b"99999999",
        b"20241332",
        b"256199",
        b"\xff\xfe\x1b$B",
    )
    texts += (b"ISO_IR 999", b"\\ISO 2022 IR 87", b"1.2.840.10008.1.2.4.90", b"0" * 200, rng.bytes(16), b"\x00" * 8)
    return data[:start] + element(tag, vr, texts[rng.integers(len(texts))]) + data[end:]


def _vector_nonsense(data: bytes, rng: Rng) -> bytes:
    wanted = [e for e in elements(data) if e[0] in (*VECTORS, 0x00280009)]
    if not wanted:
        return data
    tag, vr, start, _, end = wanted[rng.integers(len(wanted))]
    size = int(rng.choice([0, 1, 2, 3, 4, 5, 64, 4096]))
    if tag == 0x00280009:
        tags = rng.choice([*VECTORS, 0x00280008, 0xFFFFFFFF], size % 8)
        body = b"".join(struct.pack("<HH", int(t) >> 16, int(t) & 0xFFFF) for t in tags)
    else:
        body = rng.integers(0, int(rng.choice([2, 5, 65536])), size).astype("<u2").tobytes()
    return data[:start] + element(tag, vr, body) + data[end:]


def _nested(data: bytes, rng: Rng) -> bytes:
    """A sequence in a sequence in a sequence …"""
    depth = int(rng.choice([2, 15, 17, 40, 400, 3000]))
    body = b""
    if rng.random() < 0.5:
        for _ in range(depth):
            inner = struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body
            body = element(0x00081140, b"SQ", inner)
    else:
        opening = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
        closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
        body = opening * depth + (closing * depth if rng.random() < 0.5 else b"")
    at = before(data, 0x00081140)
    return data[:at] + body + data[at:]


def _many(data: bytes, rng: Rng) -> bytes:
    """So many elements or items that counting them is all one can do."""
    count = int(rng.choice([1000, 10_000, 60_000]))
    if rng.random() < 0.5:
        body = b"".join(struct.pack("<HH2sH", 0x0009, 0x1000 + (i & 0x0FFF), b"LO", 0) for i in range(count))
    else:
        body = element(0x00081140, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count)
    at = before(data, 0x00081140)
    return data[:at] + body + data[at:]


def _lost(data: bytes, rng: Rng) -> bytes:
    one = _some(data, rng)
    return data if one is None else data[: one[2]] + data[one[4] :]


def _twice(data: bytes, rng: Rng) -> bytes:
    one = _some(data, rng)
    return data if one is None else data[: one[4]] + data[one[2] : one[4]] + data[one[4] :]


def _other_syntax(data: bytes, rng: Rng) -> bytes:
    """The file says that it is encoded otherwise than it is."""
    for tag, vr, start, _, end in elements(data):
        if tag == 0x00020010:
            tails = (
                "",
                ".1",
                ".2",
                ".1.99",
                ".5",
                ".4.50",
                ".4.51",
                ".4.70",
                ".4.80",
                ".4.90",
                ".4.91",
                ".4.201",
                ".7",
            )
            uid = f"1.2.840.10008.1.2{tails[rng.integers(len(tails))]}".encode()
            return data[:start] + element(tag, vr, uid + b"\0" * (len(uid) % 2)) + data[end:]
    return data


def _claimed_frames(data: bytes, rng: Rng) -> bytes:
    """Few bytes that claim to be a huge image."""
    for tag, number in ((0x00280010, 65535), (0x00280011, int(rng.choice([1, 4096, 65535])))):
        for found, vr, start, _, end in elements(data):
            if found == tag:
                data = data[:start] + element(tag, vr, struct.pack("<H", number)) + data[end:]
                break
    return data


def _broken_stream(data: bytes, rng: Rng) -> bytes:
    """Flipped bits within the pixels alone, which for compressed ones means the decoder."""
    for tag, _, _, value, end in elements(data):
        if tag == PIXELS and end > value:
            changed = bytearray(data)
            for _ in range(int(rng.integers(1, 16))):
                changed[int(rng.integers(value, end))] = int(rng.integers(0, 256))
            return bytes(changed)
    return data


@cache
def _bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(element(0x00080005, b"CS", b"ISO_IR 100") + b"\0" * size) + packer.flush()


def _deflate_bomb(data: bytes, rng: Rng) -> bytes:
    head = data[: before(data, 0x00080000)]
    bomb = _bomb(int(rng.choice([2**16, 2**24, 2**27])))
    uid = b"1.2.840.10008.1.2.1.99"
    for tag, vr, start, _, end in elements(head):
        if tag == 0x00020010:
            head = head[:start] + element(tag, vr, uid) + head[end:]
    return head + bomb


def _zipped(data: bytes, rng: Rng) -> bytes:
    """In a zip: sound, damaged, a bomb, a zip in a zip, or with a name that leads elsewhere."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        match rng.integers(5):
            case 0:
                archive.writestr("../../../../etc/x.dcm", data)
            case 1:
                archive.writestr("zeros.dcm", data[:132] + b"\0" * int(rng.choice([2**20, 2**26])))
            case 2:
                archive.writestr("inner.zip", _zipped(data, rng))
            case 3:
                for i in range(30):
                    archive.writestr(f"{i}/image.dcm", data)
            case _:
                archive.writestr("image.dcm", data)
    packed = out.getvalue()
    return _flip_bits(packed, rng) if rng.random() < 0.5 else packed


def _no_preamble(data: bytes, rng: Rng) -> bytes:
    body = data[132:] if rng.random() < 0.5 else data[before(data, 0x00080000) :]
    return _flip_bits(body, rng) if rng.random() < 0.5 and body else body


def _noise(data: bytes, rng: Rng) -> bytes:
    head = data[:132] if rng.random() < 0.5 else b""
    return head + rng.bytes(int(rng.integers(0, 4000)))


MUTATORS: tuple[Callable[[bytes, Rng], bytes], ...] = (
    _cut,
    _flip_bits,
    _shift,
    _garbage,
    _absurd_length,
    _wrong_vr,
    _absurd_value,
    _nonsense_text,
    _vector_nonsense,
    _nested,
    _many,
    _lost,
    _twice,
    _other_syntax,
    _claimed_frames,
    _broken_stream,
    _deflate_bomb,
    _zipped,
    _no_preamble,
    _noise,
)


def mutated(data: bytes, rng: Rng) -> tuple[str, bytes]:
    """(names of what was done, the file)."""
    names = []
    for _ in range(1 if rng.random() < 0.7 else 2):
        if len(data) < 2:
            break
        mutator = MUTATORS[rng.integers(len(MUTATORS))]
        data = mutator(data, rng)
        names.append(mutator.__name__.strip("_"))
    return "+".join(names), data


def element(tag: int, vr: bytes, body: bytes) -> bytes:
    """An element in explicit little endian."""
    body += b"\0" * (len(body) % 2)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in LONG:
        return head + b"\0\0" + struct.pack("<I", len(body)) + body
    return head + struct.pack("<H", len(body) & 0xFFFF) + body


def before(data: bytes, tag: int) -> int:
    """Where the first element beyond a tag begins."""
    return next((start for found, _, start, _, _ in elements(data) if found > tag), len(data))
