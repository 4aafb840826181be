"""A Study in a few lines that a person understands."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from photopeak.core import Grid, Image, Radiopharmaceutical, Study


def summary(study: Study) -> str:
    """What was imaged, of whom, with what, and how the image is laid out."""
    return "\n".join(f"{label:<12}{text}" for label, text in _lines(study) if text)


def _lines(study: Study) -> Iterator[tuple[str, str]]:
    a, p = study.acquisition, study.patient
    yield "study", " ".join(filter(None, (a.modality, a.kind, a.description and f"“{a.description}”")))
    issuer = f" (issued by {p.issuer})" if p.issuer else ""
    yield "patient", ", ".join(filter(None, (p.patient_id and p.patient_id + issuer, p.name, p.sex, _body(study))))
    yield "camera", " ".join(filter(None, (a.manufacturer, a.model)))
    yield "started", a.started_at.isoformat(" ", "seconds") if a.started_at else "not stated"
    yield "duration", f"{a.duration_s:.6g} s" if a.duration_s else ""
    for tracer in a.radiopharmaceuticals:
        yield "tracer", tracer_text(tracer)
    for window in a.energy_windows:
        ranges = " + ".join(f"{low:g}–{high:g}" for low, high in window.ranges_kev)
        yield "window", f"{window.name} {ranges} keV".strip()
    if a.decay_correction:
        reference = f" ({a.decay_reference.isoformat(' ', 'seconds')})" if a.decay_reference else ""
        yield (
            "decay",
            f"corrected to {a.decay_correction}{reference}" if a.decay_correction != "NONE" else "not corrected",
        )
    yield "position", a.position
    for name, entry in study.items():
        if isinstance(entry, Image):
            yield name, image_text(entry)
    for key, value in a.assumed.items():
        yield "assumed", f"{key}={value}"
    for record in study.history:
        yield "done", f"{record.step} {record.version}".strip()


def _body(study: Study) -> str:
    p = study.patient
    parts = (
        f"{p.age_years:g} years" if p.age_years is not None else "",
        f"{p.height_m:g} m" if p.height_m else "",
        f"{p.weight_kg:g} kg" if p.weight_kg else "",
    )
    return ", ".join(filter(None, parts))


def tracer_text(tracer: Radiopharmaceutical) -> str:
    """As in "MDP, Tc-99m, 740 MBq at 2024-05-31 09:30:00"."""
    activity = f"{tracer.activity_mbq:.4g} MBq" if tracer.activity_mbq else "activity not stated"
    given = f" at {tracer.administered_at.isoformat(' ', 'seconds')}" if tracer.administered_at else ""
    return ", ".join(filter(None, (tracer.name, tracer.nuclide or "nuclide not stated", activity + given)))


def image_text(image: Image) -> str:
    """Axes, spacing, range and total."""
    values = image.values
    total = f", sum {float(np.sum(values, dtype=np.float64)):.6g}" if image.unit == "{counts}" else ""
    spread = f"{float(values.min()):.4g} to {float(values.max()):.4g} {image.unit}{total}"
    return f"{grid_text(image.grid)}; {spread}"


def grid_text(grid: Grid) -> str:
    """As in "2 view (anterior, posterior) × 1024 y × 256 x, 2.26 mm"."""
    axes = [f"{a.size} {a.name}" + (f" ({', '.join(a.labels)})" if a.labels else "") for a in grid.axes]
    spacing = [f"{v:.4g}" for v in grid.spacing_mm.values()]
    return " × ".join(axes) + f", {spacing[0] if len(set(spacing)) == 1 else ' × '.join(spacing)} mm"
