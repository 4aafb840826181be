"""One reconstruction on disk: gather what it needs, run it so that a cut run goes on, write what comes of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from photopeak.core import Image, PhotopeakError, Study
from photopeak.core.step import record_of, run
from photopeak.core.writing import whole_file
from photopeak.recon.motion import save_motion
from photopeak.recon.picture import save_picture
from photopeak.recon.projections import Projections
from photopeak.recon.reconstruct import MuFromCt, Reconstruct

Tensor = torch.Tensor
UNFINISHED: Final = "unfinished.npz"
#: facts of the projections that are none of the image
OF_PROJECTIONS: Final = (
    "ActualFrameDuration",
    "CountsAccumulated",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "RadialPosition",
    "SeriesDescription",
)


def gathered(found: Sequence[Study], with_ct: bool) -> Study:
    """The tomographic acquisition among Studies, with its CT where that is wanted."""
    tomo = [s for s in found if s.acquisition.kind in ("TOMO", "GATED TOMO")]
    if len(tomo) != 1:
        held = ", ".join(sorted({s.acquisition.kind or s.acquisition.modality for s in found})) or "nothing"
        raise PhotopeakError(
            f"{len(tomo)} tomographic acquisitions among what was given ({held}). Remedy: give one TOMO file at a time."
        )
    if not with_ct:
        return tomo[0]
    frame = _image(tomo[0], "counts").grid.frame
    cts = [s for s in found if "ct" in s]
    mine = [s for s in cts if _image(s, "ct").grid.frame == frame] or cts
    if len(mine) != 1:
        raise PhotopeakError(
            f"{len(mine)} CT series could belong to the projections. Remedy: give the one of the same examination."
        )
    who, other = tomo[0].patient.patient_id, mine[0].patient.patient_id
    if who != other:
        raise PhotopeakError(
            f"PatientID (0010,0020): the projections are of {who!r}, the CT of {other!r}. "
            "Remedy: give the same patient's CT."
        )
    return tomo[0].add({"ct": mine[0]["ct"]})


def run_recon(step: Reconstruct, study: Study, out: Path, tell: Callable[[str], None]) -> Iterator[Path]:
    """Reconstruct into a folder; yields every file that was written."""
    from photopeak.dicom import write

    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    if step.attenuation:
        study = run(MuFromCt(step.energy_kev), study)
    made = step.projections(study)
    kept = Kept(out / UNFINISHED, _key(step, study), tell)
    image = step.image(study, made, kept)
    yield write(finished(step, study, made, image), out / "reconstruction.dcm")
    yield save_picture(image, out / "reconstruction.png")
    motion = None
    if made.shifts is not None:
        mm = made.shifts * made.grid.spacing_mm["x"]
        yield save_motion(mm, made.orbit.angles_deg, out / "motion.png")
        motion = {"angle_deg": list(made.orbit.angles_deg), "down": mm[:, 0].tolist(), "right": mm[:, 1].tolist()}
    told = {
        "settings": dataclasses.asdict(step),
        "unit": image.unit,
        "total": float(image.values.sum(dtype=np.float64)),
        "objective": kept.objectives,
        "motion_mm": motion,
        "wall_s": round(time.monotonic() - started, 2),
    }
    with whole_file(out / "reconstruction.json") as part:
        part.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    kept.path.unlink(missing_ok=True)
    yield out / "reconstruction.json"


def finished(step: Reconstruct, study: Study, made: Projections, image: Image) -> Study:
    """The Study of the image alone, as it is written: its kind, its corrections and how it was made."""
    a = study.acquisition
    facts = {k: v for k, v in a.facts.items() if k not in OF_PROJECTIONS}
    facts |= {"SeriesDescription": described(step), "ReconstructionMethod": step.algorithm.upper()}
    decayed = min(made.weights) < 1.0
    done = {"ATTN": step.attenuation, "SCAT": step.scatter != "none", "DECY": decayed}
    acquisition = dataclasses.replace(
        a,
        kind="RECON GATED TOMO" if made.gates else "RECON TOMO",
        facts=facts,
        series_uid="",
        corrections=tuple(dict.fromkeys([*a.corrections, *(word for word, is_done in done.items() if is_done)])),
        decay_correction="START" if decayed else a.decay_correction,
        decay_reference=a.started_at if decayed else a.decay_reference,
        detectors=(),
        energy_windows=tuple(w for w in a.energy_windows if _holds(w.ranges_kev, made.energy_kev)),
    )
    name = "counts" if image.unit == "{counts}" else "activity"
    return Study({name: image}, study.patient, acquisition, (*study.history, record_of(step)))


def described(step: Reconstruct) -> str:
    """As a department would label the series.

    >>> described(Reconstruct(attenuation=True, scatter="tew", blur_mm=8.0))
    'OSEM 4i8s PSF AC SC 8mm'
    """
    if step.algorithm == "fbp":
        words = [f"FBP {step.window} {step.cutoff:g}"]
    else:
        subsets = 1 if step.algorithm == "mlem" else step.subsets
        words = [f"{step.algorithm.upper()} {step.iterations}i{subsets}s", *(["PSF"] if step.psf else [])]
    words += ["AC"] if step.attenuation else []
    words += ["SC"] if step.scatter != "none" else []
    return " ".join([*words, *([f"{step.blur_mm:g}mm"] if step.blur_mm else [])])


class Kept:
    """Progress that outlives the process: the image of the last iteration of every gate, and each objective."""

    def __init__(self, path: Path, key: str, tell: Callable[[str], None]) -> None:
        self.path, self.key, self.tell = path, key, tell
        self.images: dict[int, tuple[int, Tensor]] = {}
        self.objectives: dict[str, list[float]] = {}
        if path.exists():
            with np.load(path) as state:
                if str(state["key"]) == key:
                    self.objectives = json.loads(str(state["objectives"]))
                    for gate, done, image in zip(state["gates"], state["done"], state["images"], strict=True):
                        self.images[int(gate)] = int(done), torch.from_numpy(image.copy())

    def start(self, gate: int) -> tuple[int, Tensor | None]:
        done, image = self.images.get(gate, (0, None))
        if done:
            self.tell(f"going on after iteration {done}")
        return done, image

    def __call__(self, gate: int, iteration: int, image: Tensor, objective: Callable[[], float]) -> None:
        value = objective()
        self.images[gate] = iteration, image.detach()
        self.objectives.setdefault(str(gate), []).append(value)
        named = f"gate {gate + 1}, " if gate else ""
        self.tell(f"{named}iteration {iteration}: objective {value:.6g}")
        with whole_file(self.path) as part, part.open("wb") as f:
            np.savez(
                f,
                key=self.key,
                objectives=json.dumps(self.objectives),
                gates=np.array(list(self.images)),
                done=np.array([done for done, _ in self.images.values()]),
                images=np.stack([x.numpy() for _, x in self.images.values()]),
            )


def _key(step: Reconstruct, study: Study) -> str:
    """Of the settings and everything that goes in: an unfinished run of anything else is not gone on with."""
    digest = hashlib.sha256(repr((step, study.acquisition)).encode())
    for name in sorted(study):
        if isinstance(entry := study[name], Image):
            digest.update(np.ascontiguousarray(entry.values).tobytes())
    return digest.hexdigest()


def _holds(ranges: tuple[tuple[float, float], ...], energy_kev: float) -> bool:
    return any(low < energy_kev < high for low, high in ranges)


def _image(study: Study, name: str) -> Image:
    entry = study[name]
    assert isinstance(entry, Image)
    return entry
