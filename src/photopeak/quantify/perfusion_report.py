"""One perfusion study read: the ventricle found, mapped and scored, at stress and at rest, as picture and document."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from photopeak.core import Image, PhotopeakError, Study
from photopeak.core.writing import whole_file
from photopeak.patients.ventricle import SEGMENTS, Shell
from photopeak.quantify.perfusion_picture import Shown, save_picture
from photopeak.quantify.perfusion_scores import Scored, difference, key_of, load_limits, misfit, scored, shipped
from photopeak.quantify.polar_map import Polar, of_segments, percent_of_greatest, polar_map, reoriented
from photopeak.quantify.ventricle_fit import fitted, given

Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Examined:
    """One state of one patient."""

    name: str
    study: Study
    image: Image
    shell: Shell
    polar: Polar
    scored: Scored | None
    compared: str  # with which limits; where with none, why

    @property
    def shown(self) -> Shown:
        length, scores = self.shell.length_mm + self.shell.base_mm, None if self.scored is None else self.scored.scores
        return Shown(self.name, reoriented(self.image, self.shell), self.polar, length, scores)

    def told(self) -> dict[str, Any]:
        s = self.scored
        rows: list[dict[str, Any]] = [
            {"segment": k, "name": SEGMENTS[k - 1], "percent_of_greatest": round(float(v), 1)}
            for k, v in enumerate(of_segments(percent_of_greatest(self.polar)), 1)
        ]
        told: dict[str, Any] = {"limits": None, "ventricle": dataclasses.asdict(self.shell), "segments": rows}
        if s is None:
            return told
        told["limits"] = self.compared
        for row, percent, score in zip(rows, s.percent, s.scores, strict=True):
            row |= {"percent_of_normal": round(float(percent), 1), "score": int(score)}
        figures = {"extent_percent": round(s.extent_percent, 2), "deficit_percent": round(s.deficit_percent, 2)}
        return {"summed_score": s.summed, **figures, **told}

    def lines(self) -> Iterator[str]:
        """What is worth telling."""
        s = self.scored
        if s is None:
            raw = of_segments(percent_of_greatest(self.polar))
            lowest = ", ".join(f"{SEGMENTS[k]} {raw[k]:.0f} %" for k in np.argsort(raw)[:3])
            yield f"{self.name}: lowest, of the greatest: {lowest}"
            return
        low = [f"{SEGMENTS[k]} {s.percent[k]:.0f} % ({s.scores[k]})" for k in np.flatnonzero(s.scores)]
        yield f"{self.name}: {', '.join(low) or 'no segment below the limits'}"
        yield f"  extent {s.extent_percent:.1f} %, deficit {s.deficit_percent:.1f} % of the wall"


def examined(
    name: str, path: Path, apex: Point | None, base: Point | None, limits: str, assume: tuple[str, ...]
) -> Examined:
    """Read a reconstructed image, find its ventricle, map and score it.

    ``limits`` are a file, ``none``, or ``shipped``: those are taken only for images that are made as theirs were.
    """
    from photopeak.dicom import parse_assumptions, read

    study, image = _only(path, read(path, assume=parse_assumptions(assume)))
    if (apex is None) != (base is None):
        raise PhotopeakError("an axis has two ends. Remedy: give --apex and --base together.")
    shell = fitted(image) if apex is None or base is None else given(image, apex, base)
    polar, file = polar_map(image, shell), shipped() if limits == "shipped" else Path(limits)
    why = "--limits none" if limits == "none" else misfit(study, file) if limits == "shipped" else ""
    if why:
        return Examined(name, study, image, shell, polar, None, why)
    key = key_of(study)
    of = load_limits(key, file)
    compared = f"{'shipped' if limits == 'shipped' else file.name}: {key}, {of.patients} normal patients"
    return Examined(name, study, image, shell, polar, scored(polar, of), compared)


def _only(path: Path, found: Sequence[Study]) -> tuple[Study, Image]:
    held = [(s, e) for s in found for e in s.values() if isinstance(e, Image) and e.grid.names[-3:] == ("z", "y", "x")]
    held = [(s, e) for s, e in held if s.acquisition.modality == "NM"]
    if len(held) != 1:
        raise PhotopeakError(
            f"{path} holds {len(held)} reconstructed images. Remedy: give one RECON TOMO file, as photopeak recon "
            "writes it."
        )
    return held[0]


def perfusion_report(states: Sequence[Examined], out: Path) -> Iterator[str]:
    """Write picture and document; yields what is worth telling."""
    stress, rest = states[0], states[1] if len(states) > 1 else None
    if rest is not None and stress.study.patient.patient_id != rest.study.patient.patient_id:
        raise PhotopeakError(
            f"PatientID (0010,0020): stress is of {stress.study.patient.patient_id!r}, rest of "
            f"{rest.study.patient.patient_id!r}. Remedy: give two images of one patient."
        )
    out.mkdir(parents=True, exist_ok=True)
    lost: Int[np.ndarray, " 17"] | None = None
    figures: dict[str, int] = {}
    if stress.scored is not None:
        figures["SSS"] = stress.scored.summed
        if rest is not None and rest.scored is not None:
            lost = difference(stress.scored, rest.scored)
            figures |= {"SRS": rest.scored.summed, "SDS": int(lost.sum())}
    document = {"patient_id": stress.study.patient.patient_id, **figures, **{s.name: s.told() for s in states}}
    for one in states:
        yield from one.lines()
    words = ", ".join(f"{name} {value}" for name, value in figures.items()) or "no scores"
    yield f"{words} ({stress.compared})"
    title = f"{document['patient_id']}   {words}   (research software, not a medical device)"
    yield f"wrote {save_picture([s.shown for s in states], lost, title, out / 'polar-map.png')}"
    with whole_file(out / "polar-map.json") as part:
        part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    yield f"wrote {out / 'polar-map.json'}"
