"""What a reader's answer rests on: one map for each view of a bone scan, in the image's own pixels.

    lesion evidence   the reader's own lesion map: how probable a lesion of this kind is, pixel by pixel
    occlusion         by how much the log-odds of the answer fall when a spot is covered :cite:`zeiler2014`
    gradient          Grad-CAM at the features that the diagnosis is pooled from :cite:`selvaraju2017`

Occlusion covers each spot that stands out (``covering``) with what lies around it, and asks again:

    D_i = z(x) − z(x without spot i),   z = logit of the answer / temperature

D > 0: the spot speaks for the answer. The scale of x stays that of the whole scan, and a spot is covered in both views.
Grad-CAM is, with the features A_k,

    G = max(0, Σ_k α_k A_k),   α_k = Σ_pixels ∂z/∂A_k

Where z is linear in the mean of the features, the mean of what stands in the maximum is z: G is what z would gain if
everything looked like this pixel. (The paper has the mean slope as α_k, a constant factor less.) The features mix both
views, so **it is one map for both**, shown in each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy.special import expit
from torch import nn
from torch.nn import functional

from photopeak.classify.covering import Spots, covered, spots_of
from photopeak.classify.lesions import EIGHT, region_at
from photopeak.classify.reader import QUESTIONS, SHIPPED, Model, load_model, read_scans, seen
from photopeak.classify.views import VIEWS, whole_body
from photopeak.core import Entry, Image, Kind, Measurement, PhotopeakError, Study
from photopeak.core.vocabulary import declare
from photopeak.networks.reader import Reader, overlaid

Question = Literal["metastasis", "arthritis"]
Method = Literal["lesion evidence", "occlusion", "gradient"]
METHODS: Final = get_args(Method)
UNITS: Final = {"lesion evidence": "1", "occlusion": "{log-odds}", "gradient": "{log-odds}"}
FULL: Final = {"lesion evidence": 1.0, "occlusion": 4.0, "gradient": 4.0}
"""Where the colours of a map end: fixed, so that a scan with nothing to show shows nothing."""
LEAST: Final = {"occlusion": 0.5, "gradient": 1.0}
"""From where on a place is worth a line; of lesion evidence, what the reader would list as a lesion."""
TOGETHER: Final = 8

Both = Float[np.ndarray, "2 row column"]

declare("reader/explanation", Kind("image"), "what the reader's answer rests on, by the method its history names")
declare("reader/places", Kind("table"), "where that is strongest, by region")


@dataclass(frozen=True)
class Place:
    """One place that a map points at."""

    region: str
    """Of the view that shows it best: what lies behind each other has one name from the front, another from behind."""
    views: tuple[str, ...]
    value: float
    """In the map's unit, where it is strongest."""
    without: float | None = None
    """The answer's probability when this place is covered; only occlusion knows."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """One map for each view, on the grid of the counts, and its places, the strongest first."""

    question: str
    method: str
    probability: float
    image: Image
    places: tuple[Place, ...]


def explain(
    study: Study, question: str = "metastasis", method: str = "occlusion", bundle: str = SHIPPED
) -> Explanation:
    """What the reader's answer to a question rests on; a scan that the reader refuses is refused here too."""
    if question not in QUESTIONS or method not in METHODS:
        raise PhotopeakError(
            f"no explanation of {question!r} by {method!r}. Remedy: one of {', '.join(QUESTIONS)}, by one of "
            f"{', '.join(METHODS)}."
        )
    model, image = load_model(bundle), study["counts"]
    assert isinstance(image, Image)
    views = whole_body(study)
    (scan,) = read_scans(model, views.both[None], [study.patient.sex], [study.patient.age_years])
    if scan.refused:
        raise PhotopeakError(f"{study.patient.patient_id}: {scan.refused}")
    there = np.asarray(views.both.any(axis=(1, 2)))
    asked, q = Asked.of(model, there), QUESTIONS.index(question)
    x = overlaid(torch.from_numpy(views.both[None].astype(np.float32)))[0].numpy()
    z = float(asked.log_odds(x[None])[0, q])
    if method == "occlusion":
        spots = spots_of(x)
        drops = occlusion(asked, x, spots)[:, q]
        maps, places = as_imaged(painted(spots, drops)), spot_places(spots, drops, z, scan.regions, model.regions)
    else:
        maps = scan.maps[:, q] if method == "lesion evidence" else as_imaged(gradient(asked, x, q))
        least = LEAST.get(method, model.lesion)
        places = map_places(maps * there[:, None, None], least, scan.regions, model.regions)
    values = views.to_image((maps * there[:, None, None]).astype(np.float32))
    return Explanation(question, method, float(expit(z)), Image(values, image.grid, UNITS[method]), places)


@dataclass(frozen=True, eq=False)
class Asked:
    """A reader's network, and the temperatures that the logits of both questions are divided by."""

    network: Reader
    temperature: tuple[float, float] = (1.0, 1.0)

    @staticmethod
    def of(model: Model, there: Bool[np.ndarray, " 2"]) -> Asked:
        """With the temperatures of the views that are there."""
        return Asked(model.network, model.doubt[seen(there)].temperature)

    def log_odds(self, x: Float[np.ndarray, "n 2 row column"]) -> Float[np.ndarray, "n 2"]:
        """Of each answer, for n scans as the network sees them; in single precision, as differences matter."""
        with torch.inference_mode():
            parts = [self.z(torch.from_numpy(x[i : i + TOGETHER])).numpy() for i in range(0, len(x), TOGETHER)]
        return np.concatenate(parts).astype(np.float64)

    def z(self, x: Float[torch.Tensor, "n 2 row column"]) -> Float[torch.Tensor, "n 2"]:
        """The same as tensors, with their gradient."""
        return self.network.of_standardised(x).diagnoses.float() / torch.tensor(self.temperature)


def occlusion(asked: Asked, x: Both, spots: Spots) -> Float[np.ndarray, "spot 2"]:
    """D of each spot, for both questions."""
    z = asked.log_odds(np.stack([x.astype(np.float32), *(covered(x, spots, m) for m in spots.masks())]))
    drops: Float[np.ndarray, "spot 2"] = z[0] - z[1:]
    return drops


def painted(spots: Spots, drops: Float[np.ndarray, " spot"]) -> Both:
    """A map of the spots' values, in each view where it shows them."""
    out: Both = np.concatenate(([0.0], drops))[spots.number] * spots.shown
    return out


def gradient(asked: Asked, x: Both, question: int) -> Both:
    """Grad-CAM at the finest features that the diagnosis is pooled from, in log-odds."""
    layer = asked.network.join[-2]
    cam = grad_cam(layer, lambda: asked.z(torch.from_numpy(x[None].astype(np.float32)))[0, question])
    large = functional.interpolate(cam[None, None], size=x.shape[1:], mode="bilinear", align_corners=False)[0, 0]
    return np.repeat(large.numpy().astype(np.float64)[None], 2, 0)


def grad_cam(layer: nn.Module, score: Callable[[], torch.Tensor]) -> Float[torch.Tensor, "y x"]:
    """G at the output of a layer, for a function that runs the network on one image and gives the score."""
    kept: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _given, out: kept.append(out))
    try:
        with torch.enable_grad():
            number = score()
            (slope,) = torch.autograd.grad(number, kept[-1])
    finally:
        hook.remove()
    alpha = slope[0].sum((-2, -1))
    return functional.relu((alpha[:, None, None] * kept[-1][0]).sum(0)).detach()


def spatial_attention(attention: nn.Module, run: Callable[[], object]) -> Float[torch.Tensor, "b y x"]:
    """f_S of a module with spatial attention (``networks.added.Attention`` :cite:`woo2018`), while its network runs.

    On the features' own pixels: strides and wide paddings leave no simple way back to those of the image.
    """
    spatial = getattr(attention, "spatial", None)
    if not isinstance(spatial, nn.Module):
        raise PhotopeakError(
            f"a {type(attention).__name__} has no spatial attention. Remedy: name a module of networks.added.Attention."
        )
    kept: list[torch.Tensor] = []
    hook = spatial.register_forward_hook(lambda _layer, _given, out: kept.append(out))
    try:
        with torch.inference_mode():
            run()
    finally:
        hook.remove()
    return torch.sigmoid(kept[-1][:, 0].float())


def as_imaged(maps: Both) -> Both:
    """From the network's sight to the image's: the posterior view mirrored back."""
    return np.stack((maps[0], maps[1, :, ::-1]))


def spot_places(
    spots: Spots,
    drops: Float[np.ndarray, " spot"],
    z: float,
    regions: UInt8[np.ndarray, "2 row column"],
    names: tuple[str, ...],
) -> tuple[Place, ...]:
    """The spots whose covering changes the answer, the greatest change first."""
    found = []
    for mask, drop in zip(spots.masks(), drops, strict=True):
        if abs(drop) < LEAST["occlusion"]:
            continue
        here = as_imaged((mask & spots.shown).astype(np.float64)) > 0
        views = [v for v in (0, 1) if here[v].any()]
        clearest = max(views, key=lambda v: float(spots.excess[v][mask].max()))
        site = region_at(here[clearest], regions[clearest], names)
        found.append(Place(site, tuple(VIEWS[v] for v in views), float(drop), float(expit(z - drop))))
    return tuple(sorted(found, key=lambda p: -abs(p.value)))


def map_places(
    maps: Both, least: float, regions: UInt8[np.ndarray, "2 row column"], names: tuple[str, ...]
) -> tuple[Place, ...]:
    """The connected pieces of a map above ``least``, the strongest first."""
    from scipy import ndimage

    found = []
    for v, view in enumerate(VIEWS):
        number, n = ndimage.label(maps[v] > least, EIGHT)
        for i in range(1, n + 1):
            mask = number == i
            found.append(Place(region_at(mask, regions[v], names), (view,), float(maps[v][mask].max())))
    return tuple(sorted(found, key=lambda p: -p.value))


@dataclass(frozen=True)
class ExplainBoneScan:
    """What the bone-scan reader's answer rests on: occlusion :cite:`zeiler2014`, Grad-CAM :cite:`selvaraju2017`, or the
    reader's own lesion map."""

    question: Question = field(default="metastasis", metadata={"help": "Which answer."})
    method: Method = field(default="occlusion", metadata={"help": "How."})
    bundle: str = field(default=SHIPPED, metadata={"help": "Weights: a name or a folder."})
    needs: ClassVar[Mapping[str, Kind]] = {"counts": Kind("image", "{counts}")}
    gives: ClassVar[Mapping[str, Kind]] = {"reader/explanation": Kind("image"), "reader/places": Kind("table")}

    def __call__(self, study: Study) -> dict[str, Entry]:
        done = explain(study, self.question, self.method, self.bundle)
        rows = tuple(
            Measurement(p.value, done.image.unit, region=p.region or "unnamed site", flags=p.views) for p in done.places
        )
        return {"reader/explanation": done.image, "reader/places": rows}
