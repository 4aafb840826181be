"""The reading room with 5,000 studies: pages of the worklist, the first image, and how fast studies come in.

    benchmarks/run room_load                        # SQLite
    benchmarks/run room_load --postgres
    benchmarks/run room_load --smoke                # 200 studies, nothing written

Worklist: 40 signed-in readers, each with a connection of its own and one request a second (an open page asks anew
when the worklist has changed, of which the server tells it once a second at most), over different pages, orders and
searches; the time of every answer, ask: 95 % within 150 ms; and once more as ``worklist_crowd`` with no pause between
an answer and the next request, which is a queue of 40. First image: one reader opens full-size whole-body scans (1024
by 256, two views) that nobody opened before, the list of pictures and one plane, over loopback; ask: 95 % within 400
ms. Ingestion: 8 senders push full-size studies over DICOM as fast as they are acknowledged; ask: at least 40 a
second, beside how fast this disk writes and fsyncs 1 MiB files, and how fast ``Room.receive`` takes the same studies
in one process without a network. The senders are ``dcmsend`` of dcmtk, as a camera is another machine: senders in
Python took more of the cores that they share with the server than it did. What server and senders take of the
processor for a study stands apart. Nothing is read by a network meanwhile, as in a clinic's morning rush: quiet-
seconds is an hour.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import figure, write
from room_kit.postgres import Postgres
from room_kit.scans import as_bytes, make_scans, relabelled, scratch, small
from room_kit.server import Reader, Server, add_physicians
from sqlalchemy import func, select

from photopeak.room.room import Room
from photopeak.room.schema import Instance

SEED = 42
READERS = 40
SENDERS = 8
THINK_SECONDS = 1.0
QUESTIONS = (
    "/api/worklist",
    "/api/worklist?offset=2000",
    "/api/worklist?sort=suspicion&limit=50",
    "/api/worklist?sort=patient&descending=false",
    "/api/worklist?state=new",
    "/api/worklist?search=patient%2012",
)
ASK_WORKLIST_MS, ASK_IMAGE_MS, ASK_STUDIES_PER_S = 150.0, 400.0, 40.0


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--only", choices=("worklist", "images", "ingestion"), help="one part; nothing written")
    o = parser.parse_args(arguments)
    studies, images, sent = (200, 5, 24) if o.smoke else (5000, 60, 480)
    with scratch() as name:
        work = Path(name)
        scans = work / "scans"
        scans.mkdir()
        template = make_scans(scans, 1, SEED)[0].read_bytes()
        postgres = Postgres(work / "postgres") if o.postgres else None
        server = Server(work / "room", postgres.url if postgres else "", quiet_seconds=3600)
        try:
            found = measure(server, work, template, (studies, images, sent), o.only or "")
        finally:
            server.stop()
            if postgres is not None:
                postgres.stop("immediate")
    if o.smoke or o.only:
        print(found)
        return
    preset = "postgres" if o.postgres else "default"
    write("room_load", found, preset=preset, seeds=[SEED], cohort=f"{studies} studies of one small object each")


def measure(
    server: Server, work: Path, template: bytes, sizes: tuple[int, int, int], only: str
) -> dict[str, dict[str, Any]]:
    studies, images, sent = sizes
    room = server.room()
    names = add_physicians(room, READERS)
    found: dict[str, dict[str, Any]] = {}
    started, little = time.perf_counter(), small(template)
    for i in range(studies):
        room.receive(as_bytes(relabelled(little, i, batch="5")), "BENCH")
    found["filling"] = figure(studies / (time.perf_counter() - started), "studies/s", says="small objects, one process")
    keys = [room.receive(as_bytes(relabelled(template, i, batch="6")), "BENCH").study_key for i in range(images)]
    server.start()
    if only in ("", "worklist"):
        found["worklist"] = percentile(worklist_ms(server, names, THINK_SECONDS), ASK_WORKLIST_MS)
        crowd = worklist_ms(server, names, 0.0, seconds=15.0)
        found["worklist_crowd"] = percentile(crowd, ASK_WORKLIST_MS) | {"per_second": round(len(crowd) / 15, 1)}
    if only in ("", "images"):
        found["first_image"] = percentile(first_image_ms(server, names[0], keys), ASK_IMAGE_MS)
    if only in ("", "ingestion"):
        found["disk"] = figure(disk_rates(work), "files/s", says="1 MiB written and fsynced, one after the other")
        start = time.perf_counter()
        alone = [as_bytes(relabelled(template, i, batch="7")) for i in range(sent // 4)]
        start = time.perf_counter()
        for data in alone:
            room.receive(data, "BENCH")
        found["receive_alone"] = figure(len(alone) / (time.perf_counter() - start), "studies/s")
        rates, of_server, of_senders = zip(
            *(ingestion(server, room, studies_in(work / f"sent-{k}", template, sent, str(8 + k))) for k in range(3)),
            strict=True,
        )
        found["ingestion"] = figure(rates, "studies/s", ask=ASK_STUDIES_PER_S)
        found["ingestion_server"] = figure(of_server, "ms", says="of the processor a study, the server")
        found["ingestion_senders"] = figure(of_senders, "ms", says="of the processor a study, the senders")
    return found


def percentile(ms: list[float], ask: float) -> dict[str, Any]:
    """The median and its spread, with the 95th percentile beside what is asked of it."""
    return figure(ms, "ms", p95=round(float(np.percentile(ms, 95)), 1), ask_p95=ask)


def worklist_ms(server: Server, names: list[str], pause: float, seconds: float = 40.0) -> list[float]:
    """Times of the answers to 40 readers who look at the worklist, each with so long from one request to the next."""
    readers, times, lock = [Reader(server.url, n) for n in names], list[float](), threading.Lock()
    begin = time.perf_counter()
    end = begin + seconds

    def look(reader: Reader, number: int) -> None:
        own, count = [], number
        time.sleep(pause * number / len(names))
        while time.perf_counter() < end:
            start = time.perf_counter()
            reader.ask("GET", QUESTIONS[count % len(QUESTIONS)])
            own.append(1e3 * (time.perf_counter() - start))
            count += 1
            time.sleep(max(0.0, pause - own[-1] / 1e3))
        with lock:
            times.extend(own[1:])  # the first one finds nothing warm

    threads = [threading.Thread(target=look, args=(r, i)) for i, r in enumerate(readers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return times


def first_image_ms(server: Server, name: str, keys: list[int]) -> list[float]:
    """The list of pictures and one plane, for studies that nobody opened before."""
    reader, times = Reader(server.url, name), []
    for key in keys:
        start = time.perf_counter()
        reader.ask("GET", f"/api/studies/{key}/pictures")
        data = reader.ask("GET", f"/api/studies/{key}/pictures/0/plane")
        times.append(1e3 * (time.perf_counter() - start))
        assert len(data) == 2 * 1024 * 256
    return times[1:]  # the first one imports and compiles


def disk_rates(work: Path, files: int = 100, repeats: int = 3) -> list[float]:
    """How many files of 1 MiB a second this disk takes, each durable before the next."""
    rates, data = [], os.urandom(2**20)
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(files):
            with (work / "disk-rate").open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        rates.append(files / (time.perf_counter() - start))
    return rates


def studies_in(folder: Path, template: bytes, studies: int, batch: str) -> Path:
    """A folder with a folder of new studies for each sender."""
    for i in range(studies):
        path = folder / str(i % SENDERS) / f"{i}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(relabelled(template, i, batch=batch)))
    return folder


def ingestion(server: Server, room: Room, folder: Path) -> tuple[float, float, float]:
    """(studies a second over DICOM until the last acknowledgement, ms of the processor a study: server, senders)."""
    program = shutil.which("dcmsend")
    if program is None:
        raise SystemExit("dcmsend is missing: install Debian's dcmtk.")
    studies, had = len(list(folder.glob("*/*.dcm"))), instances(room)
    command = [program, "-aec", "PHOTOPEAK", "--scan-directories", "127.0.0.1", str(server.dicom)]
    before, start = (processor_seconds(server), os.times()), time.perf_counter()
    senders = [subprocess.Popen([*command, "-aet", f"CAMERA{n}", str(folder / str(n))]) for n in range(SENDERS)]
    ended = [s.wait(300) for s in senders]
    seconds, after = time.perf_counter() - start, (processor_seconds(server), os.times())
    if any(ended):
        raise RuntimeError(f"a sender ended with {ended}")
    if (came := instances(room) - had) != studies:  # dcmsend ends well when the other side refuses
        raise RuntimeError(f"{came} of {studies} studies are in the catalogue")
    sent = sum(after[1][2:4]) - sum(before[1][2:4])
    return studies / seconds, 1e3 * (after[0] - before[0]) / studies, 1e3 * sent / studies


def instances(room: Room) -> int:
    """How many objects the catalogue holds."""
    with room.database.reading() as t:
        return int(t.scalar(select(func.count(Instance.id))) or 0)


def processor_seconds(server: Server) -> float:
    """What the server and its children have taken of the processor until now."""
    return sum(sum(p.cpu_times()[:2]) for p in server.family())


if __name__ == "__main__":
    main()
