"""Normal limits of polar maps, from simulated normal patients: ``photopeak polar-limits``.

Women and men apart, each reconstructed with all corrections and with none but the camera's blur; the ventricle is found
by the same fit that patients meet later. Limits hold for the camera, the counts and the reconstruction they were made
with.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from photopeak import __version__
from photopeak.core import Image, Study
from photopeak.core.step import run, run_chain
from photopeak.core.writing import whole_file
from photopeak.patients.myocardial_perfusion import MyocardialPerfusion
from photopeak.patients.protocol import Clinic
from photopeak.quantify.perfusion_scores import Limits
from photopeak.quantify.polar_map import Polar, polar_map
from photopeak.quantify.ventricle_fit import fitted
from photopeak.recon.reconstruct import MuFromCt, Reconstruct

BLUR_MM: Final = 8.0
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


def normal_maps(protocol: MyocardialPerfusion, patients: int, seed: int) -> Iterator[tuple[str, Polar]]:
    """(limits' key, map) of so many women and as many men."""
    wanted = {"F": patients, "M": patients}
    clinic = Clinic(protocol, 12 * patients, seed)
    for index, one in enumerate(protocol.plans(len(clinic), seed)):
        if wanted[one.sex] == 0:
            continue
        wanted[one.sex] -= 1
        study = clinic[index]
        for way in WAYS:
            image = reconstructed(study, way)
            yield f"{one.sex} {way}", polar_map(image, fitted(image))


def make_limits(patients: int, seed: int, out: Path, tell: Callable[[str], None]) -> Path:
    """Simulate, reconstruct, map, and write the limits of all four kinds."""
    protocol = MyocardialPerfusion(mix="normal=1")
    maps: dict[str, list[Polar]] = {}
    for key, one in normal_maps(protocol, patients, seed):
        maps.setdefault(key, []).append(one)
        tell(f"{key}: {len(maps[key])} of {patients}")
    document: dict[str, Any] = {
        "made": f"photopeak polar-limits --patients {patients} --seed {seed}",
        "photopeak": __version__,
        "protocol": dataclasses.asdict(protocol),
        "reconstruction": {way: dataclasses.asdict(step) for way, step in WAYS.items()},
        "limits": {key: Limits.of(maps[key]).to_json() for key in sorted(maps)},
    }
    with whole_file(out) as part:
        part.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    return out
