"""A camera: sends its studies one object after the other, each until it was acknowledged.

Run as a process of its own, ``python -m room_kit.sender``. It writes one JSON line for each acknowledged object and,
at the end, one that counts the refusals by status and the connections that came to nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pydicom.dataset import FileDataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dsutils import encode

from room_kit.scans import relabelled

SUCCESS = 0x0000


class Camera:
    """One sender; ``send`` returns when the object was acknowledged, however often that takes."""

    def __init__(self, port: int, title: str) -> None:
        self.port, self.title = port, title
        self.refused: Counter[str] = Counter()
        self._assoc: Association | None = None

    def send(self, ds: FileDataset) -> None:
        while not self._try(ds):
            time.sleep(0.3)

    def _try(self, ds: FileDataset) -> bool:
        assoc = self._connected(ds)
        if assoc is None:
            self.refused["no connection"] += 1
            return False
        try:
            status = assoc.send_c_store(ds).get("Status")
        except (RuntimeError, ValueError):  # the association ended between two objects
            status = None
        if status == SUCCESS:
            return True
        self.refused["no answer" if status is None else f"0x{status:04X}"] += 1
        if status is None:
            assoc.abort()
            self._assoc = None
        return False

    def _connected(self, ds: FileDataset) -> Association | None:
        if self._assoc is not None and self._assoc.is_established:
            return self._assoc
        ae = AE(ae_title=self.title)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
        ae.connection_timeout = 5
        ae.add_requested_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)
        assoc = ae.associate("127.0.0.1", self.port, ae_title="PHOTOPEAK", max_pdu=256 * 1024)
        self._assoc = assoc if assoc.is_established else None
        return self._assoc

    def close(self) -> None:
        if self._assoc is not None and self._assoc.is_established:
            self._assoc.release()


def digest_of(ds: FileDataset) -> str:
    """The hash of the dataset as it goes over the network, without the file's header."""
    syntax = ds.file_meta.TransferSyntaxUID
    body = encode(ds, syntax.is_implicit_VR, syntax.is_little_endian)
    assert body is not None
    return hashlib.sha256(body).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--scans", type=Path, required=True, help="folder of the templates")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--go", type=Path, help="begin when this file is there")
    parser.add_argument("--batch", default="1")
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--step", type=int, required=True)
    parser.add_argument("--end", type=int, required=True)
    parser.add_argument("--two-every", type=int, default=0, help="every so manyth study has two objects")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between objects, on average")
    o = parser.parse_args()
    templates = [p.read_bytes() for p in sorted(o.scans.glob("scan-*.dcm"))]
    wanted = [
        (study, item)
        for study in range(o.first, o.end, o.step)
        for item in ((1, 2) if o.two_every and study % o.two_every == 0 else (1,))
    ]
    ready: list[tuple[FileDataset, str]] = []
    for study, item in wanted:
        ds = relabelled(templates[(study + item) % len(templates)], study, item, o.batch)
        ready.append((ds, digest_of(ds)))
    if o.go is not None:
        o.log.with_suffix(".ready").touch()
        while not o.go.exists():
            time.sleep(0.01)
    camera, chance = Camera(o.port, f"CAMERA{o.first % 100}"), random.Random(o.first)
    with o.log.open("a") as log:
        for ds, digest in ready:
            camera.send(ds)
            print(json.dumps({"sop": ds.SOPInstanceUID, "sha256": digest, "at": time.time()}), file=log, flush=True)
            if o.pause:
                time.sleep(chance.uniform(0, 2 * o.pause))
        print(json.dumps({"refused": camera.refused}), file=log, flush=True)
    camera.close()


class Cameras:
    """Several senders at once, each a process, and what they have been told."""

    def __init__(self, port: int, scans: Path, work: Path, studies: int, senders: int, **options: Any) -> None:
        self.work = work
        work.mkdir(parents=True, exist_ok=True)
        more = [x for k, v in options.items() for x in (f"--{k.replace('_', '-')}", str(v))]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-m", "room_kit.sender", "--port", str(port), "--scans", str(scans), *more]
        command += ["--step", str(senders), "--end", str(studies)]
        self._processes = [
            subprocess.Popen([*command, "--first", str(i), "--log", str(work / f"{i}.jsonl")], env=environment)
            for i in range(senders)
        ]

    def lines(self) -> list[dict[str, Any]]:
        """Everything that the senders have written until now."""
        return [
            json.loads(line)
            for path in self.work.glob("*.jsonl")
            for line in path.read_text().splitlines(keepends=True)
            if line.endswith("\n")
        ]

    def acknowledged(self) -> dict[str, str]:
        """Instance UID and hash of every object that was acknowledged."""
        return {line["sop"]: line["sha256"] for line in self.lines() if "sop" in line}

    def refused(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for line in self.lines():
            total.update(line.get("refused", {}))
        return total

    def running(self) -> bool:
        return any(p.poll() is None for p in self._processes)

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for p in self._processes:
            p.wait(max(0.1, end - time.monotonic()))

    def stop(self) -> None:
        for p in self._processes:
            if p.poll() is None:
                p.kill()


if __name__ == "__main__":
    main()
