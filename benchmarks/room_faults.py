"""Nothing is lost: a real reading room is killed, starved of disk and cut off its database while cameras send to it.

    benchmarks/run room_faults                      # SQLite, 300 studies
    benchmarks/run room_faults --postgres           # the same on PostgreSQL, whose server crashes once too
    benchmarks/run room_faults --smoke              # 30 studies, two kills, nothing written

Eight senders push studies (every fifth of two objects) and repeat each object until it was acknowledged. Meanwhile the
server is killed five times with SIGKILL and started again, reports are signed right before each kill, and the disk
fills up once: the data folder is a loop-mounted ext4 (a tmpfs where loops cannot be had), which takes root; without
it that part is left out and the result says so. In the end every acknowledged object must be in the catalogue with the
bytes that were sent, every study must have one reading of its present state, every signed report must say what it said
when it was signed and have its objects, and the audit trail must be whole. A kill takes the process, not the page
cache: that what was acknowledged is on disk is for fsync to see to, and is not shown here.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from harness import figure, write
from room_kit.postgres import Postgres, binaries
from room_kit.scans import make_scans, scratch
from room_kit.sender import Cameras
from room_kit.server import PASSWORD, Reader, Server, add_physicians
from sqlalchemy import func, select

from photopeak.room.audit import broken_at
from photopeak.room.node.sending import body
from photopeak.room.reporting import report_json
from photopeak.room.room import Room
from photopeak.room.schema import Instance, NetworkReading, Report, Study, Version

SENDERS = 8
TWO_EVERY = 5
SEED = 41
SIGNED_BEFORE_A_KILL = 3
FULL_SECONDS = 6.0
DISK_MB = 1500
SETTLE_SECONDS = 1500.0


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    o = parser.parse_args(arguments)
    if o.postgres and binaries() is None:
        raise SystemExit("there is no PostgreSQL on this machine.")
    studies, kills = (30, 2) if o.smoke else (300, 5)
    with scratch() as name:
        work = Path(name)
        scans = work / "scans"
        scans.mkdir()
        make_scans(scans, 4, SEED)
        with limited(work) as (data, disk):
            postgres = Postgres(work / "postgres") if o.postgres else None
            try:
                found = Trial(work, data, disk, postgres, studies, kills).run()
            finally:
                if postgres is not None:
                    postgres.stop("immediate")
    if o.smoke:
        print(found)
        return
    write(
        "room_faults", found, preset="postgres" if o.postgres else "default", seeds=[SEED], cohort=f"{studies} studies"
    )


@contextlib.contextmanager
def limited(work: Path) -> Iterator[tuple[Path, str]]:
    """A data folder on a disk of limited size, and what kind of disk it is; "" where none can be mounted."""
    data, image = work / "disk", work / "disk.img"
    data.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_MB * 2**20)
    kinds = {"loop-mounted ext4": ["mount", "-o", "loop", str(image), str(data)]}
    kinds["tmpfs"] = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(data)]
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=False, capture_output=True)
    kind = next(
        (k for k, c in kinds.items() if subprocess.run(c, check=False, capture_output=True).returncode == 0), ""
    )
    try:
        yield data / "room", kind
    finally:
        if kind:
            subprocess.run(["umount", "-l", str(data)], check=False)


class Trial:
    """One run: faults while objects arrive, then the reckoning."""

    def __init__(self, work: Path, data: Path, disk: str, postgres: Postgres | None, studies: int, kills: int) -> None:
        self.work, self.disk, self.postgres, self.studies, self.kills = work, disk, postgres, studies, kills
        data.mkdir(parents=True, exist_ok=True)
        self.server = Server(data, postgres.url if postgres else "")
        self.server.log = work / "server.log"
        self.room = self.server.room()
        self.name = add_physicians(self.room, 1)[0]
        self.signed: dict[int, dict[str, Any]] = {}
        self.starts: list[float] = []
        self.orphans = 0
        self.full_seconds = 0.0

    def run(self) -> dict[str, dict[str, Any]]:
        self.starts.append(self.server.start())
        started = time.monotonic()
        cameras = Cameras(
            self.server.dicom, self.work / "scans", self.work / "sent", self.studies, SENDERS,
            two_every=TWO_EVERY, pause=1.0,
        )  # fmt: skip
        try:
            self._break_things(cameras)
            cameras.wait(600)
            sending = time.monotonic() - started
            settled = self._settle()
            self.server.stop()
        except BaseException:
            print(self.server.log.read_text(errors="replace")[-4000:])
            raise
        finally:
            cameras.stop()
            self.server.stop()
        return self._reckon(cameras, sending, settled)

    def _break_things(self, cameras: Cameras) -> None:
        """Kills at even shares of what comes; the disk fills after the second, the database crashes after the third."""
        whole = self.studies + len(range(0, self.studies, TWO_EVERY))
        for kill in range(self.kills):
            reach(cameras, (kill + 1) * whole // (self.kills + 2))
            self._sign()
            left = self.server.kill()
            gone, alive = psutil.wait_procs(left, timeout=15)
            self.orphans += len(alive)
            for p in alive:
                p.kill()
            self.starts.append(self.server.start())
            print(
                f"kill {kill + 1}: {len(cameras.acknowledged())} acknowledged, children ended {len(gone)}", flush=True
            )
            if kill == 1 and self.disk:
                self._fill()
            if kill == 2 and self.postgres is not None:
                self.postgres.crash()

    def _sign(self) -> None:
        """Read and sign a few studies as a physician does; what was signed is kept to be compared."""
        reader = Reader(self.server.url, self.name)
        rows = [
            r for r in reader.ask("GET", "/api/worklist?limit=200&descending=false")["rows"] if r["state"] != "signed"
        ]
        for row in rows[:SIGNED_BEFORE_A_KILL]:
            path = f"/api/studies/{row['key']}"
            document = {
                "metastasis": "no",
                "arthritis": "unsure",
                "marks": [],
                "comment": "",
            }
            saved = reader.ask("PUT", f"{path}/read", json={"version": 0, "document": document})["read"]
            reader.ask("POST", f"{path}/read/finish", json={"version": saved["version"]})
            drafted = reader.ask("POST", f"{path}/reports")[-1]
            form = {"version": drafted["version"], "password": PASSWORD}
            self.signed[row["key"]] = reader.ask("POST", f"{path}/reports/sign", json=form)[-1]

    def _fill(self) -> None:
        """No space is left for a while."""
        ballast = self.server.data.parent / "ballast"
        started = time.monotonic()
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\1" * 2**20)
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:  # the last bytes too
                file.write(b"\1" * 512)
        time.sleep(FULL_SECONDS)
        ballast.unlink()
        self.full_seconds = time.monotonic() - started

    def _settle(self) -> float:
        """Wait until every study is read; the seconds that took."""
        started = time.monotonic()
        while time.monotonic() - started < SETTLE_SECONDS:
            with self.room.database.reading() as t:
                due = t.scalar(select(func.count()).select_from(Study).where(Study.due_at.is_not(None)))
                bare = sum(not r.objects for r in t.scalars(select(Report)))
            if not due and not bare:
                break
            time.sleep(1)
        return time.monotonic() - started

    def _reckon(self, cameras: Cameras, sending: float, settled: float) -> dict[str, dict[str, Any]]:
        sent = cameras.acknowledged()
        refused = cameras.refused()
        wrong = reckoning(self.room, sent, self.signed)
        full = {"skipped": "no file system of limited size could be mounted"} if not self.disk else {"disk": self.disk}
        goals = {
            "lost": "acknowledged objects that are not in the catalogue, or with other bytes",
            "objects_kept_twice": "earlier versions of an object that was only sent again",
            "studies_without_one_reading": "studies that have not exactly one reading of their present state",
            "readings_twice": "readings of the same state of a study by the same bundle, beyond the first",
            "reports_changed": "signed reports that say something else, or have no objects",
            "audit_broken": "0 where the chain of the audit trail is whole",
        }
        out = {key: figure(wrong[key], "count", ask=0, says=says) for key, says in goals.items()}
        out["acknowledged"] = figure(len(sent), "objects", studies=self.studies)
        out["reports_signed"] = figure(len(self.signed), "reports")
        out["kills"] = figure(self.kills, "kills", database_crashes=int(self.postgres is not None and self.kills > 2))
        out["left_behind"] = figure(self.orphans, "processes", ask=0, says="children of a killed server after 15 s")
        out["disk_full"] = figure(self.full_seconds, "s", **full)
        out["refusals"] = figure(sum(refused.values()), "attempts", **dict(sorted(refused.items())))
        out["start"] = figure(self.starts, "s", says="from the start of the process to its first answer")
        out["sending"] = figure(sending, "s")
        out["settled"] = figure(settled, "s", says="after the last object, until everything is read")
        out["unexpected_lines"] = figure(len(self.server.errors()), "lines", says="of the server's log")
        for line in self.server.errors()[:20]:
            print("log:", line[:300])
        return out


def reach(cameras: Cameras, number: int) -> None:
    """Wait until so many objects were acknowledged."""
    while len(cameras.acknowledged()) < number and cameras.running():
        time.sleep(0.2)


def reckoning(room: Room, sent: dict[str, str], signed: dict[int, dict[str, Any]]) -> dict[str, int]:
    """How much of what must hold does not."""
    with room.database.reading() as t:
        here = {str(u): str(s) for u, s in t.execute(select(Instance.sop_uid, Instance.sha256)).all()}
        lost = sum(uid not in here or content(room, here[uid]) != digest for uid, digest in sent.items())
        made = Counter((r.study_key, r.digest, r.bundle) for r in t.scalars(select(NetworkReading)))
        present = Counter((r.study_key, r.digest) for r in t.scalars(select(NetworkReading)))
        unread = sum(present[s.id, s.digest] != 1 for s in t.scalars(select(Study)))
        changed = 0
        for key, before in signed.items():
            now = [report_json(r) for r in t.scalars(select(Report).where(Report.study_key == key))]
            same = [r for r in now if {**r, "objects": 0} == {**before, "objects": 0}]
            changed += not (len(now) == 1 and same and now[0]["objects"] and all(u in here for u in now[0]["objects"]))
        return {
            "lost": lost,
            "objects_kept_twice": int(t.scalar(select(func.count()).select_from(Version)) or 0),
            "studies_without_one_reading": unread,
            "readings_twice": sum(n - 1 for n in made.values()),
            "reports_changed": changed,
            "audit_broken": int(broken_at(t) is not None),
        }


def content(room: Room, sha256: str) -> str:
    """The hash of an object's dataset, without the header that the receiver writes before it."""
    data = room.objects.get(sha256)
    return hashlib.sha256(data[body(data)[1] :]).hexdigest()


if __name__ == "__main__":
    main()
