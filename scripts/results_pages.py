"""Tables of the docs, written from ``results`` when the docs are built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHOWN = {"value", "low", "high", "unit", "n"}


def write(folder: Path) -> list[Path]:
    """One Markdown fragment a result, to be included by a page."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    results = ROOT / "results"
    for path in sorted([*results.glob("*/*.json")]):
        name = path.stem if path.parent.name == "bench" else f"{path.parent.name}-{path.stem}"
        page = folder / f"{name}.md"
        page.write_text(table(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
        written.append(page)
    return written


def table(result: dict[str, Any]) -> str:
    """A result as a table: each figure with its spread, and whatever stands beside it."""
    lines = ["| figure | median | spread | unit | n | beside it |", "|---|---|---|---|---|---|"]
    for name, f in result["figures"].items():
        beside = "; ".join(f"{k} {_text(v)}" for k, v in f.items() if k not in SHOWN)
        spread = f"{f['low']:.4g} to {f['high']:.4g}" if f["n"] > 1 else ""
        lines.append(f"| {name.replace('_', ' ')} | {f['value']:.4g} | {spread} | {f['unit']} | {f['n']} | {beside} |")
    made = f"Made by `{result['command']}` at commit `{result['commit'][:10]}` on {_machine(result['hardware'])}."
    return "\n".join([*lines, "", made, ""])


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(str(v) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _machine(hardware: dict[str, Any]) -> str:
    return f"{hardware['cores']} cores, {hardware.get('processor') or hardware['system']}"


if __name__ == "__main__":
    for page in write(ROOT / "docs" / "_results"):
        print(page)
