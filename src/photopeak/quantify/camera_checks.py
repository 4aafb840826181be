"""Quality control on files: which images a test takes, and its report as PDF and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Num

from photopeak.core import Image, Measurement, PhotopeakError, Study
from photopeak.core.writing import whole_file
from photopeak.physics.nuclides import nuclide
from photopeak.quantify.camera_quality import Checked, centre_of_rotation, sensitivity
from photopeak.quantify.jaszczak_phantom import jaszczak
from photopeak.quantify.nema_phantom import image_quality

COLUMN: Final = 12
"""Figures on a page; more stand in two columns."""


def in_words(m: Measurement) -> str:
    """Value, spread and unit.

    >>> in_words(Measurement(12.3456, "%", 0.5)), in_words(Measurement(2.0, "1"))
    ('12.35 ± 0.5 %', '2')
    """
    spread = f" ± {m.sd:.2g}" if m.sd is not None else ""
    unit = m.unit.replace("{", "").replace("}", "")
    return f"{m.value:.4g}{spread}" + ("" if unit == "1" else f" {unit}")


@dataclass(frozen=True, eq=False)
class Check:
    """One test of one detector."""

    test: str
    name: str
    study: Study
    checked: Checked

    def write(self, folder: Path) -> list[Path]:
        """``<test>-<detector>.pdf`` and ``.json``."""
        stem = folder / f"{self.test}-{self.name}".replace(" ", "-").replace("/", "-")
        with whole_file(stem.with_suffix(".json")) as part:
            part.write_text(json.dumps(self._record(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with whole_file(stem.with_suffix(".pdf")) as part:
            self._draw(part)
        return [stem.with_suffix(".pdf"), stem.with_suffix(".json")]

    def _record(self) -> dict[str, object]:
        a = self.study.acquisition
        return {
            "schema": "qc/1",
            "test": self.test,
            "detector": self.name,
            "camera": " ".join(filter(None, (a.manufacturer, a.model))),
            "started_at": None if a.started_at is None else a.started_at.isoformat(),
            "figures": {name: asdict(m) for name, m in self.checked.figures.items()},
            "notes": list(self.checked.notes),
        }

    def _draw(self, path: Path) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        a, shown = self.study.acquisition, np.asarray(self.checked.shown, float)
        page = Figure(figsize=(8.27, 11.69), layout=ConstrainedLayoutEngine(w_pad=0.7, h_pad=0.7))
        FigureCanvasAgg(page)
        above, below = page.subplots(2, 1, height_ratios=(1.0, 2.2))
        above.axis("off")
        camera = " ".join(filter(None, (a.manufacturer, a.model))) or "camera not named"
        when = "" if a.started_at is None else f", {a.started_at:%Y-%m-%d %H:%M}"
        above.text(0.0, 1.0, f"Quality control: {self.test}", fontsize=15, va="top")
        figures = [f"{name}: {in_words(m)}" for name, m in self.checked.figures.items()]
        half = len(figures) if len(figures) <= COLUMN else -(-len(figures) // 2)
        left = [f"{camera}, {self.name}{when}", "", *figures[:half], "", *self.checked.notes]
        above.text(0.0, 0.86, "\n".join(left), fontsize=10, va="top", wrap=True, linespacing=1.5)
        above.text(0.55, 0.86, "\n".join(["", "", *figures[half:]]), fontsize=10, va="top", linespacing=1.5)
        signed = shown.min() < 0
        top = float(np.abs(shown).max()) or 1.0
        drawn = below.imshow(
            shown, cmap="RdBu_r" if signed else "gray_r", vmin=-top if signed else 0.0, vmax=top, aspect="equal"
        )
        below.set_xticks([]), below.set_yticks([])
        if shown.shape[0] < 0.5 * shown.shape[1] or shown.shape[1] < 0.5 * shown.shape[0]:
            below.set_aspect("auto")
        page.colorbar(drawn, ax=below, shrink=0.6, label=self.checked.caption)
        page.savefig(path, format="pdf", metadata={"CreationDate": None})


def planar_checks(
    test: str, check: Callable[[np.ndarray, float], Checked], path: Path, assume: Sequence[str]
) -> Iterator[Check]:
    """One check for each view of every static image."""
    for study, image in _images(path, assume, ("STATIC", "WHOLE BODY")):
        pixel = _pixel(image)
        views = image.values.reshape(-1, *image.grid.shape[-2:])
        labels = image.grid.labels("view") * (len(views) // max(1, image.grid.axis("view").size))
        for k, (label, values) in enumerate(zip(labels, views, strict=True), 1):
            name = f"detector {k}" + ("" if label == "unknown" else f", {label}")
            yield Check(test, name, study, check(np.asarray(values), pixel))


def rotation_checks(path: Path, assume: Sequence[str]) -> Iterator[Check]:
    """One check for each detector of every tomographic acquisition."""
    for study, image in _images(path, assume, ("TOMO",)):
        axis = image.grid.axis("angle")
        if len(axis.values) != axis.size:
            raise PhotopeakError("RotationInformationSequence (0054,0052): the angles are not stated.")
        values = image.values.reshape(-1, axis.size, *image.grid.shape[-2:])[0]
        labels = np.array(axis.labels or ("detector 1",) * axis.size)
        for name in dict.fromkeys(labels.tolist()):
            mine = labels == name
            yield Check(
                "centre of rotation", name, study,
                centre_of_rotation(np.asarray(values[mine]), np.array(axis.values)[mine], _pixel(image)),
            )  # fmt: skip


def sensitivity_checks(path: Path, assume: Sequence[str]) -> Iterator[Check]:
    """One check for each view of every static image with a known activity."""
    for study, image in _images(path, assume, ("STATIC",)):
        a = study.acquisition
        tracer = a.radiopharmaceuticals[0] if a.radiopharmaceuticals else None
        if tracer is None or tracer.activity_mbq is None or not tracer.nuclide:
            raise PhotopeakError(
                "RadiopharmaceuticalInformationSequence (0054,0016): nuclide or activity is missing. "
                "Remedy: --assume nuclide=Tc-99m --assume activity_mbq=40."
            )
        if a.duration_s is None:
            raise PhotopeakError(
                "ActualFrameDuration (0018,1242) is missing. Remedy: --assume duration_s=300 if you know it."
            )
        half_life = tracer.half_life_s or nuclide(tracer.nuclide).half_life_s
        waited = 0.0
        if tracer.administered_at is not None and a.started_at is not None:
            waited = (a.started_at - tracer.administered_at).total_seconds()
        rate = np.log(2.0) / half_life
        left = float(np.exp(-rate * waited) * -np.expm1(-rate * a.duration_s) / (rate * a.duration_s))
        views = image.values.reshape(-1, *image.grid.shape[-2:])
        for k, values in enumerate(views, 1):
            checked = sensitivity(np.asarray(values), a.duration_s, tracer.activity_mbq, left)
            yield Check("sensitivity", f"detector {k}", study, checked)


def image_quality_checks(path: Path, ratio: float, cold_mm: Sequence[float], assume: Sequence[str]) -> Iterator[Check]:
    """One check for each volume of a phantom with six spheres."""
    yield from _volume_checks("image quality", path, assume, lambda v, mm: image_quality(v, mm, ratio, cold_mm))


def jaszczak_checks(path: Path, model: str, assume: Sequence[str]) -> Iterator[Check]:
    """One check for each volume of the Jaszczak phantom."""
    yield from _volume_checks("jaszczak phantom", path, assume, lambda v, mm: jaszczak(v, mm, model))


def _volume_checks(
    test: str,
    path: Path,
    assume: Sequence[str],
    check: Callable[[Num[np.ndarray, "z y x"], tuple[float, float, float]], Checked],
) -> Iterator[Check]:
    from photopeak.dicom import parse_assumptions, read

    for study in read(path, assume=parse_assumptions(tuple(assume))):
        volumes = [(n, e) for n, e in study.items() if isinstance(e, Image) and _is_volume(e) and n != "ct"]
        if not volumes:
            raise PhotopeakError(f"{path}: no reconstructed volume. Remedy: give PET or RECON TOMO images.")
        for name, image in volumes:
            spacing = image.grid.spacing_mm
            edges = (spacing["z"], spacing["y"], spacing["x"])
            yield Check(test, name, study, check(np.asarray(image.values), edges))


def _is_volume(image: Image) -> bool:
    return tuple(axis.name for axis in image.grid.axes) == ("z", "y", "x")


def _images(path: Path, assume: Sequence[str], kinds: tuple[str, ...]) -> Iterator[tuple[Study, Image]]:
    from photopeak.dicom import parse_assumptions, read

    for study in read(path, assume=parse_assumptions(tuple(assume))):
        image = study.get("counts")
        if study.acquisition.kind not in kinds or not isinstance(image, Image):
            raise PhotopeakError(
                f"{path}: this test takes {' or '.join(kinds)} images, not "
                f"{study.acquisition.kind or study.acquisition.modality}. Remedy: give the image of the test."
            )
        yield study, image


def _pixel(image: Image) -> float:
    spacing = image.grid.spacing_mm
    if abs(spacing["x"] / spacing["y"] - 1.0) > 0.01:
        raise PhotopeakError(f"PixelSpacing (0028,0030): pixels of {spacing} are not square.")
    return spacing["x"]
