"""Compressed frames are decoded in a process of their own, which is kept for the next file.

A crash, a hang or an appetite for memory ends that process and becomes an error; the next call starts a
new one. Spawned, never forked; spoken to by raw bytes and JSON, never by pickle.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any, Final

from photopeak.dicom.decoder_child import Readable

START_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 2.0
BASE_SECONDS: Final = 1.2
BYTES_PER_SECOND: Final = 20 * 2**20
"""Slower than any codec is on any machine of today (JPEG 2000 reaches 40 MB/s on one core)."""


class DecodingFailed(Exception):
    """The frames could not be decoded; the message says why."""


def seconds_for(decoded_bytes: int) -> float:
    """How long decoding may take by the clock.

    >>> seconds_for(0), seconds_for(216 * 2**20)
    (1.2, 11.2)
    """
    return BASE_SECONDS + max(0, decoded_bytes - 16 * 2**20) / BYTES_PER_SECOND


class Decoder:
    """One decoding process; safe to call from several threads, one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, frames: Sequence[bytes], head: dict[str, Any], decoded_bytes: int) -> bytes:
        """Pixels of all frames, one after the other. ``head`` has syntax, rows, columns, bits, bits_stored."""
        seconds = seconds_for(decoded_bytes)
        head = {**head, "sizes": [len(f) for f in frames], "seconds": int(seconds) + 1}
        with self._lock:
            process = self._running()
            watch = _Watch(process, seconds)
            try:
                text = json.dumps(head).encode()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(b"".join([struct.pack("<I", len(text)), text, *frames]))
                process.stdin.flush()
                return _receive(process.stdout, decoded_bytes)
            except (OSError, EOFError, ValueError) as error:
                self._stop()
                reason = f"took longer than {seconds:.1f} s" if watch.fired else "crashed or ran out of memory"
                raise DecodingFailed(f"the decoder {reason}") from error
            finally:
                watch.cancel()

    def close(self) -> None:
        """End the process: it goes by itself when its input ends, and is ended where it does not."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                _close(self._process.stdin)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(CLOSE_SECONDS)
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._process = _start()
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)
            process.wait()


class _Watch:
    """Ends a process that takes too long."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.fired = False
        self._process = process
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self) -> None:
        self.fired = True
        self._process.kill()

    def cancel(self) -> None:
        self._timer.cancel()


def _start() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "photopeak.dicom.decoder_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    watch = _Watch(process, START_SECONDS)
    try:
        assert process.stdout is not None
        _receive(process.stdout, 0)
    except (OSError, EOFError, ValueError) as error:
        process.kill()
        process.wait()
        raise DecodingFailed("the decoder does not start; is photopeak installed completely?") from error
    finally:
        watch.cancel()
    return process


def _receive(pipe: Readable, largest: int) -> bytes:
    prefix = pipe.read(4)
    if len(prefix) < 4:
        raise EOFError
    head = json.loads(pipe.read(struct.unpack("<I", prefix)[0]))
    if "error" in head:
        raise DecodingFailed(str(head["error"]))
    size = int(head.get("bytes", 0))
    if size > largest:
        raise DecodingFailed(f"the frames hold {size} bytes of pixels, not {largest}")
    body = pipe.read(size)
    if len(body) < size:
        raise EOFError
    return body


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:
        return  # the other end is gone, which is what was wanted


DECODER: Final = Decoder()
"""The process that ``pixels.decode`` uses; it ends with this one."""

atexit.register(DECODER.close)
