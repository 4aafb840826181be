"""From scans to readings: what is printed, kept as JSON, drawn, and sent to a PACS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, UInt8

from photopeak.classify.lesions import outline
from photopeak.classify.reader import QUESTIONS, Model, Scan, entries, read_scans
from photopeak.classify.views import VIEWS, Views, whole_body
from photopeak.core import Image, Mask, PhotopeakError, Study
from photopeak.core.reading import Finding, Judgement, Reading
from photopeak.core.writing import whole_file, whole_folder
from photopeak.dicom.reading import Examination

COLOURS: Final = {"metastasis": "#d55e00", "arthritis": "#0072b2"}


def readings(
    model: Model, studies: Sequence[Study], sources: Sequence[str]
) -> list[tuple[Reading, Scan | None, Views | None]]:
    """A reading of each study, in order; one that cannot be read has the reason instead."""
    views = [_views(study) for study in studies]
    good = [i for i, v in enumerate(views) if isinstance(v, Views)]
    out: list[tuple[Reading, Scan | None, Views | None]] = [
        (_refused(model, s, str(v), src), None, None) for s, v, src in zip(studies, views, sources, strict=True)
    ]
    if not good:
        return out
    counts = np.stack([views[i].both for i in good])  # type: ignore[union-attr]
    people = [studies[i].patient for i in good]
    scans = read_scans(model, counts, [p.sex for p in people], [p.age_years for p in people])
    for i, scan in zip(good, scans, strict=True):
        here = views[i]
        assert isinstance(here, Views)
        if scan.refused:
            out[i] = (_refused(model, studies[i], scan.refused, sources[i]), None, None)
        else:
            out[i] = (reading_of(model, studies[i], scan, here, sources[i]), scan, here)
    return out


def _views(study: Study) -> Views | str:
    try:
        return whole_body(study)
    except PhotopeakError as error:
        return str(error)


def _refused(model: Model, study: Study, why: str, source: str) -> Reading:
    a = study.acquisition
    return Reading(
        study.patient.patient_id, a.study_uid, a.series_uid, model.name, model.sha256, refused=why, sources=(source,)
    )


def reading_of(model: Model, study: Study, scan: Scan, views: Views, source: str) -> Reading:
    """What the network says, in the file's own pixels and words."""
    a = study.acquisition
    judgements = tuple(
        Judgement(q, p, answers) for q, p, answers in zip(QUESTIONS, scan.probabilities, scan.possible, strict=True)
    )
    return Reading(
        study.patient.patient_id,
        a.study_uid,
        a.series_uid,
        model.name,
        model.sha256,
        judgements=judgements,
        findings=_findings(study, scan, views),
        bsi_percent=scan.bsi_percent,
        flags=(*scan.flags, *views.notes),
        sources=(source,),
    )


def _findings(study: Study, scan: Scan, views: Views) -> tuple[Finding, ...]:
    image = study["counts"]
    assert isinstance(image, Image)
    labels = image.grid.axes[0].labels
    pixel_mm2 = abs(float(np.linalg.det(np.array(image.grid.affine_mm)[:2, :2])))
    found: list[Finding] = []
    for lesion in scan.lesions:
        both = np.zeros((2, *lesion.mask.shape), np.uint8)
        both[VIEWS.index(lesion.view)] = lesion.mask
        here = views.to_image(both)[labels.index(lesion.view)].astype(bool)
        if not here.any():
            continue
        top = int(np.asarray(image.values[labels.index(lesion.view)])[here].max())
        line = outline(here)
        edge = tuple(line[:: max(1, len(line) // 40)])
        area = float(here.sum()) * pixel_mm2
        found.append(
            Finding(len(found) + 1, lesion.kind, lesion.region, lesion.view, lesion.probability, area, top, edge)
        )
    return tuple(found)


def in_words(reading: Reading) -> str:
    """The reading as a person reads it."""
    who = reading.patient_id or "unnamed patient"
    if reading.refused:
        return f"{who}: not read. {reading.refused}"
    lines = [f"{who}: {_conclusion(reading)}"]
    for j in reading.judgements:
        doubt = "" if len(j.answers) == 1 else "   not sure: both answers are possible"
        lines.append(f"  {j.question:11s} {j.probability:5.0%}{doubt}")
    if reading.bsi_percent is not None:
        lines.append(f"  bone scan index {reading.bsi_percent:.2f} %")
    lines += [
        f"  {f.number:3d}  {f.kind:10s}  {f.site or 'unnamed site':16s}  {f.view:9s}  {f.probability:4.0%}  "
        f"{f.area_mm2 / 100:5.1f} cm²"
        for f in reading.findings
    ]
    lines += [f"  note: {flag}" for flag in reading.flags]
    return "\n".join(lines)


def _conclusion(reading: Reading) -> str:
    if not reading.sure:
        return "not sure"
    yes = [j.question for j in reading.judgements if j.answers == ("yes",)]
    return " and ".join(yes) if yes else "no sign of metastasis or arthritis"


def draw(study: Study, reading: Reading, path: Path) -> Path:
    """The views, dark on white, with the lesions' outlines and numbers."""
    from matplotlib.figure import Figure

    image = study["counts"]
    assert isinstance(image, Image)
    labels = image.grid.axes[0].labels
    figure = Figure(figsize=(3.4 * len(labels), 11.6), layout="constrained")
    for ax, label, plane in zip(np.ravel(figure.subplots(1, len(labels))), labels, image.values, strict=True):
        ax.imshow(
            grey(np.asarray(plane, np.float64)),
            cmap="gray",
            vmin=0,
            vmax=255,
            extent=(0, plane.shape[1], plane.shape[0], 0),
        )
        ax.set_title(label)
        ax.set_axis_off()
        for f in reading.findings:
            if f.view == label:
                x, y = np.array([*f.outline_px, f.outline_px[0]]).T
                ax.plot(x, y, color=COLOURS[f.kind], lw=1.0)
                ax.annotate(str(f.number), (x.max(), y.min()), color=COLOURS[f.kind], fontsize=7)
    figure.suptitle(in_words(reading).split("\n")[0], fontsize=10)
    with whole_file(path) as work:
        figure.savefig(work, dpi=100, format="png")
    return path


def write_reading(
    out: Path, examination: Examination, model: Model, reading: Reading, scan: Scan, views: Views
) -> Path:
    """One folder of ``out`` with the picture, the JSON, the DICOM SR and SEG; whole or not at all."""
    from photopeak.dicom.reading_frames import frames_of
    from photopeak.dicom.seg_writing import write_segmentation
    from photopeak.dicom.sr_writing import write_report

    study = examination.study
    assert study is not None
    frames, made = frames_of(study, examination.sources), entries(study, model, scan, views)
    folder = out / stem_of(examination)
    with whole_folder(folder) as work:
        (work / "reading.json").write_text(json.dumps(reading.to_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
        draw(study, reading, work / "reading.png")
        write_report(reading, frames, work / "report.dcm")
        for what in ("regions", "lesions"):
            mask = made[f"reader/{what}"]
            assert isinstance(mask, Mask)
            for view, plane in zip(mask.grid.labels("view"), mask.values, strict=True):
                if plane.any():
                    write_segmentation(reading, frames, mask, view, work / f"{what}-{view}.dcm")
    return folder


def stem_of(examination: Examination) -> str:
    """What files of an examination are called: the patient, and what tells it from the patient's others."""
    assert examination.study is not None
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in examination.study.patient.patient_id or "unnamed")
    return f"{name}-{hashlib.sha256(str(sorted(_instances(examination))).encode()).hexdigest()[:8]}"


def _instances(examination: Examination) -> list[str]:
    return [str(ds.SOPInstanceUID) for ds in examination.sources]


def grey(plane: Float[np.ndarray, "row column"]) -> UInt8[np.ndarray, "row column"]:
    """Inverted grey, cut at the 99.5th percentile of what is not empty."""
    lit = plane[plane > 0]
    top = float(np.percentile(lit, 99.5)) if lit.size else 1.0
    return (255 - 255 * np.clip(plane / max(top, 1e-9), 0, 1)).astype(np.uint8)
