"""R2: where the Photopeak reader breaks, on patients, cameras and habits that differ from those it was taught with.

The same people are scanned once as usual and once with one thing changed, so that what a change costs is seen patient
by patient. Nobody of them was seen by the reader: the cohort's seed is the third 8 hex digits of its weights' sha256.
The scans are read as ``photopeak read`` reads them, with the calibration that ships. The classical floor beside it are
hot spots and a random forest (A10), taught with the published cohort.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from photopeak.classify.lesions import matched
from photopeak.classify.reader import Scan, load_model, read_scans
from photopeak.classify.scans import LESIONS, Scans, scans_of
from photopeak.classify.views import VIEWS
from photopeak.core.writing import whole_file
from photopeak.patients.acquisition import draw_acquisition
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.plans import PatientPlan
from photopeak.patients.protocol import Case, Clinic, Streams
from photopeak.recipes import hot_spot_reading, older
from photopeak.recipes.dspic_data import copied
from photopeak.recipes.reader import FRESH_MIX

USUAL: Final = "as taught"
MIMICS: Final = "mimics at ten times their clinical prior"
PART: Final = 12
"""Patients that one process looks at before it keeps what it has."""


@dataclass(frozen=True)
class Shift:
    """What is changed: knobs of the frozen difficulty, or settings of every scan.

    The frozen difficulty is an easy one, chosen so that the published network reaches its published figures on it:
    lesions are bright and mimics rare. What clinics see lies farther away from it than any camera does.
    """

    name: str
    knobs: Mapping[str, float] = field(default_factory=dict)
    scan: Mapping[str, float] = field(default_factory=dict)

    @property
    def difficulty(self) -> Difficulty:
        return dataclasses.replace(Difficulty.frozen(), **self.knobs)


CLINICAL: Final = {
    k: v for k, v in dataclasses.asdict(Difficulty()).items() if k not in ("annotator_noise", "label_noise")
}
"""Every knob of the patients and the scan at its clinical prior."""


def _clinical(*names: str) -> dict[str, float]:
    return {name: CLINICAL[name] for name in names}


SHIFTS: Final = (
    Shift(USUAL),
    Shift("a quarter of the counts", knobs={"counts_scale": 0.25}),
    Shift("half the counts", knobs={"counts_scale": 0.5}),
    Shift("twice the counts", knobs={"counts_scale": 2.0}),
    Shift("pixels of 2.0 mm", scan={"pixel_mm": 2.0}),
    Shift("pixels of 2.8 mm", scan={"pixel_mm": 2.8}),
    Shift("detectors 6 cm farther away", scan={"gap_anterior_mm": 110.0, "gap_posterior_mm": 120.0}),
    Shift("everybody moves during the scan", knobs={"motion_rate": 1.0}),
    Shift("a failing phototube", knobs={"defect_rate": 1.0}),
    Shift(MIMICS, knobs={"mimic_rate": 10.0}),
    Shift("metastases are superscans", knobs={"superscan_share": 1.0}),
    Shift(
        "metastases of clinical size and brightness",
        knobs=_clinical("lesion_contrast_scale", "lesion_size_scale", "faint_share", "tiny_share", "lytic_share"),
    ),
    Shift(
        "arthritis of clinical brightness and pattern",
        knobs=_clinical(
            "arthritis_uptake_scale", "arthritis_uptake_sd", "arthritis_asymmetric_share", "arthritis_atypical_share"
        ),
    ),
    Shift(
        "clinical joint wear, variants and foci",
        knobs=_clinical("joint_wear_scale", "variant_rate", "benign_focus_rate"),
    ),
    Shift("everything at its clinical prior", knobs=CLINICAL),
)


@dataclass(frozen=True)
class Preset:
    """Patients scanned as usual, how many of them also under each shift, patients the forest is taught with."""

    usual: int
    shifted: int
    published: older.Preset
    shifts: tuple[Shift, ...] = SHIFTS
    resamples: int = 1000


PRESETS: Final = {
    "smoke": Preset(4, 2, older.PRESETS["smoke"], (SHIFTS[0], SHIFTS[9]), 20),
    "quick": Preset(360, 120, older.PRESETS["quick"]),
    "full": Preset(2000, 2000, older.PRESETS["full"]),
}


@dataclass(frozen=True)
class Shifted(BoneScan):
    """Bone scans of which every one is taken with some settings changed."""

    scan: Mapping[str, Any] = field(default_factory=dict)

    def case(self, plan: PatientPlan, streams: Streams) -> Case:
        hard = self.difficulty
        drawn = draw_acquisition(streams("acquisition"), hard.motion_rate, hard.defect_rate)
        scan = dataclasses.replace(drawn, **self.scan)
        return BoneScan(difficulty=hard, acquisition=scan).case(plan, streams)


@dataclass(frozen=True)
class Row:
    """One patient under one shift: who it is, what is true, what the reader said, what the forest said."""

    shift: str
    patient: str
    label: str
    sex: str
    age: float
    mimics: str
    refused: int
    p_metastasis: float
    p_arthritis: float
    said_metastasis: str
    said_arthritis: str
    """The answers that the reader leaves open: yes, no, or both."""
    lesions: int
    hit: int
    false: int
    bsi: float
    bsi_found: float
    forest_N: float = float("nan")
    forest_M: float = float("nan")
    forest_A: float = float("nan")


def cohort_seed(sha256: str) -> int:
    """The third 8 hex digits of the weights' hash; the first named the cohort of R1, the second that of R1-explain."""
    return int(sha256[16:24], 16)


def clinic(shift: Shift, patients: int, seed: int) -> Clinic:
    """The cohort under one shift; patient i is the same person under each."""
    return Clinic(Shifted(mix=FRESH_MIX, difficulty=shift.difficulty, scan=shift.scan), patients, seed)


def study(preset: Preset, work: Path, processes: int, say: Callable[[str], None]) -> list[Row]:
    """Every row. Parts are kept in ``work``: a cut run goes on."""
    work.mkdir(parents=True, exist_ok=True)
    seed, tasks = cohort_seed(load_model().sha256), []
    for k, shift in enumerate(preset.shifts):
        n = preset.usual if shift.name == USUAL else preset.shifted
        cohort = clinic(shift, n, seed)
        tasks += [
            (cohort, shift.name, range(i, min(i + PART, n)), work / f"{k:02d}-{i:05d}") for i in range(0, n, PART)
        ]
    left = [t for t in tasks if not _files(t[-1])[0].exists()]
    if processes == 1:
        for task in left:
            say(_look(task))
    elif left:
        # Spawned, never forked, and one thread each: two that wait for each other get less done.
        with ProcessPoolExecutor(processes, get_context("spawn"), _one_thread) as pool:
            for done in pool.map(_look, left):
                say(done)
    rows = [row for t in tasks for row in read_rows(_files(t[-1])[0])]
    return _with_forest(rows, [_files(t[-1])[1] for t in tasks], preset, work)


def _one_thread() -> None:
    import numba
    import torch

    torch.set_num_threads(1)
    numba.set_num_threads(1)


def _files(part: Path) -> tuple[Path, Path]:
    return part.with_suffix(".csv"), part.with_suffix(".npz")


def _look(task: tuple[Clinic, str, range, Path]) -> str:
    cohort, shift, indices, part = task
    cases = [cohort.case(i) for i in indices]
    scans = scans_of([c.study for c in cases], processes=1)
    rows, described = _files(part)
    hot_spot_reading.describe(scans, described)
    write_rows(rows_of(shift, cases, scans), rows)
    return f"{shift}: patient {indices[-1] + 1}"


def rows_of(shift: str, cases: Sequence[Case], scans: Scans) -> list[Row]:
    """What the reader says of these scans, beside the truth."""
    model = load_model()
    read = read_scans(model, scans.counts, scans.sexes, [float(a) for a in scans.age])
    out = []
    for i, (case, scan) in enumerate(zip(cases, read, strict=True)):
        document: Any = case.documents["truth.json"]
        kinds = sorted({m["kind"] for m in document["mimics"]})
        true, hit, false = lesion_counts(scan, scans, i)
        said = [" ".join(answers) for answers in scan.possible]
        one = Row(
            shift, scans.patients[i], scans.classes[i], scans.sexes[i], float(scans.age[i]), "; ".join(kinds),
            int(bool(scan.refused)), *scan.probabilities, said[0], said[1], true, hit, false,
            float(scans.bsi[i]), scan.bsi_percent,
        )  # fmt: skip
        out.append(one)
    return out


def lesion_counts(scan: Scan, scans: Scans, i: int) -> tuple[int, int, int]:
    """True lesions of either kind in either view, how many of them are listed, and how many false ones are."""
    true = hit = false = 0
    for v, view in enumerate(VIEWS):
        for kind, name in enumerate(LESIONS):
            mine = [x for x in scan.lesions if (x.view, x.kind) == (view, name)]
            right, best = matched(mine, scans.lesions[i, v] == kind + 1)
            true, hit, false = true + len(best), hit + int((best > 0).sum()), false + right.count(False)
    return true, hit, false


def _with_forest(rows: Sequence[Row], described: Sequence[Path], preset: Preset, work: Path) -> list[Row]:
    """The rows with what a forest says that was taught with every patient of the published cohort."""
    published = older.cohort(preset.published, work)
    n, taught = len(published), hot_spot_reading.describe(published, work / f"hot-spots-{len(published)}.npz")
    every = hot_spot_reading.together([taught, *map(hot_spot_reading.load_described, described)])
    entered = copied(published, {}, 0)
    asked = [dataclasses.replace(entered[0], patient=n + k, view=v) for k in range(len(rows)) for v in (0, 1)]
    scores = hot_spot_reading.read("random forest, hot spots", every, entered, asked, 0).scores
    means = scores.reshape(-1, 2, 3).mean(1).tolist()
    return [
        dataclasses.replace(row, forest_N=n, forest_M=m, forest_A=a) for row, (n, m, a) in zip(rows, means, strict=True)
    ]


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """One line a patient and shift."""
    with whole_file(path) as work, work.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(Row.__dataclass_fields__)
        for r in rows:
            table.writerow([f"{x:.6g}" if isinstance(x, float) else x for x in dataclasses.astuple(r)])


def read_rows(path: Path) -> list[Row]:
    """What ``write_rows`` wrote."""
    kinds = [f.type for f in dataclasses.fields(Row)]
    read: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float}
    with path.open(newline="", encoding="utf-8") as f:
        lines = list(csv.reader(f))[1:]
    return [Row(*(read[str(k)](x) for k, x in zip(kinds, line, strict=True))) for line in lines]
