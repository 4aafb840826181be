"""The Photopeak reader: a whole-body bone scan in, regions, lesions, diagnoses and doubts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8, UInt16
from scipy.special import expit

from photopeak.classify.asking import Answers, answers
from photopeak.classify.bsi import bone_scan_index
from photopeak.classify.lesions import Lesion, lesions_of
from photopeak.classify.views import SIZE, VIEWS, Views, whole_body
from photopeak.core import Entry, Image, Kind, Mask, Measurement, PhotopeakError, Study
from photopeak.learning.bundles import Bundle, load_bundle
from photopeak.learning.devices import placed
from photopeak.networks.reader import Reader

SHIPPED: Final = "bone-scan"
QUESTIONS: Final = ("metastasis", "arthritis")
FEWEST_REGIONS: Final = 14
"""Named bones that a view must show at least; a whole body shows 27, one that is cut off at the knees 23."""


@dataclass(frozen=True)
class Doubt:
    """How a logit becomes a probability and a set of answers, for each question."""

    temperature: tuple[float, float]
    yes: tuple[float, float]
    """From which probability on "yes" is a possible answer."""
    no: tuple[float, float]
    """Up to which probability "no" is."""


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded reader with what was calibrated for it."""

    name: str
    sha256: str
    network: Reader
    regions: tuple[str, ...]
    doubt: Mapping[str, Doubt]
    """For both views, and for either alone."""
    lesion: float
    """How probable a lesion must be to be listed."""
    bsi_k: float


@lru_cache(maxsize=4)
def load_model(name: str = SHIPPED) -> Model:
    """The reader of a bundle, ready on the processor."""
    return model_of(name, load_bundle(name))


def model_of(name: str, bundle: Bundle) -> Model:
    """The reader that a bundle holds."""
    m = bundle.model
    try:
        regions = tuple(m["regions"])
        network = Reader(len(regions))
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in bundle.weights.items()})
        calibrated = m["calibration"]
        doubt = {views: _doubt(calibrated["doubt"][views]) for views in ("both", *VIEWS)}
        lesion, bsi_k = float(calibrated["lesion"]), float(calibrated["bsi_k"])
    except (KeyError, TypeError, RuntimeError, IndexError) as error:
        raise PhotopeakError(
            f"the bundle {name!r} is not a bone-scan reader: {str(error).splitlines()[0]}. "
            f"Remedy: name one that is, such as {SHIPPED!r}."
        ) from error
    placed(network.eval(), torch.device("cpu"))
    return Model(str(name), bundle.sha256, network, regions, doubt, lesion, bsi_k)


def _doubt(stated: Mapping[str, Sequence[float]]) -> Doubt:
    temperature, yes, no = ((float(stated[k][0]), float(stated[k][1])) for k in ("temperature", "yes", "no"))
    return Doubt(temperature, yes, no)


@dataclass(frozen=True, eq=False)
class Scan:
    """What the reader says of one scan, on the matrix of 512 × 128."""

    refused: str
    probabilities: tuple[float, float]
    possible: tuple[tuple[str, ...], tuple[str, ...]]
    """For each question the answers that cannot be left out."""
    lesions: tuple[Lesion, ...]
    regions: UInt8[np.ndarray, "view row column"]
    bsi_percent: float
    flags: tuple[str, ...]
    maps: Float[np.ndarray, "view kind row column"]


def read_scans(
    model: Model, counts: UInt16[np.ndarray, "n 2 row column"], sexes: Sequence[str], ages: Sequence[float | None]
) -> list[Scan]:
    """Read scans, whose header says ``sexes`` and ``ages``; a view that is all zeros is absent."""
    out: list[Scan] = []
    for batch in answers(model.network, counts):
        for i in range(len(batch.diagnoses)):
            k = len(out)
            there: Bool[np.ndarray, " 2"] = counts[k].any(axis=(1, 2))
            out.append(_scan(model, batch, i, there, sexes[k], ages[k]))
    return out


def _scan(model: Model, said: Answers, i: int, there: Bool[np.ndarray, " 2"], sex: str, age: float | None) -> Scan:
    regions = said.regions[i] * there[:, None, None].astype(np.uint8)
    maps = said.lesions[i] * there[:, None, None, None]
    doubt = model.doubt[seen(there)]
    p = expit(said.diagnoses[i].astype(np.float64) / np.array(doubt.temperature))
    answered = [possible(float(p[q]), doubt.yes[q], doubt.no[q]) for q in (0, 1)]
    lesions = tuple(lesions_of(maps, regions, model.regions, model.lesion))
    metastases = np.zeros(regions.shape, bool)
    for lesion in lesions:
        if lesion.kind == QUESTIONS[0]:
            metastases[VIEWS.index(lesion.view)] |= lesion.mask
    index = bone_scan_index(metastases, regions, model.regions, model.bsi_k)
    flags = _flags(there, float(said.man[i]), sex, float(said.age[i]), age)
    refused = _refusal(regions, there, said.wrong[i])
    return Scan(refused, (float(p[0]), float(p[1])), (answered[0], answered[1]), lesions, regions, index, flags, maps)


def seen(there: Bool[np.ndarray, " 2"]) -> str:
    """Which calibration a scan takes: "both", or the one view that is there."""
    return "both" if there.all() else VIEWS[int(np.argmax(there))]


def possible(p: float, yes: float, no: float) -> tuple[str, ...]:
    """The answers that cannot be left out: those of the conformal set, and the more probable one in any case.

    Where a network tells two classes apart so well that no threshold need err, a conformal set can be empty; an empty
    answer would say nothing, so the promise is then kept with room to spare.

    >>> possible(0.7, yes=0.3, no=0.8), possible(0.5, yes=0.99, no=0.01), possible(0.1, yes=0.3, no=0.8)
    (('yes', 'no'), ('yes', 'no'), ('no',))
    """
    return (*(("yes",) if p >= min(yes, 0.5) else ()), *(("no",) if p <= max(no, 0.5) else ()))


def _refusal(
    regions: UInt8[np.ndarray, "view row column"], there: Bool[np.ndarray, " 2"], wrong: Float[np.ndarray, " 2"]
) -> str:
    """Why the scan is not read; "" where it is."""
    if wrong[1] > 0.5:
        return "the patient's feet seem to be at the top. Remedy: check how the scan was stored."
    if wrong[0] > 0.5:
        what = "the views seem to be exchanged" if there.all() else "the view seems to be the other one"
        return f"{what}: anterior and posterior look like each other's. Remedy: check the views' names."
    for view, where in zip(VIEWS, regions, strict=True):
        found = int((np.bincount(where.ravel(), minlength=2)[1:] > 3).sum())
        if there[VIEWS.index(view)] and found < FEWEST_REGIONS:
            return f"the {view} view shows {found} known bones: not a whole-body bone scan. Remedy: send one that is."
    return ""


def _flags(there: Bool[np.ndarray, " 2"], man: float, sex: str, years: float, age: float | None) -> tuple[str, ...]:
    flags = []
    if not there.all():
        flags.append(f"read from the {VIEWS[int(np.argmax(there))]} view alone")
    looks = "M" if man > 0.95 else "F" if man < 0.05 else ""
    if sex in ("M", "F") and looks and looks != sex:
        flags.append(f"identity: the header says {sex}, the scan looks like {looks}")
    if age is not None and abs(years - age) > 30:
        flags.append(f"identity: the header says {age:.0f} years, the scan looks like {years:.0f}")
    return tuple(flags)


@dataclass(frozen=True)
class ReadBoneScan:
    """Read a whole-body bone scan: named regions, lesions, probabilities, bone scan index :cite:`imbriaco1998`."""

    bundle: str = field(default=SHIPPED, metadata={"help": "Weights: a name or a folder."})
    needs: ClassVar[Mapping[str, Kind]] = {"counts": Kind("image", "{counts}")}
    gives: ClassVar[Mapping[str, Kind]] = {
        "reader/regions": Kind("mask"),
        "reader/lesions": Kind("mask"),
        "reader/p_metastasis": Kind("measurement", "1"),
        "reader/p_arthritis": Kind("measurement", "1"),
        "reader/bsi": Kind("measurement", "%"),
        "reader/flags": Kind("table"),
    }

    def __call__(self, study: Study) -> dict[str, Entry]:
        model = load_model(self.bundle)
        counts = whole_body(study)
        (scan,) = read_scans(model, counts.both[None], [study.patient.sex], [study.patient.age_years])
        if scan.refused:
            raise PhotopeakError(f"{study.patient.patient_id}: {scan.refused}")
        return entries(study, model, scan, counts)


def entries(study: Study, model: Model, scan: Scan, views: Views) -> dict[str, Entry]:
    """The scan's reading as entries, on the grid of the counts."""
    image = study["counts"]
    assert isinstance(image, Image)
    names = dict(enumerate(model.regions, 1))
    number, lesions = np.zeros((2, *SIZE), np.uint8), dict[int, str]()
    for i, lesion in enumerate(scan.lesions[:255], 1):
        number[VIEWS.index(lesion.view)][lesion.mask] = i
        lesions[i] = f"{lesion.kind}: {lesion.region or 'unnamed site'}"
    masks = [views.to_image(x) for x in (scan.regions, number)]
    sure = [("not sure",) if len(p) == 2 else () for p in scan.possible]
    flags = tuple(Measurement(1.0, "1", flags=(f,)) for f in (*scan.flags, *views.notes))
    return {
        "reader/regions": Mask(masks[0], image.grid, names),
        "reader/lesions": Mask(masks[1], image.grid, lesions),
        "reader/p_metastasis": Measurement(scan.probabilities[0], "1", region="patient", flags=sure[0]),
        "reader/p_arthritis": Measurement(scan.probabilities[1], "1", region="patient", flags=sure[1]),
        "reader/bsi": Measurement(scan.bsi_percent, "%", region="skeleton"),
        "reader/flags": flags,
    }
