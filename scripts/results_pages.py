"""Tables of the docs, written from ``results`` when the docs are built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from photopeak.patients.anatomy import EDITION

ROOT = Path(__file__).resolve().parents[1]
WHOLE_BODY = ("bone-scan", "bone-spect", "lu177")
SHOWN = {"value", "low", "high", "unit", "n"}


def write(folder: Path) -> list[Path]:
    """One Markdown fragment a result, to be included by a page."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    results = ROOT / "results"
    for path in sorted([*results.glob("*/*.json")]):
        name = path.stem if path.parent.name == "bench" else f"{path.parent.name}-{path.stem}"
        page = folder / f"{name}.md"
        result = json.loads(path.read_text(encoding="utf-8"))
        page.write_text((wide if name in WIDE else table)(result), encoding="utf-8")
        written.append(page)
    return written


#: results of several ways with the same figures, named "figure: way": a row a way, and these figures as columns
WIDE = {
    "older-quick": ("accuracy", "auc", "auc_M", "sensitivity_N", "sensitivity_M", "sensitivity_A"),
    "A10-quick": ("accuracy", "auc", "auc_N", "auc_M", "auc_A"),
    "A11-quick": (
        "mean precision, chest", "sensitivity, 1 false a crop, chest", "mean precision, pelvis",
        "sensitivity, 1 false a crop, pelvis",
    ),
    "A12-quick": ("accuracy", "auc", "sensitivity_N", "sensitivity_M"),
    "A14-quick": ("accuracy", "auc", "sensitivity_N", "sensitivity_M"),
    "A15-quick": ("accuracy", "auc", "auc_N", "auc_M", "auc_A"),
    "A18-quick": ("accuracy", "auc"),
    "A16-quick": ("accuracy", "auc_M", "sensitivity_N", "sensitivity_M"),
    "A17-quick": (),
    "R2-quick": ("macro_auc", "loss", "forest loss", "coverage metastasis", "coverage arthritis", "wrong", "refused"),
    "S1-quick": ("field", "vertebrae", "lesions", "noise", "distance"),
    "S3-quick": ("resolution", "contrast 37 mm", "contrast 22 mm", "contrast 13 mm", "contrast cold", "bias"),
}  # fmt: skip


def wide(result: dict[str, Any]) -> str:
    """A row a way and a column a figure; what has another form follows as a usual table."""
    figures = result["figures"]
    parts = {name: tuple(name.split(": ", 1)) for name in figures if ": " in name}
    columns = WIDE[f"{result['id']}-{result['preset']}"] or tuple(dict.fromkeys(w for _, w in parts.values()))
    turned = not WIDE[f"{result['id']}-{result['preset']}"]  # few ways and many figures: a row a figure
    rows = list(dict.fromkeys((f if turned else w) for f, w in parts.values()))
    lines = [
        f"| | {' | '.join(columns if turned else (c.replace('_', ' ') for c in columns))} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for row in rows:
        cells = [figures.get(f"{row}: {c}" if turned else f"{c}: {row}") for c in columns]
        lines.append(f"| {row} | {' | '.join('–' if f is None else _cell(f) for f in cells)} |")
    rest = {name: f for name, f in figures.items() if name not in parts}
    return "\n".join(lines) + "\n\n" + (table({**result, "figures": rest}) if rest else _made(result))


def _cell(f: dict[str, Any]) -> str:
    of = f", {f['n']} of {f['patients']}" if "patients" in f else ""  # images of patients
    return f"{f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f}{of})"


def table(result: dict[str, Any]) -> str:
    """A result as a table: each figure with its spread, and whatever stands beside it."""
    lines = ["| figure | median | spread | unit | n | beside it |", "|---|---|---|---|---|---|"]
    for name, f in result["figures"].items():
        beside = "; ".join(f"{k} {_text(v)}" for k, v in f.items() if k not in SHOWN)
        spread = f"{f['low']:.4g} to {f['high']:.4g}" if f["n"] > 1 else ""
        lines.append(f"| {name.replace('_', ' ')} | {f['value']:.4g} | {spread} | {f['unit']} | {f['n']} | {beside} |")
    return "\n".join([*lines, "", _made(result)])


def _made(result: dict[str, Any]) -> str:
    made = f"Made by `{result['command']}` at commit `{result['commit'][:10]}` on {_machine(result['hardware'])}."
    cohort = result.get("cohort")
    whole_body = isinstance(cohort, dict) and cohort.get("protocol") in WHOLE_BODY
    if whole_body and result.get("anatomy", 1) < EDITION:
        made += f" Its patients had anatomy {result.get('anatomy', 1)}; the clinic's have {EDITION} now."
    return made + "\n"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(str(v) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _machine(hardware: dict[str, Any]) -> str:
    return f"{hardware['cores']} cores, {hardware.get('processor') or hardware['system']}"


if __name__ == "__main__":
    for page in write(ROOT / "docs" / "_results"):
        print(page)
