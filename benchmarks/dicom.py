"""DICOM in numbers: headers indexed a second, and whole-body files read (``dicom_read``).

    benchmarks/run dicom

The index is measured on copies of two headers as cameras write them (a whole-body file and a PET slice), in
rounds that alternate with pydicom reading the same tags from the same files; the processor's time of one
process is counted. The goal is 4,000 headers a second and core.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from harness import ROOT, figure, rounds, write

sys.path.insert(0, str(ROOT))

FILES = 4000
ROUNDS = 7
GOAL_HEADERS_PER_S = 4000.0


def main() -> None:
    import dicom_read

    figures = index_figures()
    dicom_read.main()
    read = json.loads((ROOT / "results" / "bench" / "dicom_read.json").read_text(encoding="utf-8"))
    figures |= {f"whole_body_{name}": value for name, value in read["figures"].items()}
    write("dicom", figures, cohort={"headers": FILES, "made by": "tests/dicom/dicom_samples.py"})


def index_figures() -> dict[str, dict[str, object]]:
    import pydicom

    from photopeak.dicom.headers import COLUMNS
    from photopeak.dicom.index import index

    ours: list[float] = []
    again: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        tree, paths = Path(folder, "tree"), make_tree(Path(folder, "tree"))
        tags = list(COLUMNS)

        def peer() -> None:
            for path in paths[: FILES // 10]:
                ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
                for tag in tags:
                    ds.get(tag)

        for i in range(ROUNDS):
            out = Path(folder, f"index-{i}.sqlite")
            ours += rounds(lambda out=out: index(tree, out), 1, warmup=0, clock=time.process_time)
            again += rounds(lambda out=out: index(tree, out), 1, warmup=0, clock=time.process_time)
            theirs += rounds(peer, 1, warmup=0, clock=time.process_time)
    ratio = [10 * t / o for t, o in zip(theirs, ours, strict=True)]
    return {
        "headers_indexed": figure([FILES / s for s in ours], "1/s", goal=GOAL_HEADERS_PER_S),
        "headers_unchanged": figure([FILES / s for s in again], "1/s"),
        "headers_pydicom": figure([FILES / 10 / s for s in theirs], "1/s", what="specific_tags, no database"),
        "headers_ratio_to_pydicom": figure(ratio, "1"),
    }


def make_tree(tree: Path) -> list[Path]:
    """Folders of a hundred files each, every file another instance."""
    from tests.dicom.dicom_samples import as_bytes, nm, pt

    samples = [as_bytes(nm("WHOLE BODY", (256, 64))), as_bytes(pt())]
    paths = []
    for i in range(FILES):
        path = tree / f"{i // 100:03d}" / f"{i:05d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(samples[i % 2].replace(b"2.25.1001", f"2.25.{1000 + i % 9000}".encode()))
        paths.append(path)
    return paths
