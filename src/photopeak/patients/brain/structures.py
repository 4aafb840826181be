"""What a head consists of: every structure's number, name and tissue, and what tissues do to photons and protons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SIDES: Final = ("left", "right")
LOBES: Final = (
    "frontal cortex", "parietal cortex", "temporal cortex", "occipital cortex",
    "sensorimotor cortex", "anterior cingulate", "posterior cingulate", "precuneus",
)  # fmt: skip
STRIATUM: Final = ("caudate", "anterior putamen", "posterior putamen")


@dataclass(frozen=True)
class Tissue:
    """``material`` attenuates (``physics.materials``); ``t1`` is the signal of a T1-weighted image, white matter = 1.

    Signals are those of a magnetisation-prepared gradient echo at 3 T as one sees them, a judgement.
    """

    material: str
    t1: float


TISSUES: Final[Mapping[str, Tissue]] = {
    "air": Tissue("air", 0.0),
    "soft tissue": Tissue("muscle", 0.42),
    "fat": Tissue("adipose", 0.95),
    "skin": Tissue("skin", 0.60),
    "bone": Tissue("mineral bone", 0.05),
    "diploe": Tissue("skull", 0.50),
    "fluid": Tissue("water", 0.17),
    "grey matter": Tissue("brain", 0.66),
    "deep grey matter": Tissue("brain", 0.74),
    "thalamus": Tissue("brain", 0.82),
    "pallidum": Tissue("brain", 0.90),
    "white matter": Tissue("brain", 1.0),
    "brain stem": Tissue("brain", 0.93),
    "gland": Tissue("muscle", 0.62),
    "eye": Tissue("water", 0.14),
    "tumour": Tissue("brain", 0.58),
}

#: name of a structure, or of a pair of them, and its tissue
_SINGLE: Final = (
    ("soft tissue", "soft tissue"),
    ("skin", "skin"),
    ("scalp", "fat"),
    ("skull", "bone"),
    ("diploe", "diploe"),
    ("cerebrospinal fluid", "fluid"),
    ("third ventricle", "fluid"),
    ("fourth ventricle", "fluid"),
    ("midbrain", "brain stem"),
    ("pons", "brain stem"),
    ("medulla", "brain stem"),
    ("cerebellar white matter", "white matter"),
    ("nasal mucosa", "soft tissue"),
    ("fat", "fat"),
    ("airways", "air"),
)
_PAIRS: Final = (
    *((lobe, "grey matter") for lobe in LOBES),
    ("insular cortex", "grey matter"),
    ("white matter", "white matter"),
    ("lateral ventricle", "fluid"),
    ("caudate", "deep grey matter"),
    ("anterior putamen", "deep grey matter"),
    ("posterior putamen", "deep grey matter"),
    ("globus pallidus", "pallidum"),
    ("thalamus", "thalamus"),
    ("hippocampus", "grey matter"),
    ("cerebellar cortex", "grey matter"),
    ("parotid gland", "gland"),
    ("submandibular gland", "gland"),
    ("eye", "eye"),
)
#: what only the ill have
_ILL: Final = (("tumour", "tumour"), ("necrosis", "fluid"))
_ALL: Final = (
    ("", "air"), *_SINGLE, *((f"{side} {name}", tissue) for name, tissue in _PAIRS for side in SIDES), *_ILL,
)  # fmt: skip

NAMES: Final = tuple(name for name, _ in _ALL)
"""The word for each number; 0 is the air around."""
TISSUE_OF: Final = tuple(tissue for _, tissue in _ALL)
NUMBER: Final[Mapping[str, int]] = {name: k for k, name in enumerate(NAMES)}
PAIRED: Final = tuple(name for name, _ in _PAIRS)


def of_tissues(*tissues: str) -> tuple[int, ...]:
    """The numbers of all structures of these tissues."""
    return tuple(k for k, tissue in enumerate(TISSUE_OF) if tissue in tissues)


CORTEX: Final = tuple(NUMBER[f"{side} {lobe}"] for side in SIDES for lobe in (*LOBES, "insular cortex"))
BRAIN: Final = of_tissues("grey matter", "deep grey matter", "thalamus", "pallidum", "white matter", "brain stem")


def without_side(name: str) -> str:
    """A structure's name for both sides.

    >>> without_side("left precuneus")
    'precuneus'
    """
    return name.removeprefix("left ").removeprefix("right ")
