"""Every DICOM file among the public scans, unpacked where it is packed, and what became of it."""

from __future__ import annotations

import hashlib
import json
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path

from photopeak.core import DicomError, Image, Study
from photopeak.dicom import read
from photopeak.dicom.parse import looks_like_dicom

EXPECTED = Path(__file__).with_name("expected_outcomes.json")


def units(data: Path, work: Path) -> Iterator[tuple[str, Path]]:
    """(name, file or folder) of everything that is read at once: a file, or the series in an archive."""
    for path in sorted(p for p in data.rglob("*") if p.is_file()):
        name = path.relative_to(data).as_posix()
        if name.endswith(".tar.xz"):
            folder = work / name
            with lzma.open(path) as packed, tarfile.open(fileobj=packed) as tar:
                tar.extractall(folder, filter="data")
            if any(looks_like_dicom(p.read_bytes()[:132]) for p in folder.rglob("*") if p.is_file()):
                yield name, folder
        elif name.endswith(".xz"):
            target = work / name.removesuffix(".xz")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(lzma.decompress(path.read_bytes()))
            if looks_like_dicom(target.read_bytes()[:132]):
                yield name, target
        elif looks_like_dicom(path.read_bytes()[:132]):
            yield name, path


def digest(path: Path) -> str:
    """sha256 of a DICOM file, or of the sorted sha256s of a series' files."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = (p for p in path.rglob("*") if p.is_file() and looks_like_dicom(p.read_bytes()[:132]))
    return hashlib.sha256("\n".join(sorted(map(digest, files))).encode()).hexdigest()


def outcome(path: Path) -> dict[str, str]:
    """What reading gives; where a fact of the user's makes the difference, also what it gives then."""
    first = _attempt(path, {})
    for key, value in (("view", "anterior"), ("units", "BQML")):
        if "refused" in first and f"--assume {key}=" in first["because"]:
            then = _attempt(path, {key: value})
            reads = f"reads {then['reads']}" if "reads" in then else f"refused {then['refused']}: {then['because']}"
            first |= {"with": f"{key}={value}", "then": reads}
    return first


def _attempt(path: Path, assume: dict[str, str]) -> dict[str, str]:
    try:
        first, *more = [described(study) for study in read(path, assume)]
    except DicomError as error:
        return {"refused": error.tag, "because": f"{error.meaning} Remedy: {error.remedy}"}
    return {"reads": first + (f", and {len(more)} more" if more else "")}


def described(study: Study) -> str:
    """As in "NM WHOLE BODY counts 1 view (anterior) × 1024 y × 256 x, sum 3596452 {counts}"."""
    import numpy as np

    name, image = next((n, e) for n, e in study.items() if isinstance(e, Image))
    axes = " × ".join(f"{a.size} {a.name}" + (f" ({', '.join(a.labels)})" if a.labels else "") for a in image.grid.axes)
    total = float(np.sum(image.values, dtype=np.float64))
    kind = " ".join(filter(None, (study.acquisition.modality, study.acquisition.kind)))
    return f"{kind} {name} {axes}, sum {total:.6g} {image.unit}"


def expected() -> dict[str, dict[str, str]]:
    """sha256 → outcome, as committed."""
    found: dict[str, dict[str, str]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return found
