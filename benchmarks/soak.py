"""Whether the reading room's memory grows under a steady load.

    benchmarks/run soak --minutes 10
    benchmarks/run soak --smoke                     # one minute, nothing written

The load: four studies a minute arrive over DICOM, and ten readers each look at the worklist every two seconds, open
a study every ten (its pictures, one plane, the network's reading) and save a draft of it. The resident memory of the
server and its children is sampled each second. Its growth is the slope of a least-squares line from the second minute
on, when the process that reads has been started; ask: less than 1 MB a minute.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from harness import figure, write
from room_kit.scans import make_scans, relabelled, scratch
from room_kit.sender import Camera
from room_kit.server import Reader, Server, add_physicians

READERS = 10
STUDIES_PER_MINUTE = 4
LOOK_SECONDS = 2.0
LOOKS_PER_STUDY = 5
SEED = 43
MB = 1e6
ASK_MB_PER_MIN = 1.0


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--smoke", action="store_true")
    o = parser.parse_args(arguments)
    minutes = 1.0 if o.smoke else o.minutes
    with scratch() as name:
        work = Path(name)
        scans = [p.read_bytes() for p in make_scans(work, 4, SEED)]
        server = Server(work / "room")
        names = add_physicians(server.room(), READERS)
        server.start()
        try:
            load = Load(server, scans, names, minutes)
            load.run()
        finally:
            server.stop()
    found = load.figures()
    if o.smoke:
        print(found)
        return
    cohort = f"{STUDIES_PER_MINUTE} studies/min, {READERS} readers, {minutes:g} min"
    write("soak", found, preset="default" if minutes >= 10 else "short", seeds=[SEED], cohort=cohort)


class Load:
    """Cameras, readers and the scales, each in a thread, until the time is over."""

    def __init__(self, server: Server, scans: list[bytes], names: list[str], minutes: float) -> None:
        self.server, self.scans, self.names = server, scans, names
        self.begin = time.monotonic()
        self.end = self.begin + 60 * minutes
        self.samples: list[tuple[float, float, float]] = []
        """Seconds since the beginning, and bytes of the server and of its children."""
        self.errors: list[str] = []
        self.sent = self.saved = self.looks = 0

    def run(self) -> None:
        work = [self._camera, self._scales, *(lambda n=n: self._reader(n) for n in self.names)]
        threads = [threading.Thread(target=self._guarded, args=(w,)) for w in work]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except Exception as error:  # one reader's end is a finding, not the end of the others
            self.errors.append(repr(error))

    def _camera(self) -> None:
        camera, number = Camera(self.server.dicom, "CAMERA"), 0
        while time.monotonic() < self.end:
            camera.send(relabelled(self.scans[number % len(self.scans)], number))
            camera.close()
            number += 1
            self.sent = number
            time.sleep(60 / STUDIES_PER_MINUTE)

    def _scales(self) -> None:
        while time.monotonic() < self.end:
            server, *children = self.server.family()
            rest = 0
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    rest += child.memory_info().rss
            self.samples.append((time.monotonic() - self.begin, server.memory_info().rss, rest))
            time.sleep(1)

    def _reader(self, name: str) -> None:
        reader, chance = Reader(self.server.url, name), random.Random(name)
        time.sleep(chance.uniform(0, LOOK_SECONDS))
        while time.monotonic() < self.end:
            for _ in range(LOOKS_PER_STUDY):
                rows = reader.ask("GET", "/api/worklist")["rows"]
                self.looks += 1
                time.sleep(LOOK_SECONDS)
            if rows:
                self._open(reader, int(chance.choice(rows)["key"]))

    def _open(self, reader: Reader, key: int) -> None:
        path = f"/api/studies/{key}"
        reader.ask("GET", path)
        reader.ask("GET", f"{path}/pictures")
        reader.ask("GET", f"{path}/pictures/0/plane")
        reader.ask("GET", f"{path}/network")
        mine = reader.ask("GET", f"{path}/read")["read"]
        document = {"metastasis": "unsure", "arthritis": "no", "marks": [], "comment": "so far nothing"}
        form = {"version": mine["version"] if mine else 0, "document": document, "active_seconds": 10.0}
        reader.ask("PUT", f"{path}/read", json=form)
        self.saved += 1

    def figures(self) -> dict[str, dict[str, Any]]:
        samples = np.array(self.samples)
        late = samples[:, 0] >= min(120.0, samples[-1, 0] / 2)
        minutes, server, children = samples[late, 0] / 60, samples[late, 1] / MB, samples[late, 2] / MB
        half = len(minutes) // 2
        says = "of the server and its children, least squares from the second minute on"
        return {
            "growth": figure(slope(minutes, server + children), "MB/min", ask=ASK_MB_PER_MIN, says=says),
            "growth_of_server": figure(slope(minutes, server), "MB/min"),
            "growth_of_children": figure(slope(minutes, children), "MB/min"),
            "growth_late": figure(
                slope(minutes[half:], (server + children)[half:]),
                "MB/min",
                says="the same over the last half alone: what still grows when the pools have filled",
            ),
            "memory": figure(list(server + children), "MB"),
            "memory_at_end": figure(float((server + children)[-30:].mean()), "MB"),
            "studies_sent": figure(self.sent, "studies"),
            "worklists": figure(self.looks, "requests"),
            "drafts_saved": figure(self.saved, "requests"),
            "errors": figure(len(self.errors), "threads", ask=0, first=self.errors[0][:200] if self.errors else ""),
        }


def slope(minutes: np.ndarray, mb: np.ndarray) -> float:
    return float(np.polyfit(minutes, mb, 1)[0])


if __name__ == "__main__":
    main()
