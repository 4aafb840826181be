"""A small example for everything that is registered, so that its contract can be checked."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import pkgutil
import tempfile
from pathlib import Path

import numpy as np
import torch

import photopeak.physics
import photopeak.recon
from photopeak.core import (
    Acquisition,
    Axis,
    Detector,
    EnergyWindow,
    Entry,
    Grid,
    Image,
    Kind,
    Mask,
    Measurement,
    Patient,
    Radiopharmaceutical,
    Step,
    Study,
    Text,
    scaling,
)
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.protocol import Clinic
from photopeak.physics.operator import Operator, Weighted
from photopeak.physics.pet import PetScanner

GRID = Grid.volume((2, 3, 4), scaling((4.0, 4.0, 4.0)))
NOON = dt.datetime(2026, 3, 1, 12, 0)

PATIENT = Patient("EXAMPLE", sex="F", birth_date=dt.date(1970, 1, 1), age_years=56.0, height_m=1.68, weight_kg=70.0)
ACQUISITION = Acquisition(
    modality="PT",
    started_at=NOON + dt.timedelta(hours=1),
    radiopharmaceuticals=(Radiopharmaceutical("FDG", "F-18", 350.0, NOON, 6586.2),),
    decay_correction="START",
    decay_reference=NOON + dt.timedelta(hours=1),
    corrections=("DECY", "ATTN"),
    facts={"Philips PET Private Group (7053,00)": 0.02, "Philips PET Private Group (7053,09)": 3.5},
)


def entry_of(kind: Kind) -> Entry:
    """An entry of a Kind."""
    rng = np.random.default_rng(1)
    unit = kind.unit or "1"
    match kind.entry:
        case "image":
            return Image(rng.poisson(100.0, GRID.shape).astype(np.float32), GRID, unit)
        case "mask":
            return Mask(rng.integers(0, 3, GRID.shape).astype(np.uint8), GRID, {1: "liver", 2: "spleen"})
        case "measurement":
            return Measurement(0.5, unit)
        case "table":
            return (Measurement(0.5, unit, region="liver"), Measurement(0.25, unit, region="spleen"))
        case _:
            return Text("No focal uptake.")


def step_for(cls: type[Step]) -> Step:
    """A Step with its defaults, or with the file that it cannot do without."""
    if cls.__qualname__ not in ("Patlak", "Logan"):
        return cls()
    curve = Path(tempfile.mkdtemp()) / "input.csv"
    curve.write_text("time_min,bq_per_ml\n0,0\n1,900\n10,300\n60,100\n", encoding="utf-8")
    return cls(input_csv=curve)  # type: ignore[call-arg]


def dynamic() -> Study:
    """Six frames of ten minutes."""
    axis = Axis("time", 6, values=tuple(600.0 * k for k in range(6)), unit="s")
    values = np.random.default_rng(1).poisson(100.0, (6, *GRID.shape)).astype(np.float32)
    acquisition = dataclasses.replace(
        ACQUISITION, started_at=NOON, decay_reference=NOON, facts={"ActualFrameDuration": [600e3] * 6}
    )
    image = Image(values, Grid((axis, *GRID.axes), GRID.affine_mm), "Bq/ml")
    return Study({"activity": image}, PATIENT, acquisition)


def therapeutic() -> Study:
    """Activity one, three and six days after Lu-177."""
    axis = Axis("time", 3, values=(0.0, 172800.0, 432000.0), unit="s")
    values = np.stack([np.random.default_rng(1).uniform(1e5, 2e5, GRID.shape) * f for f in (1.0, 0.5, 0.2)])
    tracer = Radiopharmaceutical("DOTATATE", "Lu-177", 7400.0, NOON - dt.timedelta(days=1), 574068.0)
    image = Image(values.astype(np.float32), Grid((axis, *GRID.axes), GRID.affine_mm), "Bq/ml")
    return Study({"activity": image}, PATIENT, Acquisition("NM", started_at=NOON, radiopharmaceuticals=(tracer,)))


def study_for(step: type[Step] | Step) -> Study:
    """A study that holds what a Step needs, of a patient about whom everything is known."""
    if type(step).__qualname__ in ("ReadBoneScan", "ExplainBoneScan"):  # take bone scans alone, and say so
        return Clinic(BoneScan(), patients=1, seed=7)[0].only("counts")
    if type(step).__qualname__ in ("Patlak", "Logan"):
        return dynamic()
    if type(step).__qualname__ == "AbsorbedDose":
        return therapeutic()
    if type(step).__qualname__ in ("Reconstruct", "MuFromCt"):  # take the projections of a SPECT camera
        return tomographic()
    return Study({name: entry_of(kind) for name, kind in step.needs.items()}, PATIENT, ACQUISITION)


def tomographic() -> Study:
    """A point before a head that goes round it, and a CT of air with the same frame of reference."""
    counts = np.zeros((12, 8, 8), np.float32)
    counts[:, 3:5, 3:5] = 50.0
    axis = Axis("angle", 12, ("detector 1",) * 12, tuple(30.0 * k for k in range(12)), "deg")
    grid = Grid((axis, Axis("y", 8), Axis("x", 8)), scaling((8.0, 8.0, 1.0)), "1.2.3")
    ct = Grid.volume((8, 8, 8), scaling((8.0, 8.0, 8.0), (-28.0, -28.0, 0.0)), "1.2.3")
    acquisition = Acquisition(
        modality="NM",
        kind="TOMO",
        manufacturer="SIEMENS",
        started_at=NOON,
        radiopharmaceuticals=(Radiopharmaceutical("Medronate", "Tc-99m", 700.0, NOON, 21626.0),),
        energy_windows=(EnergyWindow("photopeak", ((126.0, 154.0),)),),
        detectors=(Detector("LEHR", "PARA", 0.0, 150.0),),
        facts={
            "ActualFrameDuration": 20000.0,
            "ImagePositionPatient": [0.0, 0.0, 56.0],
            "ImageOrientationPatient": [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        },
    )
    entries = {
        "counts": Image(counts, grid, "{counts}"),
        "ct": Image(np.full(ct.shape, -1000.0, np.float32), ct, "[hnsf'U]"),
    }
    return Study(entries, PATIENT, acquisition)


#: settings of protocols that take seconds a patient otherwise
SMALL = {
    **{name: {"views": 2} for name in ("bone-spect", "brain-perfusion", "datscan", "mpi")},
    **{name: {"voxel_mm": "4.8"} for name in ("brain-fdg", "brain-amyloid")},
    **{name: {"voxel_mm": "4.8", "frames": "1x600"} for name in ("brain-fdg-dynamic", "brain-fet")},
    "fdg-body": {"reach": "chest"},
    "lu177": {"views": 2, "matrix": 64},
}

# --- operators --------------------------------------------------------------------------------------


def operators() -> list[type[Operator]]:
    """Every concrete Operator of ours."""
    for room in (photopeak.physics, photopeak.recon):
        for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)
    found, queue = [], [Operator]
    while queue:
        cls = queue.pop()
        queue += cls.__subclasses__()
        if cls.__module__.startswith("photopeak.") and not getattr(cls, "__abstractmethods__", None):
            found.append(cls)
    return sorted(set(found), key=lambda c: c.__qualname__)


def planar(engine: str) -> Operator:
    from photopeak.physics.planar import PlanarCamera

    grid = Grid.volume((12, 8, 10), scaling((10.0, 10.0, 10.0)))
    camera = PlanarCamera(matrix=(24, 16), pixel_mm=8.0)
    precision = torch.float32 if engine == "numba" else torch.float64
    mu = torch.zeros(grid.shape, dtype=precision)
    mu[2:-2, 2:-2, 2:-2] = 0.15
    return camera.physics(mu, grid, engine=engine).operator


def scattering() -> Operator:
    from photopeak.physics.spect import Orbit, SpectCamera
    from photopeak.physics.spect_scatter import SpectScatter

    grid = Grid.volume((5, 8, 8), scaling((12.0, 12.0, 12.0)))
    mu = torch.zeros(grid.shape)
    mu[:, 1:-1, 1:-1] = 0.15
    return SpectScatter(SpectCamera(), grid, Orbit.circle(4, 150.0, 20.0), mu)


def sharing() -> Operator:
    from photopeak.recon.kernel_em import kernel

    grid = Grid.volume((3, 6, 6), scaling((8.0, 8.0, 8.0)))
    return kernel(grid, torch.rand(grid.shape, generator=torch.Generator().manual_seed(1)), neighbours=6, reach=1)


def spect(engine: str) -> Operator:
    from photopeak.physics.spect import Orbit, SpectCamera

    grid = Grid.volume((6, 9, 8), scaling((8.0, 8.0, 8.0)))
    mu = torch.zeros(grid.shape, dtype=torch.float64)
    mu[1:-1, 2:-2, 2:-2] = 0.15
    return SpectCamera().physics(grid, Orbit.circle(5, 120.0, 17.0), mu, engine).operator


def moved(engine: str) -> Operator:
    from photopeak.physics.motion import Rigid, warp

    return warp(GRID, Rigid((3.0, -1.0, 2.0), (4.0, 0.0, 9.0)), engine)


def diverging(engine: str) -> Operator:
    from photopeak.physics.diverging import DivergingCamera, Pinhole
    from photopeak.physics.spect import Orbit

    grid = Grid.volume((5, 6, 7), scaling((8.0, 8.0, 8.0)))
    mu = torch.full(grid.shape, 0.1, dtype=torch.float64)
    return DivergingCamera(Pinhole(5.0, 120.0), (9, 10), 9.0).physics(grid, Orbit.circle(3, 60.0), mu, engine).operator


def blurred() -> Operator:
    from photopeak.physics.pet_corrections import GaussianBlur

    return GaussianBlur(Grid.volume((4, 6, 5), scaling((3.0, 2.0, 2.0))), 5.0)


def listed() -> Operator:
    from photopeak.physics.pet_list import ListOperator, events_of

    scanner = PetScanner(100.0, 24, 3, 8.0, 15)
    counts = np.random.default_rng(1).poisson(0.01, scanner.sinogram().shape)
    return ListOperator(events_of(scanner, counts, 1), scanner.grid(8.0, 12))


def of_views(kind: str) -> Operator:
    from photopeak.physics.motion import Gates, Moving, Rigid, Shifted, warp

    camera = spect("torch")
    there = warp(camera.domain, Rigid((5.0, 0.0, 3.0)), "torch")
    if kind == "gates":
        return Gates([camera, camera @ there])
    return Moving(camera, [None, *[there] * 4]) if kind == "moving" else Shifted(camera, torch.rand((5, 2)))


def direct_planes() -> Operator:
    from photopeak.physics.direct_planes import DirectPlanes

    inside = np.ones((12, 12), bool)
    inside[0] = False
    return DirectPlanes(PetScanner(100.0, 24, 1, 8.0, 15), 3, (8.0, 5.0), inside)


class Scaling(Operator):
    """y = 2 x, to compose others from."""

    def __init__(self, size: int) -> None:
        self.domain = self.range = Grid((Axis("x", size),), scaling((1.0, 1.0, 1.0)))

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    def apply_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return 2 * y


#: class name -> an operator of that class
OPERATORS = {
    "Adjoint": lambda: Scaling(5).H,
    "Composition": lambda: Scaling(5) @ Scaling(5),
    "DirectPlanes": direct_planes,
    "DivergingNumba": lambda: diverging("numba"),
    "DivergingTorch": lambda: diverging("torch"),
    "Gates": lambda: of_views("gates"),
    "GaussianBlur": blurred,
    "Kernel": sharing,
    "ListOperator": listed,
    "Moving": lambda: of_views("moving"),
    "PetOperator": lambda: PetScanner(100.0, 24, 3, 8.0, 15).operator(PetScanner(100.0, 24, 3, 8.0, 15).grid(8.0, 12)),
    "PlanarNumba": lambda: planar("numba"),
    "PlanarTorch": lambda: planar("torch"),
    "Shifted": lambda: of_views("shifted"),
    "SpectNumba": lambda: spect("numba"),
    "SpectScatter": scattering,
    "SpectTorch": lambda: spect("torch"),
    "Warp": lambda: moved("numba"),
    "WarpTorch": lambda: moved("torch"),
    "Weighted": lambda: Weighted(Scaling(5), torch.arange(5.0)),
}
