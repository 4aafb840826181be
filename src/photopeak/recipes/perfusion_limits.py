"""Normal limits of polar maps, from simulated normal patients: ``photopeak polar-limits``.

Women and men apart, each reconstructed with all corrections and with none but the camera's blur; the ventricle is found
by the same fit that patients meet later. Limits hold for the camera, the counts and the reconstruction they were made
with.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

from photopeak import __version__
from photopeak.core import Image, Study
from photopeak.core.step import run, run_chain
from photopeak.core.writing import whole_file
from photopeak.patients.heart_field import TC99M
from photopeak.patients.myocardial_perfusion import MyocardialPerfusion
from photopeak.patients.protocol import Clinic
from photopeak.quantify.perfusion_scores import Limits
from photopeak.quantify.polar_map import Polar, polar_map
from photopeak.quantify.ventricle_fit import fitted
from photopeak.recon.reconstruct import MuFromCt, Reconstruct
from photopeak.recon.running import described

BLUR_MM: Final = 8.0
COHORT: Final = 12  # drawn for each that is wanted of each sex: both are found among them
WAYS: Final = {
    "corrected": Reconstruct(attenuation=True, scatter="tew", blur_mm=BLUR_MM),
    "uncorrected": Reconstruct(blur_mm=BLUR_MM),
}
"""How the limits' images are made; a patient's should be made alike."""


def reconstructed(study: Study, way: str) -> Image:
    """A study's image in one of the ways."""
    step, known = WAYS[way], study.only("counts", "ct")
    image = (run_chain([MuFromCt(), step], known) if step.attenuation else run(step, known))["reconstruction"]
    assert isinstance(image, Image)
    return image


def normals(protocol: MyocardialPerfusion, patients: int, seed: int) -> list[int]:
    """Which patients of a cohort are the first so many women and as many men."""
    plans = protocol.plans(COHORT * patients, seed)
    return sorted(i for sex in ("F", "M") for i in [k for k, one in enumerate(plans) if one.sex == sex][:patients])


def normal_maps(protocol: MyocardialPerfusion, patients: int, seed: int, index: int) -> list[tuple[str, Polar]]:
    """(limits' key, map) of one patient, in each way."""
    study = Clinic(protocol, COHORT * patients, seed)[index]
    images = {way: reconstructed(study, way) for way in WAYS}
    return [(f"{study.patient.sex} {way}", polar_map(image, fitted(image))) for way, image in images.items()]


def make_limits(patients: int, seed: int, out: Path, jobs: int, tell: Callable[[str], None]) -> Path:
    """Simulate, reconstruct, map, and write the limits of all four kinds."""
    protocol = MyocardialPerfusion(mix="normal=1")
    chosen, maps = normals(protocol, patients, seed), dict[str, list[Polar]]()
    # Spawned, not forked: a fork after a parallel numba kernel dies.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        work = functools.partial(normal_maps, protocol, patients, seed)
        for done, found in enumerate(pool.map(work, chosen), 1):
            for key, one in found:
                maps.setdefault(key, []).append(one)
            tell(f"{done} of {len(chosen)} patients")
    document: dict[str, Any] = {
        "made": f"photopeak polar-limits --patients {patients} --seed {seed}",
        "photopeak": __version__,
        "protocol": dataclasses.asdict(protocol),
        "nuclide": TC99M.name,
        "series": {way: described(step) for way, step in WAYS.items()},
        "reconstruction": {way: dataclasses.asdict(step) for way, step in WAYS.items()},
        "limits": {key: Limits.of(maps[key]).to_json() for key in sorted(maps)},
    }
    with whole_file(out) as part:
        part.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    return out
