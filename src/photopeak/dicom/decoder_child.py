"""The decoding process: reads compressed frames from its standard input, writes pixels to its standard output.

Started by ``decoder`` as a program of its own. The C libraries behind it crash on hostile bytes and
sometimes run for ever; here that costs one process, whose memory and processor time the system bounds.
A message is a 4-byte length, that many bytes of JSON, and raw bytes whose sizes the JSON states.
"""

from __future__ import annotations

import importlib
import json
import os
import struct
import sys
from typing import IO, Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

MEMORY_BYTES: Final = 384 * 2**20
"""What decoding may take beyond what the process needs to be there."""

JPEG_LS: Final = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
RLE: Final = "1.2.840.10008.1.2.5"
LOSSLESS_JPEG: Final = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
JPEG_2000: Final = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})


@runtime_checkable
class Readable(Protocol):
    """A pipe's reading end."""

    def read(self, size: int = -1, /) -> bytes: ...


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a C library prints must not end up among the pixels
    _load_codecs()
    _limit_memory()
    _answer(answers, {"ready": True}, b"")
    while (request := _read(requests)) is not None:
        head, frames = request
        _limit_time(int(head["seconds"]))
        try:
            pixels = b"".join(decode_frame(frame, head) for frame in frames)
            _answer(answers, {"bytes": len(pixels)}, pixels)
        except (Exception, MemoryError) as error:
            _answer(answers, {"error": f"{type(error).__name__}: {error}"[:300]}, b"")


def decode_frame(frame: bytes, head: dict[str, Any]) -> bytes:
    """One frame, as little-endian unsigned numbers of ``bits`` bits."""
    if head["syntax"] in JPEG_LS:
        values = _jpeg_ls(frame)
    elif head["syntax"] in JPEG_2000:
        values = _jpeg_2000(frame)
    else:
        if head["syntax"] != RLE:
            check_jpeg(frame, head)
        return _gdcm(frame, head)
    if values.shape != (head["rows"], head["columns"]):
        raise ValueError(f"the frame is {values.shape}, not {(head['rows'], head['columns'])}")
    return values.astype(f"<u{head['bits'] // 8}").tobytes()


def _jpeg_ls(frame: bytes) -> NDArray[Any]:
    import jpeg_ls  # type: ignore[import-untyped]

    pixels, info = jpeg_ls.decode_pixel_data(frame)
    if info["components"] != 1:
        raise ValueError("the frame is in colour")
    kind = "<u1" if info["bits_per_sample"] <= 8 else "<u2"
    return np.frombuffer(pixels, kind).reshape(info["height"], info["width"])


def _jpeg_2000(frame: bytes) -> NDArray[Any]:
    from openjpeg.utils import decode

    values: NDArray[Any] = np.asarray(decode(frame))
    return values


def check_jpeg(frame: bytes, head: dict[str, Any]) -> None:
    """Refuse a JPEG stream whose frame header is not the file's: gdcm hands out garbage for some of them."""
    kind, precision, rows, columns, components = _jpeg_frame_header(frame)
    if (rows, columns, components) != (head["rows"], head["columns"], 1):
        raise ValueError(f"the frame is {rows}×{columns} with {components} components")
    if head["syntax"] in LOSSLESS_JPEG:
        if kind != 0xC3 or precision > head["bits"]:
            raise ValueError(f"the frame is not lossless JPEG of {head['bits']} bits")
    elif kind not in (0xC0, 0xC1) or precision != 8:
        raise ValueError(f"the frame is lossy JPEG of {precision} bits; only 8 can be decoded")


def _jpeg_frame_header(frame: bytes) -> tuple[int, int, int, int, int]:
    """(kind, precision, rows, columns, components) of the SOF marker segment (ITU-T T.81, B.2.2)."""
    if frame[:2] != b"\xff\xd8":
        raise ValueError("the frame is not JPEG")
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        kind, length = frame[at + 1], struct.unpack_from(">H", frame, at + 2)[0]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            precision, rows, columns, components = struct.unpack_from(">BHHB", frame, at + 4)
            return kind, precision, rows, columns, components
        at += 2 + length
    raise ValueError("the frame has no JPEG frame header")


def _gdcm(frame: bytes, head: dict[str, Any]) -> bytes:
    """JPEG, lossless JPEG and RLE."""
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((head["columns"], head["rows"], 1))
    image.SetDataElement(element)
    monochrome = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(monochrome))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(head["syntax"])))
    image.SetPixelFormat(gdcm.PixelFormat(1, head["bits"], head["bits_stored"], head["bits_stored"] - 1, 0))
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    change.SetInput(image)
    image.thisown = False  # the filter's reference count deletes it; twice deleted, the process aborts
    # GetBuffer alone hands out uninitialised memory when a codec fails; Change says whether it did.
    if not change.Change():
        raise ValueError("the frame cannot be decoded")
    pixels: bytes = change.GetOutput().GetBuffer().encode("utf-8", "surrogateescape")
    wanted = head["rows"] * head["columns"] * head["bits"] // 8
    if len(pixels) != wanted:
        raise ValueError(f"the frame has {len(pixels)} bytes of pixels, not {wanted}")
    return pixels


def _load_codecs() -> None:
    # Before memory is limited: loading a library takes address space that decoding then lacks.
    import gdcm

    for name in ("jpeg_ls", "openjpeg"):
        importlib.import_module(name)
    gdcm.Trace.SetWarning(False)
    gdcm.Trace.SetError(False)


def _limit_memory() -> None:
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, taken + MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return  # macOS and Windows have no such limit; the parent's clock still ends a decoding


def _limit_time(seconds: int) -> None:
    try:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + seconds + 1
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    except (ImportError, OSError, ValueError):
        return


def _read(pipe: Readable) -> tuple[dict[str, Any], list[bytes]] | None:
    prefix = pipe.read(4)
    if len(prefix) < 4:
        return None
    head = json.loads(pipe.read(struct.unpack("<I", prefix)[0]))
    return head, [pipe.read(size) for size in head["sizes"]]


def _answer(pipe: IO[bytes], head: dict[str, Any], body: bytes) -> None:
    text = json.dumps(head).encode()
    pipe.write(struct.pack("<I", len(text)) + text)
    pipe.write(body)
    pipe.flush()


if __name__ == "__main__":
    main()
